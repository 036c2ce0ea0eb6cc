#include "kernels/common/shape.h"

#include <fmt/ranges.h>

#include "kernels/common/convert.h"

namespace pte::kernels {

Result<int64_t> wrap_dim(const Call& call, int64_t dim, size_t rank) {
  const int64_t count = rank == 0 ? 1 : static_cast<int64_t>(rank);
  if (dim < -count || dim >= count) {
    return call.invalid("dimension {} is out of range for a tensor of rank {}", dim, rank);
  }
  return dim < 0 ? dim + count : dim;
}

Result<std::vector<bool>> dim_mask(const Call& call, const std::vector<int64_t>* dims,
                                   size_t rank) {
  std::vector<bool> mask(rank, dims == nullptr || dims->empty());
  if (dims == nullptr) return mask;
  std::vector<bool> seen(std::max<size_t>(rank, 1), false);
  for (const int64_t dim : *dims) {
    PTE_TRY(const int64_t d, wrap_dim(call, dim, rank));
    if (seen[static_cast<size_t>(d)]) return call.invalid("dimension {} is named twice", dim);
    seen[static_cast<size_t>(d)] = true;
    if (rank > 0) mask[static_cast<size_t>(d)] = true;
  }
  return mask;
}

Result<Sizes> broadcast_sizes(const Call& call, const Sizes& a, const Sizes& b) {
  const size_t rank = std::max(a.size(), b.size());
  Sizes sizes(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i < rank - a.size() ? 1 : a[i - (rank - a.size())];
    const int64_t y = i < rank - b.size() ? 1 : b[i - (rank - b.size())];
    if (x != y && x != 1 && y != 1) {
      return call.invalid("sizes [{}] and [{}] do not broadcast", fmt::join(a, ","),
                          fmt::join(b, ","));
    }
    sizes[i] = x == 1 ? y : x;
  }
  return sizes;
}

Strides broadcast_strides(const Tensor& tensor, const Sizes& sizes) {
  Strides strides(sizes.size(), 0);
  const size_t lead = sizes.size() - tensor.rank();
  for (size_t i = 0; i < tensor.rank(); ++i) {
    if (tensor.size(i) != 1) strides[lead + i] = tensor.strides()[i];
  }
  return strides;
}

Status resize_out(const Call& call, Tensor& out, const Sizes& sizes) {
  return out.resize(sizes).at(call.op().full_name());
}

void Promotion::merge(std::optional<DType>& slot, DType dtype, bool& failed) {
  if (!slot) {
    slot = dtype;
  } else if (const auto both = promote_types(*slot, dtype)) {
    slot = both;
  } else {
    failed = true;
  }
}

Promotion& Promotion::add(const Tensor& tensor) {
  merge(tensor.rank() > 0 ? tensors_ : scalars_, tensor.dtype(), failed_);
  return *this;
}

Promotion& Promotion::add(const Scalar& scalar) {
  const DType dtype = scalar.kind == Scalar::Kind::kFloat  ? DType::kFloat32
                      : scalar.kind == Scalar::Kind::kBool ? DType::kBool
                                                           : DType::kInt64;
  merge(numbers_, dtype, failed_);
  return *this;
}

Result<DType> Promotion::result(const Call& call) const {
  const auto kind = [](DType t) {
    return is_complex(t) ? 3 : is_floating(t) ? 2 : is_integer(t) ? 1 : 0;
  };
  std::optional<DType> type = numbers_;
  for (const std::optional<DType>& higher : {scalars_, tensors_}) {
    if (!higher) continue;
    type = !type || kind(*higher) >= kind(*type) ? higher : promote_types(*higher, *type);
    if (!type) break;
  }
  if (!type || failed_) return call.not_supported("its operands have no common element type");
  return *type;
}

bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && !is_floating(to)) return false;
  return from == DType::kBool || to != DType::kBool;
}

Status check_out_type(const Call& call, DType result, const Tensor& out) {
  if (!is_real(out.dtype())) {
    return call.not_supported("a result of type {}", dtype_name(out.dtype()));
  }
  if (can_cast(result, out.dtype())) return {};
  return call.invalid("its result is {} and cannot be stored as {}", dtype_name(result),
                      dtype_name(out.dtype()));
}

Status check_real(const Call& call, const Tensor& tensor) {
  if (is_real(tensor.dtype())) return {};
  return call.not_supported("operands of type {}", dtype_name(tensor.dtype()));
}

}  // namespace pte::kernels
