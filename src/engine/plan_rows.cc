// Softmax, layer norm, means and pooling.
#include <algorithm>

#include "engine/planner.h"
#include "passes/rewrite.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

namespace {

// `order` with `dim` moved innermost.
DimOrder with_innermost(DimOrder order, size_t dim) {
  std::erase(order, static_cast<uint8_t>(dim));
  order.push_back(static_cast<uint8_t>(dim));
  return order;
}

bool unread(const Node* node, size_t result) {
  if (result >= node->results().size()) return true;
  const Value* value = node->result(result);
  return value->users().empty() && !node->graph().is_output(value);
}

}  // namespace

Result<bool> Planner::plan_softmax(const Node* node) {
  const Value* result = node->result();
  PTE_TRY(Operand in, place(node->input(0)));
  const size_t rank = in.sizes.size();
  const auto dim = passes::wrap_dim(node->arg(1).integer().value_or(INT64_MAX), rank);
  if (!dim || rank == 0) return no("its dimension is not a number");
  if (in.dtype != DType::kFloat32 || result->tensor().dtype != DType::kFloat32) {
    return no("it is not float32");
  }
  if (in.sizes[*dim] != 1 && in.strides[*dim] != 1) {
    in = arranged(in, with_innermost(order_of(in.sizes, in.strides), *dim));
  }
  const DimOrder order = with_innermost(order_of(in.sizes, in.strides), *dim);
  const Operand out = target(result, order, fits_any);
  if (out.sizes[*dim] != 1 && out.strides[*dim] != 1) return no("its result is spread");
  add(softmax_step(in, out, *dim, options_.isa), node->op().name, "softmax", {in}, {out});
  return true;
}

Result<bool> Planner::plan_softmax_mean(const Group& group) {
  const Value* result = group.result();
  PTE_TRY(Operand in, place(group.head->input(0)));
  constexpr size_t kDim = 1;  // channels: GroupFinder has made sure
  PTE_TRY(Tensor weights, dense_constant(group.nodes.back()->input(1)));
  if (in.sizes[kDim] != 1 && in.strides[kDim] != 1) {
    in = arranged(in, with_innermost(order_of(in.sizes, in.strides), kDim));
  }
  const Operand out = target(result, contiguous_dim_order(in.sizes.size()), fits_any);
  add(softmax_mean_step(in, out, kDim, std::move(weights), options_.isa), group.what(),
      "softmax mean", {in}, {out});
  return true;
}

Result<bool> Planner::plan_layer_norm(const Node* node) {
  if (!unread(node, 1) || !unread(node, 2)) return no("its mean and deviation are read");
  const Value* result = node->result();
  PTE_TRY(Operand in, place(node->input(0)));
  const auto shape = node->arg(1).integers();
  const auto epsilon = node->arg(4).number();
  if (!shape || shape->empty() || !epsilon || in.dtype != DType::kFloat32) {
    return no("it is not float32");
  }
  const int64_t count = element_count(*shape).value_or(0);
  if (count == 0 || in.count() == 0) return no("it has no elements");
  Tensor affine[2];
  for (const size_t i : {size_t{0}, size_t{1}}) {
    if (node->arg(2 + i).is_none()) continue;
    auto found = dense_constant(node->input(2 + i));
    if (!found || found->numel() != count) return no("its weights are no constants");
    affine[i] = std::move(*found);
  }
  const size_t rank = in.sizes.size();
  std::vector<size_t> rows;
  for (size_t dim = rank - shape->size(); dim < rank; ++dim) rows.push_back(dim);
  if (folded_stride(in.sizes, in.strides, rows, 1) != 1) in = contiguous(in);
  DimOrder order;
  for (const uint8_t dim : order_of(in.sizes, in.strides)) {
    if (dim < rank - shape->size()) order.push_back(dim);
  }
  for (const size_t dim : rows) order.push_back(static_cast<uint8_t>(dim));
  const Operand out = target(result, order, fits_any);
  if (folded_stride(out.sizes, out.strides, rows, 1) != 1) return no("its result is spread");
  add(layer_norm_step(in, out, count, affine[0], affine[1], static_cast<float>(*epsilon),
                      options_.isa),
      node->op().name, "layer norm", {in}, {out});
  for (size_t i = 1; i < node->results().size(); ++i) {
    const ir::TensorType& type = node->result(i)->tensor();
    alias(node->result(i), fresh(type.dtype, *type.static_sizes(), type.dim_order));
  }
  return true;
}

