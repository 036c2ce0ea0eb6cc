// The engine: a method of a program, lifted, fused, packed and planned once, then run as a flat
// list of kernel calls.
//
//   PTE_TRY(auto session, engine::Session::load(program, "forward"));
//   PTE_CHECK(session->set_input(0, picture));
//   PTE_CHECK(session->execute());
//   const Tensor& scores = *session->output(0).get<Tensor>();
//
// A session owns its memory and is used by one thread at a time. Where sizes follow from those of
// the inputs, there is a plan for each, made at their first execution; the last few are kept, and
// they share packed weights. What the engine cannot plan (jumps, sizes that depend on what tensors
// hold, chance, other backends) it runs whole on the reference interpreter, and says why.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/plan.h"
#include "engine/planner.h"
#include "program/program.h"
#include "runtime/method.h"

namespace pte::engine {

struct Options {
  // The caller's among them; 0: one for each core. Never more than there are cores, which would
  // only wait for each other, unless `oversubscribe` asks for it.
  int threads = 1;
  bool oversubscribe = false;
  // The thread that loads, which is then to be the one that executes, and each of the others keep
  // to a core of their own for as long as the session lives.
  bool pinned = false;
  PlanOptions plan;
  // Gives back memory and the pages of code between the steps of loading, of which none calls what
  // the one before it did: for a process that loads one program and is in no hurry, as this takes
  // all of its threads a millisecond or two.
  bool lean = false;
  // A folder for files of packed weights, which later loads map instead of packing (packing.h says
  // what lies there); empty: none. One that cannot be used is a note in packing().
  std::string packed_cache;
  // Measures the algorithms of convolutions that nobody has measured yet, and keeps what is the
  // fastest in `packed_cache`, where later loads find it.
  bool tune = false;
  std::vector<std::string> disable;  // passes to leave out
  // Memory limit, cancellation (looked at before every step), timeout and data files; and, for
  // programs that the engine does not run, the rest.
  runtime::Options reference;
  // Programs that cannot be planned are an error, not the reference interpreter's.
  bool strict = false;
  // The reference interpreter runs it, for the sake of one interface.
  bool reference_only = false;
};

class Session {
 public:
  // `program` has passed program::verify.
  static Result<std::unique_ptr<Session>> load(std::shared_ptr<const program::Program> program,
                                               std::string_view method,
                                               const Options& options = {});
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& name() const;
  size_t input_count() const;
  size_t output_count() const;
  runtime::ValueInfo input_info(size_t index) const;
  runtime::ValueInfo output_info(size_t index) const;

  // As runtime::Method's: every tensor before every execution; tensors may be smaller than the
  // program's where it says "at most", and numbers are as they were fixed at export.
  Status set_input(size_t index, const EValue& value);
  Status lend_input(size_t index, const EValue& value);
  Status execute();
  // Valid until the next execute().
  const EValue& output(size_t index) const;

  // What the method keeps between executions (a key-value cache, say) is as after load(). Inputs
  // must be set again.
  Status reset();

  uint64_t memory_bytes() const;  // arena and own inputs, packed weights not counted
  int threads() const;

  // Of the last execution, and before the first one for the file's sizes. Null when the reference
  // interpreter runs it; then why_reference() says why.
  const Plan* plan() const;
  const std::string& why_reference() const;
  // Where the weights came from.
  const PackReport& packing() const;
  // Of the last execution, by step, when asked for beforehand.
  void set_timing(bool on);
  const std::vector<double>& nanoseconds() const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pte::engine
