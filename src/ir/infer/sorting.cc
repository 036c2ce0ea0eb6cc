// Sorting, running sums, searches: results as large as an operand, or one element of each line.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

// Values and where they are, along dimension `dim_arg`; with `kept` in its place, or without it.
Result<std::vector<Type>> chosen(const InferContext& c, size_t arg,
                                 const std::optional<SymInt>& kept) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t dim, dim_arg(c, arg, self.rank()));
  SymSizes sizes = self.sizes;
  if (!sizes.empty() && kept) sizes[dim] = *kept;
  if (!sizes.empty() && !kept) sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(dim));
  return std::vector<Type>{contiguous_type(self.dtype, sizes),
                           contiguous_type(DType::kInt64, sizes)};
}

// One element of each line.
template <size_t kDim>
InferResult chosen_one(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t dim, dim_arg(c, kDim, self.rank()));
  if (self.rank() > 0 && self.sizes[dim].is_constant(0)) {
    return bad_arg(c, 0,
                   fmt::format("[{}] is empty along dimension {}", to_string(self.sizes), dim));
  }
  return chosen(c, kDim, bool_arg(c, kDim + 1) ? std::optional(SymInt(1)) : std::nullopt);
}

// k, an argument, against the size of the dimension.
Status check_k(const InferContext& c, size_t dim_index, int64_t least) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const size_t dim, dim_arg(c, dim_index, self.rank()));
  const auto k = c.args[1].sym_int();
  const SymInt size = self.rank() == 0 ? SymInt(1) : self.sizes[dim];
  if (k && k->is_constant() &&
      (*k->constant() < least || (size.is_constant() && *k->constant() > *size.constant()))) {
    return bad_arg(c, 1, fmt::format("{} for size {}", k->to_string(), size.to_string()));
  }
  return {};
}

InferResult kthvalue(const InferContext& c) {
  PTE_CHECK(check_k(c, 2, 1));
  return chosen_one<2>(c);
}

InferResult topk(const InferContext& c) {
  PTE_CHECK(check_k(c, 2, 0));
  const auto k = c.args[1].sym_int();
  if (!k) return bad_arg(c, 1, "expected an integer");
  return chosen(c, 2, *k);
}

// The layout stays, that of the places is the same.
template <size_t kDim>
InferResult sort(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_CHECK(dim_arg(c, kDim, self.rank()));
  TensorType places = self;
  places.dtype = DType::kInt64;
  return std::vector<Type>{self, places};
}

InferResult median(const InferContext& c) { return one(contiguous_type(c.tensor(0).dtype, {})); }

// ---- along lines

InferResult running(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_CHECK(dim_arg(c, 1, self.rank()));
  const bool keeps = is_floating(self.dtype) || is_complex(self.dtype);
  return one(
      contiguous_type(dtype_arg(c, 2).value_or(keeps ? self.dtype : DType::kInt64), self.sizes));
}

InferResult running_log_sum(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_CHECK(dim_arg(c, 1, self.rank()));
  if (!is_floating(self.dtype))
    return bad_arg(c, 0, fmt::format("{} is not floating", dtype_name(self.dtype)));
  return one(contiguous_type(self.dtype, self.sizes));
}

InferResult running_extreme(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_CHECK(dim_arg(c, 1, self.rank()));
  return std::vector<Type>{contiguous_type(self.dtype, self.sizes),
                           contiguous_type(DType::kInt64, self.sizes)};
}

// ---- searches

// `values` is the argument whose sizes the result has.
template <size_t kValues, size_t kBoundaries>
InferResult search(const InferContext& c) {
  if (c.tensor(kBoundaries).rank() == 0) return bad_arg(c, kBoundaries, "expected rank 1 or more");
  if (kBoundaries == 1 && c.tensor(kBoundaries).rank() != 1)
    return bad_arg(c, kBoundaries, "expected a list");
  return one(
      contiguous_type(bool_arg(c, 2) ? DType::kInt32 : DType::kInt64, c.tensor(kValues).sizes));
}

InferResult histc(const InferContext& c) {
  PTE_TRY(const int64_t bins, int_arg(c, 1));
  if (bins <= 0) return bad_arg(c, 1, "must be positive");
  return one(contiguous_type(c.tensor(0).dtype, {SymInt(bins)}));
}

InferResult dist(const InferContext& c) {
  PTE_CHECK(broadcast(c, c.tensor(0).sizes, c.tensor(1).sizes));
  Promotion promotion;
  promotion.add(c.tensor(0));
  promotion.add(c.tensor(1));
  PTE_TRY(const DType dtype, promotion.result(c));
  if (!is_floating(dtype))
    return bad_arg(c, 0, fmt::format("{} is not floating", dtype_name(dtype)));
  return one(contiguous_type(dtype, {}));
}

constexpr InferEntry kEntries[] = {
    {Op::aten_sort, sort<1>},
    {Op::aten_sort_stable, sort<2>},
    {Op::aten_topk, topk},
    {Op::aten_median, median},
    {Op::aten_nanmedian, median},
    {Op::aten_median_dim, chosen_one<1>},
    {Op::aten_nanmedian_dim, chosen_one<1>},
    {Op::aten_mode, chosen_one<1>},
    {Op::aten_kthvalue, kthvalue},
    {Op::aten_cumsum, running},
    {Op::aten_cumprod, running},
    {Op::aten_cummax, running_extreme},
    {Op::aten_cummin, running_extreme},
    {Op::aten_logcumsumexp, running_log_sum},
    {Op::aten_bucketize_Tensor, search<0, 1>},
    {Op::aten_searchsorted_Tensor, search<1, 0>},
    {Op::aten_histc, histc},
    {Op::aten_dist, dist},
};

}  // namespace

std::span<const InferEntry> sorting_inference() { return kEntries; }

}  // namespace pte::ir
