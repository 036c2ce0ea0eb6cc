// Quantised layers on bytes.
#include <algorithm>
#include <cmath>

#include "base/sha256.h"
#include "engine/planner.h"
#include "engine/quantized.h"
#include "passes/rewrite.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

namespace {

struct Quantization {
  float scale = 1;
  int32_t zero_point = 0;
};

// Arguments `arg` and `arg` + 1 for int8.
std::optional<Quantization> quantization(const Node& node, size_t arg, bool negative = false) {
  const auto scale = node.arg(arg).number();
  const auto zero_point = node.arg(arg + 1).integer();
  if (!scale || !zero_point || *zero_point < -128 || *zero_point > 127) return std::nullopt;
  const auto narrow = static_cast<float>(*scale);
  if (!std::isnormal(narrow) || (narrow < 0 && !negative)) return std::nullopt;
  return Quantization{narrow, static_cast<int32_t>(*zero_point)};
}

std::string with_table(std::string name, const TableGroup* table) {
  if (table == nullptr || table->is_identity()) return name;
  return name + (table->limits() ? ", clamp" : ", table");
}

std::string what_of(const Node* node, const TableGroup* table) {
  return table == nullptr ? node->op().name : node->op().name + " + " + table->what();
}

// As a step wants it: nothing where the table changes nothing, or where limits do it.
std::shared_ptr<const simd::ByteTable> shared_table(const TableGroup* table, bool limits) {
  if (table == nullptr || table->is_identity() || (limits && table->limits())) return nullptr;
  return std::make_shared<simd::ByteTable>(table->table);
}

DimOrder channels_innermost() { return channels_last_dim_order(4); }

bool side_by_side(const Operand& operand) {
  return operand.sizes[1] == 1 || operand.strides[1] == 1;
}

// From row to row of the last dimension, where that works for all rows.
std::optional<int64_t> row_stride(const Operand& operand) {
  const size_t last = operand.sizes.size() - 1;
  if (operand.sizes[last] != 1 && operand.strides[last] != 1) return std::nullopt;
  std::vector<size_t> dims;
  for (size_t dim = 0; dim < last; ++dim) dims.push_back(dim);
  const auto stride = folded_stride(operand.sizes, operand.strides, dims, operand.sizes[last]);
  if (!stride || *stride < operand.sizes[last]) return std::nullopt;
  return stride;
}

}  // namespace

Result<bool> Planner::plan_bytes(const Node* node) {
  const auto follower = tables_.followers.find(node);
  const TableGroup* table = follower == tables_.followers.end() ? nullptr : &follower->second;
  const auto planned = [&]() -> Result<bool> {
    switch (node->op().op) {
      case Op::pte_quantized_convolution:
        return plan_byte_convolution(node, table);
      case Op::pte_quantized_linear:
        return plan_byte_linear(node, table);
      case Op::pte_quantized_add:
      case Op::pte_quantized_mul:
        return plan_byte_pair(node, table);
      case Op::pte_quantized_mean:
        return plan_byte_mean(node, table);
      default:
        return plan_quantize(node);
    }
  };
  PTE_TRY(const bool done, planned());
  if (done) return true;
  PTE_CHECK(plan_reference(node, why_.empty() ? "no fast kernel" : why_));
  if (table != nullptr) PTE_CHECK(plan_table(*table));
  return true;
}

Status Planner::plan_table(const TableGroup& group) {
  PTE_TRY(Operand in, place(group.source));
  if (group.is_identity()) {
    alias(group.root->result(), std::move(in));
    return {};
  }
  ByteMap map;
  map.table = std::make_shared<simd::ByteTable>(group.table);
  return plan_byte_map(std::move(map), std::move(in), group.root->result(), group.what(), "table");
}

