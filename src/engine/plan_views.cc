// Nodes that move no element, or could do without.
#include <algorithm>
#include <cmath>

#include "engine/planner.h"
#include "passes/rewrite.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

namespace {

std::optional<size_t> dim_of(const ir::Arg& arg, size_t rank) {
  const auto dim = arg.integer();
  if (!dim) return std::nullopt;
  return passes::wrap_dim(*dim, rank);
}

}  // namespace

Result<bool> Planner::plan_view(const Node* node) {
  const Value* result = node->results().empty() ? nullptr : node->result();
  if (result == nullptr || node->args().empty()) return no("no fast kernel");
  Value* source = node->args().empty() ? nullptr : node->arg(0).value();
  if (source == nullptr || !source->is_tensor()) return no("no fast kernel");
  const size_t rank = source->tensor().rank();
  const auto same_type = [&] { return source->tensor().dtype == result->tensor().dtype; };
  switch (node->op().op) {
    case Op::aten_view_copy:
    case Op::aten_view:
    case Op::aten_reshape:
    case Op::aten__unsafe_view:
    case Op::aten_unsqueeze_copy:
    case Op::aten_unsqueeze:
    case Op::aten_squeeze_copy_dims:
    case Op::aten_squeeze_copy_dim: {
      if (!same_type()) return no("it changes the type");
      PTE_TRY(Operand operand, place(source));
      const Sizes sizes = *result->tensor().static_sizes();
      auto strides = view_strides(operand.sizes, operand.strides, sizes);
      if (!strides) {
        operand = contiguous(operand);
        strides = contiguous_strides(sizes);
      } else {
        reshaped_[result] = source;
      }
      operand.sizes = sizes;
      operand.strides = *strides;
      alias(result, std::move(operand));
      return true;
    }
    case Op::aten_permute_copy:
    case Op::aten_permute: {
      const auto dims = node->arg(1).integers();
      if (!dims || dims->size() != rank) return no("its dimensions are not numbers");
      PTE_TRY(Operand operand, place(source));
      const Operand from = operand;
      for (size_t i = 0; i < rank; ++i) {
        const auto dim = passes::wrap_dim((*dims)[i], rank);
        if (!dim) return no("its dimensions are out of range");
        operand.sizes[i] = from.sizes[*dim];
        operand.strides[i] = from.strides[*dim];
      }
      alias(result, std::move(operand));
      return true;
    }
    case Op::aten_t_copy:
    case Op::aten_transpose_copy_int: {
      size_t a = 0;
      size_t b = rank < 2 ? 0 : 1;
      if (node->is(Op::aten_transpose_copy_int)) {
        const auto first = dim_of(node->arg(1), rank);
        const auto second = dim_of(node->arg(2), rank);
        if (!first || !second) return no("its dimensions are not numbers");
        a = *first;
        b = *second;
      }
      PTE_TRY(Operand operand, place(source));
      if (rank > 0) {
        std::swap(operand.sizes[a], operand.sizes[b]);
        std::swap(operand.strides[a], operand.strides[b]);
      }
      alias(result, std::move(operand));
      return true;
    }
    case Op::aten_expand_copy:
    case Op::aten_expand: {
      PTE_TRY(Operand operand, place(source));
      const Sizes sizes = *result->tensor().static_sizes();
      operand.strides = broadcast_strides(operand.sizes, operand.strides, sizes);
      operand.sizes = sizes;
      alias(result, std::move(operand));
      return true;
    }
    case Op::aten_slice_copy_Tensor: {
      const auto dim = dim_of(node->arg(1), rank);
      const auto start = node->arg(2).is_none() ? 0 : node->arg(2).integer();
      const auto step = node->arg(4).integer();
      if (!dim || !start || !step || rank == 0) return no("its bounds are not numbers");
      PTE_TRY(Operand operand, place(source));
      const int64_t size = operand.sizes[*dim];
      const int64_t first = std::clamp<int64_t>(*start < 0 ? *start + size : *start, 0, size);
      operand.sizes = *result->tensor().static_sizes();
      operand.offset += first * operand.strides[*dim];
      operand.strides[*dim] *= *step;
      alias(result, std::move(operand));
      return true;
    }
    case Op::aten_select_copy_int: {
      const auto dim = dim_of(node->arg(1), rank);
      const auto index = node->arg(2).integer();
      if (!dim || !index || rank == 0) return no("its index is not a number");
      PTE_TRY(Operand operand, place(source));
      const int64_t at = *index < 0 ? *index + operand.sizes[*dim] : *index;
      operand.offset += at * operand.strides[*dim];
      operand.sizes.erase(operand.sizes.begin() + static_cast<ptrdiff_t>(*dim));
      operand.strides.erase(operand.strides.begin() + static_cast<ptrdiff_t>(*dim));
      alias(result, std::move(operand));
      return true;
    }
    case Op::aten_split_with_sizes_copy:
    case Op::aten_split_copy_Tensor: {
      const auto dim = dim_of(node->arg(2), rank);
      if (!dim || rank == 0) return no("its dimension is not a number");
      PTE_TRY(const Operand operand, place(source));
      int64_t first = 0;
      for (const Value* part : node->results()) {
        Operand slice = operand;
        slice.sizes = *part->tensor().static_sizes();
        slice.offset += first * operand.strides[*dim];
        first += slice.sizes[*dim];
        alias(part, std::move(slice));
      }
      return true;
    }
    case Op::dim_order_to_dim_order_copy:
    case Op::dim_order_clone_dim_order:
    case Op::aten__to_copy:
    case Op::aten_clone: {
      if (!same_type()) return no("it changes the type");
      PTE_TRY(Operand operand, place(source));
      alias(result, std::move(operand));
      return true;
    }
    default:
      return no("no fast kernel");
  }
}

