// Arguments of operator calls in XNNPACK's terms.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/xnnpack/support.h"
#include "base/checked.h"

namespace pte::xnnpack {

using ir::Arg;
using ir::SymInt;

namespace {

constexpr int64_t kMaxU32 = 0x7FFFFFFF;

std::optional<uint32_t> as_u32(int64_t value) {
  if (value < 0 || value > kMaxU32) return std::nullopt;
  return static_cast<uint32_t>(value);
}

// A list of one or two ints as height and width; an empty one means `fallback`.
std::optional<Window> window(const Arg& arg, std::optional<Window> fallback = std::nullopt) {
  const auto list = arg.integers();
  if (!list) return std::nullopt;
  if (list->empty()) return fallback;
  if (list->size() > 2) return std::nullopt;
  const auto height = as_u32(list->front()), width = as_u32(list->back());
  if (!height || !width) return std::nullopt;
  return Window{*height, *width};
}

}  // namespace

std::optional<int64_t> upper_bound(const ir::Module& module, const SymInt& size) {
  if (size.is_constant()) return size.constant();
  return size.upper_bound(module.symbols);
}

size_t count_dynamic(const ir::SymSizes& sizes) {
  return static_cast<size_t>(
      std::count_if(sizes.begin(), sizes.end(), [](const SymInt& s) { return !s.is_constant(); }));
}

std::optional<size_t> normalise_axis(int64_t axis, size_t rank) {
  const auto n = static_cast<int64_t>(rank);
  if (axis < -n || axis >= n) return std::nullopt;
  return static_cast<size_t>(axis < 0 ? axis + n : axis);
}

const Tensor* frozen_data(const ir::Module& module, const ir::Value* value) {
  const Tensor* data = module.data_of(value);
  if (data == nullptr || !data->has_data()) return nullptr;
  for (const auto& [name, method] : module.methods) {
    for (const ir::Output& output : method.graph->outputs()) {
      if (output.kind == ir::OutputKind::kBufferMutation && output.target == *value->constant()) {
        return nullptr;
      }
    }
  }
  for (const ir::Node* user : value->users()) {
    if (user->op().has(kTagInPlace)) return nullptr;
  }
  return data;
}

std::optional<double> frozen_scalar(const ir::Module& module, const ir::Value* value) {
  const Tensor* data = frozen_data(module, value);
  if (data == nullptr || data->numel() != 1) return std::nullopt;
  std::optional<double> number;
  dispatch(data->dtype(),
           [&]<typename T>(T) { number = static_cast<double>(*data->data_as<T>()); });
  return number;
}

std::optional<MinMax> clamp_bounds(const ir::Node& node) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  double low = -kInf, high = kInf;
  const auto bound = [&](size_t index, double& into) {
    if (node.arg(index).is_none()) return true;
    const auto number = node.arg(index).number();
    if (number) into = *number;
    return number.has_value();
  };
  switch (node.op().op) {
    case Op::aten_relu:
      low = 0;
      break;
    case Op::aten_relu6:
      low = 0;
      high = 6;
      break;
    case Op::aten_clamp:
    case Op::aten_hardtanh:
      if (!bound(1, low) || !bound(2, high)) return std::nullopt;
      break;
    case Op::aten_clamp_min:
      if (!bound(1, low)) return std::nullopt;
      break;
    case Op::aten_clamp_max:
      if (!bound(1, high)) return std::nullopt;
      break;
    default:
      return std::nullopt;
  }
  // Also false for NaN. XNNPACK wants a range that is not empty.
  if (!(low <= high)) return std::nullopt;
  return MinMax{static_cast<float>(low), static_cast<float>(high)};
}

