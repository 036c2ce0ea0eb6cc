/**
 * @file result.h
 * @brief Errors as values: `pte::Result<T>` and `pte::Status`.
 *
 * The C++ API is a header over the C API (pte/pte.h), so that no C++ type crosses the library's
 * border: any C++17 compiler and standard library will do. Nothing of it throws, but for
 * Result::value() on an error.
 */
#ifndef PTE_RESULT_H_
#define PTE_RESULT_H_

#include <pte/pte.h>

#include <cassert>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace pte {
// The library has types of the same names inside; this keeps a static link from mixing them up.
inline namespace v1 {

/** What kind of thing went wrong. */
enum class Code : pte_status {
  kInvalidArgument = PTE_INVALID_ARGUMENT,
  kInvalidData = PTE_INVALID_DATA,
  kUnsupported = PTE_UNSUPPORTED,
  kNotFound = PTE_NOT_FOUND,
  kIo = PTE_IO,
  kResourceLimit = PTE_RESOURCE_LIMIT,
  kMismatch = PTE_MISMATCH,
  kInternal = PTE_INTERNAL,
  kCancelled = PTE_CANCELLED,
  kTimeout = PTE_TIMEOUT,
};

struct Error {
  Code code = Code::kInternal;
  std::string message;  ///< What happened, where, and what was expected.
  std::string hint;     ///< What to do about it, or "".
};

#if defined(__cpp_exceptions)
/** What Result::value() throws. */
class Exception : public std::runtime_error {
 public:
  explicit Exception(Error error)
      : std::runtime_error(error.message + (error.hint.empty() ? "" : "\nhint: " + error.hint)),
        error_(std::move(error)) {}
  const Error& error() const { return error_; }

 private:
  Error error_;
};
#endif

namespace detail {
[[noreturn]] inline void no_value(const Error& error) {
#if defined(__cpp_exceptions)
  throw Exception(error);
#else
  (void)error;
  std::abort();
#endif
}

// Owns an error of the C API until it is one of ours.
class CError {
 public:
  CError() = default;
  CError(const CError&) = delete;
  CError& operator=(const CError&) = delete;
  ~CError() { pte_error_free(error_); }
  pte_error** out() { return &error_; }
  Error take(pte_status status) const {
    return {static_cast<Code>(status), pte_error_message(error_), pte_error_hint(error_)};
  }

 private:
  pte_error* error_ = nullptr;
};
}  // namespace detail

/** A T, or why there is none. */
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}      // NOLINT: returns read as the value
  Result(Error error) : content_(std::move(error)) {}  // NOLINT

  bool has_value() const { return content_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  /** The value. Throws pte::Exception when there is none (aborts where exceptions are off). */
  T& value() & {
    if (!has_value()) detail::no_value(error());
    return *std::get_if<0>(&content_);
  }
  const T& value() const& {
    if (!has_value()) detail::no_value(error());
    return *std::get_if<0>(&content_);
  }
  T&& value() && {
    if (!has_value()) detail::no_value(error());
    return std::move(*std::get_if<0>(&content_));
  }
  /** The value, which must be there. */
  T& operator*() & { return *checked(); }
  const T& operator*() const& { return *checked(); }
  T&& operator*() && { return std::move(*checked()); }
  T* operator->() { return checked(); }
  const T* operator->() const { return checked(); }

  /** Why there is no value; there must be none. */
  const Error& error() const {
    assert(!has_value());
    return *std::get_if<1>(&content_);
  }

 private:
  T* checked() {
    assert(has_value());
    return std::get_if<0>(&content_);
  }
  const T* checked() const {
    assert(has_value());
    return std::get_if<0>(&content_);
  }

  std::variant<T, Error> content_;
};

/** Nothing, or what went wrong. */
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  /** Throws pte::Exception when something went wrong (aborts where exceptions are off). */
  void value() const {
    if (error_) detail::no_value(*error_);
  }
  /** What went wrong; something must have. */
  const Error& error() const {
    assert(error_.has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

namespace detail {
// Calls a function of the C API with an error to fill, as its last argument.
template <typename Call>
Status status(Call&& call) {
  CError error;
  const pte_status code = call(error.out());
  if (code == PTE_OK) return {};
  return error.take(code);
}
}  // namespace detail

}  // namespace v1
}  // namespace pte

#endif  // PTE_RESULT_H_
