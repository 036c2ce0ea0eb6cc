#include "importers/torchscript/bytecode.h"

#include <algorithm>

#include "importers/torchscript/parser.h"

namespace pte::importers::script {
namespace {

using Op = Instruction::Op;

struct Opcode {
  std::string_view name;
  Op op;
  std::string_view operator_name;
};
constexpr Opcode kOpcodes[] = {
    {"OP", Op::kOp, ""},
    {"OPN", Op::kOpN, ""},
    {"LOAD", Op::kLoad, ""},
    {"MOVE", Op::kMove, ""},
    {"STORE", Op::kStore, ""},
    {"STOREN", Op::kStoreN, ""},
    {"DROP", Op::kDrop, ""},
    {"DROPR", Op::kDropRegister, ""},
    {"LOADC", Op::kLoadConstant, ""},
    {"JF", Op::kJumpFalse, ""},
    {"JMP", Op::kJump, ""},
    {"LOOP", Op::kLoop, ""},
    {"RET", Op::kReturn, ""},
    {"GET_ATTR", Op::kGetAttribute, ""},
    {"SET_ATTR", Op::kSetAttribute, ""},
    {"LIST_CONSTRUCT", Op::kListConstruct, ""},
    {"LIST_UNPACK", Op::kListUnpack, ""},
    {"TUPLE_CONSTRUCT", Op::kTupleConstruct, ""},
    {"TUPLE_SLICE", Op::kTupleSlice, ""},
    {"TUPLE_INDEX", Op::kTupleIndex, ""},
    {"DICT_CONSTRUCT", Op::kDictConstruct, ""},
    {"DICT_INDEX", Op::kDictIndex, ""},
    {"NAMED_TUPLE_CONSTRUCT", Op::kNamedTuple, ""},
    {"CREATE_OBJECT", Op::kCreateObject, ""},
    {"ISINSTANCE", Op::kIsInstance, ""},
    {"RAISE_EXCEPTION", Op::kRaise, ""},
    {"FORMAT", Op::kFormat, ""},
    {"DIM", Op::kCall1, "aten::dim"},
    {"DTYPE", Op::kCall1, "prim::dtype"},
    {"DEVICE", Op::kCall1, "prim::device"},
    {"IS_CUDA", Op::kCall1, "prim::is_cuda"},
    {"NUM_TO_TENSOR", Op::kCall1, "prim::NumToTensor"},
    {"TO_LIST", Op::kCall1, "aten::tolist"},
    {"__NOT__", Op::kCall1, "aten::__not__"},
    {"__IS__", Op::kCall2, "aten::__is__"},
    {"__ISNOT__", Op::kCall2, "aten::__isnot__"},
    {"UNCHECKED_CAST", Op::kKeep, ""},
    {"WAIT", Op::kKeep, ""},
    {"WARN", Op::kWarn, ""},
    {"UN_INITIALIZED", Op::kUninitialized, ""},
};

const Value* field(const Value& table, std::string_view name) {
  if (table.items() == nullptr) return nullptr;
  for (const Value& entry : *table.items()) {
    const Values* pair = entry.items();
    if (pair == nullptr || pair->size() != 2) continue;
    const auto* own = (*pair)[0].get<std::string>();
    if (own != nullptr && *own == name) return &(*pair)[1];
  }
  return nullptr;
}

Result<const Values*> list_at(const Value& table, std::string_view name) {
  const Value* held = field(table, name);
  if (held == nullptr || held->items() == nullptr)
    return invalid_data("bytecode.pkl: a method has no '{}'", name);
  return held->items();
}

std::string text_of(const Values& row, size_t index) {
  const auto* text = index < row.size() ? row[index].get<std::string>() : nullptr;
  return text == nullptr ? std::string() : *text;
}

Result<Instruction> read_instruction(const Value& row) {
  const Values* items = row.items();
  if (items == nullptr || items->size() != 3 || !(*items)[1].integer() || !(*items)[2].integer())
    return invalid_data("bytecode.pkl: a malformed instruction");
  const std::string name = text_of(*items, 0);
  for (const Opcode& known : kOpcodes) {
    if (known.name != name) continue;
    return Instruction{known.op, *(*items)[1].integer(), *(*items)[2].integer(),
                       std::string(known.operator_name)};
  }
  return Instruction{Op::kUnknown, 0, 0, name.substr(0, 40)};
}

Result<BytecodeMethod> read_method(const Value& row) {
  const Values* parts = row.items();
  if (parts == nullptr || parts->size() < 2)
    return invalid_data("bytecode.pkl: a malformed method");
  BytecodeMethod out;
  const std::string qualified = text_of(*parts, 0);
  out.name = qualified.substr(qualified.rfind('.') + 1);
  const Value& table = (*parts)[1];
  PTE_TRY(const Values* code, list_at(table, "instructions"));
  for (const Value& item : *code) {
    PTE_TRY(Instruction made, read_instruction(item));
    out.code.push_back(std::move(made));
  }
  PTE_TRY(const Values* operators, list_at(table, "operators"));
  for (const Value& item : *operators) {
    if (item.items() == nullptr) return invalid_data("bytecode.pkl: a malformed operator");
    BytecodeMethod::Called called{text_of(*item.items(), 0), text_of(*item.items(), 1), -1};
    if (item.items()->size() > 2 && (*item.items())[2].integer())
      called.count = *(*item.items())[2].integer();
    out.operators.push_back(std::move(called));
  }
  PTE_TRY(const Values* constants, list_at(table, "constants"));
  out.constants = *constants;
  PTE_TRY(const Values* types, list_at(table, "types"));
  for (size_t i = 0; i < types->size(); ++i) out.types.push_back(text_of(*types, i));
  const Value* registers = field(table, "register_size");
  out.registers = registers == nullptr ? 0 : registers->integer().value_or(0);
  if (out.registers < 0 || out.registers > 1 << 20)
    return invalid_data("bytecode.pkl: {} registers", out.registers);
  out.signature.name = out.name;
  out.signature.file = "bytecode";
  if (parts->size() < 3) return out;
  const Value* arguments = field((*parts)[2], "arguments");
  if (arguments == nullptr || arguments->items() == nullptr) return out;
  for (const Value& item : *arguments->items()) {
    Parameter parameter;
    const Value* name = field(item, "name");
    const Value* type = field(item, "type");
    const Value* fallback = field(item, "default_value");
    if (name != nullptr && name->get<std::string>() != nullptr)
      parameter.name = *name->get<std::string>();
    if (type != nullptr && type->get<std::string>() != nullptr) {
      PTE_TRY(parameter.type, parse_type(*type->get<std::string>()));
    }
    parameter.has_default = fallback != nullptr && !fallback->is_none();
    out.defaults.push_back(fallback == nullptr ? Value() : *fallback);
    out.signature.parameters.push_back(std::move(parameter));
  }
  return out;
}

// Operators without a result; everything else leaves one.
bool returns_nothing(const std::string& name, const Values& operands) {
  constexpr std::string_view kNames[] = {
      "aten::extend",           "aten::insert", "aten::clear",       "aten::reverse",
      "aten::remove",           "aten::update", "aten::Delete",      "aten::warn",
      "aten::set_grad_enabled", "prim::Print",  "aten::manual_seed", "prim::RaiseException"};
  if (std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames)) return true;
  const bool on_list = !operands.empty() && operands[0].list() != nullptr;
  const bool on_dict = !operands.empty() && operands[0].dict() != nullptr;
  return (name == "aten::sort" && on_list) || (name == "aten::_set_item" && on_dict);
}

class Machine {
 public:
  Machine(Evaluator& evaluator, const BytecodeMethod& method)
      : evaluator_(evaluator),
        method_(method),
        registers_(static_cast<size_t>(method.registers) + 1) {}

