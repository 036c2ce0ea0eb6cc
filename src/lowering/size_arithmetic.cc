#include "lowering/size_arithmetic.h"

#include "ir/infer.h"
#include "kernels/kernel.h"

namespace pte::lowering {

using ir::Arg;

namespace {

Result<Arg> measured(const OpInfo& op, const ir::TensorType& type, const std::vector<Arg>& args) {
  const auto sizes = type.static_sizes();
  if (!sizes) return unsupported("{}: the sizes are not known", op.full_name());
  if (op.op == Op::aten_sym_numel) {
    const auto count = element_count(*sizes);
    if (!count) return unsupported("{}: too many elements", op.full_name());
    return Arg(*count);
  }
  const auto rank = static_cast<int64_t>(sizes->size());
  int64_t dim = args[1].integer().value_or(rank);
  if (dim < 0) dim += rank;
  if (dim < 0 || dim >= rank) {
    return invalid_data("{}: no dimension {} among {}", op.full_name(), dim, rank);
  }
  return Arg((*sizes)[static_cast<size_t>(dim)]);
}

}  // namespace

Result<Arg> evaluate_sizes(const OpInfo& op, const std::vector<Arg>& args) {
  std::vector<EValue> values(op.out_args.size() + 1);
  for (size_t i = 0; i < op.out_args.size(); ++i) {
    const Arg& arg = args[static_cast<size_t>(op.out_args[i])];
    if (const ir::Value* value = arg.value()) {
      if (value->is_tensor() && (op.op == Op::aten_sym_size_int || op.op == Op::aten_sym_numel)) {
        return measured(op, value->tensor(), args);
      }
      return unsupported("{} depends on what a tensor holds", op.full_name());
    }
    if (const auto* integer = std::get_if<int64_t>(&arg.v)) {
      values[i] = *integer;
    } else if (const auto* real = std::get_if<double>(&arg.v)) {
      values[i] = *real;
    } else if (const auto* flag = std::get_if<bool>(&arg.v)) {
      values[i].v = *flag;
    } else if (!arg.is_none()) {
      return unsupported("{} takes no number", op.full_name());
    }
  }
  const kernels::Kernel kernel = kernels::find_kernel(op.op);
  if (kernel == nullptr) return unsupported("{} has no kernel", op.full_name());
  values.back() = int64_t{0};
  std::vector<EValue*> pointers;
  for (EValue& value : values) pointers.push_back(&value);
  PTE_CHECK(kernels::check_kinds(op, pointers));
  kernels::Call call(op, pointers, nullptr);
  PTE_CHECK(kernel(call));
  const EValue& result = values.back();
  if (const auto* integer = result.get<int64_t>()) return Arg(*integer);
  if (const auto* real = result.get<double>()) return Arg(*real);
  if (const auto* flag = result.get<bool>()) return Arg(*flag);
  return unsupported("{} gives {}", op.full_name(), result.kind());
}

Result<std::vector<ir::Type>> exact_types(const OpInfo& op, const std::vector<Arg>& args,
                                          const std::vector<ir::Type>& planned) {
  PTE_TRY(const std::vector<ir::Type> inferred, ir::infer_types(op, args));
  // An out variant may leave its last results away.
  if (inferred.size() < planned.size()) {
    return unsupported("{} gives {} results where there are {}", op.full_name(), inferred.size(),
                       planned.size());
  }
  std::vector<ir::Type> out;
  for (size_t i = 0; i < planned.size(); ++i) {
    const auto* wanted = std::get_if<ir::TensorType>(&planned[i]);
    const auto* found = std::get_if<ir::TensorType>(&inferred[i]);
    if (wanted == nullptr || found == nullptr) {
      return unsupported("{} gives a number that a tensor holds", op.full_name());
    }
    if (!found->static_sizes()) {
      return unsupported("{} has sizes that depend on what a tensor holds", op.full_name());
    }
    if (found->rank() != wanted->rank()) {
      return unsupported("{} gives {} dimensions, the program has room for {}", op.full_name(),
                         found->rank(), wanted->rank());
    }
    out.emplace_back(ir::TensorType{wanted->dtype, found->sizes, wanted->dim_order});
  }
  return out;
}

}  // namespace pte::lowering
