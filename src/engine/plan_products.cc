// Convolutions and matrix products.
#include "engine/planner.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

namespace {

// [n, c, w] as [n, c, 1, w].
Operand with_height(Operand operand) {
  if (operand.sizes.size() != 3) return operand;
  operand.sizes.insert(operand.sizes.begin() + 2, 1);
  operand.strides.insert(operand.strides.begin() + 2, operand.strides[2]);
  return operand;
}

DimOrder channels_innermost(size_t rank) {
  DimOrder order{0};
  for (size_t dim = 2; dim < rank; ++dim) order.push_back(static_cast<uint8_t>(dim));
  order.push_back(1);
  return order;
}

// "3x3", "3x3 stride 2", "1x1".
std::string window_name(int64_t h, int64_t w, int64_t stride_h, int64_t stride_w) {
  std::string text = fmt::format("{}x{}", h, w);
  if (stride_h != 1 || stride_w != 1) {
    text += stride_h == stride_w ? fmt::format(" stride {}", stride_h)
                                 : fmt::format(" stride {}x{}", stride_h, stride_w);
  }
  return text;
}

std::string with_epilogue(std::string name, const Group& group) {
  if (group.epilogue.activation != simd::Activation::kNone) {
    name += fmt::format(", {}", simd::activation_name(group.epilogue.activation));
  }
  if (group.residual != nullptr) name += ", sum";
  return name;
}

std::string list_text(std::initializer_list<int64_t> numbers) {
  std::string text;
  for (const int64_t number : numbers) text.append(" ").append(std::to_string(number));
  return text;
}

// A convolution's weights, which the kernel takes dense.
template <typename Kernel>
PackJob conv_job(std::string what, const Tensor& weights, const Kernel& kernel) {
  PackJob job;
  job.what = std::move(what);
  job.sources = {weights};
  job.buffer = kernel.buffer();
  job.pack = [weights, kernel](std::byte* to) -> Status {
    PTE_TRY(const Tensor dense, weights.contiguous());
    kernel.pack(dense.data_as<float>(), to);
    return {};
  };
  return job;
}

// Packed weights do not depend on the number and the sizes of pictures: plans for other sizes
// share them.
PackJob conv_job(const simd::Conv2d& kernel, const Tensor& weights, simd::Isa isa) {
  const simd::Conv2dShape& s = kernel.shape();
  return conv_job(
      fmt::format("conv {}{} {} {}",
                  list_text({s.in_channels, s.out_channels, s.kernel_h, s.kernel_w, s.stride_h,
                             s.stride_w, s.pad_top, s.pad_left, s.pad_bottom, s.pad_right,
                             s.dilation_h, s.dilation_w, s.groups}),
                  s.input_nchw ? " planes" : "", simd::conv_algorithm_name(kernel.algorithm()),
                  simd::isa_name(isa)),
      weights, kernel);
}

PackJob conv_job(const simd::ConvTranspose2d& kernel, const Tensor& weights, simd::Isa isa) {
  const simd::ConvTranspose2dShape& s = kernel.shape();
  return conv_job(fmt::format("transposed conv {} {}",
                              list_text({s.in_channels, s.out_channels, s.kernel_h, s.kernel_w,
                                         s.stride_h, s.stride_w, s.pad_h, s.pad_w, s.output_pad_h,
                                         s.output_pad_w, s.dilation_h, s.dilation_w, s.groups}),
                              simd::isa_name(isa)),
                  weights, kernel);
}

// `weights` are [n, k] where `transposed`, else [k, n].
PackJob gemm_job(const simd::Gemm& kernel, const Tensor& weights, bool transposed, simd::Isa isa) {
  PackJob job;
  job.what = fmt::format("gemm{} {}", list_text({kernel.shape().n, kernel.shape().k}),
                         simd::isa_name(isa));
  job.sources = {weights};
  job.buffer = kernel.buffer();
  job.pack = [weights, kernel, transposed](std::byte* to) -> Status {
    // Rows of the other orientation are as good.
    if (weights.strides()[0] == 1 && weights.strides()[1] >= weights.size(0)) {
      kernel.pack(weights.data_as<float>(), weights.strides()[1], !transposed, to);
      return {};
    }
    PTE_TRY(const Tensor dense, weights.contiguous());
    kernel.pack(dense.data_as<float>(), dense.size(1), transposed, to);
    return {};
  };
  return job;
}

struct ConvArgs {
  std::vector<int64_t> stride, padding, dilation, output_padding;
  int64_t groups = 1;
};

// Two of each; nothing when they are not numbers.
std::optional<ConvArgs> conv_args(const Node& node, size_t rank) {
  ConvArgs out;
  const auto read = [&](std::string_view name, int64_t filler, std::vector<int64_t>& list) {
    auto given = node.arg(name).integers();
    if (!given || given->empty()) return false;
    while (given->size() < rank - 2) given->push_back(given->back());
    if (rank == 3) given->insert(given->begin(), filler);
    list = std::move(*given);
    return list.size() == 2;
  };
  const auto groups = node.arg("groups").integer();
  if (!groups || !read("stride", 1, out.stride) || !read("padding", 0, out.padding) ||
      !read("dilation", 1, out.dilation) || !read("output_padding", 0, out.output_padding)) {
    return std::nullopt;
  }
  out.groups = *groups;
  return out;
}

}  // namespace

