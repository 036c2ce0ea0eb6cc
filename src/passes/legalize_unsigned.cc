// uint16, uint32 and uint64: the official kernels neither cast nor calculate with them. What reads
// them reads their bits as signed integers (view_copy.dtype, which programs get for nothing), and
// calculates in a wider type; 64 bits in int64, where addition and its kin are the same and what
// depends on the order or on the quotient is written for the purpose.
#include <algorithm>
#include <limits>

#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

constexpr int64_t kSign = std::numeric_limits<int64_t>::min();

bool is_wide_unsigned(DType dtype) {
  return dtype == DType::kUInt16 || dtype == DType::kUInt32 || dtype == DType::kUInt64;
}

bool is_wide_unsigned(const Value* value) {
  return value != nullptr && value->is_tensor() && is_wide_unsigned(value->tensor().dtype);
}

// In which the numbers of an unsigned type are calculated with.
DType carrier_of(DType dtype) { return dtype == DType::kUInt16 ? DType::kInt32 : DType::kInt64; }

Value* reinterpret_as(Maker& m, Value* x, DType dtype) {
  return m.call(Op::aten_view_copy_dtype, {x, dtype});
}

Value* widen(Maker& m, Value* x) {
  switch (x->tensor().dtype) {
    case DType::kUInt16:
      x = m.cast(reinterpret_as(m, x, DType::kInt16), DType::kInt32);
      return m.call(Op::aten_bitwise_and_Scalar, {x, Arg(int64_t{0xffff})});
    case DType::kUInt32:
      x = m.cast(reinterpret_as(m, x, DType::kInt32), DType::kInt64);
      return m.call(Op::aten_bitwise_and_Scalar, {x, Arg(int64_t{0xffffffff})});
    case DType::kUInt64:
      return reinterpret_as(m, x, DType::kInt64);
    default:
      return x;
  }
}

Value* narrow(Maker& m, Value* x, DType dtype) {
  const DType same_size = dtype == DType::kUInt16   ? DType::kInt16
                          : dtype == DType::kUInt32 ? DType::kInt32
                                                    : DType::kInt64;
  // From a wider integer the casts keep the low bits.
  if (is_floating(x->tensor().dtype)) x = m.cast(x, DType::kInt64);
  return reinterpret_as(m, m.cast(x, same_size), dtype);
}

Value* flip_sign(Maker& m, Value* x) {
  return m.call(Op::aten_bitwise_xor_Scalar, {x, Arg(kSign)});
}

// ---- 64 bits: what signed arithmetic on the same bits gets wrong

// Operators that go by the order: right once the sign bits are the other way round.
bool goes_by_order(Op op) {
  switch (op) {
    case Op::aten_lt_Tensor:
    case Op::aten_le_Tensor:
    case Op::aten_gt_Tensor:
    case Op::aten_ge_Tensor:
    case Op::aten_lt_Scalar:
    case Op::aten_le_Scalar:
    case Op::aten_gt_Scalar:
    case Op::aten_ge_Scalar:
    case Op::aten_clamp:
    case Op::aten_clamp_Tensor:
    case Op::aten_maximum:
    case Op::aten_minimum:
    case Op::aten_amax:
    case Op::aten_amin:
    case Op::aten_argmax:
    case Op::aten_argmin:
    case Op::aten_max:
    case Op::aten_min:
    case Op::aten_max_dim:
    case Op::aten_min_dim:
    case Op::aten_sort:
    case Op::aten_sort_stable:
    case Op::aten_topk:
      return true;
    default:
      return false;
  }
}

// Where the first number is no argument of the same kind as the tensor: dimensions and the like.
bool takes_number(Op op) {
  return op == Op::aten_lt_Scalar || op == Op::aten_le_Scalar || op == Op::aten_gt_Scalar ||
         op == Op::aten_ge_Scalar || op == Op::aten_clamp;
}

Value* not_less(Maker& m, Value* a, Value* b) { return m.ge(flip_sign(m, a), flip_sign(m, b)); }

// Half of a number, as if unsigned.
Value* half(Maker& m, Value* x) {
  x = m.call(Op::aten_bitwise_right_shift_Tensor_Scalar, {x, Arg(int64_t{1})});
  return m.call(Op::aten_bitwise_and_Scalar, {x, Arg(std::numeric_limits<int64_t>::max())});
}

// By twice the quotient of half the dividend, which is at most one short.
Value* quotient(Maker& m, Value* x, Value* d) {
  Value* twice = m.mul(m.call(Op::aten_div_Tensor_mode, {half(m, x), d, "trunc"}), Arg(int64_t{2}));
  Value* rest = m.sub(x, m.mul(twice, d));
  Value* exact = m.add(twice, m.cast(not_less(m, rest, d), DType::kInt64));
  // A divisor of 2^63 or more goes in once, or not at all.
  return m.where(m.lt(d, Arg(int64_t{0})), m.cast(not_less(m, x, d), DType::kInt64), exact);
}

Value* shift_right(Maker& m, Value* x, Value* by) {
  Value* less = m.sub(by, Arg(int64_t{1}));
  Value* none = m.eq(by, Arg(int64_t{0}));
  less = m.where(none, Arg(int64_t{0}), less);
  return m.where(none, x, m.call(Op::aten_bitwise_right_shift_Tensor, {half(m, x), less}));
}

