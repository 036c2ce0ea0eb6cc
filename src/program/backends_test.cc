#include "program/backends.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pte::program {
namespace {

TEST(Backends, SortedAndComplete) {
  const auto all = known_backends();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::lexicographical_compare(a.id.begin(), a.id.end(), b.id.begin(), b.id.end());
  }));
  for (const BackendInfo& backend : all) {
    EXPECT_EQ(find_backend(backend.id), &backend) << backend.id;
    EXPECT_FALSE(backend.name.empty() || backend.vendor.empty() || backend.runs_on.empty())
        << backend.id;
  }
}

TEST(Backends, Describe) {
  EXPECT_EQ(find_backend("NoSuchBackend"), nullptr);
  EXPECT_EQ(find_backend(""), nullptr);
  EXPECT_NE(describe_backend("NoSuchBackend").find("not known"), std::string::npos);
  EXPECT_EQ(describe_backend("MLXBackend"),
            "MLX (Apple); it runs on Apple silicon Macs with ExecuTorch's MLX backend");
}

}  // namespace
}  // namespace pte::program
