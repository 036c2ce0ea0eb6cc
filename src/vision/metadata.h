// What a .pte says about itself, as JSON under the named-data key `ptekit.metadata`: enough to feed
// it pictures and to name what comes out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vision/preprocess.h"

namespace pte::vision {

constexpr std::string_view kMetadataKey = "ptekit.metadata";
constexpr int64_t kMetadataFormat = 1;

struct Metadata {
  enum class Output {
    kLogits,         // softmax makes probabilities of them
    kProbabilities,  // the network ends in softmax or sigmoid itself
  };

  std::string model;              // "efficientnet_lite0"
  std::string task = "classify";  // other tasks are kept as they are
  std::string input_name;
  std::vector<int64_t> input_shape;  // empty when not stated
  std::optional<Preprocess> preprocess;
  std::vector<std::string> labels;  // by class; empty when not stated
  Output output = Output::kLogits;

  bool operator==(const Metadata&) const = default;
};

// One JSON object:
//   {"format": 1, "model": "…", "task": "classify", "input": {"name": "x", "shape": [1,3,224,224]},
//    "preprocess": {…}, "output": "logits", "labels": ["tench", …]}
// Invalid UTF-8 in strings is replaced by U+FFFD.
std::string print_metadata(const Metadata& metadata);

// Absent fields keep their defaults and unknown ones are ignored, so that newer files can be read.
// kInvalidData for text that is not JSON, fields of the wrong type or shapes that make no sense;
// kUnsupported for a `format` newer than this one; kResourceLimit beyond 8 MiB.
Result<Metadata> parse_metadata(std::string_view json);

}  // namespace pte::vision
