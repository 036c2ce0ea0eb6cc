// Control flow. A branch whose condition is known is inlined; where it is not, both are computed
// and the results chosen between, which is right because nothing in a graph has an effect. Loops
// whose length is known are unrolled, others stay loops.
#include <algorithm>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

const GraphDef* graph_of(NodeCall& c, std::string_view name) {
  const AttributeDef* attribute = c.attribute(name);
  if (attribute == nullptr || attribute->graph == nullptr) {
    c.fail(invalid_data("attribute '{}' should be a graph", name));
    return nullptr;
  }
  return attribute->graph.get();
}

std::optional<bool> known_flag(NodeCall& c, size_t input) {
  const Small* small = c.small(input);
  const auto values = small == nullptr ? std::nullopt : small->integers();
  if (!values || values->size() != 1) return std::nullopt;
  return (*values)[0] != 0;
}

std::vector<Item> run(NodeCall& c, const GraphDef& graph, const std::vector<Item>& inputs) {
  auto outputs = c.reader.inline_graph(graph, c.scope, inputs);
  if (!outputs) {
    c.fail(std::move(outputs.error()));
    return {};
  }
  return std::move(*outputs);
}

Ex value(NodeCall& c, Item& item) {
  auto made = c.reader.value_of(item, "value");
  if (!made) {
    c.fail(std::move(made.error()));
    return {&c.e, nullptr};
  }
  return *made;
}

void if_rule(NodeCall& c) {
  const GraphDef* yes = graph_of(c, "then_branch");
  const GraphDef* no = graph_of(c, "else_branch");
  if (c.failed()) return;
  const auto flag = known_flag(c, 0);
  if (c.failed()) return;
  if (flag) {
    const std::vector<Item> results = run(c, *flag ? *yes : *no, {});
    for (size_t k = 0; k < results.size() && !c.failed(); ++k) c.set(k, results[k]);
    return;
  }
  // An example of the inputs settles the condition for good, at half the cost.
  const Ex condition = c.in(0);
  if (c.failed()) return;
  std::vector<Item> a = run(c, *yes, {});
  std::vector<Item> b = c.failed() ? std::vector<Item>() : run(c, *no, {});
  if (c.failed()) {
    if (const Item* item = c.item(0)) c.reader.wanted_inputs |= item->sources;
    return;
  }
  for (size_t k = 0; k < c.outputs() && !c.failed(); ++k) {
    if (k >= a.size() || k >= b.size())
      return c.fail(invalid_data("its branches have {} and {} results", a.size(), b.size()));
    const Ex x = value(c, a[k]), y = value(c, b[k]);
    if (c.failed()) return;
    if (x.dtype() != y.dtype() || !(x.v->tensor().sizes == y.v->tensor().sizes)) {
      return c.need(0);
    }
    const Ex chosen = condition.rank() == 0 ? condition : condition.view({});
    c.set(k, c.e.where(chosen, x, y));
  }
}

