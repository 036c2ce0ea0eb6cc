#include "ir/symint.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/checked.h"

namespace pte::ir {

namespace {
enum Kind { kSymbol = 0, kFloorDiv = 1, kMod = 2, kMax = 3, kMin = 4 };
constexpr std::string_view kCallNames[] = {"", "floordiv", "mod", "max", "min"};

int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
}
// The rest of a floor_div by a positive number, in [0, b).
int64_t floor_mod(int64_t a, int64_t b) {
  const int64_t rest = a % b;
  return rest < 0 ? rest + b : rest;
}
bool divides(int64_t a, int64_t b) {
  return b != 0 && !(a == std::numeric_limits<int64_t>::min() && b == -1);
}
}  // namespace

struct SymInt::Atom {
  int kind = kSymbol;
  std::string name;              // of a symbol
  std::shared_ptr<SymInt> a, b;  // of a call
  size_t weight = 1;             // how many atoms it holds, itself included
};

struct SymInt::Term {
  int64_t coefficient = 1;
  std::vector<std::shared_ptr<const Atom>> factors;  // sorted
};

namespace {

using Term = SymInt::Term;
using Atom = SymInt::Atom;

int compare(const Atom& x, const Atom& y) {
  if (x.kind != y.kind) return x.kind < y.kind ? -1 : 1;
  if (x.kind == kSymbol) return x.name.compare(y.name);
  // The printed form is canonical, so it orders calls as well as anything.
  const int first = x.a->to_string().compare(y.a->to_string());
  return first != 0 ? first : x.b->to_string().compare(y.b->to_string());
}

int compare(const std::vector<std::shared_ptr<const Atom>>& x,
            const std::vector<std::shared_ptr<const Atom>>& y) {
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (const int order = compare(*x[i], *y[i]); order != 0) return order;
  }
  return x.size() == y.size() ? 0 : (x.size() < y.size() ? -1 : 1);
}

// Wrapping arithmetic is defined and harmless: sizes that overflow are refused when evaluated.
int64_t wrap_add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t wrap_mul(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

}  // namespace

namespace {

// Expressions from files may be made to grow without end, by products of sums above all. One that
// outgrows every model's sizes becomes this symbol, which swallows all it meets and equals nothing.
constexpr std::string_view kTooComplex = "too_complex";
constexpr size_t kMaxWeight = 1000;
constexpr size_t kMaxProductWeight = 20'000;

bool is_too_complex(const Term& term) {
  return std::any_of(term.factors.begin(), term.factors.end(), [](const auto& atom) {
    return atom->kind == kSymbol && atom->name == kTooComplex;
  });
}

size_t weight_of(const std::vector<Term>& terms) {
  size_t weight = 0;
  for (const Term& term : terms) {
    weight += 1;
    for (const auto& atom : term.factors) weight += atom->weight;
  }
  return weight;
}

}  // namespace

bool SymInt::is_too_complex() const {
  return terms_ != nullptr && ir::is_too_complex(terms_->front());
}

SymInt SymInt::from_terms(int64_t constant, std::vector<Term> terms) {
  if (terms.size() > 1 || constant != 0 || (!terms.empty() && terms[0].factors.size() > 1)) {
    const bool swallowed = std::any_of(terms.begin(), terms.end(),
                                       [](const Term& t) { return ir::is_too_complex(t); });
    if (swallowed || weight_of(terms) > kMaxProductWeight) return symbol(std::string(kTooComplex));
  }
  std::sort(terms.begin(), terms.end(),
            [](const Term& x, const Term& y) { return compare(x.factors, y.factors) < 0; });
  std::vector<Term> merged;
  for (Term& term : terms) {
    if (!merged.empty() && compare(merged.back().factors, term.factors) == 0) {
      merged.back().coefficient = wrap_add(merged.back().coefficient, term.coefficient);
    } else {
      merged.push_back(std::move(term));
    }
  }
  std::erase_if(merged, [](const Term& term) { return term.coefficient == 0; });
  if (weight_of(merged) > kMaxWeight) return symbol(std::string(kTooComplex));
  SymInt result(constant);
  if (!merged.empty()) result.terms_ = std::make_shared<const std::vector<Term>>(std::move(merged));
  return result;
}

