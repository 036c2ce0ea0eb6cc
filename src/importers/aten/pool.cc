// Pooling in one and three dimensions, and its way back.
#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

// One dimension is two with a height of 1: (kernel, stride, padding, dilation, ceil_mode).
Exprs max_pool1d(Scope& s) {
  const auto kernel = s.integers(1, 1), padding = s.integers(3, 1), dilation = s.integers(4, 1);
  const ArgList* given = s.arg(2).list();
  const auto stride = given != nullptr && given->empty() ? kernel : s.integers(2, 1);
  Exprs made =
      s.call_all(Op::aten_max_pool2d_with_indices,
                 {unsqueeze(s.x(0), -2), Arg::ints({1, kernel[0]}), Arg::ints({1, stride[0]}),
                  Arg::ints({0, padding[0]}), Arg::ints({1, dilation[0]}), s.arg(5)});
  for (Expr& part : made) part = squeeze(part, -2);
  made.resize(2, Expr(s, nullptr));
  return made;
}

Results adaptive_max_pool1d(Scope& s) {
  const auto size = s.integers(1, 1);
  Exprs made =
      s.call_all("aten::adaptive_max_pool2d", {unsqueeze(s.x(0), -2), Arg::ints({1, size[0]})});
  made.resize(2, Expr(s, nullptr));
  return {squeeze(made[0], -2), squeeze(made[1], -2)};
}

Results adaptive_avg_pool3d(Scope& s) {
  const auto size = s.integers(1, 3);
  if (size[0] == 1 && size[1] == 1 && size[2] == 1) return {mean(s.x(0), {-1, -2, -3}, true)};
  return {s.call(Op::aten__adaptive_avg_pool3d, {s.arg(0), Arg::ints(size)})};
}

// Every value at the place that its index names in a picture of zeros.
Results max_unpool(Scope& s, size_t spatial) {
  const Expr x = s.x(0), indices = s.x(1);
  if (!s.require(x.rank() == spatial + 1 || x.rank() == spatial + 2, "an operand of this rank"))
    return {};
  const SymSizes output = s.sizes(2);
  if (output.size() != spatial) {
    s.invalid("an output size of another rank");
    return {};
  }
  SymSizes lead(x.sizes().begin(), x.sizes().end() - static_cast<std::ptrdiff_t>(spatial));
  const SymSizes inner(x.sizes().end() - static_cast<std::ptrdiff_t>(spatial), x.sizes().end());
  const SymInt rows = ir::product(lead), columns = ir::product(inner);
  const Expr empty = s.full({rows, ir::product(output)}, 0.0, x.dtype());
  const Expr made = s.call(Op::aten_scatter_src,
                           {empty, 1, view(indices, {rows, columns}), view(x, {rows, columns})});
  lead.insert(lead.end(), output.begin(), output.end());
  return {view(made, lead)};
}

constexpr Composite kComposites[] = {
    {"aten::max_pool1d(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] padding=0, int[1] "
     "dilation=1, bool ceil_mode=False) -> Tensor",
     [](Scope& s) -> Results { return {max_pool1d(s)[0]}; }},
    {"aten::max_pool1d_with_indices(Tensor self, int[1] kernel_size, int[1] stride=[], int[1] "
     "padding=0, int[1] dilation=1, bool ceil_mode=False) -> (Tensor, Tensor)",
     [](Scope& s) -> Results {
       const Exprs made = max_pool1d(s);
       return {made[0], made[1]};
     }},
    {"aten::max_pool3d(Tensor self, int[3] kernel_size, int[3] stride=[], int[3] padding=0, int[3] "
     "dilation=1, bool ceil_mode=False) -> Tensor",
     [](Scope& s) -> Results { return {s.call(Op::aten_max_pool3d_with_indices, s.args())}; }},
    {"aten::adaptive_max_pool1d(Tensor self, int[1] output_size) -> (Tensor, Tensor)",
     adaptive_max_pool1d},
    {"aten::adaptive_avg_pool3d(Tensor self, SymInt[3] output_size) -> Tensor",
     adaptive_avg_pool3d},
    {"aten::max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor",
     [](Scope& s) { return max_unpool(s, 2); }},
    {"aten::max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] "
     "padding) -> Tensor",
     [](Scope& s) { return max_unpool(s, 3); }},
};

}  // namespace

std::span<const Composite> pool_composites() { return kComposites; }

}  // namespace pte::importers
