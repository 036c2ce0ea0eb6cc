#include "engine/planner.h"

#include <algorithm>

#include "lowering/memory_plan.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

bool fits_any(const Operand&) { return true; }
bool fits_pixels(const Operand& operand) {
  return pixels_in_order(operand.sizes, operand.strides).has_value();
}

std::string Group::what() const {
  std::string text;
  if (padding != nullptr) text = padding->op().name + " + ";
  for (const Node* node : nodes) text += (node == head ? "" : " + ") + node->op().name;
  return text;
}

// ---- values

Result<Operand> Planner::constant(const Tensor& tensor) {
  if (!tensor.has_data()) return unsupported("a constant without data");
  Operand operand;
  operand.buffer = plan_.buffers.size();
  operand.dtype = tensor.dtype();
  operand.sizes = tensor.sizes();
  operand.strides = tensor.strides();
  Buffer buffer;
  buffer.kind = Buffer::Kind::kConstant;
  buffer.bytes = tensor.nbytes();
  buffer.constant = tensor;
  plan_.buffers.push_back(std::move(buffer));
  sharers_.push_back(2);
  return operand;
}

Result<Operand> Planner::place(const Value* value) {
  const auto found = places_.find(value);
  if (found != places_.end()) return found->second;
  if (!value->is_constant())
    return unsupported("value '{}' is read before it is made", value->name());
  const Tensor* data = module_.data_of(value);
  if (data == nullptr) return unsupported("constant '{}' has no data", *value->constant());
  PTE_TRY(Operand operand, constant(*data));
  places_[value] = operand;
  return operand;
}

Result<Tensor> Planner::weights_of(const Value* value) const {
  if (value == nullptr || !value->is_tensor()) return unsupported("no tensor");
  const Tensor* data = value->is_constant() ? module_.data_of(value) : nullptr;
  if (data == nullptr) {
    // A view of a constant, in the constant's memory.
    const auto place = places_.find(value);
    if (place == places_.end()) return unsupported("it is no constant");
    const Operand& at = place->second;
    const Buffer& buffer = plan_.buffers[at.buffer];
    if (buffer.kind != Buffer::Kind::kConstant) return unsupported("it is no constant");
    if (at.dtype != DType::kFloat32) return unsupported("it is {}", dtype_name(at.dtype));
    return buffer.constant.with_layout(at.sizes, at.strides, at.offset);
  }
  if (!data->has_data()) return unsupported("it is no constant");
  if (data->dtype() != DType::kFloat32) return unsupported("it is {}", dtype_name(data->dtype()));
  return *data;
}

Result<Tensor> Planner::dense_constant(const Value* value) const {
  PTE_TRY(const Tensor data, weights_of(value));
  return data.contiguous();
}

Operand Planner::fresh(DType dtype, const Sizes& sizes, const DimOrder& order) {
  Operand operand;
  operand.buffer = plan_.buffers.size();
  operand.dtype = dtype;
  operand.sizes = sizes;
  operand.strides = strides_of(sizes, order);
  Buffer buffer;
  buffer.bytes = static_cast<uint64_t>(operand.count()) * size_of(dtype);
  plan_.buffers.push_back(std::move(buffer));
  sharers_.push_back(0);
  return operand;
}

Operand Planner::allocate(const Value* value, const DimOrder& order) {
  const ir::TensorType& type = value->tensor();
  const Sizes sizes = *type.static_sizes();
  const auto preset = presets_.values.find(value);
  if (preset == presets_.values.end()) return fresh(type.dtype, sizes, order);
  const Preset& at = preset->second;
  auto storage = cat_storage_.find(at.cat);
  if (storage == cat_storage_.end()) {
    Operand whole = allocate(at.cat->result(), presets_.orders.at(at.cat));
    storage = cat_storage_.emplace(at.cat, std::move(whole)).first;
  }
  Operand part = storage->second;
  part.offset += at.offset * part.strides[at.dim];
  const auto strides = view_strides(at.seen, part.strides, sizes);
  if (!strides) return fresh(type.dtype, sizes, order);
  part.strides = *strides;
  part.sizes = sizes;
  return part;
}

