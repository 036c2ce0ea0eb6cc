// Emits one method: values, instructions, and where each tensor lies. Shared by emit.cc and
// emit_control.cc.
#pragma once

#include <algorithm>
#include <bit>
#include <map>
#include <unordered_map>

#include "lowering/emit.h"
#include "lowering/memory_plan.h"

namespace pte::lowering {

using ir::Arg;
using ir::Graph;
using ir::Module;
using ir::Node;
using ir::OutputKind;
using ir::TensorType;
using program::TensorValue;

// XNNPACK reads a few bytes past its operands; the official planner leaves this much at the end of
// an arena that a delegate of its reads from.
inline constexpr int64_t kXnnpackSlack = 64;

inline bool may_call(const OpInfo& op, const EmitOptions& options) {
  return options.any_kernel ? op.callable() : op.emittable();
}

inline bool is_control_flow(const Node& node) {
  return node.is(Op::higher_order_cond) || node.is(Op::higher_order_while_loop) ||
         node.is(Op::higher_order_map_impl) || node.is(Op::higher_order_scan);
}

// The same bits as another type: no kernel does it, but two tensors may have one memory.
inline bool is_reinterpretation(const Node& node, const EmitOptions& options) {
  return node.is(Op::aten_view_copy_dtype) && !options.any_kernel &&
         node.input(0)->tensor().static_sizes() &&
         size_of(node.input(0)->tensor().dtype) == size_of(node.result()->tensor().dtype);
}

// The constants of the program, shared by its methods.
class ConstantTable {
 public:
  ConstantTable(const Module& module, program::Program& program)
      : module_(module), program_(program) {}

  // `order` is how the bytes lie in the program.
  Result<uint32_t> index_of(const std::string& key, const DimOrder& order) {
    if (const auto it = indices_.find(key); it != indices_.end()) return it->second;
    PTE_TRY(const Tensor tensor, data(key, order));
    program_.constants.push_back(program::Blob::of(tensor));
    const auto index = static_cast<uint32_t>(program_.constants.size() - 1);
    indices_.emplace(key, index);
    return index;
  }

  // The entry among the initial values of mutable buffers.
  Result<uint32_t> mutable_index_of(const std::string& key, const DimOrder& order) {
    if (const auto it = mutable_.find(key); it != mutable_.end()) return it->second;
    PTE_TRY(const Tensor tensor, data(key, order));
    program_.mutable_data.push_back(program::Blob::of(tensor));
    const auto index = static_cast<uint32_t>(program_.mutable_data.size() - 1);
    mutable_.emplace(key, index);
    return index;
  }

 private:
  Result<Tensor> data(const std::string& key, const DimOrder& order) const {
    const auto it = module_.constants.find(key);
    if (it == module_.constants.end() || !it->second.data.has_data()) {
      return invalid_data("constant '{}' has no data", key);
    }
    const Tensor& found = it->second.data;
    return found.is_dense_in(order) ? Result<Tensor>(found) : found.in_dim_order(order);
  }

  const Module& module_;
  program::Program& program_;
  std::map<std::string, uint32_t> indices_;
  std::map<std::string, uint32_t> mutable_;
};

class MethodEmitter {
 public:
  MethodEmitter(const Module& module, const Graph& graph, const EmitOptions& options,
                ConstantTable& constants)
      : module_(module), graph_(graph), options_(options), constants_(constants) {}

  Result<program::Method> run() {
    method_.name = graph_.name();
    method_.chains.emplace_back();
    for (const ir::Output& output : graph_.outputs()) {
      if (output.kind == OutputKind::kBufferMutation) written_.insert({output.target, nullptr});
    }
    for (const ir::Value* value : graph_.constants()) PTE_CHECK(emit_constant(*value));
    for (const ir::Value* value : graph_.inputs()) {
      PTE_TRY(const int32_t index, emit_value(*value));
      method_.inputs.push_back(index);
    }
    for (const Node* node : graph_.nodes()) {
      PTE_CHECK(emit_node(*node).at(place(*node)));
    }
    PTE_CHECK(emit_outputs());
    plan();
    return std::move(method_);
  }

