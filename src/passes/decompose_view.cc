#include <numeric>

#include "passes/decompose_rules.h"

namespace pte::passes {
namespace {

// The same arguments, under the name of the operator that copies.
template <Op kTo>
Result<Replacement> renamed(Rewrite& r) {
  return one(r.call(kTo, r.node->args()));
}

Result<Replacement> to_view(Rewrite& r) { return one(r.view(r.input(0), r.result_type().sizes)); }

Result<Replacement> permute_to(Rewrite& r, const std::vector<int64_t>& dims) {
  return one(r.call(Op::aten_permute_copy, {r.arg(0), Arg::ints(dims)}));
}

Result<Replacement> transpose(Rewrite& r) {
  const size_t rank = r.type(0).rank();
  const auto a = r.arg(1).integer();
  const auto b = r.arg(2).integer();
  if (!a.has_value() || !b.has_value()) return r.not_supported("dimensions that are not numbers");
  const auto first = wrap_dim(*a, rank);
  const auto second = wrap_dim(*b, rank);
  if (!first.has_value() || !second.has_value()) {
    return invalid_data("{}: dimensions {} and {} of an operand with {}", r.node->op().target(), *a,
                        *b, rank);
  }
  if (rank == 0) return Replacement{r.input(0)};
  std::vector<int64_t> dims(rank);
  std::iota(dims.begin(), dims.end(), 0);
  std::swap(dims[*first], dims[*second]);
  return permute_to(r, dims);
}

Result<Replacement> t(Rewrite& r) {
  if (r.type(0).rank() < 2) return Replacement{r.input(0)};
  return permute_to(r, {1, 0});
}

// squeeze(), squeeze(dim), squeeze(dims): dimensions whose size is not surely 1 stay.
Result<Replacement> squeeze(Rewrite& r) {
  const SymSizes& sizes = r.type(0).sizes;
  std::vector<int64_t> asked(sizes.size());
  std::iota(asked.begin(), asked.end(), 0);
  if (r.node->args().size() > 1) {
    auto given = r.arg(1).integer().has_value() ? std::vector<int64_t>{*r.arg(1).integer()}
                                                : r.arg(1).integers();
    if (!given.has_value()) return r.not_supported("dimensions that are not numbers");
    asked = std::move(*given);
  }
  std::vector<int64_t> dims;
  for (const int64_t dim : asked) {
    const auto at = wrap_dim(dim, sizes.size());
    if (!at.has_value()) {
      return invalid_data("{}: dimension {} of an operand with {}", r.node->op().target(), dim,
                          sizes.size());
    }
    if (*at < sizes.size() && sizes[*at].is_constant(1)) dims.push_back(static_cast<int64_t>(*at));
  }
  if (dims.empty()) return Replacement{r.input(0)};
  return one(r.call(Op::aten_squeeze_copy_dims, {r.arg(0), Arg::ints(dims)}));
}

// split(size), chunk(count), split_with_sizes: the pieces' sizes are those of the results.
Result<Replacement> split(Rewrite& r) {
  const auto dim = r.arg(2).integer();
  const auto at = wrap_dim(dim.value_or(0), r.type(0).rank());
  if (!dim.has_value() || !at.has_value()) return r.not_supported("a dimension out of range");
  ArgList sizes;
  for (const Value* result : r.node->results()) {
    PTE_TRY(const auto size, size_value(r.builder, r.input(0), result->tensor().sizes[*at]));
    if (!size.has_value()) return r.not_supported("pieces of a size that cannot be computed");
    sizes.push_back(*size);
  }
  PTE_TRY(Node * pieces,
          r.builder.node(Op::aten_split_with_sizes_copy,
                         {r.arg(0), std::move(sizes), Arg(static_cast<int64_t>(*at))}));
  return pieces->results();
}

// (self, pad, mode, value)
Result<Replacement> pad(Rewrite& r) {
  const std::string* mode = r.arg(2).text();
  const size_t pads = r.arg(1).list() == nullptr ? 0 : r.arg(1).list()->size();
  if (mode != nullptr && (*mode == "reflect" || *mode == "replicate")) {
    constexpr Op kReflect[] = {Op::aten_reflection_pad1d, Op::aten_reflection_pad2d,
                               Op::aten_reflection_pad3d};
    constexpr Op kReplicate[] = {Op::aten_replication_pad1d, Op::aten_replication_pad2d,
                                 Op::aten_replication_pad3d};
    const size_t dims = pads / 2;
    if (pads % 2 != 0 || dims < 1 || dims > 3) {
      return r.not_supported(fmt::format("mode '{}' of {} numbers", *mode, pads));
    }
    return one(
        r.call((*mode == "reflect" ? kReflect : kReplicate)[dims - 1], {r.arg(0), r.arg(1)}));
  }
  if (mode == nullptr || *mode != "constant") {
    return r.not_supported(fmt::format("mode '{}'; constant, reflect and replicate are known",
                                       mode == nullptr ? "?" : *mode));
  }
  return one(r.call(Op::aten_constant_pad_nd,
                    {r.arg(0), r.arg(1), r.arg(3).is_none() ? Arg(0) : r.arg(3)}));
}

}  // namespace

std::span<const RuleEntry> view_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_view, renamed<Op::aten_view_copy>},
      {Op::aten__unsafe_view, renamed<Op::aten_view_copy>},
      {Op::aten_reshape, renamed<Op::aten_view_copy>},
      {Op::aten_flatten_using_ints, to_view},
      {Op::aten_unflatten_int, to_view},
      {Op::aten_squeeze, squeeze},
      {Op::aten_squeeze_dim, squeeze},
      {Op::aten_squeeze_dims, squeeze},
      {Op::aten_squeeze_copy_dim, squeeze},
      {Op::aten_unsqueeze, renamed<Op::aten_unsqueeze_copy>},
      {Op::aten_permute, renamed<Op::aten_permute_copy>},
      {Op::aten_transpose_int, transpose},
      {Op::aten_transpose_copy_int, transpose},
      {Op::aten_t, t},
      {Op::aten_t_copy, t},
      {Op::aten_expand, renamed<Op::aten_expand_copy>},
      {Op::aten_select_int, renamed<Op::aten_select_copy_int>},
      {Op::aten_slice_Tensor, renamed<Op::aten_slice_copy_Tensor>},
      {Op::aten_split_with_sizes, split},
      {Op::aten_split_Tensor, split},
      {Op::aten_chunk, split},
      {Op::aten_pad, pad},
  };
  return kRules;
}

}  // namespace pte::passes