// `map` over all of `in`, laid out as it is.
Status Planner::plan_byte_map(ByteMap map, Operand in, const Value* result, std::string what,
                              std::string kernel) {
  const DimOrder order = order_of(in.sizes, in.strides);
  Operand wanted;
  wanted.sizes = in.sizes;
  wanted.strides = strides_of(in.sizes, order);
  if (!elementwise_fits(in, wanted)) in = arranged(in, order);
  const Operand out =
      target(result, order, [](const Operand& home) { return elementwise_fits(home, home); });
  if (!elementwise_fits(in, out)) {
    auto copies = std::move(pending_copies_);
    pending_copies_.clear();
    in = arranged(in, order_of(out.sizes, out.strides));
    pending_copies_ = std::move(copies);
  }
  const std::vector<Operand> reads{in};
  add(byte_map_step(std::move(map), std::move(in), out, options_.isa), std::move(what),
      std::move(kernel), reads, {out});
  return {};
}

Result<bool> Planner::plan_quantize(const Node* node) {
  const Value* result = node->result();
  PTE_TRY(Operand in, place(node->input(0)));
  const bool down = node->is(Op::qd_quantize_per_tensor);
  const auto given = quantization(*node, 1);
  const auto low = node->arg(3).integer();
  const auto high = node->arg(4).integer();
  if (!given || !low || !high || *low < -128 || *high > 127 || *low > *high) {
    return no("its scale is no number, or its range not that of int8");
  }
  const DType result_type = result->tensor().dtype;
  if (in.dtype != (down ? DType::kFloat32 : DType::kInt8) ||
      result_type != (down ? DType::kInt8 : DType::kFloat32)) {
    return no("it is not between float32 and int8");
  }
  ByteMap map;
  map.kind = down ? ByteMap::Kind::kQuantize : ByteMap::Kind::kDequantize;
  map.zero_point = given->zero_point;
  map.scale = down ? static_cast<float>(1.0 / *node->arg(1).number()) : given->scale;
  map.lowest = static_cast<int32_t>(*low);
  map.highest = static_cast<int32_t>(*high);
  // A picture's planes become the pixels that its first convolution reads.
  constexpr int64_t kFewPlanes = 16;
  const bool planes =
      down && in.sizes.size() == 4 && in.sizes[1] > 1 && in.sizes[1] <= kFewPlanes &&
      in.sizes[2] * in.sizes[3] > 1 && in.is_contiguous() &&
      std::any_of(result->users().begin(), result->users().end(),
                  [](const Node* user) { return user->is(Op::pte_quantized_convolution); });
  if (planes) {
    const Operand out = target(result, channels_innermost(), [](const Operand& home) {
      return home.is_dense_in(channels_innermost());
    });
    add(quantize_planes_step(std::move(map), in, out, options_.isa), node->op().name,
        "quantize planes", {in}, {out});
    return true;
  }
  PTE_CHECK(plan_byte_map(std::move(map), std::move(in), result, node->op().name,
                          down ? "quantize" : "dequantize"));
  return true;
}

