// The stream of numbers that one call draws from, and the distributions over tensors.
#pragma once

#include <cmath>
#include <numbers>

#include "kernels/common/dense.h"
#include "kernels/random/philox.h"

namespace pte::kernels {

class Stream {
 public:
  explicit Stream(const RandomState& state)
      : call_(state.calls),
        key_{static_cast<uint32_t>(state.seed), static_cast<uint32_t>(state.seed >> 32U)} {}

  // Two independent numbers of 64 bits for element i.
  std::array<uint64_t, 2> bits(int64_t i) const {
    const auto index = static_cast<uint64_t>(i);
    const auto words = philox({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32U),
                               static_cast<uint32_t>(call_), static_cast<uint32_t>(call_ >> 32U)},
                              key_);
    return {words[0] | uint64_t{words[1]} << 32U, words[2] | uint64_t{words[3]} << 32U};
  }

  // In [0, 1), of as many bits as `digits` says (a type's, so that no number rounds up to 1).
  double uniform(int64_t i, int digits) const {
    return std::ldexp(static_cast<double>(bits(i)[0] >> (64 - digits)), -digits);
  }
  // Box and Muller's.
  double normal(int64_t i) const {
    const auto [a, b] = bits(i);
    const double u = std::ldexp(static_cast<double>((a >> 11U) + 1), -53);  // (0, 1]
    const double v = std::ldexp(static_cast<double>(b >> 11U), -53);
    return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
  }
  // In [0, range), all equally likely but for 2^-64; range 0 stands for 2^64.
  uint64_t below(int64_t i, uint64_t range) const {
    const uint64_t x = bits(i)[0];
    if (range == 0) return x;
    return static_cast<uint64_t>((static_cast<unsigned __int128>(x) * range) >> 64U);
  }

 private:
  uint64_t call_;
  std::array<uint32_t, 2> key_;
};

// Of a floating type: how many bits a number in [0, 1) has.
inline int digits_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return 11;
    case DType::kBFloat16:
      return 8;
    case DType::kFloat32:
      return 24;
    default:
      return 53;
  }
}

// Fills the result, which has its sizes, with draw(i) for the i-th element in row-major order.
template <typename C, typename Draw>
Status draw_each(Call& call, Tensor& out, Draw draw) {
  PTE_TRY(auto dense, DenseOut<C>::make(call, out));
  C* to = dense.data();
  call.parallel_for(out.numel(), 1 << 13, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = draw(i);
  });
  return dense.commit(call);
}

Status bernoulli(Call& call);
Status exponential(Call& call);
Status uniform(Call& call);
Status normal_tensor_float(Call& call);
Status normal_float_tensor(Call& call);
Status normal_tensor_tensor(Call& call);
Status multinomial(Call& call);

}  // namespace pte::kernels
