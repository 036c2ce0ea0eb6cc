// Elements of TensorProto messages, in the file or in files beside it.
#pragma once

#include <map>
#include <string>

#include "importers/onnx/model.h"
#include "tensor/tensor.h"

namespace pte::importers::onnx {

// The type that carries elements of an ONNX type here: 4-bit and 2-bit integers lie in 8 bits,
// float8 and float4 values in float32. Fails with kUnsupported for strings and complex numbers.
Result<DType> carrier_type(int32_t element_type);
// True for the types whose values lie in a wider type.
bool is_carried(int32_t element_type);

class TensorReader {
 public:
  explicit TensorReader(const MappedFile& file) : file_(file) {}

  // A view of the file where the bytes lie as they must, else a copy. External data must lie in the
  // model's own folder.
  Result<Tensor> read(const TensorDef& def);

 private:
  Result<Bytes> external(const TensorDef& def, std::shared_ptr<const void>& owner);
  Result<const MappedFile*> open(std::string_view location);

  const MappedFile& file_;
  std::map<std::string, MappedFile, std::less<>> files_;
};

// The value of a narrow float, from its bits.
float decode_narrow_float(int32_t element_type, uint8_t bits);

}  // namespace pte::importers::onnx
