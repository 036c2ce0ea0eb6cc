// Padding with the tensor's own elements: mirrored at the edge, or the edge repeated. Negative
// padding crops.
#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/common/take.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

// Pads the last `kDims` dimensions; one channel dimension and perhaps a batch lie before them.
template <bool kReflect, size_t kDims>
Status pad_edges(Call& call) {
  const Tensor& self = call.tensor(0);
  const std::vector<int64_t>& pad = call.ints(1);
  const auto refuse = [&] {
    return call.invalid("pad [{}] does not fit {}", fmt::join(pad, ","), self.describe());
  };
  if (pad.size() != 2 * kDims || self.rank() < kDims + 1 || self.rank() > kDims + 2) {
    return refuse();
  }
  const size_t lead = self.rank() - kDims;
  // Only a batch may be empty.
  for (size_t d = self.rank() - kDims - 1; d < self.rank(); ++d) {
    if (self.size(d) == 0) return refuse();
  }
  Sizes sizes = self.sizes();
  std::vector<int64_t> before(self.rank(), 0);
  for (size_t i = 0; i < kDims; ++i) {
    // Pairs (before, after) from the last dimension backwards.
    const size_t d = self.rank() - 1 - i;
    const int64_t low = pad[2 * i];
    const int64_t high = pad[2 * i + 1];
    constexpr int64_t kFar = int64_t{1} << 40;
    const int64_t limit = kReflect ? self.size(d) - 1 : kFar;
    if (low > limit || high > limit || low < -kFar || high < -kFar) return refuse();
    sizes[d] += low + high;
    before[d] = low;
    if (sizes[d] < 1) return refuse();
  }
  PTE_CHECK(resize_out(call, call.out(), sizes));
  return take(call, self, call.out(), [&](size_t d, int64_t i) {
    if (d < lead) return i;
    const int64_t last = self.size(d) - 1;
    int64_t from = i - before[d];
    if (kReflect && from < 0) from = -from;
    if (kReflect && from > last) from = 2 * last - from;
    return std::clamp<int64_t>(from, 0, last);
  });
}

}  // namespace

std::span<const Entry> pad_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_reflection_pad1d, pad_edges<true, 1>},
      {Op::aten_reflection_pad2d, pad_edges<true, 2>},
      {Op::aten_reflection_pad3d, pad_edges<true, 3>},
      {Op::aten_replication_pad1d, pad_edges<false, 1>},
      {Op::aten_replication_pad2d, pad_edges<false, 2>},
      {Op::aten_replication_pad3d, pad_edges<false, 3>},
  };
  return kEntries;
}

}  // namespace pte::kernels
