#include "lowering/lift.h"

#include <algorithm>
#include <map>
#include <set>

#include "ir/builder.h"
#include "lowering/inline_delegate.h"
#include "lowering/size_arithmetic.h"
#include "program/quote.h"

namespace pte::lowering {
namespace {

using ir::Arg;
using program::TensorValue;

// A file may put any list anywhere; a graph larger than this is nothing to read.
constexpr size_t kMostArguments = size_t{1} << 22;

class Lifter {
 public:
  Lifter(const program::Program& program, const program::Method& method, ir::Module& module,
         const LiftOptions& options)
      : program_(program),
        method_(method),
        module_(module),
        options_(options),
        values_(method.values.size()),
        literals_(method.values.size()),
        aliases_(method.values.size()),
        inliner_(program, options.external_data, module) {}

  Status run() {
    ir::Method out;
    graph_ = out.graph.get();
    graph_->set_name(method_.name);
    for (size_t i = 0; i < method_.inputs.size(); ++i) {
      const auto index = static_cast<size_t>(method_.inputs[i]);
      const auto* tensor = std::get_if<TensorValue>(&method_.values[index]);
      if (tensor == nullptr) continue;  // fixed at export: a literal where it is read
      const std::string name = i < options_.input_names.size() ? options_.input_names[i] : "";
      ir::TensorType type = type_of(*tensor);
      if (exact()) {
        if (i >= options_.input_sizes->size() ||
            (*options_.input_sizes)[i].size() != tensor->sizes.size()) {
          return invalid_argument("input {} needs {} sizes", i, tensor->sizes.size());
        }
        type.sizes = ir::to_sym((*options_.input_sizes)[i]);
      }
      values_[index] =
          graph_->add_input(name.empty() ? fmt::format("v{}", index) : name, std::move(type));
      defined(index);
    }
    for (const program::Chain& chain : method_.chains) {
      for (const program::Instruction& instruction : chain.instructions) {
        PTE_CHECK(step(instruction).at(fmt::format("instruction {}", at_)));
        ++at_;
      }
    }
    PTE_CHECK(outputs());
    module_.methods[method_.name] = std::move(out);
    return {};
  }

 private:
  // Whether sizes are the very sizes, and no upper bounds.
  bool exact() const { return options_.input_sizes.has_value(); }

  static ir::TensorType type_of(const TensorValue& tensor) {
    return ir::TensorType::of(tensor.dtype, ir::to_sym(tensor.sizes), tensor.dim_order);
  }

  Status step(const program::Instruction& instruction) {
    if (const auto* call = std::get_if<program::KernelCall>(&instruction)) return kernel(*call);
    if (const auto* call = std::get_if<program::DelegateCall>(&instruction)) return delegate(*call);
    if (std::holds_alternative<program::FreeCall>(instruction)) return {};
    return unsupported(
        "it {}; the graph would have loops or branches",
        std::holds_alternative<program::MoveCall>(instruction) ? "moves a value" : "jumps");
  }

  // ---- values

  // From now on, the place of this tensor holds it.
  void defined(size_t index) {
    const auto* tensor = std::get_if<TensorValue>(&method_.values[index]);
    // What has no elements lies anywhere, on top of others too.
    if (tensor == nullptr || !tensor->allocation || tensor->nbytes() == 0) return;
    places_[{tensor->allocation->memory_id, tensor->allocation->offset}] = index;
  }

  // Memory that instructions may write: what they find there, an earlier execution has left.
  static bool lasts(const TensorValue& tensor) {
    return tensor.allocation.has_value() || (tensor.constant == 0 && !tensor.external);
  }

