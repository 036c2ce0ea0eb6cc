// Names that come out of files, made fit for a message.
#pragma once

#include <string>
#include <string_view>

namespace pte::program {

// 'name', with control characters written as \xNN and long names cut short.
std::string quote(std::string_view name);

}  // namespace pte::program
