#include "program/verify.h"

#include <limits>
#include <set>

#include "base/checked.h"
#include "program/check_call.h"
#include "program/faults.h"
#include "program/quote.h"

namespace pte::program {
namespace {

constexpr size_t kMaxValues = std::numeric_limits<int32_t>::max();

class MethodVerifier {
 public:
  MethodVerifier(const Program& program, const Method& method)
      : program_(program), method_(method) {}

  // True when `faults` is full.
  bool run(Faults& faults) const;

 private:
  bool is_value(int64_t index) const {
    return index >= 0 && static_cast<uint64_t>(index) < method_.values.size();
  }
  Status value_index(int64_t index, std::string_view what) const;
  template <typename Kind>
  Status items(const std::vector<int32_t>& items, bool optional, std::string_view list,
               std::string_view kind) const;
  Status value(const Value& value) const;
  Status tensor(const TensorValue& tensor) const;
  Status memory(const TensorValue& tensor, size_t bytes) const;
  Status arguments(const std::vector<int32_t>& args) const;
  Status instruction(const Instruction& instruction, size_t chain_length) const;
  Status arenas() const;

  const Program& program_;
  const Method& method_;
};

Status MethodVerifier::value_index(int64_t index, std::string_view what) const {
  if (is_value(index)) return {};
  return invalid_data("{} names value {}, the method has {}", what, index, method_.values.size());
}

template <typename Kind>
Status MethodVerifier::items(const std::vector<int32_t>& items, bool optional,
                             std::string_view list, std::string_view kind) const {
  for (const int32_t index : items) {
    if (optional && index == -1) continue;
    if (!is_value(index)) return value_index(index, fmt::format("{} item", list));
    const Value& found = method_.values[static_cast<size_t>(index)];
    if (std::holds_alternative<Kind>(found)) continue;
    return invalid_data("{} item names value {} ({}), expected {}", list, index, kind_name(found),
                        kind);
  }
  return {};
}

Status MethodVerifier::value(const Value& value) const {
  if (const auto* list = std::get_if<IntList>(&value)) {
    return items<int64_t>(list->items, false, "IntList", "Int");
  }
  if (const auto* tensors = std::get_if<TensorList>(&value)) {
    return items<TensorValue>(tensors->items, false, "TensorList", "Tensor");
  }
  if (const auto* optionals = std::get_if<OptionalTensorList>(&value)) {
    return items<TensorValue>(optionals->items, true, "OptionalTensorList", "Tensor");
  }
  if (const auto* tensor_value = std::get_if<TensorValue>(&value)) return tensor(*tensor_value);
  return {};
}

Status MethodVerifier::tensor(const TensorValue& tensor) const {
  if (tensor.sizes.size() > kMaxRank) {
    return invalid_data("a tensor of rank {}, expected at most {}", tensor.sizes.size(), kMaxRank);
  }
  if (!dtype_from_code(static_cast<int64_t>(tensor.dtype))) {
    return invalid_data("unknown scalar type {}", static_cast<int>(tensor.dtype));
  }
  for (size_t i = 0; i < tensor.sizes.size(); ++i) {
    if (tensor.sizes[i] < 0 || tensor.sizes[i] > std::numeric_limits<int32_t>::max()) {
      return invalid_data("size {} of dimension {} is out of range", tensor.sizes[i], i);
    }
  }
  if (tensor.dim_order.size() != tensor.sizes.size() || !is_permutation(tensor.dim_order)) {
    return invalid_data("the dim order of {} is no permutation of its {} dimensions",
                        describe(tensor.dtype, tensor.sizes), tensor.sizes.size());
  }
  // Strides and byte offsets are computed with signed numbers, so half the range is the limit.
  const auto bytes = byte_count(tensor.dtype, tensor.sizes);
  if (!bytes || *bytes > static_cast<size_t>(std::numeric_limits<int64_t>::max())) {
    return invalid_data("the byte count of {} overflows", describe(tensor.dtype, tensor.sizes));
  }
  return memory(tensor, *bytes);
}

Status MethodVerifier::memory(const TensorValue& tensor, size_t bytes) const {
  const size_t element = std::max<size_t>(size_of(tensor.dtype), 1);
  if (tensor.external && tensor.name.empty()) {
    return invalid_data("an external tensor without a name");
  }
  if (!tensor.external && tensor.constant > 0) {
    const bool initial = tensor.allocation.has_value();
    const std::string_view what = initial ? "mutable data entry" : "constant";
    const auto& blobs = initial ? program_.mutable_data : program_.constants;
    if (tensor.constant >= blobs.size()) {
      return invalid_data("{} {} is asked for, the program has {}", what, tensor.constant,
                          blobs.empty() ? 0 : blobs.size() - 1);
    }
    const Blob& blob = blobs[tensor.constant];
    if (blob.size() < bytes) {
      return invalid_data("{} needs {} bytes, {} {} has {}", describe(tensor.dtype, tensor.sizes),
                          bytes, what, tensor.constant, blob.size());
    }
    // Initial values are copied; constants are read where they lie.
    if (!initial && bytes != 0 && reinterpret_cast<uintptr_t>(blob.bytes.data()) % element != 0) {
      return invalid_data("constant {} is not aligned to the {} bytes of {}", tensor.constant,
                          element, dtype_name(tensor.dtype));
    }
  }
  if (!tensor.allocation) return {};
  const Allocation& place = *tensor.allocation;
  if (place.memory_id == 0 || place.memory_id >= method_.arena_sizes.size()) {
    return invalid_data("arena {} is asked for, the method has arenas 1 to {}", place.memory_id,
                        method_.arena_sizes.size() - 1);
  }
  const auto room = static_cast<uint64_t>(method_.arena_sizes[place.memory_id]);
  if (!in_range(place.offset, bytes, room)) {
    return invalid_data("{} lies at {} + {} in arena {} of {} bytes",
                        describe(tensor.dtype, tensor.sizes), place.offset, bytes, place.memory_id,
                        room);
  }
  if (place.offset % element != 0) {
    return invalid_data("offset {} is not aligned to the {} bytes of {}", place.offset, element,
                        dtype_name(tensor.dtype));
  }
  return {};
}

Status MethodVerifier::arguments(const std::vector<int32_t>& args) const {
  for (size_t i = 0; i < args.size(); ++i) {
    if (!is_value(args[i])) PTE_CHECK(value_index(args[i], fmt::format("argument {}", i)));
  }
  return {};
}

Status MethodVerifier::instruction(const Instruction& instruction, size_t chain_length) const {
  if (const auto* kernel = std::get_if<KernelCall>(&instruction)) {
    if (kernel->op < 0 || static_cast<size_t>(kernel->op) >= method_.operators.size()) {
      return invalid_data("operator {} is called, the method has {}", kernel->op,
                          method_.operators.size());
    }
    PTE_CHECK(arguments(kernel->args));
    return check_call(method_, *kernel);
  }
  if (const auto* delegate = std::get_if<DelegateCall>(&instruction)) {
    if (delegate->delegate < 0 ||
        static_cast<size_t>(delegate->delegate) >= method_.delegates.size()) {
      return invalid_data("delegate {} is called, the method has {}", delegate->delegate,
                          method_.delegates.size());
    }
    return arguments(delegate->args);
  }
  if (const auto* move = std::get_if<MoveCall>(&instruction)) {
    PTE_CHECK(value_index(move->from, "move source"));
    return value_index(move->to, "move target");
  }
  if (const auto* jump = std::get_if<JumpFalseCall>(&instruction)) {
    PTE_CHECK(value_index(jump->condition, "jump condition"));
    // One past the last instruction is the end of the chain.
    if (jump->target < 0 || static_cast<size_t>(jump->target) > chain_length) {
      return invalid_data("jump to instruction {} of {}", jump->target, chain_length);
    }
    return {};
  }
  return value_index(std::get<FreeCall>(instruction).value, "free");
}

Status MethodVerifier::arenas() const {
  if (method_.arena_sizes.empty()) {
    return invalid_data("no arena sizes; entry 0 is reserved and always there");
  }
  for (size_t i = 0; i < method_.arena_sizes.size(); ++i) {
    if (method_.arena_sizes[i] < 0) {
      return invalid_data("arena {} has size {}", i, method_.arena_sizes[i]);
    }
  }
  for (const ArenaDevice& device : method_.arena_devices) {
    if (device.arena < 0 || static_cast<size_t>(device.arena) >= method_.arena_sizes.size()) {
      return invalid_data("a device is given to arena {} of {}", device.arena,
                          method_.arena_sizes.size());
    }
  }
  return {};
}

bool MethodVerifier::run(Faults& faults) const {
  const auto here = [&] { return fmt::format("method {}", quote(method_.name)); };
  if (method_.values.size() > kMaxValues) {
    return faults.add(here(), invalid_data("{} values; the format ends at {}",
                                           method_.values.size(), kMaxValues));
  }
  if (Status status = arenas(); !status) {
    // Places of tensors cannot be judged without.
    return faults.add(here(), std::move(status.error()));
  }
  for (size_t i = 0; i < method_.values.size(); ++i) {
    const auto where = [&] { return fmt::format("{}: value {}", here(), i); };
    if (faults.check(value(method_.values[i]), where)) return true;
  }
  for (size_t i = 0; i < method_.inputs.size(); ++i) {
    if (is_value(method_.inputs[i])) continue;
    if (faults.check(value_index(method_.inputs[i], fmt::format("input {}", i)), here)) return true;
  }
  for (size_t i = 0; i < method_.outputs.size(); ++i) {
    if (is_value(method_.outputs[i])) continue;
    if (faults.check(value_index(method_.outputs[i], fmt::format("output {}", i)), here))
      return true;
  }
  for (size_t c = 0; c < method_.chains.size(); ++c) {
    const Chain& chain = method_.chains[c];
    if (!chain.stack_traces.empty() && chain.stack_traces.size() != chain.instructions.size()) {
      if (faults.add(here(), invalid_data("chain {}: {} stack traces for {} instructions", c,
                                          chain.stack_traces.size(), chain.instructions.size())))
        return true;
    }
    for (size_t i = 0; i < chain.instructions.size(); ++i) {
      const auto where = [&] { return fmt::format("{}: instruction {}", here(), i); };
      if (faults.check(instruction(chain.instructions[i], chain.instructions.size()), where))
        return true;
    }
  }
  return false;
}

void find(const Program& program, Faults& faults) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < program.methods.size(); ++i) {
    const Method& method = program.methods[i];
    if (method.name.empty() &&
        faults.add(fmt::format("method {}", i), invalid_data("a method without a name")))
      return;
    if (!names.insert(method.name).second &&
        faults.add(fmt::format("method {}", i),
                   invalid_data("two methods are called {}", quote(method.name))))
      return;
    if (MethodVerifier(program, method).run(faults)) return;
  }
  std::set<std::string_view> keys;
  for (size_t i = 0; i < program.named_data.size(); ++i) {
    const std::string& key = program.named_data[i].key;
    if (keys.insert(key).second) continue;
    if (faults.add(fmt::format("named data {}", i),
                   invalid_data("named data has the key {} twice", quote(key))))
      return;
  }
}

}  // namespace

Status verify(const Program& program) {
  Faults faults(1);
  find(program, faults);
  if (faults.count() == 0) return {};
  return std::move(faults.all()[0].error).at(faults.all()[0].where);
}

std::vector<Finding> find_faults(const Program& program, size_t limit) {
  Faults faults(limit);
  find(program, faults);
  std::vector<Finding> findings;
  for (Faults::Fault& fault : faults.all()) {
    findings.push_back({std::move(fault.where), std::move(fault.error.message)});
  }
  return findings;
}

}  // namespace pte::program
