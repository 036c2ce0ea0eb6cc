#include "tensor/tensor.h"

#include <fmt/ranges.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>

#include "base/checked.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PTE_HAS_ASAN 1  // it must see where each tensor ends
#endif
#endif

namespace pte {

DimOrder contiguous_dim_order(size_t rank) {
  DimOrder order(rank);
  std::iota(order.begin(), order.end(), uint8_t{0});
  return order;
}

DimOrder channels_last_dim_order(size_t rank) {
  if (rank == 4) return {0, 2, 3, 1};
  if (rank == 5) return {0, 2, 3, 4, 1};
  return contiguous_dim_order(rank);
}

bool is_contiguous(const DimOrder& order) { return std::is_sorted(order.begin(), order.end()); }

bool is_permutation(std::span<const uint8_t> order) {
  uint32_t seen = 0;
  if (order.size() > kMaxRank) return false;
  for (const uint8_t dim : order) {
    if (dim >= order.size() || (seen >> dim & 1U) != 0) return false;
    seen |= 1U << dim;
  }
  return true;
}

Strides strides_of(const Sizes& sizes, const DimOrder& order) {
  Strides strides(sizes.size());
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    step *= std::max<int64_t>(sizes[order[i]], 1);
  }
  return strides;
}

Strides contiguous_strides(const Sizes& sizes) {
  return strides_of(sizes, contiguous_dim_order(sizes.size()));
}

DimOrder dim_order_of(const Strides& strides) {
  DimOrder order = contiguous_dim_order(strides.size());
  std::stable_sort(order.begin(), order.end(),
                   [&](uint8_t a, uint8_t b) { return strides[a] > strides[b]; });
  return order;
}

std::optional<int64_t> element_count(std::span<const int64_t> sizes) {
  int64_t count = 1;
  bool empty = false;
  for (const int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    // A zero makes the product zero, yet the other sizes must still multiply without overflow.
    empty = empty || size == 0;
    const auto product = checked_mul(count, std::max<int64_t>(size, 1));
    if (!product) return std::nullopt;
    count = *product;
  }
  return empty ? 0 : count;
}

std::optional<size_t> byte_count(DType dtype, std::span<const int64_t> sizes) {
  const auto count = element_count(sizes);
  if (!count) return std::nullopt;
  return checked_mul(static_cast<size_t>(*count), size_of(dtype));
}

std::string describe(DType dtype, std::span<const int64_t> sizes) {
  return fmt::format("{}[{}]", dtype_name(dtype), fmt::join(sizes, ","));
}

namespace {

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(PTE_HAS_ASAN)
#define PTE_MAP_LARGE_TENSORS 1
#endif

#ifdef PTE_MAP_LARGE_TENSORS
// Zeroed pages straight from the system, which come only when they are touched: an arena of which
// little is used costs little. Large ones sit on huge pages where the system has them, as touching
// new memory in small pages can cost more than computing what goes into it.
std::shared_ptr<std::byte> map_zeros(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : 1;
  const size_t mapped = bytes + alignment - 1;
  void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  const auto start = align_up(reinterpret_cast<size_t>(base), alignment);
  auto* memory = reinterpret_cast<std::byte*>(start);
  if (alignment == kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
  return {memory, [base, mapped](std::byte*) { munmap(base, mapped); }};
}
#endif

// Null when memory cannot be had.
std::shared_ptr<std::byte> allocate_zeros(size_t bytes) {
  constexpr size_t kAlignment = 64;
  if (bytes > SIZE_MAX / 2) return nullptr;
#ifdef PTE_MAP_LARGE_TENSORS
  constexpr size_t kLarge = size_t{128} << 10;
  if (bytes >= kLarge) return map_zeros(bytes);
#endif
  const size_t rounded = std::max(align_up(bytes, kAlignment), kAlignment);
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  if (memory == nullptr) return nullptr;
  std::memset(memory, 0, rounded);
  return {memory, [](std::byte* p) { std::free(p); }};
}

}  // namespace

Result<Tensor> Tensor::zeros(DType dtype, Sizes sizes, DimOrder order) {
  const auto bytes = byte_count(dtype, sizes);
  std::shared_ptr<std::byte> memory;
  if (bytes) memory = allocate_zeros(*bytes);
  if (memory == nullptr) {
    return make_error(Code::kResourceLimit, "cannot allocate a tensor {}",
                      pte::describe(dtype, sizes));
  }
  if (order.empty()) order = contiguous_dim_order(sizes.size());
  Strides strides = strides_of(sizes, order);
  const std::byte* data = memory.get();
  return view(dtype, std::move(sizes), std::move(strides), data, std::move(memory));
}

Tensor Tensor::view(DType dtype, Sizes sizes, Strides strides, const std::byte* data,
                    std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.sizes_ = std::move(sizes);
  tensor.strides_ = std::move(strides);
  tensor.data_ = data;
  tensor.owner_ = std::move(owner);
  tensor.capacity_ = tensor.nbytes();
  return tensor;
}

int64_t Tensor::numel() const {
  return std::accumulate(sizes_.begin(), sizes_.end(), int64_t{1}, std::multiplies<>());
}

bool Tensor::is_contiguous() const { return is_dense_in(contiguous_dim_order(rank())); }

bool Tensor::is_dense_in(const DimOrder& order) const {
  if (numel() == 0) return true;
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    const size_t dim = order[i];
    if (sizes_[dim] != 1 && strides_[dim] != step) return false;
    step *= sizes_[dim];
  }
  return true;
}

