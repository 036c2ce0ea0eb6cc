#include "inspect/cost.h"

#include <algorithm>
#include <vector>

namespace pte::inspect {
namespace {

double count(const Sizes& sizes) {
  double product = 1;
  for (const int64_t size : sizes) product *= static_cast<double>(size);
  return product;
}

class Estimate {
 public:
  Estimate(const OpInfo& op, std::span<EValue* const> args) : op_(op), args_(args) {}

  double flops() const {
    const Tensor* out = result();
    const double numel = out == nullptr ? 0 : count(out->sizes());
    switch (op_.op) {
      case Op::aten_convolution:
        return convolution(numel);
      case Op::aten_mm:
      case Op::aten_bmm:
        return 2 * numel * last_size(tensor("self"));
      case Op::aten_addmm:
        return 2 * numel * last_size(tensor("mat1")) + numel;
      case Op::aten_linear:
        return 2 * numel * last_size(tensor("input")) + (tensor("bias") ? numel : 0);
      case Op::aten_avg_pool2d:
      case Op::aten_max_pool2d_with_indices:
        return numel * window("kernel_size");
      case Op::aten__softmax:
      case Op::aten__log_softmax:
        return 5 * numel;  // largest, difference, exponential, sum, quotient
      case Op::aten_native_layer_norm:
      case Op::aten_native_group_norm:
        return 8 * numel;
      case Op::aten__native_batch_norm_legit_no_training:
        return 4 * numel;
      case Op::aten_upsample_bilinear2d_vec:
        return 7 * numel;
      default:
        break;
    }
    if (op_.has(kTagView) || op_.has(kTagFactory) || op_.has(kTagSymbolic) || moves_only())
      return 0;
    if (op_.has(kTagReduction)) {
      for (EValue* arg : args_) {
        if (const auto* operand = arg->get<Tensor>()) return count(operand->sizes());
      }
    }
    return numel;
  }

 private:
  bool moves_only() const {
    for (const std::string_view word : {"clone", "copy", "cat", "embedding.", "index_select",
                                        "gather", "constant_pad", "upsample_nearest", "stack"}) {
      if (op_.out_name.find(word) != std::string::npos) return true;
    }
    return false;
  }

  const EValue* argument(std::string_view name) const {
    for (size_t i = 0; i < op_.out_args.size() && i < args_.size(); ++i) {
      if (op_.args[static_cast<size_t>(op_.out_args[i])].name == name) return args_[i];
    }
    return nullptr;
  }
  const Tensor* tensor(std::string_view name) const {
    const EValue* value = argument(name);
    return value == nullptr ? nullptr : value->get<Tensor>();
  }
  const Tensor* result() const {
    for (size_t i = op_.out_args.size(); i < args_.size(); ++i) {
      if (const auto* out = args_[i]->get<Tensor>()) return out;
    }
    return args_.empty() ? nullptr : args_[0]->get<Tensor>();
  }

  static double last_size(const Tensor* tensor) {
    return tensor == nullptr || tensor->sizes().empty()
               ? 1
               : static_cast<double>(tensor->sizes().back());
  }

  double window(std::string_view name) const {
    const EValue* value = argument(name);
    const auto* sizes = value == nullptr ? nullptr : value->get<std::vector<int64_t>>();
    if (sizes == nullptr || sizes->empty()) return 1;
    const auto first = static_cast<double>((*sizes)[0]);
    return sizes->size() == 1 ? first * first : first * static_cast<double>((*sizes)[1]);
  }

  // Each result element is a sum over one filter; transposed, each operand element feeds one.
  double convolution(double numel) const {
    const Tensor* input = tensor("input");
    const Tensor* weight = tensor("weight");
    if (input == nullptr || weight == nullptr || weight->sizes().empty()) return numel;
    const auto* transposed =
        argument("transposed") == nullptr ? nullptr : argument("transposed")->get<bool>();
    const auto outer = static_cast<double>(std::max<int64_t>(weight->size(0), 1));
    const double filter = count(weight->sizes()) / outer;
    const bool is_transposed = transposed != nullptr && *transposed;
    const double sum = 2 * (is_transposed ? count(input->sizes()) : numel) * filter;
    return sum + (tensor("bias") != nullptr ? numel : 0);
  }

  const OpInfo& op_;
  std::span<EValue* const> args_;
};

}  // namespace

uint64_t traffic_of(std::span<EValue* const> args) {
  std::vector<const std::byte*> seen;
  uint64_t bytes = 0;
  const auto add = [&](const Tensor& tensor) {
    if (tensor.nbytes() == 0) return;
    if (std::find(seen.begin(), seen.end(), tensor.data()) != seen.end()) return;
    if (seen.size() < 64) seen.push_back(tensor.data());
    bytes += tensor.nbytes();
  };
  for (EValue* arg : args) {
    if (const auto* tensor = arg->get<Tensor>()) add(*tensor);
    if (const auto* list = arg->get<std::vector<Tensor>>()) {
      for (const Tensor& item : *list) add(item);
    }
    if (const auto* list = arg->get<std::vector<std::optional<Tensor>>>()) {
      for (const auto& item : *list) {
        if (item) add(*item);
      }
    }
  }
  return bytes;
}

Cost cost_of(const OpInfo& op, std::span<EValue* const> args) {
  Cost cost;
  if (op.op == Op::executorch_prim_et_view) return cost;
  cost.bytes = traffic_of(args);
  cost.flops = Estimate(op, args).flops();
  return cost;
}

}  // namespace pte::inspect
