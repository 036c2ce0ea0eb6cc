// Elementwise computation over any types and strides.
//
// map_elements reads blocks of each operand into the compute type, applies a function of one
// element of each, and writes the block into the result, converting. A block is read whole before
// it is written, so the result may share an operand's memory element for element.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "kernels/common/convert.h"
#include "kernels/common/loop.h"
#include "kernels/common/shape.h"
#include "kernels/kernel.h"

namespace pte::kernels {

struct Operand {
  const std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  Strides strides;
  // The type that elements take before the computation ("the common type"); the operand's own when
  // no rounding is due.
  DType via = DType::kFloat32;

  static Operand of(const Tensor& tensor, const Sizes& sizes, DType common) {
    return {tensor.data(), tensor.dtype(), broadcast_strides(tensor, sizes), common};
  }
};

// A scalar in the compute type, rounded first to `via` when given.
template <typename C>
C scalar_as(const Scalar& scalar, std::optional<DType> via = {}) {
  C value = scalar.kind == Scalar::Kind::kFloat ? convert_element<C>(scalar.real)
                                                : convert_element<C>(scalar.integer);
  if (via) round_run<C>(*via, &value, 1);
  return value;
}

inline constexpr int64_t kBlock = 256;

inline constexpr size_t kMaxOperands = 4;

namespace internal {

// Whether values of `dtype` held in C need rounding to become values of `via`.
template <typename C>
bool needs_rounding(DType dtype, DType via) {
  return dtype != via && via != dtype_of<C>();
}

// `n` elements (at most kBlock) in the compute type: where they lie, or a copy in `buffer`.
template <typename C>
const C* fetch(const Operand& operand, bool round, int64_t offset, int64_t step, int64_t n,
               C* buffer);

// Computes results from blocks of each operand.
template <typename C, typename R>
using Block = std::function<void(const C* const* in, R* out, int64_t n)>;
// The part of map_elements that no operator shapes, compiled once for each pair of types.
template <typename C, typename R>
void map_blocks(const Call& call, std::span<const Operand> in, Tensor& out, DType result,
                const Block<C, R>& block);

template <typename C, typename R, typename Fn, size_t... I>
void apply_block(const C* const* in, R* __restrict out, int64_t n, const Fn& fn,
                 std::index_sequence<I...>) {
  const std::array<const C*, sizeof...(I)> sources{in[I]...};
  for (int64_t i = 0; i < n; ++i) out[i] = fn(sources[I][i]...);
}

// Never called: its type is what fn gives.
template <typename C, typename Fn, size_t... I>
auto apply_one(const Fn& fn, std::index_sequence<I...>) {
  return fn(((void)I, C{})...);
}

}  // namespace internal

// out[i] = fn(in[0][i], in[1][i], …). C is the compute type, fn's result either C or bool; `result`
// is the type that PyTorch would give the result, to which values are rounded before they become
// out's type. Every element type must be real (check_real).
template <typename C, size_t N, typename Fn>
void map_elements(const Call& call, const std::array<Operand, N>& in, Tensor& out, DType result,
                  Fn fn) {
  static_assert(N <= kMaxOperands);
  using R = decltype(internal::apply_one<C>(fn, std::make_index_sequence<N>{}));
  internal::map_blocks<C, R>(
      call, in, out, result, [fn](const C* const* sources, R* results, int64_t n) {
        internal::apply_block<C, R>(sources, results, n, fn, std::make_index_sequence<N>{});
      });
}

// Copies elements into a tensor of the same sizes, converting to its type.
Status copy_converting(const Call& call, const Tensor& from, Tensor& to);
// Sets every element.
Status fill_with(const Call& call, Tensor& out, const Scalar& value);

}  // namespace pte::kernels
