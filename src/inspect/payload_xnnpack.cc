// XNNPACK payloads as text.
#include "inspect/payload_formats.h"

namespace pte::inspect {
namespace {

using xnnpack::XnnGraph;
using xnnpack::XnnNode;
using xnnpack::XnnValue;

std::string dims_text(const XnnValue& value) {
  return fmt::format("{}[{}]", xnnpack::datatype_name(value.datatype), fmt::join(value.dims, ","));
}

std::string quant_text(const xnnpack::Quant& quant) {
  if (const auto* tensor = std::get_if<xnnpack::PerTensorQuant>(&quant)) {
    return fmt::format("  scale {:g} zero point {}", tensor->scale, tensor->zero_point);
  }
  if (const auto* channel = std::get_if<xnnpack::PerChannelQuant>(&quant)) {
    return fmt::format("  {} scales along dim {}", channel->scales.size(), channel->channel_dim);
  }
  if (const auto* token = std::get_if<xnnpack::PerTokenQuant>(&quant)) {
    return fmt::format("  quantised at run time, {} dims a row", token->nonbatch_dims);
  }
  if (const auto* group = std::get_if<xnnpack::GroupQuant>(&quant)) {
    return fmt::format("  {} scales, groups of {} along dim {}", group->scales.size(),
                       group->group_size, group->channel_dim);
  }
  return {};
}

std::string window(const xnnpack::Window& size) {
  return fmt::format("{}×{}", size.height, size.width);
}
std::string padding(const xnnpack::Padding& p) {
  if (p.top == 0 && p.left == 0 && p.bottom == 0 && p.right == 0) return {};
  return fmt::format(" padding {},{},{},{}", p.top, p.right, p.bottom, p.left);
}

std::string params_text(const XnnNode& node) {
  std::string text;
  if (const auto* conv = std::get_if<xnnpack::ConvParams>(&node.params)) {
    text = fmt::format("  kernel {} stride {}{} dilation {} groups {} ({} → {} each)",
                       window(conv->kernel), window(conv->stride), padding(conv->padding),
                       window(conv->dilation), conv->groups, conv->group_input_channels,
                       conv->group_output_channels);
  } else if (const auto* pool = std::get_if<xnnpack::PoolParams>(&node.params)) {
    text = fmt::format("  window {} stride {}{}", window(pool->kernel), window(pool->stride),
                       padding(pool->padding));
  } else if (const auto* perm = std::get_if<xnnpack::TransposeParams>(&node.params)) {
    text = fmt::format("  to [{}]", fmt::join(perm->perm, ","));
  } else if (const auto* shape = std::get_if<xnnpack::ReshapeParams>(&node.params)) {
    text = fmt::format("  to [{}]", fmt::join(shape->shape, ","));
  } else if (const auto* slice = std::get_if<xnnpack::SliceParams>(&node.params)) {
    text = fmt::format("  from [{}] size [{}]", fmt::join(slice->offsets, ","),
                       fmt::join(slice->sizes, ","));
  } else if (const auto* pad = std::get_if<xnnpack::PadParams>(&node.params)) {
    text = fmt::format("  before [{}] after [{}] with {:g}", fmt::join(pad->before, ","),
                       fmt::join(pad->after, ","), pad->value);
  } else if (const auto* resize = std::get_if<xnnpack::ResizeParams>(&node.params)) {
    text = fmt::format("  to {}", window(resize->size));
  } else if (const auto* cat = std::get_if<xnnpack::CatParams>(&node.params)) {
    text = fmt::format("  along {}", cat->axis);
  } else if (const auto* factor = std::get_if<xnnpack::FactorParams>(&node.params)) {
    text = fmt::format("  factor {:g}", factor->value);
  }
  if (node.clamp) text += fmt::format("  clamp {:g} to {:g}", node.clamp->min, node.clamp->max);
  if (node.flags != 0) text += fmt::format("  flags {:#x}", node.flags);
  return text;
}

std::string ids(const std::vector<uint32_t>& values) {
  std::string text;
  for (const uint32_t id : values) {
    text += text.empty() ? "" : ", ";
    text += id == xnnpack::kNone ? "none" : fmt::format("v{}", id);
  }
  return text;
}

Result<Tensor> find_named(const program::Program& program, std::string_view key) {
  const program::Blob* blob = program.find_named_data(key);
  if (blob == nullptr) {
    return make_error(Code::kNotFound, "named data '{}' is not in the file", key)
        .with_hint("the weights of this program are in a .ptd file");
  }
  const auto size = static_cast<int64_t>(blob->bytes.size());
  return Tensor::view(DType::kUInt8, {size}, {1}, blob->bytes.data(), blob->owner);
}

}  // namespace

Result<XnnGraph> decode_xnnpack(const program::Program& program,
                                const program::Delegate& delegate) {
  return xnnpack::decode(
      delegate.payload.bytes, delegate.payload.owner, [&](std::string_view key) -> Result<Tensor> {
        const program::Blob* blob = program.find_named_data(key);
        if (blob == nullptr) {
          return make_error(Code::kNotFound, "named data '{}' is not in the file", key)
              .with_hint("the weights of this program are in a .ptd file");
        }
        const auto size = static_cast<int64_t>(blob->bytes.size());
        return Tensor::view(DType::kUInt8, {size}, {1}, blob->bytes.data(), blob->owner);
      });
}

PayloadSummary summarize_xnnpack(const program::Program& program,
                                 const program::Delegate& delegate) {
  PayloadSummary out;
  const auto graph = decode_xnnpack(program, delegate);
  if (!graph) {
    out.problem = graph.error().message;
    return out;
  }
  out.format = "XNNPACK graph";
  out.nodes = graph->nodes.size();
  std::vector<std::string> kinds, types;
  for (const XnnNode& node : graph->nodes) kinds.emplace_back(xnnpack::node_name(node.kind));
  for (const XnnValue& value : graph->values) {
    types.emplace_back(xnnpack::datatype_name(value.datatype));
  }
  out.operators = sorted_counts(std::move(kinds));
  out.datatypes = sorted_counts(std::move(types));
  out.constants = graph->constants.size();
  for (const xnnpack::Constant& constant : graph->constants) {
    out.constant_bytes += constant.data.nbytes();
  }
  out.inputs = graph->external_inputs().size();
  out.outputs = graph->external_outputs().size();
  return out;
}

Result<std::string> list_xnnpack(const program::Program& program,
                                 const program::Delegate& delegate) {
  PTE_TRY(const XnnGraph graph, decode_xnnpack(program, delegate));
  std::string text = fmt::format("nodes {}\n", graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const XnnNode& node = graph.nodes[i];
    text += fmt::format("  {:>4}  {:<22} {} ← {}{}\n", i, xnnpack::node_name(node.kind),
                        ids(node.outputs), ids(node.inputs), params_text(node));
  }
  text += fmt::format("values {}\n", graph.values.size());
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const XnnValue& value = graph.values[i];
    std::string role;
    if ((value.flags & xnnpack::kExternalInput) != 0)
      role = fmt::format("  input {}", value.external_id);
    if ((value.flags & xnnpack::kExternalOutput) != 0)
      role += fmt::format("  output {}", value.external_id);
    if (value.constant != xnnpack::kNone) role += fmt::format("  constant {}", value.constant);
    text += fmt::format("  {:>4}  {}{}{}\n", fmt::format("v{}", i), dims_text(value), role,
                        quant_text(value.quant));
  }
  text += fmt::format("constants {}\n", graph.constants.size());
  for (size_t i = 0; i < graph.constants.size(); ++i) {
    const xnnpack::Constant& constant = graph.constants[i];
    text += fmt::format("  {:>4}  {:>10} bytes  {}\n", i, constant.data.nbytes(), constant.key);
  }
  return text;
}

std::optional<std::vector<std::string>> keys_of_xnnpack(const program::Program& program,
                                                        const program::Delegate& delegate) {
  std::vector<std::string> keys;
  const auto decoded = xnnpack::decode(delegate.payload.bytes, delegate.payload.owner,
                                       [&](std::string_view key) -> Result<Tensor> {
                                         keys.emplace_back(key);
                                         return find_named(program, key);
                                       });
  // A payload that does not parse may ask for anything.
  if (!decoded) return std::nullopt;
  return keys;
}

}  // namespace pte::inspect
