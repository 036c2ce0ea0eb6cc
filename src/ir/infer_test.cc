#include "ir/infer.h"

#include <gtest/gtest.h>

#include <limits>

#include "ir/builder.h"
#include "ir/verify.h"

namespace pte::ir {
namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

class InferTest : public ::testing::Test {
 protected:
  InferTest() { module_.symbols["s0"] = Range{2, 64}; }

  Value* in(SymSizes sizes, DType dtype = DType::kFloat32, DimOrder order = {}) {
    return graph_.add_input("x", TensorType::of(dtype, std::move(sizes), std::move(order)));
  }
  Value* last(SymSizes sizes, DType dtype = DType::kFloat32) {
    const size_t rank = sizes.size();
    return in(std::move(sizes), dtype, channels_last_dim_order(rank));
  }
  // The types of the results as text, or "error: …".
  std::string types(Op op, std::vector<Arg> args) {
    Builder builder(module_, graph_);
    const auto made = builder.node(op, std::move(args));
    if (!made) return "error: " + made.error().message;
    std::string text;
    for (const Value* value : (*made)->results())
      text += (text.empty() ? "" : " ") + to_string(value->type());
    const Status verified = verify(module_, graph_);
    EXPECT_TRUE(verified) << verified.error().message;
    return text;
  }

