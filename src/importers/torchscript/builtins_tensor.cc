// Questions about tensors, and tensors from Python's values.
#include <algorithm>
#include <cmath>

#include "importers/torchscript/builtins.h"
#include "importers/torchscript/context.h"

namespace pte::importers::script {
namespace {

using ir::Arg;

Answer nothing() { return std::optional<Value>(); }
Answer answer(Value value) { return std::optional<Value>(std::move(value)); }

const Value* keyword(const std::vector<Argument>& args, std::string_view name) {
  for (const Argument& arg : args) {
    if (arg.name == name) return &arg.value;
  }
  return nullptr;
}

Result<std::optional<DType>> dtype_in(const Value* value) {
  if (value == nullptr || value->is_none()) return std::optional<DType>();
  const auto code = value->integer();
  const auto dtype = code ? dtype_from_code(*code) : std::nullopt;
  if (!dtype) return invalid_data("{} is no element type", python_text(*value));
  return std::optional<DType>(*dtype);
}

Number::Kind kind_of(DType dtype) {
  if (dtype == DType::kBool) return Number::Kind::kBool;
  return is_floating(dtype) ? Number::Kind::kFloat : Number::Kind::kInt;
}

Value as_kind(const Scalar& value, Number::Kind kind) {
  return std::visit(
      [&](auto item) {
        if (kind == Number::Kind::kBool) return Value(item != decltype(item){});
        if (kind == Number::Kind::kFloat) return Value(static_cast<double>(item));
        if constexpr (std::is_same_v<decltype(item), double>) {
          const double whole = std::trunc(item);
          return std::abs(whole) < 9.2e18 ? Value(static_cast<int64_t>(whole)) : Value(int64_t{0});
        } else {
          return Value(static_cast<int64_t>(item));
        }
      },
      value);
}

}  // namespace

Result<Value> Builtins::size_of(Evaluator& e, const TensorPtr& cell, size_t dim) {
  PTE_TRY(const ir::TensorType type, e.type_of(cell));
  if (const auto number = type.sizes[dim].constant()) return Value(*number);
  PTE_TRY(ir::Value * held, e.value_of(cell));
  PTE_TRY(ir::Value * made,
          e.context().maker.call(Op::aten_sym_size_int, {held, static_cast<int64_t>(dim)}, "size"));
  Number number;
  number.size = made;
  return Value(number);
}

// The only element of a tensor as a number.
Result<Value> Builtins::item(Evaluator& e, const TensorPtr& cell,
                             std::optional<Number::Kind> kind) {
  if (cell->size != nullptr && kind.value_or(Number::Kind::kInt) == Number::Kind::kInt) {
    Number number;
    number.size = cell->size;
    return Value(number);
  }
  if (cell->known) return as_kind(*cell->known, kind.value_or(kind_of(cell->known_dtype)));
  PTE_TRY(const ir::TensorType type, e.type_of(cell));
  const ir::SymInt count = ir::product(type.sizes);
  if (const auto number = count.constant(); number && *number != 1)
    return invalid_argument("a tensor of {} elements where one number belongs", *number);
  if (is_complex(type.dtype)) return unsupported("a complex number");
  const Number::Kind wanted = kind.value_or(kind_of(type.dtype));
  PTE_TRY(ir::Value * value, e.value_of(cell));
  if (type.rank() > 0) {
    PTE_TRY(value, e.context().maker.call(Op::aten_view, {value, Arg(ir::ArgList{})}, "scalar"));
  }
  constexpr DType kTypes[] = {DType::kInt64, DType::kFloat64, DType::kBool};
  const DType dtype = kTypes[static_cast<size_t>(wanted)];
  if (value->tensor().dtype != dtype) {
    if (wanted == Number::Kind::kBool) {
      PTE_TRY(value, e.context().maker.call(Op::aten_ne_Scalar, {value, 0}, "truth"));
    } else {
      PTE_TRY(value, e.context().maker.call(Op::aten__to_copy, {value, dtype}, "number"));
    }
  }
  Number number;
  number.kind = wanted;
  number.tensor = e.new_tensor(e.context().aliases.add_root(value));
  return Value(number);
}

Answer Builtins::questions(Evaluator& e, std::string_view name, const std::vector<Argument>& args) {
  const size_t count = args.size();
  if (count == 0) return nothing();
  const Value& first = args[0].value;
  // Conversions of numbers.
  if (name == "aten::Int" || name == "aten::Float" || name == "aten::Bool" ||
      name == "aten::IntImplicit" || name == "aten::FloatImplicit" ||
      name == "aten::ScalarImplicit" || name == "aten::item") {
    std::optional<Number::Kind> kind;
    if (name.starts_with("aten::Int")) kind = Number::Kind::kInt;
    if (name.starts_with("aten::Float")) kind = Number::Kind::kFloat;
    if (name == "aten::Bool") kind = Number::Kind::kBool;
    if (const auto scalar = first.scalar()) return answer(kind ? as_kind(*scalar, *kind) : first);
    if (first.tensor()) {
      PTE_TRY(Value made, item(e, first.tensor(), kind));
      return answer(std::move(made));
    }
    if (const auto* number = first.get<Number>()) {
      if (!kind || *kind == number->kind) return answer(first);
      PTE_TRY(TensorPtr cell, e.number_tensor(first, number->kind));
      PTE_TRY(Value made, item(e, cell, kind));
      return answer(std::move(made));
    }
    if (name == "aten::Bool" && !first.is_poison()) {
      PTE_TRY(const Evaluator::Truth truth, e.truth(first));
      if (truth.known) return answer(Value(*truth.known));
    }
    return nothing();
  }
  if (name == "prim::NumToTensor") {
    if (const auto scalar = first.scalar()) {
      const DType dtype = first.get<double>() != nullptr ? DType::kFloat32
                          : first.get<bool>() != nullptr ? DType::kBool
                                                         : DType::kInt64;
      return answer(Value(Evaluator::known(*scalar, dtype)));
    }
    if (const auto* number = first.get<Number>()) {
      if (number->size != nullptr && number->kind == Number::Kind::kInt) {
        auto made = std::make_shared<TensorCell>();
        made->size = number->size;
        return answer(Value(std::move(made)));
      }
      PTE_TRY(TensorPtr cell, e.number_tensor(first, number->kind));
      return answer(Value(std::move(cell)));
    }
    return nothing();
  }
  const TensorPtr cell = first.tensor();
  if (!cell) return nothing();
  PTE_TRY(const ir::TensorType type, e.type_of(cell));
  const auto flag = [](bool value) { return answer(Value(value)); };
  if (name == "aten::dim" || name == "prim::ndim" || name == "aten::ndimension")
    return answer(Value(static_cast<int64_t>(type.rank())));
  if (name == "aten::size" || name == "prim::shape") {
    if (count > 1) {
      const auto at = args[1].value.integer();
      if (!at) return unsupported("the number of a dimension depends on the input");
      const int64_t rank = static_cast<int64_t>(type.rank());
      const int64_t dim = *at < 0 ? *at + rank : *at;
      if (dim < 0 || dim >= rank)
        return invalid_argument("dimension {} of a tensor of rank {}", *at, rank);
      PTE_TRY(Value made, size_of(e, cell, static_cast<size_t>(dim)));
      return answer(std::move(made));
    }
    Values sizes;
    for (size_t i = 0; i < type.rank(); ++i) {
      PTE_TRY(Value size, size_of(e, cell, i));
      sizes.push_back(std::move(size));
    }
    Value made = Value::list(std::move(sizes));
    made.list()->context = e.context_id();
    return answer(std::move(made));
  }
  if (name == "aten::len") {
    if (type.rank() == 0) return invalid_argument("len() of a tensor without dimensions");
    PTE_TRY(Value made, size_of(e, cell, 0));
    return answer(std::move(made));
  }
  if (name == "aten::numel" || name == "prim::numel") {
    Value made(1);
    for (size_t i = 0; i < type.rank(); ++i) {
      PTE_TRY(Value size, size_of(e, cell, i));
      PTE_TRY(made, e.call_operator("aten::mul", {{"", made}, {"", std::move(size)}}));
    }
    return answer(std::move(made));
  }
  if (name == "prim::dtype") return answer(Value(static_cast<int64_t>(type.dtype)));
  if (name == "prim::layout") return answer(Value(0));
  if (name == "prim::itemsize" || name == "aten::element_size")
    return answer(Value(static_cast<int64_t>(pte::size_of(type.dtype))));
  if (name == "aten::is_floating_point") return flag(is_floating(type.dtype));
  if (name == "aten::is_complex") return flag(is_complex(type.dtype));
  if (name == "aten::is_signed")
    return flag(type.dtype != DType::kUInt8 && type.dtype != DType::kBool);
  if (name == "aten::is_contiguous") return flag(cell->contiguous);
  if (name == "aten::is_same_size" && count == 2 && args[1].value.tensor()) {
    PTE_TRY(const ir::TensorType other, e.type_of(args[1].value.tensor()));
    return flag(other.sizes == type.sizes);
  }
  if (name == "aten::stride") {
    const auto sizes = type.static_sizes();
    if (!sizes || !cell->contiguous) return nothing();
    const Strides strides = contiguous_strides(*sizes);
    if (count > 1 && args[1].value.integer()) {
      int64_t dim = *args[1].value.integer();
      if (dim < 0) dim += static_cast<int64_t>(strides.size());
      if (dim < 0 || dim >= static_cast<int64_t>(strides.size())) return nothing();
      return answer(Value(strides[static_cast<size_t>(dim)]));
    }
    Values items;
    for (const int64_t stride : strides) items.emplace_back(stride);
    return answer(Value::list(std::move(items)));
  }
  if (name == "aten::storage_offset") return answer(Value(0));
  if (name == "prim::T" || name == "prim::mT" || name == "prim::H") {
    PTE_TRY(Value made, e.call_operator(name == "prim::mT" ? "aten::mT" : "aten::t", {args[0]}));
    return answer(std::move(made));
  }
  if (name == "aten::__not__") {
    PTE_TRY(Value made, item(e, cell, Number::Kind::kBool));
    PTE_TRY(made, e.call_operator("aten::__not__", {{"", std::move(made)}}));
    return answer(std::move(made));
  }
  if (name == "aten::_shape_as_tensor") {
    PTE_TRY(Value sizes, e.call_operator("aten::size", {args[0]}));
    PTE_TRY(Value made, tensor_of_list(e, sizes, DType::kInt64));
    return answer(std::move(made));
  }
  if (name == "aten::__getitem__" && count == 2) {
    PTE_TRY(Value made, e.call_operator("aten::select", {args[0], {"", Value(0)}, args[1]}));
    return answer(std::move(made));
  }
  if (name == "aten::__contains__" && count == 2) {
    PTE_TRY(Value same, e.call_operator("aten::eq", {args[0], args[1]}));
    PTE_TRY(same, e.call_operator("aten::any", {{"", std::move(same)}}));
    PTE_TRY(Value made, e.call_operator("aten::Bool", {{"", std::move(same)}}));
    return answer(std::move(made));
  }
  if (name == "aten::tolist" || name == "prim::tolist") {
    if (type.rank() == 0) {
      PTE_TRY(Value made, item(e, cell, std::nullopt));
      return answer(std::move(made));
    }
    const auto sizes = type.static_sizes();
    if (!sizes || type.rank() > 4) return unsupported("tolist() of a tensor of dynamic size");
    Values items;
    for (int64_t i = 0; i < (*sizes)[0]; ++i) {
      PTE_TRY(Value part,
              e.call_operator("aten::select", {{"", first}, {"", Value(0)}, {"", Value(i)}}));
      PTE_TRY(part, e.call_operator("aten::tolist", {{"", std::move(part)}}));
      items.push_back(std::move(part));
    }
    return answer(Value::list(std::move(items)));
  }
  return nothing();
}

// ---- tensors from values

namespace {

Status gather(const Value& data, Values& leaves, Sizes& sizes, size_t depth) {
  if (depth > 16) return unsupported("a tensor from a list nested that deep");
  const Values* items = data.items();
  if (items == nullptr) {
    leaves.push_back(data);
    return {};
  }
  const auto length = static_cast<int64_t>(items->size());
  if (depth == sizes.size()) {
    sizes.push_back(length);
  } else if (depth > sizes.size() || sizes[depth] != length) {
    return invalid_argument("a tensor from lists of different lengths");
  }
  for (const Value& item : *items) PTE_CHECK(gather(item, leaves, sizes, depth + 1));
  return {};
}

}  // namespace

Result<Value> Builtins::tensor_of_list(Evaluator& e, const Value& data,
                                       std::optional<DType> dtype) {
  Values leaves;
  Sizes sizes;
  PTE_CHECK(gather(data, leaves, sizes, 0));
  const auto count = element_count(sizes);
  if (!count || *count != static_cast<int64_t>(leaves.size()))
    return invalid_argument("a tensor from lists of different lengths");
  bool floating = leaves.empty(), flags = !leaves.empty(), all_known = true;
  for (const Value& leaf : leaves) {
    if (leaf.get<Complex>() != nullptr) return unsupported("a tensor of complex numbers");
    const auto* number = leaf.get<Number>();
    if (!leaf.scalar() && number == nullptr && !leaf.tensor())
      return invalid_argument("a tensor of {}", kind_name(leaf));
    if (leaf.tensor()) {
      PTE_TRY(const ir::TensorType type, e.type_of(leaf.tensor()));
      floating |= is_floating(type.dtype);
      flags &= type.dtype == DType::kBool;
    } else {
      floating |= leaf.get<double>() != nullptr ||
                  (number != nullptr && number->kind == Number::Kind::kFloat);
      flags &=
          leaf.get<bool>() != nullptr || (number != nullptr && number->kind == Number::Kind::kBool);
    }
    all_known &= leaf.scalar().has_value();
  }
  const DType natural = floating ? DType::kFloat32 : flags ? DType::kBool : DType::kInt64;
  const DType wanted = dtype.value_or(natural);
  if (all_known && sizes.empty()) {
    const Value held = as_kind(*leaves[0].scalar(), kind_of(wanted));
    return Value(Evaluator::known(*held.scalar(), wanted));
  }
  if (all_known) {
    PTE_TRY(Tensor tensor, Tensor::zeros(wanted, sizes));
    const bool plain = dispatch(wanted, [&]<typename T>(T) {
      T* out = tensor.mutable_data_as<T>();
      for (size_t i = 0; i < leaves.size(); ++i) {
        std::visit(
            [&](auto item) {
              if constexpr (std::is_same_v<T, bool>) {
                out[i] = item != decltype(item){};
              } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
                out[i] = T(static_cast<float>(item));
              } else if constexpr (std::is_same_v<decltype(item), double> &&
                                   std::is_integral_v<T>) {
                out[i] = std::abs(item) < 9.2e18 ? static_cast<T>(static_cast<int64_t>(item)) : T{};
              } else {
                out[i] = static_cast<T>(item);
              }
            },
            *leaves[i].scalar());
      }
    });
    if (!plain) return unsupported("a tensor of {} from numbers", dtype_name(wanted));
    std::string key = "tensor";
    for (int i = 1; e.module_.constants.contains(key); ++i) key = fmt::format("tensor_{}", i);
    return Value(e.add_constant(key, std::move(tensor), ir::Constant::Kind::kConstant));
  }
  ir::ArgList parts;
  for (const Value& leaf : leaves) {
    TensorPtr cell = leaf.tensor();
    if (!cell) {
      const auto* number = leaf.get<Number>();
      PTE_TRY(cell, e.number_tensor(leaf, number != nullptr    ? number->kind
                                          : leaf.get<double>() ? Number::Kind::kFloat
                                                               : Number::Kind::kInt));
    }
    PTE_TRY(ir::Value * value, e.value_of(cell));
    if (value->tensor().dtype != wanted) {
      PTE_TRY(value, e.context().maker.call(Op::aten__to_copy, {value, wanted}, "element"));
    }
    PTE_TRY(value, e.context().maker.call(Op::aten_view, {value, Arg::ints({1})}, "element"));
    parts.emplace_back(value);
  }
  PTE_TRY(ir::Value * made,
          e.context().maker.call(Op::aten_cat, {Arg(std::move(parts)), 0}, "tensor"));
  PTE_TRY(made, e.context().maker.call(Op::aten_view, {made, Arg::ints(sizes)}, "tensor"));
  return Value(e.new_tensor(e.context().aliases.add_root(made)));
}

