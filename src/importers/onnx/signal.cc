// Fourier transforms, as products with matrices of sines and cosines, and windows.
#include <algorithm>
#include <cmath>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;

constexpr int64_t kMaxLength = 8192;

// [n, bins] of cos and sin of 2 pi k t / n.
struct Waves {
  Ex cos, sin;
};
Waves waves(NodeCall& c, int64_t n, int64_t rows, int64_t bins, DType dtype) {
  std::vector<double> cosines, sines;
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t k = 0; k < bins; ++k) {
      const double angle = 2 * M_PI * static_cast<double>(t * k % n) / static_cast<double>(n);
      cosines.push_back(std::cos(angle));
      sines.push_back(std::sin(angle));
    }
  }
  const auto make = [&](const std::vector<double>& list) {
    return c.e.constant("waves", Tensor::of<double>({rows, bins}, std::span<const double>(list)))
        .cast(dtype);
  };
  return {make(cosines), make(sines)};
}

// x [..., n, parts] with the transformed dimension before the last; parts 1 (real) or 2.
Ex transform(NodeCall& c, const Ex& x, int64_t length, bool onesided, bool inverse) {
  const int64_t given = x.fixed(x.rank() - 2), parts = x.fixed(x.rank() - 1);
  if (c.failed()) return x;
  if (length < 1 || length > kMaxLength) {
    c.fail(unsupported("a transform of {} elements", length));
    return x;
  }
  const int64_t rows = std::min(given, length);  // what is missing is zero
  int64_t bins = onesided ? length / 2 + 1 : length;
  const Ex used = rows == given ? x : x.slice(-2, int64_t{0}, rows);
  if (inverse && onesided) {
    // Half a spectrum, the rest being its mirror, into real numbers.
    c.fail(unsupported("a one-sided inverse transform"));
    return x;
  }
  const Waves w = waves(c, length, rows, bins, x.dtype());
  const Ex re = used.select(-1, int64_t{0});
  const double sign = inverse ? 1 : -1;
  Ex out_re = re.matmul(w.cos), out_im = re.matmul(w.sin) * sign;
  if (parts == 2) {
    const Ex im = used.select(-1, int64_t{1});
    out_re = out_re - im.matmul(w.sin) * sign;
    out_im = out_im + im.matmul(w.cos);
  }
  Ex y = c.e.stack({out_re, out_im}, out_re.dims());
  return inverse ? y / static_cast<double>(length) : y;
}

void dft(NodeCall& c) {
  Ex x = c.in(0);
  int64_t axis = 1;
  if (c.opset < 20) {
    axis = c.i("axis", 1);
  } else if (c.has(2)) {
    const auto given = c.ints(2);
    if (!given.empty()) axis = given[0];
  } else {
    axis = -2;
  }
  if (c.failed()) return;
  axis = c.wrap(axis, x.rank());
  if (c.failed() || x.rank() < 2 || axis + 1 == x.dims())
    return c.fail(invalid_data("a transform along the last dimension"));
  int64_t length = x.fixed(static_cast<size_t>(axis));
  if (c.has(1)) {
    const auto given = c.ints(1);
    if (!given.empty()) length = given[0];
  }
  if (c.failed()) return;
  const bool moved = axis + 2 != x.dims();
  if (moved) x = x.transpose(axis, -2);
  const bool inverse = c.i("inverse", 0) != 0, onesided = c.i("onesided", 0) != 0;
  if (inverse && onesided) {
    // The signal of n numbers whose spectrum's first half this is.
    const int64_t half = x.fixed(x.rank() - 2);
    if (!c.has(1)) length = 2 * (half - 1);
    const int64_t used = std::min(half, length / 2 + 1);
    if (c.failed() || length < 1 || length > kMaxLength)
      return c.fail(unsupported("a transform of {} elements", length));
    const Ex spectrum = x.slice(-2, int64_t{0}, used);
    std::vector<double> weights;
    for (int64_t k = 0; k < used; ++k) weights.push_back(k == 0 || 2 * k == length ? 1.0 : 2.0);
    const Ex weight =
        c.e.constant("weights", Tensor::of<double>({used}, std::span<const double>(weights)))
            .cast(x.dtype());
    const Waves w = waves(c, length, used, length, x.dtype());
    const Ex re = spectrum.select(-1, int64_t{0}) * weight,
             im = spectrum.select(-1, int64_t{1}) * weight;
    Ex y = ((re.matmul(w.cos) - im.matmul(w.sin)) / static_cast<double>(length)).unsqueeze(-1);
    return c.set(moved ? y.transpose(axis, -2) : y);
  }
  const Ex y = transform(c, x, length, onesided, inverse);
  c.set(moved ? y.transpose(axis, -2) : y);
}

