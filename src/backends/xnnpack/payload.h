// An XNNPACK delegate's payload in memory: values, nodes in execution order, constants. Encoded to
// the bytes that the official runtime reads, decoded from untrusted ones.
//
// Here a value's id is its index in `values`, and a constant's its index in `constants`; the
// file's own ids and places (named data, constant region, legacy buffers) exist only in the bytes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tensor/tensor.h"

namespace pte::xnnpack {

// The name under which a program asks for this backend.
inline constexpr std::string_view kBackendId = "XnnpackBackend";

// An absent value, constant or external id.
inline constexpr uint32_t kNone = 0xFFFFFFFF;
inline constexpr size_t kMaxDims = 6;          // XNNPACK's limit on a tensor's rank
inline constexpr uint32_t kMaxExterns = 4096;  // the official runtime's limit on arguments

enum class Datatype : int16_t {
  kInvalid = 0,
  kFloat32 = 1,
  kFloat16 = 2,
  kQInt8 = 3,
  kQUInt8 = 4,
  kQInt32 = 5,
  kQCInt8 = 6,
  kQCInt32 = 7,
  kQCInt4 = 8,
  kQDInt8 = 9,
  kQBInt4 = 10,
  kQPInt8 = 11,
  kInt32 = 12,
  kPFloat32 = 13,
  kBFloat16 = 14,
};
std::string_view datatype_name(Datatype datatype);  // "fp32", "qcint8" …
// Of its stored elements; kQDInt8 stands for float32. Fails for types that no file stores.
Result<DType> dtype_of(Datatype datatype);
// Bytes of a constant with these dims; nothing on overflow or a type that has no constants.
std::optional<size_t> constant_bytes(Datatype datatype, const std::vector<uint32_t>& dims);

struct PerTensorQuant {
  float scale = 0;
  int32_t zero_point = 0;
  bool operator==(const PerTensorQuant&) const = default;
};
struct PerChannelQuant {
  std::vector<float> scales;
  int32_t channel_dim = 0;
  bool operator==(const PerChannelQuant&) const = default;
};
struct PerTokenQuant {
  int32_t nonbatch_dims = 0;
  bool operator==(const PerTokenQuant&) const = default;
};
struct GroupQuant {
  std::vector<float> scales;  // stored as bfloat16
  int32_t channel_dim = 0;
  int32_t group_size = 0;
  bool operator==(const GroupQuant&) const = default;
};
using Quant =
    std::variant<std::monostate, PerTensorQuant, PerChannelQuant, PerTokenQuant, GroupQuant>;

enum ValueFlag : uint32_t { kExternalInput = 1, kExternalOutput = 2 };

struct XnnValue {
  Datatype datatype = Datatype::kFloat32;
  std::vector<uint32_t> dims;  // physical order; upper bounds where the shape is dynamic
  uint32_t constant = kNone;
  uint32_t external_id = kNone;  // index among the delegate call's arguments
  uint32_t flags = 0;
  Quant quant;
  Datatype dq_datatype = Datatype::kInvalid;  // legacy form of dynamic quantisation
};

// Numbered as the schema's union numbers them.
enum class NodeKind : uint8_t {
  kAdd = 1,
  kFullyConnected,
  kSoftmax,
  kSigmoid,
  kStaticTranspose,
  kClamp,
  kConv2d,
  kDiv,
  kStaticResizeBilinear2D,
  kStaticConstantPad,
  kAvgPooling2d,
  kMinimum,
  kDepthwiseConv2d,
  kMaxPooling2d,
  kMultiply,
  kSubtract,
  kFloor,
  kConvert,
  kGlobalAvgPooling2d,
  kStaticReshape,
  kArgMaxPooling2d,
  kSquareRoot,
  kCeiling,
  kHardswish,
  kLeakyReLU,
  kMaximum,
  kNegate,
  kSquare,
  kELU,
  kAbs,
  kPReLU,
  kConcatenate2,
  kConcatenate3,
  kConcatenate4,
  kStaticSlice,
  kScaledDotProductAttention,
  kBatchMatrixMultiply,
  kConcatenate5,
  kConvTranspose2d,
  kReciprocalSquareRoot,
  kLog,
  kGelu,
  kTanh,
  kExp,
  kSin,
  kCopy,
  kCos,
};
inline constexpr size_t kNodeKinds = 47;
std::string_view node_name(NodeKind kind);  // "DepthwiseConv2d"

// Flags of nodes.
inline constexpr uint32_t kTransposeWeights = 0x1;  // FullyConnected: the filter is [in, out]
inline constexpr uint32_t kAlignCorners = 0x8;      // StaticResizeBilinear2D
inline constexpr uint32_t kKeepDims = 0x40;         // pooling: the spatial dims stay

struct Window {  // height, width
  uint32_t height = 0, width = 0;
  bool operator==(const Window&) const = default;
};
struct Padding {
  uint32_t top = 0, right = 0, bottom = 0, left = 0;
  bool operator==(const Padding&) const = default;
};

struct ConvParams {
  Padding padding;
  Window kernel, stride, dilation;
  uint32_t group_input_channels = 0, group_output_channels = 0, groups = 0;
  Window adjustment;  // transposed: extra rows and columns of the result
  bool operator==(const ConvParams&) const = default;
};
struct PoolParams {
  Padding padding;
  Window kernel, stride, dilation;
  bool operator==(const PoolParams&) const = default;
};
struct TransposeParams {
  std::vector<uint32_t> perm;
  bool operator==(const TransposeParams&) const = default;
};
struct ReshapeParams {
  std::vector<uint32_t> shape;  // one 0: inferred
  bool operator==(const ReshapeParams&) const = default;
};
struct SliceParams {
  std::vector<uint32_t> offsets, sizes;
  bool operator==(const SliceParams&) const = default;
};
struct PadParams {
  std::vector<uint32_t> before, after;
  float value = 0;
  bool operator==(const PadParams&) const = default;
};
struct ResizeParams {
  Window size;
  bool operator==(const ResizeParams&) const = default;
};
struct CatParams {
  uint32_t axis = 0;
  bool operator==(const CatParams&) const = default;
};
struct FactorParams {  // LeakyReLU: the negative slope; ELU: alpha
  float value = 0;
  bool operator==(const FactorParams&) const = default;
};
using Params = std::variant<std::monostate, ConvParams, PoolParams, TransposeParams, ReshapeParams,
                            SliceParams, PadParams, ResizeParams, CatParams, FactorParams>;

struct MinMax {
  float min = 0, max = 0;
  bool operator==(const MinMax&) const = default;
};

struct XnnNode {
  NodeKind kind = NodeKind::kAdd;
  // In the schema's order. kNone: no bias. FullyConnected and convolutions: input, filter, bias.
  std::vector<uint32_t> inputs;
  std::vector<uint32_t> outputs;  // one; two for ArgMaxPooling2d (values, indices)
  uint32_t flags = 0;
  Params params;
  std::optional<MinMax> clamp;  // on the result; Clamp's own bounds
  uint32_t debug_handle = 0;
};

struct Constant {
  std::string key;  // of the named data; empty: the encoder names it by its content
  Tensor data;      // dense, its bytes as they are stored
};

struct XnnGraph {
  std::vector<XnnValue> values;
  std::vector<XnnNode> nodes;
  std::vector<Constant> constants;
  uint32_t num_externs = 0;

  // Ids of the external values in the order of their external ids.
  std::vector<uint32_t> external_inputs() const;
  std::vector<uint32_t> external_outputs() const;
};

struct Encoded {
  std::vector<std::byte> bytes;
  std::map<std::string, Tensor, std::less<>> named_data;
};

// Equal constants share one key, the SHA-256 of their bytes.
Result<Encoded> encode(const XnnGraph& graph);

// Bytes of the program's named data under a key.
using Resolver = std::function<Result<Tensor>(std::string_view key)>;

// Every id, size, union and range is checked: behind this door a graph is well formed, its nodes
// read only what is defined before them, and constants hold at least the bytes their dims ask for.
// The graph refers to `payload` where constants lie in it; `owner` keeps those bytes alive.
Result<XnnGraph> decode(Bytes payload, std::shared_ptr<const void> owner, const Resolver& resolve);

}  // namespace pte::xnnpack
