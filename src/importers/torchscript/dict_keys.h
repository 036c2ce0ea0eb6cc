// The keys by which a method reads a dictionary that it is given: an archive does not say which
// tensors such an input holds, its code does.
#pragma once

#include <set>
#include <string>

#include "importers/torchscript/library.h"

namespace pte::importers::script {

// Strings that `method`, of class `self`, subscripts its parameter `name` with, or asks it for, in
// the methods and functions that it hands the parameter on to as well.
Result<std::set<std::string>> dict_keys(Library& library, const ClassDef* self,
                                        const Function& method, const std::string& name);

}  // namespace pte::importers::script
