// Quantized weights that a call dequantizes itself: embeddings of 8, 4 and 2 bits, and products.
#include "kernels/quantized/quantize.h"

namespace pte::kernels {
namespace {

// Scales, and zero points where there are any, of groups of a weight's rows.
struct Groups {
  std::vector<double> scales;
  std::vector<double> zeros;     // empty: none
  DType type = DType::kFloat32;  // of both
  int64_t per_row = 1;
  int64_t size = 1;  // elements of a row in one group
};

// Arguments 1 and 2 are scales [rows] or [rows, groups] and zero points of the same sizes.
Result<Groups> groups_of(const Call& call, size_t scale_arg, int64_t rows, int64_t columns) {
  const Tensor& scales = call.tensor(scale_arg);
  const Tensor* zeros = call.optional_tensor(scale_arg + 1);
  Groups groups;
  groups.type = scales.dtype();
  if (!is_floating(groups.type)) {
    return call.not_supported("scales of type {}", dtype_name(groups.type));
  }
  if ((scales.rank() != 1 && scales.rank() != 2) || scales.size(0) != rows) {
    return call.invalid("scales {} do not fit {} rows", scales.describe(), rows);
  }
  groups.per_row = scales.rank() == 2 ? scales.size(1) : 1;
  if (groups.per_row < 1 || columns % groups.per_row != 0) {
    return call.invalid("rows of {} elements do not divide into {} groups", columns,
                        groups.per_row);
  }
  groups.size = std::max<int64_t>(columns / groups.per_row, 1);
  PTE_TRY(groups.scales, doubles_of(call, scales));
  if (zeros != nullptr) {
    if (zeros->numel() != scales.numel() || zeros->rank() == 0 || zeros->size(0) != rows) {
      return call.invalid("zero points {} do not fit scales {}", zeros->describe(),
                          scales.describe());
    }
    if (zeros->dtype() != groups.type) {
      return call.invalid("zero points are {} and scales {}, expected one type",
                          dtype_name(zeros->dtype()), dtype_name(groups.type));
    }
    PTE_TRY(groups.zeros, doubles_of(call, *zeros));
  }
  return groups;
}

// What one quantized element stands for, in the type of the scales.
double value_of(const Groups& groups, int64_t row, int64_t column, int64_t quantized) {
  const auto group = static_cast<size_t>(row * groups.per_row + column / groups.size);
  double units = static_cast<double>(quantized);
  if (!groups.zeros.empty()) {
    units = round_to(groups.type, round_to(groups.type, units) - groups.zeros[group]);
  }
  return round_to(groups.type, round_to(groups.type, units) * groups.scales[group]);
}

// Rows of a weight whose bytes hold 8 / kBits elements: of four bits the high half comes first, of
// two bits the lowest pair. Packed elements are biased to be positive.
template <int kBits, bool kTyped>
Status embedding(Call& call) {
  const Tensor& weight = call.tensor(0);
  const Tensor& indices = call.tensor(5);
  constexpr int64_t kEach = 8 / kBits;
  const bool known =
      weight.dtype() == DType::kUInt8 || (kBits == 8 && weight.dtype() == DType::kInt8);
  if (!known) return call.not_supported("a weight of type {}", dtype_name(weight.dtype()));
  if (weight.rank() != 2) return call.invalid("weight {} is no matrix", weight.describe());
  const int64_t rows = weight.size(0);
  const auto columns = element_count(std::array{weight.size(1), kEach});
  if (!columns) return call.invalid("weight {} is too large", weight.describe());
  PTE_TRY(const Groups groups, groups_of(call, 1, rows, *columns));
  if (indices.dtype() != DType::kInt64 && indices.dtype() != DType::kInt32) {
    return call.invalid("indices are {}, expected int64 or int32", dtype_name(indices.dtype()));
  }
  DType type = groups.type;
  if constexpr (kTyped) {
    PTE_TRY(type, dtype_argument(call, 6, call.out().dtype()));
  }
  if (!is_floating(type)) return call.not_supported("a result of type {}", dtype_name(type));
  PTE_CHECK(check_out_type(call, type, call.out()));
  Sizes sizes = indices.sizes();
  sizes.push_back(*columns);
  PTE_CHECK(resize_out(call, call.out(), sizes));
  PTE_TRY(const Tensor places, dense_as<int64_t>(call, indices));
  PTE_TRY(const Tensor bytes, weight.contiguous());
  const int64_t count = places.numel();
  const int64_t* const place = places.data_as<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    if (place[i] < 0 || place[i] >= rows) {
      return call.invalid("index {} is out of range for {} rows", place[i], rows);
    }
  }
  if (count == 0 || *columns == 0) return {};
  PTE_TRY(DenseOut<double> out, DenseOut<double>::make(call, call.out()));
  double* const target = out.data();
  const auto* const packed = bytes.data_as<uint8_t>();
  const bool is_signed = weight.dtype() == DType::kInt8;
  const int64_t stride = weight.size(1);
  call.parallel_for(count, 1 + (1 << 12) / *columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const uint8_t* const line = packed + place[i] * stride;
      for (int64_t c = 0; c < *columns; ++c) {
        const uint8_t byte = line[c / kEach];
        int64_t element = is_signed ? static_cast<int8_t>(byte) : byte;
        if constexpr (kBits == 4) element = (c % 2 == 0 ? byte >> 4 : byte & 15) - 8;
        if constexpr (kBits == 2) element = (byte >> (2 * (c % 4)) & 3) - 2;
        target[i * *columns + c] = round_to(type, value_of(groups, place[i], c, element));
      }
    }
  });
  return out.commit(call);
}

