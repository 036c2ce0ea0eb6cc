// Kernels that move elements and compute nothing: views made real, selections, joins, padding.
#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/common/map.h"
#include "kernels/families.h"
#include "kernels/layout/views.h"

namespace pte::kernels {
namespace {

// The sizes that a view request means, its one -1 worked out.
Result<Sizes> view_sizes(const Call& call, const Tensor& self,
                         const std::vector<int64_t>& request) {
  Sizes sizes = request;
  int64_t unknown = -1;
  Sizes known;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] >= 0) {
      known.push_back(sizes[i]);
    } else if (sizes[i] == -1 && unknown < 0) {
      unknown = static_cast<int64_t>(i);
    } else {
      return call.invalid("cannot view {} as [{}]", self.describe(), fmt::join(request, ","));
    }
  }
  const auto product = element_count(known);
  const int64_t count = self.numel();
  bool fits = product.has_value();
  if (fits && unknown >= 0) {
    fits = *product != 0 && count % *product == 0;
    if (fits) sizes[static_cast<size_t>(unknown)] = count / *product;
  } else if (fits) {
    fits = *product == count;
  }
  if (!fits)
    return call.invalid("cannot view {} as [{}]", self.describe(), fmt::join(request, ","));
  return sizes;
}

Status view_copy(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_TRY(const Sizes sizes, view_sizes(call, self, call.ints(1)));
  PTE_TRY(const Tensor flat, self.contiguous());
  return copy_view(call, flat.with_layout(sizes, contiguous_strides(sizes)), call.out());
}

// The result shares the operand's memory when it has none of its own or was planned there.
Status et_view(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_TRY(const Sizes sizes, view_sizes(call, self, call.ints(1)));
  Tensor& out = call.out();
  if (out.dtype() != self.dtype()) {
    return call.invalid("cannot view {} as {}", self.describe(), dtype_name(out.dtype()));
  }
  const bool shared = out.data() == nullptr || out.data() == self.data();
  if (!shared) {
    PTE_TRY(const Tensor flat, self.contiguous());
    return copy_view(call, flat.with_layout(sizes, contiguous_strides(sizes)), out);
  }
  if (!self.is_contiguous()) {
    return call.not_supported("a view in place of a tensor that is not contiguous");
  }
  if (out.data() == nullptr) {
    out = self.with_layout(sizes, contiguous_strides(sizes));
    return {};
  }
  return resize_out(call, out, sizes);
}

Status squeeze(Call& call, const std::vector<int64_t>& dims) {
  const Tensor& self = call.tensor(0);
  std::vector<bool> drop(self.rank(), false);
  for (const int64_t dim : dims) {
    PTE_TRY(const int64_t d, wrap_dim(call, dim, self.rank()));
    if (self.rank() > 0) drop[static_cast<size_t>(d)] = self.size(static_cast<size_t>(d)) == 1;
  }
  Sizes sizes;
  Strides strides;
  for (size_t i = 0; i < self.rank(); ++i) {
    if (drop[i]) continue;
    sizes.push_back(self.size(i));
    strides.push_back(self.strides()[i]);
  }
  return copy_view(call, self.with_layout(sizes, strides), call.out());
}
Status squeeze_dim(Call& call) { return squeeze(call, {call.integer(1)}); }
Status squeeze_dims(Call& call) { return squeeze(call, call.ints(1)); }

Status unsqueeze(Call& call) {
  const Tensor& self = call.tensor(0);
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(1), self.rank() + 1));
  Sizes sizes = self.sizes();
  Strides strides = self.strides();
  sizes.insert(sizes.begin() + dim, 1);
  strides.insert(strides.begin() + dim, 1);
  return copy_view(call, self.with_layout(sizes, strides), call.out());
}

Status permute_by(Call& call, const std::vector<int64_t>& dims) {
  const Tensor& self = call.tensor(0);
  if (dims.size() != self.rank()) {
    return call.invalid("dims [{}] do not order {}", fmt::join(dims, ","), self.describe());
  }
  Sizes sizes;
  Strides strides;
  std::vector<bool> seen(self.rank(), false);
  for (const int64_t dim : dims) {
    PTE_TRY(const int64_t wrapped, wrap_dim(call, dim, self.rank()));
    const size_t d = static_cast<size_t>(wrapped);
    if (seen[d]) return call.invalid("dims [{}] name dimension {} twice", fmt::join(dims, ","), d);
    seen[d] = true;
    sizes.push_back(self.size(d));
    strides.push_back(self.strides()[d]);
  }
  return copy_view(call, self.with_layout(sizes, strides), call.out());
}
Status permute(Call& call) { return permute_by(call, call.ints(1)); }

