// Reading and writing by indices, bags of embeddings, membership.
#include <limits>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

constexpr int64_t kToEnd = std::numeric_limits<int64_t>::max();

Expr at_least_one(const Expr& index) { return index.rank() == 0 ? unsqueeze(index, 0) : index; }

// The list of indices that selects along `dim` alone.
ArgList along(int64_t dim, const Expr& index) {
  ArgList indices(static_cast<size_t>(dim));
  indices.push_back(index);
  return indices;
}

// Writes `source` at places `index` of dimension `dim`.
Results put_along(Scope& s, const Expr& source, bool accumulate) {
  const Expr x = s.x(0);
  const int64_t dim = s.dim(1, x.rank());
  const Expr index = at_least_one(s.x(2));
  if (x.rank() == 0) {
    const Expr made = s.call(Op::aten_index_put, {unsqueeze(x, 0), ArgList{index},
                                                  at_least_one(source), Arg(accumulate)});
    return {squeeze(made, 0)};
  }
  Expr values = source;
  if (source.rank() < x.rank()) {
    SymSizes sizes = x.sizes();
    sizes[static_cast<size_t>(dim)] = index.size(0);
    values = expand(source, sizes);
  }
  return {s.call(Op::aten_index_put, {x, along(dim, index), values, Arg(accumulate)})};
}

Results index_add(Scope& s) {
  const Expr source = s.x(3);
  return put_along(s, s.arg(4).number() == 1.0 ? source : source * s.arg(4), true);
}

Results index_fill(Scope& s) {
  const DType dtype = s.x(0).dtype();
  const Expr value = s.x(3) ? cast(s.x(3), dtype) : s.scalar(s.arg(3), dtype);
  if (value && value.rank() != 0) s.invalid("a value that is no number");
  return put_along(s, value, false);
}

// Indices from the end as ones from the start.
Expr wrapped(Scope& s, const Expr& index, const SymInt& size, const Expr& near) {
  return where(lt(index, 0), add(index, s.size_arg(size, near)), index);
}

Results take(Scope& s) {
  const Expr x = s.x(0);
  return {s.call(Op::aten_index_Tensor, {view(x, {x.numel()}), ArgList{s.arg(1)}})};
}

Results put(Scope& s) {
  const Expr x = s.x(0);
  const Expr flat = view(x, {x.numel()}), index = s.x(1);
  const Expr made = s.call(Op::aten_index_put, {flat, ArgList{view(index, {index.numel()})},
                                                view(s.x(2), {s.x(2).numel()}), s.arg(3)});
  return {view(made, x.sizes())};
}

Results take_along_dim(Scope& s) {
  Expr x = s.x(0), index = s.x(1);
  if (!s.given(2)) {
    x = view(x, {x.numel()});
    index = view(index, {index.numel()});
  } else if (x.rank() != index.rank()) {
    s.invalid("indices of another rank");
    return {};
  }
  const int64_t dim = s.given(2) ? s.dim(2, x.rank()) : 0;
  SymSizes own = x.sizes(), places = index.sizes();
  for (size_t i = 0; i < own.size(); ++i) {
    if (static_cast<int64_t>(i) == dim) continue;
    const SymInt size = own[i].is_constant(1) ? places[i] : own[i];
    own[i] = size;
    places[i] = size;
  }
  index = wrapped(s, expand(index, places, x), x.size(dim), x);
  return {s.call(Op::aten_gather, {expand(x, own, index), dim, index})};
}

Results one_hot(Scope& s) {
  const int64_t classes = s.integer(1);
  if (!s.require(classes >= 0, "a number of classes that depends on the input")) return {};
  const Expr names = s.arange(classes, DType::kInt64);
  return {cast(eq(unsqueeze(s.x(0), -1), names), DType::kInt64)};
}

Results is_in(Scope& s) {
  const Expr x = s.x(0) ? s.x(0) : s.scalar(s.arg(0), promoted(s.x(1).dtype(), s.arg(0)));
  Expr found;
  if (s.x(1)) {
    const Expr tests = s.x(1);
    found = s.call(Op::aten_any_dim,
                   {eq(unsqueeze(x, -1), view(tests, {tests.numel()})), -1, Arg(false)});
  } else {
    found = eq(x, s.arg(1));
  }
  return {s.flag(3) ? negated(found) : found};
}

Results places(Scope& s) {
  const Expr found = s.call(Op::aten_nonzero, {s.arg(0)});
  Exprs parts;
  const int64_t rank = s.fixed(found.size(1), "a rank");
  if (!s.bounded(rank, "dimensions")) return {};
  for (int64_t i = 0; i < rank; ++i) parts.push_back(select(found, 1, i));
  return {to_list(parts)};
}

