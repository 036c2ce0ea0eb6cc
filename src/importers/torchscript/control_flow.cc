// Branches and loops whose way depends on the input: each arm is run once, into a graph of its own,
// and what the arms leave in variables becomes the results of one call.
#include <algorithm>

#include "importers/torchscript/context.h"
#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

using ir::Arg;
using ir::ArgList;

struct Evaluator::Branch {
  std::unique_ptr<Context> context;
  Values values;
  std::optional<Error> raised;
};

// Pairs of tensors that two arms leave in one place, each of its own context.
struct Evaluator::Merge {
  Branch& yes;
  Branch& no;
  std::vector<std::pair<Value, Value>> pairs;
  std::vector<TensorPtr> results;
};

namespace {

Value poison(std::string message) {
  return Value(Poison{std::make_shared<const Error>(unsupported("{}", message))});
}

std::optional<Number::Kind> number_kind(const Value& value) {
  if (const auto* number = value.get<Number>()) return number->kind;
  if (value.get<bool>() != nullptr) return Number::Kind::kBool;
  if (value.get<int64_t>() != nullptr) return Number::Kind::kInt;
  if (value.get<double>() != nullptr) return Number::Kind::kFloat;
  return std::nullopt;
}

}  // namespace

Status Evaluator::set_attribute(const std::shared_ptr<Object>& object, const std::string& name,
                                Value value) {
  if (contexts_.size() > 1 && object->context != context_id()) {
    const Value* held = object->find(name);
    context().changes.push_back({object, name, held == nullptr ? Value() : *held});
  }
  object->set(name, std::move(value));
  return {};
}

// Makes inputs of the outer tensors in a value, while the arm's graph may still take some.
Status Evaluator::capture_all(const Value& value, int depth) {
  if (depth > kMaxValueDepth) return {};
  if (const TensorPtr cell = value.tensor()) {
    if (cell->handle) PTE_CHECK(handle_in(contexts_.size() - 1, cell));
  } else if (const auto* number = value.get<Number>()) {
    if (number->tensor && number->tensor->handle)
      PTE_CHECK(handle_in(contexts_.size() - 1, number->tensor));
  } else if (const Values* items = value.items()) {
    for (const Value& item : *items) PTE_CHECK(capture_all(item, depth + 1));
  } else if (const auto dict = value.dict()) {
    for (const auto& [key, item] : dict->entries) PTE_CHECK(capture_all(item, depth + 1));
  }
  return {};
}

Result<Evaluator::Branch> Evaluator::run_branch(const Block& block,
                                                const std::vector<TensorPtr>& captured) {
  if (contexts_.size() > static_cast<size_t>(limits_.branches))
    return make_error(Code::kResourceLimit, "branches are nested more than {} deep",
                      limits_.branches);
  contexts_.push_back(
      std::make_unique<Context>(next_context_++, module_, std::make_shared<ir::Graph>("branch")));
  const size_t depth = contexts_.size();
  Branch out;
  const auto run = [&]() -> Status {
    for (const TensorPtr& cell : captured) PTE_CHECK(handle_in(depth - 1, cell));
    PTE_TRY(out.values, block());
    for (const Value& value : out.values) PTE_CHECK(capture_all(value));
    for (const auto& change : context().changes) {
      PTE_CHECK(capture_all(*change.object->find(change.name)));
    }
    return {};
  };
  Status done = run();
  while (contexts_.size() > depth) contexts_.pop_back();
  out.context = std::move(contexts_.back());
  contexts_.pop_back();
  if (!done) {
    if (!raised_) return std::move(done.error());
    raised_ = false;
    out.raised = std::move(done.error());
  }
  return out;
}

