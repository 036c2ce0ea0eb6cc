// Indexing with tensors, x[:, [1, 2], mask], read and written.
#include <fmt/ranges.h>

#include "kernels/common/dense.h"
#include "kernels/families.h"
#include "kernels/index/places.h"

namespace pte::kernels {
namespace {

// One dimension's indices: a tensor of integers, or the places that a mask selects.
struct Picker {
  size_t dim = 0;
  Tensor index;
  std::vector<int64_t> places;  // of a mask, instead of `index`
  bool mask = false;

  Sizes sizes() const { return mask ? Sizes{static_cast<int64_t>(places.size())} : index.sizes(); }
};

// What is indexed, as strides: the result's dimensions in order, and for those of the indices
// (`at`, `count`) a table of offsets.
struct Selection {
  Sizes sizes;                   // of the result
  Strides strides;               // into self, 0 for the dimensions of the indices
  Strides table_strides;         // into `offsets`, 0 for the others
  std::vector<int64_t> offsets;  // in elements of self, each in range
};

bool is_mask(const Tensor& index) {
  return index.dtype() == DType::kBool || index.dtype() == DType::kUInt8;
}

// A mask over dimensions [dim, dim + rank) as one list of places for each.
Status expand_mask(const Call& call, const Tensor& self, const Tensor& mask, size_t dim,
                   std::vector<Picker>& pickers) {
  if (mask.rank() == 0) return call.not_supported("a mask of rank 0");
  bool fits = dim + mask.rank() <= self.rank();
  for (size_t d = 0; fits && d < mask.rank(); ++d) fits = mask.size(d) == self.size(dim + d);
  if (!fits) {
    return call.invalid("a mask of sizes [{}] does not fit dimension {} of {}",
                        fmt::join(mask.sizes(), ","), dim, self.describe());
  }
  PTE_TRY(const Tensor dense, mask.contiguous());
  const size_t first = pickers.size();
  for (size_t d = 0; d < mask.rank(); ++d) pickers.push_back({dim + d, {}, {}, true});
  const auto* flags = dense.data_as<uint8_t>();
  for (int64_t i = 0; i < dense.numel(); ++i) {
    if (flags[i] == 0) continue;
    int64_t rest = i;
    for (size_t d = mask.rank(); d-- > 0;) {
      pickers[first + d].places.push_back(rest % mask.size(d));
      rest /= mask.size(d);
    }
  }
  return {};
}

// Which dimensions are indexed, and by what.
Result<std::vector<Picker>> read_pickers(const Call& call, const Tensor& self) {
  std::vector<Picker> pickers;
  size_t dim = 0;
  for (const std::optional<Tensor>& index : call.optional_tensors(1)) {
    if (!index) {
      ++dim;
      continue;
    }
    if (is_mask(*index)) {
      PTE_CHECK(expand_mask(call, self, *index, dim, pickers));
      dim += index->rank();
      continue;
    }
    PTE_CHECK(check_index_type(call, *index));
    pickers.push_back({dim, *index, {}, false});
    ++dim;
  }
  if (dim > self.rank()) {
    return call.invalid("indices for {} dimensions of {}", dim, self.describe());
  }
  return pickers;
}

// Adds one dimension's share to the offsets, its indices broadcast to `sizes`.
Status add_offsets(const Call& call, const Tensor& self, const Picker& picker, const Sizes& sizes,
                   std::vector<int64_t>& offsets) {
  const int64_t size = self.size(picker.dim);
  const int64_t stride = self.strides()[picker.dim];
  Tensor list;
  if (picker.mask) {
    // Only strides matter here; the places are in a list of their own.
    list = Tensor::view(DType::kInt64, picker.sizes(), {1}, nullptr, {});
  }
  const Tensor& index = picker.mask ? list : picker.index;
  const Loop loop(sizes, std::array{contiguous_strides(sizes), broadcast_strides(index, sizes)});
  BadIndex bad;
  loop.run(0, loop.count(), [&](const int64_t* at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t from = at[1] + i * loop.step(1);
      int64_t place =
          picker.mask ? picker.places[static_cast<size_t>(from)] : load_integer(index, from);
      if (place < 0 && place >= -size) place += size;
      if (!bad.accepts(place, size)) return;
      offsets[static_cast<size_t>(at[0] + i * loop.step(0))] += place * stride;
    }
  });
  return bad.status(call, size);
}

Result<Selection> resolve(const Call& call, const Tensor& self) {
  PTE_TRY(const std::vector<Picker> pickers, read_pickers(call, self));
  Sizes shared;
  for (const Picker& picker : pickers) {
    PTE_TRY(shared, broadcast_sizes(call, shared, picker.sizes()));
  }
  std::vector<bool> indexed(self.rank(), false);
  for (const Picker& picker : pickers) indexed[picker.dim] = true;
  // The indices' dimensions stand where theirs stood; when those lie apart, in front.
  size_t front = 0;
  bool together = true;
  if (!pickers.empty()) {
    together = pickers.back().dim - pickers.front().dim + 1 == pickers.size();
    front = together ? pickers.front().dim : 0;
  }
  Selection s;
  const auto add_shared = [&] {
    const Strides table = contiguous_strides(shared);
    s.sizes.insert(s.sizes.end(), shared.begin(), shared.end());
    s.strides.insert(s.strides.end(), shared.size(), 0);
    s.table_strides.insert(s.table_strides.end(), table.begin(), table.end());
  };
  for (size_t d = 0; d <= self.rank(); ++d) {
    if (d == front) add_shared();
    if (d == self.rank() || indexed[d]) continue;
    s.sizes.push_back(self.size(d));
    s.strides.push_back(self.strides()[d]);
    s.table_strides.push_back(0);
  }
  const auto count = element_count(s.sizes);
  if (!count || s.sizes.size() > kMaxRank) {
    return call.invalid("its result of sizes [{}] is too large", fmt::join(s.sizes, ","));
  }
  // Where nothing is selected no index is read.
  if (*count == 0) return s;
  // Bounded by the result's size, which the caller holds memory for (or that of the values).
  s.offsets.assign(static_cast<size_t>(*element_count(shared)), 0);
  for (const Picker& picker : pickers) {
    PTE_CHECK(add_offsets(call, self, picker, shared, s.offsets));
  }
  return s;
}

Status index_tensor(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_TRY(const Selection s, resolve(call, self));
  PTE_CHECK(resize_out(call, out, s.sizes));
  PTE_TRY(RawOut result, RawOut::make(call, out, self.dtype()));
  if (out.numel() == 0) return {};
  const Loop loop(s.sizes, std::array{contiguous_strides(s.sizes), s.strides, s.table_strides});
  const bool known = with_word(size_of(self.dtype()), [&]<typename W>(W) {
    const W* from = self.data_as<W>();
    W* to = result.data_as<W>();
    call.parallel_for(loop.count(), 1 << 14, [&](int64_t begin, int64_t end) {
      loop.run(begin, end, [&](const int64_t* at, int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
          to[at[0] + i * loop.step(0)] =
              from[at[1] + i * loop.step(1) +
                   s.offsets[static_cast<size_t>(at[2] + i * loop.step(2))]];
        }
      });
    });
  });
  if (!known) return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  return result.commit(call);
}

