// Sampling, antialiased resizing, embeddings, distances, gradients of convolutions, and the matrix
// products and decompositions that go with them.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

Status check_rank(const InferContext& c, size_t arg, size_t rank) {
  const TensorType& tensor = c.tensor(arg);
  if (tensor.rank() == rank) return {};
  return bad_arg(c, arg, fmt::format("expected rank {}, got [{}]", rank, to_string(tensor.sizes)));
}

Status check_floating(const InferContext& c, size_t arg) {
  const DType dtype = c.tensor(arg).dtype;
  if (is_floating(dtype)) return {};
  return bad_arg(c, arg, fmt::format("is {}, expected a floating type", dtype_name(dtype)));
}

Status check_same(const InferContext& c, size_t arg, DType dtype) {
  const TensorType* tensor = optional_tensor(c, arg);
  if (tensor == nullptr || tensor->dtype == dtype) return {};
  return bad_arg(c, arg,
                 fmt::format("is {}, expected {}", dtype_name(tensor->dtype), dtype_name(dtype)));
}

Result<SymInt> check_equal(const InferContext& c, size_t arg, const SymInt& a, const SymInt& b) {
  if (auto both = unify(c, a, b)) return std::move(*both);
  return bad_arg(c, arg, fmt::format("size {} against {}", a.to_string(), b.to_string()));
}

Status check_indices(const InferContext& c, size_t arg) {
  const DType dtype = c.tensor(arg).dtype;
  if (dtype == DType::kInt64 || dtype == DType::kInt32) return {};
  return bad_arg(c, arg, fmt::format("is {}, expected int64 or int32", dtype_name(dtype)));
}

template <size_t Spatial>
InferResult grid_sampler(const InferContext& c) {
  PTE_CHECK(check_rank(c, 0, Spatial + 2));
  PTE_CHECK(check_rank(c, 1, Spatial + 2));
  PTE_CHECK(check_floating(c, 0));
  const TensorType& input = c.tensor(0);
  const TensorType& grid = c.tensor(1);
  PTE_CHECK(check_same(c, 1, input.dtype));
  PTE_TRY(SymInt batch, check_equal(c, 1, input.sizes[0], grid.sizes[0]));
  PTE_CHECK(check_equal(c, 1, grid.sizes.back(), SymInt(static_cast<int64_t>(Spatial))));
  SymSizes sizes{std::move(batch), input.sizes[1]};
  for (size_t i = 0; i < Spatial; ++i) sizes.push_back(grid.sizes[1 + i]);
  return one(contiguous_type(input.dtype, std::move(sizes)));
}

InferResult upsample_aa(const InferContext& c) {
  PTE_CHECK(check_rank(c, 0, 4));
  PTE_TRY(const SymSizes size, size_list(c, 1, 2));
  TensorType type = c.tensor(0);
  for (size_t i = 0; i < 2; ++i) {
    if (size[i].is_constant() && *size[i].constant() < 1)
      return bad_arg(c, 1, "the output would be empty");
    type.sizes[2 + i] = size[i];
  }
  type.dim_order = suggested_order(c.tensor(0), 4);
  return one(std::move(type));
}

InferResult embedding(const InferContext& c) {
  PTE_CHECK(check_rank(c, 0, 2));
  PTE_CHECK(check_indices(c, 1));
  SymSizes sizes = c.tensor(1).sizes;
  sizes.push_back(c.tensor(0).sizes[1]);
  return one(contiguous_type(c.tensor(0).dtype, std::move(sizes)));
}