Result<bool> Planner::plan_cat(const Node* node) {
  const Value* result = node->result();
  const auto* list = node->arg(0).list();
  const size_t rank = result->tensor().rank();
  const auto dim = dim_of(node->arg(1), rank);
  if (list == nullptr || list->empty() || !dim || rank == 0) return no("its operands are no list");
  const Operand* largest = nullptr;
  std::vector<Operand> operands;
  operands.reserve(list->size());
  for (const ir::Arg& arg : *list) {
    const Value* value = arg.value();
    if (value == nullptr || value->tensor().dtype != result->tensor().dtype) {
      return no("its operands have several types");
    }
    if (value->tensor().rank() != rank) return no("its operands have several ranks");
    PTE_TRY(Operand operand, place(value));
    operands.push_back(std::move(operand));
    if (largest == nullptr || operands.back().count() > largest->count()) {
      largest = &operands.back();
    }
  }
  const auto given = presets_.orders.find(node);
  const DimOrder order =
      given != presets_.orders.end() ? given->second : order_of(largest->sizes, largest->strides);
  cat_orders_[node] = order;
  Operand whole;
  if (const auto storage = cat_storage_.find(node); storage != cat_storage_.end()) {
    whole = storage->second;
  } else {
    whole = allocate(result, order);
    cat_storage_[node] = whole;
  }
  places_[result] = whole;
  roots_.insert(result);
  ++sharers_[whole.buffer];
  int64_t at = 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    Operand part = whole;
    part.sizes = operands[i].sizes;
    part.offset += at * whole.strides[*dim];
    at += part.sizes[*dim];
    const bool there = operands[i].buffer == part.buffer && operands[i].offset == part.offset &&
                       same_strides(part.sizes, operands[i].strides, part.strides);
    if (there) continue;
    add(copy_step(operands[i], part), node->op().name, "copy", {operands[i]}, {part},
        plan_.buffers[operands[i].buffer].kind != Buffer::Kind::kArena
            ? "an operand lies in memory that is not the session's"
            : "an operand lies elsewhere");
  }
  touch(whole.buffer, static_cast<int64_t>(plan_.steps.size()));
  return true;
}

Result<bool> Planner::plan_pad(const Node* node) {
  const Value* source = node->input(0);
  const Value* result = node->result();
  const auto pads = node->arg(1).integers();
  const auto value = node->arg(2).number();
  if (!pads || !value || result->tensor().dtype != DType::kFloat32) return no("it is not float32");
  PTE_TRY(const Operand operand, place(source));
  Sizes before(operand.sizes.size(), 0);
  for (size_t i = 0; i < pads->size(); ++i) {
    if ((*pads)[i] < 0) return no("it cuts off");
    if (i % 2 == 0) before[before.size() - 1 - i / 2] = (*pads)[i];
  }
  const Operand out = target(result, order_of(operand.sizes, operand.strides), fits_any);
  Operand middle = out;
  middle.sizes = operand.sizes;
  for (size_t dim = 0; dim < before.size(); ++dim) {
    middle.offset += before[dim] * out.strides[dim];
  }
  // The copy behind it must not run before both have.
  auto copies = std::move(pending_copies_);
  pending_copies_.clear();
  add(fill_step(out, *value), node->op().name, "fill", {}, {out});
  pending_copies_ = std::move(copies);
  add(copy_step(operand, middle), node->op().name, "copy", {operand}, {middle});
  return true;
}

Result<bool> Planner::plan_nearest(const Node* node) {
  const Value* source = node->input(0);
  const Value* result = node->result();
  if (source->tensor().dtype != result->tensor().dtype || result->tensor().rank() != 4) {
    return no("it is not of four dimensions");
  }
  PTE_TRY(Operand operand, place(source));
  const Sizes sizes = *result->tensor().static_sizes();
  const ir::ArgList* scales = node->arg(2).list();
  std::vector<std::vector<int64_t>> maps;
  for (const size_t dim : {size_t{2}, size_t{3}}) {
    // As PyTorch: by the given scale, in float, or by the ratio of the sizes.
    float scale = static_cast<float>(operand.sizes[dim]) / static_cast<float>(sizes[dim]);
    if (scales != nullptr && scales->size() == 2) {
      const auto given = (*scales)[dim - 2].number();
      if (!given || *given <= 0) return no("its scale is not a number");
      scale = static_cast<float>(1.0 / *given);
    }
    std::vector<int64_t> map;
    for (int64_t i = 0; i < sizes[dim]; ++i) {
      const auto at = static_cast<int64_t>(std::floor(static_cast<float>(i) * scale));
      map.push_back(std::min(at, operand.sizes[dim] - 1));
    }
    maps.push_back(std::move(map));
  }
  if (operand.sizes[1] != 1 && operand.strides[1] != 1) {
    operand = arranged(operand, channels_last_dim_order(4));
  }
  const Operand out = target(result, channels_last_dim_order(4), [](const Operand& home) {
    return home.sizes[1] == 1 || home.strides[1] == 1;
  });
  add(nearest_step(operand, out, maps[0], maps[1]), node->op().name, "nearest", {operand}, {out});
  return true;
}

}  // namespace pte::engine
