// Errors as values. Every function that can fail on input returns Result<T> or Status; nothing in
// the library throws across a function boundary or aborts on bad input.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace pte {

// What kind of thing went wrong. The command line maps these to exit codes.
enum class Code {
  kInvalidArgument,  // the caller asked for something that makes no sense (exit code 2)
  kInvalidData,      // a file or graph breaks its format's rules
  kUnsupported,      // well formed, but this build cannot do it
  kNotFound,         // a file, key or name is missing
  kIo,               // the operating system refused a read or a write
  kResourceLimit,    // the input asks for more memory, depth or time than it may
  kMismatch,         // two things that should agree do not (shapes, keys, values)
  kInternal,         // a defect of ptekit itself
};

std::string_view code_name(Code code);

// A message says what, where and what was expected; the hint says what to do.
struct Error {
  Code code = Code::kInternal;
  std::string message;
  std::string hint;

  // Puts "<where>: " before the message, outermost place first.
  Error at(std::string_view where) && {
    message.insert(0, fmt::format("{}: ", where));
    return std::move(*this);
  }
  Error with_hint(std::string text) && {
    hint = std::move(text);
    return std::move(*this);
  }
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
  Result() = default;
  Result(Base base) : Base(std::move(base)) {}                            // NOLINT
  Result(Error error) : Base(tl::unexpected<Error>(std::move(error))) {}  // NOLINT

  // The same result, its error placed at `where` ("model.pt2").
  Result at(std::string_view where) && {
    if (!this->has_value()) this->error() = std::move(this->error()).at(where);
    return std::move(*this);
  }
};

using Status = Result<void>;

template <typename... Args>
Error make_error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...), {}};
}
template <typename... Args>
Error invalid_data(fmt::format_string<Args...> format, Args&&... args) {
  return Error{Code::kInvalidData, fmt::format(format, std::forward<Args>(args)...), {}};
}
template <typename... Args>
Error invalid_argument(fmt::format_string<Args...> format, Args&&... args) {
  return Error{Code::kInvalidArgument, fmt::format(format, std::forward<Args>(args)...), {}};
}
template <typename... Args>
Error unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return Error{Code::kUnsupported, fmt::format(format, std::forward<Args>(args)...), {}};
}
template <typename... Args>
Error internal_error(fmt::format_string<Args...> format, Args&&... args) {
  return Error{Code::kInternal, fmt::format(format, std::forward<Args>(args)...), {}};
}

#define PTE_CONCAT_INNER(a, b) a##b
#define PTE_CONCAT(a, b) PTE_CONCAT_INNER(a, b)

// PTE_TRY(auto x, compute());  declares x from the value, or returns the error.
#define PTE_TRY(declaration, ...) \
  PTE_TRY_IMPL(PTE_CONCAT(pte_try_, __COUNTER__), declaration, __VA_ARGS__)
#define PTE_TRY_IMPL(temporary, declaration, ...)                  \
  auto temporary = (__VA_ARGS__);                                  \
  if (!temporary.has_value()) return std::move(temporary).error(); \
  declaration = std::move(temporary).value()

// PTE_CHECK(do_it());  returns the error of a Status, or goes on.
#define PTE_CHECK(...)                                            \
  do {                                                            \
    if (auto pte_status = (__VA_ARGS__); !pte_status.has_value()) \
      return std::move(pte_status).error();                       \
  } while (false)

}  // namespace pte
