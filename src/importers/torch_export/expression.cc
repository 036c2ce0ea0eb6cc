#include "importers/torch_export/expression.h"

#include <charconv>
#include <cmath>

#include <cctype>
#include <optional>
#include <vector>

#include "base/checked.h"

namespace pte::importers {
namespace {

using ir::SymInt;

constexpr size_t kMaxLength = 4096;
constexpr int kMaxDepth = 64;
constexpr int kMaxProducts = 32;

// A value with a divisor that is still to be applied: Mul(Rational(1, 2), x), IntTrueDiv(a, b).
struct Quotient {
  SymInt over;
  SymInt under = 1;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<SymInt> parse() {
    PTE_TRY(const Quotient value, sum(0));
    if (peek() != '\0') return fail("unexpected character");
    return whole(value);
  }

 private:
  Error fail(std::string_view what) const {
    return invalid_data("size expression '{}': {} at column {}", text_.substr(0, 200), what,
                        pos_ + 1);
  }
  Error fail_function(std::string_view name) const {
    return unsupported("size expression '{}': the function {}", text_.substr(0, 200),
                       name.substr(0, 40));
  }
  char peek() {
    while (pos_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[pos_])) != 0)
      ++pos_;
    return pos_ < text_.size() ? text_[pos_] : '\0';
  }
  bool eat(std::string_view token) {
    peek();
    if (text_.substr(pos_, token.size()) != token) return false;
    pos_ += token.size();
    return true;
  }

  // A quotient that is known to be a whole number.
  static SymInt whole(const Quotient& value) { return SymInt::floordiv(value.over, value.under); }

  Status count_product() {
    if (++products_ <= kMaxProducts) return {};
    return make_error(Code::kResourceLimit, "size expression '{}…': more than {} products",
                      text_.substr(0, 60), kMaxProducts);
  }

  Result<Quotient> product_of(const Quotient& a, const Quotient& b) {
    PTE_CHECK(count_product());
    return Quotient{a.over * b.over, a.under * b.under};
  }

  Result<Quotient> sum_of(const Quotient& a, const Quotient& b) {
    if (a.under == b.under) return Quotient{a.over + b.over, a.under};
    PTE_CHECK(count_product());
    return Quotient{a.over * b.under + b.over * a.under, a.under * b.under};
  }

  // sum := product (('+' | '-') product)*
  Result<Quotient> sum(int depth) {
    if (depth > kMaxDepth) return fail("nested too deeply");
    PTE_TRY(Quotient value, product(depth));
    while (true) {
      if (eat("+")) {
        PTE_TRY(const Quotient next, product(depth));
        PTE_TRY(value, sum_of(value, next));
      } else if (eat("-")) {
        PTE_TRY(Quotient next, product(depth));
        next.over = SymInt(0) - next.over;
        PTE_TRY(value, sum_of(value, next));
      } else {
        return value;
      }
    }
  }

  // product := unary (('*' | '//' | '/' | '%') unary)*
  Result<Quotient> product(int depth) {
    PTE_TRY(Quotient value, unary(depth));
    while (true) {
      if (eat("//")) {
        PTE_TRY(const Quotient next, unary(depth));
        value = {SymInt::floordiv(value.over * next.under, value.under * next.over), 1};
        PTE_CHECK(count_product());
      } else if (eat("/")) {
        PTE_TRY(const Quotient next, unary(depth));
        PTE_TRY(value, product_of(value, {next.under, next.over}));
      } else if (eat("%")) {
        PTE_TRY(const Quotient next, unary(depth));
        value = {SymInt::mod(whole(value), whole(next)), 1};
      } else if (eat("*")) {
        PTE_TRY(const Quotient next, unary(depth));
        PTE_TRY(value, product_of(value, next));
      } else {
        return value;
      }
    }
  }

  // unary := '-' unary | atom ['**' number]
  Result<Quotient> unary(int depth) {
    if (depth > kMaxDepth) return fail("nested too deeply");
    if (eat("-")) {
      PTE_TRY(Quotient value, unary(depth + 1));
      value.over = SymInt(0) - value.over;
      return value;
    }
    PTE_TRY(const Quotient base, atom(depth));
    if (!eat("**")) return base;
    PTE_TRY(const Quotient exponent, atom(depth));
    return power(base, exponent);
  }

  Result<Quotient> power(const Quotient& base, const Quotient& exponent) {
    const auto count = whole(exponent).constant();
    if (!count || *count < -8 || *count > 8) return fail("exponent out of range");
    Quotient value{1, 1};
    for (int64_t i = 0; i < std::abs(*count); ++i) {
      PTE_TRY(value, product_of(value, base));
    }
    if (*count < 0) std::swap(value.over, value.under);
    return value;
  }

