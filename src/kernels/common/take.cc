#include "kernels/common/take.h"

namespace pte::kernels::internal {

Status take_offsets(Call& call, const Tensor& self, Tensor& out,
                    const std::vector<std::vector<int64_t>>& offsets) {
  PTE_TRY(RawOut result, RawOut::make(call, out, self.dtype()));
  if (out.numel() == 0) return {};
  const size_t rank = out.rank();
  const int64_t width = rank == 0 ? 1 : out.size(rank - 1);
  const int64_t lines = out.numel() / width;
  const bool known = with_word(size_of(self.dtype()), [&]<typename W>(W) {
    const W* from = self.data_as<W>();
    W* to = result.data_as<W>();
    call.parallel_for(lines, 1 + (1 << 14) / width, [&](int64_t begin, int64_t end) {
      for (int64_t line = begin; line < end; ++line) {
        int64_t base = 0;
        int64_t rest = line;
        for (size_t d = rank > 0 ? rank - 1 : 0; d-- > 0;) {
          base += offsets[d][static_cast<size_t>(rest % out.size(d))];
          rest /= out.size(d);
        }
        for (int64_t i = 0; i < width; ++i) {
          const int64_t step = rank == 0 ? 0 : offsets[rank - 1][static_cast<size_t>(i)];
          to[line * width + i] = from[base + step];
        }
      }
    });
  });
  if (!known) return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  return result.commit(call);
}

}  // namespace pte::kernels::internal
