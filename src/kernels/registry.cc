#include <vector>

#include "kernels/families.h"

namespace pte::kernels {
namespace {

std::vector<Kernel> gather() {
  std::vector<Kernel> table(static_cast<size_t>(Op::kCount), nullptr);
  for (const std::span<const Entry> family : {advanced_index_kernels(),
                                              along_kernels(),
                                              binary_math_kernels(),
                                              bitwise_kernels(),
                                              conv_kernels(),
                                              counting_kernels(),
                                              division_kernels(),
                                              elementwise_kernels(),
                                              factory_kernels(),
                                              fft_kernels(),
                                              layout_kernels(),
                                              linalg_kernels(),
                                              lookup_kernels(),
                                              masked_kernels(),
                                              math_kernels(),
                                              matmul_kernels(),
                                              norm_kernels(),
                                              pad_kernels(),
                                              pool_kernels(),
                                              prim_kernels(),
                                              quantized_convolution_kernels(),
                                              quantized_elementwise_kernels(),
                                              quantized_kernels(),
                                              quantized_linear_kernels(),
                                              random_kernels(),
                                              rearrange_kernels(),
                                              reduce_kernels(),
                                              resample_kernels(),
                                              scan_kernels(),
                                              search_kernels(),
                                              softmax_kernels(),
                                              sort_kernels(),
                                              unary_kernels()}) {
    for (const Entry& entry : family) table[static_cast<size_t>(entry.op)] = entry.kernel;
  }
  return table;
}

}  // namespace

Kernel find_kernel(Op op) {
  static const std::vector<Kernel> table = gather();
  return op < Op::kCount ? table[static_cast<size_t>(op)] : nullptr;
}

}  // namespace pte::kernels
