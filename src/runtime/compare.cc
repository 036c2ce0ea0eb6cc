#include "runtime/compare.h"

#include <cmath>
#include <cstring>

namespace pte::runtime {
namespace {

bool close(double got, double expected, const Tolerance& tolerance) {
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return true;
  if (!std::isfinite(got) || !std::isfinite(expected)) return false;
  return std::abs(got - expected) <= tolerance.atol + std::abs(tolerance.rtol * expected);
}

void differ(Comparison& out, std::string message) {
  if (out.matches) out.message = std::move(message);
  out.matches = false;
}

template <typename T>
void compare_elements(const Tensor& got, const Tensor& expected, const Tolerance& tolerance,
                      Comparison& out) {
  const T* a = got.data_as<T>();
  const T* b = expected.data_as<T>();
  int64_t different = 0;
  int64_t first = 0;
  for (int64_t i = 0; i < expected.numel(); ++i) {
    bool same = false;
    const auto x = static_cast<double>(a[i]);
    const auto y = static_cast<double>(b[i]);
    if constexpr (std::is_integral_v<T>) {
      same = a[i] == b[i];
    } else {
      same = close(x, y, tolerance);
    }
    const double difference = std::abs(x - y);
    if (std::isfinite(difference)) out.largest = std::max(out.largest, difference);
    if (!same && different++ == 0) first = i;
  }
  if (different == 0) return;
  differ(out, fmt::format("element {} is {}, expected {}; {} of {} differ", first,
                          static_cast<double>(a[first]), static_cast<double>(b[first]), different,
                          expected.numel()));
}

}  // namespace

Comparison compare(const EValue& got, const EValue& expected, const Tolerance& tolerance) {
  Comparison out;
  const auto* want = expected.get<Tensor>();
  const auto* have = got.get<Tensor>();
  if (want == nullptr || have == nullptr) {
    const auto* real = expected.get<double>();
    const auto* answer = got.get<double>();
    if (real != nullptr && answer != nullptr) {
      if (std::isfinite(*answer - *real)) out.largest = std::abs(*answer - *real);
      if (!close(*answer, *real, tolerance)) {
        differ(out, fmt::format("{}, expected {}", *answer, *real));
      }
    } else if (const auto* a = got.get<int64_t>(), *b = expected.get<int64_t>(); a && b) {
      if (*a != *b) differ(out, fmt::format("{}, expected {}", *a, *b));
    } else if (const auto* x = got.get<bool>(), *y = expected.get<bool>(); x && y) {
      if (*x != *y) differ(out, fmt::format("{}, expected {}", *x, *y));
    } else {
      differ(out, fmt::format("{}, expected {}", got.kind(), expected.kind()));
    }
    return out;
  }
  if (have->dtype() != want->dtype() || have->sizes() != want->sizes()) {
    differ(out, fmt::format("{}, expected {}", have->describe(), want->describe()));
    return out;
  }
  const auto a = have->contiguous();
  const auto b = want->contiguous();
  if (!a || !b || !have->has_data() || !want->has_data()) {
    differ(out, "it cannot be read");
    return out;
  }
  const bool known =
      dispatch(want->dtype(), [&]<typename T>(T) { compare_elements<T>(*a, *b, tolerance, out); });
  if (!known && want->nbytes() != 0 && std::memcmp(a->data(), b->data(), want->nbytes()) != 0) {
    differ(out, fmt::format("the bytes of {} differ", want->describe()));
  }
  return out;
}

Result<Comparison> run_case(Method& method, const program::TestCase& test,
                            const Tolerance& tolerance) {
  if (test.inputs.size() != method.input_count()) {
    return make_error(Code::kMismatch, "the case gives {} inputs, the method takes {}",
                      test.inputs.size(), method.input_count());
  }
  for (size_t i = 0; i < test.inputs.size(); ++i) PTE_CHECK(method.set_input(i, test.inputs[i]));
  PTE_CHECK(method.execute());
  Comparison all;
  if (test.expected.size() != method.output_count()) {
    differ(all,
           fmt::format("{} outputs, expected {}", method.output_count(), test.expected.size()));
  }
  for (size_t i = 0; i < std::min(test.expected.size(), method.output_count()); ++i) {
    const Comparison one = compare(method.output(i), test.expected[i], tolerance);
    all.largest = std::max(all.largest, one.largest);
    if (!one.matches) differ(all, fmt::format("output {}: {}", i, one.message));
  }
  return all;
}

}  // namespace pte::runtime
