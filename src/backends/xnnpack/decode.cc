#include <cmath>
#include <cstring>
#include <unordered_map>

#include "backends/xnnpack/payload.h"
#include "base/checked.h"
#include "schema/xnnpack_generated.h"

namespace pte::xnnpack {
namespace {

namespace fb = pte::schema::xnnpack;

constexpr size_t kHeaderSize = 30;
constexpr size_t kMinFlatbuffer = 8;
constexpr uint32_t kMaxDim = 0x7FFFFFFF;

template <typename T>
T get(Bytes bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<uint64_t>(bytes[at + i]) << (8 * i);
  }
  return static_cast<T>(value);
}

struct Regions {
  Bytes flatbuffer;
  Bytes constants;
};

Result<Regions> split(Bytes payload) {
  const bool has_header =
      payload.size() >= kHeaderSize && std::memcmp(payload.data() + 4, "XH00", 4) == 0;
  // Payloads older than the header are the flatbuffer alone.
  if (!has_header) return Regions{payload, {}};
  const auto header_size = get<uint16_t>(payload, 8);
  if (header_size < kHeaderSize) {
    return invalid_data("XNNPACK payload: header length {}, expected at least {}", header_size,
                        kHeaderSize);
  }
  const uint64_t fb_offset = get<uint32_t>(payload, 10), fb_size = get<uint32_t>(payload, 14);
  const uint64_t data_offset = get<uint32_t>(payload, 18), data_size = get<uint64_t>(payload, 22);
  if (!in_range(fb_offset, fb_size, payload.size())) {
    return invalid_data("XNNPACK payload: flatbuffer at {}, {} bytes, in a payload of {} bytes",
                        fb_offset, fb_size, payload.size());
  }
  if (!in_range(data_offset, data_size, payload.size()) || data_offset < fb_offset + fb_size) {
    return invalid_data(
        "XNNPACK payload: constants at {}, {} bytes, in a payload of {} bytes whose flatbuffer "
        "ends at {}",
        data_offset, data_size, payload.size(), fb_offset + fb_size);
  }
  return Regions{payload.subspan(fb_offset, fb_size), payload.subspan(data_offset, data_size)};
}

std::vector<uint32_t> copy(const flatbuffers::Vector<uint32_t>* v) {
  return v == nullptr ? std::vector<uint32_t>{} : std::vector<uint32_t>(v->begin(), v->end());
}

class Decoder {
 public:
  Decoder(const fb::Graph& source, Bytes region, std::shared_ptr<const void> owner,
          std::shared_ptr<const void> flatbuffer_owner, const Resolver& resolve)
      : source_(source),
        region_(region),
        owner_(std::move(owner)),
        flatbuffer_owner_(std::move(flatbuffer_owner)),
        resolve_(resolve) {}

