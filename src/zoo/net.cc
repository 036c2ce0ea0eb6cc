#include "zoo/net.h"

namespace pte::zoo {
namespace {

// The weight as the graph needs it: float32, dense row-major. A view where it is that already.
Result<Tensor> as_float32(const Tensor& tensor) {
  PTE_TRY(Tensor dense, tensor.contiguous());
  if (dense.dtype() == DType::kFloat32) return dense;
  if (!is_floating(dense.dtype())) {
    return make_error(Code::kMismatch, "is {}, expected a floating type", dense.describe());
  }
  PTE_TRY(Tensor out, Tensor::zeros(DType::kFloat32, dense.sizes()));
  float* to = out.mutable_data_as<float>();
  const int64_t count = dense.numel();
  const bool known = dispatch(dense.dtype(), [&]<typename T>(T) {
    const T* from = dense.data_as<T>();
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
  });
  if (!known) return unsupported("is {}, which cannot be converted to float32", dense.describe());
  return out;
}

}  // namespace

int64_t Net::size_in_state(std::string_view name, size_t dim, int64_t otherwise) const {
  const Tensor* tensor = state_.find(name);
  return tensor && dim < tensor->rank() ? tensor->size(dim) : otherwise;
}

ir::Value* Net::weight(std::string name, Sizes sizes, ir::Constant::Kind kind) {
  if (!builder_) {
    weights_.push_back({std::move(name), std::move(sizes)});
    return nullptr;
  }
  if (!status_) return nullptr;
  const Tensor* tensor = state_.find(name);
  if (!tensor) {
    status_ = internal_error("weight '{}' was not checked", name);
    return nullptr;
  }
  auto converted = as_float32(*tensor);
  if (!converted) {
    status_ = std::move(converted.error()).at(name);
    return nullptr;
  }
  return builder_->constant(std::move(name), std::move(*converted), kind);
}

ir::Value* Net::call(Op op, std::vector<ir::Arg> args) {
  if (!builder_ || !status_) return nullptr;
  auto value = builder_->call(op, std::move(args));
  if (!value) {
    status_ = std::move(value.error());
    return nullptr;
  }
  return *value;
}

ir::Value* Net::convolution(ir::Value* x, const std::string& name, const Conv& conv) {
  const size_t spatial = conv.kernel.size();
  Sizes sizes = {conv.out, conv.in / conv.groups};
  sizes.insert(sizes.end(), conv.kernel.begin(), conv.kernel.end());
  ir::Value* filter = weight(name + ".weight", std::move(sizes), ir::Constant::Kind::kParameter);
  ir::Arg bias;
  if (conv.bias) bias = weight(name + ".bias", {conv.out}, ir::Constant::Kind::kParameter);
  const auto each = [&](int64_t value) {
    return ir::Arg::ints(std::vector<int64_t>(spatial, value));
  };
  return call(Op::aten_convolution, {x, filter, bias, each(conv.stride), each(conv.padding),
                                     each(1), false, each(0), conv.groups});
}

ir::Value* Net::batch_norm(ir::Value* x, const std::string& name, int64_t channels, double eps,
                           double momentum) {
  using Kind = ir::Constant::Kind;
  ir::Value* scale = weight(name + ".weight", {channels}, Kind::kParameter);
  ir::Value* shift = weight(name + ".bias", {channels}, Kind::kParameter);
  ir::Value* mean = weight(name + ".running_mean", {channels}, Kind::kBuffer);
  ir::Value* variance = weight(name + ".running_var", {channels}, Kind::kBuffer);
  return call(Op::aten__native_batch_norm_legit_no_training,
              {x, scale, shift, mean, variance, momentum, eps});
}

ir::Value* Net::linear(ir::Value* x, const std::string& name, int64_t in, int64_t out) {
  ir::Value* matrix = weight(name + ".weight", {out, in}, ir::Constant::Kind::kParameter);
  ir::Value* bias = weight(name + ".bias", {out}, ir::Constant::Kind::kParameter);
  return call(Op::aten_linear, {x, matrix, bias});
}

}  // namespace pte::zoo