Operand Planner::target(const Value* value, const DimOrder& order, Fits fits) {
  Operand home = allocate(value, order);
  places_[value] = home;
  roots_.insert(value);
  ++sharers_[home.buffer];
  if (fits(home)) return home;
  Operand other = fresh(home.dtype, home.sizes, order);
  pending_copies_.emplace_back(other, std::move(home));
  return other;
}

Operand Planner::arranged(const Operand& operand, const DimOrder& order) {
  if (operand.is_dense_in(order)) return operand;
  Operand made = fresh(operand.dtype, operand.sizes, order);
  ++sharers_[made.buffer];
  add(copy_step(operand, made), "layout", "copy", {operand}, {made});
  return made;
}

void Planner::alias(const Value* value, Operand operand) {
  ++sharers_[operand.buffer];
  places_[value] = std::move(operand);
}

bool Planner::may_overwrite(const Value* value, const Operand& operand) const {
  return value->users().size() == 1 && !is_output(value) &&
         plan_.buffers[operand.buffer].kind == Buffer::Kind::kArena &&
         sharers_[operand.buffer] == 1 && roots_.contains(value);
}

// ---- steps

void Planner::touch(size_t buffer, int64_t step) {
  Buffer& item = plan_.buffers[buffer];
  if (item.first < 0) item.first = step;
  item.last = std::max(item.last, step);
}

void Planner::add(std::unique_ptr<Step> step, std::string what, std::string kernel,
                  const std::vector<Operand>& reads, const std::vector<Operand>& writes,
                  std::string reason) {
  const auto index = static_cast<int64_t>(plan_.steps.size());
  PlannedStep planned;
  planned.step = std::move(step);
  planned.what = std::move(what);
  planned.kernel = std::move(kernel);
  planned.reason = std::move(reason);
  for (const Operand& operand : reads) {
    planned.reads.push_back(operand.buffer);
    touch(operand.buffer, index);
  }
  for (const Operand& operand : writes) {
    planned.writes.push_back(operand.buffer);
    touch(operand.buffer, index);
  }
  if (!writes.empty()) planned.sizes = writes.front().sizes;
  plan_.steps.push_back(std::move(planned));
  const auto copies = std::move(pending_copies_);
  pending_copies_.clear();
  for (const auto& [from, to] : copies) add(copy_step(from, to), "layout", "copy", {from}, {to});
}

Status Planner::plan_reference(const Node* node, std::string reason) {
  ReferenceCall call;
  call.module = &module_;
  call.node = node;
  std::vector<Operand> reads;
  for (Value* value : node->inputs()) {
    if (std::find(call.values.begin(), call.values.end(), value) != call.values.end()) continue;
    if (!value->is_tensor()) return unsupported("'{}' reads a number", node->op().full_name());
    if (value->is_constant()) PTE_CHECK(place(value));
    call.values.push_back(value);
    Operand operand;
    if (!value->is_constant()) {
      PTE_TRY(operand, place(value));
      // Zero strides and windows of other tensors are laid out as the program has them.
      operand = arranged(operand, value->tensor().dim_order);
      reads.push_back(operand);
    }
    call.inputs.push_back(std::move(operand));
  }
  std::vector<Operand> writes;
  for (const Value* result : node->results()) {
    if (!result->is_tensor()) return unsupported("'{}' gives a number", node->op().full_name());
    Operand home = allocate(result, result->tensor().dim_order);
    if (!home.is_dense_in(result->tensor().dim_order)) {
      Operand other = fresh(home.dtype, home.sizes, result->tensor().dim_order);
      pending_copies_.emplace_back(other, home);
      call.results.push_back(other);
    } else {
      call.results.push_back(home);
    }
    roots_.insert(result);
    ++sharers_[home.buffer];
    places_[result] = std::move(home);
    writes.push_back(call.results.back());
  }
  PTE_TRY(auto step, reference_step(call));
  add(std::move(step), node->op().name, "reference", reads, writes, std::move(reason));
  return {};
}

