// The backends that exporters delegate to, by the id that a .pte names: the one place that says
// what each is and what would run it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pte::program {

struct BackendInfo {
  std::string_view id;       // as BackendDelegate.id has it: "CoreMLBackend"
  std::string_view name;     // "Core ML"
  std::string_view vendor;   // "Apple"
  std::string_view runs_on;  // "Apple devices (macOS, iOS) …": the end of "it runs on …"
};

// Sorted by id.
std::span<const BackendInfo> known_backends();
// Null for a backend that this table does not have.
const BackendInfo* find_backend(std::string_view id);

// "Core ML (Apple); it runs on …": the part of a message after the quoted id.
std::string describe_backend(std::string_view id);

}  // namespace pte::program
