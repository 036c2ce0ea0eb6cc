#include "backends/xnnpack/payload.h"

#include <algorithm>

#include "base/checked.h"

namespace pte::xnnpack {

std::string_view datatype_name(Datatype datatype) {
  static constexpr std::string_view kNames[] = {"invalid", "fp32",   "fp16",    "qint8",  "quint8",
                                                "qint32",  "qcint8", "qcint32", "qcint4", "qdint8",
                                                "qbint4",  "qpint8", "int32",   "pfp32",  "bf16"};
  const auto code = static_cast<size_t>(datatype);
  return code < std::size(kNames) ? kNames[code] : "unknown";
}

std::string_view node_name(NodeKind kind) {
  static constexpr std::string_view kNames[] = {"none",
                                                "Add",
                                                "FullyConnected",
                                                "Softmax",
                                                "Sigmoid",
                                                "StaticTranspose",
                                                "Clamp",
                                                "Conv2d",
                                                "Div",
                                                "StaticResizeBilinear2D",
                                                "StaticConstantPad",
                                                "AvgPooling2d",
                                                "Minimum",
                                                "DepthwiseConv2d",
                                                "MaxPooling2d",
                                                "Multiply",
                                                "Subtract",
                                                "Floor",
                                                "Convert",
                                                "GlobalAvgPooling2d",
                                                "StaticReshape",
                                                "ArgMaxPooling2d",
                                                "SquareRoot",
                                                "Ceiling",
                                                "Hardswish",
                                                "LeakyReLU",
                                                "Maximum",
                                                "Negate",
                                                "Square",
                                                "ELU",
                                                "Abs",
                                                "PReLU",
                                                "Concatenate2",
                                                "Concatenate3",
                                                "Concatenate4",
                                                "StaticSlice",
                                                "ScaledDotProductAttention",
                                                "BatchMatrixMultiply",
                                                "Concatenate5",
                                                "ConvTranspose2d",
                                                "ReciprocalSquareRoot",
                                                "Log",
                                                "Gelu",
                                                "Tanh",
                                                "Exp",
                                                "Sin",
                                                "Copy",
                                                "Cos"};
  static_assert(std::size(kNames) == kNodeKinds + 1);
  const auto code = static_cast<size_t>(kind);
  return code < std::size(kNames) ? kNames[code] : "unknown";
}

Result<DType> dtype_of(Datatype datatype) {
  switch (datatype) {
    case Datatype::kFloat32:
    case Datatype::kQDInt8:
      return DType::kFloat32;
    case Datatype::kFloat16:
      return DType::kFloat16;
    case Datatype::kBFloat16:
      return DType::kBFloat16;
    case Datatype::kQInt8:
    case Datatype::kQCInt8:
      return DType::kInt8;
    case Datatype::kQUInt8:
    case Datatype::kQBInt4:
    case Datatype::kQCInt4:
      return DType::kUInt8;
    case Datatype::kQInt32:
    case Datatype::kQCInt32:
    case Datatype::kInt32:
      return DType::kInt32;
    default:
      return unsupported("{}, which no file stores", datatype_name(datatype));
  }
}

std::optional<size_t> constant_bytes(Datatype datatype, const std::vector<uint32_t>& dims) {
  size_t count = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    size_t dim = dims[i];
    // Two values a byte, every row padded to whole bytes.
    if ((datatype == Datatype::kQBInt4 || datatype == Datatype::kQCInt4) && i + 1 == dims.size()) {
      dim = dim / 2 + dim % 2;
    }
    const auto product = checked_mul<size_t>(count, dim);
    if (!product) return std::nullopt;
    count = *product;
  }
  switch (datatype) {
    case Datatype::kFloat32:
    case Datatype::kQInt32:
    case Datatype::kQCInt32:
    case Datatype::kInt32:
      return checked_mul<size_t>(count, 4);
    case Datatype::kFloat16:
    case Datatype::kBFloat16:
      return checked_mul<size_t>(count, 2);
    case Datatype::kQInt8:
    case Datatype::kQUInt8:
    case Datatype::kQCInt8:
    case Datatype::kQBInt4:
    case Datatype::kQCInt4:
      return count;
    default:
      return std::nullopt;
  }
}

namespace {

std::vector<uint32_t> externals(const XnnGraph& graph, uint32_t flag) {
  std::vector<uint32_t> ids;
  for (uint32_t id = 0; id < graph.values.size(); ++id) {
    if ((graph.values[id].flags & flag) != 0) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) {
    return graph.values[a].external_id < graph.values[b].external_id;
  });
  return ids;
}

}  // namespace

std::vector<uint32_t> XnnGraph::external_inputs() const { return externals(*this, kExternalInput); }
std::vector<uint32_t> XnnGraph::external_outputs() const {
  return externals(*this, kExternalOutput);
}

}  // namespace pte::xnnpack
