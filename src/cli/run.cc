// `pte run`: execute a program on tensors from files, or on seeded random ones.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "cli/command.h"
#include "cli/engine_flags.h"
#include "cli/import_flags.h"
#include "cli/load_model.h"
#include "cli/output.h"
#include "cli/plugins.h"
#include "cli/run_inputs.h"
#include "engine/session.h"
#include "tensor/npy.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  InputFlags inputs;
  std::vector<std::string> data;
  std::vector<std::string> plugins;
  std::string output_dir;
  std::string method = "forward";
  std::string architecture;
  std::string input_shapes;
  ImportFlags import;
  std::string format = "npy";
  std::string engine = "fast";
  EngineFlags engine_flags;
  int threads = 0;
  double timeout = 0;
};

// What a list holds, in brackets.
std::string list_text(const EValue& value) {
  std::string out;
  const auto add = [&](const std::string& item) { out += (out.empty() ? "" : ", ") + item; };
  if (const auto* ints = value.get<std::vector<int64_t>>()) {
    for (const int64_t item : *ints) add(std::to_string(item));
  } else if (const auto* reals = value.get<std::vector<double>>()) {
    for (const double item : *reals) add(fmt::format("{}", item));
  } else if (const auto* flags = value.get<std::vector<bool>>()) {
    for (const bool item : *flags) add(item ? "true" : "false");
  } else if (const auto* tensors = value.get<std::vector<Tensor>>()) {
    for (const Tensor& item : *tensors) add(item.describe());
  } else if (const auto* optionals = value.get<std::vector<std::optional<Tensor>>>()) {
    for (const auto& item : *optionals) add(item ? item->describe() : "none");
  }
  return "[" + out + "]";
}

std::string value_text(const EValue& value) {
  if (const auto* i = value.get<int64_t>()) return std::to_string(*i);
  if (const auto* d = value.get<double>()) return fmt::format("{}", *d);
  if (const auto* b = value.get<bool>()) return *b ? "true" : "false";
  if (const auto* s = value.get<std::string>()) return *s;
  return value.is_none() ? std::string(value.kind()) : list_text(value);
}

Status write_output(const Flags& flags, const std::string& path, const Tensor& tensor) {
  if (flags.format == "npy") return write_npy(path, tensor);
  PTE_TRY(const Tensor dense, tensor.contiguous());
  return write_file(path, dense.bytes());
}

// The first elements and the range, for a look without writing files.
std::string summary(const Tensor& tensor) {
  const auto dense = tensor.contiguous();
  if (!dense) return {};
  std::string text;
  dispatch(tensor.dtype(), [&]<typename T>(T) {
    const T* data = dense->data_as<T>();
    double low = INFINITY;
    double high = -INFINITY;
    for (int64_t i = 0; i < dense->numel(); ++i) {
      low = std::min(low, static_cast<double>(data[i]));
      high = std::max(high, static_cast<double>(data[i]));
    }
    for (int64_t i = 0; i < std::min<int64_t>(4, dense->numel()); ++i) {
      text += fmt::format("{}{:.6g}", i == 0 ? "" : " ", static_cast<double>(data[i]));
    }
    if (dense->numel() > 4) text += fmt::format(" …  {:.6g} to {:.6g}", low, high);
  });
  return text;
}

// Writes and prints what one call gave; with several calls, files go to a folder for each.
Result<nlohmann::json> show_outputs(const Flags& flags, const Context& context,
                                    const engine::Session& session, size_t call) {
  std::string folder = flags.output_dir;
  if (!folder.empty() && flags.inputs.calls > 1) {
    folder = (fs::path(folder) / fmt::format("call{}", call)).string();
  }
  if (!folder.empty()) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
      return make_error(Code::kIo, "{}: cannot create the folder: {}", folder, error.message());
  }
  const bool text = !context.json && !context.quiet;
  if (text && flags.inputs.calls > 1) print("call {}\n", call);
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < session.output_count(); ++i) {
    const EValue& value = session.output(i);
    const auto* tensor = value.get<Tensor>();
    nlohmann::json row = {{"kind", value.kind()}};
    if (tensor == nullptr) {
      row["value"] = value_text(value);
      if (text) print("out{}  {}\n", i, value_text(value));
      rows.push_back(std::move(row));
      continue;
    }
    row["dtype"] = dtype_name(tensor->dtype());
    row["shape"] = tensor->sizes();
    std::string path;
    if (!folder.empty()) {
      path = (fs::path(folder) / fmt::format("out{}.{}", i, flags.format == "npy" ? "npy" : "bin"))
                 .string();
      PTE_CHECK(write_output(flags, path, *tensor));
      row["file"] = path;
    }
    rows.push_back(std::move(row));
    if (context.quiet) {
      if (!path.empty()) print("{}\n", path);
    } else if (text) {
      print("out{}  {}  {}\n", i, tensor->describe(), path.empty() ? summary(*tensor) : path);
    }
  }
  return rows;
}

// Who ran it, and what it could not run fast.
std::string runner_text(const engine::Session& session, const Flags& flags) {
  const engine::Plan* plan = session.plan();
  if (plan == nullptr) {
    return flags.engine == "reference"
               ? "reference interpreter"
               : fmt::format("reference interpreter: {}", session.why_reference());
  }
  const size_t slow = plan->reference_steps();
  if (slow == 0) return fmt::format("engine, {} steps", plan->steps.size());
  return fmt::format("engine, {} steps, {} of them by reference kernels", plan->steps.size(), slow);
}

