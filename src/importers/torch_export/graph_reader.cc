#include "importers/torch_export/graph_reader.h"

#include <algorithm>
#include <cctype>

#include "importers/aten/custom_ops.h"
#include "importers/torch_export/expression.h"
#include "ir/builder.h"

namespace pte::importers {

using ir::Arg;
using ir::ArgList;
using ir::Value;

namespace {

const nlohmann::json& empty_object() {
  static const nlohmann::json value = nlohmann::json::object();
  return value;
}

JsonView field_or_empty(const JsonView& view, std::string_view key) {
  if (const auto field = view.find(key)) return *field;
  return {&empty_object(), &empty_object()};
}

Result<std::vector<JsonView>> items_or_none(const JsonView& view, std::string_view key) {
  const auto field = view.find(key);
  if (!field) return std::vector<JsonView>();
  return field->items();
}

}  // namespace

GraphReader::GraphReader(ir::Module& module, ir::Graph& graph, JsonView view,
                         std::span<const std::string> allowed, int depth)
    : maker_(module, graph), aliases_(maker_), allowed_(allowed), depth_(depth) {
  scopes_.push_back({{}, view, field_or_empty(view, "tensor_values")});
}

Result<TensorMeta> GraphReader::tensor_meta(std::string_view name) const {
  PTE_TRY(const JsonView meta, scopes_.back().tensor_values.at(name));
  return read_tensor_meta(meta);
}

// ---- names

Result<Slot*> GraphReader::find(std::string_view name, const JsonView& place) {
  auto& names = scopes_.back().names;
  const auto it = names.find(name);
  if (it == names.end())
    return place.invalid(fmt::format("'{}' is not defined before this", shown(name)));
  return &it->second;
}

Result<size_t> GraphReader::handle(std::string_view name, const JsonView& place) {
  PTE_TRY(const Slot* slot, find(name, place));
  const auto* index = std::get_if<size_t>(slot);
  if (index == nullptr) {
    const auto* scalar = std::get_if<Arg>(slot);
    if (scalar == nullptr)
      return unsupported("{}: '{}', a tensor subclass, as an operand", place.path(), shown(name));
    if (scalar->is_none())
      return unsupported("{}: '{}', a result that is not worked out", place.path(), shown(name));
    return place.invalid(fmt::format("'{}' is no tensor", shown(name)));
  }
  return *index;
}

Result<Value*> GraphReader::tensor(std::string_view name) {
  PTE_TRY(const size_t index, handle(name, scopes_.back().graph));
  return aliases_.read(index);
}

Status GraphReader::add_input(const JsonView& argument, std::string_view input_name) {
  PTE_TRY(const auto variant, argument.variant());
  const auto& [kind, value] = variant;
  ir::Graph& graph = maker_.graph();
  if (kind == "as_tensor") {
    PTE_TRY(const std::string_view name, value.text_at("name"));
    PTE_TRY(const TensorMeta meta, tensor_meta(name));
    Value* input =
        graph.add_input(std::string(input_name.empty() ? name : input_name), meta.type());
    bind(std::string(name), aliases_.add_root(input, Aliases::Origin::kInput, input->name()));
    return {};
  }
  if (kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool") {
    if (!value.find("as_name")) return {};  // a number that the export fixed
    PTE_TRY(const std::string_view name, value.text_at("as_name"));
    ir::Type type = ir::SymFloatType{};
    if (kind == "as_sym_bool") type = ir::SymBoolType{};
    if (kind == "as_sym_int") {
      PTE_TRY(const JsonView sizes, scopes_.back().graph.at("sym_int_values"));
      PTE_TRY(const JsonView size, sizes.at(name));
      PTE_TRY(ir::SymInt expression, read_size(size));
      type = ir::SymIntType{std::move(expression)};
    }
    bind(std::string(name),
         Arg(graph.add_input(std::string(input_name.empty() ? name : input_name), type)));
    return {};
  }
  if (kind == "as_none" || kind == "as_int" || kind == "as_float" || kind == "as_bool" ||
      kind == "as_string")
    return {};
  return unsupported("{}: an input of kind {}", argument.path(), shown(kind));
}

// ---- arguments

Result<Arg> GraphReader::sym_number(const JsonView& view) {
  PTE_TRY(const auto variant, view.variant());
  const auto& [kind, value] = variant;
  if (kind == "as_name") {
    PTE_TRY(const std::string_view name, value.text());
    PTE_TRY(const Slot* slot, find(name, view));
    if (const auto* scalar = std::get_if<Arg>(slot)) return *scalar;
    return view.invalid(fmt::format("'{}' is a tensor", shown(name)));
  }
  if (kind == "as_int") {
    PTE_TRY(const int64_t number, value.integer());
    return Arg(number);
  }
  if (kind == "as_float") {
    PTE_TRY(const double number, value.number());
    return Arg(number);
  }
  if (kind == "as_bool") {
    PTE_TRY(const bool flag, value.boolean());
    return Arg(flag);
  }
  return view.invalid(fmt::format("expected a symbolic number, found {}", shown(kind)));
}

Result<Arg> GraphReader::list(const JsonView& view) {
  PTE_TRY(const auto variant, view.variant());
  const auto& [kind, value] = variant;
  PTE_TRY(const auto items, value.items());
  ArgList args;
  args.reserve(items.size());
  for (const JsonView& item : items) {
    if (kind == "as_tensors") {
      PTE_TRY(const std::string_view name, item.text_at("name"));
      PTE_TRY(const size_t index, handle(name, item));
      PTE_TRY(Value * operand, aliases_.read(index));
      args.emplace_back(operand);
    } else if (kind == "as_optional_tensors") {
      PTE_TRY(Arg arg, argument(item));
      args.push_back(std::move(arg));
    } else if (kind == "as_ints") {
      PTE_TRY(const int64_t number, item.integer());
      args.emplace_back(number);
    } else if (kind == "as_floats") {
      PTE_TRY(const double number, item.number());
      args.emplace_back(number);
    } else if (kind == "as_bools") {
      PTE_TRY(const bool flag, item.boolean());
      args.emplace_back(flag);
    } else if (kind == "as_strings") {
      PTE_TRY(const std::string_view text, item.text());
      args.emplace_back(std::string(text));
    } else {
      PTE_TRY(Arg arg, sym_number(item));
      args.push_back(std::move(arg));
    }
  }
  return Arg(std::move(args));
}

Result<Arg> GraphReader::argument(const JsonView& view) {
  PTE_TRY(const auto variant, view.variant());
  const auto& [kind, value] = variant;
  if (kind == "as_none") return Arg();
  if (kind == "as_tensor") {
    PTE_TRY(const std::string_view name, value.text_at("name"));
    PTE_TRY(const size_t index, handle(name, view));
    PTE_TRY(Value * operand, aliases_.read(index));
    return Arg(operand);
  }
  if (kind == "as_optional_tensor") return argument(value);
  if (kind == "as_tensors" || kind == "as_optional_tensors" || kind == "as_ints" ||
      kind == "as_floats" || kind == "as_bools" || kind == "as_strings" || kind == "as_sym_ints" ||
      kind == "as_sym_floats" || kind == "as_sym_bools") {
    return list(view);
  }
  if (kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool")
    return sym_number(value);
  if (kind == "as_int") {
    PTE_TRY(const int64_t number, value.integer());
    return Arg(number);
  }
  if (kind == "as_float") {
    PTE_TRY(const double number, value.number());
    return Arg(number);
  }
  if (kind == "as_bool") {
    PTE_TRY(const bool flag, value.boolean());
    return Arg(flag);
  }
  if (kind == "as_string") {
    PTE_TRY(const std::string_view text, value.text());
    return Arg(std::string(text));
  }
  if (kind == "as_scalar_type") {
    PTE_TRY(const DType dtype, read_dtype(value));
    return Arg(dtype);
  }
  if (kind == "as_layout") {
    PTE_TRY(const ir::Layout layout, read_layout(value));
    return Arg(layout);
  }
  if (kind == "as_memory_format") {
    PTE_TRY(const ir::MemoryFormat format, read_memory_format(value));
    return Arg(format);
  }
  if (kind == "as_device") {
    PTE_TRY(ir::Device device, read_device(value));
    return Arg(std::move(device));
  }
  if (kind == "as_graph") return subgraph(value);
  if (kind == "as_complex") return unsupported("{}: a complex number", view.path());
  return unsupported("{}: an argument of kind {}", view.path(), shown(kind));
}

// A GraphArgument: {"name", "graph"}, with names of its own.
Result<Arg> GraphReader::subgraph(const JsonView& view) {
  if (depth_ >= kMaxGraphDepth) return view.invalid("subgraphs nested too deeply");
  PTE_TRY(const std::string_view name, view.text_at("name"));
  PTE_TRY(const JsonView body, view.at("graph"));
  auto graph = std::make_shared<ir::Graph>(std::string(name));
  GraphReader reader(maker_.module(), *graph, body, allowed_, depth_ + 1);
  PTE_TRY(const auto inputs, items_or_none(body, "inputs"));
  for (const JsonView& input : inputs) PTE_CHECK(reader.add_input(input, ""));
  PTE_CHECK(reader.read_nodes());
  PTE_TRY(const auto outputs, items_or_none(body, "outputs"));
  for (const JsonView& output : outputs) {
    PTE_TRY(Arg result, reader.argument(output));
    if (result.value() == nullptr)
      return unsupported("{}: a subgraph that returns a constant", output.path());
    graph->add_output(result.value());
  }
  if (!reader.aliases().mutations().empty())
    return unsupported("{}: a subgraph that writes its inputs", view.path());
  return Arg(std::move(graph));
}

// ---- nodes

Status GraphReader::read_nodes() {
  PTE_TRY(const auto nodes, scopes_.back().graph.items_at("nodes"));
  for (const JsonView& node : nodes) {
    Status done = read_node(node);
    if (!done) {
      const auto name = node.find("name");
      const auto text = name ? name->text() : Result<std::string_view>(std::string_view("?"));
      const std::string place = node_location(node);
      return std::move(done.error())
          .at(fmt::format("node '{}'{}", text ? shown(*text) : "?",
                          place.empty() ? "" : fmt::format(" ({})", place)));
    }
  }
  return {};
}

Status GraphReader::read_node(const JsonView& node) {
  PTE_TRY(const std::string_view name, node.text_at("target"));
  const Target target = resolve_target(name, allowed_);
  maker_.set_location(node_location(node));
  switch (target.kind) {
    case Target::Kind::kIgnored:
      return {};
    case Target::Kind::kInlined:
      return read_inlined(node);
    case Target::Kind::kFill:
      return read_fill(node, name);
    case Target::Kind::kPart:
      return read_part(node);
    case Target::Kind::kCustom:
      return read_custom(node, name);
    case Target::Kind::kCall:
    case Target::Kind::kInPlace:
    case Target::Kind::kRestride:
      return read_call(node, target, name);
    case Target::Kind::kUnknown:
      break;
  }
  return unsupported("the operator {}", shown(name));
}

// Numbers where the overload takes tensors: the overload becomes its scalar form when the number is
// its second operand; else it becomes a tensor of rank 0, in the dtype of its neighbour where that
// is of its kind, so that promotion treats it as a number.
template <typename PlaceOf>
Status GraphReader::place_numbers(std::vector<Given>& given, const PlaceOf& place_of,
                                  const Overload*& overload) {
  const OpInfo& op = *overload->info;
  const ir::TensorType* neighbour = nullptr;
  for (const Given& item : given) {
    if (neighbour == nullptr && item.arg.value() != nullptr && item.arg.value()->is_tensor())
      neighbour = &item.arg.value()->tensor();
  }
  for (size_t i = 0; i < given.size(); ++i) {
    const int index = place_of(i);
    if (index < 0 || static_cast<size_t>(index) >= op.args.size() ||
        op.args[static_cast<size_t>(index)].kind != ArgKind::kTensor) {
      continue;
    }
    const Value* value = given[i].arg.value();
    if (!given[i].arg.number() && (value == nullptr || value->is_tensor())) continue;
    const Overload* scalar = index == 1 ? scalar_overload(*overload) : nullptr;
    if (scalar != nullptr) {
      overload = scalar;
      return {};
    }
    if (neighbour == nullptr) continue;
    const bool real = std::holds_alternative<double>(given[i].arg.v) ||
                      (value != nullptr && std::holds_alternative<ir::SymFloatType>(value->type()));
    DType dtype = real ? DType::kFloat32 : DType::kInt64;
    if (is_floating(neighbour->dtype) || (!real && neighbour->dtype != DType::kBool))
      dtype = neighbour->dtype;
    PTE_TRY(Value * number, maker_.call(Op::aten_scalar_tensor, {given[i].arg, dtype}, "number"));
    given[i].arg = number;
  }
  return {};
}

// The arguments in schema order, defaults in the gaps. `op` becomes its scalar variant when a
// number stands where it takes its second tensor. In-place forms call their first operand `self`
// whatever the other form calls it.
Result<std::vector<Arg>> GraphReader::read_args(const JsonView& node, const Target& target,
                                                const Overload*& overload) {
  const OpInfo* op = overload->info;
  const bool in_place = target.kind != Target::Kind::kCall;
  PTE_TRY(const auto inputs, node.items_at("inputs"));
  std::vector<Given> given;
  for (const JsonView& input : inputs) {
    PTE_TRY(const std::string_view name, input.text_at("name"));
    PTE_TRY(const JsonView view, input.at("arg"));
    PTE_TRY(Arg arg, argument(view));
    given.push_back({name, view, std::move(arg)});
  }
  const auto place_of = [&](size_t i) {
    if (given[i].name.empty() || (in_place && given[i].name == "self" && i == 0))
      return static_cast<int>(i);
    const int index = op->arg_index(given[i].name);
    // Python's functions name their arguments as they like.
    return index < 0 && !op->name.starts_with("aten::") ? static_cast<int>(i) : index;
  };
  PTE_CHECK(place_numbers(given, place_of, overload));
  op = overload->info;
  std::vector<Arg> args(op->args.size());
  std::vector<bool> present(op->args.size(), false);
  for (size_t i = 0; i < given.size(); ++i) {
    const int index = place_of(i);
    if (index < 0 || static_cast<size_t>(index) >= args.size()) {
      return given[i].view.invalid(
          fmt::format("{} has no argument '{}'", op->full_name(), shown(given[i].name)));
    }
    args[static_cast<size_t>(index)] = std::move(given[i].arg);
    present[static_cast<size_t>(index)] = true;
  }
  for (size_t i = 0; i < args.size(); ++i) {
    const ArgSchema& schema = op->args[i];
    if (present[i]) continue;
    if (!schema.has_default && !schema.optional && !op->has(kTagHigherOrder)) {
      return node.invalid(fmt::format("{} lacks its argument '{}'", op->full_name(), schema.name));
    }
    args[i] = op->has(kTagHigherOrder) && schema.kind == ArgKind::kTensorList
                  ? Arg(ArgList{})
                  : ir::default_arg(schema);
  }
  return args;
}

Result<std::vector<std::pair<std::string_view, JsonView>>> GraphReader::output_names(
    const JsonView& node) const {
  std::vector<std::pair<std::string_view, JsonView>> names;
  PTE_TRY(const auto outputs, items_or_none(node, "outputs"));
  for (const JsonView& output : outputs) {
    PTE_TRY(const auto variant, output.variant());
    const auto& [kind, value] = variant;
    if (kind == "as_tensor") {
      PTE_TRY(const std::string_view name, value.text_at("name"));
      names.emplace_back(name, output);
    } else if (kind == "as_tensors") {
      PTE_TRY(const auto items, value.items());
      for (const JsonView& item : items) {
        PTE_TRY(const std::string_view name, item.text_at("name"));
        names.emplace_back(name, item);
      }
    } else if (kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool") {
      std::string_view name;
      if (value.find("as_name")) {
        PTE_TRY(name, value.text_at("as_name"));
      }
      names.emplace_back(name, output);
    } else if (kind == "as_none" || kind == "as_optional_tensor") {
      const auto tensor = value.is_object() ? value.find("as_tensor") : std::nullopt;
      std::string_view name;
      if (tensor) {
        PTE_TRY(name, tensor->text_at("name"));
      }
      names.emplace_back(name, output);
    } else {
      return unsupported("{}: a result of kind {}", output.path(), shown(kind));
    }
  }
  return names;
}

// The file's own word on a type must not contradict inference. Layouts may differ: views have
// strides there and none here.
Status GraphReader::check_type(const Value* value, std::string_view name) const {
  const auto entry = scopes_.back().tensor_values.find(name);
  if (!entry) return {};
  PTE_TRY(const TensorMeta meta, read_tensor_meta(*entry));
  const ir::TensorType& own = value->tensor();
  bool fits = meta.dtype == own.dtype && meta.sizes.size() == own.rank();
  for (size_t i = 0; fits && i < own.rank(); ++i) {
    const ir::SymInt difference = meta.sizes[i] - own.sizes[i];
    fits = !difference.is_constant() || difference.is_constant(0);
  }
  if (fits) return {};
  return make_error(Code::kMismatch, "the file says that '{}' is {}, from the operands it is {}",
                    shown(name), to_string(ir::Type(ir::TensorType::of(meta.dtype, meta.sizes))),
                    to_string(value->type()));
}

// Whether the file says that the first operand lies in row-major order without gaps.
bool GraphReader::is_contiguous(const JsonView& node) const {
  const auto inputs = node.items_at("inputs");
  if (!inputs || inputs->empty()) return false;
  const auto first = (*inputs)[0].find("arg");
  const auto operand = first ? first->find("as_tensor") : std::nullopt;
  if (!operand) return false;
  const auto name = operand->text_at("name");
  if (!name) return false;
  const auto meta = tensor_meta(*name);
  return meta && meta->is_contiguous();
}

// as_strided speaks of places in memory: it means the same here when the operand lies there in
// row-major order, from the start unless no offset is given.
Status GraphReader::check_strided(const JsonView& node, const std::vector<Arg>& args) const {
  const auto operand = find_argument(node, "self", 0);
  const auto tensor = operand ? operand->find("as_tensor") : std::nullopt;
  const auto name = tensor ? tensor->text_at("name") : Result<std::string_view>(std::string_view());
  if (name && !name->empty()) {
    PTE_TRY(const TensorMeta meta, tensor_meta(*name));
    if (meta.is_contiguous() && (args[3].is_none() || meta.offset.is_constant(0))) return {};
  }
  return unsupported("aten.as_strided.default of a tensor that is itself a view");
}

Status GraphReader::bind_results(const JsonView& node, const Overload& overload,
                                 const std::vector<Arg>& results,
                                 const std::vector<std::string_view>& names,
                                 std::optional<size_t> base) {
  if (names.size() != results.size()) {
    return node.invalid(fmt::format("{} results are named, {} has {}", names.size(),
                                    overload.info->full_name(), results.size()));
  }
  const bool contiguous = base && is_contiguous(node);
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    Value* value = results[i].value();
    if (value == nullptr || !value->is_tensor()) {
      bind(std::string(names[i]), results[i]);
      continue;
    }
    PTE_CHECK(check_type(value, names[i]));
    size_t handle = 0;
    if (base && overload.rule == nullptr) {
      PTE_TRY(handle, aliases_.add_result(*base, value, contiguous));
    } else if (base && overload.view) {
      PTE_TRY(handle, aliases_.add_result(*base, value, contiguous));
    } else {
      handle = aliases_.add_root(value);
    }
    bind(std::string(names[i]), handle);
  }
  return {};
}

Result<std::vector<Arg>> GraphReader::make_call(const Overload& overload, std::vector<Arg> args,
                                                const std::vector<std::string_view>& names) {
  PTE_TRY(Results made, call(maker_, overload, std::move(args)));
  std::vector<Arg> results;
  for (Arg& result : made) {
    if (const ArgList* list = result.list()) {
      results.insert(results.end(), list->begin(), list->end());
    } else {
      results.push_back(std::move(result));
    }
  }
  // The file's names, for those that a node of this call makes.
  for (size_t i = 0; i < std::min(names.size(), results.size()); ++i) {
    Value* value = results[i].value();
    if (value != nullptr && !names[i].empty() && value->producer() != nullptr &&
        value->producer()->next() == nullptr) {
      maker_.graph().rename(value, std::string(names[i]));
    }
  }
  return results;
}

Status GraphReader::read_call(const JsonView& node, const Target& target, std::string_view) {
  const Overload* overload = target.overload;
  PTE_TRY(std::vector<Arg> args, read_args(node, target, overload));
  const OpInfo& op = *overload->info;
  if (op.name == "aten::as_strided") PTE_CHECK(check_strided(node, args));
  PTE_TRY(const auto outputs, output_names(node));
  std::vector<std::string_view> names;
  for (const auto& [name, view] : outputs) names.push_back(name);
  // The handle of the first operand, when it is a tensor.
  std::optional<size_t> base;
  if (!op.args.empty()) {
    const bool in_place = target.kind != Target::Kind::kCall;
    const auto first = find_argument(node, in_place ? "self" : op.args[0].name, 0);
    if (const auto operand = first ? first->find("as_tensor") : std::nullopt) {
      PTE_TRY(const std::string_view name, operand->text_at("name"));
      PTE_TRY(base, handle(name, *operand));
      if (target.kind == Target::Kind::kRestride) {
        PTE_TRY(const auto results, make_call(*overload, std::move(args), names));
        if (results.size() != 1 || results[0].value() == nullptr)
          return invalid_data("{} returns no tensor", op.full_name());
        PTE_TRY(const size_t view, aliases_.add_result(*base, results[0].value(), true));
        bind(std::string(name), view);
        if (!names.empty() && !names[0].empty()) bind(std::string(names[0]), view);
        return {};
      }
    }
  }
  if (target.kind != Target::Kind::kCall) {
    if (!base) return node.invalid("the operand that is written is no tensor");
    Value* value = nullptr;
    if (op.op == Op::aten_copy) {
      value = args[1].value();  // aten::copy_ of a fitting tensor is that tensor
    } else {
      PTE_TRY(const auto results, make_call(*overload, std::move(args), names));
      value = results.empty() ? nullptr : results[0].value();
    }
    if (value == nullptr || !value->is_tensor())
      return invalid_data("{} returns no tensor", op.full_name());
    PTE_TRY(value, aliases_.fitted(*base, value));
    PTE_CHECK(aliases_.write(*base, value));
    if (!names.empty() && !names[0].empty()) bind(std::string(names[0]), *base);
    return {};
  }
  if (op.op == Op::kCount) {
    PTE_TRY(const auto results, make_call(*overload, std::move(args), names));
    return bind_results(node, *overload, results, names, base);
  }
  // The symbol of a number that is known at run time only.
  std::optional<ir::SymInt> unknown;
  if (names.size() == 1 && op.has(kTagSymbolic)) {
    const JsonView sizes = field_or_empty(scopes_.back().graph, "sym_int_values");
    if (const auto entry = sizes.find(names[0])) {
      PTE_TRY(unknown, read_size(*entry));
    }
  }
  std::vector<std::string> value_names;
  for (const std::string_view name : names)
    value_names.emplace_back(name.empty() ? "unused" : name);
  PTE_TRY(ir::Node * made,
          maker_.add(op, std::move(args), std::move(value_names), unknown ? &*unknown : nullptr));
  std::vector<Arg> results(made->results().begin(), made->results().end());
  return bind_results(node, *overload, results, names, base);
}

Status GraphReader::read_fill(const JsonView& node, std::string_view target) {
  const auto first = find_argument(node, "self", 0);
  const auto operand = first ? first->find("as_tensor") : std::nullopt;
  if (!operand) return node.invalid("the operand that is written is no tensor");
  PTE_TRY(const std::string_view name, operand->text_at("name"));
  PTE_TRY(const size_t base, handle(name, *operand));
  const ir::TensorType self = aliases_.type(base);
  Arg number = 0;
  if (target.ends_with("Scalar")) {
    const auto value = find_argument(node, "value", 1);
    if (!value) return node.invalid("fill_ lacks its argument 'value'");
    PTE_TRY(number, argument(*value));
  }
  PTE_TRY(Value * old, aliases_.read(base));
  PTE_TRY(Arg sizes, maker_.sizes_of(old));
  PTE_TRY(Value * value,
          maker_.call(Op::aten_full, {std::move(sizes), std::move(number), self.dtype}, "fill"));
  PTE_CHECK(aliases_.write(base, value));
  PTE_TRY(const auto outputs, output_names(node));
  if (!outputs.empty()) bind(std::string(outputs[0].first), base);
  return {};
}

// A tensor within a subclass.
Status GraphReader::read_part(const JsonView& node) {
  PTE_TRY(const auto inputs, node.items_at("inputs"));
  if (inputs.size() != 2) return node.invalid("expected a tensor subclass and an attribute");
  PTE_TRY(const JsonView whole, inputs[0].at("arg"));
  PTE_TRY(const JsonView tensor, whole.at("as_tensor"));
  PTE_TRY(const std::string_view name, tensor.text_at("name"));
  PTE_TRY(const JsonView which, inputs[1].at("arg"));
  PTE_TRY(const std::string_view attribute, which.text_at("as_string"));
  PTE_TRY(const Slot* slot, find(name, node));
  const auto* parts = std::get_if<std::shared_ptr<const Parts>>(slot);
  if (parts == nullptr) return node.invalid(fmt::format("'{}' is no tensor subclass", shown(name)));
  const auto part = (*parts)->attributes.find(attribute);
  if (part == (*parts)->attributes.end()) {
    return node.invalid(fmt::format("'{}' has no tensor '{}'", shown(name), shown(attribute)));
  }
  PTE_TRY(const auto outputs, output_names(node));
  if (outputs.size() != 1) return node.invalid("expected one result");
  bind(std::string(outputs[0].first), Slot(part->second));
  return {};
}

namespace {

// An argument's type in a schema, from the form that the file gives it in.
Result<std::string_view> schema_type(const JsonView& argument) {
  PTE_TRY(const auto variant, argument.variant());
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"as_tensor", "Tensor"},  {"as_tensors", "Tensor[]"},
      {"as_none", "Tensor?"},   {"as_optional_tensor", "Tensor?"},
      {"as_int", "int"},        {"as_sym_int", "int"},
      {"as_ints", "int[]"},     {"as_sym_ints", "int[]"},
      {"as_float", "float"},    {"as_sym_float", "float"},
      {"as_floats", "float[]"}, {"as_bool", "bool"},
      {"as_sym_bool", "bool"},  {"as_bools", "bool[]"},
      {"as_string", "str"},     {"as_scalar_type", "ScalarType"},
      {"as_layout", "Layout"},  {"as_memory_format", "MemoryFormat"},
      {"as_device", "Device"},  {"as_optional_tensors", "Tensor?[]"},
  };
  for (const auto& [kind, type] : kTypes) {
    if (variant.first == kind) return type;
  }
  return unsupported("{}: an argument of kind {}", argument.path(), shown(variant.first));
}

