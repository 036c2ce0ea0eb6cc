// torchao's quantization, which its quantize_() leaves in a graph: affine maps between floats and
// integers, whose scales belong to blocks of a tensor.
//
// Rows of int8 values, and blocks of rows, are dequantized by the per-channel row, and operands
// that are quantized by token while the model runs by the per-token rows: XNNPACK has layers for
// both, and the official runtime kernels. Everything else is written out.
#include <algorithm>
#include <limits>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

// A tensor's blocks as dims of their own: the sizes of a view and which of its dims a block spans.
struct Blocks {
  SymSizes sizes;
  std::vector<int64_t> dims;
  SymSizes reduced;  // the same with size 1 within a block
};

Blocks blocks_of(Scope& s, const Expr& x, size_t place) {
  const SymSizes block = s.sizes(place);
  Blocks made;
  if (!s.require(block.size() == x.rank(), "a block of another rank than its operand")) return made;
  for (size_t i = 0; i < block.size(); ++i) {
    const SymInt size = x.size(static_cast<int64_t>(i));
    if (block[i] == size && !block[i].is_constant(1)) {
      made.dims.push_back(static_cast<int64_t>(made.sizes.size()));
      made.sizes.push_back(size);
      made.reduced.emplace_back(1);
      continue;
    }
    const auto width = block[i].constant();
    if (!s.require(width && *width > 0, "a block whose size depends on the input")) return made;
    if (*width == 1) {
      made.sizes.push_back(size);
      made.reduced.push_back(size);
      continue;
    }
    const SymInt count = SymInt::floordiv(size, *width);
    made.sizes.push_back(count);
    made.reduced.push_back(count);
    made.dims.push_back(static_cast<int64_t>(made.sizes.size()));
    made.sizes.emplace_back(*width);
    made.reduced.emplace_back(1);
  }
  return made;
}

// One scale for all of the last dim, one for every index of the others.
bool by_token(const Expr& x, const SymSizes& block) {
  if (block.empty() || block.size() != x.rank() || !(block.back() == x.size(-1))) return false;
  return std::all_of(block.begin(), block.end() - 1,
                     [](const SymInt& size) { return size.is_constant(1); });
}

struct Range {
  int64_t low = 0, high = 0;
  bool whole_int8() const { return low == -128 && high == 127; }
};

Range range_of(Scope& s, DType dtype, size_t place) {
  Range all{-128, 127};
  if (dtype == DType::kUInt8) all = {0, 255};
  if (dtype == DType::kInt16)
    all = {std::numeric_limits<int16_t>::min(), std::numeric_limits<int16_t>::max()};
  if (dtype == DType::kInt32)
    all = {std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};
  s.require(dtype == DType::kInt8 || dtype == DType::kUInt8 || dtype == DType::kInt16 ||
                dtype == DType::kInt32,
            "quantization to this type");
  const Range given{s.integer(place, all.low), s.integer(place + 1, all.high)};
  s.require(given.low < given.high, "a range that is empty");
  return given;
}

// The call that chose a scale or zero point by token, behind the views and casts of torchao's own.
ir::Node* choice_of(const Expr& value) {
  const ir::Value* at = value.value();
  for (int step = 0; at != nullptr && at->producer() != nullptr && step < 8; ++step) {
    ir::Node* node = at->producer();
    if (node->is(Op::qd_choose_qparams_per_token_asymmetric)) return node;
    if (node->args().empty()) return nullptr;
    at = node->input(0);
  }
  return nullptr;
}

