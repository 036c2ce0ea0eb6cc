#include "simd/rows.h"

#include "simd/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/rows.cc"
#include <hwy/foreach_target.h>
// The line above includes this file again for each target, so it stays before the next ones.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/dispatch.h"

HWY_BEFORE_NAMESPACE();
namespace pte::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using D1 = hn::CappedTag<float, 1>;

// e^x for x <= 0 and NaN: 2^n * e^r with |r| <= ln(2)/2, the latter by its series to the seventh
// power (relative error below 2e-8 before rounding). Below the smallest normal number it is 0.
template <typename DF>
HWY_INLINE hn::Vec<DF> exp_not_positive(DF d, hn::Vec<DF> x) {
  const hn::RebindToSigned<DF> di;
  const auto low = hn::Set(d, -87.33654f);
  const auto clamped = hn::Max(x, low);
  const auto n = hn::Round(hn::Mul(clamped, hn::Set(d, 1.44269504088896341f)));
  // ln 2 in two parts, so that the product with n is exact in the first.
  auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), clamped);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  auto p = hn::Set(d, 1.9841270e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3888889e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3333333e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1666667e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666667e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  const auto bits = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  const auto value = hn::Mul(p, hn::BitCast(d, bits));
  const auto kept = hn::IfThenElse(hn::Lt(x, low), hn::Zero(d), value);
  return hn::IfThenElse(hn::Eq(x, x), kept, x);
}

// The maximum of a row; -inf of none.
HWY_INLINE float largest_of(const float* in, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  float most = -std::numeric_limits<float>::infinity();
  int64_t i = 0;
  if (count >= lanes) {
    auto most_v = hn::LoadU(d, in);
    for (i = lanes; i + lanes <= count; i += lanes) most_v = hn::Max(most_v, hn::LoadU(d, in + i));
    most = hn::GetLane(hn::MaxOfLanes(d, most_v));
  }
  for (; i < count; ++i) most = std::max(most, in[i]);
  return most;
}

void softmax(const Rows& rows) {
  const D d;
  const D1 one;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t count = rows.count;
  for (int64_t row = 0; row < rows.rows; ++row) {
    const float* in = rows.in + row * rows.in_stride;
    float* out = rows.out + row * rows.out_stride;
    const float most = largest_of(in, count);
    int64_t i = 0;
    const auto shift = hn::Set(d, most);
    auto sum_v = hn::Zero(d);
    float sum = 0;
    for (i = 0; i + lanes <= count; i += lanes) {
      const auto e = exp_not_positive(d, hn::Sub(hn::LoadU(d, in + i), shift));
      sum_v = hn::Add(sum_v, e);
      hn::StoreU(e, d, out + i);
    }
    for (; i < count; ++i) {
      const auto e = exp_not_positive(one, hn::Set(one, in[i] - most));
      sum += hn::GetLane(e);
      hn::StoreU(e, one, out + i);
    }
    if (count >= lanes) sum += hn::GetLane(hn::SumOfLanes(d, sum_v));
    const float scale = 1.0f / sum;
    const auto scale_v = hn::Set(d, scale);
    for (i = 0; i + lanes <= count; i += lanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, out + i), scale_v), d, out + i);
    }
    for (; i < count; ++i) out[i] *= scale;
  }
}

void softmax_mean(const Rows& rows, const float* weights) {
  const D d;
  const D1 one;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t count = rows.count;
  for (int64_t row = 0; row < rows.rows; ++row) {
    const float* in = rows.in + row * rows.in_stride;
    const float most = largest_of(in, count);
    int64_t i = 0;
    const auto shift = hn::Set(d, most);
    auto sum_v = hn::Zero(d);
    auto mean_v = hn::Zero(d);
    float sum = 0;
    float mean = 0;
    for (i = 0; i + lanes <= count; i += lanes) {
      const auto e = exp_not_positive(d, hn::Sub(hn::LoadU(d, in + i), shift));
      sum_v = hn::Add(sum_v, e);
      mean_v = hn::MulAdd(e, hn::LoadU(d, weights + i), mean_v);
    }
    for (; i < count; ++i) {
      const float e = hn::GetLane(exp_not_positive(one, hn::Set(one, in[i] - most)));
      sum += e;
      mean += e * weights[i];
    }
    if (count >= lanes) {
      sum += hn::GetLane(hn::SumOfLanes(d, sum_v));
      mean += hn::GetLane(hn::SumOfLanes(d, mean_v));
    }
    rows.out[row * rows.out_stride] = mean / sum;
  }
}

// The sum of fn(x) over a row.
template <typename Fn, typename Fn1>
HWY_INLINE float sum_of(const float* in, int64_t count, const Fn& fn, const Fn1& fn1) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto a = hn::Zero(d);
  auto b = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    a = hn::Add(a, fn(hn::LoadU(d, in + i)));
    b = hn::Add(b, fn(hn::LoadU(d, in + i + lanes)));
  }
  for (; i + lanes <= count; i += lanes) a = hn::Add(a, fn(hn::LoadU(d, in + i)));
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(a, b)));
  for (; i < count; ++i) sum += fn1(in[i]);
  return sum;
}

