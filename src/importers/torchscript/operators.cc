// Calls of ATen operators: overloads chosen by the arguments, views and writes through Aliases.
#include <algorithm>

#include "importers/torchscript/builtins.h"
#include "importers/torchscript/context.h"
#include "importers/torchscript/evaluator.h"
#include "ir/builder.h"

namespace pte::importers::script {

using ir::Arg;
using ir::ArgList;

namespace {

constexpr int kNoFit = 1000;

bool is_whole(const Value& value) {
  const auto* number = value.get<Number>();
  return value.get<int64_t>() != nullptr ||
         (number != nullptr && number->kind == Number::Kind::kInt);
}
bool is_flag(const Value& value) {
  const auto* number = value.get<Number>();
  return value.get<bool>() != nullptr || (number != nullptr && number->kind == Number::Kind::kBool);
}
bool is_real(const Value& value) {
  const auto* number = value.get<Number>();
  return value.get<double>() != nullptr ||
         (number != nullptr && number->kind == Number::Kind::kFloat);
}
bool is_number(const Value& value) { return is_whole(value) || is_flag(value) || is_real(value); }

// How far a value is from what an argument takes: 0 for its own kind, kNoFit for no way.
int distance(const ArgSchema& schema, const Value& value) {
  if (value.is_none()) {
    return schema.optional ? 0 : kNoFit;
  }
  const auto all = [&](const auto& fits) {
    const Values* items = value.items();
    return items != nullptr && std::all_of(items->begin(), items->end(), fits);
  };
  switch (schema.kind) {
    case ArgKind::kTensor:
      if (value.tensor()) return value.tensor()->weak ? 1 : 0;
      if (value.get<Number>() != nullptr) return 1;
      return is_number(value) ? 6 : kNoFit;
    case ArgKind::kTensorList:
      if (all([](const Value& item) { return item.tensor() != nullptr; })) return 0;
      return kNoFit;
    case ArgKind::kOptionalTensorList:
      if (all([](const Value& item) { return item.tensor() != nullptr || item.is_none(); }))
        return 0;
      return kNoFit;
    case ArgKind::kScalar:
      if (value.get<Number>() != nullptr) return 2;
      if (is_number(value)) return 0;
      if (value.tensor() && value.tensor()->weak) return 0;
      return value.tensor() ? 4 : kNoFit;
    case ArgKind::kInt:
      if (is_whole(value)) return 0;
      if (is_flag(value)) return 2;
      return value.tensor() ? 4 : kNoFit;
    case ArgKind::kFloat:
      if (is_real(value)) return 0;
      if (is_whole(value)) return 1;
      return value.tensor() ? 4 : kNoFit;
    case ArgKind::kBool:
      if (is_flag(value)) return 0;
      return is_whole(value) ? 3 : kNoFit;
    case ArgKind::kIntList:
      if (is_whole(value)) return 1;
      if (value.items() == nullptr) return kNoFit;
      if (all(is_whole)) return 0;
      return all([](const Value& item) { return is_whole(item) || is_flag(item) || item.tensor(); })
                 ? 2
                 : kNoFit;
    case ArgKind::kFloatList:
      if (is_real(value)) return 1;
      if (all(is_real)) return 0;
      return all(is_number) ? 2 : kNoFit;
    case ArgKind::kBoolList:
      return all(is_flag) ? 0 : kNoFit;
    case ArgKind::kString:
      return value.get<std::string>() != nullptr ? 0 : kNoFit;
    case ArgKind::kDType:
    case ArgKind::kLayout:
    case ArgKind::kMemoryFormat:
      return value.get<int64_t>() != nullptr ? 0 : kNoFit;
    case ArgKind::kDevice:
      return value.get<ir::Device>() != nullptr || value.get<std::string>() != nullptr ? 0 : kNoFit;
    case ArgKind::kGraph:
      return kNoFit;
  }
  return kNoFit;
}

// The place of every argument in the schema, or nothing when one has no place.
std::optional<std::vector<size_t>> places_of(const OpInfo& info, const std::vector<Argument>& args,
                                             bool positional_keywords) {
  std::vector<size_t> out;
  std::vector<bool> taken(info.args.size(), false);
  for (size_t i = 0; i < args.size(); ++i) {
    size_t place = i;
    if (args[i].name.empty() && i < info.args.size() && info.args[i].keyword_only &&
        !positional_keywords) {
      return std::nullopt;
    }
    if (!args[i].name.empty()) {
      const int named = info.arg_index(args[i].name);
      if (named < 0) return std::nullopt;
      place = static_cast<size_t>(named);
    }
    if (place >= info.args.size() || taken[place]) return std::nullopt;
    taken[place] = true;
    out.push_back(place);
  }
  for (size_t i = 0; i < info.args.size(); ++i) {
    if (!taken[i] && !info.args[i].has_default && !info.args[i].optional) return std::nullopt;
  }
  return out;
}

std::string signature(const std::vector<Argument>& args) {
  std::string out;
  for (const Argument& arg : args) {
    if (!out.empty()) out += ", ";
    if (!arg.name.empty()) out += arg.name + "=";
    out += kind_name(arg.value);
    if (const Values* items = arg.value.items(); items && !items->empty())
      out += "[" + kind_name((*items)[0]) + "]";
  }
  return "(" + out + ")";
}

// Views that leave the order of the elements in memory as it is.
bool keeps_order(std::string_view name, const std::vector<Arg>& args) {
  constexpr std::string_view kNames[] = {
      "aten::view",         "aten::reshape",      "aten::flatten", "aten::squeeze",
      "aten::unsqueeze",    "aten::detach",       "aten::alias",   "aten::to",
      "aten::dropout",      "aten::contiguous",   "aten::view_as", "aten::reshape_as",
      "aten::unflatten",    "aten::_unsafe_view", "aten::type_as", "aten::feature_dropout",
      "aten::alpha_dropout"};
  if (std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames)) return true;
  if ((name == "aten::select" || name == "aten::narrow") && args.size() > 1)
    return args[1].integer() == 0;
  if (name == "aten::slice" && args.size() > 4)
    return args[1].integer() == 0 && args[4].integer() == 1;
  if (name == "aten::unbind" && args.size() > 1) return args[1].integer() == 0;
  if ((name == "aten::chunk" || name == "aten::split") && args.size() > 2)
    return args[2].integer() == 0;
  return false;
}

}  // namespace

