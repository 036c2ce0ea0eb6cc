// The arguments of methods as inputs of the graph: sizes, types and numbers from what the user
// says.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "importers/import.h"
#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

// How much of the options' shapes and examples has been given to inputs: those of several methods
// follow each other.
struct InputCursor {
  size_t shape = 0;
  size_t example = 0;
  size_t tensor = 0;
  std::set<size_t> dynamic;

  // Fails with kInvalidArgument when something is left over after `methods`.
  Status check_all_used(const std::string& methods, const ImportOptions& options) const;
};

class Signature {
 public:
  // `self` is the class whose code says the keys of dictionaries.
  Signature(Evaluator& evaluator, ir::Module& module, const ClassDef* self,
            const ImportOptions& options, InputCursor& next)
      : evaluator_(evaluator), module_(module), self_(self), options_(options), next_(next) {}

  // Values for every parameter after `self`. Fails with kInvalidArgument when shapes or examples do
  // not fit the parameters.
  Result<std::vector<Argument>> arguments(const Function& method);

 private:
  Result<Value> argument(const std::string& name, const Expr& type, int depth);
  Result<Value> tensor(const std::string& name);
  Result<Value> dictionary(const std::string& name, const Expr& type);
  bool more_tensors() const;

  Evaluator& evaluator_;
  ir::Module& module_;
  const ClassDef* self_;
  const Function* method_ = nullptr;
  const ImportOptions& options_;
  InputCursor& next_;
};

}  // namespace pte::importers::script
