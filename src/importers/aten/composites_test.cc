#include "importers/aten/composites.h"

#include <gtest/gtest.h>

#include <set>

#include "ir/builder.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace pte::importers {
namespace {

using ir::Arg;
using ir::TensorType;

struct Fixture {
  ir::Module module;
  ir::Graph& graph = *module.methods["forward"].graph;
  NodeMaker maker{module, graph};
  ir::Value* input(DType dtype, ir::SymSizes sizes) {
    return graph.add_input("x", TensorType::of(dtype, std::move(sizes)));
  }
};

TEST(Composites, TableIsWhole) {
  std::set<std::string> seen;
  for (const auto family : composite_families()) {
    for (const Composite& composite : family) {
      const auto parsed = parse_schema(composite.schema);
      ASSERT_TRUE(parsed) << parsed.error().message;
      const std::string name = parsed->full_name();
      EXPECT_TRUE(seen.insert(name).second) << name << " is there twice";
      EXPECT_NE(composite.rule == nullptr, composite.same_as.empty()) << name;
      const Overload* overload = find_overload(name);
      ASSERT_NE(overload, nullptr) << name;
      EXPECT_EQ(overload->info->full_name(), name);
      if (!composite.same_as.empty()) {
        ASSERT_NE(overload->same, nullptr) << name << " = " << composite.same_as;
        const auto& args = overload->same->info->args;
        ASSERT_LE(overload->info->args.size(), args.size()) << name;
        for (size_t i = 0; i < overload->info->args.size(); ++i)
          EXPECT_EQ(overload->info->args[i].kind, args[i].kind) << name << " argument " << i;
      }
    }
  }
}

TEST(Composites, LooksUp) {
  EXPECT_EQ(find_overload("aten::add.Tensor")->info->op, Op::aten_add_Tensor);
  EXPECT_NE(find_overload("aten::mish")->rule, nullptr);
  EXPECT_EQ(find_overload("aten::nonsense"), nullptr);
  EXPECT_EQ(find_overload_by_target("torch.ops.aten.relu.default")->info->op, Op::aten_relu);
  EXPECT_EQ(find_overload_by_target("aten.max.dim")->info->op, Op::aten_max_dim);
  EXPECT_EQ(find_in_place("aten::add_.Tensor")->info->op, Op::aten_add_Tensor);
  EXPECT_EQ(find_in_place("aten::__ior__.Tensor")->info->full_name(), "aten::__or__.Tensor");
  EXPECT_EQ(find_in_place("aten::add.Tensor"), nullptr);
  EXPECT_EQ(find_in_place("aten::_"), nullptr);
  EXPECT_EQ(find_in_place("aten::pow_.Scalar")->info->full_name(), "aten::pow.Tensor_Scalar");
  EXPECT_EQ(find_in_place("aten::floor_divide_.Tensor")->info->full_name(), "aten::floor_divide");
  EXPECT_EQ(find_in_place("aten::transpose_")->info->full_name(), "aten::transpose.int");
  EXPECT_EQ(scalar_overload(*find_overload("aten::add.Tensor"))->info->full_name(),
            "aten::add.Scalar");
  EXPECT_GE(overloads_of("aten::max").size(), 3U);
}

TEST(Composites, RulesWriteRows) {
  Fixture f;
  ir::Value* x = f.input(DType::kFloat16, {2, 3});
  const auto y = call_one(f.maker, "aten::log_sigmoid", {x});
  ASSERT_TRUE(y) << y.error().message;
  EXPECT_EQ((*y)->tensor().dtype, DType::kFloat16);
  f.graph.add_output(*y);
  const auto fine = ir::verify(f.module);
  EXPECT_TRUE(fine) << fine.error().message;
}

// torchao's quantization: blocks of constant rows by the per-channel row, operands by token while
// the model runs by the per-token rows, the rest as arithmetic.
TEST(Composites, AffineQuantization) {
  const auto has = [](const ir::Graph& graph, Op op) {
    for (const ir::Node* node : graph.nodes()) {
      if (node->is(op)) return true;
    }
    return false;
  };
  {
    Fixture f;
    ir::Value* x = f.input(DType::kInt8, {3, 64});
    ir::Value* scale = f.input(DType::kFloat32, {3, 2});
    const auto y = call_one(f.maker, "torchao::dequantize_affine",
                            {x, Arg::ints({1, 32}), scale, Arg(), DType::kInt8, -8, 7});
    ASSERT_TRUE(y) << y.error().message;
    EXPECT_TRUE(has(f.graph, Op::qd_dequantize_per_channel));
    EXPECT_EQ((*y)->tensor(), TensorType::of(DType::kFloat32, {3, 64}));
  }
  for (const bool tokens : {true, false}) {
    Fixture f;
    ir::Value* x = f.input(DType::kFloat32, {4, 64});
    const Arg block = Arg::ints({1, tokens ? 64 : 16});
    const auto* choose = find_overload("torchao::choose_qparams_affine");
    ASSERT_NE(choose, nullptr);
    const auto chosen = call(f.maker, *choose, {x, "ASYMMETRIC", block, DType::kInt8, -128, 127});
    ASSERT_TRUE(chosen) << chosen.error().message;
    const Arg scale = (*chosen)[0], zero = (*chosen)[1];
    EXPECT_EQ(scale.value()->tensor().dtype, DType::kFloat32);
    EXPECT_EQ(scale.value()->tensor().rank(), tokens ? 1U : 2U);
    const auto q = call_one(f.maker, "torchao::quantize_affine",
                            {x, block, scale, zero, DType::kInt8, -128, 127});
    ASSERT_TRUE(q) << q.error().message;
    const auto y = call_one(f.maker, "torchao::dequantize_affine",
                            {*q, block, scale, zero, DType::kInt8, -128, 127});
    ASSERT_TRUE(y) << y.error().message;
    EXPECT_EQ(has(f.graph, Op::qd_quantize_per_token), tokens);
    EXPECT_EQ(has(f.graph, Op::qd_dequantize_per_token), tokens);
    f.graph.add_output(*y);
    const auto fine = ir::verify(f.module);
    EXPECT_TRUE(fine) << fine.error().message;
  }
  Fixture f;
  ir::Value* x = f.input(DType::kFloat32, {4, 64});
  const auto* choose = find_overload("torchao::choose_qparams_affine");
  const auto refused =
      call(f.maker, *choose, {x, "LOGARITHMIC", Arg::ints({1, 16}), DType::kInt8, -128, 127});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("LOGARITHMIC"), std::string::npos);
}

