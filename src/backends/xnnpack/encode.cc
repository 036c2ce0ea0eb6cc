#include <cstring>
#include <unordered_map>

#include "backends/xnnpack/payload.h"
#include "base/checked.h"
#include "base/pages.h"
#include "base/sha256.h"
#include "schema/xnnpack_generated.h"

namespace pte::xnnpack {
namespace {

namespace fb = pte::schema::xnnpack;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

constexpr size_t kHeaderSize = 30;
constexpr size_t kFlatbufferOffset = 32;
constexpr size_t kAlignment = 16;
// The runtime takes a constant from named data when it has a key; the offset means nothing then.
constexpr uint64_t kNoOffset = ~uint64_t{0};

template <typename T>
void put(std::vector<std::byte>& bytes, size_t at, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes[at + i] = static_cast<std::byte>((static_cast<uint64_t>(value) >> (8 * i)) & 0xFF);
  }
}

class Encoder {
 public:
  explicit Encoder(const XnnGraph& graph) : graph_(graph) {}

  Result<Encoded> run() {
    entries_.push_back(fb::CreateConstantData(builder_, 0, 0, builder_.CreateString("")));
    std::vector<Offset<fb::Value>> values;
    std::vector<uint32_t> inputs, outputs;
    for (uint32_t id = 0; id < graph_.values.size(); ++id) {
      PTE_TRY(const Offset<fb::Value> offset, value(graph_.values[id], id));
      values.push_back(offset);
      if ((graph_.values[id].flags & kExternalInput) != 0) inputs.push_back(id);
      if ((graph_.values[id].flags & kExternalOutput) != 0) outputs.push_back(id);
    }
    std::vector<Offset<fb::Node>> nodes;
    for (const XnnNode& n : graph_.nodes) {
      PTE_TRY(const Offset<fb::Node> offset, node(n));
      nodes.push_back(offset);
    }
    const auto version = builder_.CreateString("0");
    const auto nodes_offset = builder_.CreateVector(nodes);
    const auto values_offset = builder_.CreateVector(values);
    const auto inputs_offset = builder_.CreateVector(inputs);
    const auto outputs_offset = builder_.CreateVector(outputs);
    const auto entries_offset = builder_.CreateVector(entries_);
    builder_.Finish(
        fb::CreateGraph(builder_, version, nodes_offset, values_offset, graph_.num_externs,
                        inputs_offset, outputs_offset, 0, 0, entries_offset),
        fb::GraphIdentifier());

    const size_t size = builder_.GetSize();
    const size_t end = align_up(kFlatbufferOffset + size, kAlignment);
    if (end > UINT32_MAX) {
      return make_error(Code::kResourceLimit, "an XNNPACK graph of {} bytes exceeds 4 GiB", size);
    }
    std::vector<std::byte> bytes(end);
    std::memcpy(bytes.data() + 4, "XH00", 4);
    put<uint16_t>(bytes, 8, kHeaderSize);
    put<uint32_t>(bytes, 10, kFlatbufferOffset);
    put<uint32_t>(bytes, 14, static_cast<uint32_t>(size));
    put<uint32_t>(bytes, 18, static_cast<uint32_t>(end));
    put<uint64_t>(bytes, 22, 0);
    std::memcpy(bytes.data() + kFlatbufferOffset, builder_.GetBufferPointer(), size);
    encoded_.bytes = std::move(bytes);
    return std::move(encoded_);
  }

 private:
  // Index of a constant_data entry for these bytes; equal keys share one.
  uint32_t entry(std::string key, Tensor data) {
    if (auto it = entry_of_key_.find(key); it != entry_of_key_.end()) return it->second;
    const auto index = static_cast<uint32_t>(entries_.size());
    entries_.push_back(
        fb::CreateConstantData(builder_, kNoOffset, data.nbytes(), builder_.CreateString(key)));
    entry_of_key_.emplace(key, index);
    encoded_.named_data.emplace(std::move(key), std::move(data));
    return index;
  }

  Result<uint32_t> constant(uint32_t index) {
    if (index >= graph_.constants.size()) {
      return internal_error("XNNPACK constant {} of {}", index, graph_.constants.size());
    }
    const auto known = entry_of_constant_.find(index);
    if (known != entry_of_constant_.end()) return known->second;
    const Constant& c = graph_.constants[index];
    if (!c.data.has_data()) return invalid_argument("an XNNPACK constant without data");
    std::string key = c.key.empty() ? sha256_hex(c.data.bytes()) : c.key;
    release_pages(c.data.bytes(), c.data.owner());
    const uint32_t id = entry(std::move(key), c.data);
    entry_of_constant_.emplace(index, id);
    return id;
  }

