// Trees from TorchScript's serialized code.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "importers/torchscript/syntax.h"

namespace pte::importers::script {

// `file` is what messages and locations call the text; `module` ("__torch__.torch.nn") comes
// before the names of its classes. Fails with kInvalidData on what the subset has not (the message
// gives file and line), with kResourceLimit on nesting beyond reason.
Result<SourceFile> parse_source(std::string_view text, const std::string& file,
                                const std::string& module);
// One type, as schemas of bytecode files spell it.
Result<Expr> parse_type(std::string_view text);

// As it was written, for messages.
std::string to_string(const Expr& expr);
// "torch.nn.Linear" for a chain of attributes on a name; "" for anything else.
std::string dotted_name(const Expr& expr);

}  // namespace pte::importers::script
