// Every ATen overload that importers know: rows of ops.def as they stand, and composites, which a
// rule writes in terms of rows while types are inferred as it goes.
//
// An importer looks an overload up, completes the arguments by its schema and calls it. What a
// rule does not know (an option, a rank) it refuses by name; none is silently wrong.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "importers/aten/node_maker.h"
#include "ir/graph.h"
#include "schema/ops.h"

namespace pte::importers {

class Scope;
// One argument a result of the schema; a list of tensors is one list argument.
using Results = std::vector<ir::Arg>;
using Rule = Results (*)(Scope&);

struct Overload {
  const OpInfo* info = nullptr;    // of a composite: `op` is Op::kCount
  Rule rule = nullptr;             // null for rows and for names of other operators
  const Overload* same = nullptr;  // what this is but another name of
  // The results are views of the first operand's memory, so that a write into them is one into it.
  bool view = false;
};

// By "aten::max.dim"; in-place forms ("aten::add_.Tensor") are none.
const Overload* find_overload(std::string_view full_name);
// By "aten.max.dim" or "torch.ops.aten.max.dim", ".default" for the unnamed overload.
const Overload* find_overload_by_target(std::string_view target);
// By "aten::max": every overload of the name, rows first.
std::span<const Overload* const> overloads_of(std::string_view name);
// What an in-place form writes into its first operand: "aten::add.Tensor" for "aten::add_.Tensor"
// and "aten::__or__.Tensor" for "aten::__ior__.Tensor". Null when the name is that of no in-place
// form, or of one whose other form is unknown.
const Overload* find_in_place(std::string_view full_name);
// The overload that takes a number where this one takes its second tensor, such as add.Scalar for
// add.Tensor; null when there is none.
const Overload* scalar_overload(const Overload& overload);

// Makes the nodes of a call; `args` in schema order, trailing ones may be left out when they have
// defaults. Fails with kUnsupported, naming the operator, for what its rule does not know.
Result<Results> call(NodeMaker& maker, const Overload& overload, std::vector<ir::Arg> args);
// The first result, a tensor or a number. kNotFound when there is no such overload.
Result<ir::Value*> call_one(NodeMaker& maker, std::string_view full_name,
                            std::vector<ir::Arg> args);

// ---- for the families

// One of: a rule; the full name of the overload that this is another name of, with its arguments in
// the same order.
struct Composite {
  std::string_view schema;
  Rule rule = nullptr;
  std::string_view same_as = {};
  bool view = false;

  constexpr Composite(std::string_view text, Rule own) : schema(text), rule(own) {}
  constexpr Composite(std::string_view text, std::string_view same) : schema(text), same_as(same) {}
  // A composite whose results are views of its first operand.
  static constexpr Composite view_of(std::string_view text, Rule own) {
    Composite made(text, own);
    made.view = true;
    return made;
  }
};

// Every family, in the order of look-up.
std::vector<std::span<const Composite>> composite_families();
std::span<const Composite> activation_composites();
std::span<const Composite> attention_composites();
std::span<const Composite> conv_composites();
std::span<const Composite> fused_composites();
std::span<const Composite> elementwise_composites();
std::span<const Composite> factory_composites();
std::span<const Composite> indexing_composites();
std::span<const Composite> linalg_composites();
std::span<const Composite> loss_composites();
std::span<const Composite> name_composites();
std::span<const Composite> norm_composites();
std::span<const Composite> pool_composites();
std::span<const Composite> quantize_composites();
std::span<const Composite> recurrent_composites();
std::span<const Composite> reduction_composites();
std::span<const Composite> resample_composites();
std::span<const Composite> view_composites();
std::span<const Composite> window_composites();

}  // namespace pte::importers
