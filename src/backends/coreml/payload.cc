#include "backends/coreml/payload.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/checked.h"

namespace pte::coreml {
namespace {

using nlohmann::json;

constexpr size_t kMostDescription = size_t{16} << 20;
constexpr int kMostDepth = 64;
constexpr size_t kMostFiles = 10'000;
constexpr size_t kMostPath = 4096;

json parse(std::string_view text) {
  // The parser never meets a text that was built to nest.
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (in_string) {
      if (text[i] == '\\') {
        ++i;
      } else if (text[i] == '"') {
        in_string = false;
      }
    } else if (text[i] == '"') {
      in_string = true;
    } else if (text[i] == '{' || text[i] == '[') {
      if (++depth > kMostDepth) return json(json::value_t::discarded);
    } else if (text[i] == '}' || text[i] == ']') {
      --depth;
    }
  }
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// The description lies at the end with its bytes reversed: read backwards, one balanced object.
Result<std::string> description(Bytes payload) {
  std::string text;
  int depth = 0;
  bool in_string = false, escaped = false;
  size_t at = payload.size();
  while (at > 0 && payload[at - 1] == std::byte{0}) --at;
  while (at > 0 && text.size() < kMostDescription) {
    const auto c = static_cast<char>(payload[--at]);
    text += c;
    if (text.size() == 1 && c != '{') break;
    if (in_string) {
      if (escaped) {
        escaped = false;
      } else if (c == '\\') {
        escaped = true;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return text;
    }
  }
  return invalid_data("no description of files at the end of the {} bytes", payload.size());
}

std::vector<std::string> strings(const json& object, const char* key) {
  std::vector<std::string> out;
  const auto it = object.find(key);
  if (it == object.end() || !it->is_array()) return out;
  for (const json& item : *it) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

std::string string(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<uint64_t> number(const json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_number_unsigned()) return std::nullopt;
  return it->get<uint64_t>();
}

// Walks the tree of nodes from the root, each node at most once.
class Walker {
 public:
  Walker(const json& nodes, Bytes payload, Payload& out)
      : nodes_(nodes), payload_(payload), out_(out), seen_(nodes.size(), false) {}

  Status walk(size_t index, const std::string& path, int depth) {
    if (depth > kMostDepth) return invalid_data("folders lie too deep");
    if (index >= nodes_.size() || seen_[index])
      return invalid_data("node {} is named twice", index);
    seen_[index] = true;
    const json& node = nodes_[index];
    if (!node.is_object()) return invalid_data("node {} is no object", index);
    if (number(node, "kind") == 0U) return file(node, path);
    const auto children = node.find("children");
    if (children == node.end() || !children->is_object()) return {};
    for (const auto& [name, child] : children->items()) {
      if (!child.is_number_unsigned()) return invalid_data("child '{}' of node {}", name, index);
      if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
        return invalid_data("'{}' is no name of a file", name);
      const std::string inner = path.empty() ? name : path + "/" + name;
      if (inner.size() > kMostPath) return invalid_data("paths are too long");
      PTE_CHECK(walk(child.get<size_t>(), inner, depth + 1));
    }
    return {};
  }

 private:
  Status file(const json& node, const std::string& path) {
    const auto region = node.find("dataRegion");
    if (region == node.end() || !region->is_object())
      return invalid_data("'{}' has no place", path);
    const auto offset = number(*region, "offset"), size = number(*region, "size");
    if (!offset || !size || !in_range(*offset, *size, payload_.size())) {
      return invalid_data("'{}' lies outside the {} bytes", path, payload_.size());
    }
    out_.files.push_back({path, payload_.subspan(*offset, *size)});
    return {};
  }

  const json& nodes_;
  Bytes payload_;
  Payload& out_;
  std::vector<bool> seen_;
};

Result<Payload> reference(std::string_view text) {
  const json object = parse(text);
  if (!object.is_object()) return invalid_data("'CMJR' is followed by no JSON object");
  Payload out;
  out.key = string(object, "key");
  out.function = string(object, "functionName");
  return out;
}

void read_metadata(Payload& out) {
  for (const File& file : out.files) {
    if (file.path != "metadata.json" || file.bytes.size() > kMostDescription) continue;
    const json object = parse(as_text(file.bytes));
    if (!object.is_object()) continue;
    out.identifier = string(object, "identifier");
    out.inputs = strings(object, "inputNames");
    out.outputs = strings(object, "outputNames");
  }
}

}  // namespace

Result<Payload> decode(Bytes payload) {
  if (as_text(payload).starts_with("CMJR")) return reference(as_text(payload).substr(4));
  PTE_TRY(const std::string text, description(payload));
  const json object = parse(text);
  const auto nodes = object.is_object() ? object.find("nodes") : object.end();
  if (!object.is_object() || nodes == object.end() || !nodes->is_array() || nodes->empty() ||
      nodes->size() > kMostFiles) {
    return invalid_data("the description at its end lists no files");
  }
  Payload out;
  Walker walker(*nodes, payload, out);
  PTE_CHECK(walker.walk(nodes->size() - 1, "", 0));
  read_metadata(out);
  for (const File& file : out.files) {
    if (file.path.find(".mlpackage/") != std::string::npos) out.format = "mlpackage";
    if (file.path.find(".mlmodelc/") != std::string::npos) out.format = "mlmodelc";
    if (file.path.ends_with("weight.bin")) out.weight_bytes += file.bytes.size();
    if (!file.path.ends_with(".mlmodel")) continue;
    auto spec = decode_spec(file.bytes);
    if (spec) {
      out.spec = std::move(*spec);
    } else {
      out.spec_problem = spec.error().message;
    }
  }
  return out;
}

}  // namespace pte::coreml