Result<std::optional<simd::Epilogue>> Planner::epilogue_of(const Group& group, const Operand& out,
                                                           const DimOrder& order,
                                                           ConvOperands& operands,
                                                           std::vector<Operand>& reads) {
  simd::Epilogue epilogue = group.epilogue;
  if (group.residual == nullptr) return std::optional(epilogue);
  // Copies that the result waits for come behind the convolution, not behind a residual's.
  auto copies = std::move(pending_copies_);
  pending_copies_.clear();
  PTE_TRY(Operand residual, place(group.residual));
  const auto wanted = pixels_in_any_order(out.sizes, out.strides);
  auto pixels = pixels_in_any_order(residual.sizes, residual.strides);
  if (!pixels || !wanted || pixels->order != wanted->order) {
    residual = arranged(residual, order);
    pixels = pixels_in_any_order(residual.sizes, residual.strides);
  }
  pending_copies_ = std::move(copies);
  if (!pixels) {
    no("its residual has no rows");
    return std::optional<simd::Epilogue>();
  }
  epilogue.residual_stride = pixels->stride;
  operands.has_residual = true;
  operands.residual = residual;
  reads.push_back(std::move(residual));
  return std::optional(epilogue);
}

std::optional<simd::ConvAlgorithm> Planner::chosen_algorithm(const simd::Conv2dShape& shape) const {
  if (options_.choices == nullptr) return std::nullopt;
  const auto found = options_.choices->find(conv_key(shape));
  if (found == options_.choices->end()) return std::nullopt;
  if (found->second == simd::ConvAlgorithm::kWinograd4 && !options_.winograd) return std::nullopt;
  return found->second;
}

