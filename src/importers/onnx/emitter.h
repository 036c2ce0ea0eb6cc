// Writes operator calls as expressions: `(x * 2.0 + 1.0).exp()`. The first error sticks, and what
// follows it does nothing, so that a rule reads as the formula it stands for.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "importers/aten/node_maker.h"
#include "ir/graph.h"

namespace pte::importers::onnx {

class Emitter;

// A value, or the nothing that follows an error: asked about its type then, it answers something
// harmless (float32, rank 0, size 1).
struct Ex {
  Emitter* e = nullptr;
  ir::Value* v = nullptr;

  explicit operator bool() const { return v != nullptr; }
  DType dtype() const { return v == nullptr ? DType::kFloat32 : v->tensor().dtype; }
  size_t rank() const { return v == nullptr ? 0 : v->tensor().rank(); }
  int64_t dims() const { return static_cast<int64_t>(rank()); }
  ir::SymInt size(size_t dim) const;
  // The size as a number; an error, and 1, when it is not known.
  int64_t fixed(size_t dim) const;
  ir::Arg size_arg(size_t dim) const;
  std::vector<ir::Arg> sizes() const;
  ir::SymInt numel() const;
  // A number in this value's type: an integer literal for integer tensors.
  ir::Arg number(double value) const;

  Ex cast(DType dtype) const;
  Ex view(std::vector<ir::Arg> sizes) const;
  Ex view_like(const Ex& other) const;
  Ex permute(const std::vector<int64_t>& dims) const;
  Ex transpose(int64_t a, int64_t b) const;
  Ex unsqueeze(int64_t dim) const;
  Ex squeeze(int64_t dim) const;
  Ex expand(std::vector<ir::Arg> sizes) const;
  Ex select(int64_t dim, ir::Arg index) const;
  Ex slice(int64_t dim, ir::Arg start, ir::Arg end, int64_t step = 1) const;
  Ex flip(std::vector<int64_t> dims) const;
  Ex sum(std::vector<int64_t> dims, bool keep) const;
  Ex mean(std::vector<int64_t> dims, bool keep) const;
  Ex amax(std::vector<int64_t> dims, bool keep) const;
  Ex amin(std::vector<int64_t> dims, bool keep) const;
  Ex matmul(const Ex& other) const;
  Ex clamp(ir::Arg low, ir::Arg high) const;
  Ex softmax(int64_t dim) const;

  Ex exp() const;
  Ex log() const;
  Ex sqrt() const;
  Ex abs() const;
  Ex tanh() const;
  Ex sigmoid() const;
  Ex relu() const;
  Ex floor() const;
  Ex ceil() const;
  Ex round() const;
  Ex trunc() const;
  Ex sign() const;
  Ex reciprocal() const;
  Ex operator-() const;
  Ex logical_not() const;
};

Ex operator+(const Ex& a, const Ex& b);
Ex operator-(const Ex& a, const Ex& b);
Ex operator*(const Ex& a, const Ex& b);
Ex operator/(const Ex& a, const Ex& b);
Ex operator+(const Ex& a, double b);
Ex operator-(const Ex& a, double b);
Ex operator-(double a, const Ex& b);
Ex operator*(const Ex& a, double b);
Ex operator/(const Ex& a, double b);
Ex operator==(const Ex& a, const Ex& b);
Ex operator<(const Ex& a, const Ex& b);
Ex operator<=(const Ex& a, const Ex& b);
Ex operator>(const Ex& a, const Ex& b);
Ex operator>=(const Ex& a, const Ex& b);
Ex operator==(const Ex& a, double b);
Ex operator<(const Ex& a, double b);
Ex operator<=(const Ex& a, double b);
Ex operator>(const Ex& a, double b);
Ex operator>=(const Ex& a, double b);
Ex operator&&(const Ex& a, const Ex& b);
Ex operator||(const Ex& a, const Ex& b);

class Emitter {
 public:
  Emitter(ir::Module& module, ir::Graph& graph) : maker_(module, graph) {}

  NodeMaker& maker() { return maker_; }
  ir::Module& module() { return maker_.module(); }
  ir::Graph& graph() { return maker_.graph(); }

  bool failed() const { return failed_; }
  void fail(Error error);
  // The error so far, which is then forgotten.
  Status take_status();

  // What new values are called.
  void set_name(std::string name) { name_ = std::move(name); }

  Ex wrap(ir::Value* value) { return {this, value}; }
  Ex call(Op op, std::vector<ir::Arg> args) { return call(info(op), std::move(args)); }
  Ex call(const OpInfo& op, std::vector<ir::Arg> args);
  std::vector<Ex> calls(Op op, std::vector<ir::Arg> args);
  // A number known at run time (of an operator that gives one).
  ir::Arg scalar(Op op, std::vector<ir::Arg> args);

  Ex constant(std::string name, Tensor data,
              ir::Constant::Kind kind = ir::Constant::Kind::kConstant);
  Ex full(std::vector<ir::Arg> sizes, double value, DType dtype);
  Ex full_like(const Ex& like, double value) { return full(like.sizes(), value, like.dtype()); }
  // [start, end) by step, int64.
  Ex arange(ir::Arg start, ir::Arg end, int64_t step = 1);
  Ex cat(const std::vector<Ex>& parts, int64_t dim);
  Ex stack(const std::vector<Ex>& parts, int64_t dim);
  Ex where(const Ex& condition, const Ex& a, const Ex& b);
  Ex maximum(const Ex& a, const Ex& b) { return call(Op::aten_maximum, {a.v, b.v}); }
  Ex minimum(const Ex& a, const Ex& b) { return call(Op::aten_minimum, {a.v, b.v}); }
  // index.Tensor; an empty Ex takes all of a dimension.
  Ex index(const Ex& x, const std::vector<Ex>& indices);
  Ex index_put(const Ex& x, const std::vector<Ex>& indices, const Ex& values, bool accumulate);

 private:
  NodeMaker maker_;
  bool failed_ = false;
  Error error_;
  std::string name_;
};

}  // namespace pte::importers::onnx
