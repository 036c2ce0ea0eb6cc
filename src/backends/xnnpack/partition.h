// Which calls of a graph XNNPACK takes, in as few delegates as possible, and why not the others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace pte::xnnpack {

struct Group {
  std::vector<ir::Node*> nodes;  // in execution order
};

struct Rejection {
  std::string op;        // "aten.argmax.default"
  std::string name;      // of its (first) result
  std::string location;  // in the user's source, or empty
  std::string reason;    // "mean over dims [1] of rank 3: XNNPACK averages over …"
};

// What named weights are called: after their bytes, as files need it, since the official runtime
// shares packed weights of one name between programs; or after where they lie, which costs nothing
// and does for a program that never leaves this process.
enum class WeightKeys : uint8_t { kContent, kAddress };

struct PartitionResult {
  std::vector<Group> groups;
  std::vector<Rejection> rejected;  // in execution order
  // Every node of the graph in an order that is as valid as the graph's and in which the nodes of
  // each group stand together.
  std::vector<ir::Node*> order;
};

// Nothing changes in the graph. Two groups never depend on each other in a circle, and no value
// leaves a group and comes back into it through a node outside.
PartitionResult partition(const ir::Module& module, const ir::Graph& graph);

// Lowers every group and puts one pte::call_delegate in its place, whose arguments are the
// delegate's index in Module::delegates and the tensors the group reads, and whose results are
// those that others read. The pointers in `parts` are dead afterwards.
Status apply(ir::Module& module, ir::Graph& graph, const PartitionResult& parts,
             WeightKeys keys = WeightKeys::kContent);

}  // namespace pte::xnnpack
