// NumPy's scalars and arrays as they stand in pickles.
#pragma once

#include <variant>

#include "importers/checkpoint/pickle.h"
#include "tensor/tensor.h"

namespace pte::importers {

struct NumpyArray {
  DType dtype = DType::kFloat32;
  Sizes sizes;
  bool fortran = false;  // the first dimension varies fastest
  // What numpy_bytes() takes. Arrays that share it share their bytes.
  PickleValue data;
};

bool is_numpy_array(const PickleValue& value);
// Fails with kUnsupported for object, string, record and big-endian arrays.
Result<NumpyArray> read_numpy_array(const PickleValue& value);
// The bytes of a bytes value, or of a call _codecs.encode(text, 'latin1') that protocol 2 writes
// for them.
Result<std::vector<std::byte>> numpy_bytes(const PickleValue& value);

// The value of numpy.core.multiarray.scalar(dtype, bytes), or nothing when this is no such scalar
// or one of a type without a plain number.
std::optional<std::variant<bool, int64_t, double>> read_numpy_scalar(const PickleValue& value);

}  // namespace pte::importers
