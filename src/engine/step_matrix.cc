#include "engine/steps.h"

namespace pte::engine {
namespace {

// Nanoseconds for so many multiply-adds on one core of a usual machine; only its order counts.
double cost_of(double multiply_adds) { return multiply_adds / 40; }

template <typename Kernel>
class ProductStep : public Step {
 public:
  ProductStep(Kernel kernel, ConvOperands operands, simd::Epilogue epilogue, double multiply_adds)
      : kernel_(std::move(kernel)),
        operands_(std::move(operands)),
        epilogue_(epilogue),
        multiply_adds_(multiply_adds),
        cost_(cost_of(multiply_adds) / static_cast<double>(std::max<int64_t>(kernel_.tasks(), 1))) {
    if (operands_.bias.numel() > 0) epilogue_.bias = operands_.bias.data_as<float>();
  }

  uint64_t scratch_bytes() const override { return kernel_.scratch_bytes(); }
  double multiply_adds() const override { return multiply_adds_; }

  Status run(const Run& run) override {
    typename Kernel::Args args = arguments(run);
    if (operands_.has_residual) args.epilogue.residual = run.in(operands_.residual);
    run.parallel(kernel_.tasks(), cost_, [&](int64_t begin, int64_t end, std::byte* scratch) {
      kernel_.run(args, begin, end, scratch);
    });
    return {};
  }

 private:
  typename Kernel::Args arguments(const Run& run) const {
    typename Kernel::Args args;
    if constexpr (std::is_same_v<Kernel, simd::Gemm>) {
      args.a = run.in(operands_.input);
      args.a_stride = operands_.input_stride;
      args.c = run.out(operands_.output);
      args.c_stride = operands_.output_stride;
    } else {
      args.input = run.in(operands_.input);
      args.input_stride = operands_.input_stride;
      args.output = run.out(operands_.output);
      args.output_stride = operands_.output_stride;
    }
    args.epilogue = epilogue_;
    return args;
  }

  Kernel kernel_;
  ConvOperands operands_;
  simd::Epilogue epilogue_;
  double multiply_adds_;
  double cost_;
};

class MatmulStep : public Step {
 public:
  MatmulStep(simd::Matmul kernel, MatmulOperands operands)
      : kernel_(std::move(kernel)), operands_(std::move(operands)) {
    const simd::Matmul::Shape& shape = kernel_.shape();
    multiply_adds_ = static_cast<double>(shape.batch) * static_cast<double>(shape.m) *
                     static_cast<double>(shape.n) * static_cast<double>(shape.k);
    cost_ = cost_of(multiply_adds_) / static_cast<double>(std::max<int64_t>(kernel_.tasks(), 1));
  }

  uint64_t scratch_bytes() const override { return kernel_.scratch_bytes(); }
  double multiply_adds() const override { return multiply_adds_; }

  Status run(const Run& run) override {
    simd::Matmul::Args args = operands_.args;
    args.a = run.in(operands_.a);
    args.b = run.in(operands_.b);
    args.c = run.out(operands_.c);
    run.parallel(kernel_.tasks(), cost_, [&](int64_t begin, int64_t end, std::byte* scratch) {
      kernel_.run(args, begin, end, scratch);
    });
    return {};
  }

 private:
  simd::Matmul kernel_;
  MatmulOperands operands_;
  double multiply_adds_ = 0;
  double cost_ = 0;
};

}  // namespace

std::unique_ptr<Step> conv_step(simd::Conv2d kernel, ConvOperands operands,
                                simd::Epilogue epilogue) {
  const simd::Conv2dShape& shape = kernel.shape();
  const double work = static_cast<double>(shape.n * shape.out_h() * shape.out_w()) *
                      static_cast<double>(shape.out_channels * shape.in_channels / shape.groups) *
                      static_cast<double>(shape.kernel_h * shape.kernel_w);
  return std::make_unique<ProductStep<simd::Conv2d>>(std::move(kernel), std::move(operands),
                                                     epilogue, work);
}

std::unique_ptr<Step> conv_transpose_step(simd::ConvTranspose2d kernel, ConvOperands operands,
                                          simd::Epilogue epilogue) {
  const simd::ConvTranspose2dShape& shape = kernel.shape();
  const double work = static_cast<double>(shape.n * shape.h * shape.w) *
                      static_cast<double>(shape.out_channels * shape.in_channels / shape.groups) *
                      static_cast<double>(shape.kernel_h * shape.kernel_w);
  return std::make_unique<ProductStep<simd::ConvTranspose2d>>(std::move(kernel),
                                                              std::move(operands), epilogue, work);
}

std::unique_ptr<Step> gemm_step(simd::Gemm kernel, ConvOperands operands, simd::Epilogue epilogue) {
  const simd::Gemm::Shape& shape = kernel.shape();
  const double work =
      static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  return std::make_unique<ProductStep<simd::Gemm>>(std::move(kernel), std::move(operands), epilogue,
                                                   work);
}

std::unique_ptr<Step> matmul_step(simd::Matmul kernel, MatmulOperands operands) {
  return std::make_unique<MatmulStep>(std::move(kernel), std::move(operands));
}

}  // namespace pte::engine