Result<bool> Planner::plan_mean(const Node* node) {
  const Value* result = node->result();
  PTE_TRY(Operand in, place(node->input(0)));
  const size_t rank = in.sizes.size();
  if (in.dtype != DType::kFloat32 || result->tensor().dtype != DType::kFloat32 || rank == 0 ||
      in.count() == 0) {
    return no("it is not float32, or has no elements");
  }
  std::vector<bool> reduced(rank, false);
  bool keep = true;
  bool average = true;
  if (node->is(Op::aten_adaptive_avg_pool2d) || node->is(Op::aten__adaptive_avg_pool2d)) {
    const Sizes sizes = *result->tensor().static_sizes();
    if (rank < 3 || sizes[rank - 1] != 1 || sizes[rank - 2] != 1) {
      return no("it pools to more than one element");
    }
    reduced[rank - 1] = reduced[rank - 2] = true;
  } else {
    average = node->is(Op::aten_mean_dim);
    keep = node->arg(2).boolean().value_or(false);
    std::vector<int64_t> dims;
    if (!node->arg(1).is_none()) {
      const auto given = node->arg(1).integers();
      if (!given) return no("its dimensions are not numbers");
      dims = *given;
    }
    if (dims.empty()) reduced.assign(rank, true);
    for (const int64_t given : dims) {
      const auto dim = passes::wrap_dim(given, rank);
      if (!dim) return no("its dimensions are out of range");
      reduced[*dim] = true;
    }
  }
  if (!reduce_fits(in, reduced)) {
    // The kept dimensions innermost, in their order.
    DimOrder order;
    for (const bool kept : {false, true}) {
      for (size_t dim = 0; dim < rank; ++dim) {
        if (reduced[dim] != kept) order.push_back(static_cast<uint8_t>(dim));
      }
    }
    in = arranged(in, order);
    if (!reduce_fits(in, reduced)) return no("it sums what is scattered");
  }
  // The result keeps the order of what stays.
  DimOrder order;
  std::vector<size_t> place_of(rank, 0);
  size_t kept = 0;
  for (size_t dim = 0; dim < rank; ++dim) {
    place_of[dim] = kept;
    if (keep || !reduced[dim]) ++kept;
  }
  for (const uint8_t dim : order_of(in.sizes, in.strides)) {
    if (keep || !reduced[dim]) order.push_back(static_cast<uint8_t>(place_of[dim]));
  }
  int64_t count = 1;
  for (size_t dim = 0; dim < rank; ++dim) {
    if (reduced[dim]) count *= in.sizes[dim];
  }
  const Operand out = target(result, order, [](const Operand& home) {
    return home.is_dense_in(order_of(home.sizes, home.strides));
  });
  Operand wide = out;
  wide.sizes.assign(rank, 1);
  wide.strides.assign(rank, 0);
  for (size_t dim = 0; dim < rank; ++dim) {
    if (reduced[dim]) continue;
    wide.sizes[dim] = in.sizes[dim];
    wide.strides[dim] = out.strides[place_of[dim]];
  }
  const float scale = average ? 1.0f / static_cast<float>(count) : 1.0f;
  add(reduce_step(in, wide, reduced, scale, options_.isa), node->op().name,
      average ? "mean" : "sum", {in}, {out});
  return true;
}

Result<bool> Planner::plan_pool(const Node* node) {
  if (!unread(node, 1)) return no("its indices are read");
  const Value* result = node->result();
  PTE_TRY(Operand in, place(node->input(0)));
  Window window;
  window.average = node->is(Op::aten_avg_pool2d);
  const bool bytes = in.dtype == DType::kInt8 && !window.average;
  if ((in.dtype != DType::kFloat32 && !bytes) || in.sizes.size() != 4 || in.count() == 0) {
    return no("it is not float32 of four dimensions");
  }
  const auto kernel = passes::expand_ints(node->arg(1), 2);
  auto stride = passes::expand_ints(node->arg(2), 2);
  const auto padding = passes::expand_ints(node->arg(3), 2);
  if (const auto* list = node->arg(2).list(); list != nullptr && list->empty()) stride = kernel;
  if (!kernel || !stride || !padding) return no("its window is not given in numbers");
  window.kernel_h = (*kernel)[0];
  window.kernel_w = (*kernel)[1];
  window.stride_h = (*stride)[0];
  window.stride_w = (*stride)[1];
  window.pad_h = (*padding)[0];
  window.pad_w = (*padding)[1];
  if (window.average) {
    window.count_padding = node->arg(5).boolean().value_or(true);
    window.divisor = node->arg(6).integer().value_or(0);
  } else {
    const auto dilation = passes::expand_ints(node->arg(4), 2);
    if (!dilation) return no("its window is not given in numbers");
    window.dilation_h = (*dilation)[0];
    window.dilation_w = (*dilation)[1];
    if (window.dilation_h != 1 || window.dilation_w != 1) return no("its window is dilated");
  }
  constexpr int64_t kMostPlaces = 4096;
  if (window.kernel_h * window.kernel_w > kMostPlaces) return no("its window is large");
  const auto side_by_side = [](const Operand& operand) {
    return operand.sizes[1] == 1 || operand.strides[1] == 1;
  };
  if (!side_by_side(in)) in = arranged(in, channels_last_dim_order(4));
  const Operand out = target(result, channels_last_dim_order(4), side_by_side);
  add(bytes ? byte_pool_step(in, out, window, options_.isa)
            : pool_step(in, out, window, options_.isa),
      node->op().name,
      fmt::format("{} pool {}x{}",
                  bytes            ? "int8 max"
                  : window.average ? "average"
                                   : "max",
                  window.kernel_h, window.kernel_w),
      {in}, {out});
  for (size_t i = 1; i < node->results().size(); ++i) {
    const ir::TensorType& type = node->result(i)->tensor();
    alias(node->result(i), fresh(type.dtype, *type.static_sizes(), type.dim_order));
  }
  return true;
}

}  // namespace pte::engine
