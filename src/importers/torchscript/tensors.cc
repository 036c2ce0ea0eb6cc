// Tensors of the graph that is being written, and of those around it.
#include "importers/torchscript/context.h"
#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

using ir::Arg;

Evaluator::Evaluator(ir::Module& module, ir::Graph& graph, Library& library, Limits limits)
    : module_(module), library_(library), limits_(limits) {
  contexts_.push_back(std::make_unique<Context>(next_context_++, module, graph));
}

Evaluator::~Evaluator() = default;

Status Evaluator::spend(int64_t steps) {
  steps_ += steps;
  if (steps_ <= limits_.steps) return {};
  return make_error(Code::kResourceLimit, "it takes more than {} steps to run its code",
                    limits_.steps);
}

Status Evaluator::spend_memory(int64_t items) {
  if (items >= 0 && items <= limits_.memory && memory_ + items <= limits_.memory) {
    memory_ += items;
    return {};
  }
  return make_error(Code::kResourceLimit, "its lists and strings hold more than {} items",
                    limits_.memory);
}

Status Evaluator::check_nodes() {
  if (++nodes_ <= limits_.nodes) return {};
  return make_error(Code::kResourceLimit,
                    "more than {} operator calls once its loops are written out", limits_.nodes);
}

void Evaluator::set_place(std::string place) {
  place_ = std::move(place);
  context().maker.set_location(place_);
}

Aliases& Evaluator::root_aliases() { return contexts_.front()->aliases; }

size_t Evaluator::context_id() const { return contexts_.back()->id; }

Value Evaluator::new_list(Values items) const {
  Value made = Value::list(std::move(items));
  made.list()->context = context_id();
  return made;
}

Status Evaluator::may_change(size_t container_context) const {
  if (contexts_.size() == 1 || container_context == context_id()) return {};
  return unsupported(
      "a list or dictionary from outside is changed in a branch that depends on the input");
}

TensorPtr Evaluator::new_tensor(size_t handle, bool contiguous) {
  auto cell = std::make_shared<TensorCell>();
  cell->context = context_id();
  cell->handle = handle;
  cell->contiguous = contiguous;
  return cell;
}

TensorPtr Evaluator::known(const Scalar& value, DType dtype) {
  auto cell = std::make_shared<TensorCell>();
  cell->known = value;
  cell->known_dtype = dtype;
  if (const auto* real = std::get_if<double>(&value); real != nullptr && dtype == DType::kFloat32)
    cell->known = Scalar(static_cast<double>(static_cast<float>(*real)));
  return cell;
}

TensorPtr Evaluator::add_input(const std::string& name, ir::Type type) {
  ir::Value* input = context().graph.add_input(name, std::move(type));
  return new_tensor(context().aliases.add_root(input, Aliases::Origin::kInput, input->name()));
}

TensorPtr Evaluator::add_constant(const std::string& key, Tensor data, ir::Constant::Kind kind) {
  auto cell = std::make_shared<TensorCell>();
  cell->context = contexts_.front()->id;
  cell->contiguous = data.is_contiguous();
  ir::TensorType type = ir::TensorType::of(data);
  module_.constants.insert_or_assign(key, ir::Constant{std::move(data), kind});
  cell->handle = contexts_.front()->aliases.add_constant(key, std::move(type));
  return cell;
}

Result<size_t> Evaluator::handle_in(size_t index, const TensorPtr& cell) {
  Context& here = *contexts_[index];
  if (cell->handle && cell->context == here.id) return *cell->handle;
  const auto known_here = here.handles.find(cell.get());
  if (known_here != here.handles.end()) return known_here->second;
  if (cell->known && !cell->handle) {
    Arg number = std::visit([](auto item) { return Arg(item); }, *cell->known);
    PTE_TRY(ir::Value * value,
            here.maker.call(Op::aten_full,
                            {Arg(ir::ArgList{}), std::move(number), cell->known_dtype}, "number"));
    const size_t handle = here.aliases.add_root(value);
    here.numbers.push_back(cell);
    here.handles[cell.get()] = handle;
    return handle;
  }
  if (cell->size != nullptr && !cell->handle && index == 0) {
    PTE_TRY(ir::Value * value,
            here.maker.call(Op::aten_scalar_tensor, {cell->size, DType::kInt64}, "size"));
    const size_t handle = here.aliases.add_root(value);
    here.numbers.push_back(cell);
    here.handles[cell.get()] = handle;
    cell->context = here.id;
    cell->handle = handle;
    return handle;
  }
  if (cell->size != nullptr && !cell->handle) {
    PTE_TRY(const size_t made, handle_in(0, cell));
    static_cast<void>(made);
  }
  if (index == 0 || !cell->handle)
    return internal_error("a tensor is read outside the branch that made it");
  PTE_TRY(const size_t outer, handle_in(index - 1, cell));
  ir::Value* input = here.graph.add_input("captured", contexts_[index - 1]->aliases.type(outer));
  const size_t handle = here.aliases.add_root(input, Aliases::Origin::kInput, input->name());
  here.captured.push_back(cell);
  here.handles[cell.get()] = handle;
  return handle;
}

Result<ir::Value*> Evaluator::value_in(size_t index, const TensorPtr& cell) {
  PTE_TRY(const size_t handle, handle_in(index, cell));
  return contexts_[index]->aliases.read(handle);
}

Result<ir::Value*> Evaluator::value_of(const TensorPtr& cell) {
  return value_in(contexts_.size() - 1, cell);
}

Result<ir::TensorType> Evaluator::type_of(const TensorPtr& cell) {
  if (cell->known && !cell->handle) return ir::TensorType::of(cell->known_dtype, {});
  if (cell->size != nullptr && !cell->handle) return ir::TensorType::of(DType::kInt64, {});
  // Without making an input of a branch out of it.
  for (size_t i = contexts_.size(); i-- > 0;) {
    if (cell->handle && cell->context == contexts_[i]->id)
      return contexts_[i]->aliases.type(*cell->handle);
  }
  return internal_error("a tensor is read outside the branch that made it");
}

}  // namespace pte::importers::script
