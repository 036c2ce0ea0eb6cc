#include "runtime/method.h"

#include <chrono>
#include <cstring>

#include "program/quote.h"
#include "runtime/inputs.h"
#include "runtime/state.h"

namespace pte::runtime {
namespace {

using program::quote;
using program::TensorValue;

uint64_t nanoseconds(std::chrono::steady_clock::duration time) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
}

}  // namespace

ValueInfo describe_value(const program::Value& value) {
  ValueInfo out;
  out.kind = program::kind_name(value);
  if (const auto* tensor = std::get_if<TensorValue>(&value)) {
    out.dtype = tensor->dtype;
    out.sizes = tensor->sizes;
    out.dim_order = tensor->dim_order;
    out.dynamic = tensor->dynamism != program::Dynamism::kStatic;
    out.unbounded = tensor->dynamism == program::Dynamism::kDynamicUnbound;
  }
  return out;
}

std::string ValueInfo::describe() const {
  if (kind != "Tensor") return std::string(kind);
  return pte::describe(dtype, sizes) + (unbounded ? " or any sizes" : dynamic ? " at most" : "");
}

Method::Method(std::unique_ptr<State> state) : state_(std::move(state)) {}
Method::~Method() = default;

Result<std::unique_ptr<Method>> Method::load(std::shared_ptr<const program::Program> program,
                                             std::string_view method, const Options& options) {
  auto state = std::make_unique<State>();
  state->method = program->find_method(method);
  if (state->method == nullptr) {
    std::string names;
    for (const program::Method& item : program->methods) {
      names += (names.empty() ? "" : ", ") + quote(item.name);
    }
    return make_error(Code::kNotFound, "no method {}; the program has {}", quote(method),
                      names.empty() ? "none" : names);
  }
  state->program = std::move(program);
  state->options = options;
  PTE_CHECK(prepare(*state).at(fmt::format("method {}", quote(method))));
  return std::unique_ptr<Method>(new Method(std::move(state)));
}

const std::string& Method::name() const { return state_->method->name; }
size_t Method::input_count() const { return state_->method->inputs.size(); }
size_t Method::output_count() const { return state_->method->outputs.size(); }
uint64_t Method::memory_bytes() const { return state_->memory_bytes; }

size_t Method::instruction_count() const {
  size_t count = 0;
  for (const auto& chain : state_->chains) count += chain.size();
  return count;
}

void Method::set_input_names(std::vector<std::string> names) {
  state_->input_names = std::move(names);
}

ValueInfo Method::input_info(size_t index) const {
  ValueInfo out =
      describe_value(state_->method->values[static_cast<size_t>(state_->method->inputs[index])]);
  if (index < state_->input_names.size()) out.name = state_->input_names[index];
  return out;
}

ValueInfo Method::output_info(size_t index) const {
  return describe_value(
      state_->method->values[static_cast<size_t>(state_->method->outputs[index])]);
}

const EValue& Method::output(size_t index) const {
  return state_->values[static_cast<size_t>(state_->method->outputs[index])];
}

Status Method::set_input(size_t index, const EValue& value) {
  return give_input(index, value, false);
}

Status Method::lend_input(size_t index, const EValue& value) {
  return give_input(index, value, true);
}

