// Every constant tensor of a program, wherever the file keeps it: for lists, differences and
// extraction.
#pragma once

#include <string>
#include <vector>

#include "program/program.h"
#include "tensor/tensor.h"

namespace pte::inspect {

struct Weight {
  // The name that the file stores; else one made of its first use, "convolution_3.weight": the
  // same for two exports of one model. Unique in the list.
  std::string name;
  bool named = false;  // the file stores the name
  // Where it lies: "constant 4", "XnnpackBackend 0 constant 2".
  std::string place;
  // As the elements are; bytes of unknown form are uint8 of one dimension. Views into the file.
  Tensor data;
  // "float32[8,3,3,3]", "qcint8[16,32]" where the tensor's type does not say it.
  std::string type;
  bool initial = false;  // the first value of a buffer that runs change
};

// In the file's order; delegates' payloads that do not parse add nothing. `problems` gets a line
// for each of those when it is not null.
std::vector<Weight> list_weights(const program::Program& program,
                                 std::vector<std::string>* problems = nullptr);

}  // namespace pte::inspect
