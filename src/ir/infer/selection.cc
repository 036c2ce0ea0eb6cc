// Taking parts of tensors, splitting them, joining them and padding them.
#include <limits>

#include "ir/infer/common.h"

namespace pte::ir {
namespace {

// More results than any model has; keeps a hostile split from filling memory.
constexpr int64_t kMaxResults = 4096;

InferResult select(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  const auto index = c.args[2].sym_int();
  if (!index) return bad_arg(c, 2, "expected an integer");
  const SymInt& size = self.sizes[dim];
  if (index->is_constant() && size.is_constant() &&
      (*index->constant() >= *size.constant() || *index->constant() < -*size.constant())) {
    return bad_arg(c, 2,
                   fmt::format("{} is out of range for dimension {} of size {}", *index->constant(),
                               dim, *size.constant()));
  }
  SymSizes sizes = self.sizes;
  sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(dim));
  return one(contiguous_type(self.dtype, std::move(sizes)));
}

// A slice's end as Python counts it: from the end when negative, never outside [0, size].
SymInt clamped_index(const InferContext& c, const SymInt& index, const SymInt& size) {
  SymInt place = index;
  if (index.is_constant()) {
    if (*index.constant() < 0) place = size + index;
  } else if (!at_least(c, index, 0) && at_least(c, SymInt(-1), index)) {
    place = size + index;
  }
  return bounded_min(c, bounded_max(c, place, 0), size);
}

InferResult slice(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  const auto step = c.args[4].sym_int();
  if (!step || (step->is_constant() && *step->constant() <= 0))
    return bad_arg(c, 4, "must be positive");
  const SymInt& size = self.sizes[dim];
  SymInt start = 0;
  if (const auto given = c.args[2].sym_int()) start = clamped_index(c, *given, size);
  SymInt end = size;
  const auto given = c.args[3].sym_int();
  if (given && !given->is_constant(std::numeric_limits<int64_t>::max()))
    end = clamped_index(c, *given, size);
  end = bounded_max(c, start, end);
  SymSizes sizes = self.sizes;
  const SymInt length = end - start;
  // ceil(length / step) without a sum that could overflow.
  if (length.is_constant(0)) {
    sizes[dim] = 0;
  } else if (step->is_constant(1)) {
    sizes[dim] = length;
  } else if (length.is_constant()) {
    sizes[dim] = SymInt::floordiv(length - 1, *step) + 1;
  } else {
    sizes[dim] = SymInt::floordiv(length + *step - 1, *step);
  }
  return one(contiguous_type(self.dtype, std::move(sizes)));
}

InferResult narrow(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  const auto start = c.args[2].sym_int();
  const auto length = c.args[3].sym_int();
  if (!start || !length) return bad_arg(c, 3, "expected an integer");
  const SymInt& size = self.sizes[dim];
  if ((length->is_constant() && *length->constant() < 0) || at_least(c, *length, size + 1)) {
    return bad_arg(
        c, 3,
        fmt::format("{} for dimension {} of size {}", length->to_string(), dim, size.to_string()));
  }
  SymSizes sizes = self.sizes;
  sizes[dim] = *length;
  return one(contiguous_type(self.dtype, std::move(sizes)));
}

// ---- splitting

std::vector<Type> pieces(const TensorType& self, size_t dim, const SymSizes& lengths) {
  std::vector<Type> types;
  types.reserve(lengths.size());
  for (const SymInt& length : lengths) {
    SymSizes sizes = self.sizes;
    sizes[dim] = length;
    types.emplace_back(contiguous_type(self.dtype, std::move(sizes)));
  }
  return types;
}

InferResult split_with_sizes(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 2, self.rank()));
  PTE_TRY(const SymSizes lengths, size_list(c, 1));
  SymInt sum = 0;
  for (const SymInt& length : lengths) {
    if (length.is_constant() && *length.constant() < 0)
      return bad_arg(c, 1, "sizes must not be negative");
    sum = sum + length;
  }
  if (!unify(c, sum, self.sizes[dim])) {
    return bad_arg(c, 1,
                   fmt::format("[{}] do not add up to dimension {} of [{}]", to_string(lengths),
                               dim, to_string(self.sizes)));
  }
  return pieces(self, dim, lengths);
}

// Pieces of `length`, the last one perhaps shorter; `size` is a number.
InferResult split_evenly(const InferContext& c, size_t arg, size_t dim, int64_t length) {
  const TensorType& self = c.tensor(0);
  const int64_t size = *self.sizes[dim].constant();
  if (size == 0 || length == 0) {
    if (size != 0) return bad_arg(c, arg, "must be positive");
    return pieces(self, dim, {SymInt(0)});
  }
  const int64_t count = (size - 1) / length + 1;
  if (count > kMaxResults)
    return bad_arg(c, arg, fmt::format("makes {} pieces, at most {}", count, kMaxResults));
  SymSizes lengths(static_cast<size_t>(count), SymInt(length));
  lengths.back() = size - (count - 1) * length;
  return pieces(self, dim, lengths);
}

