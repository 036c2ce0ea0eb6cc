#include "importers/torchscript/parser.h"

#include <limits>

#include "importers/torchscript/lexer.h"

namespace pte::importers::script {
namespace {

constexpr int kMaxDepth = 120;

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string file, std::string module)
      : tokens_(std::move(tokens)), file_(std::move(file)), module_(std::move(module)) {}

  Result<SourceFile> source() {
    SourceFile out;
    while (!is(Token::Kind::kEnd)) {
      if (accept(Token::Kind::kNewline)) continue;
      if (is_name("class")) {
        PTE_TRY(ClassDef made, class_def());
        out.classes.push_back(std::move(made));
      } else if (is_name("def")) {
        PTE_TRY(Function made, function());
        out.functions.push_back(std::move(made));
      } else {
        // "op_version_set = 1" and the like in old files.
        PTE_TRY(Stmt ignored, statement());
        static_cast<void>(ignored);
      }
    }
    return out;
  }

  Result<Expr> lone_type() {
    PTE_TRY(Expr type, expression());
    accept(Token::Kind::kNewline);
    if (!is(Token::Kind::kEnd)) return fail("the end of the type");
    return type;
  }

 private:
  const Token& token() const { return tokens_[at_]; }
  bool is(Token::Kind kind) const { return token().kind == kind; }
  bool is_name(std::string_view text) const {
    return is(Token::Kind::kName) && token().text == text;
  }
  bool is_op(std::string_view text) const {
    return is(Token::Kind::kOperator) && token().text == text;
  }
  bool accept(Token::Kind kind) {
    if (!is(kind)) return false;
    ++at_;
    return true;
  }
  bool accept_name(std::string_view text) {
    if (!is_name(text)) return false;
    ++at_;
    return true;
  }
  bool accept_op(std::string_view text) {
    if (!is_op(text)) return false;
    ++at_;
    return true;
  }
  std::string shown_token() const {
    switch (token().kind) {
      case Token::Kind::kEnd:
        return "the end of the file";
      case Token::Kind::kNewline:
        return "the end of the line";
      case Token::Kind::kIndent:
      case Token::Kind::kDedent:
        return "a change of indentation";
      case Token::Kind::kString:
        return "a string";
      case Token::Kind::kInt:
      case Token::Kind::kFloat:
      case Token::Kind::kImaginary:
        return "a number";
      default:
        return "'" + token().text.substr(0, 60) + "'";
    }
  }
  Error fail(std::string_view expected) const {
    return invalid_data("{}:{}: expected {}, found {}", file_, token().line, expected,
                        shown_token());
  }
  Status expect_op(std::string_view text) {
    if (accept_op(text)) return {};
    return fail(fmt::format("'{}'", text));
  }
  Status expect_newline() {
    if (accept(Token::Kind::kNewline)) return {};
    return fail("the end of the line");
  }
  Result<std::string> name() {
    if (!is(Token::Kind::kName)) return fail("a name");
    return tokens_[at_++].text;
  }

  struct Nesting {
    explicit Nesting(int& depth) : depth_(depth) { ++depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --depth_; }
    int& depth_;
  };
  Status check_depth() const {
    if (depth_ <= kMaxDepth) return {};
    return make_error(Code::kResourceLimit, "{}:{}: nested more than {} deep", file_, token().line,
                      kMaxDepth);
  }

  Expr leaf(Expr::Kind kind) const {
    Expr out;
    out.kind = kind;
    out.line = token().line;
    return out;
  }

  // ---- expressions

