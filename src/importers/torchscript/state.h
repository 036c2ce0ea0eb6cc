// What a method leaves in the attributes of its module for the next call, as forms: the structure
// and the types of values without their tensors. Two calls that leave equal forms can share a
// program; what a form holds of tensors and open numbers becomes buffers of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

struct Form {
  enum class Kind : uint8_t {
    kPlain,   // known for good: None, numbers, strings
    kTensor,  // a buffer
    kNumber,  // a buffer of one element
    kList,
    kTuple,
    kDict,
    kObject,  // the module's own; it may not be replaced
  };
  Kind kind = Kind::kPlain;
  Value plain;              // of kPlain; what a kNumber is at first, when that is known
  ir::TensorType type;      // of kTensor and kNumber
  Number::Kind number{};    // of kNumber
  std::vector<Form> items;  // of containers
  Values keys;              // of kDict
  const ClassDef* named = nullptr;
  std::string
      constant;  // of kTensor: the key of the constant that it is at first, when it is known
};

// Fails with kUnsupported for values that cannot last: tensors of open sizes, unknown results.
Result<Form> form_of(Evaluator& evaluator, const Value& value, int depth = 0);
bool same_form(const Form& a, const Form& b, int depth = 0);
// "float32[2,1,128]", "a list of 2", "16000"
std::string describe(const Form& form);

// `before` with every number that `after` and `later` know differently left open. Nothing when they
// differ in more than numbers.
std::optional<Form> opened(const Form& before, const Form& after, const Form& later, int depth = 0);

// The buffers of a form, by key: a value that has the form, its tensors constants of the module.
// `initial` gives the data of a leaf whose form names a constant.
struct Leaf {
  std::string key;
  TensorPtr cell;
  const Form* form = nullptr;
};
Result<Value> value_of_form(Evaluator& evaluator, const ir::Module& module, const Form& form,
                            const std::string& key, std::vector<Leaf>& leaves);

// The tensors in a value of the form, in the order of value_of_form's leaves; numbers become
// tensors of one element.
Status collect_leaves(Evaluator& evaluator, const Form& form, const Value& value,
                      std::vector<TensorPtr>& out);

}  // namespace pte::importers::script