// Arguments input_scale, input_zero_point, weight, weight_scales and weight_zero_point lie at 1 and
// behind it in both kinds of products.
Result<bool> Planner::byte_weights(const Node* node, size_t bias_arg, size_t out_arg,
                                   int64_t channels, Tensor& weights, Tensor& bias,
                                   std::vector<float>& scales) {
  const auto constant_of = [&](size_t arg, DType dtype) -> Result<Tensor> {
    const Value* value = node->arg(arg).value();
    const Tensor* data =
        value != nullptr && value->is_constant() ? module_.data_of(value) : nullptr;
    if (data == nullptr || !data->has_data()) return unsupported("it is no constant");
    if (data->dtype() != dtype) return unsupported("it is {}", dtype_name(data->dtype()));
    return *data;
  };
  const auto from = quantization(*node, 1);
  const auto to = quantization(*node, out_arg);
  if (!from || !to) return no("its scales are no numbers");
  if (node->input(0)->tensor().dtype != DType::kInt8) return no("it is not int8");
  if (node->arg(5).integer() != 0) return no("its weights have a zero point");
  auto found = constant_of(3, DType::kInt8);
  if (!found) return no("weights: " + found.error().message);
  weights = std::move(*found);
  auto factors = constant_of(4, DType::kFloat32);
  if (!factors) return no("scales: " + factors.error().message);
  PTE_TRY(factors, factors->contiguous());
  if (factors->numel() != 1 && factors->numel() != channels) return no("its scales do not fit");
  scales.resize(static_cast<size_t>(channels));
  for (size_t i = 0; i < scales.size(); ++i) {
    const float scale = factors->data_as<float>()[factors->numel() == 1 ? 0 : i];
    scales[i] = from->scale * scale / to->scale;
  }
  if (node->arg(bias_arg).is_none()) return true;
  auto adds = constant_of(bias_arg, DType::kInt32);
  if (!adds) return no("bias: " + adds.error().message);
  if (adds->numel() != channels) return no("its bias does not fit");
  PTE_TRY(bias, adds->contiguous());
  return true;
}

namespace {

// Its bias and scales are few: they are part of what it is.
PackJob byte_job(const simd::QConv2d& kernel, const Tensor& weights, const Tensor& bias,
                 const std::vector<float>& scales, simd::Isa isa) {
  const simd::QConv2dShape& shape = kernel.shape();
  const simd::Conv2dShape& s = shape.conv;
  PackJob job;
  job.what = "int8 conv";
  for (const int64_t number : {s.n,
                               s.h,
                               s.w,
                               s.in_channels,
                               s.out_channels,
                               s.kernel_h,
                               s.kernel_w,
                               s.stride_h,
                               s.stride_w,
                               s.pad_top,
                               s.pad_left,
                               s.pad_bottom,
                               s.pad_right,
                               s.dilation_h,
                               s.dilation_w,
                               s.groups,
                               int64_t{shape.input_zero_point},
                               int64_t{shape.output_zero_point},
                               int64_t{shape.lowest},
                               int64_t{shape.highest}}) {
    job.what.append(" ").append(std::to_string(number));
  }
  const std::span<const float> factors(scales);
  job.what += fmt::format(" bias {} scales {} {}", sha256_hex(bias.bytes()).substr(0, 32),
                          sha256_hex(std::as_bytes(factors)).substr(0, 32), simd::isa_name(isa));
  job.sources = {weights};
  job.buffer = kernel.buffer();
  job.pack = [kernel, weights, bias, scales](std::byte* to) -> Status {
    PTE_TRY(const Tensor dense, weights.contiguous());
    kernel.pack(dense.data_as<int8_t>(), bias.numel() == 0 ? nullptr : bias.data_as<int32_t>(),
                scales.data(), to);
    return {};
  };
  return job;
}

}  // namespace

// Says what is to be packed, unless the first planning has.
Result<bool> Planner::byte_kernel(const Node* node, simd::QConv2dShape shape, size_t out_arg,
                                  const TableGroup* table, const Tensor& weights,
                                  const Tensor& bias, const std::vector<float>& scales) {
  shape.input_zero_point = quantization(*node, 1)->zero_point;
  shape.output_zero_point = quantization(*node, out_arg)->zero_point;
  if (const auto limits = table == nullptr ? std::nullopt : table->limits()) {
    shape.lowest = limits->first;
    shape.highest = limits->second;
  }
  if (kernels_.bytes.contains(node)) return true;
  auto made = simd::QConv2d::unpacked(shape, options_.isa);
  if (!made) return no(made.error().message);
  kernels_.packing.insert_or_assign(node, byte_job(*made, weights, bias, scales, options_.isa));
  kernels_.bytes.emplace(node, std::move(*made));
  return true;
}