  Module module_;
  std::shared_ptr<Graph> held_ = std::make_shared<Graph>();
  Graph& graph_ = *held_;
  const SymInt s0_ = SymInt::symbol("s0");
};

TEST_F(InferTest, EveryOperatorThatCanHasInference) {
  for (const OpInfo& op : all_ops()) {
    EXPECT_EQ(has_inference(op.op), op.op != Op::pte_call_delegate) << op.full_name();
  }
}

TEST_F(InferTest, PromotesAsPyTorchDoes) {
  Value* i = in({2}, DType::kInt32);
  Value* b = in({2}, DType::kBool);
  Value* h = in({2}, DType::kFloat16);
  Value* f0 = in({});
  EXPECT_EQ(types(Op::aten_add_Tensor, {i, in({2})}), "float32[2]");
  EXPECT_EQ(types(Op::aten_add_Tensor, {h, f0}), "float16[2]");  // rank 0 counts less
  EXPECT_EQ(types(Op::aten_add_Tensor, {i, f0}), "float32[2]");  // but its kind counts
  EXPECT_EQ(types(Op::aten_add_Scalar, {i, 1.5}), "float32[2]");
  EXPECT_EQ(types(Op::aten_add_Scalar, {i, 2}), "int32[2]");
  EXPECT_EQ(types(Op::aten_mul_Scalar, {h, 1.5}), "float16[2]");
  EXPECT_EQ(types(Op::aten_mul_Scalar, {b, 2}), "int64[2]");
  EXPECT_EQ(types(Op::aten_div_Tensor, {i, i}), "float32[2]");
  EXPECT_EQ(types(Op::aten_div_Scalar, {b, true}), "float32[2]");
  EXPECT_EQ(types(Op::aten_clamp, {i, 0.5}), "float32[2]");
  EXPECT_EQ(types(Op::aten_clamp, {b, 0}), "int64[2]");
  EXPECT_EQ(types(Op::aten_pow_Tensor_Scalar, {i, 0.5}), "float32[2]");
  EXPECT_EQ(types(Op::aten_pow_Tensor_Scalar, {b, true}), "int64[2]");
  EXPECT_EQ(types(Op::aten_exp, {i}), "float32[2]");
  EXPECT_EQ(types(Op::aten_abs, {i}), "int32[2]");
  EXPECT_EQ(types(Op::aten_eq_Tensor, {i, h}), "bool[2]");
  EXPECT_EQ(types(Op::aten_where_self, {b, i, h}), "float16[2]");
  EXPECT_EQ(types(Op::aten_sub_Tensor, {b, b}),
            "error: aten::sub.Tensor: argument 'other': two bool tensors cannot be subtracted; use "
            "logical operators");
  EXPECT_NE(types(Op::aten_add_Tensor, {i, i, 0.5}).find("argument 'alpha'"), std::string::npos);
}

TEST_F(InferTest, BroadcastsKnownAndSymbolicSizes) {
  EXPECT_EQ(types(Op::aten_add_Tensor, {in({4, 1, 3}), in({5, 1})}), "float32[4,5,3]");
  EXPECT_EQ(types(Op::aten_add_Tensor, {in({s0_, 3}), in({1, 3})}), "float32[s0,3]");
  EXPECT_EQ(types(Op::aten_add_Tensor, {in({s0_, 3}), in({s0_, 3})}), "float32[s0,3]");
  EXPECT_EQ(types(Op::aten_add_Tensor, {in({s0_, 3}), in({8, 3})}), "float32[8,3]");
  EXPECT_EQ(types(Op::aten_add_Tensor, {in({0}), in({1})}), "float32[0]");
  EXPECT_EQ(types(Op::aten_add_Tensor, {in({}), in({2, 2})}), "float32[2,2]");
  EXPECT_NE(types(Op::aten_add_Tensor, {in({s0_, 3}), in({65, 3})})
                .find("do not broadcast at dimension 0"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_add_Tensor, {in({s0_}), in({SymInt::symbol("s1")})}).find("error"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_add_Tensor, {in({2, 3}), in({3, 2})}).find("do not broadcast"),
            std::string::npos);
}

TEST_F(InferTest, ElementwiseKeepsTheLayout) {
  Value* x = last({2, 6, 8, 8});
  Value* y = in({2, 6, 8, 8});
  EXPECT_EQ(types(Op::aten_relu, {x}), "float32[2,6,8,8]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_add_Tensor, {x, y}), "float32[2,6,8,8]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_add_Tensor, {y, x}), "float32[2,6,8,8]");
  EXPECT_EQ(types(Op::aten_add_Tensor, {in({2, 6, 1, 1}), x}), "float32[2,6,8,8]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_add_Tensor, {last({2, 6, 1, 1}), y}), "float32[2,6,8,8]");
  EXPECT_EQ(types(Op::aten_mul_Tensor, {in({6, 1, 1}), x}), "float32[2,6,8,8]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_clone, {x, MemoryFormat::kContiguous}), "float32[2,6,8,8]");
  EXPECT_EQ(types(Op::aten_clone, {y, MemoryFormat::kChannelsLast}), "float32[2,6,8,8]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_contiguous, {x}), "float32[2,6,8,8]");
  EXPECT_EQ(types(Op::dim_order_to_dim_order_copy,
                  {y, DType::kFloat16, {}, {}, {}, false, Arg::ints({0, 2, 3, 1})}),
            "float16[2,6,8,8]{0,2,3,1}");
  EXPECT_NE(types(Op::aten_clone, {in({2}), MemoryFormat::kChannelsLast})
                .find("argument 'memory_format'"),
            std::string::npos);
  EXPECT_NE(types(Op::dim_order_clone_dim_order, {in({2, 2}), false, Arg::ints({0, 0})})
                .find("argument 'dim_order'"),
            std::string::npos);
}

TEST_F(InferTest, Convolutions) {
  Value* x = in({2, 6, 9, 8});
  Value* w = in({4, 6, 3, 3});
  const Arg two = Arg::ints({2});
  EXPECT_EQ(types(Op::aten_conv2d, {x, w, {}, two, 1}), "float32[2,4,5,4]");
  EXPECT_EQ(types(Op::aten_conv2d, {last({2, 6, 9, 8}), w}), "float32[2,4,7,6]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_conv2d, {in({6, 9, 8}), w}), "float32[4,7,6]");
  EXPECT_EQ(types(Op::aten_conv2d, {in({s0_, 6, s0_, 8}), w, {}, two, 1}),
            "float32[s0,4,floordiv(s0+1,2),4]");
  EXPECT_EQ(types(Op::aten_conv2d_padding, {x, in({4, 6, 4, 4}), {}, 1, "same"}),
            "float32[2,4,9,8]");
  EXPECT_EQ(types(Op::aten_conv1d, {in({1, 4, 10}), in({8, 1, 3}), in({8}), 1, 0, 2, 4}),
            "float32[1,8,6]");
  EXPECT_EQ(types(Op::aten_conv_transpose2d_input, {x, in({6, 2, 3, 3}), in({4}), 2, 1, 1, 2}),
            "float32[2,4,18,16]");
  EXPECT_EQ(types(Op::aten_convolution, {x,
                                         w,
                                         {},
                                         Arg::ints({1, 1}),
                                         Arg::ints({0, 0}),
                                         Arg::ints({1, 1}),
                                         false,
                                         Arg::ints({0, 0}),
                                         1}),
            "float32[2,4,7,6]");
  EXPECT_NE(types(Op::aten_conv2d, {x, w, {}, 1, 0, 1, 5}).find("argument 'weight'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_conv2d, {x, in({4, 3, 3, 3}), {}, 1, 0, 1, 3}).find("argument 'weight'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_conv2d, {x, in({4, 2, 3, 3}), {}, 1, 0, 1, 3})
                .find("not divisible into 3 groups"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_conv2d, {x, w, in({5})}).find("argument 'bias'"), std::string::npos);
  EXPECT_NE(types(Op::aten_conv2d, {in({1, 6, 2, 2}), w}).find("too small for a kernel of 3"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_conv2d, {x, w, {}, 0}).find("argument 'stride': 0 must be at least 1"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_conv2d, {x, w, {}, 1, -1}).find("argument 'padding'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_conv2d, {in({2, 2}), w}).find("argument 'input': expected rank 4"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_conv2d, {x, w, {}, 1, 0, 1, 0}).find("argument 'groups'"),
            std::string::npos);
}

TEST_F(InferTest, Pools) {
  Value* x = in({1, 3, 5, 5});
  EXPECT_EQ(types(Op::aten_max_pool2d, {x, 2}), "float32[1,3,2,2]");
  EXPECT_EQ(types(Op::aten_max_pool2d_with_indices, {x, 2, 3, 0, 1, true}),
            "float32[1,3,2,2] int64[1,3,2,2]");
  EXPECT_EQ(types(Op::aten_max_pool2d, {x, 2, 2, 0, 1, true}), "float32[1,3,3,3]");
  EXPECT_EQ(types(Op::aten_avg_pool2d, {last({1, 3, 8, 8}), Arg::ints({3, 2}), 2, 1}),
            "float32[1,3,4,5]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_avg_pool1d, {in({2, 3, 8}), 2}), "float32[2,3,4]");
  EXPECT_EQ(types(Op::aten_max_pool2d, {in({1, 3, s0_, 4}), 2}), "float32[1,3,floordiv(s0,2),2]");
  EXPECT_EQ(types(Op::aten_adaptive_avg_pool2d, {last({2, 6, 8, 8}), 1}),
            "float32[2,6,1,1]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_adaptive_avg_pool1d, {in({3, 8}), 2}), "float32[3,2]");
  EXPECT_NE(types(Op::aten_max_pool2d, {x, 2, {}, 2}).find("argument 'stride'"), std::string::npos);
  EXPECT_NE(types(Op::aten_max_pool2d, {x, 2, Arg::ints({}), 2}).find("argument 'padding'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_max_pool2d, {x, 7}).find("too small for a kernel of 7"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_max_pool2d, {x, Arg::ints({1, 1, 1})}).find("argument 'kernel_size'"),
            std::string::npos);
  EXPECT_EQ(
      types(Op::aten_upsample_nearest2d_vec, {in({1, 1, 3, 3}), {}, Arg::doubles({1.5, 2.7})}),
      "float32[1,1,4,8]");
  EXPECT_EQ(types(Op::aten_upsample_bilinear2d_vec,
                  {in({1, 1, s0_, 3}), {}, false, Arg::doubles({2, 0.5})}),
            "float32[1,1,2*s0,1]");
  EXPECT_NE(types(Op::aten_upsample_nearest2d_vec, {x, {}, {}}).find("exactly one"),
            std::string::npos);
}

TEST_F(InferTest, MatrixProducts) {
  EXPECT_EQ(types(Op::aten_linear, {in({s0_, 7, 3}), in({4, 3}), in({4})}), "float32[s0,7,4]");
  EXPECT_EQ(types(Op::aten_linear, {in({2, 3}), in({3})}), "float32[2]");
  EXPECT_EQ(types(Op::aten_addmm, {in({4}), in({2, 3}), in({3, 4})}), "float32[2,4]");
  EXPECT_EQ(types(Op::aten_bmm, {in({s0_, 2, 3}), in({s0_, 3, 4})}), "float32[s0,2,4]");
  EXPECT_EQ(types(Op::aten_matmul, {in({5, 1, 2, 3}), in({4, 3, 7})}), "float32[5,4,2,7]");
  EXPECT_EQ(types(Op::aten_matmul, {in({3}), in({4, 3, 7})}), "float32[4,7]");
  EXPECT_EQ(types(Op::aten_matmul, {in({3}), in({3})}), "float32[]");
  EXPECT_NE(types(Op::aten_mm, {in({2, 3}), in({4, 5})}).find("argument 'mat2'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_linear, {in({2, 3}), in({4, 3}), in({5})}).find("argument 'bias'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_mm, {in({2, 3}), in({3, 2}, DType::kFloat16)}).find("is float16"),
            std::string::npos);
}

TEST_F(InferTest, Normalization) {
  Value* c = in({6});
  EXPECT_EQ(types(Op::aten__native_batch_norm_legit_no_training,
                  {last({2, 6, 8, 8}), c, c, c, c, 0.1, 1e-5}),
            "float32[2,6,8,8]{0,2,3,1} float32[0] float32[0]");
  EXPECT_EQ(types(Op::aten_native_layer_norm, {in({s0_, 5, 6}), Arg::ints({6}), c, c, 1e-5}),
            "float32[s0,5,6] float32[s0,5,1] float32[s0,5,1]");
  EXPECT_NE(types(Op::aten_batch_norm, {in({2, 5, 3}), c, {}, {}, {}, false, 0.1, 1e-5, false})
                .find("argument 'weight'"),
            std::string::npos);
  EXPECT_NE(
      types(Op::aten_layer_norm, {in({2, 5}), Arg::ints({6})}).find("argument 'normalized_shape'"),
      std::string::npos);
}

TEST_F(InferTest, Reductions) {
  Value* x = in({2, 3, 4});
  EXPECT_EQ(types(Op::aten_mean_dim, {x, Arg::ints({-1, 0}), true}), "float32[1,3,1]");
  EXPECT_EQ(types(Op::aten_mean_dim, {x, {}}), "float32[]");
  EXPECT_EQ(types(Op::aten_mean_dim, {x, Arg::ints({}), true}), "float32[1,1,1]");
  EXPECT_EQ(types(Op::aten_sum_dim_IntList, {in({2, 2}, DType::kBool), {}, true}), "int64[1,1]");
  EXPECT_EQ(types(Op::aten_mean_dim, {in({}), Arg::ints({0}), true}), "float32[]");
  EXPECT_EQ(types(Op::aten_mean, {in({2}, DType::kInt8), DType::kFloat32}), "float32[]");
  EXPECT_EQ(types(Op::aten_mean_dim, {last({2, 6, 8, 8}), Arg::ints({2, 3}), true}),
            "float32[2,6,1,1]");
  EXPECT_EQ(types(Op::aten_argmax, {x, 1}), "int64[2,4]");
  EXPECT_EQ(types(Op::aten_argmax, {x}), "int64[]");
  EXPECT_EQ(types(Op::aten_any, {in({2}, DType::kUInt8)}), "uint8[]");
  EXPECT_EQ(types(Op::aten__softmax, {in({2}, DType::kFloat16), 0, true}), "float32[2]");
  EXPECT_NE(types(Op::aten_mean, {in({2}, DType::kInt8)}).find("argument 'dtype'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_mean_dim, {x, Arg::ints({3})})
                .find("argument 'dim': dimension 3 is out of range"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_amax, {x, Arg::ints({0, -3})}).find("named twice"), std::string::npos);
  EXPECT_NE(types(Op::aten_amax, {in({0, 2}), Arg::ints({0})}).find("empty along dimension 0"),
            std::string::npos);
}

TEST_F(InferTest, Views) {
  EXPECT_EQ(types(Op::aten_view, {in({2, 3, 4}), Arg::ints({-1, 8})}), "float32[3,8]");
  EXPECT_EQ(types(Op::aten_view, {in({s0_, 3, 4}), Arg::ints({-1, 12})}), "float32[s0,12]");
  EXPECT_EQ(types(Op::aten_view, {in({s0_, 6}), Arg::ints({-1, 2})}), "float32[3*s0,2]");
  EXPECT_EQ(types(Op::aten_view, {in({0, 3}), Arg::ints({3, -1})}), "float32[3,0]");
  EXPECT_EQ(types(Op::aten_view, {last({1, 2, 2, 2}), Arg::ints({8})}), "float32[8]");
  EXPECT_NE(
      types(Op::aten_view, {in({2, 3}), Arg::ints({-1, 4})}).find("does not hold the 6 elements"),
      std::string::npos);
  EXPECT_NE(types(Op::aten_view, {in({2, 3}), Arg::ints({-1, -1})}).find("more than one -1"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_view, {in({s0_, 3}), Arg::ints({65, 3})}).find("argument 'size'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_view, {in({2}), Arg::ints({kHuge, kHuge})}).find("too large"),
            std::string::npos);
  EXPECT_EQ(types(Op::aten_flatten_using_ints, {in({})}), "float32[1]");
  EXPECT_EQ(types(Op::aten_flatten_using_ints, {in({s0_, 3, 4}), 0, 1}), "float32[3*s0,4]");
  EXPECT_EQ(types(Op::aten_unflatten_int, {in({2, 6}), 1, Arg::ints({2, -1})}), "float32[2,2,3]");
  EXPECT_EQ(types(Op::aten_squeeze_dim, {in({}), 0}), "float32[]");
  EXPECT_EQ(types(Op::aten_squeeze_dims, {in({1, 1, 2}), Arg::ints({0, 2})}), "float32[1,2]");
  EXPECT_EQ(types(Op::aten_unsqueeze, {in({2, 3}), -1}), "float32[2,3,1]");
  EXPECT_EQ(types(Op::aten_permute, {last({2, 6, 8, 9}), Arg::ints({0, 2, 3, 1})}),
            "float32[2,8,9,6]");
  EXPECT_EQ(types(Op::aten_t, {in({3})}), "float32[3]");
  EXPECT_EQ(types(Op::aten_expand, {in({1, 3}), Arg::ints({2, 5, -1})}), "float32[2,5,3]");
  EXPECT_NE(types(Op::aten_expand, {in({2, 3}), Arg::ints({4, 3})}).find("cannot be expanded"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_permute, {in({2, 3}), Arg::ints({0, 0})}).find("named twice"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_unsqueeze, {in({2}), 3}).find("argument 'dim'"), std::string::npos);
}

TEST_F(InferTest, SlicesAndSplits) {
  Value* x = in({5, s0_});
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 0, 1, kHuge, 2}), "float32[2,s0]");
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 0, -2}), "float32[2,s0]");
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 0, 4, 2}), "float32[0,s0]");
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 0, -9, 99}), "float32[5,s0]");
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 0, 0, kHuge - 1, kHuge}), "float32[1,s0]");
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 1, 1, kHuge}), "float32[5,s0-1]");
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 1, {}, -1}), "float32[5,s0-1]");
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 1, {}, 2}), "float32[5,2]");  // s0 is at least 2
  EXPECT_EQ(types(Op::aten_slice_Tensor, {x, 1, {}, 9}), "float32[5,min(s0,9)]");
  EXPECT_EQ(types(Op::aten_select_int, {x, 0, -5}), "float32[s0]");
  EXPECT_EQ(types(Op::aten_split_Tensor, {in({5}), 2}), "float32[2] float32[2] float32[1]");
  EXPECT_EQ(types(Op::aten_split_Tensor, {in({0}), 3}), "float32[0]");
  EXPECT_EQ(types(Op::aten_chunk, {in({5}), 4}), "float32[2] float32[2] float32[1]");
  EXPECT_EQ(types(Op::aten_chunk, {in({0}), 2}), "float32[0] float32[0]");
  EXPECT_EQ(types(Op::aten_chunk, {in({s0_ * 2}), 2}), "float32[s0] float32[s0]");
  EXPECT_EQ(types(Op::aten_split_with_sizes, {in({2, 5}), Arg::ints({1, 4}), 1}),
            "float32[2,1] float32[2,4]");
  EXPECT_NE(types(Op::aten_select_int, {x, 0, 5}).find("argument 'index': 5 is out of range"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_slice_Tensor, {x, 0, 0, 1, 0}).find("argument 'step'"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_split_with_sizes, {in({5}), Arg::ints({1, 3})}).find("do not add up"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_split_Tensor, {in({kHuge}), 1}).find("at most 4096"), std::string::npos);
  EXPECT_NE(types(Op::aten_split_Tensor, {in({s0_}), 2}).find("depends on the input"),
            std::string::npos);
}

