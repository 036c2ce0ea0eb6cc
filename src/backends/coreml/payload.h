// A Core ML delegate's payload: a folder of files (an .mlpackage or a compiled model) with a
// description of it in JSON, decoded from untrusted bytes for looking inside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace pte::coreml {

inline constexpr std::string_view kBackendId = "CoreMLBackend";

struct File {
  std::string path;  // "model.mlpackage/Manifest.json"
  Bytes bytes;
};

struct Operation {
  std::string type;                  // "conv"
  std::vector<std::string> outputs;  // names
};
struct Feature {
  std::string name;
  std::string type;  // "float32[1,3,224,224]", or the kind of feature
};
// What model.mlmodel says.
struct Spec {
  int64_t version = 0;  // 6: iOS 15, 7: iOS 16, 8: iOS 17 …
  std::string kind;     // "mlProgram", "neuralNetwork" …
  std::vector<Feature> inputs, outputs;
  std::string opset;                  // "CoreML5"
  std::vector<Operation> operations;  // of all functions, constants left out
  size_t constants = 0;
};

struct Payload {
  std::vector<File> files;
  std::string format;  // "mlpackage", "mlmodelc" or ""
  std::vector<std::string> inputs, outputs;
  std::string identifier;
  std::optional<Spec> spec;
  std::string spec_problem;  // why there is none
  uint64_t weight_bytes = 0;
  // Payloads of several methods refer to a shared model in the program's named data instead.
  std::string key, function;
};

// Paths are relative and stay inside the folder; byte ranges lie in the payload.
Result<Payload> decode(Bytes payload);

// The protobuf of an .mlmodel.
Result<Spec> decode_spec(Bytes model);

}  // namespace pte::coreml