// (weight, indices, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights,
// include_last_offset, padding_idx): bags by a matrix that says which row is in which bag.
Results embedding_bag(Scope& s) {
  const Expr weight = s.x(0), indices = s.x(1);
  Expr starts = s.x(2);
  const int64_t mode = s.integer(4);
  if (!s.require(indices.rank() == 1 && starts.rank() == 1, "indices of this rank") ||
      !s.require(mode >= 0 && mode <= 2, "this mode")) {
    return {};
  }
  Expr ends;
  if (s.flag(7)) {
    ends = slice(starts, 0, 1, kToEnd);
    starts = slice(starts, 0, 0, -1);
  } else {
    const Expr count = view(s.scalar(s.size_arg(indices.size(0), indices), starts.dtype()), {1});
    ends = cat({slice(starts, 0, 1, kToEnd), count}, 0);
  }
  const Expr order = s.arange(indices.size(0), starts.dtype(), indices);
  Expr within = both(ge(order, unsqueeze(starts, 1)), lt(order, unsqueeze(ends, 1)));
  const bool pads = s.op().args.size() > 8 && s.given(8) && s.integer(8) != -1;
  if (pads) within = both(within, ne(indices, s.integer(8)));
  const Expr rows = s.call(Op::aten_embedding, {weight, indices});
  const Expr counts = sum(cast(within, DType::kInt64), {1});
  Expr made;
  if (mode == 2) {
    const Expr in = unsqueeze(within, 2);
    const Expr most =
        amax(where(in, unsqueeze(rows, 0), -std::numeric_limits<double>::infinity()), {1});
    made = where(unsqueeze(gt(counts, 0), 1), most, 0);
  } else {
    Expr share = cast(within, weight.dtype());
    if (s.given(6)) share = share * s.x(6);
    made = s.call(Op::aten_mm, {share, rows});
    if (mode == 1) made = made / unsqueeze(cast(clamp(counts, 1, Arg()), weight.dtype()), 1);
  }
  return {made, Arg(), Arg(), Arg()};
}

// (self, mask, indices, fill): elements at indices, `fill` where the mask is false.
Results masked_index(Scope& s) {
  ArgList indices;
  if (const ArgList* list = s.arg(2).list()) {
    for (const Arg& item : *list) {
      indices.push_back(item.is_none() ? Arg() : Arg(where(s.x(1), item, 0)));
    }
  }
  const Expr found = s.call(Op::aten_index_Tensor, {s.arg(0), std::move(indices)});
  return {where(s.x(1), found, s.arg(3))};
}

Results search(Scope& s, std::string_view row, size_t number) {
  std::vector<Arg> args = s.args();
  const Expr table = s.x(1 - number);
  args[number] = s.scalar(args[number], promoted(table.dtype(), args[number]));
  return {s.call(row, std::move(args))};
}

#define PTE_BAG                                                                         \
  "(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int " \
  "mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool "                   \
  "include_last_offset=False"

constexpr Composite kComposites[] = {
    {"aten::index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> "
     "Tensor",
     index_add},
    {"aten::index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor",
     [](Scope& s) { return put_along(s, s.x(3), false); }},
    {"aten::index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor",
     index_fill},
    {"aten::index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor",
     index_fill},
    {"aten::_unsafe_index.Tensor(Tensor self, Tensor?[] indices) -> Tensor", "aten::index.Tensor"},
    {"aten::_unsafe_index_put(Tensor self, Tensor?[] indices, Tensor values, bool "
     "accumulate=False) -> Tensor",
     "aten::index_put"},
    {"aten::_unsafe_masked_index(Tensor self, Tensor mask, Tensor?[] indices, Scalar fill) -> "
     "Tensor",
     masked_index},
    {"aten::take(Tensor self, Tensor index) -> Tensor", take},
    {"aten::put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor", put},
    {"aten::take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor", take_along_dim},
    {"aten::one_hot(Tensor self, int num_classes=-1) -> Tensor", one_hot},
    {"aten::isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool "
     "assume_unique=False, bool invert=False) -> Tensor",
     is_in},
    {"aten::isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, bool "
     "assume_unique=False, bool invert=False) -> Tensor",
     is_in},
    {"aten::isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, bool "
     "assume_unique=False, bool invert=False) -> Tensor",
     is_in},
    {"aten::argwhere(Tensor self) -> Tensor", "aten::nonzero"},
    {"aten::where(Tensor condition) -> Tensor[]", places},
    {"aten::nonzero_numpy(Tensor self) -> Tensor[]", places},
    {"aten::bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool "
     "right=False) -> Tensor",
     [](Scope& s) { return search(s, "aten::bucketize.Tensor", 0); }},
    {"aten::searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, "
     "bool right=False, str? side=None, Tensor? sorter=None) -> Tensor",
     [](Scope& s) { return search(s, "aten::searchsorted.Tensor", 1); }},
    {"aten::embedding_bag" PTE_BAG ") -> (Tensor, Tensor, Tensor, Tensor)", embedding_bag},
    {"aten::embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool "
     "scale_grad_by_freq, int mode, bool sparse, Tensor? per_sample_weights, bool "
     "include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor, Tensor)",
     embedding_bag},
    {"aten::_embedding_bag" PTE_BAG ", int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)",
     embedding_bag},
    {"aten::_embedding_bag_forward_only" PTE_BAG
     ", int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)",
     embedding_bag},
};

}  // namespace

std::span<const Composite> indexing_composites() { return kComposites; }

}  // namespace pte::importers