Answer Builtins::make_tensor(Evaluator& e, const std::vector<Argument>& args) {
  if (args.empty()) return nothing();
  const Value* dtype_value = keyword(args, "dtype");
  if (dtype_value == nullptr && args.size() > 1 && args[1].name.empty())
    dtype_value = &args[1].value;
  PTE_TRY(const std::optional<DType> dtype, dtype_in(dtype_value));
  const Value& data = args[0].value;
  if (data.tensor()) {
    PTE_TRY(const ir::TensorType type, e.type_of(data.tensor()));
    if (!dtype || *dtype == type.dtype) return answer(data);
    PTE_TRY(Value made,
            e.call_operator("aten::to", {args[0], {"", Value(static_cast<int64_t>(*dtype))}}));
    return answer(std::move(made));
  }
  PTE_TRY(Value made, tensor_of_list(e, data, dtype));
  return answer(std::move(made));
}

// x.to(…) in all its forms; devices mean nothing here.
Answer Builtins::to(Evaluator& e, const std::vector<Argument>& args) {
  const TensorPtr cell = args[0].value.tensor();
  std::optional<DType> dtype;
  bool copy = false;
  std::optional<int64_t> format;
  int flags = 0;
  for (size_t i = 1; i < args.size(); ++i) {
    const Value& value = args[i].value;
    const std::string& name = args[i].name;
    if (value.is_none() || name == "layout" || name == "device" || name == "pin_memory" ||
        name == "non_blocking") {
      continue;
    }
    if (name == "copy") {
      copy = value.integer().value_or(0) != 0;
    } else if (name == "memory_format") {
      format = value.integer();
    } else if (value.tensor()) {
      PTE_TRY(const ir::TensorType other, e.type_of(value.tensor()));
      dtype = other.dtype;
    } else if (value.get<bool>() != nullptr) {
      if (flags++ == 1) copy = *value.get<bool>();  // non_blocking, then copy
    } else if (value.get<int64_t>() != nullptr) {
      if (flags == 0 && !dtype) {
        PTE_TRY(dtype, dtype_in(&value));
      } else if (flags >= 2) {
        format = value.integer();
      }
    }
  }
  PTE_TRY(const ir::TensorType type, e.type_of(cell));
  const DType wanted = dtype.value_or(type.dtype);
  // Layouts in memory are ours to choose; what counts is the elements.
  static_cast<void>(format);
  if (wanted == type.dtype && !copy) return answer(args[0].value);
  if (cell->known && !is_complex(wanted)) {
    const Value held = as_kind(*cell->known, kind_of(wanted));
    return answer(Value(Evaluator::known(*held.scalar(), wanted)));
  }
  PTE_TRY(ir::Value * value, e.value_of(cell));
  PTE_CHECK(e.check_nodes());
  PTE_TRY(value, e.context().maker.call(Op::aten__to_copy, {value, wanted}, "to"));
  return answer(Value(e.new_tensor(e.context().aliases.add_root(value))));
}