// The bags, and the bag of each index, the size of each bag and where maxima came from. Sums that
// PyTorch takes at once record no bags.
InferResult embedding_bag(const InferContext& c) {
  PTE_CHECK(check_rank(c, 0, 2));
  PTE_CHECK(check_rank(c, 1, 1));
  PTE_CHECK(check_rank(c, 2, 1));
  PTE_CHECK(check_floating(c, 0));
  PTE_CHECK(check_indices(c, 1));
  PTE_CHECK(check_indices(c, 2));
  PTE_TRY(const int64_t mode, int_arg(c, 4));
  PTE_TRY(const int64_t padding, int_arg(c, 8));
  const TensorType& weight = c.tensor(0);
  const TensorType& offsets = c.tensor(2);
  const SymInt bags = bool_arg(c, 7) ? offsets.sizes[0] - 1 : offsets.sizes[0];
  if (bags.is_constant() && *bags.constant() < 0)
    return bad_arg(c, 2, "the last offset is missing");
  const bool at_once =
      mode == 0 && weight.dtype != DType::kFloat64 && padding < 0 && weight.is_contiguous();
  const DType type = offsets.dtype;
  SymSizes maxima{bags};
  if (mode == 2) maxima.push_back(weight.sizes[1]);
  return std::vector<Type>{contiguous_type(weight.dtype, {bags, weight.sizes[1]}),
                           contiguous_type(type, {at_once ? SymInt(0) : c.tensor(1).sizes[0]}),
                           contiguous_type(type, {bags}), contiguous_type(type, std::move(maxima))};
}

InferResult cdist(const InferContext& c) {
  const TensorType& a = c.tensor(0);
  const TensorType& b = c.tensor(1);
  PTE_CHECK(check_floating(c, 0));
  PTE_CHECK(check_same(c, 1, a.dtype));
  for (const size_t arg : {size_t{0}, size_t{1}}) {
    if (c.tensor(arg).rank() < 2) return bad_arg(c, arg, "expected rank 2 or more");
  }
  PTE_CHECK(check_equal(c, 1, a.sizes.back(), b.sizes.back()));
  const auto batch_of = [](const TensorType& t) {
    return SymSizes(t.sizes.begin(), t.sizes.end() - 2);
  };
  PTE_TRY(SymSizes sizes, broadcast(c, batch_of(a), batch_of(b)));
  sizes.push_back(a.sizes[a.rank() - 2]);
  sizes.push_back(b.sizes[b.rank() - 2]);
  return one(contiguous_type(a.dtype, std::move(sizes)));
}

InferResult pdist(const InferContext& c) {
  PTE_CHECK(check_rank(c, 0, 2));
  PTE_CHECK(check_floating(c, 0));
  const SymInt& rows = c.tensor(0).sizes[0];
  SymInt pairs = SymInt::floordiv(rows * (rows - 1), 2);
  return one(contiguous_type(c.tensor(0).dtype, {std::move(pairs)}));
}

InferResult trilinear(const InferContext& c) {
  const size_t rank = c.tensor(0).rank() + (c.args[3].list() ? c.args[3].list()->size() : 0);
  SymSizes all;
  for (size_t i = 0; i < 3; ++i) {
    PTE_CHECK(check_same(c, i, c.tensor(0).dtype));
    PTE_TRY(const std::vector<int64_t> places, int_list(c, 3 + i));
    std::vector<bool> added(rank, false);
    for (const int64_t place : places) {
      PTE_TRY(const size_t at, dim_value(c, 3 + i, place, rank));
      if (at >= rank || added[at]) return bad_arg(c, 3 + i, "a dimension is put in twice");
      added[at] = true;
    }
    if (c.tensor(i).rank() + places.size() != rank)
      return bad_arg(c, i, fmt::format("does not come to {} dimensions", rank));
    SymSizes sizes;
    size_t next = 0;
    for (size_t d = 0; d < rank; ++d) {
      sizes.push_back(added[d] ? SymInt(1) : c.tensor(i).sizes[next]);
      if (!added[d]) ++next;
    }
    if (i == 0) {
      all = std::move(sizes);
    } else {
      PTE_TRY(all, broadcast(c, all, sizes));
    }
  }
  std::vector<bool> summed(rank, false);
  PTE_TRY(const std::vector<int64_t> dims, int_list(c, 6));
  if (!dims.empty()) {
    PTE_TRY(summed, dim_mask(c, 6, rank));
  }
  SymSizes sizes;
  for (size_t d = 0; d < rank; ++d) {
    if (!summed[d]) sizes.push_back(all[d]);
  }
  return one(contiguous_type(c.tensor(0).dtype, std::move(sizes)));
}

