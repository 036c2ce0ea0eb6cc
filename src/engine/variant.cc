#include "engine/variant.h"

#include "program/quote.h"

namespace pte::engine {
namespace {

constexpr size_t kNone = SIZE_MAX;

}  // namespace

Variant::Variant(Specialised made, std::vector<Sizes> sizes, size_t inputs, int threads)
    : made_(std::move(made)), sizes_(std::move(sizes)), threads_(threads) {
  uint64_t most = 0;
  for (const PlannedStep& step : made_.plan.steps) {
    most = std::max(most, step.step->scratch_bytes());
  }
  constexpr uint64_t kLine = 128;  // two, which some machines fetch together
  scratch_stride_ = (most + kLine - 1) / kLine * kLine;
  bases_.resize(made_.plan.buffers.size());
  input_buffers_.resize(inputs, kNone);
  for (size_t i = 0; i < made_.plan.buffers.size(); ++i) {
    const Buffer& buffer = made_.plan.buffers[i];
    if (buffer.kind == Buffer::Kind::kInput) input_buffers_[made_.inputs[buffer.input]] = i;
  }
}

void Variant::bind(const Memory& memory) {
  scratch_ = scratch_stride_ == 0 ? nullptr : const_cast<std::byte*>(memory.scratch.data());
  if (bound_ && arena_ == memory.arena.data()) return;
  bound_ = true;
  arena_ = memory.arena.data();
  for (size_t i = 0; i < made_.plan.buffers.size(); ++i) {
    Buffer& buffer = made_.plan.buffers[i];
    switch (buffer.kind) {
      case Buffer::Kind::kArena:
        bases_[i] = const_cast<std::byte*>(arena_) + buffer.offset;
        break;
      case Buffer::Kind::kConstant:
        bases_[i] = buffer.constant.mutable_data();
        break;
      case Buffer::Kind::kState:
        bases_[i] = const_cast<std::byte*>(memory.states[buffer.state].data());
        break;
      case Buffer::Kind::kInput:
        break;
    }
  }
  outputs_.clear();
  for (const auto& output : made_.plan.outputs) {
    if (const auto* value = std::get_if<EValue>(&output)) {
      outputs_.push_back(*value);
      continue;
    }
    const auto& operand = std::get<Operand>(output);
    const Tensor view = operand.view(bases_[operand.buffer]);
    outputs_.emplace_back(Tensor::view(view.dtype(), view.sizes(), view.strides(), view.data(),
                                       memory.arena.owner()));
  }
}

void Variant::set_input(size_t index, std::byte* data) {
  if (input_buffers_[index] != kNone) bases_[input_buffers_[index]] = data;
}

Status Variant::run(Pool* pool, const Watch& watch, const std::string& name) {
  Run run;
  run.bases = bases_;
  run.pool = threads_ > 1 ? pool : nullptr;
  run.threads = threads_;
  run.scratch = scratch_;
  run.scratch_stride = scratch_stride_;
  using Clock = std::chrono::steady_clock;
  const bool limited = watch.timeout.count() > 0;
  const bool timed = watch.nanoseconds != nullptr;
  const auto started = limited ? Clock::now() : Clock::time_point();
  for (size_t i = 0; i < made_.plan.steps.size(); ++i) {
    PlannedStep& step = made_.plan.steps[i];
    if (watch.cancel != nullptr && watch.cancel->load(std::memory_order_relaxed)) {
      return make_error(Code::kResourceLimit, "{}: cancelled", program::quote(name));
    }
    if (limited && Clock::now() - started > watch.timeout) {
      return make_error(Code::kResourceLimit, "{}: stopped after {} ms", program::quote(name),
                        std::chrono::ceil<std::chrono::milliseconds>(watch.timeout).count());
    }
    const auto begin = timed ? Clock::now() : Clock::time_point();
    if (Status status = step.step->run(run); !status) {
      return std::move(status.error()).at(fmt::format("step {} ({})", i, step.what));
    }
    if (timed) {
      (*watch.nanoseconds)[i] =
          std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
    }
  }
  return {};
}

}  // namespace pte::engine