Result<bool> Planner::plan_byte_convolution(const Node* node, const TableGroup* table) {
  const Value* result = table == nullptr ? node->result() : table->root->result();
  if (node->arg(10).boolean() != false) return no("it is transposed");
  const auto stride = node->arg(7).integers();
  const auto padding = node->arg(8).integers();
  const auto dilation = node->arg(9).integers();
  const auto groups = node->arg(12).integer();
  if (!stride || !padding || !dilation || !groups || stride->size() != 2 || padding->size() != 4 ||
      dilation->size() != 2) {
    return no("its arguments are not numbers");
  }
  PTE_TRY(Operand input, place(node->input(0)));
  const int64_t channels = (*result->tensor().static_sizes())[1];
  Tensor weights, bias;
  std::vector<float> scales;
  PTE_TRY(const bool found, byte_weights(node, 6, 13, channels, weights, bias, scales));
  if (!found) return false;
  if (input.count() == 0 || weights.rank() != 4) return no("it has no elements");
  simd::QConv2dShape shape;
  simd::Conv2dShape& s = shape.conv;
  s.n = input.sizes[0];
  s.in_channels = input.sizes[1];
  s.h = input.sizes[2];
  s.w = input.sizes[3];
  s.out_channels = weights.size(0);
  s.kernel_h = weights.size(2);
  s.kernel_w = weights.size(3);
  s.stride_h = (*stride)[0];
  s.stride_w = (*stride)[1];
  s.pad_top = (*padding)[0];
  s.pad_left = (*padding)[1];
  s.pad_bottom = (*padding)[2];
  s.pad_right = (*padding)[3];
  s.dilation_h = (*dilation)[0];
  s.dilation_w = (*dilation)[1];
  s.groups = *groups;
  const bool pointwise = s.kernel_h == 1 && s.kernel_w == 1 && s.stride_h == 1 && s.stride_w == 1 &&
                         s.pad_top == 0 && s.pad_left == 0 && s.pad_bottom == 0 &&
                         s.pad_right == 0 && s.groups == 1;
  DimOrder order = channels_innermost();
  auto pixels = pointwise ? pixels_in_any_order(input.sizes, input.strides)
                          : pixels_in_order(input.sizes, input.strides);
  if (!pixels) {
    input = arranged(input, order);
    pixels = pixels_in_order(input.sizes, input.strides);
    if (!pixels) return no("its channels do not lie side by side");
  }
  if (pointwise) {
    order = pixels->order;
    order.push_back(1);
  }
  PTE_TRY(const bool packed, byte_kernel(node, shape, 13, table, weights, bias, scales));
  if (!packed) return false;
  const Operand home = target(
      result, order, pointwise ? [](const Operand& operand) {
        return pixels_in_any_order(operand.sizes, operand.strides).has_value();
      }
                               : fits_pixels);
  const auto out_pixels = pointwise ? pixels_in_any_order(home.sizes, home.strides)
                                    : pixels_in_order(home.sizes, home.strides);
  ByteProductOperands operands;
  operands.input = input;
  operands.input_stride = pixels->stride;
  operands.output = home;
  operands.output_stride = out_pixels->stride;
  operands.table = shared_table(table, true);
  std::string name = fmt::format("int8 conv {}x{}", s.kernel_h, s.kernel_w);
  if (s.stride_h != 1 || s.stride_w != 1) name += fmt::format(" stride {}", s.stride_h);
  if (s.groups > 1) name += s.groups == s.in_channels ? " depthwise" : " grouped";
  add(byte_product_step(kernels_.bytes.at(node), std::move(operands)), what_of(node, table),
      with_table(std::move(name), table), {input}, {home});
  return true;
}

