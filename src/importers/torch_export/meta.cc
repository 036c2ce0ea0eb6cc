#include "importers/torch_export/meta.h"

#include <algorithm>

#include "importers/torch_export/expression.h"

namespace pte::importers {

std::string shown(std::string_view text, size_t limit) {
  std::string out;
  for (const char c : text.substr(0, limit)) out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  if (text.size() > limit) out += "...";
  return out;
}

Result<DType> read_dtype(const JsonView& view) {
  PTE_TRY(const int64_t code, view.integer());
  switch (code) {
    case 1:
      return DType::kUInt8;
    case 2:
      return DType::kInt8;
    case 3:
      return DType::kInt16;
    case 4:
      return DType::kInt32;
    case 5:
      return DType::kInt64;
    case 6:
      return DType::kFloat16;
    case 7:
      return DType::kFloat32;
    case 8:
      return DType::kFloat64;
    case 9:
      return DType::kComplex32;
    case 10:
      return DType::kComplex64;
    case 11:
      return DType::kComplex128;
    case 12:
      return DType::kBool;
    case 13:
      return DType::kBFloat16;
    case 28:
      return DType::kUInt16;
    case 29:
      return DType::kFloat8E4M3FN;
    case 30:
      return DType::kFloat8E5M2;
    case 31:
      return DType::kFloat8E4M3FNUZ;
    case 32:
      return DType::kFloat8E5M2FNUZ;
    case 34:
      return DType::kUInt32;
    case 35:
      return DType::kUInt64;
    default:
      return view.invalid(fmt::format("{} is no known scalar type", code));
  }
}

Result<ir::MemoryFormat> read_memory_format(const JsonView& view) {
  PTE_TRY(const int64_t code, view.integer());
  switch (code) {
    case 1:
      return ir::MemoryFormat::kContiguous;
    case 2:
      return ir::MemoryFormat::kChannelsLast;
    case 3:
      return ir::MemoryFormat::kChannelsLast3d;
    case 4:
      return ir::MemoryFormat::kPreserve;
    default:
      return view.invalid(fmt::format("{} is no known memory format", code));
  }
}

Result<ir::Layout> read_layout(const JsonView& view) {
  PTE_TRY(const int64_t code, view.integer());
  if (code == 7) return ir::Layout::kStrided;
  if (code >= 1 && code <= 6) return unsupported("{}: sparse and mkldnn tensors", view.path());
  return view.invalid(fmt::format("{} is no known layout", code));
}

Result<ir::Device> read_device(const JsonView& view) {
  PTE_TRY(const std::string_view type, view.text_at("type"));
  return ir::Device{std::string(type)};
}

Result<ir::SymInt> read_size(const JsonView& view) {
  PTE_TRY(const auto variant, view.variant());
  const auto& [kind, value] = variant;
  if (kind == "as_int") {
    PTE_TRY(const int64_t size, value.integer());
    return ir::SymInt(size);
  }
  if (kind == "as_expr") {
    PTE_TRY(const std::string_view text, value.text_at("expr_str"));
    auto size = parse_expression(text);
    if (!size) return std::move(size.error()).at(value.path());
    return *size;
  }
  return view.invalid(fmt::format("expected as_int or as_expr, found {}", shown(kind)));
}

namespace {

Result<ir::SymSizes> read_sizes(const JsonView& view) {
  PTE_TRY(const auto items, view.items());
  if (items.size() > kMaxRank) {
    return view.invalid(
        fmt::format("{} dimensions, at most {} are supported", items.size(), kMaxRank));
  }
  ir::SymSizes sizes;
  sizes.reserve(items.size());
  for (const JsonView& item : items) {
    PTE_TRY(ir::SymInt size, read_size(item));
    sizes.push_back(std::move(size));
  }
  return sizes;
}

// True when the strides are those of a tensor without gaps in this order. Strides of dimensions of
// size 1 may be anything.
bool dense_in(const ir::SymSizes& sizes, const ir::SymSizes& strides, const DimOrder& order) {
  ir::SymInt step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    const size_t dim = order[i];
    if (sizes[dim].is_constant(0)) return true;
    if (sizes[dim].is_constant(1)) continue;
    if (!(strides[dim] == step)) return false;
    step = step * sizes[dim];
  }
  return true;
}

}  // namespace

bool TensorMeta::is_contiguous() const {
  return dense_in(sizes, strides, contiguous_dim_order(sizes.size()));
}

ir::TensorType TensorMeta::type() const {
  const size_t rank = sizes.size();
  const DimOrder last = channels_last_dim_order(rank);
  if (!is_contiguous()) {
    if (dense_in(sizes, strides, last)) return {dtype, sizes, last};
    if (const auto numbers = ir::to_static(strides)) {
      const DimOrder order = dim_order_of(*numbers);
      if (dense_in(sizes, strides, order)) return {dtype, sizes, order};
    }
  }
  return {dtype, sizes, contiguous_dim_order(rank)};
}

Result<TensorMeta> read_tensor_meta(const JsonView& view) {
  TensorMeta meta;
  PTE_TRY(const JsonView dtype, view.at("dtype"));
  PTE_TRY(meta.dtype, read_dtype(dtype));
  PTE_TRY(const JsonView sizes, view.at("sizes"));
  PTE_TRY(meta.sizes, read_sizes(sizes));
  for (const ir::SymInt& size : meta.sizes) {
    if (size.is_constant() && *size.constant() < 0) return sizes.invalid("a negative size");
  }
  if (const auto strides = view.find("strides")) {
    PTE_TRY(meta.strides, read_sizes(*strides));
    if (meta.strides.size() != meta.sizes.size())
      return strides->invalid("another number of entries than sizes");
  } else {
    ir::SymInt step = 1;
    meta.strides.resize(meta.sizes.size());
    for (size_t i = meta.sizes.size(); i-- > 0;) {
      meta.strides[i] = step;
      step = step * meta.sizes[i];
    }
  }
  if (const auto offset = view.find("storage_offset")) {
    PTE_TRY(meta.offset, read_size(*offset));
  }
  if (const auto layout = view.find("layout")) {
    PTE_CHECK(read_layout(*layout));
  }
  return meta;
}

std::string location_of(std::string_view trace) {
  // Frames read: File "path", line 41, in forward
  constexpr std::string_view kFile = "File \"";
  constexpr std::string_view kLine = "\", line ";
  std::string own;
  size_t pos = 0;
  while ((pos = trace.find(kFile, pos)) != std::string_view::npos) {
    pos += kFile.size();
    const size_t end = trace.find(kLine, pos);
    if (end == std::string_view::npos) break;
    const std::string_view path = trace.substr(pos, end - pos);
    size_t digits = end + kLine.size();
    const size_t first = digits;
    while (digits < trace.size() && trace[digits] >= '0' && trace[digits] <= '9') ++digits;
    const size_t slash = path.find_last_of("/\\");
    const std::string_view file = slash == std::string_view::npos ? path : path.substr(slash + 1);
    // Frames of torch itself and of code that it generated say nothing to the user.
    if (path.find("/torch/") == std::string_view::npos &&
        path.find("\\torch\\") == std::string_view::npos && !path.starts_with('<')) {
      own = fmt::format("{}:{}", shown(file, 60),
                        trace.substr(first, std::min<size_t>(digits - first, 9)));
    }
    pos = digits;
  }
  return own;
}

}  // namespace pte::importers
