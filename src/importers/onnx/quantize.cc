// Quantisation: the conversions, and operators on quantised values as the float operator between
// conversions.
#include <algorithm>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {

using ir::Arg;

namespace {

struct Limits {
  double low, high;
  DType dtype;
};

std::optional<Limits> limits_of(int32_t narrow, DType dtype) {
  switch (narrow) {
    case kInt4:
      return Limits{-8, 7, DType::kInt8};
    case kUInt4:
      return Limits{0, 15, DType::kUInt8};
    case kInt2:
      return Limits{-2, 1, DType::kInt8};
    case kUInt2:
      return Limits{0, 3, DType::kUInt8};
    default:
      break;
  }
  switch (dtype) {
    case DType::kInt8:
      return Limits{-128, 127, dtype};
    case DType::kUInt8:
      return Limits{0, 255, dtype};
    case DType::kInt16:
      return Limits{-32768, 32767, dtype};
    case DType::kUInt16:
      return Limits{0, 65535, dtype};
    default:
      return std::nullopt;
  }
}

bool is_narrow_float(int32_t type) {
  return (type >= kFloat8E4M3FN && type <= kFloat8E5M2FNUZ) || type == kFloat4E2M1;
}

// A scale or zero point in the sizes of x: one number, one for each place of an axis, or one for
// each block of it.
Ex spread(NodeCall& c, const Ex& list, const Ex& x, int64_t axis, int64_t block) {
  if (list.rank() == 0) return list;
  if (list.rank() == 1 && block == 0) {
    if (list.size(0).is_constant(1)) return list.view({});
    std::vector<Arg> sizes(x.rank(), Arg(int64_t{1}));
    sizes[static_cast<size_t>(c.wrap(axis, x.rank()))] = Arg(int64_t{-1});
    return list.view(sizes);
  }
  const auto dim = static_cast<size_t>(c.wrap(axis, x.rank()));
  if (c.failed() || list.rank() != x.rank()) {
    c.fail(invalid_data("scales of rank {} for a tensor of rank {}", list.rank(), x.rank()));
    return list;
  }
  const int64_t blocks = list.fixed(dim), size = x.fixed(dim);
  if (c.failed() || blocks < 1) return list;
  const int64_t each = block > 0 ? block : (size + blocks - 1) / blocks;
  std::vector<Arg> wide = list.sizes(), joined = list.sizes();
  wide.insert(wide.begin() + static_cast<std::ptrdiff_t>(dim) + 1, Arg(each));
  joined[dim] = Arg(blocks * each);
  const Ex repeated = list.unsqueeze(static_cast<int64_t>(dim) + 1).expand(wide).view(joined);
  return blocks * each == size ? repeated
                               : repeated.slice(static_cast<int64_t>(dim), int64_t{0}, size);
}

// x over a scale. The official kernel multiplies by the reciprocal of a divisor of one element,
// which rounds otherwise; so such a divisor is spread over a dimension.
Ex divided(const Ex& x, const Ex& scale) {
  if (!scale || scale.numel() != ir::SymInt(1) || x.rank() == 0) return x / scale;
  size_t dim = x.rank();
  for (size_t d = x.rank(); d-- > 0 && dim == x.rank();) {
    if (!x.size(d).is_constant(1)) dim = d;
  }
  if (dim == x.rank()) return x / scale;
  std::vector<Arg> sizes(x.rank(), Arg(int64_t{1}));
  const Ex one = scale.view(sizes);
  sizes[dim] = x.size_arg(dim);
  return x / one.expand(sizes);
}

std::optional<double> known_number(NodeCall& c, size_t input) {
  const Small* small = c.small(input);
  if (small == nullptr || small->count() != 1) return std::nullopt;
  const auto numbers = small->numbers();
  return numbers ? std::optional((*numbers)[0]) : std::nullopt;
}

}  // namespace

