// Batch normalisation by the batch's own statistics, and group normalisation.
#include <cmath>

#include "kernels/norm/norm.h"

namespace pte::kernels {
namespace {

// The parameters of a normalisation, in double; absent weights are 1, absent biases 0.
struct Affine {
  std::vector<double> weight;
  std::vector<double> bias;
};

Result<std::vector<double>> vector_of(const Call& call, const Tensor* tensor, int64_t count,
                                      double otherwise) {
  if (tensor == nullptr) return std::vector<double>(static_cast<size_t>(count), otherwise);
  PTE_TRY(const Tensor dense, dense_as<double>(call, *tensor));
  const double* data = dense.data_as<double>();
  return std::vector<double>(data, data + count);
}

Result<Affine> affine_of(const Call& call, int64_t channels) {
  const Tensor* weight = call.optional_tensor(1);
  const Tensor* bias = call.optional_tensor(2);
  PTE_CHECK(check_norm_vector(call, weight, "weight", channels));
  PTE_CHECK(check_norm_vector(call, bias, "bias", channels));
  Affine affine;
  PTE_TRY(affine.weight, vector_of(call, weight, channels, 1));
  PTE_TRY(affine.bias, vector_of(call, bias, channels, 0));
  return affine;
}

// Sum and sum of squared differences from the mean over `runs` runs of `length` elements.
struct Moments {
  double mean = 0;
  double squares = 0;
};

template <typename C>
Moments moments_of(const C* data, int64_t runs, int64_t step, int64_t length) {
  const auto count = static_cast<double>(runs * length);
  double sum = 0;
  for (int64_t r = 0; r < runs; ++r) {
    for (int64_t i = 0; i < length; ++i) sum += static_cast<double>(data[r * step + i]);
  }
  Moments moments{sum / count, 0};
  for (int64_t r = 0; r < runs; ++r) {
    for (int64_t i = 0; i < length; ++i) {
      const double d = static_cast<double>(data[r * step + i]) - moments.mean;
      moments.squares += d * d;
    }
  }
  return moments;
}

Status check_input(const Call& call, const Tensor& input) {
  PTE_CHECK(check_real(call, input));
  if (is_floating(input.dtype())) return {};
  return call.not_supported("operands of type {}", dtype_name(input.dtype()));
}

// Moves running statistics towards those of the batch; the variance is the unbiased one.
Status update(const Call& call, Tensor& running, const std::vector<double>& batch,
              double momentum) {
  PTE_TRY(DenseOut<double> out, DenseOut<double>::make(call, running));
  PTE_TRY(const Tensor before, dense_as<double>(call, running));
  const std::vector<double> old(before.data_as<double>(), before.data_as<double>() + batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    out.data()[i] = momentum * batch[i] + (1 - momentum) * old[i];
  }
  return out.commit(call);
}

// Normalises by the batch; running statistics, when there are any, are updated.
Status by_batch(Call& call, Tensor* running_mean, Tensor* running_var, double momentum,
                double eps) {
  const Tensor& input = call.tensor(0);
  if (input.rank() < 2) return call.invalid("input {} has no channel dimension", input.describe());
  if (input.numel() == 0) return call.invalid("input {} has no elements", input.describe());
  const int64_t channels = input.size(1);
  PTE_TRY(const Affine affine, affine_of(call, channels));
  for (Tensor* running : {running_mean, running_var}) {
    PTE_CHECK(check_norm_vector(call, running, "running statistics", channels));
    if (running != nullptr) PTE_CHECK(check_out_type(call, DType::kFloat32, *running));
  }
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), input.sizes()));
  for (const size_t i : {size_t{1}, size_t{2}}) {
    PTE_CHECK(check_out_type(call, DType::kFloat32, call.out(i)));
    PTE_CHECK(resize_out(call, call.out(i), {channels}));
  }
  const int64_t batch = input.size(0);
  const int64_t length = input.numel() / (batch * channels);
  const auto count = static_cast<double>(batch * length);
  std::vector<double> means(static_cast<size_t>(channels));
  std::vector<double> variances(static_cast<size_t>(channels));
  const Status done = dispatch_floating(input.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, input));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    PTE_TRY(DenseOut<double> mean_out, DenseOut<double>::make(call, call.out(1)));
    PTE_TRY(DenseOut<double> scale_out, DenseOut<double>::make(call, call.out(2)));
    const C* const source = dense.data_as<C>();
    C* const target = out.data();
    double* const mean_data = mean_out.data();
    double* const scale_data = scale_out.data();
    call.parallel_for(channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        const auto at = static_cast<size_t>(c);
        const int64_t step = channels * length;
        const Moments moments = moments_of(source + c * length, batch, step, length);
        means[at] = moments.mean;
        variances[at] = moments.squares / (count - 1);
        mean_data[c] = moments.mean;
        scale_data[c] = 1.0 / std::sqrt(moments.squares / count + eps);
        for (int64_t n = 0; n < batch; ++n) {
          for (int64_t i = n * step + c * length; i < n * step + (c + 1) * length; ++i) {
            const double unit = (static_cast<double>(source[i]) - moments.mean) * scale_data[c];
            target[i] = static_cast<C>(unit * affine.weight[at] + affine.bias[at]);
          }
        }
      }
    });
    PTE_CHECK(out.commit(call));
    PTE_CHECK(mean_out.commit(call));
    return scale_out.commit(call);
  });
  PTE_CHECK(done);
  if (running_mean != nullptr) PTE_CHECK(update(call, *running_mean, means, momentum));
  if (running_var != nullptr) PTE_CHECK(update(call, *running_var, variances, momentum));
  return {};
}

}  // namespace

