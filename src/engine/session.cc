#include "engine/session.h"

#include <atomic>
#include <chrono>

#include "engine/optimize.h"
#include "lowering/lift.h"
#include "program/quote.h"

namespace pte::engine {

struct Session::State {
  std::shared_ptr<const program::Program> program;
  const program::Method* method = nullptr;
  // One of the two.
  std::unique_ptr<runtime::Method> reference;
  Plan plan;
  PackReport packing;

  std::string why;
  std::unique_ptr<ThreadPool> reference_pool;
  std::unique_ptr<Pool> pool;
  int threads = 1;
  Tensor arena;
  Tensor scratch;
  uint64_t scratch_stride = 0;
  std::vector<std::byte*> bases;  // of the buffers
  std::vector<size_t> input_buffers;
  std::vector<Tensor> input_homes;  // made when an input is first copied
  std::vector<bool> input_set;
  std::vector<EValue> outputs;
  const std::atomic<bool>* cancel = nullptr;
  std::chrono::nanoseconds timeout{0};
  bool timing = false;
  std::vector<double> nanoseconds;

  Status make_ready();
  Status give(size_t index, const EValue& value, bool lend);
};

namespace {

Result<Plan> plan_of(const program::Program& program, const program::Method& method,
                     const Options& options) {
  for (const program::Value& value : method.values) {
    const auto* tensor = std::get_if<program::TensorValue>(&value);
    if (tensor != nullptr && tensor->dynamism != program::Dynamism::kStatic) {
      return unsupported("it has sizes that inputs decide");
    }
  }
  for (const int32_t input : method.inputs) {
    if (!std::holds_alternative<program::TensorValue>(method.values[static_cast<size_t>(input)])) {
      return unsupported("an input is no tensor");
    }
  }
  for (size_t i = 0; i < method.inputs.size(); ++i) {
    for (size_t j = i + 1; j < method.inputs.size(); ++j) {
      if (method.inputs[i] == method.inputs[j]) return unsupported("an input is named twice");
    }
  }
  PlanOptions plan = options.plan;
  plan.memory_limit = options.reference.memory_limit;
  lowering::LiftOptions lift;
  lift.inline_delegates = true;
  if (const program::DataMap* data = options.reference.data.get()) {
    lift.external_data = [data](std::string_view key) -> Result<program::Blob> {
      if (const program::DataEntry* entry = data->find(key)) return entry->data;
      return runtime::missing_data(key, true);
    };
  }
  ir::Module module;
  PTE_CHECK(lowering::lift_method(program, method, module, lift));
  for (const program::Value& value : method.values) {
    const auto* tensor = std::get_if<program::TensorValue>(&value);
    if (tensor != nullptr && tensor->external) return unsupported("weights lie in a data file");
  }
  passes::Options quiet;
  quiet.disable = options.disable;
  PTE_TRY([[maybe_unused]] const auto timings, optimize(module, quiet));
  return make_plan(module, *module.methods.at(method.name).graph, plan);
}

}  // namespace

Status Session::State::make_ready() {
  PTE_TRY(arena, Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(plan.arena_bytes)}));
  uint64_t most = 0;
  for (const PlannedStep& step : plan.steps) most = std::max(most, step.step->scratch_bytes());
  constexpr uint64_t kLine = 128;  // two, which some machines fetch together
  scratch_stride = (most + kLine - 1) / kLine * kLine;
  PTE_TRY(scratch,
          Tensor::zeros(DType::kUInt8,
                        {static_cast<int64_t>(scratch_stride * static_cast<uint64_t>(threads))}));
  input_buffers.resize(method->inputs.size());
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    Buffer& buffer = plan.buffers[i];
    switch (buffer.kind) {
      case Buffer::Kind::kArena:
        bases.push_back(arena.mutable_data() + buffer.offset);
        break;
      case Buffer::Kind::kConstant:
        bases.push_back(buffer.constant.mutable_data());
        break;
      case Buffer::Kind::kInput:
        input_buffers[buffer.input] = i;
        bases.push_back(nullptr);
        break;
    }
  }
  for (const auto& output : plan.outputs) {
    if (const auto* value = std::get_if<EValue>(&output)) {
      outputs.push_back(*value);
      continue;
    }
    const auto& operand = std::get<Operand>(output);
    const Tensor view = operand.view(bases[operand.buffer]);
    outputs.emplace_back(
        Tensor::view(view.dtype(), view.sizes(), view.strides(), view.data(), arena.owner()));
  }
  input_homes.resize(method->inputs.size());
  input_set.assign(method->inputs.size(), false);
  nanoseconds.assign(plan.steps.size(), 0);
  return {};
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::load(std::shared_ptr<const program::Program> program,
                                               std::string_view method, const Options& options) {
  auto state = std::make_unique<State>();
  state->program = program;
  state->method = program->find_method(method);
  if (state->method == nullptr) {
    return make_error(Code::kNotFound, "no method {}", program::quote(method));
  }
  Result<Plan> plan = options.reference_only ? unsupported("the reference interpreter is asked for")
                                             : plan_of(*program, *state->method, options);
  if (plan) {
    state->pool = std::make_unique<Pool>(options.threads);
    state->threads = state->pool->size();
    state->plan = std::move(*plan);
    PackOptions packing;
    packing.pool = state->pool.get();
    packing.folder = options.packed_cache;
    PTE_TRY(state->packing, pack_weights(state->plan.packing, packing));
    state->plan.packing = {};
    state->cancel = options.reference.cancel;
    state->timeout = options.reference.timeout;
    PTE_CHECK(state->make_ready().at(fmt::format("method {}", program::quote(method))));
    return std::unique_ptr<Session>(new Session(std::move(state)));
  }
  state->why = plan.error().message;
  if (options.strict) {
    return std::move(plan.error()).at(fmt::format("method {}", program::quote(method)));
  }
  runtime::Options reference = options.reference;
  if (reference.pool == nullptr && options.threads != 1) {
    state->reference_pool = std::make_unique<ThreadPool>(options.threads);
    reference.pool = state->reference_pool.get();
  }
  state->threads = reference.pool == nullptr ? 1 : reference.pool->size();
  PTE_TRY(state->reference, runtime::Method::load(program, method, reference));
  return std::unique_ptr<Session>(new Session(std::move(state)));
}

