#include "engine/session.h"

#include <algorithm>

#include "engine/source.h"
#include "engine/variant.h"
#include "program/quote.h"
#include "runtime/inputs.h"

namespace pte::engine {
namespace {

using program::TensorValue;

// Plans kept for inputs of other sizes.
constexpr size_t kMostVariants = 8;

}  // namespace

struct Session::State {
  std::shared_ptr<const program::Program> program;
  const program::Method* method = nullptr;
  Options options;

  // What the engine cannot run whole: then alone; or for some sizes: beside plans for others.
  std::unique_ptr<runtime::Method> reference;
  std::unique_ptr<ThreadPool> reference_pool;
  bool on_reference = false;  // the last execution
  std::string why;

  std::unique_ptr<Source> source;
  bool dynamic = false;
  std::unique_ptr<Pool> pool;
  int threads = 1;
  Memory memory;
  std::vector<std::unique_ptr<Variant>> variants;
  Variant* current = nullptr;  // null: no plan runs
  uint64_t uses = 0;
  PackReport packing;  // of the last plan that was made

  // By input.
  std::vector<size_t> slots;       // the input that stands for it: one may be named twice
  std::vector<Tensor> homes;       // made when an input is first copied
  std::vector<std::byte*> places;  // where the next execution reads it
  std::vector<Sizes> sizes;        // as given
  std::vector<bool> is_set;
  bool timing = false;
  std::vector<double> nanoseconds;

  bool whole() const { return source == nullptr; }
  const program::Value& input(size_t index) const {
    return method->values[static_cast<size_t>(method->inputs[index])];
  }
  Status start();
  Status add(Specialised made, std::vector<Sizes> given);
  Status choose();
  void fill_states();
  Status load_reference();
  Status run_reference();
  Status give(size_t index, const EValue& value, bool lend);
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::load(std::shared_ptr<const program::Program> program,
                                               std::string_view method, const Options& options) {
  auto state = std::make_unique<State>();
  state->program = program;
  state->options = options;
  state->method = program->find_method(method);
  if (state->method == nullptr) {
    return make_error(Code::kNotFound, "no method {}", program::quote(method));
  }
  const auto place = [&] { return fmt::format("method {}", program::quote(method)); };
  Status started = options.reference_only ? unsupported("the reference interpreter is asked for")
                                          : state->start();
  if (started) return std::unique_ptr<Session>(new Session(std::move(state)));
  if (options.strict) return std::move(started.error()).at(place());
  state->why = started.error().message;
  state->source.reset();
  state->variants.clear();
  state->current = nullptr;
  state->on_reference = true;
  PTE_CHECK(state->load_reference());
  return std::unique_ptr<Session>(new Session(std::move(state)));
}

Status Session::State::start() {
  Source::Options how;
  how.plan = options.plan;
  how.plan.memory_limit = options.reference.memory_limit;
  how.disable = options.disable;
  how.data = options.reference.data;
  how.lean = options.lean;
  ConvChoices choices;
  const std::string choices_file = options.packed_cache.empty()
                                       ? std::string()
                                       : choices_path(options.packed_cache, how.plan.isa);
  if (!choices_file.empty()) choices = read_choices(choices_file);
  if (options.tune) {
    Source plain(*program, *method, how);
    PTE_TRY(const Specialised untuned, plain.plan(plain.file_sizes()));
    PTE_TRY(const size_t measured,
            engine::tune(untuned.plan.convs, how.plan.isa, how.plan.winograd, choices));
    if (measured > 0 && !choices_file.empty()) PTE_CHECK(write_choices(choices_file, choices));
  }
  if (!choices.empty()) {
    how.plan.choices = std::make_shared<const ConvChoices>(std::move(choices));
  }
  source = std::make_unique<Source>(*program, *method, std::move(how));
  dynamic = source->is_dynamic();
  const size_t count = method->inputs.size();
  for (size_t i = 0; i < count; ++i) {
    size_t slot = i;
    for (size_t j = i + 1; j < count; ++j) {
      if (method->inputs[j] == method->inputs[i]) slot = j;
    }
    slots.push_back(slot);
  }
  homes.resize(count);
  places.resize(count);
  sizes = source->file_sizes();
  is_set.assign(count, false);
  PTE_TRY(Specialised made, source->plan(sizes));
  const int most = options.oversubscribe ? options.threads : available_cores();
  pool = std::make_unique<Pool>(std::min(options.threads, most), options.pinned);
  threads = pool->size();
  return add(std::move(made), sizes);
}

// The plan becomes the current one; the one that was used longest ago makes room.
Status Session::State::add(Specialised made, std::vector<Sizes> given) {
  PackOptions how;
  how.pool = pool.get();
  how.folder = options.packed_cache;
  PTE_TRY(packing, pack_weights(made.plan.packing, how));
  made.plan.packing = {};
  auto variant =
      std::make_unique<Variant>(std::move(made), std::move(given), method->inputs.size(), threads);
  if (memory.states.empty()) {
    for (const StateInfo& state : variant->states()) {
      PTE_TRY(Tensor own, Tensor::zeros(state.initial.dtype(), state.initial.sizes(),
                                        state.initial.dim_order()));
      memory.states.push_back(std::move(own));
    }
  }
  // Memory is asked for before anything changes.
  const auto grow = [](Tensor& tensor, uint64_t bytes) -> Status {
    if (tensor.data() != nullptr && tensor.nbytes() >= bytes) return {};
    PTE_TRY(tensor, Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(bytes)}));
    return {};
  };
  PTE_CHECK(grow(memory.arena, variant->arena_bytes()));
  PTE_CHECK(grow(memory.scratch, variant->scratch_bytes()));
  if (variants.size() >= kMostVariants) {
    variants.erase(
        std::min_element(variants.begin(), variants.end(),
                         [](const auto& a, const auto& b) { return a->last_use < b->last_use; }));
  }
  const bool first = variants.empty();
  variants.push_back(std::move(variant));
  current = variants.back().get();
  current->last_use = ++uses;
  current->bind(memory);
  if (first) fill_states();
  nanoseconds.assign(current->plan().steps.size(), 0);
  return {};
}

