#include "importers/aten/node_maker.h"

#include <charconv>

#include "ir/builder.h"
#include "ir/infer.h"

namespace pte::importers {

using ir::Arg;
using ir::SymInt;
using ir::Value;

Result<ir::Node*> NodeMaker::add(const OpInfo& op, std::vector<Arg> args,
                                 std::vector<std::string> names, const SymInt* unknown) {
  PTE_CHECK(ir::complete_args(op, args));
  PTE_TRY(std::vector<ir::Type> types, ir::infer_types(op, args, &module_.symbols));
  for (const ir::Type& type : types) {
    const auto* tensor = std::get_if<ir::TensorType>(&type);
    if (tensor == nullptr) continue;
    for (const SymInt& size : tensor->sizes) {
      if (size.constant().value_or(0) < 0)
        return invalid_data("{}: its result would have size {}", op.full_name(), size.to_string());
    }
  }
  for (ir::Type& type : types) {
    if (unknown != nullptr && ir::is_unknown(type)) type = ir::SymIntType{*unknown};
  }
  ir::name_unknowns(module_, types, "v");
  const std::string base = op.name.substr(op.name.find("::") + 2);
  names.resize(types.size(), names.empty() ? base : names[0]);
  ir::Node* node = graph_.add_node(op, std::move(args), std::move(types), std::move(names));
  node->set_location(location_);
  return node;
}

Result<Value*> NodeMaker::call(Op op, std::vector<Arg> args, std::string name) {
  PTE_TRY(ir::Node * node, add(info(op), std::move(args), {std::move(name)}));
  return node->result();
}

Result<Arg> NodeMaker::sizes_of(Value* value) {
  ir::ArgList sizes;
  for (size_t i = 0; i < value->tensor().rank(); ++i) {
    const SymInt& size = value->tensor().sizes[i];
    if (const auto number = size.constant()) {
      sizes.emplace_back(*number);
    } else {
      PTE_TRY(Value * dynamic,
              call(Op::aten_sym_size_int, {value, static_cast<int64_t>(i)}, "sym_size"));
      sizes.emplace_back(dynamic);
    }
  }
  return Arg(std::move(sizes));
}

namespace {

// Works a size out from its printed form, "2*s0+floordiv(s1,2)", which is canonical and small.
class SizeWriter {
 public:
  SizeWriter(NodeMaker& maker, std::span<Value* const> near) : maker_(maker), near_(near) {}

  Result<Arg> write(const SymInt& size) {
    if (const auto number = size.constant()) return Arg(*number);
    PTE_TRY(const Arg found, look_up(size));
    if (!found.is_none()) return found;
    text_ = size.to_string();
    at_ = 0;
    PTE_TRY(Arg result, sum());
    if (at_ != text_.size()) return unreadable();
    return result;
  }

 private:
  static constexpr int kMaxDepth = 32;

  Error unreadable() const {
    return unsupported("the size {} cannot be worked out from the operands", text_);
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool eat(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  Result<Arg> call(Op op, const Arg& a, const Arg& b) {
    PTE_TRY(Value * made, maker_.call(op, {a, b}, "size"));
    return Arg(made);
  }
  Result<Arg> size_of(Value* value, size_t dim) {
    PTE_TRY(Value * made,
            maker_.call(Op::aten_sym_size_int, {value, static_cast<int64_t>(dim)}, "sym_size"));
    return Arg(made);
  }

  // A value that has this size, or none.
  Result<Arg> look_up(const SymInt& size) {
    for (const auto values : {near_, std::span<Value* const>(maker_.graph().inputs())}) {
      for (Value* value : values) {
        const auto* number = std::get_if<ir::SymIntType>(&value->type());
        if (number != nullptr && number->value == size) return Arg(value);
        if (!value->is_tensor()) continue;
        const auto& sizes = value->tensor().sizes;
        for (size_t i = 0; i < sizes.size(); ++i) {
          if (sizes[i] == size) return size_of(value, i);
        }
      }
    }
    return Arg();
  }

  // A symbol from a size that is linear in it: s from 2*s+1.
  Result<Arg> symbol(const std::string& name) {
    const SymInt wanted = SymInt::symbol(name);
    PTE_TRY(const Arg found, look_up(wanted));
    if (!found.is_none()) return found;
    for (const auto values : {near_, std::span<Value* const>(maker_.graph().inputs())}) {
      for (Value* value : values) {
        if (!value->is_tensor()) continue;
        const auto& sizes = value->tensor().sizes;
        for (size_t i = 0; i < sizes.size(); ++i) {
          const auto zero = sizes[i].evaluate({{name, 0}});
          const auto one = sizes[i].evaluate({{name, 1}});
          if (!zero || !one || *one - *zero <= 0) continue;
          if (!(wanted * SymInt(*one - *zero) + SymInt(*zero) == sizes[i])) continue;
          PTE_TRY(const Arg size, size_of(value, i));
          PTE_TRY(const Arg shifted, call(Op::operator_sub, size, Arg(*zero)));
          return call(Op::operator_floordiv, shifted, Arg(*one - *zero));
        }
      }
    }
    return unreadable();
  }

  Result<Arg> atom() {
    const size_t start = at_;
    while (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '_') ++at_;
    const std::string word = text_.substr(start, at_ - start);
    if (word.empty()) return unreadable();
    if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) {
      int64_t number = 0;
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
      if (error != std::errc() || end != word.data() + word.size()) return unreadable();
      return Arg(number);
    }
    if (!eat('(')) return symbol(word);
    PTE_TRY(const Arg a, sum());
    if (!eat(',')) return unreadable();
    PTE_TRY(const Arg b, sum());
    if (!eat(')')) return unreadable();
    if (word == "floordiv") return call(Op::operator_floordiv, a, b);
    if (word == "mod") return call(Op::operator_mod, a, b);
    if (word == "max") return call(Op::torch_sym_max, a, b);
    if (word == "min") return call(Op::torch_sym_min, a, b);
    return unreadable();
  }

  Result<Arg> product() {
    PTE_TRY(Arg result, atom());
    while (eat('*')) {
      PTE_TRY(const Arg factor, atom());
      PTE_TRY(result, call(Op::operator_mul, result, factor));
    }
    return result;
  }

  Result<Arg> sum() {
    if (++depth_ > kMaxDepth) return unreadable();
    Arg result;
    while (true) {
      const bool minus = eat('-');
      if (!minus && !eat('+') && !result.is_none()) break;
      PTE_TRY(Arg term, product());
      if (result.is_none() && !minus) {
        result = std::move(term);
      } else {
        if (result.is_none()) result = Arg(0);
        PTE_TRY(result, call(minus ? Op::operator_sub : Op::operator_add, result, term));
      }
    }
    --depth_;
    return result;
  }

  NodeMaker& maker_;
  std::span<Value* const> near_;
  std::string text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<Arg> NodeMaker::size(const SymInt& size, std::span<Value* const> near) {
  return SizeWriter(*this, near).write(size);
}

}  // namespace pte::importers
