#include <numeric>

#include "importers/aten/scope.h"

namespace pte::importers {

namespace {

bool is_tensor(const Arg& arg) { return arg.value() != nullptr && arg.value()->is_tensor(); }

Expr make(const Expr& near, Op op, std::vector<Arg> args) {
  return near.scope() == nullptr ? Expr() : near.scope()->call(op, std::move(args));
}

// The operand of add, sub and rsub with a number: the official kernels refuse a number that would
// change its type.
Expr summand(const Expr& a, const Arg& number) {
  return is_tensor(number) || number.is_none() ? a : cast(a, promoted(a.dtype(), number));
}

Expr binary(const Expr& a, const Arg& b, Op tensor, Op number) {
  return make(a, is_tensor(b) || b.is_none() ? tensor : number, {a, b});
}

}  // namespace

Expr add(const Expr& a, const Arg& b) {
  return binary(summand(a, b), b, Op::aten_add_Tensor, Op::aten_add_Scalar);
}
Expr sub(const Expr& a, const Arg& b) {
  return binary(summand(a, b), b, Op::aten_sub_Tensor, Op::aten_sub_Scalar);
}
Expr mul(const Expr& a, const Arg& b) {
  return binary(a, b, Op::aten_mul_Tensor, Op::aten_mul_Scalar);
}
Expr div(const Expr& a, const Arg& b) {
  return binary(a, b, Op::aten_div_Tensor, Op::aten_div_Scalar);
}
Expr rsub(const Expr& a, const Arg& number) {
  if (is_tensor(number)) return make(a, Op::aten_sub_Tensor, {number, a});
  return make(a, Op::aten_rsub_Scalar, {summand(a, number), number});
}
Expr operator-(const Expr& a) { return unary(Op::aten_neg, a); }

Expr unary(Op op, const Expr& a) { return make(a, op, {a}); }

Expr eq(const Expr& a, const Arg& b) {
  return binary(a, b, Op::aten_eq_Tensor, Op::aten_eq_Scalar);
}
Expr ne(const Expr& a, const Arg& b) {
  return binary(a, b, Op::aten_ne_Tensor, Op::aten_ne_Scalar);
}
Expr gt(const Expr& a, const Arg& b) {
  return binary(a, b, Op::aten_gt_Tensor, Op::aten_gt_Scalar);
}
Expr ge(const Expr& a, const Arg& b) {
  return binary(a, b, Op::aten_ge_Tensor, Op::aten_ge_Scalar);
}
Expr lt(const Expr& a, const Arg& b) {
  return binary(a, b, Op::aten_lt_Tensor, Op::aten_lt_Scalar);
}
Expr le(const Expr& a, const Arg& b) {
  return binary(a, b, Op::aten_le_Tensor, Op::aten_le_Scalar);
}
Expr both(const Expr& a, const Expr& b) { return make(a, Op::aten_logical_and, {a, b}); }
Expr either(const Expr& a, const Expr& b) { return make(a, Op::aten_logical_or, {a, b}); }
Expr negated(const Expr& a) { return unary(Op::aten_logical_not, a); }

Expr where(const Expr& condition, const Arg& a, const Arg& b) {
  Scope* scope = condition.scope();
  if (scope == nullptr) return {};
  const auto branch = [&](const Arg& own, const Arg& other) -> Arg {
    if (is_tensor(own)) return own;
    return scope->scalar(own, is_tensor(other) ? other.value()->tensor().dtype : DType::kFloat32);
  };
  return scope->call(Op::aten_where_self, {condition, branch(a, b), branch(b, a)});
}

Expr pow(const Expr& a, const Arg& exponent) {
  return binary(a, exponent, Op::aten_pow_Tensor_Tensor, Op::aten_pow_Tensor_Scalar);
}
Expr clamp(const Expr& a, const Arg& low, const Arg& high) {
  return make(a, Op::aten_clamp, {a, low, high});
}
Expr minimum(const Expr& a, const Expr& b) { return make(a, Op::aten_minimum, {a, b}); }
Expr maximum(const Expr& a, const Expr& b) { return make(a, Op::aten_maximum, {a, b}); }

Expr sum(const Expr& a, std::vector<int64_t> dims, bool keepdim) {
  return make(a, Op::aten_sum_dim_IntList, {a, Arg::ints(dims), Arg(keepdim)});
}
Expr mean(const Expr& a, std::vector<int64_t> dims, bool keepdim) {
  return make(a, Op::aten_mean_dim, {a, Arg::ints(dims), Arg(keepdim)});
}
Expr amax(const Expr& a, std::vector<int64_t> dims, bool keepdim) {
  return make(a, Op::aten_amax, {a, Arg::ints(dims), Arg(keepdim)});
}
Expr sum_all(const Expr& a) { return make(a, Op::aten_sum_dim_IntList, {a, Arg(), Arg(false)}); }
Expr mean_all(const Expr& a) { return make(a, Op::aten_mean_dim, {a, Arg(), Arg(false)}); }

Expr cast(const Expr& a, DType dtype) {
  return a.dtype() == dtype ? a : make(a, Op::aten__to_copy, {a, dtype});
}

DType floating(DType dtype) { return is_floating(dtype) ? dtype : DType::kFloat32; }

DType promoted(DType dtype, const Arg& number) {
  if (is_floating(dtype) || is_complex(dtype)) return dtype;
  const bool real = std::holds_alternative<double>(number.v) ||
                    (number.value() != nullptr &&
                     std::holds_alternative<ir::SymFloatType>(number.value()->type()));
  if (real) return DType::kFloat32;
  return dtype == DType::kBool && !std::holds_alternative<bool>(number.v) ? DType::kInt64 : dtype;
}

Expr widened(const Expr& a) {
  return is_floating(a.dtype()) && size_of(a.dtype()) >= 4 ? a : cast(a, DType::kFloat32);
}
Expr narrowed(const Expr& a, DType dtype) { return cast(a, floating(dtype)); }

Expr view(const Expr& a, const SymSizes& sizes) {
  if (a.scope() == nullptr || !a || a.sizes() == sizes) return a;
  return make(a, Op::aten_view, {a, a.scope()->view_args(sizes, a)});
}

Expr expand(const Expr& a, const SymSizes& sizes, const Expr& near) {
  if (a.scope() == nullptr || !a || a.sizes() == sizes) return a;
  ArgList args;
  const size_t missing = sizes.size() - std::min(sizes.size(), a.rank());
  for (size_t i = 0; i < sizes.size(); ++i) {
    const bool kept = i >= missing && a.sizes()[i - missing] == sizes[i];
    args.push_back(kept ? Arg(-1) : a.scope()->size_arg(sizes[i], near));
  }
  return make(a, Op::aten_expand, {a, std::move(args)});
}

Expr unsqueeze(const Expr& a, int64_t dim) { return make(a, Op::aten_unsqueeze, {a, dim}); }
Expr squeeze(const Expr& a, int64_t dim) { return make(a, Op::aten_squeeze_dim, {a, dim}); }

Expr permute(const Expr& a, const std::vector<int64_t>& dims) {
  if (dims == range(static_cast<int64_t>(a.rank()))) return a;
  return make(a, Op::aten_permute, {a, Arg::ints(dims)});
}

Expr transpose(const Expr& a, int64_t dim0, int64_t dim1) {
  return make(a, Op::aten_transpose_int, {a, dim0, dim1});
}

Expr slice(const Expr& a, int64_t dim, const Arg& start, const Arg& end, int64_t step) {
  return make(a, Op::aten_slice_Tensor, {a, dim, start, end, step});
}
Expr select(const Expr& a, int64_t dim, const Arg& index) {
  return make(a, Op::aten_select_int, {a, dim, index});
}
Expr flip(const Expr& a, std::vector<int64_t> dims) {
  return make(a, Op::aten_flip, {a, Arg::ints(dims)});
}

Arg to_list(const Exprs& items) {
  ArgList list;
  for (const Expr& item : items) list.push_back(item);
  return Arg(std::move(list));
}

Expr cat(const Exprs& parts, int64_t dim) {
  if (parts.empty()) return {};
  if (parts.size() == 1) return parts[0];
  return make(parts[0], Op::aten_cat, {to_list(parts), dim});
}
Expr stack(const Exprs& parts, int64_t dim) {
  if (parts.empty()) return {};
  return make(parts[0], Op::aten_stack, {to_list(parts), dim});
}

Exprs split_sizes(const Expr& a, const std::vector<int64_t>& sizes, int64_t dim) {
  if (a.scope() == nullptr) return Exprs(sizes.size());
  Exprs parts = a.scope()->call_all(Op::aten_split_with_sizes, {a, Arg::ints(sizes), dim});
  parts.resize(sizes.size(), Expr(*a.scope(), nullptr));
  return parts;
}

Expr matmul(const Expr& a, const Expr& b) { return make(a, Op::aten_matmul, {a, b}); }

Expr index_select(const Expr& a, int64_t dim, const Expr& index) {
  return make(a, Op::aten_index_select, {a, dim, index});
}

std::vector<int64_t> range(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(std::max<int64_t>(count, 0)));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace pte::importers