TEST_F(InferTest, JoinsAndPads) {
  Value* a = in({2, s0_});
  EXPECT_EQ(types(Op::aten_cat, {Arg::values({a, in({2, 3})}), 1}), "float32[2,s0+3]");
  EXPECT_EQ(types(Op::aten_cat, {Arg::values({in({0}), in({2, 3}, DType::kInt32)}), -1}),
            "float32[2,3]");
  EXPECT_EQ(types(Op::aten_cat, {Arg::values({last({1, 2, 3, 4}), last({1, 2, 3, 4})}), 1}),
            "float32[1,4,3,4]{0,2,3,1}");
  EXPECT_EQ(types(Op::aten_cat, {Arg::values({last({1, 2, 3, 4}), in({1, 2, 3, 4})}), 1}),
            "float32[1,4,3,4]");
  EXPECT_EQ(types(Op::aten_stack, {Arg::values({a, a}), -1}), "float32[2,s0,2]");
  EXPECT_EQ(types(Op::aten_constant_pad_nd, {in({2, 3}), Arg::ints({1, -2, 0, 4})}),
            "float32[6,2]");
  EXPECT_EQ(types(Op::aten_pad, {in({1, 4, 4}), Arg::ints({1, 2}), "reflect"}), "float32[1,4,7]");
  EXPECT_NE(types(Op::aten_cat, {Arg::values({in({2, 3}), in({3, 3})}), 1})
                .find("differ outside dimension 1"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_cat, {ArgList{}}).find("at least one tensor"), std::string::npos);
  EXPECT_NE(types(Op::aten_constant_pad_nd, {in({2}), Arg::ints({-1, -2})}).find("negative"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_pad, {in({1, 4, 4}), Arg::ints({4, 0}), "reflect"}).find("too much"),
            std::string::npos);
}

