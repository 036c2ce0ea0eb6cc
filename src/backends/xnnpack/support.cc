#include "backends/xnnpack/support.h"

#include <algorithm>
#include <cmath>

#include "backends/xnnpack/quantized.h"

namespace pte::xnnpack {

using ir::Node;
using ir::SymInt;
using ir::TensorType;
using ir::Value;

namespace {

using Reason = std::optional<std::string>;

bool is_unbacked(const SymInt& size) {
  std::vector<std::string> names;
  size.collect_symbols(names);
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.size() > 1 && name[0] == 'u' &&
           std::all_of(name.begin() + 1, name.end(), [](char c) { return c >= '0' && c <= '9'; });
  });
}

class Check {
 public:
  Check(const ir::Module& module, const Node& node) : module_(module), node_(node) {}

  Reason run() {
    if (node_.op().has(kTagSymbolic)) return "it computes on sizes, not on tensors";
    for (const auto& arg : node_.args()) {
      if (arg.graph() != nullptr) return "it holds a graph of its own";
    }
    // The operator before its tensors: "no such node" says more than a dtype.
    if (is_quantized()) return quantized();
    if (!known()) return "XNNPACK has no node for it";
    if (auto reason = is_stored() ? stored() : tensors()) return reason;
    return arguments();
  }

 private:
  // ---- what holds for every call

  bool known() const;

  Reason tensor(const Value* value, std::string_view what) const {
    return tensor_reason(module_, value, what);
  }

  Reason tensors() {
    const Value* result = node_.result();
    if (result == nullptr || !result->is_tensor()) return "its result is no tensor";
    dtype_ = result->tensor().dtype;
    if (dtype_ != DType::kFloat32 && dtype_ != DType::kFloat16) {
      return fmt::format("{} result: XNNPACK computes in float32 and float16", dtype_name(dtype_));
    }
    bool computed = false;
    for (const Value* input : node_.inputs()) {
      if (auto reason = tensor(input, fmt::format("'{}'", input->name()))) return reason;
      if (!input->is_tensor()) continue;
      const bool constant = frozen_data(module_, input) != nullptr;
      computed = computed || !constant;
      // At run time it has no dims, and a node that passes its shape on computes a result of none,
      // which the official delegate fails to hand over.
      if (input->tensor().rank() == 0 && !constant && !broadcasts()) return "an operand of rank 0";
      const DType dtype = input->tensor().dtype;
      if (dtype == dtype_ || frozen_scalar(module_, input)) continue;
      return fmt::format("'{}' is {}, the result {}: XNNPACK wants one type", input->name(),
                         dtype_name(dtype), dtype_name(dtype_));
    }
    if (!computed) return "all its operands are constants";
    // The official delegate fails to hand such a result over.
    if (result->tensor().rank() == 0) return "a result of rank 0";
    for (const Value* value : node_.results()) {
      if (value != result && !node_.graph().has_uses(value)) continue;
      if (auto reason = tensor(value, "its result")) return reason;
    }
    for (size_t i = 1; i < node_.results().size() && !node_.is(Op::aten_split_with_sizes_copy);
         ++i) {
      if (node_.graph().has_uses(node_.result(i))) {
        return fmt::format("its result {} is used: XNNPACK only computes the first", i);
      }
    }
    return std::nullopt;
  }

  // Calls whose result has the other operand's rank.
  bool broadcasts() const {
    switch (node_.op().op) {
      case Op::aten_add_Tensor:
      case Op::aten_sub_Tensor:
      case Op::aten_mul_Tensor:
      case Op::aten_div_Tensor:
      case Op::aten_maximum:
      case Op::aten_minimum:
        return true;
      default:
        return false;
    }
  }

  // ---- integers

  bool is_quantized() const {
    switch (node_.op().op) {
      case Op::qd_quantize_per_tensor:
      case Op::qd_dequantize_per_tensor:
      case Op::pte_quantized_convolution:
      case Op::pte_quantized_linear:
      case Op::pte_dynamic_quantized_convolution:
      case Op::pte_dynamic_quantized_linear:
      case Op::pte_quantized_add:
      case Op::pte_quantized_mul:
      case Op::pte_quantized_mean:
      case Op::pte_requantize:
        return true;
      default:
        return false;
    }
  }