SymInt SymInt::symbol(std::string name) {
  auto atom = std::make_shared<Atom>();
  atom->name = std::move(name);
  return from_terms(0, {Term{1, {std::move(atom)}}});
}

std::optional<std::string> SymInt::as_symbol() const {
  if (terms_ == nullptr || constant_ != 0 || terms_->size() != 1) return std::nullopt;
  const Term& term = terms_->front();
  if (term.coefficient != 1 || term.factors.size() != 1 || term.factors[0]->kind != kSymbol) {
    return std::nullopt;
  }
  return term.factors[0]->name;
}

SymInt operator+(const SymInt& a, const SymInt& b) {
  const int64_t constant = wrap_add(a.constant_, b.constant_);
  if (a.is_constant() && b.is_constant()) return constant;
  std::vector<Term> terms;
  if (a.terms_) terms = *a.terms_;
  if (b.terms_) terms.insert(terms.end(), b.terms_->begin(), b.terms_->end());
  return SymInt::from_terms(constant, std::move(terms));
}

SymInt operator*(const SymInt& a, const SymInt& b) {
  if (a.is_constant() && b.is_constant()) return wrap_mul(a.constant_, b.constant_);
  if (a.terms_ && b.terms_ && weight_of(*a.terms_) * weight_of(*b.terms_) > kMaxProductWeight) {
    return SymInt::symbol(std::string(kTooComplex));
  }
  std::vector<Term> terms;
  const auto scaled = [&](const SymInt& x, int64_t factor) {
    if (!x.terms_) return;
    for (Term term : *x.terms_) {
      term.coefficient = wrap_mul(term.coefficient, factor);
      terms.push_back(std::move(term));
    }
  };
  scaled(a, b.constant_);
  scaled(b, a.constant_);
  if (a.terms_ && b.terms_) {
    for (const Term& x : *a.terms_) {
      for (const Term& y : *b.terms_) {
        Term term{wrap_mul(x.coefficient, y.coefficient), x.factors};
        term.factors.insert(term.factors.end(), y.factors.begin(), y.factors.end());
        std::sort(term.factors.begin(), term.factors.end(),
                  [](const auto& p, const auto& q) { return compare(*p, *q) < 0; });
        terms.push_back(std::move(term));
      }
    }
  }
  return SymInt::from_terms(wrap_mul(a.constant_, b.constant_), std::move(terms));
}

SymInt operator-(const SymInt& a, const SymInt& b) { return a + b * SymInt(-1); }

SymInt SymInt::call(int kind, const SymInt& a, const SymInt& b) {
  if (a.is_too_complex()) return a;
  if (b.is_too_complex()) return b;
  auto atom = std::make_shared<Atom>();
  atom->kind = kind;
  atom->a = std::make_shared<SymInt>(a);
  atom->b = std::make_shared<SymInt>(b);
  if (a.terms_) atom->weight += weight_of(*a.terms_);
  if (b.terms_) atom->weight += weight_of(*b.terms_);
  return from_terms(0, {Term{1, {std::move(atom)}}});
}

// The canonical quotient by a positive number d: multiples of d leave the call, so that what stays
// in it has coefficients and a constant in [0, d); common factors and nested quotients are folded.
SymInt SymInt::divide(const SymInt& a, int64_t divisor) {
  if (a.is_constant()) return floor_div(a.constant_, divisor);
  std::vector<Term> whole, rest;
  int64_t common = divisor;
  for (const Term& term : *a.terms_) {
    const int64_t quotient = floor_div(term.coefficient, divisor);
    const int64_t remainder = floor_mod(term.coefficient, divisor);
    if (quotient != 0) whole.push_back({quotient, term.factors});
    if (remainder != 0) rest.push_back({remainder, term.factors});
    common = std::gcd(common, remainder);
  }
  const int64_t quotient = floor_div(a.constant_, divisor);
  int64_t constant = floor_mod(a.constant_, divisor);
  SymInt result = from_terms(quotient, std::move(whole));
  if (rest.empty()) return result;
  // floor((g*x + c) / (g*d)) = floor((x + floor(c/g)) / d)
  for (Term& term : rest) term.coefficient /= common;
  constant = floor_div(constant, common);
  const int64_t reduced = divisor / common;
  // floor((floor(x/m) + c) / d) = floor((x + c*m) / (m*d))
  if (rest.size() == 1 && rest[0].coefficient == 1 && rest[0].factors.size() == 1) {
    const Atom& atom = *rest[0].factors[0];
    if (atom.kind == kFloorDiv && atom.b->is_constant() && *atom.b->constant() > 0) {
      const int64_t inner = *atom.b->constant();
      const auto both = checked_mul(inner, reduced);
      const auto shift = checked_mul(inner, constant);
      if (both && shift) return result + divide(*atom.a + SymInt(*shift), *both);
    }
  }
  const SymInt inner = from_terms(constant, std::move(rest));
  return result + (reduced == 1 ? inner : call(kFloorDiv, inner, reduced));
}

