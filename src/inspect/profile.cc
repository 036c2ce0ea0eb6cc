#include "inspect/profile.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

namespace pte::inspect {
namespace {

// Events kept one by one, for traces and dumps; sums go on beyond.
constexpr size_t kMostEvents = size_t{1} << 21;
constexpr size_t kMostSteps = size_t{1} << 20;

uint64_t now() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

std::string shapes_of(const runtime::InstructionTiming& timing) {
  std::string results, operands;
  const size_t taken = timing.op == nullptr ? timing.args.size() : timing.op->out_args.size();
  for (size_t i = 0; i < timing.args.size(); ++i) {
    const auto* tensor = timing.args[i]->get<Tensor>();
    std::string& to = i < taken ? operands : results;
    if (tensor == nullptr || to.size() > 160) continue;
    to += (to.empty() ? "" : ", ") + tensor->describe();
  }
  return results.empty() ? operands : results + " ← " + operands;
}

// "native_call_add.out", as the official runtime calls it.
std::string native_name(const std::string& name) {
  const size_t colons = name.find("::");
  return "native_call_" + (colons == std::string::npos ? name : name.substr(colons + 2));
}

}  // namespace

void Profiler::begin_load() { load_.begin = now(); }
void Profiler::end_load() { load_.end = now(); }

void Profiler::begin_run() {
  recording_ = true;
  runs_.push_back({now(), 0});
}
void Profiler::end_run() {
  recording_ = false;
  runs_.back().end = now();
  pending_.clear();
  pending_time_ = 0;
}

void Profiler::record(const runtime::InstructionTiming& timing) {
  if (!recording_) return;
  const Key key{timing.delegate, timing.instruction};
  auto it = index_.find(key);
  if (it == index_.end()) {
    if (steps_.size() >= kMostSteps) {
      truncated_ = true;
      return;
    }
    StepProfile step;
    step.instruction = timing.instruction;
    step.delegate = timing.delegate;
    step.step = timing.delegate < 0 ? 0 : timing.instruction;
    step.name = timing.name;
    step.shapes = shapes_of(timing);
    it = index_.emplace(key, static_cast<uint32_t>(steps_.size())).first;
    steps_.push_back(std::move(step));
  }
  StepProfile& step = steps_[it->second];
  ++step.calls;
  step.nanoseconds += timing.nanoseconds;
  step.fastest = std::min(step.fastest, timing.nanoseconds);
  step.slowest = std::max(step.slowest, timing.nanoseconds);
  if (timing.op != nullptr) {
    const Cost cost = cost_of(*timing.op, timing.args);
    step.flops += cost.flops;
    step.bytes += cost.bytes;
  }
  if (timing.delegate >= 0) {
    pending_.push_back(it->second);
    pending_time_ += timing.nanoseconds;
  } else {
    if (!pending_.empty()) {
      step.is_delegate_call = true;
      step.inside += std::min(pending_time_, timing.nanoseconds);
      for (const uint32_t inner : pending_) steps_[inner].instruction = timing.instruction;
      pending_.clear();
      pending_time_ = 0;
    } else if (timing.op == nullptr && timing.name.find("::") == std::string_view::npos &&
               timing.name.ends_with("Backend")) {
      step.is_delegate_call = true;
    }
  }
  if (events_.size() >= kMostEvents) {
    truncated_ = true;
    return;
  }
  events_.push_back(
      {it->second, static_cast<uint32_t>(runs_.size() - 1), timing.begin, timing.nanoseconds});
}

Profile Profiler::profile() const {
  Profile out;
  out.runs = runs_.size();
  for (const Span& run : runs_) {
    out.run_times.push_back(run.end - run.begin);
    out.total += run.end - run.begin;
  }
  out.steps = steps_;
  out.truncated = truncated_;
  return out;
}

std::vector<StepProfile> Profile::by_time() const {
  std::vector<StepProfile> rows = steps;
  std::stable_sort(rows.begin(), rows.end(),
                   [](const StepProfile& a, const StepProfile& b) { return a.self() > b.self(); });
  return rows;
}

std::vector<OperatorProfile> Profile::by_operator() const {
  std::map<size_t, std::string> backends;  // by the call's instruction
  for (const StepProfile& step : steps) {
    if (step.is_delegate_call) backends[step.instruction] = step.name;
  }
  std::map<std::pair<std::string, std::string>, OperatorProfile> groups;
  for (const StepProfile& step : steps) {
    const std::string where = step.delegate < 0 ? "" : backends[step.instruction];
    OperatorProfile& group = groups[{step.name, where}];
    group.name = step.name;
    group.where = where;
    ++group.steps;
    group.calls += step.calls;
    group.nanoseconds += step.self();
    group.flops += step.flops;
    group.bytes += step.bytes;
  }
  std::vector<OperatorProfile> rows;
  for (auto& [key, group] : groups) rows.push_back(std::move(group));
  std::stable_sort(rows.begin(), rows.end(),
                   [](const OperatorProfile& a, const OperatorProfile& b) {
                     return a.nanoseconds > b.nanoseconds;
                   });
  return rows;
}

std::vector<program::DumpRun> Profiler::dump() const {
  std::vector<program::DumpRun> out;
  program::DumpRun load{"Default", {}};
  load.events.push_back({"Method::init", -1, 0, "", load_.begin, load_.end});
  load.events.push_back({"Program::load_method", -1, 0, "", load_.begin, load_.end});
  out.push_back(std::move(load));
  for (size_t run = 0; run < runs_.size(); ++run) out.push_back({"Execute", {}});
  for (const Event& event : events_) {
    const StepProfile& step = steps_[event.step];
    auto& events = out[event.run + 1].events;
    const auto instruction = static_cast<int32_t>(step.instruction);
    const uint64_t end = event.begin + event.nanoseconds;
    if (step.delegate >= 0) {
      events.push_back(
          {"", 0, instruction, fmt::format("{} #{}", step.name, step.step), event.begin, end});
    } else if (step.is_delegate_call) {
      events.push_back({"DELEGATE_CALL", 0, instruction, "", event.begin, end});
    } else if (step.name == "move") {
      events.push_back({"MOVE_CALL", 0, instruction, "", event.begin, end});
    } else if (step.name == "jump if false") {
      events.push_back({"JF_CALL", 0, instruction, "", event.begin, end});
    } else if (step.name == "free") {
      events.push_back({"FREE_CALL", 0, instruction, "", event.begin, end});
    } else {
      events.push_back({native_name(step.name), 0, instruction, "", event.begin, end});
      events.push_back({"OPERATOR_CALL", 0, instruction, "", event.begin, end});
    }
  }
  for (size_t run = 0; run < runs_.size(); ++run) {
    out[run + 1].events.push_back({"Method::execute", -1, 0, "", runs_[run].begin, runs_[run].end});
  }
  return out;
}

std::string Profiler::trace(const std::string& title) const {
  using nlohmann::json;
  constexpr auto kReplace = json::error_handler_t::replace;
  const uint64_t origin = load_.begin != 0 ? load_.begin : runs_.empty() ? 0 : runs_[0].begin;
  // Microseconds, of three decimals, as the format wants them.
  const auto micro = [&](uint64_t time) {
    return fmt::format("{}.{:03}", time / 1000, time % 1000);
  };
  std::string out = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
  out += "{\"ph\":\"M\",\"pid\":1,\"tid\":1,\"name\":\"process_name\",\"args\":{\"name\":" +
         json(title).dump(-1, ' ', false, kReplace) + "}}";
  const auto add = [&](const std::string& name, std::string_view category, uint64_t begin,
                       uint64_t length, const json& args) {
    out += fmt::format(
        ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":{},\"cat\":\"{}\",\"ts\":{},\"dur\":{},"
        "\"args\":{}}}",
        json(name).dump(-1, ' ', false, kReplace), category, micro(begin - origin), micro(length),
        args.dump(-1, ' ', false, kReplace));
  };
  if (load_.begin != 0) add("load", "load", load_.begin, load_.end - load_.begin, json::object());
  for (size_t run = 0; run < runs_.size(); ++run) {
    add("execute", "run", runs_[run].begin, runs_[run].end - runs_[run].begin, {{"run", run}});
  }
  for (const Event& event : events_) {
    const StepProfile& step = steps_[event.step];
    json args = {{"instruction", step.instruction}, {"shapes", step.shapes}};
    if (step.delegate >= 0) args["step"] = step.step;
    if (step.flops > 0) args["flops"] = step.flops / static_cast<double>(step.calls);
    add(step.name, step.delegate >= 0 ? "delegate" : "instruction", event.begin, event.nanoseconds,
        args);
  }
  return out + "\n]}\n";
}

}  // namespace pte::inspect
