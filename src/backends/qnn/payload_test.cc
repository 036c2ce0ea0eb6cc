#include "backends/qnn/payload.h"

#include <gtest/gtest.h>

#include <string>

namespace pte::qnn {
namespace {

TEST(QnnPayload, TheHeaderIsRead) {
  std::string bytes("\xcd\xab\x78\x56", 4);
  const int64_t signature = 42;
  const uint64_t size = 5;
  bytes.append(reinterpret_cast<const char*>(&signature), 8);
  bytes.append(reinterpret_cast<const char*>(&size), 8);
  const auto alone = decode(as_bytes(bytes));
  ASSERT_TRUE(alone.has_value());
  EXPECT_FALSE(alone->stored);
  const std::string full = bytes + "12345";
  const auto out = decode(as_bytes(full));
  ASSERT_TRUE(out.has_value());
  EXPECT_EQ(out->signature, 42);
  EXPECT_TRUE(out->stored);
  EXPECT_FALSE(decode(as_bytes(std::string_view(full).substr(0, 23))).has_value());
  EXPECT_FALSE(decode(as_bytes(std::string_view("other"))).has_value());
}

}  // namespace
}  // namespace pte::qnn