// a / b when b divides every term of a: by one product of symbols, or by a multiple of itself.
std::optional<SymInt> SymInt::divide_exactly(const SymInt& a, const SymInt& b) {
  if (a.is_constant() || b.is_constant() || a.is_too_complex()) return std::nullopt;
  if (b.constant_ == 0 && b.terms_->size() == 1 && a.constant_ == 0) {
    const Term& by = b.terms_->front();
    std::vector<Term> quotient;
    int64_t constant = 0;
    for (const Term& term : *a.terms_) {
      if (!divides(term.coefficient, by.coefficient) || term.coefficient % by.coefficient != 0)
        return std::nullopt;
      Term next{term.coefficient / by.coefficient, term.factors};
      for (const auto& atom : by.factors) {
        const auto it = std::find_if(next.factors.begin(), next.factors.end(),
                                     [&](const auto& own) { return compare(*own, *atom) == 0; });
        if (it == next.factors.end()) return std::nullopt;
        next.factors.erase(it);
      }
      if (next.factors.empty()) {
        constant = wrap_add(constant, next.coefficient);
      } else {
        quotient.push_back(std::move(next));
      }
    }
    return from_terms(constant, std::move(quotient));
  }
  const int64_t first = a.terms_->front().coefficient;
  const int64_t by = b.terms_->front().coefficient;
  if (!divides(first, by) || first % by != 0 || !(b * SymInt(first / by) == a)) return std::nullopt;
  return SymInt(first / by);
}

SymInt SymInt::floordiv(const SymInt& a, const SymInt& b) {
  if (b.is_constant(1)) return a;
  if (b.is_constant() && b.constant_ > 0) return divide(a, b.constant_);
  if (b.is_constant() && a.is_constant() && divides(a.constant_, b.constant_)) {
    return floor_div(a.constant_, b.constant_);
  }
  if (auto quotient = divide_exactly(a, b)) return *quotient;
  return call(kFloorDiv, a, b);
}

SymInt SymInt::mod(const SymInt& a, const SymInt& b) {
  if (b.is_constant() && b.constant_ > 0) {
    const int64_t divisor = b.constant_;
    std::vector<Term> rest;
    if (a.terms_) {
      for (const Term& term : *a.terms_) {
        if (const int64_t remainder = floor_mod(term.coefficient, divisor); remainder != 0) {
          rest.push_back({remainder, term.factors});
        }
      }
    }
    const SymInt reduced = from_terms(floor_mod(a.constant_, divisor), std::move(rest));
    return reduced.is_constant() ? reduced : call(kMod, reduced, b);
  }
  if (b.is_constant() && a.is_constant() && divides(a.constant_, b.constant_)) {
    const int64_t rest = a.constant_ % b.constant_;
    return rest > 0 ? rest + b.constant_ : rest;
  }
  if (auto quotient = divide_exactly(a, b)) return 0;
  return call(kMod, a, b);
}

SymInt SymInt::max(const SymInt& a, const SymInt& b) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) return std::max(a.constant_, b.constant_);
  return a.is_constant() ? call(kMax, b, a) : call(kMax, a, b);
}

SymInt SymInt::min(const SymInt& a, const SymInt& b) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) return std::min(a.constant_, b.constant_);
  return a.is_constant() ? call(kMin, b, a) : call(kMin, a, b);
}

