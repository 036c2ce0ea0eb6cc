#include "importers/torch_export/json.h"

#include <limits>

namespace pte::importers {
namespace {

using nlohmann::json;

// Programs nest some ten levels, and a few more for each subgraph.
constexpr int kMaxDepth = 256;
// The program of a model with 1500 nodes takes 5 MB.
constexpr size_t kMaxText = size_t{128} << 20;

// The parser and the destructor of a JSON value recurse, so depth is bounded before they run.
bool nests_too_deeply(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':
        for (++i; i < text.size() && text[i] != '"'; ++i) {
          if (text[i] == '\\') ++i;
        }
        break;
      case '[':
      case '{':
        if (++depth > kMaxDepth) return true;
        break;
      case ']':
      case '}':
        --depth;
        break;
      default:
        break;
    }
  }
  return false;
}

bool find_path(const json& from, const json* wanted, std::string& path) {
  if (&from == wanted) return true;
  const size_t length = path.size();
  if (from.is_object()) {
    for (auto it = from.begin(); it != from.end(); ++it) {
      if (!path.empty()) path += '.';
      path += it.key();
      if (find_path(it.value(), wanted, path)) return true;
      path.resize(length);
    }
  } else if (from.is_array()) {
    for (size_t i = 0; i < from.size(); ++i) {
      path += fmt::format("[{}]", i);
      if (find_path(from[i], wanted, path)) return true;
      path.resize(length);
    }
  }
  return false;
}

}  // namespace

Result<JsonDocument> JsonDocument::parse(std::string_view text) {
  if (text.size() > kMaxText) {
    return make_error(Code::kResourceLimit, "{} bytes of JSON, at most {} are read", text.size(),
                      kMaxText);
  }
  if (nests_too_deeply(text)) {
    return make_error(Code::kResourceLimit, "JSON nested deeper than {} levels", kMaxDepth);
  }
  json value = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return invalid_data("not valid JSON");
  JsonDocument document;
  document.value_ = std::make_shared<const json>(std::move(value));
  return document;
}

std::string JsonView::path() const {
  std::string path;
  find_path(*root_, node_, path);
  return path.empty() ? "the document" : path;
}

Error JsonView::invalid(std::string_view message) const {
  return invalid_data("{}: {}", path(), message);
}

Error JsonView::expected(std::string_view what) const {
  return invalid(fmt::format("expected {}, found {}", what, node_->type_name()));
}

Result<JsonView> JsonView::at(std::string_view key) const {
  if (!node_->is_object()) return expected("an object");
  const auto it = node_->find(key);
  if (it == node_->end()) return invalid(fmt::format("'{}' is missing", key));
  return JsonView(root_, &*it);
}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  if (!node_->is_object()) return std::nullopt;
  const auto it = node_->find(key);
  if (it == node_->end() || it->is_null()) return std::nullopt;
  return JsonView(root_, &*it);
}

Result<std::vector<JsonView>> JsonView::items() const {
  if (!node_->is_array()) return expected("an array");
  std::vector<JsonView> items;
  items.reserve(node_->size());
  for (const json& item : *node_) items.emplace_back(root_, &item);
  return items;
}

Result<std::vector<std::pair<std::string_view, JsonView>>> JsonView::fields() const {
  if (!node_->is_object()) return expected("an object");
  std::vector<std::pair<std::string_view, JsonView>> fields;
  fields.reserve(node_->size());
  for (auto it = node_->begin(); it != node_->end(); ++it) {
    fields.emplace_back(it.key(), JsonView(root_, &it.value()));
  }
  return fields;
}

Result<std::pair<std::string_view, JsonView>> JsonView::variant() const {
  if (!node_->is_object()) return expected("an object");
  // Other writers may list every kind with null for those that do not apply.
  const json* found = nullptr;
  const std::string* key = nullptr;
  for (auto it = node_->begin(); it != node_->end(); ++it) {
    if (it->is_null() && node_->size() > 1) continue;
    if (found != nullptr) return invalid("expected one key, found several");
    found = &it.value();
    key = &it.key();
  }
  if (found == nullptr) return invalid("expected one key, found none");
  return std::pair<std::string_view, JsonView>(*key, JsonView(root_, found));
}

Result<std::string_view> JsonView::text() const {
  const auto* text = node_->get_ptr<const json::string_t*>();
  if (text == nullptr) return expected("a string");
  return std::string_view(*text);
}

Result<int64_t> JsonView::integer() const {
  if (node_->is_number_unsigned()) {
    const auto value = *node_->get_ptr<const json::number_unsigned_t*>();
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return expected("a 64-bit integer");
    return static_cast<int64_t>(value);
  }
  if (!node_->is_number_integer()) return expected("an integer");
  return *node_->get_ptr<const json::number_integer_t*>();
}

Result<double> JsonView::number() const {
  if (const auto* text = node_->get_ptr<const json::string_t*>()) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (*text == "Infinity" || *text == "inf") return kInfinity;
    if (*text == "-Infinity" || *text == "-inf") return -kInfinity;
    if (*text == "NaN" || *text == "nan") return std::numeric_limits<double>::quiet_NaN();
  }
  if (const auto* value = node_->get_ptr<const json::number_float_t*>()) return *value;
  if (const auto* value = node_->get_ptr<const json::number_unsigned_t*>())
    return static_cast<double>(*value);
  if (const auto* value = node_->get_ptr<const json::number_integer_t*>())
    return static_cast<double>(*value);
  return expected("a number");
}

Result<bool> JsonView::boolean() const {
  const auto* value = node_->get_ptr<const json::boolean_t*>();
  if (value == nullptr) return expected("true or false");
  return *value;
}

Result<std::string_view> JsonView::text_at(std::string_view key) const {
  PTE_TRY(const JsonView field, at(key));
  return field.text();
}

Result<int64_t> JsonView::integer_at(std::string_view key) const {
  PTE_TRY(const JsonView field, at(key));
  return field.integer();
}

Result<std::vector<JsonView>> JsonView::items_at(std::string_view key) const {
  PTE_TRY(const JsonView field, at(key));
  return field.items();
}

}  // namespace pte::importers
