#include "importers/onnx/tensors.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/checked.h"

namespace pte::importers::onnx {

namespace fs = std::filesystem;

namespace {

struct FloatFormat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  bool infinities;
  bool unsigned_zero;  // the sign bit alone is NaN, and all else is finite
};

FloatFormat format_of(int32_t type) {
  switch (type) {
    case kFloat8E4M3FN:
      return {4, 3, 7, false, false};
    case kFloat8E4M3FNUZ:
      return {4, 3, 8, false, true};
    case kFloat8E5M2:
      return {5, 2, 15, true, false};
    case kFloat8E5M2FNUZ:
      return {5, 2, 16, false, true};
    default:
      return {2, 1, 1, false, false};
  }
}

int bits_of(int32_t type) {
  switch (type) {
    case kUInt4:
    case kInt4:
    case kFloat4E2M1:
      return 4;
    case kUInt2:
    case kInt2:
      return 2;
    default:
      return 8;
  }
}

bool is_narrow_float(int32_t type) {
  return (type >= kFloat8E4M3FN && type <= kFloat8E5M2FNUZ) || type == kFloat4E2M1 ||
         type == kFloat8E8M0;
}

// One element of a carried type, given its bits.
void store_carried(int32_t type, uint8_t bits, size_t index, Tensor& out) {
  switch (type) {
    case kUInt4:
      out.mutable_data_as<uint8_t>()[index] = bits & 0xF;
      return;
    case kUInt2:
      out.mutable_data_as<uint8_t>()[index] = bits & 0x3;
      return;
    case kInt4:
      out.mutable_data_as<int8_t>()[index] =
          static_cast<int8_t>(static_cast<int8_t>(bits << 4) >> 4);
      return;
    case kInt2:
      out.mutable_data_as<int8_t>()[index] =
          static_cast<int8_t>(static_cast<int8_t>(bits << 6) >> 6);
      return;
    default:
      out.mutable_data_as<float>()[index] = decode_narrow_float(type, bits);
  }
}

// Elements in lists of wider numbers, one for each element (or each byte of packed ones).
template <typename From>
void store_numbers(const std::vector<From>& from, Tensor& out) {
  dispatch(out.dtype(), [&]<typename T>(T) {
    T* to = out.mutable_data_as<T>();
    for (size_t i = 0; i < from.size(); ++i) {
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        to[i].bits = static_cast<uint16_t>(from[i]);  // lists hold the bits of half floats
      } else if constexpr (std::is_same_v<T, bool>) {
        to[i] = from[i] != 0;
      } else if constexpr (std::is_integral_v<T> == std::is_integral_v<From>) {
        to[i] = static_cast<T>(from[i]);
      }
    }
  });
}

Result<uint64_t> decimal(std::string_view name, std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return invalid_data("external data: '{}' is no {}", text.substr(0, 40), name);
  return value;
}

}  // namespace

float decode_narrow_float(int32_t type, uint8_t bits) {
  if (type == kFloat8E8M0) {
    return bits == 0xFF ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, bits - 127);
  }
  const FloatFormat f = format_of(type);
  const int width = 1 + f.exponent_bits + f.mantissa_bits;
  const bool negative = ((bits >> (width - 1)) & 1) != 0;
  const int exponent = (bits >> f.mantissa_bits) & ((1 << f.exponent_bits) - 1);
  const int mantissa = bits & ((1 << f.mantissa_bits) - 1);
  const int top = (1 << f.exponent_bits) - 1;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  if (f.unsigned_zero) {
    if (negative && exponent == 0 && mantissa == 0) return nan;
  } else if (f.infinities && exponent == top) {
    if (mantissa != 0) return nan;
    return negative ? -std::numeric_limits<float>::infinity()
                    : std::numeric_limits<float>::infinity();
  } else if (type == kFloat8E4M3FN && exponent == top && mantissa == 7) {
    return nan;
  }
  const int scale = (exponent == 0 ? 1 : exponent) - f.bias - f.mantissa_bits;
  const int whole = exponent == 0 ? mantissa : mantissa + (1 << f.mantissa_bits);
  const float value = std::ldexp(static_cast<float>(whole), scale);
  return negative ? -value : value;
}

Result<DType> carrier_type(int32_t type) {
  switch (type) {
    case kFloat:
    case kFloat8E4M3FN:
    case kFloat8E4M3FNUZ:
    case kFloat8E5M2:
    case kFloat8E5M2FNUZ:
    case kFloat4E2M1:
    case kFloat8E8M0:
      return DType::kFloat32;
    case kUInt8:
    case kUInt4:
    case kUInt2:
      return DType::kUInt8;
    case kInt8:
    case kInt4:
    case kInt2:
      return DType::kInt8;
    case kUInt16:
      return DType::kUInt16;
    case kInt16:
      return DType::kInt16;
    case kInt32:
      return DType::kInt32;
    case kInt64:
      return DType::kInt64;
    case kBool:
      return DType::kBool;
    case kFloat16:
      return DType::kFloat16;
    case kDouble:
      return DType::kFloat64;
    case kUInt32:
      return DType::kUInt32;
    case kUInt64:
      return DType::kUInt64;
    case kBFloat16:
      return DType::kBFloat16;
    default:
      return unsupported("tensors of {}", element_type_name(type));
  }
}