// A loop whose end is known at run time only stays one. Its states keep their sizes.
void open_loop(NodeCall& c, const GraphDef& body) {
  const size_t states = std::max<size_t>(c.inputs(), 2) - 2;
  for (size_t k = states; k < c.outputs(); ++k) {
    if (c.wants(k))
      return c.fail(
          unsupported("a loop of unknown length that collects values: their number "
                      "depends on what the model is given"));
  }
  std::vector<Ex> initial;
  const Ex trips = c.has(0) ? c.in(0).cast(DType::kInt64).view({}) : Ex{&c.e, nullptr};
  Ex go = c.has(1) ? c.in(1).view({}) : c.e.full({}, 1, DType::kBool);
  const Ex start = c.e.full({}, 0, DType::kInt64);
  if (trips.v != nullptr) go = go && start < trips;
  initial = {go, start};
  for (size_t k = 0; k < states; ++k) initial.push_back(c.in(2 + k));
  if (c.failed()) return;

  auto graph = std::make_shared<ir::Graph>("loop_body");
  GraphReader reader(c.reader, *graph);
  Emitter& e = reader.emitter();
  e.set_name("loop");
  std::vector<Ex> inputs;
  for (const Ex& x : initial)
    inputs.push_back(
        e.wrap(graph->add_input("carried", ir::TensorType::of(x.dtype(), x.v->tensor().sizes))));
  const auto read_body = [&]() -> Status {
    Scope scope;
    scope.outer = &c.scope;
    scope.opsets = c.scope.opsets;
    scope.attributes = c.scope.attributes;
    scope.depth = c.scope.depth + 1;
    scope.is_body = true;
    PTE_CHECK(reader.read_initializers(body, scope));
    for (size_t k = 0; k < states + 2; ++k) {
      Item item;
      // It goes on wherever the body runs, so the condition it is given is true.
      if (k == 1)
        item.small = std::make_shared<const Small>(Small{DType::kBool, {}, {int64_t{1}}});
      else
        item.value = inputs[k == 0 ? 1 : k].v;
      scope.items.insert_or_assign(body.inputs[k].name, std::move(item));
    }
    PTE_CHECK(reader.read_nodes(body.nodes, scope));
    const Ex next = inputs[1] + 1.0;
    std::vector<Ex> results{next};
    for (size_t k = 0; k <= states; ++k) {
      Item* item = scope.find(body.outputs[k].name);
      if (item == nullptr)
        return invalid_data("its body does not define its output '{}'",
                            body.outputs[k].name.substr(0, 80));
      PTE_TRY(Ex made, reader.value_of(*item, body.outputs[k].name));
      if (k == 0) {
        made = made.view({});
        if (trips.v != nullptr) {
          PTE_TRY(ir::Value * limit, reader.inside(trips.v));
          made = made && next < e.wrap(limit);
        }
        results.insert(results.begin(), made);
        continue;
      }
      const Ex& before = inputs[k + 1];
      if (made &&
          !(made.dtype() == before.dtype() && made.v->tensor().sizes == before.v->tensor().sizes))
        return unsupported("a loop of unknown length that makes {} [{}] of {} [{}]",
                           dtype_name(made.dtype()), ir::to_string(made.v->tensor().sizes),
                           dtype_name(before.dtype()), ir::to_string(before.v->tensor().sizes));
      results.push_back(made);
    }
    PTE_CHECK(e.take_status());
    for (const Ex& made : results) graph->add_output(made.v);
    return {};
  };
  Status status = read_body();
  c.reader.wanted_inputs |= reader.wanted_inputs;
  if (!status) return c.fail(std::move(status.error()));

  auto condition = std::make_shared<ir::Graph>("loop_condition");
  for (const ir::Value* input : graph->inputs()) condition->add_input(input->name(), input->type());
  condition->add_output(condition->inputs()[0]);
  ir::ArgList carried, extra;
  for (const Ex& x : initial) carried.emplace_back(x.v);
  for (ir::Value* value : reader.captured()) {
    auto own = c.reader.inside(value);
    if (!own) return c.fail(std::move(own.error()));
    extra.emplace_back(*own);
  }
  const std::vector<Ex> results =
      c.e.calls(Op::higher_order_while_loop,
                {Arg(condition), Arg(graph), Arg(std::move(carried)), Arg(std::move(extra))});
  for (size_t k = 0; k < states && !c.failed(); ++k) c.set(k, results[k + 2]);
}

// The same; values that an example of the inputs would give may spare it.
void stay_open(NodeCall& c, const GraphDef& body, uint64_t sources) {
  open_loop(c, body);
  if (c.failed()) c.reader.wanted_inputs |= sources;
}

void loop(NodeCall& c) {
  const GraphDef* body = graph_of(c, "body");
  if (c.failed()) return;
  const size_t taken = std::max<size_t>(c.inputs(), 2);
  if (body->inputs.size() != taken || body->outputs.size() + 1 < taken)
    return c.fail(invalid_data("its body takes {} inputs and gives {} outputs, it has {} inputs",
                               body->inputs.size(), body->outputs.size(), c.inputs()));
  const auto sources = [&](size_t input) {
    const Item* item = c.item(input);
    return item == nullptr ? uint64_t{0} : item->sources;
  };
  int64_t count = std::numeric_limits<int64_t>::max();
  if (c.has(0)) {
    const Small* given = c.small(0);
    const auto values = given == nullptr ? std::nullopt : given->integers();
    if (c.failed()) return;
    if (!values || values->size() != 1) return stay_open(c, *body, sources(0));
    count = (*values)[0];
  }
  bool going = true;
  if (c.has(1)) {
    const auto flag = known_flag(c, 1);
    if (c.failed()) return;
    if (!flag) return stay_open(c, *body, sources(1));
    going = *flag;
  }
  std::vector<Item> carried;
  for (size_t k = 2; k < c.inputs(); ++k) {
    const Item* item = c.item(k);
    if (item == nullptr) return c.fail(invalid_data("input {} is missing", k));
    carried.push_back(*item);
  }
  const size_t states = carried.size();
  const size_t scans = body->outputs.size() - 1 - states;
  std::vector<std::vector<Ex>> collected(scans);
  for (int64_t t = 0; going && t < count && !c.failed(); ++t) {
    std::vector<Item> inputs(2);
    inputs[0].small = std::make_shared<const Small>(Small::ints({t}, true));
    inputs[1].small = std::make_shared<const Small>(Small{DType::kBool, {}, {int64_t{1}}});
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    std::vector<Item> results = run(c, *body, inputs);
    if (c.failed()) return;
    // Whether it goes on must be known here and now.
    auto small = c.reader.small_of(results[0]);
    if (!small) return c.fail(std::move(small.error()));
    const auto next = *small == nullptr ? std::nullopt : (*small)->integers();
    if (!next || next->size() != 1) return stay_open(c, *body, results[0].sources);
    going = (*next)[0] != 0;
    for (size_t k = 0; k < scans; ++k) collected[k].push_back(value(c, results[1 + states + k]));
    carried.assign(results.begin() + 1, results.begin() + 1 + static_cast<std::ptrdiff_t>(states));
  }
  for (size_t k = 0; k < states; ++k) c.set(k, carried[k]);
  for (size_t k = 0; k < scans && !c.failed(); ++k) {
    if (!c.wants(states + k)) continue;
    if (collected[k].empty())
      return c.fail(unsupported("a loop that never runs and collects values"));
    c.set(states + k, c.e.stack(collected[k], 0));
  }
}