// One value for what the arms left in a place; tensors that differ are noted for the call and stand
// as numbers of pairs until it is made.
Value Evaluator::merge(Merge& merged, const Value& a, const Value& b, int depth) {
  if (depth > kMaxValueDepth) return poison("values nested too deeply leave a branch");
  if (a.is_poison()) return a;
  if (b.is_poison()) return b;
  const auto pair = [&]() -> Value {
    merged.pairs.emplace_back(a, b);
    Number place;
    place.kind = Number::Kind::kInt;
    return Value(Complex{static_cast<double>(merged.pairs.size() - 1), 0});
  };
  const auto one = a.tensor(), other = b.tensor();
  if (one != other && ((one && one->quantization) || (other && other->quantization)))
    return poison("a quantized tensor leaves a branch that depends on the input");
  if (one && other) {
    const auto is_inner = [&](const TensorPtr& cell) {
      return cell->handle &&
             (cell->context == merged.yes.context->id || cell->context == merged.no.context->id);
    };
    if (one == other && !is_inner(one)) return a;
    return pair();
  }
  const auto kind = number_kind(a), kind_b = number_kind(b);
  if (kind && kind_b) {
    if (equal(a, b).value_or(false) && kind == kind_b) return a;
    return pair();
  }
  if (a.get<Complex>() != nullptr || b.get<Complex>() != nullptr)
    return poison("a complex number leaves a branch that depends on the input");
  const Values* items = a.items();
  const Values* items_b = b.items();
  if (items != nullptr && items_b != nullptr && a.v.index() == b.v.index() &&
      items->size() == items_b->size()) {
    Values out;
    for (size_t i = 0; i < items->size(); ++i)
      out.push_back(merge(merged, (*items)[i], (*items_b)[i], depth + 1));
    if (a.tuple()) return Value::tuple(std::move(out), a.tuple()->named);
    return Value::list(std::move(out));
  }
  if (a.dict() && b.dict() && a.dict()->entries.size() == b.dict()->entries.size()) {
    auto out = std::make_shared<Dict>();
    out->context = context_id();
    for (const auto& [key, value] : a.dict()->entries) {
      const Value* held = b.dict()->find(key);
      if (held == nullptr) return poison("dictionaries of different keys leave a branch");
      out->entries.emplace_back(key, merge(merged, value, *held, depth + 1));
    }
    return Value(std::move(out));
  }
  if (equal(a, b).value_or(false)) return a;
  return poison(
      fmt::format("a branch that depends on the input leaves {} in a variable, the other branch {}",
                  kind_name(a), kind_name(b)));
}

// Puts the call's results in the places of the pairs.
Result<Value> Evaluator::unmerge(Merge& merged, const Value& value, int depth) {
  if (depth > kMaxValueDepth) return value;
  if (const auto* place = value.get<Complex>()) {
    const auto index = static_cast<size_t>(place->real);
    const TensorPtr cell = merged.results[index];
    if (cell == nullptr) {
      return poison(
          "a branch that depends on the input gives a tensor of another type or size than"
          " the other branch");
    }
    const Value& first = merged.pairs[index].first;
    if (first.tensor()) return Value(cell);
    Number number;
    number.kind = *number_kind(first);
    const auto other = *number_kind(merged.pairs[index].second);
    if (other != number.kind) number.kind = Number::Kind::kFloat;
    number.tensor = cell;
    return Value(std::move(number));
  }
  if (const auto list = value.list()) {
    Values out;
    for (const Value& item : list->items) {
      PTE_TRY(Value made, unmerge(merged, item, depth + 1));
      out.push_back(std::move(made));
    }
    Value made = Value::list(std::move(out));
    made.list()->context = context_id();
    return made;
  }
  if (const auto tuple = value.tuple()) {
    Values out;
    for (const Value& item : tuple->items) {
      PTE_TRY(Value made, unmerge(merged, item, depth + 1));
      out.push_back(std::move(made));
    }
    return Value::tuple(std::move(out), tuple->named);
  }
  if (const auto dict = value.dict()) {
    for (auto& [key, item] : dict->entries) {
      PTE_TRY(item, unmerge(merged, item, depth + 1));
    }
  }
  return value;
}