Result<bool> Planner::plan_convolution(const Group& group) {
  const Node* node = group.head;
  const size_t rank = node->result()->tensor().rank();
  if (rank != 3 && rank != 4) return no(fmt::format("a convolution of {} dimensions", rank));
  if (node->arg("transposed").boolean() != false) return plan_transposed(group);
  const auto weights = weights_of(node->input(1));
  if (!weights) return no("weights: " + weights.error().message);
  Tensor bias;
  if (!node->arg(2).is_none()) {
    auto found = dense_constant(node->input(2));
    if (!found) return no("bias: " + found.error().message);
    bias = std::move(*found);
  }
  const auto args = conv_args(*node, rank);
  if (!args) return no("its arguments are not numbers");
  const Node* pad = group.padding;
  PTE_TRY(const Operand given, place(pad == nullptr ? node->input(0) : pad->input(0)));
  if (given.dtype != DType::kFloat32) return no(fmt::format("it is {}", dtype_name(given.dtype)));
  Operand input = with_height(given);
  simd::Conv2dShape shape;
  shape.n = input.sizes[0];
  shape.in_channels = input.sizes[1];
  shape.h = input.sizes[2];
  shape.w = input.sizes[3];
  shape.out_channels = weights->size(0);
  shape.kernel_h = rank == 4 ? weights->size(2) : 1;
  shape.kernel_w = weights->size(rank - 1);
  shape.stride_h = args->stride[0];
  shape.stride_w = args->stride[1];
  shape.dilation_h = args->dilation[0];
  shape.dilation_w = args->dilation[1];
  shape.pad_top = shape.pad_bottom = args->padding[0];
  shape.pad_left = shape.pad_right = args->padding[1];
  shape.groups = args->groups;
  if (pad != nullptr) {
    const auto pads = *pad->arg(1).integers();
    if (pads.size() > 0) {
      shape.pad_left += pads[0];
      shape.pad_right += pads[1];
    }
    if (pads.size() > 2) {
      shape.pad_top += pads[2];
      shape.pad_bottom += pads[3];
    }
  }
  if (element_count(input.sizes) == 0) return no("it has no elements");
  const bool pointwise = shape.kernel_h == 1 && shape.kernel_w == 1 && shape.stride_h == 1 &&
                         shape.stride_w == 1 && shape.pad_top == 0 && shape.pad_left == 0 &&
                         shape.pad_bottom == 0 && shape.pad_right == 0 && shape.groups == 1;
  // A few planes are read as they come.
  constexpr int64_t kFewChannels = 4;
  const bool planes = shape.in_channels > 1 && shape.in_channels <= kFewChannels && !pointwise &&
                      shape.groups == 1 && input.is_contiguous();
  shape.input_nchw = planes;
  DimOrder order = channels_innermost(4);
  std::optional<Pixels> pixels;
  if (!planes) {
    pixels = pointwise ? pixels_in_any_order(input.sizes, input.strides)
                       : pixels_in_order(input.sizes, input.strides);
    if (!pixels) {
      input = with_height(arranged(given, channels_innermost(rank)));
      pixels = pixels_in_order(input.sizes, input.strides);
      if (!pixels) return no("its channels do not lie side by side");
    }
    if (pointwise) {
      order = pixels->order;
      order.push_back(1);
    }
  }
  auto kernel = kernels_.convs.find(node);
  if (kernel == kernels_.convs.end() || kernel->second.shape().input_nchw != planes) {
    simd::Conv2dOptions options;
    options.isa = options_.isa;
    options.winograd = options_.winograd;
    auto chosen = chosen_algorithm(shape);
    options.algorithm = chosen.value_or(simd::ConvAlgorithm::kAuto);
    auto made = simd::Conv2d::unpacked(shape, options);
    if (!made && chosen) {
      options.algorithm = simd::ConvAlgorithm::kAuto;
      made = simd::Conv2d::unpacked(shape, options);
    }
    if (!made) return no(made.error().message);
    kernels_.packing.insert_or_assign(node, conv_job(*made, *weights, options.isa));
    kernel = kernels_.convs.insert_or_assign(node, std::move(*made)).first;
  }
  // The order of the four dimensions, without the height that a row does not have.
  DimOrder own;
  for (const uint8_t dim : order) {
    if (rank == 4) {
      own.push_back(dim);
    } else if (dim != 2) {
      own.push_back(dim == 3 ? uint8_t{2} : dim);
    }
  }
  const Operand home = target(
      group.result(), own, pointwise ? [](const Operand& operand) {
        return pixels_in_any_order(operand.sizes, operand.strides).has_value();
      }
                                     : fits_pixels);
  const auto out_pixels = pointwise ? pixels_in_any_order(home.sizes, home.strides)
                                    : pixels_in_order(home.sizes, home.strides);
  ConvOperands operands;
  operands.input = input;
  operands.input_stride = pixels ? pixels->stride : 0;
  operands.output = home;
  operands.output_stride = out_pixels->stride;
  operands.bias = std::move(bias);
  std::vector<Operand> reads{input};
  PTE_TRY(const std::optional<simd::Epilogue> epilogue,
          epilogue_of(group, home, own, operands, reads));
  if (!epilogue) return false;
  const simd::Conv2d& conv = kernel->second;
  std::string name = fmt::format(
      "conv {} {}{}", window_name(shape.kernel_h, shape.kernel_w, shape.stride_h, shape.stride_w),
      simd::conv_algorithm_name(conv.algorithm()), planes ? " from planes" : "");
  if (chosen_algorithm(shape) == conv.algorithm()) name += " tuned";
  plan_.convs.push_back(shape);
  add(conv_step(conv, std::move(operands), *epilogue), group.what(),
      with_epilogue(std::move(name), group), reads, {home});
  return true;
}

