// LSTM, GRU and RNN, written step by step, or as a loop where their number is open: the input's
// share of the gates in one product for all steps, the state's share in one for each.
#include <algorithm>
#include <functional>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

constexpr int64_t kMaxTime = 4096;

struct Activation {
  std::string name;
  double alpha, beta;
};

// (The expression may belong to the graph of a step, so it says itself where calls go.)
Ex apply(NodeCall& c, const Activation& a, const Ex& x) {
  if (a.name == "sigmoid") return x.sigmoid();
  if (a.name == "tanh") return x.tanh();
  if (a.name == "relu") return x.relu();
  if (a.name == "affine") return x * a.alpha + a.beta;
  if (a.name == "leakyrelu") return x.e->call(Op::aten_leaky_relu, {x.v, a.alpha});
  if (a.name == "elu") return x.e->call(Op::aten_elu, {x.v, a.alpha});
  if (a.name == "hardsigmoid") return (x * a.alpha + a.beta).clamp(0.0, 1.0);
  if (a.name == "scaledtanh") return (x * a.beta).tanh() * a.alpha;
  if (a.name == "softsign") return x / (x.abs() + 1.0);
  if (a.name == "softplus") return (x.exp() + 1.0).log();
  if (a.name == "thresholdedrelu") return x.e->where(x > a.alpha, x, x.e->full({}, 0, x.dtype()));
  c.fail(unsupported("the activation '{}'", a.name.substr(0, 40)));
  return x;
}

std::vector<Activation> activations(NodeCall& c, const std::vector<std::string>& usual,
                                    size_t directions) {
  std::vector<Activation> out;
  std::vector<std::string> names;
  if (const AttributeDef* given = c.attribute("activations")) {
    for (const std::string_view name : given->strings) names.emplace_back(name);
  }
  if (names.empty()) {
    for (size_t d = 0; d < directions; ++d) names.insert(names.end(), usual.begin(), usual.end());
  }
  if (names.size() != usual.size() * directions) {
    c.fail(invalid_data("{} activations, {} are needed", names.size(), usual.size() * directions));
    names.resize(usual.size() * directions);
  }
  const std::vector<float> alphas = c.fs("activation_alpha"), betas = c.fs("activation_beta");
  size_t alpha = 0, beta = 0;
  for (std::string& name : names) {
    for (char& letter : name)
      letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    Activation a{name, 0.01, 0};
    if (name == "hardsigmoid") a = {name, 0.2, 0.5};
    if (name == "elu" || name == "thresholdedrelu" || name == "affine" || name == "scaledtanh")
      a.alpha = 1;
    if (name == "scaledtanh") a.beta = 1;
    const bool takes_alpha = name == "affine" || name == "leakyrelu" || name == "elu" ||
                             name == "hardsigmoid" || name == "scaledtanh" ||
                             name == "thresholdedrelu";
    const bool takes_beta = name == "affine" || name == "hardsigmoid" || name == "scaledtanh";
    if (takes_alpha && alpha < alphas.size()) a.alpha = static_cast<double>(alphas[alpha++]);
    if (takes_beta && beta < betas.size()) a.beta = static_cast<double>(betas[beta++]);
    out.push_back(std::move(a));
  }
  return out;
}

// What a cell does in one step: the state after it, hidden state first. `gates` is the input's
// share, both biases of it included where that is the same.
struct Layer {
  Ex r, rb, p;  // [gates * H, H], [gates * H] or null, [3 * H] or null
  const Activation* f = nullptr;
  int64_t hidden = 0;
  double clip = 0;
  bool flag = false;  // input_forget, linear_before_reset
};
using States = std::vector<Ex>;
using Cell = States (*)(NodeCall&, const Layer&, const Ex& gates, const States&);

Ex part(const Ex& x, int64_t index, int64_t hidden) {
  return x.slice(-1, index * hidden, (index + 1) * hidden);
}
Ex clipped(const Layer& layer, const Ex& x) {
  return layer.clip > 0 ? x.clamp(-layer.clip, layer.clip) : x;
}

States lstm_cell(NodeCall& c, const Layer& l, const Ex& gates, const States& s) {
  const int64_t h = l.hidden;
  const Ex all = gates + s[0].matmul(l.r.transpose(0, 1));
  Ex i = part(all, 0, h), o = part(all, 1, h), f = part(all, 2, h);
  const Ex g = part(all, 3, h);
  if (l.p.v != nullptr) {
    i = i + part(l.p, 0, h) * s[1];
    f = f + part(l.p, 2, h) * s[1];
  }
  const Ex in = apply(c, l.f[0], clipped(l, i));
  const Ex forget = l.flag ? 1.0 - in : apply(c, l.f[0], clipped(l, f));
  const Ex cell = forget * s[1] + in * apply(c, l.f[1], clipped(l, g));
  if (l.p.v != nullptr) o = o + part(l.p, 1, h) * cell;
  return {apply(c, l.f[0], clipped(l, o)) * apply(c, l.f[2], cell), cell};
}

