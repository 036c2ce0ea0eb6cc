// The quantised layers of pte::, whose integers follow XNNPACK's arithmetic.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

bool is_byte(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; }

Status check_byte(const InferContext& c, size_t arg) {
  if (is_byte(c.tensor(arg).dtype)) return {};
  return bad_arg(c, arg,
                 fmt::format("is {}, expected int8 or uint8", dtype_name(c.tensor(arg).dtype)));
}

Status check_floating(const InferContext& c, size_t arg) {
  if (is_floating(c.tensor(arg).dtype)) return {};
  return bad_arg(c, arg,
                 fmt::format("is {}, expected a floating type", dtype_name(c.tensor(arg).dtype)));
}

Status check_bias(const InferContext& c, size_t arg, const SymInt& channels) {
  const TensorType* bias = optional_tensor(c, arg);
  if (bias == nullptr || (bias->rank() == 1 && unify(c, bias->sizes[0], channels))) return {};
  return bad_arg(
      c, arg,
      fmt::format("expected sizes [{}], got [{}]", channels.to_string(), to_string(bias->sizes)));
}

// `first` is the place of the bias; stride, padding, dilation, transposed, output_padding and
// groups follow it. The weight is argument `weight`.
InferResult convolution(const InferContext& c, size_t weight_arg, size_t first) {
  const TensorType& input = c.tensor(0);
  const TensorType& weight = c.tensor(weight_arg);
  if (input.rank() != 4) return bad_arg(c, 0, "expected rank 4");
  if (weight.rank() != 4) return bad_arg(c, weight_arg, "expected rank 4");
  PTE_TRY(const SymSizes stride, size_list(c, first + 1, 2));
  PTE_TRY(const SymSizes padding, size_list(c, first + 2, 4));
  PTE_TRY(const SymSizes dilation, size_list(c, first + 3, 2));
  const bool transposed = bool_arg(c, first + 4);
  PTE_TRY(const SymSizes extra, size_list(c, first + 5, 2));
  PTE_TRY(const int64_t groups, int_arg(c, first + 6));
  if (groups < 1) return bad_arg(c, first + 6, "must be positive");
  for (size_t i = 0; i < 2; ++i) {
    for (const auto& [arg, list, least] :
         {std::tuple{first + 1, &stride, 1}, {first + 3, &dilation, 1}, {first + 5, &extra, 0}}) {
      const auto value = (*list)[i].constant();
      if (!value || *value < least || *value > INT32_MAX) {
        return bad_arg(c, arg, fmt::format("expected numbers from {}", least));
      }
    }
  }
  const SymInt fan = weight.sizes[1] * SymInt(groups);
  const SymInt& expected = transposed ? weight.sizes[0] : fan;
  if (!unify(c, input.sizes[1], expected)) {
    return bad_arg(c, weight_arg,
                   fmt::format("[{}] in {} groups takes {} channels, the input has {}",
                               to_string(weight.sizes), groups, expected.to_string(),
                               input.sizes[1].to_string()));
  }
  const SymInt channels = transposed ? fan : weight.sizes[0];
  PTE_CHECK(check_bias(c, first, channels));
  TensorType type = contiguous_type(input.dtype, {input.sizes[0], channels});
  for (size_t i = 0; i < 2; ++i) {
    const SymInt reach = dilation[i] * (weight.sizes[i + 2] - 1) + 1;
    const SymInt sides = padding[i] + padding[i + 2];
    const SymInt& in = input.sizes[i + 2];
    SymInt size = transposed ? (in - 1) * stride[i] - sides + reach + extra[i]
                             : SymInt::floordiv(in + sides - reach, stride[i]) + 1;
    if (size.is_constant() && *size.constant() <= 0) {
      return bad_arg(c, 0,
                     fmt::format("size {} is too small for a kernel that covers {}", in.to_string(),
                                 reach.to_string()));
    }
    type.sizes.push_back(std::move(size));
  }
  return one(contiguous_type(type.dtype, std::move(type.sizes)));
}

