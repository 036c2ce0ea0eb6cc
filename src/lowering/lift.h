// A program's method as a graph again: for reading, comparing and for engines that lower it anew.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "program/program.h"

namespace pte::lowering {

// What a delegate's payload tells about itself.
struct DelegateFacts {
  std::optional<size_t> inputs;        // how many of a call's arguments; nothing: not known
  std::vector<std::string> operators;  // the nodes that it replaced
};

struct LiftOptions {
  std::vector<std::string> input_names;  // by input; "" or missing: named after the value
  std::function<DelegateFacts(const program::Delegate&)> describe;  // null: nothing is known
  // XNNPACK payloads become the calls that they make, and no call of a delegate is left; one that
  // cannot be read, or another backend's, is kUnsupported. Else calls stay pte::call_delegate.
  bool inline_delegates = false;
  // Bytes that payloads name and the program does not hold (a .ptd file's); null: there are none.
  std::function<Result<program::Blob>(std::string_view key)> external_data;
  // Tensors that lie in a .ptd file; null: they are constants without data.
  std::function<Result<Tensor>(const program::TensorValue&)> external_tensor;
  // Sizes of the inputs, by input (empty where that is no tensor): all others follow from them, and
  // what the program computes of sizes becomes the numbers that it gives. kUnsupported where sizes
  // depend on what tensors hold. Nothing: sizes are the file's upper bounds.
  std::optional<std::vector<Sizes>> input_sizes;
};

// One graph a method, added to `module` with the constants that it reads, which stay where the
// program has them. Values are named v<index> after their place in the file; out variants become
// the functional operators that they compute, aliases of one place views. Sizes are the
// file's upper bounds unless inputs are said to be smaller. Fails with kUnsupported for programs
// that jump or move values, and for operators without a schema here.
Status lift_method(const program::Program& program, const program::Method& method,
                   ir::Module& module, const LiftOptions& options = {});

}  // namespace pte::lowering
