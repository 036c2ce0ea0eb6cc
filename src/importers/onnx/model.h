// The messages of an ONNX file as plain structures. Texts and tensor bytes are views of the file.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace pte::importers::onnx {

// TensorProto.DataType
enum ElementType : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUInt8 = 2,
  kInt8 = 3,
  kUInt16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUInt32 = 12,
  kUInt64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBFloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUInt4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUInt2 = 25,
  kInt2 = 26,
};
std::string element_type_name(int32_t type);

struct TensorDef {
  std::string_view name;
  int32_t type = kUndefined;
  std::vector<int64_t> dims;
  bool has_raw = false;
  Bytes raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> integers;  // int32_data, int64_data or uint64_data
  size_t strings = 0;
  bool external = false;
  std::vector<std::pair<std::string_view, std::string_view>> external_data;
};

struct Dim {
  std::optional<int64_t> value;
  std::string_view symbol;  // "" and no value: unknown
};

struct ValueDef {
  std::string_view name;
  // "" for a tensor; else what it is: "a sequence", "an optional", "a map", "a sparse tensor".
  std::string_view other;
  int32_t type = kUndefined;
  std::optional<std::vector<Dim>> dims;  // nothing: even the rank is unknown
};

struct GraphDef;

struct AttributeDef {
  enum Kind : int32_t {
    kHoldsNone = 0,
    kHoldsFloat = 1,
    kHoldsInt = 2,
    kHoldsString = 3,
    kHoldsTensor = 4,
    kHoldsGraph = 5,
    kHoldsFloats = 6,
    kHoldsInts = 7,
    kHoldsStrings = 8,
    kHoldsOther = 9
  };
  std::string_view name;
  std::string_view reference;  // to an attribute of the function it lies in
  int32_t kind = kHoldsNone;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::shared_ptr<const TensorDef> tensor;
  std::shared_ptr<const GraphDef> graph;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
};

struct NodeDef {
  std::string_view name;
  std::string_view op;
  std::string_view domain;
  std::string_view overload;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<AttributeDef> attributes;

  const AttributeDef* find(std::string_view attribute) const;
  // "Conv 'conv1'"
  std::string place() const;
};

struct GraphDef {
  std::string_view name;
  std::vector<NodeDef> nodes;
  std::vector<TensorDef> initializers;
  std::vector<ValueDef> inputs;
  std::vector<ValueDef> outputs;
  std::vector<ValueDef> values;
  size_t sparse_initializers = 0;
};

using Opsets = std::map<std::string, int64_t, std::less<>>;  // "" is the default domain

struct FunctionDef {
  std::string_view name;
  std::string_view domain;
  std::string_view overload;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<AttributeDef> defaults;
  std::vector<NodeDef> nodes;
  Opsets opsets;
};

struct ModelDef {
  int64_t ir_version = 0;
  std::string_view producer;
  std::string_view producer_version;
  Opsets opsets;
  GraphDef graph;
  std::vector<FunctionDef> functions;
};

// Fails with kInvalidData when the bytes are no ModelProto; nesting is bounded.
Result<ModelDef> read_model(Bytes bytes);
// A TensorProto alone, such as the .pb files of the operator tests.
Result<TensorDef> read_tensor_def(Bytes bytes);

// "ai.onnx" and "" are one domain.
inline std::string_view plain_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

}  // namespace pte::importers::onnx