Result<TensorPtr> Evaluator::number_tensor(const Value& value, Number::Kind kind) {
  constexpr DType kTypes[] = {DType::kInt64, DType::kFloat64, DType::kBool};
  const DType dtype = kTypes[static_cast<size_t>(kind)];
  if (const auto scalar = value.scalar()) return known(*scalar, dtype);
  const auto* number = value.get<Number>();
  if (number == nullptr) return unsupported("{} where a number belongs", kind_name(value));
  if (number->size != nullptr) {
    PTE_TRY(ir::Value * made,
            context().maker.call(Op::aten_scalar_tensor, {number->size, dtype}, "size"));
    return new_tensor(context().aliases.add_root(made));
  }
  PTE_TRY(const ir::TensorType type, type_of(number->tensor));
  if (type.dtype == dtype) return number->tensor;
  PTE_TRY(ir::Value * held, value_of(number->tensor));
  PTE_TRY(ir::Value * made, context().maker.call(Op::aten__to_copy, {held, dtype}, "number"));
  return new_tensor(context().aliases.add_root(made));
}

Result<Values> Evaluator::branch(const TensorPtr& condition, const Block& yes, const Block& no) {
  PTE_TRY(Branch first, run_branch(yes, {}));
  // What the arm set in outer objects is undone, and merged as one more variable each.
  const auto collect = [](Branch& from) {
    std::vector<std::pair<Context::Change, Value>> out;
    auto& changes = from.context->changes;
    for (auto it = changes.begin(); it != changes.end(); ++it) {
      const auto same = [&](const auto& entry) {
        return entry.first.object == it->object && entry.first.name == it->name;
      };
      if (std::any_of(out.begin(), out.end(), same)) continue;
      out.emplace_back(*it, *it->object->find(it->name));
    }
    for (auto it = changes.rbegin(); it != changes.rend(); ++it)
      it->object->set(it->name, it->before);
    return out;
  };
  auto set_first = collect(first);
  PTE_TRY(Branch second, run_branch(no, first.context->captured));
  auto set_second = collect(second);
  // An arm that raises is a check of the input: the model goes the other way.
  if (first.raised && second.raised) {
    raised_ = true;
    return std::move(*first.raised);
  }
  if (first.raised) return no();
  if (second.raised) return yes();
  if (!first.context->aliases.mutations().empty() || !second.context->aliases.mutations().empty())
    return unsupported("a tensor from outside is written in a branch that depends on the input");
  if (first.values.size() != second.values.size())
    return internal_error("the arms of a branch leave different variables");

  const size_t variables = first.values.size();
  std::vector<Context::Change> changes;
  const auto add_changes = [&](const auto& own, const auto& others, bool own_first) {
    for (const auto& [change, value] : own) {
      const auto same = [&, &wanted = change](const auto& entry) {
        return entry.first.object == wanted.object && entry.first.name == wanted.name;
      };
      const auto other = std::find_if(others.begin(), others.end(), same);
      if (other != others.end() && !own_first) continue;
      changes.push_back(change);
      Value otherwise = other != others.end() ? other->second : change.before;
      first.values.push_back(own_first ? value : otherwise);
      second.values.push_back(own_first ? std::move(otherwise) : value);
    }
  };
  add_changes(set_first, set_second, true);
  add_changes(set_second, set_first, false);

  Merge merged{first, second, {}, {}};
  Values values;
  for (size_t i = 0; i < first.values.size(); ++i)
    values.push_back(merge(merged, first.values[i], second.values[i], 0));
  merged.results.resize(merged.pairs.size());

  // Tensors of one type on both sides become outputs.
  std::vector<size_t> outputs;
  const auto open = [&](Branch& arm, bool take_first) -> Result<std::vector<TensorPtr>> {
    std::vector<TensorPtr> cells;
    contexts_.push_back(std::move(arm.context));
    const auto run = [&]() -> Status {
      for (const auto& entry : merged.pairs) {
        const Value& value = take_first ? entry.first : entry.second;
        TensorPtr cell = value.tensor();
        if (cell == nullptr) {
          Number::Kind kind = *number_kind(entry.first);
          if (*number_kind(entry.second) != kind) kind = Number::Kind::kFloat;
          PTE_TRY(cell, number_tensor(value, kind));
        }
        PTE_CHECK(handle_in(contexts_.size() - 1, cell));
        cells.push_back(std::move(cell));
      }
      return {};
    };
    Status done = run();
    arm.context = std::move(contexts_.back());
    contexts_.pop_back();
    if (!done) return std::move(done.error());
    return cells;
  };
  PTE_TRY(const std::vector<TensorPtr> cells, open(first, true));
  // Whatever one arm takes, the other takes too, in the same order.
  const auto take = [&](Branch& arm, const std::vector<TensorPtr>& captured) -> Status {
    contexts_.push_back(std::move(arm.context));
    Status done;
    for (const TensorPtr& cell : captured) {
      const auto handle = handle_in(contexts_.size() - 1, cell);
      if (!handle) done = handle.error();
    }
    arm.context = std::move(contexts_.back());
    contexts_.pop_back();
    return done;
  };
  PTE_TRY(const std::vector<TensorPtr> others, open(second, false));
  PTE_CHECK(take(first, second.context->captured));
  PTE_CHECK(take(second, first.context->captured));
  if (first.context->captured != second.context->captured)
    return internal_error("the arms of a branch take different inputs");
  const auto type_in = [&](Branch& arm, const TensorPtr& cell) -> ir::TensorType {
    Context& inner = *arm.context;
    if (cell->handle && cell->context == inner.id) return inner.aliases.type(*cell->handle);
    return inner.aliases.type(inner.handles.at(cell.get()));
  };
  for (size_t i = 0; i < cells.size(); ++i) {
    const ir::TensorType a = type_in(first, cells[i]), b = type_in(second, others[i]);
    if (a.dtype == b.dtype && a.sizes == b.sizes) outputs.push_back(i);
  }
  if (!outputs.empty()) {
    const auto finish = [&](Branch& arm, const std::vector<TensorPtr>& held) -> Status {
      Context& inner = *arm.context;
      for (const size_t i : outputs) {
        const TensorPtr& cell = held[i];
        const size_t handle = cell->handle && cell->context == inner.id
                                  ? *cell->handle
                                  : inner.handles.at(cell.get());
        PTE_TRY(ir::Value * value, inner.aliases.read(handle));
        inner.graph.add_output(value);
      }
      return {};
    };
    PTE_CHECK(finish(first, cells));
    PTE_CHECK(finish(second, others));
    PTE_TRY(ir::Value * predicate, value_of(condition));
    ArgList operands;
    for (const TensorPtr& cell : first.context->captured) {
      PTE_TRY(ir::Value * operand, value_of(cell));
      operands.emplace_back(operand);
    }
    first.context->graph.set_name("true_branch");
    second.context->graph.set_name("false_branch");
    PTE_CHECK(check_nodes());
    PTE_TRY(ir::Node * node, context().maker.add(info(Op::higher_order_cond),
                                                 {predicate, first.context->owned,
                                                  second.context->owned, std::move(operands)},
                                                 {"branch"}));
    for (size_t i = 0; i < outputs.size(); ++i)
      merged.results[outputs[i]] = new_tensor(context().aliases.add_root(node->result(i)));
  }
  Values out;
  for (const Value& value : values) {
    PTE_TRY(Value made, unmerge(merged, value, 0));
    out.push_back(std::move(made));
  }
  for (size_t i = 0; i < changes.size(); ++i)
    PTE_CHECK(set_attribute(changes[i].object, changes[i].name, out[variables + i]));
  out.resize(variables);
  return out;
}

