// What TorchScript's operators do to Python's values: lists, dictionaries, strings, questions about
// tensors, and the few operators whose arguments no schema tells apart.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

using Answer = Result<std::optional<Value>>;

class Builtins {
 public:
  // Nothing when the call is not one of these: numbers and tensors have their own ways.
  static Answer call(Evaluator& evaluator, const std::string& name,
                     const std::vector<Argument>& args);
  // Operators that only move values about, unknown ones too.
  static bool keeps_unknown(std::string_view name);

 private:
  static Answer language(Evaluator& e, std::string_view name, const std::vector<Argument>& args);
  static Answer containers(Evaluator& e, std::string_view name, const std::vector<Argument>& args);
  static Answer dictionaries(Evaluator& e, std::string_view name,
                             const std::vector<Argument>& args);
  static Answer strings(Evaluator& e, std::string_view name, const std::vector<Argument>& args);
  static Answer questions(Evaluator& e, std::string_view name, const std::vector<Argument>& args);
  static Answer prepacked(Evaluator& e, std::string_view name, const std::vector<Argument>& args);
  static Answer quantized(Evaluator& e, std::string_view name, const std::vector<Argument>& args);
  static Answer tensors(Evaluator& e, std::string_view name, const std::vector<Argument>& args);

  static Result<Value> size_of(Evaluator& e, const TensorPtr& cell, size_t dim);
  static Result<Value> item(Evaluator& e, const TensorPtr& cell, std::optional<Number::Kind> kind);
  static Answer to(Evaluator& e, const std::vector<Argument>& args);
  static Answer make_tensor(Evaluator& e, const std::vector<Argument>& args);
  static Result<Value> tensor_of_list(Evaluator& e, const Value& data, std::optional<DType> dtype);
};

}  // namespace pte::importers::script
