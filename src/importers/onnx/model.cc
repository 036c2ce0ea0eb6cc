#include "importers/onnx/model.h"

#include <bit>

#include "importers/onnx/wire.h"

namespace pte::importers::onnx {
namespace {

constexpr int kMaxDepth = 32;

// Calls visit(field) for every field of a message.
template <typename Visit>
Status each_field(Bytes bytes, Visit visit) {
  WireReader reader(bytes);
  WireField field;
  while (true) {
    PTE_TRY(const bool more, reader.next(field));
    if (!more) return {};
    PTE_CHECK(visit(field));
  }
}

Status text(const WireField& field, std::string_view& out) {
  PTE_CHECK(expect_message(field, "a text"));
  out = field.text();
  return {};
}

Status texts(const WireField& field, std::vector<std::string_view>& out) {
  PTE_CHECK(expect_message(field, "a text"));
  out.push_back(field.text());
  return {};
}

Status pair(const WireField& field, std::pair<std::string_view, std::string_view>& out) {
  PTE_CHECK(expect_message(field, "a message"));
  return each_field(field.bytes, [&](const WireField& f) -> Status {
    if (f.number == 1) return text(f, out.first);
    if (f.number == 2) return text(f, out.second);
    return {};
  });
}

Status read_tensor(const WireField& message, TensorDef& out) {
  PTE_CHECK(expect_message(message, "a tensor"));
  return each_field(message.bytes, [&](const WireField& f) -> Status {
    switch (f.number) {
      case 1:
        return read_varints(f, out.dims);
      case 2:
        out.type = static_cast<int32_t>(f.value);
        return {};
      case 4:
        return read_floats(f, out.floats);
      case 5:
      case 7:
      case 11:
        return read_varints(f, out.integers);
      case 6:
        ++out.strings;
        return {};
      case 8:
        return text(f, out.name);
      case 9:
        PTE_CHECK(expect_message(f, "bytes"));
        out.has_raw = true;
        out.raw = f.bytes;
        return {};
      case 10:
        return read_doubles(f, out.doubles);
      case 13:
        out.external_data.emplace_back();
        return pair(f, out.external_data.back());
      case 14:
        out.external = f.value == 1;
        return {};
      default:
        return {};
    }
  });
}

Status read_dim(const WireField& message, Dim& out) {
  PTE_CHECK(expect_message(message, "a dimension"));
  return each_field(message.bytes, [&](const WireField& f) -> Status {
    // A blank or negative size stands for an unknown one in the files of some exporters.
    if (f.number == 1 && f.integer() >= 0) out.value = f.integer();
    if (f.number == 2) return text(f, out.symbol);
    return {};
  });
}

Status read_tensor_type(const WireField& message, ValueDef& out) {
  PTE_CHECK(expect_message(message, "a type"));
  return each_field(message.bytes, [&](const WireField& f) -> Status {
    if (f.number == 1) out.type = static_cast<int32_t>(f.value);
    if (f.number != 2) return {};
    PTE_CHECK(expect_message(f, "a shape"));
    out.dims.emplace();
    return each_field(f.bytes, [&](const WireField& d) -> Status {
      if (d.number != 1) return {};
      out.dims->emplace_back();
      return read_dim(d, out.dims->back());
    });
  });
}

Status read_value(const WireField& message, ValueDef& out) {
  PTE_CHECK(expect_message(message, "a value"));
  return each_field(message.bytes, [&](const WireField& f) -> Status {
    if (f.number == 1) return text(f, out.name);
    if (f.number != 2) return {};
    PTE_CHECK(expect_message(f, "a type"));
    return each_field(f.bytes, [&](const WireField& t) -> Status {
      switch (t.number) {
        case 1:
          return read_tensor_type(t, out);
        case 4:
          out.other = "a sequence";
          return {};
        case 5:
          out.other = "a map";
          return {};
        case 7:
          out.other = "opaque";
          return {};
        case 8:
          out.other = "a sparse tensor";
          return {};
        case 9:
          out.other = "an optional";
          return {};
        default:
          return {};
      }
    });
  });
}

Status read_graph(const WireField& message, GraphDef& out, int depth);

Status read_attribute(const WireField& message, AttributeDef& out, int depth) {
  PTE_CHECK(expect_message(message, "an attribute"));
  int32_t found = AttributeDef::kHoldsNone;
  Status done = each_field(message.bytes, [&](const WireField& f) -> Status {
    switch (f.number) {
      case 1:
        return text(f, out.name);
      case 2:
        found = AttributeDef::kHoldsFloat;
        out.f = std::bit_cast<float>(static_cast<uint32_t>(f.value));
        return {};
      case 3:
        found = AttributeDef::kHoldsInt;
        out.i = f.integer();
        return {};
      case 4:
        found = AttributeDef::kHoldsString;
        return text(f, out.s);
      case 5: {
        found = AttributeDef::kHoldsTensor;
        auto tensor = std::make_shared<TensorDef>();
        PTE_CHECK(read_tensor(f, *tensor));
        out.tensor = std::move(tensor);
        return {};
      }
      case 6: {
        found = AttributeDef::kHoldsGraph;
        auto graph = std::make_shared<GraphDef>();
        PTE_CHECK(read_graph(f, *graph, depth + 1));
        out.graph = std::move(graph);
        return {};
      }
      case 7:
        found = AttributeDef::kHoldsFloats;
        return read_floats(f, out.floats);
      case 8:
        found = AttributeDef::kHoldsInts;
        return read_varints(f, out.ints);
      case 9:
        found = AttributeDef::kHoldsStrings;
        return texts(f, out.strings);
      case 10:
      case 11:
      case 14:
      case 15:
      case 22:
      case 23:
        found = AttributeDef::kHoldsOther;
        return {};
      case 20:
        out.kind = static_cast<int32_t>(f.value);
        return {};
      case 21:
        return text(f, out.reference);
      default:
        return {};
    }
  });
  PTE_CHECK(std::move(done));
  // The type field is missing in files of the first version; a zero number or an empty list is not
  // written at all.
  if (out.kind == AttributeDef::kHoldsNone) out.kind = found;
  if ((out.kind == AttributeDef::kHoldsTensor && out.tensor == nullptr && out.reference.empty()) ||
      (out.kind == AttributeDef::kHoldsGraph && out.graph == nullptr && out.reference.empty()))
    return invalid_data("attribute '{}' lacks its value", out.name.substr(0, 80));
  return {};
}

Status read_node(const WireField& message, NodeDef& out, int depth) {
  PTE_CHECK(expect_message(message, "a node"));
  return each_field(message.bytes, [&](const WireField& f) -> Status {
    switch (f.number) {
      case 1:
        return texts(f, out.inputs);
      case 2:
        return texts(f, out.outputs);
      case 3:
        return text(f, out.name);
      case 4:
        return text(f, out.op);
      case 5:
        out.attributes.emplace_back();
        return read_attribute(f, out.attributes.back(), depth);
      case 7:
        PTE_CHECK(text(f, out.domain));
        out.domain = plain_domain(out.domain);
        return {};
      case 8:
        return text(f, out.overload);
      default:
        return {};
    }
  });
}

Status read_graph(const WireField& message, GraphDef& out, int depth) {
  if (depth > kMaxDepth) return invalid_data("graphs are nested more than {} deep", kMaxDepth);
  PTE_CHECK(expect_message(message, "a graph"));
  return each_field(message.bytes, [&](const WireField& f) -> Status {
    switch (f.number) {
      case 1:
        out.nodes.emplace_back();
        return read_node(f, out.nodes.back(), depth);
      case 2:
        return text(f, out.name);
      case 5:
        out.initializers.emplace_back();
        return read_tensor(f, out.initializers.back());
      case 11:
        out.inputs.emplace_back();
        return read_value(f, out.inputs.back());
      case 12:
        out.outputs.emplace_back();
        return read_value(f, out.outputs.back());
      case 13:
        out.values.emplace_back();
        return read_value(f, out.values.back());
      case 15:
        ++out.sparse_initializers;
        return {};
      default:
        return {};
    }
  });
}

Status read_opset(const WireField& message, Opsets& out) {
  PTE_CHECK(expect_message(message, "an opset"));
  std::string_view domain;
  int64_t version = 0;
  PTE_CHECK(each_field(message.bytes, [&](const WireField& f) -> Status {
    if (f.number == 1) return text(f, domain);
    if (f.number == 2) version = f.integer();
    return {};
  }));
  out.insert_or_assign(std::string(plain_domain(domain)), version);
  return {};
}

Status read_function(const WireField& message, FunctionDef& out) {
  PTE_CHECK(expect_message(message, "a function"));
  return each_field(message.bytes, [&](const WireField& f) -> Status {
    switch (f.number) {
      case 1:
        return text(f, out.name);
      case 4:
        return texts(f, out.inputs);
      case 5:
        return texts(f, out.outputs);
      case 7:
        out.nodes.emplace_back();
        return read_node(f, out.nodes.back(), 1);
      case 9:
        return read_opset(f, out.opsets);
      case 10:
        PTE_CHECK(text(f, out.domain));
        out.domain = plain_domain(out.domain);
        return {};
      case 11:
        out.defaults.emplace_back();
        return read_attribute(f, out.defaults.back(), 1);
      case 13:
        return text(f, out.overload);
      default:
        return {};
    }
  });
}

}  // namespace

std::string element_type_name(int32_t type) {
  static constexpr std::string_view kNames[] = {
      "undefined",      "float",    "uint8",        "int8",           "uint16",
      "int16",          "int32",    "int64",        "string",         "bool",
      "float16",        "double",   "uint32",       "uint64",         "complex64",
      "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
      "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1",     "float8e8m0",
      "uint2",          "int2"};
  if (type < 0 || static_cast<size_t>(type) >= std::size(kNames))
    return fmt::format("type {}", type);
  return std::string(kNames[type]);
}

const AttributeDef* NodeDef::find(std::string_view attribute) const {
  for (const AttributeDef& item : attributes) {
    if (item.name == attribute) return &item;
  }
  return nullptr;
}

std::string NodeDef::place() const {
  std::string text = domain.empty() ? std::string(op.substr(0, 80))
                                    : fmt::format("{}::{}", domain.substr(0, 80), op.substr(0, 80));
  const std::string_view label =
      !name.empty() ? name : (outputs.empty() ? std::string_view() : outputs[0]);
  if (!label.empty()) text += fmt::format(" '{}'", label.substr(0, 120));
  return text;
}

Result<ModelDef> read_model(Bytes bytes) {
  ModelDef model;
  bool has_graph = false;
  PTE_CHECK(each_field(bytes, [&](const WireField& f) -> Status {
    switch (f.number) {
      case 1:
        model.ir_version = f.integer();
        return {};
      case 2:
        return text(f, model.producer);
      case 3:
        return text(f, model.producer_version);
      case 7:
        has_graph = true;
        return read_graph(f, model.graph, 0);
      case 8:
        return read_opset(f, model.opsets);
      case 25:
        model.functions.emplace_back();
        return read_function(f, model.functions.back());
      default:
        return {};
    }
  }));
  if (!has_graph) return invalid_data("it has no graph: this is no ONNX model");
  return model;
}

Result<TensorDef> read_tensor_def(Bytes bytes) {
  TensorDef tensor;
  WireField field;
  field.type = WireType::kLength;
  field.bytes = bytes;
  PTE_CHECK(read_tensor(field, tensor));
  return tensor;
}

}  // namespace pte::importers::onnx
