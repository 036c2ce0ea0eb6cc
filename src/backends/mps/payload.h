// A payload of the Metal Performance Shaders delegate, decoded from untrusted bytes for looking
// inside. ExecuTorch has given the backend up; files that it wrote remain.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace pte::mps {

inline constexpr std::string_view kBackendId = "MPSBackend";

struct TensorInfo {
  int16_t datatype = 0;
  std::vector<int32_t> dims;
  uint64_t constant_bytes = 0;  // more than 0: a constant
  uint64_t offset = 0;          // in the data segment, or 0 when it lies in the flatbuffer
};
struct Node {
  std::string kind;                      // "Conv2D"
  std::vector<int32_t> inputs, outputs;  // values; -1: none
};
struct Graph {
  std::string version;
  std::vector<Node> nodes;
  std::vector<TensorInfo> values;
  std::vector<int32_t> inputs, outputs, constants;
  bool metal_kernels = false;
  uint64_t segment_bytes = 0;
};

// Every value and byte range that is named exists.
Result<Graph> decode(Bytes payload);
std::string datatype_name(int16_t code);  // "float32", "type 40"

}  // namespace pte::mps