void scan(NodeCall& c) {
  const GraphDef* body = graph_of(c, "body");
  if (c.failed()) return;
  const auto scanned = static_cast<size_t>(std::max<int64_t>(c.i("num_scan_inputs", 1), 0));
  const bool old = c.opset < 9;  // with batches, and lengths as the first input
  const size_t first = old ? 1 : 0;
  if (c.inputs() < scanned + first || body->outputs.size() + scanned + first < c.inputs() ||
      scanned == 0)
    return c.fail(invalid_data("{} of {} inputs are scanned", scanned, c.inputs()));
  if (old && c.has(0)) return c.fail(unsupported("sequences of different lengths"));
  const size_t states = c.inputs() - scanned - first;
  std::vector<int64_t> input_axes = c.is("scan_input_axes"), output_axes = c.is("scan_output_axes"),
                       input_directions = c.is("scan_input_directions"),
                       output_directions = c.is("scan_output_directions");
  if (old) input_directions = c.is("directions");
  const size_t scans = body->outputs.size() - states;
  input_axes.resize(scanned, 0);
  input_directions.resize(scanned, 0);
  output_axes.resize(scans, 0);
  output_directions.resize(scans, 0);
  int64_t batches = 1;
  if (old) batches = c.in(first).fixed(0);
  if (c.failed()) return;
  std::vector<std::vector<Ex>> results(states + scans);
  for (int64_t b = 0; b < batches && !c.failed(); ++b) {
    std::vector<Item> carried;
    for (size_t k = 0; k < states; ++k) {
      if (old) {
        Item item;
        item.value = c.in(first + k).select(0, b).v;
        carried.push_back(item);
      } else if (const Item* item = c.item(k)) {
        carried.push_back(*item);
      } else {
        return c.fail(invalid_data("input {} is missing", k));
      }
    }
    std::vector<Ex> sources;
    int64_t count = 0;
    for (size_t k = 0; k < scanned && !c.failed(); ++k) {
      Ex x = c.in(first + states + k);
      if (old) x = x.select(0, b);
      input_axes[k] = c.wrap(input_axes[k], x.rank());
      count = x.fixed(static_cast<size_t>(input_axes[k]));
      sources.push_back(x);
    }
    std::vector<std::vector<Ex>> collected(scans);
    for (int64_t t = 0; t < count && !c.failed(); ++t) {
      std::vector<Item> inputs = carried;
      for (size_t k = 0; k < scanned; ++k) {
        Item item;
        item.value =
            sources[k].select(input_axes[k], input_directions[k] != 0 ? count - 1 - t : t).v;
        inputs.push_back(item);
      }
      if (c.failed()) return;
      std::vector<Item> out = run(c, *body, inputs);
      if (c.failed()) return;
      for (size_t k = 0; k < scans; ++k) collected[k].push_back(value(c, out[states + k]));
      carried.assign(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(states));
    }
    for (size_t k = 0; k < states && !c.failed(); ++k) {
      if (!old)
        c.set(k, carried[k]);
      else
        results[k].push_back(value(c, carried[k]));
    }
    for (size_t k = 0; k < scans && !c.failed(); ++k) {
      if (collected[k].empty()) return c.fail(unsupported("a scan over nothing"));
      if (output_directions[k] != 0) std::reverse(collected[k].begin(), collected[k].end());
      const int64_t axis = c.wrap(output_axes[k], collected[k][0].rank() + 1);
      results[states + k].push_back(c.e.stack(collected[k], axis));
    }
  }
  for (size_t k = 0; k < results.size() && !c.failed(); ++k) {
    if (results[k].empty()) continue;
    c.set(k, old ? c.e.stack(results[k], 0) : results[k][0]);
  }
}

constexpr RuleEntry kRules[] = {
    {"If", if_rule},
    {"Loop", loop},
    {"Scan", scan},
};

}  // namespace

std::span<const RuleEntry> control_rules() { return kRules; }

}  // namespace pte::importers::onnx