Ex dequantize(NodeCall& c, size_t xi, size_t si, size_t zi, int64_t axis) {
  const Ex x = c.in(xi), scale = c.in(si);
  if (c.failed()) return x;
  const int32_t narrow = c.type(xi);
  const int64_t block = c.node.op == "DequantizeLinear" ? c.i("block_size", 0) : 0;
  // The calls that partitioners know.
  const auto limits = limits_of(narrow, x.dtype());
  if (limits && scale.dtype() == DType::kFloat32 && narrow == kUndefined && block == 0 &&
      (x.dtype() == DType::kInt8 || x.dtype() == DType::kUInt8)) {
    const auto s = known_number(c, si);
    const auto z = c.has(zi) ? known_number(c, zi) : std::optional(0.0);
    if (s && z) {
      return c.e.call(Op::qd_dequantize_per_tensor,
                      {x.v, *s, static_cast<int64_t>(*z), static_cast<int64_t>(limits->low),
                       static_cast<int64_t>(limits->high), x.dtype()});
    }
  }
  Ex y = x.cast(scale.dtype());
  if (c.has(zi)) {
    const Ex zero = c.in(zi);
    // Wide integers lose nothing by subtracting first.
    if (x.dtype() == DType::kInt32) {
      const auto z = known_number(c, zi);
      if (!(z && *z == 0)) y = y - spread(c, zero, x, axis, block).cast(scale.dtype());
    } else {
      y = y - spread(c, zero.cast(scale.dtype()), x, axis, block);
    }
  }
  return y * spread(c, scale, x, axis, block);
}

Ex quantize_to(NodeCall& c, const Ex& x, size_t si, size_t zi, int64_t axis) {
  const Ex scale = c.in(si);
  const int64_t block = c.node.op == "QuantizeLinear" ? c.i("block_size", 0) : 0;
  int32_t narrow = c.type(zi);
  DType dtype = DType::kUInt8;
  if (c.has(zi)) {
    dtype = c.in(zi).dtype();
  } else if (c.node.op == "QuantizeLinear" && c.i("output_dtype", 0) != 0) {
    const auto to = static_cast<int32_t>(c.i("output_dtype", 0));
    const auto carrier = carrier_type(to);
    if (!carrier) {
      c.fail(Error(carrier.error()));
      return x;
    }
    dtype = *carrier;
    narrow = is_carried(to) ? to : kUndefined;
  }
  if (c.failed()) return x;
  if (is_narrow_float(narrow)) {
    const Ex y =
        divided(x.cast(DType::kFloat32), spread(c, scale.cast(DType::kFloat32), x, axis, block));
    return round_to_narrow(y, narrow, c.i("saturate", 1) != 0);
  }
  const auto limits = limits_of(narrow, dtype);
  if (!limits) {
    c.fail(unsupported("quantisation to {}", dtype_name(dtype)));
    return x;
  }
  // (The quantising call multiplies by 1/scale, which rounds otherwise than a division.)
  const DType work = size_of(x.dtype()) == 2 ? DType::kFloat32 : x.dtype();
  Ex y = divided(x.cast(work), spread(c, scale.cast(work), x, axis, block)).round();
  if (c.has(zi)) y = y + spread(c, c.in(zi).cast(work), x, axis, block);
  return y.clamp(limits->low, limits->high).cast(limits->dtype);
}