Result<Replacement> wide_64(Rewrite& r, Maker& m, std::vector<Arg> args) {
  const Op op = r.node->op().op;
  const auto operand = [&](size_t i) {
    if (args[i].value() != nullptr) return args[i].value();
    return m.number_like(args[i], args[0].value());
  };
  switch (op) {
    case Op::aten_div_Tensor_mode:
    case Op::aten_div_Scalar_mode:
    case Op::aten_floor_divide:
      return m.done(narrow(m, quotient(m, operand(0), operand(1)), DType::kUInt64));
    case Op::aten_fmod_Tensor:
    case Op::aten_fmod_Scalar:
    case Op::aten_remainder_Tensor:
    case Op::aten_remainder_Scalar: {
      Value* d = operand(1);
      Value* rest = m.sub(operand(0), m.mul(quotient(m, operand(0), d), d));
      return m.done(narrow(m, rest, DType::kUInt64));
    }
    case Op::aten_bitwise_right_shift_Tensor:
    case Op::aten_bitwise_right_shift_Tensor_Scalar:
    case Op::aten___rshift___Tensor:
    case Op::aten___rshift___Scalar:
      return m.done(narrow(m, shift_right(m, operand(0), operand(1)), DType::kUInt64));
    case Op::dim_order_to_dim_order_copy:
    case Op::aten__to_copy: {
      const DType to = r.result_type().dtype;
      Value* x = args[0].value();
      if (!is_floating(to)) break;
      // The upper half of the range has the sign bit set.
      const DType real = to == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
      Value* lower = m.cast(x, real);
      Value* upper = m.add(m.mul(m.cast(half(m, x), real), Arg(2.0)), Arg(0.0));
      return m.done(m.where(m.lt(x, Arg(int64_t{0})), upper, lower));
    }
    default:
      break;
  }
  return Replacement{};
}

}  // namespace

bool has_wide_unsigned(const Node& node) {
  if (node.op().has(kTagHigherOrder) || node.op().has(kTagEffect) || node.op().has(kTagInPlace))
    return false;
  switch (node.op().op) {  // these move no element
    case Op::aten_view_copy:
    case Op::aten_view_copy_dtype:
    case Op::aten_unsqueeze_copy:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_squeeze_copy_dims:
      return false;
    default:
      break;
  }
  const auto inputs = node.inputs();
  const auto& results = node.results();
  const auto unsigned_value = [](const Value* value) { return is_wide_unsigned(value); };
  return std::any_of(inputs.begin(), inputs.end(), unsigned_value) ||
         std::any_of(results.begin(), results.end(), unsigned_value);
}

Result<Replacement> widen_unsigned(Rewrite& r) {
  Maker m(r);
  const OpInfo& op = r.node->op();
  const bool by_order = goes_by_order(op.op);
  bool is_64 = false;
  std::vector<Arg> args = r.node->args();
  const auto wide = [&](Arg& arg) {
    if (Value* value = arg.value(); is_wide_unsigned(value)) {
      const bool flip = by_order && value->tensor().dtype == DType::kUInt64;
      is_64 = is_64 || value->tensor().dtype == DType::kUInt64;
      Value* made = widen(m, value);
      arg = Arg(flip ? flip_sign(m, made) : made);
    } else if (const auto* dtype = std::get_if<DType>(&arg.v);
               dtype != nullptr && is_wide_unsigned(*dtype)) {
      arg = Arg(carrier_of(*dtype));
    }
  };
  for (Arg& arg : args) {
    if (const auto* list = arg.list()) {
      ArgList items = *list;
      for (Arg& item : items) wide(item);
      arg = Arg(std::move(items));
    } else {
      wide(arg);
    }
  }
  if (is_64) {
    PTE_TRY(Replacement special, wide_64(r, m, args));
    if (!special.empty()) return special;
    if (takes_number(op.op)) {
      for (size_t i = 1; i < args.size(); ++i) {
        if (args[i].is_none()) continue;
        const auto number = args[i].integer();
        if (!number) return r.not_supported("a uint64 against a number that is no integer");
        args[i] = Arg(*number ^ kSign);
      }
    }
  }
  std::vector<Value*> made;
  if (op.op == Op::dim_order_to_dim_order_copy || op.op == Op::aten__to_copy ||
      op.op == Op::dim_order_clone_dim_order || op.op == Op::aten_clone) {
    made = {args[0].value()};  // what follows casts to the result's type
  } else {
    made = m.calls(op.op, std::move(args));
  }
  if (m.failed() || made.size() != r.node->results().size()) return m.done(std::vector<Value*>{});
  for (size_t i = 0; i < made.size(); ++i) {
    if (!r.node->result(i)->is_tensor()) continue;
    const DType to = r.result_type(i).dtype;
    if (!is_wide_unsigned(to)) {
      made[i] = m.cast(made[i], to);
      continue;
    }
    if (by_order && to == DType::kUInt64) made[i] = flip_sign(m, made[i]);
    made[i] = narrow(m, made[i], to);
  }
  return m.done(std::move(made));
}

namespace {

// Other bits for the same type size: programs let two tensors have one memory.
Result<Replacement> reinterpret_bits(Rewrite& r) {
  if (size_of(r.type(0).dtype) != size_of(r.result_type().dtype))
    return r.not_supported("element types of different sizes");
  if (!r.type(0).static_sizes()) return r.not_supported("sizes known at run time only");
  return Replacement{};
}

}  // namespace

std::span<const RuleEntry> legal_unsigned_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_view_copy_dtype, reinterpret_bits},
  };
  return kRules;
}

}  // namespace pte::passes
