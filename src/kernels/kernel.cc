#include "kernels/kernel.h"

#include <algorithm>

namespace pte::kernels {
namespace {

std::string_view expected(ArgKind kind) {
  switch (kind) {
    case ArgKind::kTensor:
      return "Tensor";
    case ArgKind::kTensorList:
      return "TensorList";
    case ArgKind::kOptionalTensorList:
      return "OptionalTensorList";
    case ArgKind::kScalar:
      return "Int, Double or Bool";
    case ArgKind::kInt:
      return "Int";
    case ArgKind::kIntList:
      return "IntList";
    case ArgKind::kFloat:
      return "Double";
    case ArgKind::kFloatList:
      return "DoubleList";
    case ArgKind::kBool:
      return "Bool";
    case ArgKind::kBoolList:
      return "BoolList";
    case ArgKind::kString:
      return "String";
    case ArgKind::kDType:
    case ArgKind::kLayout:
    case ArgKind::kMemoryFormat:
    case ArgKind::kDevice:
      return "Int or None";
    case ArgKind::kGraph:
      return "a graph";
  }
  return "nothing known";
}

bool accepts(ArgKind kind, const EValue& value) {
  const bool is_int = value.is<int64_t>();
  const bool is_double = value.is<double>();
  switch (kind) {
    case ArgKind::kTensor:
      return value.is<Tensor>();
    case ArgKind::kTensorList:
      return value.is<std::vector<Tensor>>();
    case ArgKind::kOptionalTensorList:
      return value.is<std::vector<std::optional<Tensor>>>();
    case ArgKind::kScalar:
      return is_int || is_double || value.is<bool>();
    case ArgKind::kInt:
      return is_int;
    case ArgKind::kIntList:
      return value.is<std::vector<int64_t>>();
    case ArgKind::kFloat:
      return is_double || is_int;
    case ArgKind::kFloatList:
      return value.is<std::vector<double>>();
    case ArgKind::kBool:
      return value.is<bool>();
    case ArgKind::kBoolList:
      return value.is<std::vector<bool>>();
    case ArgKind::kString:
      return value.is<std::string>();
    case ArgKind::kDType:
    case ArgKind::kLayout:
    case ArgKind::kMemoryFormat:
    case ArgKind::kDevice:
      return is_int || value.is_none();
    case ArgKind::kGraph:
      return false;
  }
  return false;
}

// Resizing a result would change an argument that is the same value under the kernel's hands.
// Elementwise kernels allow for it, and numbers are read before they are written.
Status check_distinct(const OpInfo& op, std::span<EValue* const> args) {
  const size_t taken = op.out_args.size();
  for (size_t i = taken; i < args.size(); ++i) {
    if (!args[i]->is<Tensor>() && !args[i]->is<std::vector<Tensor>>()) continue;
    const bool may_be_argument = op.has(kTagElementwise) || op.has(kTagInPlace);
    for (size_t j = may_be_argument ? taken : 0; j < i; ++j) {
      if (args[i] == args[j]) {
        return invalid_data("{}: result {} is also {} {}", op.full_name(), i - taken,
                            j < taken ? "argument" : "result", j < taken ? j : j - taken);
      }
    }
  }
  return {};
}

}  // namespace

int64_t Call::integer(size_t arg) const {
  const int64_t* value = args_[arg]->get<int64_t>();
  return value == nullptr ? 0 : *value;
}

double Call::real(size_t arg) const {
  const double* value = args_[arg]->get<double>();
  return value == nullptr ? static_cast<double>(integer(arg)) : *value;
}

bool Call::boolean(size_t arg) const {
  const bool* value = args_[arg]->get<bool>();
  return value != nullptr && *value;
}

Scalar Call::scalar(size_t arg) const {
  if (const double* real = args_[arg]->get<double>()) {
    return {Scalar::Kind::kFloat, 0, *real};
  }
  if (const bool* boolean = args_[arg]->get<bool>()) {
    return {Scalar::Kind::kBool, *boolean ? 1 : 0, 0};
  }
  return {Scalar::Kind::kInt, integer(arg), 0};
}

std::optional<int64_t> Call::optional_integer(size_t arg) const {
  if (is_none(arg)) return std::nullopt;
  return integer(arg);
}

std::optional<double> Call::optional_real(size_t arg) const {
  if (is_none(arg)) return std::nullopt;
  return real(arg);
}

std::optional<Scalar> Call::optional_scalar(size_t arg) const {
  if (is_none(arg)) return std::nullopt;
  return scalar(arg);
}

void Call::parallel_for(int64_t count, int64_t grain,
                        const std::function<void(int64_t, int64_t)>& body) const {
  if (pool_ != nullptr) {
    pool_->parallel_for(count, grain, body);
  } else if (count > 0) {
    body(0, count);
  }
}

Status check_kinds(const OpInfo& op, std::span<EValue* const> args) {
  const size_t taken = op.out_args.size();
  const size_t results = op.returns.size();
  if (args.size() != taken + results && !(op.has(kTagInPlace) && args.size() == taken)) {
    return invalid_data("{}: it takes {} arguments and {} results, but the call has {} values",
                        op.full_name(), taken, results, args.size());
  }
  for (size_t i = 0; i < taken; ++i) {
    const ArgSchema& schema = op.args[static_cast<size_t>(op.out_args[i])];
    if (accepts(schema.kind, *args[i]) || (schema.optional && args[i]->is_none())) continue;
    return invalid_data("{}: argument '{}' is {}, expected {}{}", op.full_name(), schema.name,
                        args[i]->kind(), expected(schema.kind), schema.optional ? " or None" : "");
  }
  for (size_t i = taken; i < args.size(); ++i) {
    const ArgKind kind = op.returns[i - taken].kind;
    // A number's old kind does not matter: the kernel replaces the whole value.
    const bool number = kind == ArgKind::kScalar || kind == ArgKind::kInt ||
                        kind == ArgKind::kFloat || kind == ArgKind::kBool;
    if (number || accepts(kind, *args[i])) continue;
    return invalid_data("{}: result {} is {}, expected {}", op.full_name(), i - taken,
                        args[i]->kind(), expected(kind));
  }
  return check_distinct(op, args);
}

}  // namespace pte::kernels
