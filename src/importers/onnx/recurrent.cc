// LSTM, GRU and RNN, written step by step: the input's share of the gates in one product for all
// steps, the state's share in one for each.
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

Ex apply(NodeCall& c, const Activation& a, const Ex& x) {
  if (a.name == "sigmoid") return x.sigmoid();
  if (a.name == "tanh") return x.tanh();
  if (a.name == "relu") return x.relu();
  if (a.name == "affine") return x * a.alpha + a.beta;
  if (a.name == "leakyrelu") return c.e.call(Op::aten_leaky_relu, {x.v, a.alpha});
  if (a.name == "elu") return c.e.call(Op::aten_elu, {x.v, a.alpha});
  if (a.name == "hardsigmoid") return (x * a.alpha + a.beta).clamp(0.0, 1.0);
  if (a.name == "scaledtanh") return (x * a.beta).tanh() * a.alpha;
  if (a.name == "softsign") return x / (x.abs() + 1.0);
  if (a.name == "softplus") return (x.exp() + 1.0).log();
  if (a.name == "thresholdedrelu") return c.e.where(x > a.alpha, x, c.e.full({}, 0, x.dtype()));
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
  Ex n{&c.e, nullptr};
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

void recurrent(NodeCall& c, Cell cell, int64_t gates, const std::vector<std::string>& usual,
               bool biases_apart, size_t states) {
  Ex x = c.in(0);
  const Ex w = c.in(1), r = c.in(2), b = c.maybe(3);
  if (c.failed()) return;
  if (x.rank() != 3 || w.rank() != 3 || r.rank() != 3)
    return c.fail(invalid_data("it takes tensors of rank 3"));
  const bool batch_first = c.i("layout", 0) != 0;
  if (batch_first) x = x.transpose(0, 1);
  const int64_t time = x.fixed(0), hidden = r.fixed(2), directions = w.fixed(0);
  if (c.failed()) return;
  if (time < 1 || time > kMaxTime) return c.fail(unsupported("a sequence of {} steps", time));
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
    std::vector<Ex> steps(static_cast<size_t>(time), Ex{&c.e, nullptr});
    for (int64_t t = 0; t < time && !c.failed(); ++t) {
      const int64_t at = backwards ? time - 1 - t : t;
      States next = cell(c, layer, shares.select(0, at), state);
      Ex out = next[0];
      if (!full) {
        // Past its end a sequence keeps its state and gives nothing.
        const Ex alive = (lengths > static_cast<double>(at)).view({int64_t{-1}, int64_t{1}});
        for (size_t k = 0; k < states; ++k) next[k] = c.e.where(alive, next[k], state[k]);
        out = c.e.where(alive, out, c.e.full({}, 0, x.dtype()));
      }
      state = next;
      steps[static_cast<size_t>(at)] = out;
    }
    if (c.failed()) return;
    outputs.push_back(c.e.stack(steps, 0));
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
