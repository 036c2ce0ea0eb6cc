#include "passes/decompose_rules.h"

namespace pte::passes {
namespace {

Result<Replacement> adaptive_avg_pool2d(Rewrite& r) {
  PTE_TRY(const std::vector<int64_t> size, r.ints(1, 2));
  if (size[0] == 1 && size[1] == 1) {
    return one(r.call(Op::aten_mean_dim, {r.arg(0), Arg::ints({-1, -2}), Arg(true)}));
  }
  if (r.node->is(Op::aten__adaptive_avg_pool2d)) return Replacement{};
  return one(r.call(Op::aten__adaptive_avg_pool2d, {r.arg(0), Arg::ints(size)}));
}

// One-dimensional pooling is two-dimensional pooling over rows of height 1.
Result<Replacement> adaptive_avg_pool1d(Rewrite& r) {
  PTE_TRY(const std::vector<int64_t> size, r.ints(1, 1));
  if (size[0] == 1) {
    return one(r.call(Op::aten_mean_dim, {r.arg(0), Arg::ints({-1}), Arg(true)}));
  }
  PTE_TRY(Value * rows, r.call(Op::aten_unsqueeze_copy, {r.arg(0), Arg(-2)}));
  PTE_TRY(Value * pooled, r.call(Op::aten__adaptive_avg_pool2d, {rows, Arg::ints({1, size[0]})}));
  return one(r.call(Op::aten_squeeze_copy_dims, {pooled, Arg::ints({-2})}));
}

// (self, kernel_size, stride, padding, ceil_mode, count_include_pad)
Result<Replacement> avg_pool1d(Rewrite& r) {
  PTE_TRY(const std::vector<int64_t> kernel, r.ints(1, 1));
  std::vector<int64_t> stride = kernel;  // an empty list means the kernel
  if (r.arg(2).list() == nullptr || !r.arg(2).list()->empty()) {
    PTE_TRY(stride, r.ints(2, 1));
  }
  PTE_TRY(const std::vector<int64_t> padding, r.ints(3, 1));
  PTE_TRY(Value * rows, r.call(Op::aten_unsqueeze_copy, {r.arg(0), Arg(-2)}));
  PTE_TRY(Value * pooled,
          r.call(Op::aten_avg_pool2d, {rows, Arg::ints({1, kernel[0]}), Arg::ints({1, stride[0]}),
                                       Arg::ints({0, padding[0]}), r.arg(4), r.arg(5)}));
  return one(r.call(Op::aten_squeeze_copy_dims, {pooled, Arg::ints({-2})}));
}

Result<Replacement> max_pool2d(Rewrite& r) {
  return one(r.call(Op::aten_max_pool2d_with_indices,
                    {r.arg(0), r.arg(1), r.arg(2), r.arg(3), r.arg(4), r.arg(5)}));
}

}  // namespace

std::span<const RuleEntry> pooling_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_adaptive_avg_pool1d, adaptive_avg_pool1d},
      {Op::aten_adaptive_avg_pool2d, adaptive_avg_pool2d},
      {Op::aten__adaptive_avg_pool2d, adaptive_avg_pool2d},
      {Op::aten_avg_pool1d, avg_pool1d},
      {Op::aten_max_pool2d, max_pool2d},
  };
  return kRules;
}

}  // namespace pte::passes