bool operator==(const SymInt& a, const SymInt& b) {
  if (a.constant_ != b.constant_ || a.is_constant() != b.is_constant()) return false;
  if (a.is_constant()) return true;
  if (a.is_too_complex() || b.is_too_complex()) return false;
  if (a.terms_ == b.terms_) return true;
  if (a.terms_->size() != b.terms_->size()) return false;
  for (size_t i = 0; i < a.terms_->size(); ++i) {
    if ((*a.terms_)[i].coefficient != (*b.terms_)[i].coefficient ||
        compare((*a.terms_)[i].factors, (*b.terms_)[i].factors) != 0) {
      return false;
    }
  }
  return true;
}

std::optional<int64_t> SymInt::evaluate(
    const std::map<std::string, int64_t, std::less<>>& values) const {
  int64_t sum = constant_;
  if (!terms_) return sum;
  for (const Term& term : *terms_) {
    int64_t product = term.coefficient;
    for (const auto& atom : term.factors) {
      int64_t value = 0;
      if (atom->kind == kSymbol) {
        const auto it = values.find(atom->name);
        if (it == values.end()) return std::nullopt;
        value = it->second;
      } else {
        const auto a = atom->a->evaluate(values);
        const auto b = atom->b->evaluate(values);
        if (!a || !b) return std::nullopt;
        if (atom->kind == kMax) value = std::max(*a, *b);
        if (atom->kind == kMin) value = std::min(*a, *b);
        if (atom->kind == kFloorDiv || atom->kind == kMod) {
          if (!divides(*a, *b)) return std::nullopt;
          value = floor_div(*a, *b);
          if (atom->kind == kMod) value = *a - value * *b;
        }
      }
      const auto next = checked_mul(product, value);
      if (!next) return std::nullopt;
      product = *next;
    }
    const auto next = checked_add(sum, product);
    if (!next) return std::nullopt;
    sum = *next;
  }
  return sum;
}

SymInt SymInt::substitute(const std::map<std::string, SymInt, std::less<>>& values) const {
  if (!terms_) return *this;
  SymInt sum(constant_);
  for (const Term& term : *terms_) {
    SymInt product(term.coefficient);
    for (const auto& atom : term.factors) {
      SymInt value;
      if (atom->kind == kSymbol) {
        const auto it = values.find(atom->name);
        value = it == values.end() ? symbol(atom->name) : it->second;
      } else {
        const SymInt a = atom->a->substitute(values);
        const SymInt b = atom->b->substitute(values);
        switch (atom->kind) {
          case kFloorDiv:
            value = floordiv(a, b);
            break;
          case kMod:
            value = mod(a, b);
            break;
          case kMax:
            value = max(a, b);
            break;
          default:
            value = min(a, b);
            break;
        }
      }
      product = product * value;
    }
    sum = sum + product;
  }
  return sum;
}

namespace {

// A closed interval whose ends may be missing (unbounded).
struct Interval {
  std::optional<int64_t> low, high;
};

std::optional<int64_t> mul_end(std::optional<int64_t> a, std::optional<int64_t> b) {
  if ((a && *a == 0) || (b && *b == 0)) return 0;
  if (!a || !b) return std::nullopt;
  return checked_mul(*a, *b);
}

Interval multiply(const Interval& x, const Interval& y) {
  // Sizes are almost always non-negative; otherwise all four corners must be known.
  if (x.low && *x.low >= 0 && y.low && *y.low >= 0) {
    return {mul_end(x.low, y.low), mul_end(x.high, y.high)};
  }
  if (!x.low || !x.high || !y.low || !y.high) return {};
  std::optional<int64_t> low, high;
  for (const auto a : {x.low, x.high}) {
    for (const auto b : {y.low, y.high}) {
      const auto corner = checked_mul(*a, *b);
      if (!corner) return {};
      low = low ? std::min(*low, *corner) : *corner;
      high = high ? std::max(*high, *corner) : *corner;
    }
  }
  return {low, high};
}

std::optional<int64_t> add_end(std::optional<int64_t> a, std::optional<int64_t> b) {
  return a && b ? checked_add(*a, *b) : std::nullopt;
}

}  // namespace

