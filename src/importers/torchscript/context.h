// One graph that an Evaluator is writing: the method's, or that of a branch within it.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

struct Evaluator::Context {
  Context(size_t number, ir::Module& module, ir::Graph& target)
      : id(number), graph(target), maker(module, target), aliases(maker) {}
  Context(size_t number, ir::Module& module, std::shared_ptr<ir::Graph> target)
      : id(number), owned(std::move(target)), graph(*owned), maker(module, graph), aliases(maker) {}

  size_t id;
  std::shared_ptr<ir::Graph> owned;
  ir::Graph& graph;
  NodeMaker maker;
  Aliases aliases;
  // Tensors from outside in order of their inputs, and every tensor's handle here.
  std::vector<TensorPtr> captured;
  std::unordered_map<const TensorCell*, size_t> handles;
  // Numbers that were made tensors here, kept alive so that the keys above stay theirs.
  std::vector<TensorPtr> numbers;
  // Attributes of outer objects that were set here, with what they were.
  struct Change {
    std::shared_ptr<Object> object;
    std::string name;
    Value before;
  };
  std::vector<Change> changes;
};

struct Evaluator::Frame {
  const Function* function = nullptr;
  Variables variables;
  Value returned;
};

}  // namespace pte::importers::script