 private:
  // A tensor that the planner places: one for each allocation, shared by the views of it.
  struct Storage {
    uint64_t bytes = 0;
    int64_t first = 0;
    int64_t last = 0;
    bool persistent = false;  // inputs that are written back and buffers: alive throughout
  };

  static std::string place(const Node& node) {
    std::string text =
        fmt::format("node '{}'", node.results().empty() ? node.op().name : node.result()->name());
    if (!node.location().empty()) text += fmt::format(" ({})", node.location());
    return text;
  }

  std::vector<program::Instruction>& code() { return method_.chains.front().instructions; }
  int64_t now() { return static_cast<int64_t>(code().size()) + 1; }  // 0 is before the first call

  int32_t add(program::Value value) {
    method_.values.push_back(std::move(value));
    return static_cast<int32_t>(method_.values.size() - 1);
  }

  // One value for each distinct literal: they are never written.
  int32_t literal(const std::string& key, program::Value value) {
    const auto [it, fresh] = literals_.try_emplace(key, 0);
    if (fresh) it->second = add(std::move(value));
    return it->second;
  }
  int32_t integer(int64_t value) { return literal(fmt::format("i{}", value), value); }
  int32_t null() { return literal("none", program::Null{}); }

  Result<TensorValue> tensor_value(const ir::Value& value) const {
    const TensorType& type = value.tensor();
    TensorValue tensor;
    tensor.dtype = type.dtype;
    tensor.dim_order = type.dim_order;
    for (const ir::SymInt& size : type.sizes) {
      if (!size.is_constant()) tensor.dynamism = program::Dynamism::kDynamicBound;
      const auto bound = size.upper_bound(module_.symbols);
      if (!bound) {
        return invalid_argument(
                   "size '{}' of '{}' has no upper bound, so memory cannot be planned for it",
                   size.to_string(), value.name())
            .with_hint("export the model with a maximum for that dimension");
      }
      tensor.sizes.push_back(std::max<int64_t>(*bound, 0));
    }
    if (!byte_count(tensor.dtype, tensor.sizes)) {
      return invalid_data("'{}' is too large: {}", value.name(),
                          describe(tensor.dtype, tensor.sizes));
    }
    return tensor;
  }

  int32_t bind(const ir::Value& value, program::Value entry) {
    const int32_t index = add(std::move(entry));
    indices_[&value] = index;
    return index;
  }

  Status emit_constant(const ir::Value& value) {
    const auto written = written_.find(*value.constant());
    if (written != written_.end() && written->second != nullptr) {  // a body reads a buffer
      indices_[&value] = indices_.at(written->second);
      share_storage(value, *written->second);
      return {};
    }
    if (!value.graph().has_uses(&value) && written == written_.end()) return {};
    PTE_TRY(TensorValue tensor, tensor_value(value));
    if (written != written_.end()) {
      PTE_TRY(tensor.constant, constants_.mutable_index_of(*value.constant(), tensor.dim_order));
      tensor.name = *value.constant();
      new_storage(value, tensor.nbytes(), true);
      written->second = &value;
      tensor.allocation.emplace();
    } else {
      PTE_TRY(tensor.constant, constants_.index_of(*value.constant(), tensor.dim_order));
    }
    bind(value, std::move(tensor));
    return {};
  }

  // A value of its own: a planned tensor, or a number that a call writes.
  Result<int32_t> emit_value(const ir::Value& value) {
    if (value.is_tensor()) {
      PTE_TRY(TensorValue tensor, tensor_value(value));
      tensor.allocation.emplace();
      new_storage(value, tensor.nbytes(), false);
      return bind(value, std::move(tensor));
    }
    if (std::holds_alternative<ir::SymIntType>(value.type())) return bind(value, int64_t{0});
    if (std::holds_alternative<ir::SymFloatType>(value.type())) return bind(value, 0.0);
    return bind(value, false);
  }

