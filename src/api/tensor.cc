#include "api/handles.h"
#include "base/checked.h"

namespace pte::api {

Result<Tensor> tensor_from(const pte_tensor* tensor) {
  if (tensor == nullptr) return null_argument("tensor");
  if (tensor->rank > kMaxRank) {
    return invalid_argument("the tensor has {} dimensions, at most {} are possible", tensor->rank,
                            kMaxRank);
  }
  if (tensor->rank > 0 && tensor->sizes == nullptr) return null_argument("the tensor's sizes");
  const auto dtype = dtype_from_code(tensor->dtype);
  if (!dtype || size_of(*dtype) == 0) {
    return invalid_argument("{} is no element type of the API", tensor->dtype);
  }
  Sizes sizes(tensor->sizes, tensor->sizes + tensor->rank);
  const auto count = element_count(sizes);
  if (!count || !byte_count(*dtype, sizes)) {
    return invalid_argument("the sizes of {} are negative or too large",
                            pte::describe(*dtype, sizes));
  }
  Strides strides = tensor->strides == nullptr
                        ? contiguous_strides(sizes)
                        : Strides(tensor->strides, tensor->strides + tensor->rank);
  if (*count > 0) {
    if (tensor->data == nullptr) return null_argument("the tensor's data");
    std::optional<int64_t> last = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (strides[i] < 0)
        return invalid_argument("stride {} is {}, expected 0 or more", i, strides[i]);
      const auto step = checked_mul(strides[i], sizes[i] - 1);
      last = step && last ? checked_add(*last, *step) : std::nullopt;
    }
    const auto elements = last ? checked_add(*last, int64_t{1}) : std::nullopt;
    const auto bytes =
        elements ? checked_mul(*elements, static_cast<int64_t>(size_of(*dtype))) : std::nullopt;
    if (!bytes) return invalid_argument("the tensor's strides reach too far");
    if (tensor->size_bytes != 0 && static_cast<uint64_t>(*bytes) > tensor->size_bytes) {
      return invalid_argument("{} needs {} bytes, the memory given has {}",
                              pte::describe(*dtype, sizes), *bytes, tensor->size_bytes);
    }
  }
  return Tensor::view(*dtype, std::move(sizes), std::move(strides),
                      static_cast<const std::byte*>(tensor->data), nullptr);
}

pte_tensor tensor_to(const Tensor& tensor) {
  pte_tensor out{};
  out.data = const_cast<std::byte*>(tensor.data());
  out.size_bytes = tensor.nbytes();
  out.sizes = tensor.sizes().data();
  out.strides = tensor.strides().data();
  out.rank = static_cast<uint32_t>(tensor.rank());
  out.dtype = static_cast<pte_dtype>(tensor.dtype());
  return out;
}

}  // namespace pte::api

extern "C" {

size_t pte_dtype_size(pte_dtype dtype) {
  const auto known = pte::dtype_from_code(dtype);
  return known ? pte::size_of(*known) : 0;
}

const char* pte_dtype_name(pte_dtype dtype) {
  const auto known = pte::dtype_from_code(dtype);
  // The names are literals.
  return known ? pte::dtype_name(*known).data() : "unknown";
}

const char* pte_kind_name(pte_kind kind) {
  static constexpr const char* kNames[] = {"None",
                                           "Tensor",
                                           "Int",
                                           "Double",
                                           "Bool",
                                           "String",
                                           "IntList",
                                           "DoubleList",
                                           "BoolList",
                                           "TensorList",
                                           "OptionalTensorList"};
  const auto index = static_cast<size_t>(kind);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

}  // extern "C"
