// Which operator a node's target stands for, and the report of those that none stands for.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "importers/aten/composites.h"
#include "importers/torch_export/json.h"
#include "importers/unsupported_report.h"
#include "schema/ops.h"

namespace pte::importers {

struct Target {
  enum class Kind {
    kCall,      // the overload as it stands
    kInPlace,   // writes its first operand with what the overload returns
    kFill,      // fill_ and zero_: writes a number into its first operand
    kRestride,  // transpose_ and the like: its operand becomes a view of itself
    kPart,      // takes a tensor out of a tensor subclass
    kCustom,    // an operator of others that the user allows
    kIgnored,   // a check without a result
    kInlined,   // a wrapper whose graph is read in place
    kUnknown,
  };
  Kind kind = Kind::kUnknown;
  const Overload* overload = nullptr;
  const OpInfo* op() const { return overload == nullptr ? nullptr : overload->info; }
};
// `allowed` are the names or schemas of operators that stay as calls.
Target resolve_target(std::string_view target, std::span<const std::string> allowed = {});
// "mylib::rotate" for "torch.ops.mylib.rotate.default".
std::string full_name_of(std::string_view target);

// Adds what cannot be imported of a graph and of its subgraphs.
Status find_unsupported(const JsonView& graph, UnsupportedReport& report,
                        std::span<const std::string> allowed, int depth = 0);

// Where a node came from in the user's source.
std::string node_location(const JsonView& node);
// The argument of a node with this name, or at this place when names are left out.
std::optional<JsonView> find_argument(const JsonView& node, std::string_view name, size_t index);

constexpr int kMaxGraphDepth = 16;

}  // namespace pte::importers
