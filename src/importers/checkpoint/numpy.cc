#include "importers/checkpoint/numpy.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace pte::importers {
namespace {

bool ends_in(const PickleValue& global, std::string_view tail) {
  return global.is(PickleKind::kGlobal) && global.text().starts_with("numpy") &&
         global.text().ends_with(tail);
}

struct Code2 {
  std::string_view code;
  DType dtype;
};
constexpr std::array<Code2, 14> kCodes = {{
    {"f2", DType::kFloat16},
    {"f4", DType::kFloat32},
    {"f8", DType::kFloat64},
    {"i1", DType::kInt8},
    {"i2", DType::kInt16},
    {"i4", DType::kInt32},
    {"i8", DType::kInt64},
    {"u1", DType::kUInt8},
    {"u2", DType::kUInt16},
    {"u4", DType::kUInt32},
    {"u8", DType::kUInt64},
    {"b1", DType::kBool},
    {"c8", DType::kComplex64},
    {"c16", DType::kComplex128},
}};

// numpy.dtype('f4', False, True) built with (3, '<', None, …).
Result<DType> read_dtype(const PickleValue& value) {
  if (!value.is_object_of("numpy.dtype")) return invalid_data("its NumPy type is malformed");
  const std::string_view code = value.args().item(0).text();
  const PickleValue order = value.state().value_or(PickleValue()).item(1);
  if (order.text() == ">") return unsupported("it is a big-endian NumPy array");
  for (const Code2& known : kCodes) {
    if (known.code == code) return known.dtype;
  }
  return unsupported("its NumPy type '{}' cannot be read", code.substr(0, 16));
}

// Latin-1 text, which pickle holds as UTF-8, back to bytes.
Result<std::vector<std::byte>> latin1(std::string_view text) {
  std::vector<std::byte> out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      if ((c != 0xc2 && c != 0xc3) || i + 1 == text.size() ||
          (static_cast<unsigned char>(text[i + 1]) & 0xc0) != 0x80) {
        return invalid_data("its bytes are not Latin-1 text");
      }
      c = static_cast<unsigned char>((c & 3) << 6 | (text[++i] & 0x3f));
    }
    out.push_back(static_cast<std::byte>(c));
  }
  return out;
}

// The text behind a bytes value: itself, or the argument of _codecs.encode.
PickleValue text_of(const PickleValue& value) {
  return value.is_object_of("_codecs.encode") ? value.args().item(0) : value;
}

}  // namespace

bool is_numpy_array(const PickleValue& value) {
  return value.is(PickleKind::kObject) && (ends_in(value.callable(), ".multiarray._reconstruct") ||
                                           ends_in(value.callable(), ".numeric._frombuffer"));
}

Result<NumpyArray> read_numpy_array(const PickleValue& value) {
  PickleValue shape, dtype;
  NumpyArray out;
  if (ends_in(value.callable(), "._frombuffer")) {  // (bytes, dtype, shape, order)
    out.data = value.args().item(0);
    dtype = value.args().item(1);
    shape = value.args().item(2);
    out.fortran = value.args().item(3).text() == "F";
  } else {  // built with (version, shape, dtype, fortran, bytes)
    const PickleValue state = value.state().value_or(PickleValue());
    shape = state.item(1);
    dtype = state.item(2);
    out.fortran = state.item(3).as_int() == 1;
    out.data = state.item(4);
  }
  out.data = text_of(out.data);
  PTE_TRY(out.dtype, read_dtype(dtype));
  if (!shape.is(PickleKind::kTuple) || shape.size() > kMaxRank) {
    return invalid_data("its NumPy shape is malformed");
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    const auto size = shape.item(i).as_int();
    if (!size || *size < 0) return invalid_data("its NumPy shape is malformed");
    out.sizes.push_back(*size);
  }
  return out;
}

Result<std::vector<std::byte>> numpy_bytes(const PickleValue& value) {
  const PickleValue text = text_of(value);
  if (text.is(PickleKind::kString)) return latin1(text.text());
  if (!text.is(PickleKind::kBytes)) return invalid_data("its data are no bytes");
  const Bytes bytes = as_bytes(text.text());
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

std::optional<std::variant<bool, int64_t, double>> read_numpy_scalar(const PickleValue& value) {
  if (!value.is(PickleKind::kObject) || !ends_in(value.callable(), ".multiarray.scalar")) {
    return std::nullopt;
  }
  const auto dtype = read_dtype(value.args().item(0));
  const PickleValue text = text_of(value.args().item(1));
  if (!dtype || text.text().size() > 32) return std::nullopt;
  const auto bytes = numpy_bytes(text);
  if (!bytes || bytes->size() != size_of(*dtype)) return std::nullopt;
  if (*dtype == DType::kBool) return (*bytes)[0] != std::byte{0};
  std::optional<std::variant<bool, int64_t, double>> out;
  dispatch(*dtype, [&]<typename T>(T) {
    if constexpr (!std::is_same_v<T, bool>) {
      T number;
      std::memcpy(&number, bytes->data(), sizeof(T));
      if constexpr (std::is_integral_v<T>) {
        out = static_cast<int64_t>(number);
      } else {
        out = static_cast<double>(number);
      }
    }
  });
  return out;
}

}  // namespace pte::importers
