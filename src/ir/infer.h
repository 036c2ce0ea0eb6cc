// Result types of every operator, from its arguments: dtype, sizes (symbolic ones too) and dim
// order, by PyTorch's rules. One file a family under infer/.
#pragma once

#include <span>
#include <vector>

#include "ir/graph.h"

namespace pte::ir {

struct InferContext {
  const OpInfo& op;
  const std::vector<Arg>& args;  // complete, in schema order
  // Ranges of symbols, for questions such as "is this size 1"; may be null.
  const Ranges* symbols = nullptr;

  const TensorType& tensor(size_t arg) const { return args[arg].value()->tensor(); }
  Error invalid(std::string message) const {
    return invalid_data("{}: {}", op.full_name(), message);
  }
};

using Infer = Result<std::vector<Type>> (*)(const InferContext&);
struct InferEntry {
  Op op;
  Infer infer;
};

// The type of an integer that nothing is known of, such as an element of a tensor. A node gives its
// result a symbol of its own in this place (Builder does).
SymIntType unknown_int();
bool is_unknown(const Type& type);
// A size that depends on what a tensor holds, at most `max` where that is known. It stands alone as
// a size of an inferred type, never in an expression; name_unknowns puts symbols in its place.
SymInt unknown_size(std::optional<int64_t> max);
// Gives every unknown integer and size a symbol of its own, `prefix` and a number, in
// Module::symbols.
void name_unknowns(Module& module, std::vector<Type>& types, std::string_view prefix = "u");
// The inferred type with the sizes of `actual` where inference knows none.
Type with_known_sizes(Type inferred, const Type& actual);
// True when a result may have type `actual` where inference says `inferred`.
bool fits_inferred(const Type& inferred, const Type& actual);

// The types of the results, or an error that says which argument is wrong and what was expected.
// Operators of higher order take the types from their graphs; a delegate call's types are known to
// its maker only, so it has none.
Result<std::vector<Type>> infer_types(const OpInfo& op, const std::vector<Arg>& args,
                                      const Ranges* symbols = nullptr);
bool has_inference(Op op);

}  // namespace pte::ir
