#include "importers/onnx/emitter.h"

namespace pte::importers::onnx {

using ir::Arg;
using ir::ArgList;
using ir::SymInt;

// ---- the emitter

void Emitter::fail(Error error) {
  if (failed_) return;
  failed_ = true;
  error_ = std::move(error);
}

Status Emitter::take_status() {
  if (!failed_) return {};
  failed_ = false;
  return std::move(error_);
}

namespace {

// True when an operand is what an error left behind.
bool has_missing(const Arg& arg) {
  if (const auto* value = std::get_if<ir::Value*>(&arg.v)) return *value == nullptr;
  if (const ArgList* list = arg.list()) {
    for (const Arg& item : *list) {
      if (has_missing(item)) return true;
    }
  }
  return false;
}

}  // namespace

Ex Emitter::call(const OpInfo& op, std::vector<Arg> args) {
  if (failed_) return {this, nullptr};
  for (const Arg& arg : args) {
    if (has_missing(arg)) {
      fail(internal_error("{} without its operand", op.full_name()));
      return {this, nullptr};
    }
  }
  auto node = maker_.add(op, std::move(args), {name_});
  if (!node) {
    fail(std::move(node.error()));
    return {this, nullptr};
  }
  if ((*node)->results().empty()) {
    fail(internal_error("{} has no result", op.full_name()));
    return {this, nullptr};
  }
  return {this, (*node)->result()};
}

std::vector<Ex> Emitter::calls(Op op, std::vector<Arg> args) {
  const Ex first = call(op, std::move(args));
  // After an error there are as many results as a caller may ask for.
  if (!first) return std::vector<Ex>(4, Ex{this, nullptr});
  std::vector<Ex> all;
  for (ir::Value* result : first.v->producer()->results()) all.push_back({this, result});
  return all;
}

Arg Emitter::scalar(Op op, std::vector<Arg> args) {
  const Ex result = call(op, std::move(args));
  if (!result) return Arg(int64_t{1});
  if (const auto* size = std::get_if<ir::SymIntType>(&result.v->type())) {
    if (const auto number = size->value.constant()) return Arg(*number);
  }
  return Arg(result.v);
}

Ex Emitter::constant(std::string name, Tensor data, ir::Constant::Kind kind) {
  if (failed_) return {this, nullptr};
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.') c = '_';
  }
  if (name.empty()) name = "constant";
  return {this, module().add_constant(graph(), std::move(name), std::move(data), kind)};
}

Ex Emitter::full(std::vector<Arg> sizes, double value, DType dtype) {
  Arg fill(value);
  if (dtype == DType::kBool) {
    fill = Arg(value != 0);
  } else if (!is_floating(dtype)) {
    fill = Arg(static_cast<int64_t>(value));
  }
  return call(Op::aten_full, {Arg(ArgList(std::move(sizes))), fill, dtype});
}

Ex Emitter::arange(Arg start, Arg end, int64_t step) {
  return call(Op::aten_arange_start_step, {std::move(start), std::move(end), step, DType::kInt64});
}

Ex Emitter::cat(const std::vector<Ex>& parts, int64_t dim) {
  if (parts.size() == 1) return parts[0];
  ArgList list;
  for (const Ex& part : parts) list.emplace_back(part.v);
  return call(Op::aten_cat, {Arg(std::move(list)), dim});
}

Ex Emitter::stack(const std::vector<Ex>& parts, int64_t dim) {
  std::vector<Ex> rows;
  for (const Ex& part : parts) rows.push_back(part.unsqueeze(dim));
  return cat(rows, dim);
}

Ex Emitter::where(const Ex& condition, const Ex& a, const Ex& b) {
  return call(Op::aten_where_self, {condition.v, a.v, b.v});
}

namespace {

Arg index_list(const std::vector<Ex>& indices) {
  ArgList list;
  for (const Ex& index : indices) list.push_back(index.v == nullptr ? Arg() : Arg(index.v));
  return Arg(std::move(list));
}

}  // namespace

Ex Emitter::index(const Ex& x, const std::vector<Ex>& indices) {
  return call(Op::aten_index_Tensor, {x.v, index_list(indices)});
}

