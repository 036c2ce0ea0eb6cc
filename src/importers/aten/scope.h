// What rules of composites are written in: expressions over tensors that become nodes as they are
// made, and one scope a call that holds its arguments and the first error.
//
// After an error every expression is empty and makes no more nodes, so that rules need no checks of
// their own; what an empty expression says of its shape is harmless (rank 0, sizes 1). A rule may
// not index a vector by anything but what it has made sure of itself.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "importers/aten/composites.h"
#include "importers/aten/node_maker.h"
#include "ir/graph.h"

namespace pte::importers {

using ir::Arg;
using ir::ArgList;
using ir::SymInt;
using ir::SymSizes;

class Scope;

// A tensor; empty where an optional operand was none, and after an error.
class Expr {
 public:
  Expr() = default;
  Expr(Scope& scope, ir::Value* value) : scope_(&scope), value_(value) {}

  explicit operator bool() const { return value_ != nullptr; }
  operator Arg() const { return value_ == nullptr ? Arg() : Arg(value_); }  // NOLINT
  ir::Value* value() const { return value_; }
  Scope* scope() const { return scope_; }

  DType dtype() const;
  const SymSizes& sizes() const;
  size_t rank() const { return sizes().size(); }
  // Counted from the end when negative; 1 when there is no such dimension.
  SymInt size(int64_t dim) const;
  SymInt numel() const;

 private:
  Scope* scope_ = nullptr;
  ir::Value* value_ = nullptr;
};
using Exprs = std::vector<Expr>;

class Scope {
 public:
  static Result<Results> run(NodeMaker& maker, const Overload& overload, std::vector<Arg> args);

  // ---- arguments, by their place in the schema
  const Arg& arg(size_t index) const { return args_[index]; }
  const std::vector<Arg>& args() const { return args_; }
  bool given(size_t index) const { return !args_[index].is_none(); }
  Expr x(size_t index);
  Exprs xs(size_t index);
  // Literals; an error names the argument when it is none, or depends on the input.
  int64_t integer(size_t index);
  int64_t integer(size_t index, int64_t when_none);
  double number(size_t index);
  double number(size_t index, double when_none);
  bool flag(size_t index);
  std::string text(size_t index);
  std::optional<DType> dtype(size_t index) const;
  std::vector<int64_t> integers(size_t index);
  // `count` integers; one stands for all.
  std::vector<int64_t> integers(size_t index, size_t count);
  std::vector<double> numbers(size_t index);
  SymSizes sizes(size_t index);
  SymInt size(size_t index);
  // A dimension in [0, rank); an error when it is out of range.
  int64_t dim(size_t index, size_t rank);
  // Dimensions; all of them when none or (with `empty_is_all`) empty.
  std::vector<int64_t> dims(size_t index, size_t rank, bool empty_is_all = true);
  int64_t wrap(int64_t dim, size_t rank);

  // ---- errors
  bool ok() const { return !error_.has_value(); }
  void fail(Error error);
  // "aten.foo.default: <what> is not supported"
  void refuse(std::string_view what);
  // Refuses `what` unless `condition`; returns the condition.
  bool require(bool condition, std::string_view what);
  // "aten.foo.default: <message>", for operands that contradict each other.
  void invalid(std::string_view message);
  // The size as a number; refuses when it depends on the input.
  int64_t fixed(const SymInt& size, std::string_view what);
  // Refuses to write a graph of more than `count` times a step; bounds what a small file may make.
  bool bounded(int64_t count, std::string_view what);

  // ---- making nodes
  Expr call(Op op, std::vector<Arg> args);
  Expr call(std::string_view full_name, std::vector<Arg> args);
  Exprs call_all(Op op, std::vector<Arg> args);
  Exprs call_all(std::string_view full_name, std::vector<Arg> args);
  Expr constant(Tensor data);
  Expr constant(const std::vector<int64_t>& values);
  Expr constant(const std::vector<double>& values, std::vector<int64_t> sizes, DType dtype);
  // A size as an argument: a number, or nodes that work it out from the operands' sizes.
  Arg size_arg(const SymInt& size, const Expr& near = {});
  // Sizes for a view: one symbolic size is written -1 where that is safe.
  ArgList view_args(const SymSizes& sizes, const Expr& near);
  ArgList size_args(const SymSizes& sizes, const Expr& near = {});
  Expr full(const SymSizes& sizes, const Arg& value, DType dtype, const Expr& near = {});
  Expr arange(const SymInt& end, DType dtype, const Expr& near = {});
  Expr scalar(const Arg& value, DType dtype);

  const OpInfo& op() const { return *overload_.info; }
  NodeMaker& maker() { return maker_; }

 private:
  Scope(NodeMaker& maker, const Overload& overload, std::vector<Arg> args)
      : maker_(maker), overload_(overload), args_(std::move(args)) {}
  Error bad(size_t index, std::string_view expected) const;
  std::vector<ir::Value*> operands(const Expr& near) const;

