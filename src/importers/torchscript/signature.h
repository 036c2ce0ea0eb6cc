// A method's arguments as inputs of the graph: sizes, types and numbers from what the user says.
#pragma once

#include <string>
#include <vector>

#include "importers/import.h"
#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

class Signature {
 public:
  Signature(Evaluator& evaluator, ir::Module& module, const ImportOptions& options)
      : evaluator_(evaluator), module_(module), options_(options) {}

  // Values for every parameter after `self`. Fails with kInvalidArgument when shapes or examples do
  // not fit the parameters.
  Result<std::vector<Argument>> arguments(const Function& method);

 private:
  Result<Value> argument(const std::string& name, const Expr& type, int depth);
  Result<Value> tensor(const std::string& name);
  bool more_tensors() const;
  Status check_all_used(const Function& method) const;

  Evaluator& evaluator_;
  ir::Module& module_;
  const ImportOptions& options_;
  size_t next_shape_ = 0;
  size_t next_example_ = 0;
  size_t tensors_ = 0;
  size_t dynamic_used_ = 0;
};

}  // namespace pte::importers::script
