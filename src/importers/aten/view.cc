// Views, and what rearranges, joins, splits and repeats.
#include <algorithm>
#include <limits>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

constexpr int64_t kToEnd = std::numeric_limits<int64_t>::max();

// A view where PyTorch's reshape gives one, else a copy.
Expr reshape(Scope& s, const Expr& x, const SymSizes& sizes) {
  return s.call(Op::aten_reshape, {x, s.view_args(sizes, x)});
}

// Dimensions `from` go to places `to`, the others keep their order.
Results moved(Scope& s, const std::vector<int64_t>& from, const std::vector<int64_t>& to) {
  const Expr x = s.x(0);
  const size_t rank = x.rank();
  std::vector<int64_t> order(rank, -1);
  std::vector<bool> taken(rank, false);
  if (from.size() != to.size()) s.invalid("lists of unequal length");
  for (size_t i = 0; i < from.size() && s.ok(); ++i) {
    const auto a = static_cast<size_t>(s.wrap(from[i], rank));
    const auto b = static_cast<size_t>(s.wrap(to[i], rank));
    if (rank == 0) return {x};
    if (taken[a] || order[b] != -1) s.invalid("a dimension that stands twice");
    order[b] = static_cast<int64_t>(a);
    taken[a] = true;
  }
  size_t next = 0;
  for (int64_t& place : order) {
    if (place != -1) continue;
    while (next < rank && taken[next]) ++next;
    place = static_cast<int64_t>(next++);
  }
  return {permute(x, order)};
}

// The row, unless its sizes are so many unknowns that only the operand tells them.
Results flatten(Scope& s) {
  const Expr x = s.x(0);
  const int64_t first = s.dim(1, x.rank()), last = s.dim(2, x.rank());
  SymSizes sizes;
  SymInt joined = 1;
  int64_t unknown = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(x.rank()); ++i) {
    if (i >= first && i <= last) joined = joined * x.size(i);
    if (i == last) sizes.push_back(joined);
    if (i < first || i > last) sizes.push_back(x.size(i));
  }
  for (const SymInt& size : sizes) unknown += size.is_constant() ? 0 : 1;
  if (unknown <= 1 || first > last) return {s.call(Op::aten_flatten_using_ints, s.args())};
  return {reshape(s, x, sizes)};
}

Results swapped(Scope& s) {
  if (s.x(0).rank() == 0) return {s.x(0)};
  return {transpose(s.x(0), s.dim(1, s.x(0).rank()), s.dim(2, s.x(0).rank()))};
}

Results matrices_turned(Scope& s) {
  const Expr x = s.x(0);
  if (x.rank() == 0) return {x};
  if (x.rank() < 2) s.invalid("an operand of rank 1");
  return {transpose(x, -2, -1)};
}

Results reversed(Scope& s) {
  std::vector<int64_t> order = range(static_cast<int64_t>(s.x(0).rank()));
  std::reverse(order.begin(), order.end());
  return {permute(s.x(0), order)};
}

Results unbind(Scope& s) {
  const Expr x = s.x(0);
  const int64_t dim = s.dim(1, x.rank());
  const int64_t count = s.fixed(x.size(dim), "a number of parts");
  Exprs parts;
  if (!s.bounded(count, "parts")) return {};
  for (int64_t i = 0; i < count; ++i) parts.push_back(select(x, dim, i));
  return {to_list(parts)};
}

Results split_at(Scope& s, const std::vector<int64_t>& places, int64_t dim) {
  Exprs parts;
  int64_t start = 0;
  if (!s.bounded(static_cast<int64_t>(places.size()), "parts")) return {};
  for (const int64_t place : places) {
    parts.push_back(slice(s.x(0), dim, start, place));
    start = place;
  }
  parts.push_back(slice(s.x(0), dim, start, kToEnd));
  return {to_list(parts)};
}