  Result<ir::Value*> constant(const TensorValue& tensor, size_t index) {
    std::string key = tensor.name;
    const bool initial = lasts(tensor);
    if (key.empty()) {
      key = tensor.constant == 0 ? fmt::format("buffer_{}_v{}", method_.name, index)
            : initial            ? fmt::format("mutable_{}", tensor.constant)
                                 : fmt::format("constant_{}", tensor.constant);
    }
    // One entry of the file may be seen with several types.
    const ir::TensorType type = type_of(tensor);
    std::string unique = key;
    for (int suffix = 1;; ++suffix) {
      const auto it = module_.constants.find(unique);
      if (it == module_.constants.end()) break;
      if (ir::TensorType::of(it->second.data) == type) return graph_->constant(unique, type);
      unique = fmt::format("{}_{}", key, suffix);
    }
    const std::byte* data = nullptr;
    std::shared_ptr<const void> owner;
    if (!tensor.external && tensor.constant > 0) {
      const auto& table = initial ? program_.mutable_data : program_.constants;
      data = table[tensor.constant].bytes.data();
      owner = table[tensor.constant].owner;
    }
    ir::Constant entry;
    entry.data = Tensor::view(tensor.dtype, tensor.sizes,
                              strides_of(tensor.sizes, tensor.dim_order), data, owner);
    if (tensor.external && options_.external_tensor) {
      PTE_TRY(entry.data, options_.external_tensor(tensor));
    }
    entry.kind = initial ? ir::Constant::Kind::kBuffer : ir::Constant::Kind::kConstant;
    module_.constants.emplace(unique, std::move(entry));
    return graph_->constant(unique, type);
  }

  Result<ir::Value*> read(int32_t value) {
    const auto index = static_cast<size_t>(value);
    const auto* tensor = std::get_if<TensorValue>(&method_.values[index]);
    if (tensor == nullptr) {
      if (values_[index] != nullptr) return values_[index];
      return unsupported("value {} is {} where a tensor is expected", index,
                         program::kind_name(method_.values[index]));
    }
    if (aliases_[index]) return values_[index];
    if (tensor->allocation && !tensor->external && tensor->constant == 0) {
      // What lies there now may have come under another index.
      const auto it = places_.find({tensor->allocation->memory_id, tensor->allocation->offset});
      if (it != places_.end() && it->second != index && values_[it->second] != nullptr) {
        ir::Value* base = values_[it->second];
        const auto* placed = std::get_if<TensorValue>(&method_.values[it->second]);
        if (base->is_tensor() && placed != nullptr && type_of(*placed) == type_of(*tensor)) {
          return base;
        }
        if (exact()) return unsupported("value {} has two names and sizes", index);
        const auto* other = std::get_if<TensorValue>(&method_.values[it->second]);
        if (other != nullptr && other->nbytes() == tensor->nbytes() &&
            other->dtype == tensor->dtype) {
          ir::Node* view =
              graph_->add_node(info(Op::aten_view_copy),
                               {Arg(base), Arg::ints({tensor->sizes.begin(), tensor->sizes.end()})},
                               {type_of(*tensor)}, {fmt::format("v{}", index)});
          values_[index] = view->result();
          return values_[index];
        }
      }
    }
    if (values_[index] != nullptr) return values_[index];
    PTE_TRY(values_[index], constant(*tensor, index));
    if (lasts(*tensor)) buffers_.insert(index);
    defined(index);
    return values_[index];
  }

  void write(int32_t value, ir::Value* result) {
    const auto index = static_cast<size_t>(value);
    values_[index] = result;
    aliases_[index] = false;
    defined(index);
  }

  // Another name for what an operand holds, wherever the program says that it lies.
  void name(int32_t value, ir::Value* result) {
    values_[static_cast<size_t>(value)] = result;
    aliases_[static_cast<size_t>(value)] = true;
  }

  // ---- arguments