Result<bool> Planner::plan_transposed(const Group& group) {
  const Node* node = group.head;
  const size_t rank = node->result()->tensor().rank();
  const auto weights = weights_of(node->input(1));
  if (!weights) return no("weights: " + weights.error().message);
  Tensor bias;
  if (!node->arg(2).is_none()) {
    auto found = dense_constant(node->input(2));
    if (!found) return no("bias: " + found.error().message);
    bias = std::move(*found);
  }
  const auto args = conv_args(*node, rank);
  if (!args) return no("its arguments are not numbers");
  PTE_TRY(Operand given, place(node->input(0)));
  if (given.dtype != DType::kFloat32) return no(fmt::format("it is {}", dtype_name(given.dtype)));
  if (given.count() == 0) return no("it has no elements");
  if (!pixels_in_order(given.sizes, given.strides)) {
    given = arranged(given, channels_innermost(rank));
  }
  const auto pixels = pixels_in_order(given.sizes, given.strides);
  if (!pixels) return no("its channels do not lie side by side");
  const Operand input = with_height(given);
  simd::ConvTranspose2dShape shape;
  shape.n = input.sizes[0];
  shape.in_channels = input.sizes[1];
  shape.h = input.sizes[2];
  shape.w = input.sizes[3];
  shape.out_channels = weights->size(1) * args->groups;
  shape.kernel_h = rank == 4 ? weights->size(2) : 1;
  shape.kernel_w = weights->size(rank - 1);
  shape.stride_h = args->stride[0];
  shape.stride_w = args->stride[1];
  shape.pad_h = args->padding[0];
  shape.pad_w = args->padding[1];
  shape.output_pad_h = args->output_padding[0];
  shape.output_pad_w = args->output_padding[1];
  shape.dilation_h = args->dilation[0];
  shape.dilation_w = args->dilation[1];
  shape.groups = args->groups;
  auto kernel = kernels_.transposed.find(node);
  if (kernel == kernels_.transposed.end()) {
    auto made = simd::ConvTranspose2d::unpacked(shape, options_.isa);
    if (!made) return no(made.error().message);
    kernels_.packing.insert_or_assign(node, conv_job(*made, *weights, options_.isa));
    kernel = kernels_.transposed.emplace(node, std::move(*made)).first;
  }
  const DimOrder order = channels_innermost(rank);
  const Operand home = target(group.result(), order, fits_pixels);
  ConvOperands operands;
  operands.input = input;
  operands.input_stride = pixels->stride;
  operands.output = home;
  operands.output_stride = pixels_in_order(home.sizes, home.strides)->stride;
  operands.bias = std::move(bias);
  std::vector<Operand> reads{input};
  PTE_TRY(const std::optional<simd::Epilogue> epilogue,
          epilogue_of(group, home, order, operands, reads));
  if (!epilogue) return false;
  add(conv_transpose_step(kernel->second, std::move(operands), *epilogue), group.what(),
      with_epilogue(fmt::format("transposed conv {}", window_name(shape.kernel_h, shape.kernel_w,
                                                                  shape.stride_h, shape.stride_w)),
                    group),
      reads, {home});
  return true;
}

