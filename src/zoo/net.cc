#include "zoo/net.h"

#include "base/pages.h"

namespace pte::zoo {
namespace {

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
  release_pages(tensor.bytes(), tensor.owner());
  return out;
}

}  // namespace

Result<Tensor> Float32Weights::get(const std::string& name, const Tensor& tensor) {
  if (tensor.dtype() == DType::kFloat32) return as_float32(tensor);
  Copy& copy = copies_[name];
  if (std::shared_ptr<const void> owner = copy.owner.lock()) {
    return Tensor::view(DType::kFloat32, tensor.sizes(), contiguous_strides(tensor.sizes()),
                        copy.data, std::move(owner));
  }
  PTE_TRY(Tensor made, as_float32(tensor));
  copy = {made.owner(), made.data()};
  return made;
}

ir::Value* Net::fail(Error error) {
  if (status_) status_ = std::move(error);
  return nullptr;
}

int64_t Net::size_in_state(std::string_view name, size_t dim, int64_t otherwise) const {
  const Tensor* tensor = state().find(name);
  return tensor && dim < tensor->rank() ? tensor->size(dim) : otherwise;
}

ir::Value* Net::weight(std::string name, Sizes sizes, ir::Constant::Kind kind) {
  if (!builder_) {
    weights_.push_back({std::move(name), std::move(sizes)});
    return nullptr;
  }
  if (!status_) return nullptr;
  const auto& constants = builder_->module().constants;
  if (constants.contains(name)) {
    // Read in two places, or by two methods.
    return builder_->graph().constant(name, ir::TensorType::of(constants.at(name).data));
  }
  const Tensor* tensor = state().find(name);
  if (!tensor) return fail(internal_error("weight '{}' was not checked", name));
  auto converted = source_.float32->get(name, *tensor);
  if (!converted) return fail(std::move(converted.error()).at(name));
  return builder_->constant(std::move(name), std::move(*converted), kind);
}

ir::Value* Net::parameter(std::string name, Sizes sizes) {
  return weight(std::move(name), std::move(sizes), ir::Constant::Kind::kParameter);
}

ir::Value* Net::keep(const std::string& name, Result<Tensor> tensor) {
  if (!tensor) return fail(std::move(tensor.error()).at(name));
  return builder_->constant(name, std::move(*tensor), ir::Constant::Kind::kConstant);
}

bool Net::note(const std::vector<Weight>& weights) {
  if (!builder_) weights_.insert(weights_.end(), weights.begin(), weights.end());
  return builder_ != nullptr && status_.has_value();
}

ir::Value* Net::keep_result(const std::string& name,
                            const std::function<Result<Tensor>(const Tensors&)>& make,
                            const std::vector<Weight>& weights) {
  Tensors tensors;
  for (const Weight& weight : weights) {
    const Tensor* tensor = state().find(weight.name);
    if (!tensor) return fail(internal_error("weight '{}' was not checked", weight.name));
    auto converted = source_.float32->get(weight.name, *tensor);
    if (!converted) return fail(std::move(converted.error()).at(weight.name));
    tensors.push_back(std::move(*converted));
  }
  return keep(name + ".made", make(tensors));
}

ir::Value* Net::call(Op op, std::vector<ir::Arg> args) {
  if (!builder_ || !status_) return nullptr;
  auto value = builder_->call(op, std::move(args));
  if (!value) return fail(std::move(value.error()));
  return *value;
}

ir::Value* Net::convolution(ir::Value* x, const std::string& name, const Conv& conv) {
  const size_t spatial = conv.kernel.size();
  Sizes sizes = {conv.out, conv.in / conv.groups};
  if (conv.transposed) sizes = {conv.in, conv.out / conv.groups};
  sizes.insert(sizes.end(), conv.kernel.begin(), conv.kernel.end());
  ir::Value* filter = parameter(name + ".weight", std::move(sizes));
  ir::Arg bias;
  if (conv.bias) bias = parameter(name + ".bias", {conv.out});
  const auto each = [&](int64_t value) {
    return ir::Arg::ints(std::vector<int64_t>(spatial, value));
  };
  return call(Op::aten_convolution, {x, filter, bias, each(conv.stride), each(conv.padding),
                                     each(1), conv.transposed, each(0), conv.groups});
}

ir::Value* Net::batch_norm(ir::Value* x, const std::string& name, int64_t channels, double eps,
                           double momentum) {
  ir::Value* scale = parameter(name + ".weight", {channels});
  ir::Value* shift = parameter(name + ".bias", {channels});
  ir::Value* mean = weight(name + ".running_mean", {channels}, ir::Constant::Kind::kBuffer);
  ir::Value* variance = weight(name + ".running_var", {channels}, ir::Constant::Kind::kBuffer);
  return call(Op::aten__native_batch_norm_legit_no_training,
              {x, scale, shift, mean, variance, momentum, eps});
}

ir::Value* Net::layer_norm(ir::Value* x, const std::string& name, int64_t width, double eps) {
  ir::Value* scale = parameter(name + ".weight", {width});
  ir::Value* shift = parameter(name + ".bias", {width});
  return call(Op::aten_layer_norm, {x, ir::Arg::ints({width}), scale, shift, eps});
}

ir::Value* Net::linear(ir::Value* x, const std::string& name, int64_t in, int64_t out) {
  ir::Value* matrix = parameter(name + ".weight", {out, in});
  ir::Value* bias = parameter(name + ".bias", {out});
  return call(Op::aten_linear, {x, matrix, bias});
}

ir::Value* Net::linear(ir::Value* x, ir::Value* matrix, ir::Value* bias) {
  return call(Op::aten_linear, {x, matrix, bias ? ir::Arg(bias) : ir::Arg()});
}

std::vector<ir::Value*> Net::split(ir::Value* x, const std::vector<int64_t>& sizes, int64_t dim) {
  std::vector<ir::Value*> parts(sizes.size());
  if (!builder_ || !status_) return parts;
  auto node = builder_->node(Op::aten_split_with_sizes_copy, {x, ir::Arg::ints(sizes), dim});
  if (!node) {
    fail(std::move(node.error()));
    return parts;
  }
  return (*node)->results();
}

ir::Value* Net::cat(const std::vector<ir::Value*>& parts, int64_t dim) {
  return call(Op::aten_cat, {ir::Arg::values(parts), dim});
}

ir::Value* Net::slice(ir::Value* x, int64_t dim, int64_t start, int64_t end) {
  return call(Op::aten_slice_copy_Tensor, {x, dim, start, end, 1});
}

ir::Value* Net::view(ir::Value* x, const std::vector<int64_t>& sizes) {
  return call(Op::aten_view_copy, {x, ir::Arg::ints(sizes)});
}

ir::Value* Net::permute(ir::Value* x, const std::vector<int64_t>& order) {
  return call(Op::aten_permute_copy, {x, ir::Arg::ints(order)});
}

ir::Value* Net::softmax(ir::Value* x, int64_t dim) {
  return call(Op::aten__softmax, {x, dim, false});
}

ir::Value* Net::pool_all(ir::Value* x) {
  x = call(Op::aten_adaptive_avg_pool2d, {x, ir::Arg::ints({1, 1})});
  return call(Op::aten_flatten_using_ints, {x, 1});
}

}  // namespace pte::zoo