  Result<Expr> expression() {
    const Nesting nesting(depth_);
    PTE_CHECK(check_depth());
    if (is_op("-")) return negated();
    PTE_TRY(Expr out, primary());
    // A chain of 10,000 suffixes would be as deep a tree.
    int suffixes = 0;
    while (true) {
      if (++suffixes > kMaxDepth) return fail("a shorter chain of calls and attributes");
      Expr outer = leaf(Expr::Kind::kAttribute);
      if (accept_op(".")) {
        PTE_TRY(outer.text, name());
        outer.items.push_back(std::move(out));
      } else if (accept_op("(")) {
        outer.kind = Expr::Kind::kCall;
        outer.items.push_back(std::move(out));
        PTE_CHECK(arguments(outer));
      } else if (accept_op("[")) {
        outer.kind = Expr::Kind::kIndex;
        outer.items.push_back(std::move(out));
        PTE_TRY(Expr index, subscript());
        outer.items.push_back(std::move(index));
      } else {
        return out;
      }
      out = std::move(outer);
    }
  }

  Result<Expr> negated() {
    Expr out = leaf(Expr::Kind::kNegate);
    ++at_;
    if (is(Token::Kind::kInt)) {
      const uint64_t magnitude = token().integer;
      if (magnitude > uint64_t{1} << 63) return fail("an integer of 64 bits");
      out.kind = Expr::Kind::kInt;
      out.integer = static_cast<int64_t>(~magnitude + 1);
      ++at_;
      return out;
    }
    PTE_TRY(Expr operand, expression());
    if (operand.kind == Expr::Kind::kFloat || operand.kind == Expr::Kind::kImaginary) {
      operand.real = -operand.real;
      return operand;
    }
    out.items.push_back(std::move(operand));
    return out;
  }

  Status arguments(Expr& call) {
    while (!accept_op(")")) {
      std::string keyword;
      if (is(Token::Kind::kName) && at_ + 1 < tokens_.size() &&
          tokens_[at_ + 1].kind == Token::Kind::kOperator && tokens_[at_ + 1].text == "=") {
        keyword = token().text;
        at_ += 2;
      }
      PTE_TRY(Expr value, expression());
      call.items.push_back(std::move(value));
      call.keywords.push_back(std::move(keyword));
      if (!accept_op(",") && !is_op(")")) return fail("',' or ')'");
    }
    return {};
  }

  // What stands in brackets after a value or a type, the closing one included.
  Result<Expr> subscript() {
    const auto part = [this]() -> Result<Expr> {
      if (is_op(":") || is_op("]")) return leaf(Expr::Kind::kNone);
      return expression();
    };
    Expr tuple = leaf(Expr::Kind::kTuple);
    bool several = false;
    while (!is_op("]")) {
      PTE_TRY(Expr item, part());
      if (is_op(":")) {
        Expr slice = leaf(Expr::Kind::kSlice);
        slice.items.push_back(std::move(item));
        while (accept_op(":")) {
          PTE_TRY(Expr next, part());
          slice.items.push_back(std::move(next));
        }
        if (slice.items.size() > 3) return fail("a slice of at most three parts");
        slice.items.resize(3);
        item = std::move(slice);
      }
      tuple.items.push_back(std::move(item));
      if (!accept_op(",")) break;
      several = true;
    }
    PTE_CHECK(expect_op("]"));
    if (tuple.items.size() == 1 && !several) {
      Expr only = std::move(tuple.items[0]);
      return only;
    }
    return tuple;
  }

