// How two programs differ: structure, operators, delegates, memory, weights, sizes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "inspect/signature.h"
#include "program/program.h"

namespace pte::inspect {

// One thing that is different. An empty side: the thing is missing there.
struct Change {
  std::string what;  // "forward: inputs", "constant conv.weight"
  std::string a, b;
};

struct CountChange {
  std::string name;
  int64_t a = 0, b = 0;
};

// Two constants that were taken for the same one and hold different bytes.
struct WeightChange {
  std::string name;         // in the first program
  std::string other;        // in the second one, where it differs
  std::string a, b;         // types
  bool comparable = false;  // types and sizes agree, and the elements are numbers
  double max_abs = 0;       // the largest difference; infinite where one is NaN
  double max_rel = 0;       // the same relative to the first's value
  int64_t worst = 0;        // the element of the largest difference, in row-major order
  int64_t different = 0;    // elements
  int64_t count = 0;
};

struct MethodDiff {
  std::string name;
  std::vector<Change> changes;         // signature, instructions, arenas, peak
  std::vector<CountChange> operators;  // outside delegates
  std::vector<CountChange> delegates;  // by backend
  std::vector<CountChange> nodes;      // inside delegates, by kind
  bool code_differs = false;           // instructions or values, beyond what is listed

  bool empty() const {
    return changes.empty() && operators.empty() && delegates.empty() && nodes.empty() &&
           !code_differs;
  }
};

struct Diff {
  std::vector<std::string> only_a, only_b;  // methods
  std::vector<MethodDiff> methods;          // those that differ
  size_t weights_equal = 0;
  std::vector<WeightChange> weights;                        // largest difference first
  std::vector<std::string> weights_only_a, weights_only_b;  // "name  type"
  std::vector<Change> payloads;  // delegates' bytes that cannot be looked into
  std::vector<Change> sizes;     // file, flatbuffer, constants …
  bool same_bytes = false;

  // Nothing that a run could tell is different: other sizes alone do not count.
  bool equal() const {
    return only_a.empty() && only_b.empty() && methods.empty() && weights.empty() &&
           weights_only_a.empty() && weights_only_b.empty() && payloads.empty();
  }
};

struct DiffSide {
  const MappedFile& file;
  const program::Program& program;
};

// Weights are matched by name, then by content, then by order among those of one type and use.
Diff diff_programs(const DiffSide& a, const DiffSide& b);

}  // namespace pte::inspect