bool is_identifier(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c == '_' || (c < 128 && std::isalnum(c) != 0);
  });
}

}  // namespace

// A call of somebody else's operator: the file knows what it takes and gives.
Status GraphReader::read_custom(const JsonView& node, std::string_view target) {
  const std::string full_name = full_name_of(target);
  const std::string* entry = find_allowed(allowed_, full_name);
  if (entry == nullptr) return internal_error("{} is not allowed", shown(full_name));
  PTE_TRY(const auto outputs, items_or_none(node, "outputs"));
  std::string description = *entry;
  if (entry->find('(') == std::string::npos) {
    const size_t dot = full_name.find('.');
    const size_t colons = full_name.find("::");
    const std::string_view name(full_name);
    if (colons == std::string::npos || !is_identifier(name.substr(0, colons)) ||
        !is_identifier(
            name.substr(colons + 2, dot == std::string::npos ? dot : dot - colons - 2)) ||
        (dot != std::string::npos && !is_identifier(name.substr(dot + 1)))) {
      return node.invalid(fmt::format("'{}' is no operator's name", shown(full_name)));
    }
    description = full_name + "(";
    PTE_TRY(const auto inputs, node.items_at("inputs"));
    for (size_t i = 0; i < inputs.size(); ++i) {
      PTE_TRY(const std::string_view own, inputs[i].text_at("name"));
      PTE_TRY(const JsonView view, inputs[i].at("arg"));
      PTE_TRY(const std::string_view type, schema_type(view));
      description += fmt::format("{}{} {}", i == 0 ? "" : ", ", type,
                                 is_identifier(own) ? std::string(own) : fmt::format("arg{}", i));
    }
    description += ") -> ";
    if (outputs.size() != 1) description += "(";
    for (size_t i = 0; i < outputs.size(); ++i) {
      PTE_TRY(const auto variant, outputs[i].variant());
      description += fmt::format("{}{}", i == 0 ? "" : ", ",
                                 variant.first == "as_tensors" ? "Tensor[]" : "Tensor");
    }
    if (outputs.size() != 1) description += ")";
  }
  PTE_TRY(const OpInfo* op, custom_op(description));
  const Overload overload{op};
  const Overload* chosen = &overload;
  PTE_TRY(std::vector<Arg> args, read_args(node, {Target::Kind::kCall, chosen}, chosen));
  PTE_CHECK(ir::complete_args(*op, args));

  PTE_TRY(const auto named, output_names(node));
  std::vector<ir::Type> types;
  std::vector<std::string> names;
  for (const auto& [name, view] : named) {
    if (name.empty()) return unsupported("{}: a result that is no tensor", op->full_name());
    PTE_TRY(const TensorMeta meta, tensor_meta(name));
    types.emplace_back(ir::TensorType::of(meta.dtype, meta.sizes));
    names.emplace_back(name);
  }
  const bool list = op->returns.size() == 1 && op->returns[0].kind == ArgKind::kTensorList;
  if (!list && op->returns.size() != types.size()) {
    return node.invalid(fmt::format("{} results are named, {} has {}", types.size(),
                                    op->full_name(), op->returns.size()));
  }
  ir::Node* made = maker_.graph().add_node(*op, std::move(args), std::move(types), names);
  made->set_location(node_location(node));
  for (size_t i = 0; i < names.size(); ++i) bind(names[i], aliases_.add_root(made->result(i)));
  return {};
}