Result<bool> Planner::plan_linear(const Group& group) {
  const Node* node = group.head;
  const bool is_linear = node->is(Op::aten_linear);
  const bool is_addmm = node->is(Op::aten_addmm);
  const Value* input_value = node->input(is_addmm ? 1 : 0);
  const Value* weight_value = node->input(is_addmm ? 2 : 1);
  const ir::Arg& bias_arg = node->arg(is_linear ? 2 : 0);
  if (is_addmm && (node->arg(3).number() != 1.0 || node->arg(4).number() != 1.0)) {
    return no("it scales its operands");
  }
  const auto weights = weights_of(weight_value);
  if (!weights) return no("weights: " + weights.error().message);
  if (weights->rank() != 2) return no("its weights are no matrix");
  Tensor bias;
  if ((is_linear || is_addmm) && !bias_arg.is_none()) {
    auto found = dense_constant(bias_arg.value());
    if (!found) return no("bias: " + found.error().message);
    const int64_t columns = weights->size(is_linear ? 0 : 1);
    if (found->numel() != columns || (found->rank() > 0 && found->sizes().back() != columns)) {
      return no("its bias is no row");
    }
    bias = std::move(*found);
  }
  PTE_TRY(Operand input, place(input_value));
  const Value* result = group.result();
  const Sizes sizes = *result->tensor().static_sizes();
  if (input.dtype != DType::kFloat32 || input.count() == 0 || input.sizes.empty() ||
      element_count(sizes) == 0) {
    return no("it is not float32, or has no elements");
  }
  const auto row_stride = [](const Operand& operand) -> std::optional<int64_t> {
    const size_t last = operand.sizes.size() - 1;
    if (operand.sizes[last] != 1 && operand.strides[last] != 1) return std::nullopt;
    std::vector<size_t> dims;
    for (size_t dim = 0; dim < last; ++dim) dims.push_back(dim);
    const auto stride = folded_stride(operand.sizes, operand.strides, dims, operand.sizes[last]);
    if (!stride || *stride < operand.sizes[last]) return std::nullopt;
    return stride;
  };
  auto stride = row_stride(input);
  if (!stride) {
    input = contiguous(input);
    stride = row_stride(input);
  }
  simd::Gemm::Shape shape;
  shape.k = input.sizes.back();
  shape.n = sizes.back();
  shape.m = input.count() / shape.k;
  auto kernel = kernels_.gemms.find(node);
  if (kernel == kernels_.gemms.end()) {
    auto made = simd::Gemm::unpacked(shape, options_.isa);
    if (!made) return no(made.error().message);
    kernels_.packing.insert_or_assign(node, gemm_job(*made, *weights, is_linear, options_.isa));
    kernel = kernels_.gemms.emplace(node, std::move(*made)).first;
  }
  const Operand home =
      target(result, contiguous_dim_order(sizes.size()), [](const Operand& operand) {
        return operand.is_dense_in(contiguous_dim_order(operand.sizes.size()));
      });
  ConvOperands operands;
  operands.input = input;
  operands.input_stride = *stride;
  operands.output = home;
  operands.output_stride = sizes.back();
  operands.bias = std::move(bias);
  std::vector<Operand> reads{input};
  simd::Epilogue epilogue = group.epilogue;
  if (group.residual != nullptr) {
    auto copies = std::move(pending_copies_);
    pending_copies_.clear();
    PTE_TRY(Operand residual, place(group.residual));
    auto residual_stride = row_stride(residual);
    if (!residual_stride) {
      residual = contiguous(residual);
      residual_stride = row_stride(residual);
    }
    pending_copies_ = std::move(copies);
    operands.has_residual = true;
    operands.residual = residual;
    epilogue.residual_stride = *residual_stride;
    reads.push_back(std::move(residual));
  }
  add(gemm_step(kernel->second, std::move(operands), epilogue), group.what(),
      with_epilogue(fmt::format("gemm {}x{}x{}", shape.m, shape.n, shape.k), group), reads, {home});
  return true;
}