TEST_F(InferTest, FactoriesAndInPlace) {
  EXPECT_EQ(types(Op::aten_full, {Arg::ints({2}), 3}), "int64[2]");
  EXPECT_EQ(types(Op::aten_full, {Arg::ints({2}), true}), "bool[2]");
  EXPECT_EQ(types(Op::aten_full, {Arg::ints({}), 1.5}), "float32[]");
  EXPECT_EQ(types(Op::aten_arange_start_step, {0, 5, 2}), "int64[3]");
  EXPECT_EQ(types(Op::aten_arange_start_step, {5, 0, -2}), "int64[3]");
  EXPECT_EQ(types(Op::aten_arange_start_step, {0, 5.0, 2}), "float32[3]");
  EXPECT_EQ(types(Op::aten_scalar_tensor, {3}), "float32[]");
  EXPECT_EQ(types(Op::aten_copy, {in({2, 3}, DType::kInt32), in({3})}), "int32[2,3]");
  EXPECT_EQ(types(Op::aten_add__Tensor, {in({2, 3}), in({3})}), "float32[2,3]");
  EXPECT_NE(types(Op::aten_arange_start_step, {5, 0, 1}).find("argument 'end'"), std::string::npos);
  EXPECT_NE(types(Op::aten_full, {Arg::ints({-2}), 3}).find("negative"), std::string::npos);
  EXPECT_NE(types(Op::aten_add__Tensor, {in({3}), in({2, 3})}).find("does not broadcast"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_div__Tensor, {in({3}, DType::kInt32), in({3})}).find("cannot hold"),
            std::string::npos);
}

