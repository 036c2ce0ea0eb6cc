// One execution of a method of an archive, into a module of its own.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/zip.h"
#include "importers/import.h"
#include "importers/torchscript/bytecode.h"
#include "importers/torchscript/objects.h"
#include "importers/torchscript/signature.h"
#include "importers/torchscript/state.h"

namespace pte::importers::script {

struct Archive {
  std::shared_ptr<const ZipArchive> zip;
  Library library;
  bool mobile = false;

  explicit Archive(std::shared_ptr<const ZipArchive> opened)
      : zip(std::move(opened)),
        library(zip),
        mobile(zip->find_below_top("bytecode.pkl") != nullptr) {}
};

// By the place of an attribute among those of the module, in the order of the pickle.
using Forms = std::map<size_t, Form>;

class Call {
 public:
  // `symbols` are those of methods that were read before.
  Call(Archive& archive, const std::string& name, const ImportOptions& options,
       const ir::Ranges& symbols);

  // The attributes have the forms of `start`, the others are as the archive has them.
  Status run(const Forms& start, InputCursor& inputs);

  // Both at once: what the first call does with the attributes as they are in `start`, and what
  // later ones do with them as in `later`. `written` are the constants that either writes.
  Status run_both(const Forms& start, const Forms& later, const std::set<std::string>& written,
                  InputCursor& inputs);

  // What the method left in an attribute that no buffer of it holds.
  struct Change {
    Form before, after;
    std::vector<std::string> keys;   // of the buffers of `after`
    std::vector<ir::Value*> values;  // what is left there for them
  };
  // By the attribute's place.
  const std::map<size_t, Change>& changes() const { return changes_; }
  // "_model._state"
  std::string attribute(size_t index) const;
  ir::Graph& graph() { return graph_; }

  ir::Module module;

 private:
  // The error that is reported first: operators that are not supported, else where it happened.
  template <typename Body>
  Status told(const Body& body) {
    Status done = body();
    if (!done && !evaluator_.report().empty() && done.error().code != Code::kResourceLimit)
      return evaluator_.report().error();
    if (!done) {
      const std::string& place = evaluator_.place();
      return place.empty() ? std::move(done.error()) : std::move(done.error()).at(place);
    }
    return {};
  }

  std::string key_of(size_t index) const { return attribute(index) + ".kept"; }
  const Value& now(size_t index) const;
  Status load(const Forms& start);

  // The value with tensors and containers of its own.
  Result<Value> copied(const Value& value, int depth);
  static void copy_containers(Value& value, int depth);

  // What the method is called with, self first.
  Result<Values> bind(InputCursor& inputs);
  Error no_method(const std::vector<std::string>& names) const;
  Result<Value> execute(Values arguments);
  // What was written in place, once the method has returned.
  Status finish();
  // `value` is what the constant holds from now on.
  void mutate(const std::string& key, const ir::TensorType& type, ir::Value* value);
  Status write_back(const std::string& key, const ir::TensorType& type, const TensorPtr& cell);

  static bool same_cells(const Value& a, const Value& b, int depth = 0);
  // Of all attributes but those of `known`.
  Status find_changes(const Forms& known);
  Status find_change(size_t index, const Value& held);
  // A number that is known now stays a buffer where it was one.
  static void open_as(Form& form, const Form& before);
  void name_constants(Form& form, const std::vector<TensorPtr>& cells, size_t& next) const;
  static void leaf_keys(const Form& form, const std::string& key, std::vector<std::string>& out);
  static ir::TensorType before_type(const Form& form, size_t wanted);
  Status add_outputs(const Value& value, int depth);

  Archive& archive_;
  const std::string& name_;
  const ImportOptions& options_;
  ir::Graph& graph_;
  Evaluator evaluator_;
  ObjectReader objects_;
  std::vector<BytecodeMethod> bytecode_;
  const BytecodeMethod* code_ = nullptr;
  std::vector<std::string> names_;
  Value root_;
  Values before_;                 // every attribute
  std::set<std::string> shared_;  // constants that several attributes are
  std::map<size_t, std::vector<Leaf>> start_leaves_;
  std::map<size_t, Change> changes_;
};

}  // namespace pte::importers::script