Ex Emitter::index_put(const Ex& x, const std::vector<Ex>& indices, const Ex& values,
                      bool accumulate) {
  return call(Op::aten_index_put, {x.v, index_list(indices), values.v, accumulate});
}

// ---- expressions

SymInt Ex::size(size_t dim) const {
  return v == nullptr || dim >= rank() ? SymInt(1) : v->tensor().sizes[dim];
}

int64_t Ex::fixed(size_t dim) const {
  if (v == nullptr) return 1;
  if (dim >= rank()) {
    e->fail(invalid_data("it needs at least {} dimensions, it has {}", dim + 1, rank()));
    return 1;
  }
  const auto number = size(dim).constant();
  if (!number) {
    e->fail(
        unsupported("the size of dimension {} must be known, it is {}", dim, size(dim).to_string())
            .with_hint("fix it with --input-shapes"));
    return 1;
  }
  return *number;
}

Arg Ex::size_arg(size_t dim) const {
  if (v == nullptr) return Arg(int64_t{1});
  const SymInt known = size(dim);
  if (const auto number = known.constant()) return Arg(*number);
  return e->scalar(Op::aten_sym_size_int, {v, static_cast<int64_t>(dim)});
}

std::vector<Arg> Ex::sizes() const {
  std::vector<Arg> all;
  for (size_t i = 0; i < rank(); ++i) all.push_back(size_arg(i));
  return all;
}

SymInt Ex::numel() const { return v == nullptr ? SymInt(1) : ir::product(v->tensor().sizes); }

Arg Ex::number(double value) const {
  if (is_floating(dtype())) return Arg(value);
  return Arg(static_cast<int64_t>(value));
}

Ex Ex::cast(DType to) const {
  if (v != nullptr && dtype() == to) return *this;
  return e->call(Op::aten__to_copy, {v, to});
}

Ex Ex::view(std::vector<Arg> sizes) const {
  return e->call(Op::aten_view, {v, Arg(ArgList(std::move(sizes)))});
}

Ex Ex::view_like(const Ex& other) const { return view(other.sizes()); }

Ex Ex::permute(const std::vector<int64_t>& dims) const {
  return e->call(Op::aten_permute, {v, Arg::ints(dims)});
}

Ex Ex::transpose(int64_t a, int64_t b) const { return e->call(Op::aten_transpose_int, {v, a, b}); }
Ex Ex::unsqueeze(int64_t dim) const { return e->call(Op::aten_unsqueeze, {v, dim}); }
Ex Ex::squeeze(int64_t dim) const { return e->call(Op::aten_squeeze_dim, {v, dim}); }
Ex Ex::expand(std::vector<Arg> sizes) const {
  return e->call(Op::aten_expand, {v, Arg(ArgList(std::move(sizes)))});
}
Ex Ex::select(int64_t dim, Arg index) const {
  return e->call(Op::aten_select_int, {v, dim, std::move(index)});
}
Ex Ex::slice(int64_t dim, Arg start, Arg end, int64_t step) const {
  return e->call(Op::aten_slice_Tensor, {v, dim, std::move(start), std::move(end), step});
}
Ex Ex::flip(std::vector<int64_t> dims) const {
  return e->call(Op::aten_flip, {v, Arg::ints(dims)});
}
Ex Ex::sum(std::vector<int64_t> dims, bool keep) const {
  return e->call(Op::aten_sum_dim_IntList,
                 {v, Arg::ints(dims), keep, is_floating(dtype()) ? Arg() : Arg(dtype())});
}
Ex Ex::mean(std::vector<int64_t> dims, bool keep) const {
  return e->call(Op::aten_mean_dim, {v, Arg::ints(dims), keep});
}
Ex Ex::amax(std::vector<int64_t> dims, bool keep) const {
  return e->call(Op::aten_amax, {v, Arg::ints(dims), keep});
}
Ex Ex::amin(std::vector<int64_t> dims, bool keep) const {
  return e->call(Op::aten_amin, {v, Arg::ints(dims), keep});
}
Ex Ex::matmul(const Ex& other) const { return e->call(Op::aten_matmul, {v, other.v}); }
Ex Ex::clamp(Arg low, Arg high) const {
  return e->call(Op::aten_clamp, {v, std::move(low), std::move(high)});
}
Ex Ex::softmax(int64_t dim) const { return e->call(Op::aten__softmax, {v, dim, false}); }