Error Evaluator::unsupported_call(const std::string& name, const std::vector<Argument>& args,
                                  std::string reason) {
  if (reason.empty()) reason = "no overload takes " + signature(args);
  report_.add(name, place_, reason);
  return unsupported("{}: {}", name, reason);
}

Result<Value> Evaluator::call_operator(const std::string& name, std::vector<Argument> args,
                                       std::string_view overload) {
  PTE_CHECK(spend());
  if (!Builtins::keeps_unknown(name)) {
    for (const Argument& arg : args) {
      const Poison* poison = find_poison(arg.value);
      if (poison == nullptr) continue;
      if (poison->reason) return *poison->reason;
      return Value(Poison{});
    }
  }
  PTE_TRY(std::optional<Value> made, Builtins::call(*this, name, args));
  if (made) return std::move(*made);
  PTE_TRY(made, number_operator(name, args));
  if (made) return std::move(*made);
  return call_aten(name, args, overload);
}

Result<Value> Evaluator::call_aten(const std::string& name, const std::vector<Argument>& args,
                                   std::string_view overload) {
  const auto candidates = overloads_of(name);
  const bool in_place = name.size() > 7 && name.ends_with('_') && !name.ends_with("__");
  if ((in_place && std::all_of(candidates.begin(), candidates.end(),
                               [](const Overload* own) { return own->info->has(kTagInPlace); })) ||
      (name.starts_with("aten::__i") && name.ends_with("__") && candidates.empty())) {
    return write_in_place(name, args, overload);
  }
  if (candidates.empty()) {
    static_cast<void>(
        unsupported_call(name, args, name.starts_with("aten::") ? "" : "custom operator"));
    return Value(Poison{});
  }
  const Overload* best = nullptr;
  int best_distance = kNoFit;
  std::vector<size_t> best_places;
  for (const Overload* candidate : candidates) {
    if (candidate->info->has(kTagInPlace)) continue;
    const auto places = places_of(*candidate->info, args, !overload.empty());
    if (!places) continue;
    int total = 0;
    for (size_t i = 0; i < args.size() && total < kNoFit; ++i)
      total += distance(candidate->info->args[(*places)[i]], args[i].value);
    // A tensor stands for a number only when it has no dimensions.
    for (size_t i = 0; i < args.size() && total < kNoFit; ++i) {
      const TensorPtr cell = args[i].value.tensor();
      const ArgKind kind = candidate->info->args[(*places)[i]].kind;
      if (!cell || kind == ArgKind::kTensor) continue;
      PTE_TRY(const ir::TensorType type, type_of(cell));
      if (type.rank() > 0) total = kNoFit;
    }
    // Bytecode says which overload it means.
    if (!overload.empty() && total < kNoFit &&
        candidate->info->overload == (overload == kDefaultOverload ? "" : overload)) {
      total = -1;
    }
    if (total < best_distance) {
      best = candidate;
      best_distance = total;
      best_places = *places;
    }
  }
  if (best == nullptr) {
    static_cast<void>(unsupported_call(name, args, ""));
    return Value(Poison{});
  }
  const OpInfo& info = *best->info;
  std::vector<Arg> made(info.args.size());
  std::vector<bool> given(info.args.size(), false);
  TensorPtr base;
  for (size_t i = 0; i < args.size(); ++i) {
    const size_t place = best_places[i];
    PTE_TRY(made[place], to_arg(info.args[place], args[i].value));
    given[place] = true;
    if (place == 0) base = args[i].value.tensor();
  }
  for (size_t i = 0; i < made.size(); ++i) {
    if (given[i]) continue;
    made[i] = ir::default_arg(info.args[i]);
    if (info.args[i].kind == ArgKind::kDType && !made[i].is_none() &&
        !std::holds_alternative<DType>(made[i].v)) {
      made[i] = Arg(DType::kInt64);  // dtype=long, the only type that schemas name
    }
  }
  return call_overload(*best, std::move(made), base);
}

