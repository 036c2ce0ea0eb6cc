// Turns a graph that writes into its tensors into one that does not.
//
// Every tensor name of the file is a handle on a storage: as its own root, or as a view of another
// handle, with the operator that makes the view. A write gives the handle a new value and carries
// it through the views down to the root; other handles on the storage notice at their next read
// that they are stale, and make their view anew from the root's newest value.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace pte::importers {

// Adds nodes with types from inference, at the end of a graph.
class NodeMaker {
 public:
  NodeMaker(ir::Module& module, ir::Graph& graph) : module_(module), graph_(graph) {}
  ir::Graph& graph() { return graph_; }
  ir::Module& module() { return module_; }
  void set_location(std::string location) { location_ = std::move(location); }

  // `args` are completed; `names` may be shorter than the results. A result that inference knows
  // nothing of gets `unknown`, or a new symbol.
  Result<ir::Node*> add(const OpInfo& op, std::vector<ir::Arg> args, std::vector<std::string> names,
                        const ir::SymInt* unknown = nullptr);
  Result<ir::Value*> call(Op op, std::vector<ir::Arg> args, std::string name);
  // The sizes of a value as arguments: numbers, and sym_size calls for the rest.
  Result<ir::Arg> sizes_of(ir::Value* value);

 private:
  ir::Module& module_;
  ir::Graph& graph_;
  std::string location_;
};

class Aliases {
 public:
  explicit Aliases(NodeMaker& maker) : maker_(maker) {}

  // What a root stands for besides its value: nothing, or state outside the graph.
  enum class Origin { kLocal, kConstant, kInput };

  // A new tensor of its own storage.
  size_t add_root(ir::Value* value, Origin origin = Origin::kLocal, std::string key = {});
  // A constant of the module whose value is made at the first read.
  size_t add_constant(std::string key, ir::TensorType type);
  // A view: what `op(args)` gives, args[0] being the handle `parent`.
  size_t add_view(size_t parent, ir::Value* value, const OpInfo& op, std::vector<ir::Arg> args,
                  size_t result);
  // The two may share memory, or not, depending on strides: writes to either are refused.
  void entangle(size_t a, size_t b);

  Result<ir::Value*> read(size_t handle);
  // The type without making a value.
  const ir::TensorType& type(size_t handle) const { return handles_[handle].type; }
  // Puts `value` (of the handle's type but for the layout) in the place of the handle's elements.
  Status write(size_t handle, ir::Value* value);

  struct Mutation {
    Origin origin;
    std::string key;  // of the constant; the name of the input
    ir::Value* value;
  };
  // The last value of every constant and input that was written, in order of the first write.
  std::vector<Mutation> mutations() const;

 private:
  struct Storage {
    size_t root = 0;
    uint64_t version = 0;
    Origin origin = Origin::kLocal;
    std::string key;
    bool entangled = false;
  };
  struct Handle {
    ir::TensorType type;
    ir::Value* value = nullptr;  // null for a constant that nothing has read
    uint64_t version = 0;
    size_t storage = 0;
    std::optional<size_t> parent;
    const OpInfo* op = nullptr;
    std::vector<ir::Arg> args;
    size_t result = 0;
  };

  Result<ir::Value*> scatter(const Handle& view, ir::Value* parent, ir::Value* value);
  Result<ir::Value*> scatter_range(ir::Value* parent, ir::Value* value, size_t dim,
                                   const ir::SymInt& start, const ir::SymInt& length);

  NodeMaker& maker_;
  std::vector<Storage> storages_;
  std::vector<Handle> handles_;
  std::vector<size_t> written_;  // storages
};

// How the results of an operator relate to its first operand's memory.
enum class Sharing { kNone, kView, kMaybe };
// `contiguous` says whether the first operand's elements lie in row-major order without gaps.
Sharing sharing_of(const OpInfo& op, const std::vector<ir::Arg>& args, bool contiguous);

}  // namespace pte::importers
