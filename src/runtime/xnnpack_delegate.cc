#include "runtime/xnnpack_delegate.h"

#include "backends/xnnpack/lift.h"
#include "kernels/kernel.h"
#include "lowering/emit.h"
#include "passes/passes.h"
#include "passes/runner.h"
#include "program/verify.h"
#include "runtime/method.h"

namespace pte::runtime {
namespace {

using ArgTypes = std::vector<ir::TensorType>;

class XnnpackDelegate : public Delegate {
 public:
  XnnpackDelegate(std::shared_ptr<const program::Program> program, xnnpack::XnnGraph graph,
                  Options options)
      : program_(std::move(program)),
        graph_(std::move(graph)),
        options_(std::move(options)),
        outputs_(graph_.external_outputs().size()) {}

  size_t input_count() const override { return graph_.num_externs - outputs_; }
  size_t output_count() const override { return outputs_; }

  uint64_t scratch_bytes() const override { return inner_->scratch_bytes(); }
  Status set_scratch(const Tensor& memory) override {
    scratch_ = memory;
    return give_scratch();
  }

  // The arguments of a call as the plan has them, or else as the payload describes them:
  // contiguous, as large as they may be.
  Result<ArgTypes> expected(const std::vector<const program::TensorValue*>& args) const {
    ArgTypes types(graph_.num_externs, ir::TensorType::of(DType::kFloat32, {}));
    for (const xnnpack::XnnValue& value : graph_.values) {
      if (value.external_id == xnnpack::kNone) continue;
      ir::TensorType& type = types[value.external_id];
      if (args.size() == types.size() && args[value.external_id] != nullptr) {
        const program::TensorValue& arg = *args[value.external_id];
        type = ir::TensorType::of(arg.dtype, ir::to_sym(arg.sizes), arg.dim_order);
      } else {
        PTE_TRY(const DType dtype, xnnpack::dtype_of(value.datatype));
        type = ir::TensorType::of(dtype, ir::to_sym({value.dims.begin(), value.dims.end()}));
      }
    }
    normalize(types);
    return types;
  }

  // Makes the program for arguments of these types.
  Status prepare(ArgTypes types) {
    PTE_TRY(xnnpack::Lifted lifted, xnnpack::lift(graph_, types));
    passes::Options quiet;
    quiet.verify = false;
    PTE_CHECK(run(lifted.module, quiet));
    lowering::EmitOptions emit;
    emit.separate_io = true;
    emit.any_kernel = true;
    PTE_TRY(program::Program emitted, lowering::emit(lifted.module, emit));
    auto program = std::make_shared<const program::Program>(std::move(emitted));
    PTE_CHECK(program::verify(*program));
    PTE_TRY(inner_, make_program_delegate(std::move(program), "forward", options_));
    order_ = lifted.input_args;
    order_.insert(order_.end(), lifted.output_args.begin(), lifted.output_args.end());
    types_ = std::move(types);
    return {};
  }

  Status execute(std::span<EValue* const> args) override {
    ArgTypes types;
    for (size_t i = 0; i < args.size(); ++i) {
      const auto* tensor = args[i]->get<Tensor>();
      if (tensor == nullptr) {
        return invalid_data("argument {} of an XNNPACK delegate is {}, expected Tensor", i,
                            args[i]->kind());
      }
      types.push_back(
          ir::TensorType::of(tensor->dtype(), ir::to_sym(tensor->sizes()), tensor->dim_order()));
    }
    if (args.size() < graph_.num_externs) {
      return invalid_data("an XNNPACK delegate takes {} arguments, the call has {}",
                          graph_.num_externs, args.size());
    }
    normalize(types);
    if (types != types_) {
      PTE_CHECK(prepare(std::move(types)));
      PTE_CHECK(give_scratch());
    }
    std::vector<EValue*> ordered;
    for (uint32_t arg : order_) ordered.push_back(args[arg]);
    return inner_->execute(ordered);
  }

 private:
  Status give_scratch() {
    const uint64_t bytes = inner_->scratch_bytes();
    if (scratch_.nbytes() < bytes) {
      PTE_TRY(scratch_, Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(bytes)}));
    }
    return inner_->set_scratch(scratch_);
  }

  // Output sizes follow from the inputs, so that only their rank and order count; arguments that
  // the payload does not use do not count at all.
  void normalize(ArgTypes& types) const {
    std::vector<bool> used(types.size());
    for (const xnnpack::XnnValue& value : graph_.values) {
      if (value.external_id == xnnpack::kNone) continue;
      used[value.external_id] = true;
      if ((value.flags & xnnpack::kExternalOutput) == 0) continue;
      ir::SymSizes& sizes = types[value.external_id].sizes;
      sizes.assign(sizes.size(), ir::SymInt(1));
    }
    for (size_t i = 0; i < types.size(); ++i) {
      if (!used[i]) types[i] = ir::TensorType::of(DType::kFloat32, {});
    }
  }

  // Only what a lifted payload needs to run here: it is optimised already, its layouts are gone,
  // and every look at its weights costs loading time.
  static Status run(ir::Module& module, const passes::Options& options) {
    passes::OpSet keep;
    if (kernels::find_kernel(Op::aten_linear) != nullptr) keep.insert(Op::aten_linear);
    const std::vector<passes::Pass> pipeline = {
        {"decompose", "composites become operators that have kernels",
         [keep](ir::Module& m) { return passes::decompose(m, keep); }},
        {"remove_identities", "drop what does nothing", passes::remove_identities},
        {"merge_views", "chains of views become one", passes::merge_views},
        {"fold_constants", "compute what depends on constants alone", passes::fold_constants},
        {"dead_code", "drop what nothing reads", passes::dead_code},
    };
    auto timings = passes::run_passes(module, pipeline, options);
    if (!timings) return std::move(timings).error();
    return {};
  }

  std::shared_ptr<const program::Program> program_;  // keeps the payload's bytes alive
  xnnpack::XnnGraph graph_;
  Options options_;
  size_t outputs_;
  ArgTypes types_;               // what inner_ is made for
  std::vector<uint32_t> order_;  // our argument for each of inner_'s
  std::unique_ptr<Delegate> inner_;
  Tensor scratch_;
};

}  // namespace

Result<std::unique_ptr<Delegate>> make_xnnpack_delegate(const DelegateRequest& request) {
  const auto resolve = [&](std::string_view key) -> Result<Tensor> {
    PTE_TRY(const program::Blob blob, find_named_data(request, key));
    return Tensor::view(DType::kUInt8, {static_cast<int64_t>(blob.size())}, {1}, blob.bytes.data(),
                        blob.owner);
  };
  PTE_TRY(xnnpack::XnnGraph graph,
          xnnpack::decode(request.delegate.payload.bytes, request.delegate.payload.owner, resolve));
  auto made = std::make_unique<XnnpackDelegate>(request.program, std::move(graph), request.options);
  // Most calls are like this; and what cannot be run is said at load, not at the first execution.
  PTE_TRY(ArgTypes types, made->expected(request.args));
  PTE_CHECK(made->prepare(std::move(types)));
  return std::unique_ptr<Delegate>(std::move(made));
}

}  // namespace pte::runtime
