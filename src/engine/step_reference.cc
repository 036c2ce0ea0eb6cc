#include <map>

#include "engine/steps.h"
#include "kernels/kernel.h"
#include "lowering/emit.h"
#include "passes/passes.h"
#include "passes/runner.h"
#include "program/verify.h"
#include "runtime/delegate.h"
#include "runtime/method.h"

namespace pte::engine {
namespace {

class ReferenceStep : public Step {
 public:
  ReferenceStep(std::unique_ptr<runtime::Delegate> delegate, std::vector<Operand> operands,
                size_t inputs)
      : delegate_(std::move(delegate)), operands_(std::move(operands)), inputs_(inputs) {
    values_.resize(operands_.size());
    for (EValue& value : values_) pointers_.push_back(&value);
  }

  Status start() {
    PTE_TRY(scratch_,
            Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(delegate_->scratch_bytes())}));
    return delegate_->set_scratch(scratch_);
  }

  Status run(const Run& run) override {
    for (size_t i = 0; i < operands_.size(); ++i) {
      values_[i] = operands_[i].view(run.bases[operands_[i].buffer]);
    }
    PTE_CHECK(delegate_->execute(pointers_));
    for (size_t i = inputs_; i < operands_.size(); ++i) {
      const auto* tensor = values_[i].get<Tensor>();
      if (tensor == nullptr || tensor->sizes() != operands_[i].sizes) {
        return invalid_data("a result is {}, expected {}",
                            tensor == nullptr ? std::string(values_[i].kind()) : tensor->describe(),
                            describe(operands_[i].dtype, operands_[i].sizes));
      }
    }
    return {};
  }

 private:
  std::unique_ptr<runtime::Delegate> delegate_;
  std::vector<Operand> operands_;
  size_t inputs_;
  Tensor scratch_;
  std::vector<EValue> values_;
  std::vector<EValue*> pointers_;
};

ir::Arg mapped(const ir::Arg& arg, const std::map<const ir::Value*, ir::Value*>& values) {
  if (const ir::Value* value = arg.value()) return ir::Arg(values.at(value));
  if (const auto* list = arg.list()) {
    ir::ArgList items;
    for (const ir::Arg& item : *list) items.push_back(mapped(item, values));
    return ir::Arg(std::move(items));
  }
  return arg;
}

}  // namespace

// A program of one node, run by the reference interpreter: so composites and every rule about
// types and results are the same as there.
Result<std::unique_ptr<Step>> reference_step(const ReferenceCall& call) {
  ir::Module module;
  ir::Method& method = module.methods["forward"];
  ir::Graph& graph = *method.graph;
  std::map<const ir::Value*, ir::Value*> values;
  std::vector<Operand> operands;
  for (size_t i = 0; i < call.values.size(); ++i) {
    const ir::Value* value = call.values[i];
    if (const Tensor* data = call.module->data_of(value)) {
      values[value] = module.add_constant(graph, *value->constant(), *data);
      values[value]->set_type(value->type());
      continue;
    }
    values[value] = graph.add_input(value->name(), value->type());
    operands.push_back(call.inputs[i]);
  }
  const size_t inputs = operands.size();
  std::vector<ir::Arg> args;
  for (const ir::Arg& arg : call.node->args()) args.push_back(mapped(arg, values));
  std::vector<ir::Type> types;
  std::vector<std::string> names;
  for (const ir::Value* result : call.node->results()) {
    types.push_back(result->type());
    names.push_back(result->name());
  }
  ir::Node* node = graph.add_node(call.node->op(), std::move(args), std::move(types), names);
  for (ir::Value* result : node->results()) graph.add_output(result);
  operands.insert(operands.end(), call.results.begin(), call.results.end());

  passes::OpSet keep;
  if (call.node->op().callable() && kernels::find_kernel(call.node->op().op) != nullptr) {
    keep.insert(call.node->op().op);
  }
  PTE_TRY([[maybe_unused]] const int64_t changes, passes::decompose(module, keep));
  lowering::EmitOptions emit;
  emit.separate_io = true;
  emit.any_kernel = true;
  PTE_TRY(program::Program emitted, lowering::emit(module, emit));
  auto program = std::make_shared<const program::Program>(std::move(emitted));
  PTE_CHECK(program::verify(*program));
  PTE_TRY(auto delegate, runtime::make_program_delegate(program, "forward", {}));
  auto step = std::make_unique<ReferenceStep>(std::move(delegate), std::move(operands), inputs);
  PTE_CHECK(step->start());
  return std::unique_ptr<Step>(std::move(step));
}

}  // namespace pte::engine