// The gradients have the types of what they are gradients of.
InferResult convolution_backward(const InferContext& c) {
  const TensorType& input = c.tensor(1);
  const TensorType& weight = c.tensor(2);
  PTE_CHECK(check_same(c, 0, input.dtype));
  PTE_CHECK(check_same(c, 2, input.dtype));
  if (weight.rank() < 3 || weight.rank() != input.rank() || c.tensor(0).rank() != input.rank()) {
    return bad_arg(c, 2, "gradient, input and weight do not have one rank of 3 or more");
  }
  TensorType bias = contiguous_type(input.dtype, {c.tensor(0).sizes[1]});
  TensorType for_input = input;
  for_input.dim_order = suggested_order(input, input.rank());
  TensorType for_weight = weight;
  for_weight.dim_order = suggested_order(weight, weight.rank());
  return std::vector<Type>{for_input, for_weight, bias};
}

InferResult dot(const InferContext& c) {
  PTE_CHECK(check_rank(c, 0, 1));
  PTE_CHECK(check_rank(c, 1, 1));
  PTE_CHECK(check_same(c, 1, c.tensor(0).dtype));
  PTE_CHECK(check_equal(c, 1, c.tensor(0).sizes[0], c.tensor(1).sizes[0]));
  return one(contiguous_type(c.tensor(0).dtype, {}));
}

// A matrix in argument `arg` times a vector in the next one.
Result<TensorType> matrix_vector(const InferContext& c, size_t arg) {
  PTE_CHECK(check_rank(c, arg, 2));
  PTE_CHECK(check_rank(c, arg + 1, 1));
  const TensorType& matrix = c.tensor(arg);
  PTE_CHECK(check_same(c, arg + 1, matrix.dtype));
  PTE_CHECK(check_equal(c, arg + 1, matrix.sizes[1], c.tensor(arg + 1).sizes[0]));
  return contiguous_type(matrix.dtype, {matrix.sizes[0]});
}

InferResult mv(const InferContext& c) {
  PTE_TRY(TensorType type, matrix_vector(c, 0));
  return one(std::move(type));
}

InferResult addmv(const InferContext& c) {
  PTE_TRY(TensorType type, matrix_vector(c, 1));
  PTE_CHECK(check_same(c, 0, type.dtype));
  PTE_CHECK(check_expands(c, 0, c.tensor(0).sizes, type.sizes));
  return one(std::move(type));
}

template <bool Summed>
InferResult add_batches(const InferContext& c) {
  PTE_CHECK(check_rank(c, 1, 3));
  PTE_CHECK(check_rank(c, 2, 3));
  const TensorType& a = c.tensor(1);
  const TensorType& b = c.tensor(2);
  PTE_CHECK(check_same(c, 2, a.dtype));
  PTE_CHECK(check_same(c, 0, a.dtype));
  PTE_TRY(SymInt batch, check_equal(c, 2, a.sizes[0], b.sizes[0]));
  PTE_CHECK(check_equal(c, 2, a.sizes[2], b.sizes[1]));
  SymSizes sizes;
  if (!Summed) sizes.push_back(std::move(batch));
  sizes.push_back(a.sizes[1]);
  sizes.push_back(b.sizes[2]);
  PTE_CHECK(check_expands(c, 0, c.tensor(0).sizes, sizes));
  return one(contiguous_type(a.dtype, std::move(sizes)));
}

Status check_square(const InferContext& c, size_t arg) {
  const TensorType& a = c.tensor(arg);
  if (a.dtype != DType::kFloat32 && a.dtype != DType::kFloat64)
    return bad_arg(c, arg, fmt::format("is {}, expected float32 or float64", dtype_name(a.dtype)));
  if (a.rank() < 2 || !unify(c, a.sizes[a.rank() - 2], a.sizes.back()))
    return bad_arg(c, arg, fmt::format("[{}] is not square", to_string(a.sizes)));
  return {};
}

// LAPACK's results lie column after column.
TensorType columns_first(DType dtype, SymSizes sizes) {
  TensorType type = contiguous_type(dtype, std::move(sizes));
  std::swap(type.dim_order[type.rank() - 2], type.dim_order[type.rank() - 1]);
  return type;
}