InferResult quantized_convolution(const InferContext& c) {
  PTE_CHECK(check_byte(c, 0));
  PTE_CHECK(check_byte(c, 3));
  return convolution(c, 3, 6);
}

InferResult dynamic_convolution(const InferContext& c) {
  PTE_CHECK(check_floating(c, 0));
  PTE_CHECK(check_byte(c, 1));
  return convolution(c, 1, 4);
}

InferResult linear(const InferContext& c, size_t weight_arg, size_t bits_arg, size_t bias_arg) {
  const TensorType& input = c.tensor(0);
  const TensorType& weight = c.tensor(weight_arg);
  PTE_CHECK(check_byte(c, weight_arg));
  if (input.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  if (weight.rank() != 2) return bad_arg(c, weight_arg, "expected rank 2");
  PTE_TRY(const int64_t bits, int_arg(c, bits_arg));
  if (bits != 4 && bits != 8) return bad_arg(c, bits_arg, "expected 4 or 8");
  SymInt row = input.sizes.back();
  if (bits == 4) row = SymInt::floordiv(row + 1, 2);
  if (!unify(c, row, weight.sizes[1])) {
    return bad_arg(c, weight_arg,
                   fmt::format("[{}] of {} bits does not fit [{}]", to_string(weight.sizes), bits,
                               to_string(input.sizes)));
  }
  PTE_CHECK(check_bias(c, bias_arg, weight.sizes[0]));
  SymSizes sizes(input.sizes.begin(), input.sizes.end() - 1);
  sizes.push_back(weight.sizes[0]);
  return one(contiguous_type(input.dtype, std::move(sizes)));
}

InferResult quantized_linear(const InferContext& c) {
  PTE_CHECK(check_byte(c, 0));
  return linear(c, 3, 6, 7);
}

InferResult dynamic_linear(const InferContext& c) {
  PTE_CHECK(check_floating(c, 0));
  return linear(c, 2, 5, 6);
}

InferResult binary(const InferContext& c) {
  PTE_CHECK(check_byte(c, 0));
  if (c.tensor(3).dtype != c.tensor(0).dtype) {
    return bad_arg(c, 3,
                   fmt::format("is {}, the first operand is {}", dtype_name(c.tensor(3).dtype),
                               dtype_name(c.tensor(0).dtype)));
  }
  PTE_TRY(SymSizes sizes, broadcast(c, c.tensor(0).sizes, c.tensor(3).sizes));
  return one(contiguous_type(c.tensor(0).dtype, std::move(sizes)));
}

InferResult mean(const InferContext& c) {
  PTE_CHECK(check_byte(c, 0));
  const TensorType& input = c.tensor(0);
  PTE_TRY(const std::vector<bool> mask, dim_mask(c, 3, input.rank()));
  const bool keep = bool_arg(c, 4);
  SymSizes sizes;
  for (size_t d = 0; d < input.rank(); ++d) {
    if (!mask[d]) sizes.push_back(input.sizes[d]);
    if (mask[d] && keep) sizes.emplace_back(1);
  }
  return one(contiguous_type(input.dtype, std::move(sizes)));
}

InferResult requantize(const InferContext& c) {
  PTE_CHECK(check_byte(c, 0));
  return one(contiguous_type(c.tensor(0).dtype, c.tensor(0).sizes));
}

constexpr InferEntry kEntries[] = {
    {Op::pte_quantized_convolution, quantized_convolution},
    {Op::pte_quantized_linear, quantized_linear},
    {Op::pte_dynamic_quantized_convolution, dynamic_convolution},
    {Op::pte_dynamic_quantized_linear, dynamic_linear},
    {Op::pte_quantized_add, binary},
    {Op::pte_quantized_mul, binary},
    {Op::pte_quantized_mean, mean},
    {Op::pte_requantize, requantize},
};

}  // namespace

std::span<const InferEntry> quantized_nn_inference() { return kEntries; }

}  // namespace pte::ir