  Result<XnnGraph> run() {
    if (source_.values() == nullptr || source_.nodes() == nullptr) {
      return invalid_data("XNNPACK payload: the graph has no values or no nodes");
    }
    graph_.num_externs = source_.num_externs();
    if (graph_.num_externs > kMaxExterns) {
      return invalid_data("XNNPACK payload: {} external values, at most {} are allowed",
                          graph_.num_externs, kMaxExterns);
    }
    external_seen_.assign(graph_.num_externs, false);
    for (uint32_t i = 0; i < source_.values()->size(); ++i) {
      if (Status done = value(source_.values()->Get(i)); !done) {
        return std::move(done.error()).at(fmt::format("XNNPACK payload: value {}", i));
      }
    }
    defined_.assign(graph_.values.size(), false);
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const XnnValue& v = graph_.values[i];
      defined_[i] = v.constant != kNone || (v.flags & kExternalInput) != 0;
    }
    for (uint32_t i = 0; i < source_.nodes()->size(); ++i) {
      if (Status done = node(source_.nodes()->Get(i)); !done) {
        return std::move(done.error()).at(fmt::format("XNNPACK payload: node {}", i));
      }
    }
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      if ((graph_.values[i].flags & kExternalOutput) != 0 && !defined_[i]) {
        return invalid_data("XNNPACK payload: output value {} is computed by no node", i);
      }
    }
    return std::move(graph_);
  }

 private:
  // ---- constants

  Result<uint32_t> constant(uint32_t index) {
    if (auto it = constants_.find(index); it != constants_.end()) return it->second;
    Constant result;
    const auto* legacy = source_.constant_buffer();
    if (legacy != nullptr && legacy->size() > 0) {
      if (index >= legacy->size() || legacy->Get(index)->storage() == nullptr) {
        return invalid_data("constant buffer {} of {}", index, legacy->size());
      }
      const auto* storage = legacy->Get(index)->storage();
      result.data = bytes_view(reinterpret_cast<const std::byte*>(storage->data()), storage->size(),
                               flatbuffer_owner_);
    } else {
      const auto* entries = source_.constant_data();
      const uint32_t count = entries == nullptr ? 0 : entries->size();
      if (index >= count) return invalid_data("constant {} of {}", index, count);
      const fb::ConstantData* entry = entries->Get(index);
      if (entry->named_key() != nullptr) {
        result.key = entry->named_key()->str();
        if (!resolve_) return make_error(Code::kNotFound, "no named data '{}'", result.key);
        PTE_TRY(const Tensor data, resolve_(result.key));
        if (!data.has_data()) return invalid_data("named data '{}' has no bytes", result.key);
        result.data = bytes_view(data.data(), data.nbytes(), data.owner());
      } else {
        if (!in_range(entry->offset(), entry->size(), region_.size())) {
          return invalid_data("constant {} at {}, {} bytes, in a region of {} bytes", index,
                              entry->offset(), entry->size(), region_.size());
        }
        result.data = bytes_view(region_.data() + entry->offset(), entry->size(), owner_);
      }
    }
    const auto id = static_cast<uint32_t>(graph_.constants.size());
    graph_.constants.push_back(std::move(result));
    constants_.emplace(index, id);
    return id;
  }

  static Tensor bytes_view(const std::byte* data, size_t size, std::shared_ptr<const void> owner) {
    return Tensor::view(DType::kUInt8, {static_cast<int64_t>(size)}, {1}, data, std::move(owner));
  }

  // ---- values

  // `stored` is in the flatbuffer; a buffer index other than 0 takes its place.
  template <typename T>
  Result<std::vector<float>> scales(const flatbuffers::Vector<float>* stored, uint32_t buffer,
                                    uint32_t count) {
    if (buffer == 0) {
      return stored == nullptr ? std::vector<float>{}
                               : std::vector<float>(stored->begin(), stored->end());
    }
    PTE_TRY(const uint32_t index, constant(buffer));
    const Tensor& data = graph_.constants[index].data;
    if (count > data.nbytes() / sizeof(T)) {
      return invalid_data("{} scales in a constant of {} bytes", count, data.nbytes());
    }
    std::vector<float> result(count);
    for (uint32_t i = 0; i < count; ++i) {
      T scale;
      std::memcpy(&scale, data.data() + i * sizeof(T), sizeof(T));
      result[i] = static_cast<float>(scale);
    }
    return result;
  }

  Result<Quant> quant(const fb::QuantizedTensorValue& v, size_t rank) {
    const auto channel = [&](int32_t dim) -> Status {
      if (dim < 0 || static_cast<size_t>(dim) >= rank) {
        return invalid_data("channel dim {} of a value of rank {}", dim, rank);
      }
      return {};
    };
    switch (v.quant_params_type()) {
      case fb::QuantParams::PerTensorQuant: {
        const auto* p = v.quant_params_as_PerTensorQuant();
        if (p == nullptr) break;
        return Quant(PerTensorQuant{p->scale(), p->zero_point()});
      }
      case fb::QuantParams::PerChannelQuant: {
        const auto* p = v.quant_params_as_PerChannelQuant();
        if (p == nullptr) break;
        PTE_CHECK(channel(p->channel_dim()));
        PTE_TRY(auto list, scales<float>(p->scale(), p->scale_buffer_idx(), p->num_scales()));
        return Quant(PerChannelQuant{std::move(list), p->channel_dim()});
      }
      case fb::QuantParams::PerTokenDynamicQuant: {
        const auto* p = v.quant_params_as_PerTokenDynamicQuant();
        if (p == nullptr) break;
        return Quant(PerTokenQuant{p->num_nonbatch_dims()});
      }
      case fb::QuantParams::PerChannelGroupQuant: {
        const auto* p = v.quant_params_as_PerChannelGroupQuant();
        if (p == nullptr) break;
        PTE_CHECK(channel(p->channel_dim()));
        if (p->group_size() <= 0) return invalid_data("group size {}", p->group_size());
        PTE_TRY(auto list, scales<BFloat16>(p->scale(), p->scale_buffer_idx(), p->num_scales()));
        return Quant(GroupQuant{std::move(list), p->channel_dim(), p->group_size()});
      }
      case fb::QuantParams::NONE:
        break;
    }
    return invalid_data("quantised without (known) parameters: union code {}",
                        static_cast<int>(v.quant_params_type()));
  }

  Status value(const fb::Value* source) {
    const fb::TensorValue* tensor = nullptr;
    const fb::QuantizedTensorValue* quantized = nullptr;
    if (source->value_type() == fb::ValueUnion::TensorValue) {
      tensor = source->value_as_TensorValue();
    } else if (source->value_type() == fb::ValueUnion::QuantizedTensorValue) {
      quantized = source->value_as_QuantizedTensorValue();
      if (quantized != nullptr) tensor = quantized->tensor_value();
    } else {
      return invalid_data("unknown kind of value, union code {}",
                          static_cast<int>(source->value_type()));
    }
    if (tensor == nullptr) return invalid_data("it has no tensor");

    XnnValue v;
    if (tensor->datatype() <= 0 || tensor->datatype() > 14 || tensor->dq_datatype() < 0 ||
        tensor->dq_datatype() > 14) {
      return invalid_data("unknown datatype {} or {}", tensor->datatype(), tensor->dq_datatype());
    }
    v.datatype = static_cast<Datatype>(tensor->datatype());
    v.dq_datatype = static_cast<Datatype>(tensor->dq_datatype());
    v.dims = copy(tensor->dims());
    if (v.dims.size() != tensor->num_dims() || v.dims.size() > kMaxDims) {
      return invalid_data("{} dims where num_dims is {} (at most {})", v.dims.size(),
                          tensor->num_dims(), kMaxDims);
    }
    uint64_t elements = 1;
    for (uint32_t dim : v.dims) {
      const auto product = checked_mul<uint64_t>(elements, dim);
      if (!product || dim > kMaxDim || *product > (uint64_t{1} << 48)) {
        return invalid_data("dims [{}] are too large", fmt::join(v.dims, ","));
      }
      elements = *product;
    }
    v.external_id = tensor->external_id();
    v.flags = tensor->flags();
    if ((v.flags & ~(kExternalInput | kExternalOutput)) != 0 ||
        v.flags == (kExternalInput | kExternalOutput)) {
      return invalid_data("flags {:#x}: expected none, 1 (input) or 2 (output)", v.flags);
    }
    if ((v.flags != 0) != (v.external_id != kNone)) {
      return invalid_data("flags {:#x} do not fit external id {}", v.flags, v.external_id);
    }
    if (v.external_id != kNone) {
      if (v.external_id >= graph_.num_externs) {
        return invalid_data("external id {} of {}", v.external_id, graph_.num_externs);
      }
      if (external_seen_[v.external_id]) {
        return invalid_data("external id {} belongs to another value already", v.external_id);
      }
      external_seen_[v.external_id] = true;
    }
    if (quantized != nullptr) {
      PTE_TRY(v.quant, quant(*quantized, v.dims.size()));
    }
    if (tensor->constant_buffer_idx() != 0) {
      if (v.flags != 0) return invalid_data("both constant and external");
      PTE_TRY(v.constant, constant(tensor->constant_buffer_idx()));
      const auto need = constant_bytes(v.datatype, v.dims);
      const size_t have = graph_.constants[v.constant].data.nbytes();
      if (!need) return invalid_data("a constant of type {}", datatype_name(v.datatype));
      if (*need > have) {
        return invalid_data("constant of {} bytes, {} [{}] needs {}", have,
                            datatype_name(v.datatype), fmt::join(v.dims, ","), *need);
      }
    }
    if (!index_of_id_.emplace(tensor->id_out(), static_cast<uint32_t>(graph_.values.size()))
             .second) {
      return invalid_data("id {} is taken by another value", tensor->id_out());
    }
    graph_.values.push_back(std::move(v));
    return {};
  }

  // ---- nodes

  Status add_input(XnnNode& node, uint32_t id, bool optional = false) {
    if (optional && id == kNone) {
      node.inputs.push_back(kNone);
      return {};
    }
    const auto it = index_of_id_.find(id);
    if (it == index_of_id_.end()) return invalid_data("no value has id {}", id);
    if (!defined_[it->second]) {
      return invalid_data("value {} is read before a node has computed it", id);
    }
    node.inputs.push_back(it->second);
    return {};
  }

  Status add_output(XnnNode& node, uint32_t id) {
    const auto it = index_of_id_.find(id);
    if (it == index_of_id_.end()) return invalid_data("no value has id {}", id);
    if (defined_[it->second]) {
      return invalid_data("value {} is an input, a constant or computed twice", id);
    }
    node.outputs.push_back(it->second);
    return {};
  }

  size_t rank(uint32_t value) const { return graph_.values[value].dims.size(); }

  Status unary(XnnNode& node, uint32_t input, uint32_t output, uint32_t flags) {
    node.flags = flags;
    PTE_CHECK(add_input(node, input));
    return add_output(node, output);
  }

  Status filter(XnnNode& node, uint32_t input, uint32_t filter_id, uint32_t bias, uint32_t output,
                uint32_t flags) {
    node.flags = flags;
    PTE_CHECK(add_input(node, input));
    PTE_CHECK(add_input(node, filter_id));
    PTE_CHECK(add_input(node, bias, /*optional=*/true));
    return add_output(node, output);
  }

  // Per-dimension parameters are as long as the input's rank.
  Status expect_length(const XnnNode& node, size_t length, std::string_view what) {
    if (length != rank(node.inputs[0])) {
      return invalid_data("{} {} for a value of rank {}", length, what, rank(node.inputs[0]));
    }
    return {};
  }

  template <typename T>
  static PoolParams pool_params(const T& t) {
    PoolParams p;
    p.padding = {t.padding_top(), t.padding_right(), t.padding_bottom(), t.padding_left()};
    p.kernel = {t.pooling_height(), t.pooling_width()};
    return p;
  }

  Status node(const fb::Node* source) {
    const auto code = static_cast<size_t>(source->node_type());
    if (code == 0 || code > kNodeKinds || source->node() == nullptr) {
      return invalid_data("unknown kind of node, union code {}", code);
    }
    XnnNode n;
    n.kind = static_cast<NodeKind>(code);
    n.debug_handle = source->debug_handle();
    if (const auto* bounds = source->output_min_max()) {
      n.clamp = MinMax{bounds->output_min(), bounds->output_max()};
      if (std::isnan(n.clamp->min) || std::isnan(n.clamp->max) || n.clamp->min > n.clamp->max) {
        return invalid_data("{}: the result's bounds are {} and {}", node_name(n.kind),
                            n.clamp->min, n.clamp->max);
      }
    }
    PTE_CHECK(body(n, *source).at(node_name(n.kind)));
    for (uint32_t id : n.outputs) defined_[id] = true;
    graph_.nodes.push_back(std::move(n));
    return {};
  }

  Status body(XnnNode& n, const fb::Node& source) {
    switch (n.kind) {
      case NodeKind::kAdd:
      case NodeKind::kDiv:
      case NodeKind::kMinimum:
      case NodeKind::kMultiply:
      case NodeKind::kSubtract:
      case NodeKind::kMaximum:
      case NodeKind::kPReLU:
      case NodeKind::kBatchMatrixMultiply: {
        const auto* t = static_cast<const fb::Binary*>(source.node());
        n.flags = t->flags();
        PTE_CHECK(add_input(n, t->input1_id()));
        PTE_CHECK(add_input(n, t->input2_id()));
        return add_output(n, t->output_id());
      }
      case NodeKind::kFullyConnected: {
        const auto* t = static_cast<const fb::FullyConnected*>(source.node());
        return filter(n, t->input1_id(), t->filter_id(), t->bias_id(), t->output_id(), t->flags());
      }
      case NodeKind::kConv2d:
      case NodeKind::kDepthwiseConv2d:
      case NodeKind::kConvTranspose2d: {
        const auto* t = static_cast<const fb::Convolution*>(source.node());
        ConvParams p;
        p.padding = {t->padding_top(), t->padding_right(), t->padding_bottom(), t->padding_left()};
        p.kernel = {t->kernel_height(), t->kernel_width()};
        p.stride = {t->subsampling_height(), t->subsampling_width()};
        p.dilation = {t->dilation_height(), t->dilation_width()};
        p.group_input_channels = t->group_input_channels();
        p.group_output_channels = t->group_output_channels();
        p.groups = t->groups();
        p.adjustment = {t->adjustment_height(), t->adjustment_width()};
        n.params = p;
        return filter(n, t->input1_id(), t->filter_id(), t->bias_id(), t->output_id(), t->flags());
      }
      case NodeKind::kAvgPooling2d:
      case NodeKind::kMaxPooling2d: {
        const auto* t = static_cast<const fb::Pooling*>(source.node());
        PoolParams p = pool_params(*t);
        p.stride = {t->stride_height(), t->stride_width()};
        p.dilation = {t->dilation_height(), t->dilation_width()};
        n.params = p;
        return unary(n, t->input_id(), t->output_id(), t->flags());
      }
      case NodeKind::kArgMaxPooling2d: {
        const auto* t = static_cast<const fb::ArgMaxPooling*>(source.node());
        n.params = pool_params(*t);
        PTE_CHECK(unary(n, t->input_id(), t->output_value_id(), t->flags()));
        PTE_CHECK(add_output(n, t->output_index_id()));
        if (n.outputs[0] == n.outputs[1]) return invalid_data("both results are one value");
        return {};
      }
      case NodeKind::kStaticTranspose: {
        const auto* t = static_cast<const fb::StaticTranspose*>(source.node());
        PTE_CHECK(unary(n, t->input_id(), t->output_id(), t->flags()));
        TransposeParams p{copy(t->perm())};
        PTE_CHECK(expect_length(n, p.perm.size(), "axes"));
        uint32_t seen = 0;
        for (uint32_t axis : p.perm) {
          if (axis >= p.perm.size() || (seen & (1U << axis)) != 0) {
            return invalid_data("[{}] is no permutation", fmt::join(p.perm, ","));
          }
          seen |= 1U << axis;
        }
        n.params = std::move(p);
        return {};
      }
      case NodeKind::kStaticReshape: {
        const auto* t = static_cast<const fb::StaticReshape*>(source.node());
        PTE_CHECK(unary(n, t->input_id(), t->output_id(), t->flags()));
        ReshapeParams p{copy(t->new_shape())};
        if (p.shape.size() > kMaxDims || p.shape.size() != t->num_dims()) {
          return invalid_data("{} sizes where num_dims is {} (at most {})", p.shape.size(),
                              t->num_dims(), kMaxDims);
        }
        size_t inferred = 0;
        for (uint32_t size : p.shape) {
          inferred += size == 0;
          if (size > kMaxDim) return invalid_data("size {}", size);
        }
        if (inferred > 1)
          return invalid_data("{} inferred sizes, at most one is allowed", inferred);
        n.params = std::move(p);
        return {};
      }
      case NodeKind::kStaticSlice: {
        const auto* t = static_cast<const fb::StaticSlice*>(source.node());
        PTE_CHECK(unary(n, t->input_id(), t->output_id(), t->flags()));
        SliceParams p{copy(t->offsets()), copy(t->sizes())};
        PTE_CHECK(expect_length(n, p.offsets.size(), "offsets"));
        PTE_CHECK(expect_length(n, p.sizes.size(), "sizes"));
        n.params = std::move(p);
        return {};
      }
      case NodeKind::kStaticConstantPad: {
        const auto* t = static_cast<const fb::StaticPad*>(source.node());
        PTE_CHECK(unary(n, t->input_id(), t->output_id(), t->flags()));
        PadParams p{copy(t->pre_paddings()), copy(t->post_paddings()), t->padding_value()};
        PTE_CHECK(expect_length(n, p.before.size(), "paddings before"));
        PTE_CHECK(expect_length(n, p.after.size(), "paddings after"));
        n.params = std::move(p);
        return {};
      }
      case NodeKind::kStaticResizeBilinear2D: {
        const auto* t = static_cast<const fb::StaticResize*>(source.node());
        n.params = ResizeParams{{t->new_height(), t->new_width()}};
        return unary(n, t->input_id(), t->output_id(), t->flags());
      }
      case NodeKind::kConcatenate2:
      case NodeKind::kConcatenate3:
      case NodeKind::kConcatenate4:
      case NodeKind::kConcatenate5: {
        const auto* t = static_cast<const fb::Concatenate*>(source.node());
        const uint32_t ids[] = {t->input1_id(), t->input2_id(), t->input3_id(), t->input4_id(),
                                t->input5_id()};
        const size_t count =
            n.kind == NodeKind::kConcatenate5
                ? 5
                : static_cast<size_t>(n.kind) - static_cast<size_t>(NodeKind::kConcatenate2) + 2;
        n.flags = t->flags();
        for (size_t i = 0; i < count; ++i) PTE_CHECK(add_input(n, ids[i]));
        n.params = CatParams{t->axis()};
        if (t->axis() >= rank(n.inputs[0])) {
          return invalid_data("axis {} of a value of rank {}", t->axis(), rank(n.inputs[0]));
        }
        return add_output(n, t->output_id());
      }
      case NodeKind::kLeakyReLU: {
        const auto* t = static_cast<const fb::LeakyReLU*>(source.node());
        n.params = FactorParams{t->negative_slope()};
        return unary(n, t->input_id(), t->output_id(), t->flags());
      }
      case NodeKind::kELU: {
        const auto* t = static_cast<const fb::ELU*>(source.node());
        n.params = FactorParams{t->alpha()};
        return unary(n, t->input_id(), t->output_id(), t->flags());
      }
      case NodeKind::kScaledDotProductAttention: {
        const auto* t = static_cast<const fb::Attention*>(source.node());
        n.flags = t->flags();
        for (uint32_t id :
             {t->query_id(), t->key_id(), t->value_id(), t->scale_id(), t->mask_id()}) {
          PTE_CHECK(add_input(n, id));
        }
        return add_output(n, t->output_id());
      }
      default: {
        const auto* t = static_cast<const fb::Unary*>(source.node());
        return unary(n, t->input_id(), t->output_id(), t->flags());
      }
    }
  }

  const fb::Graph& source_;
  Bytes region_;
  std::shared_ptr<const void> owner_, flatbuffer_owner_;
  const Resolver& resolve_;
  XnnGraph graph_;
  std::unordered_map<uint32_t, uint32_t> index_of_id_;  // the file's ids → ours
  std::unordered_map<uint32_t, uint32_t> constants_;    // the file's constants → ours
  std::vector<bool> external_seen_;
  std::vector<bool> defined_;
};

}  // namespace