// ---- loops

namespace {

// The leaves of carried values: tensors and numbers, through tuples and lists.
void flatten(const Value& value, Values& out, int depth = 0) {
  const Values* items = value.items();
  if (items == nullptr || depth > kMaxValueDepth) {
    out.push_back(value);
    return;
  }
  for (const Value& item : *items) flatten(item, out, depth + 1);
}

Value rebuild(const Value& like, const Values& leaves, size_t& at, int depth = 0) {
  const Values* items = like.items();
  if (items == nullptr || depth > kMaxValueDepth) return leaves[at++];
  Values made;
  for (const Value& item : *items) made.push_back(rebuild(item, leaves, at, depth + 1));
  if (like.tuple()) return Value::tuple(std::move(made), like.tuple()->named);
  return Value::list(std::move(made));
}

// A leaf that `cell` carries through a loop: a tensor, or a number of the leaf's kind.
Value in_cell(const Value& leaf, const TensorPtr& cell) {
  if (leaf.tensor()) return Value(cell);
  Number number;
  number.kind = *number_kind(leaf);
  number.tensor = cell;
  return Value(number);
}

}  // namespace

// One run of the body into a graph of its own. The leaves that `widened` marks are inputs.
Result<Values> Evaluator::loop_once(const Values& carried, const std::vector<bool>& widened,
                                    const Body& body, Branch& out) {
  Values leaves;
  for (const Value& value : carried) flatten(value, leaves);
  // Types are read outside, before the body's graph is on top.
  std::vector<std::optional<ir::TensorType>> types(leaves.size());
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!widened[i]) continue;
    if (leaves[i].tensor()) {
      PTE_TRY(types[i], type_of(leaves[i].tensor()));
    } else {
      constexpr DType kTypes[] = {DType::kInt64, DType::kFloat64, DType::kBool};
      types[i] = ir::TensorType::of(kTypes[static_cast<size_t>(*number_kind(leaves[i]))], {});
    }
  }
  PTE_TRY(out, run_branch(
                   [&]() -> Result<Values> {
                     Values inside = leaves;
                     for (size_t i = 0; i < leaves.size(); ++i) {
                       if (!widened[i]) continue;
                       const TensorPtr cell = add_input("carried", *types[i]);
                       inside[i] = in_cell(leaves[i], cell);
                     }
                     size_t at = 0;
                     Values arguments;
                     for (const Value& value : carried)
                       arguments.push_back(rebuild(value, inside, at));
                     PTE_TRY(Values results, body(arguments));
                     // Numbers become tensors while this graph is open.
                     Values flat;
                     for (const Value& value : results) flatten(value, flat);
                     if (flat.size() != leaves.size())
                       return unsupported(
                           "a loop that depends on the input changes the length of "
                           "a list");
                     for (size_t i = 0; i < flat.size(); ++i) {
                       if (const Poison* bad = find_poison(flat[i])) {
                         if (widened[i] && bad->reason) return *bad->reason;
                       }
                       if (!widened[i]) continue;
                       if (flat[i].is_poison())
                         return unsupported("a loop that an operator which is not supported feeds");
                       if (leaves[i].tensor()) {
                         if (!flat[i].tensor())
                           return unsupported(
                               "a loop that depends on the input puts {} in the "
                               "place of a tensor",
                               kind_name(flat[i]));
                         PTE_CHECK(handle_in(contexts_.size() - 1, flat[i].tensor()));
                         continue;
                       }
                       if (!number_kind(flat[i]))
                         return unsupported(
                             "a loop that depends on the input puts {} in the place "
                             "of a number",
                             kind_name(flat[i]));
                       PTE_TRY(const TensorPtr cell,
                               number_tensor(flat[i], *number_kind(leaves[i])));
                       PTE_CHECK(handle_in(contexts_.size() - 1, cell));
                       Number number;
                       number.kind = *number_kind(leaves[i]);
                       number.tensor = cell;
                       flat[i] = Value(number);
                     }
                     return flat;
                   },
                   {}));
  if (out.raised) {
    raised_ = true;
    return std::move(*out.raised);
  }
  if (!out.context->changes.empty())
    return unsupported("a loop that depends on the input sets an attribute of the module");
  return out.values;
}