Status Method::give_input(size_t index, const EValue& value, bool lend) {
  if (index >= input_count()) {
    return invalid_argument("input {} is given, {} takes {}", index, quote(name()), input_count());
  }
  const auto slot = static_cast<size_t>(state_->method->inputs[index]);
  const ValueInfo info = input_info(index);
  const std::string where = info.name.empty() ? fmt::format("input {}", index)
                                              : fmt::format("input {} {}", index, quote(info.name));
  const auto* given = value.get<Tensor>();
  PTE_CHECK(check_input(state_->method->values[slot], where, value));
  if (!std::holds_alternative<TensorValue>(state_->method->values[slot])) return {};
  if (state_->initial_read_only[slot]) {
    return unsupported("{} is a constant of the file and cannot be set", where);
  }
  // Where the plan put it, with the sizes given. The memory was made for the upper bounds.
  const Tensor& home = *state_->initial[slot].get<Tensor>();
  if (given->nbytes() > std::max(home.capacity_bytes(), home.nbytes())) {
    return make_error(Code::kResourceLimit, "{}: {} needs more than the {} bytes that it may take",
                      where, given->describe(), home.capacity_bytes());
  }
  Tensor tensor =
      Tensor::view(info.dtype, given->sizes(), strides_of(given->sizes(), info.dim_order),
                   home.data(), home.owner());
  tensor.set_capacity_bytes(home.capacity_bytes());
  state_->lent.resize(input_count());
  state_->lent[index].reset();
  if (lend && state_->may_lend(slot, *given, tensor)) {
    state_->lent[index] =
        Tensor::view(info.dtype, given->sizes(), tensor.strides(), given->data(), nullptr);
    state_->input_set[index] = true;
    return {};
  }
  if (given->owner() != nullptr && given->owner() == home.owner()) {
    // An output of this method, fed back: it may overlap.
    PTE_TRY(const Tensor apart, given->in_dim_order(info.dim_order));
    PTE_CHECK(copy_elements(apart, tensor).at(where));
  } else {
    PTE_CHECK(copy_elements(*given, tensor).at(where));
  }
  state_->initial[slot] = tensor;
  state_->values[slot] = std::move(tensor);
  state_->input_set[index] = true;
  return {};
}

Status Method::bind_arena(uint32_t memory_id, const Tensor& memory, bool read_only) {
  State& state = *state_;
  const std::vector<int64_t>& planned = state.method->arena_sizes;
  if (memory_id == 0 || memory_id >= planned.size()) {
    return invalid_argument("there is no arena {}", memory_id);
  }
  if (memory.nbytes() < static_cast<uint64_t>(planned[memory_id])) {
    return invalid_argument("arena {} takes {} bytes, {} are given", memory_id, planned[memory_id],
                            memory.nbytes());
  }
  Tensor& arena = state.arenas[memory_id];
  const bool moved = arena.data() != memory.data() || !state.arena_bound[memory_id];
  arena = memory;
  state.arena_bound[memory_id] = true;
  for (const int32_t index : state.arena_values[memory_id]) {
    const auto slot = static_cast<size_t>(index);
    state.initial_read_only[slot] = read_only;
    if (!moved) continue;
    const auto& plan = std::get<TensorValue>(state.method->values[slot]);
    Tensor& value = *state.initial[slot].get<Tensor>();
    const size_t capacity = value.capacity_bytes();
    value = Tensor::view(plan.dtype, value.sizes(), value.strides(),
                         memory.data() + plan.allocation->offset, memory.owner());
    value.set_capacity_bytes(std::max(capacity, plan.nbytes()));
    state.values[slot] = value;
  }
  for (size_t i = 0; read_only && i < input_count(); ++i) {
    const auto& value = state.method->values[static_cast<size_t>(state.method->inputs[i])];
    const auto* tensor = std::get_if<TensorValue>(&value);
    if (tensor != nullptr && tensor->allocation && tensor->allocation->memory_id == memory_id)
      state.input_set[i] = true;
  }
  return {};
}

Status Method::State::fill_contents() {
  for (const Content& content : contents) {
    PTE_CHECK(copy_elements(content.bytes, *initial[content.value].get<Tensor>())
                  .at(fmt::format("value {}", content.value)));
  }
  return {};
}

Status Method::reset() {
  State& state = *state_;
  // Memory of the caller is the caller's to clear.
  if (!state.options.caller_arenas) {
    for (Tensor& arena : state.arenas) {
      if (arena.nbytes() != 0) std::memset(arena.mutable_data(), 0, arena.nbytes());
    }
  }
  state.input_set.assign(state.input_set.size(), false);
  return state.fill_contents();
}

