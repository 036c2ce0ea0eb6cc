// Architectures that can be rebuilt from a state dict alone: their graphs are written here, the
// weights come from the checkpoint. One file an architecture; a row in zoo.cc makes it known.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ir/graph.h"
#include "tensor/state_dict.h"

namespace pte::zoo {

class Net;

struct Architecture {
  std::string_view name;         // "efficientnet_lite0"
  std::string_view description;  // one line
  std::string_view input;        // what the default input is, "float32[1,3,224,224]"
  // Which preprocessing the model was trained with, by the name that vision knows it by; empty for
  // models that see no pictures.
  std::string_view preprocessing;
  std::string_view source;   // where the architecture and its published weights come from
  std::string_view licence;  // of those weights

  // The shapes that build() uses when none are given; may depend on the checkpoint's metadata.
  std::vector<Sizes> (*default_inputs)(const StateDict& state);
  // Checks input shapes (count and rank are those of the default or another that it takes).
  Status (*check_inputs)(const std::vector<Sizes>& inputs);
  // Describes the network once: run to learn the keys it needs, then again to make the graph.
  ir::Value* (*define)(Net& net, const std::vector<ir::Value*>& inputs);
};

std::span<const Architecture> architectures();
// Null when there is none.
const Architecture* find(std::string_view name);

// The architecture whose keys these are, a few missing or too many allowed (build() names them).
// Fails with kNotFound, naming the nearest.
Result<const Architecture*> recognise(const StateDict& state);

struct BuildOptions {
  std::vector<Sizes> input_shapes;  // empty: the architecture's defaults
  std::optional<ir::Range>
      dynamic_batch;  // dimension 0 of every input becomes a symbol of this range
};

// A verified module with one method, forward. Constants are named as in the state dict and view
// its memory; weights that are not float32 are converted. Fails with kMismatch when keys are
// missing, unexpected or wrongly shaped (all are listed, up to a point), with kInvalidArgument for
// input shapes that the network cannot take.
Result<ir::Module> build(const Architecture& architecture, const StateDict& state,
                         const BuildOptions& options = {});
// The same by name; an unknown name fails with kInvalidArgument and lists what there is.
Result<ir::Module> build(std::string_view name, const StateDict& state,
                         const BuildOptions& options = {});

}  // namespace pte::zoo
