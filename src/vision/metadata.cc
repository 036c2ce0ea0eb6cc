#include "vision/metadata.h"

#include <nlohmann/json.hpp>

#include "vision/json_fields.h"

namespace pte::vision {
namespace {

constexpr size_t kMaxBytes = size_t{8} << 20;
constexpr int kMaxDepth = 32;

// Brackets outside strings, so that the parser never meets a text built to nest.
bool nests_deeper_than(std::string_view text, int limit) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > limit) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

Status read_input(const nlohmann::json& json, Metadata& metadata) {
  const auto input = json.find("input");
  if (input == json.end()) return {};
  if (!input->is_object()) return invalid_data("'input' must be an object");
  PTE_CHECK(read_field(*input, "name", metadata.input_name));
  const auto shape = input->find("shape");
  if (shape == input->end()) return {};
  if (!shape->is_array() || shape->size() > kMaxRank)
    return invalid_data("'input.shape' must be a list of at most {} sizes", kMaxRank);
  for (const auto& size : *shape) {
    if (!size.is_number_integer() || size.get<double>() < 1 || size.get<double>() > 1e9)
      return invalid_data("'input.shape' must hold sizes of 1 or more");
    metadata.input_shape.push_back(size.get<int64_t>());
  }
  return {};
}

Status read_labels(const nlohmann::json& json, Metadata& metadata) {
  const auto labels = json.find("labels");
  if (labels == json.end()) return {};
  if (!labels->is_array()) return invalid_data("'labels' must be a list of names");
  for (const auto& label : *labels) {
    if (!label.is_string())
      return invalid_data("'labels' must hold names; entry {} is none", metadata.labels.size());
    metadata.labels.push_back(label.get<std::string>());
  }
  return {};
}

Result<Metadata> read(const nlohmann::json& json) {
  if (!json.is_object()) return invalid_data("expected an object, found {}", json.type_name());
  int64_t format = kMetadataFormat;
  PTE_CHECK(read_field(json, "format", format));
  if (format < 1 || format > kMetadataFormat)
    return unsupported("format {} is not known; this version reads {}", format, kMetadataFormat)
        .with_hint("a newer ptekit wrote this file; update ptekit to read it");
  Metadata metadata;
  std::string output = "logits";
  PTE_CHECK(read_field(json, "model", metadata.model));
  PTE_CHECK(read_field(json, "task", metadata.task));
  PTE_CHECK(read_field(json, "output", output));
  if (output != "logits" && output != "probabilities")
    return invalid_data("'output' is '{}'; expected 'logits' or 'probabilities'", output);
  if (output == "probabilities") metadata.output = Metadata::Output::kProbabilities;
  PTE_CHECK(read_input(json, metadata));
  PTE_CHECK(read_labels(json, metadata));
  if (const auto found = json.find("preprocess"); found != json.end()) {
    PTE_TRY(metadata.preprocess, preprocess_from_json(*found).at("preprocess"));
  }
  return metadata;
}

}  // namespace

std::string print_metadata(const Metadata& metadata) {
  nlohmann::ordered_json json;
  json["format"] = kMetadataFormat;
  json["model"] = metadata.model;
  json["task"] = metadata.task;
  json["input"] = {{"name", metadata.input_name}, {"shape", metadata.input_shape}};
  if (metadata.preprocess) json["preprocess"] = to_json(*metadata.preprocess);
  json["output"] = metadata.output == Metadata::Output::kLogits ? "logits" : "probabilities";
  if (!metadata.labels.empty()) json["labels"] = metadata.labels;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<Metadata> parse_metadata(std::string_view text) {
  if (text.size() > kMaxBytes)
    return make_error(Code::kResourceLimit, "{}: {} bytes exceed the limit of {} MiB", kMetadataKey,
                      text.size(), kMaxBytes >> 20);
  if (nests_deeper_than(text, kMaxDepth)) return invalid_data("{}: nests too deep", kMetadataKey);
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return invalid_data("{}: this is not valid JSON", kMetadataKey);
  return read(json).at(kMetadataKey);
}

}  // namespace pte::vision
