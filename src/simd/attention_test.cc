#include "simd/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "simd/attention_rows.h"
#include "simd/testing.h"

namespace pte::simd {
namespace {

using testing::random_floats;

struct Case {
  Attention::Shape shape;
  bool rope = false;
  bool halves = false;
  bool mask = false;
};

// A row of `count`, turned by the tables as documented, in double precision.
std::vector<double> turned(const float* x, const Case& one, const float* cos, const float* sin) {
  const auto count = static_cast<size_t>(one.shape.head_dim);
  std::vector<double> out(count);
  for (size_t i = 0; i < count; ++i) {
    if (!one.rope) {
      out[i] = static_cast<double>(x[i]);
      continue;
    }
    const size_t half = count / 2;
    const bool second = one.halves ? i >= half : i % 2 == 1;
    const size_t other = one.halves ? (second ? i - half : i + half) : (second ? i - 1 : i + 1);
    const auto across = static_cast<double>(x[other]) * (second ? 1 : -1);
    out[i] = static_cast<double>(x[i]) * static_cast<double>(cos[i]) +
             across * static_cast<double>(sin[i]);
  }
  return out;
}

void check(const Case& one, Isa isa) {
  const Attention::Shape& s = one.shape;
  SCOPED_TRACE(::testing::Message()
               << isa_name(isa) << " b" << s.batch << " h" << s.heads << " " << s.queries << "x"
               << s.keys << " d" << s.head_dim << " v" << s.value_dim << (s.causal ? " causal" : "")
               << (one.rope ? " rope" : "") << (one.mask ? " mask" : ""));
  // Queries by head, keys and values side by side in one tensor, output by token.
  const int64_t kv = s.head_dim + s.value_dim + 1;
  const auto q = random_floats(s.batch * s.heads * s.queries * s.head_dim, 1);
  const auto k = random_floats(s.batch * s.keys * s.heads * kv, 2);
  const int64_t tokens = std::max(s.queries, s.keys);
  const auto cos = random_floats(tokens * s.head_dim, 3);
  const auto sin = random_floats(tokens * s.head_dim, 4);
  const auto mask = random_floats(s.heads * s.queries * s.keys, 5);
  const int64_t out_token = s.heads * s.value_dim;
  std::vector<float> out(static_cast<size_t>(s.batch * s.queries * out_token));
  auto attention = Attention::make(s, isa);
  ASSERT_TRUE(attention.has_value()) << attention.error().message;
  Attention::Args args;
  args.q = q.data();
  args.k = k.data();
  args.v = k.data() + s.head_dim;
  args.out = out.data();
  args.q_layout = {s.heads * s.queries * s.head_dim, s.queries * s.head_dim, s.head_dim};
  args.k_layout = {s.keys * s.heads * kv, kv, s.heads * kv};
  args.v_layout = args.k_layout;
  args.out_layout = {s.queries * out_token, s.value_dim, out_token};
  args.scale = 1 / std::sqrt(static_cast<float>(s.head_dim));
  if (one.mask) {
    args.mask = mask.data();
    args.mask_head_stride = s.queries * s.keys;
    args.mask_query_stride = s.keys;
  }
  if (one.rope) {
    args.rope_cos = cos.data();
    args.rope_sin = sin.data();
    args.rope_stride = s.head_dim;
    args.rope_halves = one.halves;
  }
  std::vector<float> scratch(attention->scratch_bytes() / 4 + 32);
  const auto address = reinterpret_cast<uintptr_t>(scratch.data());
  void* at = reinterpret_cast<std::byte*>(scratch.data()) + (64 - address % 64) % 64;
  for (int64_t task = attention->tasks(); task-- > 0;) attention->run(args, task, task + 1, at);

  double worst = 0;
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t h = 0; h < s.heads; ++h) {
      for (int64_t i = 0; i < s.queries; ++i) {
        const auto query = turned(q.data() + ((b * s.heads + h) * s.queries + i) * s.head_dim, one,
                                  cos.data() + i * s.head_dim, sin.data() + i * s.head_dim);
        const int64_t keys = s.causal ? std::min(s.keys, i + 1) : s.keys;
        std::vector<double> weights(static_cast<size_t>(keys));
        double largest = -1e30;
        for (int64_t j = 0; j < keys; ++j) {
          const auto key = turned(k.data() + ((b * s.keys + j) * s.heads + h) * kv, one,
                                  cos.data() + j * s.head_dim, sin.data() + j * s.head_dim);
          double sum = 0;
          for (size_t d = 0; d < key.size(); ++d) sum += query[d] * key[d];
          sum *= static_cast<double>(args.scale);
          if (one.mask) {
            sum += static_cast<double>(mask[static_cast<size_t>((h * s.queries + i) * s.keys + j)]);
          }
          weights[static_cast<size_t>(j)] = sum;
          largest = std::max(largest, sum);
        }
        double total = 0;
        for (double& weight : weights) total += weight = std::exp(weight - largest);
        for (int64_t c = 0; c < s.value_dim; ++c) {
          double sum = 0;
          for (int64_t j = 0; j < keys; ++j) {
            sum += weights[static_cast<size_t>(j)] / total *
                   static_cast<double>(args.v[((b * s.keys + j) * s.heads + h) * kv + c]);
          }
          const double error = std::abs(
              sum -
              static_cast<double>(
                  out[static_cast<size_t>((b * s.queries + i) * out_token + h * s.value_dim + c)]));
          if (!(error <= worst)) worst = error;
        }
      }
    }
  }
  EXPECT_LE(worst, 3e-6);
  std::vector<float> again(out.size());
  args.out = again.data();
  attention->run(args, 0, attention->tasks(), at);
  EXPECT_EQ(again, out);
}

