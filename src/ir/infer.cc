#include "ir/infer.h"

#include <array>

#include "ir/infer/common.h"

namespace pte::ir {
namespace {

using Table = std::array<Infer, static_cast<size_t>(Op::kCount)>;

Table gather() {
  Table table{};
  for (const auto family : {elementwise_inference(), convolution_inference(), pooling_inference(),
                            matrix_inference(), normalization_inference(),
                            quantized_inference(), reduction_inference(),
                            view_inference(), selection_inference(), factory_inference(),
                            in_place_inference(), symbolic_inference(), control_flow_inference()}) {
    for (const InferEntry& entry : family) table[static_cast<size_t>(entry.op)] = entry.infer;
  }
  return table;
}

Infer find(Op op) {
  static const Table table = gather();
  return op < Op::kCount ? table[static_cast<size_t>(op)] : nullptr;
}

constexpr std::string_view kUnknown = "?";

}  // namespace

SymIntType unknown_int() { return {SymInt::symbol(std::string(kUnknown))}; }

bool is_unknown(const Type& type) {
  const auto* size = std::get_if<SymIntType>(&type);
  return size != nullptr && size->value.as_symbol() == kUnknown;
}

bool fits_inferred(const Type& inferred, const Type& actual) {
  if (is_unknown(inferred)) return std::holds_alternative<SymIntType>(actual);
  return inferred == actual;
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