InferResult split(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 2, self.rank()));
  const auto length = c.args[1].sym_int();
  if (!length) return bad_arg(c, 1, "expected an integer");
  if (length->is_constant() && *length->constant() < 0)
    return bad_arg(c, 1, "must not be negative");
  if (*length == self.sizes[dim]) return pieces(self, dim, {*length});
  if (self.sizes[dim].is_constant() && length->is_constant())
    return split_evenly(c, 1, dim, *length->constant());
  const SymInt count = SymInt::floordiv(self.sizes[dim], *length);
  if (count.is_constant() && count * *length == self.sizes[dim] && *count.constant() > 0 &&
      *count.constant() <= kMaxResults) {
    return pieces(self, dim, SymSizes(static_cast<size_t>(*count.constant()), *length));
  }
  return unsupported("{}: the number of pieces of {} in size {} depends on the input",
                     c.op.full_name(), length->to_string(), self.sizes[dim].to_string());
}

InferResult unbind(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 1, self.rank()));
  const auto count = self.sizes[dim].constant();
  if (!count) {
    return unsupported("{}: the number of results, {}, depends on the input", c.op.full_name(),
                       self.sizes[dim].to_string());
  }
  if (*count > kMaxResults)
    return bad_arg(c, 1, fmt::format("makes {} pieces, at most {}", *count, kMaxResults));
  SymSizes sizes = self.sizes;
  sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(dim));
  return std::vector<Type>(static_cast<size_t>(*count), Type(contiguous_type(self.dtype, sizes)));
}

InferResult chunk(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  if (self.rank() == 0) return bad_arg(c, 0, "expected rank 1 or more");
  PTE_TRY(const size_t dim, dim_arg(c, 2, self.rank()));
  PTE_TRY(const int64_t chunks, int_arg(c, 1));
  if (chunks <= 0 || chunks > kMaxResults)
    return bad_arg(c, 1, fmt::format("{} pieces, at most {}", chunks, kMaxResults));
  const SymInt& size = self.sizes[dim];
  if (chunks == 1) return pieces(self, dim, {size});
  if (const auto number = size.constant()) {
    if (*number == 0) return pieces(self, dim, SymSizes(static_cast<size_t>(chunks), SymInt(0)));
    return split_evenly(c, 1, dim, (*number - 1) / chunks + 1);
  }
  if (SymInt::mod(size, chunks).is_constant(0)) {
    return pieces(self, dim, SymSizes(static_cast<size_t>(chunks), SymInt::floordiv(size, chunks)));
  }
  return unsupported("{}: the number of pieces of the dynamic size {} depends on the input",
                     c.op.full_name(), size.to_string());
}

// ---- joining

Result<std::vector<const TensorType*>> tensor_list(const InferContext& c) {
  std::vector<const TensorType*> tensors;
  if (const ArgList* items = c.args[0].list()) {
    for (const Arg& item : *items) {
      if (item.value() == nullptr || !item.value()->is_tensor())
        return bad_arg(c, 0, "expected tensors");
      tensors.push_back(&item.value()->tensor());
    }
  }
  if (tensors.empty()) return bad_arg(c, 0, "expected at least one tensor");
  return tensors;
}

Result<DType> common_dtype(const InferContext& c, const std::vector<const TensorType*>& tensors) {
  Promotion promotion;
  for (const TensorType* tensor : tensors) promotion.add(*tensor);
  return promotion.result(c);
}

InferResult cat(const InferContext& c) {
  PTE_TRY(std::vector<const TensorType*> tensors, tensor_list(c));
  PTE_TRY(const DType dtype, common_dtype(c, tensors));
  // Tensors of sizes [0] join anything: an old custom of PyTorch.
  const TensorType* first = nullptr;
  const auto is_nothing = [](const TensorType& t) {
    return t.rank() == 1 && t.sizes[0].is_constant(0);
  };
  for (const TensorType* tensor : tensors) {
    if (first == nullptr && !is_nothing(*tensor)) first = tensor;
  }
  if (first == nullptr) return one(contiguous_type(dtype, {SymInt(0)}));
  if (first->rank() == 0) return bad_arg(c, 0, "tensors of rank 0 cannot be joined");
  PTE_TRY(const size_t dim, dim_arg(c, 1, first->rank()));
  SymSizes sizes = first->sizes;
  sizes[dim] = 0;
  bool same_order = true;
  for (const TensorType* tensor : tensors) {
    if (is_nothing(*tensor)) continue;
    bool fits = tensor->rank() == sizes.size();
    for (size_t i = 0; fits && i < sizes.size(); ++i) {
      if (i == dim) continue;
      const auto both = unify(c, sizes[i], tensor->sizes[i]);
      fits = both.has_value();
      if (both) sizes[i] = *both;
    }
    if (!fits) {
      return bad_arg(c, 0,
                     fmt::format("[{}] and [{}] differ outside dimension {}",
                                 to_string(first->sizes), to_string(tensor->sizes), dim));
    }
    sizes[dim] = sizes[dim] + tensor->sizes[dim];
    same_order = same_order &&
                 suggested_order(*tensor, sizes.size()) == suggested_order(*first, sizes.size());
  }
  DimOrder order =
      same_order ? suggested_order(*first, sizes.size()) : contiguous_dim_order(sizes.size());
  return one({dtype, std::move(sizes), std::move(order)});
}