TEST_F(InferTest, SizesAreValues) {
  Builder builder(module_, graph_);
  Value* x = in({s0_, 3});
  Value* size = *builder.call(Op::aten_sym_size_int, {x, 0});
  EXPECT_EQ(to_string(size->type()), "int(s0)");
  Value* twice = *builder.call(Op::operator_mul, {size, 2});
  EXPECT_EQ(types(Op::aten_view, {in({s0_, 6}), ArgList{twice, -1}}), "float32[2*s0,3]");
  EXPECT_EQ(types(Op::aten_arange_start_step, {0, size, 1}), "int64[s0]");
  EXPECT_EQ(types(Op::operator_truediv, {size, 2}), "float");
  EXPECT_EQ(types(Op::operator_ge, {size, 2}), "bool");
  EXPECT_EQ(types(Op::operator_floordiv, {twice, 2}), "int(s0)");
  EXPECT_EQ(types(Op::operator_add, {size, 0.5}), "float");
  EXPECT_EQ(types(Op::aten_sym_numel, {x}), "int(3*s0)");
  EXPECT_EQ(types(Op::aten_add_Scalar, {in({2}, DType::kInt32), size}), "int32[2]");
  EXPECT_EQ(types(Op::aten_item, {in({}, DType::kInt64)}), "int(u0)");
  EXPECT_EQ(types(Op::aten_item, {in({1}, DType::kInt64)}), "int(u1)");
  EXPECT_EQ(types(Op::aten_item, {in({})}), "float");
  EXPECT_NE(types(Op::aten_item, {in({2})}).find("exactly one element"), std::string::npos);
}