Result<Value> Evaluator::call_overload(const Overload& overload, std::vector<Arg> args,
                                       const TensorPtr& base) {
  PTE_CHECK(check_nodes());
  const OpInfo& info = *overload.info;
  // What behaves otherwise in training.
  for (size_t i = 0; i < info.args.size(); ++i) {
    const std::string& arg = info.args[i].name;
    if ((arg == "train" && info.has(kTagIdentity)) ||
        (arg == "training" && info.name == "aten::batch_norm")) {
      const bool running = info.name != "aten::batch_norm" || !args[3].is_none();
      if (args[i].boolean().value_or(false) && running) {
        report_.add(info.name, place_, "training mode: call model.eval() before saving");
        return Value(Poison{});
      }
    }
  }
  const std::vector<Arg> kept = args;
  auto results = call(context().maker, overload, std::move(args));
  if (!results) {
    if (results.error().code != Code::kUnsupported && results.error().code != Code::kNotFound)
      return std::move(results.error());
    report_.add(info.full_name(), place_, results.error().message);
    return Value(Poison{});
  }
  const bool order = keeps_order(info.name, kept);
  Values values;
  for (const Arg& result : *results) {
    PTE_TRY(Value value, from_result(result, info, base));
    if (base && base->handle) {
      const bool contiguous = order && base->contiguous;
      const auto note = [&](const Value& item) {
        const TensorPtr cell = item.tensor();
        if (cell == nullptr || !info.has(kTagView) || contiguous) return;
        cell->contiguous = overload.view || info.has(kTagView) ? contiguous : true;
      };
      note(value);
      if (value.items() != nullptr) {
        for (const Value& item : *value.items()) note(item);
      }
    }
    values.push_back(std::move(value));
  }
  if (values.empty()) return Value();
  if (values.size() == 1) return std::move(values[0]);
  return Value::tuple(std::move(values));
}

Result<Value> Evaluator::wrap_value(ir::Value* value, const TensorPtr& base) {
  if (!value->is_tensor()) {
    Number number;
    number.size = value;
    if (const auto* type = std::get_if<ir::SymIntType>(&value->type())) {
      if (const auto constant = type->value.constant()) return Value(*constant);
    }
    if (std::holds_alternative<ir::SymFloatType>(value->type())) number.kind = Number::Kind::kFloat;
    if (std::holds_alternative<ir::SymBoolType>(value->type())) number.kind = Number::Kind::kBool;
    return Value(number);
  }
  if (base) {
    PTE_TRY(const size_t handle, handle_in(contexts_.size() - 1, base));
    PTE_TRY(const size_t made, context().aliases.add_result(handle, value, base->contiguous));
    return Value(new_tensor(made));
  }
  return Value(new_tensor(context().aliases.add_root(value)));
}