Status batch_norm_legit(Call& call) {
  PTE_CHECK(check_input(call, call.tensor(0)));
  if (!call.boolean(5)) return batch_norm_by_running(call, 7);
  return by_batch(call, &call.written(3), &call.written(4), call.real(6), call.real(7));
}

// Without running statistics the batch's own are all there is, whatever `training` says.
Status batch_norm_no_stats(Call& call) {
  PTE_CHECK(check_input(call, call.tensor(0)));
  return by_batch(call, nullptr, nullptr, call.real(4), call.real(5));
}

// Each image's channels in `group` groups, each normalised by itself.
Status group_norm(Call& call) {
  const Tensor& input = call.tensor(0);
  const int64_t batch = call.integer(3);
  const int64_t channels = call.integer(4);
  const int64_t pixels = call.integer(5);
  const int64_t groups = call.integer(6);
  const double eps = call.real(7);
  PTE_CHECK(check_input(call, input));
  const auto count = batch < 0 ? std::nullopt : element_count(std::array{batch, channels, pixels});
  if (!count || *count != input.numel() || groups < 1 || channels % groups != 0) {
    return call.invalid("{} is not {} images of {} channels in {} groups with {} pixels",
                        input.describe(), batch, channels, groups, pixels);
  }
  PTE_TRY(const Affine affine, affine_of(call, channels));
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), input.sizes()));
  for (const size_t i : {size_t{1}, size_t{2}}) {
    PTE_CHECK(check_out_type(call, DType::kFloat32, call.out(i)));
    PTE_CHECK(resize_out(call, call.out(i), {batch, groups}));
  }
  const int64_t items = call.out(1).numel();
  const int64_t width = channels / groups;
  return dispatch_floating(input.dtype(), [&]<typename C>(C) -> Status {
    PTE_TRY(const Tensor dense, dense_as<C>(call, input));
    PTE_TRY(DenseOut<C> out, DenseOut<C>::make(call, call.out()));
    PTE_TRY(DenseOut<double> mean_out, DenseOut<double>::make(call, call.out(1)));
    PTE_TRY(DenseOut<double> scale_out, DenseOut<double>::make(call, call.out(2)));
    const C* const source = dense.data_as<C>();
    C* const target = out.data();
    double* const mean_data = mean_out.data();
    double* const scale_data = scale_out.data();
    const int64_t length = width * pixels;
    call.parallel_for(
        items, 1 + (1 << 14) / std::max<int64_t>(length, 1), [&](int64_t begin, int64_t end) {
          for (int64_t item = begin; item < end; ++item) {
            const Moments moments =
                length == 0 ? Moments{} : moments_of(source + item * length, 1, 0, length);
            const double variance = length == 0 ? 0 : moments.squares / static_cast<double>(length);
            mean_data[item] = moments.mean;
            scale_data[item] = length == 0 ? std::nan("") : 1.0 / std::sqrt(variance + eps);
            const int64_t first = item % groups * width;
            for (int64_t i = 0; i < length; ++i) {
              const auto channel = static_cast<size_t>(first + i / pixels);
              const double unit = (static_cast<double>(source[item * length + i]) - moments.mean) *
                                  scale_data[item];
              target[item * length + i] =
                  static_cast<C>(unit * affine.weight[channel] + affine.bias[channel]);
            }
          }
        });
    PTE_CHECK(out.commit(call));
    PTE_CHECK(mean_out.commit(call));
    return scale_out.commit(call);
  });
}

}  // namespace pte::kernels