Status Planner::plan_node(Node* node) {
  if (groups_.inside.contains(node) || tables_.inside.contains(node)) return {};
  why_.clear();
  const auto attention = groups_.attention.find(node);
  if (attention != groups_.attention.end()) {
    PTE_TRY(const bool done, plan_attention(attention->second));
    if (done) return {};
    // Each node by itself, in their order.
    const std::string reason = why_;
    for (const Node* each : graph_.nodes()) {
      const auto& inner = attention->second.inner;
      if (each != node && std::find(inner.begin(), inner.end(), each) == inner.end()) continue;
      PTE_CHECK(plan_reference(each, reason));
    }
    return {};
  }
  if (const auto table = tables_.by_root.find(node); table != tables_.by_root.end()) {
    return plan_table(table->second);
  }
  const auto group = groups_.by_last.find(node);
  if (group != groups_.by_last.end()) return plan_group(group->second);
  const auto planned = [&]() -> Result<bool> {
    switch (node->op().op) {
      case Op::aten_cat:
        return plan_cat(node);
      case Op::aten__softmax:
      case Op::aten_softmax_int:
        return plan_softmax(node);
      case Op::aten_layer_norm:
      case Op::aten_native_layer_norm:
        return plan_layer_norm(node);
      case Op::aten_mean_dim:
      case Op::aten_sum_dim_IntList:
      case Op::aten_adaptive_avg_pool2d:
      case Op::aten__adaptive_avg_pool2d:
        return plan_mean(node);
      case Op::aten_max_pool2d:
      case Op::aten_max_pool2d_with_indices:
      case Op::aten_avg_pool2d:
        return plan_pool(node);
      case Op::aten_upsample_nearest2d_vec:
        return plan_nearest(node);
      case Op::aten_constant_pad_nd:
        return plan_pad(node);
      case Op::pte_quantized_convolution:
      case Op::pte_quantized_linear:
      case Op::pte_quantized_add:
      case Op::pte_quantized_mul:
      case Op::pte_quantized_mean:
      case Op::qd_quantize_per_tensor:
      case Op::qd_dequantize_per_tensor:
        return plan_bytes(node);
      case Op::pte_dynamic_quantized_linear:
        return plan_dynamic_linear(node);
      default:
        return plan_view(node);
    }
  };
  PTE_TRY(const bool done, planned());
  if (done) return {};
  return plan_reference(node, why_.empty() ? "no fast kernel" : why_);
}

Status Planner::plan_group(const Group& group) {
  const auto planned = [&]() -> Result<bool> {
    switch (group.head->op().op) {
      case Op::aten_convolution:
        return plan_convolution(group);
      case Op::aten_linear:
      case Op::aten_addmm:
      case Op::aten_mm:
        return plan_linear(group);
      case Op::aten_bmm:
      case Op::aten_matmul:
        return plan_matmul(group);
      case Op::aten__softmax:
      case Op::aten_softmax_int:
        return plan_softmax_mean(group);
      default:
        return plan_elementwise(group);
    }
  };
  PTE_TRY(const bool done, planned());
  if (done) return {};
  // Each node by itself: what a kernel refused, it refuses whole.
  const std::string reason = why_.empty() ? "no fast kernel" : why_;
  if (group.padding != nullptr) PTE_CHECK(plan_reference(group.padding, reason));
  for (const Node* node : group.nodes) PTE_CHECK(plan_reference(node, reason));
  return {};
}

// ---- the whole

