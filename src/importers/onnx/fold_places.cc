// Operators that rearrange small tensors whose values are known while the graph is read.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/folding.h"

namespace pte::importers::onnx::folding {

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
    // Element by element: of insert(), gcc 12 believes at -O3 that it frees memory it does not own.
    std::vector<int64_t> from(data.sizes.size(), index);
    for (size_t d = 0; d < from.size(); ++d) {
      if (d < *dim) from[d] = at[d];
      if (d > *dim) from[d] = at[d - 1 + index_sizes.size()];
    }
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

}  // namespace pte::importers::onnx::folding
