// From a verified program's method to a state that can run.
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/checked.h"
#include "program/backends.h"
#include "program/check_call.h"
#include "program/quote.h"
#include "runtime/inputs.h"
#include "runtime/state.h"

namespace pte::runtime {
namespace {

using program::Null;
using program::quote;
using program::TensorValue;

class Preparer {
 public:
  explicit Preparer(Method::State& state)
      : state_(state), program_(*state.program), method_(*state.method) {}

  Status run() {
    PTE_CHECK(check_data_keys(program_, state_.options.data.get()));
    PTE_CHECK(arenas());
    PTE_CHECK(values());
    PTE_CHECK(find_missing());
    PTE_CHECK(delegates());
    size_t index = 0;
    for (const program::Chain& chain : method_.chains) {
      std::vector<Step>& steps = state_.chains.emplace_back();
      steps.reserve(chain.instructions.size());
      for (const program::Instruction& instruction : chain.instructions) {
        PTE_TRY(Step step, this->step(instruction).at(fmt::format("instruction {}", index)));
        steps.push_back(std::move(step));
        ++index;
      }
    }
    finish_resets();
    return {};
  }

 private:
  Status charge(uint64_t bytes, std::string_view what) {
    const auto sum = checked_add(charged_, bytes);
    if (!sum || *sum > state_.options.memory_limit) {
      return make_error(Code::kResourceLimit, "{} {} bytes pass the memory limit of {}", what,
                        bytes, state_.options.memory_limit);
    }
    charged_ = *sum;
    return {};
  }
  Status check_cancel() const {
    const std::atomic<bool>* cancel = state_.options.cancel;
    if (cancel == nullptr || !cancel->load(std::memory_order_relaxed)) return {};
    return make_error(Code::kResourceLimit, "cancelled");
  }
  Status charge_tensor(uint64_t bytes, std::string_view what) {
    PTE_CHECK(charge(bytes, what));
    state_.memory_bytes += bytes;
    return {};
  }

  Status arenas() {
    for (const program::ArenaDevice& device : method_.arena_devices) {
      if (device.device_type != 0) {
        return unsupported("arena {} lies on device type {}; only the CPU is known", device.arena,
                           device.device_type);
      }
    }
    state_.arenas.resize(method_.arena_sizes.size());
    state_.arena_bound.resize(method_.arena_sizes.size(), !state_.options.caller_arenas);
    state_.arena_values.resize(method_.arena_sizes.size());
    if (state_.options.caller_arenas) return {};
    for (size_t i = 1; i < method_.arena_sizes.size(); ++i) {
      const auto bytes = static_cast<uint64_t>(method_.arena_sizes[i]);
      PTE_CHECK(charge_tensor(bytes, fmt::format("arena {}:", i)));
    }
    for (size_t i = 1; i < method_.arena_sizes.size(); ++i) {
      PTE_TRY(state_.arenas[i], Tensor::zeros(DType::kUInt8, {method_.arena_sizes[i]}));
    }
    return {};
  }

  Status values() {
    const size_t count = method_.values.size();
    state_.initial.resize(count);
    state_.initial_read_only.resize(count);
    is_view_.resize(count);
    is_input_.resize(count);
    PTE_CHECK(charge(2 * sizeof(EValue) * count, "values:"));
    for (const int32_t input : method_.inputs) is_input_[static_cast<size_t>(input)] = true;
    for (const program::Chain& chain : method_.chains) {
      for (const program::Instruction& instruction : chain.instructions) {
        const auto* call = std::get_if<program::KernelCall>(&instruction);
        if (call == nullptr || call->args.empty()) continue;
        const OpInfo* op =
            find_op_by_out(method_.operators[static_cast<size_t>(call->op)].full_name());
        if (op != nullptr && op->op == Op::executorch_prim_et_view) {
          is_view_[static_cast<size_t>(call->args.back())] = true;
        }
      }
    }
    for (size_t i = 0; i < count; ++i) {
      PTE_CHECK(value(i).at(fmt::format("value {}", i)));
    }
    PTE_CHECK(state_.fill_contents());
    state_.values = state_.initial;
    state_.read_only = state_.initial_read_only;
    state_.input_set.resize(method_.inputs.size());
    return {};
  }

