// Operators on small tensors whose values are known while the graph is read.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/elements.h"

namespace pte::importers::onnx {

using Maybe = std::optional<std::vector<Small>>;

namespace {

// ---- places

int64_t product(const Sizes& sizes) {
  int64_t out = 1;
  for (const int64_t size : sizes) out *= size;
  return out;
}

std::optional<Sizes> broadcast(const Sizes& a, const Sizes& b) {
  Sizes out(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return std::nullopt;
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  if (product(out) > kMaxSmall) return std::nullopt;
  return out;
}

// The element of `small`, broadcast to `sizes`, at flat place `at`.
const Elem& broadcast_at(const Small& small, const Sizes& sizes, int64_t at) {
  int64_t place = 0, step = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const size_t dim = sizes.size() - 1 - i;
    const int64_t index = at % sizes[dim];
    at /= sizes[dim];
    if (i < small.sizes.size()) {
      const int64_t size = small.sizes[small.sizes.size() - 1 - i];
      if (size != 1) place += index * step;
      step *= size;
    }
  }
  return small.v[static_cast<size_t>(place)];
}

std::optional<size_t> dim_of(int64_t axis, size_t rank) {
  if (axis < 0) axis += static_cast<int64_t>(rank);
  if (axis < 0 || axis >= static_cast<int64_t>(rank)) return std::nullopt;
  return static_cast<size_t>(axis);
}

// A tensor of `sizes` whose element at each place is from(indices).
template <typename From>
Small gathered(DType dtype, Sizes sizes, From from) {
  Small out{dtype, std::move(sizes), {}};
  const int64_t count = product(out.sizes);
  std::vector<int64_t> index(out.sizes.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    out.v.push_back(from(index));
    for (size_t d = index.size(); d-- > 0;) {
      if (++index[d] < out.sizes[d]) break;
      index[d] = 0;
    }
  }
  return out;
}

size_t place_of(const Sizes& sizes, const std::vector<int64_t>& index) {
  int64_t place = 0;
  for (size_t i = 0; i < sizes.size(); ++i) place = place * sizes[i] + index[i];
  return static_cast<size_t>(place);
}

Maybe one(Small small) {
  std::vector<Small> out;
  out.push_back(std::move(small));
  return out;
}

// ---- operators

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

Maybe gather(const FoldCall& c) {
  const Small& data = *c.inputs[0];
  const auto indices = c.inputs[1]->integers();
  const auto dim = dim_of(c.axis, data.sizes.size());
  if (!indices || !dim) return std::nullopt;
  const Sizes& index_sizes = c.inputs[1]->sizes;
  Sizes sizes(data.sizes.begin(), data.sizes.begin() + static_cast<std::ptrdiff_t>(*dim));
  sizes.insert(sizes.end(), index_sizes.begin(), index_sizes.end());
  sizes.insert(sizes.end(), data.sizes.begin() + static_cast<std::ptrdiff_t>(*dim) + 1,
               data.sizes.end());
  if (product(sizes) > kMaxSmall) return std::nullopt;
  bool inside = true;
  Small out = gathered(data.dtype, sizes, [&](const std::vector<int64_t>& at) -> Elem {
    const std::vector<int64_t> middle(
        at.begin() + static_cast<std::ptrdiff_t>(*dim),
        at.begin() + static_cast<std::ptrdiff_t>(*dim + index_sizes.size()));
    int64_t index = (*indices)[place_of(index_sizes, middle)];
    if (index < 0) index += data.sizes[*dim];
    if (index < 0 || index >= data.sizes[*dim]) {
      inside = false;
      return int64_t{0};
    }
    std::vector<int64_t> from(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(*dim));
    from.push_back(index);
    from.insert(from.end(), at.begin() + static_cast<std::ptrdiff_t>(*dim + index_sizes.size()),
                at.end());
    return data.v[place_of(data.sizes, from)];
  });
  if (!inside) return std::nullopt;
  return one(std::move(out));
}

Maybe slice(const FoldCall& c) {
  Small out = *c.inputs[0];
  std::vector<int64_t> values[4];
  for (size_t k = 1; k < 5; ++k) {
    if (k >= c.inputs.size() || c.inputs[k] == nullptr) continue;
    const auto known = c.inputs[k]->integers();
    if (!known) return std::nullopt;
    values[k - 1] = *known;
  }
  const size_t count = values[0].size();
  if (c.inputs.size() < 3 || values[1].size() != count) return std::nullopt;
  if (values[2].empty()) {
    for (size_t i = 0; i < count; ++i) values[2].push_back(static_cast<int64_t>(i));
  }
  if (values[3].empty()) values[3].assign(count, 1);
  if (values[2].size() != count || values[3].size() != count) return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    const auto dim = dim_of(values[2][i], out.sizes.size());
    const int64_t step = values[3][i];
    if (!dim || step == 0) return std::nullopt;
    const int64_t size = out.sizes[*dim];
    int64_t start = values[0][i], end = values[1][i];
    if (start < 0) start += size;
    if (end < 0 && end >= -size) end += size;
    if (step > 0) {
      start = std::clamp<int64_t>(start, 0, size);
      end = std::clamp<int64_t>(end, 0, size);
    } else {
      start = std::clamp<int64_t>(start, -1, size - 1);
      end = std::clamp<int64_t>(end, -1, size - 1);
    }
    int64_t length = 0;
    if (step > 0 && end > start) length = (end - start - 1) / step + 1;
    if (step < 0 && start > end) {
      length = step == std::numeric_limits<int64_t>::min() ? 1 : (start - end - 1) / -step + 1;
    }
    Sizes sizes = out.sizes;
    sizes[*dim] = length;
    const Small from = out;
    out = gathered(from.dtype, sizes, [&](std::vector<int64_t> at) {
      at[*dim] = start + at[*dim] * step;
      return from.v[place_of(from.sizes, at)];
    });
  }
  return one(std::move(out));
}

Maybe concat(const FoldCall& c) {
  const auto dim = dim_of(c.axis, c.inputs[0]->sizes.size());
  if (!dim) return std::nullopt;
  Sizes sizes = c.inputs[0]->sizes;
  sizes[*dim] = 0;
  for (const Small* part : c.inputs) {
    if (part->sizes.size() != sizes.size()) return std::nullopt;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (i != *dim && part->sizes[i] != sizes[i]) return std::nullopt;
    }
    sizes[*dim] += part->sizes[*dim];
  }
  if (product(sizes) > kMaxSmall) return std::nullopt;
  return one(gathered(c.inputs[0]->dtype, sizes, [&](std::vector<int64_t> at) {
    size_t part = 0;
    while (at[*dim] >= c.inputs[part]->sizes[*dim]) at[*dim] -= c.inputs[part++]->sizes[*dim];
    return c.inputs[part]->v[place_of(c.inputs[part]->sizes, at)];
  }));
}