Result<Value> Evaluator::from_result(const Arg& result, const OpInfo& info, const TensorPtr& base) {
  if (ir::Value* value = result.value()) return wrap_value(value, base);
  if (const ArgList* items = result.list()) {
    Values values;
    for (const Arg& item : *items) {
      PTE_TRY(Value value, from_result(item, info, base));
      values.push_back(std::move(value));
    }
    Value made = Value::list(std::move(values));
    made.list()->context = context_id();
    return made;
  }
  if (result.is_none()) return Value();
  if (const auto flag = result.boolean()) return Value(*flag);
  if (const auto integer = result.integer()) return Value(*integer);
  if (const auto number = result.number()) return Value(*number);
  return internal_error("{} gives a result of no known kind", info.full_name());
}

Result<Arg> Evaluator::to_arg(const ArgSchema& schema, const Value& value) {
  if (value.is_none()) return Arg();
  const auto number_arg = [&](const Value& item) -> Result<Arg> {
    if (const auto scalar = item.scalar())
      return std::visit([](auto held) { return Arg(held); }, *scalar);
    TensorPtr cell = item.tensor();
    if (const auto* number = item.get<Number>()) {
      if (number->size != nullptr) return Arg(number->size);
      cell = number->tensor;
    }
    if (cell == nullptr) return invalid_data("a {} where a number belongs", kind_name(item));
    if (cell->known) return std::visit([](auto held) { return Arg(held); }, *cell->known);
    PTE_TRY(ir::Value * held, value_of(cell));
    PTE_TRY(ir::Value * read, context().maker.call(Op::aten__local_scalar_dense, {held}, "item"));
    return Arg(read);
  };
  switch (schema.kind) {
    case ArgKind::kTensor: {
      TensorPtr cell = value.tensor();
      if (const auto* number = value.get<Number>()) {
        PTE_TRY(cell, number_tensor(value, number->kind));
        // Weak like Python's own numbers: a float does not make a tensor double.
        if (number->kind == Number::Kind::kFloat) {
          PTE_TRY(ir::Value * held, value_of(cell));
          PTE_TRY(ir::Value * single,
                  context().maker.call(Op::aten__to_copy, {held, DType::kFloat32}, "number"));
          return Arg(single);
        }
      }
      if (cell == nullptr) {
        const auto scalar = value.scalar();
        if (!scalar) return invalid_data("a {} where a tensor belongs", kind_name(value));
        cell = known(*scalar, value.get<double>() != nullptr ? DType::kFloat32
                              : value.get<bool>() != nullptr ? DType::kBool
                                                             : DType::kInt64);
      }
      if (cell->weak && cell->known && cell->known_dtype == DType::kFloat64)
        cell = known(*cell->known, DType::kFloat32);
      PTE_TRY(ir::Value * held, value_of(cell));
      return Arg(held);
    }
    case ArgKind::kTensorList:
    case ArgKind::kOptionalTensorList: {
      ArgList items;
      for (const Value& item : *value.items()) {
        if (item.is_none()) {
          items.emplace_back();
          continue;
        }
        PTE_TRY(ir::Value * held, value_of(item.tensor()));
        items.emplace_back(held);
      }
      return Arg(std::move(items));
    }
    case ArgKind::kScalar:
      return number_arg(value);
    case ArgKind::kInt: {
      if (const auto integer = value.integer()) return Arg(*integer);
      return number_arg(value);
    }
    case ArgKind::kFloat: {
      if (const auto number = value.number()) return Arg(*number);
      return number_arg(value);
    }
    case ArgKind::kBool: {
      if (const auto integer = value.integer()) return Arg(*integer != 0);
      return unsupported("argument '{}' depends on the input", schema.name);
    }
    case ArgKind::kIntList:
    case ArgKind::kFloatList:
    case ArgKind::kBoolList: {
      ArgList items;
      const Values alone{value};
      for (const Value& item : value.items() == nullptr ? alone : *value.items()) {
        PTE_TRY(Arg arg, number_arg(item));
        if (schema.kind == ArgKind::kIntList && arg.boolean()) arg = Arg(*arg.boolean() ? 1 : 0);
        if (schema.kind == ArgKind::kFloatList && arg.number()) arg = Arg(*arg.number());
        items.push_back(std::move(arg));
      }
      return Arg(std::move(items));
    }
    case ArgKind::kString:
      return Arg(*value.get<std::string>());
    case ArgKind::kDType: {
      const auto dtype = dtype_from_code(*value.integer());
      if (!dtype) return invalid_data("no element type has the code {}", *value.integer());
      return Arg(*dtype);
    }
    case ArgKind::kLayout:
      if (value.integer() != 0) return unsupported("a tensor that is not strided");
      return Arg(ir::Layout::kStrided);
    case ArgKind::kMemoryFormat: {
      const int64_t code = *value.integer();
      if (code < 0 || code > 3) return invalid_data("no memory format has the code {}", code);
      return Arg(static_cast<ir::MemoryFormat>(code));
    }
    case ArgKind::kDevice:
      return Arg(ir::Device{});
    case ArgKind::kGraph:
      break;
  }
  return internal_error("argument '{}' is of no kind that code has", schema.name);
}

