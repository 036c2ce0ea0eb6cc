#include "schema/ops.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

namespace pte {
namespace {

struct Row {
  std::string_view schema;
  std::string_view out;
  uint32_t tags;
};

constexpr Row kRows[] = {
#define PTE_OP(id, schema, out, tags) Row{schema, out, tags},
#include "schema/ops.def"
#undef PTE_OP
};

// A cursor over one schema string.
class SchemaParser {
 public:
  explicit SchemaParser(std::string_view text) : text_(text) {}

  Result<OpInfo> parse() {
    OpInfo op;
    const size_t paren = text_.find('(');
    if (paren == std::string_view::npos) return fail("no argument list");
    const std::string_view full = text_.substr(0, paren);
    const size_t dot = full.find('.', full.find("::"));
    op.name = std::string(full.substr(0, dot));
    if (dot != std::string_view::npos) op.overload = std::string(full.substr(dot + 1));
    pos_ = paren + 1;
    bool keyword_only = false;
    while (!eat(")")) {
      if (eat("*")) {
        keyword_only = true;
      } else {
        PTE_TRY(ArgSchema arg, parse_arg());
        arg.keyword_only = keyword_only;
        op.args.push_back(std::move(arg));
      }
      if (!eat(",") && peek() != ')') return fail("expected ',' or ')'");
    }
    if (!eat("->")) return fail("expected '->'");
    if (eat("(")) {
      while (!eat(")")) {
        PTE_TRY(ArgSchema result, parse_type());
        if (std::isalpha(static_cast<unsigned char>(peek())) != 0) word();
        op.returns.push_back({result.kind});
        if (!eat(",") && peek() != ')') return fail("expected ',' or ')'");
      }
    } else {
      PTE_TRY(ArgSchema result, parse_type());
      op.returns.push_back({result.kind});
    }
    for (size_t i = 0; i < op.args.size(); ++i) op.out_args.push_back(static_cast<int>(i));
    return op;
  }

 private:
  Error fail(std::string_view what) const {
    return internal_error("operator schema '{}': {} at column {}", text_, what, pos_);
  }
  void skip_space() {
    while (pos_ < text_.size() && text_[pos_] == ' ') ++pos_;
  }
  char peek() {
    skip_space();
    return pos_ < text_.size() ? text_[pos_] : '\0';
  }
  bool eat(std::string_view token) {
    skip_space();
    if (!text_.substr(pos_).starts_with(token)) return false;
    pos_ += token.size();
    return true;
  }
  std::string_view word() {
    skip_space();
    const size_t begin = pos_;
    while (pos_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[pos_])) != 0 || text_[pos_] == '_')) {
      ++pos_;
    }
    return text_.substr(begin, pos_ - begin);
  }

  Result<ArgSchema> parse_type() {
    ArgSchema arg;
    const std::string_view base = word();
    if (eat("(")) {
      arg.written = text_.substr(pos_, 4).find('!') != std::string_view::npos;
      const size_t close = text_.find(')', pos_);
      if (close == std::string_view::npos) return fail("unclosed alias annotation");
      pos_ = close + 1;
    }
    bool inner_optional = eat("?");
    bool list = false;
    if (eat("[")) {
      word();
      if (!eat("]")) return fail("expected ']'");
      list = true;
      arg.optional = eat("?");
    } else {
      arg.optional = inner_optional;
      inner_optional = false;
    }
    if (base == "Tensor") {
      arg.kind = !list            ? ArgKind::kTensor
                 : inner_optional ? ArgKind::kOptionalTensorList
                                  : ArgKind::kTensorList;
    } else if (base == "int" || base == "SymInt") {
      arg.kind = list ? ArgKind::kIntList : ArgKind::kInt;
    } else if (base == "float") {
      arg.kind = list ? ArgKind::kFloatList : ArgKind::kFloat;
    } else if (base == "bool") {
      arg.kind = list ? ArgKind::kBoolList : ArgKind::kBool;
    } else if (base == "Scalar") {
      arg.kind = ArgKind::kScalar;
    } else if (base == "str") {
      arg.kind = ArgKind::kString;
    } else if (base == "ScalarType") {
      arg.kind = ArgKind::kDType;
    } else if (base == "Layout") {
      arg.kind = ArgKind::kLayout;
    } else if (base == "MemoryFormat") {
      arg.kind = ArgKind::kMemoryFormat;
    } else if (base == "Device") {
      arg.kind = ArgKind::kDevice;
    } else if (base == "Graph") {
      arg.kind = ArgKind::kGraph;
    } else {
      return fail("unknown type");
    }
    return arg;
  }

  Result<ArgSchema> parse_arg() {
    PTE_TRY(ArgSchema arg, parse_type());
    arg.name = std::string(word());
    if (arg.name.empty()) return fail("expected an argument name");
    if (!eat("=")) return arg;
    arg.has_default = true;
    if (eat("None")) return arg;
    if (eat("True")) {
      arg.default_value = true;
    } else if (eat("False")) {
      arg.default_value = false;
    } else if (eat("[")) {
      std::vector<int64_t> items;
      while (!eat("]")) {
        PTE_TRY(const int64_t item, integer());
        items.push_back(item);
        eat(",");
      }
      arg.default_value = std::move(items);
    } else if (eat("'") || eat("\"")) {
      const size_t end = text_.find_first_of("'\"", pos_);
      if (end == std::string_view::npos) return fail("unclosed string");
      arg.default_value = std::string(text_.substr(pos_, end - pos_));
      pos_ = end + 1;
    } else if (eat("contiguous_format")) {
      arg.default_value = int64_t{0};
    } else if (eat("long")) {
      arg.default_value = int64_t{4};  // ScalarType::Long
    } else if (eat("Mean")) {
      arg.default_value = int64_t{1};
    } else {
      PTE_CHECK(number(arg));
    }
    return arg;
  }

  Result<int64_t> integer() {
    skip_space();
    int64_t value = 0;
    const char* begin = text_.data() + pos_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) return fail("expected a number");
    pos_ += static_cast<size_t>(end - begin);
    return value;
  }

  Status number(ArgSchema& arg) {
    skip_space();
    size_t end = pos_;
    while (end < text_.size() &&
           std::string_view("+-.e0123456789").find(text_[end]) != std::string_view::npos)
      ++end;
    const std::string token(text_.substr(pos_, end - pos_));
    if (token.find_first_of(".e") == std::string::npos && arg.kind != ArgKind::kFloat) {
      PTE_TRY(const int64_t value, integer());
      // A single number as the default of a list stands for the list of it ("int[2] stride=1").
      if (arg.kind == ArgKind::kIntList) {
        arg.default_value = std::vector<int64_t>{value};
      } else {
        arg.default_value = value;
      }
      return {};
    }
    char* stop = nullptr;
    const double value = std::strtod(token.c_str(), &stop);
    if (stop == token.c_str()) return fail("expected a default value");
    pos_ = end;
    arg.default_value = value;
    return {};
  }

  std::string_view text_;
  size_t pos_ = 0;
};

