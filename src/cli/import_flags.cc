#include "cli/import_flags.h"

#include <charconv>

#include "tensor/npy.h"

namespace pte::cli {
namespace {

template <typename T>
std::optional<T> number(std::string_view word) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// A tensor from a file, or a number, true, false or none as they are written.
Result<EValue> read_example(const std::string& word) {
  if (word.ends_with(".npy")) {
    PTE_TRY(Tensor tensor, read_npy(word));
    return EValue(std::move(tensor));
  }
  if (word == "true" || word == "false") return EValue(word == "true");
  if (word == "none") return EValue();
  if (const auto integer = number<int64_t>(word)) return EValue(*integer);
  if (const auto real = number<double>(word)) return EValue(*real);
  return EValue(word);
}

// "x:0=1..8", "x:2=32..960/32" for multiples of 32, or "x:0" for any size.
Result<importers::DynamicSize> read_dynamic(const std::string& word) {
  const auto wrong = [&] {
    return invalid_argument("--dynamic '{}': expected an input, a dimension and a range", word)
        .with_hint("write it as x:0=1..8, or x:0=32..960/32 for multiples of 32");
  };
  importers::DynamicSize out;
  const size_t equals = word.find('=');
  const size_t colon = word.rfind(':', equals);
  if (colon == std::string::npos || colon == 0) return wrong();
  out.input = word.substr(0, colon);
  const auto dim = number<size_t>(std::string_view(word).substr(
      colon + 1, equals == std::string::npos ? equals : equals - colon - 1));
  if (!dim) return wrong();
  out.dim = *dim;
  out.range.min = 1;
  if (equals == std::string::npos) return out;
  std::string_view range = std::string_view(word).substr(equals + 1);
  if (const size_t slash = range.find('/'); slash != std::string_view::npos) {
    const auto step = number<int64_t>(range.substr(slash + 1));
    if (!step || *step < 1) return wrong();
    out.step = *step;
    range = range.substr(0, slash);
  }
  const size_t dots = range.find("..");
  if (dots == std::string_view::npos) return wrong();
  const auto low = number<int64_t>(range.substr(0, dots));
  const auto high = number<int64_t>(range.substr(dots + 2));
  if (!low || !high || *low < 0 || *high < *low) return wrong();
  if (*low % out.step != 0 || *high % out.step != 0)
    return invalid_argument("--dynamic '{}': {} and {} should be multiples of {}", word, *low,
                            *high, out.step);
  out.range = {*low, *high};
  return out;
}

}  // namespace

void add_import_flags(CLI::App* command, ImportFlags& flags) {
  command->add_option("--input-dtypes", flags.dtypes,
                      "Element types of the inputs, as \"float32,int64\"");
  command->add_option("--example", flags.examples,
                      "An input, in order: an .npy file, or a number that stays fixed");
  command->add_option("--dynamic", flags.dynamic,
                      "A size that stays open, as x:0=1..8 or x:2=32..960/32");
  command->add_option("--import-method", flags.method,
                      "The methods of a TorchScript module to take: one (forward), several as "
                      "forward,encode with their inputs in a row, or all");
}

Result<importers::ImportOptions> import_options(const ImportFlags& flags) {
  importers::ImportOptions out;
  out.program = flags.method;
  std::string_view rest = flags.dtypes;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view name = rest.substr(0, comma);
    const auto dtype = parse_dtype(name);
    if (!dtype) return invalid_argument("--input-dtypes: there is no type '{}'", name);
    out.input_dtypes.push_back(*dtype);
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  }
  for (const std::string& word : flags.examples) {
    PTE_TRY(EValue example, read_example(word));
    out.example.push_back(std::move(example));
  }
  for (const std::string& word : flags.dynamic) {
    PTE_TRY(importers::DynamicSize dynamic, read_dynamic(word));
    out.dynamic.push_back(std::move(dynamic));
  }
  return out;
}

}  // namespace pte::cli
