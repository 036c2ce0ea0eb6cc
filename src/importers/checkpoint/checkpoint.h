// torch.save checkpoints (.pth, .pt, .ckpt), both the zip format and the legacy one, and
// safetensors, in one file or several, without Python: named tensors as views of the mapped file,
// and what was saved beside them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/file.h"
#include "importers/checkpoint/contents.h"
#include "tensor/state_dict.h"

namespace pte::importers {

struct Checkpoint {
  std::string format;       // "torch.save zip", "legacy torch.save", "pickle", "safetensors"
  StateDict state;          // in file order; metadata holds the scalars of `metadata` by path
  int64_t parameters = 0;   // as StateDict::parameter_count(); buffers of whole modules left out
  std::string found_under;  // "model_state_dict"; "" when the file is the state dict
  nlohmann::json metadata;  // an object: the file's other entries, as plain JSON
  // Of a whole pickled module: its plain attributes and its "class"; else empty.
  nlohmann::json attributes = nlohmann::json::object();
};

using CheckpointOptions = FindOptions;

// Tensors are views of the file; those whose storage is not aligned for its element type (all of a
// legacy file, as a rule) are copied. Fails with kInvalidData for files that are damaged or no
// checkpoints (the message says what the file looks like instead), with kUnsupported for big-endian
// files, quantized and sparse tensors and pickles that ask to run code. Messages start with the
// path.
Result<Checkpoint> load_checkpoint(const std::string& path, const CheckpointOptions& options = {});
Result<Checkpoint> load_checkpoint(const MappedFile& file, const CheckpointOptions& options = {});

}  // namespace pte::importers