  // Calls that fuse_quantized() makes, which has looked at their numbers, and changes of type.
  Reason quantized() const {
    const Value* input = node_.input(0);
    const TensorType& result = node_.result()->tensor();
    for (const Value* value : node_.inputs()) {
      if (frozen_data(module_, value) != nullptr) continue;
      if (auto reason = tensor(value, fmt::format("'{}'", value->name()))) return reason;
      if (value->tensor().rank() == 0) return "an operand of rank 0";
    }
    if (auto reason = tensor(node_.result(), "its result")) return reason;
    const bool there = node_.is(Op::qd_quantize_per_tensor);
    if (!there && !node_.is(Op::qd_dequantize_per_tensor)) return std::nullopt;
    const auto quant = literal_quant(node_);
    if (!quant) return "its scale or its type: XNNPACK takes int8 with one scale";
    if (there &&
        (node_.arg("quant_min").integer() != -128 || node_.arg("quant_max").integer() != 127)) {
      return "its range: XNNPACK rounds to -128 .. 127";
    }
    const TensorType& real = there ? input->tensor() : result;
    if (real.dtype != DType::kFloat32) {
      return fmt::format("{} as int8: XNNPACK takes float32", dtype_name(real.dtype));
    }
    if (frozen_data(module_, input) != nullptr) return "all its operands are constants";
    if (!there && !(stored_quant(input) == quant)) {
      return "its operand has another scale, or none that is known";
    }
    return std::nullopt;
  }

  // A call that moves integers.
  bool is_stored() const {
    return node_.result() != nullptr && node_.result()->is_tensor() &&
           node_.result()->tensor().dtype == DType::kInt8 && moves_elements(node_);
  }

  Reason stored() const {
    const auto quant = stored_quant(node_.result());
    if (!quant) return "integers whose scale is not known";
    bool computed = false;
    for (const Value* input : node_.inputs()) {
      if (!input->is_tensor()) continue;
      if (auto reason = tensor(input, fmt::format("'{}'", input->name()))) return reason;
      if (input->tensor().rank() == 0) return "an operand of rank 0";
      computed = computed || frozen_data(module_, input) == nullptr;
      if (!(stored_quant(input) == quant)) return "operands of different scales";
    }
    if (!computed) return "all its operands are constants";
    if (node_.result()->tensor().rank() == 0) return "a result of rank 0";
    return tensor(node_.result(), "its result");
  }

  // ---- what each operator asks

  const TensorType& in(size_t i = 0) const { return node_.input(i)->tensor(); }
  const TensorType& out() const { return node_.result()->tensor(); }
  bool frozen(size_t i) const { return frozen_data(module_, node_.input(i)) != nullptr; }

  // Rank 4, one dynamic size at most when lowering has to change the rank.
  Reason rank4(bool reshaped = false) const {
    if (in().rank() != 4)
      return fmt::format("an operand of rank {}: XNNPACK takes 4 here", in().rank());
    if (reshaped) return reshape(out().sizes);
    return std::nullopt;
  }
  Reason reshape(const ir::SymSizes& sizes) const {
    if (count_dynamic(sizes) > 1) {
      return fmt::format("reshaping to [{}]: XNNPACK infers one size, not {}", ir::to_string(sizes),
                         count_dynamic(sizes));
    }
    return std::nullopt;
  }

  // An operand of lower rank gets dims of size 1 by a reshape.
  Reason broadcast() const {
    for (size_t i = 0; i < 2; ++i) {
      if (in(i).rank() >= out().rank()) continue;
      if (auto reason = reshape(in(i).sizes)) return reason;
    }
    return std::nullopt;
  }
  Reason alpha() const {
    const auto alpha = node_.arg("alpha").number();
    if (!alpha) return "alpha is computed at run time";
    if (*alpha != 1) return fmt::format("alpha is {}: XNNPACK adds and subtracts unscaled", *alpha);
    return std::nullopt;
  }
  Reason scalar(size_t i) const {
    if (!node_.arg(i).number()) return "its scalar operand is computed at run time";
    return std::nullopt;
  }

