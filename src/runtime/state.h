// A loaded method: its values, and its instructions with everything looked up.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "runtime/method.h"

namespace pte::runtime {

struct Step {
  enum class Kind : uint8_t { kKernel, kDelegate, kMove, kJumpFalse, kNothing };
  Kind kind = Kind::kNothing;
  std::string_view name;

  // Calls: the operator's arguments and results, each once.
  const OpInfo* op = nullptr;
  kernels::Kernel kernel = nullptr;
  const CustomOp* custom = nullptr;  // instead of `kernel`
  Delegate* delegate = nullptr;
  std::vector<int32_t> args;
  std::vector<EValue*> pointers;
  std::vector<int32_t> lists;    // values among args to gather from their items before the call
  std::vector<int32_t> reads;    // tensors that must have memory
  std::vector<int32_t> written;  // tensors that must have memory of ours
  std::vector<int32_t> list_results;  // lists whose tensors go back to their items after it

  int32_t from = 0;  // move, jump condition
  int32_t to = 0;    // move
  size_t target = 0;
};

struct Method::State {
  std::shared_ptr<const program::Program> program;
  const program::Method* method = nullptr;
  Options options;
  std::vector<std::string> input_names;

  std::vector<Tensor> arenas;                      // by memory_id; [0] is empty
  std::vector<bool> arena_bound;                   // has memory
  std::vector<std::vector<int32_t>> arena_values;  // the tensors that lie in it
  Tensor scratch;                                  // of the delegates, one after the other
  uint64_t memory_bytes = 0;
  std::vector<EValue> values;
  // What a value is when an execution begins, tensors at the memory and sizes planned for them.
  std::vector<EValue> initial;
  // Tensors whose bytes belong to the file: kernels must not write there.
  std::vector<bool> initial_read_only;
  std::vector<bool> read_only;
  std::vector<int32_t> resets;  // values that an execution changes and the next one finds initial
  std::vector<bool> input_set;
  // Inputs that the next execution reads where the caller has them, by input; see lend.cc.
  std::vector<std::optional<Tensor>> lent;
  std::vector<bool> lendable;  // by value; empty until it is asked for
  std::vector<std::vector<Step>> chains;
  std::vector<std::unique_ptr<Delegate>> delegates;  // null where nothing calls it
  kernels::RandomState random;                       // goes on from one execution to the next

  // First contents of planned tensors: what reset() brings back.
  struct Content {
    size_t value = 0;
    Tensor bytes;
  };
  std::vector<Content> contents;

  // Whether `given` may stand in the place of `home`, an input of the same sizes.
  bool may_lend(size_t value, const Tensor& given, const Tensor& home);
  // Puts what is lent in its place, or what the plan has there back.
  void place_lent();
  void take_lent_away();

  Status gather(int32_t list);
  // Copies what a call reads out of the memory that it writes, and notes what was there before.
  using Displaced = std::vector<std::pair<size_t, EValue>>;
  Status separate(const Step& step, Displaced& displaced);
  Status fill_contents();
  Status check_memory(const Step& step) const;
  Status call(Step& step);
  Status invoke(Step& step);
  Status run(Step& step, size_t& next);
  Result<bool> condition(int32_t value) const;
};

// Fills everything of `state` but program, method and options.
Status prepare(Method::State& state);

}  // namespace pte::runtime