  Result<Quotient> atom(int depth) {
    const char c = peek();
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) return number();
    if (eat("(")) {
      PTE_TRY(const Quotient value, sum(depth + 1));
      if (!eat(")")) return fail("expected ')'");
      return value;
    }
    const std::string_view name = word();
    if (name.empty()) return fail("expected a number, a name or '('");
    if (!eat("(")) return Quotient{SymInt::symbol(std::string(name)), 1};
    if (name == "Symbol") return symbol();
    if ((name == "Float" || name.ends_with(".Float")) && (peek() == '\'' || peek() == '"'))
      return decimal();
    std::vector<Quotient> args;
    while (!eat(")")) {
      PTE_TRY(Quotient arg, sum(depth + 1));
      args.push_back(std::move(arg));
      if (eat(",")) continue;
      if (peek() != ')') return fail("expected ',' or ')'");
    }
    return call(name, args);
  }

  Result<Quotient> number() {
    int64_t value = 0;
    while (pos_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[pos_])) != 0) {
      const auto shifted = checked_mul<int64_t>(value, 10);
      const auto next = shifted ? checked_add<int64_t>(*shifted, text_[pos_] - '0') : std::nullopt;
      if (!next) return fail("number too large");
      value = *next;
      ++pos_;
    }
    if (pos_ < text_.size() && text_[pos_] == '.') return fail("not an integer");
    return Quotient{value, 1};
  }

  std::string_view word() {
    const size_t begin = pos_;
    while (pos_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[pos_])) != 0 ||
                                   text_[pos_] == '_' || text_[pos_] == '.')) {
      ++pos_;
    }
    return text_.substr(begin, pos_ - begin);
  }

  // After "Symbol(": the name in quotes, then assumptions such as positive=True.
  Result<Quotient> symbol() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return fail("expected a quoted name");
    ++pos_;
    const std::string_view name = word();
    if (name.empty()) return fail("expected a name");
    if (pos_ >= text_.size() || text_[pos_] != quote) return fail("expected a closing quote");
    ++pos_;
    while (eat(",")) {
      peek();
      if (word().empty() || !eat("=") || (peek(), word().empty()))
        return fail("expected an assumption");
    }
    if (!eat(")")) return fail("expected ')'");
    return Quotient{SymInt::symbol(std::string(name)), 1};
  }

  // After "Float(": a decimal in quotes, then "precision=53". One that is a fraction of a small
  // power of two is exact; products with others round as floats do, which no size can say.
  Result<Quotient> decimal() {
    const char quote = text_[pos_++];
    const size_t begin = pos_;
    while (pos_ < text_.size() && text_[pos_] != quote) ++pos_;
    const std::string digits(text_.substr(begin, pos_ - begin));
    if (pos_ >= text_.size()) return fail("expected a closing quote");
    ++pos_;
    while (eat(",")) {
      peek();
      if (word().empty() || !eat("=") || (peek(), word().empty()))
        return fail("expected an option");
    }
    if (!eat(")")) return fail("expected ')'");
    constexpr size_t kLongest = 40;
    constexpr int64_t kUnder = 1 << 20;
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.size() > kLongest || error != std::errc() || end != digits.data() + digits.size())
      return fail("expected a decimal");
    const double scaled = value * static_cast<double>(kUnder);
    if (scaled != std::floor(scaled) || std::abs(scaled) > 1e15)
      return Quotient{SymInt::symbol("too_complex"), 1};
    int64_t over = static_cast<int64_t>(scaled), under = kUnder;
    while (under > 1 && over % 2 == 0) {
      over /= 2;
      under /= 2;
    }
    return Quotient{over, under};
  }

  Result<Quotient> call(std::string_view name, const std::vector<Quotient>& args) {
    const auto dot = name.rfind('.');
    if (dot != std::string_view::npos) name = name.substr(dot + 1);
    if (args.empty()) return fail("a function needs arguments");
    const Quotient& first = args[0];
    if (args.size() == 1) {
      if (name == "Integer" || name == "ToFloat" || name == "Identity" || name == "Float")
        return first;
      if (name == "TruncToInt" || name == "FloorToInt" || name == "floor" || name == "trunc") {
        return Quotient{whole(first), 1};  // sizes are not negative, so trunc is floor
      }
      if (name == "CeilToInt" || name == "ceiling" || name == "ceil") {
        return Quotient{SymInt(0) - SymInt::floordiv(SymInt(0) - first.over, first.under), 1};
      }
    }
    if (name == "Add" || name == "Mul" || name == "Max" || name == "Min") {
      Quotient value = first;
      for (size_t i = 1; i < args.size(); ++i) {
        if (name == "Add") {
          PTE_TRY(value, sum_of(value, args[i]));
        } else if (name == "Mul") {
          PTE_TRY(value, product_of(value, args[i]));
        } else {
          const SymInt a = whole(value), b = whole(args[i]);
          value = {name == "Max" ? SymInt::max(a, b) : SymInt::min(a, b), 1};
        }
      }
      return value;
    }
    if (args.size() == 2) {
      const Quotient& second = args[1];
      if (name == "Rational" || name == "IntTrueDiv" || name == "FloatTrueDiv") {
        return product_of(first, {second.under, second.over});
      }
      if (name == "FloorDiv" || name == "CleanDiv") {
        return Quotient{SymInt::floordiv(whole(first), whole(second)), 1};
      }
      if (name == "CeilDiv") {
        return Quotient{SymInt(0) - SymInt::floordiv(SymInt(0) - whole(first), whole(second)), 1};
      }
      if (name == "Mod" || name == "PythonMod")
        return Quotient{SymInt::mod(whole(first), whole(second)), 1};
      if (name == "Pow" || name == "PowByNatural") return power(first, second);
    }
    if (args.size() == 3 && name == "ModularIndexing") {
      return Quotient{SymInt::mod(SymInt::floordiv(whole(first), whole(args[1])), whole(args[2])),
                      1};
    }
    return fail_function(name);
  }

  std::string_view text_;
  size_t pos_ = 0;
  int products_ = 0;
};

}  // namespace

Result<ir::SymInt> parse_expression(std::string_view text) {
  if (text.size() > kMaxLength) {
    return make_error(Code::kResourceLimit, "size expression of {} characters, at most {} are read",
                      text.size(), kMaxLength);
  }
  return Parser(text).parse();
}

}  // namespace pte::importers
