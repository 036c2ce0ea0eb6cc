// What the inference families share: reading arguments, broadcasting, promotion and dim orders.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ir/infer.h"

namespace pte::ir {

using InferResult = Result<std::vector<Type>>;

// One table a family; infer.cc gathers them.
std::span<const InferEntry> elementwise_inference();
std::span<const InferEntry> special_inference();
std::span<const InferEntry> convolution_inference();
std::span<const InferEntry> pooling_inference();
std::span<const InferEntry> matrix_inference();
std::span<const InferEntry> normalization_inference();
std::span<const InferEntry> quantized_inference();
std::span<const InferEntry> rearrange_inference();
std::span<const InferEntry> reduction_inference();
std::span<const InferEntry> view_inference();
std::span<const InferEntry> vision_inference();
std::span<const InferEntry> selection_inference();
std::span<const InferEntry> factory_inference();
std::span<const InferEntry> in_place_inference();
std::span<const InferEntry> indexing_inference();
std::span<const InferEntry> sorting_inference();
std::span<const InferEntry> quantized_nn_inference();
std::span<const InferEntry> symbolic_inference();
std::span<const InferEntry> control_flow_inference();
std::span<const InferEntry> uncommon_inference();

// ---- reading arguments

const std::string& arg_name(const InferContext& c, size_t arg);
// "argument 'dim': 4 is out of range …"
Error bad_arg(const InferContext& c, size_t arg, std::string_view message);

// The tensor of an optional argument, or null.
const TensorType* optional_tensor(const InferContext& c, size_t arg);
// A list of sizes; an integer stands for a list of one.
Result<SymSizes> size_list(const InferContext& c, size_t arg);
// The same with `count` entries, one entry standing for all.
Result<SymSizes> size_list(const InferContext& c, size_t arg, size_t count);
// A list of int literals.
Result<std::vector<int64_t>> int_list(const InferContext& c, size_t arg);
Result<int64_t> int_arg(const InferContext& c, size_t arg);
bool bool_arg(const InferContext& c, size_t arg);
std::optional<DType> dtype_arg(const InferContext& c, size_t arg);
// A dimension counted from the end when negative, checked against `rank`; a 0-dim tensor has
// dimension 0 (and -1) in PyTorch's eyes.
Result<size_t> dim_value(const InferContext& c, size_t arg, int64_t dim, size_t rank);
Result<size_t> dim_arg(const InferContext& c, size_t arg, size_t rank);
// Which dimensions a list names; none and (unless `empty_is_none`) an empty list name all.
Result<std::vector<bool>> dim_mask(const InferContext& c, size_t arg, size_t rank);

// ---- sizes

// The one size that `a` and `b` both are in every run that does not fail: equal expressions, or a
// number against an expression that may have that value. Nothing when they differ or may differ.
std::optional<SymInt> unify(const InferContext& c, const SymInt& a, const SymInt& b);
Result<SymSizes> broadcast(const InferContext& c, const SymSizes& a, const SymSizes& b);
// Checks that argument `arg` of sizes `from` broadcasts to `to`.
Status check_expands(const InferContext& c, size_t arg, const SymSizes& from, const SymSizes& to);
// True when the ranges of the symbols do not rule out that `expression` has this value.
bool may_be(const InferContext& c, const SymInt& expression, int64_t value);
// Number of elements; an error when static sizes overflow.
Result<SymInt> element_product(const InferContext& c, const SymSizes& sizes);
// a / b for sizes of which the caller knows that the division leaves no rest: common factors are
// cancelled before the quotient is left as a floordiv.
SymInt exact_quotient(const SymSizes& numerator, const SymSizes& denominator);
SymInt bounded_max(const InferContext& c, const SymInt& a, const SymInt& b);
SymInt bounded_min(const InferContext& c, const SymInt& a, const SymInt& b);
// True when the ranges of the symbols prove a >= b.
bool at_least(const InferContext& c, const SymInt& a, const SymInt& b);

// ---- dtypes

// PyTorch's result_type over tensors (those of rank 0 count less) and Scalars (which count least).
class Promotion {
 public:
  void add(const TensorType& tensor);
  void add_scalar(const Arg& scalar);
  Result<DType> result(const InferContext& c) const;

 private:
  std::optional<DType> dimensioned_, zero_dim_, scalar_;
  bool failed_ = false;
};
// float32 for integers and bool, else the type itself.
DType to_floating(DType dtype);

// ---- dim orders

// The order that PyTorch calls the suggested memory format: channels-last stays, others become
// contiguous.
DimOrder suggested_order(const TensorType& tensor, size_t rank);
// The order of `tensor` after a copy in `format`; an error when the rank does not fit the format.
Result<DimOrder> order_for(const InferContext& c, size_t arg, const TensorType& tensor);

TensorType contiguous_type(DType dtype, SymSizes sizes);
inline std::vector<Type> one(TensorType type) { return {Type(std::move(type))}; }

}  // namespace pte::ir