// Unsqueeze, Squeeze, Reshape, Flatten: the same elements in other sizes.
Maybe reshape(const FoldCall& c) {
  Small out = *c.inputs[0];
  const size_t rank = out.sizes.size();
  std::vector<int64_t> list = c.axes;
  bool given = c.has_axes;
  if (c.inputs.size() > 1 && c.inputs[1] != nullptr) {
    const auto known = c.inputs[1]->integers();
    if (!known) return std::nullopt;
    list = *known;
    given = true;
  }
  if (c.op == "Unsqueeze") {
    std::vector<bool> added(rank + list.size(), false);
    for (const int64_t axis : list) {
      const auto dim = dim_of(axis, rank + list.size());
      if (!dim || added[*dim]) return std::nullopt;
      added[*dim] = true;
    }
    Sizes sizes;
    size_t from = 0;
    for (const bool is_new : added) sizes.push_back(is_new ? 1 : out.sizes[from++]);
    out.sizes = sizes;
  } else if (c.op == "Squeeze") {
    std::vector<bool> gone(rank, false);
    for (size_t i = 0; i < rank && !given; ++i) gone[i] = out.sizes[i] == 1;
    for (const int64_t axis : list) {
      const auto dim = dim_of(axis, rank);
      if (!dim || out.sizes[*dim] != 1) return std::nullopt;
      gone[*dim] = true;
    }
    Sizes sizes;
    for (size_t i = 0; i < rank; ++i) {
      if (!gone[i]) sizes.push_back(out.sizes[i]);
    }
    out.sizes = sizes;
  } else {
    Sizes sizes = list;
    int64_t known = 1;
    int unknown = -1;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0 && c.flag == 0) {
        if (i >= rank) return std::nullopt;
        sizes[i] = out.sizes[i];
      }
      if (sizes[i] == -1) {
        if (unknown >= 0) return std::nullopt;
        unknown = static_cast<int>(i);
      } else {
        if (sizes[i] < 0 || sizes[i] > kMaxSmall) return std::nullopt;
        known *= sizes[i];
        if (known > kMaxSmall) return std::nullopt;
      }
    }
    if (unknown >= 0) {
      if (known == 0 || out.count() % known != 0) return std::nullopt;
      sizes[static_cast<size_t>(unknown)] = out.count() / known;
    }
    if (product(sizes) != out.count()) return std::nullopt;
    out.sizes = sizes;
  }
  if (out.sizes.size() > kMaxRank) return std::nullopt;
  return one(std::move(out));
}

