// ONNX models (.onnx), opset 7 and later, read into the IR without protobuf.
//
// The graph is inlined: functions, branches whose condition is known, loops of known length. Shape
// arithmetic leaves no calls behind. Weights are views of the file, or of the file beside it that
// holds them, wherever their bytes lie as an element type asks for.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "importers/import.h"

namespace pte::importers {

struct OnnxImport {
  Imported imported;
  // Inputs whose values had to be known and were taken from the example; the program does not take
  // them any more.
  std::vector<std::string> fixed_inputs;
  // Every input of the file in its order, for telling which the program takes.
  std::vector<std::string> inputs;
};

// Sizes that the file leaves open come from `input_shapes`, from `example`, or stay open within the
// bounds of `dynamic`. Types that no kernel has are carried in wider ones: 4-bit and 2-bit integers
// in 8 bits, float8 and float4 in float32, rounded where the model casts.
//
// Fails with kInvalidData for damaged files, kUnsupported for what cannot be expressed (all
// operators that have no rule at once, with their counts), kInvalidArgument for options that do not
// fit. Messages start with the path.
Result<OnnxImport> import_onnx(const MappedFile& file, const ImportOptions& options = {});

// A TensorProto alone, as the ONNX project keeps the expected results of its operator tests.
Result<Tensor> read_onnx_tensor(const MappedFile& file);

}  // namespace pte::importers