// The inputs of the first call, when all are .npy files that say their own sizes; else nothing.
Result<std::vector<EValue>> example_of(const InputFlags& flags) {
  std::vector<EValue> example;
  const size_t count = flags.inputs.size() / std::max<size_t>(flags.calls, 1);
  for (size_t i = 0; i < count; ++i) {
    if (!flags.inputs[i].ends_with(".npy")) return std::vector<EValue>();
    PTE_TRY(Tensor tensor, read_npy(flags.inputs[i]));
    example.emplace_back(std::move(tensor));
  }
  return example;
}

Result<int> run_program(const Flags& flags, const Context& context) {
  const std::string& file = flags.inputs.file;
  Watchdog watchdog(flags.timeout, file);
  LoadOptions load;
  load.architecture = flags.architecture;
  PTE_TRY(load.shapes, parse_shapes(flags.input_shapes));
  PTE_TRY(load.import, import_options(flags.import));
  // What a model is run on also says what the file leaves open.
  if (load.import.example.empty() && load.shapes.empty() && load.import.dynamic.empty()) {
    PTE_TRY(load.import.example, example_of(flags.inputs));
    load.import.keep_inputs = true;
  }
  PTE_TRY(program::Program loaded, load_program(file, load));
  const auto program = std::make_shared<const program::Program>(std::move(loaded));
  const program::Method* method = program->find_method(flags.method);
  if (method == nullptr) {
    std::string names;
    for (const auto& m : program->methods) names += (names.empty() ? "" : ", ") + m.name;
    return invalid_argument("{}: no method '{}'; the file has {}", file, flags.method, names);
  }
  PTE_TRY(std::vector<EValue> inputs, gather_inputs(flags.inputs, *method));
  ThreadPool pool(flags.threads);
  engine::Options options;
  options.reference_only = flags.engine == "reference";
  options.threads = flags.threads;
  apply(flags.engine_flags, options);
  options.reference.pool = &pool;
  options.reference.cancel = watchdog.cancel();
  PTE_TRY(options.reference.data, load_data(flags.data));
  PTE_TRY(options.reference.custom_ops, load_plugins(flags.plugins));
  Stopwatch load_watch;
  PTE_TRY(const auto session, engine::Session::load(program, flags.method, options).at(file));
  const double load_time = load_watch.milliseconds();
  nlohmann::json calls = nlohmann::json::array();
  double run_time = 0;
  const size_t count = method->inputs.size();
  const bool named = flags.inputs.inputs.size() == inputs.size();
  for (size_t call = 0; call < flags.inputs.calls; ++call) {
    for (size_t i = 0; i < count; ++i) {
      const size_t at = call * count + i;
      PTE_CHECK(
          session->set_input(i, std::move(inputs[at])).at(named ? flags.inputs.inputs[at] : file));
    }
    Stopwatch run_watch;
    if (Status status = session->execute(); !status) {
      return watchdog.explain(std::move(status.error()).at(file));
    }
    run_time += run_watch.milliseconds();
    PTE_TRY(nlohmann::json rows, show_outputs(flags, context, *session, call));
    calls.push_back({{"outputs", std::move(rows)}});
  }
  if (context.json) {
    nlohmann::json answer = {{"file", file},
                             {"method", flags.method},
                             {"engine", session->plan() == nullptr ? "reference" : "fast"},
                             {"weights", packing_json(session->packing())},
                             {"milliseconds", {{"load", load_time}, {"run", run_time}}}};
    if (flags.inputs.calls == 1) {
      answer["outputs"] = std::move(calls[0]["outputs"]);
    } else {
      answer["calls"] = std::move(calls);
    }
    print_json(answer);
  } else if (!context.quiet) {
    print("{}\n", dim(fmt::format("load {}, run {} ({})", human_time(load_time),
                                  human_time(run_time), runner_text(*session, flags))));
  }
  return kFine;
}

}  // namespace

void add_run(Commands& commands) {
  CLI::App* command = commands.add("run", "Run a program on .npy or raw inputs",
                                   "pte run model.pte --input x.npy --output-dir results");
  auto flags = std::make_shared<Flags>();
  command
      ->add_option("FILE", flags->inputs.file,
                   "A .pte or .bpte, or any model that `pte export` takes")
      ->required();
  command
      ->add_option("--input", flags->inputs.inputs,
                   "An input, once for each: .npy, raw elements, or a number, true, none")
      ->allow_extra_args(false);
  command->add_option("--random", flags->inputs.random, "Seeded random inputs instead");
  command
      ->add_option("--data", flags->data, "A .ptd file with weights that lie outside the program")
      ->allow_extra_args(false);
  command
      ->add_option("--calls", flags->inputs.calls,
                   "Call so often on one loaded method, with inputs for every call")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--output-dir", flags->output_dir, "Write out0.npy, out1.npy … there");
  command->add_option("--format", flags->format, "Of the outputs: npy or raw")
      ->check(CLI::IsMember({"npy", "raw"}))
      ->capture_default_str();
  command->add_option("--method", flags->method, "The method to run")->capture_default_str();
  command->add_option("--model", flags->architecture, "The architecture of a checkpoint");
  add_import_flags(command, flags->import);
  command->add_option("--input-shapes", flags->input_shapes, "Input sizes of a checkpoint's model");
  add_plugin_option(command, flags->plugins);
  command->add_option("--engine", flags->engine, "What runs it: fast or reference")
      ->check(CLI::IsMember({"fast", "reference"}))
      ->capture_default_str();
  command->add_option("--threads", flags->threads, "Threads; 0 = one per core")
      ->capture_default_str();
  add_engine_options(command, flags->engine_flags);
  command->add_option("--timeout", flags->timeout, "Stop after so many seconds; 0 = never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  commands.set_body(command,
                    [&commands, flags] { return run_program(*flags, commands.context()); });
}

}  // namespace pte::cli
