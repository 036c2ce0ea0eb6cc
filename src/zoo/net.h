// The words in which an architecture is written. A description runs twice: over a Net that only
// notes which weights of which shapes it needs, then over one that makes the graph. So keys, shapes
// and graph cannot drift apart.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ir/builder.h"
#include "zoo/zoo.h"

namespace pte::zoo {

// A tensor that the state dict must hold.
struct Weight {
  std::string name;
  Sizes sizes;
};

struct Conv {
  int64_t in = 0;
  int64_t out = 0;
  std::vector<int64_t> kernel;  // one number a spatial dimension
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
  bool bias = false;
  bool transposed = false;
};

class Net {
 public:
  // Only notes weights: every value is null.
  explicit Net(const Source& source) : source_(source) {}
  // Makes nodes. The weights were checked against the source before.
  Net(const Source& source, ir::Builder& builder) : source_(source), builder_(&builder) {}

  // The checkpoint, for what depends on it: the number of classes, optional layers.
  const Source& source() const { return source_; }
  const StateDict& state() const { return source_.state; }
  const std::vector<Weight>& weights() const { return weights_; }
  // The first error; every call after it does nothing and gives null.
  const Status& status() const { return status_; }
  // What the description itself finds wrong. Gives null.
  ir::Value* fail(Error error);
  // The size of dimension `dim` of tensor `name`, or `otherwise` when there is none.
  int64_t size_in_state(std::string_view name, size_t dim, int64_t otherwise) const;

  ir::Value* convolution(ir::Value* x, const std::string& name, const Conv& conv);
  ir::Value* batch_norm(ir::Value* x, const std::string& name, int64_t channels, double eps,
                        double momentum);
  ir::Value* layer_norm(ir::Value* x, const std::string& name, int64_t width, double eps);
  ir::Value* linear(ir::Value* x, const std::string& name, int64_t in, int64_t out);
  // x times the transpose of `matrix` [out,in], plus `bias` unless null.
  ir::Value* linear(ir::Value* x, ir::Value* matrix, ir::Value* bias);
  // A tensor of the checkpoint.
  ir::Value* parameter(std::string name, Sizes sizes);
  // A tensor made of one or several of the checkpoint, which `make` gets as dense float32. It is
  // kept under the first one's name with a suffix.
  template <typename Make>
  ir::Value* transformed(const Weight& a, const Make& make) {
    if (!note({a})) return nullptr;
    return keep_result(a.name, [&](const Tensors& t) { return make(t[0]); }, {a});
  }
  template <typename Make>
  ir::Value* transformed(const Weight& a, const Weight& b, const Make& make) {
    if (!note({a, b})) return nullptr;
    return keep_result(a.name, [&](const Tensors& t) { return make(t[0], t[1]); }, {a, b});
  }
  template <typename Make>
  ir::Value* transformed(const Weight& a, const Weight& b, const Weight& c, const Make& make) {
    if (!note({a, b, c})) return nullptr;
    return keep_result(a.name, [&](const Tensors& t) { return make(t[0], t[1], t[2]); }, {a, b, c});
  }
  // A tensor that the description computes; `make` is called only when the graph is made.
  template <typename Make>
  ir::Value* computed(const std::string& name, const Make& make) {
    if (!builder_ || !status_) return nullptr;
    return keep(name, make());
  }
  // Any other operator, arguments in schema order. A null among values means: only noting.
  ir::Value* call(Op op, std::vector<ir::Arg> args);

  ir::Value* relu(ir::Value* x) { return call(Op::aten_relu, {x}); }
  ir::Value* relu6(ir::Value* x) { return call(Op::aten_hardtanh, {x, 0, 6}); }
  ir::Value* silu(ir::Value* x) { return call(Op::aten_silu, {x}); }
  ir::Value* add(ir::Value* a, ir::Value* b) { return call(Op::aten_add_Tensor, {a, b}); }
  ir::Value* mul(ir::Value* a, ir::Value* b) { return call(Op::aten_mul_Tensor, {a, b}); }
  // The parts of dimension `dim`, each of so many elements.
  std::vector<ir::Value*> split(ir::Value* x, const std::vector<int64_t>& sizes, int64_t dim);
  ir::Value* cat(const std::vector<ir::Value*>& parts, int64_t dim);
  // Elements [start, end) of dimension `dim`.
  ir::Value* slice(ir::Value* x, int64_t dim, int64_t start, int64_t end);
  // One size may be -1.
  ir::Value* view(ir::Value* x, const std::vector<int64_t>& sizes);
  ir::Value* permute(ir::Value* x, const std::vector<int64_t>& order);
  ir::Value* softmax(ir::Value* x, int64_t dim);
  // Global average pool and flatten: [N,C,H,W] to [N,C].
  ir::Value* pool_all(ir::Value* x);

 private:
  ir::Value* weight(std::string name, Sizes sizes, ir::Constant::Kind kind);
  ir::Value* keep(const std::string& name, Result<Tensor> tensor);
  using Tensors = std::vector<Tensor>;
  // True when the graph is being made; else the weights are noted.
  bool note(const std::vector<Weight>& weights);
  ir::Value* keep_result(const std::string& name,
                         const std::function<Result<Tensor>(const Tensors&)>& make,
                         const std::vector<Weight>& weights);

  const Source& source_;
  ir::Builder* builder_ = nullptr;
  std::vector<Weight> weights_;
  Status status_;
};

}  // namespace pte::zoo
