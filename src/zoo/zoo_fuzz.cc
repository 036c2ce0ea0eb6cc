// Any JSON as what a checkpoint says about itself and which weights it holds:
//   {"config": {"yaml": {…}}, "weights": {"model.0.conv.weight": [8, 3, 3, 3], …}}
// Recognising and rebuilding must end in a verified graph or in an error with a message.
#include <nlohmann/json.hpp>

#include "base/checked.h"
#include "zoo/zoo.h"

namespace {

constexpr size_t kMaxWeights = 2000;
constexpr uint64_t kMaxBytes = uint64_t{8} << 20;

pte::StateDict weights_of(const nlohmann::json& listed) {
  pte::StateDict state;
  uint64_t total = 0;
  if (!listed.is_object()) return state;
  for (const auto& [name, shape] : listed.items()) {
    if (state.size() >= kMaxWeights || !shape.is_array() || shape.size() > 8) break;
    pte::Sizes sizes;
    for (const nlohmann::json& size : shape) {
      sizes.push_back(size.is_number_integer() ? std::max<int64_t>(size.get<int64_t>(), 0) : 1);
    }
    const auto bytes = pte::byte_count(pte::DType::kFloat32, sizes);
    if (!bytes || *bytes > kMaxBytes - total) continue;
    total += *bytes;
    auto tensor = pte::Tensor::zeros(pte::DType::kFloat32, sizes);
    if (tensor) state.set(name, std::move(*tensor));
  }
  return state;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto json = nlohmann::json::parse(data, data + size, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return 0;
  const pte::StateDict state = weights_of(json.value("weights", nlohmann::json::object()));
  const nlohmann::json config = json.value("config", nlohmann::json::object());
  const pte::zoo::Source source(state, config);
  const auto architecture = pte::zoo::recognise(source);
  if (!architecture) {
    if (architecture.error().message.empty()) __builtin_trap();
    return 0;
  }
  const auto module = pte::zoo::build(**architecture, source);
  if (!module && module.error().message.empty()) __builtin_trap();
  return 0;
}
