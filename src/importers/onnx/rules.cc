#include "importers/onnx/rules.h"

#include <map>

namespace pte::importers::onnx {
namespace {

using Table = std::map<std::string_view, Rule>;

Table default_table() {
  Table table;
  for (const auto rules :
       {elementwise_rules(), activation_rules(),    cast_rules(),      shape_rules(),
        index_rules(),       reduce_rules(),        matrix_rules(),    convolution_rules(),
        pooling_rules(),     normalization_rules(), resize_rules(),    quantize_rules(),
        recurrent_rules(),   control_rules(),       attention_rules(), loss_rules(),
        signal_rules(),      vision_rules(),        random_rules(),    runtime_rules()}) {
    for (const RuleEntry& entry : rules) table.emplace(entry.op, entry.rule);
  }
  return table;
}

Table microsoft_table() {
  Table table;
  for (const auto rules : {microsoft_rules(), microsoft_attention_rules()}) {
    for (const RuleEntry& entry : rules) table.emplace(entry.op, entry.rule);
  }
  return table;
}

}  // namespace

Rule find_rule(std::string_view domain, std::string_view op) {
  static const Table plain = default_table();
  static const Table microsoft = microsoft_table();
  const Table* table = domain.empty() ? &plain : (domain == "com.microsoft" ? &microsoft : nullptr);
  if (table == nullptr) return nullptr;
  const auto it = table->find(op);
  return it == table->end() ? nullptr : it->second;
}

}  // namespace pte::importers::onnx
