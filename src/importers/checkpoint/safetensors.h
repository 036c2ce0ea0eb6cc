// safetensors files: a JSON header with names, types and places, then the tensors; and the index
// that says which of several files holds which tensor.
#pragma once

#include "importers/checkpoint/checkpoint.h"

namespace pte::importers {

// One file. Tensors are views; the strings of its "__metadata__" become metadata. Fails with
// kInvalidData when the header contradicts itself or the file, with kUnsupported for types that
// tensors cannot have here.
Result<Checkpoint> load_safetensors(const MappedFile& file);

// "model.safetensors.index.json": the tensors of all files that it names, which lie beside it. A
// name that leaves the folder is refused.
Result<Checkpoint> load_safetensors_index(const MappedFile& index);

}  // namespace pte::importers