// Writes `values` into `target`, a contiguous tensor; of several for one place the last one stays,
// or all add up.
Status put(Call& call, Tensor& target, const Tensor& values, bool accumulate) {
  PTE_TRY(const Selection s, resolve(call, target));
  if (values.dtype() != target.dtype()) {
    return call.invalid("values of type {} for a tensor of type {}", dtype_name(values.dtype()),
                        dtype_name(target.dtype()));
  }
  PTE_TRY(const Sizes both, broadcast_sizes(call, s.sizes, values.sizes()));
  if (both != s.sizes) {
    return call.invalid("values {} do not broadcast to [{}]", values.describe(),
                        fmt::join(s.sizes, ","));
  }
  if (*element_count(s.sizes) == 0) return {};
  const Loop loop(s.sizes, std::array{contiguous_strides(s.sizes), s.strides, s.table_strides,
                                      broadcast_strides(values, s.sizes)});
  const auto for_each = [&](const auto& write) {
    loop.run(0, loop.count(), [&](const int64_t* at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        write(at[1] + i * loop.step(1) + s.offsets[static_cast<size_t>(at[2] + i * loop.step(2))],
              at[3] + i * loop.step(3));
      }
    });
  };
  if (!accumulate) {
    const bool known = with_word(size_of(target.dtype()), [&]<typename W>(W) {
      W* to = target.mutable_data_as<W>();
      const W* from = values.data_as<W>();
      for_each([&](int64_t t, int64_t f) { to[t] = from[f]; });
    });
    if (!known) return call.not_supported("operands of type {}", dtype_name(target.dtype()));
    return {};
  }
  PTE_CHECK(check_real(call, target));
  const auto size = static_cast<int64_t>(size_of(target.dtype()));
  dispatch_compute(target.dtype(), [&]<typename C>(C) {
    using Wrap = std::conditional_t<std::is_integral_v<C>, uint64_t, C>;
    for_each([&](int64_t t, int64_t f) {
      C sum{};
      C term{};
      std::byte* const place = target.mutable_data() + t * size;
      load_run<C>(target.dtype(), place, 1, 1, &sum);
      load_run<C>(values.dtype(), values.data() + f * size, 1, 1, &term);
      sum = static_cast<C>(static_cast<Wrap>(sum) + static_cast<Wrap>(term));
      store_run<C>(target.dtype(), place, 1, 1, &sum);
    });
  });
  return {};
}

// Puts values into a contiguous copy of `self` that becomes `out`.
Status put_into(Call& call, const Tensor& self, Tensor& out) {
  PTE_TRY(RawOut result, RawOut::make(call, out, self.dtype()));
  Tensor target =
      Tensor::view(self.dtype(), self.sizes(), contiguous_strides(self.sizes()), result.data(), {});
  if (self.data() != target.data()) PTE_CHECK(copy_elements(self, target));
  PTE_CHECK(put(call, target, call.tensor(2), call.boolean(3)));
  return result.commit(call);
}

Status index_put(Call& call) {
  PTE_CHECK(resize_out(call, call.out(), call.tensor(0).sizes()));
  return put_into(call, call.tensor(0), call.out());
}

Status index_put_in_place(Call& call) {
  Tensor& self = call.written(0);
  PTE_CHECK(put_into(call, self, self));
  // A caller that lists the written tensor again as the result may hold it as a second value.
  if (call.result_count() > 0) call.out() = self;
  return {};
}

}  // namespace

std::span<const Entry> advanced_index_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_index_Tensor, index_tensor},
      {Op::aten_index_put, index_put},
      {Op::aten_put, put_flat},
      {Op::aten_index_put_, index_put_in_place},
  };
  return kEntries;
}

}  // namespace pte::kernels