  void new_storage(const ir::Value& value, uint64_t bytes, bool persistent) {
    storages_.push_back({bytes, persistent ? 0 : now(), now(), persistent});
    if (value.is_input() && &value.graph() == &graph_) storages_.back().first = 0;
    storage_of_[&value] = storages_.size() - 1;
  }

  void touch(const ir::Value& value) {
    const auto it = storage_of_.find(&value);
    if (it != storage_of_.end())
      storages_[it->second].last = std::max(storages_[it->second].last, now());
  }

  // ---- arguments

  Result<int32_t> value_index(const ir::Value& value) {
    touch(value);
    return indices_.at(&value);
  }

  Result<int32_t> emit_arg(const ArgSchema& schema, const Arg& arg) {
    if (const ir::Value* value = arg.value()) return value_index(*value);
    if (arg.is_none()) return null();
    if (const auto* items = arg.list()) return emit_list(schema, *items);
    switch (schema.kind) {
      case ArgKind::kFloat:
        return real(*arg.number());
      case ArgKind::kString:
        return literal("s" + *arg.text(), *arg.text());
      default:
        break;
    }
    if (const auto value = arg.boolean()) return literal(*value ? "true" : "false", *value);
    if (const auto value = arg.integer()) return integer(*value);
    if (const auto value = arg.number()) return real(*value);
    if (const auto* dtype = std::get_if<DType>(&arg.v))
      return integer(static_cast<int64_t>(*dtype));
    if (const auto* format = std::get_if<ir::MemoryFormat>(&arg.v))
      return integer(static_cast<int64_t>(*format));
    if (std::holds_alternative<ir::Layout>(arg.v)) return integer(0);
    if (std::holds_alternative<ir::Device>(arg.v)) return null();
    if (const auto* text = arg.text()) return literal("s" + *text, *text);  // an output
    return unsupported("argument '{}' has no form in a program", schema.name);
  }

  int32_t real(double value) {
    return literal(fmt::format("d{:x}", std::bit_cast<uint64_t>(value)), value);
  }

  Result<int32_t> emit_list(const ArgSchema& schema, const ir::ArgList& items) {
    switch (schema.kind) {
      case ArgKind::kTensorList: {
        program::TensorList list;
        for (const Arg& item : items) {
          PTE_TRY(const int32_t index, value_index(*item.value()));
          list.items.push_back(index);
        }
        return add(std::move(list));
      }
      case ArgKind::kOptionalTensorList: {
        program::OptionalTensorList list;
        for (const Arg& item : items) {
          int32_t index = -1;
          if (item.value() != nullptr) {
            PTE_TRY(index, value_index(*item.value()));
          }
          list.items.push_back(index);
        }
        return add(std::move(list));
      }
      case ArgKind::kIntList: {
        program::IntList list;
        std::string key = "il";
        for (const Arg& item : items) {
          int32_t index = 0;
          if (const ir::Value* value = item.value()) {
            PTE_TRY(index, value_index(*value));
          } else {
            index = integer(*item.integer());
          }
          key += fmt::format(",{}", index);
          list.items.push_back(index);
        }
        return literal(key, std::move(list));
      }
      case ArgKind::kFloatList: {
        std::vector<double> list;
        for (const Arg& item : items) {
          const auto number = item.number();
          if (!number)
            return unsupported("argument '{}' holds a float known at run time only", schema.name);
          list.push_back(*number);
        }
        return add(std::move(list));
      }
      case ArgKind::kBoolList: {
        std::vector<bool> list;
        for (const Arg& item : items) list.push_back(*item.boolean());
        return add(std::move(list));
      }
      default:
        return unsupported("argument '{}' is a list that has no form in a program", schema.name);
    }
  }

  // ---- nodes

