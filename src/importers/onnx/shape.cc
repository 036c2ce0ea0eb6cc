// Operators that rearrange, cut and join, and those that make tensors from sizes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {

using ir::Arg;
using ir::ArgList;
using ir::SymInt;

namespace {

constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

// Numbers that were an attribute once and are an input now.
std::vector<int64_t> list_of(NodeCall& c, size_t input, std::string_view attribute) {
  if (c.has(input)) return c.ints(input);
  return c.is(attribute);
}

Elem elem_of(const Arg& arg) {
  if (const auto number = arg.integer()) return *number;
  return arg.value();
}

void shape(NodeCall& c) {
  // Sizes of a small tensor that nothing has made a value of are known without making it.
  const Item* item = c.item(0);
  Small out{DType::kInt64, {}, {}};
  if (item != nullptr && item->value == nullptr && item->small != nullptr) {
    out.v.assign(item->small->sizes.begin(), item->small->sizes.end());
  } else if (item != nullptr && item->value == nullptr && item->initializer != nullptr) {
    out.v.assign(item->initializer->dims.begin(), item->initializer->dims.end());
  } else {
    const Ex x = c.in(0);
    for (const Arg& size : x.sizes()) out.v.push_back(elem_of(size));
  }
  if (c.failed()) return;
  const auto rank = static_cast<int64_t>(out.v.size());
  int64_t start = c.i("start", 0), end = c.i("end", rank);
  if (start < 0) start += rank;
  if (end < 0) end += rank;
  start = std::clamp<int64_t>(start, 0, rank);
  end = std::clamp<int64_t>(end, start, rank);
  out.v.erase(out.v.begin() + end, out.v.end());
  out.v.erase(out.v.begin(), out.v.begin() + start);
  out.sizes = {static_cast<int64_t>(out.v.size())};
  c.set(0, std::move(out));
}

void size(NodeCall& c) {
  const Ex x = c.in(0);
  Arg total(int64_t{1});
  for (const Arg& each : x.sizes()) {
    if (total.integer() && each.integer()) {
      total = Arg(*total.integer() * *each.integer());
    } else {
      total = c.e.scalar(Op::operator_mul, {total, each});
    }
  }
  if (c.failed()) return;
  c.set(0, Small{DType::kInt64, {}, {elem_of(total)}});
}

void reshape(NodeCall& c) {
  const Ex x = c.in(0);
  std::vector<Arg> sizes;
  if (c.has_attribute("shape")) {
    for (const int64_t size : c.is("shape")) sizes.emplace_back(size);
  } else {
    sizes = c.dims(1);
  }
  if (c.failed()) return;
  if (c.i("allowzero", 0) == 0) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i].integer() != 0) continue;
      if (i >= x.rank())
        return c.fail(
            invalid_data("size {} is copied from dimension {}, which there is not", i, i));
      sizes[i] = x.size_arg(i);
    }
  }
  // Beside a size of 0 a -1 is 0 or anything: what is left is worked out here.
  const bool empty =
      std::any_of(sizes.begin(), sizes.end(), [](const Arg& s) { return s.integer() == 0; });
  if (empty) {
    for (Arg& each : sizes) {
      if (each.integer() == -1) each = Arg(int64_t{0});
    }
  }
  c.set(x.view(std::move(sizes)));
}

void flatten(NodeCall& c) {
  const Ex x = c.in(0);
  int64_t axis = c.i("axis", 1);
  if (axis < 0) axis += x.dims();
  if (axis < 0 || axis > x.dims())
    return c.fail(invalid_data("axis {} of a tensor of rank {}", axis, x.rank()));
  const auto product = [&](int64_t from, int64_t to) {
    Arg total(int64_t{1});
    for (int64_t d = from; d < to; ++d) {
      const Arg each = x.size_arg(static_cast<size_t>(d));
      total = total.integer() && each.integer() ? Arg(*total.integer() * *each.integer())
                                                : c.e.scalar(Op::operator_mul, {total, each});
    }
    return total;
  };
  c.set(x.view({product(0, axis), product(axis, x.dims())}));
}

