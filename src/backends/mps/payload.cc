#include "backends/mps/payload.h"

#include <cstring>

#include "base/checked.h"
#include "schema/mps_generated.h"

namespace pte::mps {
namespace {

namespace fb = pte::schema::mps;

constexpr size_t kHeaderBytes = 24;
constexpr size_t kLeastBytes = 30;

std::vector<int32_t> copied(const flatbuffers::Vector<int32_t>* in) {
  return in == nullptr ? std::vector<int32_t>() : std::vector<int32_t>(in->begin(), in->end());
}

// What each form of node reads and writes.
void ports(const fb::Unary& in, Node& out) {
  out.inputs = {in.input1_id()};
  out.outputs = {in.output_id()};
}
void ports(const fb::Binary& in, Node& out) {
  out.inputs = {in.input1_id(), in.input2_id()};
  out.outputs = {in.output_id()};
}
void ports(const fb::Ternary& in, Node& out) {
  out.inputs = {in.input1_id(), in.input2_id(), in.input3_id()};
  out.outputs = {in.output_id()};
}
void ports(const fb::IndexTensor& in, Node& out) {
  out.inputs = copied(in.indices_id());
  out.inputs.insert(out.inputs.begin(), in.input1_id());
  out.outputs = {in.output_id()};
}
void ports(const fb::IndexPut& in, Node& out) {
  out.inputs = copied(in.indices_id());
  out.inputs.insert(out.inputs.begin(), in.input1_id());
  out.inputs.push_back(in.values_id());
  out.outputs = {in.output_id()};
}
void ports(const fb::Cat& in, Node& out) {
  out.inputs = copied(in.input_ids());
  out.outputs = {in.output_id()};
}
void ports(const fb::SplitWithSizes& in, Node& out) {
  out.inputs = {in.input1_id()};
  out.outputs = copied(in.output_ids());
}
void ports(const fb::BatchNorm& in, Node& out) {
  out.inputs = {in.input_id(), in.mean_id(), in.var_id(), in.weight_id(), in.bias_id()};
  out.outputs = {in.output1_id(), in.output2_id(), in.output3_id()};
}
void ports(const fb::LayerNorm& in, Node& out) {
  out.inputs = {in.input1_id(), in.weight_id(), in.bias_id()};
  out.outputs = {in.output1_id(), in.output2_id(), in.output3_id()};
}
void ports(const fb::Pooling& in, Node& out) {
  out.inputs = {in.input1_id()};
  out.outputs = {in.output1_id(), in.output2_id()};
}
void ports(const fb::Arange& in, Node& out) { out.outputs = {in.output_id()}; }

template <typename T>
void read(const void* table, Node& out) {
  ports(*static_cast<const T*>(table), out);
}

using Read = void (*)(const void*, Node&);

// By form; kinds that are not listed are unary.
Read reader_of(fb::Node kind) {
  using K = fb::Node;
  const auto between = [&](K first, K last) { return kind >= first && kind <= last; };
  if (kind == K::ReLU || between(K::Add, K::Minimum) || kind == K::MatMul || kind == K::Embedding ||
      between(K::Eq, K::Lt))
    return read<fb::Binary>;
  if (kind == K::Addmm || kind == K::Where || between(K::Conv2D, K::DepthwiseConv2D))
    return read<fb::Ternary>;
  if (kind == K::IndexTensor) return read<fb::IndexTensor>;
  if (kind == K::IndexPut) return read<fb::IndexPut>;
  if (kind == K::Cat) return read<fb::Cat>;
  if (kind == K::SplitWithSizes) return read<fb::SplitWithSizes>;
  if (kind == K::BatchNorm) return read<fb::BatchNorm>;
  if (kind == K::LayerNorm) return read<fb::LayerNorm>;
  if (between(K::MaxPool2DWithIndices, K::AvgPool2D)) return read<fb::Pooling>;
  if (kind == K::Arange) return read<fb::Arange>;
  return read<fb::Unary>;
}

Status check_ids(const std::vector<int32_t>& ids, size_t count, std::string_view what) {
  for (const int32_t id : ids) {
    if (id < -1 || (id >= 0 && static_cast<size_t>(id) >= count)) {
      return invalid_data("{}: value {} of {}", what, id, count);
    }
  }
  return {};
}

Result<Graph> read_graph(const fb::MPSGraph& in, uint64_t segment) {
  Graph out;
  if (in.version() != nullptr) out.version = in.version()->str();
  out.metal_kernels = in.graph_type() == 1;
  out.segment_bytes = segment;
  if (in.mps_values() != nullptr) {
    for (const auto* item : *in.mps_values()) {
      TensorInfo value{item->datatype(), copied(item->dims()), item->constant_buffer_size(),
                       item->segment_offset()};
      const auto* legacy = item->constant_buffer();
      const bool inside = legacy != nullptr && legacy->storage() != nullptr;
      if (value.constant_bytes > 0 && !inside &&
          !in_range(value.offset, value.constant_bytes, segment)) {
        return invalid_data("value {}: a constant at {}, {} bytes, in a segment of {} bytes",
                            out.values.size(), value.offset, value.constant_bytes, segment);
      }
      out.values.push_back(std::move(value));
    }
  }
  const size_t count = out.values.size();
  if (in.mps_nodes() != nullptr) {
    for (const auto* item : *in.mps_nodes()) {
      Node node;
      const fb::Node kind = item->mpsnode_union_type();
      if (kind > fb::Node::NONE && kind <= fb::Node::MAX) {
        if (item->mpsnode_union() == nullptr)
          return invalid_data("node {} is empty", out.nodes.size());
        node.kind = fb::EnumNameNode(kind);
        reader_of(kind)(item->mpsnode_union(), node);
      } else {
        node.kind = fmt::format("kind {}", static_cast<int>(kind));
      }
      const std::string where = fmt::format("node {}", out.nodes.size());
      PTE_CHECK(check_ids(node.inputs, count, where));
      PTE_CHECK(check_ids(node.outputs, count, where));
      out.nodes.push_back(std::move(node));
    }
  }
  out.inputs = copied(in.input_ids());
  out.outputs = copied(in.output_ids());
  out.constants = copied(in.constant_ids());
  PTE_CHECK(check_ids(out.inputs, count, "inputs"));
  PTE_CHECK(check_ids(out.outputs, count, "outputs"));
  PTE_CHECK(check_ids(out.constants, count, "constants"));
  return out;
}

}  // namespace

Result<Graph> decode(Bytes payload) {
  if (payload.size() < kLeastBytes || std::memcmp(payload.data() + 4, "MP00", 4) != 0) {
    return invalid_data("{} bytes that do not begin with an MPS header ('MP00' at byte 4)",
                        payload.size());
  }
  uint64_t offset = 0, size = 0;
  std::memcpy(&offset, payload.data() + 8, sizeof(offset));
  std::memcpy(&size, payload.data() + 16, sizeof(size));
  if (!in_range(offset, size, payload.size())) {
    return invalid_data("its header names data at {} + {} of {} bytes", offset, size,
                        payload.size());
  }
  // Without data the flatbuffer goes on to the end.
  const uint64_t end = offset > kHeaderBytes ? offset : payload.size();
  const size_t length = end - kHeaderBytes;
  std::vector<uint64_t> copy((length + 7) / 8 + 1);
  std::memcpy(copy.data(), payload.data() + kHeaderBytes, length);
  const auto* data = reinterpret_cast<const uint8_t*>(copy.data());
  flatbuffers::Verifier::Options options;
  options.max_depth = 16;
  options.max_tables = static_cast<flatbuffers::uoffset_t>(length / 4 + 16);
  flatbuffers::Verifier verifier(data, length, options);
  if (length < 8 || length >= FLATBUFFERS_MAX_BUFFER_SIZE || !fb::VerifyMPSGraphBuffer(verifier)) {
    return invalid_data("the MPS flatbuffer of {} bytes is damaged", length);
  }
  return read_graph(*fb::GetMPSGraph(data), size);
}

std::string datatype_name(int16_t code) {
  static constexpr std::string_view kNames[] = {
      "invalid", "float16", "float32", "float64", "bfloat16",  "int4",
      "int8",    "int16",   "int32",   "int64",   "uint4",     "uint8",
      "uint16",  "uint32",  "uint64",  "bool",    "complex32", "complex64"};
  if (code >= 0 && static_cast<size_t>(code) < std::size(kNames)) return std::string(kNames[code]);
  return fmt::format("type {}", code);
}

}  // namespace pte::mps
