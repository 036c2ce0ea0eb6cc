// Where the time of executions goes: collects the runtime's timings and sums them up.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "inspect/cost.h"
#include "program/etdump.h"
#include "runtime/method.h"

namespace pte::inspect {

// One step of a method, or one that a delegate made inside.
struct StepProfile {
  size_t instruction = 0;  // of the method; for a delegate's step, of the call that made it
  int32_t delegate = -1;   // whose step it is; -1: the method's own instruction
  size_t step = 0;         // of the delegate's program
  std::string name;        // "aten::add.out", "XnnpackBackend"
  std::string shapes;      // "float32[1,8,4,4] ← float32[1,3,8,8], float32[8,3,3,3]"
  bool is_delegate_call = false;
  uint64_t calls = 0;
  uint64_t nanoseconds = 0;  // of all calls together, what a delegate did inside included
  uint64_t inside = 0;       // of that, what the delegate's own steps took
  uint64_t fastest = UINT64_MAX, slowest = 0;
  double flops = 0;    // of all calls together
  uint64_t bytes = 0;  // the same

  // What is not told by other steps already.
  uint64_t self() const { return nanoseconds - inside; }
};

// Steps of one operator together.
struct OperatorProfile {
  std::string name;
  std::string where;  // "" or the backend that they ran in
  size_t steps = 0;
  uint64_t calls = 0, nanoseconds = 0;
  double flops = 0;
  uint64_t bytes = 0;
};

struct Profile {
  size_t runs = 0;
  uint64_t total = 0;  // of all runs, nanoseconds
  std::vector<uint64_t> run_times;
  std::vector<StepProfile> steps;  // in the order of their first execution
  bool truncated = false;          // the list of events stops before the last run

  std::vector<OperatorProfile> by_operator() const;  // slowest first
  std::vector<StepProfile> by_time() const;          // slowest first, by self()
};

class Profiler {
 public:
  // For runtime::Options::profile; the profiler must outlive the method.
  void record(const runtime::InstructionTiming& timing);
  void begin_load();
  void end_load();
  // Around each execution. Between end_run() and begin_run() nothing is recorded.
  void begin_run();
  void end_run();

  Profile profile() const;
  // The events as ExecuTorch's Inspector wants them: loading, then each run.
  std::vector<program::DumpRun> dump() const;
  // The events as the Chrome and Perfetto trace viewers read them (JSON).
  std::string trace(const std::string& title) const;

 private:
  struct Event {
    uint32_t step = 0;
    uint32_t run = 0;
    uint64_t begin = 0, nanoseconds = 0;
  };
  struct Span {
    uint64_t begin = 0, end = 0;
  };
  using Key = std::pair<int32_t, size_t>;  // delegate, step

  bool recording_ = false;
  Span load_;
  std::vector<Span> runs_;
  std::vector<StepProfile> steps_;
  std::map<Key, uint32_t> index_;
  std::vector<Event> events_;
  std::vector<uint32_t> pending_;  // steps of a delegate whose call has not ended
  uint64_t pending_time_ = 0;
  bool truncated_ = false;
};

}  // namespace pte::inspect