Result<XnnGraph> decode(Bytes payload, std::shared_ptr<const void> owner, const Resolver& resolve) {
  PTE_TRY(Regions regions, split(payload));
  Bytes bytes = regions.flatbuffer;
  if (bytes.size() < kMinFlatbuffer) {
    return invalid_data("XNNPACK payload: a flatbuffer of {} bytes", bytes.size());
  }
  if (bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    return make_error(Code::kResourceLimit, "XNNPACK payload: a flatbuffer of {} bytes",
                      bytes.size());
  }
  const std::string_view identifier = as_text(bytes.subspan(4, 4));
  if (identifier != "XN00" && identifier != "XN01") {
    return invalid_data(
        "XNNPACK payload: identifier {:02x} {:02x} {:02x} {:02x}, expected XN00 or XN01",
        static_cast<uint8_t>(identifier[0]), static_cast<uint8_t>(identifier[1]),
        static_cast<uint8_t>(identifier[2]), static_cast<uint8_t>(identifier[3]));
  }
  // Flatbuffers are read in place with aligned loads.
  std::shared_ptr<const void> flatbuffer_owner = owner;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % 16 != 0) {
    PTE_TRY(Tensor copied, Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(bytes.size())}));
    std::memcpy(copied.mutable_data(), bytes.data(), bytes.size());
    bytes = copied.bytes();
    flatbuffer_owner = copied.owner();
  }
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (!verifier.VerifyBuffer<fb::Graph>(nullptr)) {
    return invalid_data(
        "XNNPACK payload: the flatbuffer is damaged (an offset, size or alignment is wrong)");
  }
  const fb::Graph* graph = flatbuffers::GetRoot<fb::Graph>(bytes.data());
  return Decoder(*graph, regions.constants, std::move(owner), flatbuffer_owner, resolve).run();
}

}  // namespace pte::xnnpack
