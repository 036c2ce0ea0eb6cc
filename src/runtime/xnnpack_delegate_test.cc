#include "runtime/xnnpack_delegate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "program/reader.h"
#include "runtime/method.h"
#include "tensor/npy.h"

namespace pte::runtime {
namespace {

const std::string kGolden = std::string(PTE_SOURCE_DIR) + "/tests/golden/";

Result<program::Program> read(const std::string& name) {
  PTE_TRY(const MappedFile file, MappedFile::open(kGolden + name + ".pte"));
  return program::read_program(file);
}

// Runs an official file on its inputs and holds the result against eager PyTorch's.
void expect_golden(const std::string& name, size_t inputs) {
  auto program = read(name);
  ASSERT_TRUE(program.has_value()) << program.error().message;
  auto method =
      Method::load(std::make_shared<const program::Program>(std::move(*program)), "forward");
  ASSERT_TRUE(method.has_value()) << method.error().message;
  // Twice: the second execution uses what the first has made ready.
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t i = 0; i < inputs; ++i) {
      auto input = read_npy(fmt::format("{}{}.in{}.npy", kGolden, name, i));
      ASSERT_TRUE(input.has_value()) << input.error().message;
      ASSERT_TRUE((*method)->set_input(i, EValue(*input)).has_value());
    }
    const Status ran = (*method)->execute();
    ASSERT_TRUE(ran.has_value()) << ran.error().message;
    for (size_t i = 0; i < (*method)->output_count(); ++i) {
      auto expected = read_npy(fmt::format("{}{}.out{}.npy", kGolden, name, i));
      ASSERT_TRUE(expected.has_value()) << expected.error().message;
      const Tensor* got = (*method)->output(i).get<Tensor>();
      ASSERT_NE(got, nullptr);
      ASSERT_EQ(got->sizes(), expected->sizes()) << name << " output " << i;
      double largest = 0, difference = 0;
      const Tensor dense = got->contiguous().value();
      for (int64_t k = 0; k < got->numel(); ++k) {
        const double e = expected->data_as<float>()[k];
        largest = std::max(largest, std::fabs(e));
        difference = std::max(difference, std::fabs(e - dense.data_as<float>()[k]));
      }
      EXPECT_LE(difference, 1e-5 * largest) << name << " output " << i;
    }
  }
}

// What the delegate runs inside is told before its own call, as that delegate's.
TEST(XnnpackDelegate, TellsHowLongItsStepsTook) {
  auto program = read("program/conv_relu6_xnnpack");
  ASSERT_TRUE(program.has_value()) << program.error().message;
  std::vector<InstructionTiming> seen;
  size_t arguments = 0;
  Options options;
  options.profile = [&](const InstructionTiming& timing) {
    seen.push_back(timing);
    if (timing.op != nullptr) arguments += timing.args.size();
  };
  auto method = Method::load(std::make_shared<const program::Program>(std::move(*program)),
                             "forward", options);
  ASSERT_TRUE(method.has_value()) << method.error().message;
  auto input = read_npy(kGolden + "program/conv_relu6_xnnpack.in0.npy");
  ASSERT_TRUE(input.has_value());
  ASSERT_TRUE((*method)->set_input(0, EValue(*input)).has_value());
  ASSERT_TRUE((*method)->execute().has_value());
  ASSERT_GE(seen.size(), 2U);
  EXPECT_GT(arguments, 3U);
  uint64_t inside = 0;
  for (size_t i = 0; i + 1 < seen.size(); ++i) {
    EXPECT_EQ(seen[i].delegate, 0);
    EXPECT_GE(seen[i].begin, seen.back().begin);
    inside += seen[i].nanoseconds;
  }
  EXPECT_EQ(seen.back().delegate, -1);
  EXPECT_EQ(seen.back().name, "XnnpackBackend");
  EXPECT_LE(inside, seen.back().nanoseconds);
}

TEST(XnnpackDelegate, Add) { expect_golden("program/add_xnnpack", 2); }
TEST(XnnpackDelegate, Convolution) { expect_golden("program/conv_relu6_xnnpack", 1); }

TEST(XnnpackDelegate, Block) { expect_golden("xnnpack/block", 1); }
TEST(XnnpackDelegate, Signal) { expect_golden("xnnpack/signal", 1); }
TEST(XnnpackDelegate, Mixed) { expect_golden("xnnpack/mixed", 1); }
TEST(XnnpackDelegate, ChannelsLast) { expect_golden("xnnpack/channels_last", 1); }

// Quantised files, against the official runtime on the same file: integers inside are equal.
TEST(XnnpackDelegate, StaticSumsAndProducts) { expect_golden("xnnpack/static_residual", 1); }
TEST(XnnpackDelegate, StaticTransposed) { expect_golden("xnnpack/static_transposed", 1); }
TEST(XnnpackDelegate, StaticMixedWithFloat) { expect_golden("xnnpack/static_mixed", 1); }
TEST(XnnpackDelegate, DynamicLinear) { expect_golden("xnnpack/dynamic_linear", 1); }
TEST(XnnpackDelegate, DynamicConvolution) { expect_golden("xnnpack/dynamic_conv", 1); }
TEST(XnnpackDelegate, FourBitWeights) { expect_golden("xnnpack/fourbit_linear", 1); }

TEST(XnnpackDelegate, MissingWeightsAreNamed) {
  auto program = read("program/conv_relu6_xnnpack");
  ASSERT_TRUE(program.has_value());
  program->named_data.clear();
  auto method =
      Method::load(std::make_shared<const program::Program>(std::move(*program)), "forward");
  ASSERT_FALSE(method.has_value());
  EXPECT_NE(method.error().message.find("lies in a .ptd file"), std::string::npos)
      << method.error().message;
}

TEST(XnnpackDelegate, DamagedPayloadIsRefusedAtLoad) {
  auto program = read("program/add_xnnpack");
  ASSERT_TRUE(program.has_value());
  program::Delegate& delegate = program->methods[0].delegates[0];
  delegate.payload = program::Blob::copy(delegate.payload.bytes.first(100));
  auto method =
      Method::load(std::make_shared<const program::Program>(std::move(*program)), "forward");
  EXPECT_FALSE(method.has_value());
}

}  // namespace
}  // namespace pte::runtime