  Reason convolution() const {
    const size_t weight_rank = in(1).rank();
    if (weight_rank == 5) return "a 3d convolution: XNNPACK has 1d and 2d";
    if (!frozen(1)) return "its weight is computed at run time";
    if (in().rank() != weight_rank) {
      return fmt::format("an unbatched operand of rank {}", in().rank());
    }
    if (!node_.arg(2).is_none() && !frozen(2)) return "its bias is computed at run time";
    const auto spec = conv_spec(node_);
    if (!spec) return "its window or its groups are not plain numbers that XNNPACK takes";
    if (spec->one_d) {
      if (auto reason = reshape(in().sizes)) return reason;
      if (auto reason = reshape(out().sizes)) return reason;
    }
    if (spec->params.adjustment.height >= spec->params.stride.height ||
        spec->params.adjustment.width >= spec->params.stride.width) {
      if (spec->transposed &&
          (spec->params.adjustment.height > 0 || spec->params.adjustment.width > 0)) {
        return "an output padding not smaller than the stride";
      }
    }
    return std::nullopt;
  }

  Reason linear() const {
    if (in(1).rank() != 2 || !frozen(1)) return "its weight is computed at run time";
    if (in().rank() < 1) return "an operand of rank 0";
    if (!node_.arg(2).is_none() && (!frozen(2) || in(2).rank() != 1)) {
      return "its bias is computed at run time";
    }
    return std::nullopt;
  }

  Reason addmm() const {
    if (node_.arg("beta").number() != 1.0 || node_.arg("alpha").number() != 1.0) {
      return "alpha or beta is not 1";
    }
    if (!frozen(2)) return "its second matrix is computed at run time";
    const auto bias = in(0).static_sizes(), weight = in(2).static_sizes();
    if (!frozen(0) || !bias || !weight || bias->empty() || weight->size() != 2 ||
        bias->back() != (*weight)[1] ||
        frozen_data(module_, node_.input(0))->numel() != (*weight)[1]) {
      return "its first operand is no constant bias of one value a column";
    }
    return std::nullopt;
  }

  Reason batch_norm() const {
    if (in().rank() < 2 || in().rank() > 4)
      return fmt::format("an operand of rank {}", in().rank());
    if (!in().sizes[1].is_constant()) return "its channel count is not known at export";
    for (size_t i = 1; i <= 4; ++i) {
      if (!node_.arg(i).is_none() && !frozen(i)) return "its parameters are computed at run time";
    }
    if (!node_.arg("eps").number()) return "eps is computed at run time";
    return in().rank() == 4 ? std::nullopt : reshape(in().sizes);
  }

  Reason pool() const {
    if (auto reason = rank4()) return reason;
    std::string error;
    const auto p = pool_spec(node_, error);
    if (!p) return error;
    if (!node_.is(Op::aten_avg_pool2d)) {
      if (p->stride.height > p->kernel.height || p->stride.width > p->kernel.width) {
        return fmt::format("stride {}x{} exceeds the window {}x{}", p->stride.height,
                           p->stride.width, p->kernel.height, p->kernel.width);
      }
      return std::nullopt;
    }
    const auto& divisor = node_.arg("divisor_override");
    if (divisor.is_none()) return std::nullopt;
    const bool padded = !(p->padding == Padding{});
    const int64_t area = static_cast<int64_t>(p->kernel.height) * p->kernel.width;
    if (divisor.integer() != area || padded) {
      return "divisor_override: XNNPACK divides by the number of elements";
    }
    return std::nullopt;
  }

  Reason adaptive() const {
    if (auto reason = rank4()) return reason;
    for (size_t i = 2; i < 4; ++i) {
      const auto from = in().sizes[i].constant(), to = out().sizes[i].constant();
      if (to == 1) continue;
      if (!from || !to || *from % *to != 0) {
        return fmt::format("adaptive pooling from {} to {}: only whole windows of one size",
                           in().sizes[i].to_string(), out().sizes[i].to_string());
      }
    }
    if (in().sizes[2] == out().sizes[2] && in().sizes[3] == out().sizes[3]) return std::nullopt;
    const bool global = out().sizes[2].is_constant(1) && out().sizes[3].is_constant(1);
    if (!global && (!in().static_sizes() || !out().static_sizes())) {
      for (size_t i = 2; i < 4; ++i) {
        if (!in().sizes[i].is_constant()) return "height or width is not known at export";
      }
    }
    return std::nullopt;
  }