  template <typename T>
  uint32_t scales(const std::vector<float>& values) {
    std::vector<T> stored;
    for (float v : values) stored.push_back(T(v));
    Tensor data = Tensor::of<T>({static_cast<int64_t>(stored.size())}, stored);
    std::string key = "scale_" + sha256_hex(data.bytes());
    return entry(std::move(key), std::move(data));
  }

  Result<Offset<fb::Value>> value(const XnnValue& v, uint32_t id) {
    uint32_t constant_idx = 0;
    if (v.constant != kNone) {
      PTE_TRY(constant_idx, constant(v.constant));
    }
    const auto dims = builder_.CreateVector(v.dims);
    const auto tensor = fb::CreateTensorValue(
        builder_, static_cast<int16_t>(v.datatype), static_cast<uint32_t>(v.dims.size()), dims,
        constant_idx, v.external_id, v.flags, id, static_cast<int16_t>(v.dq_datatype));
    if (std::holds_alternative<std::monostate>(v.quant)) {
      return fb::CreateValue(builder_, fb::ValueUnion::TensorValue, tensor.Union());
    }
    auto type = fb::QuantParams::NONE;
    Offset<void> params;
    if (const auto* per_tensor = std::get_if<PerTensorQuant>(&v.quant)) {
      type = fb::QuantParams::PerTensorQuant;
      params =
          fb::CreatePerTensorQuant(builder_, per_tensor->scale, per_tensor->zero_point).Union();
    } else if (const auto* channel = std::get_if<PerChannelQuant>(&v.quant)) {
      type = fb::QuantParams::PerChannelQuant;
      const uint32_t index = scales<float>(channel->scales);
      const auto inline_scales = builder_.CreateVector(std::vector<float>{});
      params = fb::CreatePerChannelQuant(builder_, inline_scales, channel->channel_dim, index,
                                         static_cast<uint32_t>(channel->scales.size()))
                   .Union();
    } else if (const auto* token = std::get_if<PerTokenQuant>(&v.quant)) {
      type = fb::QuantParams::PerTokenDynamicQuant;
      params = fb::CreatePerTokenDynamicQuant(builder_, token->nonbatch_dims).Union();
    } else {
      const auto& group = std::get<GroupQuant>(v.quant);
      type = fb::QuantParams::PerChannelGroupQuant;
      const uint32_t index = scales<BFloat16>(group.scales);
      const auto inline_scales = builder_.CreateVector(std::vector<float>{});
      params = fb::CreatePerChannelGroupQuant(builder_, inline_scales, group.channel_dim,
                                              group.group_size, index,
                                              static_cast<uint32_t>(group.scales.size()))
                   .Union();
    }
    const auto quantized = fb::CreateQuantizedTensorValue(builder_, tensor, type, params);
    return fb::CreateValue(builder_, fb::ValueUnion::QuantizedTensorValue, quantized.Union());
  }

