#include <algorithm>
#include <cstring>

#include "engine/quantized.h"
#include "simd/quantize.h"

namespace pte::engine {
namespace {

// ---- products

// Nanoseconds for so many multiply-adds of int8 on one core; only its order counts.
double cost_of(double multiply_adds) { return multiply_adds / 120; }

class ByteProductStep : public Step {
 public:
  ByteProductStep(simd::QConv2d kernel, ByteProductOperands operands)
      : kernel_(std::move(kernel)), operands_(std::move(operands)) {
    const simd::Conv2dShape& s = kernel_.shape().conv;
    const double pixels = static_cast<double>(s.n * s.out_h() * s.out_w());
    const double work = pixels * static_cast<double>(s.out_channels) *
                        static_cast<double>(s.in_channels / s.groups * s.kernel_h * s.kernel_w);
    cost_ = (cost_of(work) + 0.1 * pixels * static_cast<double>(s.out_channels)) /
            static_cast<double>(std::max<int64_t>(kernel_.tasks(), 1));
  }

  uint64_t scratch_bytes() const override { return kernel_.scratch_bytes(); }

  Status run(const Run& run) override {
    simd::QConv2d::Args args;
    args.input = run.in<int8_t>(operands_.input);
    args.input_stride = operands_.input_stride;
    args.output = run.out<int8_t>(operands_.output);
    args.output_stride = operands_.output_stride;
    args.table = operands_.table.get();
    run.parallel(kernel_.tasks(), cost_, [&](int64_t begin, int64_t end, std::byte* scratch) {
      kernel_.run(args, begin, end, scratch);
    });
    return {};
  }

 private:
  simd::QConv2d kernel_;
  ByteProductOperands operands_;
  double cost_ = 0;
};

class DynamicLinearStep : public Step {
 public:
  DynamicLinearStep(simd::QGemm kernel, Operand in, int64_t in_stride, Operand out)
      : kernel_(std::move(kernel)),
        in_(std::move(in)),
        in_stride_(in_stride),
        out_(std::move(out)) {
    const simd::QGemm::Shape& s = kernel_.shape();
    const double work =
        static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
    cost_ = cost_of(work) / static_cast<double>(std::max<int64_t>(kernel_.tasks(), 1));
  }

  uint64_t scratch_bytes() const override { return kernel_.scratch_bytes(); }

  Status run(const Run& run) override {
    simd::QGemm::Args args;
    args.a = run.in(in_);
    args.a_stride = in_stride_;
    args.c = run.out(out_);
    args.c_stride = kernel_.shape().n;
    run.parallel(kernel_.tasks(), cost_, [&](int64_t begin, int64_t end, std::byte* scratch) {
      kernel_.run(args, begin, end, scratch);
    });
    return {};
  }

 private:
  simd::QGemm kernel_;
  Operand in_;
  int64_t in_stride_;
  Operand out_;
  double cost_ = 0;
};

// ---- element by element

constexpr int64_t kBlock = 4096;

// Rows and columns of what operands of the result's sizes fold to, shared out in blocks.
template <size_t kOperands>
class Blocks {
 public:
  Blocks(const Operand& out, const std::array<const Operand*, kOperands - 1>& in) {
    std::vector<Strides> strides{out.strides};
    for (const Operand* operand : in) strides.push_back(operand->strides);
    loops_ = fold_loops(out.sizes, strides, order_of(out.sizes, out.strides));
    columns_ = loops_.sizes.back();
    for (size_t dim = 0; dim + 1 < loops_.sizes.size(); ++dim) rows_ *= loops_.sizes[dim];
    blocks_ = std::max<int64_t>((columns_ + kBlock - 1) / kBlock, 1);
    width_ = (columns_ + blocks_ - 1) / blocks_;
  }

  // Whether operand `i` (the result is 0) has one value for a whole row.
  bool one(size_t i) const { return loops_.strides[i].back() == 0; }

  // body(offsets, count): where the operands are, the result first.
  template <typename Body>
  void run(const Run& run, double cost, const Body& body) const {
    run.parallel(rows_ * blocks_, cost * static_cast<double>(width_) + 3,
                 [&](int64_t begin, int64_t end, std::byte*) {
                   int64_t at[kOperands];
                   for (int64_t task = begin; task < end; ++task) {
                     const int64_t first = task % blocks_ * width_;
                     const int64_t count = std::min(width_, columns_ - first);
                     if (count <= 0) continue;
                     locate(loops_, task / blocks_, {at, kOperands});
                     for (size_t i = 0; i < kOperands; ++i) at[i] += one(i) ? 0 : first;
                     body(at, count);
                   }
                 });
  }