const std::string& Session::name() const { return state_->method->name; }
size_t Session::input_count() const { return state_->method->inputs.size(); }
size_t Session::output_count() const { return state_->method->outputs.size(); }
int Session::threads() const { return state_->threads; }
const Plan* Session::plan() const { return state_->reference ? nullptr : &state_->plan; }
const PackReport& Session::packing() const { return state_->packing; }
const std::string& Session::why_reference() const { return state_->why; }
void Session::set_timing(bool on) { state_->timing = on; }
const std::vector<double>& Session::nanoseconds() const { return state_->nanoseconds; }

runtime::ValueInfo Session::input_info(size_t index) const {
  if (state_->reference) return state_->reference->input_info(index);
  return runtime::describe_value(
      state_->method->values[static_cast<size_t>(state_->method->inputs[index])]);
}

runtime::ValueInfo Session::output_info(size_t index) const {
  if (state_->reference) return state_->reference->output_info(index);
  return runtime::describe_value(
      state_->method->values[static_cast<size_t>(state_->method->outputs[index])]);
}

const EValue& Session::output(size_t index) const {
  return state_->reference ? state_->reference->output(index) : state_->outputs[index];
}

uint64_t Session::memory_bytes() const {
  if (state_->reference) return state_->reference->memory_bytes();
  uint64_t bytes = state_->arena.nbytes() + state_->scratch.nbytes();
  for (const Tensor& home : state_->input_homes) bytes += home.nbytes();
  return bytes;
}

Status Session::set_input(size_t index, const EValue& value) {
  if (state_->reference) return state_->reference->set_input(index, value);
  return state_->give(index, value, false);
}

Status Session::lend_input(size_t index, const EValue& value) {
  if (state_->reference) return state_->reference->lend_input(index, value);
  return state_->give(index, value, true);
}

Status Session::State::give(size_t index, const EValue& value, bool lend) {
  if (index >= method->inputs.size()) {
    return invalid_argument("input {} is given, {} takes {}", index, program::quote(method->name),
                            method->inputs.size());
  }
  const auto& planned =
      std::get<program::TensorValue>(method->values[static_cast<size_t>(method->inputs[index])]);
  const auto* given = value.get<Tensor>();
  if (given == nullptr || given->dtype() != planned.dtype || given->sizes() != planned.sizes) {
    return make_error(Code::kMismatch, "input {} expects {}, got {}", index,
                      describe(planned.dtype, planned.sizes),
                      given == nullptr ? std::string(value.kind()) : given->describe());
  }
  if (!given->has_data()) return invalid_argument("input {} has no memory", index);
  input_set[index] = true;
  const size_t buffer = input_buffers[index];
  if (lend && given->owner() == nullptr && given->is_dense_in(planned.dim_order)) {
    bases[buffer] = const_cast<std::byte*>(given->data());
    return {};
  }
  Tensor& home = input_homes[index];
  if (home.data() == nullptr || home.sizes() != planned.sizes) {
    PTE_TRY(home, Tensor::zeros(planned.dtype, planned.sizes, planned.dim_order));
  }
  bases[buffer] = home.mutable_data();
  if (Status status = copy_elements(*given, home); !status) {
    return std::move(status.error()).at(fmt::format("input {}", index));
  }
  return {};
}

Status Session::execute() {
  if (state_->reference) return state_->reference->execute();
  State& state = *state_;
  for (size_t i = 0; i < state.input_set.size(); ++i) {
    if (!state.input_set[i]) {
      return invalid_argument("input {} was not set since the last execution", i);
    }
    state.input_set[i] = false;
  }
  Run run;
  run.bases = state.bases;
  run.pool = state.threads > 1 ? state.pool.get() : nullptr;
  run.threads = state.threads;
  run.scratch = state.scratch_stride == 0 ? nullptr : state.scratch.mutable_data();
  run.scratch_stride = state.scratch_stride;
  const bool limited = state.timeout.count() > 0;
  const auto started =
      limited ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
  for (size_t i = 0; i < state.plan.steps.size(); ++i) {
    PlannedStep& step = state.plan.steps[i];
    if (state.cancel != nullptr && state.cancel->load(std::memory_order_relaxed)) {
      return make_error(Code::kResourceLimit, "{}: cancelled", program::quote(name()));
    }
    if (limited && std::chrono::steady_clock::now() - started > state.timeout) {
      return make_error(Code::kResourceLimit, "{}: stopped after {} ms", program::quote(name()),
                        std::chrono::ceil<std::chrono::milliseconds>(state.timeout).count());
    }
    const auto begin =
        state.timing ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    if (Status status = step.step->run(run); !status) {
      return std::move(status.error()).at(fmt::format("step {} ({})", i, step.what));
    }
    if (state.timing) {
      state.nanoseconds[i] =
          std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin)
              .count();
    }
  }
  return {};
}

}  // namespace pte::engine
