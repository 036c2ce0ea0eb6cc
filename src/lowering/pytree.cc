#include "lowering/pytree.h"

#include <fmt/format.h>

namespace pte::lowering {
namespace {

constexpr std::string_view kLeaf = R"({"type": null, "context": null, "children_spec": []})";

std::string tuple_of(size_t count) {
  std::string children;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) children += ", ";
    children += kLeaf;
  }
  return fmt::format(R"({{"type": "builtins.tuple", "context": "null", "children_spec": [{}]}})",
                     children);
}

}  // namespace

std::string input_tree(size_t count) {
  return fmt::format(
      R"([1, {{"type": "builtins.tuple", "context": "null", "children_spec": [{}, {}]}}])",
      tuple_of(count), R"({"type": "builtins.dict", "context": "[]", "children_spec": []})");
}

std::string output_tree(size_t count) {
  return fmt::format("[1, {}]", count == 1 ? std::string(kLeaf) : tuple_of(count));
}

}  // namespace pte::lowering
