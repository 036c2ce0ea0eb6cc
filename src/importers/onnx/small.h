// Tensors of a few elements whose values are known while the graph is read, sizes of inputs that
// are known at run time only among them: what shape arithmetic (Shape, Gather, Concat, Reshape …)
// works on, so that it leaves no calls behind.
#pragma once

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "importers/onnx/emitter.h"
#include "tensor/tensor.h"

namespace pte::importers::onnx {

// An integer or truth value, a real number, or an integer that a call of the graph gives.
using Elem = std::variant<int64_t, double, ir::Value*>;

constexpr int64_t kMaxSmall = 4096;

struct Small {
  DType dtype = DType::kInt64;
  Sizes sizes;
  std::vector<Elem> v;  // row by row

  static std::optional<Small> of(const Tensor& tensor);  // nothing when large or of other types
  static Small ints(const std::vector<int64_t>& values, bool scalar = false);
  int64_t count() const { return static_cast<int64_t>(v.size()); }
  // All elements as numbers; nothing when one is known at run time only.
  std::optional<std::vector<int64_t>> integers() const;
  std::optional<std::vector<double>> numbers() const;
  bool constant() const;
  // Elements as arguments.
  std::vector<ir::Arg> args() const;
  std::optional<Tensor> tensor() const;
};

// The small tensor as a value of the graph.
Ex materialise(Emitter& e, const Small& small, std::string_view name);

struct FoldCall {
  Emitter& e;
  std::string_view op;
  int64_t opset;
  std::vector<const Small*> inputs;  // null: left out
  size_t outputs;
  // Attributes.
  int64_t axis = 0;
  bool has_axis = false;
  std::vector<int64_t> axes;  // or perm, or split
  bool has_axes = false;
  int64_t flag = 0;  // keepdims, allowzero, fmod
  std::optional<DType> to;
};

// The operators that evaluate() knows.
bool can_evaluate(std::string_view op);
// The results, or nothing when they are not known while the graph is read.
std::optional<std::vector<Small>> evaluate(const FoldCall& call);

}  // namespace pte::importers::onnx
