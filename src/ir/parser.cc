#include <charconv>
#include <cmath>
#include <cstdlib>
#include <unordered_set>

#include "base/checked.h"
#include "ir/builder.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace pte::ir {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
}

// Characters, words and literals; knows where it is for messages.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Error fail(std::string_view expected) const {
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < pos_ && i < text_.size(); ++i) {
      column = text_[i] == '\n' ? 1 : column + 1;
      if (text_[i] == '\n') ++line;
    }
    return invalid_data("line {}, column {}: expected {}", line, column, expected);
  }

  char peek() {
    skip();
    return pos_ < text_.size() ? text_[pos_] : '\0';
  }
  bool eat(char c) {
    if (peek() != c || c == '\0') return false;
    ++pos_;
    return true;
  }
  Status want(char c) {
    if (eat(c)) return {};
    return fail(fmt::format("'{}'", c));
  }
  // Eats `word` when the next word is exactly that.
  bool eat_word(std::string_view word) {
    if (peek_word() != word) return false;
    pos_ += word.size();
    return true;
  }
  std::string_view peek_word() {
    skip();
    size_t end = pos_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    return text_.substr(pos_, end - pos_);
  }
  Result<std::string> word(std::string_view what) {
    const std::string_view found = peek_word();
    if (found.empty()) return fail(what);
    pos_ += found.size();
    return std::string(found);
  }
  // A plain word or a quoted string.
  Result<std::string> key(std::string_view what) { return peek() == '"' ? string() : word(what); }

  Result<std::string> string() {
    if (!eat('"')) return fail("a quoted string");
    std::string out;
    while (pos_ < text_.size() && text_[pos_] != '"') {
      char c = text_[pos_++];
      if (c == '\\') {
        if (pos_ >= text_.size()) break;
        c = text_[pos_++];
        if (c == 'x') {
          unsigned value = 0;
          const auto [end, error] = std::from_chars(
              text_.data() + pos_, text_.data() + std::min(pos_ + 2, text_.size()), value, 16);
          if (error != std::errc() || end != text_.data() + pos_ + 2)
            return fail("two hexadecimal digits");
          pos_ += 2;
          c = static_cast<char>(value);
        }
      }
      out += c;
    }
    if (pos_ >= text_.size()) return fail("a closing quote");
    ++pos_;
    return out;
  }

  // The characters of a number, or of inf and nan with a sign.
  Result<std::string> number() {
    skip();
    size_t end = pos_;
    if (end < text_.size() && text_[end] == '-') ++end;
    while (end < text_.size()) {
      const char c = text_[end];
      const bool sign = (c == '-' || c == '+') && end > pos_ && text_[end - 1] == 'e';
      if (!sign && !is_word(c)) break;
      ++end;
    }
    std::string token(text_.substr(pos_, end - pos_));
    if (token.empty() || token == "-") return fail("a number");
    pos_ = end;
    return token;
  }

  // Everything up to one of `stops` outside parentheses, for size expressions.
  std::string_view until(std::string_view stops) {
    skip();
    size_t end = pos_;
    int depth = 0;
    while (end < text_.size() && text_[end] != '\n') {
      if (depth == 0 && stops.find(text_[end]) != std::string_view::npos) break;
      if (text_[end] == '(') ++depth;
      if (text_[end] == ')') --depth;
      ++end;
    }
    const std::string_view piece = text_.substr(pos_, end - pos_);
    pos_ = end;
    return piece;
  }

 private:
  void skip() {
    while (pos_ < text_.size()) {
      const char c = text_[pos_];
      if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        ++pos_;
      } else if (text_.substr(pos_).starts_with("//")) {
        while (pos_ < text_.size() && text_[pos_] != '\n') ++pos_;
      } else {
        return;
      }
    }
  }

  std::string_view text_;
  size_t pos_ = 0;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : in_(text) {}

  Result<Module> module() {
    if (!in_.eat_word("module")) return in_.fail("'module'");
    PTE_TRY(module_.name, in_.string());
    PTE_CHECK(in_.want('{'));
    while (!in_.eat('}')) {
      if (in_.eat_word("sym")) {
        PTE_CHECK(symbol());
      } else if (in_.eat_word("const")) {
        PTE_CHECK(constant());
      } else if (in_.eat_word("func")) {
        PTE_TRY(auto graph, function(0));
        const std::string name = graph->name();
        if (module_.methods.contains(name)) return in_.fail("a method name that is not taken");
        module_.methods[name].graph = std::move(graph);
      } else {
        return in_.fail("'sym', 'const', 'func' or '}'");
      }
    }
    if (in_.peek() != '\0') return in_.fail("the end of the text");
    PTE_CHECK(verify(module_));
    return std::move(module_);
  }

 private:
  static constexpr int kMaxDepth = 32;

  Status symbol() {
    PTE_TRY(const std::string name, in_.word("a symbol's name"));
    if (!in_.eat_word("in")) return in_.fail("'in'");
    PTE_CHECK(in_.want('['));
    Range range;
    PTE_TRY(range.min, integer());
    PTE_CHECK(in_.want(','));
    if (!in_.eat_word("inf")) {
      PTE_TRY(range.max, integer());
    }
    PTE_CHECK(in_.want(']'));
    module_.symbols[name] = range;
    return {};
  }

  template <typename T = int64_t>
  Result<T> integer() {
    PTE_TRY(const std::string token, in_.number());
    T value = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
    if (error == std::errc::result_out_of_range)
      return in_.fail("an integer that fits its type before this");
    if (error != std::errc() || end != token.data() + token.size())
      return in_.fail("an integer before this");
    return value;
  }

  Result<double> real() {
    PTE_TRY(const std::string token, in_.number());
    char* end = nullptr;
    const double value = std::strtod(token.c_str(), &end);
    if (end != token.c_str() + token.size()) return in_.fail("a number before this");
    return value;
  }

  Result<SymInt> size(std::string_view stops) {
    const std::string_view text = in_.until(stops);
    auto parsed = SymInt::parse(text);
    if (!parsed) return in_.fail(fmt::format("a size ({})", parsed.error().message));
    return *parsed;
  }

  Result<Type> type() {
    PTE_TRY(const std::string name, in_.word("a type"));
    if (name == "float") return Type(SymFloatType{});
    if (name == "int") {
      PTE_CHECK(in_.want('('));
      PTE_TRY(SymInt value, size(")"));
      PTE_CHECK(in_.want(')'));
      return Type(SymIntType{std::move(value)});
    }
    if (name == "bool" && in_.peek() != '[') return Type(SymBoolType{});
    const auto dtype = parse_dtype(name);
    if (!dtype) return in_.fail("a dtype before this");
    PTE_CHECK(in_.want('['));
    SymSizes sizes;
    while (!in_.eat(']')) {
      PTE_TRY(SymInt next, size(",]"));
      sizes.push_back(std::move(next));
      if (sizes.size() > kMaxRank) return in_.fail("at most 16 sizes");
      if (!in_.eat(',') && in_.peek() != ']') return in_.fail("',' or ']'");
    }
    DimOrder order;
    if (in_.eat('{')) {
      while (!in_.eat('}')) {
        PTE_TRY(const int64_t dim, integer());
        if (dim < 0 || dim >= static_cast<int64_t>(sizes.size()))
          return in_.fail("a dimension before this");
        order.push_back(static_cast<uint8_t>(dim));
        if (order.size() > sizes.size()) return in_.fail("one entry for each size");
        if (!in_.eat(',') && in_.peek() != '}') return in_.fail("',' or '}'");
      }
      if (!is_permutation(order) || order.size() != sizes.size())
        return in_.fail("a permutation before this");
    }
    return Type(TensorType::of(*dtype, std::move(sizes), std::move(order)));
  }

  Status constant() {
    PTE_CHECK(in_.want('@'));
    PTE_TRY(const std::string name, in_.key("a constant's name"));
    PTE_CHECK(in_.want(':'));
    PTE_TRY(const Type parsed, type());
    const auto* tensor_type = std::get_if<TensorType>(&parsed);
    const auto sizes = tensor_type == nullptr ? std::nullopt : tensor_type->static_sizes();
    if (!sizes || !byte_count(tensor_type->dtype, *sizes))
      return in_.fail("a tensor type with fixed sizes");
    Constant::Kind kind = Constant::Kind::kConstant;
    if (in_.eat_word("parameter")) {
      kind = Constant::Kind::kParameter;
    } else if (in_.eat_word("buffer")) {
      kind = Constant::Kind::kBuffer;
    } else if (!in_.eat_word("constant")) {
      return in_.fail("'parameter', 'buffer' or 'constant'");
    }
    PTE_CHECK(in_.want('='));
    Tensor data =
        Tensor::view(tensor_type->dtype, *sizes, contiguous_strides(*sizes), nullptr, nullptr);
    if (in_.eat_word("dense")) {
      PTE_TRY(data, elements(tensor_type->dtype, *sizes));
    } else if (!in_.eat_word("elided")) {
      return in_.fail("'dense' or 'elided'");
    }
    if (!module_.constants.emplace(name, Constant{std::move(data), kind}).second) {
      return in_.fail("a constant's name that is not taken");
    }
    return {};
  }

  Result<Tensor> elements(DType dtype, const Sizes& sizes) {
    PTE_CHECK(in_.want('['));
    const int64_t count = *element_count(sizes);
    std::vector<std::byte> bytes;
    Status status;
    const bool known = dispatch(dtype, [&]<typename T>(T) {
      for (int64_t i = 0; i < count; ++i) {
        if (i > 0 && !in_.eat(',')) {
          status = in_.fail(fmt::format("',' and {} more elements", count - i));
          return;
        }
        T value{};
        if constexpr (std::is_same_v<T, bool>) {
          value = in_.eat_word("true");
          if (!value && !in_.eat_word("false")) {
            status = in_.fail("'true' or 'false'");
            return;
          }
        } else if constexpr (std::is_integral_v<T>) {
          const auto parsed = integer<T>();
          if (!parsed) {
            status = parsed.error();
            return;
          }
          value = *parsed;
        } else {
          const auto parsed = real();
          if (!parsed) {
            status = parsed.error();
            return;
          }
          if constexpr (std::is_same_v<T, double>) {
            value = *parsed;
          } else {
            value = T(static_cast<float>(*parsed));
          }
        }
        const auto* raw = reinterpret_cast<const std::byte*>(&value);
        bytes.insert(bytes.end(), raw, raw + sizeof(T));
      }
    });
    if (!known) return in_.fail("a type that has dense elements");
    PTE_CHECK(status);
    PTE_CHECK(in_.want(']'));
    PTE_TRY(Tensor tensor, Tensor::zeros(dtype, sizes));
    std::copy(bytes.begin(), bytes.end(), tensor.mutable_data());
    return tensor;
  }

  Result<std::shared_ptr<Graph>> function(int depth) {
    if (depth > kMaxDepth) return in_.fail("fewer nested functions");
    PTE_TRY(std::string name, in_.key("a function's name"));
    auto graph = std::make_shared<Graph>(std::move(name));
    PTE_CHECK(in_.want('('));
    while (!in_.eat(')')) {
      PTE_TRY(const std::string input, new_name(*graph));
      PTE_CHECK(in_.want(':'));
      PTE_TRY(Type input_type, type());
      graph->add_input(input, std::move(input_type));
      if (!in_.eat(',') && in_.peek() != ')') return in_.fail("',' or ')'");
    }
    PTE_CHECK(in_.want('{'));
    while (!in_.eat_word("return")) PTE_CHECK(statement(*graph, depth));
    PTE_CHECK(results(*graph, depth));
    PTE_CHECK(in_.want('}'));
    return graph;
  }

  Result<std::string> new_name(const Graph& graph) {
    PTE_CHECK(in_.want('%'));
    PTE_TRY(std::string name, in_.key("a value's name"));
    if (name.empty() || graph.find(name) != nullptr)
      return in_.fail("a name that is not taken before this");
    return name;
  }

  Result<Value*> value(const Graph& graph) {
    PTE_CHECK(in_.want('%'));
    PTE_TRY(const std::string name, in_.key("a value's name"));
    Value* found = graph.find(name);
    if (found == nullptr)
      return in_.fail(fmt::format("a value that is defined ('{}' is not)", name));
    return found;
  }

  Status statement(Graph& graph, int depth) {
    std::vector<std::string> names;
    std::vector<Type> types;
    const bool several = in_.eat('(');
    while (true) {
      if (several && in_.eat(')')) break;
      PTE_TRY(std::string name, new_name(graph));
      if (std::find(names.begin(), names.end(), name) != names.end())
        return in_.fail("distinct result names");
      names.push_back(std::move(name));
      if (!several && in_.eat('=')) {
        if (!in_.eat_word("const")) return in_.fail("': type' or '= const'");
        return constant_value(graph, names.front());
      }
      PTE_CHECK(in_.want(':'));
      PTE_TRY(Type result_type, type());
      types.push_back(std::move(result_type));
      if (!several) break;
      if (!in_.eat(',') && in_.peek() != ')') return in_.fail("',' or ')'");
    }
    PTE_CHECK(in_.want('='));
    PTE_TRY(const std::string target, in_.word("an operator"));
    const OpInfo* op = find_op_by_target(target);
    if (op == nullptr) return in_.fail(fmt::format("a known operator ('{}' is not)", target));
    PTE_CHECK(in_.want('('));
    std::vector<Arg> args;
    while (!in_.eat(')')) {
      PTE_TRY(Arg next, arg(graph, depth));
      args.push_back(std::move(next));
      if (!in_.eat(',') && in_.peek() != ')') return in_.fail("',' or ')'");
    }
    std::string location;
    if (in_.eat_word("loc")) {
      PTE_TRY(location, in_.string());
    }
    PTE_CHECK(complete_args(*op, args));
    Node* node = graph.add_node(*op, std::move(args), std::move(types), names);
    node->set_location(std::move(location));
    return {};
  }

  Status constant_value(Graph& graph, const std::string& name) {
    PTE_CHECK(in_.want('@'));
    PTE_TRY(const std::string key, in_.key("a constant's name"));
    const auto it = module_.constants.find(key);
    if (it == module_.constants.end()) return in_.fail("a constant that is declared before this");
    for (const Value* known : graph.constants()) {
      if (*known->constant() == key) return in_.fail("each constant once in a function");
    }
    Value* made = graph.constant(key, TensorType::of(it->second.data));
    graph.rename(made, name);
    return {};
  }

  Status results(Graph& graph, int depth) {
    if (in_.peek() == '}') return {};
    do {
      Output output;
      if (in_.eat_word("mutate")) {
        output.kind = OutputKind::kBufferMutation;
        PTE_CHECK(in_.want('@'));
        PTE_TRY(output.target, in_.key("a constant's name"));
      } else if (in_.eat_word("mutate_input")) {
        output.kind = OutputKind::kInputMutation;
        PTE_CHECK(in_.want('%'));
        PTE_TRY(output.target, in_.key("an input's name"));
      }
      if (in_.peek() == '%') {
        PTE_TRY(output.value, value(graph));
      } else {
        PTE_TRY(output.literal, arg(graph, depth));
        const Arg& literal = output.literal;
        if (!literal.is_none() && !literal.number() && literal.text() == nullptr) {
          return in_.fail("a value, a number, a text or none before this");
        }
      }
      graph.outputs().push_back(std::move(output));
    } while (in_.eat(','));
    return {};
  }

  Result<Arg> arg(Graph& graph, int depth) {
    if (depth > kMaxDepth) return in_.fail("a shallower argument");
    const char c = in_.peek();
    if (c == '%') {
      PTE_TRY(Value * operand, value(graph));
      return Arg(operand);
    }
    if (c == '"') {
      PTE_TRY(std::string text, in_.string());
      return Arg(std::move(text));
    }
    if (in_.eat('[')) {
      ArgList items;
      while (!in_.eat(']')) {
        PTE_TRY(Arg item, arg(graph, depth + 1));
        items.push_back(std::move(item));
        if (!in_.eat(',') && in_.peek() != ']') return in_.fail("',' or ']'");
      }
      return Arg(std::move(items));
    }
    const std::string_view word = in_.peek_word();
    if (c == '-' || std::isdigit(static_cast<unsigned char>(c)) != 0 || word == "inf" ||
        word == "nan") {
      return number();
    }
    if (in_.eat_word("none")) return Arg();
    if (in_.eat_word("true")) return Arg(true);
    if (in_.eat_word("false")) return Arg(false);
    if (in_.eat_word("strided")) return Arg(Layout::kStrided);
    if (in_.eat_word("contiguous_format")) return Arg(MemoryFormat::kContiguous);
    if (in_.eat_word("preserve_format")) return Arg(MemoryFormat::kPreserve);
    if (in_.eat_word("channels_last")) return Arg(MemoryFormat::kChannelsLast);
    if (in_.eat_word("channels_last_3d")) return Arg(MemoryFormat::kChannelsLast3d);
    if (in_.eat_word("device")) {
      PTE_TRY(std::string name, in_.string());
      return Arg(Device{std::move(name)});
    }
    if (in_.eat_word("func")) {
      PTE_TRY(auto inner, function(depth + 1));
      return Arg(std::move(inner));
    }
    if (const auto dtype = parse_dtype(word)) {
      in_.eat_word(word);
      return Arg(*dtype);
    }
    return in_.fail("an argument");
  }

  Result<Arg> number() {
    PTE_TRY(const std::string token, in_.number());
    int64_t integer = 0;
    const char* last = token.data() + token.size();
    const auto [end, error] = std::from_chars(token.data(), last, integer);
    if (error == std::errc() && end == last) return Arg(integer);
    char* stop = nullptr;
    const double value = std::strtod(token.c_str(), &stop);
    if (stop != last) return in_.fail("a number before this");
    return Arg(value);
  }

  Lexer in_;
  Module module_;
};

}  // namespace

Result<Module> parse_module(std::string_view text) { return Parser(text).module(); }

}  // namespace pte::ir
