#include "ir/builder.h"

#include "ir/infer.h"

namespace pte::ir {
namespace {

std::string_view kind_name(ArgKind kind) {
  switch (kind) {
    case ArgKind::kTensor:
      return "a tensor";
    case ArgKind::kTensorList:
      return "a list of tensors";
    case ArgKind::kOptionalTensorList:
      return "a list of tensors or none";
    case ArgKind::kScalar:
      return "a number";
    case ArgKind::kInt:
      return "an integer";
    case ArgKind::kIntList:
      return "a list of integers";
    case ArgKind::kFloat:
      return "a float";
    case ArgKind::kFloatList:
      return "a list of floats";
    case ArgKind::kBool:
      return "a bool";
    case ArgKind::kBoolList:
      return "a list of bools";
    case ArgKind::kString:
      return "a string";
    case ArgKind::kDType:
      return "a dtype";
    case ArgKind::kLayout:
      return "a layout";
    case ArgKind::kMemoryFormat:
      return "a memory format";
    case ArgKind::kDevice:
      return "a device";
    case ArgKind::kGraph:
      return "a graph";
  }
  return "?";
}

template <typename T>
bool holds(const Arg& arg) {
  return std::holds_alternative<T>(arg.v);
}

template <typename Fn>
bool all_of_list(const Arg& arg, const Fn& fn) {
  const ArgList* items = arg.list();
  if (items == nullptr) return false;
  for (const Arg& item : *items) {
    if (!fn(item)) return false;
  }
  return true;
}

bool is_tensor(const Arg& arg) { return arg.value() != nullptr && arg.value()->is_tensor(); }

bool is_scalar_value(const Arg& arg) { return arg.value() != nullptr && !arg.value()->is_tensor(); }

bool fits(ArgKind kind, const Arg& arg) {
  switch (kind) {
    case ArgKind::kTensor:
      return is_tensor(arg);
    case ArgKind::kTensorList:
      return all_of_list(arg, is_tensor);
    case ArgKind::kOptionalTensorList:
      return all_of_list(arg, [](const Arg& item) { return item.is_none() || is_tensor(item); });
    case ArgKind::kScalar:
      return arg.number().has_value() || arg.value() != nullptr;
    case ArgKind::kInt:
      return arg.sym_int().has_value();
    case ArgKind::kIntList:
      return all_of_list(arg, [](const Arg& item) { return item.sym_int().has_value(); });
    case ArgKind::kFloat:
      return arg.number().has_value() || is_scalar_value(arg);
    case ArgKind::kFloatList:
      return all_of_list(
          arg, [](const Arg& item) { return item.number().has_value() || is_scalar_value(item); });
    case ArgKind::kBool:
      return holds<bool>(arg) || is_scalar_value(arg);
    case ArgKind::kBoolList:
      return all_of_list(arg, [](const Arg& item) { return holds<bool>(item); });
    case ArgKind::kString:
      return holds<std::string>(arg);
    case ArgKind::kDType:
      return holds<DType>(arg);
    case ArgKind::kLayout:
      return holds<Layout>(arg);
    case ArgKind::kMemoryFormat:
      return holds<MemoryFormat>(arg);
    case ArgKind::kDevice:
      return holds<Device>(arg);
    case ArgKind::kGraph:
      return holds<std::shared_ptr<Graph>>(arg) && *arg.graph() != nullptr;
  }
  return false;
}

}  // namespace

Arg default_arg(const ArgSchema& schema) {
  if (schema.kind == ArgKind::kMemoryFormat &&
      !std::holds_alternative<std::monostate>(schema.default_value)) {
    return MemoryFormat::kContiguous;
  }
  // "long" is the only dtype that stands as a default.
  if (schema.kind == ArgKind::kDType &&
      !std::holds_alternative<std::monostate>(schema.default_value)) {
    return DType::kInt64;
  }
  return std::visit(
      []<typename T>(const T& value) -> Arg {
        if constexpr (std::is_same_v<T, std::monostate>) {
          return {};
        } else if constexpr (std::is_same_v<T, std::vector<int64_t>>) {
          return Arg::ints(value);
        } else {
          return Arg(value);
        }
      },
      schema.default_value);
}

Status complete_args(const OpInfo& op, std::vector<Arg>& args) {
  if (args.size() > op.args.size()) {
    return invalid_data("{}: {} arguments given, it takes {}", op.full_name(), args.size(),
                        op.args.size());
  }
  for (size_t i = args.size(); i < op.args.size(); ++i) {
    const ArgSchema& schema = op.args[i];
    if (!schema.has_default && !schema.optional) {
      return invalid_data("{}: argument '{}' is missing", op.full_name(), schema.name);
    }
    args.push_back(default_arg(schema));
  }
  for (size_t i = 0; i < args.size(); ++i) {
    const ArgSchema& schema = op.args[i];
    Arg& arg = args[i];
    if (arg.is_none() && schema.optional) continue;
    // One integer where a list belongs stands for the list of it (stride=2); an integer where a
    // float belongs is that float.
    if (schema.kind == ArgKind::kIntList && arg.sym_int()) arg = Arg(ArgList{arg});
    if (schema.kind == ArgKind::kFloat) {
      if (const auto integer = arg.integer()) arg = static_cast<double>(*integer);
    }
    if (!fits(schema.kind, arg)) {
      return invalid_data("{}: argument '{}' must be {}", op.full_name(), schema.name,
                          kind_name(schema.kind));
    }
  }
  return {};
}

Result<Node*> Builder::node(Op op, std::vector<Arg> args, std::string name) {
  return node(info(op), std::move(args), std::move(name));
}

Result<Node*> Builder::node(const OpInfo& op, std::vector<Arg> args, std::string name) {
  PTE_CHECK(complete_args(op, args));
  PTE_TRY(std::vector<Type> types, infer_types(op, args, &module_.symbols));
  if (name.empty()) name = op.name.substr(op.name.find("::") + 2);
  name_unknowns(module_, types);
  std::vector<std::string> names(types.size(), name);
  Node* made = graph_.add_node(op, std::move(args), std::move(types), std::move(names), before_);
  made->set_location(location_);
  return made;
}

Result<Value*> Builder::call(Op op, std::vector<Arg> args, std::string name) {
  PTE_TRY(Node * made, node(op, std::move(args), std::move(name)));
  if (made->results().empty()) return internal_error("{} has no result", info(op).full_name());
  return made->result();
}

}  // namespace pte::ir
