// The rules of legalize(), one table a family, and the shorthand that they are written in.
#pragma once

#include <optional>

#include "passes/decompose_rules.h"

namespace pte::passes {

// Makes calls for a rule that is a formula. The first call that fails is remembered, and done()
// gives its error; calls after it make nothing and give some tensor back.
class Maker {
 public:
  explicit Maker(Rewrite& rewrite);

  Value* call(Op op, std::vector<Arg> args);
  // Every result of a call; empty after a failure.
  std::vector<Value*> calls(Op op, std::vector<Arg> args);
  void fail(Error error);
  bool failed() const { return error_.has_value(); }
  Rewrite& rewrite() { return rewrite_; }

  Value* add(Value* a, Value* b) { return call(Op::aten_add_Tensor, {a, b}); }
  Value* add(Value* a, Arg b) { return call(Op::aten_add_Scalar, {a, std::move(b)}); }
  Value* sub(Value* a, Value* b) { return call(Op::aten_sub_Tensor, {a, b}); }
  Value* sub(Value* a, Arg b) { return call(Op::aten_sub_Scalar, {a, std::move(b)}); }
  // b - a
  Value* rsub(Value* a, Arg b) { return call(Op::aten_rsub_Scalar, {a, std::move(b)}); }
  Value* mul(Value* a, Value* b) { return call(Op::aten_mul_Tensor, {a, b}); }
  Value* mul(Value* a, Arg b) { return call(Op::aten_mul_Scalar, {a, std::move(b)}); }
  Value* div(Value* a, Value* b) { return call(Op::aten_div_Tensor, {a, b}); }
  Value* div(Value* a, Arg b) { return call(Op::aten_div_Scalar, {a, std::move(b)}); }
  Value* floor_div(Value* a, Value* b) { return call(Op::aten_div_Tensor_mode, {a, b, "floor"}); }
  Value* floor_div(Value* a, Arg b) {
    return call(Op::aten_div_Scalar_mode, {a, std::move(b), "floor"});
  }
  Value* unary(Op op, Value* a) { return call(op, {a}); }
  Value* abs(Value* a) { return unary(Op::aten_abs, a); }
  Value* neg(Value* a) { return unary(Op::aten_neg, a); }
  Value* exp(Value* a) { return unary(Op::aten_exp, a); }
  Value* log(Value* a) { return unary(Op::aten_log, a); }
  Value* sqrt(Value* a) { return unary(Op::aten_sqrt, a); }
  Value* floor(Value* a) { return unary(Op::aten_floor, a); }
  Value* where(Value* c, Value* a, Value* b) { return call(Op::aten_where_self, {c, a, b}); }
  // A number in place of a branch, in the other branch's type.
  Value* where(Value* c, Arg a, Value* b) { return where(c, number_like(std::move(a), b), b); }
  Value* where(Value* c, Value* a, Arg b) { return where(c, a, number_like(std::move(b), a)); }
  Value* lt(Value* a, Arg b) { return call(Op::aten_lt_Scalar, {a, std::move(b)}); }
  Value* le(Value* a, Arg b) { return call(Op::aten_le_Scalar, {a, std::move(b)}); }
  Value* gt(Value* a, Arg b) { return call(Op::aten_gt_Scalar, {a, std::move(b)}); }
  Value* ge(Value* a, Arg b) { return call(Op::aten_ge_Scalar, {a, std::move(b)}); }
  Value* eq(Value* a, Arg b) { return call(Op::aten_eq_Scalar, {a, std::move(b)}); }
  Value* lt(Value* a, Value* b) { return call(Op::aten_lt_Tensor, {a, b}); }
  Value* gt(Value* a, Value* b) { return call(Op::aten_gt_Tensor, {a, b}); }
  Value* le(Value* a, Value* b) { return call(Op::aten_le_Tensor, {a, b}); }
  Value* ge(Value* a, Value* b) { return call(Op::aten_ge_Tensor, {a, b}); }
  Value* eq(Value* a, Value* b) { return call(Op::aten_eq_Tensor, {a, b}); }
  Value* both(Value* a, Value* b) { return call(Op::aten_logical_and, {a, b}); }
  Value* either(Value* a, Value* b) { return call(Op::aten_logical_or, {a, b}); }
  Value* isnan(Value* a) { return unary(Op::aten_isnan, a); }
  Value* negate(Value* a) { return unary(Op::aten_logical_not, a); }  // logical not