  Status value(size_t index) {
    constexpr uint64_t kBytesPerItem = 256;  // a gathered list holds whole tensors
    const program::Value& in = method_.values[index];
    EValue& out = state_.initial[index];
    if (const auto* tensor_value = std::get_if<TensorValue>(&in))
      return tensor(index, *tensor_value);
    if (const auto* integer = std::get_if<int64_t>(&in)) {
      out = *integer;
    } else if (const auto* flag = std::get_if<bool>(&in)) {
      out.v = *flag;
    } else if (const auto* real = std::get_if<double>(&in)) {
      out = *real;
    } else if (const auto* text = std::get_if<std::string>(&in)) {
      out = *text;
    } else if (const auto* reals = std::get_if<std::vector<double>>(&in)) {
      out = *reals;
    } else if (const auto* flags = std::get_if<std::vector<bool>>(&in)) {
      out = *flags;
    } else if (const auto* ints = std::get_if<program::IntList>(&in)) {
      PTE_CHECK(charge(8 * ints->items.size(), "a list:"));
      out = std::vector<int64_t>();
    } else if (const auto* tensors = std::get_if<program::TensorList>(&in)) {
      PTE_CHECK(charge(kBytesPerItem * tensors->items.size(), "a list:"));
      out = std::vector<Tensor>();
    } else if (const auto* optionals = std::get_if<program::OptionalTensorList>(&in)) {
      PTE_CHECK(charge(kBytesPerItem * optionals->items.size(), "a list:"));
      out = std::vector<std::optional<Tensor>>();
    }
    return {};
  }

  Status tensor(size_t index, const TensorValue& in) {
    if (in.device_type != 0) {
      return unsupported("device type {}; only the CPU is known", in.device_type);
    }
    const Strides strides = strides_of(in.sizes, in.dim_order);
    EValue& out = state_.initial[index];
    if (!in.allocation && (in.external || in.constant > 0)) {
      state_.initial_read_only[index] = true;
      if (in.external) {
        PTE_TRY(Tensor found, external_tensor(in, state_.options.data.get()));
        out = std::move(found);
        return {};
      }
      const program::Blob& blob = program_.constants[in.constant];
      out = Tensor::view(in.dtype, in.sizes, strides, blob.bytes.data(), blob.owner);
      return {};
    }
    if (!in.allocation) {
      // An operator that makes views gives its result its operand's memory.
      if (is_view_[index] && !is_input_[index]) {
        out = Tensor::view(in.dtype, in.sizes, strides, nullptr, nullptr);
        return {};
      }
      if (in.dynamism == program::Dynamism::kDynamicUnbound) return unbound(in, out);
      PTE_CHECK(charge_tensor(in.nbytes(), "an unplanned tensor:"));
      PTE_TRY(Tensor made, Tensor::zeros(in.dtype, in.sizes, in.dim_order));
      out = std::move(made);
      return {};
    }
    if (in.dynamism == program::Dynamism::kDynamicUnbound && !in.external && in.constant == 0) {
      return unbound(in, out);
    }
    const Tensor& arena = state_.arenas[in.allocation->memory_id];
    state_.arena_values[in.allocation->memory_id].push_back(static_cast<int32_t>(index));
    if (state_.options.caller_arenas) {
      if (in.external || in.constant > 0) {
        return unsupported("a tensor with a first content in an arena of the caller");
      }
      out = Tensor::view(in.dtype, in.sizes, strides, nullptr, nullptr);
      return {};
    }
    Tensor made = Tensor::view(in.dtype, in.sizes, strides, arena.data() + in.allocation->offset,
                               arena.owner());
    if (in.external) {
      PTE_TRY(Tensor found, external_tensor(in, state_.options.data.get()));
      state_.contents.push_back({index, std::move(found)});
    } else if (in.constant > 0 && in.nbytes() > 0) {
      const program::Blob& blob = program_.mutable_data[in.constant];
      state_.contents.push_back(
          {index, Tensor::view(in.dtype, in.sizes, strides, blob.bytes.data(), blob.owner)});
    }
    out = std::move(made);
    return {};
  }

  // Sizes without a bound: each such tensor may take an equal share of what the memory limit
  // leaves, and gets memory as it is touched.
  Status unbound(const TensorValue& in, EValue& out) {
    constexpr uint64_t kMost = uint64_t{1} << 30;
    if (unbound_share_ == 0) {
      uint64_t count = 0;
      for (const program::Value& value : method_.values) {
        const auto* tensor = std::get_if<TensorValue>(&value);
        if (tensor != nullptr && tensor->dynamism == program::Dynamism::kDynamicUnbound) ++count;
      }
      const uint64_t left = state_.options.memory_limit - charged_;
      unbound_share_ = std::min(kMost, left / 2 / std::max<uint64_t>(count, 1));
    }
    const uint64_t bytes = std::max<uint64_t>(unbound_share_, in.nbytes());
    PTE_CHECK(charge(bytes, "a tensor without an upper bound:"));
    PTE_TRY(const Tensor memory, Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(bytes)}));
    Tensor made = Tensor::view(in.dtype, in.sizes, strides_of(in.sizes, in.dim_order),
                               memory.data(), memory.owner());
    made.set_capacity_bytes(bytes);
    out = std::move(made);
    return {};
  }

  std::string operator_name(const program::KernelCall& call) const {
    return method_.operators[static_cast<size_t>(call.op)].full_name();
  }

