// The rules by family, each a table of operator names. The rules of a family lie in one file.
#pragma once

#include <span>
#include <string_view>

#include "importers/onnx/reader.h"

namespace pte::importers::onnx {

struct RuleEntry {
  std::string_view op;
  Rule rule;
};

std::span<const RuleEntry> elementwise_rules();
std::span<const RuleEntry> activation_rules();
std::span<const RuleEntry> cast_rules();
std::span<const RuleEntry> shape_rules();
std::span<const RuleEntry> index_rules();
std::span<const RuleEntry> reduce_rules();
std::span<const RuleEntry> matrix_rules();
std::span<const RuleEntry> convolution_rules();
std::span<const RuleEntry> pooling_rules();
std::span<const RuleEntry> normalization_rules();
std::span<const RuleEntry> resize_rules();
std::span<const RuleEntry> quantize_rules();
std::span<const RuleEntry> recurrent_rules();
std::span<const RuleEntry> control_rules();
std::span<const RuleEntry> attention_rules();
std::span<const RuleEntry> loss_rules();
std::span<const RuleEntry> signal_rules();
std::span<const RuleEntry> vision_rules();
std::span<const RuleEntry> random_rules();
// Of the domain com.microsoft.
std::span<const RuleEntry> microsoft_rules();
std::span<const RuleEntry> microsoft_attention_rules();
// Those that ONNX Runtime puts into the default domain.
std::span<const RuleEntry> runtime_rules();

// Rounds float32 values to those of a float8 or float4 type (cast.cc).
Ex round_to_narrow(const Ex& x, int32_t type, bool saturate);
// What ONNX calls mean-centred normalisation over `dims`: (x - mean) / sqrt(var + eps), and the
// mean and 1/sqrt as well (normalization.cc).
struct Normalized {
  Ex y, mean, scale;
};
Normalized normalize(const Ex& x, const std::vector<int64_t>& dims, double epsilon);
Ex gelu(const Ex& x, bool tanh);  // activation.cc
// Layer norm over the dimensions from `axis` on; scale and bias may be null (normalization.cc).
Normalized layer_norm(const Ex& x, int64_t axis, const Ex& scale, const Ex& bias, double epsilon);
Ex dequantize(NodeCall& c, size_t x, size_t scale, size_t zero_point, int64_t axis);  // quantize.cc
// float values to the integers of `dtype` by a scale and a zero point that the call gives.
Ex quantize_to(NodeCall& c, const Ex& x, size_t scale, size_t zero_point, int64_t axis);
// Rows of a table [n, width] at places [B, S]: [B, S, width] (attention.cc).
Ex pick_rows(NodeCall& c, const Ex& table, const Ex& places);
// Rotary embedding of x [B, S, heads, D] with cos and sin [B or 1, S, turned / 2 or more]; the
// elements after the first `turned` stay (attention.cc).
Ex turn_pairs(NodeCall& c, const Ex& x, Ex cos, Ex sin, int64_t turned);
// Average pooling of a ready operand with the attributes of the call (pooling.cc).
Ex average_pool_of(NodeCall& c, Ex x);
// A convolution of ready operands with the attributes of the call (convolution.cc).
Ex convolve(NodeCall& c, const Ex& x, const Ex& weight, const Ex& bias);
// [before, after] of every spatial dimension, from pads and auto_pad.
struct Window {
  std::vector<int64_t> kernel, stride, dilation, begin, end;
  bool symmetric() const { return begin == end; }
};
Window window_of(NodeCall& c, const Ex& x, std::vector<int64_t> kernel);
// Zeros (or `value`) around the last dimensions; negative widths crop.
Ex pad_last(const Ex& x, const std::vector<int64_t>& begin, const std::vector<int64_t>& end,
            double value = 0);

}  // namespace pte::importers::onnx