// A wrapper that matters to autograd only: its graph is read here, under names of its own.
Status GraphReader::read_inlined(const JsonView& node) {
  if (scopes_.size() > static_cast<size_t>(kMaxGraphDepth))
    return node.invalid("subgraphs nested too deeply");
  PTE_TRY(const auto inputs, node.items_at("inputs"));
  std::optional<JsonView> body;
  std::vector<Slot> operands;
  for (const JsonView& input : inputs) {
    PTE_TRY(const JsonView view, input.at("arg"));
    if (const auto graph = view.find("as_graph")) {
      PTE_TRY(body, graph->at("graph"));
    } else if (body) {
      // Operands keep their handles, so that writes inside are seen outside.
      if (const auto tensor = view.find("as_tensor")) {
        PTE_TRY(const std::string_view name, tensor->text_at("name"));
        PTE_TRY(const Slot* slot, find(name, view));
        operands.push_back(*slot);
      } else {
        PTE_TRY(Arg arg, argument(view));
        operands.emplace_back(std::move(arg));
      }
    }
  }
  if (!body) return node.invalid("it has no graph");
  PTE_TRY(const auto formals, items_or_none(*body, "inputs"));
  if (formals.size() != operands.size()) {
    return node.invalid(
        fmt::format("{} operands for a graph of {} inputs", operands.size(), formals.size()));
  }
  Scope scope{{}, *body, field_or_empty(*body, "tensor_values")};
  for (size_t i = 0; i < formals.size(); ++i) {
    PTE_TRY(const auto variant, formals[i].variant());
    const auto& [kind, value] = variant;
    if (kind == "as_tensor") {
      PTE_TRY(const std::string_view name, value.text_at("name"));
      scope.names.insert_or_assign(std::string(name), operands[i]);
    } else if (value.find("as_name")) {
      PTE_TRY(const std::string_view name, value.text_at("as_name"));
      scope.names.insert_or_assign(std::string(name), operands[i]);
    }
  }
  scopes_.push_back(std::move(scope));
  Status done = read_nodes();
  std::vector<Slot> results;
  if (done) {
    const auto read_results = [&]() -> Status {
      PTE_TRY(const auto outputs, items_or_none(*body, "outputs"));
      for (const JsonView& output : outputs) {
        if (const auto tensor = output.find("as_tensor")) {
          PTE_TRY(const std::string_view name, tensor->text_at("name"));
          PTE_TRY(const Slot* slot, find(name, output));
          results.push_back(*slot);
        } else {
          PTE_TRY(Arg arg, argument(output));
          results.emplace_back(std::move(arg));
        }
      }
      return {};
    };
    done = read_results();
  }
  scopes_.pop_back();
  PTE_CHECK(std::move(done));
  PTE_TRY(const auto outputs, output_names(node));
  if (outputs.size() != results.size()) {
    return node.invalid(
        fmt::format("{} results are named, the graph returns {}", outputs.size(), results.size()));
  }
  for (size_t i = 0; i < outputs.size(); ++i) bind(std::string(outputs[i].first), results[i]);
  return {};
}

}  // namespace pte::importers
