#include "backends/vulkan/payload.h"

#include <cstring>

#include "base/checked.h"
#include "schema/vulkan_generated.h"

namespace pte::vulkan {
namespace {

namespace fb = pte::schema::vulkan;

constexpr size_t kHeaderBytes = 30;

template <typename T>
T number_at(Bytes bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
size_t length(const T* vector) {
  return vector == nullptr ? 0 : vector->size();
}

template <typename Out, typename T>
std::vector<Out> copied(const flatbuffers::Vector<T>* in) {
  std::vector<Out> out;
  if (in != nullptr) {
    out.reserve(in->size());
    for (const auto item : *in) out.push_back(static_cast<Out>(item));
  }
  return out;
}

std::string text(const flatbuffers::String* in) { return in == nullptr ? "" : in->str(); }

class Decoder {
 public:
  Decoder(const fb::VkGraph& in, uint64_t region) : in_(in), region_(region) {}

  Result<Graph> run() {
    out_.version = text(in_.version());
    PTE_TRY(out_.constants, ranges(in_.constants(), "constant"));
    PTE_TRY(out_.shaders, ranges(in_.shaders(), "shader"));
    for (size_t i = 0; i < length(in_.values()); ++i) {
      PTE_TRY(Value item,
              value(*in_.values()->Get(static_cast<uint32_t>(i))).at(fmt::format("value {}", i)));
      out_.values.push_back(std::move(item));
    }
    for (size_t i = 0; i < length(in_.chain()); ++i) {
      const auto* item = in_.chain()->Get(static_cast<uint32_t>(i));
      Call call{item->node_id(), text(item->name()), copied<int32_t>(item->args())};
      for (const int32_t arg : call.args) PTE_CHECK(check(arg).at(fmt::format("call {}", i)));
      out_.chain.push_back(std::move(call));
    }
    out_.inputs = copied<uint32_t>(in_.input_ids());
    out_.outputs = copied<uint32_t>(in_.output_ids());
    for (const auto* ids : {&out_.inputs, &out_.outputs}) {
      for (const uint32_t id : *ids)
        PTE_CHECK(check(static_cast<int64_t>(id)).at("an input or output"));
    }
    return std::move(out_);
  }

 private:
  Status check(int64_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= length(in_.values())) {
      return invalid_data("value {} of {}", id, length(in_.values()));
    }
    return {};
  }

  Result<std::vector<Constant>> ranges(
      const flatbuffers::Vector<flatbuffers::Offset<fb::VkBytes>>* in, const char* what) const {
    std::vector<Constant> out;
    for (size_t i = 0; i < length(in); ++i) {
      const auto* item = in->Get(static_cast<uint32_t>(i));
      Constant entry{text(item->named_key()), item->offset(), item->length()};
      if (entry.key.empty() && !in_range(entry.offset, entry.length, region_)) {
        return invalid_data("{} {} at {}, {} bytes, in a region of {} bytes", what, i, entry.offset,
                            entry.length, region_);
      }
      out.push_back(std::move(entry));
    }
    return out;
  }

  Result<Value> value(const fb::VkValue& in) const {
    using fb::GraphTypes;
    if (in.value() == nullptr && in.value_type() != GraphTypes::NONE) {
      return invalid_data("no content");
    }
    switch (in.value_type()) {
      case GraphTypes::Null:
        return Value();
      case GraphTypes::Int:
        return Value(static_cast<int64_t>(in.value_as_Int()->int_val()));
      case GraphTypes::Double:
        return Value(in.value_as_Double()->double_val());
      case GraphTypes::Bool:
        return Value(in.value_as_Bool()->bool_val());
      case GraphTypes::VkTensor:
        return tensor(*in.value_as_VkTensor());
      case GraphTypes::IntList:
        return Value(copied<int64_t>(in.value_as_IntList()->items()));
      case GraphTypes::DoubleList:
        return Value(copied<double>(in.value_as_DoubleList()->items()));
      case GraphTypes::BoolList:
        return Value(copied<bool>(in.value_as_BoolList()->items()));
      case GraphTypes::ValueList: {
        ValueListRef list{copied<int32_t>(in.value_as_ValueList()->items())};
        // -1 stands for none.
        for (const int32_t item : list.items) {
          if (item != -1) PTE_CHECK(check(item));
        }
        return Value(std::move(list));
      }
      case GraphTypes::String:
        return Value(text(in.value_as_String()->string_val()));
      case GraphTypes::SymInt:
        return Value(SymIntRef{in.value_as_SymInt()->value()});
      case GraphTypes::NONE:
        break;
    }
    return unsupported("kind {} of a value", static_cast<int>(in.value_type()));
  }

  Result<Value> tensor(const fb::VkTensor& in) const {
    TensorInfo out;
    out.datatype = in.datatype();
    out.dims = copied<uint32_t>(in.dims());
    out.constant = in.constant_id();
    out.memory = in.mem_obj_id();
    out.storage = in.storage_type();
    out.layout = in.memory_layout();
    out.staging = in.staging_datatype();
    if (out.constant < -1 ||
        (out.constant >= 0 && static_cast<size_t>(out.constant) >= length(in_.constants()))) {
      return invalid_data("constant {} of {}", out.constant, length(in_.constants()));
    }
    return Value(std::move(out));
  }

  const fb::VkGraph& in_;
  uint64_t region_;
  Graph out_;
};

}  // namespace

Result<Graph> decode(Bytes payload) {
  if (payload.size() < kHeaderBytes || std::memcmp(payload.data() + 4, "VH00", 4) != 0) {
    return invalid_data("{} bytes that do not begin with a Vulkan header ('VH00' at byte 4)",
                        payload.size());
  }
  const auto header = number_at<uint16_t>(payload, 8);
  const auto offset = number_at<uint32_t>(payload, 10);
  const auto size = number_at<uint32_t>(payload, 14);
  const auto bytes_offset = number_at<uint32_t>(payload, 18);
  const auto bytes_size = number_at<uint64_t>(payload, 22);
  if (header < kHeaderBytes || !in_range(offset, size, payload.size()) || offset % 4 != 0 ||
      !in_range(bytes_offset, bytes_size, payload.size())) {
    return invalid_data("its header names {} + {} and {} + {} of {} bytes", offset, size,
                        bytes_offset, bytes_size, payload.size());
  }
  // The flatbuffer's place in memory must suit its largest number.
  std::vector<uint64_t> copy;
  const auto* data = reinterpret_cast<const uint8_t*>(payload.data() + offset);
  if (reinterpret_cast<uintptr_t>(data) % 8 != 0) {
    copy.resize(size / 8 + 1);
    std::memcpy(copy.data(), data, size);
    data = reinterpret_cast<const uint8_t*>(copy.data());
  }
  flatbuffers::Verifier::Options options;
  options.max_depth = 16;
  options.max_tables = size / 4 + 16;
  flatbuffers::Verifier verifier(data, size, options);
  if (size < 8 || !fb::VerifyVkGraphBuffer(verifier)) {
    return invalid_data("the Vulkan flatbuffer of {} bytes is damaged", size);
  }
  return Decoder(*fb::GetVkGraph(data), bytes_size).run();
}

std::string datatype_name(int8_t code) {
  static constexpr std::string_view kNames[] = {"bool",    "uint8",   "int8",    "int32",
                                                "float16", "float32", "float64", "int64"};
  if (code >= 0 && static_cast<size_t>(code) < std::size(kNames)) return std::string(kNames[code]);
  return code == 127 ? "unset" : fmt::format("type {}", code);
}

std::string storage_name(uint8_t code) {
  static constexpr std::string_view kNames[] = {"buffer", "texture_3d", "texture_2d"};
  if (code < std::size(kNames)) return std::string(kNames[code]);
  return code == 255 ? "default" : fmt::format("storage {}", code);
}

std::string layout_name(uint8_t code) {
  static constexpr std::string_view kNames[] = {
      "width_packed",     "height_packed",     "channels_packed", "packed_int8_4w4c",
      "packed_int8_4h4w", "packed_int8_4w",    "packed_int8_4c",  "",
      "packed_int8_4c1w", "packed_int8_conv2d"};
  if (code < std::size(kNames) && code != 7) return std::string(kNames[code]);
  return code == 255 ? "default" : fmt::format("layout {}", code);
}

}  // namespace pte::vulkan
