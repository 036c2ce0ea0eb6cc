// The bits of one type read as another of the same size: no kernel does it, but two tensors of a
// program may lie in one place.
#include "lowering/method_emitter.h"

namespace pte::lowering {

using ir::ArgList;

Status MethodEmitter::emit_reinterpretation(const Node& node) {
  if (aliasable_memory(node)) return emit_alias(node);
  // A result that the caller keeps needs a place of its own. The copy is made in whichever of the
  // two types the copying kernel knows.
  const ir::Value& from = *node.input(0);
  const ir::Value& to = *node.result();
  const DType dtype = from.tensor().dtype;
  const bool copy_first =
      dtype != DType::kUInt16 && dtype != DType::kUInt32 && dtype != DType::kUInt64;
  touch(from);
  PTE_TRY(const int32_t result, emit_value(to));
  const size_t storage = storage_of_.at(&to);
  // The operand's type in the result's place, or the other way round.
  PTE_TRY(TensorValue between, tensor_value(copy_first ? from : to));
  const auto given = storage_of_.find(&from);
  const bool constant = !copy_first && given == storage_of_.end();
  if (constant) {
    between.constant =
        std::get<TensorValue>(method_.values[static_cast<size_t>(indices_.at(&from))]).constant;
  } else {
    between.allocation.emplace();
  }
  const DimOrder order = between.dim_order;
  const int32_t index = add(std::move(between));
  if (!constant) spare_.emplace_back(index, copy_first ? storage : given->second);
  const OpInfo& clone = info(Op::dim_order_clone_dim_order);
  ArgList dims;
  for (const uint8_t dim : order) dims.emplace_back(static_cast<int64_t>(dim));
  PTE_TRY(const int32_t places, emit_arg(clone.args[2], Arg(std::move(dims))));
  const int32_t target = copy_first ? index : result;
  program::KernelCall call;
  call.op = operator_index(clone);
  call.args = {copy_first ? indices_.at(&from) : index, literal("false", false), places, target,
               target};
  code().push_back(std::move(call));
  return {};
}

}  // namespace pte::lowering