TEST(Composites, RefuseByName) {
  Fixture f;
  ir::Value* x = f.input(DType::kFloat32, {2, 3});
  const auto trained = call_one(f.maker, "aten::rrelu", {x, 0.1, 0.3, true});
  ASSERT_FALSE(trained);
  EXPECT_EQ(trained.error().code, Code::kUnsupported);
  EXPECT_NE(trained.error().message.find("aten.rrelu.default: training mode"), std::string::npos)
      << trained.error().message;
  const auto missing = call_one(f.maker, "aten::nonsense", {x});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

// Arguments of every rule that no exporter writes: it may refuse them, not crash or run away.
Arg hostile(Fixture& f, const ArgSchema& schema, uint32_t choice) {
  constexpr int64_t kInts[] = {0, 1, -1, 2, 3, -7, 9, int64_t{1} << 40, int64_t{1} << 62, 64};
  constexpr double kDoubles[] = {0, 1, -1, 0.5, 2, 1e300, -3, 7};
  const std::vector<ir::SymSizes> shapes = {{},
                                            {3},
                                            {0},
                                            {2, 3},
                                            {2, 3, 4},
                                            {1, 2, 4, 4},
                                            {1, 2, 3, 4, 5},
                                            {ir::SymInt::symbol("s0"), 3}};
  constexpr DType kTypes[] = {DType::kFloat32, DType::kInt64, DType::kBool, DType::kFloat16,
                              DType::kUInt8};
  if (schema.optional && choice % 3 == 0) return {};
  const auto tensor = [&](uint32_t n) {
    return Arg(f.input(kTypes[(n / 8) % 5], shapes[n % shapes.size()]));
  };
  const auto integer = [&](uint32_t n) { return Arg(kInts[n % std::size(kInts)]); };
  ir::ArgList list;
  const uint32_t count = choice % 5;
  switch (schema.kind) {
    case ArgKind::kTensor:
      return tensor(choice);
    case ArgKind::kTensorList:
    case ArgKind::kOptionalTensorList:
      for (uint32_t i = 0; i < count; ++i) list.push_back(tensor(choice + (choice % 2) * i));
      return Arg(std::move(list));
    case ArgKind::kIntList:
      for (uint32_t i = 0; i < count; ++i) list.push_back(integer(choice + i * (choice % 3)));
      return Arg(std::move(list));
    case ArgKind::kFloatList:
      for (uint32_t i = 0; i < count; ++i) list.emplace_back(kDoubles[(choice + i) % 8]);
      return Arg(std::move(list));
    case ArgKind::kBoolList:
      return Arg(ir::ArgList{Arg(true)});
    case ArgKind::kScalar:
    case ArgKind::kFloat:
      return Arg(kDoubles[choice % 8]);
    case ArgKind::kInt:
      return integer(choice);
    case ArgKind::kBool:
      return Arg(choice % 2 == 0);
    case ArgKind::kString:
      return Arg(choice % 2 == 0 ? "ij,jk->ik" : "...i,ii->");
    case ArgKind::kDType:
      return Arg(kTypes[choice % 5]);
    case ArgKind::kMemoryFormat:
      return Arg(ir::MemoryFormat::kChannelsLast);
    case ArgKind::kLayout:
      return Arg(ir::Layout::kStrided);
    case ArgKind::kDevice:
      return Arg(ir::Device{});
    case ArgKind::kGraph:
      break;
  }
  return {};
}

TEST(Composites, SurviveHostileArguments) {
  uint32_t state = 12345;
  const auto random = [&] {
    state = state * 1664525U + 1013904223U;
    return state >> 8;
  };
  size_t made = 0;
  for (const auto family : composite_families()) {
    for (const Composite& composite : family) {
      const Overload* overload = find_overload(parse_schema(composite.schema)->full_name());
      ASSERT_NE(overload, nullptr);
      for (int round = 0; round < 200; ++round) {
        Fixture f;
        f.module.symbols["s0"] = {0, 10};
        std::vector<Arg> args;
        for (const ArgSchema& schema : overload->info->args) {
          // Often the default, so that the other arguments are reached.
          const bool usual = schema.has_default && random() % 2 == 0;
          args.push_back(usual ? ir::default_arg(schema) : hostile(f, schema, random()));
        }
        const auto results = call(f.maker, *overload, std::move(args));
        if (!results) {
          EXPECT_NE(results.error().message, "") << composite.schema;
          continue;
        }
        ++made;
        EXPECT_LE(f.graph.node_count(), 100'000U) << composite.schema;
        for (const Arg& result : *results) {
          if (result.value() != nullptr) f.graph.add_output(result.value());
        }
        const auto fine = ir::verify(f.module);
        EXPECT_TRUE(fine) << composite.schema << ": " << fine.error().message;
      }
    }
  }
  EXPECT_GE(made, 1000U);
}

TEST(NodeMaker, WorksOutSizes) {
  Fixture f;
  f.module.symbols["s0"] = {2, 10};
  f.module.symbols["s1"] = {2, 10};
  const ir::SymInt s0 = ir::SymInt::symbol("s0"), s1 = ir::SymInt::symbol("s1");
  ir::Value* x = f.input(DType::kFloat32, {s0 * 2 + 1, s1});
  const ir::SymInt wanted = ir::SymInt::floordiv(s0 * s1 - 1, 3) + s1 - s0;
  const auto size = f.maker.size(wanted, {});
  ASSERT_TRUE(size) << size.error().message;
  ASSERT_NE(size->value(), nullptr);
  EXPECT_EQ(std::get<ir::SymIntType>(size->value()->type()).value, wanted)
      << to_string(size->value()->type());
  EXPECT_EQ(f.maker.size(ir::SymInt(7), {})->integer(), 7);
  EXPECT_EQ(f.maker.size(s0 * 2 + 1, {})->value()->producer()->op().op, Op::aten_sym_size_int);
  EXPECT_EQ(f.maker.size(ir::SymInt::symbol("u9"), {}).error().code, Code::kUnsupported);
  ASSERT_NE(x, nullptr);
}

}  // namespace
}  // namespace pte::importers
