// `pte run`: execute a program on tensors from files, or on seeded random ones.
#include <charconv>
#include <cmath>
#include <filesystem>
#include <random>

#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/output.h"
#include "runtime/method.h"
#include "tensor/npy.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::string file;
  std::vector<std::string> inputs;
  std::optional<uint64_t> random;
  std::string output_dir;
  std::string method = "forward";
  std::string architecture;
  std::string input_shapes;
  std::string format = "npy";
  int threads = 0;
  size_t calls = 1;
};

const program::TensorValue* tensor_input(const program::Method& method, size_t index) {
  return std::get_if<program::TensorValue>(
      &method.values[static_cast<size_t>(method.inputs[index])]);
}

// Raw files carry no shape: they must hold exactly what the program expects.
Result<Tensor> read_raw(const std::string& path, const program::TensorValue& expected) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  if (file.bytes().size() != expected.nbytes()) {
    return invalid_argument("{}: {} bytes, {} needs {}", path, file.bytes().size(),
                            describe(expected.dtype, expected.sizes), expected.nbytes())
        .with_hint(
            "a raw file holds the elements alone; an .npy file may have any size the program "
            "takes");
  }
  PTE_TRY(Tensor tensor, Tensor::zeros(expected.dtype, expected.sizes));
  std::copy(file.bytes().begin(), file.bytes().end(), tensor.mutable_data());
  return tensor;
}

// Standard normal floats, integers 0…9 and coin flips, the same for a seed on every machine.
Result<Tensor> random_tensor(const program::TensorValue& expected, std::mt19937_64& random) {
  PTE_TRY(Tensor tensor, Tensor::zeros(expected.dtype, expected.sizes));
  const auto uniform = [&] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  const bool known = dispatch(expected.dtype, [&]<typename T>(T) {
    T* data = tensor.mutable_data_as<T>();
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        data[i] = (random() & 1U) != 0;
      } else if constexpr (std::is_integral_v<T>) {
        data[i] = static_cast<T>(random() % 10);
      } else {
        data[i] = T(static_cast<float>(std::sqrt(-2 * std::log(uniform())) *
                                       std::cos(2 * M_PI * uniform())));
      }
    }
  });
  if (!known) return unsupported("no random values for {}", dtype_name(expected.dtype));
  return tensor;
}

// A number, a truth value or a text as the kind that the program holds at that place.
struct ReadLiteral {
  const std::string& word;

  template <typename T>
  Result<EValue> number(const char* what) const {
    T value = 0;
    const char* end = word.data() + word.size();
    const auto [rest, error] = std::from_chars(word.data(), end, value);
    if (error != std::errc() || rest != end) return invalid_argument("'{}' is not {}", word, what);
    return EValue(value);
  }
  Result<EValue> operator()(const int64_t&) const { return number<int64_t>("a whole number"); }
  Result<EValue> operator()(const double&) const { return number<double>("a number"); }
  Result<EValue> operator()(const bool&) const {
    if (word == "true") return EValue(true);
    if (word == "false") return EValue(false);
    return invalid_argument("'{}' is neither true nor false", word);
  }
  Result<EValue> operator()(const std::string&) const { return EValue(word); }
  Result<EValue> operator()(const program::Null&) const {
    if (word == "none") return EValue();
    return invalid_argument("'{}' is not none", word);
  }
  template <typename T>
  Result<EValue> operator()(const T&) const {
    return unsupported("an input that is neither a tensor, a number, a text nor none");
  }
};

Result<EValue> read_input(const Flags& flags, const program::Method& method, size_t index,
                          const std::string& word) {
  const program::TensorValue* expected = tensor_input(method, index);
  if (expected == nullptr) {
    return std::visit(ReadLiteral{word}, method.values[static_cast<size_t>(method.inputs[index])])
        .at(fmt::format("{}: input {} of '{}'", flags.file, index, method.name));
  }
  if (word.ends_with(".npy")) {
    PTE_TRY(Tensor tensor, read_npy(word));
    return EValue(std::move(tensor));
  }
  PTE_TRY(Tensor tensor, read_raw(word, *expected));
  return EValue(std::move(tensor));
}

// The inputs of all calls, one after the other.
Result<std::vector<EValue>> gather_inputs(const Flags& flags, const program::Method& method) {
  if (flags.random && !flags.inputs.empty())
    return invalid_argument("--random and --input exclude each other");
  const size_t count = method.inputs.size();
  if (!flags.random && flags.inputs.size() != count * flags.calls) {
    return invalid_argument(
               "{}: method '{}' takes {} input{}{}, {} given", flags.file, method.name, count,
               count == 1 ? "" : "s",
               flags.calls > 1 ? fmt::format(" for each of {} calls", flags.calls) : std::string(),
               flags.inputs.size())
        .with_hint("give each with --input FILE, or try --random 0");
  }
  std::mt19937_64 random(flags.random.value_or(0));
  std::vector<EValue> values;
  for (size_t i = 0; i < count * flags.calls; ++i) {
    if (flags.random) {
      const program::TensorValue* expected = tensor_input(method, i % count);
      if (expected == nullptr) {
        return unsupported("{}: input {} of '{}' is not a tensor: --random makes tensors only",
                           flags.file, i % count, method.name)
            .with_hint("give every input with --input: a file, or a number as it is");
      }
      PTE_TRY(Tensor tensor, random_tensor(*expected, random));
      values.emplace_back(std::move(tensor));
    } else {
      PTE_TRY(EValue value, read_input(flags, method, i % count, flags.inputs[i]));
      values.push_back(std::move(value));
    }
  }
  return values;
}

