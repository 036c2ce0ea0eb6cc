#include "cli/run_inputs.h"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <random>

#include "cli/command.h"
#include "cli/output.h"
#include "tensor/npy.h"

namespace pte::cli {
namespace {

const program::Value& input_value(const program::Method& method, size_t index) {
  return method.values[static_cast<size_t>(method.inputs[index])];
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

// What an input that is no tensor was fixed to at export; nothing for lists.
std::optional<EValue> fixed_value(const program::Value& value) {
  EValue out;
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    out = *integer;
  } else if (const auto* real = std::get_if<double>(&value)) {
    out = *real;
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out.v = *flag;
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    out = *text;
  } else if (!std::holds_alternative<program::Null>(value)) {
    return std::nullopt;
  }
  return out;
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

Result<Tensor> read_tensor(const std::string& path, const program::TensorValue& expected) {
  return path.ends_with(".npy") ? read_npy(path) : read_raw(path, expected);
}

}  // namespace

Result<std::vector<EValue>> gather_inputs(const InputFlags& flags, const program::Method& method) {
  if (flags.random && !flags.inputs.empty())
    return invalid_argument("--random and --input exclude each other");
  const size_t count = method.inputs.size();
  size_t tensors = 0;
  for (size_t i = 0; i < count; ++i) {
    tensors += std::holds_alternative<program::TensorValue>(input_value(method, i)) ? 1 : 0;
  }
  const bool all_given = flags.inputs.size() == count * flags.calls;
  if (!flags.random && !all_given && flags.inputs.size() != tensors * flags.calls) {
    return invalid_argument(
               "{}: method '{}' takes {} input{}{}, {} given", flags.file, method.name, count,
               count == 1 ? "" : "s",
               flags.calls > 1 ? fmt::format(" for each of {} calls", flags.calls) : std::string(),
               flags.inputs.size())
        .with_hint("give each with --input FILE, or try --random 0");
  }
  std::mt19937_64 random(flags.random.value_or(0));
  std::vector<EValue> values;
  size_t next = 0;
  for (size_t at = 0; at < count * flags.calls; ++at) {
    const size_t i = at % count;
    const program::Value& value = input_value(method, i);
    if (const auto* expected = std::get_if<program::TensorValue>(&value)) {
      if (flags.random) {
        PTE_TRY(Tensor tensor, random_tensor(*expected, random));
        values.emplace_back(std::move(tensor));
      } else {
        PTE_TRY(Tensor tensor, read_tensor(flags.inputs[next++], *expected));
        values.emplace_back(std::move(tensor));
      }
      continue;
    }
    const std::optional<EValue> fixed = fixed_value(value);
    if (!fixed) {
      return unsupported("{}: input {} of '{}' is {}; lists cannot be given", flags.file, i,
                         method.name, program::kind_name(value));
    }
    if (!flags.random && all_given) {
      PTE_TRY(EValue given,
              std::visit(ReadLiteral{flags.inputs[next++]}, value)
                  .at(fmt::format("{}: input {} of '{}'", flags.file, i, method.name)));
      values.push_back(std::move(given));
    } else {
      values.push_back(*fixed);
    }
  }
  return values;
}

Result<std::shared_ptr<const program::DataMap>> load_data(const std::vector<std::string>& paths) {
  if (paths.empty()) return std::shared_ptr<const program::DataMap>();
  auto map = std::make_shared<program::DataMap>();
  for (const std::string& path : paths) {
    PTE_TRY(const MappedFile file, MappedFile::open(path));
    PTE_TRY(program::DataFile data, program::read_data(file));
    PTE_CHECK(map->add(std::move(data)));
  }
  return std::shared_ptr<const program::DataMap>(std::move(map));
}

Watchdog::Watchdog(double seconds, std::string file) : seconds_(seconds), file_(std::move(file)) {
  if (!(seconds > 0)) return;
  thread_ = std::thread([this] {
    using Seconds = std::chrono::duration<double>;
    constexpr double kLongest = 1e8;  // years; a clock's count must not overflow
    std::unique_lock lock(mutex_);
    const auto done = [this] { return done_; };
    if (wake_.wait_for(lock, Seconds(std::min(seconds_, kLongest)), done)) return;
    fired_.store(true, std::memory_order_relaxed);
    if (wake_.wait_for(lock, Seconds(1), done)) return;
    print_error(stopped());
    ::_exit(kBad);
  });
}

Watchdog::~Watchdog() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Error Watchdog::stopped() const {
  return make_error(Code::kResourceLimit, "{}: stopped: still at work after {} s (--timeout)",
                    file_, seconds_);
}

Error Watchdog::explain(Error error) const {
  return fired_.load(std::memory_order_relaxed) ? stopped() : std::move(error);
}

}  // namespace pte::cli
