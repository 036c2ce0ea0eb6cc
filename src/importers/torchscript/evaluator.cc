// Functions and statements.
#include "importers/torchscript/evaluator.h"

#include <algorithm>

#include "importers/torchscript/context.h"
#include "importers/torchscript/parser.h"

namespace pte::importers::script {
namespace {

// Every name that a block assigns, blocks within it included.
void assigned_names(const std::vector<Stmt>& block, std::vector<std::string>& out) {
  for (const Stmt& stmt : block) {
    for (const Expr& target : stmt.targets) {
      if (target.kind == Expr::Kind::kName &&
          std::find(out.begin(), out.end(), target.text) == out.end()) {
        out.push_back(target.text);
      }
    }
    assigned_names(stmt.body, out);
    assigned_names(stmt.otherwise, out);
  }
}

// Counts where names are read.
void count_reads(const Expr& expr, std::unordered_map<std::string, int>& out) {
  if (expr.kind == Expr::Kind::kName) ++out[expr.text];
  for (const Expr& item : expr.items) count_reads(item, out);
}

void count_reads(const std::vector<Stmt>& block, std::unordered_map<std::string, int>& out) {
  for (const Stmt& stmt : block) {
    for (const Expr& value : stmt.values) count_reads(value, out);
    for (const Expr& target : stmt.targets) {
      if (target.kind != Expr::Kind::kName) count_reads(target, out);
    }
    count_reads(stmt.body, out);
    count_reads(stmt.otherwise, out);
  }
}

struct Depth {
  explicit Depth(int& depth) : held(depth) { ++held; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;
  ~Depth() { --held; }
  int& held;
};

Value unset(const std::string& name) {
  return Value(Poison{std::make_shared<const Error>(unsupported(
      "'{}' is set in one branch only, and which one runs depends on the input", name))});
}

}  // namespace

Result<Value> Evaluator::call_method(const std::shared_ptr<Object>& self, const std::string& name,
                                     std::vector<Argument> args) {
  const Function* method = self->def == nullptr ? nullptr : self->def->method(name);
  if (method == nullptr) {
    return make_error(Code::kNotFound, "{} has no method '{}'",
                      self->class_name.empty() ? "the object" : self->class_name, name);
  }
  args.insert(args.begin(), Argument{"", Value(self)});
  return call_function(*method, std::move(args));
}

Result<Value> Evaluator::call_function(const Function& function, std::vector<Argument> args) {
  if (calls_ >= limits_.calls)
    return make_error(Code::kResourceLimit, "calls within calls, more than {} deep", limits_.calls);
  const Depth depth(calls_);
  PTE_CHECK(spend());
  Frame frame;
  frame.function = &function;
  const auto& parameters = function.parameters;
  std::vector<bool> given(parameters.size(), false);
  size_t place = 0;
  for (Argument& arg : args) {
    size_t index = place;
    if (arg.name.empty()) {
      ++place;
    } else {
      index = static_cast<size_t>(
          std::find_if(parameters.begin(), parameters.end(),
                       [&](const Parameter& own) { return own.name == arg.name; }) -
          parameters.begin());
    }
    if (index >= parameters.size() || given[index]) {
      return invalid_data("{}() takes no argument {}", function.name,
                          arg.name.empty() ? std::to_string(place) : "'" + arg.name + "'");
    }
    given[index] = true;
    frame.variables.insert_or_assign(parameters[index].name, std::move(arg.value));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (given[i]) continue;
    if (!parameters[i].has_default)
      return invalid_data("{}() lacks its argument '{}'", function.name, parameters[i].name);
    PTE_TRY(Value value, evaluate(parameters[i].default_value, frame));
    frame.variables.insert_or_assign(parameters[i].name, std::move(value));
  }
  PTE_TRY(const Flow flow, run_block(function.body, frame));
  static_cast<void>(flow);
  return std::move(frame.returned);
}

Result<Evaluator::Flow> Evaluator::run_block(const std::vector<Stmt>& block, Frame& frame) {
  if (depth_ >= limits_.depth)
    return make_error(Code::kResourceLimit, "code nested more than {} deep", limits_.depth);
  const Depth depth(depth_);
  for (const Stmt& stmt : block) {
    PTE_TRY(const Flow flow, run_statement(stmt, frame));
    if (flow == Flow::kReturned) return flow;
  }
  return Flow::kNext;
}

Result<Evaluator::Flow> Evaluator::run_statement(const Stmt& stmt, Frame& frame) {
  PTE_CHECK(spend());
  set_place(fmt::format("{}:{}", frame.function->file, stmt.line));
  switch (stmt.kind) {
    case Stmt::Kind::kPass:
      return Flow::kNext;
    case Stmt::Kind::kAssign:
      PTE_CHECK(assign(stmt, frame));
      return Flow::kNext;
    case Stmt::Kind::kExpr: {
      PTE_TRY(const Value ignored, evaluate(stmt.values[0], frame));
      static_cast<void>(ignored);
      return Flow::kNext;
    }
    case Stmt::Kind::kReturn:
      if (!stmt.values.empty()) {
        PTE_TRY(frame.returned, evaluate(stmt.values[0], frame));
      }
      return Flow::kReturned;
    case Stmt::Kind::kIf:
      return run_if(stmt, frame);
    case Stmt::Kind::kWhile:
      return run_while(stmt, frame);
    case Stmt::Kind::kFor:
      return run_for(stmt, frame);
    case Stmt::Kind::kWith: {
      // no_grad and its like, which mean nothing to inference.
      PTE_TRY(const Value manager, evaluate(stmt.values[0], frame));
      static_cast<void>(manager);
      return run_block(stmt.body, frame);
    }
  }
  return Flow::kNext;
}

Status Evaluator::assign(const Stmt& stmt, Frame& frame) {
  if (!stmt.unpack) {
    Values values;
    for (const Expr& expr : stmt.values) {
      PTE_TRY(Value value, evaluate(expr, frame));
      values.push_back(std::move(value));
    }
    for (size_t i = 0; i < values.size(); ++i)
      PTE_CHECK(assign_target(stmt.targets[i], std::move(values[i]), frame));
    return {};
  }
  PTE_TRY(const Value value, evaluate(stmt.values[0], frame));
  if (value.is_poison()) {
    for (const Expr& target : stmt.targets) PTE_CHECK(assign_target(target, value, frame));
    return {};
  }
  const Values* held = value.items();
  if (held == nullptr) return invalid_data("{} cannot be unpacked", kind_name(value));
  if (held->size() != stmt.targets.size()) {
    return invalid_argument("{} values are to be unpacked into {} names", held->size(),
                            stmt.targets.size());
  }
  const Values items = *held;
  for (size_t i = 0; i < items.size(); ++i)
    PTE_CHECK(assign_target(stmt.targets[i], items[i], frame));
  return {};
}

Status Evaluator::assign_target(const Expr& target, Value value, Frame& frame) {
  if (target.kind == Expr::Kind::kName) {
    frame.variables.insert_or_assign(target.text, std::move(value));
    return {};
  }
  if (target.kind == Expr::Kind::kAttribute) {
    PTE_TRY(const Value base, evaluate(target.items[0], frame));
    const auto object = base.object();
    if (object == nullptr) return invalid_data("{} has no attributes to set", kind_name(base));
    return set_attribute(object, target.text, std::move(value));
  }
  if (target.kind == Expr::Kind::kIndex) {
    PTE_TRY(Value base, evaluate(target.items[0], frame));
    PTE_TRY(Value index, evaluate(target.items[1], frame));
    PTE_TRY(const Value done,
            call_operator("aten::_set_item",
                          {{"", std::move(base)}, {"", std::move(index)}, {"", std::move(value)}}));
    static_cast<void>(done);
    return {};
  }
  return invalid_data("'{}' cannot be assigned to", to_string(target));
}

Result<Evaluator::Flow> Evaluator::run_if(const Stmt& stmt, Frame& frame) {
  PTE_TRY(const Value condition, evaluate(stmt.values[0], frame));
  PTE_TRY(const Truth which, truth(condition));
  if (which.known) return run_block(*which.known ? stmt.body : stmt.otherwise, frame);

  std::vector<std::string> assigned;
  assigned_names(stmt.body, assigned);
  assigned_names(stmt.otherwise, assigned);
  // Only what something after the arms may read has to come out of them.
  std::unordered_map<std::string, int> inside, everywhere;
  count_reads(stmt.body, inside);
  count_reads(stmt.otherwise, inside);
  count_reads(frame.function->body, everywhere);
  std::vector<std::string> names;
  for (const std::string& name : assigned) {
    if (everywhere[name] > inside[name] || frame.variables.contains(name)) names.push_back(name);
  }
  const auto block_of = [&](const std::vector<Stmt>& body) {
    return [&]() -> Result<Values> {
      const Variables saved = frame.variables;
      auto flow = run_block(body, frame);
      Values values;
      for (const std::string& name : names) {
        const auto held = frame.variables.find(name);
        values.push_back(held == frame.variables.end() ? unset(name) : held->second);
      }
      frame.variables = saved;
      if (!flow) return std::move(flow.error());
      if (*flow == Flow::kReturned)
        return unsupported("a branch that depends on the input returns from the function");
      return values;
    };
  };
  PTE_TRY(Values values, branch(which.tensor, block_of(stmt.body), block_of(stmt.otherwise)));
  for (size_t i = 0; i < names.size(); ++i)
    frame.variables.insert_or_assign(names[i], std::move(values[i]));
  return Flow::kNext;
}

Result<Evaluator::Flow> Evaluator::run_while(const Stmt& stmt, Frame& frame) {
  while (true) {
    PTE_CHECK(spend());
    PTE_TRY(const Value condition, evaluate(stmt.values[0], frame));
    PTE_TRY(const Truth which, truth(condition));
    if (which.known) {
      if (!*which.known) return Flow::kNext;
      PTE_TRY(const Flow flow, run_block(stmt.body, frame));
      if (flow == Flow::kReturned) return flow;
      continue;
    }
    // From here on the trip count depends on the input.
    std::vector<std::string> assigned, names;
    assigned_names(stmt.body, assigned);
    Values carried;
    for (const std::string& name : assigned) {
      const auto held = frame.variables.find(name);
      if (held == frame.variables.end()) continue;  // the body's own
      names.push_back(name);
      carried.push_back(held->second);
    }
    const Variables saved = frame.variables;
    const Body body = [&](const Values& values) -> Result<Values> {
      frame.variables = saved;
      for (size_t i = 0; i < names.size(); ++i)
        frame.variables.insert_or_assign(names[i], values[i + 1]);
      PTE_TRY(const Flow flow, run_block(stmt.body, frame));
      if (flow == Flow::kReturned)
        return unsupported("a loop that depends on the input returns from the function");
      PTE_TRY(Value go, evaluate(stmt.values[0], frame));
      Values out{std::move(go)};
      for (const std::string& name : names) out.push_back(frame.variables.at(name));
      return out;
    };
    Number go;
    go.kind = Number::Kind::kBool;
    go.tensor = which.tensor;
    PTE_TRY(Values after, loop(Value(go), std::move(carried), body));
    frame.variables = saved;
    for (size_t i = 0; i < names.size(); ++i)
      frame.variables.insert_or_assign(names[i], std::move(after[i]));
    return Flow::kNext;
  }
}

Result<Evaluator::Flow> Evaluator::run_for(const Stmt& stmt, Frame& frame) {
  const Expr& range = stmt.values[0];
  const std::string& name = stmt.targets[0].text;
  Values items;
  bool counting = false;
  Value count;
  if (range.kind == Expr::Kind::kCall && range.items[0].kind == Expr::Kind::kName &&
      range.items[0].text == "range" && range.items.size() == 2) {
    PTE_TRY(count, evaluate(range.items[1], frame));
    if (count.is_poison()) return unsupported("a loop whose length is unknown");
    counting = true;
  } else {
    PTE_TRY(const Value over, evaluate(range, frame));
    if (over.items() == nullptr) return unsupported("a loop over a {}", kind_name(over));
    items = *over.items();
    count = Value(static_cast<int64_t>(items.size()));
  }
  if (const auto trips = count.integer()) {
    for (int64_t i = 0; i < *trips; ++i) {
      PTE_CHECK(spend());
      frame.variables.insert_or_assign(name, counting ? Value(i) : items[static_cast<size_t>(i)]);
      PTE_TRY(const Flow flow, run_block(stmt.body, frame));
      if (flow == Flow::kReturned) return flow;
    }
    return Flow::kNext;
  }
  if (count.get<Number>() == nullptr) return invalid_data("range() of a {}", kind_name(count));

  std::vector<std::string> assigned, names;
  assigned_names(stmt.body, assigned);
  Values carried{Value(0)};
  for (const std::string& own : assigned) {
    const auto held = frame.variables.find(own);
    if (held == frame.variables.end() || own == name) continue;
    names.push_back(own);
    carried.push_back(held->second);
  }
  const Variables saved = frame.variables;
  const Body body = [&](const Values& values) -> Result<Values> {
    frame.variables = saved;
    frame.variables.insert_or_assign(name, values[1]);
    for (size_t i = 0; i < names.size(); ++i)
      frame.variables.insert_or_assign(names[i], values[i + 2]);
    PTE_TRY(const Flow flow, run_block(stmt.body, frame));
    if (flow == Flow::kReturned)
      return unsupported("a loop that depends on the input returns from the function");
    PTE_TRY(Value next, call_operator("aten::add", {{"", values[1]}, {"", Value(1)}}));
    PTE_TRY(Value go, call_operator("aten::lt", {{"", next}, {"", count}}));
    Values out{std::move(go), std::move(next)};
    for (const std::string& own : names) out.push_back(frame.variables.at(own));
    return out;
  };
  PTE_TRY(Value go, call_operator("aten::gt", {{"", count}, {"", Value(0)}}));
  PTE_TRY(Values after, loop(go, std::move(carried), body));
  frame.variables = saved;
  for (size_t i = 0; i < names.size(); ++i)
    frame.variables.insert_or_assign(names[i], std::move(after[i + 1]));
  return Flow::kNext;
}

Result<Evaluator::Truth> Evaluator::truth(const Value& value) {
  Truth out;
  if (const auto scalar = value.scalar()) {
    out.known =
        std::visit([](auto item) { return static_cast<bool>(item != decltype(item){}); }, *scalar);
    return out;
  }
  if (value.is_none()) {
    out.known = false;
    return out;
  }
  if (const Values* items = value.items()) {
    out.known = !items->empty();
    return out;
  }
  if (const auto* text = value.get<std::string>()) {
    out.known = !text->empty();
    return out;
  }
  if (const auto dict = value.dict()) {
    out.known = !dict->entries.empty();
    return out;
  }
  if (const auto* poison = value.get<Poison>()) {
    if (poison->reason) return *poison->reason;
    return unsupported("a condition that an operator which is not supported gives");
  }
  Value number = value;
  if (value.tensor()) {
    PTE_TRY(number, call_operator("aten::Bool", {{"", value}}));
    if (number.scalar()) return truth(number);
  }
  if (number.get<Number>() == nullptr)
    return invalid_data("a condition that is a {}", kind_name(value));
  PTE_TRY(out.tensor, number_tensor(number, Number::Kind::kBool));
  if (out.tensor->known) {
    out.known = std::visit([](auto item) { return item != decltype(item){}; }, *out.tensor->known);
  }
  return out;
}

}  // namespace pte::importers::script
