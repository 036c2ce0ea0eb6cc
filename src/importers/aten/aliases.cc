#include "importers/aten/aliases.h"

#include <algorithm>
#include <limits>

#include "importers/aten/composites.h"

namespace pte::importers {

using ir::Arg;
using ir::SymInt;
using ir::TensorType;
using ir::Value;

// ---- handles

size_t Aliases::add_root(Value* value, Origin origin, std::string key) {
  Handle handle;
  handle.type = value->tensor();
  handle.value = value;
  handle.storage = storages_.size();
  storages_.push_back({handles_.size(), 0, origin, std::move(key), false});
  handles_.push_back(std::move(handle));
  return handles_.size() - 1;
}

size_t Aliases::add_constant(std::string key, TensorType type) {
  Handle handle;
  handle.type = std::move(type);
  handle.storage = storages_.size();
  storages_.push_back({handles_.size(), 0, Origin::kConstant, std::move(key), false});
  handles_.push_back(std::move(handle));
  return handles_.size() - 1;
}

size_t Aliases::add_view(size_t parent, const ir::Node& node, size_t result) {
  Handle handle;
  handle.type = node.result(result)->tensor();
  handle.value = node.result(result);
  handle.storage = handles_[parent].storage;
  handle.version = storages_[handle.storage].version;
  handle.parent = parent;
  handle.op = &node.op();
  handle.args = node.args();
  handle.result = result;
  handles_.push_back(std::move(handle));
  return handles_.size() - 1;
}

Result<size_t> Aliases::add_result(size_t base, Value* value, bool contiguous) {
  PTE_TRY(const Value* source, read(base));
  // The views between the two, innermost last.
  std::vector<const Value*> views;
  Sharing sharing = Sharing::kView;
  for (const Value* at = value; at != source; at = at->producer()->input(0)) {
    const ir::Node* node = at->producer();
    const Sharing own = node == nullptr || node->args().empty() || node->input(0) == nullptr
                            ? Sharing::kNone
                            : sharing_of(node->op(), node->args(), contiguous);
    if (own == Sharing::kNone) return add_root(value);
    if (own == Sharing::kMaybe) sharing = own;
    views.push_back(at);
  }
  if (sharing == Sharing::kMaybe) {
    const size_t handle = add_root(value);
    entangle(base, handle);
    return handle;
  }
  size_t handle = base;
  for (size_t i = views.size(); i-- > 0;)
    handle = add_view(handle, *views[i]->producer(), views[i]->index());
  return handle;
}

Result<Value*> Aliases::fitted(size_t index, Value* value) {
  const TensorType& self = handles_[index].type;
  if (value->tensor().dtype != self.dtype) {
    PTE_TRY(value, maker_.call(Op::aten__to_copy, {value, self.dtype}, value->name()));
  }
  if (!(value->tensor().sizes == self.sizes)) {
    PTE_TRY(Value * old, read(index));
    PTE_TRY(Arg sizes, maker_.sizes_of(old));
    PTE_TRY(value, maker_.call(Op::aten_expand, {value, std::move(sizes)}, value->name()));
  }
  return value;
}

void Aliases::entangle(size_t a, size_t b) {
  storages_[handles_[a].storage].entangled = true;
  storages_[handles_[b].storage].entangled = true;
}

Result<Value*> Aliases::read(size_t index) {
  // From the handle to the nearest one that is up to date; a root always is.
  std::vector<size_t> stale;
  size_t at = index;
  while (handles_[at].parent && handles_[at].version != storages_[handles_[at].storage].version) {
    stale.push_back(at);
    at = *handles_[at].parent;
  }
  if (handles_[at].value == nullptr) {
    Handle& root = handles_[at];
    root.value = maker_.graph().constant(storages_[root.storage].key, root.type);
  }
  while (!stale.empty()) {
    Handle& handle = handles_[stale.back()];
    std::vector<Arg> args = handle.args;
    args[0] = handles_[*handle.parent].value;
    PTE_TRY(ir::Node * node, maker_.add(*handle.op, std::move(args), {handle.value->name()}));
    handle.value = node->result(handle.result);
    handle.version = storages_[handle.storage].version;
    stale.pop_back();
  }
  return handles_[index].value;
}

Status Aliases::write(size_t index, Value* value) {
  Storage& storage = storages_[handles_[index].storage];
  if (storage.entangled) {
    return unsupported("it writes a tensor that may share its memory with a reshaped one");
  }
  // The views on the way down, each with the value before the write that the rest comes from.
  struct Step {
    size_t handle;
    Value* value;
  };
  std::vector<Step> steps{{index, value}};
  for (size_t at = index; handles_[at].parent; at = *handles_[at].parent) {
    PTE_TRY(Value * before, read(*handles_[at].parent));
    PTE_TRY(Value * after, scatter(handles_[at], before, steps.back().value));
    steps.push_back({*handles_[at].parent, after});
  }
  if (storage.version++ == 0) written_.push_back(handles_[index].storage);
  for (const Step& step : steps) {
    handles_[step.handle].value = step.value;
    handles_[step.handle].version = storage.version;
  }
  return {};
}

std::vector<Aliases::Mutation> Aliases::mutations() const {
  std::vector<Mutation> all;
  for (const size_t index : written_) {
    const Storage& storage = storages_[index];
    if (storage.origin != Origin::kLocal)
      all.push_back({storage.origin, storage.key, handles_[storage.root].value});
  }
  return all;
}

// ---- writing through a view

// `parent` with [start, start + length) of `dim` replaced.
Result<Value*> Aliases::scatter_range(Value* parent, Value* value, size_t dim, const SymInt& start,
                                      const SymInt& length) {
  const auto dimension = static_cast<int64_t>(dim);
  const auto first = start.constant();
  const auto count = length.constant();
  if (!first || !count) return unsupported("it writes a slice whose bounds depend on the input");
  std::vector<Value*> parts;
  if (*first > 0) {
    PTE_TRY(Value * head,
            maker_.call(Op::aten_slice_Tensor, {parent, dimension, 0, *first, 1}, "head"));
    parts.push_back(head);
  }
  if (*count > 0) parts.push_back(value);
  const auto size = parent->tensor().sizes[dim].constant();
  if (!size || *first + *count < *size) {
    PTE_TRY(Value * tail, maker_.call(Op::aten_slice_Tensor,
                                      {parent, dimension, *first + *count,
                                       std::numeric_limits<int64_t>::max(), 1},
                                      "tail"));
    parts.push_back(tail);
  }
  if (parts.size() == 1) return parts[0];
  return maker_.call(Op::aten_cat, {Arg::values(parts), dimension}, "scatter");
}

namespace {

size_t positive_dim(const Arg& arg, size_t rank) {
  const int64_t dim = arg.integer().value_or(0);
  return static_cast<size_t>(dim < 0 ? dim + static_cast<int64_t>(rank) : dim);
}

// A slice bound as a place from the start; nothing when it depends on the input.
std::optional<int64_t> bound(const Arg& arg, const SymInt& size, int64_t missing) {
  if (arg.is_none()) return missing;
  const auto place = arg.sym_int();
  const auto number = place ? place->constant() : std::nullopt;
  if (!number) return std::nullopt;
  if (const auto total = size.constant()) {
    return std::clamp<int64_t>(*number < 0 ? *number + *total : *number, 0, *total);
  }
  return *number < 0 ? std::nullopt : number;
}

}  // namespace

Result<Value*> Aliases::scatter(const Handle& view, Value* parent, Value* value) {
  const TensorType& base = parent->tensor();
  switch (view.op->op) {
    case Op::aten_view:
    case Op::aten__unsafe_view:
    case Op::aten_reshape:
    case Op::aten_flatten_using_ints:
    case Op::aten_unflatten_int:
    case Op::aten_squeeze:
    case Op::aten_squeeze_dim:
    case Op::aten_squeeze_dims:
    case Op::aten_unsqueeze:
    case Op::aten_view_copy: {
      PTE_TRY(Arg sizes, maker_.sizes_of(parent));
      return maker_.call(Op::aten_view, {value, std::move(sizes)}, "view");
    }
    case Op::aten_permute: {
      std::vector<int64_t> inverse(base.rank());
      const ir::ArgList& dims = *view.args[1].list();
      for (size_t i = 0; i < dims.size(); ++i)
        inverse[positive_dim(dims[i], base.rank())] = static_cast<int64_t>(i);
      return maker_.call(Op::aten_permute, {value, Arg::ints(inverse)}, "permute");
    }
    case Op::aten_transpose_int:
      return maker_.call(Op::aten_transpose_int, {value, view.args[1], view.args[2]}, "transpose");
    case Op::aten_t:
      return maker_.call(Op::aten_t, {value}, "t");
    case Op::aten_detach:
    case Op::aten_alias:
    case Op::aten_dropout:
    case Op::aten_feature_dropout:
    case Op::aten_alpha_dropout:
    case Op::aten_contiguous:
    case Op::aten_to_dtype:
    case Op::aten_to_dtype_layout:
      return value;
    case Op::aten_select_int: {
      const size_t dim = positive_dim(view.args[1], base.rank());
      const auto index = bound(view.args[2], base.sizes[dim], 0);
      if (!index) {
        return maker_.call(Op::aten_select_scatter,
                           {parent, value, static_cast<int64_t>(dim), view.args[2]}, "scatter");
      }
      PTE_TRY(Value * row,
              maker_.call(Op::aten_unsqueeze, {value, static_cast<int64_t>(dim)}, "unsqueeze"));
      return scatter_range(parent, row, dim, *index, 1);
    }
    case Op::aten_slice_Tensor: {
      const size_t dim = positive_dim(view.args[1], base.rank());
      const auto start = bound(view.args[2], base.sizes[dim], 0);
      if (!start) break;
      if (view.args[4].integer() != 1) {
        return maker_.call(Op::aten_slice_scatter,
                           {parent, value, view.args[1], view.args[2], view.args[3], view.args[4]},
                           "scatter");
      }
      const SymInt& length = value->tensor().sizes[dim];
      if (*start == 0 && length == base.sizes[dim]) return value;
      return scatter_range(parent, value, dim, *start, length);
    }
    case Op::aten_split_Tensor:
    case Op::aten_split_with_sizes:
    case Op::aten_chunk: {
      const size_t dim = positive_dim(view.args[2], base.rank());
      const ir::Node* node = view.value->producer();
      SymInt start = 0;
      for (size_t i = 0; i < view.result; ++i) start = start + node->result(i)->tensor().sizes[dim];
      return scatter_range(parent, value, dim, start, value->tensor().sizes[dim]);
    }
    case Op::aten_diagonal_copy:
      return call_one(maker_, "aten::diagonal_scatter",
                      {parent, value, view.args[1], view.args[2], view.args[3]});
    case Op::aten_flip:
      return maker_.call(Op::aten_flip, {value, view.args[1]}, "flip");
    default:
      break;
  }
  return unsupported("it writes through a view by {}", view.op->target());
}

Sharing sharing_of(const OpInfo& op, const std::vector<Arg>& args, bool contiguous) {
  const auto has_type = [&](size_t arg, DType own) {
    const auto* dtype = std::get_if<DType>(&args[arg].v);
    return dtype == nullptr || *dtype == own;
  };
  switch (op.op) {
    case Op::aten_view:
    case Op::aten_squeeze:
    case Op::aten_squeeze_dim:
    case Op::aten_squeeze_dims:
    case Op::aten_unsqueeze:
    case Op::aten_permute:
    case Op::aten_transpose_int:
    case Op::aten_t:
    case Op::aten_expand:
    case Op::aten_select_int:
    case Op::aten_slice_Tensor:
    case Op::aten_split_Tensor:
    case Op::aten_split_with_sizes:
    case Op::aten_chunk:
    case Op::aten_unflatten_int:
    case Op::aten_detach:
    case Op::aten_alias:
    case Op::aten_dropout:
    case Op::aten_feature_dropout:
    case Op::aten_alpha_dropout:
    case Op::aten_diagonal_copy:
    case Op::aten_unfold_copy:
    case Op::aten_as_strided_copy:
      return Sharing::kView;
    case Op::aten__unsafe_view:
    case Op::aten_reshape:
    case Op::aten_flatten_using_ints:
      return contiguous ? Sharing::kView : Sharing::kMaybe;
    case Op::aten_contiguous: {
      const auto* format = std::get_if<ir::MemoryFormat>(&args[1].v);
      const bool rows = format == nullptr || *format == ir::MemoryFormat::kContiguous;
      if (!rows) return Sharing::kMaybe;
      return contiguous ? Sharing::kView : Sharing::kNone;
    }
    case Op::aten_to_dtype:
    case Op::aten_to_dtype_layout: {
      const auto dtype = static_cast<size_t>(op.arg_index("dtype"));
      const Arg& copy = args[static_cast<size_t>(op.arg_index("copy"))];
      if (copy.boolean().value_or(false) || !has_type(dtype, args[0].value()->tensor().dtype))
        return Sharing::kNone;
      const Arg& format = args[static_cast<size_t>(op.arg_index("memory_format"))];
      const auto* wanted = std::get_if<ir::MemoryFormat>(&format.v);
      return wanted == nullptr || *wanted == ir::MemoryFormat::kPreserve ? Sharing::kView
                                                                         : Sharing::kMaybe;
    }
    default:
      return Sharing::kNone;
  }
}

}  // namespace pte::importers
