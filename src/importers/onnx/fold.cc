// Operators that calculate with small tensors whose values are known while the graph is read.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/folding.h"

namespace pte::importers::onnx {

using namespace folding;

namespace {

Maybe binary(const FoldCall& c) {
  if (c.inputs.empty()) return std::nullopt;
  Small out = *c.inputs[0];
  for (size_t k = 1; k < c.inputs.size(); ++k) {
    const Small& other = *c.inputs[k];
    const auto sizes = broadcast(out.sizes, other.sizes);
    if (!sizes) return std::nullopt;
    Small next{is_comparison(c.op) ? DType::kBool : out.dtype, *sizes, {}};
    const int64_t count = product(*sizes);
    for (int64_t i = 0; i < count; ++i) {
      const Elem& a = broadcast_at(out, *sizes, i);
      const Elem& b = broadcast_at(other, *sizes, i);
      ElemResult result;
      if (is_comparison(c.op)) {
        result = compare(c.e, c.op, a, b);
      } else if (is_sym(a) || is_sym(b)) {
        if (is_real(a) || is_real(b)) return std::nullopt;
        result = symbolic(c.e, c.op, a, b);
      } else if (is_floating(out.dtype)) {
        result = real_binary(c.op, real_of(a), real_of(b), out.dtype);
      } else if (is_real(b)) {
        return std::nullopt;
      } else {
        result = integer_binary(c.op, std::get<int64_t>(a), std::get<int64_t>(b), out.dtype,
                                c.flag != 0);
      }
      if (!result) return std::nullopt;
      next.v.push_back(*result);
    }
    out = std::move(next);
  }
  return one(std::move(out));
}

Maybe unary(const FoldCall& c) {
  Small out = *c.inputs[0];
  for (Elem& item : out.v) {
    if (is_sym(item)) return std::nullopt;
    if (is_real(item)) {
      double value = std::get<double>(item);
      if (c.op == "Neg")
        value = -value;
      else if (c.op == "Abs")
        value = std::fabs(value);
      else if (c.op == "Floor")
        value = std::floor(value);
      else if (c.op == "Ceil")
        value = std::ceil(value);
      else if (c.op == "Sqrt")
        value = std::sqrt(value);
      else if (c.op == "Relu")
        value = value > 0 ? value : 0;
      else
        return std::nullopt;
      item = stored(value, out.dtype);
    } else {
      const int64_t value = std::get<int64_t>(item);
      if (c.op == "Neg")
        item = wrapped(0 - static_cast<uint64_t>(value), out.dtype);
      else if (c.op == "Abs")
        item = value < 0 ? wrapped(0 - static_cast<uint64_t>(value), out.dtype) : Elem(value);
      else if (c.op == "Not")
        item = static_cast<int64_t>(value == 0);
      else
        return std::nullopt;
    }
  }
  return one(std::move(out));
}

Maybe cast(const FoldCall& c) {
  if (!c.to) return std::nullopt;
  Small out = *c.inputs[0];
  const DType from = out.dtype;
  out.dtype = *c.to;
  for (Elem& item : out.v) {
    if (is_sym(item)) {
      // A size stays what it is in any type that surely holds it.
      if (*c.to != DType::kInt64 && *c.to != DType::kInt32) return std::nullopt;
    } else if (is_floating(*c.to)) {
      if (from == DType::kUInt64) return std::nullopt;
      item = stored(real_of(item), *c.to);
    } else if (is_real(item)) {
      const double value = std::get<double>(item);
      if (*c.to == DType::kBool) {
        item = static_cast<int64_t>(value != 0);
      } else {
        if (!(std::fabs(value) < 9e18)) return std::nullopt;
        const auto whole = static_cast<int64_t>(value);
        if (wrapped(static_cast<uint64_t>(whole), *c.to) != Elem(whole)) return std::nullopt;
        item = whole;
      }
    } else {
      item = wrapped(static_cast<uint64_t>(std::get<int64_t>(item)), *c.to);
    }
  }
  return one(std::move(out));
}

Maybe where(const FoldCall& c) {
  const auto chosen = c.inputs[0]->integers();
  if (!chosen) return std::nullopt;
  auto sizes = broadcast(c.inputs[0]->sizes, c.inputs[1]->sizes);
  if (sizes) sizes = broadcast(*sizes, c.inputs[2]->sizes);
  if (!sizes) return std::nullopt;
  Small out{c.inputs[1]->dtype, *sizes, {}};
  for (int64_t i = 0; i < product(*sizes); ++i) {
    const bool yes = std::get<int64_t>(broadcast_at(*c.inputs[0], *sizes, i)) != 0;
    out.v.push_back(broadcast_at(*c.inputs[yes ? 1 : 2], *sizes, i));
  }
  return one(std::move(out));
}

Maybe range(const FoldCall& c) {
  const DType dtype = c.inputs[0]->dtype;
  for (const Small* input : c.inputs) {
    if (input->count() != 1) return std::nullopt;
  }
  Small out{dtype, {0}, {}};
  if (is_floating(dtype)) {
    const auto a = c.inputs[0]->numbers(), b = c.inputs[1]->numbers(), s = c.inputs[2]->numbers();
    if (!a || !b || !s) return std::nullopt;
    const double count = std::ceil(((*b)[0] - (*a)[0]) / (*s)[0]);
    if (!(count <= kMaxSmall)) return std::nullopt;
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i)
      out.v.push_back(stored((*a)[0] + static_cast<double>(i) * (*s)[0], dtype));
  } else {
    const auto a = c.inputs[0]->integers(), b = c.inputs[1]->integers(),
               s = c.inputs[2]->integers();
    if (!a || !b || !s || (*s)[0] == 0) return std::nullopt;
    const double count = std::ceil((static_cast<double>((*b)[0]) - static_cast<double>((*a)[0])) /
                                   static_cast<double>((*s)[0]));
    if (!(count <= kMaxSmall)) return std::nullopt;
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i)
      out.v.emplace_back((*a)[0] + i * (*s)[0]);
  }
  out.sizes = {out.count()};
  return one(std::move(out));
}

