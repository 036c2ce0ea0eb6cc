#include "importers/torchscript/signature.h"

#include "importers/torchscript/dict_keys.h"
#include "importers/torchscript/parser.h"

namespace pte::importers::script {

bool Signature::more_tensors() const {
  if (next_.example < options_.example.size()) return options_.example[next_.example].is<Tensor>();
  return next_.shape < options_.input_shapes.size();
}

Result<Value> Signature::tensor(const std::string& name) {
  ir::SymSizes sizes;
  DType dtype = DType::kFloat32;
  if (next_.example < options_.example.size()) {
    const EValue& example = options_.example[next_.example];
    const auto* held = example.get<Tensor>();
    if (held == nullptr) {
      return invalid_argument("input '{}' is a tensor, the example gives {}", name, example.kind());
    }
    ++next_.example;
    sizes = ir::to_sym(held->sizes());
    dtype = held->dtype();
    if (next_.shape < options_.input_shapes.size()) ++next_.shape;
  } else if (next_.shape < options_.input_shapes.size()) {
    sizes = ir::to_sym(options_.input_shapes[next_.shape++]);
  } else {
    return invalid_argument("input '{}' has no sizes: a TorchScript module does not say them", name)
        .with_hint("give them with --input-shapes 1,3,224,224, or an input with --example x.npy");
  }
  if (next_.tensor < options_.input_dtypes.size()) dtype = options_.input_dtypes[next_.tensor];
  const std::string number = std::to_string(next_.tensor++);
  for (size_t i = 0; i < options_.dynamic.size(); ++i) {
    const DynamicSize& dynamic = options_.dynamic[i];
    if (dynamic.input != name && dynamic.input != number) continue;
    if (dynamic.dim >= sizes.size()) {
      return invalid_argument("--dynamic {}:{}: the input has {} dimensions", name, dynamic.dim,
                              sizes.size());
    }
    std::string symbol = "s0";
    for (int n = 1; module_.symbols.contains(symbol); ++n) symbol = fmt::format("s{}", n);
    sizes[dynamic.dim] = dynamic.size(symbol, module_.symbols);
    next_.dynamic.insert(i);
  }
  return Value(evaluator_.add_input(name, ir::TensorType::of(dtype, std::move(sizes))));
}

// One input for each key, in the order of the keys.
Result<Value> Signature::dictionary(const std::string& name, const Expr& type) {
  const Expr& parts = type.items[1];
  const bool tensors = parts.kind == Expr::Kind::kTuple && parts.items.size() == 2 &&
                       dotted_name(parts.items[0]) == "str" &&
                       dotted_name(parts.items[1]) == "Tensor";
  const Function* code = self_ == nullptr ? nullptr : self_->method(method_->name);
  if (!tensors || code == nullptr)
    return unsupported("input '{}' of type {}", name, to_string(type));
  PTE_TRY(const std::set<std::string> keys, dict_keys(evaluator_.library(), self_, *code, name));
  if (keys.empty()) {
    return unsupported("input '{}' is a dictionary, and the code reads none of its keys by name",
                       name);
  }
  auto dict = std::make_shared<Dict>();
  for (const std::string& key : keys) {
    PTE_TRY(Value item, tensor(fmt::format("{}_{}", name, key)));
    dict->set(Value(key), std::move(item));
  }
  return Value(std::move(dict));
}

Result<Value> Signature::argument(const std::string& name, const Expr& type, int depth) {
  if (depth > 8) return unsupported("input '{}' is of a type nested that deep", name);
  if (type.kind == Expr::Kind::kIndex) {
    const std::string outer = dotted_name(type.items[0]);
    const Expr& inner = type.items[1];
    if (outer == "Optional") {
      if (next_.example < options_.example.size() && options_.example[next_.example].is_none()) {
        ++next_.example;
        return Value();
      }
      return argument(name, inner, depth + 1);
    }
    if (outer == "Dict" && depth == 0) return dictionary(name, type);
    if (outer == "Tuple") {
      const bool several = inner.kind == Expr::Kind::kTuple;
      const size_t count = several ? inner.items.size() : 1;
      Values items;
      for (size_t i = 0; i < count; ++i) {
        PTE_TRY(Value item, argument(fmt::format("{}_{}", name, i),
                                     several ? inner.items[i] : inner, depth + 1));
        items.push_back(std::move(item));
      }
      return Value::tuple(std::move(items));
    }
    if (outer == "List" && inner.kind == Expr::Kind::kName && inner.text == "Tensor") {
      // As many tensors as there are.
      Values items;
      while (more_tensors()) {
        PTE_TRY(Value item, tensor(fmt::format("{}_{}", name, items.size())));
        items.push_back(std::move(item));
      }
      return Value::list(std::move(items));
    }
    if (outer == "List" && next_.example < options_.example.size()) {
      const EValue& example = options_.example[next_.example];
      Values items;
      if (const auto* ints = example.get<std::vector<int64_t>>()) {
        for (const int64_t item : *ints) items.emplace_back(item);
      } else if (const auto* reals = example.get<std::vector<double>>()) {
        for (const double item : *reals) items.emplace_back(item);
      } else {
        return invalid_argument("input '{}' is {}, the example gives {}", name, to_string(type),
                                example.kind());
      }
      ++next_.example;
      return Value::list(std::move(items));
    }
    return unsupported("input '{}' of type {}", name, to_string(type));
  }
  const std::string text = dotted_name(type);
  if (text == "Tensor" || text.empty()) return tensor(name);
  if (text == "int" || text == "float" || text == "bool" || text == "str") {
    if (next_.example >= options_.example.size()) {
      return invalid_argument("input '{}' is a {} without a default", name, text)
          .with_hint("give every input with --example, this one as the number that it is");
    }
    const EValue& example = options_.example[next_.example++];
    if (const auto* flag = example.get<bool>(); flag && text != "str") {
      if (text == "bool") return Value(*flag);
    } else if (const auto* integer = example.get<int64_t>()) {
      if (text == "int") return Value(*integer);
      if (text == "float") return Value(static_cast<double>(*integer));
    } else if (const auto* real = example.get<double>()) {
      if (text == "float") return Value(*real);
    } else if (const auto* held = example.get<std::string>()) {
      if (text == "str") return Value(*held);
    }
    return invalid_argument("input '{}' is a {}, the example gives {}", name, text, example.kind());
  }
  PTE_TRY(const ClassDef* def, evaluator_.library().find_class(text));
  if (def != nullptr && def->base == "NamedTuple") {
    Values items;
    for (const ClassDef::Attribute& field : def->attributes) {
      PTE_TRY(Value item, argument(fmt::format("{}_{}", name, field.name), field.type, depth + 1));
      items.push_back(std::move(item));
    }
    return Value::tuple(std::move(items), def);
  }
  return unsupported("input '{}' of type {}", name, to_string(type));
}

Result<std::vector<Argument>> Signature::arguments(const Function& method) {
  std::vector<Argument> out;
  method_ = &method;
  for (size_t i = 1; i < method.parameters.size(); ++i) {
    const Parameter& parameter = method.parameters[i];
    if (parameter.has_default) {
      // Left out when nothing is given for it.
      const std::string outer = parameter.type.kind == Expr::Kind::kIndex
                                    ? dotted_name(parameter.type.items[0])
                                    : dotted_name(parameter.type);
      const bool plain = outer == "int" || outer == "float" || outer == "bool" || outer == "str";
      const bool given = next_.example < options_.example.size() ? !plain || !more_tensors()
                                                                 : !plain && more_tensors();
      if (!given) continue;
    } else if (parameter.type.kind == Expr::Kind::kIndex &&
               dotted_name(parameter.type.items[0]) == "Optional" && !more_tensors() &&
               next_.example >= options_.example.size()) {
      out.push_back({parameter.name, Value()});
      continue;
    }
    PTE_TRY(Value value, argument(parameter.name, parameter.type, 0));
    out.push_back({parameter.name, std::move(value)});
  }
  return out;
}

Status InputCursor::check_all_used(const std::string& methods, const ImportOptions& options) const {
  if (shape < options.input_shapes.size()) {
    return invalid_argument("{}() takes {} tensors, {} shapes are given", methods, tensor,
                            options.input_shapes.size());
  }
  if (example < options.example.size()) {
    return invalid_argument("{}() takes {} inputs, {} examples are given", methods, example,
                            options.example.size());
  }
  if (dynamic.size() < options.dynamic.size())
    return invalid_argument("--dynamic names an input that {}() does not take", methods);
  return {};
}

}  // namespace pte::importers::script
