#include "engine/layout.h"

#include <gtest/gtest.h>

namespace pte::engine {
namespace {

TEST(Layout, OrderOfStrides) {
  EXPECT_EQ(order_of({2, 3, 4, 5}, {60, 20, 5, 1}), (DimOrder{0, 1, 2, 3}));
  EXPECT_EQ(order_of({2, 3, 4, 5}, {60, 1, 15, 3}), (DimOrder{0, 2, 3, 1}));
  // What has one element goes outermost.
  EXPECT_EQ(order_of({3, 1, 2}, {1, 1, 3}), (DimOrder{1, 2, 0}));
}

TEST(Layout, Dense) {
  EXPECT_TRUE(is_dense({2, 3}, {3, 1}));
  EXPECT_TRUE(is_dense({2, 3}, {1, 2}));
  EXPECT_TRUE(is_dense({1, 3}, {77, 1}));
  EXPECT_FALSE(is_dense({2, 3}, {4, 1}));
  EXPECT_FALSE(is_dense({2, 3}, {0, 1}));
}

TEST(Layout, ViewsWithoutCopies) {
  // Channels innermost: height and width fold, channels do not join them.
  const Sizes sizes{1, 8, 5, 6};
  const Strides strides{240, 1, 48, 8};
  EXPECT_EQ(view_strides(sizes, strides, {1, 8, 30}), (Strides{8, 1, 8}));
  EXPECT_EQ(view_strides(sizes, strides, {1, 2, 4, 30}), (Strides{8, 4, 1, 8}));
  EXPECT_EQ(view_strides(sizes, strides, {240}), std::nullopt);
  EXPECT_EQ(view_strides(sizes, strides, {8, 5, 3, 2}), (Strides{1, 48, 16, 8}));
  EXPECT_EQ(view_strides({2, 3}, {3, 1}, {6}), (Strides{1}));
  EXPECT_EQ(view_strides({2, 3}, {3, 1}, {3, 2}), (Strides{2, 1}));
  EXPECT_EQ(view_strides({2, 3}, {1, 2}, {6}), std::nullopt);
  EXPECT_EQ(view_strides({6}, {2}, {2, 1, 3}), (Strides{6, 6, 2}));
  EXPECT_EQ(view_strides({}, {}, {1, 1}), (Strides{1, 1}));
  EXPECT_EQ(view_strides({1}, {1}, {}), (Strides{}));
  EXPECT_EQ(view_strides({0, 3}, {3, 1}, {3, 0}).has_value(), true);
  EXPECT_EQ(view_strides({2, 3}, {3, 1}, {7}), std::nullopt);
}

TEST(Layout, Pixels) {
  const auto window = pixels_in_order({2, 4, 3, 5}, {15 * 9, 1, 5 * 9, 9});
  ASSERT_TRUE(window.has_value());
  EXPECT_EQ(window->stride, 9);
  EXPECT_FALSE(pixels_in_order({2, 4, 3, 5}, {60, 15, 5, 1}).has_value());
  EXPECT_FALSE(pixels_in_order({1, 4, 3, 5}, {60, 1, 4, 12}).has_value());
  const auto turned = pixels_in_any_order({1, 4, 3, 5}, {60, 1, 4, 12});
  ASSERT_TRUE(turned.has_value());
  EXPECT_EQ(turned->stride, 4);
  EXPECT_EQ(turned->order, (DimOrder{0, 3, 2}));
  // Broadcast pixels lie on top of each other: no rows.
  EXPECT_FALSE(pixels_in_any_order({1, 4, 3, 5}, {0, 1, 0, 0}).has_value());
  EXPECT_EQ(pixels_in_order({1, 4, 1, 1}, {4, 1, 9, 9})->stride, 4);
}

TEST(Layout, LoopsFoldWhatStepsAlike) {
  const Strides dense{60, 1, 20, 4};
  const Strides gate{0, 1, 0, 0};
  const Strides both[] = {dense, gate};
  const Loops loops = fold_loops({1, 4, 3, 5}, both, {0, 2, 3, 1});
  EXPECT_EQ(loops.sizes, (Sizes{15, 4}));
  EXPECT_EQ(loops.strides[0], (Strides{4, 1}));
  EXPECT_EQ(loops.strides[1], (Strides{0, 1}));
  int64_t at[2];
  locate(loops, 7, at);
  EXPECT_EQ(at[0], 28);
  EXPECT_EQ(at[1], 0);
  const Loops none = fold_loops({1, 1}, both, {0, 1});
  EXPECT_EQ(none.sizes, (Sizes{1}));
}

}  // namespace
}  // namespace pte::engine