std::optional<ConvSpec> conv_spec(const ir::Node& node) {
  const ir::TensorType& weight = node.input(1)->tensor();
  const auto sizes = weight.static_sizes();
  if (!sizes || (sizes->size() != 3 && sizes->size() != 4)) return std::nullopt;
  ConvSpec spec;
  spec.one_d = sizes->size() == 3;
  const auto groups = node.arg("groups").integer();
  const auto transposed = node.arg("transposed").boolean();
  if (!groups || !transposed || *groups <= 0) return std::nullopt;
  spec.transposed = *transposed;

  const auto stride = window(node.arg("stride")), padding = window(node.arg("padding"));
  const auto dilation = window(node.arg("dilation")), extra = window(node.arg("output_padding"));
  if (!stride || !padding || !dilation || !extra) return std::nullopt;
  ConvParams& p = spec.params;
  p.stride = *stride;
  p.dilation = *dilation;
  p.padding = {padding->height, padding->width, padding->height, padding->width};
  if (spec.transposed) p.adjustment = *extra;
  const auto height = as_u32((*sizes)[2]), width = as_u32(spec.one_d ? 1 : (*sizes)[3]);
  const auto first = as_u32((*sizes)[0]), second = as_u32((*sizes)[1]);
  if (!height || !width || !first || !second) return std::nullopt;
  p.kernel = {*height, *width};
  if (spec.one_d) {
    p.stride.width = p.dilation.width = 1;
    p.padding.left = p.padding.right = 0;
    p.adjustment.width = 0;
  }
  // Ordinary filters are [out, in / groups, …], transposed ones [in, out / groups, …].
  p.groups = static_cast<uint32_t>(*groups);
  if (*first % p.groups != 0) return std::nullopt;
  p.group_input_channels = spec.transposed ? *first / p.groups : *second;
  p.group_output_channels = spec.transposed ? *second : *first / p.groups;
  spec.depthwise = !spec.transposed && p.group_input_channels == 1;
  return spec;
}

std::optional<PoolParams> pool_spec(const ir::Node& node, std::string& error) {
  const bool average = node.is(Op::aten_avg_pool2d);
  error = "its window is not a list of numbers";
  PoolParams p;
  const auto kernel = window(node.arg("kernel_size"));
  if (!kernel) return std::nullopt;
  const auto stride = window(node.arg("stride"), kernel), padding = window(node.arg("padding"));
  if (!stride || !padding || stride->height == 0 || stride->width == 0) return std::nullopt;
  p.kernel = *kernel;
  p.stride = *stride;
  p.padding = {padding->height, padding->width, padding->height, padding->width};
  if (!average) {
    const auto dilation = window(node.arg("dilation"));
    if (!dilation || dilation->height == 0 || dilation->width == 0) return std::nullopt;
    p.dilation = *dilation;
  }
  if (static_cast<uint64_t>(p.kernel.height) * p.kernel.width <= 1) {
    error = "a window of one element: XNNPACK pools two or more";
    return std::nullopt;
  }
  const auto ceil_mode = node.arg("ceil_mode").boolean();
  if (!ceil_mode || !*ceil_mode) return p;

  // Rounding up takes in windows that hang over the end: the same as more padding there.
  const ir::SymSizes& in = node.input(0)->tensor().sizes;
  const ir::SymSizes& out = node.result()->tensor().sizes;
  if (average) {
    error = "ceil_mode: XNNPACK counts the elements of cut windows differently";
    return std::nullopt;
  }
  error = "ceil_mode needs height and width known at export";
  const auto extend = [&](size_t from_end, uint32_t k, uint32_t s, uint32_t d, uint32_t before,
                          uint32_t& after) {
    const auto size = in[in.size() - from_end].constant();
    const auto count = out[out.size() - from_end].constant();
    if (!size || !count || *count < 1) return false;
    const int64_t need = (*count - 1) * s + static_cast<int64_t>(d) * (k - 1) + 1;
    after = static_cast<uint32_t>(
        std::max<int64_t>(after, need - *size - static_cast<int64_t>(before)));
    return true;
  };
  if (in.size() < 2 || out.size() < 2 ||
      !extend(2, p.kernel.height, p.stride.height, p.dilation.height, p.padding.top,
              p.padding.bottom) ||
      !extend(1, p.kernel.width, p.stride.width, p.dilation.width, p.padding.left,
              p.padding.right)) {
    return std::nullopt;
  }
  return p;
}

std::optional<std::vector<size_t>> reduced_dims(const ir::Node& node) {
  const size_t rank = node.input(0)->tensor().rank();
  std::vector<size_t> dims;
  if (const auto list = node.arg(1).integers()) {
    for (int64_t dim : *list) {
      const auto axis = normalise_axis(dim, rank);
      if (!axis) return std::nullopt;
      dims.push_back(*axis);
    }
  } else if (!node.arg(1).is_none()) {
    return std::nullopt;
  }
  if (dims.empty()) {
    for (size_t i = 0; i < rank; ++i) dims.push_back(i);
  }
  std::sort(dims.begin(), dims.end());
  dims.erase(std::unique(dims.begin(), dims.end()), dims.end());
  return dims;
}