Maybe transpose(const FoldCall& c) {
  const Small& data = *c.inputs[0];
  std::vector<int64_t> perm = c.axes;
  const size_t rank = data.sizes.size();
  if (!c.has_axes) {
    for (size_t i = rank; i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  }
  if (perm.size() != rank) return std::nullopt;
  Sizes sizes;
  std::vector<bool> seen(rank, false);
  for (const int64_t axis : perm) {
    if (axis < 0 || axis >= static_cast<int64_t>(rank) || seen[static_cast<size_t>(axis)])
      return std::nullopt;
    seen[static_cast<size_t>(axis)] = true;
    sizes.push_back(data.sizes[static_cast<size_t>(axis)]);
  }
  return one(gathered(data.dtype, sizes, [&](const std::vector<int64_t>& at) {
    std::vector<int64_t> from(rank);
    for (size_t i = 0; i < rank; ++i) from[static_cast<size_t>(perm[i])] = at[i];
    return data.v[place_of(data.sizes, from)];
  }));
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

Maybe expand(const FoldCall& c) {
  const auto sizes = c.inputs[1]->integers();
  if (!sizes) return std::nullopt;
  for (const int64_t size : *sizes) {
    if (size < 0 || size > kMaxSmall) return std::nullopt;
  }
  const auto all = broadcast(c.inputs[0]->sizes, *sizes);
  if (!all || all->size() > kMaxRank) return std::nullopt;
  Small out{c.inputs[0]->dtype, *all, {}};
  for (int64_t i = 0; i < product(*all); ++i) out.v.push_back(broadcast_at(*c.inputs[0], *all, i));
  return one(std::move(out));
}

Maybe tile(const FoldCall& c) {
  const Small& data = *c.inputs[0];
  const auto repeats = c.inputs[1]->integers();
  if (!repeats || repeats->size() != data.sizes.size()) return std::nullopt;
  Sizes sizes = data.sizes;
  int64_t total = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if ((*repeats)[i] < 0 || (*repeats)[i] > kMaxSmall) return std::nullopt;
    sizes[i] *= (*repeats)[i];
    total *= sizes[i];
    if (total > kMaxSmall) return std::nullopt;
  }
  return one(gathered(data.dtype, sizes, [&](std::vector<int64_t> at) {
    for (size_t i = 0; i < at.size(); ++i) at[i] %= data.sizes[i];
    return data.v[place_of(data.sizes, at)];
  }));
}

Maybe constant_of_shape(const FoldCall& c) {
  const auto sizes = c.inputs[0]->integers();
  if (!sizes || c.inputs.size() < 2 || c.inputs[1] == nullptr || sizes->size() > kMaxRank)
    return std::nullopt;
  int64_t total = 1;
  for (const int64_t size : *sizes) {
    if (size < 0 || size > kMaxSmall) return std::nullopt;
    total *= size;
    if (total > kMaxSmall) return std::nullopt;
  }
  return one(Small{c.inputs[1]->dtype, *sizes,
                   std::vector<Elem>(static_cast<size_t>(total), c.inputs[1]->v[0])});
}

Maybe non_zero(const FoldCall& c) {
  const Small& data = *c.inputs[0];
  const auto values = data.numbers();
  if (!values || data.sizes.empty()) return std::nullopt;
  std::vector<std::vector<int64_t>> places;
  size_t i = 0;
  gathered(data.dtype, data.sizes, [&](const std::vector<int64_t>& at) -> Elem {
    if ((*values)[i++] != 0) places.push_back(at);
    return int64_t{0};
  });
  const Sizes sizes{static_cast<int64_t>(data.sizes.size()), static_cast<int64_t>(places.size())};
  if (product(sizes) > kMaxSmall) return std::nullopt;
  return one(gathered(DType::kInt64, sizes, [&](const std::vector<int64_t>& at) -> Elem {
    return places[static_cast<size_t>(at[1])][static_cast<size_t>(at[0])];
  }));
}

Maybe split(const FoldCall& c) {
  const Small& data = *c.inputs[0];
  const auto dim = dim_of(c.axis, data.sizes.size());
  if (!dim) return std::nullopt;
  std::vector<int64_t> parts = c.axes;
  if (c.inputs.size() > 1 && c.inputs[1] != nullptr) {
    const auto known = c.inputs[1]->integers();
    if (!known) return std::nullopt;
    parts = *known;
  }
  const int64_t size = data.sizes[*dim];
  const auto count = static_cast<int64_t>(c.outputs);
  if (parts.empty()) {
    const int64_t each = (size + count - 1) / count;
    for (int64_t i = 0; i < count; ++i)
      parts.push_back(std::clamp<int64_t>(size - i * each, 0, each));
  }
  if (static_cast<int64_t>(parts.size()) != count) return std::nullopt;
  std::vector<Small> out;
  int64_t start = 0;
  for (const int64_t part : parts) {
    if (part < 0 || part > size - start) return std::nullopt;
    Sizes sizes = data.sizes;
    sizes[*dim] = part;
    out.push_back(gathered(data.dtype, sizes, [&](std::vector<int64_t> at) {
      at[*dim] += start;
      return data.v[place_of(data.sizes, at)];
    }));
    start += part;
  }
  return out;
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