// x.add_(y): what the other form gives becomes the value of x's memory.
Result<Value> Evaluator::write_in_place(const std::string& name, const std::vector<Argument>& args,
                                        std::string_view overload) {
  if (args.empty() || !args[0].value.tensor()) {
    if (!args.empty() && args[0].value.get<Number>() != nullptr)
      return call_operator(name.substr(0, name.size() - 1), args, overload);
    static_cast<void>(unsupported_call(name, args, ""));
    return Value(Poison{});
  }
  const TensorPtr self = args[0].value.tensor();
  std::string functional = name.substr(0, name.size() - 1);
  if (name.ends_with("__")) {
    functional = "aten::" + name.substr(9, name.size() - 11);  // __iadd__
    constexpr std::string_view kDunder[] = {"aten::and", "aten::or", "aten::xor", "aten::lshift",
                                            "aten::rshift"};
    if (std::find(std::begin(kDunder), std::end(kDunder), functional) != std::end(kDunder))
      functional = "aten::__" + functional.substr(6) + "__";
  }
  PTE_TRY(const size_t handle, handle_in(contexts_.size() - 1, self));
  if (self->known) self->known.reset();
  if (contexts_.size() > 1 && self->context != context_id())
    return unsupported("a tensor from outside is written in a branch that depends on the input");
  if (!self->handle) {
    // A number that becomes a tensor for good.
    self->handle = handle;
    self->context = context_id();
  }
  // Shapes, not elements: the name stands for another view from here on.
  constexpr std::string_view kShapes[] = {"aten::squeeze_",   "aten::unsqueeze_", "aten::t_",
                                          "aten::transpose_", "aten::detach_",    "aten::swapaxes_",
                                          "aten::swapdims_"};
  if (std::find(std::begin(kShapes), std::end(kShapes), name) != std::end(kShapes)) {
    PTE_TRY(const Value view, call_operator(functional, args, overload));
    if (view.tensor()) {
      self->handle = view.tensor()->handle;
      self->contiguous = view.tensor()->contiguous;
    }
    return args[0].value;
  }
  std::vector<Argument> inner = args;
  Value made;
  if (name == "aten::zero_" || name == "aten::fill_") {
    PTE_TRY(ir::Value * before, context().aliases.read(handle));
    const Value filler = args.size() > 1 ? args[1].value : Value(0);
    if (filler.scalar()) {
      PTE_TRY(Arg sizes, context().maker.sizes_of(before));
      Arg number = std::visit([](auto held) { return Arg(held); }, *filler.scalar());
      PTE_TRY(ir::Value * full,
              context().maker.call(Op::aten_full,
                                   {std::move(sizes), std::move(number), before->tensor().dtype},
                                   "fill"));
      made = Value(new_tensor(context().aliases.add_root(full)));
    } else {
      made = filler;
    }
  } else if (name == "aten::copy_" && args.size() > 1) {
    made = args[1].value;
  } else {
    PTE_TRY(made, call_operator(functional, std::move(inner), overload));
  }
  if (made.is_poison()) return made;
  if (!made.tensor()) {
    PTE_TRY(const Arg converted,
            to_arg(ArgSchema{"src", ArgKind::kTensor, false, false, false, false, {}}, made));
    made = Value(new_tensor(context().aliases.add_root(converted.value())));
  }
  PTE_TRY(ir::Value * value, value_of(made.tensor()));
  PTE_TRY(ir::Value * fitted, context().aliases.fitted(handle, value));
  auto written = context().aliases.write(handle, fitted);
  if (!written) {
    if (written.error().code != Code::kUnsupported) return std::move(written.error());
    report_.add(name, place_, written.error().message);
    return Value(Poison{});
  }
  return args[0].value;
}

}  // namespace pte::importers::script