Ex Ex::exp() const { return e->call(Op::aten_exp, {v}); }
Ex Ex::log() const { return e->call(Op::aten_log, {v}); }
Ex Ex::sqrt() const { return e->call(Op::aten_sqrt, {v}); }
Ex Ex::abs() const { return e->call(Op::aten_abs, {v}); }
Ex Ex::tanh() const { return e->call(Op::aten_tanh, {v}); }
Ex Ex::sigmoid() const { return e->call(Op::aten_sigmoid, {v}); }
Ex Ex::relu() const { return e->call(Op::aten_relu, {v}); }
Ex Ex::floor() const { return e->call(Op::aten_floor, {v}); }
Ex Ex::ceil() const { return e->call(Op::aten_ceil, {v}); }
Ex Ex::round() const { return e->call(Op::aten_round, {v}); }
Ex Ex::trunc() const { return e->call(Op::aten_trunc, {v}); }
Ex Ex::sign() const { return e->call(Op::aten_sign, {v}); }
Ex Ex::reciprocal() const { return e->call(Op::aten_reciprocal, {v}); }
Ex Ex::operator-() const { return e->call(Op::aten_neg, {v}); }
Ex Ex::logical_not() const { return e->call(Op::aten_logical_not, {v}); }

Ex operator+(const Ex& a, const Ex& b) { return a.e->call(Op::aten_add_Tensor, {a.v, b.v}); }
Ex operator-(const Ex& a, const Ex& b) { return a.e->call(Op::aten_sub_Tensor, {a.v, b.v}); }
Ex operator*(const Ex& a, const Ex& b) { return a.e->call(Op::aten_mul_Tensor, {a.v, b.v}); }
Ex operator/(const Ex& a, const Ex& b) { return a.e->call(Op::aten_div_Tensor, {a.v, b.v}); }
Ex operator+(const Ex& a, double b) { return a.e->call(Op::aten_add_Scalar, {a.v, a.number(b)}); }
Ex operator-(const Ex& a, double b) { return a.e->call(Op::aten_sub_Scalar, {a.v, a.number(b)}); }
Ex operator-(double a, const Ex& b) { return b.e->call(Op::aten_rsub_Scalar, {b.v, b.number(a)}); }
Ex operator*(const Ex& a, double b) { return a.e->call(Op::aten_mul_Scalar, {a.v, a.number(b)}); }
Ex operator/(const Ex& a, double b) { return a.e->call(Op::aten_div_Scalar, {a.v, a.number(b)}); }
Ex operator==(const Ex& a, const Ex& b) { return a.e->call(Op::aten_eq_Tensor, {a.v, b.v}); }
Ex operator<(const Ex& a, const Ex& b) { return a.e->call(Op::aten_lt_Tensor, {a.v, b.v}); }
Ex operator<=(const Ex& a, const Ex& b) { return a.e->call(Op::aten_le_Tensor, {a.v, b.v}); }
Ex operator>(const Ex& a, const Ex& b) { return a.e->call(Op::aten_gt_Tensor, {a.v, b.v}); }
Ex operator>=(const Ex& a, const Ex& b) { return a.e->call(Op::aten_ge_Tensor, {a.v, b.v}); }
Ex operator==(const Ex& a, double b) { return a.e->call(Op::aten_eq_Scalar, {a.v, a.number(b)}); }
Ex operator<(const Ex& a, double b) { return a.e->call(Op::aten_lt_Scalar, {a.v, a.number(b)}); }
Ex operator<=(const Ex& a, double b) { return a.e->call(Op::aten_le_Scalar, {a.v, a.number(b)}); }
Ex operator>(const Ex& a, double b) { return a.e->call(Op::aten_gt_Scalar, {a.v, a.number(b)}); }
Ex operator>=(const Ex& a, double b) { return a.e->call(Op::aten_ge_Scalar, {a.v, a.number(b)}); }
Ex operator&&(const Ex& a, const Ex& b) { return a.e->call(Op::aten_logical_and, {a.v, b.v}); }
Ex operator||(const Ex& a, const Ex& b) { return a.e->call(Op::aten_logical_or, {a.v, b.v}); }

}  // namespace pte::importers::onnx
