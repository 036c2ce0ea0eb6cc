// Batch and layer normalisation at inference.
#include <fmt/ranges.h>

#include <cmath>

#include "kernels/norm/norm.h"

namespace pte::kernels {

Status check_norm_vector(const Call& call, const Tensor* tensor, std::string_view name,
                         int64_t channels) {
  if (tensor == nullptr || (tensor->rank() == 1 && tensor->size(0) == channels)) return {};
  return call.invalid("{} {} does not fit {} channels", name, tensor->describe(), channels);
}

// Each channel becomes x * alpha + beta, its statistics folded in beforehand.
Status batch_norm_by_running(Call& call, size_t eps_arg) {
  const Tensor& input = call.tensor(0);
  const Tensor* weight = call.optional_tensor(1);
  const Tensor* bias = call.optional_tensor(2);
  const Tensor& mean = call.tensor(3);
  const Tensor& variance = call.tensor(4);
  const double eps = call.real(eps_arg);
  Tensor& out = call.out();
  if (!is_floating(input.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(input.dtype()));
  }
  PTE_CHECK(check_real(call, input));
  if (input.rank() < 2) return call.invalid("input {} has no channel dimension", input.describe());
  const int64_t channels = input.size(1);
  PTE_CHECK(check_norm_vector(call, weight, "weight", channels));
  PTE_CHECK(check_norm_vector(call, bias, "bias", channels));
  PTE_CHECK(check_norm_vector(call, &mean, "running_mean", channels));
  PTE_CHECK(check_norm_vector(call, &variance, "running_var", channels));
  PTE_CHECK(check_out_type(call, input.dtype(), out));
  PTE_CHECK(resize_out(call, out, input.sizes()));
  PTE_CHECK(resize_out(call, call.out(1), {0}));
  PTE_CHECK(resize_out(call, call.out(2), {0}));
  return dispatch_floating(input.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor means, dense_as<double>(call, mean));
    PTE_TRY(const Tensor variances, dense_as<double>(call, variance));
    Tensor weights;
    Tensor biases;
    if (weight != nullptr) {
      PTE_TRY(weights, dense_as<double>(call, *weight));
    }
    if (bias != nullptr) {
      PTE_TRY(biases, dense_as<double>(call, *bias));
    }
    std::vector<C> alpha(static_cast<size_t>(channels));
    std::vector<C> beta(static_cast<size_t>(channels));
    for (int64_t c = 0; c < channels; ++c) {
      const double scale = (weight == nullptr ? 1.0 : weights.data_as<double>()[c]) /
                           std::sqrt(variances.data_as<double>()[c] + eps);
      alpha[static_cast<size_t>(c)] = static_cast<C>(scale);
      beta[static_cast<size_t>(c)] =
          static_cast<C>((bias == nullptr ? 0.0 : biases.data_as<double>()[c]) -
                         means.data_as<double>()[c] * scale);
    }
    Strides by_channel(input.rank(), 0);
    by_channel[1] = 1;
    const auto vector = [&](const std::vector<C>& values) {
      return Operand{reinterpret_cast<const std::byte*>(values.data()), dtype_of<C>(), by_channel,
                     dtype_of<C>()};
    };
    map_elements<C>(
        call,
        std::array{Operand::of(input, input.sizes(), input.dtype()), vector(alpha), vector(beta)},
        out, input.dtype(), [](C x, C a, C b) { return x * a + b; });
    return {};
  });
}

namespace {

Status batch_norm(Call& call) { return batch_norm_by_running(call, 6); }

Status layer_norm(Call& call) {
  const Tensor& input = call.tensor(0);
  const std::vector<int64_t>& shape = call.ints(1);
  const Tensor* weight = call.optional_tensor(2);
  const Tensor* bias = call.optional_tensor(3);
  const double eps = call.real(4);
  Tensor& out = call.out();
  if (!is_floating(input.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(input.dtype()));
  }
  PTE_CHECK(check_real(call, input));
  const bool fits = !shape.empty() && shape.size() <= input.rank() &&
                    std::equal(shape.rbegin(), shape.rend(), input.sizes().rbegin());
  if (!fits) {
    return call.invalid("normalized_shape [{}] is not the end of {}", fmt::join(shape, ","),
                        input.describe());
  }
  for (const Tensor* vector : {weight, bias}) {
    if (vector != nullptr && vector->sizes() != shape) {
      return call.invalid("weight or bias {} does not have sizes [{}]", vector->describe(),
                          fmt::join(shape, ","));
    }
  }
  Sizes outer(input.sizes().begin(),
              input.sizes().end() - static_cast<std::ptrdiff_t>(shape.size()));
  int64_t rows = 1;
  for (const int64_t size : outer) rows *= size;
  int64_t length = 1;
  for (const int64_t size : shape) length *= size;
  Sizes statistics = outer;
  statistics.resize(input.rank(), 1);
  PTE_CHECK(check_out_type(call, input.dtype(), out));
  PTE_CHECK(resize_out(call, out, input.sizes()));
  PTE_CHECK(resize_out(call, call.out(1), statistics));
  PTE_CHECK(resize_out(call, call.out(2), statistics));
  return dispatch_floating(input.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, input));
    PTE_TRY(DenseOut<C> normal, DenseOut<C>::make(call, out));
    PTE_TRY(DenseOut<C> means, DenseOut<C>::make(call, call.out(1)));
    PTE_TRY(DenseOut<C> scales, DenseOut<C>::make(call, call.out(2)));
    Tensor weights;
    Tensor biases;
    if (weight != nullptr) {
      PTE_TRY(weights, dense_as<C>(call, *weight));
    }
    if (bias != nullptr) {
      PTE_TRY(biases, dense_as<C>(call, *bias));
    }
    const C* const w = weight == nullptr ? nullptr : weights.data_as<C>();
    const C* const b = bias == nullptr ? nullptr : biases.data_as<C>();
    C* const mean_data = means.data();
    C* const scale_data = scales.data();
    C* const target = normal.data();
    call.parallel_for(
        rows, 1 + (1 << 14) / std::max<int64_t>(length, 1), [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            const C* x = dense.data_as<C>() + row * length;
            double sum = 0;
            for (int64_t i = 0; i < length; ++i) sum += static_cast<double>(x[i]);
            const double mean = sum / static_cast<double>(length);
            double squares = 0;
            for (int64_t i = 0; i < length; ++i) {
              const double d = static_cast<double>(x[i]) - mean;
              squares += d * d;
            }
            const double scale = 1.0 / std::sqrt(squares / static_cast<double>(length) + eps);
            mean_data[row] = static_cast<C>(mean);
            scale_data[row] = static_cast<C>(scale);
            C* y = target + row * length;
            for (int64_t i = 0; i < length; ++i) {
              const double unit = (static_cast<double>(x[i]) - mean) * scale;
              y[i] = static_cast<C>(unit * static_cast<double>(w == nullptr ? C{1} : w[i]) +
                                    static_cast<double>(b == nullptr ? C{0} : b[i]));
            }
          }
        });
    PTE_CHECK(normal.commit(call));
    PTE_CHECK(means.commit(call));
    return scales.commit(call);
  });
}

}  // namespace

std::span<const Entry> norm_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten__native_batch_norm_legit_no_training, batch_norm},
      {Op::aten__native_batch_norm_legit, batch_norm_legit},
      {Op::aten__native_batch_norm_legit_no_stats, batch_norm_no_stats},
      {Op::aten_native_layer_norm, layer_norm},
      {Op::aten_native_group_norm, group_norm},
  };
  return kEntries;
}

}  // namespace pte::kernels