 private:
  Loops loops_;
  int64_t columns_ = 1;
  int64_t rows_ = 1;
  int64_t blocks_ = 1;
  int64_t width_ = 1;
};

// Rows of the folded loops by the two innermost dimensions, in pieces that share the work.
class BytePairStep : public Step {
 public:
  BytePairStep(BytePair pair, Operand a, Operand b, Operand out, simd::Isa isa)
      : pair_(std::move(pair)),
        a_(std::move(a)),
        b_(std::move(b)),
        out_(std::move(out)),
        isa_(isa) {
    fold();
    if (loops_.strides[1].back() == 0) {
      // The one that is a single value comes second.
      std::swap(a_, b_);
      std::swap(pair_.sum.by_a, pair_.sum.by_b);
      std::swap(pair_.product.a_zero, pair_.product.b_zero);
      fold();
    }
    const size_t dims = loops_.sizes.size();
    columns_ = loops_.sizes.back();
    rows_ = dims > 1 ? loops_.sizes[dims - 2] : 1;
    for (size_t dim = 0; dim + 2 < dims; ++dim) outer_ *= loops_.sizes[dim];
    // Either the rows or, of a single one, the columns are cut.
    if (rows_ > 1) {
      piece_ = std::clamp<int64_t>(kBlock / std::max<int64_t>(columns_, 1), 1, rows_);
      pieces_ = (rows_ + piece_ - 1) / piece_;
    } else {
      piece_ = std::min(kBlock, std::max<int64_t>(columns_, 1));
      pieces_ = (columns_ + piece_ - 1) / piece_;
    }
  }

  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    const auto* const a = run.in<int8_t>(a_);
    const auto* const b = run.in<int8_t>(b_);
    auto* const out = run.out<int8_t>(out_);
    const double cost = 0.1 * static_cast<double>(rows_ > 1 ? piece_ * columns_ : piece_);
    run.parallel(outer_ * pieces_, cost + 3, [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t task = begin; task < end; ++task) {
        int64_t at[3];
        const int64_t first = task % pieces_ * piece_;
        simd::ByteRows rows;
        if (rows_ > 1) {
          locate(loops_, task / pieces_ * rows_ + first, at);
          const size_t dim = loops_.sizes.size() - 2;
          rows.rows = std::min(piece_, rows_ - first);
          rows.count = columns_;
          rows.out_stride = loops_.strides[0][dim];
          rows.a_stride = loops_.strides[1][dim];
          rows.b_stride = loops_.strides[2][dim];
        } else {
          locate(loops_, task / pieces_, at);
          for (size_t i = 0; i < 3; ++i) at[i] += first * loops_.strides[i].back();
          rows.rows = 1;
          rows.count = std::min(piece_, columns_ - first);
        }
        rows.a = a + at[1];
        rows.b = b + at[2];
        rows.one_b = loops_.strides[2].back() == 0;
        rows.out = out + at[0];
        piece(rows);
      }
    });
    return {};
  }

 private:
  void fold() {
    const Strides strides[] = {out_.strides, a_.strides, b_.strides};
    loops_ = fold_loops(out_.sizes, strides, order_of(out_.sizes, out_.strides));
  }

  void piece(simd::ByteRows rows) const {
    const int64_t count = rows.count;
    const bool one = loops_.strides[1].back() == 0;  // both are
    if (one) rows.count = 1;
    if (pair_.multiplies) {
      simd::multiply_bytes(pair_.product, rows, isa_);
    } else {
      simd::add_bytes(pair_.sum, rows, isa_);
    }
    for (int64_t r = 0; one && r < rows.rows; ++r) {
      int8_t* to = rows.out + r * rows.out_stride;
      std::memset(to, *to, static_cast<size_t>(count));
    }
    if (pair_.table == nullptr) return;
    const bool dense = rows.out_stride == count;
    for (int64_t r = 0; r < (dense ? 1 : rows.rows); ++r) {
      int8_t* to = rows.out + r * rows.out_stride;
      simd::look_up(*pair_.table, to, to, dense ? count * rows.rows : count, isa_);
    }
  }

  BytePair pair_;
  Operand a_;
  Operand b_;
  Operand out_;
  simd::Isa isa_;
  Loops loops_;
  int64_t columns_ = 1;
  int64_t rows_ = 1;
  int64_t outer_ = 1;
  int64_t piece_ = 1;  // rows, or columns of a single row
  int64_t pieces_ = 1;
};

