// Programs from IR text, and sessions held against the reference interpreter.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/session.h"
#include "ir/text.h"
#include "lowering/emit.h"
#include "program/verify.h"
#include "runtime/method.h"

namespace pte::engine::testing {

inline std::shared_ptr<const program::Program> program_of(const std::string& body) {
  auto module = ir::parse_module("module \"m\" {\n" + body + "\n}\n");
  EXPECT_TRUE(module.has_value()) << module.error().message << "\n" << body;
  if (!module) return nullptr;
  // Constants without values get some, small enough for sums to stay exact to the last digits.
  uint32_t seed = 7;
  for (auto& [key, constant] : module->constants) {
    if (constant.data.has_data()) continue;
    auto filled = Tensor::zeros(constant.data.dtype(), constant.data.sizes());
    std::minstd_rand random(++seed);
    std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
    dispatch(filled->dtype(), [&]<typename T>(T) {
      T* data = filled->mutable_data_as<T>();
      for (int64_t i = 0; i < filled->numel(); ++i) {
        if constexpr (std::is_same_v<T, float>) {
          data[i] = uniform(random);
        } else if constexpr (std::is_integral_v<T>) {
          data[i] = static_cast<T>(static_cast<int64_t>(random() % 201) - 100);
        }
      }
    });
    constant.data = *filled;
  }
  lowering::EmitOptions options;
  options.any_kernel = true;
  auto program = lowering::emit(*module, options);
  EXPECT_TRUE(program.has_value()) << program.error().message;
  if (!program) return nullptr;
  auto shared = std::make_shared<const program::Program>(std::move(*program));
  EXPECT_TRUE(program::verify(*shared).has_value());
  return shared;
}

inline EValue input_for(const runtime::ValueInfo& info, uint32_t seed) {
  auto tensor = Tensor::zeros(info.dtype, info.sizes, info.dim_order);
  std::minstd_rand random(seed + 1);
  std::normal_distribution<float> normal;
  dispatch(info.dtype, [&]<typename T>(T) {
    T* data = tensor->mutable_data_as<T>();
    for (int64_t i = 0; i < tensor->numel(); ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        data[i] = random() % 2 == 0;
      } else if constexpr (std::is_integral_v<T>) {
        data[i] = static_cast<T>(random() % 4);
      } else {
        data[i] = static_cast<T>(normal(random));
      }
    }
  });
  return EValue(std::move(*tensor));
}

// Both tensors, element by element, within `bound` of the largest.
inline void expect_close(const Tensor& want, const Tensor& got, double bound,
                         const std::string& where) {
  ASSERT_EQ(want.describe(), got.describe()) << where;
  EXPECT_EQ(want.strides(), got.strides()) << where;
  const Tensor a = *want.contiguous();
  const Tensor b = *got.contiguous();
  double most = 0;
  double worst = 0;
  dispatch(want.dtype(), [&]<typename T>(T) {
    for (int64_t i = 0; i < a.numel(); ++i) {
      const auto x = static_cast<double>(a.data_as<T>()[i]);
      const auto y = static_cast<double>(b.data_as<T>()[i]);
      if (x == y || (std::isnan(x) && std::isnan(y))) continue;
      ASSERT_FALSE(std::isnan(x) || std::isnan(y) || std::isinf(x) || std::isinf(y))
          << where << " at " << i << ": " << x << " and " << y;
      worst = std::max(worst, std::abs(x - y));
      most = std::max(most, std::abs(x));
    }
  });
  EXPECT_LE(worst, bound * most) << where;
}

// Runs the method on both, twice (memory is used again), and returns the session.
inline std::unique_ptr<Session> compare(const std::shared_ptr<const program::Program>& program,
                                        const Options& options = {}, double bound = 1e-5,
                                        const std::string& where = {}) {
  auto session = Session::load(program, "forward", options);
  auto method = runtime::Method::load(program, "forward");
  EXPECT_EQ(session.has_value(), method.has_value())
      << where << ": " << (session ? method.error().message : session.error().message);
  if (!session || !method) return nullptr;
  for (uint32_t round = 0; round < 2; ++round) {
    for (size_t i = 0; i < (*method)->input_count(); ++i) {
      const runtime::ValueInfo info = (*method)->input_info(i);
      if (info.kind != "Tensor") return std::move(*session);
      const EValue value = input_for(info, round * 100 + static_cast<uint32_t>(i));
      EXPECT_TRUE((*session)->set_input(i, value).has_value()) << where;
      EXPECT_TRUE((*method)->set_input(i, value).has_value()) << where;
    }
    const Status wanted = (*method)->execute();
    const Status got = (*session)->execute();
    EXPECT_EQ(wanted.has_value(), got.has_value())
        << where << ": " << (got ? "" : got.error().message);
    if (!wanted || !got) break;
    for (size_t i = 0; i < (*method)->output_count(); ++i) {
      const auto* want = (*method)->output(i).get<Tensor>();
      const auto* have = (*session)->output(i).get<Tensor>();
      EXPECT_EQ(want == nullptr, have == nullptr) << where;
      if (want != nullptr && have != nullptr) {
        expect_close(*want, *have, bound, where + " output " + std::to_string(i));
      }
    }
  }
  return std::move(*session);
}

// The kernels of a session's steps, a line each.
inline std::string kernels_of(const Session& session) {
  std::string text;
  if (session.plan() == nullptr) return "reference: " + session.why_reference();
  for (const PlannedStep& step : session.plan()->steps) text += step.kernel + "\n";
  return text;
}

}  // namespace pte::engine::testing