void layer_norm(const Rows& rows, const float* weight, const float* bias, float epsilon) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t count = rows.count;
  for (int64_t row = 0; row < rows.rows; ++row) {
    const float* in = rows.in + row * rows.in_stride;
    float* out = rows.out + row * rows.out_stride;
    const auto size = static_cast<float>(count);
    const float mean = sum_of(
                           in, count, [](auto v) { return v; }, [](float v) { return v; }) /
                       size;
    const auto mean_v = hn::Set(d, mean);
    const float variance = sum_of(
                               in, count,
                               [&](auto v) {
                                 const auto c = hn::Sub(v, mean_v);
                                 return hn::Mul(c, c);
                               },
                               [&](float v) { return (v - mean) * (v - mean); }) /
                           size;
    const float scale = 1.0f / std::sqrt(variance + epsilon);
    const auto scale_v = hn::Set(d, scale);
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
      auto v = hn::Mul(hn::Sub(hn::LoadU(d, in + i), mean_v), scale_v);
      if (weight != nullptr) v = hn::Mul(v, hn::LoadU(d, weight + i));
      if (bias != nullptr) v = hn::Add(v, hn::LoadU(d, bias + i));
      hn::StoreU(v, d, out + i);
    }
    for (; i < count; ++i) {
      float v = (in[i] - mean) * scale;
      if (weight != nullptr) v *= weight[i];
      if (bias != nullptr) v += bias[i];
      out[i] = v;
    }
  }
}

// Columns in turn; for each, row(r) is where the r-th row begins. Blocks of rows are summed before
// they are added, so that long sums lose little.
template <typename RowAt>
HWY_INLINE void sum_columns(const RowAt& row, int64_t rows, int64_t count, float scale,
                            float* out) {
  constexpr int64_t kBlock = 32;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    auto total = hn::Zero(d);
    for (int64_t begin = 0; begin < rows; begin += kBlock) {
      const int64_t end = std::min(rows, begin + kBlock);
      auto part = hn::Zero(d);
      for (int64_t r = begin; r < end; ++r) part = hn::Add(part, hn::LoadU(d, row(r) + c));
      total = hn::Add(total, part);
    }
    hn::StoreU(hn::Mul(total, hn::Set(d, scale)), d, out + c);
  }
  for (; c < count; ++c) {
    float total = 0;
    for (int64_t begin = 0; begin < rows; begin += kBlock) {
      const int64_t end = std::min(rows, begin + kBlock);
      float part = 0;
      for (int64_t r = begin; r < end; ++r) part += row(r)[c];
      total += part;
    }
    out[c] = total * scale;
  }
}

void sum_rows(const float* in, int64_t in_stride, int64_t rows, int64_t count, float scale,
              float* out) {
  sum_columns([&](int64_t r) { return in + r * in_stride; }, rows, count, scale, out);
}

void sum_of_rows(const float* const* rows, int64_t row_count, int64_t count, float scale,
                 float* out) {
  sum_columns([&](int64_t r) { return rows[r]; }, row_count, count, scale, out);
}

void row_sums(const Rows& rows, float scale) {
  for (int64_t row = 0; row < rows.rows; ++row) {
    rows.out[row * rows.out_stride] =
        scale * sum_of(
                    rows.in + row * rows.in_stride, rows.count, [](auto v) { return v; },
                    [](float v) { return v; });
  }
}

void max_of_rows(const float* const* rows, int64_t row_count, int64_t count, float* out) {
  const auto larger = [](auto a, auto b) {
    // a >= b is false with NaN in either: then b, unless a is the NaN.
    return hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::Not(hn::Eq(a, a))), a, b);
  };
  const auto columns = [&](auto d, int64_t c) {
    auto most = hn::LoadU(d, rows[0] + c);
    for (int64_t r = 1; r < row_count; ++r) most = larger(most, hn::LoadU(d, rows[r] + c));
    hn::StoreU(most, d, out + c);
  };
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= count; c += lanes) columns(d, c);
  for (; c < count; ++c) columns(D1(), c);
}

}  // namespace HWY_NAMESPACE
}  // namespace pte::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pte::simd {

HWY_EXPORT(softmax);
HWY_EXPORT(softmax_mean);
HWY_EXPORT(layer_norm);
HWY_EXPORT(sum_rows);
HWY_EXPORT(row_sums);
HWY_EXPORT(max_of_rows);
HWY_EXPORT(sum_of_rows);

void softmax(const Rows& rows, Isa isa) { PTE_SIMD_PICK(softmax, isa)(rows); }

void softmax_mean(const Rows& rows, const float* weights, Isa isa) {
  PTE_SIMD_PICK(softmax_mean, isa)(rows, weights);
}

void layer_norm(const Rows& rows, const float* weight, const float* bias, float epsilon, Isa isa) {
  PTE_SIMD_PICK(layer_norm, isa)(rows, weight, bias, epsilon);
}

void sum_rows(const float* in, int64_t in_stride, int64_t rows, int64_t count, float scale,
              float* out, Isa isa) {
  PTE_SIMD_PICK(sum_rows, isa)(in, in_stride, rows, count, scale, out);
}

void row_sums(const Rows& rows, float scale, Isa isa) { PTE_SIMD_PICK(row_sums, isa)(rows, scale); }

void max_of_rows(const float* const* rows, int64_t row_count, int64_t count, float* out, Isa isa) {
  PTE_SIMD_PICK(max_of_rows, isa)(rows, row_count, count, out);
}

void sum_of_rows(const float* const* rows, int64_t row_count, int64_t count, float scale,
                 float* out, Isa isa) {
  PTE_SIMD_PICK(sum_of_rows, isa)(rows, row_count, count, scale, out);
}

}  // namespace pte::simd
#endif