Status swap_dims(Call& call, int64_t first, int64_t second) {
  const size_t rank = call.tensor(0).rank();
  std::vector<int64_t> dims(rank);
  for (size_t i = 0; i < rank; ++i) dims[i] = static_cast<int64_t>(i);
  PTE_TRY(const int64_t a, wrap_dim(call, first, rank));
  PTE_TRY(const int64_t b, wrap_dim(call, second, rank));
  if (rank > 0) std::swap(dims[static_cast<size_t>(a)], dims[static_cast<size_t>(b)]);
  return permute_by(call, dims);
}
Status transpose(Call& call) { return swap_dims(call, call.integer(1), call.integer(2)); }
Status t_copy(Call& call) {
  const size_t rank = call.tensor(0).rank();
  if (rank > 2) return call.invalid("{} has more than two dimensions", call.tensor(0).describe());
  return rank == 2 ? swap_dims(call, 0, 1) : swap_dims(call, 0, 0);
}

Status expand(Call& call) {
  const Tensor& self = call.tensor(0);
  Sizes sizes = call.ints(1);
  const auto refuse = [&] {
    return call.invalid("{} does not expand to [{}]", self.describe(),
                        fmt::join(call.ints(1), ","));
  };
  if (sizes.size() < self.rank()) return refuse();
  const size_t lead = sizes.size() - self.rank();
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t own = i < lead ? 1 : self.size(i - lead);
    if (sizes[i] == -1 && i >= lead) sizes[i] = own;
    if (sizes[i] < 0 || (sizes[i] != own && own != 1)) return refuse();
  }
  if (!element_count(sizes)) return refuse();
  return copy_view(call, self.with_layout(sizes, broadcast_strides(self, sizes)), call.out());
}

Status select(Call& call) {
  PTE_TRY(const Tensor view, select_view(call, call.tensor(0), call.integer(1), call.integer(2)));
  return copy_view(call, view, call.out());
}

Status slice(Call& call) {
  PTE_TRY(const Tensor view,
          slice_view(call, call.tensor(0), call.integer(1), call.optional_integer(2),
                     call.optional_integer(3), call.integer(4)));
  return copy_view(call, view, call.out());
}

Status split_with_sizes(Call& call) {
  const Tensor& self = call.tensor(0);
  const std::vector<int64_t>& parts = call.ints(1);
  std::vector<Tensor>& outs = call.out_list();
  if (self.rank() == 0) return call.invalid("a rank-0 tensor cannot be split");
  PTE_TRY(const int64_t wrapped, wrap_dim(call, call.integer(2), self.rank()));
  const size_t dim = static_cast<size_t>(wrapped);
  const auto total = [&]() -> std::optional<int64_t> {
    int64_t sum = 0;
    for (const int64_t part : parts) {
      if (part < 0 || part > self.size(dim) - sum) return std::nullopt;
      sum += part;
    }
    return sum;
  }();
  if (total != self.size(dim)) {
    return call.invalid("sizes [{}] do not add up to dimension {} of {}", fmt::join(parts, ","),
                        dim, self.describe());
  }
  if (outs.size() != parts.size()) {
    return call.invalid("{} results for {} parts", outs.size(), parts.size());
  }
  int64_t start = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    PTE_CHECK(copy_view(call, slice_of(self, dim, start, parts[i], 1), outs[i]));
    start += parts[i];
  }
  return {};
}

Status cat(Call& call) {
  const std::vector<Tensor>& tensors = call.tensors(0);
  Tensor& out = call.out();
  // An empty tensor of rank 1 joins anything.
  const auto skipped = [](const Tensor& t) { return t.rank() == 1 && t.size(0) == 0; };
  const Tensor* first = nullptr;
  for (const Tensor& t : tensors) {
    if (!skipped(t)) {
      first = &t;
      break;
    }
  }
  if (tensors.empty()) return call.invalid("there is nothing to join");
  if (first == nullptr) return resize_out(call, out, {0});
  if (first->rank() == 0) return call.invalid("rank-0 tensors cannot be joined");
  PTE_TRY(const int64_t wrapped, wrap_dim(call, call.integer(1), first->rank()));
  const size_t dim = static_cast<size_t>(wrapped);
  Sizes sizes = first->sizes();
  sizes[dim] = 0;
  for (const Tensor& t : tensors) {
    if (skipped(t)) continue;
    bool fits = t.rank() == first->rank();
    for (size_t i = 0; fits && i < t.rank(); ++i) fits = i == dim || t.size(i) == sizes[i];
    if (!fits) {
      return call.invalid("{} does not join {} along dimension {}", t.describe(), first->describe(),
                          dim);
    }
    sizes[dim] += t.size(dim);
  }
  PTE_CHECK(resize_out(call, out, sizes));
  int64_t start = 0;
  for (const Tensor& t : tensors) {
    if (skipped(t)) continue;
    Tensor target = slice_of(out, dim, start, t.size(dim), 1);
    PTE_CHECK(copy_converting(call, t, target));
    start += t.size(dim);
  }
  return {};
}

