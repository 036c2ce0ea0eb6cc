#include "importers/onnx/rules.h"
namespace pte::importers::onnx {
std::span<const RuleEntry> recurrent_rules() { return {}; }
}