States gru_cell(NodeCall& c, const Layer& l, const Ex& gates, const States& s) {
  const int64_t h = l.hidden;
  const Ex zr = s[0].matmul(l.r.slice(0, int64_t{0}, 2 * h).transpose(0, 1));
  const Ex rh = l.r.slice(0, 2 * h, 3 * h).transpose(0, 1);
  Ex z = part(gates, 0, h) + part(zr, 0, h), r = part(gates, 1, h) + part(zr, 1, h);
  if (l.rb.v != nullptr) {
    z = z + part(l.rb, 0, h);
    r = r + part(l.rb, 1, h);
  }
  z = apply(c, l.f[0], clipped(l, z));
  r = apply(c, l.f[0], clipped(l, r));
  Ex n{gates.e, nullptr};
  if (l.flag) {
    n = s[0].matmul(rh);
    if (l.rb.v != nullptr) n = n + part(l.rb, 2, h);
    n = part(gates, 2, h) + r * n;
  } else {
    n = part(gates, 2, h) + (r * s[0]).matmul(rh);
    if (l.rb.v != nullptr) n = n + part(l.rb, 2, h);
  }
  n = apply(c, l.f[1], clipped(l, n));
  return {(1.0 - z) * n + z * s[0]};
}

States rnn_cell(NodeCall& c, const Layer& l, const Ex& gates, const States& s) {
  return {apply(c, l.f[0], clipped(l, gates + s[0].matmul(l.r.transpose(0, 1))))};
}

// One step with what follows the end of shorter sequences: they keep their state and give nothing.
States step(NodeCall& c, Cell cell, const Layer& layer, const Ex& share, const States& state,
            const Ex& lengths, const Ex& at, Ex& out) {
  States next = cell(c, layer, share, state);
  out = next[0];
  if (lengths.v == nullptr) return next;
  const Ex alive = (lengths > at).view({int64_t{-1}, int64_t{1}});
  for (size_t k = 0; k < next.size(); ++k) next[k] = share.e->where(alive, next[k], state[k]);
  out = share.e->where(alive, out, share.e->full({}, 0, out.dtype()));
  return next;
}

// All steps as one loop, where their number is open or large: the outputs [T, B, H], and the last
// state. `shares` is [T, B, gates * H].
Ex loop_steps(NodeCall& c, Cell cell, const Layer& layer, const Ex& shares, const Ex& lengths,
              bool backwards, States& state) {
  if (c.failed()) return shares;
  std::vector<Ex> rows{shares}, extra;
  if (lengths.v != nullptr) rows.push_back(c.e.arange(int64_t{0}, shares.size_arg(0)));
  if (backwards) {
    for (Ex& row : rows) row = row.flip({0});
  }
  if (c.failed()) return shares;
  auto body = std::make_shared<ir::Graph>("recurrent_step");
  Emitter inside(c.e.module(), *body);
  inside.set_name("step");
  const auto input = [&](const char* name, ir::TensorType type) {
    return inside.wrap(body->add_input(name, std::move(type)));
  };
  const auto row_of = [](const Ex& x) {
    ir::TensorType type = x.v->tensor();
    return ir::TensorType::of(type.dtype, {type.sizes.begin() + 1, type.sizes.end()});
  };
  const auto held = [&](const char* name, const Ex& x) {
    if (x.v == nullptr) return Ex{&inside, nullptr};
    extra.push_back(x);
    return input(name, ir::TensorType::of(x.dtype(), x.v->tensor().sizes));
  };
  States before;
  for (const Ex& s : state)
    before.push_back(input("state", ir::TensorType::of(s.dtype(), s.v->tensor().sizes)));
  const Ex share = input("share", row_of(rows[0]));
  const Ex at = lengths.v == nullptr ? Ex{&inside, nullptr} : input("time", row_of(rows[1]));
  Layer layer_inside = layer;
  layer_inside.r = held("r", layer.r);
  layer_inside.rb = held("rb", layer.rb);
  layer_inside.p = held("p", layer.p);
  const Ex ends = held("lengths", lengths);
  Ex out{&inside, nullptr};
  const States after = step(c, cell, layer_inside, share, before, ends, at, out);
  if (Status status = inside.take_status(); !status) c.fail(std::move(status.error()));
  if (c.failed()) return shares;
  for (const Ex& s : after) body->add_output(s.v);
  body->add_output(out.v);
  const auto list = [](const std::vector<Ex>& values) {
    ir::ArgList items;
    for (const Ex& value : values) items.emplace_back(value.v);
    return Arg(std::move(items));
  };
  const std::vector<Ex> results =
      c.e.calls(Op::higher_order_scan, {Arg(body), list(state), list(rows), list(extra)});
  if (c.failed() || results.size() != state.size() + 1) {
    c.fail(internal_error("a loop of {} states with {} results", state.size(), results.size()));
    return shares;
  }
  for (size_t k = 0; k < state.size(); ++k) state[k] = results[k];
  return backwards ? results.back().flip({0}) : results.back();
}

