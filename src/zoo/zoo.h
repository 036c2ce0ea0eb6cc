// Architectures that can be rebuilt from a checkpoint: their graphs are written here, the weights
// come from the checkpoint. One file a family; a row in zoo.cc makes it known.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
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

// Weights of other floating types, converted for the graphs of a model. Two graphs made of one
// source share them; they go with the last module that holds them. Used by one thread.
class Float32Weights {
 public:
  // `tensor`, called `name`, as float32, dense row-major: a view where it is that already.
  Result<Tensor> get(const std::string& name, const Tensor& tensor);

 private:
  struct Copy {
    std::weak_ptr<const void> owner;
    const std::byte* data = nullptr;
  };
  std::map<std::string, Copy> copies_;
};

// What a model is rebuilt from: tensors, and what a pickled module says about itself.
struct Source {
  Source(const StateDict& tensors) : state(tensors) {}  // NOLINT: weights alone are enough
  Source(const StateDict& tensors, const nlohmann::json& attributes)
      : state(tensors), config(attributes) {}
  const StateDict& state;
  nlohmann::json config;  // attributes of the module: {"class": …, "yaml": {…}, "names": {…}}
  std::shared_ptr<Float32Weights> float32 = std::make_shared<Float32Weights>();
};

struct Input {
  std::string name = "x";
  Sizes sizes;
  DType dtype = DType::kFloat32;
};

// One entry point of a model.
struct Method {
  std::string name = "forward";
  // What it takes unless the caller says otherwise; may depend on the checkpoint.
  std::function<std::vector<Input>(const Source&)> inputs;
  // Inputs on which the same network costs little, for a quick look at whether a program of it
  // computes what it should; may be absent.
  std::function<std::vector<Input>(const Source&)> small = {};
  // Checks other sizes, as many inputs as `inputs` gives.
  std::function<Status(const Source&, const std::vector<Sizes>&)> check;
  // Describes the network and gives its outputs: run once to learn the keys it needs, then again to
  // make the graph.
  std::function<std::vector<ir::Value*>(Net&, const std::vector<ir::Value*>&)> define;
};

struct Architecture {
  std::string name;         // "efficientnet_lite0"
  std::string description;  // one line
  std::string input;        // what the default input is, "float32[1,3,224,224]"
  // Which preprocessing the model was trained with, by the name that vision knows it by; empty for
  // models that see no pictures.
  std::string preprocessing;
  std::string source;   // where the architecture and its published weights come from
  std::string licence;  // of those weights
  std::vector<Method> methods;
  std::string task = "classify";  // what its outputs are; "" when no name fits

  // True for tensors that the checkpoint may hold beside those of this model: the other tower.
  std::function<bool(std::string_view)> ignores = {};
  // Class names that the checkpoint brings along.
  std::function<std::vector<std::string>(const Source&)> labels = {};
  // Decides from more than keys whether a checkpoint is of this architecture.
  std::function<bool(const Source&)> claims = {};
};

std::span<const Architecture> architectures();
// Capitals, '-' and '_' do not matter: "PE-Core-T16-384" is pe_core_t16_384. Null when there is
// none.
const Architecture* find(std::string_view name);

// The architecture whose keys these are, a few missing or too many allowed (build() names them).
// Fails with kNotFound, naming the nearest.
Result<const Architecture*> recognise(const Source& source);

struct BuildOptions {
  // Of the inputs of a model with one method; empty: the architecture's defaults.
  std::vector<Sizes> input_shapes;
  // Dimension 0 of every input becomes a symbol of this range.
  std::optional<ir::Range> dynamic_batch;
  bool small = false;  // of methods that have them: the small inputs
};

// A verified module with the architecture's methods. Constants are named as in the state dict and
// view its memory; weights that are not float32 are converted. Fails with kMismatch when keys are
// missing, unexpected or wrongly shaped (all are listed, up to a point), with kInvalidArgument for
// input shapes that the network cannot take.
Result<ir::Module> build(const Architecture& architecture, const Source& source,
                         const BuildOptions& options = {});
// The same by name; an unknown name fails with kInvalidArgument and lists what there is.
Result<ir::Module> build(std::string_view name, const Source& source,
                         const BuildOptions& options = {});

}  // namespace pte::zoo