std::string scalar_text(const EValue& value) {
  if (const auto* i = value.get<int64_t>()) return std::to_string(*i);
  if (const auto* d = value.get<double>()) return fmt::format("{}", *d);
  if (const auto* b = value.get<bool>()) return *b ? "true" : "false";
  if (const auto* s = value.get<std::string>()) return *s;
  return std::string(value.kind());
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
                                    const runtime::Method& session, size_t call) {
  std::string folder = flags.output_dir;
  if (!folder.empty() && flags.calls > 1) {
    folder = (fs::path(folder) / fmt::format("call{}", call)).string();
  }
  if (!folder.empty()) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
      return make_error(Code::kIo, "{}: cannot create the folder: {}", folder, error.message());
  }
  const bool text = !context.json && !context.quiet;
  if (text && flags.calls > 1) print("call {}\n", call);
  nlohmann::json rows = nlohmann::json::array();
  for (size_t i = 0; i < session.output_count(); ++i) {
    const EValue& value = session.output(i);
    const auto* tensor = value.get<Tensor>();
    nlohmann::json row = {{"kind", value.kind()}};
    if (tensor == nullptr) {
      row["value"] = scalar_text(value);
      if (text) print("out{}  {}\n", i, scalar_text(value));
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

Result<int> run_program(const Flags& flags, const Context& context) {
  LoadOptions load;
  load.architecture = flags.architecture;
  PTE_TRY(load.shapes, parse_shapes(flags.input_shapes));
  PTE_TRY(program::Program loaded, load_program(flags.file, load));
  const auto program = std::make_shared<const program::Program>(std::move(loaded));
  const program::Method* method = program->find_method(flags.method);
  if (method == nullptr) {
    std::string names;
    for (const auto& m : program->methods) names += (names.empty() ? "" : ", ") + m.name;
    return invalid_argument("{}: no method '{}'; the file has {}", flags.file, flags.method, names);
  }
  PTE_TRY(std::vector<EValue> inputs, gather_inputs(flags, *method));
  ThreadPool pool(flags.threads);
  runtime::Options options;
  options.pool = &pool;
  Stopwatch load_watch;
  PTE_TRY(const auto session, runtime::Method::load(program, flags.method, options).at(flags.file));
  const double load_time = load_watch.milliseconds();
  nlohmann::json calls = nlohmann::json::array();
  double run_time = 0;
  const size_t count = method->inputs.size();
  for (size_t call = 0; call < flags.calls; ++call) {
    for (size_t i = 0; i < count; ++i) {
      const size_t at = call * count + i;
      PTE_CHECK(session->set_input(i, std::move(inputs[at]))
                    .at(flags.random ? flags.file : flags.inputs[at]));
    }
    Stopwatch run_watch;
    PTE_CHECK(session->execute().at(flags.file));
    run_time += run_watch.milliseconds();
    PTE_TRY(nlohmann::json rows, show_outputs(flags, context, *session, call));
    calls.push_back({{"outputs", std::move(rows)}});
  }
  if (context.json) {
    nlohmann::json answer = {{"file", flags.file},
                             {"method", flags.method},
                             {"milliseconds", {{"load", load_time}, {"run", run_time}}}};
    if (flags.calls == 1) {
      answer["outputs"] = std::move(calls[0]["outputs"]);
    } else {
      answer["calls"] = std::move(calls);
    }
    print_json(answer);
  } else if (!context.quiet) {
    print("{}\n", dim(fmt::format("load {}, run {} (reference interpreter)", human_time(load_time),
                                  human_time(run_time))));
  }
  return kFine;
}

}  // namespace

void add_run(Commands& commands) {
  CLI::App* command = commands.add("run", "Run a program on .npy or raw inputs",
                                   "pte run model.pte --input x.npy --output-dir results");
  auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->file, "A .pte, or any model that `pte export` takes")
      ->required();
  command
      ->add_option("--input", flags->inputs,
                   "An input, once for each: .npy, raw elements, or a number, true, none")
      ->allow_extra_args(false);
  command->add_option("--random", flags->random, "Seeded random inputs instead");
  command
      ->add_option("--calls", flags->calls,
                   "Call so often on one loaded method, with inputs for every call")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--output-dir", flags->output_dir, "Write out0.npy, out1.npy … there");
  command->add_option("--format", flags->format, "Of the outputs: npy or raw")
      ->check(CLI::IsMember({"npy", "raw"}))
      ->capture_default_str();
  command->add_option("--method", flags->method, "The method to run")->capture_default_str();
  command->add_option("--model", flags->architecture, "The architecture of a checkpoint");
  command->add_option("--input-shapes", flags->input_shapes, "Input sizes of a checkpoint's model");
  command->add_option("--threads", flags->threads, "Threads; 0 = one per core")
      ->capture_default_str();
  commands.set_body(command,
                    [&commands, flags] { return run_program(*flags, commands.context()); });
}

}  // namespace pte::cli
