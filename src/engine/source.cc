#include "engine/source.h"

#include "base/pages.h"
#include "engine/optimize.h"
#include "lowering/lift.h"
#include "runtime/inputs.h"

namespace pte::engine {
namespace {

using program::TensorValue;

// Constants that the graph writes become inputs that it writes.
std::vector<StateInfo> states_to_inputs(ir::Module& module, ir::Graph& graph) {
  std::vector<StateInfo> states;
  for (ir::Output& output : graph.outputs()) {
    if (output.kind != ir::OutputKind::kBufferMutation) continue;
    const auto found = module.constants.find(output.target);
    if (found == module.constants.end()) continue;
    ir::Value* constant = graph.constant(output.target, ir::TensorType::of(found->second.data));
    ir::Value* input = graph.add_input("state_" + output.target, constant->type());
    graph.replace_uses(constant, input);
    states.push_back({input->name(), found->second.data});
    output.kind = ir::OutputKind::kInputMutation;
    output.target = input->name();
  }
  return states;
}

}  // namespace

bool Source::is_dynamic() const {
  for (const program::Value& value : method_.values) {
    const auto* tensor = std::get_if<TensorValue>(&value);
    if (tensor != nullptr && tensor->dynamism != program::Dynamism::kStatic) return true;
  }
  return false;
}

std::vector<Sizes> Source::file_sizes() const {
  std::vector<Sizes> sizes;
  for (const int32_t input : method_.inputs) {
    const auto* tensor = std::get_if<TensorValue>(&method_.values[static_cast<size_t>(input)]);
    sizes.push_back(tensor == nullptr ? Sizes() : tensor->sizes);
  }
  return sizes;
}

Result<Specialised> Source::plan(const std::vector<Sizes>& sizes) {
  const program::DataMap* data = options_.data.get();
  PTE_CHECK(runtime::check_data_keys(program_, data));
  lowering::LiftOptions lift;
  lift.inline_delegates = true;
  if (data != nullptr) {
    lift.external_data = [data](std::string_view key) -> Result<program::Blob> {
      if (const program::DataEntry* entry = data->find(key)) return entry->data;
      return runtime::missing_data(key, true);
    };
  }
  lift.external_tensor = [data](const TensorValue& tensor) {
    return runtime::external_tensor(tensor, data);
  };
  const bool dynamic = is_dynamic();
  if (dynamic) lift.input_sizes = sizes;
  ir::Module module;
  const auto step_is_done = [&] {
    if (options_.lean) leave_step();
  };
  step_is_done();
  PTE_CHECK(lowering::lift_method(program_, method_, module, lift));
  step_is_done();
  ir::Graph& graph = *module.methods.at(method_.name).graph;
  Specialised out;
  for (size_t i = 0; i < method_.inputs.size(); ++i) {
    const program::Value& value = method_.values[static_cast<size_t>(method_.inputs[i])];
    if (std::holds_alternative<TensorValue>(value)) out.inputs.push_back(i);
  }
  std::vector<StateInfo> states = states_to_inputs(module, graph);
  passes::Options quiet;
  quiet.disable = options_.disable;
  PTE_TRY([[maybe_unused]] const auto timings, optimize(module, quiet));
  step_is_done();
  PTE_TRY(out.plan, make_plan(module, graph, options_.plan));
  step_is_done();
  for (const std::string& name : out.plan.states) {
    for (StateInfo& state : states) {
      if (state.name == name) out.states.push_back(std::move(state));
    }
  }
  return out;
}

}  // namespace pte::engine
