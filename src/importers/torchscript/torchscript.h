// TorchScript modules (torch.jit.save, traced and scripted) and mobile modules (.ptl), read into
// the IR without Python.
//
// A method is executed at import (evaluator.h): its calls are inlined, what is known of sizes and
// numbers is computed, and what depends on the input becomes a graph.
#pragma once

#include "base/file.h"
#include "base/result.h"
#include "importers/import.h"

namespace pte::importers {

// The methods of `options.program` ("forward"; several as "forward,encode", or "all") with inputs
// of `options.input_shapes`, or as `options.example` has them, those of several methods in a row;
// an example that is a number is taken as that number for good. State that a method leaves in its
// module is buffers of that method (method_reader.h). Fails
// with kInvalidData for damaged archives, kInvalidArgument for inputs that the method does not take
// or that its own checks refuse, kUnsupported for what ptekit lacks (every operator is listed, with
// its count and the lines of the archive's code), kResourceLimit for code that does not end.
Result<Imported> import_torchscript(const MappedFile& file, const ImportOptions& options = {});

}  // namespace pte::importers