Results split_into(Scope& s, int64_t sections, int64_t dim) {
  const int64_t size = s.fixed(s.x(0).size(dim), "a size");
  if (sections < 1) s.invalid("no section");
  if (!s.bounded(sections, "parts")) return {};
  std::vector<int64_t> places;
  int64_t at = 0;
  for (int64_t i = 0; i + 1 < sections; ++i) {
    at += size / sections + (i < size % sections ? 1 : 0);
    places.push_back(at);
  }
  return split_at(s, places, dim);
}

// hsplit, vsplit and dsplit.
Results split_along(Scope& s, int64_t dim) {
  const Expr x = s.x(0);
  if (dim == 1 && x.rank() == 1) dim = 0;
  if (dim >= static_cast<int64_t>(x.rank())) s.invalid("an operand of too low a rank");
  if (const auto sections = s.arg(1).integer()) {
    const int64_t size = s.fixed(x.size(dim), "a size");
    if (*sections < 1 || size % *sections != 0) s.invalid("sections that do not divide the size");
    return s.ok() ? split_into(s, *sections, dim) : Results{};
  }
  return split_at(s, s.integers(1), dim);
}

Expr at_least(const Expr& x, size_t rank) {
  if (rank == 3 && x.rank() == 2) return unsqueeze(x, 2);
  if (rank == 3 && x.rank() <= 1) return unsqueeze(unsqueeze(at_least(x, 1), 0), 2);
  if (rank == 2 && x.rank() <= 1) return unsqueeze(at_least(x, 1), 0);
  if (rank == 1 && x.rank() == 0) return unsqueeze(x, 0);
  return x;
}

Exprs all_at_least(Scope& s, size_t rank) {
  Exprs parts = s.xs(0);
  for (Expr& part : parts) part = at_least(part, rank);
  return parts;
}

Results hstack(Scope& s) {
  const Exprs parts = all_at_least(s, 1);
  return {cat(parts, !parts.empty() && parts[0].rank() == 1 ? 0 : 1)};
}

Results column_stack(Scope& s) {
  Exprs parts = s.xs(0);
  for (Expr& part : parts) {
    if (part.rank() <= 1) part = view(part, {part.numel(), 1});
  }
  return {cat(parts, 1)};
}

Results rot90(Scope& s) {
  const Expr x = s.x(0);
  const auto dims = s.dims(2, x.rank());
  if (dims.size() != 2) {
    s.invalid("other than two dimensions");
    return {};
  }
  switch (((s.integer(1) % 4) + 4) % 4) {
    case 1:
      return {transpose(flip(x, {dims[1]}), dims[0], dims[1])};
    case 2:
      return {flip(x, dims)};
    case 3:
      return {flip(transpose(x, dims[0], dims[1]), {dims[1]})};
    default:
      return {s.call(Op::aten_clone, {x})};
  }
}

Results tile(Scope& s) {
  const Expr x = s.x(0);
  ArgList repeats;
  const ArgList* given = s.arg(1).list();
  const size_t count = given == nullptr ? 0 : given->size();
  for (size_t i = 0; i < count; ++i) {
    if ((*given)[i].integer().value_or(0) < 0) s.invalid("a negative count");
  }
  for (size_t i = count; i < x.rank(); ++i) repeats.emplace_back(1);
  if (given != nullptr) repeats.insert(repeats.end(), given->begin(), given->end());
  return {s.call(Op::aten_repeat, {x, std::move(repeats)})};
}

// (self, repeats, dim, output_size): every element `repeats` times.
Results repeat_interleave(Scope& s) {
  Expr x = s.x(0);
  if (!s.given(2)) x = view(x, {x.numel()});
  const int64_t dim = s.given(2) ? s.dim(2, x.rank()) : 0;
  const SymInt repeats = s.size(1);
  SymSizes wide = x.sizes(), made = x.sizes();
  if (wide.empty()) return {expand(unsqueeze(x, 0), {repeats}, x)};
  wide.insert(wide.begin() + dim + 1, repeats);
  made[static_cast<size_t>(dim)] = made[static_cast<size_t>(dim)] * repeats;
  return {view(expand(unsqueeze(x, dim + 1), wide, x), made)};
}

