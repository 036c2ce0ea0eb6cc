// One plan of a session made ready to run: where its buffers lie.
#pragma once

#include <atomic>
#include <chrono>
#include <vector>

#include "engine/source.h"

namespace pte::engine {

// Memory that all plans of a session use, one after the other.
struct Memory {
  Tensor arena;
  Tensor scratch;
  std::vector<Tensor> states;  // by Specialised::states, which is the same for every plan
};

// When to stop, and what to note, while a plan runs.
struct Watch {
  const std::atomic<bool>* cancel = nullptr;   // looked at before every step
  std::chrono::nanoseconds timeout{0};         // 0: none
  std::vector<double>* nanoseconds = nullptr;  // by step; null: times are not taken
};

class Variant {
 public:
  Variant(Specialised made, std::vector<Sizes> sizes, size_t inputs, int threads);

  const Plan& plan() const { return made_.plan; }
  const std::vector<StateInfo>& states() const { return made_.states; }
  const std::vector<Sizes>& sizes() const { return sizes_; }  // of the method's inputs
  uint64_t arena_bytes() const { return made_.plan.arena_bytes; }
  uint64_t scratch_bytes() const { return scratch_stride_ * static_cast<uint64_t>(threads_); }

  // Puts buffers and outputs in `memory`, which is at least as large as this asks for; quick when
  // they are there already.
  void bind(const Memory& memory);
  // Where the method's input lies for the next run.
  void set_input(size_t index, std::byte* data);
  Status run(Pool* pool, const Watch& watch, const std::string& name);
  const std::vector<EValue>& outputs() const { return outputs_; }

  uint64_t last_use = 0;

 private:
  Specialised made_;
  std::vector<Sizes> sizes_;
  int threads_;
  uint64_t scratch_stride_ = 0;
  const std::byte* arena_ = nullptr;
  std::byte* scratch_ = nullptr;
  bool bound_ = false;
  std::vector<std::byte*> bases_;
  std::vector<size_t> input_buffers_;  // by the method's input; kNone where it is not read
  std::vector<EValue> outputs_;
};

}  // namespace pte::engine
