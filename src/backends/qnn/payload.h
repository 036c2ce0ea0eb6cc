// A Qualcomm (QNN) delegate's payload: a context binary behind a small header. What the binary
// holds is not public.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace pte::qnn {

inline constexpr std::string_view kBackendId = "QnnBackend";

struct Payload {
  int64_t signature = 0;  // made when the file was exported; tells contexts apart
  uint64_t binary_bytes = 0;
  bool stored = false;  // the binary follows; else the header alone stands for it
};

// Fails with kInvalidData for payloads without the header, as older files have them.
Result<Payload> decode(Bytes payload);

}  // namespace pte::qnn
