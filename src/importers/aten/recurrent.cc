// Recurrent layers, unrolled over time: the input's share of all steps as one product, then a
// product with the state a step.
#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

enum class Kind { kLstm, kGru, kTanh, kRelu };

struct Weights {
  Expr input, hidden, input_bias, hidden_bias, projection;
};
struct State {
  Expr hidden, cell;
};

Expr linear(Scope& s, const Expr& x, const Expr& weight, const Expr& bias) {
  return s.call(Op::aten_linear, {x, weight, bias});
}

Exprs gates(Scope& s, const Expr& x, int64_t count) {
  const int64_t width = s.fixed(x.size(-1), "a state size");
  if (width % count != 0) s.invalid(fmt::format("weights of {} rows for {} gates", width, count));
  return split_sizes(x, std::vector<int64_t>(static_cast<size_t>(count), width / count), -1);
}

// The state after one step; `x` is the input times its weights, bias added.
State step(Scope& s, Kind kind, const Expr& x, const State& state, const Weights& w) {
  const Expr h = linear(s, state.hidden, w.hidden, w.hidden_bias);
  if (kind == Kind::kTanh) return {tanh(x + h), {}};
  if (kind == Kind::kRelu) return {relu(x + h), {}};
  if (kind == Kind::kGru) {
    const Exprs a = gates(s, x, 3), b = gates(s, h, 3);
    const Expr reset = sigmoid(a[0] + b[0]), update = sigmoid(a[1] + b[1]);
    const Expr made = tanh(a[2] + reset * b[2]);
    return {made + update * (state.hidden - made), {}};
  }
  const Exprs g = gates(s, x + h, 4);
  const Expr cell = sigmoid(g[1]) * state.cell + sigmoid(g[0]) * tanh(g[2]);
  Expr hidden = sigmoid(g[3]) * tanh(cell);
  if (w.projection) hidden = linear(s, hidden, w.projection, Expr());
  return {hidden, cell};
}

struct Layers {
  Kind kind;
  Expr x;
  Expr hidden, cell;  // [layers · directions, N, H]
  Exprs params;
  bool biased = true;
  int64_t layers = 1;
  bool both_ways = false;
  bool batch_first = false;
};

// (output, last hidden states, last cells)
Exprs run(Scope& s, const Layers& l) {
  Expr x = l.batch_first ? transpose(l.x, 0, 1) : l.x;
  if (x.rank() != 3 || l.hidden.rank() != 3) {
    s.invalid(fmt::format("an input of rank {}", x.rank()));
    return Exprs(3);
  }
  const int64_t steps = s.fixed(x.size(0), "a number of steps");
  const int64_t directions = l.both_ways ? 2 : 1;
  const int64_t cells = l.layers * directions;
  if (!s.bounded(steps, "steps") || !s.bounded(cells, "layers") ||
      !s.bounded(steps * cells / 4, "steps of all layers, divided by 4")) {
    return Exprs(3);
  }
  const auto count = static_cast<int64_t>(l.params.size());
  const int64_t each = cells > 0 ? count / cells : 0;
  const int64_t plain = l.biased ? 4 : 2;
  const bool projects = each == plain + 1 && l.kind == Kind::kLstm;
  if (cells < 1 || steps < 1 || count % cells != 0 || (each != plain && !projects)) {
    s.invalid(fmt::format("{} weights for {} layers and directions", count, cells));
    return Exprs(3);
  }
  Exprs last_hidden, last_cell;
  for (int64_t layer = 0; layer < l.layers; ++layer) {
    Exprs ways;
    for (int64_t way = 0; way < directions; ++way) {
      const int64_t index = layer * directions + way;
      const Expr* own = &l.params[static_cast<size_t>(index * each)];
      Weights w{own[0], own[1], {}, {}, {}};
      if (l.biased) {
        w.input_bias = own[2];
        w.hidden_bias = own[3];
      }
      if (projects) w.projection = own[each - 1];
      State state{select(l.hidden, 0, index), {}};
      if (l.cell) state.cell = select(l.cell, 0, index);
      const Expr shares = linear(s, x, w.input, w.input_bias);
      Exprs outputs(static_cast<size_t>(steps));
      for (int64_t i = 0; i < steps; ++i) {
        const int64_t at = way == 0 ? i : steps - 1 - i;
        state = step(s, l.kind, select(shares, 0, at), state, w);
        outputs[static_cast<size_t>(at)] = state.hidden;
      }
      ways.push_back(stack(outputs, 0));
      last_hidden.push_back(state.hidden);
      if (l.cell) last_cell.push_back(state.cell);
    }
    x = cat(ways, -1);
  }
  return {l.batch_first ? transpose(x, 0, 1) : x, stack(last_hidden, 0), stack(last_cell, 0)};
}

