#include <algorithm>
#include <cstring>

#include "engine/steps.h"
#include "simd/rows.h"

namespace pte::engine {
namespace {

// Rows along one dimension whose elements lie side by side in both operands.
class RowLoops {
 public:
  RowLoops(const Operand& in, const Operand& out, size_t first_row_dim, size_t row_dims) {
    Sizes sizes = in.sizes;
    for (size_t dim = first_row_dim; dim < first_row_dim + row_dims; ++dim) sizes[dim] = 1;
    const Strides strides[] = {in.strides, out.strides};
    loops_ = fold_loops(sizes, strides, order_of(sizes, in.strides));
    inner_ = loops_.sizes.back();
    outer_ = 1;
    for (size_t dim = 0; dim + 1 < loops_.sizes.size(); ++dim) outer_ *= loops_.sizes[dim];
  }

  // Calls body(rows) for pieces of at most `step` rows each.
  template <typename Body>
  void run(const Run& run, const float* in, float* out, int64_t count, double cost,
           const Body& body) const {
    const auto wanted = static_cast<int64_t>(kRange / (cost * static_cast<double>(count) + 5)) + 1;
    const int64_t pieces = (inner_ + wanted - 1) / wanted;
    run.parallel(outer_ * pieces, cost * static_cast<double>(count * wanted),
                 [&](int64_t begin, int64_t end, std::byte*) {
                   for (int64_t task = begin; task < end; ++task) {
                     int64_t at[2];
                     locate(loops_, task / pieces, at);
                     const int64_t first = task % pieces * wanted;
                     simd::Rows rows;
                     rows.in_stride = loops_.strides[0].back();
                     rows.out_stride = loops_.strides[1].back();
                     rows.in = in + at[0] + first * rows.in_stride;
                     rows.out = out + at[1] + first * rows.out_stride;
                     rows.rows = std::min(wanted, inner_ - first);
                     rows.count = count;
                     body(rows);
                   }
                 });
  }

 private:
  Loops loops_;
  int64_t inner_ = 1;
  int64_t outer_ = 1;
};

class SoftmaxStep : public Step {
 public:
  SoftmaxStep(Operand in, Operand out, size_t dim, simd::Isa isa)
      : in_(std::move(in)), out_(std::move(out)), loops_(in_, out_, dim, 1), isa_(isa) {
    count_ = in_.sizes[dim];
  }
  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    loops_.run(run, run.in(in_), run.out(out_), count_, 1.0,
               [&](const simd::Rows& rows) { simd::softmax(rows, isa_); });
    return {};
  }

 private:
  Operand in_;
  Operand out_;
  RowLoops loops_;
  int64_t count_ = 0;
  simd::Isa isa_;
};

class SoftmaxMeanStep : public Step {
 public:
  SoftmaxMeanStep(Operand in, Operand out, size_t dim, Tensor weights, simd::Isa isa)
      : in_(std::move(in)),
        out_(std::move(out)),
        weights_(std::move(weights)),
        loops_(in_, out_, dim, 1),
        isa_(isa) {
    count_ = in_.sizes[dim];
  }
  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    loops_.run(run, run.in(in_), run.out(out_), count_, 1.0, [&](const simd::Rows& rows) {
      simd::softmax_mean(rows, weights_.data_as<float>(), isa_);
    });
    return {};
  }

 private:
  Operand in_;
  Operand out_;
  Tensor weights_;
  RowLoops loops_;
  int64_t count_ = 0;
  simd::Isa isa_;
};

class LayerNormStep : public Step {
 public:
  LayerNormStep(Operand in, Operand out, size_t row_dims, int64_t count, Tensor weight, Tensor bias,
                float epsilon, simd::Isa isa)
      : in_(std::move(in)),
        out_(std::move(out)),
        loops_(in_, out_, in_.sizes.size() - row_dims, row_dims),
        count_(count),
        weight_(std::move(weight)),
        bias_(std::move(bias)),
        epsilon_(epsilon),
        isa_(isa) {}
  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    const float* weight = weight_.numel() > 0 ? weight_.data_as<float>() : nullptr;
    const float* bias = bias_.numel() > 0 ? bias_.data_as<float>() : nullptr;
    loops_.run(run, run.in(in_), run.out(out_), count_, 0.6, [&](const simd::Rows& rows) {
      simd::layer_norm(rows, weight, bias, epsilon_, isa_);
    });
    return {};
  }

 private:
  Operand in_;
  Operand out_;
  RowLoops loops_;
  int64_t count_;
  Tensor weight_;
  Tensor bias_;
  float epsilon_;
  simd::Isa isa_;
};