Tensor Tensor::with_layout(Sizes sizes, Strides strides, int64_t offset) const {
  return view(dtype_, std::move(sizes), std::move(strides),
              data_ == nullptr ? nullptr : data_ + offset * static_cast<int64_t>(size_of(dtype_)),
              owner_);
}

Result<Tensor> Tensor::contiguous() const {
  if (is_contiguous()) {
    Tensor same = *this;
    same.strides_ = contiguous_strides(sizes_);
    return same;
  }
  return in_dim_order(contiguous_dim_order(rank()));
}

Result<Tensor> Tensor::in_dim_order(const DimOrder& order) const {
  PTE_TRY(Tensor copy, zeros(dtype_, sizes_, order));
  PTE_CHECK(copy_elements(*this, copy));
  return copy;
}

Status Tensor::resize(const Sizes& sizes) {
  if (sizes == sizes_) return {};
  const auto bytes = byte_count(dtype_, sizes);
  if (!bytes || *bytes > capacity_ || sizes.size() != sizes_.size()) {
    return make_error(Code::kMismatch, "{} does not fit a result planned as {} ({} bytes)",
                      pte::describe(dtype_, sizes), describe(), capacity_);
  }
  const DimOrder order = dim_order_of(strides_);
  sizes_ = sizes;
  strides_ = strides_of(sizes, order);
  return {};
}

Status copy_elements(const Tensor& from, Tensor& to) {
  if (from.dtype() != to.dtype() || from.sizes() != to.sizes()) {
    return make_error(Code::kMismatch, "cannot copy {} into {}", from.describe(), to.describe());
  }
  const int64_t count = from.numel();
  if (count == 0) return {};
  const size_t element = size_of(from.dtype());
  if (from.strides() == to.strides() && from.is_dense_in(from.dim_order())) {
    std::memmove(to.mutable_data(), from.data(), from.nbytes());
    return {};
  }
  // Walk the destination in row-major order, the innermost dimension in one run.
  const size_t rank = from.rank();
  if (rank == 0) {
    std::memmove(to.mutable_data(), from.data(), element);
    return {};
  }
  const auto copy_run = [&](const std::byte* source, std::byte* target) {
    const int64_t n = from.size(rank - 1);
    const int64_t source_step = from.strides()[rank - 1] * static_cast<int64_t>(element);
    const int64_t target_step = to.strides()[rank - 1] * static_cast<int64_t>(element);
    if (source_step == static_cast<int64_t>(element) && target_step == source_step) {
      std::memmove(target, source, static_cast<size_t>(n) * element);
      return;
    }
    const auto run = [&]<typename T>(T) {
      for (int64_t i = 0; i < n; ++i) {
        T value;
        std::memcpy(&value, source + i * source_step, sizeof(T));
        std::memcpy(target + i * target_step, &value, sizeof(T));
      }
    };
    switch (element) {
      case 1:
        run(uint8_t{});
        break;
      case 2:
        run(uint16_t{});
        break;
      case 4:
        run(uint32_t{});
        break;
      case 8:
        run(uint64_t{});
        break;
      default:
        for (int64_t i = 0; i < n; ++i)
          std::memmove(target + i * target_step, source + i * source_step, element);
    }
  };
  Sizes index(rank, 0);
  int64_t source_offset = 0;
  int64_t target_offset = 0;
  while (true) {
    copy_run(from.data() + source_offset * static_cast<int64_t>(element),
             to.mutable_data() + target_offset * static_cast<int64_t>(element));
    size_t dim = rank - 1;
    while (dim-- > 0) {
      source_offset += from.strides()[dim];
      target_offset += to.strides()[dim];
      if (++index[dim] < from.size(dim)) break;
      source_offset -= from.strides()[dim] * from.size(dim);
      target_offset -= to.strides()[dim] * from.size(dim);
      index[dim] = 0;
    }
    if (dim == SIZE_MAX) return {};
  }
}

}  // namespace pte