  Result<Value> run(Values arguments) {
    stack_ = std::move(arguments);
    const auto end = static_cast<int64_t>(method_.code.size());
    PTE_CHECK(run_until(0, end));
    if (stack_.empty()) return Value();
    return stack_.back();
  }

 private:
  Result<Value> pop() {
    if (stack_.empty()) return invalid_data("bytecode: the stack is empty");
    Value out = std::move(stack_.back());
    stack_.pop_back();
    return out;
  }
  Result<Values> pop_many(int64_t count) {
    if (count < 0 || count > static_cast<int64_t>(stack_.size()))
      return invalid_data("bytecode: {} values are taken from a stack of {}", count, stack_.size());
    const auto first = stack_.end() - count;
    Values out(std::make_move_iterator(first), std::make_move_iterator(stack_.end()));
    stack_.erase(first, stack_.end());
    return out;
  }
  Result<Value*> reg(int64_t index) {
    if (index < 0 || index >= static_cast<int64_t>(registers_.size()))
      return invalid_data("bytecode: register {} of {}", index, registers_.size());
    return &registers_[static_cast<size_t>(index)];
  }
  Status push(Value value) {
    PTE_CHECK(evaluator_.spend_memory(0));
    if (stack_.size() > 1 << 16) return make_error(Code::kResourceLimit, "a stack of that depth");
    stack_.push_back(std::move(value));
    return {};
  }