TEST(Attention, AgainstPlainLoops) {
  for (const Isa isa : available_isas()) {
    for (const int64_t queries : {1, 13, 65}) {
      for (const int64_t keys : {1, 17, 80}) {
        for (const int64_t dim : {2, 18, 64}) {
          for (int variant = 0; variant < 5; ++variant) {
            Case one;
            one.shape = {2, 3, queries, keys, dim, dim == 18 ? 33 : dim, variant == 1};
            one.rope = variant >= 3;
            one.halves = variant == 4;
            one.mask = variant == 2 || variant == 4;
            check(one, isa);
          }
        }
      }
    }
    check({{0, 3, 5, 5, 8, 8, false}}, isa);
    if (isa != Isa::kScalar) {
      check({{1, 2, 300, 577, 64, 64, false}, true}, isa);
      check({{1, 1, 300, 300, 32, 64, true}}, isa);
    }
  }
}

TEST(Attention, MaskedKeysCountForNothing) {
  for (const Isa isa : available_isas()) {
    const Attention::Shape shape{1, 1, 20, 40, 8, 8, false};
    const auto q = random_floats(20 * 8, 1);
    auto k = random_floats(40 * 8, 2);
    std::vector<float> mask(40, 0.0f);
    std::fill(mask.begin() + 11, mask.end(), -std::numeric_limits<float>::infinity());
    Attention::Args args;
    std::vector<float> out(20 * 8), expected(20 * 8);
    args.q = q.data();
    args.k = args.v = k.data();
    args.q_layout = args.k_layout = args.v_layout = args.out_layout = {0, 0, 8};
    args.mask = mask.data();
    auto attention = Attention::make(shape, isa);
    auto short_one = Attention::make({1, 1, 20, 11, 8, 8, false}, isa);
    ASSERT_TRUE(attention.has_value() && short_one.has_value());
    std::vector<std::byte> scratch(attention->scratch_bytes() + 64);
    const auto address = reinterpret_cast<uintptr_t>(scratch.data());
    void* at = scratch.data() + (64 - address % 64) % 64;
    args.out = out.data();
    attention->run(args, 0, attention->tasks(), at);
    args.mask = nullptr;
    args.out = expected.data();
    short_one->run(args, 0, short_one->tasks(), at);
    for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], expected[i], 1e-6f);
  }
}

TEST(Attention, RefusesWhatIsNoShape) {
  EXPECT_FALSE(Attention::make({1, 1, 4, 0, 8, 8, false}).has_value());
  EXPECT_FALSE(Attention::make({1, 1, -4, 4, 8, 8, false}).has_value());
  EXPECT_FALSE(Attention::make({1, 1, 4, 1 << 24, 1 << 20, 8, false}).has_value());
}

}  // namespace
}  // namespace pte::simd
