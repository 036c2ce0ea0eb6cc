// Any bytes as a payload: decoded, encoded again, lifted. Named data of every key is the tail of
// the input, so that constants resolve.
#include <algorithm>

#include "backends/xnnpack/lift.h"
#include "ir/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace xnnpack = pte::xnnpack;
  const pte::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const size_t tail = std::min<size_t>(size, 4096);
  const pte::Tensor named = pte::Tensor::view(pte::DType::kUInt8, {static_cast<int64_t>(tail)}, {1},
                                              bytes.data() + (size - tail), nullptr);
  const auto graph = xnnpack::decode(
      bytes, nullptr, [&](std::string_view) -> pte::Result<pte::Tensor> { return named; });
  if (!graph) return 0;

  const auto again = xnnpack::encode(*graph);
  if (!again) __builtin_trap();
  const auto decoded =
      xnnpack::decode(again->bytes, nullptr, [&](std::string_view key) -> pte::Result<pte::Tensor> {
        const auto it = again->named_data.find(key);
        if (it == again->named_data.end()) __builtin_trap();
        return it->second;
      });
  if (!decoded || decoded->nodes.size() != graph->nodes.size()) __builtin_trap();

  const auto lifted = xnnpack::lift(*graph);
  if (lifted && !pte::ir::verify(lifted->module)) __builtin_trap();
  return 0;
}