// The plan for the inputs as they are now.
Status Session::State::choose() {
  if (current != nullptr && (!dynamic || current->sizes() == sizes)) {
    current->last_use = ++uses;
    current->bind(memory);
    return {};
  }
  for (const auto& variant : variants) {
    if (variant->sizes() != sizes) continue;
    current = variant.get();
    current->last_use = ++uses;
    current->bind(memory);
    nanoseconds.assign(current->plan().steps.size(), 0);
    return {};
  }
  PTE_TRY(Specialised made, source->plan(sizes));
  return add(std::move(made), sizes);
}

void Session::State::fill_states() {
  const std::vector<StateInfo>& states = variants.front()->states();
  for (size_t i = 0; i < states.size(); ++i) {
    Tensor& own = memory.states[i];
    const Tensor& initial = states[i].initial;
    if (own.nbytes() == 0) continue;
    if (initial.data() == nullptr) {
      std::fill(own.mutable_data(), own.mutable_data() + own.nbytes(), std::byte{0});
    } else {
      std::copy(initial.data(), initial.data() + own.nbytes(), own.mutable_data());
    }
  }
}

Status Session::State::load_reference() {
  runtime::Options how = options.reference;
  if (how.pool == nullptr && options.threads != 1) {
    reference_pool = std::make_unique<ThreadPool>(options.threads);
    how.pool = reference_pool.get();
  }
  if (whole()) threads = how.pool == nullptr ? 1 : how.pool->size();
  PTE_TRY(reference, runtime::Method::load(program, method->name, how));
  return {};
}

// An execution that no plan can be made for; nothing lasts from one to the next.
Status Session::State::run_reference() {
  if (reference == nullptr) PTE_CHECK(load_reference());
  for (size_t i = 0; i < method->inputs.size(); ++i) {
    const auto* planned = std::get_if<TensorValue>(&input(i));
    if (planned == nullptr) continue;
    PTE_CHECK(reference->set_input(
        i, EValue(Tensor::view(planned->dtype, sizes[i], strides_of(sizes[i], planned->dim_order),
                               places[slots[i]], nullptr))));
  }
  on_reference = true;
  return reference->execute();
}

