#include "runtime/delegate.h"

#include "backends/xnnpack/payload.h"
#include "program/quote.h"
#include "runtime/method.h"
#include "runtime/xnnpack_delegate.h"

namespace pte::runtime {
namespace {

class ProgramDelegate : public Delegate {
 public:
  explicit ProgramDelegate(std::unique_ptr<Method> method) : method_(std::move(method)) {}

  size_t input_count() const override { return method_->input_count(); }
  size_t output_count() const override { return method_->output_count(); }

  Status execute(std::span<EValue* const> args) override {
    const size_t inputs = input_count();
    for (size_t i = 0; i < inputs; ++i) PTE_CHECK(method_->set_input(i, *args[i]));
    PTE_CHECK(method_->execute());
    for (size_t i = 0; i < output_count(); ++i) {
      PTE_CHECK(copy_output(method_->output(i), *args[inputs + i]).at(fmt::format("output {}", i)));
    }
    return {};
  }

 private:
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
};

}  // namespace

Result<std::unique_ptr<Delegate>> make_program_delegate(
    std::shared_ptr<const program::Program> program, std::string_view method,
    const Options& options) {
  PTE_TRY(std::unique_ptr<Method> loaded, Method::load(std::move(program), method, options));
  return std::unique_ptr<Delegate>(new ProgramDelegate(std::move(loaded)));
}

DelegateLoader default_delegates() {
  return [](const DelegateRequest& request) -> Result<std::unique_ptr<Delegate>> {
    if (request.delegate.id == xnnpack::kBackendId) return make_xnnpack_delegate(request);
    return unsupported("backend {} is not available in this build",
                       program::quote(request.delegate.id));
  };
}

}  // namespace pte::runtime