  Reason mean() const {
    const auto dims = reduced_dims(node_);
    if (!dims) return "its dims are computed at run time";
    const auto& dtype = node_.arg("dtype");
    if (const auto* wanted = std::get_if<DType>(&dtype.v);
        wanted != nullptr && *wanted != in().dtype) {
      return "it changes the dtype";
    }
    const bool two_d = in().rank() == 4 && *dims == std::vector<size_t>{2, 3};
    const bool one_d = in().rank() == 3 && *dims == std::vector<size_t>{2};
    if (!two_d && !one_d) {
      return fmt::format(
          "mean over dims [{}] of rank {}: XNNPACK averages over height and width only",
          fmt::join(*dims, ","), in().rank());
    }
    if (one_d) {
      if (auto reason = reshape(in().sizes)) return reason;
    }
    return two_d && out().rank() == 4 ? std::nullopt : reshape(out().sizes);
  }

  Reason amax() const {
    const auto dims = reduced_dims(node_);
    if (!dims) return "its dims are computed at run time";
    if (in().rank() != 4 ||
        std::any_of(dims->begin(), dims->end(), [](size_t d) { return d < 2; })) {
      return fmt::format(
          "maximum over dims [{}] of rank {}: XNNPACK pools over height and width only",
          fmt::join(*dims, ","), in().rank());
    }
    int64_t area = 1;
    for (size_t dim : *dims) {
      const auto size = in().sizes[dim].constant();
      if (!size) return "the size it runs over is not known at export";
      area *= *size;
    }
    if (area == 1) return "a maximum over one element";
    return out().rank() == 4 ? std::nullopt : reshape(out().sizes);
  }

  Reason upsample() const {
    if (auto reason = rank4()) return reason;
    const auto align = node_.arg("align_corners").boolean();
    if (!align) return "align_corners is computed at run time";
    const auto factors = node_.arg("scale_factors").list();
    for (size_t i = 2; i < 4; ++i) {
      const auto to = out().sizes[i].constant();
      if (!to) return "its result's height or width is not known at export";
      if (*align && *to == 1) return "align_corners to one row or column";
      if (factors == nullptr || *align) continue;
      // PyTorch then steps by 1 / factor, XNNPACK by the ratio of the sizes.
      const auto from = in().sizes[i].constant();
      const auto factor = factors->size() == 2 ? (*factors)[i - 2].number() : std::nullopt;
      if (!from || !factor || static_cast<double>(*from) * *factor != static_cast<double>(*to)) {
        return "a scale factor that is not the ratio of the sizes";
      }
    }
    return std::nullopt;
  }

  Reason cat() const {
    const auto inputs = node_.inputs();
    const auto axis = node_.arg("dim").integer();
    if (!axis || !normalise_axis(*axis, out().rank())) return "its dim is computed at run time";
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i]->tensor().rank() != out().rank()) return "operands of different rank";
      if (inputs[i]->tensor().dtype != out().dtype) return "operands of different dtype";
      if (std::find(inputs.begin(), inputs.begin() + static_cast<ptrdiff_t>(i), inputs[i]) !=
          inputs.begin() + static_cast<ptrdiff_t>(i)) {
        return fmt::format("'{}' is concatenated with itself", inputs[i]->name());
      }
    }
    return std::nullopt;
  }

  Reason softmax() const {
    if (node_.arg("half_to_float").boolean() != false) return "it changes the dtype";
    const auto dim = node_.arg("dim").integer();
    if (!dim || !normalise_axis(*dim, in().rank())) return "its dim is out of range";
    // XNNPACK runs over the last dimension in memory, which lowering can choose for these ranks.
    if (in().rank() >= 1 && in().rank() <= kMaxDims) return std::nullopt;
    return "an operand of rank 0";
  }

  Reason copy() const {
    // A change of layout is a transposition; of dtype, not XNNPACK's.
    return std::nullopt;
  }

  Reason arguments();

  const ir::Module& module_;
  const Node& node_;
  DType dtype_ = DType::kFloat32;
};

