// XNNPACK payloads in the place of the calls that a method makes of them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backends/xnnpack/payload.h"
#include "ir/graph.h"
#include "program/program.h"

namespace pte::lowering {

struct InlinedCall {
  std::vector<std::pair<size_t, ir::Value*>> results;  // by the call's argument
};

class DelegateInliner {
 public:
  using ExternalData = std::function<Result<program::Blob>(std::string_view key)>;

  DelegateInliner(const program::Program& program, const ExternalData& external, ir::Module& module)
      : program_(program), external_(external), module_(module) {}

  // Adds the payload's calls at the end of `graph`. `types` are those of the call's arguments, and
  // `read` gives the value of one that is an input. Fails with kUnsupported for other backends and
  // for results that are not as large as `types` say, but where `sizes_follow` from the inputs.
  Result<InlinedCall> call(ir::Graph& graph, const program::Delegate& delegate,
                           std::vector<ir::TensorType> types, bool sizes_follow,
                           const std::function<Result<ir::Value*>(size_t arg)>& read);

 private:
  Result<const xnnpack::XnnGraph*> decoded(const program::Delegate& delegate);

  const program::Program& program_;
  const ExternalData& external_;
  ir::Module& module_;
  std::map<const program::Delegate*, xnnpack::XnnGraph> graphs_;
  size_t calls_ = 0;
};

}  // namespace pte::lowering