  Result<Expr> primary() {
    Expr out = leaf(Expr::Kind::kName);
    const Token& now = token();
    switch (now.kind) {
      case Token::Kind::kName:
        if (now.text == "None") {
          out.kind = Expr::Kind::kNone;
        } else if (now.text == "True" || now.text == "False") {
          out.kind = Expr::Kind::kBool;
          out.integer = now.text == "True" ? 1 : 0;
        } else {
          out.text = now.text;
        }
        break;
      case Token::Kind::kInt:
        if (now.integer > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
          return fail("an integer of 64 bits");
        out.kind = Expr::Kind::kInt;
        out.integer = static_cast<int64_t>(now.integer);
        break;
      case Token::Kind::kFloat:
      case Token::Kind::kImaginary:
        out.kind = now.kind == Token::Kind::kFloat ? Expr::Kind::kFloat : Expr::Kind::kImaginary;
        out.real = now.real;
        break;
      case Token::Kind::kString:
        out.kind = Expr::Kind::kString;
        out.text = now.text;
        break;
      case Token::Kind::kOperator:
        if (now.text == "(") return parenthesised();
        if (now.text == "[") return list();
        if (now.text == "{") return dict();
        return fail("an expression");
      default:
        return fail("an expression");
    }
    ++at_;
    return out;
  }

  Result<Expr> parenthesised() {
    Expr out = leaf(Expr::Kind::kTuple);
    ++at_;
    bool comma = false;
    while (!accept_op(")")) {
      PTE_TRY(Expr item, expression());
      out.items.push_back(std::move(item));
      if (accept_op(",")) {
        comma = true;
      } else if (!is_op(")")) {
        return fail("',' or ')'");
      }
    }
    if (out.items.size() == 1 && !comma) {
      Expr only = std::move(out.items[0]);
      return only;
    }
    return out;
  }

  Result<Expr> list() {
    Expr out = leaf(Expr::Kind::kList);
    ++at_;
    while (!accept_op("]")) {
      PTE_TRY(Expr item, expression());
      out.items.push_back(std::move(item));
      if (!accept_op(",") && !is_op("]")) return fail("',' or ']'");
    }
    return out;
  }

  Result<Expr> dict() {
    Expr out = leaf(Expr::Kind::kDict);
    ++at_;
    while (!accept_op("}")) {
      PTE_TRY(Expr key, expression());
      PTE_CHECK(expect_op(":"));
      PTE_TRY(Expr value, expression());
      out.items.push_back(std::move(key));
      out.items.push_back(std::move(value));
      if (!accept_op(",") && !is_op("}")) return fail("',' or '}'");
    }
    return out;
  }

  // ---- statements

  Result<std::vector<Stmt>> block() {
    const Nesting nesting(depth_);
    PTE_CHECK(check_depth());
    PTE_CHECK(expect_op(":"));
    std::vector<Stmt> out;
    if (!accept(Token::Kind::kNewline)) {
      PTE_TRY(Stmt only, statement());
      out.push_back(std::move(only));
      return out;
    }
    if (!accept(Token::Kind::kIndent)) return fail("an indented block");
    while (!accept(Token::Kind::kDedent)) {
      if (accept(Token::Kind::kNewline)) continue;
      if (is(Token::Kind::kEnd)) return fail("the end of a block");
      PTE_TRY(Stmt next, statement());
      out.push_back(std::move(next));
    }
    return out;
  }

  Result<Stmt> statement() {
    Stmt out;
    out.line = token().line;
    if (accept_name("pass")) {
      PTE_CHECK(expect_newline());
    } else if (accept_name("if")) {
      out.kind = Stmt::Kind::kIf;
      PTE_CHECK(head_and_body(out));
      if (accept_name("else")) {
        PTE_TRY(out.otherwise, block());
      } else if (is_name("elif")) {
        const Nesting nesting(depth_);
        PTE_CHECK(check_depth());
        tokens_[at_].text = "if";
        PTE_TRY(Stmt nested, statement());
        out.otherwise.push_back(std::move(nested));
      }
    } else if (accept_name("while")) {
      out.kind = Stmt::Kind::kWhile;
      PTE_CHECK(head_and_body(out));
    } else if (accept_name("with")) {
      out.kind = Stmt::Kind::kWith;
      PTE_CHECK(head_and_body(out));
    } else if (accept_name("for")) {
      out.kind = Stmt::Kind::kFor;
      Expr target = leaf(Expr::Kind::kName);
      PTE_TRY(target.text, name());
      out.targets.push_back(std::move(target));
      if (!accept_name("in")) return fail("'in'");
      PTE_CHECK(head_and_body(out));
    } else if (accept_name("return")) {
      out.kind = Stmt::Kind::kReturn;
      if (!is(Token::Kind::kNewline)) {
        PTE_TRY(Expr value, expression());
        out.values.push_back(std::move(value));
      }
      PTE_CHECK(expect_newline());
    } else {
      PTE_CHECK(assignment(out));
    }
    return out;
  }

  Status head_and_body(Stmt& out) {
    PTE_TRY(Expr head, expression());
    out.values.push_back(std::move(head));
    PTE_TRY(out.body, block());
    return {};
  }

  Status assignment(Stmt& out) {
    PTE_TRY(Expr first, expression());
    if (accept_op(":")) {
      // An annotated assignment; the type says nothing that the value does not.
      PTE_TRY(Expr type, expression());
      static_cast<void>(type);
      out.kind = Stmt::Kind::kAssign;
      out.targets.push_back(std::move(first));
      if (accept_op("=")) {
        PTE_TRY(Expr value, expression());
        out.values.push_back(std::move(value));
      } else {
        out.kind = Stmt::Kind::kPass;
      }
      return expect_newline();
    }
    if (accept(Token::Kind::kNewline)) {
      out.kind = Stmt::Kind::kExpr;
      out.values.push_back(std::move(first));
      return {};
    }
    out.kind = Stmt::Kind::kAssign;
    out.targets.push_back(std::move(first));
    while (accept_op(",")) {
      if (is_op("=")) {
        out.unpack = true;
        break;
      }
      PTE_TRY(Expr next, expression());
      out.targets.push_back(std::move(next));
    }
    PTE_CHECK(expect_op("="));
    do {
      PTE_TRY(Expr value, expression());
      out.values.push_back(std::move(value));
    } while (accept_op(",") && !is(Token::Kind::kNewline));
    if (out.values.size() == 1 && out.targets.size() > 1) out.unpack = true;
    if (!out.unpack && out.values.size() != out.targets.size())
      return fail("as many values as targets");
    if (out.unpack && out.values.size() != 1) return fail("one value to unpack");
    return expect_newline();
  }

  // ---- definitions

  Result<Function> function() {
    Function out;
    out.file = file_;
    out.line = token().line;
    ++at_;
    PTE_TRY(out.name, name());
    PTE_CHECK(expect_op("("));
    while (!accept_op(")")) {
      if (accept_op("*")) {
        if (!accept_op(",")) return fail("','");
        continue;
      }
      Parameter parameter;
      PTE_TRY(parameter.name, name());
      if (accept_op(":")) {
        PTE_TRY(parameter.type, expression());
      }
      if (accept_op("=")) {
        parameter.has_default = true;
        PTE_TRY(parameter.default_value, expression());
      }
      out.parameters.push_back(std::move(parameter));
      if (!accept_op(",") && !is_op(")")) return fail("',' or ')'");
    }
    if (accept_op("->")) {
      PTE_TRY(out.return_type, expression());
    }
    PTE_TRY(out.body, block());
    return out;
  }

  Result<ClassDef> class_def() {
    ClassDef out;
    ++at_;
    PTE_TRY(out.name, name());
    out.qualified = module_ + "." + out.name;
    if (accept_op("(")) {
      if (!is_op(")")) {
        PTE_TRY(const Expr base, expression());
        out.base = dotted_name(base);
      }
      PTE_CHECK(expect_op(")"));
    }
    PTE_CHECK(expect_op(":"));
    PTE_CHECK(expect_newline());
    if (!accept(Token::Kind::kIndent)) return out;  // a class without anything in it
    while (!accept(Token::Kind::kDedent)) {
      if (accept(Token::Kind::kNewline)) continue;
      if (is(Token::Kind::kEnd)) return fail("the end of a class");
      if (is_name("def")) {
        PTE_TRY(Function method, function());
        out.methods.push_back(std::move(method));
      } else if (accept_name("pass")) {
        PTE_CHECK(expect_newline());
      } else {
        PTE_CHECK(attribute(out));
      }
    }
    return out;
  }

  Status attribute(ClassDef& out) {
    PTE_TRY(Expr target, expression());
    ClassDef::Attribute made;
    if (target.kind == Expr::Kind::kIndex && target.items[1].kind == Expr::Kind::kString) {
      // __annotations__["0"] = type
      made.name = target.items[1].text;
      PTE_CHECK(expect_op("="));
      PTE_TRY(made.type, expression());
    } else {
      if (target.kind != Expr::Kind::kName) return fail("an attribute");
      made.name = target.text;
      if (accept_op(":")) {
        PTE_TRY(made.type, expression());
      }
      if (accept_op("=")) {
        made.has_value = true;
        PTE_TRY(made.value, expression());
      }
    }
    PTE_CHECK(expect_newline());
    if (made.name == "__parameters__" || made.name == "__buffers__") {
      auto& names = made.name == "__buffers__" ? out.buffers : out.parameters;
      for (const Expr& item : made.value.items) names.push_back(item.text);
      return {};
    }
    out.attributes.push_back(std::move(made));
    return {};
  }

  std::vector<Token> tokens_;
  std::string file_;
  std::string module_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<SourceFile> parse_source(std::string_view text, const std::string& file,
                                const std::string& module) {
  PTE_TRY(std::vector<Token> tokens, tokenize(text).at(file));
  return Parser(std::move(tokens), file, module).source();
}

Result<Expr> parse_type(std::string_view text) {
  PTE_TRY(std::vector<Token> tokens, tokenize(text));
  return Parser(std::move(tokens), "a type", "").lone_type();
}

std::string dotted_name(const Expr& expr) {
  if (expr.kind == Expr::Kind::kName) return expr.text;
  if (expr.kind != Expr::Kind::kAttribute) return {};
  const std::string base = dotted_name(expr.items[0]);
  return base.empty() ? base : base + "." + expr.text;
}

std::string to_string(const Expr& expr) {
  const auto join = [&](size_t from) {
    std::string out;
    for (size_t i = from; i < expr.items.size(); ++i)
      out += (i > from ? ", " : "") + to_string(expr.items[i]);
    return out;
  };
  switch (expr.kind) {
    case Expr::Kind::kName:
      return expr.text;
    case Expr::Kind::kInt:
      return std::to_string(expr.integer);
    case Expr::Kind::kFloat:
      return fmt::format("{}", expr.real);
    case Expr::Kind::kImaginary:
      return fmt::format("{}j", expr.real);
    case Expr::Kind::kString:
      return "\"" + expr.text + "\"";
    case Expr::Kind::kNone:
      return "None";
    case Expr::Kind::kBool:
      return expr.integer != 0 ? "True" : "False";
    case Expr::Kind::kAttribute:
      return to_string(expr.items[0]) + "." + expr.text;
    case Expr::Kind::kIndex: {
      const Expr& index = expr.items[1];
      std::string inner = to_string(index);
      if (index.kind == Expr::Kind::kTuple && inner.size() > 2)
        inner = inner.substr(1, inner.size() - 2);
      return to_string(expr.items[0]) + "[" + inner + "]";
    }
    case Expr::Kind::kSlice:
      return to_string(expr.items[0]) + ":" + to_string(expr.items[1]);
    case Expr::Kind::kCall:
      return to_string(expr.items[0]) + "(" + join(1) + ")";
    case Expr::Kind::kList:
      return "[" + join(0) + "]";
    case Expr::Kind::kTuple:
      return "(" + join(0) + ")";
    case Expr::Kind::kDict:
      return "{" + join(0) + "}";
    case Expr::Kind::kNegate:
      return "-" + join(0);
  }
  return {};
}

}  // namespace pte::importers::script