TEST_F(InferTest, ControlFlowTakesItsGraphsTypes) {
  const auto branch = [&](Op op, DType dtype) {
    auto graph = std::make_shared<Graph>("branch");
    Value* x = graph->add_input("x", TensorType::of(dtype, {2, 3}));
    Builder builder(module_, *graph);
    graph->add_output(*builder.call(op, {x}));
    return graph;
  };
  Value* flag = in({}, DType::kBool);
  Value* x = in({2, 3});
  EXPECT_EQ(types(Op::higher_order_cond, {flag, branch(Op::aten_relu, DType::kFloat32),
                                          branch(Op::aten_exp, DType::kFloat32), Arg::values({x})}),
            "float32[2,3]");
  EXPECT_NE(types(Op::higher_order_cond, {flag, branch(Op::aten_relu, DType::kFloat32),
                                          branch(Op::aten_relu, DType::kFloat16), Arg::values({x})})
                .find("argument 'false_graph'"),
            std::string::npos);
  EXPECT_EQ(types(Op::higher_order_map_impl, {branch(Op::aten_relu, DType::kFloat32),
                                              Arg::values({in({7, 2, 3})}), ArgList{}}),
            "float32[7,2,3]");
}

TEST_F(InferTest, SizesThatDependOnContentGetSymbolsOfTheirOwn) {
  EXPECT_EQ(types(Op::aten_nonzero, {in({3, 4})}), "int64[u0,2]");
  EXPECT_EQ(module_.symbols.at("u0"), (Range{0, 12}));
  EXPECT_EQ(types(Op::aten_nonzero, {in({s0_, 2})}), "int64[u1,2]");
  EXPECT_EQ(module_.symbols.at("u1"), (Range{0, 128}));
  EXPECT_EQ(types(Op::aten__unique2, {in({3, 4}, DType::kInt32), true, true, false}),
            "int32[u2] int64[3,4] int64[0]");
  Value* mask = in({4}, DType::kBool);
  EXPECT_EQ(types(Op::aten_index_Tensor, {in({3, 4, 5}), ArgList{Arg(), mask}}), "float32[3,u3,5]");
  EXPECT_EQ(module_.symbols.at("u3"), (Range{0, 4}));
  EXPECT_EQ(types(Op::aten_repeat_interleave_Tensor, {in({4}, DType::kInt64), Arg()}), "int64[u4]");
  EXPECT_EQ(types(Op::aten_repeat_interleave_Tensor, {in({4}, DType::kInt64), 9}), "int64[9]");
}