  Result<Arg> argument(const ArgSchema& schema, int32_t value) {
    if (++arguments_ > kMostArguments) {
      return make_error(Code::kResourceLimit, "more than {} arguments", kMostArguments);
    }
    const auto index = static_cast<size_t>(value);
    const program::Value& item = method_.values[index];
    if (std::holds_alternative<program::Null>(item)) return Arg();
    if (std::holds_alternative<TensorValue>(item)) {
      PTE_TRY(ir::Value * tensor, read(value));
      return Arg(tensor);
    }
    if (const auto& literal = literals_[index]) {
      const auto* integer = std::get_if<int64_t>(&literal->v);
      return integer == nullptr ? *literal : number(schema, *integer);
    }
    if (values_[index] != nullptr) return Arg(values_[index]);
    if (const auto* integer = std::get_if<int64_t>(&item)) return number(schema, *integer);
    if (const auto* real = std::get_if<double>(&item)) return Arg(*real);
    if (const auto* flag = std::get_if<bool>(&item)) return Arg(*flag);
    if (const auto* text = std::get_if<std::string>(&item)) return Arg(*text);
    if (const auto* reals = std::get_if<std::vector<double>>(&item)) return Arg::doubles(*reals);
    ir::ArgList list;
    if (const auto* flags = std::get_if<std::vector<bool>>(&item)) {
      for (const bool flag : *flags) list.emplace_back(flag);
      return Arg(std::move(list));
    }
    const std::vector<int32_t>* items = nullptr;
    if (const auto* ints = std::get_if<program::IntList>(&item)) items = &ints->items;
    if (const auto* tensors = std::get_if<program::TensorList>(&item)) items = &tensors->items;
    if (const auto* optionals = std::get_if<program::OptionalTensorList>(&item))
      items = &optionals->items;
    for (const int32_t entry : *items) {
      if (entry < 0) {
        list.emplace_back();
        continue;
      }
      if (std::get_if<program::IntList>(&method_.values[static_cast<size_t>(entry)]) != nullptr)
        return unsupported("a list of lists");
      PTE_TRY(Arg element, argument(schema, entry));
      list.push_back(std::move(element));
    }
    return Arg(std::move(list));
  }

  static Result<Arg> number(const ArgSchema& schema, int64_t value) {
    switch (schema.kind) {
      case ArgKind::kDType: {
        const auto dtype = dtype_from_code(value);
        if (!dtype) return unsupported("type code {}", value);
        return Arg(*dtype);
      }
      case ArgKind::kMemoryFormat:
        if (value < 0 || value > 3) return unsupported("memory format {}", value);
        return Arg(static_cast<ir::MemoryFormat>(value));
      case ArgKind::kLayout:
        return Arg(ir::Layout::kStrided);
      default:
        return Arg(value);
    }
  }

  // ---- calls

  Result<ir::Type> result_type(int32_t value) {
    const program::Value& item = method_.values[static_cast<size_t>(value)];
    if (const auto* tensor = std::get_if<TensorValue>(&item)) return ir::Type(type_of(*tensor));
    if (std::holds_alternative<int64_t>(item)) {
      const std::string symbol = fmt::format("u{}", module_.symbols.size());
      module_.symbols[symbol] = ir::Range{0, std::nullopt};
      return ir::Type(ir::SymIntType{ir::SymInt::symbol(symbol)});
    }
    if (std::holds_alternative<double>(item)) return ir::Type(ir::SymFloatType{});
    if (std::holds_alternative<bool>(item)) return ir::Type(ir::SymBoolType{});
    return unsupported("value {}, a {}, is written by a call", value, program::kind_name(item));
  }

