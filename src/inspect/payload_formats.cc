#include "inspect/payload_formats.h"

#include "backends/coreml/payload.h"
#include "backends/ethosu/payload.h"
#include "backends/mps/payload.h"
#include "backends/qnn/payload.h"
#include "backends/vulkan/payload.h"

namespace pte::inspect {
namespace {

constexpr PayloadFormat kFormats[] = {
    {xnnpack::kBackendId, summarize_xnnpack, list_xnnpack, keys_of_xnnpack},
    {vulkan::kBackendId, summarize_vulkan, list_vulkan, keys_of_vulkan},
    {coreml::kBackendId, summarize_coreml, list_coreml, keys_of_coreml},
    {mps::kBackendId, summarize_mps, list_mps, keys_of_mps},
    {qnn::kBackendId, summarize_qnn, list_qnn, keys_of_qnn},
    {ethosu::kBackendId, summarize_ethosu, list_ethosu, keys_of_ethosu},
};

}  // namespace

const PayloadFormat* find_payload_format(const program::Delegate& delegate) {
  for (const PayloadFormat& format : kFormats) {
    if (format.id == delegate.id) return &format;
  }
  return nullptr;
}

std::optional<std::vector<std::string>> payload_keys(const program::Program& program,
                                                     const program::Delegate& delegate) {
  if (program.named_data.empty()) return std::vector<std::string>();
  const PayloadFormat* format = find_payload_format(delegate);
  if (format == nullptr) return std::nullopt;
  return format->keys(program, delegate);
}

}  // namespace pte::inspect
