// A method as a picture: instructions and the values that flow between them, in layers from the
// inputs down to the outputs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "program/program.h"

namespace pte::inspect {

struct DrawNode {
  enum class Kind : unsigned char { kInput, kOutput, kKernel, kDelegate, kControl };
  Kind kind = Kind::kKernel;
  std::string title;   // "aten.convolution"
  std::string detail;  // "8×3×3×3  stride 2": may be empty
};
struct DrawEdge {
  size_t from = 0, to = 0;  // nodes
  std::string label;        // the value's type
  bool control = false;     // a jump, drawn dashed
};
struct Drawing {
  std::string title;
  std::vector<DrawNode> nodes;
  std::vector<DrawEdge> edges;
};

Drawing draw_method(const program::Program& program, const program::Method& method);

// Fails with kResourceLimit beyond 20,000 nodes or 100,000 edges, which nobody can read.
Result<std::string> svg(const Drawing& drawing);
std::string dot(const Drawing& drawing);

// Where svg() puts things: for tests.
struct Placed {
  struct Box {
    double x = 0, y = 0, width = 0, height = 0;  // x, y: the middle of the upper edge
    size_t layer = 0;
  };
  std::vector<Box> boxes;                                     // by node
  std::vector<std::vector<std::pair<double, double>>> paths;  // by edge, from top to bottom
  double width = 0, height = 0;
};
Placed place(const Drawing& drawing);

}  // namespace pte::inspect