  Status kernel(const program::KernelCall& call) {
    const std::string name = method_.operators[static_cast<size_t>(call.op)].full_name();
    const OpInfo* op = find_op_by_out(name);
    if (op == nullptr) return unsupported("operator {} has no schema here", program::quote(name));
    if (call.args.size() < op->out_args.size())
      return invalid_data("{} arguments, {} takes {}", call.args.size(), name, op->out_args.size());
    std::vector<Arg> args;
    for (const ArgSchema& schema : op->args) args.push_back(ir::default_arg(schema));
    for (size_t i = 0; i < op->out_args.size(); ++i) {
      const auto place = static_cast<size_t>(op->out_args[i]);
      PTE_TRY(args[place], argument(op->args[place], call.args[i]));
    }
    std::vector<int32_t> results;
    if (op->has(kTagInPlace)) {
      results.push_back(call.args.front());
    } else {
      for (size_t i = op->out_args.size();
           i < call.args.size() && results.size() < op->returns.size(); ++i) {
        const program::Value& item = method_.values[static_cast<size_t>(call.args[i])];
        if (const auto* list = std::get_if<program::TensorList>(&item)) {
          results.insert(results.end(), list->items.begin(), list->items.end());
          break;
        }
        results.push_back(call.args[i]);
      }
    }
    // The out variant takes its result's type from the result; the functional one must say it.
    for (size_t i = 0; i < op->args.size(); ++i) {
      const bool taken = std::find(op->out_args.begin(), op->out_args.end(), static_cast<int>(i)) !=
                         op->out_args.end();
      if (op->args[i].kind != ArgKind::kDType || taken || results.empty()) continue;
      const auto* tensor =
          std::get_if<TensorValue>(&method_.values[static_cast<size_t>(results[0])]);
      if (tensor != nullptr) args[i] = Arg(tensor->dtype);
    }
    return add(*op, std::move(args), results);
  }

  Status add(const OpInfo& op, std::vector<Arg> args, const std::vector<int32_t>& results) {
    if (exact() && op.has(kTagSymbolic) && results.size() == 1) {
      PTE_TRY(literals_[static_cast<size_t>(results[0])], evaluate_sizes(op, args));
      return {};
    }
    std::vector<ir::Type> types;
    std::vector<std::string> names;
    for (const int32_t result : results) {
      PTE_TRY(ir::Type type, result_type(result));
      types.push_back(std::move(type));
      names.push_back(fmt::format("v{}", result));
      if ((arguments_ += 1) > kMostArguments)
        return make_error(Code::kResourceLimit, "more than {} results", kMostArguments);
    }
    if (exact()) {
      PTE_TRY(types, exact_types(op, args, types));
    }
    ir::Node* node = graph_->add_node(op, std::move(args), std::move(types), std::move(names));
    node->set_location(location());
    for (size_t i = 0; i < results.size(); ++i) {
      if (op.op == Op::executorch_prim_et_view) {
        name(results[i], node->result(i));
      } else {
        write(results[i], node->result(i));
      }
    }
    return {};
  }

  std::string location() const {
    size_t at = at_;
    for (const program::Chain& chain : method_.chains) {
      if (at >= chain.instructions.size()) {
        at -= chain.instructions.size();
        continue;
      }
      if (at >= chain.stack_traces.size() || chain.stack_traces[at].empty()) return {};
      const program::Frame& frame = chain.stack_traces[at].back();
      const size_t slash = frame.file.rfind('/');
      return fmt::format("{}:{}",
                         slash == std::string::npos ? frame.file : frame.file.substr(slash + 1),
                         frame.line);
    }
    return {};
  }

  // How many of the call's arguments are inputs. The file does not say: the payload does, and
  // where it cannot be read what is defined already is an input.
  size_t input_count(const program::DelegateCall& call, const DelegateFacts& facts) const {
    if (facts.inputs) return std::min(*facts.inputs, call.args.size());
    size_t inputs = 0;
    while (inputs < call.args.size()) {
      const auto index = static_cast<size_t>(call.args[inputs]);
      const auto* tensor = std::get_if<TensorValue>(&method_.values[index]);
      const bool known = tensor == nullptr || values_[index] != nullptr || tensor->constant > 0 ||
                         tensor->external;
      if (!known) break;
      ++inputs;
    }
    return inputs;
  }

