// Shared libraries with operators, for the command line; the API has its own door to it.
#pragma once

#include "base/result.h"
#include "runtime/custom_ops.h"

namespace pte::api {

// Adds all of a plugin's operators, or none. The library stays loaded while a kernel of it lives.
// Errors begin with the path.
Status load_plugin(const char* path, runtime::CustomOps& to);

}  // namespace pte::api