  Status emit_node(const Node& node) {
    if (node.is(Op::pte_call_delegate)) return emit_delegate(node);
    if (is_control_flow(node)) return emit_control_flow(node);
    if (is_reinterpretation(node, options_)) return emit_reinterpretation(node);
    if (!may_call(node.op(), options_)) {
      return unsupported("{} has no kernel in a program and no pass rewrote it",
                         node.op().full_name());
    }
    if (can_alias(node)) return emit_alias(node);
    program::KernelCall call;
    std::vector<Arg> args = node.args();
    const OpInfo* op = &node.op();
    // A view of a size known only at run time keeps its operand's memory through this call.
    const bool dynamic_view = node.is(Op::aten_view_copy) && aliasable_memory(node);
    if (dynamic_view) op = &info(Op::executorch_prim_et_view);
    call.op = operator_index(*op);
    for (const int arg : op->out_args) {
      const auto i = static_cast<size_t>(arg);
      PTE_TRY(const int32_t index, emit_arg(op->args[i], args[i]).at(op->args[i].name));
      call.args.push_back(index);
    }
    if (op->has(kTagInPlace)) {
      // The result is the written operand itself.
      const ir::Value* target = node.input(0);
      call.args.push_back(indices_.at(target));
      for (const ir::Value* result : node.results()) {
        indices_[result] = indices_.at(target);
        share_storage(*result, *target);
      }
    } else if (dynamic_view) {
      PTE_TRY(TensorValue view, tensor_value(*node.result()));
      view.allocation.emplace();
      share_storage(*node.result(), *node.input(0));
      call.args.push_back(bind(*node.result(), std::move(view)));
    } else {
      PTE_CHECK(emit_results(node, call));
    }
    code().push_back(std::move(call));
    return {};
  }

  Status emit_results(const Node& node, program::KernelCall& call) {
    std::vector<int32_t> outs;
    for (const ir::Value* result : node.results()) {
      PTE_TRY(const int32_t index, emit_value(*result));
      outs.push_back(index);
    }
    const std::vector<ReturnSchema>& returns = node.op().returns;
    if (returns.size() == 1 && returns[0].kind == ArgKind::kTensorList) {
      call.args.push_back(add(program::TensorList{outs}));
      call.args.push_back(add(program::TensorList{outs}));
      return {};
    }
    call.args.insert(call.args.end(), outs.begin(), outs.end());
    if (node.op().is_prim()) return {};  // prim operators name their result once
    if (outs.size() == 1) {
      call.args.push_back(outs[0]);
    } else {
      call.args.push_back(add(program::TensorList{outs}));
    }
    return {};
  }

  Status emit_delegate(const Node& node) {
    const auto payload_index = static_cast<size_t>(*node.arg(0).integer());
    const ir::DelegatePayload& payload = module_.delegates[payload_index];
    auto [it, fresh] =
        delegates_.try_emplace(payload_index, static_cast<int32_t>(method_.delegates.size()));
    if (fresh) {
      program::Delegate delegate;
      delegate.id = payload.backend;
      delegate.payload = program::Blob::copy(payload.bytes);
      method_.delegates.push_back(std::move(delegate));
    }
    program::DelegateCall call;
    call.delegate = it->second;
    for (const Arg& input : *node.arg(1).list()) {
      PTE_TRY(const int32_t index, value_index(*input.value()));
      call.args.push_back(index);
    }
    for (const ir::Value* result : node.results()) {
      PTE_TRY(const int32_t index, emit_value(*result));
      call.args.push_back(index);
    }
    code().push_back(std::move(call));
    return {};
  }

  int32_t operator_index(const OpInfo& op) {
    const auto [it, fresh] =
        operators_.try_emplace(&op, static_cast<int32_t>(method_.operators.size()));
    if (fresh) {
      const size_t dot = op.out_name.find('.', op.out_name.find("::"));
      program::Operator entry;
      entry.name = op.out_name.substr(0, dot);
      if (dot != std::string::npos) entry.overload = op.out_name.substr(dot + 1);
      method_.operators.push_back(std::move(entry));
    }
    return it->second;
  }

  // ---- views

