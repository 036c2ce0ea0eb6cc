// One method of an archive as a graph.
//
// A method that leaves its module's attributes in another form than it found them (a recurrent
// state that is empty before the first call) is executed twice: as the first call, and as a call
// that finds what the first one left. When that leaves the same form again, the attributes are
// buffers of it. One graph suffices when an initial state is found with which the later call
// computes the first one's results (first_call.h); else the program holds both and a flag says
// which runs.
#pragma once

#include <string>
#include <vector>

#include "importers/torchscript/method_call.h"

namespace pte::importers::script {

// Reads `name` into module.methods[name] with its constants. `inputs` says what has been taken of
// the options by other methods, and moves on.
Status read_method(Archive& archive, const std::string& name, const ImportOptions& options,
                   InputCursor& inputs, ir::Module& module);

// The methods that the archive has, in its order.
Result<std::vector<std::string>> method_names(Archive& archive);

}  // namespace pte::importers::script