  // Runs from `pc` until it gets to `end`, or returns.
  Status run_until(int64_t pc, int64_t end) {
    while (pc != end && !returned_) {
      PTE_CHECK(evaluator_.spend());
      if (pc < 0 || pc >= static_cast<int64_t>(method_.code.size()))
        return invalid_data("bytecode: a jump to {} of {} instructions", pc, method_.code.size());
      evaluator_.set_place(fmt::format("bytecode {}:{}", method_.name, pc));
      PTE_TRY(pc, step(pc));
    }
    return {};
  }

  Result<int64_t> step(int64_t pc) {
    const Instruction& in = method_.code[static_cast<size_t>(pc)];
    switch (in.op) {
      case Op::kJump:
        return pc + in.x;
      case Op::kJumpFalse:
        return jump_false(pc, in);
      case Op::kLoop:
        return loop(pc, in);
      case Op::kReturn:
        returned_ = true;
        return pc;
      default:
        PTE_CHECK(plain(in));
        return pc + 1;
    }
  }

  Status plain(const Instruction& in) {
    switch (in.op) {
      case Op::kOp:
        return call(in.x, std::nullopt);
      case Op::kOpN:
        return call(in.x, in.n);
      case Op::kLoad:
      case Op::kMove: {
        PTE_TRY(Value * held, reg(in.x));
        PTE_CHECK(push(*held));
        if (in.op == Op::kMove) *held = Value();
        return {};
      }
      case Op::kStore: {
        PTE_TRY(Value * held, reg(in.x));
        PTE_TRY(*held, pop());
        return {};
      }
      case Op::kStoreN: {
        PTE_TRY(Values values, pop_many(in.n));
        for (size_t i = 0; i < values.size(); ++i) {
          PTE_TRY(Value * held, reg(in.x + static_cast<int64_t>(i)));
          *held = std::move(values[i]);
        }
        return {};
      }
      case Op::kDrop: {
        PTE_TRY(const Value ignored, pop());
        static_cast<void>(ignored);
        return {};
      }
      case Op::kDropRegister: {
        PTE_TRY(Value * held, reg(in.x));
        *held = Value();
        return {};
      }
      case Op::kLoadConstant:
        if (in.x < 0 || in.x >= static_cast<int64_t>(method_.constants.size()))
          return invalid_data("bytecode: constant {} of {}", in.x, method_.constants.size());
        return push(method_.constants[static_cast<size_t>(in.x)]);
      case Op::kGetAttribute:
      case Op::kSetAttribute: {
        Value value;
        if (in.op == Op::kSetAttribute) {
          PTE_TRY(value, pop());
        }
        PTE_TRY(const Value base, pop());
        const auto object = base.object();
        if (object == nullptr || in.x < 0 ||
            in.x >= static_cast<int64_t>(object->attributes.size())) {
          return invalid_data("bytecode: attribute {} of a {}", in.x, kind_name(base));
        }
        const auto& attribute = object->attributes[static_cast<size_t>(in.x)];
        if (in.op == Op::kGetAttribute) return push(attribute.second);
        return evaluator_.set_attribute(object, attribute.first, std::move(value));
      }
      case Op::kListConstruct: {
        PTE_TRY(Values items, pop_many(in.n));
        PTE_CHECK(evaluator_.spend_memory(in.n + 1));
        return push(evaluator_.new_list(std::move(items)));
      }
      case Op::kListUnpack: {
        PTE_TRY(const Value list, pop());
        if (list.items() == nullptr || static_cast<int64_t>(list.items()->size()) != in.x)
          return invalid_argument("a list is unpacked into {} values", in.x);
        const Values items = *list.items();
        for (const Value& item : items) PTE_CHECK(push(item));
        return {};
      }
      case Op::kTupleConstruct: {
        PTE_TRY(Values items, pop_many(in.x));
        return push(Value::tuple(std::move(items)));
      }
      case Op::kNamedTuple: {
        PTE_TRY(Values items, pop_many(in.n));
        return push(Value::tuple(std::move(items)));
      }
      case Op::kTupleSlice: {
        PTE_TRY(const Value tuple, pop());
        const Values* items = tuple.items();
        if (items == nullptr || in.x < 0 || in.n < in.x ||
            in.n > static_cast<int64_t>(items->size())) {
          return invalid_data("bytecode: a slice of a {}", kind_name(tuple));
        }
        return push(Value::tuple(Values(items->begin() + in.x, items->begin() + in.n)));
      }
      case Op::kTupleIndex:
      case Op::kDictIndex:
        return operate("aten::__getitem__", 2);
      case Op::kDictConstruct: {
        PTE_TRY(Values items, pop_many(in.n));
        PTE_CHECK(evaluator_.spend_memory(in.n + 1));
        Values pairs;
        for (size_t i = 0; i + 1 < items.size(); i += 2)
          pairs.push_back(Value::tuple({items[i], items[i + 1]}));
        PTE_TRY(Value made,
                evaluator_.call_operator("aten::dict", {{"", Value::list(std::move(pairs))}}));
        return push(std::move(made));
      }
      case Op::kCreateObject: {
        if (in.x < 0 || in.x >= static_cast<int64_t>(method_.types.size()))
          return invalid_data("bytecode: type {} of {}", in.x, method_.types.size());
        return unsupported("an object of {} made in mobile bytecode",
                           method_.types[static_cast<size_t>(in.x)].substr(0, 100));
      }
      case Op::kIsInstance: {
        PTE_TRY(const Value value, pop());
        bool fits = false;
        for (int64_t i = in.x; i < in.x + std::min<int64_t>(in.n, 64) && !fits; ++i) {
          if (i < 0 || i >= static_cast<int64_t>(method_.types.size()))
            return invalid_data("bytecode: type {} of {}", i, method_.types.size());
          PTE_TRY(const Expr type, parse_type(method_.types[static_cast<size_t>(i)]));
          PTE_TRY(fits, evaluator_.is_instance(value, type));
        }
        return push(Value(fits));
      }
      case Op::kRaise: {
        std::vector<Argument> args;
        Values texts;
        while (!stack_.empty() && texts.size() < 2 &&
               (stack_.back().get<std::string>() != nullptr || stack_.back().is_none())) {
          texts.insert(texts.begin(), stack_.back());
          stack_.pop_back();
        }
        for (Value& text : texts) args.push_back({"", std::move(text)});
        PTE_TRY(const Value never, evaluator_.call_operator("prim::RaiseException", args));
        static_cast<void>(never);
        return {};
      }
      case Op::kWarn: {
        // The text and how far up it is to be blamed.
        PTE_TRY(const Values ignored, pop_many(2));
        static_cast<void>(ignored);
        return {};
      }
      case Op::kFormat:
        return operate("aten::format", in.x);
      case Op::kCall1:
        return operate(in.name, 1);
      case Op::kCall2:
        return operate(in.name, 2);
      case Op::kUnknown:
        return unsupported("the instruction {} of mobile bytecode", in.name);
      case Op::kUninitialized:
        return push(Value(Poison{std::make_shared<const Error>(
            invalid_data("a variable is read that nothing has set"))}));
      default:
        return {};
    }
  }

