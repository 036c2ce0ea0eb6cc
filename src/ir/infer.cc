#include "ir/infer.h"

#include <array>
#include <charconv>
#include <limits>

#include "ir/infer/common.h"

namespace pte::ir {
namespace {

using Table = std::array<Infer, static_cast<size_t>(Op::kCount)>;

Table gather() {
  Table table{};
  for (const auto family :
       {indexing_inference(),     rearrange_inference(),     sorting_inference(),
        elementwise_inference(),  convolution_inference(),   pooling_inference(),
        matrix_inference(),       normalization_inference(), quantized_inference(),
        quantized_nn_inference(), reduction_inference(),     view_inference(),
        selection_inference(),    factory_inference(),       in_place_inference(),
        special_inference(),      symbolic_inference(),      vision_inference(),
        control_flow_inference(), uncommon_inference()}) {
    for (const InferEntry& entry : family) table[static_cast<size_t>(entry.op)] = entry.infer;
  }
  return table;
}

Infer find(Op op) {
  static const Table table = gather();
  return op < Op::kCount ? table[static_cast<size_t>(op)] : nullptr;
}

// No parser reads such a name. A bound follows it: "?<=12".
constexpr std::string_view kUnknown = "?";
constexpr std::string_view kBound = "?<=";

// The bound in the name of an unknown size; nothing for other sizes.
std::optional<std::optional<int64_t>> unknown_bound(const SymInt& size) {
  const auto name = size.as_symbol();
  if (!name || !name->starts_with(kUnknown)) return std::nullopt;
  if (!name->starts_with(kBound)) return std::optional<int64_t>{};
  int64_t bound = 0;
  std::from_chars(name->data() + kBound.size(), name->data() + name->size(), bound);
  return std::optional(bound);
}

SymInt fresh_symbol(Module& module, std::string_view prefix, Range range) {
  size_t number = 0;
  while (module.symbols.contains(fmt::format("{}{}", prefix, number))) ++number;
  std::string name = fmt::format("{}{}", prefix, number);
  module.symbols.emplace(name, range);
  return SymInt::symbol(std::move(name));
}

}  // namespace

SymInt unknown_size(std::optional<int64_t> max) {
  return SymInt::symbol(max ? fmt::format("{}{}", kBound, *max) : std::string(kUnknown));
}

void name_unknowns(Module& module, std::vector<Type>& types, std::string_view prefix) {
  for (Type& type : types) {
    if (is_unknown(type)) {
      constexpr Range kAny{std::numeric_limits<int64_t>::min(), std::nullopt};
      type = SymIntType{fresh_symbol(module, prefix, kAny)};
    } else if (auto* tensor = std::get_if<TensorType>(&type)) {
      for (SymInt& size : tensor->sizes) {
        if (const auto bound = unknown_bound(size))
          size = fresh_symbol(module, prefix, Range{0, *bound});
      }
    }
  }
}

Type with_known_sizes(Type inferred, const Type& actual) {
  auto* tensor = std::get_if<TensorType>(&inferred);
  const auto* known = std::get_if<TensorType>(&actual);
  if (tensor == nullptr || known == nullptr || tensor->rank() != known->rank()) return inferred;
  for (size_t d = 0; d < tensor->rank(); ++d) {
    if (unknown_bound(tensor->sizes[d])) tensor->sizes[d] = known->sizes[d];
  }
  return inferred;
}

SymIntType unknown_int() { return {SymInt::symbol(std::string(kUnknown))}; }

bool is_unknown(const Type& type) {
  const auto* size = std::get_if<SymIntType>(&type);
  return size != nullptr && size->value.as_symbol() == kUnknown;
}

bool fits_inferred(const Type& inferred, const Type& actual) {
  if (is_unknown(inferred)) return std::holds_alternative<SymIntType>(actual);
  return with_known_sizes(inferred, actual) == actual;
}

Result<std::vector<Type>> infer_types(const OpInfo& op, const std::vector<Arg>& args,
                                      const Ranges* symbols) {
  const Infer infer = find(op.op);
  if (infer == nullptr)
    return unsupported("{}: its result types cannot be inferred", op.full_name());
  if (args.size() != op.args.size()) {
    return invalid_data("{}: {} arguments given, it takes {}", op.full_name(), args.size(),
                        op.args.size());
  }
  return infer({op, args, symbols});
}

bool has_inference(Op op) { return find(op) != nullptr; }

}  // namespace pte::ir
