// Runs the ONNX project's operator tests: every folder under DIR with a model.onnx and data sets of
// .pb tensors beside it is imported, emitted, run by the reference interpreter and compared.
//
//   onnx_cases DIR [NAME…]
//
// Prints one line for each: name, verdict (right, refused, wrong, failed), what happened.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "importers/onnx/onnx.h"
#include "lowering/lower.h"
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

Verdict run_case(const fs::path& folder) {
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
    auto lowered = emit(read->imported.module);
    if (!lowered) return of_error(lowered.error(), true);
    const auto program = std::make_shared<const program::Program>(std::move(*lowered));
    auto method = runtime::Method::load(program, "forward", {});
    if (!method) return of_error(method.error(), false);
    size_t at = 0;
    for (size_t i = 0; i < read->inputs.size() && i < inputs->size(); ++i) {
      const auto& fixed = read->fixed_inputs;
      if (std::find(fixed.begin(), fixed.end(), read->inputs[i]) != fixed.end()) continue;
      if (const Status set = (*method)->set_input(at++, (*inputs)[i]); !set)
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
  return sets == 0 ? Verdict{"failed", "there is no data set"} : Verdict{"right", ""};
}

int run(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: onnx_cases DIR [NAME...]\n");
    return 2;
  }
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(argv[1])) {
    if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    const std::string name = folder.filename().string();
    bool chosen = argc == 2;
    for (int i = 2; i < argc; ++i) chosen = chosen || name.find(argv[i]) != std::string::npos;
    if (!chosen) continue;
    Verdict verdict = run_case(folder);
    std::replace(verdict.text.begin(), verdict.text.end(), '\n', ' ');
    fmt::print("{}\t{}\t{}\n", name, verdict.word, verdict.text);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace pte

int main(int argc, char** argv) { return pte::run(argc, argv); }