  Status call(int64_t index, std::optional<int64_t> count) {
    if (index < 0 || index >= static_cast<int64_t>(method_.operators.size()))
      return invalid_data("bytecode: operator {} of {}", index, method_.operators.size());
    const BytecodeMethod::Called& called = method_.operators[static_cast<size_t>(index)];
    const std::string full =
        called.overload.empty() ? called.name : called.name + "." + called.overload;
    const Overload* overload = find_overload(full);
    int64_t arguments = count.value_or(called.count);
    if (arguments < 0) {
      if (overload == nullptr) return unsupported("{}: how many arguments it takes", full);
      arguments = static_cast<int64_t>(overload->info->args.size());
    }
    return operate(called.name, arguments,
                   called.overload.empty() ? kDefaultOverload : std::string_view(called.overload));
  }

  Status operate(const std::string& name, int64_t count, std::string_view overload = {}) {
    PTE_TRY(const Values operands, pop_many(count));
    if (name == "prim::TupleUnpack" && count == 1) {
      if (operands[0].items() == nullptr)
        return invalid_data("bytecode: a {} is unpacked", kind_name(operands[0]));
      for (const Value& item : *operands[0].items()) PTE_CHECK(push(item));
      return {};
    }
    std::vector<Argument> args;
    for (const Value& operand : operands) args.push_back({"", operand});
    PTE_TRY(Value made, evaluator_.call_operator(name, std::move(args), overload));
    if (returns_nothing(name, operands)) return {};
    // Several results are several values.
    const std::string full = overload.empty() || overload == kDefaultOverload
                                 ? name
                                 : name + "." + std::string(overload);
    const Overload* found = find_overload(full);
    const size_t results = found == nullptr ? 1 : found->info->returns.size();
    if (results > 1) {
      if (made.is_poison()) {
        for (size_t i = 0; i < results; ++i) PTE_CHECK(push(made));
        return {};
      }
      if (made.tuple() && made.tuple()->items.size() == results) {
        const Values items = made.tuple()->items;
        for (const Value& item : items) PTE_CHECK(push(item));
        return {};
      }
    }
    return push(std::move(made));
  }