void recurrent(NodeCall& c, Cell cell, int64_t gates, const std::vector<std::string>& usual,
               bool biases_apart, size_t states) {
  Ex x = c.in(0);
  const Ex w = c.in(1), r = c.in(2), b = c.maybe(3);
  if (c.failed()) return;
  if (x.rank() != 3 || w.rank() != 3 || r.rank() != 3)
    return c.fail(invalid_data("it takes tensors of rank 3"));
  const bool batch_first = c.i("layout", 0) != 0;
  if (batch_first) x = x.transpose(0, 1);
  const int64_t hidden = r.fixed(2), directions = w.fixed(0);
  // Few steps are written one after the other, which costs nothing at run time.
  const int64_t time = x.size(0).constant().value_or(-1);
  const bool loops = time < 0 || time > kMaxTime;
  if (c.failed()) return;
  if (time == 0) return c.fail(unsupported("a sequence of no steps"));
  const std::string_view direction = c.s("direction", "forward");
  if (directions != (direction == "bidirectional" ? 2 : 1))
    return c.fail(invalid_data("weights for {} directions, it is {}", directions, direction));
  const std::vector<Activation> functions = activations(c, usual, static_cast<size_t>(directions));
  if (c.failed()) return;
  const Arg batch = x.size_arg(1);
  const Ex lengths = c.maybe(4);
  // Sequences that are all of full length are the usual case, and the only cheap one.
  bool full = lengths.v == nullptr;
  if (const Small* known = lengths.v == nullptr ? nullptr : c.small(4)) {
    const auto values = known->integers();
    full =
        values && std::all_of(values->begin(), values->end(), [&](int64_t v) { return v == time; });
  }
  std::vector<Ex> outputs;
  std::vector<States> last;
  for (int64_t d = 0; d < directions && !c.failed(); ++d) {
    Layer layer;
    layer.r = r.select(0, d);
    layer.hidden = hidden;
    layer.f = functions.data() + static_cast<size_t>(d) * usual.size();
    layer.clip = c.f("clip", 0);
    layer.flag = c.i("input_forget", 0) != 0 || c.i("linear_before_reset", 0) != 0;
    layer.rb = layer.p = Ex{&c.e, nullptr};
    if (c.has(7) && states == 2) layer.p = c.in(7).select(0, d);
    Ex shares = x.matmul(w.select(0, d).transpose(0, 1));
    if (b.v != nullptr) {
      const Ex both = b.select(0, d);
      Ex bias = both.slice(0, int64_t{0}, gates * hidden);
      const Ex second = both.slice(0, gates * hidden, 2 * gates * hidden);
      if (biases_apart) {
        layer.rb = second;
      } else {
        bias = bias + second;
      }
      shares = shares + bias;
    }
    States state;
    for (size_t k = 0; k < states; ++k) {
      if (c.has(5 + k)) {
        const Ex initial = c.in(5 + k);
        state.push_back(batch_first ? initial.select(1, d) : initial.select(0, d));
      } else {
        state.push_back(c.e.full({batch, hidden}, 0, x.dtype()));
      }
    }
    const bool backwards = direction == "reverse" || d == 1;
    const Ex ends = full ? Ex{&c.e, nullptr} : lengths.cast(DType::kInt64);
    if (loops) {
      outputs.push_back(loop_steps(c, cell, layer, shares, ends, backwards, state));
    } else {
      std::vector<Ex> steps(static_cast<size_t>(time), Ex{&c.e, nullptr});
      for (int64_t t = 0; t < time && !c.failed(); ++t) {
        const int64_t at = backwards ? time - 1 - t : t;
        const Ex now = full ? ends : c.e.full({}, static_cast<double>(at), DType::kInt64);
        state = step(c, cell, layer, shares.select(0, at), state, ends, now,
                     steps[static_cast<size_t>(at)]);
      }
      if (c.failed()) return;
      outputs.push_back(c.e.stack(steps, 0));
    }
    if (c.failed()) return;
    last.push_back(state);
  }
  if (c.failed()) return;
  if (c.wants(0)) {
    const Ex y = c.e.stack(outputs, 1);  // [time, directions, batch, hidden]
    c.set(0, batch_first ? y.permute({2, 0, 1, 3}) : y);
  }
  for (size_t k = 0; k < states; ++k) {
    if (!c.wants(1 + k)) continue;
    std::vector<Ex> all;
    for (const States& s : last) all.push_back(s[k]);
    c.set(1 + k, c.e.stack(all, batch_first ? 1 : 0));
  }
}

void lstm(NodeCall& c) { recurrent(c, lstm_cell, 4, {"sigmoid", "tanh", "tanh"}, false, 2); }
void gru(NodeCall& c) { recurrent(c, gru_cell, 3, {"sigmoid", "tanh"}, true, 1); }
void rnn(NodeCall& c) { recurrent(c, rnn_cell, 1, {"tanh"}, false, 1); }

constexpr RuleEntry kRules[] = {
    {"LSTM", lstm},
    {"GRU", gru},
    {"RNN", rnn},
};

}  // namespace

std::span<const RuleEntry> recurrent_rules() { return kRules; }

}  // namespace pte::importers::onnx
