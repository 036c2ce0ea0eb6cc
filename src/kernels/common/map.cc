#include "kernels/common/map.h"

namespace pte::kernels {
namespace internal {

template <typename C>
const C* fetch(const Operand& operand, bool round, int64_t offset, int64_t step, int64_t n,
               C* buffer) {
  const std::byte* from = operand.data + offset * static_cast<int64_t>(size_of(operand.dtype));
  const bool as_is = operand.dtype == dtype_of<C>() && !std::is_same_v<C, bool>;
  if (as_is && step == 1 && !round) return reinterpret_cast<const C*>(from);
  if (round && operand.via == DType::kBool) {
    // What is not zero is true, fractions too: not to be lost on the way through integers.
    bool flags[kBlock];
    load_run<bool>(operand.dtype, from, step, n, flags);
    for (int64_t i = 0; i < n; ++i) buffer[i] = static_cast<C>(flags[i] ? 1 : 0);
    return buffer;
  }
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

template <typename C, typename R>
void map_blocks(const Call& call, std::span<const Operand> in, Tensor& out, DType result,
                const Block<C, R>& block) {
  std::vector<Strides> strides{out.strides()};
  std::array<bool, kMaxOperands> round{};
  for (size_t s = 0; s < in.size(); ++s) {
    strides.push_back(in[s].strides);
    round[s] = needs_rounding<C>(in[s].dtype, in[s].via);
  }
  const Loop loop(out.sizes(), strides);
  const bool round_out = out.dtype() != result && result != dtype_of<R>();
  std::byte* const target = out.mutable_data();
  const int64_t out_size = static_cast<int64_t>(size_of(out.dtype()));
  call.parallel_for(loop.count(), 1 << 15, [&](int64_t begin, int64_t end) {
    alignas(64) C buffers[kMaxOperands][kBlock];
    alignas(64) R results[kBlock];
    loop.run(begin, end, [&](const int64_t* offsets, int64_t n) {
      for (int64_t at = 0; at < n; at += kBlock) {
        const int64_t m = std::min(kBlock, n - at);
        std::array<const C*, kMaxOperands> sources{};
        for (size_t s = 0; s < in.size(); ++s) {
          const int64_t step = loop.step(s + 1);
          sources[s] = fetch<C>(in[s], round[s], offsets[s + 1] + at * step, step, m, buffers[s]);
        }
        block(sources.data(), results, m);
        if (round_out) round_run<R>(result, results, m);
        store_run<R>(out.dtype(), target + (offsets[0] + at * loop.step(0)) * out_size,
                     loop.step(0), m, results);
      }
    });
  });
}

template const bool* fetch(const Operand&, bool, int64_t, int64_t, int64_t, bool*);
template const int64_t* fetch(const Operand&, bool, int64_t, int64_t, int64_t, int64_t*);
template const uint64_t* fetch(const Operand&, bool, int64_t, int64_t, int64_t, uint64_t*);
template const float* fetch(const Operand&, bool, int64_t, int64_t, int64_t, float*);
template const double* fetch(const Operand&, bool, int64_t, int64_t, int64_t, double*);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<bool, bool>&);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<int64_t, bool>&);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<uint64_t, bool>&);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<float, bool>&);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<double, bool>&);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<int64_t, int64_t>&);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<uint64_t, uint64_t>&);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<float, float>&);
template void map_blocks(const Call&, std::span<const Operand>, Tensor&, DType,
                         const Block<double, double>&);

}  // namespace internal

Status copy_converting(const Call& call, const Tensor& from, Tensor& to) {
  if (from.dtype() == to.dtype()) {
    if (from.data() == to.data() && from.strides() == to.strides()) return {};
    return copy_elements(from, to).at(call.op().full_name());
  }
  PTE_CHECK(check_real(call, from));
  PTE_CHECK(check_real(call, to));
  const std::array in{Operand::of(from, to.sizes(), from.dtype())};
  dispatch_exact(from.dtype(), [&]<typename C>(C) {
    map_elements<C>(call, in, to, to.dtype(), [](C x) { return x; });
  });
  return {};
}

Status fill_with(const Call& call, Tensor& out, const Scalar& value) {
  PTE_CHECK(check_real(call, out));
  dispatch_compute(out.dtype(), [&]<typename C>(C) {
    const C constant = scalar_as<C>(value);
    map_elements<C>(call, std::array<Operand, 0>{}, out, out.dtype(),
                    [constant] { return constant; });
  });
  return {};
}

}  // namespace pte::kernels