// Repeats that differ from element to element.
Results repeat_interleave_tensor(Scope& s) {
  Expr x = s.x(0);
  if (!s.given(2)) x = view(x, {x.numel()});
  const int64_t dim = s.given(2) ? s.dim(2, x.rank()) : 0;
  Expr repeats = s.x(1);
  if (repeats.numel().is_constant(1)) repeats = expand(view(repeats, {1}), {x.size(dim)}, x);
  const Expr index = s.call(Op::aten_repeat_interleave_Tensor, {repeats, s.arg(3)});
  return {index_select(x, dim, index)};
}

SymSizes broadcast(Scope& s, const Exprs& parts) {
  SymSizes sizes;
  for (const Expr& part : parts) {
    const SymSizes& own = part.sizes();
    if (own.size() > sizes.size()) sizes.insert(sizes.begin(), own.size() - sizes.size(), 1);
    const size_t missing = sizes.size() - own.size();
    for (size_t i = 0; i < own.size(); ++i) {
      SymInt& size = sizes[missing + i];
      if (size.is_constant(1)) {
        size = own[i];
      } else if (size.is_constant() && own[i].is_constant() && !own[i].is_constant(1) &&
                 !(size == own[i])) {
        s.invalid("operands that do not broadcast");
      }
    }
  }
  return sizes;
}

Results broadcast_tensors(Scope& s) {
  Exprs parts = s.xs(0);
  const SymSizes sizes = broadcast(s, parts);
  for (Expr& part : parts) part = expand(part, sizes, part);
  return {to_list(parts)};
}

Results meshgrid(Scope& s, bool columns_first) {
  Exprs parts = s.xs(0);
  if (columns_first && parts.size() >= 2) std::swap(parts[0], parts[1]);
  SymSizes sizes;
  for (const Expr& part : parts) sizes.push_back(part.numel());
  for (size_t i = 0; i < parts.size(); ++i) {
    SymSizes own(parts.size(), SymInt(1));
    own[i] = sizes[i];
    parts[i] = expand(view(parts[i], own), sizes);
  }
  if (columns_first && parts.size() >= 2) std::swap(parts[0], parts[1]);
  return {to_list(parts)};
}

Results cartesian_prod(Scope& s) {
  const Exprs parts = s.xs(0);
  if (parts.size() == 1) return {parts[0]};
  Exprs grids = s.call_all("aten::meshgrid.indexing", {s.arg(0), "ij"});
  for (Expr& grid : grids) grid = view(grid, {grid.numel()});
  return {stack(grids, 1)};
}

// Zeros but for `x` along a diagonal of the two last dimensions.
Expr on_diagonal(Scope& s, const Expr& x, int64_t offset) {
  const int64_t before = std::max<int64_t>(-offset, 0), left = std::max<int64_t>(offset, 0);
  const SymInt size = x.size(-1) + SymInt(before + left);
  const Expr rows = s.arange(size, DType::kInt64, x);
  const Expr mask = eq(unsqueeze(rows + Arg(offset), 1), rows);
  // The element of a row that the diagonal meets: x moved down by `before`.
  const Expr column = s.call(Op::aten_constant_pad_nd, {x, Arg::ints({before, left}), Arg(0)});
  return where(mask, unsqueeze(column, -1), 0);
}