// The dimensions that stay and those that go, each folded.
struct Reduction {
  Loops kept;  // strides: in, out
  Loops gone;  // strides: in
};

Reduction reduction_of(const Operand& in, const Strides& out, const std::vector<bool>& reduced) {
  Reduction made;
  Sizes kept = in.sizes;
  Sizes gone = in.sizes;
  for (size_t dim = 0; dim < kept.size(); ++dim) (reduced[dim] ? kept : gone)[dim] = 1;
  const DimOrder order = order_of(in.sizes, in.strides);
  const Strides both[] = {in.strides, out};
  made.kept = fold_loops(kept, both, order);
  made.gone = fold_loops(gone, std::span<const Strides>(&in.strides, 1), order);
  return made;
}

class ReduceStep : public Step {
 public:
  ReduceStep(Operand in, Operand out, const std::vector<bool>& reduced, float scale, simd::Isa isa)
      : in_(std::move(in)), out_(std::move(out)), scale_(scale), isa_(isa) {
    loops_ = reduction_of(in_, out_.strides, reduced);
    count_ = loops_.gone.sizes.back();
    stride_ = loops_.gone.strides[0].back();
    columns_ = loops_.kept.sizes.back();
    by_rows_ = loops_.kept.strides[0].back() == 1 && columns_ > 1;
    for (size_t dim = 0; dim + 1 < loops_.kept.sizes.size(); ++dim)
      outer_ *= loops_.kept.sizes[dim];
  }
  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    const float* const in = run.in(in_);
    float* const out = run.out(out_);
    // Rows of kept elements are summed onto each other, in bands of columns; or each row is summed.
    constexpr int64_t kBand = 64;
    const int64_t bands = by_rows_ ? (columns_ + kBand - 1) / kBand : columns_;
    const double cost = 0.15 * static_cast<double>(count_) *
                        static_cast<double>(by_rows_ ? std::min(kBand, columns_) : 1);
    run.parallel(outer_ * bands, cost, [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t task = begin; task < end; ++task) {
        int64_t at[2];
        locate(loops_.kept, task / bands, at);
        const int64_t band = task % bands;
        if (by_rows_) {
          const int64_t first = band * kBand;
          simd::sum_rows(in + at[0] + first, stride_, count_, std::min(kBand, columns_ - first),
                         scale_, out + at[1] + first, isa_);
        } else {
          simd::Rows rows;
          rows.in = in + at[0] + band * loops_.kept.strides[0].back();
          rows.out = out + at[1] + band * loops_.kept.strides[1].back();
          rows.rows = 1;
          rows.count = count_;
          simd::row_sums(rows, scale_, isa_);
        }
      }
    });
    return {};
  }

 private:
  Operand in_;
  Operand out_;
  float scale_;
  simd::Isa isa_;
  Reduction loops_;
  int64_t count_ = 1;
  int64_t stride_ = 1;
  int64_t columns_ = 1;
  int64_t outer_ = 1;
  bool by_rows_ = false;
};

class PoolStep : public Step {
 public:
  PoolStep(Operand in, Operand out, const Window& window, simd::Isa isa)
      : in_(std::move(in)), out_(std::move(out)), window_(window), isa_(isa) {}

  uint64_t scratch_bytes() const override {
    return static_cast<uint64_t>(window_.kernel_h * window_.kernel_w) * sizeof(const float*);
  }

  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    const float* const in = run.in(in_);
    float* const out = run.out(out_);
    const int64_t channels = out_.sizes[1];
    const int64_t out_h = out_.sizes[2];
    const int64_t out_w = out_.sizes[3];
    const double cost =
        0.1 * static_cast<double>(out_w * channels * window_.kernel_h * window_.kernel_w);
    run.parallel(out_.sizes[0] * out_h, cost, [&](int64_t begin, int64_t end, std::byte* scratch) {
      const auto** rows = reinterpret_cast<const float**>(scratch);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t n = task / out_h;
        const int64_t y = task % out_h;
        for (int64_t x = 0; x < out_w; ++x) {
          float* to = out + n * out_.strides[0] + y * out_.strides[2] + x * out_.strides[3];
          pixel(in + n * in_.strides[0], y, x, channels, rows, to);
        }
      }
    });
    return {};
  }

 private:
  void pixel(const float* image, int64_t y, int64_t x, int64_t channels, const float** rows,
             float* to) const {
    const int64_t top = y * window_.stride_h - window_.pad_h;
    const int64_t left = x * window_.stride_w - window_.pad_w;
    int64_t count = 0;
    int64_t padded =
        0;  // places inside the padded image: what a window may run over does not count
    for (int64_t ky = 0; ky < window_.kernel_h; ++ky) {
      const int64_t row = top + ky * window_.dilation_h;
      for (int64_t kx = 0; kx < window_.kernel_w; ++kx) {
        const int64_t column = left + kx * window_.dilation_w;
        if (row < in_.sizes[2] + window_.pad_h && column < in_.sizes[3] + window_.pad_w) ++padded;
        if (row < 0 || row >= in_.sizes[2] || column < 0 || column >= in_.sizes[3]) continue;
        rows[count++] = image + row * in_.strides[2] + column * in_.strides[3];
      }
    }
    if (window_.average) {
      const int64_t divisor = window_.divisor != 0    ? window_.divisor
                              : window_.count_padding ? padded
                                                      : count;
      simd::sum_of_rows(rows, count, channels, 1.0f / static_cast<float>(divisor), to, isa_);
    } else {
      simd::max_of_rows(rows, count, channels, to, isa_);
    }
  }

  Operand in_;
  Operand out_;
  Window window_;
  simd::Isa isa_;
};