  const CustomOp* custom_op(std::string_view name) const {
    const CustomOps* known = state_.options.custom_ops.get();
    return known == nullptr ? nullptr : known->find(name);
  }

  // Everything that this build lacks, in one error.
  Status find_missing() const {
    std::map<std::string, size_t> operators;
    std::map<std::string, size_t> backends;
    bool foreign = false;
    for (const program::Chain& chain : method_.chains) {
      for (const program::Instruction& instruction : chain.instructions) {
        if (const auto* call = std::get_if<program::DelegateCall>(&instruction)) {
          const std::string& id = method_.delegates[static_cast<size_t>(call->delegate)].id;
          if (!state_.options.delegates && !has_backend(id)) ++backends[id];
          continue;
        }
        const auto* call = std::get_if<program::KernelCall>(&instruction);
        if (call == nullptr) continue;
        const std::string name = operator_name(*call);
        const OpInfo* op = find_op_by_out(name);
        if (op == nullptr ? custom_op(name) != nullptr : kernels::find_kernel(op->op) != nullptr) {
          continue;
        }
        foreign = foreign || (op == nullptr && !name.starts_with("aten::"));
        ++operators[quote(name)];
      }
    }
    if (operators.empty() && backends.empty()) return {};
    std::vector<std::string> lacks;
    if (!operators.empty()) {
      std::vector<std::string> names;
      for (const auto& [name, count] : operators)
        names.push_back(fmt::format("{} {}×", name, count));
      lacks.push_back(fmt::format("{} operator{} no kernel: {}", operators.size(),
                                  operators.size() == 1 ? " has" : "s have",
                                  fmt::join(names, ", ")));
    }
    for (const auto& [id, count] : backends) {
      lacks.push_back(fmt::format("backend {} is missing ({} call{}): {}", quote(id), count,
                                  count == 1 ? "" : "s", program::describe_backend(id)));
    }
    Error error = unsupported("{}", fmt::join(lacks, "; "));
    if (foreign) {
      error.hint =
          "operators of another namespace need kernels of yours: --plugin libmine.so, or "
          "the module's options in the API";
    } else if (!backends.empty()) {
      error.hint = "export the model again for portable or xnnpack to run it here";
    }
    return error;
  }

  Status delegates() {
    state_.delegates.resize(method_.delegates.size());
    const DelegateLoader loader =
        state_.options.delegates ? state_.options.delegates : default_delegates();
    for (const program::Chain& chain : method_.chains) {
      for (const program::Instruction& instruction : chain.instructions) {
        const auto* call = std::get_if<program::DelegateCall>(&instruction);
        if (call == nullptr) continue;
        const auto index = static_cast<size_t>(call->delegate);
        if (state_.delegates[index] != nullptr) continue;
        // Many entries may name one large payload.
        PTE_CHECK(check_cancel());
        const program::Delegate& delegate = method_.delegates[index];
        Options options = state_.options;
        if (options.profile) {
          options.profile = [report = state_.options.profile, index](const InstructionTiming& at) {
            InstructionTiming inner = at;
            inner.delegate = static_cast<int32_t>(index);
            report(inner);
          };
        }
        DelegateRequest request{state_.program, delegate, options, {}};
        for (const int32_t arg : call->args) {
          request.args.push_back(
              std::get_if<TensorValue>(&method_.values[static_cast<size_t>(arg)]));
        }
        auto made = loader(request);
        if (!made) {
          return std::move(made.error())
              .at(fmt::format("delegate {} {}", index, quote(delegate.id)));
        }
        state_.delegates[index] = std::move(*made);
      }
    }
    return scratch();
  }

