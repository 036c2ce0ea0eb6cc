// Reads protobuf's wire format in place: one field at a time, views instead of copies, every length
// checked against the message it lies in.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace pte::importers::onnx {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;  // of a varint or a fixed field
  Bytes bytes;         // of a field with a length

  std::string_view text() const { return as_text(bytes); }
  int64_t integer() const { return static_cast<int64_t>(value); }
};

class WireReader {
 public:
  explicit WireReader(Bytes bytes) : bytes_(bytes) {}

  // The next field, or false at the message's end. Fails with kInvalidData on anything that is no
  // message; groups, which proto3 has none of, included.
  Result<bool> next(WireField& field);

 private:
  Result<uint64_t> varint();

  Bytes bytes_;
  size_t at_ = 0;
};

// A field that may be repeated one by one or packed: its numbers go to the end of `out`.
Status read_varints(const WireField& field, std::vector<int64_t>& out);
Status read_floats(const WireField& field, std::vector<float>& out);
Status read_doubles(const WireField& field, std::vector<double>& out);
// Fails unless the field has a length.
Status expect_message(const WireField& field, std::string_view what);

}  // namespace pte::importers::onnx