SymSizes without_last(const SymSizes& sizes, std::ptrdiff_t count) {
  return SymSizes(sizes.begin(), sizes.end() - count);
}

InferResult matrix_and_info(const InferContext& c) {
  PTE_CHECK(check_square(c, 0));
  const TensorType& a = c.tensor(0);
  return std::vector<Type>{columns_first(a.dtype, a.sizes),
                           contiguous_type(DType::kInt32, without_last(a.sizes, 2))};
}

InferResult linalg_det(const InferContext& c) {
  PTE_CHECK(check_square(c, 0));
  const TensorType& a = c.tensor(0);
  return std::vector<Type>{contiguous_type(a.dtype, without_last(a.sizes, 2)),
                           columns_first(a.dtype, a.sizes),
                           contiguous_type(DType::kInt32, without_last(a.sizes, 1))};
}

InferResult linalg_solve(const InferContext& c) {
  PTE_CHECK(check_square(c, 0));
  const TensorType& a = c.tensor(0);
  const TensorType& b = c.tensor(1);
  PTE_CHECK(check_same(c, 1, a.dtype));
  // B holds vectors when it is one, or when it has the sizes of A but for the last.
  const bool vector =
      b.rank() == 1 || (b.rank() + 1 == a.rank() && b.sizes == without_last(a.sizes, 1));
  TensorType result = b;
  if (vector) {
    if (!bool_arg(c, 2)) return bad_arg(c, 2, "vectors are solved for from the left");
    PTE_CHECK(check_equal(c, 1, a.sizes.back(), b.sizes.back()));
    PTE_TRY(SymSizes sizes, broadcast(c, without_last(b.sizes, 1), without_last(a.sizes, 2)));
    sizes.push_back(b.sizes.back());
    result = contiguous_type(a.dtype, std::move(sizes));
  } else {
    if (b.rank() < 2) return bad_arg(c, 1, "expected rank 1 or more");
    const size_t shared = bool_arg(c, 2) ? b.rank() - 2 : b.rank() - 1;
    PTE_CHECK(check_equal(c, 1, a.sizes.back(), b.sizes[shared]));
    PTE_TRY(SymSizes sizes, broadcast(c, without_last(b.sizes, 2), without_last(a.sizes, 2)));
    sizes.push_back(b.sizes[b.rank() - 2]);
    sizes.push_back(b.sizes.back());
    result = bool_arg(c, 2) ? columns_first(a.dtype, std::move(sizes))
                            : contiguous_type(a.dtype, std::move(sizes));
  }
  return std::vector<Type>{result, columns_first(a.dtype, a.sizes),
                           contiguous_type(DType::kInt32, without_last(a.sizes, 1)),
                           contiguous_type(DType::kInt32, without_last(a.sizes, 2))};
}

constexpr InferEntry kEntries[] = {
    {Op::aten_grid_sampler_2d, grid_sampler<2>},
    {Op::aten_grid_sampler_3d, grid_sampler<3>},
    {Op::aten__upsample_bilinear2d_aa, upsample_aa},
    {Op::aten__upsample_bicubic2d_aa, upsample_aa},
    {Op::aten_embedding, embedding},
    {Op::aten__embedding_bag, embedding_bag},
    {Op::aten__embedding_bag_forward_only, embedding_bag},
    {Op::aten__cdist_forward, cdist},
    {Op::aten__pdist_forward, pdist},
    {Op::aten__trilinear, trilinear},
    {Op::aten_convolution_backward, convolution_backward},
    {Op::aten_dot, dot},
    {Op::aten_mv, mv},
    {Op::aten_addmv, addmv},
    {Op::aten_baddbmm, add_batches<false>},
    {Op::aten_addbmm, add_batches<true>},
    {Op::aten_linalg_inv_ex, matrix_and_info},
    {Op::aten_linalg_cholesky_ex, matrix_and_info},
    {Op::aten__linalg_det, linalg_det},
    {Op::aten__linalg_solve_ex, linalg_solve},
};

}  // namespace

std::span<const InferEntry> vision_inference() { return kEntries; }

}  // namespace pte::ir