  static bool is_reshape(const Node& node) {
    return node.is(Op::aten_view_copy) || node.is(Op::aten_unsqueeze_copy) ||
           node.is(Op::aten_squeeze_copy_dim) || node.is(Op::aten_squeeze_copy_dims);
  }

  // The operand lies contiguously in memory of its own, and sharing it cannot be observed: a result
  // must not be the caller's input or a constant in disguise, nor a buffer that is written later.
  bool aliasable_memory(const Node& node) const {
    const ir::Value& from = *node.input(0);
    const ir::Value& to = *node.result();
    if (!from.tensor().is_contiguous() || !to.tensor().is_contiguous()) return false;
    const auto storage = storage_of_.find(&from);
    if (storage != storage_of_.end() && storages_[storage->second].persistent) return false;
    if (!reaches_output(to)) return storage != storage_of_.end() || from.is_constant();
    if (storage == storage_of_.end()) return false;
    for (const ir::Value* input : graph_.inputs()) {
      const auto it = storage_of_.find(input);
      if (it != storage_of_.end() && it->second == storage->second) return false;
    }
    return true;
  }

  // Whether the value, or a view of it that will alias it in turn, is returned.
  bool reaches_output(const ir::Value& value) const {
    if (value.graph().is_output(&value)) return true;
    return std::any_of(value.users().begin(), value.users().end(), [&](const Node* user) {
      return (is_reshape(*user) || is_reinterpretation(*user, options_)) &&
             reaches_output(*user->result());
    });
  }

  bool can_alias(const Node& node) const {
    if (!options_.alias_views || !is_reshape(node)) return false;
    return node.input(0)->tensor().static_sizes() && node.result()->tensor().static_sizes() &&
           aliasable_memory(node);
  }

  Status emit_alias(const Node& node) {
    const ir::Value& from = *node.input(0);
    PTE_TRY(TensorValue view, tensor_value(*node.result()));
    if (storage_of_.contains(&from)) {
      view.allocation.emplace();
      share_storage(*node.result(), from);
    } else {
      view.constant =
          std::get<TensorValue>(method_.values[static_cast<size_t>(indices_.at(&from))]).constant;
    }
    bind(*node.result(), std::move(view));
    return {};
  }

  // In emit_reinterpretation.cc.
  Status emit_reinterpretation(const Node& node);

  void share_storage(const ir::Value& view, const ir::Value& base) {
    const auto it = storage_of_.find(&base);
    if (it == storage_of_.end()) return;
    storage_of_[&view] = it->second;
    storages_[it->second].last = std::max(storages_[it->second].last, now());
  }

  // ---- control flow, in emit_control.cc

  // Where a tensor operand or a number stands for the input of a body.
  void bind_input(const ir::Value& input, const ir::Value& operand);
  Status emit_body(const Graph& body);
  Status emit_control_flow(const Node& node);
  Status emit_cond(const Node& node);
  Status emit_while(const Node& node);
  // map_impl and scan: the latter carries values from one step to the next.
  Status emit_steps(const Node& node, const Graph& body, const ir::ArgList& carried,
                    const ir::ArgList& stepped, const ir::ArgList& extra);
  // Copies a value into the tensor or number that `to` is; its sizes become those of `from`.
  Status emit_copy(const ir::Value& from, int32_t to, const ir::Value* target);
  // Every body result into the value of the same place, as if all at once.
  Status emit_carry(const Graph& body, const std::vector<const ir::Value*>& targets);
  size_t emit_jump(int32_t condition);
  void jump_back(size_t to);
  void land(size_t jump);
  void touch_all(const ir::ArgList& values);

  // ---- outputs and memory

