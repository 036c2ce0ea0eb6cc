#include "ir/infer/common.h"

#include <algorithm>

#include "base/checked.h"

namespace pte::ir {

const std::string& arg_name(const InferContext& c, size_t arg) { return c.op.args[arg].name; }

Error bad_arg(const InferContext& c, size_t arg, std::string_view message) {
  return c.invalid(fmt::format("argument '{}': {}", arg_name(c, arg), message));
}

const TensorType* optional_tensor(const InferContext& c, size_t arg) {
  const Value* value = c.args[arg].value();
  return value != nullptr && value->is_tensor() ? &value->tensor() : nullptr;
}

Result<SymSizes> size_list(const InferContext& c, size_t arg) {
  if (auto sizes = c.args[arg].sym_ints()) return std::move(*sizes);
  if (auto size = c.args[arg].sym_int()) return SymSizes{std::move(*size)};
  return bad_arg(c, arg, "expected a list of integers");
}

Result<SymSizes> size_list(const InferContext& c, size_t arg, size_t count) {
  PTE_TRY(SymSizes sizes, size_list(c, arg));
  if (sizes.size() == 1) sizes.resize(count, sizes[0]);
  if (sizes.size() != count) {
    return bad_arg(c, arg, fmt::format("{} values, expected 1 or {}", sizes.size(), count));
  }
  return sizes;
}

Result<std::vector<int64_t>> int_list(const InferContext& c, size_t arg) {
  PTE_TRY(const SymSizes sizes, size_list(c, arg));
  auto values = to_static(sizes);
  if (!values) return bad_arg(c, arg, "expected integers that are known before the run");
  return std::move(*values);
}

Result<int64_t> int_arg(const InferContext& c, size_t arg) {
  const auto size = c.args[arg].sym_int();
  const auto value = size ? size->constant() : std::nullopt;
  if (!value) return bad_arg(c, arg, "expected an integer that is known before the run");
  return *value;
}

bool bool_arg(const InferContext& c, size_t arg) { return c.args[arg].boolean().value_or(false); }

std::optional<DType> dtype_arg(const InferContext& c, size_t arg) {
  const auto* dtype = std::get_if<DType>(&c.args[arg].v);
  return dtype == nullptr ? std::nullopt : std::optional(*dtype);
}

Result<size_t> dim_value(const InferContext& c, size_t arg, int64_t dim, size_t rank) {
  const auto count = static_cast<int64_t>(std::max<size_t>(rank, 1));
  if (dim < -count || dim >= count) {
    return bad_arg(c, arg,
                   fmt::format("dimension {} is out of range for a tensor of rank {}", dim, rank));
  }
  return static_cast<size_t>(dim < 0 ? dim + count : dim);
}

Result<size_t> dim_arg(const InferContext& c, size_t arg, size_t rank) {
  PTE_TRY(const int64_t dim, int_arg(c, arg));
  return dim_value(c, arg, dim, rank);
}

Result<std::vector<bool>> dim_mask(const InferContext& c, size_t arg, size_t rank) {
  std::vector<bool> mask(rank, false);
  std::vector<int64_t> dims;
  if (!c.args[arg].is_none()) {
    PTE_TRY(dims, int_list(c, arg));
  }
  if (dims.empty()) return std::vector<bool>(rank, true);
  for (const int64_t dim : dims) {
    PTE_TRY(const size_t index, dim_value(c, arg, dim, rank));
    if (rank == 0) continue;
    if (mask[index]) return bad_arg(c, arg, fmt::format("dimension {} is named twice", dim));
    mask[index] = true;
  }
  return mask;
}

namespace {

const Ranges& ranges_of(const InferContext& c) {
  static const Ranges kNone;
  return c.symbols != nullptr ? *c.symbols : kNone;
}

}  // namespace

bool may_be(const InferContext& c, const SymInt& expression, int64_t value) {
  const auto low = expression.lower_bound(ranges_of(c));
  const auto high = expression.upper_bound(ranges_of(c));
  return (!low || *low <= value) && (!high || value <= *high);
}

std::optional<SymInt> unify(const InferContext& c, const SymInt& a, const SymInt& b) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) return std::nullopt;
  if (a.is_constant()) return may_be(c, b, *a.constant()) ? std::optional(a) : std::nullopt;
  if (b.is_constant()) return may_be(c, a, *b.constant()) ? std::optional(b) : std::nullopt;
  return std::nullopt;
}

Result<SymSizes> broadcast(const InferContext& c, const SymSizes& a, const SymSizes& b) {
  const SymSizes& longer = a.size() >= b.size() ? a : b;
  const SymSizes& shorter = a.size() >= b.size() ? b : a;
  SymSizes result = longer;
  const size_t skip = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    SymInt& size = result[skip + i];
    const SymInt& other = shorter[i];
    if (other.is_constant(1) || size == other) continue;
    if (size.is_constant(1)) {
      size = other;
      continue;
    }
    // A number above 1 against an expression: whether that is 1 or the number, the result is the
    // number.
    if (size.is_constant() && !other.is_constant() &&
        (may_be(c, other, 1) || may_be(c, other, *size.constant()))) {
      continue;
    }
    if (other.is_constant() && !size.is_constant() &&
        (may_be(c, size, 1) || may_be(c, size, *other.constant()))) {
      size = other;
      continue;
    }
    return c.invalid(fmt::format("sizes [{}] and [{}] do not broadcast at dimension {}",
                                 to_string(a), to_string(b), skip + i));
  }
  return result;
}

