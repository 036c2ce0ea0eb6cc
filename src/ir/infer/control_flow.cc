// Operators of higher order: result types come from the outputs of their graphs.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

Result<std::vector<Type>> output_types(const InferContext& c, size_t arg) {
  std::vector<Type> types;
  for (const Output& output : (*c.args[arg].graph())->outputs()) {
    if (output.kind != OutputKind::kUser)
      return bad_arg(c, arg, "a subgraph must not write its inputs");
    if (output.value == nullptr) return bad_arg(c, arg, "a subgraph must return values");
    types.push_back(output.value->type());
  }
  return types;
}

Status check_inputs(const InferContext& c, size_t arg, const std::vector<const Value*>& operands,
                    size_t sliced = 0) {
  const Graph& graph = **c.args[arg].graph();
  if (graph.inputs().size() != operands.size()) {
    return bad_arg(c, arg,
                   fmt::format("graph '{}' takes {} inputs, {} are given", graph.name(),
                               graph.inputs().size(), operands.size()));
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    const Type& wanted = graph.inputs()[i]->type();
    bool fits = wanted.index() == operands[i]->type().index();
    if (fits && operands[i]->is_tensor()) {
      const TensorType& given = operands[i]->tensor();
      const TensorType& inner = std::get<TensorType>(wanted);
      fits = given.dtype == inner.dtype && given.rank() == inner.rank() + (i < sliced ? 1 : 0);
    }
    if (!fits) {
      return bad_arg(c, arg,
                     fmt::format("input {} of graph '{}' is {}, it is given {}", i, graph.name(),
                                 to_string(wanted), to_string(operands[i]->type())));
    }
  }
  return {};
}

void append(const InferContext& c, size_t arg, std::vector<const Value*>& values) {
  for (const Arg& item : *c.args[arg].list()) values.push_back(item.value());
}

bool alike(const Type& a, const Type& b) {
  if (a.index() != b.index()) return false;
  const auto* x = std::get_if<TensorType>(&a);
  const auto* y = std::get_if<TensorType>(&b);
  return x == nullptr || (x->dtype == y->dtype && x->rank() == y->rank());
}

InferResult cond(const InferContext& c) {
  std::vector<const Value*> operands;
  append(c, 3, operands);
  PTE_CHECK(check_inputs(c, 1, operands));
  PTE_CHECK(check_inputs(c, 2, operands));
  PTE_TRY(std::vector<Type> types, output_types(c, 1));
  PTE_TRY(const std::vector<Type> others, output_types(c, 2));
  if (types.size() != others.size()) {
    return bad_arg(
        c, 2, fmt::format("returns {} values, the other branch {}", others.size(), types.size()));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (!alike(types[i], others[i])) {
      return bad_arg(c, 2,
                     fmt::format("output {} is {}, in the other branch it is {}", i,
                                 to_string(others[i]), to_string(types[i])));
    }
  }
  return types;
}

InferResult while_loop(const InferContext& c) {
  std::vector<const Value*> operands;
  append(c, 2, operands);
  const size_t carried = operands.size();
  append(c, 3, operands);
  PTE_CHECK(check_inputs(c, 0, operands));
  PTE_CHECK(check_inputs(c, 1, operands));
  PTE_TRY(std::vector<Type> types, output_types(c, 1));
  if (types.size() != carried) {
    return bad_arg(c, 1, fmt::format("returns {} values, {} are carried", types.size(), carried));
  }
  for (size_t i = 0; i < carried; ++i) {
    if (!alike(types[i], operands[i]->type())) {
      return bad_arg(c, 1,
                     fmt::format("carried value {} is {}, the graph returns {}", i,
                                 to_string(operands[i]->type()), to_string(types[i])));
    }
  }
  return types;
}

// The slice count of what a loop runs over: the first dimension of `operand`.
Result<SymInt> trip_count(const InferContext& c, size_t arg) {
  const ArgList& items = *c.args[arg].list();
  if (items.empty()) return bad_arg(c, arg, "expected at least one tensor");
  const Value* first = items[0].value();
  if (!first->is_tensor() || first->tensor().rank() == 0)
    return bad_arg(c, arg, "expected rank 1 or more");
  return first->tensor().sizes[0];
}

Status stack_outputs(const InferContext& c, size_t arg, const SymInt& count,
                     std::vector<Type>& types, size_t first) {
  for (size_t i = first; i < types.size(); ++i) {
    const auto* tensor = std::get_if<TensorType>(&types[i]);
    if (tensor == nullptr) return bad_arg(c, arg, "a loop body must return tensors");
    SymSizes sizes = tensor->sizes;
    sizes.insert(sizes.begin(), count);
    types[i] = contiguous_type(tensor->dtype, std::move(sizes));
  }
  return {};
}

InferResult map_impl(const InferContext& c) {
  std::vector<const Value*> operands;
  append(c, 1, operands);
  const size_t mapped = operands.size();
  append(c, 2, operands);
  PTE_CHECK(check_inputs(c, 0, operands, mapped));
  PTE_TRY(const SymInt count, trip_count(c, 1));
  PTE_TRY(std::vector<Type> types, output_types(c, 0));
  PTE_CHECK(stack_outputs(c, 0, count, types, 0));
  return types;
}

InferResult scan(const InferContext& c) {
  const size_t carried = c.args[1].list()->size();
  PTE_TRY(const SymInt count, trip_count(c, 2));
  const Graph& graph = **c.args[0].graph();
  const size_t total = carried + c.args[2].list()->size() + c.args[3].list()->size();
  if (graph.inputs().size() != total) {
    return bad_arg(c, 0,
                   fmt::format("graph '{}' takes {} inputs, {} are given", graph.name(),
                               graph.inputs().size(), total));
  }
  PTE_TRY(std::vector<Type> types, output_types(c, 0));
  if (types.size() < carried) {
    return bad_arg(c, 0, fmt::format("returns {} values, {} are carried", types.size(), carried));
  }
  PTE_CHECK(stack_outputs(c, 0, count, types, carried));
  return types;
}

constexpr InferEntry kEntries[] = {
    {Op::higher_order_cond, cond},
    {Op::higher_order_while_loop, while_loop},
    {Op::higher_order_map_impl, map_impl},
    {Op::higher_order_scan, scan},
};

}  // namespace

std::span<const InferEntry> control_flow_inference() { return kEntries; }

}  // namespace pte::ir
