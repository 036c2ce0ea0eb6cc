// A program's method as plans are made of it: lifted for given sizes of its inputs, optimised,
// planned.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/packing.h"
#include "engine/planner.h"
#include "program/program.h"
#include "runtime/method.h"

namespace pte::engine {

// Memory that a method writes and reads again at its next execution.
struct StateInfo {
  std::string name;
  Tensor initial;  // without memory: zeros
};

struct Specialised {
  Plan plan;
  std::vector<size_t> inputs;     // the method's input behind each input of the plan
  std::vector<StateInfo> states;  // by Plan::states
};

class Source {
 public:
  struct Options {
    PlanOptions plan;
    std::vector<std::string> disable;  // passes to leave out
    std::shared_ptr<const program::DataMap> data;
    bool lean = false;  // see engine::Options
  };

  Source(const program::Program& program, const program::Method& method, Options options)
      : program_(program), method_(method), options_(std::move(options)) {}

  // Whether some sizes are not the same at every execution.
  bool is_dynamic() const;
  // For inputs of these sizes, by input (empty where it is no tensor). Fails with kUnsupported
  // where the engine cannot run it, and says why.
  Result<Specialised> plan(const std::vector<Sizes>& sizes);
  // The file's own sizes: upper bounds, or examples where there are none.
  std::vector<Sizes> file_sizes() const;

 private:
  const program::Program& program_;
  const program::Method& method_;
  Options options_;
};

}  // namespace pte::engine
