// Elementwise computation over any types and strides.
//
// map_elements reads blocks of each operand into the compute type, applies a function of one
// element of each, and writes the block into the result, converting. A block is read whole before
// it is written, so the result may share an operand's memory element for element.
#pragma once

#include <algorithm>
#include <array>
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

namespace internal {

// Whether values of `dtype` held in C need rounding to become values of `via`.
template <typename C>
bool needs_rounding(DType dtype, DType via) {
  return dtype != via && via != dtype_of<C>();
}

template <typename C>
const C* fetch(const Operand& operand, bool round, int64_t offset, int64_t step, int64_t n, C* buffer) {
  const std::byte* from = operand.data + offset * static_cast<int64_t>(size_of(operand.dtype));
  if (operand.dtype == dtype_of<C>() && step == 1 && !round) return reinterpret_cast<const C*>(from);
  if (step == 0) {
    load_run<C>(operand.dtype, from, 1, 1, buffer);
    if (round) round_run<C>(operand.via, buffer, 1);
    std::fill(buffer + 1, buffer + n, buffer[0]);
    return buffer;
  }
  load_run<C>(operand.dtype, from, step, n, buffer);
  if (round) round_run<C>(operand.via, buffer, n);
  return buffer;
}

template <typename C, typename R, size_t N, typename Fn, size_t... I>
void apply_block(const std::array<const C*, N>& in, R* __restrict out, int64_t n, const Fn& fn,
                 std::index_sequence<I...>) {
  for (int64_t i = 0; i < n; ++i) out[i] = fn(in[I][i]...);
}

// Never called: its type is what fn gives.
template <typename C, typename Fn, size_t... I>
auto apply_one(const Fn& fn, std::index_sequence<I...>) {
  return fn(((void)I, C{})...);
}

}  // namespace internal

// out[i] = fn(in[0][i], in[1][i], …). C is the compute type, fn's result R a compute type as well;
// `result` is the type that PyTorch would give the result, to which values are rounded before they
// become out's type. Every element type must be real (check_real).
template <typename C, size_t N, typename Fn>
void map_elements(const Call& call, const std::array<Operand, N>& in, Tensor& out, DType result, Fn fn) {
  using R = decltype(internal::apply_one<C>(fn, std::make_index_sequence<N>{}));
  std::array<Strides, N + 1> strides;
  strides[0] = out.strides();
  for (size_t s = 0; s < N; ++s) strides[s + 1] = in[s].strides;
  const Loop loop(out.sizes(), strides);
  std::array<bool, N> round;
  for (size_t s = 0; s < N; ++s) round[s] = internal::needs_rounding<C>(in[s].dtype, in[s].via);
  const bool round_out = out.dtype() != result && result != dtype_of<R>();
  std::byte* const target = out.mutable_data();
  const int64_t out_size = static_cast<int64_t>(size_of(out.dtype()));
  call.parallel_for(loop.count(), 1 << 15, [&](int64_t begin, int64_t end) {
    alignas(64) C buffers[N][kBlock];
    alignas(64) R results[kBlock];
    loop.run(begin, end, [&](const int64_t* offsets, int64_t n) {
      for (int64_t at = 0; at < n; at += kBlock) {
        const int64_t m = std::min(kBlock, n - at);
        std::array<const C*, N> source;
        for (size_t s = 0; s < N; ++s) {
          const int64_t step = loop.step(s + 1);
          source[s] = internal::fetch<C>(in[s], round[s], offsets[s + 1] + at * step, step, m, buffers[s]);
        }
        internal::apply_block<C, R, N>(source, results, m, fn, std::make_index_sequence<N>{});
        if (round_out) round_run<R>(result, results, m);
        store_run<R>(out.dtype(), target + (offsets[0] + at * loop.step(0)) * out_size, loop.step(0), m, results);
      }
    });
  });
}

// Copies elements into a tensor of the same sizes, converting to its type.
Status copy_converting(const Call& call, const Tensor& from, Tensor& to);
// Sets every element.
Status fill_with(const Call& call, Tensor& out, const Scalar& value);

}  // namespace pte::kernels