// (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)
Layers layers_of(Scope& s, Kind kind) {
  s.require(!s.flag(6) || s.number(5) == 0, "dropout (training mode)");
  Layers l{kind, s.x(0), {}, {}, s.xs(2)};
  l.biased = s.flag(3);
  l.layers = s.integer(4);
  l.both_ways = s.flag(7);
  l.batch_first = s.flag(8);
  return l;
}

Results lstm(Scope& s) {
  Layers l = layers_of(s, Kind::kLstm);
  const Exprs states = s.xs(1);
  if (states.size() != 2) {
    s.invalid("other than two states");
    return {};
  }
  l.hidden = states[0];
  l.cell = states[1];
  const Exprs made = run(s, l);
  return {made[0], made[1], made[2]};
}

Results simple(Scope& s, Kind kind) {
  Layers l = layers_of(s, kind);
  l.hidden = s.x(1);
  const Exprs made = run(s, l);
  return {made[0], made[1]};
}

// (input, hx, w_ih, w_hh, b_ih, b_hh)
State cell(Scope& s, Kind kind, const State& state) {
  const Weights w{s.x(2), s.x(3), s.x(4), s.x(5), {}};
  return step(s, kind, linear(s, s.x(0), w.input, w.input_bias), state, w);
}

#define PTE_LAYERS                                                                     \
  "Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool " \
  "bidirectional, bool batch_first) -> "
#define PTE_CELL "Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "

constexpr Composite kComposites[] = {
    {"aten::lstm.input(Tensor input, Tensor[] hx, " PTE_LAYERS "(Tensor, Tensor, Tensor)", lstm},
    {"aten::gru.input(Tensor input, Tensor hx, " PTE_LAYERS "(Tensor, Tensor)",
     [](Scope& s) { return simple(s, Kind::kGru); }},
    {"aten::rnn_tanh.input(Tensor input, Tensor hx, " PTE_LAYERS "(Tensor, Tensor)",
     [](Scope& s) { return simple(s, Kind::kTanh); }},
    {"aten::rnn_relu.input(Tensor input, Tensor hx, " PTE_LAYERS "(Tensor, Tensor)",
     [](Scope& s) { return simple(s, Kind::kRelu); }},
    {"aten::lstm_cell(Tensor input, Tensor[] hx, " PTE_CELL "(Tensor, Tensor)",
     [](Scope& s) -> Results {
       const Exprs states = s.xs(1);
       if (states.size() != 2) {
         s.invalid("other than two states");
         return {};
       }
       const State made = cell(s, Kind::kLstm, {states[0], states[1]});
       return {made.hidden, made.cell};
     }},
    {"aten::gru_cell(Tensor input, Tensor hx, " PTE_CELL "Tensor",
     [](Scope& s) -> Results {
       return {cell(s, Kind::kGru, {s.x(1), {}}).hidden};
     }},
    {"aten::rnn_tanh_cell(Tensor input, Tensor hx, " PTE_CELL "Tensor",
     [](Scope& s) -> Results {
       return {cell(s, Kind::kTanh, {s.x(1), {}}).hidden};
     }},
    {"aten::rnn_relu_cell(Tensor input, Tensor hx, " PTE_CELL "Tensor",
     [](Scope& s) -> Results {
       return {cell(s, Kind::kRelu, {s.x(1), {}}).hidden};
     }},
};

}  // namespace

std::span<const Composite> recurrent_composites() { return kComposites; }

}  // namespace pte::importers