// (self, src, offset, dim1, dim2): `src` along a diagonal of two dimensions.
Results diagonal_scatter(Scope& s) {
  const Expr x = s.x(0), source = s.x(1);
  const int64_t offset = s.integer(2);
  const int64_t row = s.dim(3, x.rank()), column = s.dim(4, x.rank());
  if (row == column || x.rank() < 2) {
    s.invalid("equal dimensions");
    return {};
  }
  std::vector<int64_t> order, back(x.rank(), 0);
  for (int64_t i = 0; i < static_cast<int64_t>(x.rank()); ++i) {
    if (i != row && i != column) order.push_back(i);
  }
  order.push_back(row);
  order.push_back(column);
  for (size_t i = 0; i < order.size() && i < back.size(); ++i)
    back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  const Expr turned = permute(x, order);
  const SymInt rows = turned.size(-2), before = std::max<int64_t>(-offset, 0);
  const Expr numbers = s.arange(rows, DType::kInt64, x);
  const Expr mask =
      eq(unsqueeze(numbers + Arg(offset), 1), s.arange(turned.size(-1), DType::kInt64, x));
  const Expr values =
      s.call(Op::aten_constant_pad_nd,
             {cast(source, x.dtype()),
              ArgList{s.size_arg(before), s.size_arg(rows - before - source.size(-1), x)}, Arg(0)});
  return {permute(where(mask, unsqueeze(values, -1), turned), back)};
}

Results diag_embed(Scope& s) {
  const Expr made = on_diagonal(s, s.x(0), s.integer(1));
  const auto rank = static_cast<int64_t>(made.rank());
  const int64_t row = s.dim(2, made.rank()), column = s.dim(3, made.rank());
  if (row == column || rank < 2) {
    s.invalid("equal dimensions");
    return {};
  }
  std::vector<int64_t> order;
  int64_t next = 0;
  for (int64_t i = 0; i < rank; ++i)
    order.push_back(i == row ? rank - 2 : i == column ? rank - 1 : next++);
  return {permute(made, order)};
}

Results diag(Scope& s) {
  const Expr x = s.x(0);
  if (x.rank() == 1) return {on_diagonal(s, x, s.integer(1))};
  if (!s.require(x.rank() == 2, "an operand of this rank")) return {};
  return {s.call(Op::aten_diagonal_copy, {x, s.arg(1), 0, 1})};
}

Results block_diag(Scope& s) {
  Exprs parts = s.xs(0);
  SymInt columns = 0;
  for (Expr& part : parts) {
    part = at_least(part, 2);
    columns = columns + part.size(1);
  }
  SymInt left = 0;
  for (Expr& part : parts) {
    const SymInt right = columns - left - part.size(1);
    const SymInt own = part.size(1);
    part = s.call(Op::aten_constant_pad_nd,
                  {part, ArgList{s.size_arg(left), s.size_arg(right)}, Arg(0)});
    left = left + own;
  }
  return {cat(parts, 0)};
}

// Groups of channels, and the channels of a group, change places.
Results channel_shuffle(Scope& s) {
  const Expr x = s.x(0);
  const int64_t groups = s.integer(1);
  if (!s.require(x.rank() >= 3, "an operand of this rank") || groups < 1) {
    s.invalid("no group");
    return {};
  }
  SymSizes sizes = x.sizes();
  sizes[1] = SymInt::floordiv(sizes[1], groups);
  sizes.insert(sizes.begin() + 1, SymInt(groups));
  return {view(transpose(view(x, sizes), 1, 2), x.sizes())};
}

// ---- conversions

Results converted(Scope& s, const Arg& dtype, const Arg& copy, const Arg& format) {
  return {s.call(Op::aten_to_dtype_layout,
                 {s.arg(0), dtype, Arg(), Arg(), Arg(), Arg(false), copy, format})};
}

Results view_dtype(Scope& s) {
  if (s.dtype(1) == s.x(0).dtype()) return {s.call(Op::aten_alias, {s.x(0)})};
  return {s.call(Op::aten_view_copy_dtype, {s.arg(0), s.arg(1)})};
}