Result<Values> Evaluator::loop(const Value& go, Values carried, const Body& body) {
  carried.insert(carried.begin(), go);
  Values leaves;
  for (const Value& value : carried) flatten(value, leaves);
  std::vector<bool> widened(leaves.size(), false);
  widened[0] = true;
  if (!number_kind(go)) return unsupported("a loop whose condition is no bool");
  // Leaves that the body changes are carried through the graph; a few rounds find them all.
  for (int round = 0; round < 8; ++round) {
    Branch run;
    PTE_TRY(const Values after, loop_once(carried, widened, body, run));
    bool settled = true;
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (widened[i]) continue;
      const bool same = leaves[i].is_poison() || after[i].is_poison() ||
                        equal(leaves[i], after[i]).value_or(false);
      if (same) continue;
      if (leaves[i].tensor() && leaves[i].tensor()->quantization)
        return unsupported("a loop that depends on the input changes a quantized tensor");
      if (!leaves[i].tensor() && !number_kind(leaves[i])) {
        return unsupported("a loop that depends on the input changes a {}", kind_name(leaves[i]));
      }
      widened[i] = true;
      settled = false;
    }
    if (!settled) continue;

    Context& inner = *run.context;
    if (inner.aliases.mutations().size() > 0)
      return unsupported("a loop that depends on the input writes a tensor in place");
    auto condition = std::make_shared<ir::Graph>("loop_condition");
    ArgList initial, extra;
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (!widened[i]) continue;
      TensorPtr start = leaves[i].tensor();
      if (start == nullptr) {
        PTE_TRY(start, number_tensor(leaves[i], *number_kind(leaves[i])));
      }
      PTE_TRY(ir::Value * value, value_of(start));
      initial.emplace_back(value);
      const Value& left = after[i];
      const auto* held_number = left.get<Number>();
      const TensorPtr cell = left.tensor()            ? left.tensor()
                             : held_number != nullptr ? held_number->tensor
                                                      : nullptr;
      if (cell == nullptr || (!cell->handle && !inner.handles.contains(cell.get())))
        return internal_error("a carried value is no tensor");
      const size_t handle =
          cell->handle && cell->context == inner.id ? *cell->handle : inner.handles.at(cell.get());
      PTE_TRY(ir::Value * result, inner.aliases.read(handle));
      if (result->tensor().dtype != value->tensor().dtype ||
          !(result->tensor().sizes == value->tensor().sizes)) {
        return unsupported("a loop that depends on the input changes a tensor from {} to {}",
                           to_string(value->type()), to_string(result->type()));
      }
      inner.graph.add_output(result);
    }
    for (const ir::Value* input : inner.graph.inputs())
      condition->add_input(input->name(), input->type());
    condition->add_output(condition->inputs()[0]);
    for (const TensorPtr& cell : inner.captured) {
      PTE_TRY(ir::Value * operand, value_of(cell));
      extra.emplace_back(operand);
    }
    // Inputs in the order of the call: what is carried, then what is only read.
    if (inner.graph.inputs().size() != initial.size() + extra.size())
      return internal_error("a loop's graph has too many inputs");
    inner.graph.set_name("loop_body");
    PTE_CHECK(check_nodes());
    PTE_TRY(ir::Node * node,
            context().maker.add(info(Op::higher_order_while_loop),
                                {condition, inner.owned, std::move(initial), std::move(extra)},
                                {"loop"}));
    Values flat = leaves;
    size_t result = 0;
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (!widened[i]) continue;
      const TensorPtr cell = new_tensor(context().aliases.add_root(node->result(result++)));
      flat[i] = in_cell(leaves[i], cell);
    }
    size_t at = 0;
    Values out;
    for (const Value& value : carried) out.push_back(rebuild(value, flat, at));
    out.erase(out.begin());
    return out;
  }
  return unsupported("a loop that depends on the input and does not settle");
}

}  // namespace pte::importers::script