std::optional<std::vector<SliceSpec>> slice_specs(const ir::Node& node) {
  const auto sizes = node.input(0)->tensor().static_sizes();
  if (!sizes) return std::nullopt;
  const bool split = node.is(Op::aten_split_with_sizes_copy);
  const auto dim = node.arg("dim").integer();
  const auto axis = dim ? normalise_axis(*dim, sizes->size()) : std::nullopt;
  if (!axis) return std::nullopt;
  const int64_t extent = (*sizes)[*axis];
  const auto spec = [&](int64_t offset, int64_t size) -> std::optional<SliceSpec> {
    if (offset < 0 || size <= 0 || size > extent - offset || extent > kMaxU32) return std::nullopt;
    return SliceSpec{*axis, static_cast<uint32_t>(offset), static_cast<uint32_t>(size)};
  };
  std::vector<std::optional<SliceSpec>> found;
  if (split) {
    const auto parts = node.arg("split_sizes").integers();
    if (!parts || parts->size() != node.results().size()) return std::nullopt;
    int64_t offset = 0;
    for (int64_t part : *parts) {
      found.push_back(spec(offset, part));
      if (!found.back()) return std::nullopt;
      offset += part;
    }
  } else if (node.is(Op::aten_select_copy_int)) {
    const auto index = node.arg("index").integer();
    if (!index) return std::nullopt;
    found.push_back(spec(*index < 0 ? *index + extent : *index, 1));
  } else {
    const auto place = [&](const Arg& arg, int64_t fallback) -> std::optional<int64_t> {
      if (arg.is_none()) return fallback;
      const auto number = arg.integer();
      if (!number) return std::nullopt;
      return std::clamp<int64_t>(*number < 0 ? *number + extent : *number, 0, extent);
    };
    const auto start = place(node.arg("start"), 0), end = place(node.arg("end"), extent);
    const auto step = node.arg("step").integer();
    if (!start || !end || !step || *step != 1) return std::nullopt;
    found.push_back(spec(*start, *end - *start));
  }
  std::vector<SliceSpec> specs;
  for (const auto& s : found) {
    if (!s) return std::nullopt;
    specs.push_back(*s);
  }
  return specs;
}

std::optional<PadSpec> pad_spec(const ir::Node& node) {
  const size_t rank = node.input(0)->tensor().rank();
  const auto list = node.arg("pad").integers();
  const auto value = node.arg("value").number();
  if (!list || !value || list->size() % 2 != 0 || list->size() / 2 > rank) return std::nullopt;
  PadSpec spec;
  spec.before.assign(rank, 0);
  spec.after.assign(rank, 0);
  spec.value = static_cast<float>(*value);
  // Pairs run from the last dim backwards.
  for (size_t i = 0; i < list->size() / 2; ++i) {
    const auto before = as_u32((*list)[2 * i]), after = as_u32((*list)[2 * i + 1]);
    if (!before || !after) return std::nullopt;
    spec.before[rank - 1 - i] = *before;
    spec.after[rank - 1 - i] = *after;
  }
  return spec;
}

std::optional<std::vector<size_t>> permutation(const ir::Node& node) {
  const size_t rank = node.input(0)->tensor().rank();
  std::vector<size_t> perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = i;
  if (node.is(Op::aten_t_copy)) {
    if (rank == 2) std::swap(perm[0], perm[1]);
    return perm;
  }
  if (node.is(Op::aten_transpose_copy_int)) {
    const auto a = node.arg(1).integer(), b = node.arg(2).integer();
    if (!a || !b) return std::nullopt;
    const auto first = normalise_axis(*a, rank), second = normalise_axis(*b, rank);
    if (!first || !second) return std::nullopt;
    std::swap(perm[*first], perm[*second]);
    return perm;
  }
  const auto dims = node.arg(1).integers();
  if (!dims || dims->size() != rank) return std::nullopt;
  std::vector<bool> seen(rank);
  for (size_t i = 0; i < rank; ++i) {
    const auto axis = normalise_axis((*dims)[i], rank);
    if (!axis || seen[*axis]) return std::nullopt;
    seen[*axis] = true;
    perm[i] = *axis;
  }
  return perm;
}

}  // namespace pte::xnnpack
