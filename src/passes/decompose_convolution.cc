#include "base/checked.h"
#include "passes/decompose_rules.h"

namespace pte::passes {
namespace {

// The spatial rank of the operator: conv1d 1, conv2d 2.
size_t spatial_rank(const Rewrite& r) { return r.type(1).rank() - 2; }

Status check_ranks(const Rewrite& r, size_t spatial) {
  const size_t weight = r.type(1).rank();
  const size_t input = r.type(0).rank();
  if (weight != spatial + 2 || (input != spatial + 2 && input != spatial + 1)) {
    return invalid_data("{}: a weight of {} and an input of {} dimensions do not fit",
                        r.node->op().target(), weight, input);
  }
  return {};
}

struct Convolution {
  std::vector<int64_t> stride, padding, dilation, output_padding;
  Arg groups;
  bool transposed = false;
};

// convolution() on `input`, which may lack the batch dimension.
Result<Replacement> convolve(Rewrite& r, Value* input, Convolution c) {
  const size_t spatial = spatial_rank(r);
  const bool batched = input->tensor().rank() == spatial + 2;
  if (!batched) {
    PTE_TRY(input, r.call(Op::aten_unsqueeze_copy, {input, Arg(0)}));
  }
  if (c.output_padding.empty()) c.output_padding.assign(spatial, 0);
  PTE_TRY(Value * result,
          r.call(Op::aten_convolution, {input, r.arg(1), r.arg(2), Arg::ints(c.stride),
                                        Arg::ints(c.padding), Arg::ints(c.dilation),
                                        Arg(c.transposed), Arg::ints(c.output_padding), c.groups}));
  if (batched) return Replacement{result};
  return one(r.call(Op::aten_squeeze_copy_dims, {result, Arg::ints({0})}));
}

template <size_t kSpatial>
Result<Replacement> conv(Rewrite& r) {
  PTE_CHECK(check_ranks(r, kSpatial));
  Convolution c;
  PTE_TRY(c.stride, r.ints(3, kSpatial));
  PTE_TRY(c.padding, r.ints(4, kSpatial));
  PTE_TRY(c.dilation, r.ints(5, kSpatial));
  c.groups = r.arg(6);
  return convolve(r, r.input(0), std::move(c));
}

template <size_t kSpatial>
Result<Replacement> conv_transpose(Rewrite& r) {
  PTE_CHECK(check_ranks(r, kSpatial));
  Convolution c;
  PTE_TRY(c.stride, r.ints(3, kSpatial));
  PTE_TRY(c.padding, r.ints(4, kSpatial));
  PTE_TRY(c.output_padding, r.ints(5, kSpatial));
  c.groups = r.arg(6);  // before dilation here
  PTE_TRY(c.dilation, r.ints(7, kSpatial));
  c.transposed = true;
  return convolve(r, r.input(0), std::move(c));
}

// padding='same' keeps the size: the part that does not halve is padded at the end first.
template <size_t kSpatial>
Result<Replacement> conv_padding(Rewrite& r) {
  PTE_CHECK(check_ranks(r, kSpatial));
  Convolution c;
  PTE_TRY(c.stride, r.ints(3, kSpatial));
  PTE_TRY(c.dilation, r.ints(5, kSpatial));
  c.padding.assign(kSpatial, 0);
  c.groups = r.arg(6);
  const std::string* mode = r.arg(4).text();
  if (mode != nullptr && *mode == "valid") return convolve(r, r.input(0), std::move(c));
  if (mode == nullptr || *mode != "same") {
    return r.not_supported(
        fmt::format("padding '{}'; 'same' and 'valid' are known", mode == nullptr ? "?" : *mode));
  }
  std::vector<int64_t> extra(2 * kSpatial, 0);  // (start, end) pairs from the last dimension on
  bool uneven = false;
  for (size_t i = 0; i < kSpatial; ++i) {
    if (c.stride[i] != 1) return r.not_supported("padding 'same' with a stride other than 1");
    const auto kernel = r.type(1).sizes[i + 2].constant();
    if (!kernel.has_value()) return r.not_supported("padding 'same' with a symbolic kernel");
    const auto span = checked_mul(c.dilation[i], *kernel - 1);
    if (!span.has_value() || *span < 0) return r.not_supported("an impossible dilation");
    c.padding[i] = *span / 2;
    extra[2 * (kSpatial - 1 - i) + 1] = *span % 2;
    uneven |= *span % 2 != 0;
  }
  Value* input = r.input(0);
  if (uneven) {
    PTE_TRY(input, r.call(Op::aten_constant_pad_nd, {input, Arg::ints(extra), Arg(0)}));
  }
  return convolve(r, input, std::move(c));
}

}  // namespace

std::span<const RuleEntry> convolution_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_conv1d, conv<1>},
      {Op::aten_conv2d, conv<2>},
      {Op::aten_conv1d_padding, conv_padding<1>},
      {Op::aten_conv2d_padding, conv_padding<2>},
      {Op::aten_conv_transpose1d, conv_transpose<1>},
      {Op::aten_conv_transpose2d_input, conv_transpose<2>},
  };
  return kRules;
}

}  // namespace pte::passes