// input @ weight, or (kTransposed) input @ weight.T, the weight quantized by rows.
template <bool kTransposed>
Status mixed_product(Call& call) {
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(1);
  PTE_CHECK(check_real(call, input));
  if (!is_floating(input.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(input.dtype()));
  }
  if (weight.dtype() != DType::kInt8 && weight.dtype() != DType::kUInt8) {
    return call.not_supported("a weight of type {}", dtype_name(weight.dtype()));
  }
  if (input.rank() != 2 || weight.rank() != 2 ||
      input.size(1) != weight.size(kTransposed ? 1 : 0)) {
    return call.invalid("{} and {} are not matrices that multiply", input.describe(),
                        weight.describe());
  }
  PTE_TRY(const Groups groups, groups_of(call, 2, weight.size(0), weight.size(1)));
  if (groups.type != input.dtype()) {
    return call.invalid("scales are {} and the input {}, expected one type",
                        dtype_name(groups.type), dtype_name(input.dtype()));
  }
  DType type = input.dtype();
  if constexpr (kTransposed) {
    PTE_TRY(type, dtype_argument(call, 4, call.out().dtype()));
  }
  PTE_CHECK(check_out_type(call, type, call.out()));
  const int64_t rows = input.size(0);
  const int64_t inner = input.size(1);
  const int64_t columns = weight.size(kTransposed ? 0 : 1);
  PTE_CHECK(resize_out(call, call.out(), {rows, columns}));
  if (call.out().numel() == 0) return {};
  PTE_TRY(const Tensor left, dense_as<double>(call, input));
  PTE_TRY(const Tensor right, dense_as<int64_t>(call, weight));
  PTE_TRY(DenseOut<double> out, DenseOut<double>::make(call, call.out()));
  const double* const x = left.data_as<double>();
  const int64_t* const w = right.data_as<int64_t>();
  double* const target = out.data();
  // The weight's values once, for all rows of the input.
  std::vector<double> values(static_cast<size_t>(right.numel()));
  for (int64_t row = 0; row < weight.size(0); ++row) {
    for (int64_t column = 0; column < weight.size(1); ++column) {
      const int64_t at = row * weight.size(1) + column;
      values[static_cast<size_t>(at)] = value_of(groups, row, column, w[at]);
    }
  }
  call.parallel_for(rows, 1 + (1 << 14) / columns, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        const double* value = values.data() + (kTransposed ? c * inner : c);
        double sum = 0;
        for (int64_t k = 0; k < inner; ++k, value += kTransposed ? 1 : columns) {
          sum += x[r * inner + k] * *value;
        }
        target[r * columns + c] = round_to(type, sum);
      }
    }
  });
  return out.commit(call);
}

}  // namespace

std::span<const Entry> lookup_entries() {
  static constexpr Entry kEntries[] = {
      {Op::qd_embedding_byte, embedding<8, false>},
      {Op::qd_embedding_byte_dtype, embedding<8, true>},
      {Op::qd_embedding_4bit, embedding<4, false>},
      {Op::qd_embedding_4bit_dtype, embedding<4, true>},
      {Op::qd_embedding_2bit, embedding<2, false>},
      {Op::qd_embedding_2bit_dtype, embedding<2, true>},
      {Op::qd_mixed_mm, mixed_product<false>},
      {Op::qd_mixed_linear, mixed_product<true>},
  };
  return kEntries;
}

}  // namespace pte::kernels