Status Planner::walk() {
  std::set<std::string, std::less<>> states;
  for (const ir::Output& output : graph_.outputs()) {
    if (output.kind == ir::OutputKind::kBufferMutation) return unsupported("it writes a constant");
    if (output.kind == ir::OutputKind::kInputMutation) states.insert(output.target);
    if (output.value != nullptr) outputs_.insert(output.value);
  }
  const auto check = [&](const Value* value) -> Status {
    if (!value->is_tensor()) return unsupported("value '{}' is a number", value->name());
    const auto sizes = value->tensor().static_sizes();
    if (!sizes) return unsupported("value '{}' has sizes that inputs decide", value->name());
    const auto bytes = byte_count(value->tensor().dtype, *sizes);
    if (!bytes || size_of(value->tensor().dtype) == 0) {
      return unsupported("value '{}' is {}", value->name(), ir::to_string(value->type()));
    }
    if (*bytes > options_.memory_limit) {
      return make_error(Code::kResourceLimit,
                        "value '{}' takes {} bytes, more than the limit of {}", value->name(),
                        *bytes, options_.memory_limit);
    }
    return {};
  };
  for (size_t i = 0; i < graph_.inputs().size(); ++i) {
    const Value* value = graph_.inputs()[i];
    PTE_CHECK(check(value));
    const ir::TensorType& type = value->tensor();
    Operand operand = fresh(type.dtype, *type.static_sizes(), type.dim_order);
    Buffer& buffer = plan_.buffers[operand.buffer];
    if (states.contains(value->name())) {
      buffer.kind = Buffer::Kind::kState;
      buffer.state = plan_.states.size();
      plan_.states.push_back(value->name());
    } else {
      buffer.kind = Buffer::Kind::kInput;
      buffer.input = i;
    }
    sharers_[operand.buffer] = 2;
    places_[value] = std::move(operand);
  }
  tables_ = find_tables(module_, graph_, options_.fuse);
  std::unordered_set<const Node*> without = tables_.inside;
  for (const auto& [root, table] : tables_.by_root) without.insert(root);
  groups_ = find_groups(module_, graph_, options_.fuse, without);
  for (Node* node : graph_.nodes()) {
    for (const Value* result : node->results()) PTE_CHECK(check(result));
    if (node->op().has(kTagRandom) || node->op().has(kTagInPlace) ||
        node->op().has(kTagHigherOrder)) {
      return unsupported("it calls {}", node->op().full_name());
    }
    if (Status done = plan_node(node); !done) {
      return std::move(done.error()).at(fmt::format("'{}'", node->result()->name()));
    }
  }
  return {};
}

Result<Plan> Planner::finish() {
  for (const ir::Output& output : graph_.outputs()) {
    if (output.kind != ir::OutputKind::kUser) continue;
    if (output.value == nullptr) {
      if (output.literal.is_none()) {
        plan_.outputs.emplace_back(EValue());
      } else if (const std::string* text = output.literal.text()) {
        plan_.outputs.emplace_back(EValue(*text));
      } else if (const auto integer = output.literal.integer()) {
        plan_.outputs.emplace_back(EValue(*integer));
      } else if (const auto flag = output.literal.boolean()) {
        plan_.outputs.emplace_back(EValue(*flag));
      } else if (const auto real = output.literal.number()) {
        plan_.outputs.emplace_back(EValue(*real));
      } else {
        return unsupported("an output is neither a tensor nor a number");
      }
      continue;
    }
    PTE_TRY(Operand operand, place(output.value));
    const DimOrder& order = output.value->tensor().dim_order;
    // Memory of the caller and of the file is theirs; the result is ours.
    if (plan_.buffers[operand.buffer].kind != Buffer::Kind::kArena || !operand.is_dense_in(order)) {
      Operand made = fresh(operand.dtype, operand.sizes, order);
      add(copy_step(operand, made), "output", "copy", {operand}, {made});
      operand = std::move(made);
    }
    // As the program says it, also where a dimension has one element.
    operand.strides = strides_of(operand.sizes, order);
    plan_.outputs.emplace_back(std::move(operand));
  }
  PTE_CHECK(write_states());
  const auto end = static_cast<int64_t>(plan_.steps.size());
  for (const auto& output : plan_.outputs) {
    if (const auto* operand = std::get_if<Operand>(&output)) touch(operand->buffer, end);
  }
  std::vector<lowering::PlanItem> items;
  std::vector<size_t> which;
  // Vectors like their rows on cache lines; the planner counts in 16 bytes.
  constexpr uint64_t kLine = 64;
  for (size_t i = 0; i < plan_.buffers.size(); ++i) {
    const Buffer& buffer = plan_.buffers[i];
    if (buffer.kind != Buffer::Kind::kArena || buffer.first < 0) continue;
    lowering::PlanItem item;
    item.bytes = (buffer.bytes + kLine - 1) / kLine * kLine;
    item.first = buffer.first;
    item.last = buffer.last;
    items.push_back(item);
    which.push_back(i);
  }
  plan_.arena_bytes = lowering::plan_memory(items);
  for (size_t i = 0; i < items.size(); ++i) plan_.buffers[which[i]].offset = items[i].offset;
  if (plan_.arena_bytes > options_.memory_limit) {
    return make_error(Code::kResourceLimit, "the arena takes {} bytes, more than the limit of {}",
                      plan_.arena_bytes, options_.memory_limit);
  }
  return std::move(plan_);
}

