// Quantized values outside a delegate: the parts that the kernels share, and their table.
#include "kernels/quantized/quantize.h"

namespace pte::kernels {

Status check_quantized_type(const Call& call, DType dtype, int64_t low, int64_t high) {
  int64_t least = 0;
  int64_t most = 0;
  switch (dtype) {
    case DType::kUInt8:
      most = UINT8_MAX;
      break;
    case DType::kInt8:
      least = INT8_MIN;
      most = INT8_MAX;
      break;
    case DType::kUInt16:
      most = UINT16_MAX;
      break;
    case DType::kInt16:
      least = INT16_MIN;
      most = INT16_MAX;
      break;
    case DType::kInt32:
      least = INT32_MIN;
      most = INT32_MAX;
      break;
    default:
      return call.not_supported("quantized values of type {}", dtype_name(dtype));
  }
  if (low >= least && high <= most) return {};
  return call.invalid("the range {} to {} does not fit {}", low, high, dtype_name(dtype));
}

Result<DType> dtype_argument(const Call& call, size_t arg, DType otherwise) {
  if (call.is_none(arg)) return otherwise;
  const auto dtype = dtype_from_code(call.integer(arg));
  if (!dtype) {
    return call.invalid("{} is {}, which is no element type", call.op().args[arg].name,
                        call.integer(arg));
  }
  return *dtype;
}

Result<std::vector<double>> doubles_of(const Call& call, const Tensor& tensor) {
  PTE_TRY(const Tensor dense, dense_as<double>(call, tensor));
  const double* data = dense.data_as<double>();
  return std::vector<double>(data, data + dense.numel());
}

Result<DType> promoted(const Call& call, DType a, DType b) {
  const auto both = promote_types(a, b);
  if (!both) {
    return call.not_supported("{} with {}", dtype_name(a), dtype_name(b));
  }
  return *both;
}

std::span<const Entry> quantized_kernels() {
  static const std::vector<Entry> entries = [] {
    std::vector<Entry> all;
    for (const auto part : {quantize_entries(), choose_entries(), lookup_entries()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return entries;
}

}  // namespace pte::kernels