Result<bool> Planner::plan_byte_linear(const Node* node, const TableGroup* table) {
  const Value* result = table == nullptr ? node->result() : table->root->result();
  if (node->arg(6).integer() != 8) return no("its weights have four bits");
  PTE_TRY(Operand input, place(node->input(0)));
  const Sizes sizes = *result->tensor().static_sizes();
  if (input.count() == 0 || sizes.empty() || element_count(sizes) == 0) {
    return no("it has no elements");
  }
  Tensor weights, bias;
  std::vector<float> scales;
  PTE_TRY(const bool found, byte_weights(node, 7, 8, sizes.back(), weights, bias, scales));
  if (!found) return false;
  auto stride = row_stride(input);
  if (!stride) {
    input = contiguous(input);
    stride = row_stride(input);
  }
  simd::QConv2dShape shape;
  shape.conv.n = 1;
  shape.conv.in_channels = input.sizes.back();
  shape.conv.h = input.count() / input.sizes.back();
  shape.conv.w = 1;
  shape.conv.out_channels = sizes.back();
  shape.conv.kernel_h = shape.conv.kernel_w = 1;
  PTE_TRY(const bool packed, byte_kernel(node, shape, 8, table, weights, bias, scales));
  if (!packed) return false;
  const Operand home =
      target(result, contiguous_dim_order(sizes.size()), [](const Operand& operand) {
        return operand.is_dense_in(contiguous_dim_order(operand.sizes.size()));
      });
  ByteProductOperands operands;
  operands.input = input;
  operands.input_stride = *stride;
  operands.output = home;
  operands.output_stride = sizes.back();
  operands.table = shared_table(table, true);
  add(byte_product_step(kernels_.bytes.at(node), std::move(operands)), what_of(node, table),
      with_table(
          fmt::format("int8 gemm {}x{}x{}", shape.conv.h, sizes.back(), shape.conv.in_channels),
          table),
      {input}, {home});
  return true;
}

Result<bool> Planner::plan_dynamic_linear(const Node* node) {
  const Value* result = node->result();
  const auto bits = node->arg(5).integer();
  const auto zero_point = node->arg(4).integer();
  if (node->arg(1).integer() != 1) return no("its rows share a scale");
  PTE_TRY(Operand input, place(node->input(0)));
  const Sizes sizes = *result->tensor().static_sizes();
  if (input.dtype != DType::kFloat32 || input.count() == 0 || sizes.empty() ||
      element_count(sizes) == 0) {
    return no("it is not float32, or has no elements");
  }
  simd::QGemm::Shape shape;
  shape.k = input.sizes.back();
  shape.n = sizes.back();
  shape.m = input.count() / shape.k;
  auto kernel = kernels_.dynamic.find(node);
  if (kernel == kernels_.dynamic.end()) {
    const Value* value = node->arg(2).value();
    const Tensor* data =
        value != nullptr && value->is_constant() ? module_.data_of(value) : nullptr;
    if (data == nullptr || !data->has_data()) return no("its weights are no constants");
    PTE_TRY(const Tensor stored, data->contiguous());
    std::vector<int8_t> weights(static_cast<size_t>(shape.n * shape.k));
    const int64_t row_bytes = bits == 4 ? (shape.k + 1) / 2 : shape.k;
    if (stored.numel() != shape.n * row_bytes) return no("its weights do not fit");
    if (bits == 8 && stored.dtype() == DType::kInt8 && zero_point == 0) {
      std::copy_n(stored.data_as<int8_t>(), stored.numel(), weights.begin());
    } else if (bits == 4 && stored.dtype() == DType::kUInt8 && zero_point >= 0 &&
               zero_point <= 15) {
      for (int64_t row = 0; row < shape.n; ++row) {
        const uint8_t* from = stored.data_as<uint8_t>() + row * row_bytes;
        int8_t* to = weights.data() + row * shape.k;
        for (int64_t i = 0; i < shape.k; ++i) {
          const int32_t half = i % 2 == 0 ? from[i / 2] & 15 : from[i / 2] >> 4;
          to[i] = static_cast<int8_t>(half - static_cast<int32_t>(*zero_point));
        }
      }
    } else {
      return no("its weights have a zero point");
    }
    const auto given = dense_constant(node->arg(3).value());
    if (!given) return no("scales: " + given.error().message);
    std::vector<float> scales(static_cast<size_t>(shape.n));
    if (given->rank() == 2) {
      if (given->size(0) != shape.n || given->size(1) < 1) return no("its scales do not fit");
      shape.blocks = given->size(1);
      scales.assign(given->data_as<float>(), given->data_as<float>() + given->numel());
    } else if (given->numel() == 1 || given->numel() == shape.n) {
      for (size_t i = 0; i < scales.size(); ++i) {
        scales[i] = given->data_as<float>()[given->numel() == 1 ? 0 : i];
      }
    } else {
      return no("its scales do not fit");
    }
    Tensor bias;
    if (!node->arg(6).is_none()) {
      auto found = dense_constant(node->arg(6).value());
      if (!found) return no("bias: " + found.error().message);
      if (found->numel() != shape.n) return no("its bias does not fit");
      bias = std::move(*found);
    }
    auto made =
        simd::QGemm::make(shape, weights.data(), scales.data(),
                          bias.numel() == 0 ? nullptr : bias.data_as<float>(), options_.isa);
    if (!made) return no(made.error().message);
    kernel = kernels_.dynamic.emplace(node, std::move(*made)).first;
  }
  auto stride = row_stride(input);
  if (!stride) {
    input = contiguous(input);
    stride = row_stride(input);
  }
  const Operand home =
      target(result, contiguous_dim_order(sizes.size()), [](const Operand& operand) {
        return operand.is_dense_in(contiguous_dim_order(operand.sizes.size()));
      });
  add(dynamic_linear_step(kernel->second, input, *stride, home), node->op().name,
      fmt::format("{}dynamic int{} gemm {}x{}x{}",
                  kernel->second.shape().blocks > 1 ? "blockwise " : "", *bits, shape.m, shape.n,
                  shape.k),
      {input}, {home});
  return true;
}