  // Nothing when it has the type already.
  Value* cast(Value* a, DType dtype);
  Value* unsqueeze(Value* a, int64_t dim) { return call(Op::aten_unsqueeze_copy, {a, Arg(dim)}); }
  Value* squeeze(Value* a, int64_t dim) {
    return call(Op::aten_squeeze_copy_dims, {a, Arg::ints({dim})});
  }
  Value* select(Value* a, int64_t dim, Arg index) {
    return call(Op::aten_select_copy_int, {a, Arg(dim), std::move(index)});
  }
  Value* slice(Value* a, int64_t dim, int64_t begin, int64_t end, int64_t step = 1) {
    return call(Op::aten_slice_copy_Tensor, {a, Arg(dim), Arg(begin), Arg(end), Arg(step)});
  }
  Value* permute(Value* a, const std::vector<int64_t>& dims) {
    return call(Op::aten_permute_copy, {a, Arg::ints(dims)});
  }
  // The dimensions `a` and `b` change places.
  Value* swap(Value* v, size_t a, size_t b);
  Value* view(Value* a, const SymSizes& sizes, Value* source = nullptr);
  Value* view(Value* a, const Sizes& sizes) {
    return call(Op::aten_view_copy, {a, Arg::ints(sizes)});
  }
  Value* expand(Value* a, const Sizes& sizes) {
    return call(Op::aten_expand_copy, {a, Arg::ints(sizes)});
  }
  Value* cat(const std::vector<Value*>& values, int64_t dim) {
    return call(Op::aten_cat, {Arg::values(values), Arg(dim)});
  }
  Value* sum(Value* a, int64_t dim, bool keep = false) {
    return call(Op::aten_sum_dim_IntList, {a, Arg::ints({dim}), Arg(keep)});
  }
  // How many are true along a dimension, in int64.
  Value* count(Value* mask, int64_t dim) {
    return call(Op::aten_sum_dim_IntList,
                {cast(mask, DType::kInt64), Arg::ints({dim}), Arg(false)});
  }
  Value* amax(Value* a, int64_t dim, bool keep = false) {
    return call(Op::aten_amax, {a, Arg::ints({dim}), Arg(keep)});
  }
  Value* amin(Value* a, int64_t dim, bool keep = false) {
    return call(Op::aten_amin, {a, Arg::ints({dim}), Arg(keep)});
  }
  Value* gather(Value* a, int64_t dim, Value* index) {
    return call(Op::aten_gather, {a, Arg(dim), index});
  }
  Value* full(const Sizes& sizes, Arg value, DType dtype) {
    return call(Op::aten_full, {Arg::ints(sizes), std::move(value), dtype});
  }
  // A tensor of rank 0, which counts as a number in promotion.
  Value* number_like(Arg value, Value* like);
  Value* constant(const std::string& hint, Tensor tensor);
  Value* indices(const Sizes& sizes, const std::vector<int64_t>& values);
  Value* arange(int64_t count);
  // c[0] + c[1] x + c[2] x^2 …
  Value* polynomial(Value* x, std::initializer_list<double> c);

  // The rule's result, or the first error. A null value stands for a result without readers.
  Result<Replacement> done(std::vector<Value*> results);
  // One result, in the type of the node's.
  Result<Replacement> done(Value* result);

 private:
  Rewrite& rewrite_;
  Value* fallback_ = nullptr;
  std::optional<Error> error_;
};

// A node's operand sizes as numbers, or an error that says that they must be known.
Result<Sizes> known_sizes(const Rewrite& r, size_t arg);
// Refuses temporaries of more than 2^24 elements.
Status check_work(const Rewrite& r, std::initializer_list<int64_t> factors);
// Along `dim`: the sorted values and where they were; equal ones keep their order when the sizes
// are known and small.
struct Sorted {
  Value* values = nullptr;
  Value* indices = nullptr;
};
Sorted sort_along(Maker& m, Value* x, size_t dim, bool descending);

std::span<const RuleEntry> legal_elementwise_rules();
std::span<const RuleEntry> legal_special_rules();
std::span<const RuleEntry> legal_window_rules();
std::span<const RuleEntry> legal_order_rules();
std::span<const RuleEntry> legal_index_rules();
std::span<const RuleEntry> legal_matrix_rules();
std::span<const RuleEntry> legal_random_rules();
std::span<const RuleEntry> legal_resample_rules();
std::span<const RuleEntry> legal_unsigned_rules();

// Whether a node calculates with, or moves, numbers of uint16, uint32 or uint64, and what does so
// in signed ones instead; it goes before the operator's own rule.
bool has_wide_unsigned(const Node& node);
Result<Replacement> widen_unsigned(Rewrite& r);

}  // namespace pte::passes