Results choose_qparams(Scope& s) {
  const Expr x = s.x(0);
  if (!s.require(static_cast<bool>(x), "a choice without an operand")) return {};
  const std::string mapping = s.text(1);
  const auto target = s.dtype(3).value_or(DType::kInt8);
  const Range range = range_of(s, target, 4);
  const DType scale_type = s.dtype(7).value_or(x.dtype());
  const auto zero_type = s.dtype(8);
  const bool keep = s.flag(9);
  const Blocks blocks = blocks_of(s, x, 2);
  const bool asymmetric = mapping == "ASYMMETRIC";
  if (!s.ok()) return {};

  if (asymmetric && by_token(x, s.sizes(2)) && target == DType::kInt8 && range.whole_int8() &&
      x.dtype() == DType::kFloat32 && !s.given(6)) {
    const Exprs made = s.call_all(Op::qd_choose_qparams_per_token_asymmetric, {x, DType::kInt8});
    if (made.size() != 2) return {};
    SymSizes sizes(x.sizes().begin(), x.sizes().end() - 1);
    const auto shaped = [&](const Expr& value, DType dtype) {
      return cast(keep ? value : view(value, sizes), dtype);
    };
    return {shaped(made[0], scale_type), shaped(made[1], zero_type.value_or(DType::kInt32))};
  }

  const Expr parts = view(x, blocks.sizes);
  const Expr low = clamp(-amax(-parts, blocks.dims, keep), Arg(), 0);
  const Expr high = clamp(amax(parts, blocks.dims, keep), 0, Arg());
  const double eps = s.number(
      6, x.dtype() == DType::kFloat16 ? 6.103515625e-05 : std::numeric_limits<float>::min());
  const auto span = static_cast<double>(range.high - range.low);
  Expr scale, zero;
  if (asymmetric) {
    scale = clamp((high - low) / Arg(span), eps, Arg());
    zero = clamp(Arg(static_cast<double>(range.low)) - round(low / scale),
                 static_cast<double>(range.low), static_cast<double>(range.high));
  } else if (mapping == "SYMMETRIC") {
    scale = clamp(maximum(-low, high) / Arg(span / 2), eps, Arg());
  } else if (mapping == "SYMMETRIC_NO_CLIPPING_ERR") {
    const Expr from_low = low / Arg(static_cast<double>(range.low));
    const Expr from_high = high / Arg(static_cast<double>(range.high));
    scale = clamp(where(gt(from_low, from_high), from_low, from_high), eps, Arg());
  } else {
    s.refuse("the mapping " + mapping);
    return {};
  }
  if (!zero) {
    const int64_t middle = (range.high + range.low + 1) / 2;
    zero = scale * 0 + Arg(static_cast<double>(middle));
  }
  if (keep) {
    SymSizes sizes;
    const SymSizes block = s.sizes(2);
    for (size_t i = 0; i < block.size(); ++i) {
      const SymInt size = x.size(static_cast<int64_t>(i));
      sizes.push_back(block[i] == size ? SymInt(1)
                                       : SymInt::floordiv(size, block[i].constant().value_or(1)));
    }
    scale = view(scale, sizes);
    zero = view(zero, sizes);
  }
  return {cast(scale, scale_type),
          cast(zero, zero_type.value_or(asymmetric ? DType::kInt32 : x.dtype()))};
}

Results quantize(Scope& s) {
  const Expr x = s.x(0), scale = s.x(2), zero = s.x(3);
  const auto target = s.dtype(4).value_or(DType::kInt8);
  const Range range = range_of(s, target, 5);
  const Blocks blocks = blocks_of(s, x, 1);
  if (!s.ok()) return {};
  ir::Node* choice = choice_of(scale);
  if (choice != nullptr && zero && choice_of(zero) == choice && by_token(x, s.sizes(1)) &&
      choice->input(0)->tensor().sizes == x.sizes() && target == DType::kInt8 &&
      range.whole_int8() && x.dtype() == DType::kFloat32) {
    return {s.call(Op::qd_quantize_per_token,
                   {x, choice->result(0), choice->result(1), range.low, range.high, DType::kInt8})};
  }
  Expr made = round(view(x, blocks.sizes) * reciprocal(view(scale, blocks.reduced)));
  if (zero && !zero.numel().is_constant(0)) {
    made = made + cast(view(zero, blocks.reduced), made.dtype());
  }
  made = clamp(made, static_cast<double>(range.low), static_cast<double>(range.high));
  return {cast(view(made, x.sizes()), target)};
}

