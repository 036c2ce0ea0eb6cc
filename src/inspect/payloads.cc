#include "inspect/payloads.h"

#include "inspect/payload_formats.h"
#include "program/backends.h"
#include "program/quote.h"

namespace pte::inspect {
namespace {

// "00 00 00 00 56 48 30 30  ....VH00", for payloads of unknown form.
std::string first_bytes(Bytes bytes) {
  std::string hex, text;
  for (size_t i = 0; i < std::min<size_t>(bytes.size(), 16); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    hex += fmt::format("{:02x} ", byte);
    text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
  }
  return hex + " " + text;
}

}  // namespace

PayloadSummary summarize_payload(const program::Program& program,
                                 const program::Delegate& delegate) {
  if (const PayloadFormat* format = find_payload_format(delegate)) {
    return format->summarize(program, delegate);
  }
  PayloadSummary out;
  out.problem = program::find_backend(delegate.id) == nullptr
                    ? "an unknown backend"
                    : "the payload's format is not public";
  if (!delegate.payload.bytes.empty()) {
    out.facts.emplace_back("first bytes", first_bytes(delegate.payload.bytes));
  }
  return out;
}

Result<std::string> list_payload(const program::Program& program,
                                 const program::Delegate& delegate) {
  if (const PayloadFormat* format = find_payload_format(delegate)) {
    return format->list(program, delegate);
  }
  return unsupported("the payload of {} cannot be read; its {} bytes begin {}",
                     program::quote(delegate.id), delegate.payload.size(),
                     first_bytes(delegate.payload.bytes))
      .with_hint("--output FILE writes it as it is");
}

}  // namespace pte::inspect
