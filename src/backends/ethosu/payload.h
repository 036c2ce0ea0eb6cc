// An Ethos-U delegate's payload: named blocks that Arm's Vela compiler made (commands, weights, the
// scratch size, inputs and outputs).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace pte::ethosu {

inline constexpr std::string_view kBackendId = "EthosUBackend";

struct Block {
  std::string name;  // "cmd_data"
  Bytes bytes;
  bool external = false;  // the bytes are a key of named data
};
struct Port {
  std::vector<int32_t> shape;  // six dimensions
  int32_t element_bytes = 0, offset = 0, region = 0;
};
struct Payload {
  std::vector<Block> blocks;
  std::vector<Port> inputs, outputs;
  uint64_t scratch_bytes = 0;
};

Result<Payload> decode(Bytes payload);

}  // namespace pte::ethosu
