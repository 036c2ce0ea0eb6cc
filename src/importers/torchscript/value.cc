#include "importers/torchscript/value.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace pte::importers::script {

Value::Value(const Scalar& scalar) {
  std::visit([this](auto item) { v = item; }, scalar);
}

Value Value::list(Values items) {
  auto made = std::make_shared<List>();
  made->items = std::move(items);
  return Value(std::move(made));
}

Value Value::tuple(Values items, const ClassDef* named) {
  auto made = std::make_shared<Tuple>();
  made->items = std::move(items);
  made->named = named;
  return Value(std::move(made));
}

TensorPtr Value::tensor() const {
  const auto* held = get<TensorPtr>();
  return held == nullptr ? nullptr : *held;
}
std::shared_ptr<List> Value::list() const {
  const auto* held = get<std::shared_ptr<List>>();
  return held == nullptr ? nullptr : *held;
}
std::shared_ptr<Tuple> Value::tuple() const {
  const auto* held = get<std::shared_ptr<Tuple>>();
  return held == nullptr ? nullptr : *held;
}
std::shared_ptr<Dict> Value::dict() const {
  const auto* held = get<std::shared_ptr<Dict>>();
  return held == nullptr ? nullptr : *held;
}
std::shared_ptr<Object> Value::object() const {
  const auto* held = get<std::shared_ptr<Object>>();
  return held == nullptr ? nullptr : *held;
}

std::optional<Scalar> Value::scalar() const {
  if (const auto* flag = get<bool>()) return Scalar(*flag);
  if (const auto* integer = get<int64_t>()) return Scalar(*integer);
  if (const auto* real = get<double>()) return Scalar(*real);
  return std::nullopt;
}

std::optional<int64_t> Value::integer() const {
  if (const auto* flag = get<bool>()) return *flag ? 1 : 0;
  if (const auto* integer = get<int64_t>()) return *integer;
  return std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto* real = get<double>()) return *real;
  if (const auto whole = integer()) return static_cast<double>(*whole);
  return std::nullopt;
}

const Values* Value::items() const {
  if (const auto* held = get<std::shared_ptr<List>>()) return &(*held)->items;
  if (const auto* held = get<std::shared_ptr<Tuple>>()) return &(*held)->items;
  return nullptr;
}

Value* Dict::find(const Value& key) {
  for (auto& [own, value] : entries) {
    if (equal(own, key).value_or(false)) return &value;
  }
  return nullptr;
}

void Dict::set(const Value& key, Value value) {
  if (Value* held = find(key)) {
    *held = std::move(value);
  } else {
    entries.emplace_back(key, std::move(value));
  }
}

Value* Object::find(std::string_view name) {
  for (auto& [own, value] : attributes) {
    if (own == name) return &value;
  }
  return nullptr;
}

void Object::set(std::string_view name, Value value) {
  if (Value* held = find(name)) {
    *held = std::move(value);
  } else {
    attributes.emplace_back(std::string(name), std::move(value));
  }
}

std::string kind_name(const Value& value) {
  constexpr const char* kNames[] = {
      "None", "bool",   "int",    "float",  "str",     "Tensor", "List",     "Tuple",
      "Dict", "object", "number", "Device", "complex", "enum",   "function", "unknown value"};
  if (const auto* number = value.get<Number>()) {
    constexpr const char* kKinds[] = {"int", "float", "bool"};
    return kKinds[static_cast<size_t>(number->kind)];
  }
  if (const auto object = value.object()) return object->class_name;
  return kNames[value.v.index()];
}

