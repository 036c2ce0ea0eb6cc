// Branches and loops as jumps.
//
// A body's instructions stand where its node stands, over the operands themselves. Its results are
// copied into tensors that were there before, so that each tensor has one place in memory whichever
// way the program takes. Whatever a loop reads stays alive until its end.
#include "lowering/method_emitter.h"

namespace pte::lowering {

using ir::ArgList;
using ir::Value;

void MethodEmitter::bind_input(const Value& input, const Value& operand) {
  indices_[&input] = indices_.at(&operand);
  if (operand.is_tensor()) share_storage(input, operand);
}

void MethodEmitter::touch_all(const ArgList& values) {
  for (const Arg& arg : values) {
    if (arg.value() != nullptr) touch(*arg.value());
  }
}

Status MethodEmitter::emit_body(const Graph& body) {
  for (const Value* value : body.constants()) PTE_CHECK(emit_constant(*value));
  for (const Node* node : body.nodes()) PTE_CHECK(emit_node(*node).at(place(*node)));
  for (const ir::Output& output : body.outputs()) {
    if (output.kind != OutputKind::kUser || output.value == nullptr) {
      return unsupported("graph '{}' gives something else than values", body.name());
    }
  }
  return {};
}

// A jump whose destination land() sets.
size_t MethodEmitter::emit_jump(int32_t condition) {
  program::JumpFalseCall jump;
  jump.condition = condition;
  code().push_back(jump);
  return code().size() - 1;
}

void MethodEmitter::land(size_t jump) {
  std::get<program::JumpFalseCall>(code()[jump]).target = static_cast<int32_t>(code().size());
}

void MethodEmitter::jump_back(size_t to) {
  const size_t jump = emit_jump(literal("false", false));
  std::get<program::JumpFalseCall>(code()[jump]).target = static_cast<int32_t>(to);
}

Status MethodEmitter::emit_copy(const Value& from, int32_t to, const Value* target) {
  touch(from);
  if (target != nullptr) touch(*target);
  if (!from.is_tensor()) {
    program::MoveCall move;
    move.from = indices_.at(&from);
    move.to = to;
    code().push_back(move);
    return {};
  }
  const OpInfo& clone = info(Op::dim_order_clone_dim_order);
  const auto& tensor = std::get<TensorValue>(method_.values[static_cast<size_t>(to)]);
  ArgList order;
  for (const uint8_t dim : tensor.dim_order) order.emplace_back(static_cast<int64_t>(dim));
  program::KernelCall call;
  call.op = operator_index(clone);
  call.args = {indices_.at(&from), literal("false", false)};
  PTE_TRY(const int32_t dims, emit_arg(clone.args[2], Arg(std::move(order))));
  call.args.insert(call.args.end(), {dims, to, to});
  code().push_back(std::move(call));
  return {};
}

Status MethodEmitter::emit_control_flow(const Node& node) {
  switch (node.op().op) {
    case Op::higher_order_cond:
      return emit_cond(node);
    case Op::higher_order_while_loop:
      return emit_while(node);
    case Op::higher_order_map_impl:
      return emit_steps(node, **node.arg(0).graph(), {}, *node.arg(1).list(), *node.arg(2).list());
    default:
      return emit_steps(node, **node.arg(0).graph(), *node.arg(1).list(), *node.arg(2).list(),
                        *node.arg(3).list());
  }
}

// (pred, true_graph, false_graph, operands)
Status MethodEmitter::emit_cond(const Node& node) {
  const ArgList& operands = *node.arg(3).list();
  for (const Value* result : node.results()) PTE_CHECK(emit_value(*result));
  const auto branch = [&](size_t arg) -> Status {
    const Graph& body = **node.arg(arg).graph();
    for (size_t i = 0; i < operands.size(); ++i)
      bind_input(*body.inputs()[i], *operands[i].value());
    PTE_CHECK(emit_body(body));
    for (size_t i = 0; i < node.results().size(); ++i) {
      const Value* result = node.results()[i];
      PTE_CHECK(emit_copy(*body.outputs()[i].value, indices_.at(result), result));
    }
    return {};
  };
  const Value* condition = node.arg(0).value();
  if (condition == nullptr) {
    const auto known = node.arg(0).boolean();
    if (!known) return unsupported("a condition that is no truth value");
    return branch(*known ? 1 : 2);
  }
  touch(*condition);
  const size_t otherwise = emit_jump(indices_.at(condition));
  PTE_CHECK(branch(1));
  const size_t end = emit_jump(literal("false", false));
  land(otherwise);
  PTE_CHECK(branch(2));
  land(end);
  for (const Value* result : node.results()) touch(*result);
  return {};
}

Status MethodEmitter::emit_carry(const Graph& body, const std::vector<const Value*>& targets) {
  std::vector<int32_t> sources(targets.size(), -1);
  // What lies in the place of a target is taken aside before any target is written.
  for (size_t i = 0; i < targets.size(); ++i) {
    const Value& from = *body.outputs()[i].value;
    const auto place_of = [&](const Value* value) -> std::optional<size_t> {
      const auto it = storage_of_.find(value);
      return it == storage_of_.end() ? std::nullopt : std::optional(it->second);
    };
    const bool crossed = std::any_of(targets.begin(), targets.end(), [&](const Value* target) {
      if (!from.is_tensor()) {
        return target != targets[i] && indices_.at(&from) == indices_.at(target);
      }
      return place_of(&from).has_value() && place_of(&from) == place_of(target);
    });
    if (!crossed) continue;
    if (from.is_tensor()) {
      PTE_TRY(TensorValue tensor, tensor_value(from));
      tensor.allocation.emplace();
      sources[i] = add(std::move(tensor));
      spare_.push_back({sources[i], storages_.size()});
      storages_.push_back({std::get<TensorValue>(method_.values.back()).nbytes(), now(),
                           now() + static_cast<int64_t>(2 * targets.size()), false});
    } else {
      sources[i] = add(method_.values[static_cast<size_t>(indices_.at(&from))]);
    }
    PTE_CHECK(emit_copy(from, sources[i], nullptr));
  }
  for (size_t i = 0; i < targets.size(); ++i) {
    const Value& from = *body.outputs()[i].value;
    if (sources[i] < 0) {
      PTE_CHECK(emit_copy(from, indices_.at(targets[i]), targets[i]));
      continue;
    }
    // The same copy from the place aside.
    const int32_t own = indices_.at(&from);
    indices_[&from] = sources[i];
    const Status status = emit_copy(from, indices_.at(targets[i]), targets[i]);
    indices_[&from] = own;
    PTE_CHECK(Status(status));
  }
  return {};
}

// (cond_graph, body_graph, carried, extra)
Status MethodEmitter::emit_while(const Node& node) {
  const Graph& test = **node.arg(0).graph();
  const Graph& body = **node.arg(1).graph();
  const ArgList& carried = *node.arg(2).list();
  const ArgList& extra = *node.arg(3).list();
  std::vector<const Value*> targets(node.results().begin(), node.results().end());
  for (size_t i = 0; i < targets.size(); ++i) {
    PTE_CHECK(emit_value(*targets[i]));
    PTE_CHECK(emit_copy(*carried[i].value(), indices_.at(targets[i]), targets[i]));
  }
  const size_t begin = code().size();
  const auto bind_all = [&](const Graph& graph) {
    for (size_t i = 0; i < graph.inputs().size(); ++i) {
      bind_input(*graph.inputs()[i],
                 i < targets.size() ? *targets[i] : *extra[i - targets.size()].value());
    }
  };
  bind_all(test);
  PTE_CHECK(emit_body(test));
  if (test.outputs().size() != 1) return unsupported("a test that gives several values");
  touch(*test.outputs()[0].value);
  const size_t end = emit_jump(indices_.at(test.outputs()[0].value));
  bind_all(body);
  PTE_CHECK(emit_body(body));
  PTE_CHECK(emit_carry(body, targets));
  jump_back(begin);
  land(end);
  touch_all(extra);
  for (const Value* target : targets) touch(*target);
  return {};
}

Status MethodEmitter::emit_steps(const Node& node, const Graph& body, const ArgList& carried,
                                 const ArgList& stepped, const ArgList& extra) {
  const Value& first = *stepped[0].value();
  const auto prim = [&](Op op, std::vector<int32_t> args) {
    program::KernelCall call;
    call.op = operator_index(info(op));
    call.args = std::move(args);
    code().push_back(std::move(call));
  };
  std::vector<const Value*> targets;
  for (size_t i = 0; i < node.results().size(); ++i) {
    const Value* result = node.results()[i];
    PTE_TRY(const int32_t index, emit_value(*result));
    if (i < carried.size()) {
      targets.push_back(result);
      PTE_CHECK(emit_copy(*carried[i].value(), index, result));
    } else {
      // It grows by a row a step.
      std::get<TensorValue>(method_.values[static_cast<size_t>(index)]).dynamism =
          program::Dynamism::kDynamicBound;
    }
  }
  const int32_t count = add(int64_t{0});
  const int32_t step = add(int64_t{0});
  const int32_t more = add(false);
  touch(first);
  prim(Op::aten_sym_size_int, {indices_.at(&first), integer(0), count});
  program::MoveCall reset;
  reset.from = integer(0);
  reset.to = step;
  code().push_back(reset);
  const size_t begin = code().size();
  prim(Op::operator_lt, {step, count, more});
  const size_t end = emit_jump(more);
  for (size_t i = 0; i < body.inputs().size(); ++i) {
    const Value& input = *body.inputs()[i];
    if (i < carried.size()) {
      bind_input(input, *targets[i]);
    } else if (i < carried.size() + stepped.size()) {
      const Value& whole = *stepped[i - carried.size()].value();
      touch(whole);
      PTE_TRY(const int32_t row, emit_value(input));
      prim(Op::aten_select_copy_int, {indices_.at(&whole), integer(0), step, row, row});
    } else {
      bind_input(input, *extra[i - carried.size() - stepped.size()].value());
    }
  }
  PTE_CHECK(emit_body(body));
  for (size_t i = carried.size(); i < node.results().size(); ++i) {
    const Value& row = *body.outputs()[i].value;
    touch(row);
    touch(*node.results()[i]);
    prim(Op::executorch_prim_et_copy_index,
         {indices_.at(node.results()[i]), indices_.at(&row), step});
  }
  if (!targets.empty()) PTE_CHECK(emit_carry(body, targets));
  prim(Op::operator_add, {step, integer(1), step});
  jump_back(begin);
  land(end);
  touch_all(stepped);
  touch_all(extra);
  for (const Value* result : node.results()) touch(*result);
  return {};
}

}  // namespace pte::lowering
