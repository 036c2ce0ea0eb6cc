// Reads the text form of symbolic sizes: "2*s0+1", "floordiv(s0-1,2)+1".
#include <cctype>

#include "base/checked.h"
#include "ir/symint.h"

namespace pte::ir {

namespace {

// sum := [-] product (('+'|'-') product)*; product := atom ('*' atom)*; atom := number | name |
// name '(' sum ',' sum ')' | '(' sum ')'
class ExprParser {
 public:
  explicit ExprParser(std::string_view text) : text_(text) {}

  Result<SymInt> parse() {
    PTE_TRY(SymInt value, sum(0));
    if (peek() != '\0') return fail("unexpected character");
    return value;
  }

 private:
  static constexpr int kMaxDepth = 32;

  Error fail(std::string_view what) const {
    return invalid_data("size expression '{}': {} at column {}", text_, what, pos_ + 1);
  }
  char peek() {
    while (pos_ < text_.size() && text_[pos_] == ' ') ++pos_;
    return pos_ < text_.size() ? text_[pos_] : '\0';
  }
  bool eat(char c) {
    if (peek() != c) return false;
    ++pos_;
    return true;
  }

  Result<SymInt> sum(int depth) {
    if (depth > kMaxDepth) return fail("nested too deeply");
    const bool negative = eat('-');
    PTE_TRY(SymInt value, term(depth));
    if (negative) value = SymInt(0) - value;
    while (true) {
      if (eat('+')) {
        PTE_TRY(const SymInt next, term(depth));
        value = value + next;
      } else if (eat('-')) {
        PTE_TRY(const SymInt next, term(depth));
        value = value - next;
      } else {
        return value;
      }
    }
  }

  Result<SymInt> term(int depth) {
    PTE_TRY(SymInt value, atom(depth));
    while (eat('*')) {
      if (++products_ > 64) return fail("too many factors");
      PTE_TRY(const SymInt next, atom(depth));
      value = value * next;
    }
    return value;
  }

  Result<SymInt> atom(int depth) {
    const char c = peek();
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      int64_t number = 0;
      while (pos_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[pos_])) != 0) {
        const auto shifted = checked_mul<int64_t>(number, 10);
        const auto next =
            shifted ? checked_add<int64_t>(*shifted, text_[pos_] - '0') : std::nullopt;
        if (!next) return fail("number too large");
        number = *next;
        ++pos_;
      }
      return SymInt(number);
    }
    if (eat('(')) {
      PTE_TRY(SymInt value, sum(depth + 1));
      if (!eat(')')) return fail("expected ')'");
      return value;
    }
    const size_t begin = pos_;
    while (pos_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[pos_])) != 0 || text_[pos_] == '_')) {
      ++pos_;
    }
    const std::string_view name = text_.substr(begin, pos_ - begin);
    if (name.empty()) return fail("expected a number, a symbol or '('");
    if (!eat('(')) return SymInt::symbol(std::string(name));
    if (++calls_ > 64) return fail("too many calls");
    PTE_TRY(const SymInt a, sum(depth + 1));
    if (!eat(',')) return fail("expected ','");
    PTE_TRY(const SymInt b, sum(depth + 1));
    if (!eat(')')) return fail("expected ')'");
    if (name == "floordiv") return SymInt::floordiv(a, b);
    if (name == "mod") return SymInt::mod(a, b);
    if (name == "max") return SymInt::max(a, b);
    if (name == "min") return SymInt::min(a, b);
    return fail("unknown function");
  }

  std::string_view text_;
  size_t pos_ = 0;
  int products_ = 0;
  int calls_ = 0;
};

}  // namespace

Result<SymInt> SymInt::parse(std::string_view text) {
  constexpr size_t kMaxLength = 1000;  // products of sums grow with the square of their length
  if (text.size() > kMaxLength)
    return invalid_data("size expression of {} characters", text.size());
  return ExprParser(text).parse();
}

}  // namespace pte::ir