TEST_F(InferTest, IndicesStandWhereTheirDimensionsStood) {
  Value* x = in({2, 3, 4, 5});
  Value* i = in({7, 1}, DType::kInt64);
  Value* j = in({6}, DType::kInt32);
  EXPECT_EQ(types(Op::aten_index_Tensor, {x, ArgList{Arg(), i, j}}), "float32[2,7,6,5]");
  EXPECT_EQ(types(Op::aten_index_Tensor, {x, ArgList{i, Arg(), j}}), "float32[7,6,3,5]");
  EXPECT_EQ(types(Op::aten_index_Tensor, {x, ArgList{Arg(), Arg()}}), "float32[2,3,4,5]");
  EXPECT_EQ(types(Op::aten_index_Tensor, {x, ArgList{in({2, 3}, DType::kBool), Arg(), j}}),
            "float32[6,4]");
  EXPECT_NE(types(Op::aten_index_Tensor, {x, ArgList{in({3}, DType::kBool)}}).find("mask"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_index_Tensor, {x, ArgList{in({3})}}).find("no type of an index"),
            std::string::npos);
  EXPECT_NE(types(Op::aten_index_Tensor, {x, ArgList{j, j, j, j, j}}).find("too many"),
            std::string::npos);
}

TEST_F(InferTest, RefusesWhatHasNoResult) {
  EXPECT_EQ(types(Op::aten_max, {in({0, 2})}).substr(0, 5), "error");
  EXPECT_EQ(types(Op::aten_max_dim, {in({0, 2}), 0, false}).substr(0, 5), "error");
  EXPECT_EQ(types(Op::aten_max_dim, {in({0, 2}), 1, false}), "float32[0] int64[0]");
  EXPECT_EQ(types(Op::aten_topk, {in({3}), 4}).substr(0, 5), "error");
  EXPECT_EQ(types(Op::aten_kthvalue, {in({3}), 0}).substr(0, 5), "error");
  EXPECT_EQ(types(Op::aten_var_correction, {in({3}, DType::kInt32)}).substr(0, 5), "error");
  EXPECT_EQ(types(Op::aten_gather, {in({3, 4}), 1, in({4, 4}, DType::kInt64)}).substr(0, 5),
            "error");
  EXPECT_EQ(types(Op::aten_reflection_pad1d, {in({2, 3}), ArgList{3, 0}}).substr(0, 5), "error");
  EXPECT_EQ(types(Op::aten_unbind_copy_int, {in({s0_, 3}), 0}).substr(0, 5), "error");
  EXPECT_EQ(types(Op::aten_diagonal_copy, {in({3, 4}), 9}), "float32[0]");
}

}  // namespace
}  // namespace pte::ir
