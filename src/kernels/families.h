// The kernels of each family. registry.cc gathers them; nothing registers itself.
#pragma once

#include <span>

#include "kernels/kernel.h"

namespace pte::kernels {

std::span<const Entry> advanced_index_kernels();
std::span<const Entry> along_kernels();
std::span<const Entry> binary_math_kernels();
std::span<const Entry> bitwise_kernels();
std::span<const Entry> conv_kernels();
std::span<const Entry> counting_kernels();
std::span<const Entry> division_kernels();
std::span<const Entry> elementwise_kernels();
std::span<const Entry> factory_kernels();
std::span<const Entry> fft_kernels();
std::span<const Entry> layout_kernels();
std::span<const Entry> linalg_kernels();
std::span<const Entry> lookup_kernels();
std::span<const Entry> masked_kernels();
std::span<const Entry> math_kernels();
std::span<const Entry> matmul_kernels();
std::span<const Entry> norm_kernels();
std::span<const Entry> pad_kernels();
std::span<const Entry> pool_kernels();
std::span<const Entry> prim_kernels();
std::span<const Entry> quantized_kernels();
std::span<const Entry> quantized_convolution_kernels();
std::span<const Entry> quantized_elementwise_kernels();
std::span<const Entry> quantized_linear_kernels();
std::span<const Entry> random_kernels();
std::span<const Entry> rearrange_kernels();
std::span<const Entry> reduce_kernels();
std::span<const Entry> resample_kernels();
std::span<const Entry> scan_kernels();
std::span<const Entry> search_kernels();
std::span<const Entry> softmax_kernels();
std::span<const Entry> sort_kernels();
std::span<const Entry> unary_kernels();

}  // namespace pte::kernels