// Last of all, when nothing reads the old values any more.
Status Planner::write_states() {
  std::vector<std::pair<Operand, Operand>> writes;
  for (const ir::Output& output : graph_.outputs()) {
    if (output.kind != ir::OutputKind::kInputMutation) continue;
    const Value* state = graph_.find(output.target);
    if (state == nullptr || output.value == nullptr ||
        state->tensor().dtype != output.value->tensor().dtype ||
        state->tensor().sizes != output.value->tensor().sizes) {
      return unsupported("the new value of '{}' is of another type", output.target);
    }
    PTE_TRY(Operand to, place(state));
    PTE_TRY(Operand from, place(output.value));
    if (from.buffer == to.buffer && from.offset == to.offset &&
        same_strides(from.sizes, from.strides, to.strides)) {
      continue;
    }
    // What comes from a state must be read before any is written.
    if (plan_.buffers[from.buffer].kind == Buffer::Kind::kState) {
      Operand apart = fresh(from.dtype, from.sizes, contiguous_dim_order(from.sizes.size()));
      add(copy_step(from, apart), "state", "copy", {from}, {apart});
      from = std::move(apart);
    }
    writes.emplace_back(std::move(from), std::move(to));
  }
  for (const auto& [from, to] : writes) {
    add(copy_step(from, to), "state", "copy", {from}, {to});
  }
  return {};
}

Presets Planner::found() const {
  Presets presets;
  for (const auto& [cat, order] : cat_orders_) {
    const auto* list = cat->arg(0).list();
    const ir::TensorType& type = cat->result()->tensor();
    const auto dim = static_cast<size_t>(
        (cat->arg(1).integer().value_or(0) + static_cast<int64_t>(type.rank())) %
        static_cast<int64_t>(std::max<size_t>(type.rank(), 1)));
    int64_t offset = 0;
    bool any = false;
    for (const ir::Arg& arg : *list) {
      const Value* value = arg.value();
      const Sizes sizes = *value->tensor().static_sizes();
      if (sizes.size() != type.rank()) continue;
      // Only memory that is the value's alone, whole, and laid out as the result is; also when the
      // concatenation sees it with other sizes.
      const Value* root = value;
      for (auto at = reshaped_.find(root); at != reshaped_.end(); at = reshaped_.find(root)) {
        root = at->second;
      }
      const auto at = places_.find(value);
      const auto home = places_.find(root);
      if (at != places_.end() && home != places_.end() && roots_.contains(root) &&
          !is_output(root) && !is_output(value) && !presets.values.contains(root) &&
          at->second.buffer == home->second.buffer &&
          same_strides(sizes, at->second.strides, strides_of(sizes, order))) {
        presets.values[root] = {cat, dim, offset, sizes};
        any = true;
      }
      offset += sizes[dim];
    }
    if (any) presets.orders[cat] = order;
  }
  return presets;
}

Result<Plan> make_plan(const ir::Module& module, const ir::Graph& graph,
                       const PlanOptions& options) {
  const Presets none;
  Kernels kernels;
  const auto with_packing = [&](Plan plan) {
    for (const Node* node : graph.nodes()) {
      const auto job = kernels.packing.find(node);
      if (job != kernels.packing.end()) plan.packing.push_back(std::move(job->second));
    }
    return plan;
  };
  Planner first(module, graph, options, none, kernels);
  PTE_CHECK(first.walk());
  const Presets presets = options.alias ? first.found() : none;
  if (presets.values.empty()) {
    PTE_TRY(Plan plan, first.finish());
    return with_packing(std::move(plan));
  }
  Planner second(module, graph, options, presets, kernels);
  PTE_CHECK(second.walk());
  PTE_TRY(Plan plan, second.finish());
  return with_packing(std::move(plan));
}

}  // namespace pte::engine
