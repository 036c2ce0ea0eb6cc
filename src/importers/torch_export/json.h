// A typed cursor over parsed JSON from an untrusted file: every access that does not find what it
// asks for is an error that says where in the document it happened.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pte::importers {

// One value of a document. Cheap to copy; valid while the document lives.
class JsonView {
 public:
  JsonView(const nlohmann::json* root, const nlohmann::json* node) : root_(root), node_(node) {}

  bool is_null() const { return node_->is_null(); }
  bool is_object() const { return node_->is_object(); }

  // A field of an object that must be there; fails too when this is no object.
  Result<JsonView> at(std::string_view key) const;
  // A field that may be missing or null.
  std::optional<JsonView> find(std::string_view key) const;
  // The items of an array.
  Result<std::vector<JsonView>> items() const;
  // The fields of an object, sorted by key.
  Result<std::vector<std::pair<std::string_view, JsonView>>> fields() const;
  // The one field of an object that stands for a union: its key says the kind.
  Result<std::pair<std::string_view, JsonView>> variant() const;

  Result<std::string_view> text() const;
  Result<int64_t> integer() const;
  // Also the strings "Infinity", "-Infinity" and "NaN" that stand for numbers JSON lacks.
  Result<double> number() const;
  Result<bool> boolean() const;

  // text() of a field, and its kin.
  Result<std::string_view> text_at(std::string_view key) const;
  Result<int64_t> integer_at(std::string_view key) const;
  Result<std::vector<JsonView>> items_at(std::string_view key) const;

  // "graph_module.graph.nodes[3].inputs[0]"; walks the document, so for messages only.
  std::string path() const;
  Error invalid(std::string_view message) const;

 private:
  Error expected(std::string_view what) const;
  const nlohmann::json* root_;
  const nlohmann::json* node_;
};

class JsonDocument {
 public:
  // Fails with kInvalidData when the text is no JSON, with kResourceLimit when it nests deeper or
  // is longer than any program.
  static Result<JsonDocument> parse(std::string_view text);
  JsonView root() const { return {value_.get(), value_.get()}; }

 private:
  std::shared_ptr<const nlohmann::json> value_;
};

}  // namespace pte::importers