bool Check::known() const {
  switch (node_.op().op) {
    case Op::aten_abs:
    case Op::aten_ceil:
    case Op::aten_clamp:
    case Op::aten_clamp_min:
    case Op::aten_clamp_max:
    case Op::aten_cos:
    case Op::aten_elu:
    case Op::aten_exp:
    case Op::aten_floor:
    case Op::aten_gelu:
    case Op::aten_hardsigmoid:
    case Op::aten_hardswish:
    case Op::aten_hardtanh:
    case Op::aten_leaky_relu:
    case Op::aten_log:
    case Op::aten_neg:
    case Op::aten_pow_Tensor_Scalar:
    case Op::aten_reciprocal:
    case Op::aten_relu:
    case Op::aten_relu6:
    case Op::aten_rsqrt:
    case Op::aten_sigmoid:
    case Op::aten_silu:
    case Op::aten_sin:
    case Op::aten_sqrt:
    case Op::aten_tanh:
    case Op::aten__to_copy:
    case Op::dim_order_to_dim_order_copy:
    case Op::dim_order_clone_dim_order:
    case Op::aten_clone:
    case Op::aten_add_Tensor:
    case Op::aten_add_Scalar:
    case Op::aten_sub_Tensor:
    case Op::aten_sub_Scalar:
    case Op::aten_rsub_Scalar:
    case Op::aten_mul_Tensor:
    case Op::aten_mul_Scalar:
    case Op::aten_div_Tensor:
    case Op::aten_div_Scalar:
    case Op::aten_maximum:
    case Op::aten_minimum:
    case Op::aten_prelu:
    case Op::aten_convolution:
    case Op::aten__native_batch_norm_legit_no_training:
    case Op::aten_linear:
    case Op::aten_addmm:
    case Op::aten_mm:
    case Op::aten_bmm:
    case Op::aten__adaptive_avg_pool2d:
    case Op::aten_adaptive_avg_pool2d:
    case Op::aten_avg_pool2d:
    case Op::aten_max_pool2d:
    case Op::aten_max_pool2d_with_indices:
    case Op::aten_upsample_bilinear2d_vec:
    case Op::aten_mean_dim:
    case Op::aten_amax:
    case Op::aten__softmax:
    case Op::aten_view_copy:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_squeeze_copy_dims:
    case Op::aten_unsqueeze_copy:
    case Op::aten_permute_copy:
    case Op::aten_transpose_copy_int:
    case Op::aten_t_copy:
    case Op::aten_select_copy_int:
    case Op::aten_slice_copy_Tensor:
    case Op::aten_split_with_sizes_copy:
    case Op::aten_cat:
    case Op::aten_constant_pad_nd:
      return true;
    default:
      return false;
  }
}