  // The table of a node, whatever its shape; fails when inputs or parameters do not fit the kind.
  Result<Offset<void>> body(const XnnNode& n) {
    const auto wrong = [&] {
      return internal_error("XNNPACK node {} has the wrong inputs or parameters",
                            node_name(n.kind));
    };
    const auto in = [&](size_t i) { return i < n.inputs.size() ? n.inputs[i] : kNone; };
    if (n.outputs.empty()) return wrong();
    const uint32_t out = n.outputs[0];
    const auto count = [](const std::vector<uint32_t>& v) {
      return static_cast<uint32_t>(v.size());
    };
    switch (n.kind) {
      case NodeKind::kAdd:
      case NodeKind::kDiv:
      case NodeKind::kMinimum:
      case NodeKind::kMultiply:
      case NodeKind::kSubtract:
      case NodeKind::kMaximum:
      case NodeKind::kPReLU:
      case NodeKind::kBatchMatrixMultiply:
        return fb::CreateBinary(builder_, in(0), in(1), out, n.flags).Union();
      case NodeKind::kFullyConnected:
        return fb::CreateFullyConnected(builder_, in(0), in(1), in(2), out, n.flags).Union();
      case NodeKind::kConv2d:
      case NodeKind::kDepthwiseConv2d:
      case NodeKind::kConvTranspose2d: {
        const auto* p = std::get_if<ConvParams>(&n.params);
        if (p == nullptr) return wrong();
        return fb::CreateConvolution(builder_, p->padding.top, p->padding.right, p->padding.bottom,
                                     p->padding.left, p->kernel.height, p->kernel.width,
                                     p->stride.height, p->stride.width, p->dilation.height,
                                     p->dilation.width, p->group_input_channels,
                                     p->group_output_channels, p->groups, p->adjustment.height,
                                     p->adjustment.width, in(0), in(1), in(2), out, n.flags)
            .Union();
      }
      case NodeKind::kAvgPooling2d:
      case NodeKind::kMaxPooling2d: {
        const auto* p = std::get_if<PoolParams>(&n.params);
        if (p == nullptr) return wrong();
        return fb::CreatePooling(builder_, p->padding.top, p->padding.right, p->padding.bottom,
                                 p->padding.left, p->kernel.height, p->kernel.width,
                                 p->stride.height, p->stride.width, p->dilation.height,
                                 p->dilation.width, in(0), out, n.flags)
            .Union();
      }
      case NodeKind::kArgMaxPooling2d: {
        const auto* p = std::get_if<PoolParams>(&n.params);
        if (p == nullptr || n.outputs.size() != 2) return wrong();
        return fb::CreateArgMaxPooling(builder_, p->padding.top, p->padding.right,
                                       p->padding.bottom, p->padding.left, p->kernel.height,
                                       p->kernel.width, in(0), out, n.outputs[1], n.flags)
            .Union();
      }
      case NodeKind::kStaticTranspose: {
        const auto* p = std::get_if<TransposeParams>(&n.params);
        if (p == nullptr) return wrong();
        const auto perm = builder_.CreateVector(p->perm);
        return fb::CreateStaticTranspose(builder_, count(p->perm), perm, in(0), out, n.flags)
            .Union();
      }
      case NodeKind::kStaticReshape: {
        const auto* p = std::get_if<ReshapeParams>(&n.params);
        if (p == nullptr) return wrong();
        const auto shape = builder_.CreateVector(p->shape);
        return fb::CreateStaticReshape(builder_, count(p->shape), shape, in(0), out, n.flags)
            .Union();
      }
      case NodeKind::kStaticSlice: {
        const auto* p = std::get_if<SliceParams>(&n.params);
        if (p == nullptr) return wrong();
        const auto offsets = builder_.CreateVector(p->offsets);
        const auto sizes = builder_.CreateVector(p->sizes);
        return fb::CreateStaticSlice(builder_, count(p->sizes), offsets, sizes, in(0), out, n.flags)
            .Union();
      }
      case NodeKind::kStaticConstantPad: {
        const auto* p = std::get_if<PadParams>(&n.params);
        if (p == nullptr) return wrong();
        const auto before = builder_.CreateVector(p->before);
        const auto after = builder_.CreateVector(p->after);
        return fb::CreateStaticPad(builder_, before, after, p->value, in(0), out, n.flags).Union();
      }
      case NodeKind::kStaticResizeBilinear2D: {
        const auto* p = std::get_if<ResizeParams>(&n.params);
        if (p == nullptr) return wrong();
        return fb::CreateStaticResize(builder_, p->size.height, p->size.width, in(0), out, n.flags)
            .Union();
      }
      case NodeKind::kConcatenate2:
      case NodeKind::kConcatenate3:
      case NodeKind::kConcatenate4:
      case NodeKind::kConcatenate5: {
        const auto* p = std::get_if<CatParams>(&n.params);
        if (p == nullptr) return wrong();
        return fb::CreateConcatenate(builder_, p->axis, in(0), in(1), in(2), in(3), out, n.flags,
                                     in(4))
            .Union();
      }
      case NodeKind::kLeakyReLU:
      case NodeKind::kELU: {
        const auto* p = std::get_if<FactorParams>(&n.params);
        if (p == nullptr) return wrong();
        // Both tables have the same fields.
        return fb::CreateLeakyReLU(builder_, p->value, in(0), out, n.flags).Union();
      }
      case NodeKind::kScaledDotProductAttention:
        return fb::CreateAttention(builder_, in(0), in(1), in(2), in(3), in(4), out, n.flags)
            .Union();
      default:
        return fb::CreateUnary(builder_, in(0), out, n.flags).Union();
    }
  }

  Result<Offset<fb::Node>> node(const XnnNode& n) {
    PTE_TRY(const Offset<void> table, body(n));
    Offset<fb::OutputMinMax> clamp;
    if (n.clamp) clamp = fb::CreateOutputMinMax(builder_, n.clamp->min, n.clamp->max);
    return fb::CreateNode(builder_, static_cast<fb::NodeUnion>(n.kind), table, n.debug_handle,
                          clamp);
  }

  const XnnGraph& graph_;
  FlatBufferBuilder builder_;
  std::vector<Offset<fb::ConstantData>> entries_;
  std::unordered_map<std::string, uint32_t> entry_of_key_;
  std::unordered_map<uint32_t, uint32_t> entry_of_constant_;
  Encoded encoded_;
};

}  // namespace

Result<Encoded> encode(const XnnGraph& graph) { return Encoder(graph).run(); }

}  // namespace pte::xnnpack
