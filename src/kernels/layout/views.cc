#include "kernels/layout/views.h"

#include <algorithm>

namespace pte::kernels {

Status copy_view(Call& call, const Tensor& view, Tensor& out) {
  PTE_CHECK(resize_out(call, out, view.sizes()));
  return copy_converting(call, view, out);
}

Tensor slice_of(const Tensor& self, size_t dim, int64_t start, int64_t count, int64_t step) {
  Sizes sizes = self.sizes();
  Strides strides = self.strides();
  const int64_t offset = count == 0 ? 0 : start * strides[dim];
  sizes[dim] = count;
  strides[dim] *= step;
  return self.with_layout(sizes, strides, offset);
}

Result<Tensor> select_view(const Call& call, const Tensor& self, int64_t dim, int64_t index) {
  if (self.rank() == 0) return call.invalid("a rank-0 tensor has nothing to select from");
  PTE_TRY(const int64_t wrapped, wrap_dim(call, dim, self.rank()));
  const size_t d = static_cast<size_t>(wrapped);
  const int64_t size = self.size(d);
  if (index < -size || index >= size) {
    return call.invalid("index {} is out of range in dimension {} of {}", index, d,
                        self.describe());
  }
  if (index < 0) index += size;
  Sizes sizes = self.sizes();
  Strides strides = self.strides();
  const int64_t offset = index * strides[d];
  sizes.erase(sizes.begin() + wrapped);
  strides.erase(strides.begin() + wrapped);
  return self.with_layout(sizes, strides, offset);
}

Result<Tensor> slice_view(const Call& call, const Tensor& self, int64_t dim,
                          std::optional<int64_t> start, std::optional<int64_t> end, int64_t step) {
  if (self.rank() == 0) return call.invalid("a rank-0 tensor cannot be sliced");
  PTE_TRY(const int64_t wrapped, wrap_dim(call, dim, self.rank()));
  const size_t d = static_cast<size_t>(wrapped);
  const int64_t size = self.size(d);
  if (step <= 0) return call.invalid("step {} is not positive", step);
  const auto place = [&](std::optional<int64_t> at, int64_t otherwise) {
    if (!at) return otherwise;
    return std::clamp<int64_t>(*at < 0 && *at >= -size ? *at + size : *at, 0, size);
  };
  const int64_t first = place(start, 0);
  const int64_t last = std::max(place(end, size), first);
  const int64_t count = last == first ? 0 : (last - first - 1) / step + 1;
  // A step beyond the dimension takes one element; keep the stride product in range.
  return slice_of(self, d, first, count, std::min(step, std::max<int64_t>(size, 1)));
}

Result<Tensor> diagonal_view(const Call& call, const Tensor& self, int64_t offset, int64_t dim1,
                             int64_t dim2) {
  if (self.rank() < 2) return call.invalid("{} has no diagonal", self.describe());
  PTE_TRY(const int64_t first, wrap_dim(call, dim1, self.rank()));
  PTE_TRY(const int64_t second, wrap_dim(call, dim2, self.rank()));
  if (first == second) return call.invalid("dimension {} is named twice", dim1);
  const size_t a = static_cast<size_t>(first);
  const size_t b = static_cast<size_t>(second);
  // Clamped, an offset beyond the tensor still leaves nothing.
  offset = std::clamp(offset, -self.size(a), self.size(b));
  const int64_t length = offset >= 0 ? std::min(self.size(a), self.size(b) - offset)
                                     : std::min(self.size(a) + offset, self.size(b));
  const int64_t count = std::max<int64_t>(length, 0);
  Sizes sizes;
  Strides strides;
  for (size_t d = 0; d < self.rank(); ++d) {
    if (d == a || d == b) continue;
    sizes.push_back(self.size(d));
    strides.push_back(self.strides()[d]);
  }
  sizes.push_back(count);
  strides.push_back(self.strides()[a] + self.strides()[b]);
  const int64_t start = count == 0    ? 0
                        : offset >= 0 ? offset * self.strides()[b]
                                      : -offset * self.strides()[a];
  return self.with_layout(sizes, strides, start);
}

}  // namespace pte::kernels