const std::string& Session::name() const { return state_->method->name; }
size_t Session::input_count() const { return state_->method->inputs.size(); }
size_t Session::output_count() const { return state_->method->outputs.size(); }
int Session::threads() const { return state_->threads; }
const Plan* Session::plan() const {
  return state_->on_reference || state_->current == nullptr ? nullptr : &state_->current->plan();
}
const PackReport& Session::packing() const { return state_->packing; }
const std::string& Session::why_reference() const { return state_->why; }
void Session::set_timing(bool on) { state_->timing = on; }
const std::vector<double>& Session::nanoseconds() const { return state_->nanoseconds; }

runtime::ValueInfo Session::input_info(size_t index) const {
  return runtime::describe_value(state_->input(index));
}

runtime::ValueInfo Session::output_info(size_t index) const {
  return runtime::describe_value(
      state_->method->values[static_cast<size_t>(state_->method->outputs[index])]);
}

const EValue& Session::output(size_t index) const {
  return state_->on_reference ? state_->reference->output(index)
                              : state_->current->outputs()[index];
}

uint64_t Session::memory_bytes() const {
  uint64_t bytes = state_->reference == nullptr ? 0 : state_->reference->memory_bytes();
  bytes += state_->memory.arena.nbytes() + state_->memory.scratch.nbytes();
  for (const Tensor& home : state_->homes) bytes += home.nbytes();
  for (const Tensor& own : state_->memory.states) bytes += own.nbytes();
  return bytes;
}

Status Session::set_input(size_t index, const EValue& value) {
  if (state_->whole()) return state_->reference->set_input(index, value);
  return state_->give(index, value, false);
}

Status Session::lend_input(size_t index, const EValue& value) {
  if (state_->whole()) return state_->reference->lend_input(index, value);
  return state_->give(index, value, true);
}

Status Session::State::give(size_t index, const EValue& value, bool lend) {
  if (index >= method->inputs.size()) {
    return invalid_argument("input {} is given, {} takes {}", index, program::quote(method->name),
                            method->inputs.size());
  }
  // Its name is made for messages only.
  if (Status status = runtime::check_input(input(index), "input", value); !status) {
    return runtime::check_input(input(index), fmt::format("input {}", index), value);
  }
  const auto* planned = std::get_if<TensorValue>(&input(index));
  if (planned == nullptr) return {};
  const Tensor& given = *value.get<Tensor>();
  const size_t slot = slots[index];
  if (lend && given.owner() == nullptr && given.is_dense_in(planned->dim_order)) {
    places[slot] = const_cast<std::byte*>(given.data());
  } else {
    Tensor& home = homes[slot];
    if (home.data() == nullptr || home.sizes() != given.sizes()) {
      PTE_TRY(home, Tensor::zeros(planned->dtype, given.sizes(), planned->dim_order));
    }
    places[slot] = home.mutable_data();
    if (Status status = copy_elements(given, home); !status) {
      return std::move(status.error()).at(fmt::format("input {}", index));
    }
  }
  if (dynamic) {
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i] == slot) sizes[i] = given.sizes();
    }
  }
  is_set[index] = true;
  return {};
}

Status Session::reset() {
  State& state = *state_;
  if (state.whole()) return state.reference->reset();
  state.is_set.assign(state.is_set.size(), false);
  state.fill_states();
  return {};
}

Status Session::execute() {
  State& state = *state_;
  if (state.whole()) return state.reference->execute();
  for (size_t i = 0; i < state.is_set.size(); ++i) {
    if (!state.is_set[i] && std::holds_alternative<TensorValue>(state.input(i))) {
      return invalid_argument("input {} was not set since the last execution", i);
    }
    state.is_set[i] = false;
  }
  if (Status chosen = state.choose(); !chosen) {
    if (state.options.strict || !state.memory.states.empty()) {
      return std::move(chosen.error()).at(program::quote(name()));
    }
    state.why = chosen.error().message;
    return state.run_reference();
  }
  state.on_reference = false;
  state.why.clear();
  for (size_t i = 0; i < state.slots.size(); ++i) {
    if (state.slots[i] == i && state.places[i] != nullptr) {
      state.current->set_input(i, state.places[i]);
    }
  }
  Watch watch;
  watch.cancel = state.options.reference.cancel;
  watch.timeout = state.options.reference.timeout;
  if (state.timing) watch.nanoseconds = &state.nanoseconds;
  return state.current->run(state.pool.get(), watch, name());
}

}  // namespace pte::engine
