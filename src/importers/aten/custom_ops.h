// Other people's operators ("mylib::rotate"), kept as calls where the user allows them by name: a
// program then calls "mylib::rotate.out", and whoever runs it registers a kernel of that name.
//
// What a call looks like is known from the file (kinds of its arguments, types of its results) or
// from a schema given in place of the bare name, which also knows the defaults of arguments that
// the file leaves out.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "schema/ops.h"

namespace pte::importers {

// The entry of `allowed` that names the operator ("mylib::rotate" or "mylib::rotate.Tensor"), be it
// a name or a schema; null when none does.
const std::string* find_allowed(std::span<const std::string> allowed, std::string_view full_name);

// An operator that no row stands for, described once and kept for good: graphs refer to it.
// `description` is a schema without "out" arguments; the out variant's name follows from it:
// "mylib::rotate.out", "mylib::rotate.Tensor_out". Fails with kInvalidArgument when it does not
// parse, with kUnsupported for operators that write their operands or return no tensors, with
// kResourceLimit after kMaxCustomOps of them.
inline constexpr size_t kMaxCustomOps = 4096;
Result<const OpInfo*> custom_op(std::string_view description);

}  // namespace pte::importers
