#include "importers/torchscript/lexer.h"

#include <cctype>
#include <charconv>
#include <cstdlib>

namespace pte::importers::script {
namespace {

bool starts_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    while (at_ < text_.size()) {
      if (line_start_ && brackets_ == 0) {
        PTE_CHECK(read_indentation());
        if (at_ >= text_.size()) break;
        if (line_start_) continue;  // the line was empty
      }
      PTE_CHECK(read_token());
    }
    if (brackets_ != 0) return fail("a bracket is never closed");
    if (!tokens_.empty() && tokens_.back().kind != Token::Kind::kNewline)
      push(Token::Kind::kNewline, "");
    while (indents_.size() > 1) {
      indents_.pop_back();
      push(Token::Kind::kDedent, "");
    }
    push(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  Error fail(std::string_view what) const { return invalid_data("line {}: {}", line_, what); }
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void push(Token::Kind kind, std::string text) {
    Token token;
    token.kind = kind;
    token.text = std::move(text);
    token.line = line_;
    tokens_.push_back(std::move(token));
  }

  Status read_indentation() {
    size_t width = 0;
    while (peek() == ' ') {
      ++width;
      ++at_;
    }
    if (peek() == '\r') ++at_;
    if (peek() == '\n' || peek() == '#' || at_ >= text_.size()) {
      while (at_ < text_.size() && peek() != '\n') ++at_;
      if (at_ < text_.size()) ++at_;
      ++line_;
      return {};
    }
    if (width > indents_.back()) {
      if (indents_.size() > 256) return fail("blocks are nested too deeply");
      indents_.push_back(width);
      push(Token::Kind::kIndent, "");
    }
    while (width < indents_.back()) {
      indents_.pop_back();
      push(Token::Kind::kDedent, "");
    }
    if (width != indents_.back()) return fail("the indentation fits no block");
    line_start_ = false;
    return {};
  }

  Status read_token() {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
    } else if (c == '\\' && peek(1) == '\n') {
      at_ += 2;
      ++line_;
    } else if (c == '\n') {
      ++at_;
      if (brackets_ == 0) {
        push(Token::Kind::kNewline, "");
        line_start_ = true;
      }
      ++line_;
    } else if (c == '#') {
      while (at_ < text_.size() && peek() != '\n') ++at_;
    } else if (starts_name(c)) {
      const size_t begin = at_;
      while (starts_name(peek()) || is_digit(peek())) ++at_;
      push(Token::Kind::kName, std::string(text_.substr(begin, at_ - begin)));
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      return read_number();
    } else if (c == '"' || c == '\'') {
      return read_string(c);
    } else {
      return read_operator(c);
    }
    return {};
  }

  Status read_operator(char c) {
    if (c == '-' && peek(1) == '>') {
      at_ += 2;
      push(Token::Kind::kOperator, "->");
      return {};
    }
    constexpr std::string_view kSingles = "()[]{},:.=-*";
    if (kSingles.find(c) == std::string_view::npos || c == '\0')
      return fail(fmt::format("unexpected byte 0x{:02x}", static_cast<unsigned char>(c)));
    if (c == '(' || c == '[' || c == '{') ++brackets_;
    if (c == ')' || c == ']' || c == '}') {
      if (brackets_ == 0) return fail("a bracket is closed that was not opened");
      --brackets_;
    }
    ++at_;
    push(Token::Kind::kOperator, std::string(1, c));
    return {};
  }

  Status read_number() {
    const size_t begin = at_;
    bool real = false;
    while (is_digit(peek())) ++at_;
    if (peek() == '.') {
      real = true;
      ++at_;
      while (is_digit(peek())) ++at_;
    }
    if ((peek() == 'e' || peek() == 'E') &&
        (is_digit(peek(1)) || ((peek(1) == '-' || peek(1) == '+') && is_digit(peek(2))))) {
      real = true;
      at_ += 2;
      while (is_digit(peek())) ++at_;
    }
    const std::string digits(text_.substr(begin, at_ - begin));
    Token token;
    token.line = line_;
    token.kind = real ? Token::Kind::kFloat : Token::Kind::kInt;
    token.real = std::strtod(digits.c_str(), nullptr);
    if (!real) {
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), token.integer);
      if (error != std::errc()) return fail("an integer needs more than 64 bits");
    }
    if (peek() == 'j') {
      ++at_;
      token.kind = Token::Kind::kImaginary;
    }
    if (starts_name(peek())) return fail("a letter after a number");
    tokens_.push_back(std::move(token));
    return {};
  }

  Status read_escape(std::string& out) {
    const char c = peek();
    ++at_;
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    if (const size_t found = kLetters.find(c); c != '\0' && found != std::string_view::npos) {
      out += kMeanings[found];
      return {};
    }
    unsigned value = 0;
    if (c >= '0' && c <= '7') {
      value = static_cast<unsigned>(c - '0');
      for (int i = 0; i < 2 && peek() >= '0' && peek() <= '7'; ++i, ++at_)
        value = value * 8 + static_cast<unsigned>(peek() - '0');
      out += static_cast<char>(value & 0xff);
      return {};
    }
    if (c == 'x') {
      const auto digits = text_.substr(at_, 2);
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
      if (error != std::errc() || end != digits.data() + 2) return fail("a malformed \\x escape");
      at_ += 2;
      out += static_cast<char>(value);
      return {};
    }
    return fail("an unknown escape in a string");
  }

  Status read_string(char quote) {
    ++at_;
    std::string out;
    while (peek() != quote) {
      if (at_ >= text_.size() || peek() == '\n') return fail("a string is never closed");
      const char c = peek();
      ++at_;
      if (c == '\\') {
        PTE_CHECK(read_escape(out));
      } else {
        out += c;
      }
    }
    ++at_;
    push(Token::Kind::kString, std::move(out));
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  int brackets_ = 0;
  bool line_start_ = true;
  std::vector<size_t> indents_{0};
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace pte::importers::script
