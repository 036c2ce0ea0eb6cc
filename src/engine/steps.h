// The kinds of steps. Each makes sure of what its kernel needs when it is planned, so that running
// it only computes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/layout.h"
#include "engine/plan.h"
#include "ir/graph.h"
#include "simd/arithmetic.h"
#include "simd/conv2d.h"
#include "simd/conv_transpose2d.h"
#include "simd/epilogue.h"
#include "simd/gemm.h"
#include "simd/matmul.h"

namespace pte::engine {

// ---- moving elements

// Any strides, equal sizes and types.
std::unique_ptr<Step> copy_step(Operand from, Operand to);

// The border of `to` gets the value's bytes; `from` goes in the middle.
std::unique_ptr<Step> fill_step(Operand to, double value);

// ---- element by element

struct ElementOp {
  enum class Kind : uint8_t { kBinary, kUnary, kActivate, kExp, kErf, kCopy };
  Kind kind = Kind::kCopy;
  simd::Binary binary = simd::Binary::kAdd;
  simd::Unary unary = simd::Unary::kNegate;
  float parameter = 0;
  simd::Activation activation = simd::Activation::kNone;
  float lo = 0;
  float hi = 0;
  bool swapped = false;  // of kBinary: the running value is the second operand
  int operand = -1;      // of kBinary: which operand is the other
};

// value = operands[0]; then each op in order on a block that stays in the first-level cache. All
// operands have the result's sizes and strides of 0 or 1 in its innermost dimension (see
// elementwise_fits).
std::unique_ptr<Step> elementwise_step(std::vector<ElementOp> ops, std::vector<Operand> operands,
                                       Operand out, simd::Isa isa);
// Whether an operand's innermost strides allow it beside a result laid out in `order`.
bool elementwise_fits(const Operand& operand, const Operand& out);

// ---- matrix products

struct ConvOperands {
  Operand input;
  int64_t input_stride = 0;
  Operand output;
  int64_t output_stride = 0;
  Tensor bias;  // contiguous float, or without elements
  bool has_residual = false;
  Operand residual;
};
std::unique_ptr<Step> conv_step(simd::Conv2d kernel, ConvOperands operands,
                                simd::Epilogue epilogue);
std::unique_ptr<Step> conv_transpose_step(simd::ConvTranspose2d kernel, ConvOperands operands,
                                          simd::Epilogue epilogue);
std::unique_ptr<Step> gemm_step(simd::Gemm kernel, ConvOperands operands, simd::Epilogue epilogue);

struct MatmulOperands {
  Operand a, b, c;
  simd::Matmul::Args args;  // strides and scale
};
std::unique_ptr<Step> matmul_step(simd::Matmul kernel, MatmulOperands operands);

// ---- rows and windows

std::unique_ptr<Step> softmax_step(Operand in, Operand out, size_t dim, simd::Isa isa);
// The mean of `weights` under the softmax of each row; `out` has one element along `dim`.
std::unique_ptr<Step> softmax_mean_step(Operand in, Operand out, size_t dim, Tensor weights,
                                        simd::Isa isa);
std::unique_ptr<Step> layer_norm_step(Operand in, Operand out, int64_t count, Tensor weight,
                                      Tensor bias, float epsilon, simd::Isa isa);
// Sums over `reduced`, times `scale`; `in` has either its innermost kept dimension or the reduced
// ones side by side (see reduce_fits).
std::unique_ptr<Step> reduce_step(Operand in, Operand out, std::vector<bool> reduced, float scale,
                                  simd::Isa isa);
bool reduce_fits(const Operand& in, const std::vector<bool>& reduced);

struct Window {
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0,
          dilation_h = 1, dilation_w = 1;
  bool average = false;
  bool count_padding = true;
  int64_t divisor = 0;  // 0: the number of elements
};
// [n, c, h, w], channels side by side in both.
std::unique_ptr<Step> pool_step(Operand in, Operand out, const Window& window, simd::Isa isa);
// The nearest source pixel for each of the output's rows and columns.
std::unique_ptr<Step> nearest_step(Operand in, Operand out, std::vector<int64_t> rows,
                                   std::vector<int64_t> columns);

// ---- whatever else

// The reference kernel of one node, over operands of any strides. Fails where there is none.
struct ReferenceCall {
  const ir::Module* module = nullptr;
  const ir::Node* node = nullptr;
  std::vector<Operand> inputs;     // by first appearance among the node's arguments
  std::vector<ir::Value*> values;  // the same as values of the graph
  std::vector<Operand> results;
};
Result<std::unique_ptr<Step>> reference_step(const ReferenceCall& call);

}  // namespace pte::engine
