// What commands that run a program are given beside it: inputs, weights in other files, a deadline.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "program/program.h"
#include "program/ptd.h"
#include "tensor/evalue.h"

namespace pte::cli {

struct InputFlags {
  std::string file;                 // the program, for messages
  std::vector<std::string> inputs;  // .npy, raw elements, or a number as text for a number
  std::optional<uint64_t> random;   // seeds random tensors instead
  size_t calls = 1;                 // inputs are given for so many, one after the other
};

// One value for each input of the method, for each call. Numbers and texts were fixed at export:
// without one given for each input they take that value.
Result<std::vector<EValue>> gather_inputs(const InputFlags& flags, const program::Method& method);

// .ptd files as one map; null without any.
Result<std::shared_ptr<const program::DataMap>> load_data(const std::vector<std::string>& paths);

// Sets a flag after so many seconds, which the runtime looks at before every instruction. A single
// kernel that goes on for another second ends the process, with exit code 1 and a message; files
// are written whole or not at all, so nothing half done stays behind.
class Watchdog {
 public:
  // 0 or less: never.
  Watchdog(double seconds, std::string file);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  const std::atomic<bool>* cancel() const { return &fired_; }
  // The error of work that was stopped, in words of the command line; others as they are.
  Error explain(Error error) const;

 private:
  Error stopped() const;

  double seconds_;
  std::string file_;
  std::atomic<bool> fired_{false};
  bool done_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace pte::cli
