// A group of ATen calls → one XNNPACK payload.
#pragma once

#include <vector>

#include "backends/xnnpack/partition.h"
#include "backends/xnnpack/payload.h"
#include "backends/xnnpack/quantized.h"
#include "ir/graph.h"

namespace pte::xnnpack {

// The tensors that cross a group's border. Constants that go into the payload are no inputs.
struct GroupInterface {
  std::vector<ir::Value*> inputs;   // in order of first use
  std::vector<ir::Value*> outputs;  // read outside the group or returned, in order of definition
};
GroupInterface interface_of(const ir::Module& module, const ir::Graph& graph, const Group& group);

// External ids count the inputs first, then the outputs.
Result<XnnGraph> lower_graph(const ir::Module& module, const ir::Graph& graph, const Group& group,
                             const GroupInterface& interface, const StoredQuants& quants);
Result<ir::DelegatePayload> lower(const ir::Module& module, const ir::Graph& graph,
                                  const Group& group, const GroupInterface& interface,
                                  const StoredQuants& quants, WeightKeys keys);
// Of every int8 value that the groups read or make, while the whole graph is there to tell.
StoredQuants stored_quants(const std::vector<Group>& groups);

}  // namespace pte::xnnpack