class ByteMapStep : public Step {
 public:
  ByteMapStep(ByteMap map, Operand in, Operand out, simd::Isa isa)
      : map_(std::move(map)),
        in_(std::move(in)),
        out_(std::move(out)),
        isa_(isa),
        blocks_(out_, {&in_}) {}

  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    switch (map_.kind) {
      case ByteMap::Kind::kTable:
        return each<int8_t, int8_t>(run, 0.05, [&](const int8_t* in, int8_t* out, int64_t count) {
          simd::look_up(*map_.table, in, out, count, isa_);
        });
      case ByteMap::Kind::kQuantize:
        return each<float, int8_t>(run, 0.1, [&](const float* in, int8_t* out, int64_t count) {
          simd::quantize(in, map_.scale, map_.zero_point, map_.lowest, map_.highest, out, count,
                         isa_);
        });
      case ByteMap::Kind::kDequantize:
        return each<int8_t, float>(run, 0.1, [&](const int8_t* in, float* out, int64_t count) {
          simd::dequantize(in, map_.scale, map_.zero_point, out, count, isa_);
        });
    }
    return {};
  }

 private:
  template <typename In, typename Out, typename Body>
  Status each(const Run& run, double cost, const Body& body) const {
    const auto* const in = run.in<In>(in_);
    auto* const out = run.out<Out>(out_);
    blocks_.run(run, cost, [&](const int64_t* at, int64_t count) {
      if (blocks_.one(1)) {
        Out one;
        body(in + at[1], &one, 1);
        std::fill_n(out + at[0], count, one);
      } else {
        body(in + at[1], out + at[0], count);
      }
    });
    return {};
  }

  ByteMap map_;
  Operand in_;
  Operand out_;
  simd::Isa isa_;
  Blocks<2> blocks_;
};

class QuantizePlanesStep : public Step {
 public:
  QuantizePlanesStep(ByteMap map, Operand in, Operand out, simd::Isa isa)
      : map_(std::move(map)), in_(std::move(in)), out_(std::move(out)), isa_(isa) {}

  uint64_t scratch_bytes() const override {
    return static_cast<uint64_t>(in_.sizes[1] * kPixels) + kMostPlanes * sizeof(int8_t*);
  }

  Status run(const Run& run) override {
    const auto* const in = run.in(in_);
    auto* const out = run.out<int8_t>(out_);
    const int64_t planes = in_.sizes[1];
    const int64_t pixels = in_.sizes[2] * in_.sizes[3];
    const int64_t parts = (pixels + kPixels - 1) / kPixels;
    const double cost = 0.5 * static_cast<double>(kPixels * planes);
    run.parallel(in_.sizes[0] * parts, cost, [&](int64_t begin, int64_t end, std::byte* scratch) {
      const auto** rows = reinterpret_cast<const int8_t**>(scratch);
      auto* bytes = reinterpret_cast<int8_t*>(rows + kMostPlanes);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t first = task % parts * kPixels;
        const int64_t count = std::min(kPixels, pixels - first);
        const int64_t image = task / parts;
        for (int64_t p = 0; p < planes; ++p) {
          simd::quantize(in + (image * planes + p) * pixels + first, map_.scale, map_.zero_point,
                         map_.lowest, map_.highest, bytes + p * kPixels, count, isa_);
          rows[p] = bytes + p * kPixels;
        }
        simd::interleave_bytes(rows, planes, count, out + (image * pixels + first) * planes, isa_);
      }
    });
    return {};
  }

 private:
  static constexpr int64_t kPixels = 2048;
  static constexpr int64_t kMostPlanes = 16;

  ByteMap map_;
  Operand in_;
  Operand out_;
  simd::Isa isa_;
};

// ---- reductions

class ByteMeanStep : public Step {
 public:
  ByteMeanStep(ByteMean mean, Operand in, int64_t stride, Operand out, simd::Isa isa)
      : mean_(std::move(mean)),
        in_(std::move(in)),
        stride_(stride),
        out_(std::move(out)),
        isa_(isa) {}

  Status run(const Run& run) override {
    const auto* const in = run.in<int8_t>(in_);
    auto* const out = run.out<int8_t>(out_);
    const int64_t channels = in_.sizes[1];
    const int64_t pixels = in_.sizes[2] * in_.sizes[3];
    const int64_t parts = (channels + kChannels - 1) / kChannels;
    run.parallel(in_.sizes[0] * parts, 0.1 * static_cast<double>(pixels * kChannels),
                 [&](int64_t begin, int64_t end, std::byte*) {
                   int32_t sums[kChannels];
                   for (int64_t task = begin; task < end; ++task) {
                     const int64_t first = task % parts * kChannels;
                     const int64_t count = std::min(kChannels, channels - first);
                     const int64_t image = task / parts;
                     simd::sum_byte_rows(in + image * in_.strides[0] + first, stride_, pixels,
                                         count, sums, isa_);
                     int8_t* to = out + image * out_.strides[0] + first;
                     simd::finish_means(sums, mean_.scale, mean_.shift, -128, 127, to, count, isa_);
                     if (mean_.table != nullptr) simd::look_up(*mean_.table, to, to, count, isa_);
                   }
                 });
    return {};
  }