// Whether a constant of the file holds nothing but zeros.
bool is_zero(Scope& s, const Expr& value) {
  const Tensor* data = s.maker().module().data_of(value.value());
  if (data == nullptr || data->numel() > (int64_t{1} << 28)) return false;
  const auto dense = data->contiguous();
  bool zero = dense.has_value();
  if (!zero) return false;
  const bool known = dispatch(dense->dtype(), [&]<typename T>(T) {
    const T* from = dense->template data_as<T>();
    for (int64_t i = 0; i < dense->numel() && zero; ++i) zero = static_cast<double>(from[i]) == 0;
  });
  return known && zero;
}

Results dequantize(Scope& s) {
  const Expr x = s.x(0), scale = s.x(2), zero = s.x(3);
  const auto source = s.dtype(4).value_or(x.dtype());
  const Range range = range_of(s, source, 5);
  const DType target = s.dtype(7).value_or(DType::kFloat32);
  const Blocks blocks = blocks_of(s, x, 1);
  if (!s.ok() || !s.require(source == x.dtype(), "an operand of another type")) return {};
  const SymSizes block = s.sizes(1);

  const bool bytes = source == DType::kInt8 && target == DType::kFloat32;
  ir::Node* choice = choice_of(scale);
  if (bytes && choice != nullptr && zero && choice_of(zero) == choice && by_token(x, block) &&
      range.whole_int8() && choice->input(0)->tensor().sizes == x.sizes()) {
    return {s.call(Op::qd_dequantize_per_token, {x, choice->result(0), choice->result(1), range.low,
                                                 range.high, DType::kInt8, DType::kFloat32})};
  }
  // Weights, by rows or blocks of rows: every block is a row of its own.
  const auto sizes = to_static(x.sizes());
  const auto width = block.empty() ? std::nullopt : block.back().constant();
  if (bytes && choice == nullptr && sizes && sizes->size() == 2 && width && *width > 1 &&
      block[0].is_constant(1) && scale.dtype() == DType::kFloat32) {
    const int64_t rows = (*sizes)[0] * ((*sizes)[1] / *width);
    Arg zeros;
    if (zero && !is_zero(s, zero)) zeros = cast(view(zero, {rows}), DType::kInt64);
    const Expr made =
        s.call(Op::qd_dequantize_per_channel, {view(x, {rows, *width}), view(scale, {rows}), zeros,
                                               0, range.low, range.high, DType::kInt8});
    return {view(made, x.sizes())};
  }
  Expr made = cast(view(x, blocks.sizes), target);
  if (zero && !is_zero(s, zero)) made = made - cast(view(zero, blocks.reduced), target);
  made = made * view(scale, blocks.reduced);
  return {cast(view(made, x.sizes()), target)};
}

// Sums of products of bytes are exact in double precision.
Results int_mm(Scope& s) {
  return {cast(s.call(Op::aten_mm, {cast(s.x(0), DType::kFloat64), cast(s.x(1), DType::kFloat64)}),
               DType::kInt32)};
}

constexpr Composite kComposites[] = {
    {"torchao::choose_qparams_affine(Tensor? input, str mapping_type, SymInt[] block_size, "
     "ScalarType target_dtype, Scalar? quant_min=None, Scalar? quant_max=None, float? eps=None, "
     "ScalarType? scale_dtype=None, ScalarType? zero_point_dtype=None, bool keepdim=False) -> "
     "(Tensor, Tensor)",
     choose_qparams},
    {"torchao::quantize_affine(Tensor input, SymInt[] block_size, Tensor scale, Tensor? "
     "zero_point, ScalarType output_dtype, Scalar? quant_min=None, Scalar? quant_max=None) -> "
     "Tensor",
     quantize},
    {"torchao::dequantize_affine(Tensor input, SymInt[] block_size, Tensor scale, Tensor? "
     "zero_point, ScalarType input_dtype, Scalar? quant_min=None, Scalar? quant_max=None, "
     "ScalarType? output_dtype=None) -> Tensor",
     dequantize},
    {"aten::_int_mm(Tensor self, Tensor mat2) -> Tensor", int_mm},
};

}  // namespace

std::span<const Composite> quantize_composites() { return kComposites; }

}  // namespace pte::importers
