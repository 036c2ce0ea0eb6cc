#include "importers/torchscript/method_call.h"

#include <algorithm>

namespace pte::importers::script {
namespace {

constexpr const char* kFlag = "first_call";

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

Call::Call(Archive& archive, const std::string& name, const ImportOptions& options,
           const ir::Ranges& symbols)
    : archive_(archive),
      name_(name),
      options_(options),
      graph_(*module.methods[name].graph),
      evaluator_(module, graph_, archive.library),
      objects_(evaluator_, archive.zip) {
  graph_.set_name(name);
  module.symbols = symbols;
}

Status Call::run(const Forms& start, InputCursor& inputs) {
  return told([&]() -> Status {
    PTE_CHECK(load(start));
    PTE_TRY(Values arguments, bind(inputs));
    PTE_TRY(const Value result, execute(std::move(arguments)));
    PTE_CHECK(finish());
    PTE_CHECK(add_outputs(result, 0));
    return find_changes({});
  });
}

Status Call::run_both(const Forms& start, const Forms& later, const std::set<std::string>& written,
                      InputCursor& inputs) {
  return told([&]() -> Status {
    PTE_CHECK(load(start));
    PTE_TRY(const Values arguments, bind(inputs));
    Forms fresh;
    for (const auto& [index, form] : later) {
      if (!start.contains(index)) fresh.emplace(index, form);
    }
    const auto& states = objects_.states();
    for (size_t i = 0; i < states.size(); ++i) {
      if (states[i].key.empty() || !written.contains(states[i].key) || fresh.contains(i)) continue;
      PTE_TRY(Form form, form_of(evaluator_, now(i)));
      form.constant = states[i].key;
      fresh.emplace(i, std::move(form));
    }
    std::map<size_t, std::vector<Leaf>> leaves;
    Values carried;
    for (const auto& [index, form] : fresh) {
      PTE_TRY(Value value, value_of_form(evaluator_, module, form, key_of(index), leaves[index]));
      carried.push_back(std::move(value));
    }
    PTE_TRY(Tensor yes, Tensor::zeros(DType::kBool, {}));
    *yes.mutable_data_as<bool>() = true;
    const TensorPtr flag =
        evaluator_.add_constant(kFlag, std::move(yes), ir::Constant::Kind::kBuffer);
    const auto arm = [&](bool first) {
      return [&, first]() -> Result<Values> {
        size_t next = 0;
        for (const auto& [index, form] : fresh) {
          const Value& kept = carried[next++];
          const auto& state = objects_.states()[index];
          PTE_TRY(Value copy, copied(first ? now(index) : kept, 0));
          PTE_CHECK(evaluator_.set_attribute(state.object, state.name, std::move(copy)));
        }
        PTE_TRY(Value result, execute(arguments));
        Values out{std::move(result)};
        for (const auto& [index, form] : fresh) out.push_back(now(index));
        return out;
      };
    };
    PTE_TRY(const Values after, evaluator_.branch(flag, arm(true), arm(false)));
    PTE_CHECK(finish());
    PTE_CHECK(add_outputs(after[0], 0));
    size_t next = 1;
    for (const auto& [index, form] : fresh) {
      const Value& value = after[next++];
      if (const Poison* poison = find_poison(value); poison != nullptr && poison->reason)
        return *poison->reason;
      std::vector<TensorPtr> cells;
      PTE_CHECK(collect_leaves(evaluator_, form, value, cells));
      if (cells.size() != leaves[index].size())
        return internal_error("an attribute changed its form");
      for (size_t i = 0; i < cells.size(); ++i)
        PTE_CHECK(write_back(leaves[index][i].key, leaves[index][i].form->type, cells[i]));
    }
    PTE_CHECK(find_changes(fresh));
    if (!changes_.empty()) {
      return unsupported("the attribute '{}' has no form that lasts",
                         attribute(changes_.begin()->first));
    }
    PTE_TRY(ir::Value * no, evaluator_.value_of(Evaluator::known(false, DType::kBool)));
    mutate(kFlag, ir::TensorType::of(DType::kBool, {}), no);
    return {};
  });
}

std::string Call::attribute(size_t index) const {
  const auto& state = objects_.states()[index];
  return state.object->path.empty() ? state.name : state.object->path + "." + state.name;
}

const Value& Call::now(size_t index) const {
  const auto& state = objects_.states()[index];
  return *state.object->find(state.name);
}

Status Call::load(const Forms& start) {
  if (archive_.mobile) {
    PTE_TRY(const Value table, objects_.read("bytecode.pkl", "constants", "constants"));
    PTE_TRY(bytecode_, read_bytecode(table));
  } else {
    PTE_TRY(const Value constants, objects_.read("constants.pkl", "constants", "constants"));
    if (constants.items() != nullptr) evaluator_.constants() = *constants.items();
  }
  PTE_TRY(root_, objects_.read("data.pkl", "data", ""));
  const auto& states = objects_.states();
  for (const auto& [index, form] : start) {
    std::vector<Leaf>& leaves = start_leaves_[index];
    PTE_TRY(Value value, value_of_form(evaluator_, module, form, key_of(index), leaves));
    states[index].object->set(states[index].name, std::move(value));
  }
  std::map<std::string, int> owners;
  for (size_t i = 0; i < states.size(); ++i) {
    before_.push_back(now(i));
    // Containers change in place: what was in them is kept.
    copy_containers(before_.back(), 0);
    if (states[i].key.empty() || start.contains(i)) continue;
    ++owners[states[i].key];
  }
  for (const auto& [key, count] : owners) {
    if (count > 1) shared_.insert(key);
  }
  return {};
}

Result<Value> Call::copied(const Value& value, int depth) {
  if (depth > kMaxValueDepth) return value;
  if (value.tensor()) return evaluator_.call_operator("aten::clone", {{"", value}});
  const Values* items = value.items();
  if (items != nullptr) {
    Values made;
    for (const Value& item : *items) {
      PTE_TRY(Value copy, copied(item, depth + 1));
      made.push_back(std::move(copy));
    }
    if (value.tuple()) return Value::tuple(std::move(made), value.tuple()->named);
    return evaluator_.new_list(std::move(made));
  }
  if (const auto dict = value.dict()) {
    PTE_TRY(const Value made, evaluator_.call_operator("aten::dict", {{"", Value::list({})}}));
    for (const auto& [key, item] : dict->entries) {
      PTE_TRY(Value copy, copied(item, depth + 1));
      made.dict()->set(key, std::move(copy));
    }
    return made;
  }
  return value;
}

void Call::copy_containers(Value& value, int depth) {
  if (depth > kMaxValueDepth) return;
  if (const auto list = value.list()) {
    auto copy = std::make_shared<List>(*list);
    for (Value& item : copy->items) copy_containers(item, depth + 1);
    value = Value(std::move(copy));
  } else if (const auto dict = value.dict()) {
    auto copy = std::make_shared<Dict>(*dict);
    for (auto& [key, item] : copy->entries) copy_containers(item, depth + 1);
    value = Value(std::move(copy));
  } else if (const auto tuple = value.tuple()) {
    auto copy = std::make_shared<Tuple>(*tuple);
    for (Value& item : copy->items) copy_containers(item, depth + 1);
    value = Value(std::move(copy));
  }
}

Result<Values> Call::bind(InputCursor& inputs) {
  const auto root = root_.object();
  if (root == nullptr) return invalid_data("data.pkl holds no module");
  Signature signature(evaluator_, module, root->def, options_, inputs);
  if (archive_.mobile) {
    const auto found = std::find_if(bytecode_.begin(), bytecode_.end(),
                                    [&](const BytecodeMethod& own) { return own.name == name_; });
    if (found == bytecode_.end()) {
      std::vector<std::string> names;
      for (const BytecodeMethod& own : bytecode_) names.push_back(own.name);
      return no_method(names);
    }
    code_ = &*found;
    PTE_TRY(const std::vector<Argument> given, signature.arguments(found->signature));
    Values arguments{root_};
    const auto& parameters = found->signature.parameters;
    for (size_t i = 1; i < parameters.size(); ++i) {
      const auto same = std::find_if(given.begin(), given.end(), [&](const Argument& input) {
        return input.name == parameters[i].name;
      });
      arguments.push_back(same != given.end()          ? same->value
                          : i < found->defaults.size() ? found->defaults[i]
                                                       : Value());
    }
    return arguments;
  }
  const Function* method = root->def == nullptr ? nullptr : root->def->method(name_);
  if (method == nullptr) {
    std::vector<std::string> names;
    if (root->def != nullptr) {
      for (const Function& own : root->def->methods) names.push_back(own.name);
    }
    return no_method(names);
  }
  PTE_TRY(std::vector<Argument> given, signature.arguments(*method));
  Values arguments;
  for (Argument& input : given) {
    names_.push_back(input.name);
    arguments.push_back(std::move(input.value));
  }
  return arguments;
}

Error Call::no_method(const std::vector<std::string>& names) const {
  return make_error(Code::kNotFound, "the module has no method '{}'; it has: {}", name_,
                    joined(names));
}

Result<Value> Call::execute(Values arguments) {
  if (code_ != nullptr) return run_bytecode(evaluator_, *code_, std::move(arguments));
  std::vector<Argument> named;
  for (size_t i = 0; i < arguments.size(); ++i)
    named.push_back({names_[i], std::move(arguments[i])});
  return evaluator_.call_method(root_.object(), name_, std::move(named));
}

Status Call::finish() {
  if (!evaluator_.report().empty()) return evaluator_.report().error();
  evaluator_.set_place("");
  for (const Aliases::Mutation& mutation : evaluator_.root_aliases().mutations()) {
    const bool constant = mutation.origin == Aliases::Origin::kConstant;
    if (constant) module.constants.at(mutation.key).kind = ir::Constant::Kind::kBuffer;
    graph_.outputs().push_back(
        {mutation.value,
         constant ? ir::OutputKind::kBufferMutation : ir::OutputKind::kInputMutation,
         mutation.key,
         {}});
  }
  return {};
}

void Call::mutate(const std::string& key, const ir::TensorType& type, ir::Value* value) {
  module.constants.at(key).kind = ir::Constant::Kind::kBuffer;
  graph_.constant(key, type);
  for (ir::Output& output : graph_.outputs()) {
    if (output.kind != ir::OutputKind::kBufferMutation || output.target != key) continue;
    output.value = value;  // written in place before, and then replaced
    return;
  }
  graph_.outputs().push_back({value, ir::OutputKind::kBufferMutation, key, {}});
}

Status Call::write_back(const std::string& key, const ir::TensorType& type, const TensorPtr& cell) {
  PTE_TRY(ir::Value * value, evaluator_.value_of(cell));
  mutate(key, type, value);
  return {};
}

bool Call::same_cells(const Value& a, const Value& b, int depth) {
  if (depth > kMaxValueDepth) return false;
  if (a.tensor() || b.tensor()) return a.tensor() == b.tensor();
  const Values *items = a.items(), *others = b.items();
  if (items != nullptr && others != nullptr) {
    if (a.v.index() != b.v.index() || items->size() != others->size()) return false;
    for (size_t i = 0; i < items->size(); ++i) {
      if (!same_cells((*items)[i], (*others)[i], depth + 1)) return false;
    }
    return true;
  }
  if (a.dict() && b.dict()) {
    const auto &mine = a.dict()->entries, &theirs = b.dict()->entries;
    if (mine.size() != theirs.size()) return false;
    for (size_t i = 0; i < mine.size(); ++i) {
      if (!same_cells(mine[i].second, theirs[i].second, depth + 1)) return false;
    }
    return true;
  }
  if (a.get<Number>() != nullptr && b.get<Number>() != nullptr)
    return a.get<Number>()->tensor == b.get<Number>()->tensor && a.get<Number>()->tensor;
  return a.v.index() == b.v.index() && equal(a, b).value_or(false);
}

Status Call::find_changes(const Forms& known) {
  const auto& states = objects_.states();
  for (size_t i = 0; i < states.size(); ++i) {
    const Value& held = now(i);
    if (known.contains(i)) continue;
    if (same_cells(before_[i], held)) continue;
    PTE_CHECK(find_change(i, held).at(fmt::format("the attribute '{}'", attribute(i))));
  }
  return {};
}

Status Call::find_change(size_t index, const Value& held) {
  PTE_TRY(Form before, form_of(evaluator_, before_[index]));
  PTE_TRY(Form after, form_of(evaluator_, held));
  open_as(after, before);
  if (before.kind == Form::Kind::kObject || after.kind == Form::Kind::kObject)
    return unsupported("is replaced by another object");
  std::vector<TensorPtr> cells;
  PTE_CHECK(collect_leaves(evaluator_, after, held, cells));
  const auto given = start_leaves_.find(index);
  std::vector<TensorPtr> own;
  PTE_CHECK(collect_leaves(evaluator_, before, before_[index], own));
  if (given == start_leaves_.end()) {
    size_t next = 0;
    name_constants(before, own, next);
  }
  if (same_form(before, after)) {
    bool each_its_own = own.size() == cells.size();
    std::vector<std::string> keys;
    for (size_t k = 0; k < own.size() && each_its_own; ++k) {
      std::string key =
          given != start_leaves_.end() ? given->second[k].key : objects_.key_of(own[k]);
      each_its_own = !key.empty() && !shared_.contains(key);
      keys.push_back(std::move(key));
    }
    if (each_its_own) {
      for (size_t k = 0; k < own.size(); ++k) {
        if (own[k] == cells[k]) continue;
        PTE_CHECK(write_back(keys[k], before_type(before, k), cells[k]));
      }
      return {};
    }
  }
  Change change{std::move(before), std::move(after), {}, {}};
  for (const TensorPtr& cell : cells) {
    PTE_TRY(ir::Value * value, evaluator_.value_of(cell));
    change.values.push_back(value);
  }
  leaf_keys(change.after, key_of(index), change.keys);
  changes_.emplace(index, std::move(change));
  return {};
}

void Call::open_as(Form& form, const Form& before) {
  if (before.kind == Form::Kind::kNumber && form.kind == Form::Kind::kPlain &&
      form.plain.scalar()) {
    Form made = before;
    made.plain = form.plain;
    form = std::move(made);
  }
  if (form.items.size() != before.items.size()) return;
  for (size_t i = 0; i < form.items.size(); ++i) open_as(form.items[i], before.items[i]);
}

void Call::name_constants(Form& form, const std::vector<TensorPtr>& cells, size_t& next) const {
  if (form.kind == Form::Kind::kTensor || form.kind == Form::Kind::kNumber)
    form.constant = objects_.key_of(cells[next++]);
  for (Form& item : form.items) name_constants(item, cells, next);
}

void Call::leaf_keys(const Form& form, const std::string& key, std::vector<std::string>& out) {
  if (form.kind == Form::Kind::kTensor || form.kind == Form::Kind::kNumber) out.push_back(key);
  for (size_t i = 0; i < form.items.size(); ++i)
    leaf_keys(form.items[i], fmt::format("{}.{}", key, i), out);
}

ir::TensorType Call::before_type(const Form& form, size_t wanted) {
  std::vector<const Form*> leaves;
  const auto walk = [&](const auto& self, const Form& own) -> void {
    if (own.kind == Form::Kind::kTensor || own.kind == Form::Kind::kNumber) leaves.push_back(&own);
    for (const Form& item : own.items) self(self, item);
  };
  walk(walk, form);
  return leaves[wanted]->type;
}

Status Call::add_outputs(const Value& value, int depth) {
  if (depth > kMaxValueDepth) return unsupported("outputs nested that deep");
  ir::Output output;
  if (const Values* items = value.items()) {
    for (const Value& item : *items) PTE_CHECK(add_outputs(item, depth + 1));
    return {};
  }
  if (const auto dict = value.dict()) {
    for (const auto& [key, item] : dict->entries) PTE_CHECK(add_outputs(item, depth + 1));
    return {};
  }
  if (const TensorPtr cell = value.tensor()) {
    if (cell->quantization) {
      return unsupported("an output that is a quantized tensor")
          .with_hint("end the module with a DeQuantStub before it is converted");
    }
    PTE_TRY(output.value, evaluator_.value_of(cell));
  } else if (const auto* number = value.get<Number>()) {
    if (number->size != nullptr) {
      output.value = number->size;
    } else {
      PTE_TRY(output.value, evaluator_.value_of(number->tensor));
    }
  } else if (const auto scalar = value.scalar()) {
    output.literal = std::visit([](auto held) { return ir::Arg(held); }, *scalar);
  } else if (const auto* text = value.get<std::string>()) {
    output.literal = ir::Arg(*text);
  } else if (const auto* poison = value.get<Poison>()) {
    if (poison->reason) return *poison->reason;
    return unsupported("an output of an operator that is not supported");
  } else if (!value.is_none()) {
    return unsupported("an output that is a {}", kind_name(value));
  }
  graph_.outputs().push_back(std::move(output));
  return {};
}

}  // namespace pte::importers::script