Reason Check::arguments() {
  switch (node_.op().op) {
    case Op::aten_convolution:
      return convolution();
    case Op::aten_linear:
      return linear();
    case Op::aten_addmm:
      return addmm();
    case Op::aten_mm:
      if (!frozen(1)) return "its second matrix is computed at run time";
      return std::nullopt;
    case Op::aten__native_batch_norm_legit_no_training:
      return batch_norm();
    case Op::aten_add_Tensor:
    case Op::aten_sub_Tensor:
      if (auto reason = alpha()) return reason;
      return broadcast();
    case Op::aten_mul_Tensor:
    case Op::aten_div_Tensor:
    case Op::aten_maximum:
    case Op::aten_minimum:
      return broadcast();
    case Op::aten_add_Scalar:
    case Op::aten_sub_Scalar:
    case Op::aten_rsub_Scalar:
      if (auto reason = alpha()) return reason;
      return scalar(1);
    case Op::aten_mul_Scalar:
    case Op::aten_div_Scalar:
      return scalar(1);
    case Op::aten_pow_Tensor_Scalar: {
      const auto exponent = node_.arg(1).number();
      if (!exponent) return "its exponent is computed at run time";
      if (*exponent != 2) return fmt::format("exponent {}: XNNPACK squares only", *exponent);
      return std::nullopt;
    }
    case Op::aten_clamp:
    case Op::aten_clamp_min:
    case Op::aten_clamp_max:
    case Op::aten_hardtanh:
      if (!clamp_bounds(node_)) return "its bounds are no range of numbers";
      return std::nullopt;
    case Op::aten_elu:
      if (!node_.arg(1).number() || *node_.arg(1).number() <= 0 ||
          node_.arg("scale").number() != 1.0 || node_.arg("input_scale").number() != 1.0) {
        return "scaled elu: XNNPACK has alpha only, above 0";
      }
      return std::nullopt;
    case Op::aten_leaky_relu:
      return scalar(1);
    case Op::aten_gelu:
      if (in().dtype == DType::kFloat16) return "gelu in float16";
      if (const auto* kind = node_.arg("approximate").text();
          kind == nullptr || (*kind != "none" && *kind != "tanh")) {
        return "an unknown approximation";
      }
      return std::nullopt;
    case Op::aten_prelu: {
      if (!frozen(1)) return "its slope is computed at run time";
      if (in().rank() < 2) return fmt::format("an operand of rank {}", in().rank());
      const int64_t slopes = frozen_data(module_, node_.input(1))->numel();
      if (slopes != 1 && !in().sizes[1].is_constant(slopes)) return "slopes that fit no channel";
      return std::nullopt;
    }
    case Op::aten_max_pool2d:
    case Op::aten_max_pool2d_with_indices:
    case Op::aten_avg_pool2d:
      return pool();
    case Op::aten_adaptive_avg_pool2d:
    case Op::aten__adaptive_avg_pool2d:
      return adaptive();
    case Op::aten_mean_dim:
      return mean();
    case Op::aten_amax:
      return amax();
    case Op::aten_upsample_bilinear2d_vec:
      return upsample();
    case Op::aten_cat:
      return cat();
    case Op::aten__softmax:
      return softmax();
    case Op::aten__to_copy:
    case Op::dim_order_to_dim_order_copy:
    case Op::dim_order_clone_dim_order:
    case Op::aten_clone:
      return copy();
    case Op::aten_permute_copy:
    case Op::aten_transpose_copy_int:
    case Op::aten_t_copy:
      if (!permutation(node_)) return "its dims are computed at run time";
      return std::nullopt;
    case Op::aten_view_copy:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_squeeze_copy_dims:
    case Op::aten_unsqueeze_copy:
      // Dimensions of size 1 cost nothing, so XNNPACK would never hear of the new ones.
      if (in().rank() == 0 && out().rank() != 0) return "an operand of rank 0";
      if (auto reason = reshape(out().sizes)) return reason;
      return reshape(in().sizes);
    case Op::aten_select_copy_int:
      if (!slice_specs(node_)) return "its place or its operand's sizes are not known at export";
      return std::nullopt;
    case Op::aten_slice_copy_Tensor:
    case Op::aten_split_with_sizes_copy:
      if (!in().static_sizes()) return "a slice of a tensor with dynamic sizes";
      if (node_.is(Op::aten_slice_copy_Tensor) && node_.arg("step").integer() != 1) {
        return "a step other than 1";
      }
      if (!slice_specs(node_)) return "its place is not known at export";
      return std::nullopt;
    case Op::aten_constant_pad_nd:
      if (!pad_spec(node_)) return "a negative padding, or one computed at run time";
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<std::string> tensor_reason(const ir::Module& module, const Value* value,
                                         std::string_view what) {
  if (!value->is_tensor()) return std::nullopt;  // a size: lowering reads it from the result type
  const TensorType& type = value->tensor();
  if (type.rank() > kMaxDims) {
    return fmt::format("{} has {} dimensions: XNNPACK has at most {}", what, type.rank(), kMaxDims);
  }
  for (const SymInt& size : type.sizes) {
    if (size.is_constant(0)) return fmt::format("{} is empty", what);
    if (is_unbacked(size)) {
      return fmt::format("{} has size {}, known only from data at run time", what,
                         size.to_string());
    }
    const auto bound = upper_bound(module, size);
    if (!bound)
      return fmt::format("{} has size {}, which has no upper bound", what, size.to_string());
    if (*bound <= 0 || *bound > INT32_MAX) return fmt::format("{} has size up to {}", what, *bound);
  }
  return std::nullopt;
}

std::optional<std::string> reject_reason(const ir::Module& module, const Node& node) {
  return Check(module, node).run();
}

}  // namespace pte::xnnpack