  // One after the other, delegates work in the same memory.
  Status scratch() {
    uint64_t most = 0;
    for (const auto& delegate : state_.delegates) {
      if (delegate != nullptr) most = std::max(most, delegate->scratch_bytes());
    }
    if (most == 0) return {};
    PTE_CHECK(charge_tensor(most, "the delegates' scratch:"));
    PTE_TRY(state_.scratch, Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(most)}));
    for (const auto& delegate : state_.delegates) {
      if (delegate != nullptr) PTE_CHECK(delegate->set_scratch(state_.scratch));
    }
    return {};
  }

  Result<Step> step(const program::Instruction& instruction) {
    Step out;
    if (const auto* call = std::get_if<program::KernelCall>(&instruction)) {
      PTE_CHECK(kernel_step(*call, out));
    } else if (const auto* delegate = std::get_if<program::DelegateCall>(&instruction)) {
      PTE_CHECK(delegate_step(*delegate, out));
    } else if (const auto* move = std::get_if<program::MoveCall>(&instruction)) {
      out.kind = Step::Kind::kMove;
      out.name = "move";
      out.from = move->from;
      out.to = move->to;
      if (is_list(move->from) || is_list(move->to)) return unsupported("a list is moved");
      changes_.insert(move->to);
    } else if (const auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
      out.kind = Step::Kind::kJumpFalse;
      out.name = "jump if false";
      out.from = jump->condition;
      out.target = static_cast<size_t>(jump->target);
    } else {
      // Planned memory has nothing to give back.
      out.name = "free";
    }
    return out;
  }

  bool is_list(int32_t value) const {
    const program::Value& item = method_.values[static_cast<size_t>(value)];
    return std::holds_alternative<program::IntList>(item) ||
           std::holds_alternative<program::TensorList>(item) ||
           std::holds_alternative<program::OptionalTensorList>(item);
  }

  // The tensors that a value stands for: itself, or a list's items.
  void add_tensors(int32_t value, std::vector<int32_t>& to) const {
    const program::Value& item = method_.values[static_cast<size_t>(value)];
    if (std::holds_alternative<TensorValue>(item)) to.push_back(value);
    if (const auto* list = std::get_if<program::TensorList>(&item)) {
      to.insert(to.end(), list->items.begin(), list->items.end());
    } else if (const auto* optionals = std::get_if<program::OptionalTensorList>(&item)) {
      std::copy_if(optionals->items.begin(), optionals->items.end(), std::back_inserter(to),
                   [](int32_t index) { return index >= 0; });
    }
  }

  void add_arg(int32_t value, Step& out) {
    out.args.push_back(value);
    out.pointers.push_back(&state_.values[static_cast<size_t>(value)]);
    if (is_list(value)) out.lists.push_back(value);
  }

  Status kernel_step(const program::KernelCall& call, Step& out) {
    const std::string name = operator_name(call);
    const OpInfo* op = find_op_by_out(name);
    if (op != nullptr) {
      out.kernel = kernels::find_kernel(op->op);
    } else {
      // program::verify could not know what it takes.
      out.custom = custom_op(name);
      op = &out.custom->info;
      PTE_CHECK(program::check_call(method_, call, *op));
    }
    out.kind = Step::Kind::kKernel;
    out.op = op;
    out.name = op->out_name;
    const size_t taken = op->out_args.size();
    // program::verify has counted them; what returns once more is left out.
    const size_t all = std::min(taken + op->returns.size(), call.args.size());
    for (size_t i = 0; i < all; ++i) {
      const int32_t value = call.args[i];
      add_arg(value, out);
      const bool is_result = i >= taken;
      if (is_result || op->args[static_cast<size_t>(op->out_args[i])].written) {
        if (op->op != Op::executorch_prim_et_view) add_tensors(value, out.written);
        changes_.insert(value);
        if (is_result && is_list(value)) out.list_results.push_back(value);
      } else {
        add_tensors(value, out.reads);
      }
    }
    PTE_CHECK(charge(8 * (out.reads.size() + out.written.size()), "a call:"));
    return {};
  }

  Status delegate_step(const program::DelegateCall& call, Step& out) {
    const auto index = static_cast<size_t>(call.delegate);
    out.kind = Step::Kind::kDelegate;
    out.name = method_.delegates[index].id;
    out.delegate = state_.delegates[index].get();
    const size_t inputs = out.delegate->input_count();
    const size_t outputs = out.delegate->output_count();
    if (call.args.size() != inputs + outputs) {
      return invalid_data("delegate {} {} has {} inputs and {} outputs, the call names {} values",
                          index, quote(out.name), inputs, outputs, call.args.size());
    }
    for (size_t i = 0; i < call.args.size(); ++i) {
      add_arg(call.args[i], out);
      add_tensors(call.args[i], i < inputs ? out.reads : out.written);
      if (i >= inputs) changes_.insert(call.args[i]);
    }
    return {};
  }

  // Numbers that instructions write, tensors that may shrink or be moved: they begin each
  // execution as the file has them. Tensors of fixed size and place need nothing.
  void finish_resets() {
    std::set<int32_t> resets = changes_;
    for (size_t i = 0; i < method_.values.size(); ++i) {
      const auto* tensor = std::get_if<TensorValue>(&method_.values[i]);
      if (tensor != nullptr && (tensor->dynamism != program::Dynamism::kStatic || is_view_[i])) {
        resets.insert(static_cast<int32_t>(i));
      }
    }
    for (const int32_t value : resets) {
      if (!is_list(value)) state_.resets.push_back(value);
    }
  }

  Method::State& state_;
  const program::Program& program_;
  const program::Method& method_;
  std::vector<bool> is_view_;  // made by et_view
  std::vector<bool> is_input_;
  std::set<int32_t> changes_;
  uint64_t charged_ = 0;
  uint64_t unbound_share_ = 0;
};

}  // namespace

Status prepare(Method::State& state) { return Preparer(state).run(); }

}  // namespace pte::runtime