  Result<int64_t> jump_false(int64_t pc, const Instruction& in) {
    PTE_TRY(const Value condition, pop());
    PTE_TRY(const Evaluator::Truth truth, evaluator_.truth(condition));
    const int64_t target = pc + in.x;
    if (truth.known) return *truth.known ? pc + 1 : target;
    if (in.x <= 0) return unsupported("a backward jump that depends on the input");
    // The arm that runs when true ends with a jump over the other one.
    int64_t end = target;
    if (target >= 1 && target <= static_cast<int64_t>(method_.code.size())) {
      const Instruction& last = method_.code[static_cast<size_t>(target - 1)];
      if (last.op == Op::kJump && last.x > 0) end = target - 1 + last.x;
    }
    const Values registers = registers_, stack = stack_;
    const auto arm = [&](int64_t from) {
      return [&, from]() -> Result<Values> {
        registers_ = registers;
        stack_ = stack;
        PTE_CHECK(run_until(from, end));
        if (returned_) {
          returned_ = false;
          return unsupported("a branch that depends on the input returns from the method");
        }
        Values out = registers_;
        out.insert(out.end(), stack_.begin(), stack_.end());
        return out;
      };
    };
    PTE_TRY(Values after, evaluator_.branch(truth.tensor, arm(pc + 1), arm(target)));
    const auto count = static_cast<int64_t>(registers.size());
    registers_.assign(after.begin(), after.begin() + count);
    stack_.assign(after.begin() + count, after.end());
    return end;
  }

  // [trips, limit, go on, carried …], of which n + 1 are on the stack.
  Result<int64_t> loop(int64_t pc, const Instruction& in) {
    if (in.n < 2 || in.n + 1 > static_cast<int64_t>(stack_.size()))
      return invalid_data("bytecode: a loop of {} values on a stack of {}", in.n, stack_.size());
    Value* frame = stack_.data() + (static_cast<int64_t>(stack_.size()) - in.n - 1);
    const auto trips = frame[0].integer(), limit = frame[1].integer();
    if (!trips || !limit) return unsupported("a loop of mobile bytecode that depends on the input");
    PTE_TRY(const Evaluator::Truth go, evaluator_.truth(frame[2]));
    if (!go.known) return unsupported("a loop of mobile bytecode that depends on the input");
    frame = stack_.data() + (static_cast<int64_t>(stack_.size()) - in.n - 1);
    if (*trips < *limit && *go.known) {
      frame[2] = Value(*trips);
      frame[0] = Value(*trips + 1);
      return pc + 1;
    }
    stack_.erase(stack_.end() - in.n - 1, stack_.end() - in.n + 2);
    return pc + in.x;
  }

  Evaluator& evaluator_;
  const BytecodeMethod& method_;
  Values registers_;
  Values stack_;
  bool returned_ = false;
};

}  // namespace

Result<std::vector<BytecodeMethod>> read_bytecode(const Value& table) {
  const Values* rows = table.items();
  if (rows == nullptr || rows->empty() || !(*rows)[0].integer())
    return invalid_data("bytecode.pkl: expected a version and methods");
  const int64_t version = *(*rows)[0].integer();
  if (version < 4 || version > 9)
    return unsupported("bytecode version {} (versions 4 to 9 can be read)", version);
  std::vector<BytecodeMethod> out;
  for (size_t i = 1; i < rows->size(); ++i) {
    PTE_TRY(BytecodeMethod method, read_method((*rows)[i]));
    out.push_back(std::move(method));
  }
  return out;
}

Result<Value> run_bytecode(Evaluator& evaluator, const BytecodeMethod& method, Values arguments) {
  return Machine(evaluator, method).run(std::move(arguments));
}

}  // namespace pte::importers::script