class NearestStep : public Step {
 public:
  NearestStep(Operand in, Operand out, std::vector<int64_t> rows, std::vector<int64_t> columns)
      : in_(std::move(in)),
        out_(std::move(out)),
        rows_(std::move(rows)),
        columns_(std::move(columns)) {}
  Status run(const Run& run) override {
    const auto size = static_cast<int64_t>(size_of(out_.dtype));
    const std::byte* const in = run.in<std::byte>(in_) + in_.offset * (size - 1);
    std::byte* const out = run.out<std::byte>(out_) + out_.offset * (size - 1);
    const auto bytes = static_cast<size_t>(out_.sizes[1] * size);
    const auto out_h = static_cast<int64_t>(rows_.size());
    const double cost = 0.03 * static_cast<double>(columns_.size() * bytes);
    run.parallel(out_.sizes[0] * out_h, cost, [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t n = task / out_h;
        const int64_t y = task % out_h;
        const std::byte* from =
            in + (n * in_.strides[0] + rows_[static_cast<size_t>(y)] * in_.strides[2]) * size;
        std::byte* to = out + (n * out_.strides[0] + y * out_.strides[2]) * size;
        for (const int64_t column : columns_) {
          std::memcpy(to, from + column * in_.strides[3] * size, bytes);
          to += out_.strides[3] * size;
        }
      }
    });
    return {};
  }

 private:
  Operand in_;
  Operand out_;
  std::vector<int64_t> rows_;
  std::vector<int64_t> columns_;
};

}  // namespace

std::unique_ptr<Step> softmax_step(Operand in, Operand out, size_t dim, simd::Isa isa) {
  return std::make_unique<SoftmaxStep>(std::move(in), std::move(out), dim, isa);
}

std::unique_ptr<Step> softmax_mean_step(Operand in, Operand out, size_t dim, Tensor weights,
                                        simd::Isa isa) {
  return std::make_unique<SoftmaxMeanStep>(std::move(in), std::move(out), dim, std::move(weights),
                                           isa);
}

std::unique_ptr<Step> layer_norm_step(Operand in, Operand out, int64_t count, Tensor weight,
                                      Tensor bias, float epsilon, simd::Isa isa) {
  size_t row_dims = 0;
  for (int64_t size = 1; row_dims < in.sizes.size() && (row_dims == 0 || size < count);) {
    ++row_dims;
    size *= in.sizes[in.sizes.size() - row_dims];
  }
  return std::make_unique<LayerNormStep>(std::move(in), std::move(out), row_dims, count,
                                         std::move(weight), std::move(bias), epsilon, isa);
}

bool reduce_fits(const Operand& in, const std::vector<bool>& reduced) {
  const Reduction made = reduction_of(in, in.strides, reduced);
  if (made.gone.sizes.size() != 1) return false;
  const bool rows = made.kept.strides[0].back() == 1 && made.kept.sizes.back() > 1;
  return rows || made.gone.strides[0].back() == 1 || made.gone.sizes.back() == 1;
}

std::unique_ptr<Step> reduce_step(Operand in, Operand out, std::vector<bool> reduced, float scale,
                                  simd::Isa isa) {
  return std::make_unique<ReduceStep>(std::move(in), std::move(out), reduced, scale, isa);
}

std::unique_ptr<Step> pool_step(Operand in, Operand out, const Window& window, simd::Isa isa) {
  return std::make_unique<PoolStep>(std::move(in), std::move(out), window, isa);
}

std::unique_ptr<Step> nearest_step(Operand in, Operand out, std::vector<int64_t> rows,
                                   std::vector<int64_t> columns) {
  return std::make_unique<NearestStep>(std::move(in), std::move(out), std::move(rows),
                                       std::move(columns));
}

}  // namespace pte::engine
