// Batch and layer normalisation.
#include "ir/infer/common.h"

namespace pte::ir {
namespace {

Status check_channels(const InferContext& c, std::initializer_list<size_t> args) {
  const TensorType& input = c.tensor(0);
  if (input.rank() < 2)
    return bad_arg(c, 0, fmt::format("expected rank 2 or more, got [{}]", to_string(input.sizes)));
  for (const size_t arg : args) {
    const TensorType* tensor = optional_tensor(c, arg);
    if (tensor == nullptr) continue;
    if (tensor->rank() != 1 || !unify(c, tensor->sizes[0], input.sizes[1])) {
      return bad_arg(c, arg,
                     fmt::format("[{}] for {} channels", to_string(tensor->sizes),
                                 input.sizes[1].to_string()));
    }
  }
  return {};
}

TensorType like_input(const TensorType& input) {
  TensorType type = input;
  type.dim_order = suggested_order(input, input.rank());
  return type;
}

InferResult batch_norm(const InferContext& c) {
  PTE_CHECK(check_channels(c, {1, 2, 3, 4}));
  return one(like_input(c.tensor(0)));
}

// Statistics of a half come in float32 when the parameters do.
DType statistics_type(const InferContext& c, std::initializer_list<size_t> parameters) {
  const DType input = c.tensor(0).dtype;
  if (input != DType::kFloat16 && input != DType::kBFloat16) return input;
  for (const size_t arg : parameters) {
    if (const TensorType* tensor = optional_tensor(c, arg)) return tensor->dtype;
  }
  return input;
}

InferResult batch_norm_no_training(const InferContext& c) {
  PTE_CHECK(check_channels(c, {1, 2, 3, 4}));
  // The saved statistics are empty at inference.
  const TensorType empty = contiguous_type(statistics_type(c, {1, 2, 3}), {0});
  return std::vector<Type>{like_input(c.tensor(0)), empty, empty};
}

InferResult batch_norm_legit(const InferContext& c) {
  if (!bool_arg(c, 5)) return batch_norm_no_training(c);
  PTE_CHECK(check_channels(c, {1, 2, 3, 4}));
  const TensorType& input = c.tensor(0);
  const TensorType saved = contiguous_type(statistics_type(c, {1, 2, 3}), {input.sizes[1]});
  return std::vector<Type>{like_input(input), saved, saved};
}

InferResult batch_norm_no_stats(const InferContext& c) {
  PTE_CHECK(check_channels(c, {1, 2}));
  const TensorType& input = c.tensor(0);
  const TensorType saved = contiguous_type(statistics_type(c, {1, 2}), {input.sizes[1]});
  return std::vector<Type>{like_input(input), saved, saved};
}

InferResult group_norm(const InferContext& c) {
  const TensorType& input = c.tensor(0);
  PTE_TRY(const int64_t groups, int_arg(c, 6));
  if (groups < 1) return bad_arg(c, 6, "must be positive");
  const auto batch = c.args[3].sym_int();
  const auto channels = c.args[4].sym_int();
  if (!batch || !channels) return bad_arg(c, 3, "expected an integer");
  for (const size_t arg : {size_t{1}, size_t{2}}) {
    const TensorType* tensor = optional_tensor(c, arg);
    if (tensor != nullptr && (tensor->rank() != 1 || !unify(c, tensor->sizes[0], *channels))) {
      return bad_arg(
          c, arg,
          fmt::format("[{}] for {} channels", to_string(tensor->sizes), channels->to_string()));
    }
  }
  const TensorType saved = contiguous_type(statistics_type(c, {1, 2}), {*batch, SymInt(groups)});
  return std::vector<Type>{like_input(input), saved, saved};
}

// How many leading dimensions are not normalised.
Result<size_t> leading_dims(const InferContext& c) {
  const TensorType& input = c.tensor(0);
  PTE_TRY(const SymSizes shape, size_list(c, 1));
  if (shape.empty() || shape.size() > input.rank()) {
    return bad_arg(
        c, 1, fmt::format("{} dimensions for an input [{}]", shape.size(), to_string(input.sizes)));
  }
  const size_t lead = input.rank() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!unify(c, shape[i], input.sizes[lead + i])) {
      return bad_arg(
          c, 1,
          fmt::format("[{}] does not end an input [{}]", to_string(shape), to_string(input.sizes)));
    }
  }
  for (const size_t arg : {size_t{2}, size_t{3}}) {
    const TensorType* tensor = optional_tensor(c, arg);
    bool fits = tensor == nullptr || tensor->rank() == shape.size();
    for (size_t i = 0; tensor != nullptr && fits && i < shape.size(); ++i) {
      fits = unify(c, tensor->sizes[i], shape[i]).has_value();
    }
    if (!fits)
      return bad_arg(
          c, arg, fmt::format("[{}], expected [{}]", to_string(tensor->sizes), to_string(shape)));
  }
  return lead;
}

InferResult layer_norm(const InferContext& c) {
  PTE_CHECK(leading_dims(c));
  const TensorType& input = c.tensor(0);
  return one(contiguous_type(input.dtype, input.sizes));
}

InferResult native_layer_norm(const InferContext& c) {
  PTE_TRY(const size_t lead, leading_dims(c));
  const TensorType& input = c.tensor(0);
  SymSizes reduced = input.sizes;
  for (size_t i = lead; i < reduced.size(); ++i) reduced[i] = 1;
  const TensorType statistics = contiguous_type(statistics_type(c, {2, 3}), std::move(reduced));
  return std::vector<Type>{contiguous_type(input.dtype, input.sizes), statistics, statistics};
}

constexpr InferEntry kEntries[] = {
    {Op::aten_batch_norm, batch_norm},
    {Op::aten__native_batch_norm_legit_no_training, batch_norm_no_training},
    {Op::aten__native_batch_norm_legit, batch_norm_legit},
    {Op::aten__native_batch_norm_legit_no_stats, batch_norm_no_stats},
    {Op::aten_native_group_norm, group_norm},
    {Op::aten_layer_norm, layer_norm},
    {Op::aten_native_layer_norm, native_layer_norm},
};

}  // namespace

std::span<const InferEntry> normalization_inference() { return kEntries; }

}  // namespace pte::ir