Status stack(Call& call) {
  const std::vector<Tensor>& tensors = call.tensors(0);
  Tensor& out = call.out();
  if (tensors.empty()) return call.invalid("there is nothing to join");
  const Sizes& each = tensors[0].sizes();
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(1), each.size() + 1));
  for (const Tensor& t : tensors) {
    if (t.sizes() != each) {
      return call.invalid("{} and {} have different sizes", tensors[0].describe(), t.describe());
    }
  }
  Sizes sizes = each;
  sizes.insert(sizes.begin() + dim, static_cast<int64_t>(tensors.size()));
  PTE_CHECK(resize_out(call, out, sizes));
  Strides strides = out.strides();
  const int64_t step = strides[static_cast<size_t>(dim)];
  strides.erase(strides.begin() + dim);
  for (size_t i = 0; i < tensors.size(); ++i) {
    Tensor target = out.with_layout(each, strides, static_cast<int64_t>(i) * step);
    PTE_CHECK(copy_converting(call, tensors[i], target));
  }
  return {};
}

Status constant_pad(Call& call) {
  const Tensor& self = call.tensor(0);
  const std::vector<int64_t>& pad = call.ints(1);
  Tensor& out = call.out();
  if (pad.size() % 2 != 0 || pad.size() / 2 > self.rank()) {
    return call.invalid("pad [{}] does not fit {}", fmt::join(pad, ","), self.describe());
  }
  // Pairs (before, after) from the last dimension backwards; negative ones crop.
  Sizes sizes = self.sizes();
  Tensor source = self;
  std::vector<int64_t> before(self.rank(), 0);
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const size_t dim = self.rank() - 1 - i;
    const int64_t low = pad[2 * i];
    const int64_t high = pad[2 * i + 1];
    constexpr int64_t kLimit = int64_t{1} << 40;
    if (std::abs(low) > kLimit || std::abs(high) > kLimit || sizes[dim] + low + high < 0) {
      return call.invalid("pad [{}] does not fit {}", fmt::join(pad, ","), self.describe());
    }
    sizes[dim] += low + high;
    const int64_t first = std::max<int64_t>(-low, 0);
    const int64_t last = self.size(dim) - std::max<int64_t>(-high, 0);
    source = slice_of(source, dim, first, std::max<int64_t>(last - first, 0), 1);
    before[dim] = std::max<int64_t>(low, 0);
  }
  PTE_CHECK(resize_out(call, out, sizes));
  PTE_CHECK(fill_with(call, out, call.scalar(2)));
  if (source.numel() == 0 || out.numel() == 0) return {};
  int64_t offset = 0;
  for (size_t d = 0; d < self.rank(); ++d) offset += before[d] * out.strides()[d];
  Tensor target = out.with_layout(source.sizes(), out.strides(), offset);
  return copy_converting(call, source, target);
}

// Writes one slice of the first argument. A loop writes the slices in order, so the size grows to
// end with the slice just written.
Status copy_index(Call& call) {
  Tensor& self = call.written(0);
  const Tensor& src = call.tensor(1);
  const int64_t index = call.integer(2);
  if (self.rank() == 0 || src.rank() + 1 != self.rank() || index < 0 || index >= INT32_MAX) {
    return call.invalid("{} is no slice {} of {}", src.describe(), index, self.describe());
  }
  if (!self.is_contiguous()) return call.not_supported("a target that is not contiguous");
  Sizes sizes = src.sizes();
  sizes.insert(sizes.begin(), index + 1);
  PTE_CHECK(resize_out(call, self, sizes));
  Strides strides(self.strides().begin() + 1, self.strides().end());
  Tensor target = self.with_layout(src.sizes(), strides, index * self.strides()[0]);
  PTE_CHECK(copy_converting(call, src, target));
  if (call.result_count() > 0) call.out() = self;
  return {};
}

}  // namespace

std::span<const Entry> layout_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_view_copy, view_copy},
      {Op::executorch_prim_et_view, et_view},
      {Op::aten_squeeze_copy_dim, squeeze_dim},
      {Op::aten_squeeze_copy_dims, squeeze_dims},
      {Op::aten_unsqueeze_copy, unsqueeze},
      {Op::aten_permute_copy, permute},
      {Op::aten_transpose_copy_int, transpose},
      {Op::aten_t_copy, t_copy},
      {Op::aten_expand_copy, expand},
      {Op::aten_select_copy_int, select},
      {Op::aten_slice_copy_Tensor, slice},
      {Op::aten_split_with_sizes_copy, split_with_sizes},
      {Op::aten_cat, cat},
      {Op::aten_stack, stack},
      {Op::aten_constant_pad_nd, constant_pad},
      {Op::executorch_prim_et_copy_index, copy_index},
  };
  return kEntries;
}

}  // namespace pte::kernels