Answer Builtins::tensors(Evaluator& e, std::string_view name, const std::vector<Argument>& args) {
  if (name == "aten::tensor" || name == "aten::as_tensor") return make_tensor(e, args);
  if (args.empty() || !args[0].value.tensor()) return nothing();
  if (name == "aten::to") return to(e, args);
  // What leaves a known number as it is.
  if (const TensorPtr cell = args[0].value.tensor(); cell->known) {
    constexpr std::string_view kSame[] = {"aten::detach",   "aten::alias",   "aten::contiguous",
                                          "aten::clone",    "aten::squeeze", "aten::lift_fresh",
                                          "aten::expand_as"};
    if (args.size() == 1 && std::find(std::begin(kSame), std::end(kSame), name) != std::end(kSame))
      return answer(Value(Evaluator::known(*cell->known, cell->known_dtype)));
  }
  if (name == "aten::type_as" && args.size() == 2) return to(e, args);
  struct Cast {
    std::string_view name;
    DType dtype;
  };
  constexpr Cast kCasts[] = {
      {"aten::float", DType::kFloat32},       {"aten::double", DType::kFloat64},
      {"aten::half", DType::kFloat16},        {"aten::bfloat16", DType::kBFloat16},
      {"aten::int", DType::kInt32},           {"aten::long", DType::kInt64},
      {"aten::bool", DType::kBool},           {"aten::byte", DType::kUInt8},
      {"aten::_cast_Float", DType::kFloat32}, {"aten::_cast_Long", DType::kInt64},
      {"aten::_cast_Int", DType::kInt32},     {"aten::_cast_Double", DType::kFloat64}};
  for (const Cast& cast : kCasts) {
    if (name == cast.name) return to(e, {args[0], {"", Value(static_cast<int64_t>(cast.dtype))}});
  }
  return nothing();
}

}  // namespace pte::importers::script
