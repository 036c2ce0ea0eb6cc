// Operators of optimize_for_mobile: convolutions and linear layers whose weights are packed into
// objects of torch's own. Their state holds the plain weights and a clamp.
#include "importers/torchscript/builtins.h"

namespace pte::importers::script {

Answer Builtins::prepacked(Evaluator& e, std::string_view name, const std::vector<Argument>& args) {
  if (!name.starts_with("prepacked::") || !name.ends_with("_run")) return std::optional<Value>();
  const auto object = args.size() > 1 ? args[1].value.object() : nullptr;
  const Value* held = object == nullptr ? nullptr : object->find("state");
  const Values* state = held == nullptr ? nullptr : held->items();
  if (state != nullptr && state->size() == 1 && (*state)[0].items() != nullptr)
    state = (*state)[0].items();
  if (state == nullptr) return unsupported("{} without its packed weights", name);
  const auto part = [&](size_t i) {
    return Argument{"", i < state->size() ? (*state)[i] : Value()};
  };
  const auto wrong = [&](size_t wanted) {
    return invalid_data("{}: its object holds {} values, expected {}", name, state->size(), wanted);
  };
  Value made;
  size_t bounds = 0;
  if (name == "prepacked::linear_clamp_run") {
    if (state->size() != 4) return wrong(4);
    PTE_TRY(made, e.call_operator("aten::linear", {args[0], part(0), part(1)}));
    bounds = 2;
  } else if (name == "prepacked::conv2d_clamp_run") {
    if (state->size() != 8) return wrong(8);
    PTE_TRY(made, e.call_operator("aten::conv2d",
                                  {args[0], part(0), part(1), part(2), part(3), part(4), part(5)}));
    bounds = 6;
  } else if (name == "prepacked::conv2d_transpose_clamp_run") {
    if (state->size() != 9) return wrong(9);
    // weight, bias, stride, padding, output_padding, dilation, groups
    PTE_TRY(made, e.call_operator("aten::conv_transpose2d", {args[0], part(0), part(1), part(2),
                                                             part(3), part(4), part(6), part(5)}));
    bounds = 7;
  } else {
    return std::optional<Value>();
  }
  if (part(bounds).value.is_none() && part(bounds + 1).value.is_none())
    return std::optional<Value>(std::move(made));
  PTE_TRY(made,
          e.call_operator("aten::clamp", {{"", std::move(made)}, part(bounds), part(bounds + 1)}));
  return std::optional<Value>(std::move(made));
}

}  // namespace pte::importers::script