  NodeMaker& maker_;
  const Overload& overload_;
  std::vector<Arg> args_;
  std::optional<Error> error_;
};

// ---- operators on expressions

Expr add(const Expr& a, const Arg& b);
Expr sub(const Expr& a, const Arg& b);
Expr mul(const Expr& a, const Arg& b);
Expr div(const Expr& a, const Arg& b);
Expr rsub(const Expr& a, const Arg& number);  // number - a
inline Expr operator+(const Expr& a, const Expr& b) { return add(a, b); }
inline Expr operator-(const Expr& a, const Expr& b) { return sub(a, b); }
inline Expr operator*(const Expr& a, const Expr& b) { return mul(a, b); }
inline Expr operator/(const Expr& a, const Expr& b) { return div(a, b); }
inline Expr operator+(const Expr& a, const Arg& b) { return add(a, b); }
inline Expr operator-(const Expr& a, const Arg& b) { return sub(a, b); }
inline Expr operator*(const Expr& a, const Arg& b) { return mul(a, b); }
inline Expr operator/(const Expr& a, const Arg& b) { return div(a, b); }
inline Expr operator-(const Arg& a, const Expr& b) { return rsub(b, a); }
inline Expr operator*(const Arg& a, const Expr& b) { return mul(b, a); }
Expr operator-(const Expr& a);

Expr unary(Op op, const Expr& a);
// Compares with a tensor or a number.
Expr eq(const Expr& a, const Arg& b);
Expr ne(const Expr& a, const Arg& b);
Expr gt(const Expr& a, const Arg& b);
Expr ge(const Expr& a, const Arg& b);
Expr lt(const Expr& a, const Arg& b);
Expr le(const Expr& a, const Arg& b);
Expr both(const Expr& a, const Expr& b);
Expr either(const Expr& a, const Expr& b);
Expr negated(const Expr& a);  // logical
// Numbers take the dtype of the other branch.
Expr where(const Expr& condition, const Arg& a, const Arg& b);
Expr pow(const Expr& a, const Arg& exponent);
Expr clamp(const Expr& a, const Arg& low, const Arg& high);
Expr minimum(const Expr& a, const Expr& b);
Expr maximum(const Expr& a, const Expr& b);

Expr sum(const Expr& a, std::vector<int64_t> dims, bool keepdim = false);
Expr mean(const Expr& a, std::vector<int64_t> dims, bool keepdim = false);
Expr amax(const Expr& a, std::vector<int64_t> dims, bool keepdim = false);
Expr sum_all(const Expr& a);
Expr mean_all(const Expr& a);

// In the dtype, as it is when it has it.
Expr cast(const Expr& a, DType dtype);
// Half-precision and integer operands as float32, others as they are; `narrowed` is the way back
// for half precision, since PyTorch's kernels compute in float32 and round once.
Expr widened(const Expr& a);
Expr narrowed(const Expr& a, DType dtype);
// The floating dtype that PyTorch computes in for this one: float32 for integers.
DType floating(DType dtype);
// The dtype that an operation of a tensor of this one with a number has.
DType promoted(DType dtype, const Arg& number);

Expr view(const Expr& a, const SymSizes& sizes);
Expr expand(const Expr& a, const SymSizes& sizes, const Expr& near = {});
Expr unsqueeze(const Expr& a, int64_t dim);
Expr squeeze(const Expr& a, int64_t dim);
Expr permute(const Expr& a, const std::vector<int64_t>& dims);
Expr transpose(const Expr& a, int64_t dim0, int64_t dim1);
Expr slice(const Expr& a, int64_t dim, const Arg& start, const Arg& end, int64_t step = 1);
Expr select(const Expr& a, int64_t dim, const Arg& index);
Expr flip(const Expr& a, std::vector<int64_t> dims);
Expr cat(const Exprs& parts, int64_t dim);
Expr stack(const Exprs& parts, int64_t dim);
Exprs split_sizes(const Expr& a, const std::vector<int64_t>& sizes, int64_t dim);
Expr matmul(const Expr& a, const Expr& b);
Expr index_select(const Expr& a, int64_t dim, const Expr& index);
Arg to_list(const Exprs& items);
std::vector<int64_t> range(int64_t count);

#define PTE_UNARY(name, row) \
  inline Expr name(const Expr& a) { return unary(Op::aten_##row, a); }
PTE_UNARY(abs, abs)
PTE_UNARY(ceil, ceil)
PTE_UNARY(cos, cos)
PTE_UNARY(erf, erf)
PTE_UNARY(exp, exp)
PTE_UNARY(expm1, expm1)
PTE_UNARY(floor, floor)
PTE_UNARY(isnan, isnan)
PTE_UNARY(log, log)
PTE_UNARY(log1p, log1p)
PTE_UNARY(reciprocal, reciprocal)
PTE_UNARY(relu, relu)
PTE_UNARY(round, round)
PTE_UNARY(rsqrt, rsqrt)
PTE_UNARY(sigmoid, sigmoid)
PTE_UNARY(sign, sign)
PTE_UNARY(sin, sin)
PTE_UNARY(sqrt, sqrt)
PTE_UNARY(tanh, tanh)
PTE_UNARY(trunc, trunc)
#undef PTE_UNARY

}  // namespace pte::importers
