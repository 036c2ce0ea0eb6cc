#include "tensor/dtype.h"

#include <array>
#include <cmath>

namespace pte {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  size_t size;
};

constexpr std::array kRows = {
    Row{DType::kUInt8, "uint8", 1},
    Row{DType::kInt8, "int8", 1},
    Row{DType::kInt16, "int16", 2},
    Row{DType::kInt32, "int32", 4},
    Row{DType::kInt64, "int64", 8},
    Row{DType::kFloat16, "float16", 2},
    Row{DType::kFloat32, "float32", 4},
    Row{DType::kFloat64, "float64", 8},
    Row{DType::kComplex32, "complex32", 4},
    Row{DType::kComplex64, "complex64", 8},
    Row{DType::kComplex128, "complex128", 16},
    Row{DType::kBool, "bool", 1},
    Row{DType::kQInt8, "qint8", 1},
    Row{DType::kQUInt8, "quint8", 1},
    Row{DType::kQInt32, "qint32", 4},
    Row{DType::kBFloat16, "bfloat16", 2},
    Row{DType::kQUInt4x2, "quint4x2", 0},
    Row{DType::kQUInt2x4, "quint2x4", 0},
    Row{DType::kBits16, "bits16", 2},
    Row{DType::kFloat8E5M2, "float8_e5m2", 1},
    Row{DType::kFloat8E4M3FN, "float8_e4m3fn", 1},
    Row{DType::kFloat8E5M2FNUZ, "float8_e5m2fnuz", 1},
    Row{DType::kFloat8E4M3FNUZ, "float8_e4m3fnuz", 1},
    Row{DType::kUInt16, "uint16", 2},
    Row{DType::kUInt32, "uint32", 4},
    Row{DType::kUInt64, "uint64", 8},
};

const Row* find(DType dtype) {
  for (const Row& row : kRows) {
    if (row.dtype == dtype) return &row;
  }
  return nullptr;
}

}  // namespace

size_t size_of(DType dtype) {
  const Row* row = find(dtype);
  return row == nullptr ? 0 : row->size;
}

std::string_view dtype_name(DType dtype) {
  const Row* row = find(dtype);
  return row == nullptr ? "unknown" : row->name;
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_code(int64_t code) {
  for (const Row& row : kRows) {
    if (static_cast<int64_t>(row.dtype) == code) return row.dtype;
  }
  return std::nullopt;
}

Half::Half(float value) {
  const uint32_t f = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (f >> 16) & 0x8000U;
  const uint32_t magnitude = f & 0x7fffffffU;
  if (magnitude > 0x7f800000U) {  // NaN keeps its quiet bit
    bits = static_cast<uint16_t>(sign | 0x7e00U);
  } else if (magnitude >= 0x477ff000U) {  // rounds to infinity
    bits = static_cast<uint16_t>(sign | 0x7c00U);
  } else if (magnitude < 0x38800000U) {  // subnormal or zero: let the adder round at the last place
    const float rounded = std::bit_cast<float>(magnitude) + 0.5F;
    bits = static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(rounded) - 0x3f000000U));
  } else {
    const uint32_t odd = (magnitude >> 13) & 1U;
    bits = static_cast<uint16_t>(sign | ((magnitude - 0x38000000U + 0xfffU + odd) >> 13));
  }
}

Half::operator float() const {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const uint32_t magnitude = bits & 0x7fffU;
  if (magnitude >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (magnitude << 13));
  if (magnitude >= 0x0400U) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000U));
  const float value = static_cast<float>(magnitude) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
}

BFloat16::BFloat16(float value) {
  const uint32_t f = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) {
    bits = static_cast<uint16_t>((f >> 16) | 0x40U);
  } else {
    bits = static_cast<uint16_t>((f + 0x7fffU + ((f >> 16) & 1U)) >> 16);
  }
}

std::optional<DType> promote_types(DType a, DType b) {
  if (a == b) return a;
  // A class beats every lower one: bool < integer < floating < complex.
  const auto rank = [](DType t) {
    if (t == DType::kBool) return 0;
    if (is_integer(t)) return 1;
    if (is_floating(t)) return 2;
    return is_complex(t) ? 3 : -1;
  };
  const int ra = rank(a);
  const int rb = rank(b);
  if (ra < 0 || rb < 0) return std::nullopt;
  if (ra != rb && (ra < 3 && rb < 3)) return ra > rb ? a : b;
  if (ra == 1) {
    const auto is_wide_unsigned = [](DType t) {
      return t >= DType::kUInt16 && t <= DType::kUInt64;
    };
    if (is_wide_unsigned(a) || is_wide_unsigned(b)) {
      // uint16/32/64 promote among themselves and with uint8 only.
      const auto is_unsigned = [&](DType t) { return t == DType::kUInt8 || is_wide_unsigned(t); };
      if (!is_unsigned(a) || !is_unsigned(b)) return std::nullopt;
      return size_of(a) > size_of(b) ? a : b;
    }
    if (a == DType::kUInt8 || b == DType::kUInt8) {
      const DType other = a == DType::kUInt8 ? b : a;
      return other == DType::kInt8 ? DType::kInt16 : other;
    }
    return size_of(a) > size_of(b) ? a : b;
  }
  if (ra == 2 && rb == 2) {
    const auto is_float8 = [](DType t) {
      return t >= DType::kFloat8E5M2 && t <= DType::kFloat8E4M3FNUZ;
    };
    if (is_float8(a) || is_float8(b)) return std::nullopt;
    if (size_of(a) == size_of(b)) return DType::kFloat32;  // float16 with bfloat16
    return size_of(a) > size_of(b) ? a : b;
  }
  // A complex type takes the width of the wider part.
  const auto width = [&](DType t) {
    return is_complex(t) ? size_of(t) / 2 : is_floating(t) ? size_of(t) : 0;
  };
  const size_t widest = std::max(width(a), width(b));
  if (widest <= 2)
    return (a == DType::kBFloat16 || b == DType::kBFloat16) ? DType::kComplex64 : DType::kComplex32;
  return widest <= 4 ? DType::kComplex64 : DType::kComplex128;
}

}  // namespace pte