void squeeze(NodeCall& c) {
  const Ex x = c.in(0);
  const std::vector<int64_t> axes = list_of(c, 1, "axes");
  if (c.failed()) return;
  std::vector<int64_t> dims;
  if (axes.empty() && !c.has(1)) {
    for (size_t i = 0; i < x.rank(); ++i) {
      if (x.size(i).is_constant(1)) dims.push_back(static_cast<int64_t>(i));
    }
  }
  for (const int64_t axis : axes) {
    const int64_t dim = c.wrap(axis, x.rank());
    if (c.failed()) return;
    if (x.size(static_cast<size_t>(dim)).is_constant() &&
        !x.size(static_cast<size_t>(dim)).is_constant(1))
      return c.fail(invalid_data("dimension {} has size {}, only 1 can be dropped", dim,
                                 x.size(static_cast<size_t>(dim)).to_string()));
    dims.push_back(dim);
  }
  if (dims.empty()) return c.set(x);
  c.set(c.e.call(Op::aten_squeeze_dims, {x.v, Arg::ints(dims)}));
}

void unsqueeze(NodeCall& c) {
  Ex x = c.in(0);
  std::vector<int64_t> axes = list_of(c, 1, "axes");
  if (c.failed()) return;
  const size_t rank = x.rank() + axes.size();
  for (int64_t& axis : axes) axis = c.wrap(axis, rank);
  std::sort(axes.begin(), axes.end());
  for (const int64_t axis : axes) x = x.unsqueeze(axis);
  c.set(x);
}

void transpose(NodeCall& c) {
  const Ex x = c.in(0);
  std::vector<int64_t> perm = c.is("perm");
  if (!c.has_attribute("perm")) {
    for (int64_t i = x.dims(); i-- > 0;) perm.push_back(i);
  }
  c.set(x.permute(perm));
}

void expand(NodeCall& c) {
  Ex x = c.in(0);
  std::vector<Arg> sizes = c.dims(1);
  if (c.failed()) return;
  // A 1 in the shape does not shrink: it takes the size there is.
  const size_t rank = std::max(sizes.size(), x.rank());
  std::vector<Arg> all(rank, Arg(int64_t{1}));
  std::copy(sizes.begin(), sizes.end(), all.end() - static_cast<std::ptrdiff_t>(sizes.size()));
  for (size_t i = 0; i < x.rank(); ++i) {
    Arg& size = all[rank - x.rank() + i];
    if (size.integer() == 1) size = x.size_arg(i);
  }
  c.set(x.expand(std::move(all)));
}

void tile(NodeCall& c) {
  const Ex x = c.in(0);
  if (c.opset < 6) return c.fail(unsupported("Tile of opset {}", c.opset));
  c.set(c.e.call(Op::aten_repeat, {x.v, Arg(ArgList(c.dims(1)))}));
}

void concat(NodeCall& c) {
  std::vector<Ex> parts;
  for (size_t i = 0; i < c.inputs(); ++i) parts.push_back(c.in(i));
  if (c.failed() || parts.empty()) return;
  c.set(c.e.cat(parts, c.axis(parts[0].rank(), 1)));
}

void split(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t axis = c.axis(x.rank(), 0);
  std::vector<int64_t> parts = list_of(c, 1, "split");
  if (c.failed()) return;
  const auto count = static_cast<int64_t>(c.outputs());
  if (parts.empty()) {
    const int64_t total = x.fixed(static_cast<size_t>(axis));
    const int64_t each = (total + count - 1) / std::max<int64_t>(count, 1);
    for (int64_t i = 0; i < count; ++i)
      parts.push_back(std::clamp<int64_t>(total - i * each, 0, each));
  }
  if (static_cast<int64_t>(parts.size()) != count)
    return c.fail(invalid_data("{} sizes for {} outputs", parts.size(), count));
  const auto results = c.e.calls(Op::aten_split_with_sizes, {x.v, Arg::ints(parts), axis});
  for (size_t i = 0; i < results.size() && !c.failed(); ++i) c.set(i, results[i]);
}