// Fills a list from its items as they are now.
Status Method::State::gather(int32_t list) {
  const program::Value& shape = method->values[static_cast<size_t>(list)];
  EValue& out = values[static_cast<size_t>(list)];
  if (const auto* ints = std::get_if<program::IntList>(&shape)) {
    auto& items = *out.get<std::vector<int64_t>>();
    items.clear();
    for (const int32_t index : ints->items) {
      const EValue& item = values[static_cast<size_t>(index)];
      const auto* number = item.get<int64_t>();
      if (number == nullptr) {
        return invalid_data("value {} of an IntList has become {}", index, item.kind());
      }
      items.push_back(*number);
    }
  } else if (const auto* tensors = std::get_if<program::TensorList>(&shape)) {
    auto& items = *out.get<std::vector<Tensor>>();
    items.clear();
    for (const int32_t index : tensors->items) {
      const auto* tensor = values[static_cast<size_t>(index)].get<Tensor>();
      if (tensor == nullptr) return invalid_data("value {} of a TensorList is no tensor", index);
      items.push_back(*tensor);
    }
  } else if (const auto* optionals = std::get_if<program::OptionalTensorList>(&shape)) {
    auto& items = *out.get<std::vector<std::optional<Tensor>>>();
    items.clear();
    for (const int32_t index : optionals->items) {
      if (index < 0) {
        items.emplace_back();
        continue;
      }
      const auto* tensor = values[static_cast<size_t>(index)].get<Tensor>();
      if (tensor == nullptr) return invalid_data("value {} of a list is no tensor", index);
      items.emplace_back(*tensor);
    }
  }
  return {};
}

Status Method::State::check_memory(const Step& step) const {
  for (const int32_t value : step.reads) {
    const auto* tensor = values[static_cast<size_t>(value)].get<Tensor>();
    if (tensor != nullptr && !tensor->has_data()) {
      return invalid_data("value {} is read before anything is in it", value);
    }
  }
  for (const int32_t value : step.written) {
    const auto* tensor = values[static_cast<size_t>(value)].get<Tensor>();
    if (tensor != nullptr && !tensor->has_data()) {
      return invalid_data("value {} is written but has no memory", value);
    }
    if (tensor != nullptr && read_only[static_cast<size_t>(value)]) {
      return invalid_data("value {} is written but is a constant", value);
    }
  }
  return {};
}

Status Method::State::call(Step& step) {
  PTE_CHECK(check_memory(step));
  Displaced displaced;
  PTE_CHECK(separate(step, displaced));
  Status status = invoke(step);
  // The same value twice: the first one is what it was.
  for (size_t i = displaced.size(); i-- > 0;) {
    values[displaced[i].first] = std::move(displaced[i].second);
  }
  return status;
}

Status Method::State::invoke(Step& step) {
  for (const int32_t list : step.lists) PTE_CHECK(gather(list));
  if (step.kind == Step::Kind::kDelegate) {
    return step.delegate->execute(step.pointers).at(quote(step.name));
  }
  // Moves and earlier calls may have changed what a value is.
  PTE_CHECK(kernels::check_kinds(*step.op, step.pointers));
  if (step.custom != nullptr) {
    PTE_CHECK(step.custom->kernel({*step.op, step.pointers, options.pool}));
  } else {
    kernels::Call call(*step.op, step.pointers, options.pool, &random);
    PTE_CHECK(step.kernel(call));
  }
  for (const int32_t list : step.list_results) {
    const auto* shape =
        std::get_if<program::TensorList>(&method->values[static_cast<size_t>(list)]);
    const auto* items = values[static_cast<size_t>(list)].get<std::vector<Tensor>>();
    if (shape == nullptr || items == nullptr || items->size() != shape->items.size()) continue;
    for (size_t i = 0; i < items->size(); ++i) {
      values[static_cast<size_t>(shape->items[i])] = (*items)[i];
    }
  }
  if (step.op->op == Op::executorch_prim_et_view) {
    const auto self = static_cast<size_t>(step.args.front());
    const auto view = static_cast<size_t>(step.args.back());
    const auto* from = values[self].get<Tensor>();
    const auto* to = values[view].get<Tensor>();
    if (from != nullptr && to != nullptr && from->data() == to->data()) {
      read_only[view] = read_only[self];
    }
  }
  return {};
}

