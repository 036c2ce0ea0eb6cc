// Softmax and its logarithm along one dimension.
#include <cmath>

#include "kernels/common/map.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

template <bool kLog>
Status softmax(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  PTE_CHECK(check_real(call, self));
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(1), self.rank()));
  const DType result = call.boolean(2) ? DType::kFloat32 : self.dtype();
  PTE_CHECK(check_out_type(call, result, out));
  PTE_CHECK(resize_out(call, out, self.sizes()));
  if (out.numel() == 0) return {};
  // The walk goes over the other dimensions; each step handles one line along `dim`.
  Sizes others = self.sizes();
  int64_t length = 1;
  int64_t from_step = 1;
  int64_t to_step = 1;
  if (self.rank() > 0) {
    const size_t d = static_cast<size_t>(dim);
    length = others[d];
    from_step = self.strides()[d];
    to_step = out.strides()[d];
    others[d] = 1;
  }
  const Loop loop(others, std::array{out.strides(), self.strides()});
  const auto from_size = static_cast<int64_t>(size_of(self.dtype()));
  const auto to_size = static_cast<int64_t>(size_of(out.dtype()));
  dispatch_floating(self.dtype(), [&]<typename C>(C) {
    call.parallel_for(loop.count(), 1 + (1 << 13) / length, [&](int64_t begin, int64_t end) {
      std::vector<C> line(static_cast<size_t>(length));
      const auto one = [&](int64_t to, int64_t from) {
        load_run<C>(self.dtype(), self.data() + from * from_size, from_step, length, line.data());
        C largest = line[0];
        for (const C x : line) largest = x > largest || x != x ? x : largest;
        double sum = 0;
        for (C& x : line) {
          const C power = std::exp(x - largest);
          sum += static_cast<double>(power);
          x = kLog ? x - largest : power;
        }
        const C total = static_cast<C>(kLog ? std::log(sum) : sum);
        for (C& x : line) x = kLog ? x - total : x / total;
        store_run<C>(out.dtype(), out.mutable_data() + to * to_size, to_step, length, line.data());
      };
      loop.run(begin, end, [&](const int64_t* offsets, int64_t n) {
        for (int64_t i = 0; i < n; ++i)
          one(offsets[0] + i * loop.step(0), offsets[1] + i * loop.step(1));
      });
    });
    return 0;
  });
  return {};
}

}  // namespace

std::span<const Entry> softmax_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten__softmax, softmax<false>},
      {Op::aten__log_softmax, softmax<true>},
  };
  return kEntries;
}

}  // namespace pte::kernels
