// The parts of CoreML.Specification.Model that tell what a model takes, gives and does. A reader of
// protobuf's wire format that skips what it does not know.
#include "backends/coreml/payload.h"
#include "base/checked.h"

namespace pte::coreml {
namespace {

constexpr int kMostDepth = 16;
constexpr size_t kMostOperations = 1'000'000;
constexpr size_t kMostText = 4096;

struct Field {
  uint32_t number = 0;
  uint64_t value = 0;  // of varints and fixed numbers
  Bytes bytes;         // of length-delimited ones
  bool delimited = false;
};

// Fields of one message in their order.
class Message {
 public:
  explicit Message(Bytes bytes) : bytes_(bytes) {}

  // False at the end; an error for bytes that are no message.
  Result<bool> next(Field& field) {
    if (at_ == bytes_.size()) return false;
    PTE_TRY(const uint64_t tag, varint());
    field = {};
    field.number = static_cast<uint32_t>(tag >> 3);
    switch (tag & 7) {
      case 0: {
        PTE_TRY(field.value, varint());
        return true;
      }
      case 1:
        return fixed(field, 8);
      case 5:
        return fixed(field, 4);
      case 2: {
        PTE_TRY(const uint64_t size, varint());
        if (!in_range(at_, size, bytes_.size())) return damaged();
        field.bytes = bytes_.subspan(at_, size);
        field.delimited = true;
        at_ += size;
        return true;
      }
      default:
        return damaged();
    }
  }

 private:
  Error damaged() const {
    return invalid_data("the model's protobuf is damaged at byte {} of {}", at_, bytes_.size());
  }
  Result<uint64_t> varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) return damaged();
      const auto byte = static_cast<uint64_t>(bytes_[at_++]);
      value |= (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return damaged();
  }
  Result<bool> fixed(Field& field, size_t size) {
    if (!in_range(at_, size, bytes_.size())) return damaged();
    for (size_t i = 0; i < size; ++i) {
      field.value |= static_cast<uint64_t>(bytes_[at_ + i]) << (8 * i);
    }
    at_ += size;
    return true;
  }

  Bytes bytes_;
  size_t at_ = 0;
};

template <typename Fn>
Status each(Bytes bytes, Fn&& fn) {
  Message message(bytes);
  Field field;
  while (true) {
    PTE_TRY(const bool more, message.next(field));
    if (!more) return {};
    PTE_CHECK(fn(field));
  }
}

std::string text(Bytes bytes) { return std::string(as_text(bytes).substr(0, kMostText)); }

class SpecReader {
 public:
  Result<Spec> run(Bytes bytes) {
    PTE_CHECK(each(bytes, [&](const Field& field) { return model(field); }));
    return std::move(out_);
  }

 private:
  Status model(const Field& field) {
    if (field.number == 1 && !field.delimited) out_.version = static_cast<int64_t>(field.value);
    if (!field.delimited) return {};
    if (field.number == 2) {
      return each(field.bytes, [&](const Field& inner) { return description(inner); });
    }
    if (field.number == 502) {
      out_.kind = "mlProgram";
      return each(field.bytes, [&](const Field& inner) -> Status {
        return inner.number == 2 && inner.delimited ? function_entry(inner.bytes) : Status();
      });
    }
    if (field.number == 500 || field.number == 303 || field.number == 403)
      out_.kind = "neuralNetwork";
    if (field.number == 555) out_.kind = "serializedModel";
    if (field.number == 202) out_.kind = "pipeline";
    return {};
  }

  Status description(const Field& field) {
    if (!field.delimited || (field.number != 1 && field.number != 10)) return {};
    PTE_TRY(Feature feature, this->feature(field.bytes));
    (field.number == 1 ? out_.inputs : out_.outputs).push_back(std::move(feature));
    return {};
  }

  static Result<Feature> feature(Bytes bytes) {
    Feature out;
    PTE_CHECK(each(bytes, [&](const Field& field) -> Status {
      if (field.number == 1 && field.delimited) out.name = text(field.bytes);
      if (field.number != 3 || !field.delimited) return {};
      return each(field.bytes, [&](const Field& type) -> Status {
        if (type.number == 4) out.type = "image";
        if (type.number != 5 || !type.delimited) return {};
        PTE_TRY(out.type, array(type.bytes));
        return {};
      });
    }));
    return out;
  }

  static Result<std::string> array(Bytes bytes) {
    std::string sizes;
    uint64_t code = 0;
    const auto add = [&](uint64_t size) {
      if (sizes.size() < 200) sizes += fmt::format("{}{}", sizes.empty() ? "" : ",", size);
    };
    PTE_CHECK(each(bytes, [&](const Field& field) -> Status {
      if (field.number == 2 && !field.delimited) code = field.value;
      if (field.number != 1) return {};
      if (!field.delimited) {
        add(field.value);
        return {};
      }
      // Packed numbers, which look like the values of fields without tags.
      uint64_t value = 0;
      int shift = 0;
      for (const std::byte byte : field.bytes) {
        if (shift > 63) return invalid_data("a size of the model's input is damaged");
        value |= (static_cast<uint64_t>(byte) & 0x7f) << shift;
        shift += 7;
        if ((static_cast<uint64_t>(byte) & 0x80) != 0) continue;
        add(value);
        value = 0;
        shift = 0;
      }
      return {};
    }));
    // The kind in the upper half, its bits in the lower one.
    std::string dtype = fmt::format("type {}", code);
    if (code == 0x10010) dtype = "float16";
    if (code == 0x10020) dtype = "float32";
    if (code == 0x10040) dtype = "float64";
    if (code == 0x20020) dtype = "int32";
    return dtype + "[" + sizes + "]";
  }

  // A map's entries are messages of key and value.
  template <typename Fn>
  static Status map_value(Bytes entry, Fn&& fn) {
    return each(entry, [&](const Field& field) -> Status {
      return field.number == 2 && field.delimited ? each(field.bytes, fn) : Status();
    });
  }

  Status function_entry(Bytes entry) {
    return map_value(entry, [&](const Field& field) -> Status {
      if (field.number == 2 && field.delimited) out_.opset = text(field.bytes);
      if (field.number != 3 || !field.delimited) return {};
      return map_value(field.bytes, [&](const Field& inner) { return block(inner, 0); });
    });
  }

  Status block(const Field& field, int depth) {
    if (field.number != 3 || !field.delimited) return {};
    if (depth > kMostDepth) return invalid_data("blocks of the model lie too deep");
    Operation operation;
    PTE_CHECK(each(field.bytes, [&](const Field& inner) -> Status {
      if (!inner.delimited) return {};
      if (inner.number == 1) operation.type = text(inner.bytes);
      if (inner.number == 3) {
        return each(inner.bytes, [&](const Field& output) -> Status {
          if (output.number == 1 && output.delimited)
            operation.outputs.push_back(text(output.bytes));
          return {};
        });
      }
      if (inner.number == 4) {
        return each(inner.bytes, [&](const Field& nested) { return block(nested, depth + 1); });
      }
      return {};
    }));
    if (operation.type == "const") {
      ++out_.constants;
      return {};
    }
    if (out_.operations.size() >= kMostOperations) {
      return make_error(Code::kResourceLimit, "more than {} operations", kMostOperations);
    }
    out_.operations.push_back(std::move(operation));
    return {};
  }

  Spec out_;
};

}  // namespace

Result<Spec> decode_spec(Bytes model) { return SpecReader().run(model); }

}  // namespace pte::coreml