Result<bool> Planner::plan_byte_pair(const Node* node, const TableGroup* table) {
  const Value* result = table == nullptr ? node->result() : table->root->result();
  const auto a = quantization(*node, 1);
  const bool multiplies = node->is(Op::pte_quantized_mul);
  const auto b = quantization(*node, 4, !multiplies);
  const auto to = quantization(*node, 6);
  if (!a || !b || !to) return no("its scales are no numbers");
  BytePair pair;
  pair.multiplies = multiplies;
  constexpr std::pair<int32_t, int32_t> kAll(-128, 127);
  const auto limits = table == nullptr ? kAll : table->limits().value_or(kAll);
  pair.table = shared_table(table, true);
  if (multiplies) {
    pair.product.a_zero = a->zero_point;
    pair.product.b_zero = b->zero_point;
    pair.product.scale = a->scale * b->scale / to->scale;
    pair.product.zero_point = to->zero_point;
    pair.product.lowest = limits.first;
    pair.product.highest = limits.second;
  } else {
    // As the reference: multipliers of 21 bits over one power of two.
    const float a_scale = a->scale / to->scale;
    const float b_scale = b->scale / to->scale;
    int exponent = 0;
    std::frexp(std::max(a_scale, std::abs(b_scale)), &exponent);
    --exponent;
    if (!std::isfinite(a_scale) || !std::isfinite(b_scale) || exponent < -10 || exponent > 7) {
      return no("its scales are far apart");
    }
    simd::ByteSum& sum = pair.sum;
    sum.shift = 20 - exponent;
    sum.by_a = static_cast<int32_t>(std::nearbyint(std::ldexp(a_scale, sum.shift)));
    sum.by_b = static_cast<int32_t>(std::nearbyint(std::ldexp(b_scale, sum.shift)));
    const int64_t start = (int64_t{1} << (sum.shift - 1)) - int64_t{sum.by_a} * a->zero_point -
                          int64_t{sum.by_b} * b->zero_point;
    sum.start = static_cast<int32_t>(start);
    sum.zero_point = to->zero_point;
    sum.lowest = limits.first;
    sum.highest = limits.second;
  }
  const Sizes sizes = *result->tensor().static_sizes();
  std::vector<Operand> operands;
  for (const size_t arg : {size_t{0}, size_t{3}}) {
    PTE_TRY(Operand operand, place(node->input(arg)));
    if (operand.dtype != DType::kInt8) return no("it is not int8");
    operands.push_back(std::move(operand));
  }
  DimOrder order = contiguous_dim_order(sizes.size());
  for (const Operand& operand : operands) {
    if (operand.sizes != sizes) continue;
    order = order_of(operand.sizes, operand.strides);
    break;
  }
  Operand wanted;
  wanted.sizes = sizes;
  wanted.strides = strides_of(sizes, order);
  const auto widen = [&](Operand operand) {
    operand.strides = broadcast_strides(operand.sizes, operand.strides, sizes);
    operand.sizes = sizes;
    return operand;
  };
  std::vector<Operand> seen;
  for (Operand& operand : operands) {
    Operand wide = widen(operand);
    if (!elementwise_fits(wide, wanted)) {
      const size_t skip = sizes.size() - operand.sizes.size();
      DimOrder own;
      for (const uint8_t dim : order) {
        if (dim >= skip) own.push_back(static_cast<uint8_t>(dim - skip));
      }
      operand = arranged(operand, own);
      wide = widen(operand);
    }
    seen.push_back(std::move(wide));
  }
  const Operand out =
      target(result, order, [](const Operand& home) { return elementwise_fits(home, home); });
  add(byte_pair_step(std::move(pair), seen[0], seen[1], out, options_.isa), what_of(node, table),
      with_table(multiplies ? "int8 product" : "int8 sum", table), seen, {out});
  return true;
}