  Status emit_outputs() {
    for (const ir::Output& output : graph_.outputs()) {
      if (output.kind == OutputKind::kUser) continue;
      const ir::Value* target = output.kind == OutputKind::kBufferMutation
                                    ? written_.at(output.target)
                                    : graph_.find(output.target);
      // A buffer that this method never reads has nothing to keep.
      if (target == nullptr || target == output.value) continue;
      program::KernelCall call;
      const OpInfo& copy = info(Op::aten_copy_);
      call.op = operator_index(copy);
      touch(*output.value);
      touch(*target);
      call.args = {indices_.at(target), indices_.at(output.value), literal("false", false),
                   indices_.at(target)};
      code().push_back(std::move(call));
    }
    for (const ir::Output& output : graph_.outputs()) {
      if (output.kind != OutputKind::kUser) continue;
      if (output.value == nullptr) {
        ArgSchema any;
        any.kind = ArgKind::kScalar;
        PTE_TRY(const int32_t index, emit_arg(any, output.literal));
        method_.outputs.push_back(index);
        continue;
      }
      touch(*output.value);
      const auto it = storage_of_.find(output.value);
      if (it != storage_of_.end()) storages_[it->second].last = now();
      method_.outputs.push_back(indices_.at(output.value));
    }
    return {};
  }

  // The storages that get an arena of their own: those of exactly one input or output.
  std::map<size_t, uint32_t> own_arenas() const {
    std::map<size_t, int> uses;
    std::vector<size_t> order;
    const auto add = [&](const ir::Value* value) {
      const auto it = storage_of_.find(value);
      if (it == storage_of_.end()) return;
      if (++uses[it->second] == 1) order.push_back(it->second);
    };
    for (const ir::Value* input : graph_.inputs()) add(input);
    for (const ir::Output& output : graph_.outputs()) {
      if (output.value != nullptr) add(output.value);
    }
    std::map<size_t, uint32_t> arenas;
    for (const size_t storage : order) {
      if (uses[storage] == 1 && !storages_[storage].persistent)
        arenas.emplace(storage, static_cast<uint32_t>(arenas.size() + 2));
    }
    return arenas;
  }

  void plan() {
    std::map<size_t, uint32_t> own;
    if (options_.separate_io) own = own_arenas();
    std::vector<PlanItem> items;
    items.reserve(storages_.size());
    for (size_t i = 0; i < storages_.size(); ++i) {
      const Storage& storage = storages_[i];
      items.push_back({own.contains(i) ? 0 : storage.bytes, storage.first,
                       storage.persistent ? now() : storage.last, 0});
    }
    int64_t arena = static_cast<int64_t>(plan_memory(items));
    const bool xnnpack =
        std::any_of(method_.delegates.begin(), method_.delegates.end(),
                    [](const program::Delegate& d) { return d.id == "XnnpackBackend"; });
    if (xnnpack && arena > 0) arena += kXnnpackSlack;
    method_.arena_sizes = {0, arena};
    method_.arena_sizes.resize(2 + own.size());
    for (const auto& [storage, id] : own)
      method_.arena_sizes[id] = static_cast<int64_t>(storages_[storage].bytes);
    for (const auto& [value, storage] : storage_of_) {
      auto& tensor = std::get<TensorValue>(method_.values[static_cast<size_t>(indices_.at(value))]);
      const auto it = own.find(storage);
      tensor.allocation = it == own.end() ? program::Allocation{1, items[storage].offset}
                                          : program::Allocation{it->second, 0};
    }
    for (const auto& [index, storage] : spare_) {
      std::get<TensorValue>(method_.values[static_cast<size_t>(index)]).allocation =
          program::Allocation{1, items[storage].offset};
    }
  }

  const Module& module_;
  const Graph& graph_;
  const EmitOptions& options_;
  ConstantTable& constants_;
  program::Method method_;
  std::unordered_map<const ir::Value*, int32_t> indices_;
  std::unordered_map<const ir::Value*, size_t> storage_of_;
  std::vector<Storage> storages_;
  std::map<std::string, int32_t> literals_;
  std::unordered_map<const OpInfo*, int32_t> operators_;
  std::map<size_t, int32_t> delegates_;
  std::vector<std::pair<int32_t, size_t>> spare_;    // tensors of no IR value, and their storages
  std::map<std::string, const ir::Value*> written_;  // buffers that this method writes
};

}  // namespace pte::lowering
