// Packed weights outlive the program that packed them: their bytes are part of a file format.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/sha256.h"
#include "simd/conv2d.h"
#include "simd/conv_transpose2d.h"
#include "simd/gemm.h"
#include "simd/qconv2d.h"

namespace pte::simd {
namespace {

std::vector<float> weights(int64_t count) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(i * 7919 % 2001 - 1000) / 1024);
  }
  return values;
}

std::string bytes_of_all_kernels(Isa isa) {
  std::string all;
  const auto add = [&](const auto& kernel) {
    ASSERT_TRUE(kernel.has_value()) << kernel.error().message;
    all += sha256_hex(kernel->packed());
  };
  const std::vector<float> values = weights(65536);
  for (const bool transposed : {false, true}) {
    add(Gemm::make({5, 45, 33}, values.data(), transposed ? 33 : 45, transposed, isa));
  }
  Conv2dShape shape;
  shape.h = shape.w = 12;
  shape.in_channels = 20;
  shape.out_channels = 36;
  Conv2dOptions options;
  options.isa = isa;
  add(Conv2d::make(shape, values.data(), options));
  shape.kernel_h = shape.kernel_w = 3;
  for (const ConvAlgorithm algorithm :
       {ConvAlgorithm::kDirect, ConvAlgorithm::kWinograd2, ConvAlgorithm::kWinograd4}) {
    options.algorithm = algorithm;
    add(Conv2d::make(shape, values.data(), options));
  }
  options.algorithm = ConvAlgorithm::kDirect;
  shape.groups = 4;
  add(Conv2d::make(shape, values.data(), options));
  shape.out_channels = shape.groups = 20;
  options.algorithm = ConvAlgorithm::kDepthwise;
  add(Conv2d::make(shape, values.data(), options));
  shape.groups = 1;
  shape.in_channels = 3;
  shape.input_nchw = true;
  options.algorithm = ConvAlgorithm::kAuto;
  add(Conv2d::make(shape, values.data(), options));

  ConvTranspose2dShape transposed;
  transposed.h = transposed.w = 5;
  transposed.in_channels = 12;
  transposed.out_channels = 20;
  transposed.kernel_h = transposed.kernel_w = 3;
  transposed.stride_h = transposed.stride_w = 2;
  transposed.groups = 2;
  add(ConvTranspose2d::make(transposed, values.data(), isa));

  std::vector<int8_t> bytes;
  for (int i = 0; i < 8192; ++i) bytes.push_back(static_cast<int8_t>(i * 89 % 255 - 127));
  const std::vector<int32_t> bias(64, 17);
  const std::vector<float> scale(64, 0.25f);
  QConv2dShape quantized;
  quantized.conv.h = quantized.conv.w = 7;
  quantized.conv.in_channels = 18;
  quantized.conv.out_channels = 38;
  quantized.conv.kernel_h = quantized.conv.kernel_w = 3;
  quantized.input_zero_point = 3;
  add(QConv2d::make(quantized, bytes.data(), bias.data(), scale.data(), isa));
  quantized.conv.out_channels = quantized.conv.groups = 18;
  add(QConv2d::make(quantized, bytes.data(), bias.data(), scale.data(), isa));
  return sha256_hex(as_bytes(all)).substr(0, 16);
}

TEST(PackedLayout, BytesAreThoseOfTheVersion) {
  const std::map<std::string, std::string, std::less<>> known{
      {"scalar", "95dca45c754d7182"},     {"sse4", "608a15b1eb289927"},
      {"avx2", "ba2898db644349df"},       {"avx512", "c2ae64c82ab98e0e"},
      {"avx512vnni", "7e34faeadc89d19b"},
  };
  for (const Isa isa : available_isas()) {
    const auto found = known.find(isa_name(isa));
    if (found == known.end()) continue;
    EXPECT_EQ(bytes_of_all_kernels(isa), found->second)
        << isa_name(isa)
        << ": kernels pack other bytes than before: count kPackedLayout (simd/buffer.h) up, so "
           "that "
           "files of packed weights are written anew, and put the digest here";
  }
  EXPECT_EQ(kPackedLayout, 3U);
}

TEST(Buffer, CopiesSeeWhatIsProvidedLater) {
  const Buffer first = Buffer::later(100);
  Buffer second = first;
  EXPECT_FALSE(second.is_ready());
  EXPECT_EQ(second.size(), 100U);
  auto made = Buffer::allocate(100);
  ASSERT_TRUE(made.has_value());
  made->fill<uint8_t>()[99] = 7;
  second.provide(*made);
  EXPECT_TRUE(first.is_ready());
  EXPECT_EQ(first.as<uint8_t>()[99], 7);
  EXPECT_EQ(first.bytes().size(), 100U);
  EXPECT_EQ(Buffer().as<float>(), nullptr);
  EXPECT_EQ(Buffer().size(), 0U);
}

TEST(Buffer, BlocksAreZeroAndAligned) {
  for (const size_t bytes : {size_t{1}, size_t{4097}, size_t{128} << 10, (size_t{1} << 20) + 3}) {
    const auto buffer = Buffer::allocate(bytes);
    ASSERT_TRUE(buffer.has_value());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->as<std::byte>()) % kAlignment, 0U);
    // The line behind them, too.
    for (size_t i = 0; i < bytes + kAlignment; ++i) {
      ASSERT_EQ(buffer->as<uint8_t>()[i], 0) << bytes << " at " << i;
    }
  }
  EXPECT_FALSE(Buffer::allocate(SIZE_MAX).has_value());
}

}  // namespace
}  // namespace pte::simd