Results narrow(Scope& s) {
  const Expr x = s.x(0);
  const int64_t dim = s.dim(1, x.rank());
  const SymInt start = s.size(2), length = s.size(3);
  const bool back = start.is_constant() && *start.constant() < 0;
  const SymInt from = back ? x.size(dim) + start : start;
  return {slice(x, dim, s.size_arg(from), s.size_arg(from + length))};
}

Results expanded(Scope& s, const SymSizes& sizes) {
  const Expr x = s.x(0);
  SymSizes wanted = sizes;
  const size_t missing = wanted.size() - std::min(wanted.size(), x.rank());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].is_constant(-1) && i >= missing) wanted[i] = x.sizes()[i - missing];
  }
  return {expand(x, wanted)};
}

Results same(Scope& s) { return {s.x(0)}; }

constexpr auto view_of = Composite::view_of;
constexpr Composite kComposites[] = {
    view_of("aten::diagonal(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
            [](Scope& s) -> Results { return {s.call(Op::aten_diagonal_copy, s.args())}; }),
    view_of("aten::linalg_diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
            [](Scope& s) -> Results { return {s.call(Op::aten_diagonal_copy, s.args())}; }),
    view_of("aten::unfold(Tensor self, int dimension, int size, int step) -> Tensor",
            [](Scope& s) -> Results {
              const Expr x = s.x(0);
              if (x.rank() == 0)
                return {s.call(Op::aten_slice_Tensor, {unsqueeze(x, 0), 0, 0, s.arg(2)})};
              return {s.call(Op::aten_unfold_copy, s.args())};
            }),
    view_of("aten::as_strided(Tensor self, SymInt[] size, SymInt[] stride, SymInt? "
            "storage_offset=None) -> Tensor",
            [](Scope& s) -> Results { return {s.call(Op::aten_as_strided_copy, s.args())}; }),
    view_of("aten::view.dtype(Tensor self, ScalarType dtype) -> Tensor", view_dtype),
    view_of("aten::lift_fresh(Tensor self) -> Tensor", same),
    view_of("aten::lift(Tensor self) -> Tensor", same),
    view_of("aten::unbind.int(Tensor self, int dim=0) -> Tensor[]", unbind),
    view_of("aten::narrow(Tensor self, int dim, SymInt start, SymInt length) -> Tensor", narrow),
    view_of("aten::expand_as(Tensor self, Tensor other) -> Tensor",
            [](Scope& s) { return expanded(s, s.x(1).sizes()); }),
    view_of("aten::broadcast_to(Tensor self, SymInt[] size) -> Tensor",
            [](Scope& s) { return expanded(s, s.sizes(1)); }),
    view_of("aten::view_as(Tensor self, Tensor other) -> Tensor",
            [](Scope& s) -> Results { return {view(s.x(0), s.x(1).sizes())}; }),
    view_of("aten::reshape_as(Tensor self, Tensor other) -> Tensor",
            [](Scope& s) -> Results { return {reshape(s, s.x(0), s.x(1).sizes())}; }),
    view_of("aten::_reshape_alias(Tensor self, SymInt[] size, SymInt[] stride) -> Tensor",
            [](Scope& s) -> Results {
              return {s.call(Op::aten_reshape, {s.arg(0), s.arg(1)})};
            }),
    view_of("aten::ravel(Tensor self) -> Tensor",
            [](Scope& s) -> Results { return {reshape(s, s.x(0), {s.x(0).numel()})}; }),
    view_of("aten::flatten.using_ints(Tensor self, int start_dim=0, int end_dim=-1) -> Tensor",
            flatten),
    view_of("aten::movedim.int(Tensor self, int source, int destination) -> Tensor",
            [](Scope& s) { return moved(s, s.integers(1), s.integers(2)); }),
    view_of("aten::movedim.intlist(Tensor self, int[] source, int[] destination) -> Tensor",
            [](Scope& s) { return moved(s, s.integers(1), s.integers(2)); }),
    view_of("aten::moveaxis.int(Tensor self, int source, int destination) -> Tensor",
            [](Scope& s) { return moved(s, s.integers(1), s.integers(2)); }),
    view_of("aten::moveaxis.intlist(Tensor self, int[] source, int[] destination) -> Tensor",
            [](Scope& s) { return moved(s, s.integers(1), s.integers(2)); }),
    view_of("aten::swapaxes(Tensor self, int axis0, int axis1) -> Tensor", swapped),
    view_of("aten::swapdims(Tensor self, int dim0, int dim1) -> Tensor", swapped),
    view_of("aten::mT(Tensor self) -> Tensor", matrices_turned),
    view_of("aten::mH(Tensor self) -> Tensor", matrices_turned),
    view_of("aten::adjoint(Tensor self) -> Tensor", matrices_turned),
    view_of("aten::numpy_T(Tensor self) -> Tensor", reversed),
    view_of("aten::matrix_H(Tensor self) -> Tensor", reversed),
    view_of("aten::tensor_split.sections(Tensor self, SymInt sections, int dim=0) -> Tensor[]",
            [](Scope& s) { return split_into(s, s.integer(1), s.dim(2, s.x(0).rank())); }),
    view_of("aten::tensor_split.indices(Tensor self, SymInt[] indices, int dim=0) -> Tensor[]",
            [](Scope& s) { return split_at(s, s.integers(1), s.dim(2, s.x(0).rank())); }),
    view_of("aten::hsplit.int(Tensor self, int sections) -> Tensor[]",
            [](Scope& s) { return split_along(s, 1); }),
    view_of("aten::hsplit.array(Tensor self, int[] indices) -> Tensor[]",
            [](Scope& s) { return split_along(s, 1); }),
    view_of("aten::vsplit.int(Tensor self, int sections) -> Tensor[]",
            [](Scope& s) { return split_along(s, 0); }),
    view_of("aten::vsplit.array(Tensor self, int[] indices) -> Tensor[]",
            [](Scope& s) { return split_along(s, 0); }),
    view_of("aten::dsplit.int(Tensor self, int sections) -> Tensor[]",
            [](Scope& s) { return split_along(s, 2); }),
    view_of("aten::dsplit.array(Tensor self, int[] indices) -> Tensor[]",
            [](Scope& s) { return split_along(s, 2); }),
    {"aten::split(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]",
     "aten::split_with_sizes"},
    {"aten::split.sizes(Tensor self, SymInt[] split_size, int dim=0) -> Tensor[]",
     "aten::split_with_sizes"},
    {"aten::unsafe_split.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]",
     "aten::split.Tensor"},
    {"aten::unsafe_split_with_sizes(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]",
     "aten::split_with_sizes"},
    {"aten::unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]", "aten::chunk"},
    view_of("aten::atleast_1d(Tensor self) -> Tensor",
            [](Scope& s) -> Results { return {at_least(s.x(0), 1)}; }),
    view_of("aten::atleast_2d(Tensor self) -> Tensor",
            [](Scope& s) -> Results { return {at_least(s.x(0), 2)}; }),
    view_of("aten::atleast_3d(Tensor self) -> Tensor",
            [](Scope& s) -> Results { return {at_least(s.x(0), 3)}; }),
    {"aten::atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]",
     [](Scope& s) -> Results { return {to_list(all_at_least(s, 1))}; }},
    {"aten::atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]",
     [](Scope& s) -> Results { return {to_list(all_at_least(s, 2))}; }},
    {"aten::atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]",
     [](Scope& s) -> Results { return {to_list(all_at_least(s, 3))}; }},
    {"aten::hstack(Tensor[] tensors) -> Tensor", hstack},
    {"aten::vstack(Tensor[] tensors) -> Tensor",
     [](Scope& s) -> Results { return {cat(all_at_least(s, 2), 0)}; }},
    {"aten::row_stack(Tensor[] tensors) -> Tensor", "aten::vstack"},
    {"aten::dstack(Tensor[] tensors) -> Tensor",
     [](Scope& s) -> Results { return {cat(all_at_least(s, 3), 2)}; }},
    {"aten::column_stack(Tensor[] tensors) -> Tensor", column_stack},
    {"aten::rot90(Tensor self, int k=1, int[] dims=[0, 1]) -> Tensor", rot90},
    {"aten::fliplr(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {flip(s.x(0), {1})}; }},
    {"aten::flipud(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {flip(s.x(0), {0})}; }},
    {"aten::tile(Tensor self, SymInt[] dims) -> Tensor", tile},
    {"aten::repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? "
     "output_size=None) -> Tensor",
     repeat_interleave},
    {"aten::repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? "
     "output_size=None) -> Tensor",
     repeat_interleave_tensor},
    {"aten::broadcast_tensors(Tensor[] tensors) -> Tensor[]", broadcast_tensors},
    {"aten::meshgrid(Tensor[] tensors) -> Tensor[]", [](Scope& s) { return meshgrid(s, false); }},
    {"aten::meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]",
     [](Scope& s) { return meshgrid(s, s.text(1) == "xy"); }},
    {"aten::cartesian_prod(Tensor[] tensors) -> Tensor", cartesian_prod},
    {"aten::diag(Tensor self, int diagonal=0) -> Tensor", diag},
    {"aten::diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", diag_embed},
    {"aten::diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> "
     "Tensor",
     diagonal_scatter},
    {"aten::trace(Tensor self) -> Tensor",
     [](Scope& s) -> Results {
       return {sum(s.call(Op::aten_diagonal_copy, {s.arg(0), 0, 0, 1}), {0})};
     }},
    {"aten::block_diag(Tensor[] tensors) -> Tensor", block_diag},
    {"aten::channel_shuffle(Tensor self, SymInt groups) -> Tensor", channel_shuffle},
    {"aten::native_channel_shuffle(Tensor self, SymInt groups) -> Tensor", channel_shuffle},
    {"aten::fft_fftshift(Tensor self, int[1]? dim=None) -> Tensor",
     [](Scope& s) -> Results {
       Expr x = s.x(0);
       for (const int64_t dim : s.dims(1, x.rank())) {
         const int64_t size = s.fixed(x.size(dim), "a size");
         x = s.call(Op::aten_roll, {x, Arg::ints({size / 2}), Arg::ints({dim})});
       }
       return {x};
     }},
    {"aten::fft_ifftshift(Tensor self, int[1]? dim=None) -> Tensor",
     [](Scope& s) -> Results {
       Expr x = s.x(0);
       for (const int64_t dim : s.dims(1, x.rank())) {
         const int64_t size = s.fixed(x.size(dim), "a size");
         x = s.call(Op::aten_roll, {x, Arg::ints({(size + 1) / 2}), Arg::ints({dim})});
       }
       return {x};
     }},
    view_of("aten::to.device(Tensor self, Device device, ScalarType dtype, bool "
            "non_blocking=False, bool copy=False, MemoryFormat? memory_format=None) -> Tensor",
            [](Scope& s) { return converted(s, s.arg(2), s.arg(4), s.arg(5)); }),
    view_of("aten::to.other(Tensor self, Tensor other, bool non_blocking=False, bool copy=False, "
            "MemoryFormat? memory_format=None) -> Tensor",
            [](Scope& s) { return converted(s, s.x(1).dtype(), s.arg(3), s.arg(4)); }),
    view_of("aten::type_as(Tensor self, Tensor other) -> Tensor",
            [](Scope& s) { return converted(s, s.x(1).dtype(), Arg(false), Arg()); }),
    {"prims::convert_element_type(Tensor a, ScalarType dtype) -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten__to_copy, {s.arg(0), s.arg(1)})};
     }},
};

}  // namespace

std::span<const Composite> view_composites() { return kComposites; }

}  // namespace pte::importers
