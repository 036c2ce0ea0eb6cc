// The words in which an architecture is written. A description runs twice: over a Net that only
// notes which weights of which shapes it needs, then over one that makes the graph. So keys, shapes
// and graph cannot drift apart.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ir/builder.h"
#include "tensor/state_dict.h"

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
};

class Net {
 public:
  // Only notes weights: every value is null.
  explicit Net(const StateDict& state) : state_(state) {}
  // Makes nodes. The weights were checked against `state` before.
  Net(const StateDict& state, ir::Builder& builder) : state_(state), builder_(&builder) {}

  // The checkpoint, for what depends on it: the number of classes, optional layers.
  const StateDict& state() const { return state_; }
  const std::vector<Weight>& weights() const { return weights_; }
  // The first error; every call after it does nothing and gives null.
  const Status& status() const { return status_; }
  // The size of dimension `dim` of tensor `name`, or `otherwise` when there is none.
  int64_t size_in_state(std::string_view name, size_t dim, int64_t otherwise) const;

  ir::Value* convolution(ir::Value* x, const std::string& name, const Conv& conv);
  ir::Value* batch_norm(ir::Value* x, const std::string& name, int64_t channels, double eps,
                        double momentum);
  ir::Value* linear(ir::Value* x, const std::string& name, int64_t in, int64_t out);
  // Any other operator, arguments in schema order. A null among values means: only noting.
  ir::Value* call(Op op, std::vector<ir::Arg> args);
  ir::Value* relu(ir::Value* x) { return call(Op::aten_relu, {x}); }
  ir::Value* relu6(ir::Value* x) { return call(Op::aten_hardtanh, {x, 0, 6}); }

 private:
  ir::Value* weight(std::string name, Sizes sizes, ir::Constant::Kind kind);

  const StateDict& state_;
  ir::Builder* builder_ = nullptr;
  std::vector<Weight> weights_;
  Status status_;
};

}  // namespace pte::zoo