Status check_expands(const InferContext& c, size_t arg, const SymSizes& from, const SymSizes& to) {
  const auto both = broadcast(c, from, to);
  if (both && *both == to) return {};
  return bad_arg(c, arg,
                 fmt::format("[{}] does not broadcast to [{}]", to_string(from), to_string(to)));
}

Result<SymInt> element_product(const InferContext& c, const SymSizes& sizes) {
  if (const auto numbers = to_static(sizes)) {
    const auto count = element_count(*numbers);
    if (!count)
      return c.invalid(fmt::format("a tensor of sizes [{}] is too large", to_string(sizes)));
    return SymInt(*count);
  }
  return product(sizes);
}

SymInt exact_quotient(const SymSizes& numerator, const SymSizes& denominator) {
  SymSizes rest = numerator;
  SymInt divisor(1);
  for (const SymInt& size : denominator) {
    const auto it = std::find(rest.begin(), rest.end(), size);
    if (it != rest.end()) {
      rest.erase(it);
    } else {
      divisor = divisor * size;
    }
  }
  // A factor that one remaining size holds exactly: (2*s0) / 2, s0*12 / s0.
  for (SymInt& size : rest) {
    if (divisor.is_constant(1)) break;
    if (divisor.is_constant(0)) return 0;
    if (SymInt::mod(size, divisor).is_constant(0)) {
      size = SymInt::floordiv(size, divisor);
      divisor = 1;
    }
  }
  return SymInt::floordiv(product(rest), divisor);
}

bool at_least(const InferContext& c, const SymInt& a, const SymInt& b) {
  const auto low = (a - b).lower_bound(ranges_of(c));
  return low && *low >= 0;
}

SymInt bounded_max(const InferContext& c, const SymInt& a, const SymInt& b) {
  if (at_least(c, a, b)) return a;
  if (at_least(c, b, a)) return b;
  return SymInt::max(a, b);
}

SymInt bounded_min(const InferContext& c, const SymInt& a, const SymInt& b) {
  if (at_least(c, a, b)) return b;
  if (at_least(c, b, a)) return a;
  return SymInt::min(a, b);
}

namespace {

// Which kind of number a type holds: a kind further right decides the result.
int category(DType dtype) {
  if (is_complex(dtype)) return 3;
  if (is_floating(dtype)) return 2;
  return dtype == DType::kBool ? 0 : 1;
}

std::optional<DType> promoted(std::optional<DType> a, std::optional<DType> b, bool& failed) {
  if (!a || !b) return a ? a : b;
  const auto result = promote_types(*a, *b);
  if (!result) failed = true;
  return result;
}

// `higher` decides unless `lower` is of a kind further right.
std::optional<DType> combined(std::optional<DType> higher, std::optional<DType> lower,
                              bool& failed) {
  if (!higher || !lower) return higher ? higher : lower;
  if (category(*lower) <= category(*higher)) return higher;
  return promoted(higher, lower, failed);
}

}  // namespace

void Promotion::add(const TensorType& tensor) {
  auto& group = tensor.rank() == 0 ? zero_dim_ : dimensioned_;
  group = promoted(group, tensor.dtype, failed_);
}

void Promotion::add_scalar(const Arg& scalar) {
  DType dtype = DType::kInt64;
  if (const Value* value = scalar.value()) {
    if (value->is_tensor()) return add(value->tensor());
    if (std::holds_alternative<SymFloatType>(value->type())) dtype = DType::kFloat32;
    if (std::holds_alternative<SymBoolType>(value->type())) dtype = DType::kBool;
  } else if (std::holds_alternative<double>(scalar.v)) {
    dtype = DType::kFloat32;
  } else if (std::holds_alternative<bool>(scalar.v)) {
    dtype = DType::kBool;
  } else if (scalar.is_none()) {
    return;
  }
  scalar_ = promoted(scalar_, dtype, failed_);
}

Result<DType> Promotion::result(const InferContext& c) const {
  bool failed = failed_;
  const auto dtype = combined(dimensioned_, combined(zero_dim_, scalar_, failed), failed);
  if (failed || !dtype) return c.invalid("the operands' dtypes have no common type");
  return *dtype;
}

DType to_floating(DType dtype) {
  return is_integer(dtype) || dtype == DType::kBool ? DType::kFloat32 : dtype;
}

DimOrder suggested_order(const TensorType& tensor, size_t rank) {
  if (rank == tensor.rank() && rank >= 4 && tensor.dim_order == channels_last_dim_order(rank)) {
    return tensor.dim_order;
  }
  return contiguous_dim_order(rank);
}

Result<DimOrder> order_for(const InferContext& c, size_t arg, const TensorType& tensor) {
  const auto* format = std::get_if<MemoryFormat>(&c.args[arg].v);
  if (format == nullptr || *format == MemoryFormat::kPreserve) return tensor.dim_order;
  if (*format == MemoryFormat::kContiguous) return contiguous_dim_order(tensor.rank());
  const size_t rank = *format == MemoryFormat::kChannelsLast ? 4 : 5;
  if (tensor.rank() != rank) {
    return bad_arg(
        c, arg,
        fmt::format("needs a tensor of rank {}, this one has rank {}", rank, tensor.rank()));
  }
  return channels_last_dim_order(rank);
}

TensorType contiguous_type(DType dtype, SymSizes sizes) {
  DimOrder order = contiguous_dim_order(sizes.size());
  return {dtype, std::move(sizes), std::move(order)};
}

}  // namespace pte::ir
