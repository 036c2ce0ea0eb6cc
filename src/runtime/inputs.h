// What a method may be given, and what .ptd files give it: rules that everything that runs programs
// shares, so that mistakes read the same whatever runs them.
#pragma once

#include <string>

#include "base/result.h"
#include "program/program.h"
#include "program/ptd.h"
#include "tensor/evalue.h"

namespace pte::runtime {

// "float32[2,3]", "Int 3", "String "mean"", for messages.
std::string text_of(const EValue& value);

// Whether input `where` ("input 0 'picture'"), which the program has as `planned`, may be `value`:
// tensors of its type and sizes (at most them, where dynamic) with memory; numbers and texts as
// they were fixed at export.
Status check_input(const program::Value& planned, std::string_view where, const EValue& value);

// What a .ptd file has for an external tensor; `data` may be null.
Result<Tensor> external_tensor(const program::TensorValue& tensor, const program::DataMap* data);

// Fails when a .ptd file and the program hold data of one name, as the official runtime does.
Status check_data_keys(const program::Program& program, const program::DataMap* data);

}  // namespace pte::runtime