// "aten::full.out(size,fill_value)": the name, and which arguments the call takes.
void apply_out_column(std::string_view out, OpInfo& op) {
  const size_t paren = out.find('(');
  op.out_name = std::string(out.substr(0, paren));
  if (paren == std::string_view::npos) return;
  op.out_args.clear();
  std::string_view list = out.substr(paren + 1, out.size() - paren - 2);
  while (!list.empty()) {
    const size_t comma = list.find(',');
    op.out_args.push_back(op.arg_index(list.substr(0, comma)));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
}

// Rows are parsed when they are first asked for: a program calls few of them, and starts at once.
class Table {
 public:
  Table() : ops_(std::size(kRows)), parsed_(std::size(kRows)) {
    by_name_.reserve(std::size(kRows));
    by_out_.reserve(std::size(kRows));
    for (size_t i = 0; i < std::size(kRows); ++i) {
      const auto name = [](std::string_view text) { return text.substr(0, text.find('(')); };
      by_name_.emplace(name(kRows[i].schema), i);
      if (!kRows[i].out.empty()) by_out_.emplace(name(kRows[i].out), i);
    }
  }

  const OpInfo& at(size_t index) const {
    if (!parsed_[index].load(std::memory_order_acquire)) parse(index);
    return ops_[index];
  }
  const OpInfo* find_name(std::string_view name) const { return find(by_name_, name); }
  const OpInfo* find_out(std::string_view name) const { return find(by_out_, name); }
  std::span<const OpInfo> all() const {
    for (size_t i = 0; i < ops_.size(); ++i) at(i);
    return ops_;
  }

 private:
  using Index = std::unordered_map<std::string_view, size_t>;

  const OpInfo* find(const Index& index, std::string_view key) const {
    const auto it = index.find(key);
    return it == index.end() ? nullptr : &at(it->second);
  }

  void parse(size_t index) const {
    const std::lock_guard lock(mutex_);
    if (parsed_[index].load(std::memory_order_relaxed)) return;
    Result<OpInfo> parsed = parse_schema(kRows[index].schema);
    // The rows are part of the program: a bad one is a defect that ops_test reports by name.
    OpInfo op = parsed.has_value() ? std::move(*parsed) : OpInfo{};
    op.op = static_cast<Op>(index);
    op.tags = kRows[index].tags;
    apply_out_column(kRows[index].out, op);
    ops_[index] = std::move(op);
    parsed_[index].store(true, std::memory_order_release);
  }

  mutable std::mutex mutex_;
  mutable std::vector<OpInfo> ops_;
  mutable std::vector<std::atomic<bool>> parsed_;
  Index by_name_;
  Index by_out_;
};

const Table& table() {
  static const Table& instance = *new Table;
  return instance;
}

}  // namespace

bool OpInfo::is_prim() const {
  return out_name.starts_with("executorch_prim::") || has(kTagSymbolic);
}

std::string OpInfo::target() const {
  const size_t colons = name.find("::");
  return fmt::format("{}.{}.{}", name.substr(0, colons), name.substr(colons + 2),
                     overload.empty() ? "default" : overload);
}

int OpInfo::arg_index(std::string_view arg) const {
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].name == arg) return static_cast<int>(i);
  }
  return -1;
}

std::span<const OpInfo> all_ops() { return table().all(); }

const OpInfo& info(Op op) { return table().at(static_cast<size_t>(op)); }

const OpInfo* find_op(std::string_view full_name) { return table().find_name(full_name); }

const OpInfo* find_op_by_target(std::string_view target) {
  constexpr std::string_view kPrefix = "torch.ops.";
  if (target.starts_with(kPrefix)) target.remove_prefix(kPrefix.size());
  // "aten.add.Tensor", "aten.relu.default"
  const size_t first = target.find('.');
  const size_t last = target.rfind('.');
  if (first == std::string_view::npos || first == last) return nullptr;
  std::string name(target.substr(0, first));
  name.append("::").append(target.substr(first + 1, last - first - 1));
  if (target.substr(last) != ".default") name.append(target.substr(last));
  return find_op(name);
}

const OpInfo* find_op_by_out(std::string_view out_name) { return table().find_out(out_name); }

Result<OpInfo> parse_schema(std::string_view text) { return SchemaParser(text).parse(); }

}  // namespace pte
