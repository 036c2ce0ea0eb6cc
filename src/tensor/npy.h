// NumPy's .npy files, versions 1 to 3: what `pte run` reads and writes.
#pragma once

#include <string>

#include "base/file.h"
#include "base/result.h"
#include "tensor/tensor.h"

namespace pte {

// A view of the file's elements (Fortran order becomes strides). Types: bool, (u)int8-64,
// float16/32/64, little-endian. Errors name the file and what was expected.
Result<Tensor> read_npy(const MappedFile& file);
Result<Tensor> read_npy(const std::string& path);

// Version 1.0, C order; bfloat16 has no NumPy type and is written as float32.
Status write_npy(const std::string& path, const Tensor& tensor);

}  // namespace pte