std::optional<bool> equal(const Value& a, const Value& b, int depth) {
  if (depth > kMaxValueDepth) return std::nullopt;
  if (a.get<Number>() != nullptr || b.get<Number>() != nullptr) return std::nullopt;
  if (a.is_poison() || b.is_poison()) return std::nullopt;
  if (a.tensor() || b.tensor()) {
    if (a.tensor() == b.tensor()) return true;
    return a.tensor() && b.tensor() ? std::nullopt : std::optional<bool>(false);
  }
  if (a.number() && b.number()) {
    if (a.integer() && b.integer()) return *a.integer() == *b.integer();
    return *a.number() == *b.number();
  }
  if (a.v.index() != b.v.index()) return false;
  if (const auto* text = a.get<std::string>()) return *text == *b.get<std::string>();
  if (const Values* mine = a.items()) {
    const Values& others = *b.items();
    if (mine->size() != others.size()) return false;
    for (size_t i = 0; i < mine->size(); ++i) {
      const auto same = equal((*mine)[i], others[i], depth + 1);
      if (!same || !*same) return same;
    }
    return true;
  }
  if (const auto mine = a.dict()) {
    const auto others = b.dict();
    if (mine->entries.size() != others->entries.size()) return false;
    for (const auto& [key, value] : mine->entries) {
      const Value* other = others->find(key);
      if (other == nullptr) return false;
      const auto same = equal(value, *other, depth + 1);
      if (!same || !*same) return same;
    }
    return true;
  }
  if (a.object()) return a.object() == b.object();
  if (const auto* device = a.get<ir::Device>()) return *device == *b.get<ir::Device>();
  if (const auto* member = a.get<Enum>()) {
    return member->def == b.get<Enum>()->def && member->name == b.get<Enum>()->name;
  }
  if (const auto* complex = a.get<Complex>()) {
    const auto* other = b.get<Complex>();
    return complex->real == other->real && complex->imaginary == other->imaginary;
  }
  return a.is_none();
}

namespace {

// repr() of a float: the shortest digits that read back, with a point.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string joined(const Values& items, int depth) {
  std::string out;
  for (const Value& item : items) {
    if (!out.empty()) out += ", ";
    out += python_text(item, true, depth + 1);
    if (out.size() > 4096) return out + " …";
  }
  return out;
}

}  // namespace

std::string python_text(const Value& value, bool quoted, int depth) {
  if (depth > kMaxValueDepth) return "…";
  if (value.is_none()) return "None";
  if (const auto* flag = value.get<bool>()) return *flag ? "True" : "False";
  if (const auto* integer = value.get<int64_t>()) return std::to_string(*integer);
  if (const auto* real = value.get<double>()) return float_text(*real);
  if (const auto* text = value.get<std::string>()) return quoted ? "'" + *text + "'" : *text;
  if (const auto list = value.list()) return "[" + joined(list->items, depth) + "]";
  if (const auto tuple = value.tuple()) {
    return "(" + joined(tuple->items, depth) + (tuple->items.size() == 1 ? ",)" : ")");
  }
  if (const auto dict = value.dict()) {
    std::string out;
    for (const auto& [key, item] : dict->entries) {
      if (!out.empty()) out += ", ";
      out += python_text(key, true, depth + 1) + ": " + python_text(item, true, depth + 1);
      if (out.size() > 4096) break;
    }
    return "{" + out + "}";
  }
  if (const auto* device = value.get<ir::Device>()) return device->name;
  if (const auto* member = value.get<Enum>()) {
    return (member->def == nullptr ? "" : member->def->name + ".") + member->name;
  }
  return "<" + kind_name(value) + ">";
}

bool holds_graph_values(const Value& value, int depth) {
  if (depth > kMaxValueDepth) return true;
  if (value.tensor() || value.get<Number>() != nullptr) return true;
  if (const Values* items = value.items()) {
    return std::any_of(items->begin(), items->end(),
                       [&](const Value& item) { return holds_graph_values(item, depth + 1); });
  }
  if (const auto dict = value.dict()) {
    return std::any_of(dict->entries.begin(), dict->entries.end(), [&](const auto& entry) {
      return holds_graph_values(entry.second, depth + 1);
    });
  }
  return false;
}

const Poison* find_poison(const Value& value, int depth) {
  if (depth > kMaxValueDepth) return nullptr;
  if (const auto* poison = value.get<Poison>()) return poison;
  if (const Values* items = value.items()) {
    for (const Value& item : *items) {
      if (const Poison* found = find_poison(item, depth + 1)) return found;
    }
  }
  return nullptr;
}

}  // namespace pte::importers::script