Maybe reduce(const FoldCall& c) {
  const Small& data = *c.inputs[0];
  const size_t rank = data.sizes.size();
  std::vector<int64_t> axes = c.axes;
  if (c.inputs.size() > 1 && c.inputs[1] != nullptr) {
    const auto known = c.inputs[1]->integers();
    if (!known) return std::nullopt;
    axes = *known;
  }
  std::vector<bool> gone(rank, axes.empty());
  for (const int64_t axis : axes) {
    const auto dim = dim_of(axis, rank);
    if (!dim) return std::nullopt;
    gone[*dim] = true;
  }
  // Whole vectors only, or none: enough for sizes.
  if (std::find(gone.begin(), gone.end(), false) != gone.end() || data.v.empty())
    return std::nullopt;
  std::string_view op = "Add";
  if (c.op == "ReduceProd") op = "Mul";
  if (c.op == "ReduceMax") op = "Max";
  if (c.op == "ReduceMin") op = "Min";
  Elem total = data.v[0];
  for (size_t i = 1; i < data.v.size(); ++i) {
    ElemResult next;
    if (is_sym(total) || is_sym(data.v[i])) {
      if (is_real(total) || is_real(data.v[i])) return std::nullopt;
      next = symbolic(c.e, op, total, data.v[i]);
    } else if (is_real(total)) {
      next = real_binary(op, real_of(total), real_of(data.v[i]), data.dtype);
    } else {
      next = integer_binary(op, std::get<int64_t>(total), std::get<int64_t>(data.v[i]), data.dtype,
                            false);
    }
    if (!next) return std::nullopt;
    total = *next;
  }
  return one(Small{data.dtype, c.flag != 0 ? Sizes(rank, 1) : Sizes(), {total}});
}

Maybe identity(const FoldCall& c) { return one(*c.inputs[0]); }

struct Rule {
  std::string_view op;
  Maybe (*fold)(const FoldCall&);
  size_t needed;  // inputs that must be there
};

constexpr Rule kRules[] = {
    {"Add", binary, 2},
    {"Sub", binary, 2},
    {"Mul", binary, 2},
    {"Div", binary, 2},
    {"Mod", binary, 2},
    {"Max", binary, 1},
    {"Min", binary, 1},
    {"Pow", binary, 2},
    {"And", binary, 2},
    {"Or", binary, 2},
    {"Xor", binary, 2},
    {"Equal", binary, 2},
    {"Less", binary, 2},
    {"LessOrEqual", binary, 2},
    {"Greater", binary, 2},
    {"GreaterOrEqual", binary, 2},
    {"Neg", unary, 1},
    {"Relu", unary, 1},
    {"CastLike", cast, 1},
    {"Abs", unary, 1},
    {"Floor", unary, 1},
    {"Ceil", unary, 1},
    {"Sqrt", unary, 1},
    {"Not", unary, 1},
    {"Cast", cast, 1},
    {"Gather", gather, 2},
    {"Slice", slice, 3},
    {"Concat", concat, 1},
    {"Unsqueeze", reshape, 1},
    {"Squeeze", reshape, 1},
    {"Reshape", reshape, 2},
    {"Transpose", transpose, 1},
    {"Where", where, 3},
    {"Range", range, 3},
    {"ReduceSum", reduce, 1},
    {"ReduceProd", reduce, 1},
    {"ReduceMax", reduce, 1},
    {"ReduceMin", reduce, 1},
    {"Expand", expand, 2},
    {"Tile", tile, 2},
    {"ConstantOfShape", constant_of_shape, 2},
    {"NonZero", non_zero, 1},
    {"Split", split, 1},
    {"Identity", identity, 1},
};

const Rule* rule_of(std::string_view op) {
  for (const Rule& rule : kRules) {
    if (rule.op == op) return &rule;
  }
  return nullptr;
}

}  // namespace

bool can_evaluate(std::string_view op) { return rule_of(op) != nullptr; }

std::optional<std::vector<Small>> evaluate(const FoldCall& call) {
  const Rule* rule = rule_of(call.op);
  if (rule == nullptr || call.inputs.size() < rule->needed) return std::nullopt;
  for (size_t i = 0; i < rule->needed; ++i) {
    if (call.inputs[i] == nullptr) return std::nullopt;
  }
  // Variadic operators have no gaps.
  if (rule->fold == binary || rule->fold == concat) {
    for (const Small* input : call.inputs) {
      if (input == nullptr) return std::nullopt;
    }
  }
  return rule->fold(call);
}

}  // namespace pte::importers::onnx