bool is_carried(int32_t type) { return bits_of(type) < 8 || is_narrow_float(type); }

Result<const MappedFile*> TensorReader::open(std::string_view location) {
  const auto known = files_.find(location);
  if (known != files_.end()) return &known->second;
  const fs::path relative{std::string(location)};
  bool leaves = location.empty() || relative.is_absolute() ||
                location.find('\\') != std::string_view::npos ||
                location.find('\0') != std::string_view::npos;
  for (const fs::path& part : relative) leaves = leaves || part == "..";
  std::error_code error;
  const fs::path folder =
      fs::weakly_canonical(fs::absolute(fs::path(file_.path())), error).parent_path();
  const fs::path path = leaves ? fs::path() : fs::weakly_canonical(folder / relative, error);
  // A link may lead out of the folder as well.
  if (!leaves) {
    const fs::path inside = path.lexically_relative(folder);
    leaves = inside.empty() || *inside.begin() == "..";
  }
  if (leaves) {
    return invalid_data("external data: '{}' lies outside the model's folder, which is refused",
                        location.substr(0, 200));
  }
  auto opened = MappedFile::open(path.string());
  if (!opened) {
    return std::move(opened.error())
        .with_hint("the model keeps its weights in this file; put it beside the .onnx file");
  }
  return &files_.emplace(std::string(location), std::move(*opened)).first->second;
}

Result<Bytes> TensorReader::external(const TensorDef& def, std::shared_ptr<const void>& owner) {
  std::string_view location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
  for (const auto& [key, value] : def.external_data) {
    if (key == "location") location = value;
    if (key == "offset") {
      PTE_TRY(offset, decimal("offset", value));
    }
    if (key == "length") {
      PTE_TRY(length, decimal("length", value));
    }
  }
  PTE_TRY(const MappedFile* file, open(location));
  const size_t size = file->bytes().size();
  if (offset > size || (length && !in_range(offset, *length, size))) {
    return invalid_data("external data: '{}' has {} bytes, bytes {} to {} are wanted",
                        location.substr(0, 200), size, offset, offset + length.value_or(0));
  }
  owner = file->owner();
  return file->bytes().subspan(static_cast<size_t>(offset),
                               static_cast<size_t>(length.value_or(size - offset)));
}

Result<Tensor> TensorReader::read(const TensorDef& def) {
  PTE_TRY(const DType dtype, carrier_type(def.type));
  const auto count = element_count(def.dims);
  if (!count || def.dims.size() > kMaxRank) {
    return invalid_data("a tensor of sizes [{}]", fmt::join(def.dims, ","));
  }
  const auto elements = static_cast<uint64_t>(*count);
  std::shared_ptr<const void> owner = file_.owner();
  Bytes raw = def.raw;
  if (def.external) {
    PTE_TRY(raw, external(def, owner));
  }
  const bool carried = is_carried(def.type);
  const auto packed = static_cast<uint64_t>(8 / bits_of(def.type));
  const uint64_t stored = elements / packed + (elements % packed != 0 ? 1 : 0);
  const auto mismatch = [&](uint64_t found, std::string_view unit) {
    return invalid_data("a tensor of sizes [{}] and type {} has {} {}", fmt::join(def.dims, ","),
                        element_type_name(def.type), found, unit);
  };
  const bool bytes_given = def.has_raw || def.external;
  if (bytes_given) {
    const uint64_t wanted = carried ? stored : elements * size_of(dtype);
    if (!carried && elements > raw.size()) return mismatch(raw.size(), "bytes");
    if (raw.size() < wanted || (raw.size() != wanted && !def.external))
      return mismatch(raw.size(), "bytes");
    raw = raw.first(static_cast<size_t>(wanted));
  } else {
    const size_t given = def.type == kFloat    ? def.floats.size()
                         : def.type == kDouble ? def.doubles.size()
                                               : def.integers.size();
    if (given != (carried ? stored : elements)) return mismatch(given, "elements");
  }
  if (bytes_given && !carried && reinterpret_cast<uintptr_t>(raw.data()) % size_of(dtype) == 0) {
    return Tensor::view(dtype, def.dims, contiguous_strides(def.dims), raw.data(), owner);
  }
  PTE_TRY(Tensor out, Tensor::zeros(dtype, def.dims));
  if (elements == 0) return out;
  if (carried) {
    for (uint64_t i = 0; i < elements; ++i) {
      const auto byte = bytes_given
                            ? static_cast<uint8_t>(raw[static_cast<size_t>(i / packed)])
                            : static_cast<uint8_t>(def.integers[static_cast<size_t>(i / packed)]);
      const auto shift = static_cast<int>(i % packed) * bits_of(def.type);
      store_carried(def.type, static_cast<uint8_t>(byte >> shift), static_cast<size_t>(i), out);
    }
  } else if (bytes_given) {
    std::memcpy(out.mutable_data(), raw.data(), raw.size());
  } else if (def.type == kFloat) {
    store_numbers(def.floats, out);
  } else if (def.type == kDouble) {
    store_numbers(def.doubles, out);
  } else {
    store_numbers(def.integers, out);
  }
  return out;
}

}  // namespace pte::importers::onnx
