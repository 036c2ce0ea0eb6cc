#include "kernels/factory/windows.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/common/dense.h"
#include "kernels/elementwise/special_functions.h"

namespace pte::kernels {
namespace {

size_t argument_count(const Call& call) { return call.op().out_args.size(); }

// Fills the result with shape(x) for x from 0 to 1 over the window. A periodic window is one longer
// and loses its last element.
template <typename Shape>
Status window(Call& call, Shape shape) {
  const int64_t length = call.integer(0);
  const bool periodic = argument_count(call) < 2 || call.boolean(1);
  Tensor& out = call.out();
  if (length < 0) return call.invalid("window_length is {}, expected 0 or more", length);
  if (!is_floating(out.dtype())) {
    return call.not_supported("a result of type {}", dtype_name(out.dtype()));
  }
  PTE_CHECK(resize_out(call, out, {length}));
  PTE_TRY(auto dense, DenseOut<double>::make(call, out));
  const double last = static_cast<double>(periodic ? length : length - 1);
  for (int64_t i = 0; i < length; ++i) {
    dense.data()[i] = length == 1 ? 1 : shape(static_cast<double>(i) / last);
  }
  return dense.commit(call);
}

// alpha - beta * cos(2 pi x)
Status raised_cosine(Call& call, double alpha, double beta) {
  return window(call, [=](double x) { return alpha - beta * std::cos(2 * std::numbers::pi * x); });
}

}  // namespace

Status hamming_window(Call& call) {
  return raised_cosine(call, argument_count(call) > 2 ? call.real(2) : 0.54,
                       argument_count(call) > 3 ? call.real(3) : 0.46);
}

Status hann_window(Call& call) { return raised_cosine(call, 0.5, 0.5); }

Status blackman_window(Call& call) {
  return window(call, [](double x) {
    const double turn = 2 * std::numbers::pi * x;
    return 0.42 - 0.5 * std::cos(turn) + 0.08 * std::cos(2 * turn);
  });
}

Status bartlett_window(Call& call) {
  return window(call, [](double x) { return x <= 0.5 ? 2 * x : 2 - 2 * x; });
}

Status kaiser_window(Call& call) {
  const double beta = argument_count(call) > 2 ? call.real(2) : 12;
  return window(call, [beta](double x) {
    const double t = 2 * x - 1;
    const double z = beta * std::sqrt(std::max(0.0, 1 - t * t));
    return special::i0e(z) / special::i0e(beta) * std::exp(std::abs(z) - std::abs(beta));
  });
}

}  // namespace pte::kernels
