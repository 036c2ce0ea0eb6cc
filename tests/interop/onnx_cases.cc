// Runs the ONNX project's operator tests: every folder under DIR with a model.onnx and data sets of
// .pb tensors beside it is imported, emitted, run by the reference interpreter and compared.
//
//   onnx_cases DIR [--programs FOLDER] [--backend BACKEND] [NAME…]
//
// Prints one line for each: name, verdict (right, refused, wrong, failed), what happened.
//
// With --programs nothing is run here: the programs for the official runtime are written for
// another to judge, FOLDER/<name>/<data set>/program.pte with the data beside it (values.bin, and
// values.json that says what lies there). The verdict then is "written" or why there is none.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "importers/onnx/onnx.h"
#include "lowering/lower.h"
#include "program/writer.h"
#include "runtime/method.h"

namespace pte {
namespace {

namespace fs = std::filesystem;

struct Verdict {
  std::string word;
  std::string text;
};

Result<std::vector<Tensor>> read_tensors(const fs::path& folder, const std::string& prefix) {
  std::vector<Tensor> out;
  for (int i = 0;; ++i) {
    const fs::path path = folder / fmt::format("{}_{}.pb", prefix, i);
    if (!fs::exists(path)) return out;
    PTE_TRY(const MappedFile file, MappedFile::open(path.string()));
    if (file.bytes().empty()) {
      out.push_back(Tensor::scalar<float>(0));
      continue;
    }
    PTE_TRY(Tensor tensor, importers::read_onnx_tensor(file));
    out.push_back(std::move(tensor));
  }
}

std::optional<std::string> difference(const Tensor& found, const Tensor& expected) {
  if (found.dtype() != expected.dtype() || found.sizes() != expected.sizes())
    return fmt::format("{} where {} is expected", found.describe(), expected.describe());
  const auto a = found.contiguous(), b = expected.contiguous();
  if (!a || !b) return "no memory";
  std::optional<std::string> text;
  // The tolerances of the ONNX project's own runner; half floats have no more than three digits.
  double relative = 1e-3, absolute = 1e-6;
  if (size_of(found.dtype()) == 2) relative = 1e-2, absolute = 1e-3;
  dispatch(found.dtype(), [&]<typename T>(T) {
    for (int64_t i = 0; i < found.numel() && !text; ++i) {
      const T x = a->data_as<T>()[i], y = b->data_as<T>()[i];
      const auto p = static_cast<double>(x), q = static_cast<double>(y);
      const bool same = std::is_integral_v<T>
                            ? x == y
                            : (std::isnan(p) && std::isnan(q)) || p == q ||
                                  std::fabs(p - q) <= absolute + relative * std::fabs(q);
      if (!same) text = fmt::format("element {}: {} where {} is expected", i, p, q);
    }
  });
  return text;
}

Verdict of_error(const Error& error, bool importing) {
  const bool refused = importing && error.code == Code::kUnsupported;
  return {refused ? "refused" : "failed", error.message};
}

// A program that the official runtime runs, or, when there is none, one for ours alone.
Result<program::Program> emit(const ir::Module& module) {
  auto official = lowering::lower(module.clone(), {});
  if (official) return std::move(official->program);
  lowering::Options options;
  options.foreign = passes::Foreign::kIgnore;
  PTE_TRY(lowering::Lowered own, lowering::lower(module.clone(), options));
  return std::move(own.program);
}

struct Options {
  fs::path programs;  // "": run the cases here
  std::string backend = "portable";
  std::vector<std::string> names;
};

std::string described(const Tensor& tensor) {
  std::string sizes;
  for (const int64_t size : tensor.sizes())
    sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", size);
  return fmt::format("[\"{}\", [{}]]", dtype_name(tensor.dtype()), sizes);
}

// The program and its data where the judge of the official runtime finds them.
Status write_case(const fs::path& folder, const program::Program& program,
                  const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs) {
  fs::create_directories(folder);
  PTE_CHECK(program::write_program(program, (folder / "program.pte").string()));
  std::string text[2];
  std::vector<std::byte> bytes;
  for (const bool output : {false, true}) {
    for (const Tensor& tensor : output ? outputs : inputs) {
      PTE_TRY(const Tensor data, tensor.contiguous());
      const auto* begin = static_cast<const std::byte*>(data.data());
      bytes.insert(bytes.end(), begin, begin + data.nbytes());
      text[output] += (text[output].empty() ? "" : ", ") + described(data);
    }
  }
  PTE_CHECK(write_file((folder / "values.bin").string(), bytes));
  const std::string json =
      fmt::format("{{\"inputs\": [{}], \"outputs\": [{}]}}\n", text[0], text[1]);
  return write_file((folder / "values.json").string(), std::string_view(json));
}

Verdict run_case(const fs::path& folder, const Options& chosen) {
  const auto file = MappedFile::open((folder / "model.onnx").string());
  if (!file) return of_error(file.error(), false);
  size_t sets = 0;
  for (;; ++sets) {
    const fs::path data = folder / fmt::format("test_data_set_{}", sets);
    if (!fs::exists(data)) break;
    auto inputs = read_tensors(data, "input");
    auto expected = read_tensors(data, "output");
    importers::ImportOptions options;
    if (!inputs || !expected) {
      // Sequences and the like are no tensors; the importer says so in its own words.
      const auto refused = importers::import_onnx(*file, options);
      return of_error(refused ? (inputs ? expected.error() : inputs.error()) : refused.error(),
                      true);
    }
    for (const Tensor& input : *inputs) options.example.emplace_back(input);
    auto read = importers::import_onnx(*file, options);
    if (!read) return of_error(read.error(), true);
    std::vector<Tensor> taken;
    for (size_t i = 0; i < read->inputs.size() && i < inputs->size(); ++i) {
      const auto& fixed = read->fixed_inputs;
      if (std::find(fixed.begin(), fixed.end(), read->inputs[i]) == fixed.end())
        taken.push_back((*inputs)[i]);
    }
    if (!chosen.programs.empty()) {
      lowering::Options how;
      how.backend = chosen.backend;
      auto official = lowering::lower(std::move(read->imported.module), how);
      if (!official) return of_error(official.error(), true);
      const fs::path out = chosen.programs / folder.filename() / fmt::format("{}", sets);
      if (const Status done = write_case(out, official->program, taken, *expected); !done)
        return of_error(done.error(), false);
      continue;
    }
    auto lowered = emit(read->imported.module);
    if (!lowered) return of_error(lowered.error(), true);
    const auto program = std::make_shared<const program::Program>(std::move(*lowered));
    auto method = runtime::Method::load(program, "forward", {});
    if (!method) return of_error(method.error(), false);
    for (size_t i = 0; i < taken.size(); ++i) {
      if (const Status set = (*method)->set_input(i, taken[i]); !set)
        return of_error(set.error(), false);
    }
    if (const Status done = (*method)->execute(); !done) return of_error(done.error(), false);
    if ((*method)->output_count() != expected->size())
      return {"wrong", fmt::format("{} outputs, {} are expected", (*method)->output_count(),
                                   expected->size())};
    for (size_t i = 0; i < expected->size(); ++i) {
      const auto* tensor = (*method)->output(i).get<Tensor>();
      if (tensor == nullptr) return {"wrong", fmt::format("output {} is no tensor", i)};
      if (const auto text = difference(*tensor, (*expected)[i]))
        return {"wrong", fmt::format("output {}: {}", i, *text)};
    }
  }
  if (sets == 0) return {"failed", "there is no data set"};
  return {chosen.programs.empty() ? "right" : "written", ""};
}

int run(int argc, char** argv) {
  Options options;
  std::string place;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--programs" && i + 1 < argc) {
      options.programs = argv[++i];
    } else if (word == "--backend" && i + 1 < argc) {
      options.backend = argv[++i];
    } else if (place.empty()) {
      place = word;
    } else {
      options.names.push_back(word);
    }
  }
  if (place.empty()) {
    fmt::print(stderr, "usage: onnx_cases DIR [--programs FOLDER] [--backend B] [NAME...]\n");
    return 2;
  }
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(place)) {
    if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    const std::string name = folder.filename().string();
    const bool chosen = options.names.empty() ||
                        std::any_of(options.names.begin(), options.names.end(),
                                    [&](const auto& part) { return name.find(part) != name.npos; });
    if (!chosen) continue;
    Verdict verdict = run_case(folder, options);
    std::replace(verdict.text.begin(), verdict.text.end(), '\n', ' ');
    fmt::print("{}\t{}\t{}\n", name, verdict.word, verdict.text);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace pte

int main(int argc, char** argv) { return pte::run(argc, argv); }
