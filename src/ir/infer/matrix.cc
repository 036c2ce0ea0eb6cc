// Matrix products.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

Status check_rank(const InferContext& c, size_t arg, size_t rank) {
  const TensorType& tensor = c.tensor(arg);
  if (tensor.rank() == rank) return {};
  return bad_arg(c, arg, fmt::format("expected rank {}, got [{}]", rank, to_string(tensor.sizes)));
}

Status check_dtype(const InferContext& c, size_t arg, DType dtype) {
  const TensorType* tensor = optional_tensor(c, arg);
  if (tensor == nullptr || tensor->dtype == dtype) return {};
  return bad_arg(c, arg,
                 fmt::format("is {}, expected {}", dtype_name(tensor->dtype), dtype_name(dtype)));
}

Status check_inner(const InferContext& c, size_t a_arg, size_t b_arg, const SymInt& a,
                   const SymInt& b) {
  if (unify(c, a, b)) return {};
  return bad_arg(c, b_arg,
                 fmt::format("[{}] does not fit [{}] of '{}': {} against {}",
                             to_string(c.tensor(b_arg).sizes), to_string(c.tensor(a_arg).sizes),
                             arg_name(c, a_arg), b.to_string(), a.to_string()));
}

InferResult linear(const InferContext& c) {
  const TensorType& input = c.tensor(0);
  const TensorType& weight = c.tensor(1);
  if (input.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  if (weight.rank() != 1 && weight.rank() != 2) {
    return bad_arg(c, 1, fmt::format("expected rank 1 or 2, got [{}]", to_string(weight.sizes)));
  }
  PTE_CHECK(check_dtype(c, 1, input.dtype));
  PTE_CHECK(check_dtype(c, 2, input.dtype));
  PTE_CHECK(check_inner(c, 0, 1, input.sizes.back(), weight.sizes.back()));
  SymSizes sizes(input.sizes.begin(), input.sizes.end() - 1);
  if (weight.rank() == 2) sizes.push_back(weight.sizes[0]);
  if (const TensorType* bias = optional_tensor(c, 2)) {
    PTE_CHECK(check_expands(c, 2, bias->sizes, sizes));
  }
  return one(contiguous_type(input.dtype, std::move(sizes)));
}

InferResult mm(const InferContext& c) {
  PTE_CHECK(check_rank(c, 0, 2));
  PTE_CHECK(check_rank(c, 1, 2));
  const TensorType& a = c.tensor(0);
  const TensorType& b = c.tensor(1);
  PTE_CHECK(check_dtype(c, 1, a.dtype));
  PTE_CHECK(check_inner(c, 0, 1, a.sizes[1], b.sizes[0]));
  return one(contiguous_type(a.dtype, {a.sizes[0], b.sizes[1]}));
}

InferResult addmm(const InferContext& c) {
  PTE_CHECK(check_rank(c, 1, 2));
  PTE_CHECK(check_rank(c, 2, 2));
  const TensorType& bias = c.tensor(0);
  const TensorType& a = c.tensor(1);
  const TensorType& b = c.tensor(2);
  PTE_CHECK(check_dtype(c, 2, a.dtype));
  PTE_CHECK(check_dtype(c, 0, a.dtype));
  PTE_CHECK(check_inner(c, 1, 2, a.sizes[1], b.sizes[0]));
  const SymSizes sizes{a.sizes[0], b.sizes[1]};
  PTE_CHECK(check_expands(c, 0, bias.sizes, sizes));
  return one(contiguous_type(a.dtype, sizes));
}

InferResult bmm(const InferContext& c) {
  PTE_CHECK(check_rank(c, 0, 3));
  PTE_CHECK(check_rank(c, 1, 3));
  const TensorType& a = c.tensor(0);
  const TensorType& b = c.tensor(1);
  PTE_CHECK(check_dtype(c, 1, a.dtype));
  PTE_CHECK(check_inner(c, 0, 1, a.sizes[2], b.sizes[1]));
  const auto batch = unify(c, a.sizes[0], b.sizes[0]);
  if (!batch) {
    return bad_arg(
        c, 1,
        fmt::format("batch {} differs from {}", b.sizes[0].to_string(), a.sizes[0].to_string()));
  }
  return one(contiguous_type(a.dtype, {*batch, a.sizes[1], b.sizes[2]}));
}

InferResult matmul(const InferContext& c) {
  const TensorType& a = c.tensor(0);
  const TensorType& b = c.tensor(1);
  if (a.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  if (b.rank() == 0) return bad_arg(c, 1, "expected rank 1 or more");
  PTE_CHECK(check_dtype(c, 1, a.dtype));
  PTE_CHECK(
      check_inner(c, 0, 1, a.sizes.back(), b.rank() == 1 ? b.sizes[0] : b.sizes[b.rank() - 2]));
  // A vector takes part as a matrix whose extra dimension is dropped again.
  const auto batch_of = [](const TensorType& t) {
    return t.rank() <= 2 ? SymSizes{} : SymSizes(t.sizes.begin(), t.sizes.end() - 2);
  };
  PTE_TRY(SymSizes sizes, broadcast(c, batch_of(a), batch_of(b)));
  if (a.rank() > 1) sizes.push_back(a.sizes[a.rank() - 2]);
  if (b.rank() > 1) sizes.push_back(b.sizes.back());
  return one(contiguous_type(a.dtype, std::move(sizes)));
}

constexpr InferEntry kEntries[] = {
    {Op::aten_linear, linear}, {Op::aten_addmm, addmm},   {Op::aten_mm, mm},
    {Op::aten_bmm, bmm},       {Op::aten_matmul, matmul},
};

}  // namespace

std::span<const InferEntry> matrix_inference() { return kEntries; }

}  // namespace pte::ir