Result<bool> Method::State::condition(int32_t value) const {
  const EValue& item = values[static_cast<size_t>(value)];
  if (const auto* flag = item.get<bool>()) return *flag;
  const auto* tensor = item.get<Tensor>();
  if (tensor == nullptr || tensor->dtype() != DType::kBool) {
    return invalid_data("the condition of a jump, value {}, is {}", value, text_of(item));
  }
  if (!tensor->has_data()) return invalid_data("value {} is read before anything is in it", value);
  PTE_TRY(const Tensor dense, tensor->contiguous());
  for (int64_t i = 0; i < dense.numel(); ++i) {
    if (dense.data()[i] == std::byte{0}) return false;
  }
  return true;
}

Status Method::State::run(Step& step, size_t& next) {
  switch (step.kind) {
    case Step::Kind::kKernel:
    case Step::Kind::kDelegate:
      return call(step);
    case Step::Kind::kMove:
      values[static_cast<size_t>(step.to)] = values[static_cast<size_t>(step.from)];
      read_only[static_cast<size_t>(step.to)] = read_only[static_cast<size_t>(step.from)];
      return {};
    case Step::Kind::kJumpFalse: {
      PTE_TRY(const bool holds, condition(step.from));
      if (!holds) next = step.target;
      return {};
    }
    case Step::Kind::kNothing:
      return {};
  }
  return {};
}

Status Method::execute() {
  State& state = *state_;
  for (size_t i = 0; i < input_count(); ++i) {
    const auto slot = static_cast<size_t>(state.method->inputs[i]);
    if (std::holds_alternative<TensorValue>(state.method->values[slot]) && !state.input_set[i]) {
      return invalid_argument("input {} was not set since the last execution", i);
    }
  }
  state.input_set.assign(state.input_set.size(), false);
  for (const int32_t value : state.resets) {
    state.values[static_cast<size_t>(value)] = state.initial[static_cast<size_t>(value)];
  }
  state.read_only = state.initial_read_only;
  state.place_lent();
  struct Afterwards {
    State& state;
    ~Afterwards() { state.take_lent_away(); }
  } const afterwards{state};

  uint64_t executed = 0;
  const std::chrono::nanoseconds timeout = state.options.timeout;
  const auto started = std::chrono::steady_clock::now();
  size_t first = 0;
  for (std::vector<Step>& chain : state.chains) {
    for (size_t at = 0; at < chain.size();) {
      Step& step = chain[at];
      if (state.options.cancel != nullptr &&
          state.options.cancel->load(std::memory_order_relaxed)) {
        return make_error(Code::kResourceLimit, "{}: cancelled", quote(name()));
      }
      if (++executed > state.options.instruction_limit) {
        return make_error(Code::kResourceLimit, "{}: stopped after {} instructions", quote(name()),
                          state.options.instruction_limit);
      }
      if (timeout.count() > 0 && std::chrono::steady_clock::now() - started > timeout) {
        return make_error(Code::kResourceLimit, "{}: stopped after {} ms", quote(name()),
                          std::chrono::ceil<std::chrono::milliseconds>(timeout).count());
      }
      size_t next = at + 1;
      const bool timed = static_cast<bool>(state.options.profile);
      const auto begin =
          timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
      if (Status status = state.run(step, next); !status) {
        return std::move(status.error())
            .at(fmt::format("method {}: instruction {}", quote(name()), first + at));
      }
      if (timed) {
        const auto elapsed = std::chrono::steady_clock::now() - begin;
        InstructionTiming timing;
        timing.instruction = first + at;
        timing.name = step.name;
        timing.nanoseconds = nanoseconds(elapsed);
        timing.begin = nanoseconds(begin.time_since_epoch());
        timing.op = step.op;
        timing.args = step.pointers;
        state.options.profile(timing);
      }
      at = next;
    }
    first += chain.size();
  }
  for (const int32_t output : state.method->outputs) PTE_CHECK(state.gather(output));
  return {};
}

}  // namespace pte::runtime