InferResult stack(const InferContext& c) {
  PTE_TRY(const std::vector<const TensorType*> tensors, tensor_list(c));
  PTE_TRY(const DType dtype, common_dtype(c, tensors));
  SymSizes sizes = tensors[0]->sizes;
  PTE_TRY(const size_t dim, dim_arg(c, 1, sizes.size() + 1));
  for (const TensorType* tensor : tensors) {
    bool fits = tensor->rank() == sizes.size();
    for (size_t i = 0; fits && i < sizes.size(); ++i) {
      const auto both = unify(c, sizes[i], tensor->sizes[i]);
      fits = both.has_value();
      if (both) sizes[i] = *both;
    }
    if (!fits) {
      return bad_arg(c, 0,
                     fmt::format("[{}] and [{}] differ", to_string(tensors[0]->sizes),
                                 to_string(tensor->sizes)));
    }
  }
  sizes.insert(sizes.begin() + static_cast<std::ptrdiff_t>(dim),
               SymInt(static_cast<int64_t>(tensors.size())));
  return one(contiguous_type(dtype, std::move(sizes)));
}

// ---- padding

// Pairs for the last dimension, the one before it …
InferResult padded(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  PTE_TRY(const SymSizes pad, size_list(c, 1));
  if (pad.size() % 2 != 0 || pad.size() / 2 > self.rank()) {
    return bad_arg(c, 1, fmt::format("{} values for a tensor of rank {}", pad.size(), self.rank()));
  }
  TensorType type = self;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    SymInt& size = type.sizes[self.rank() - 1 - i];
    size = size + pad[2 * i] + pad[2 * i + 1];
    if (size.is_constant() && *size.constant() < 0) {
      return bad_arg(
          c, 1, fmt::format("[{}] makes [{}] negative", to_string(pad), to_string(self.sizes)));
    }
  }
  type.dim_order = suggested_order(self, self.rank());
  return one(std::move(type));
}

InferResult pad_mode(const InferContext& c) {
  const TensorType& self = c.tensor(0);
  const std::string* mode = c.args[2].text();
  if (mode == nullptr) return bad_arg(c, 2, "expected a mode");
  if (*mode == "constant") return padded(c);
  if (*mode != "reflect" && *mode != "replicate" && *mode != "circular") {
    return bad_arg(c, 2,
                   fmt::format("'{}' is none of constant, reflect, replicate, circular", *mode));
  }
  PTE_TRY(const SymSizes pad, size_list(c, 1));
  const size_t dims = pad.size() / 2;
  if (pad.size() % 2 != 0 || dims < 1 || dims > 3 ||
      (self.rank() != dims + 1 && self.rank() != dims + 2)) {
    return bad_arg(c, 1,
                   fmt::format("{} values for a tensor of rank {} in mode '{}'", pad.size(),
                               self.rank(), *mode));
  }
  for (size_t i = 0; i < pad.size(); ++i) {
    const SymInt& size = self.sizes[self.rank() - 1 - i / 2];
    if (*mode != "replicate" && pad[i].is_constant() && size.is_constant() &&
        *pad[i].constant() >= *size.constant() + (*mode == "circular" ? 1 : 0)) {
      return bad_arg(c, 1,
                     fmt::format("{} is too much for size {} in mode '{}'", *pad[i].constant(),
                                 *size.constant(), *mode));
    }
  }
  return padded(c);
}

constexpr InferEntry kEntries[] = {
    {Op::aten_select_int, select},
    {Op::aten_select_copy_int, select},
    {Op::aten_slice_Tensor, slice},
    {Op::aten_slice_copy_Tensor, slice},
    {Op::aten_narrow_copy, narrow},
    {Op::aten_split_with_sizes, split_with_sizes},
    {Op::aten_split_with_sizes_copy, split_with_sizes},
    {Op::aten_split_Tensor, split},
    {Op::aten_split_copy_Tensor, split},
    {Op::aten_unbind_copy_int, unbind},
    {Op::aten_chunk, chunk},
    {Op::aten_cat, cat},
    {Op::aten_stack, stack},
    {Op::aten_constant_pad_nd, padded},
    {Op::aten_pad, pad_mode},
};

}  // namespace

std::span<const InferEntry> selection_inference() { return kEntries; }

}  // namespace pte::ir
