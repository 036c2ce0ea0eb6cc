// A size that may not be known until run time: an integer expression over named symbols.
//
// Expressions are kept in one canonical form, a sum of integer multiples of products of atoms
// (symbols, or calls such as floordiv whose operands are expressions), so that equal sizes compare
// equal: (s0 + 1) * 2 == 2 * s0 + 2.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pte::ir {

// The values a symbol may take, both ends included; no maximum means unbounded.
struct Range {
  int64_t min = 0;
  std::optional<int64_t> max;
  bool operator==(const Range&) const = default;
};
using Ranges = std::map<std::string, Range, std::less<>>;

class SymInt {
 public:
  SymInt(int64_t value = 0) : constant_(value) {}  // NOLINT: a number is a size
  static SymInt symbol(std::string name);

  bool is_constant() const { return terms_ == nullptr; }
  std::optional<int64_t> constant() const {
    return is_constant() ? std::optional(constant_) : std::nullopt;
  }
  bool is_constant(int64_t value) const { return is_constant() && constant_ == value; }
  // The name, when the expression is one symbol and nothing else.
  std::optional<std::string> as_symbol() const;

  friend SymInt operator+(const SymInt& a, const SymInt& b);
  friend SymInt operator-(const SymInt& a, const SymInt& b);
  friend SymInt operator*(const SymInt& a, const SymInt& b);
  // Python's // and %: the quotient is rounded down. Multiples of a constant divisor leave the
  // division, so floordiv(s0-2,2)+1 is floordiv(s0,2); so do exact multiples of a symbolic one. A
  // division by the constant 0 stays unevaluated and has no value.
  static SymInt floordiv(const SymInt& a, const SymInt& b);
  static SymInt mod(const SymInt& a, const SymInt& b);
  static SymInt max(const SymInt& a, const SymInt& b);
  static SymInt min(const SymInt& a, const SymInt& b);

  // Structural equality of the canonical form: equal means always equal. An expression that grew
  // beyond all reason (a file may be made to do that) has become the symbol "too_complex", which
  // equals nothing, itself included.
  friend bool operator==(const SymInt& a, const SymInt& b);

  // The value under an assignment; nothing when a symbol is missing, a divisor is 0 or the result
  // overflows.
  std::optional<int64_t> evaluate(const std::map<std::string, int64_t, std::less<>>& values) const;
  SymInt substitute(const std::map<std::string, SymInt, std::less<>>& values) const;
  // Bounds by interval arithmetic; nothing where unbounded.
  std::optional<int64_t> upper_bound(const Ranges& ranges) const;
  std::optional<int64_t> lower_bound(const Ranges& ranges) const;
  void collect_symbols(std::vector<std::string>& names) const;

  // "2*s0+1", "floordiv(s0-1,2)+1"; parse() reads the same.
  std::string to_string() const;
  static Result<SymInt> parse(std::string_view text);

  struct Atom;
  struct Term;

 private:
  bool is_too_complex() const;
  static SymInt divide(const SymInt& a, int64_t divisor);
  static std::optional<SymInt> divide_exactly(const SymInt& a, const SymInt& b);
  static SymInt call(int kind, const SymInt& a, const SymInt& b);
  static SymInt from_terms(int64_t constant, std::vector<Term> terms);
  int64_t constant_ = 0;
  std::shared_ptr<const std::vector<Term>> terms_;  // null when constant
};

using SymSizes = std::vector<SymInt>;

SymSizes to_sym(const std::vector<int64_t>& sizes);
// The sizes as numbers, or nothing when one is symbolic.
std::optional<std::vector<int64_t>> to_static(const SymSizes& sizes);
SymInt product(const SymSizes& sizes);
std::string to_string(const SymSizes& sizes);  // "1,3,224,2*s0"

}  // namespace pte::ir