  Status delegate(const program::DelegateCall& call) {
    const auto number = static_cast<size_t>(call.delegate);
    const program::Delegate& delegate = method_.delegates[number];
    if (options_.inline_delegates) return inline_call(call, delegate);
    const DelegateFacts facts = options_.describe ? options_.describe(delegate) : DelegateFacts{};
    const auto [it, fresh] = delegates_.try_emplace(number, module_.delegates.size());
    if (fresh) {
      ir::DelegatePayload payload;
      payload.backend = delegate.id;
      payload.bytes.assign(delegate.payload.bytes.begin(), delegate.payload.bytes.end());
      payload.operators = facts.operators;
      module_.delegates.push_back(std::move(payload));
    }
    const size_t inputs = input_count(call, facts);
    ArgSchema any;
    ir::ArgList list;
    for (size_t i = 0; i < inputs; ++i) {
      PTE_TRY(Arg arg, argument(any, call.args[i]));
      list.push_back(std::move(arg));
    }
    std::vector<Arg> args{Arg(static_cast<int64_t>(it->second)), Arg(std::move(list))};
    return add(info(Op::pte_call_delegate), std::move(args),
               {call.args.begin() + static_cast<ptrdiff_t>(inputs), call.args.end()});
  }

  // The payload's own calls in the place of the call.
  Status inline_call(const program::DelegateCall& call, const program::Delegate& delegate) {
    std::vector<ir::TensorType> types;
    for (const int32_t value : call.args) {
      const auto* tensor = std::get_if<TensorValue>(&method_.values[static_cast<size_t>(value)]);
      if (tensor == nullptr) {
        return unsupported("value {}, a {}, goes to a delegate", value,
                           program::kind_name(method_.values[static_cast<size_t>(value)]));
      }
      const ir::Value* known = values_[static_cast<size_t>(value)];
      types.push_back(exact() && known != nullptr ? known->tensor() : type_of(*tensor));
    }
    PTE_TRY(const InlinedCall made,
            inliner_.call(*graph_, delegate, std::move(types), exact(),
                          [&](size_t arg) { return read(call.args[arg]); }));
    for (const auto& [arg, value] : made.results) write(call.args[arg], value);
    return {};
  }

  Status outputs() {
    for (const size_t index : buffers_) {
      ir::Value* last = values_[index];
      const auto* tensor = std::get_if<TensorValue>(&method_.values[index]);
      ir::Value* first = nullptr;
      for (ir::Value* value : graph_->constants()) {
        if (value == last) first = value;
      }
      if (first != nullptr) continue;  // only read
      PTE_TRY(const ir::Value* buffer, constant(*tensor, index));
      graph_->outputs().push_back({last, ir::OutputKind::kBufferMutation, *buffer->constant(), {}});
    }
    for (const int32_t value : method_.outputs) {
      const auto index = static_cast<size_t>(value);
      const program::Value& item = method_.values[index];
      if (std::holds_alternative<TensorValue>(item) ||
          (values_[index] != nullptr && !literals_[index])) {
        PTE_TRY(ir::Value * tensor, read(value));
        graph_->add_output(tensor);
        continue;
      }
      ArgSchema any;
      any.kind = ArgKind::kScalar;
      ir::Output output;
      PTE_TRY(output.literal, argument(any, value));
      graph_->outputs().push_back(std::move(output));
    }
    return {};
  }

  const program::Program& program_;
  const program::Method& method_;
  ir::Module& module_;
  const LiftOptions& options_;
  ir::Graph* graph_ = nullptr;
  std::vector<ir::Value*> values_;            // the newest of each index
  std::vector<std::optional<Arg>> literals_;  // numbers computed of sizes
  std::vector<bool> aliases_;                 // made by et_view
  std::map<std::pair<uint32_t, uint64_t>, size_t> places_;
  std::set<size_t> buffers_;
  std::map<size_t, size_t> delegates_;
  DelegateInliner inliner_;
  size_t at_ = 0;
  size_t arguments_ = 0;
};

}  // namespace

Status lift_method(const program::Program& program, const program::Method& method,
                   ir::Module& module, const LiftOptions& options) {
  return Lifter(program, method, module, options).run();
}

}  // namespace pte::lowering
