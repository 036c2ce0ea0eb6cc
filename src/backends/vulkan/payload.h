// A Vulkan delegate's payload in memory: the operator chain, its values and its constants, decoded
// from untrusted bytes. For looking inside; nothing here runs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace pte::vulkan {

inline constexpr std::string_view kBackendId = "VulkanBackend";

struct TensorInfo {
  int8_t datatype = 0;
  std::vector<uint32_t> dims;
  int32_t constant = -1;  // into Graph::constants
  int32_t memory = -1;    // shared memory object
  uint8_t storage = 255;
  uint8_t layout = 255;
  int8_t staging = 127;  // the type at the delegate's edge; 127: the same
};
struct SymIntRef {
  int32_t value = 0;
};
struct ValueListRef {
  std::vector<int32_t> items;
};
// Null, Int, Double, Bool, a tensor, lists of literals, a list of values, text, a symbolic integer.
using Value =
    std::variant<std::monostate, int64_t, double, bool, TensorInfo, std::vector<int64_t>,
                 std::vector<double>, std::vector<bool>, ValueListRef, std::string, SymIntRef>;

struct Call {
  uint32_t node_id = 0;
  std::string name;           // "aten.convolution.default"
  std::vector<int32_t> args;  // values
};

struct Constant {
  std::string key;      // of named data; empty: in the payload
  uint64_t offset = 0;  // there
  uint64_t length = 0;
};

struct Graph {
  std::string version;
  std::vector<Call> chain;
  std::vector<Value> values;
  std::vector<uint32_t> inputs, outputs;
  std::vector<Constant> constants;
  std::vector<Constant> shaders;
};

// Every value, constant and byte range that is named exists.
Result<Graph> decode(Bytes payload);

std::string datatype_name(int8_t code);  // "float32", "type 9"
std::string storage_name(uint8_t code);  // "buffer", "texture_3d", "default"
std::string layout_name(uint8_t code);   // "channels_packed"

}  // namespace pte::vulkan
