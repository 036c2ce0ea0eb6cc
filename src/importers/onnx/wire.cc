#include "importers/onnx/wire.h"

#include <bit>
#include <cstring>

namespace pte::importers::onnx {

Result<uint64_t> WireReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (at_ == bytes_.size()) return invalid_data("the data ends inside a number");
    const auto byte = static_cast<uint64_t>(bytes_[at_++]);
    if (shift < 64) value |= (byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return invalid_data("a number of more than ten bytes");
}

Result<bool> WireReader::next(WireField& field) {
  if (at_ == bytes_.size()) return false;
  PTE_TRY(const uint64_t key, varint());
  const uint64_t number = key >> 3;
  if (number == 0 || number > 0x1FFFFFFF) return invalid_data("field number {}", number);
  field.number = static_cast<uint32_t>(number);
  field.type = static_cast<WireType>(key & 7);
  field.value = 0;
  field.bytes = {};
  const size_t rest = bytes_.size() - at_;
  switch (field.type) {
    case WireType::kVarint: {
      PTE_TRY(field.value, varint());
      return true;
    }
    case WireType::kFixed64:
    case WireType::kFixed32: {
      const size_t size = field.type == WireType::kFixed64 ? 8 : 4;
      if (rest < size) return invalid_data("the data ends inside field {}", number);
      std::memcpy(&field.value, bytes_.data() + at_, size);  // little-endian machines only
      at_ += size;
      return true;
    }
    case WireType::kLength: {
      PTE_TRY(const uint64_t length, varint());
      if (length > bytes_.size() - at_)
        return invalid_data("field {} is {} bytes long, {} are left", number, length,
                            bytes_.size() - at_);
      field.bytes = bytes_.subspan(at_, static_cast<size_t>(length));
      at_ += static_cast<size_t>(length);
      return true;
    }
  }
  return invalid_data("field {} has the wire type {}", number, key & 7);
}

Status read_varints(const WireField& field, std::vector<int64_t>& out) {
  if (field.type == WireType::kVarint) {
    out.push_back(field.integer());
    return {};
  }
  if (field.type != WireType::kLength)
    return invalid_data("field {} is no list of integers", field.number);
  uint64_t value = 0;
  unsigned shift = 0;
  for (const std::byte byte : field.bytes) {
    if (shift >= 70) return invalid_data("a number of more than ten bytes");
    if (shift < 64) value |= (static_cast<uint64_t>(byte) & 0x7F) << shift;
    shift += 7;
    if ((byte & std::byte{0x80}) != std::byte{}) continue;
    out.push_back(static_cast<int64_t>(value));
    value = 0;
    shift = 0;
  }
  if (shift != 0) return invalid_data("the data ends inside a number");
  return {};
}

namespace {

template <typename T>
Status read_fixed(const WireField& field, WireType single, std::vector<T>& out) {
  if (field.type == single) {
    T value;
    std::memcpy(&value, &field.value, sizeof(T));
    out.push_back(value);
    return {};
  }
  if (field.type != WireType::kLength || field.bytes.size() % sizeof(T) != 0)
    return invalid_data("field {} is no list of floats", field.number);
  const size_t old = out.size();
  out.resize(old + field.bytes.size() / sizeof(T));
  if (!field.bytes.empty()) std::memcpy(out.data() + old, field.bytes.data(), field.bytes.size());
  return {};
}

}  // namespace

Status read_floats(const WireField& field, std::vector<float>& out) {
  return read_fixed(field, WireType::kFixed32, out);
}

Status read_doubles(const WireField& field, std::vector<double>& out) {
  return read_fixed(field, WireType::kFixed64, out);
}

Status expect_message(const WireField& field, std::string_view what) {
  if (field.type == WireType::kLength) return {};
  return invalid_data("field {} should be {}", field.number, what);
}

}  // namespace pte::importers::onnx
