// Turns a graph that writes into its tensors into one that does not.
//
// Every tensor name of the file is a handle on a storage: as its own root, or as a view of another
// handle, with the operator that makes the view. A write gives the handle a new value and carries
// it through the views down to the root; other handles on the storage notice at their next read
// that they are stale, and make their view anew from the root's newest value.
#pragma once

#include <string>
#include <vector>

#include "importers/aten/node_maker.h"
#include "ir/graph.h"

namespace pte::importers {

class Aliases {
 public:
  explicit Aliases(NodeMaker& maker) : maker_(maker) {}

  // What a root stands for besides its value: nothing, or state outside the graph.
  enum class Origin { kLocal, kConstant, kInput };

  // A new tensor of its own storage.
  size_t add_root(ir::Value* value, Origin origin = Origin::kLocal, std::string key = {});
  // A constant of the module whose value is made at the first read.
  size_t add_constant(std::string key, ir::TensorType type);
  // The handle of a result of a call whose first operand is `base`: a view when `value` was made
  // from the base's value by views alone, else a tensor of its own. `contiguous` says whether the
  // base's elements lie in row-major order without gaps.
  Result<size_t> add_result(size_t base, ir::Value* value, bool contiguous);
  // The two may share memory, or not, depending on strides: writes to either are refused.
  void entangle(size_t a, size_t b);

  Result<ir::Value*> read(size_t handle);
  // The type without making a value.
  const ir::TensorType& type(size_t handle) const { return handles_[handle].type; }
  // `value` as what a write into the handle leaves there: cast to its dtype and expanded.
  Result<ir::Value*> fitted(size_t handle, ir::Value* value);
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

  size_t add_view(size_t parent, const ir::Node& node, size_t result);
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
