#include "inspect/payload_formats.h"

namespace pte::inspect {
namespace {

constexpr PayloadFormat kFormats[] = {
    {xnnpack::kBackendId, summarize_xnnpack, list_xnnpack},
};

}  // namespace

const PayloadFormat* find_payload_format(const program::Delegate& delegate) {
  for (const PayloadFormat& format : kFormats) {
    if (format.id == delegate.id) return &format;
  }
  return nullptr;
}

}  // namespace pte::inspect
