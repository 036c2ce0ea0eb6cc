#include "passes/decompose_rules.h"

namespace pte::passes {
namespace {

SymSizes front(const SymSizes& sizes, size_t count) {
  return {sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(count)};
}

// `value` as a matrix: all dimensions but the last become one.
Result<Value*> flatten_rows(Rewrite& r, Value* value) {
  const SymSizes& sizes = value->tensor().sizes;
  if (sizes.size() == 2) return value;
  const SymInt rows = ir::product(front(sizes, sizes.size() - 1));
  return r.view(value, {rows, sizes.back()});
}

// (input, weight, bias): input @ weight.T + bias
Result<Replacement> linear(Rewrite& r) {
  Value* input = r.input(0);
  if (r.type(1).rank() != 2) return r.not_supported("a weight that is not a matrix");
  if (input->tensor().rank() == 0) return r.not_supported("an input without dimensions");
  PTE_TRY(Value * rows, flatten_rows(r, input));
  PTE_TRY(Value * weight, r.call(Op::aten_permute_copy, {r.arg(1), Arg::ints({1, 0})}));
  Value* bias = r.arg(2).value();
  Value* product = nullptr;
  if (bias != nullptr) {
    PTE_TRY(product, r.call(Op::aten_addmm, {bias, rows, weight}));
  } else {
    PTE_TRY(product, r.call(Op::aten_mm, {rows, weight}));
  }
  if (input->tensor().rank() == 2) return Replacement{product};
  return one(r.view(product, r.result_type().sizes, input));
}

// `value` with the batch dimensions `batch` before its last two, then those as one dimension.
Result<Value*> to_batches(Rewrite& r, Value* value, Value* other, const SymSizes& batch) {
  const SymSizes matrix(value->tensor().sizes.end() - 2, value->tensor().sizes.end());
  SymSizes wanted = batch;
  wanted.insert(wanted.end(), matrix.begin(), matrix.end());
  if (value->tensor().sizes != wanted) {
    ArgList sizes;
    const size_t missing = wanted.size() - value->tensor().rank();
    for (size_t i = 0; i < wanted.size(); ++i) {
      const auto number = wanted[i].constant();
      if (number.has_value()) {
        sizes.emplace_back(*number);
      } else if (i >= missing && value->tensor().sizes[i - missing] == wanted[i]) {
        sizes.emplace_back(-1);  // expand keeps this one
      } else {
        PTE_TRY(const auto size, size_value(r.builder, other, wanted[i]));
        if (!size) return r.not_supported("a batch size that cannot be computed");
        sizes.push_back(*size);
      }
    }
    PTE_TRY(value, r.call(Op::aten_expand_copy, {value, std::move(sizes)}));
  }
  if (batch.size() == 1) return value;
  return r.view(value, {ir::product(batch), matrix[0], matrix[1]});
}

Result<Replacement> matmul(Rewrite& r) {
  Value* a = r.input(0);
  Value* b = r.input(1);
  size_t a_rank = a->tensor().rank();
  size_t b_rank = b->tensor().rank();
  if (a_rank == 0 || b_rank == 0) return r.not_supported("an operand without dimensions");
  const SymSizes& result = r.result_type().sizes;
  // A vector is a matrix of one row (left) or one column (right); the view at the end drops it.
  const bool vector = a_rank == 1 || b_rank == 1;
  if (a_rank == 1) {
    PTE_TRY(a, r.call(Op::aten_unsqueeze_copy, {a, Arg(0)}));
    a_rank = 2;
  }
  if (b_rank == 1) {
    PTE_TRY(b, r.call(Op::aten_unsqueeze_copy, {b, Arg(1)}));
    b_rank = 2;
  }
  if (a_rank == 2 && b_rank == 2) {
    PTE_TRY(Value * product, r.call(Op::aten_mm, {a, b}));
    if (!vector) return Replacement{product};
    return one(r.view(product, result, r.arg(0).value()->tensor().rank() == 1 ? b : a));
  }
  if (b_rank == 2) {
    PTE_TRY(Value * rows, flatten_rows(r, a));
    PTE_TRY(Value * product, r.call(Op::aten_mm, {rows, b}));
    return one(r.view(product, result, a));
  }
  // Both in batches: the result's leading dimensions are the common ones. A vector's dimension is
  // not among them.
  const size_t batch_rank = std::max(a_rank, b_rank) - 2;
  const SymSizes batch = front(result, batch_rank);
  PTE_TRY(Value * left, to_batches(r, a, b, batch));
  PTE_TRY(Value * right, to_batches(r, b, a, batch));
  PTE_TRY(Value * product, r.call(Op::aten_bmm, {left, right}));
  if (product->tensor().sizes == result) return Replacement{product};
  return one(r.view(product, result, a_rank >= b_rank ? a : b));
}

}  // namespace

std::span<const RuleEntry> matmul_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_linear, linear},
      {Op::aten_matmul, matmul},
  };
  return kRules;
}

}  // namespace pte::passes