 private:
  static constexpr int64_t kChannels = 128;

  ByteMean mean_;
  Operand in_;
  int64_t stride_;
  Operand out_;
  simd::Isa isa_;
};

class BytePoolStep : public Step {
 public:
  BytePoolStep(Operand in, Operand out, const Window& window, simd::Isa isa)
      : in_(std::move(in)), out_(std::move(out)), window_(window), isa_(isa) {}

  uint64_t scratch_bytes() const override {
    return static_cast<uint64_t>(window_.kernel_h * window_.kernel_w) * sizeof(const int8_t*);
  }

  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    const auto* const in = run.in<int8_t>(in_);
    auto* const out = run.out<int8_t>(out_);
    const int64_t channels = out_.sizes[1];
    const int64_t out_h = out_.sizes[2];
    const int64_t out_w = out_.sizes[3];
    const double cost =
        0.03 * static_cast<double>(out_w * channels * window_.kernel_h * window_.kernel_w);
    run.parallel(out_.sizes[0] * out_h, cost, [&](int64_t begin, int64_t end, std::byte* scratch) {
      const auto** rows = reinterpret_cast<const int8_t**>(scratch);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t n = task / out_h;
        const int64_t y = task % out_h;
        for (int64_t x = 0; x < out_w; ++x) {
          const int64_t count = window(in + n * in_.strides[0], y, x, rows);
          simd::max_of_byte_rows(
              rows, count, channels,
              out + n * out_.strides[0] + y * out_.strides[2] + x * out_.strides[3], isa_);
        }
      }
    });
    return {};
  }

 private:
  // Its places inside the picture; their number.
  int64_t window(const int8_t* image, int64_t y, int64_t x, const int8_t** rows) const {
    int64_t count = 0;
    for (int64_t ky = 0; ky < window_.kernel_h; ++ky) {
      const int64_t row = y * window_.stride_h - window_.pad_h + ky;
      if (row < 0 || row >= in_.sizes[2]) continue;
      for (int64_t kx = 0; kx < window_.kernel_w; ++kx) {
        const int64_t column = x * window_.stride_w - window_.pad_w + kx;
        if (column < 0 || column >= in_.sizes[3]) continue;
        rows[count++] = image + row * in_.strides[2] + column * in_.strides[3];
      }
    }
    return count;
  }

  Operand in_;
  Operand out_;
  Window window_;
  simd::Isa isa_;
};

}  // namespace

std::unique_ptr<Step> byte_product_step(simd::QConv2d kernel, ByteProductOperands operands) {
  return std::make_unique<ByteProductStep>(std::move(kernel), std::move(operands));
}

std::unique_ptr<Step> dynamic_linear_step(simd::QGemm kernel, Operand in, int64_t in_stride,
                                          Operand out) {
  return std::make_unique<DynamicLinearStep>(std::move(kernel), std::move(in), in_stride,
                                             std::move(out));
}

std::unique_ptr<Step> byte_pair_step(BytePair pair, Operand a, Operand b, Operand out,
                                     simd::Isa isa) {
  return std::make_unique<BytePairStep>(std::move(pair), std::move(a), std::move(b), std::move(out),
                                        isa);
}

std::unique_ptr<Step> byte_map_step(ByteMap map, Operand in, Operand out, simd::Isa isa) {
  return std::make_unique<ByteMapStep>(std::move(map), std::move(in), std::move(out), isa);
}

std::unique_ptr<Step> quantize_planes_step(ByteMap map, Operand in, Operand out, simd::Isa isa) {
  return std::make_unique<QuantizePlanesStep>(std::move(map), std::move(in), std::move(out), isa);
}

std::unique_ptr<Step> byte_mean_step(ByteMean mean, Operand in, int64_t stride, Operand out,
                                     simd::Isa isa) {
  return std::make_unique<ByteMeanStep>(std::move(mean), std::move(in), stride, std::move(out),
                                        isa);
}

std::unique_ptr<Step> byte_pool_step(Operand in, Operand out, const Window& window, simd::Isa isa) {
  return std::make_unique<BytePoolStep>(std::move(in), std::move(out), window, isa);
}

}  // namespace pte::engine
