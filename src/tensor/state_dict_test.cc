#include "tensor/state_dict.h"

#include <gtest/gtest.h>

namespace pte {
namespace {

TEST(StateDict, KeepsOrderAndReplacesInPlace) {
  StateDict state;
  state.set("b", Tensor::scalar(1.0f));
  state.set("a", Tensor::scalar(2.0f));
  state.set("b", Tensor::scalar(3.0f));
  ASSERT_EQ(state.size(), 2u);
  EXPECT_EQ(state.entries()[0].name, "b");
  EXPECT_EQ(*state.find("b")->data_as<float>(), 3.0f);
  EXPECT_EQ(state.find("c"), nullptr);
}

TEST(StateDict, CountsParametersOnce) {
  StateDict state;
  const Tensor shared = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  state.set("embed.weight", shared);
  state.set("head.weight", shared);
  state.set("bn.weight", Tensor::of<float>({3}, {1, 1, 1}));
  state.set("bn.running_mean", Tensor::of<float>({3}, {0, 0, 0}));
  state.set("bn.running_var", Tensor::of<float>({3}, {0, 0, 0}));
  state.set("bn.num_batches_tracked", Tensor::scalar<int64_t>(7));
  state.set("empty", Tensor::of<float>({0}, {}));
  EXPECT_EQ(state.parameter_count(), 9);
}

TEST(StateDict, ReadsNumbersFromMetadata) {
  StateDict state;
  state.metadata = {{"i", int64_t{5}},       {"d", 2.0},  {"f", 2.5},
                    {"s", std::string("5")}, {"b", true}, {"huge", 1e300}};
  EXPECT_EQ(state.metadata_int("i"), 5);
  EXPECT_EQ(state.metadata_int("d"), 2);
  EXPECT_EQ(state.metadata_int("f"), std::nullopt);
  EXPECT_EQ(state.metadata_number("f"), 2.5);
  EXPECT_EQ(state.metadata_int("s"), std::nullopt);
  EXPECT_EQ(state.metadata_int("b"), std::nullopt);
  EXPECT_EQ(state.metadata_int("huge"), std::nullopt);
  EXPECT_EQ(state.metadata_int("none"), std::nullopt);
}

}  // namespace
}  // namespace pte
