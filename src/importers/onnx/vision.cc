#include "importers/onnx/rules.h"
namespace pte::importers::onnx {
std::span<const RuleEntry> vision_rules() { return {}; }
}
