// Quantized values outside a delegate.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

bool is_quantized_type(DType dtype) {
  return dtype == DType::kInt8 || dtype == DType::kUInt8 || dtype == DType::kInt16 ||
         dtype == DType::kUInt16 || dtype == DType::kInt32;
}

Status check_floating(const InferContext& c, size_t arg) {
  const DType dtype = c.tensor(arg).dtype;
  if (is_floating(dtype)) return {};
  return bad_arg(c, arg, fmt::format("is {}, expected a floating type", dtype_name(dtype)));
}

// The input in the type that argument `arg` names.
template <size_t DTypeArg>
InferResult quantize(const InferContext& c) {
  PTE_CHECK(check_floating(c, 0));
  const auto dtype = dtype_arg(c, DTypeArg);
  if (!dtype || !is_quantized_type(*dtype)) {
    return bad_arg(c, DTypeArg, "expected int8, uint8, int16, uint16 or int32");
  }
  TensorType type = c.tensor(0);
  type.dtype = *dtype;
  return one(std::move(type));
}

template <size_t DTypeArg, size_t OutArg>
InferResult dequantize(const InferContext& c) {
  const DType input = c.tensor(0).dtype;
  if (!is_quantized_type(input))
    return bad_arg(c, 0, fmt::format("is {}, no quantized type", dtype_name(input)));
  if (dtype_arg(c, DTypeArg).value_or(input) != input) {
    return bad_arg(c, DTypeArg, fmt::format("the input is {}", dtype_name(input)));
  }
  TensorType type = c.tensor(0);
  type.dtype = dtype_arg(c, OutArg).value_or(DType::kFloat32);
  if (!is_floating(type.dtype)) return bad_arg(c, OutArg, "expected a floating type");
  return one(std::move(type));
}

InferResult choose_qparams(const InferContext& c) {
  PTE_CHECK(check_floating(c, 0));
  return std::vector<Type>{contiguous_type(DType::kFloat64, {1}),
                           contiguous_type(DType::kInt64, {1})};
}

InferResult choose_qparams_per_token(const InferContext& c) {
  PTE_CHECK(check_floating(c, 0));
  SymSizes sizes = c.tensor(0).sizes;
  if (sizes.empty()) return bad_arg(c, 0, "expected rank 1 or more");
  sizes.back() = 1;
  return std::vector<Type>{contiguous_type(DType::kFloat64, sizes),
                           contiguous_type(DType::kInt64, sizes)};
}

// A weight that packs `PerByte` elements in a byte, with scales and zero points of its rows.
template <int64_t PerByte, bool Typed>
InferResult embedding(const InferContext& c) {
  const TensorType& weight = c.tensor(0);
  const TensorType& scales = c.tensor(1);
  const TensorType& indices = c.tensor(5);
  if (weight.rank() != 2) return bad_arg(c, 0, "expected a matrix");
  PTE_CHECK(check_floating(c, 1));
  if (scales.rank() < 1 || scales.rank() > 2 || !unify(c, scales.sizes[0], weight.sizes[0])) {
    return bad_arg(c, 1,
                   fmt::format("[{}] does not fit the rows of [{}]", to_string(scales.sizes),
                               to_string(weight.sizes)));
  }
  if (indices.dtype != DType::kInt64 && indices.dtype != DType::kInt32)
    return bad_arg(c, 5, fmt::format("is {}, expected int64 or int32", dtype_name(indices.dtype)));
  SymSizes sizes = indices.sizes;
  sizes.push_back(weight.sizes[1] * SymInt(PerByte));
  DType dtype = scales.dtype;
  if constexpr (Typed) dtype = dtype_arg(c, 6).value_or(dtype);
  return one(contiguous_type(dtype, std::move(sizes)));
}

template <bool Transposed>
InferResult mixed_product(const InferContext& c) {
  const TensorType& input = c.tensor(0);
  const TensorType& weight = c.tensor(1);
  PTE_CHECK(check_floating(c, 0));
  if (input.rank() != 2) return bad_arg(c, 0, "expected a matrix");
  if (weight.rank() != 2) return bad_arg(c, 1, "expected a matrix");
  if (!unify(c, input.sizes[1], weight.sizes[Transposed ? 1 : 0])) {
    return bad_arg(
        c, 1,
        fmt::format("[{}] does not fit [{}]", to_string(weight.sizes), to_string(input.sizes)));
  }
  DType dtype = input.dtype;
  if constexpr (Transposed) dtype = dtype_arg(c, 4).value_or(dtype);
  return one(contiguous_type(dtype, {input.sizes[0], weight.sizes[Transposed ? 0 : 1]}));
}

InferResult add(const InferContext& c) {
  const TensorType& a = c.tensor(0);
  const TensorType& b = c.tensor(5);
  if (a.dtype != b.dtype || !is_quantized_type(a.dtype)) {
    return bad_arg(c, 5, fmt::format("{} with {}", dtype_name(b.dtype), dtype_name(a.dtype)));
  }
  PTE_TRY(SymSizes sizes, broadcast(c, a.sizes, b.sizes));
  if (sizes == a.sizes) return one(a);
  return one(contiguous_type(a.dtype, std::move(sizes)));
}

constexpr InferEntry kEntries[] = {
    {Op::qd_quantize_per_tensor, quantize<5>},
    {Op::qd_quantize_per_tensor_tensor, quantize<5>},
    {Op::qd_dequantize_per_tensor, dequantize<5, 6>},
    {Op::qd_dequantize_per_tensor_tensor, dequantize<5, 6>},
    {Op::qd_quantize_per_channel, quantize<6>},
    {Op::qd_dequantize_per_channel, dequantize<6, 7>},
    {Op::qd_quantize_per_token, quantize<5>},
    {Op::qd_dequantize_per_token, dequantize<5, 6>},
    {Op::qd_choose_qparams_tensor, choose_qparams},
    {Op::qd_choose_qparams_per_token_asymmetric, choose_qparams_per_token},
    {Op::qd_embedding_byte, embedding<1, false>},
    {Op::qd_embedding_byte_dtype, embedding<1, true>},
    {Op::qd_embedding_4bit, embedding<2, false>},
    {Op::qd_embedding_4bit_dtype, embedding<2, true>},
    {Op::qd_embedding_2bit, embedding<4, false>},
    {Op::qd_embedding_2bit_dtype, embedding<4, true>},
    {Op::qd_mixed_mm, mixed_product<false>},
    {Op::qd_mixed_linear, mixed_product<true>},
    {Op::qd_add, add},
};

}  // namespace

std::span<const InferEntry> quantized_inference() { return kEntries; }

}  // namespace pte::ir
