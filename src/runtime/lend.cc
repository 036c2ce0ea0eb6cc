// Which inputs may be read where the caller has them, instead of being copied to the place that the
// plan gives them.
#include <algorithm>

#include "runtime/state.h"

namespace pte::runtime {
namespace {

using program::TensorValue;

// One look at all instructions: linear in the program.
class Lendable {
 public:
  explicit Lendable(const Method::State& state)
      : state_(state),
        method_(*state.method),
        unwritten_(method_.values.size()),
        written_(method_.values.size()),
        shared_(method_.values.size()),
        inputs_(method_.values.size()) {}

  std::vector<bool> find() {
    for (const int32_t input : method_.inputs) ++inputs_[at(input)];
    for (const std::vector<Step>& chain : state_.chains) {
      for (const Step& step : chain) look_at(step);
    }
    for (const int32_t output : method_.outputs) {
      const program::Value& value = method_.values[at(output)];
      if (const auto* tensors = std::get_if<program::TensorList>(&value)) {
        for (const int32_t item : tensors->items) share(item);
      } else if (const auto* optionals = std::get_if<program::OptionalTensorList>(&value)) {
        for (const int32_t item : optionals->items) share(item);
      }
      share(output);
    }
    // What is read before anything is written to it can only be another name for what lies there.
    std::vector<bool> named_twice(method_.arena_sizes.size());
    for (size_t i = 0; i < method_.values.size(); ++i) {
      const auto* tensor = std::get_if<TensorValue>(&method_.values[i]);
      if (tensor != nullptr && tensor->allocation && unwritten_[i] && inputs_[i] == 0 &&
          tensor->constant == 0 && !tensor->external) {
        named_twice[tensor->allocation->memory_id] = true;
      }
    }
    std::vector<bool> out(method_.values.size());
    for (size_t i = 0; i < out.size(); ++i) {
      const auto* tensor = std::get_if<TensorValue>(&method_.values[i]);
      out[i] = tensor != nullptr && inputs_[i] == 1 && !written_[i] && !shared_[i] &&
               !(tensor->allocation && named_twice[tensor->allocation->memory_id]);
    }
    return out;
  }

 private:
  static size_t at(int32_t value) { return static_cast<size_t>(value); }

  // Its memory gets another name, or is seen after the execution.
  void share(int32_t value) {
    if (value < 0) return;
    read(value);
    shared_[at(value)] = true;
  }
  void read(int32_t value) {
    if (!written_[at(value)]) unwritten_[at(value)] = true;
  }

  void look_at(const Step& step) {
    for (const int32_t value : step.reads) read(value);
    if (step.op != nullptr) {
      // An argument that is written is read too.
      const size_t taken = std::min(step.op->out_args.size(), step.args.size());
      for (size_t i = 0; i < taken; ++i) read(step.args[i]);
    }
    for (const int32_t value : step.written) written_[at(value)] = true;
    if (step.kind == Step::Kind::kMove) {
      share(step.from);
      written_[at(step.to)] = true;
    } else if (step.kind == Step::Kind::kJumpFalse) {
      read(step.from);
    } else if (step.op != nullptr && step.op->op == Op::executorch_prim_et_view) {
      share(step.args.front());
      written_[at(step.args.back())] = true;
    }
  }

  const Method::State& state_;
  const program::Method& method_;
  std::vector<bool> unwritten_;  // read before anything is written to it
  std::vector<bool> written_;
  std::vector<bool> shared_;
  std::vector<int32_t> inputs_;  // how many inputs a value is
};

}  // namespace

bool Method::State::may_lend(size_t value, const Tensor& given, const Tensor& home) {
  constexpr size_t kAlignment = 16;  // what planned memory has
  if (given.data() == nullptr || given.owner() != nullptr ||
      reinterpret_cast<uintptr_t>(given.data()) % kAlignment != 0 ||
      given.sizes() != home.sizes() || !given.is_dense_in(home.dim_order())) {
    return false;
  }
  if (lendable.empty()) lendable = Lendable(*this).find();
  return lendable[value];
}

void Method::State::place_lent() {
  for (size_t i = 0; i < lent.size(); ++i) {
    if (!lent[i]) continue;
    const auto value = static_cast<size_t>(method->inputs[i]);
    values[value] = *lent[i];
    read_only[value] = true;
  }
}

void Method::State::take_lent_away() {
  for (size_t i = 0; i < lent.size(); ++i) {
    if (!lent[i]) continue;
    const auto value = static_cast<size_t>(method->inputs[i]);
    values[value] = initial[value];
    lent[i].reset();
  }
}

}  // namespace pte::runtime