Result<bool> Planner::plan_byte_mean(const Node* node, const TableGroup* table) {
  const Value* result = table == nullptr ? node->result() : table->root->result();
  const auto from = quantization(*node, 1);
  const auto to = quantization(*node, 5);
  auto dims = node->arg(3).integers();
  PTE_TRY(Operand in, place(node->input(0)));
  if (!from || !to || !dims || in.dtype != DType::kInt8 || in.sizes.size() != 4) {
    return no("it is not int8 of four dimensions");
  }
  for (int64_t& dim : *dims) dim += dim < 0 ? 4 : 0;
  std::sort(dims->begin(), dims->end());
  if (*dims != std::vector<int64_t>{2, 3}) return no("it is not the mean of a picture");
  const int64_t pixels = in.sizes[2] * in.sizes[3];
  constexpr int64_t kMostPixels = 1 << 22;
  if (pixels == 0 || pixels > kMostPixels) return no("its picture is large");
  constexpr std::array<size_t, 2> kPicture{2, 3};
  if (!side_by_side(in) || !folded_stride(in.sizes, in.strides, kPicture, in.sizes[1])) {
    in = arranged(in, channels_innermost());
  }
  const int64_t stride = *folded_stride(in.sizes, in.strides, kPicture, in.sizes[1]);
  ByteMean mean;
  mean.scale = from->scale / to->scale * (1.0F / static_cast<float>(pixels));
  mean.shift = static_cast<float>(to->zero_point) -
               static_cast<float>(static_cast<int32_t>(pixels) * from->zero_point) * mean.scale;
  mean.table = shared_table(table, false);
  const Sizes sizes = *result->tensor().static_sizes();
  const Operand home = target(result, contiguous_dim_order(sizes.size()), [](const Operand& at) {
    return at.sizes[1] == 1 || at.strides[1] == 1;
  });
  add(byte_mean_step(std::move(mean), in, stride, home, options_.isa), what_of(node, table),
      with_table("int8 mean", table), {in}, {home});
  return true;
}

}  // namespace pte::engine