Result<bool> Planner::plan_matmul(const Group& group) {
  const Node* node = group.head;
  PTE_TRY(Operand a, place(node->input(0)));
  PTE_TRY(Operand b, place(node->input(1)));
  const Value* result = group.result();
  const Sizes sizes = *result->tensor().static_sizes();
  const size_t rank = sizes.size();
  if (rank < 2 || a.sizes.size() != rank || b.sizes.size() != rank || a.dtype != DType::kFloat32 ||
      b.dtype != DType::kFloat32 || element_count(sizes) == 0 || a.count() == 0) {
    return no("its operands are no batches of float32 matrices");
  }
  for (size_t dim = 0; dim + 2 < rank; ++dim) {
    if (a.sizes[dim] != sizes[dim] || b.sizes[dim] != sizes[dim]) {
      return no("its batches are broadcast");
    }
  }
  simd::Matmul::Shape shape;
  shape.m = a.sizes[rank - 2];
  shape.k = a.sizes[rank - 1];
  shape.n = b.sizes[rank - 1];
  std::vector<size_t> batch;
  for (size_t dim = 0; dim + 2 < rank; ++dim) {
    shape.batch *= sizes[dim];
    batch.push_back(dim);
  }
  const auto row_of = [&](const Operand& operand, size_t row, size_t column) {
    return operand.sizes[row] == 1 ? std::max(operand.strides[row], operand.sizes[column])
                                   : operand.strides[row];
  };
  const auto rows = [&](const Operand& operand) {
    return (operand.sizes[rank - 1] == 1 || operand.strides[rank - 1] == 1) &&
           row_of(operand, rank - 2, rank - 1) >= operand.sizes[rank - 1] &&
           folded_stride(operand.sizes, operand.strides, batch, 0).has_value();
  };
  const auto columns = [&](const Operand& operand) {
    return (operand.sizes[rank - 2] == 1 || operand.strides[rank - 2] == 1) &&
           row_of(operand, rank - 1, rank - 2) >= operand.sizes[rank - 2] &&
           folded_stride(operand.sizes, operand.strides, batch, 0).has_value();
  };
  if (!rows(a)) a = contiguous(a);
  if (!rows(b) && !columns(b)) b = contiguous(b);
  shape.b_transposed = !rows(b);
  auto kernel = simd::Matmul::make(shape, options_.isa);
  if (!kernel) return no(kernel.error().message);
  const Operand c = target(result, contiguous_dim_order(rank), [](const Operand& operand) {
    return operand.is_dense_in(contiguous_dim_order(operand.sizes.size()));
  });
  MatmulOperands operands;
  operands.a = a;
  operands.b = b;
  operands.c = c;
  operands.args.a_stride = row_of(a, rank - 2, rank - 1);
  operands.args.a_batch_stride = *folded_stride(a.sizes, a.strides, batch, 0);
  operands.args.b_stride =
      shape.b_transposed ? row_of(b, rank - 1, rank - 2) : row_of(b, rank - 2, rank - 1);
  operands.args.b_batch_stride = *folded_stride(b.sizes, b.strides, batch, 0);
  operands.args.c_stride = shape.n;
  operands.args.c_batch_stride = shape.m * shape.n;
  operands.args.scale = static_cast<float>(group.scale);
  std::string name = fmt::format("matmul {}x {}x{}x{}", shape.batch, shape.m, shape.n, shape.k);
  if (group.scale != 1) name += ", scale";
  add(matmul_step(std::move(*kernel), std::move(operands)), group.what(), std::move(name), {a, b},
      {c});
  return true;
}

}  // namespace pte::engine
