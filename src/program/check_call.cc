#include "program/check_call.h"

#include "program/quote.h"
#include "schema/ops.h"

namespace pte::program {
namespace {

bool is_number(const Value& value) {
  return std::holds_alternative<int64_t>(value) || std::holds_alternative<double>(value) ||
         std::holds_alternative<bool>(value);
}

bool fits(const Value& value, ArgKind kind) {
  switch (kind) {
    case ArgKind::kTensor:
      return std::holds_alternative<TensorValue>(value);
    case ArgKind::kTensorList:
      return std::holds_alternative<TensorList>(value);
    case ArgKind::kOptionalTensorList:
      return std::holds_alternative<OptionalTensorList>(value) ||
             std::holds_alternative<TensorList>(value);
    case ArgKind::kScalar:
      return is_number(value);
    // A float argument may have been given as a whole number.
    case ArgKind::kFloat:
      return std::holds_alternative<double>(value) || std::holds_alternative<int64_t>(value);
    case ArgKind::kIntList:
      return std::holds_alternative<IntList>(value);
    case ArgKind::kFloatList:
      return std::holds_alternative<std::vector<double>>(value);
    case ArgKind::kBool:
      return std::holds_alternative<bool>(value);
    case ArgKind::kBoolList:
      return std::holds_alternative<std::vector<bool>>(value);
    case ArgKind::kString:
      return std::holds_alternative<std::string>(value);
    case ArgKind::kInt:
    case ArgKind::kDType:
    case ArgKind::kLayout:
    case ArgKind::kMemoryFormat:
    case ArgKind::kDevice:
      return std::holds_alternative<int64_t>(value);
    case ArgKind::kGraph:
      return false;
  }
  return false;
}

std::string_view expected_name(ArgKind kind) {
  switch (kind) {
    case ArgKind::kTensor:
      return "Tensor";
    case ArgKind::kTensorList:
      return "TensorList";
    case ArgKind::kOptionalTensorList:
      return "OptionalTensorList";
    case ArgKind::kScalar:
      return "number";
    case ArgKind::kFloat:
      return "Double";
    case ArgKind::kIntList:
      return "IntList";
    case ArgKind::kFloatList:
      return "DoubleList";
    case ArgKind::kBool:
      return "Bool";
    case ArgKind::kBoolList:
      return "BoolList";
    case ArgKind::kString:
      return "String";
    default:
      return "Int";
  }
}

// A number that an instruction writes may have been given any kind of number to begin with.
bool fits_result(const Value& value, ArgKind kind) {
  if (kind == ArgKind::kTensor || kind == ArgKind::kTensorList) return fits(value, kind);
  return is_number(value);
}

}  // namespace

Status check_call(const Method& method, const KernelCall& call) {
  const Operator& op = method.operators[static_cast<size_t>(call.op)];
  const OpInfo* info = find_op_by_out(op.full_name());
  return info == nullptr ? Status() : check_call(method, call, *info);
}

Status check_call(const Method& method, const KernelCall& call, const OpInfo& info) {
  const Operator& op = method.operators[static_cast<size_t>(call.op)];
  const size_t inputs = info.out_args.size();
  const size_t results = info.returns.size();
  // Out variants name their results as arguments and then again as what they return, several of
  // them gathered in one list. In-place operators and those on sizes name each once.
  const bool once = info.is_prim() || info.has(kTagInPlace);
  const size_t returned = once ? 0 : 1;
  const size_t expected = inputs + results + (results == 0 ? 0 : returned);
  if (call.args.size() != expected) {
    return invalid_data("{} takes {} values ({} arguments, {} results), the call has {}",
                        quote(op.full_name()), expected, inputs, results, call.args.size());
  }
  const auto value = [&](size_t arg) -> const Value& {
    return method.values[static_cast<size_t>(call.args[arg])];
  };
  for (size_t i = 0; i < inputs; ++i) {
    const ArgSchema& arg = info.args[static_cast<size_t>(info.out_args[i])];
    if (fits(value(i), arg.kind) || (arg.optional && std::holds_alternative<Null>(value(i))))
      continue;
    return invalid_data("{}: argument '{}' is value {} ({}), expected {}", quote(op.full_name()),
                        arg.name, call.args[i], kind_name(value(i)), expected_name(arg.kind));
  }
  for (size_t i = 0; i < results; ++i) {
    if (fits_result(value(inputs + i), info.returns[i].kind)) continue;
    return invalid_data("{}: result {} is value {} ({}), expected {}", quote(op.full_name()), i,
                        call.args[inputs + i], kind_name(value(inputs + i)),
                        expected_name(info.returns[i].kind));
  }
  const bool one_tensor = results == 1 && info.returns[0].kind == ArgKind::kTensor;
  if (one_tensor && !once && call.args[inputs] != call.args[inputs + 1]) {
    return invalid_data("{}: its result is value {} but it returns value {}", quote(op.full_name()),
                        call.args[inputs], call.args[inputs + 1]);
  }
  if (results > 1 && !once && !std::holds_alternative<TensorList>(value(inputs + results))) {
    return invalid_data("{}: its last value gathers {} results, found {}, expected TensorList",
                        quote(op.full_name()), results, kind_name(value(inputs + results)));
  }
  return {};
}

}  // namespace pte::program
