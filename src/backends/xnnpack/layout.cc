#include "backends/xnnpack/layout.h"

#include <algorithm>

#include "backends/xnnpack/support.h"

namespace pte::xnnpack {

namespace {

Layout without_units(const Layout& layout) {
  Layout dims;
  for (uint8_t d : layout) {
    if (d != kUnit) dims.push_back(d);
  }
  return dims;
}

bool is_sorted_layout(const Layout& layout) {
  const Layout dims = without_units(layout);
  return std::is_sorted(dims.begin(), dims.end());
}

}  // namespace

Layout contiguous_layout(size_t rank) {
  if (rank == 0) return {kUnit};
  Layout layout(rank);
  for (size_t i = 0; i < rank; ++i) layout[i] = static_cast<uint8_t>(i);
  return layout;
}

Layout channels_last_layout(size_t rank) {
  switch (rank) {
    case 2:
      return {0, kUnit, kUnit, 1};
    case 3:
      return {0, 2, kUnit, 1};
    case 4:
      return {0, 2, 3, 1};
    default:
      return contiguous_layout(rank);
  }
}

std::optional<Datatype> datatype_of(DType dtype) {
  if (dtype == DType::kFloat32) return Datatype::kFloat32;
  if (dtype == DType::kFloat16) return Datatype::kFloat16;
  if (dtype == DType::kInt8) return Datatype::kQInt8;
  return std::nullopt;
}

// ---- the payload's values and nodes

uint32_t Layouts::add_value(Datatype datatype, std::vector<uint32_t> dims, Quant quant) {
  XnnValue value;
  value.datatype = datatype;
  value.dims = std::move(dims);
  value.quant = std::move(quant);
  graph_.values.push_back(std::move(value));
  return static_cast<uint32_t>(graph_.values.size() - 1);
}

uint32_t Layouts::add_like(uint32_t id, std::vector<uint32_t> dims) {
  return add_value(graph_.values[id].datatype, std::move(dims), Quant(graph_.values[id].quant));
}

Quant Layouts::quant_of(const ir::Value* value) const {
  const auto it = quants_.find(value);
  return it == quants_.end() ? Quant() : Quant(it->second);
}

uint32_t Layouts::add_constant(Datatype datatype, std::vector<uint32_t> dims, Tensor data,
                               Quant quant) {
  const uint32_t id = add_value(datatype, std::move(dims), std::move(quant));
  graph_.values[id].constant = static_cast<uint32_t>(graph_.constants.size());
  graph_.constants.push_back({{}, std::move(data)});
  return id;
}

XnnNode& Layouts::add_node(NodeKind kind, std::vector<uint32_t> inputs, uint32_t output,
                           Params params) {
  XnnNode node;
  node.kind = kind;
  node.inputs = std::move(inputs);
  node.outputs = {output};
  node.params = std::move(params);
  node.debug_handle = static_cast<uint32_t>(graph_.nodes.size() + 1);
  graph_.nodes.push_back(std::move(node));
  return graph_.nodes.back();
}

uint32_t Layouts::scalar(double number, Datatype datatype) {
  const auto key = std::make_pair(number, datatype);
  if (auto it = scalars_.find(key); it != scalars_.end()) return it->second;
  const auto f = static_cast<float>(number);
  Tensor data = datatype == Datatype::kFloat16 ? Tensor::of<Half>({1}, {Half(f)})
                                               : Tensor::of<float>({1}, {f});
  const uint32_t id = add_constant(datatype, {1}, std::move(data));
  scalars_.emplace(key, id);
  return id;
}

std::vector<uint32_t> Layouts::dims_of(const ir::SymSizes& sizes, const Layout& layout) const {
  std::vector<uint32_t> dims;
  for (uint8_t d : layout) {
    dims.push_back(d == kUnit ? 1
                              : static_cast<uint32_t>(upper_bound(module_, sizes[d]).value_or(0)));
  }
  return dims;
}

std::vector<uint32_t> Layouts::shape_of(const ir::SymSizes& sizes, const Layout& layout) const {
  std::vector<uint32_t> shape;
  for (uint8_t d : layout) {
    shape.push_back(d == kUnit ? 1 : static_cast<uint32_t>(sizes[d].constant().value_or(0)));
  }
  return shape;
}

// ---- storages

void Layouts::define(const ir::Value* value, const Layout& layout, uint32_t id) {
  const ir::TensorType& type = value->tensor();
  View v;
  v.storage = std::make_shared<Storage>();
  v.storage->sizes = type.sizes;
  v.storage->datatype = datatype_of(type.dtype).value_or(Datatype::kInvalid);
  v.storage->quant = quant_of(value);
  for (size_t i = 0; i < type.rank(); ++i) {
    v.dims.push_back(type.sizes[i].is_constant(1) ? kUnit : static_cast<uint8_t>(i));
  }
  v.storage->copies.push_back({in_storage(v, layout), id});
  views_[value] = std::move(v);
}

uint32_t Layouts::add_result(const ir::Value* value, const Layout& layout) {
  const ir::TensorType& type = value->tensor();
  const uint32_t id = add_value(datatype_of(type.dtype).value_or(Datatype::kInvalid),
                                dims_of(type.sizes, layout), quant_of(value));
  define(value, layout, id);
  return id;
}

Layouts::View& Layouts::view(const ir::Value* value) {
  if (auto it = views_.find(value); it != views_.end()) return it->second;
  // A constant that is met for the first time; everything else has been defined.
  const ir::TensorType& type = value->tensor();
  View v;
  v.storage = std::make_shared<Storage>();
  v.storage->sizes = type.sizes;
  v.storage->datatype = datatype_of(type.dtype).value_or(Datatype::kInvalid);
  v.storage->quant = quant_of(value);
  v.storage->is_constant = true;
  if (const Tensor* data = frozen_data(module_, value)) v.storage->constant = *data;
  for (size_t i = 0; i < type.rank(); ++i) {
    v.dims.push_back(type.sizes[i].is_constant(1) ? kUnit : static_cast<uint8_t>(i));
  }
  return views_[value] = std::move(v);
}

Status Layouts::alias(const ir::Value* value, const ir::Value* source,
                      const std::vector<uint8_t>& map) {
  const View& from = view(source);
  View v;
  v.storage = from.storage;
  size_t kept = 0;
  for (uint8_t d : map) {
    v.dims.push_back(d == kUnit ? kUnit : from.dims[d]);
    kept += v.dims.back() != kUnit;
  }
  const auto real = static_cast<size_t>(
      std::count_if(from.dims.begin(), from.dims.end(), [](uint8_t d) { return d != kUnit; }));
  if (kept != real) return internal_error("'{}' renames dims that it does not have", value->name());
  views_[value] = std::move(v);
  return {};
}

Layout Layouts::in_storage(const View& v, const Layout& layout) const {
  Layout result;
  for (uint8_t d : layout) result.push_back(d == kUnit ? kUnit : v.dims[d]);
  return result;
}

std::vector<Layout> Layouts::all_existing(const ir::Value* value) const {
  const auto it = views_.find(value);
  if (it == views_.end()) return {};
  const View& v = it->second;
  std::vector<Layout> layouts;
  for (const Copy& copy : v.storage->copies) {
    Layout layout;
    for (uint8_t d : copy.layout) {
      const auto dim = std::find(v.dims.begin(), v.dims.end(), d);
      layout.push_back(d == kUnit ? kUnit : static_cast<uint8_t>(dim - v.dims.begin()));
    }
    layouts.push_back(std::move(layout));
  }
  return layouts;
}

Layout Layouts::existing(const ir::Value* value) const {
  const std::vector<Layout> layouts = all_existing(value);
  for (const Layout& layout : layouts) {
    if (!is_sorted_layout(layout)) return layout;
  }
  return layouts.empty() ? contiguous_layout(value->tensor().rank()) : layouts.front();
}

bool Layouts::exists(const ir::Value* value, const Layout& layout) const {
  const auto it = views_.find(value);
  if (it == views_.end() || it->second.storage->is_constant) return true;  // constants cost nothing
  const Layout wanted = in_storage(it->second, layout);
  const auto& copies = it->second.storage->copies;
  return std::any_of(copies.begin(), copies.end(),
                     [&](const Copy& c) { return c.layout == wanted; });
}

Result<uint32_t> Layouts::get(const ir::Value* value, const Layout& layout) {
  View& v = view(value);
  Storage& storage = *v.storage;
  const Layout wanted = in_storage(v, layout);
  const Layout order = without_units(wanted);
  for (const Copy& copy : storage.copies) {
    if (copy.layout == wanted) return copy.id;
  }
  if (storage.is_constant) return constant_in(storage, wanted);
  if (storage.copies.empty())
    return internal_error("'{}' is read before it is computed", value->name());

  // The same order with units elsewhere: a reshape.
  for (const Copy& copy : storage.copies) {
    if (without_units(copy.layout) != order) continue;
    if (count_dynamic(storage.sizes) <= 1) return reshape(storage, copy, wanted);
    if (copy.layout.size() == wanted.size()) return transpose(storage, copy, wanted);
  }
  for (const Copy& copy : storage.copies) {
    if (copy.layout.size() == wanted.size()) return transpose(storage, copy, wanted);
  }
  // Another order and another number of units.
  const Copy from = storage.copies.front();
  Layout through(from.layout.size() - order.size(), kUnit);
  through.insert(through.end(), order.begin(), order.end());
  const uint32_t id = transpose(storage, from, through);
  if (count_dynamic(storage.sizes) > 1) {
    return internal_error("'{}' needs a reshape with several dynamic sizes", value->name());
  }
  return reshape(storage, {through, id}, wanted);
}

uint32_t Layouts::transpose(Storage& storage, const Copy& from, const Layout& to) {
  std::vector<uint32_t> perm;
  size_t next_unit = 0;
  for (uint8_t d : to) {
    size_t axis = 0;
    if (d == kUnit) {
      while (from.layout[next_unit] != kUnit) ++next_unit;
      axis = next_unit++;
    } else {
      axis = static_cast<size_t>(std::find(from.layout.begin(), from.layout.end(), d) -
                                 from.layout.begin());
    }
    perm.push_back(static_cast<uint32_t>(axis));
  }
  const uint32_t source = from.id;
  const uint32_t id = add_value(storage.datatype, dims_of(storage.sizes, to), storage.quant);
  add_node(NodeKind::kStaticTranspose, {source}, id, TransposeParams{std::move(perm)});
  storage.copies.push_back({to, id});
  return id;
}

uint32_t Layouts::reshape(Storage& storage, const Copy& from, const Layout& to) {
  const uint32_t source = from.id;
  const uint32_t id = add_value(storage.datatype, dims_of(storage.sizes, to), storage.quant);
  add_node(NodeKind::kStaticReshape, {source}, id, ReshapeParams{shape_of(storage.sizes, to)});
  storage.copies.push_back({to, id});
  return id;
}

// The constant's elements rearranged now, so that nothing is left to do at run time.
Result<uint32_t> Layouts::constant_in(Storage& storage, const Layout& layout) {
  if (!storage.constant.has_data()) return internal_error("a constant without data");
  Sizes sizes;
  Strides strides;
  for (uint8_t d : layout) {
    sizes.push_back(d == kUnit ? 1 : storage.constant.size(d));
    strides.push_back(d == kUnit ? 1 : storage.constant.strides()[d]);
  }
  PTE_TRY(Tensor data, storage.constant.with_layout(sizes, strides).contiguous());
  const uint32_t id = add_constant(storage.datatype, dims_of(storage.sizes, layout),
                                   std::move(data), storage.quant);
  storage.copies.push_back({layout, id});
  return id;
}

}  // namespace pte::xnnpack