std::optional<int64_t> SymInt::upper_bound(const Ranges& ranges) const {
  if (!terms_) return constant_;
  std::optional<int64_t> high = constant_;
  for (const Term& term : *terms_) {
    Interval product{1, 1};
    for (const auto& atom : term.factors) {
      Interval value;
      if (atom->kind == kSymbol) {
        const auto it = ranges.find(atom->name);
        if (it != ranges.end()) value = {it->second.min, it->second.max};
      } else {
        const Interval a{atom->a->lower_bound(ranges), atom->a->upper_bound(ranges)};
        const Interval b{atom->b->lower_bound(ranges), atom->b->upper_bound(ranges)};
        switch (atom->kind) {
          case kFloorDiv:
            if (a.low && *a.low >= 0 && b.low && *b.low > 0) {
              value.low = b.high ? floor_div(*a.low, *b.high) : 0;
              if (a.high) value.high = floor_div(*a.high, *b.low);
            }
            break;
          case kMod:
            if (b.low && *b.low > 0) {
              value.low = 0;
              if (b.high) value.high = *b.high - 1;
            }
            break;
          case kMax:
            value.low =
                a.low && b.low ? std::optional(std::max(*a.low, *b.low)) : (a.low ? a.low : b.low);
            if (a.high && b.high) value.high = std::max(*a.high, *b.high);
            break;
          default:
            if (a.low && b.low) value.low = std::min(*a.low, *b.low);
            value.high = a.high && b.high ? std::optional(std::min(*a.high, *b.high))
                                          : (a.high ? a.high : b.high);
        }
      }
      product = multiply(product, value);
    }
    const Interval scaled = term.coefficient >= 0 ? product : Interval{product.high, product.low};
    high = add_end(high, mul_end(scaled.high, term.coefficient));
    if (!high) return std::nullopt;
  }
  return high;
}

std::optional<int64_t> SymInt::lower_bound(const Ranges& ranges) const {
  const auto negated = (*this * SymInt(-1)).upper_bound(ranges);
  if (!negated || *negated == std::numeric_limits<int64_t>::min()) return std::nullopt;
  return -*negated;
}

void SymInt::collect_symbols(std::vector<std::string>& names) const {
  if (!terms_) return;
  for (const Term& term : *terms_) {
    for (const auto& atom : term.factors) {
      if (atom->kind == kSymbol) {
        if (std::find(names.begin(), names.end(), atom->name) == names.end())
          names.push_back(atom->name);
      } else {
        atom->a->collect_symbols(names);
        atom->b->collect_symbols(names);
      }
    }
  }
}

std::string SymInt::to_string() const {
  if (!terms_) return std::to_string(constant_);
  std::string text;
  for (const Term& term : *terms_) {
    std::string piece;
    for (const auto& atom : term.factors) {
      if (!piece.empty()) piece += '*';
      piece += atom->kind == kSymbol ? atom->name
                                     : fmt::format("{}({},{})", kCallNames[atom->kind],
                                                   atom->a->to_string(), atom->b->to_string());
    }
    if (term.coefficient == -1) {
      text += "-" + piece;
    } else {
      if (!text.empty() && term.coefficient > 0) text += '+';
      text += term.coefficient == 1 ? piece : fmt::format("{}*{}", term.coefficient, piece);
    }
  }
  if (constant_ > 0) text += '+';
  if (constant_ != 0) text += std::to_string(constant_);
  return text;
}

SymSizes to_sym(const std::vector<int64_t>& sizes) { return {sizes.begin(), sizes.end()}; }

std::optional<std::vector<int64_t>> to_static(const SymSizes& sizes) {
  std::vector<int64_t> out;
  out.reserve(sizes.size());
  for (const SymInt& size : sizes) {
    if (!size.is_constant()) return std::nullopt;
    out.push_back(*size.constant());
  }
  return out;
}

SymInt product(const SymSizes& sizes) {
  SymInt result(1);
  for (const SymInt& size : sizes) result = result * size;
  return result;
}

std::string to_string(const SymSizes& sizes) {
  std::string text;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i > 0) text += ',';
    text += sizes[i].to_string();
  }
  return text;
}

}  // namespace pte::ir