void stft(NodeCall& c) {
  Ex x = c.in(0);
  const auto step = c.ints(1);
  if (c.failed() || step.empty()) return;
  if (x.rank() == 2) x = x.unsqueeze(2);
  const Ex window = c.maybe(2);
  int64_t length = window.v == nullptr ? 0 : window.fixed(0);
  if (c.has(3)) {
    const auto given = c.ints(3);
    if (!given.empty()) length = given[0];
  }
  const int64_t total = x.fixed(1);
  if (c.failed()) return;
  if (length < 1 || length > total || step[0] < 1)
    return c.fail(invalid_data("frames of {} in {} elements", length, total));
  // [batch, frames, length, parts]
  Ex frames = c.e.call(Op::aten_unfold_copy, {x.v, int64_t{1}, length, step[0]}).transpose(2, 3);
  if (window.v != nullptr) frames = frames * window.view({int64_t{-1}, int64_t{1}});
  c.set(transform(c, frames, length, c.i("onesided", 1) != 0, false));
}

// Sums of cosines: w(n) = sum of a[k] cos(2 pi k n / N).
void window(NodeCall& c, const std::vector<double>& shares) {
  const auto size = c.ints(0);
  if (c.failed() || size.empty()) return;
  const int64_t n = size[0];
  if (n < 0 || n > (1 << 24)) return c.fail(invalid_data("a window of {}", n));
  const auto to = carrier_type(static_cast<int32_t>(c.i("output_datatype", 1)));
  if (!to) return c.fail(Error(to.error()));
  const int64_t period = c.i("periodic", 1) != 0 ? n : n - 1;
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) {
    double value = 0;
    for (size_t k = 0; k < shares.size(); ++k)
      value += shares[k] * std::cos(2 * M_PI * static_cast<double>(k) * static_cast<double>(i) /
                                    static_cast<double>(std::max<int64_t>(period, 1)));
    values.push_back(value);
  }
  c.set(c.e.constant("window", Tensor::of<double>({n}, std::span<const double>(values))).cast(*to));
}
void hann(NodeCall& c) { window(c, {0.5, -0.5}); }
void hamming(NodeCall& c) { window(c, {25.0 / 46, -21.0 / 46}); }
void blackman(NodeCall& c) { window(c, {0.42, -0.5, 0.08}); }

void mel_weight_matrix(NodeCall& c) {
  const auto bins = c.ints(0), length = c.ints(1), rate = c.ints(2);
  const auto low = c.numbers(3), high = c.numbers(4);
  if (c.failed() || bins.empty() || length.empty() || rate.empty() || low.empty() || high.empty())
    return;
  const int64_t columns = bins[0], rows = length[0] / 2 + 1;
  if (columns < 1 || columns > 4096 || rows < 1 || rows > (1 << 16))
    return c.fail(invalid_data("{} mel bins of {}", columns, length[0]));
  const auto to = carrier_type(static_cast<int32_t>(c.i("output_datatype", 1)));
  if (!to) return c.fail(Error(to.error()));
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  std::vector<int64_t> edges;
  const double from = mel(low[0]), step = (mel(high[0]) - from) / static_cast<double>(columns + 2);
  for (int64_t i = 0; i < columns + 2; ++i) {
    const double hertz = 700 * (std::pow(10, (from + static_cast<double>(i) * step) / 2595) - 1);
    const double bin =
        std::floor(static_cast<double>(length[0] + 1) * hertz / static_cast<double>(rate[0]));
    if (!(bin >= 0 && bin <= static_cast<double>(1 << 24)))
      return c.fail(invalid_data("a band of {} Hz", hertz));
    edges.push_back(static_cast<int64_t>(bin));
  }
  std::vector<float> matrix(static_cast<size_t>(rows * columns), 0.0F);
  const auto put = [&](int64_t row, int64_t column, double value) {
    if (row >= 0 && row < rows)
      matrix[static_cast<size_t>(row * columns + column)] = static_cast<float>(value);
  };
  for (int64_t i = 0; i < columns; ++i) {
    const int64_t a = edges[static_cast<size_t>(i)], b = edges[static_cast<size_t>(i) + 1],
                  d = edges[static_cast<size_t>(i) + 2];
    if (b == a) put(b, i, 1);
    for (int64_t j = a; j <= b && b > a; ++j)
      put(j, i, static_cast<double>(j - a) / static_cast<double>(b - a));
    for (int64_t j = b; j < d && d > b; ++j)
      put(j, i, static_cast<double>(d - j) / static_cast<double>(d - b));
  }
  c.set(c.e.constant("mel", Tensor::of<float>({rows, columns}, std::span<const float>(matrix)))
            .cast(*to));
}

constexpr RuleEntry kRules[] = {
    {"DFT", dft},
    {"STFT", stft},
    {"HannWindow", hann},
    {"HammingWindow", hamming},
    {"BlackmanWindow", blackman},
    {"MelWeightMatrix", mel_weight_matrix},
};

}  // namespace

std::span<const RuleEntry> signal_rules() { return kRules; }

}  // namespace pte::importers::onnx