void slice(NodeCall& c) {
  Ex x = c.in(0);
  std::vector<Arg> starts, ends;
  std::vector<int64_t> axes, steps;
  if (c.opset < 10) {
    for (const int64_t value : c.is("starts")) starts.emplace_back(value);
    for (const int64_t value : c.is("ends")) ends.emplace_back(value);
    axes = c.is("axes");
  } else {
    starts = c.dims(1);
    ends = c.dims(2);
    if (c.has(3)) axes = c.ints(3);
    if (c.has(4)) steps = c.ints(4);
  }
  if (c.failed()) return;
  if (axes.empty()) {
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return c.fail(invalid_data("{} starts, {} ends, {} axes and {} steps", starts.size(),
                               ends.size(), axes.size(), steps.size()));
  for (size_t i = 0; i < starts.size() && !c.failed(); ++i) {
    const int64_t dim = c.wrap(axes[i], x.rank());
    if (c.failed()) return;
    const int64_t step = steps[i];
    if (step > 0) {
      x = x.slice(dim, starts[i], ends[i], step);
      continue;
    }
    if (step == 0) return c.fail(invalid_data("a step of 0"));
    // Backwards: turned round first, then counted from the other end.
    const auto start = starts[i].integer(), end = ends[i].integer();
    if (!start || !end || step == std::numeric_limits<int64_t>::min())
      return c.fail(unsupported("a slice backwards whose bounds are known at run time only"));
    const int64_t total = x.fixed(static_cast<size_t>(dim));
    const auto place = [&](int64_t at) {
      return std::clamp<int64_t>(at < 0 ? (at < -total ? -1 : at + total) : at, -1, total - 1);
    };
    const int64_t first = total - 1 - place(*start);
    const int64_t last = total - 1 - place(*end);
    x = x.flip({dim}).slice(dim, first, std::max(first, last), -step);
  }
  c.set(x);
}

void pad(NodeCall& c) {
  const Ex x = c.in(0);
  std::vector<int64_t> pads = c.opset < 11 ? c.is("pads") : c.ints(1);
  double value = c.opset < 11 ? c.f("value", 0) : 0;
  if (c.opset >= 11 && c.has(2)) {
    const auto given = c.numbers(2);
    if (!given.empty()) value = given[0];
  }
  std::vector<int64_t> axes;
  if (c.has(3)) axes = c.ints(3);
  if (c.failed()) return;
  if (axes.empty()) {
    for (int64_t d = 0; d < x.dims(); ++d) axes.push_back(d);
  }
  if (pads.size() != 2 * axes.size())
    return c.fail(invalid_data("{} pads for {} axes", pads.size(), axes.size()));
  std::vector<int64_t> begin(x.rank(), 0), end(x.rank(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto dim = static_cast<size_t>(c.wrap(axes[i], x.rank()));
    if (c.failed()) return;
    begin[dim] = pads[i];
    end[dim] = pads[axes.size() + i];
  }
  const std::string_view mode = c.s("mode", "constant");
  if (mode == "constant") return c.set(pad_last(x, begin, end, value));
  // What lies outside comes from inside: each dimension by the places that its elements come from.
  Ex out = x;
  for (size_t d = 0; d < x.rank(); ++d) {
    if (begin[d] == 0 && end[d] == 0) continue;
    const int64_t total = x.fixed(d);
    if (c.failed()) return;
    if (total == 0) return c.fail(invalid_data("padding with the elements of an empty tensor"));
    std::vector<int64_t> from;
    if (total + begin[d] + end[d] > (1 << 24)) return c.fail(unsupported("padding of this size"));
    for (int64_t i = -begin[d]; i < total + end[d]; ++i) {
      int64_t at = i;
      if (mode == "edge") {
        at = std::clamp<int64_t>(i, 0, total - 1);
      } else if (mode == "wrap") {
        at = ((i % total) + total) % total;
      } else if (mode == "reflect") {
        const int64_t period = std::max<int64_t>(2 * (total - 1), 1);
        at = ((i % period) + period) % period;
        if (at >= total) at = period - at;
      } else {
        return c.fail(invalid_data("the padding mode '{}'", mode.substr(0, 40)));
      }
      from.push_back(at);
    }
    const Ex places = c.e.constant(
        "places",
        Tensor::of<int64_t>({static_cast<int64_t>(from.size())}, std::span<const int64_t>(from)));
    out = c.e.call(Op::aten_index_select, {out.v, static_cast<int64_t>(d), places.v});
  }
  c.set(out);
}

void constant(NodeCall& c) {
  if (const AttributeDef* value = c.attribute("value");
      value != nullptr && value->tensor != nullptr) {
    Item item;
    item.initializer = value->tensor.get();
    if (is_carried(item.initializer->type)) item.type = item.initializer->type;
    return c.set(0, std::move(item));
  }
  if (c.has_attribute("value_int"))
    return c.set(0, Small{DType::kInt64, {}, {c.i("value_int", 0)}});
  if (c.has_attribute("value_float"))
    return c.set(0, Small{DType::kFloat32, {}, {c.f("value_float", 0)}});
  if (c.has_attribute("value_ints")) {
    const auto values = c.is("value_ints");
    if (static_cast<int64_t>(values.size()) <= kMaxSmall) return c.set(0, Small::ints(values));
    return c.set(c.e.constant("constant", Tensor::of<int64_t>({static_cast<int64_t>(values.size())},
                                                              std::span<const int64_t>(values))));
  }
  if (c.has_attribute("value_floats")) {
    const auto values = c.fs("value_floats");
    return c.set(c.e.constant("constant", Tensor::of<float>({static_cast<int64_t>(values.size())},
                                                            std::span<const float>(values))));
  }
  c.fail(unsupported("a constant that is no dense tensor of numbers"));
}

void constant_of_shape(NodeCall& c) {
  const std::vector<Arg> sizes = c.dims(0);
  DType dtype = DType::kFloat32;
  double value = 0;
  if (const AttributeDef* given = c.attribute("value");
      given != nullptr && given->tensor != nullptr) {
    const auto tensor = c.reader.read_tensor(*given->tensor);
    if (!tensor) return c.fail(Error(tensor.error()));
    const auto small = Small::of(*tensor);
    const auto numbers = small ? small->numbers() : std::nullopt;
    if (!numbers || numbers->size() != 1)
      return c.fail(invalid_data("its value should be one number"));
    dtype = tensor->dtype();
    value = (*numbers)[0];
  }
  if (c.failed()) return;
  c.set(c.e.full(sizes, value, dtype));
}

void range(NodeCall& c) {
  const Small* bounds[3];
  for (size_t k = 0; k < 3; ++k) {
    bounds[k] = c.small(k);
    if (c.failed()) return;
    if (bounds[k] == nullptr || bounds[k]->count() != 1) return c.need(k);
  }
  const auto args = [&](size_t k) { return bounds[k]->args()[0]; };
  c.set(c.e.call(Op::aten_arange_start_step, {args(0), args(1), args(2), bounds[0]->dtype}));
}

void eye_like(NodeCall& c) {
  const Ex x = c.in(0);
  if (x.rank() != 2) return c.fail(invalid_data("EyeLike of rank {}", x.rank()));
  DType dtype = x.dtype();
  if (c.has_attribute("dtype")) {
    const auto to = carrier_type(static_cast<int32_t>(c.i("dtype", 1)));
    if (!to) return c.fail(Error(to.error()));
    dtype = *to;
  }
  const Ex rows = c.e.arange(int64_t{0}, x.size_arg(0)).unsqueeze(1);
  const Ex columns = c.e.arange(int64_t{0}, x.size_arg(1)).unsqueeze(0);
  c.set((columns - static_cast<double>(c.i("k", 0)) == rows).cast(dtype));
}

void trilu(NodeCall& c) {
  const Ex x = c.in(0);
  int64_t k = 0;
  if (c.has(1)) {
    const auto given = c.ints(1);
    if (!given.empty()) k = given[0];
  }
  c.set(c.e.call(c.i("upper", 1) != 0 ? Op::aten_triu : Op::aten_tril, {x.v, k}));
}

void depth_to_space(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t b = c.i("blocksize", 1);
  if (x.rank() != 4 || b < 1) return c.fail(invalid_data("it takes [N, C, H, W]"));
  const int64_t channels = x.fixed(1);
  if (c.failed()) return;
  if (channels % (b * b) != 0)
    return c.fail(invalid_data("{} channels for blocks of {}", channels, b));
  const Arg n = x.size_arg(0), h = x.size_arg(2), w = x.size_arg(3);
  if (c.s("mode", "DCR") == "CRD") return c.set(c.e.call(Op::aten_pixel_shuffle, {x.v, b}));
  const Ex blocks = x.view({n, b, b, channels / (b * b), h, w}).permute({0, 3, 4, 1, 5, 2});
  const auto times = [&](const Arg& size) {
    return size.integer() ? Arg(*size.integer() * b) : c.e.scalar(Op::operator_mul, {size, b});
  };
  c.set(blocks.view({n, channels / (b * b), times(h), times(w)}));
}

void space_to_depth(NodeCall& c) {
  const Ex x = c.in(0);
  const int64_t b = c.i("blocksize", 1);
  if (x.rank() != 4 || b < 1) return c.fail(invalid_data("it takes [N, C, H, W]"));
  const int64_t channels = x.fixed(1), h = x.fixed(2), w = x.fixed(3);
  if (c.failed()) return;
  const Arg n = x.size_arg(0);
  c.set(x.view({n, channels, h / b, b, w / b, b})
            .permute({0, 3, 5, 1, 2, 4})
            .view({n, channels * b * b, h / b, w / b}));
}

void center_crop_pad(NodeCall& c) {
  Ex x = c.in(0);
  const std::vector<int64_t> wanted = c.ints(1);
  std::vector<int64_t> axes = c.is("axes");
  if (c.failed()) return;
  if (axes.empty()) {
    for (int64_t d = 0; d < x.dims(); ++d) axes.push_back(d);
  }
  if (axes.size() != wanted.size())
    return c.fail(invalid_data("{} sizes for {} axes", wanted.size(), axes.size()));
  std::vector<int64_t> begin(x.rank(), 0), end(x.rank(), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto dim = static_cast<size_t>(c.wrap(axes[i], x.rank()));
    if (c.failed()) return;
    const int64_t total = x.fixed(dim), difference = wanted[i] - total;
    if (difference >= 0) {
      begin[dim] = difference / 2;
      end[dim] = difference - begin[dim];
    } else {
      const int64_t start = -difference / 2;
      begin[dim] = -start;
      end[dim] = -(-difference - start);
    }
  }
  c.set(pad_last(x, begin, end));
}

constexpr RuleEntry kRules[] = {
    {"Shape", shape},
    {"Size", size},
    {"Reshape", reshape},
    {"Flatten", flatten},
    {"Squeeze", squeeze},
    {"Unsqueeze", unsqueeze},
    {"Transpose", transpose},
    {"Expand", expand},
    {"Tile", tile},
    {"Concat", concat},
    {"Split", split},
    {"Slice", slice},
    {"Pad", pad},
    {"Constant", constant},
    {"ConstantOfShape", constant_of_shape},
    {"Range", range},
    {"EyeLike", eye_like},
    {"Trilu", trilu},
    {"DepthToSpace", depth_to_space},
    {"SpaceToDepth", space_to_depth},
    {"CenterCropPad", center_crop_pad},
};

}  // namespace

Ex pad_last(const Ex& given, const std::vector<int64_t>& begin, const std::vector<int64_t>& end,
            double value) {
  Ex x = given;
  const auto count = static_cast<int64_t>(begin.size());
  // Cropping first, by slices; what is left grows.
  std::vector<int64_t> widths;
  for (int64_t i = count; i-- > 0;) {
    const auto k = static_cast<size_t>(i);
    const int64_t dim = x.dims() - count + i;
    if (begin[k] < 0) x = x.slice(dim, -begin[k], kEnd);
    if (end[k] < 0) x = x.slice(dim, int64_t{0}, end[k]);
    widths.push_back(std::max<int64_t>(begin[k], 0));
    widths.push_back(std::max<int64_t>(end[k], 0));
  }
  while (widths.size() >= 2 && widths.back() == 0 && widths[widths.size() - 2] == 0)
    widths.resize(widths.size() - 2);
  if (widths.empty()) return x;
  return x.e->call(
      Op::aten_constant_pad_nd,
      {x.v, Arg::ints(widths), x.dtype() == DType::kBool ? Arg(value != 0) : x.number(value)});
}

std::span<const RuleEntry> shape_rules() { return kRules; }

}  // namespace pte::importers::onnx
