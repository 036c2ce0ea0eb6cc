// Expressions: names, attributes, subscripts and what a call calls.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/torchscript/context.h"
#include "importers/torchscript/evaluator.h"
#include "importers/torchscript/parser.h"

namespace pte::importers::script {
namespace {

struct Depth {
  explicit Depth(int& depth) : held(depth) { ++held; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;
  ~Depth() { --held; }
  int& held;
};

// A node is what the code calls "torch.add" or "ops.prim.dtype"; empty for other names.
std::string operator_name(const std::string& dotted) {
  if (dotted.starts_with("torch.")) {
    std::string rest = dotted.substr(6);
    std::replace(rest.begin(), rest.end(), '.', '_');  // torch.ops names have no dots
    return "aten::" + rest;
  }
  if (dotted.starts_with("ops.")) {
    const size_t dot = dotted.find('.', 4);
    if (dot == std::string::npos) return {};
    return dotted.substr(4, dot - 4) + "::" + dotted.substr(dot + 1);
  }
  return {};
}

}  // namespace

Result<Value> Evaluator::evaluate(const Expr& expr, Frame& frame) {
  PTE_CHECK(spend());
  if (depth_ >= limits_.depth)
    return make_error(Code::kResourceLimit, "code nested more than {} deep", limits_.depth);
  const Depth depth(depth_);
  return evaluate_inner(expr, frame);
}

Result<Value> Evaluator::evaluate_inner(const Expr& expr, Frame& frame) {
  switch (expr.kind) {
    case Expr::Kind::kName:
      return evaluate_name(expr, frame);
    case Expr::Kind::kInt:
      return Value(expr.integer);
    case Expr::Kind::kFloat:
      return Value(expr.real);
    case Expr::Kind::kImaginary:
      return Value(Complex{0, expr.real});
    case Expr::Kind::kString:
      PTE_CHECK(spend_memory(static_cast<int64_t>(expr.text.size())));
      return Value(expr.text);
    case Expr::Kind::kNone:
      return Value();
    case Expr::Kind::kBool:
      return Value(expr.integer != 0);
    case Expr::Kind::kAttribute:
      return evaluate_attribute(expr, frame);
    case Expr::Kind::kIndex:
      return evaluate_index(expr, frame);
    case Expr::Kind::kCall:
      return evaluate_call(expr, frame);
    case Expr::Kind::kList:
    case Expr::Kind::kTuple: {
      PTE_CHECK(spend_memory(static_cast<int64_t>(expr.items.size()) + 1));
      Values items;
      items.reserve(expr.items.size());
      for (const Expr& item : expr.items) {
        PTE_TRY(Value value, evaluate(item, frame));
        items.push_back(std::move(value));
      }
      if (expr.kind == Expr::Kind::kTuple) return Value::tuple(std::move(items));
      Value made = Value::list(std::move(items));
      made.list()->context = context_id();
      return made;
    }
    case Expr::Kind::kDict: {
      PTE_CHECK(spend_memory(static_cast<int64_t>(expr.items.size()) + 1));
      auto dict = std::make_shared<Dict>();
      dict->context = context_id();
      for (size_t i = 0; i + 1 < expr.items.size(); i += 2) {
        PTE_TRY(const Value key, evaluate(expr.items[i], frame));
        PTE_TRY(Value value, evaluate(expr.items[i + 1], frame));
        PTE_CHECK(spend(static_cast<int64_t>(dict->entries.size())));
        dict->set(key, std::move(value));
      }
      return Value(std::move(dict));
    }
    case Expr::Kind::kNegate: {
      PTE_TRY(Value operand, evaluate(expr.items[0], frame));
      return call_operator("aten::neg", {{"", std::move(operand)}});
    }
    case Expr::Kind::kSlice:
      break;
  }
  return invalid_data("'{}' is no expression", to_string(expr));
}

Result<Value> Evaluator::evaluate_name(const Expr& expr, Frame& frame) {
  const auto held = frame.variables.find(expr.text);
  if (held != frame.variables.end()) return held->second;
  if (expr.text == "inf") return Value(std::numeric_limits<double>::infinity());
  if (expr.text == "nan") return Value(std::numeric_limits<double>::quiet_NaN());
  if (expr.text == "infj") return Value(Complex{0, std::numeric_limits<double>::infinity()});
  return invalid_data("'{}' is not defined before this", expr.text);
}

// A function, a class or a member of an enumeration.
Result<Value> Evaluator::qualified(const std::string& name) {
  PTE_TRY(const Function* function, library_.find_function(name));
  if (function != nullptr) return Value(Callable{function, nullptr});
  PTE_TRY(const ClassDef* def, library_.find_class(name));
  if (def != nullptr) return Value(Callable{nullptr, def});
  const size_t dot = name.rfind('.');
  PTE_TRY(const ClassDef* outer, library_.find_class(name.substr(0, dot)));
  if (outer != nullptr && outer->base == "Enum") {
    for (const ClassDef::Attribute& member : outer->attributes) {
      if (member.name != name.substr(dot + 1) || !member.has_value) continue;
      Frame empty;
      PTE_TRY(Value value, evaluate(member.value, empty));
      return Value(Enum{outer, member.name, std::make_shared<Value>(std::move(value))});
    }
  }
  if (outer != nullptr) {
    if (const Function* method = outer->method(name.substr(dot + 1)))
      return Value(Callable{method, nullptr});
  }
  return make_error(Code::kNotFound, "the archive has no code of '{}'", name.substr(0, 200));
}

Result<Value> Evaluator::read_attribute(const Value& base, const std::string& name) {
  if (base.is_poison()) return base;
  if (const auto object = base.object()) {
    if (const Value* held = object->find(name)) return *held;
    if (object->def != nullptr) {
      // Final attributes stand in the class alone.
      for (const ClassDef::Attribute& attribute : object->def->attributes) {
        if (attribute.name != name || !attribute.has_value) continue;
        Frame empty;
        PTE_TRY(Value value, evaluate(attribute.value, empty));
        object->set(name, value);
        return value;
      }
    }
    return make_error(Code::kNotFound, "{} has no attribute '{}'", object->class_name, name);
  }
  if (const auto tuple = base.tuple(); tuple && tuple->named != nullptr) {
    const auto& fields = tuple->named->attributes;
    for (size_t i = 0; i < fields.size() && i < tuple->items.size(); ++i) {
      if (fields[i].name == name) return tuple->items[i];
    }
  }
  if (const auto* member = base.get<Enum>()) {
    if (name == "name") return Value(member->name);
    if (name == "value") return *member->value;
  }
  if (const auto* device = base.get<ir::Device>()) {
    if (name == "type") return Value(device->name.substr(0, device->name.find(':')));
    if (name == "index") return Value();
  }
  if (base.tensor()) return call_operator("prim::" + name, {{"", base}});
  return make_error(Code::kNotFound, "a {} has no attribute '{}'", kind_name(base), name);
}

Result<Value> Evaluator::evaluate_attribute(const Expr& expr, Frame& frame) {
  const Expr* root = &expr;
  while (root->kind == Expr::Kind::kAttribute) root = &root->items[0];
  if (root->kind == Expr::Kind::kName && !frame.variables.contains(root->text)) {
    const std::string name = dotted_name(expr);
    if (root->text == "CONSTANTS" && expr.items[0].kind == Expr::Kind::kName) {
      const std::string& text = expr.text;
      size_t index = 0;
      if (text.size() < 2 || text.size() > 9 || text[0] != 'c' ||
          text.find_first_not_of("0123456789", 1) != std::string::npos) {
        return invalid_data("'{}' is no constant", name);
      }
      for (size_t i = 1; i < text.size(); ++i)
        index = index * 10 + static_cast<size_t>(text[i] - '0');
      if (index >= constants_.size())
        return invalid_data("'{}' is not among the archive's {} constants", name,
                            constants_.size());
      return constants_[index];
    }
    if (root->text == "__torch__") return qualified(name);
  }
  PTE_TRY(const Value base, evaluate(expr.items[0], frame));
  return read_attribute(base, expr.text);
}

Result<Value> Evaluator::evaluate_index(const Expr& expr, Frame& frame) {
  PTE_TRY(const Value base, evaluate(expr.items[0], frame));
  if (base.is_poison()) return base;
  const Expr& index = expr.items[1];
  if (index.kind == Expr::Kind::kSlice) {
    std::vector<Argument> args{{"", base}};
    for (const Expr& part : index.items) {
      PTE_TRY(Value value, evaluate(part, frame));
      args.push_back({"", std::move(value)});
    }
    if (args.back().value.is_none()) args.back().value = Value(1);
    const bool is_tuple = base.tuple() != nullptr;
    if (is_tuple) args[0].value = Value::list(*base.items());
    PTE_TRY(Value made, call_operator("aten::slice", std::move(args)));
    if (is_tuple && made.list()) return Value::tuple(made.list()->items);
    return made;
  }
  PTE_TRY(Value place, evaluate(index, frame));
  if (const auto object = base.object()) {
    // A ModuleDict or ModuleList by key.
    if (const auto* text = place.get<std::string>()) return read_attribute(base, *text);
    if (const auto number = place.integer()) return read_attribute(base, std::to_string(*number));
  }
  return call_operator("aten::__getitem__", {{"", base}, {"", std::move(place)}});
}

Result<std::vector<Argument>> Evaluator::arguments(const Expr& call, Frame& frame, size_t from) {
  std::vector<Argument> out;
  for (size_t i = from; i < call.items.size(); ++i) {
    PTE_TRY(Value value, evaluate(call.items[i], frame));
    out.push_back({call.keywords[i - 1], std::move(value)});
  }
  return out;
}

Result<Value> Evaluator::evaluate_call(const Expr& expr, Frame& frame) {
  const Expr& callee = expr.items[0];
  const Expr* root = &callee;
  while (root->kind == Expr::Kind::kAttribute) root = &root->items[0];
  const bool free = root->kind == Expr::Kind::kName && !frame.variables.contains(root->text);
  if (callee.kind == Expr::Kind::kName && free) return call_name(callee.text, expr, frame);
  if (callee.kind == Expr::Kind::kAttribute) {
    if (free) {
      const std::string name = dotted_name(callee);
      const std::string op = operator_name(name);
      if (!op.empty()) {
        PTE_TRY(std::vector<Argument> args, arguments(expr, frame));
        return call_operator(op, std::move(args));
      }
      if (root->text == "__torch__") {
        if (name.ends_with(".__new__")) {
          PTE_TRY(const Value type, qualified(name.substr(0, name.size() - 8)));
          auto made = std::make_shared<Object>();
          made->def = type.get<Callable>() == nullptr ? nullptr : type.get<Callable>()->def;
          made->class_name = name.substr(0, name.size() - 8);
          made->context = context_id();
          return Value(std::move(made));
        }
        PTE_TRY(std::vector<Argument> args, arguments(expr, frame));
        return call_qualified(name, std::move(args));
      }
    }
    PTE_TRY(Value base, evaluate(callee.items[0], frame));
    PTE_TRY(std::vector<Argument> args, arguments(expr, frame));
    return call_on(std::move(base), callee.text, std::move(args));
  }
  PTE_TRY(const Value called, evaluate(callee, frame));
  PTE_TRY(std::vector<Argument> args, arguments(expr, frame));
  const auto* callable = called.get<Callable>();
  if (callable == nullptr) {
    if (called.object()) return call_method(called.object(), "__call__", std::move(args));
    return invalid_data("a {} is called", kind_name(called));
  }
  if (callable->def != nullptr) return construct(*callable->def, std::move(args));
  return call_function(*callable->function, std::move(args));
}

Result<Value> Evaluator::call_qualified(const std::string& name, std::vector<Argument> args) {
  PTE_TRY(const Value target, qualified(name));
  const auto* callable = target.get<Callable>();
  if (callable == nullptr) return invalid_data("'{}' cannot be called", name);
  if (callable->def != nullptr) return construct(*callable->def, std::move(args));
  return call_function(*callable->function, std::move(args));
}

// A NamedTuple from its fields, or an object of a class with __init__.
Result<Value> Evaluator::construct(const ClassDef& def, std::vector<Argument> args) {
  PTE_CHECK(spend_memory(static_cast<int64_t>(args.size()) + 1));
  if (def.base != "NamedTuple") {
    auto made = std::make_shared<Object>();
    made->def = &def;
    made->class_name = def.qualified;
    made->context = context_id();
    if (def.method("__init__") != nullptr) {
      PTE_TRY(const Value ignored, call_method(made, "__init__", std::move(args)));
      static_cast<void>(ignored);
    }
    return Value(std::move(made));
  }
  Values items(def.attributes.size());
  std::vector<bool> given(items.size(), false);
  for (size_t i = 0; i < args.size(); ++i) {
    size_t place = i;
    for (size_t f = 0; f < items.size() && !args[i].name.empty(); ++f) {
      if (def.attributes[f].name == args[i].name) place = f;
    }
    if (place >= items.size())
      return invalid_data("{} has {} fields, {} are given", def.name, items.size(), args.size());
    items[place] = std::move(args[i].value);
    given[place] = true;
  }
  for (size_t i = 0; i < items.size(); ++i) {
    if (given[i] || !def.attributes[i].has_value) continue;
    Frame empty;
    PTE_TRY(items[i], evaluate(def.attributes[i].value, empty));
  }
  return Value::tuple(std::move(items), &def);
}

Result<Value> Evaluator::call_on(Value self, const std::string& name, std::vector<Argument> args) {
  if (self.is_poison()) return self;
  if (const auto object = self.object()) {
    if (object->def != nullptr && object->def->method(name) == nullptr) {
      if (const Value* held = object->find(name)) {
        // A module or function held in an attribute.
        if (const auto* callable = held->get<Callable>(); callable && callable->function)
          return call_function(*callable->function, std::move(args));
        if (held->object()) return call_method(held->object(), "forward", std::move(args));
      }
      if (name == "__init__") return Value();
    }
    return call_method(object, name, std::move(args));
  }
  args.insert(args.begin(), Argument{"", std::move(self)});
  return call_operator("aten::" + name, std::move(args));
}

Result<bool> Evaluator::is_instance(const Value& value, const Expr& type) {
  if (value.is_poison()) return unsupported("isinstance() of a value that is not known");
  if (type.kind == Expr::Kind::kTuple || type.kind == Expr::Kind::kList) {
    for (const Expr& item : type.items) {
      PTE_TRY(const bool fits, is_instance(value, item));
      if (fits) return true;
    }
    return false;
  }
  if (type.kind == Expr::Kind::kNone) return value.is_none();
  if (type.kind == Expr::Kind::kIndex) {
    const std::string outer = dotted_name(type.items[0]);
    const Expr& inner = type.items[1];
    if (outer == "Optional") {
      if (value.is_none()) return true;
      return is_instance(value, inner);
    }
    if (outer == "Final") return is_instance(value, inner);
    if (outer == "Union") return is_instance(value, inner);
    if (outer == "List") {
      if (!value.list()) return false;
      for (const Value& item : value.list()->items) {
        PTE_TRY(const bool fits, is_instance(item, inner));
        if (!fits) return false;
      }
      return true;
    }
    if (outer == "Dict") return value.dict() != nullptr;
    if (outer == "Tuple") {
      if (!value.tuple()) return false;
      const Values& items = value.tuple()->items;
      const bool several = inner.kind == Expr::Kind::kTuple;
      if (items.size() != (several ? inner.items.size() : 1)) return false;
      for (size_t i = 0; i < items.size(); ++i) {
        PTE_TRY(const bool fits, is_instance(items[i], several ? inner.items[i] : inner));
        if (!fits) return false;
      }
      return true;
    }
    return unsupported("isinstance() of the type {}", to_string(type));
  }
  const std::string name = dotted_name(type);
  const auto* number = value.get<Number>();
  if (name == "Tensor") return value.tensor() != nullptr;
  if (name == "int")
    return value.get<int64_t>() != nullptr || (number && number->kind == Number::Kind::kInt);
  if (name == "float")
    return value.get<double>() != nullptr || (number && number->kind == Number::Kind::kFloat);
  if (name == "bool")
    return value.get<bool>() != nullptr || (number && number->kind == Number::Kind::kBool);
  if (name == "number" || name == "Scalar") return value.scalar() || number != nullptr;
  if (name == "str") return value.get<std::string>() != nullptr;
  if (name == "NoneType") return value.is_none();
  if (name == "Device") return value.get<ir::Device>() != nullptr;
  if (name == "list") return value.list() != nullptr;
  if (name == "tuple") return value.tuple() != nullptr;
  if (name == "Any") return true;
  if (const auto object = value.object()) return object->class_name == name;
  if (const auto tuple = value.tuple()) return tuple->named && tuple->named->qualified == name;
  if (const auto* member = value.get<Enum>()) return member->def && member->def->qualified == name;
  return false;
}

Result<Value> Evaluator::call_name(const std::string& name, const Expr& expr, Frame& frame) {
  const size_t count = expr.items.size() - 1;
  const auto need = [&](size_t wanted) -> Status {
    if (count == wanted) return {};
    return invalid_data("{}() takes {} arguments, {} are given", name, wanted, count);
  };
  if (name == "annotate" || name == "unchecked_cast") {
    PTE_CHECK(need(2));
    PTE_TRY(Value value, evaluate(expr.items[2], frame));
    // annotate(int, x) takes a number out of a tensor.
    const Expr& type = expr.items[1];
    if (value.tensor() && type.kind == Expr::Kind::kName) {
      if (type.text == "int") return call_operator("aten::Int", {{"", std::move(value)}});
      if (type.text == "float") return call_operator("aten::Float", {{"", std::move(value)}});
      if (type.text == "bool") return call_operator("aten::Bool", {{"", std::move(value)}});
      if (type.text == "number") return call_operator("aten::item", {{"", std::move(value)}});
    }
    return value;
  }
  if (name == "uninitialized") {
    return Value(Poison{
        std::make_shared<const Error>(invalid_data("a variable is read that nothing has set"))});
  }
  if (name == "isinstance") {
    PTE_CHECK(need(2));
    PTE_TRY(const Value value, evaluate(expr.items[1], frame));
    PTE_TRY(const bool fits, is_instance(value, expr.items[2]));
    return Value(fits);
  }
  PTE_TRY(std::vector<Argument> args, arguments(expr, frame));
  if (name == "getattr" || name == "hasattr") {
    PTE_CHECK(need(2));
    const auto* text = args[1].value.get<std::string>();
    if (text == nullptr) return invalid_data("{}() needs a name", name);
    auto value = read_attribute(args[0].value, *text);
    if (name == "hasattr") return Value(value.has_value());
    return value;
  }
  if (name == "int") return call_operator("aten::Int", std::move(args));
  if (name == "float") return call_operator("aten::Float", std::move(args));
  if (name == "bool") return call_operator("aten::Bool", std::move(args));
  if (name == "complex") return call_operator("aten::Complex", std::move(args));
  if (name == "print") return Value();
  if (name == "fork" && !args.empty()) {
    // Asynchronous calls are made where they stand.
    Value target = std::move(args[0].value);
    args.erase(args.begin());
    if (const auto* callable = target.get<Callable>(); callable && callable->function)
      return call_function(*callable->function, std::move(args));
    if (target.object()) return call_method(target.object(), "forward", std::move(args));
  }
  if (name == "wait" && args.size() == 1) return args[0].value;
  return call_operator("aten::" + name, std::move(args));
}

}  // namespace pte::importers::script
