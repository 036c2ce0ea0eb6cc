#include "kernels/conv/shape.h"

#include <fmt/ranges.h>

namespace pte::kernels {
namespace {

// A list of one number stands for the same number in each dimension.
Result<std::vector<int64_t>> per_axis(const Call& call, size_t arg, size_t axes, int64_t least) {
  std::vector<int64_t> list = call.ints(arg);
  if (list.size() == 1) list.resize(axes, list[0]);
  bool good = list.size() == axes;
  constexpr int64_t kMost = INT32_MAX;
  for (size_t i = 0; good && i < axes; ++i) good = list[i] >= least && list[i] <= kMost;
  if (!good) {
    return call.invalid("{} [{}] is no list of {} numbers from {} to {}", call.op().args[arg].name,
                        fmt::join(call.ints(arg), ","), axes, least, kMost);
  }
  return list;
}

}  // namespace

Sizes ConvShape::out_sizes(size_t rank) const {
  Sizes sizes{batch, out_channels};
  if (rank == 5) sizes.push_back(z.out);
  if (rank >= 4) sizes.push_back(y.out);
  sizes.push_back(x.out);
  return sizes;
}

Result<ConvShape> ConvShape::of(const Call& call, const Tensor& input, const Tensor& weight,
                                size_t first) {
  if (input.rank() < 3 || input.rank() > 5 || weight.rank() != input.rank()) {
    return call.invalid("input {} and weight {} do not have the same rank, 3 to 5",
                        input.describe(), weight.describe());
  }
  const size_t axes = input.rank() - 2;
  ConvShape shape;
  shape.transposed = call.boolean(first + 3);
  shape.groups = call.integer(first + 5);
  PTE_TRY(const auto stride, per_axis(call, first, axes, 1));
  PTE_TRY(const auto padding, per_axis(call, first + 1, axes, 0));
  PTE_TRY(const auto dilation, per_axis(call, first + 2, axes, 1));
  std::vector<int64_t> extra(axes, 0);
  if (shape.transposed) {
    PTE_TRY(extra, per_axis(call, first + 4, axes, 0));
  }
  shape.batch = input.size(0);
  shape.in_channels = input.size(1);
  if (shape.groups < 1 || shape.in_channels % shape.groups != 0) {
    return call.invalid("{} input channels do not divide into {} groups", shape.in_channels,
                        shape.groups);
  }
  if (shape.transposed) {
    const auto channels = element_count(std::array{weight.size(1), shape.groups});
    if (weight.size(0) != shape.in_channels || !channels) {
      return call.invalid("weight {} does not fit input {}", weight.describe(), input.describe());
    }
    shape.out_channels = *channels;
  } else {
    shape.out_channels = weight.size(0);
    if (weight.size(1) != shape.group_in() || shape.out_channels % shape.groups != 0) {
      return call.invalid("weight {} does not fit input {} in {} groups", weight.describe(),
                          input.describe(), shape.groups);
    }
  }
  for (size_t i = 0; i < axes; ++i) {
    ConvAxis& axis = i + 1 == axes ? shape.x : i + 2 == axes ? shape.y : shape.z;
    axis.in = input.size(2 + i);
    axis.kernel = weight.size(2 + i);
    axis.stride = stride[i];
    axis.padding = padding[i];
    axis.dilation = dilation[i];
    if (axis.in > INT32_MAX || axis.kernel > INT32_MAX || axis.kernel < 1) {
      return call.invalid("weight {} does not fit input {}", weight.describe(), input.describe());
    }
    const int64_t reach = axis.dilation * (axis.kernel - 1) + 1;
    if (shape.transposed) {
      axis.out = (axis.in - 1) * axis.stride - 2 * axis.padding + reach + extra[i];
    } else {
      const int64_t room = axis.in + 2 * axis.padding - reach;
      axis.out = room < 0 ? -1 : room / axis.stride + 1;
    }
    if (axis.out < 0 || (shape.transposed && axis.out == 0)) {
      return call.invalid("input {} with padding [{}] is smaller than the kernel of weight {}",
                          input.describe(), fmt::join(padding, ","), weight.describe());
    }
  }
  return shape;
}

}  // namespace pte::kernels
