#include "runtime/delegate.h"

#include <map>

#include "backends/xnnpack/payload.h"
#include "program/backends.h"
#include "program/quote.h"
#include "runtime/method.h"
#include "runtime/xnnpack_delegate.h"

namespace pte::runtime {
namespace {

constexpr uint32_t kScratchArena = 1;

class ProgramDelegate : public Delegate {
 public:
  ProgramDelegate(const program::Method& plan, std::unique_ptr<Method> method)
      : method_(std::move(method)) {
    for (const int32_t value : plan.inputs) arenas_.push_back(own_arena(plan, value));
    for (const int32_t value : plan.outputs) arenas_.push_back(own_arena(plan, value));
    if (plan.arena_sizes.size() > kScratchArena)
      scratch_ = static_cast<uint64_t>(plan.arena_sizes[kScratchArena]);
  }

  size_t input_count() const override { return method_->input_count(); }
  size_t output_count() const override { return method_->output_count(); }
  uint64_t scratch_bytes() const override { return scratch_; }
  Status set_scratch(const Tensor& memory) override {
    return method_->bind_arena(kScratchArena, memory, false);
  }

  Status execute(std::span<EValue* const> args) override {
    const size_t inputs = input_count();
    const size_t outputs = output_count();
    for (size_t i = 0; i < inputs; ++i) PTE_CHECK(input(i, *args[i]));
    std::vector<bool> in_place(outputs);
    for (size_t i = 0; i < outputs; ++i) {
      PTE_TRY(in_place[i], output(i, *args[inputs + i]));
    }
    PTE_CHECK(method_->execute());
    for (size_t i = 0; i < outputs; ++i) {
      if (in_place[i]) continue;
      PTE_CHECK(copy_output(method_->output(i), *args[inputs + i]).at(fmt::format("output {}", i)));
    }
    return {};
  }

 private:
  // 0 when the value shares its arena with others.
  static uint32_t own_arena(const program::Method& plan, int32_t value) {
    const auto* tensor =
        std::get_if<program::TensorValue>(&plan.values[static_cast<size_t>(value)]);
    if (tensor == nullptr || !tensor->allocation) return 0;
    return tensor->allocation->memory_id == kScratchArena ? 0 : tensor->allocation->memory_id;
  }

  static bool fits(const ValueInfo& info, const Tensor& tensor) {
    return !info.dynamic && tensor.dtype() == info.dtype && tensor.sizes() == info.sizes &&
           tensor.has_data() && tensor.is_dense_in(info.dim_order);
  }

  Status input(size_t index, const EValue& value) {
    const auto* tensor = value.get<Tensor>();
    const uint32_t arena = arenas_[index];
    if (arena == 0) return method_->set_input(index, value);
    if (tensor != nullptr && fits(method_->input_info(index), *tensor)) {
      return method_->bind_arena(arena, *tensor, true);
    }
    PTE_CHECK(own_memory(arena, method_->input_info(index)));
    return method_->set_input(index, value);
  }

  // Whether the method will write straight into the caller's tensor.
  Result<bool> output(size_t index, EValue& value) {
    const uint32_t arena = arenas_[input_count() + index];
    if (arena == 0) return false;
    auto* tensor = value.get<Tensor>();
    const ValueInfo info = method_->output_info(index);
    if (tensor != nullptr && tensor->rank() == info.sizes.size() && !info.dynamic) {
      PTE_CHECK(tensor->resize(info.sizes).at(fmt::format("output {}", index)));
      if (fits(info, *tensor)) {
        PTE_CHECK(method_->bind_arena(arena, *tensor, false));
        return true;
      }
    }
    PTE_CHECK(own_memory(arena, info));
    return false;
  }

  Status own_memory(uint32_t arena, const ValueInfo& info) {
    Tensor& memory = own_[arena];
    if (!memory.has_data() || memory.numel() == 0) {
      PTE_TRY(memory, Tensor::zeros(info.dtype, info.sizes));
    }
    return method_->bind_arena(arena, memory, false);
  }

  static Status copy_output(const EValue& from, EValue& to) {
    const auto* source = from.get<Tensor>();
    auto* target = to.get<Tensor>();
    if (source == nullptr || target == nullptr) {
      if (from.v.index() != to.v.index()) {
        return make_error(Code::kMismatch, "it is {}, the method expects {}", from.kind(),
                          to.kind());
      }
      to = from;
      return {};
    }
    if (!source->has_data()) return invalid_data("nothing is in it");
    PTE_CHECK(target->resize(source->sizes()));
    return copy_elements(*source, *target);
  }

  std::unique_ptr<Method> method_;
  std::vector<uint32_t> arenas_;  // of inputs, then outputs
  uint64_t scratch_ = 0;
  std::map<uint32_t, Tensor> own_;  // for arguments that cannot be used in place
};

}  // namespace

Result<std::unique_ptr<Delegate>> make_program_delegate(
    std::shared_ptr<const program::Program> program, std::string_view method,
    const Options& options) {
  const program::Method* plan = program->find_method(method);
  Options inner = options;
  inner.caller_arenas = true;
  PTE_TRY(std::unique_ptr<Method> loaded, Method::load(program, method, inner));
  return std::unique_ptr<Delegate>(new ProgramDelegate(*plan, std::move(loaded)));
}

Error missing_data(std::string_view key, bool given) {
  if (given) {
    return make_error(Code::kNotFound, "none of the .ptd files has {}", program::quote(key))
        .with_hint("the exporter wrote it beside the program; give that file too: --data FILE.ptd");
  }
  return make_error(Code::kNotFound, "{} lies in a .ptd file, and none was given",
                    program::quote(key))
      .with_hint("the exporter wrote it beside the program; give it with --data FILE.ptd");
}

Result<program::Blob> find_named_data(const DelegateRequest& request, std::string_view key) {
  if (const program::Blob* blob = request.program->find_named_data(key)) return *blob;
  const program::DataMap* data = request.options.data.get();
  if (const program::DataEntry* entry = data == nullptr ? nullptr : data->find(key)) {
    return entry->data;
  }
  return missing_data(key, data != nullptr);
}

bool has_backend(std::string_view id) { return id == xnnpack::kBackendId; }

DelegateLoader default_delegates() {
  return [](const DelegateRequest& request) -> Result<std::unique_ptr<Delegate>> {
    if (has_backend(request.delegate.id)) return make_xnnpack_delegate(request);
    return unsupported("backend {} is missing: {}", program::quote(request.delegate.id),
                       program::describe_backend(request.delegate.id));
  };
}

}  // namespace pte::runtime
