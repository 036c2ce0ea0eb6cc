// Models as people have them, by content rather than by name.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "importers/import.h"
#include "ir/graph.h"
#include "program/program.h"
#include "vision/metadata.h"

namespace pte::cli {

struct LoadOptions {
  std::string architecture;                  // --model; empty: recognised from the keys
  std::vector<std::vector<int64_t>> shapes;  // --input-shapes; empty: the model's own
  importers::ImportOptions import;           // for files that carry a graph; its shapes are unused
};

struct LoadedModel {
  ir::Module module;
  std::string name;         // "efficientnet_lite0": what output files are called after
  std::string format;       // "legacy torch.save, 296 tensors, 4.65 M parameters"
  bool recognised = false;  // an architecture of the zoo, found from the keys
  std::optional<vision::Metadata> metadata;
  // Inputs that the file brought along, by method.
  std::map<std::string, std::vector<EValue>, std::less<>> examples;
  // The same network on inputs that cost little; null where the sizes cannot be chosen.
  std::function<Result<ir::Module>()> smaller;
};

// A file that carries a graph (.pt2, TorchScript, ONNX) or a checkpoint. Errors begin with the
// file's path.
Result<LoadedModel> load_model(const std::string& path, const LoadOptions& options);

// A .pte as it is; anything that load_model() takes as a portable program made in memory.
Result<program::Program> load_program(const std::string& path, const LoadOptions& options);

// Class names, one a line.
Result<std::vector<std::string>> load_labels(const std::string& path);

// "1,3,224,224;1,100"
Result<std::vector<std::vector<int64_t>>> parse_shapes(const std::string& text);

}  // namespace pte::cli