namespace {

void quantize_linear(NodeCall& c) {
  Ex x = c.in(0);
  if (!is_floating(x.dtype())) x = x.cast(DType::kFloat32);
  const int64_t axis = c.i("axis", 1);
  c.set(quantize_to(c, x, 1, 2, axis));
  if (c.has(2)) {
    c.set_type(0, c.type(2));
  } else {
    c.set_type(0, static_cast<int32_t>(c.i("output_dtype", 0)));
  }
}

void dequantize_linear(NodeCall& c) {
  const Ex y = dequantize(c, 0, 1, 2, c.i("axis", 1));
  if (c.has_attribute("output_dtype") && c.i("output_dtype", 0) != 0) {
    const auto to = carrier_type(static_cast<int32_t>(c.i("output_dtype", 0)));
    if (!to) return c.fail(Error(to.error()));
    return c.set(y.cast(*to));
  }
  c.set(y);
}

void dynamic_quantize_linear(NodeCall& c) {
  const Ex x = c.in(0);
  std::vector<int64_t> dims;
  for (int64_t d = 0; d < x.dims(); ++d) dims.push_back(d);
  const Ex low = x.amin(dims, false).clamp(Arg(), 0.0);
  const Ex high = x.amax(dims, false).clamp(0.0, Arg());
  const Ex scale = (high - low) / c.e.full({}, 255, x.dtype());
  const Ex zero = (0.0 - low / scale).round().clamp(0.0, 255.0);
  c.set(0, (divided(x, scale).round() + zero).clamp(0.0, 255.0).cast(DType::kUInt8));
  c.set(1, scale);
  c.set(2, zero.cast(DType::kUInt8));
}

// Integers less their zero point, as floats: sums of products of 8-bit integers are exact in double
// precision, and in single precision up to 2^24.
Ex centred(NodeCall& c, size_t x, size_t zero, DType work, int64_t axis) {
  Ex y = c.in(x).cast(work);
  if (!c.has(zero)) return y;
  Ex z = c.in(zero).cast(work);
  if (z.rank() == 1 && !z.size(0).is_constant(1)) {
    std::vector<Arg> sizes(y.rank(), Arg(int64_t{1}));
    if (c.failed()) return y;
    sizes[static_cast<size_t>(c.wrap(axis, y.rank()))] = Arg(int64_t{-1});
    z = z.view(sizes);
  } else if (z.rank() == 1) {
    z = z.view({});
  }
  return y - z;
}

void mat_mul_integer(NodeCall& c) {
  const Ex a = centred(c, 0, 2, DType::kFloat64, -2), b = centred(c, 1, 3, DType::kFloat64, -1);
  c.set(a.matmul(b).cast(DType::kInt32));
}

void conv_integer(NodeCall& c) {
  const Ex x = centred(c, 0, 2, DType::kFloat64, 1), weight = centred(c, 1, 3, DType::kFloat64, 0);
  c.set(convolve(c, x, weight, Ex{&c.e, nullptr}).cast(DType::kInt32));
}

void q_linear_conv(NodeCall& c) {
  const Ex x = dequantize(c, 0, 1, 2, 1), weight = dequantize(c, 3, 4, 5, 0);
  Ex bias{&c.e, nullptr};
  if (c.has(8)) {
    const Ex scales = c.in(1) * c.in(4);
    bias = c.in(8).cast(DType::kFloat32) *
           (scales.rank() == 1 && scales.size(0).is_constant(1) ? scales.view({}) : scales);
  }
  c.set(quantize_to(c, convolve(c, x, weight, bias), 6, 7, 1));
}

void q_linear_mat_mul(NodeCall& c) {
  const auto side = [&](size_t x, size_t scale, size_t zero, int64_t axis) {
    return dequantize(c, x, scale, zero, axis);
  };
  const Ex a = side(0, 1, 2, -2), b = side(3, 4, 5, -1);
  c.set(quantize_to(c, a.matmul(b), 6, 7, -1));
}

constexpr RuleEntry kRules[] = {
    {"QuantizeLinear", quantize_linear},
    {"DequantizeLinear", dequantize_linear},
    {"DynamicQuantizeLinear", dynamic_quantize_linear},
    {"MatMulInteger", mat_mul_integer},
    {"ConvInteger", conv_integer},
    {"QLinearConv", q_linear_conv},
    {"QLinearMatMul", q_linear_mat_mul},
};

}  // namespace

std::span<const RuleEntry> quantize_rules() { return kRules; }

}  // namespace pte::importers::onnx
