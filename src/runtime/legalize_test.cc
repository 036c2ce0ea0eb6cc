// What passes/legalize makes of operators, run and held against PyTorch eager: every golden case of
// the kernels whose operator some rule rewrites. And branches and loops, from IR text.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "ir/builder.h"
#include "ir/text.h"
#include "lowering/lower.h"
#include "passes/passes.h"
#include "program/verify.h"
#include "runtime/method.h"
#include "tensor/golden_cases.h"

namespace pte::runtime {
namespace {

using ir::Arg;

struct Built {
  ir::Module module;
  std::vector<Tensor> inputs;
};

Arg as_arg(Built& built, ir::Graph& graph, ArgKind kind, const EValue& value) {
  if (const auto* tensor = value.get<Tensor>()) {
    const auto dense = tensor->contiguous();
    EXPECT_TRUE(dense);
    built.inputs.push_back(*dense);
    return graph.add_input("x", ir::TensorType::of(dense->dtype(), ir::to_sym(dense->sizes())));
  }
  if (const auto* number = value.get<int64_t>()) {
    if (kind == ArgKind::kDType) return dtype_from_code(*number).value_or(DType::kFloat32);
    if (kind == ArgKind::kMemoryFormat) return static_cast<ir::MemoryFormat>(*number);
    if (kind == ArgKind::kLayout || kind == ArgKind::kDevice) return {};
    return *number;
  }
  if (const auto* number = value.get<double>()) return *number;
  if (const auto* flag = value.get<bool>()) return *flag;
  if (const auto* text = value.get<std::string>()) return *text;
  if (const auto* list = value.get<std::vector<int64_t>>()) return Arg::ints(*list);
  if (const auto* list = value.get<std::vector<double>>()) return Arg::doubles(*list);
  return {};
}

// A program of one call; nothing when the builder refuses its arguments.
std::optional<Built> build(const GoldenCase& c) {
  Built built;
  ir::Graph& graph = *built.module.methods["forward"].graph;
  std::vector<Arg> args;
  for (const ArgSchema& schema : c.op->args) {
    Arg arg = ir::default_arg(schema);
    for (const auto& [name, value] : c.named) {
      if (name == schema.name) arg = as_arg(built, graph, schema.kind, value);
    }
    args.push_back(std::move(arg));
  }
  ir::Builder builder(built.module, graph);
  const auto node = builder.node(*c.op, std::move(args));
  if (!node) return std::nullopt;
  graph.add_output((*node)->result());
  return built;
}

Result<std::vector<Tensor>> run(const program::Program& made, const std::vector<Tensor>& inputs) {
  PTE_CHECK(program::verify(made));
  for (const program::Finding& finding : program::find_plan_conflicts(made.methods[0])) {
    return internal_error("{}: {}", finding.where, finding.message);
  }
  PTE_TRY(auto method, Method::load(std::make_shared<const program::Program>(made), "forward"));
  for (size_t i = 0; i < inputs.size(); ++i) PTE_CHECK(method->set_input(i, inputs[i]));
  PTE_CHECK(method->execute());
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < made.methods[0].outputs.size(); ++i) {
    PTE_TRY(const Tensor copy, method->output(i).get<Tensor>()->contiguous());
    std::vector<std::byte> bytes(copy.data(), copy.data() + copy.nbytes());
    PTE_TRY(Tensor own, Tensor::zeros(copy.dtype(), copy.sizes()));
    std::copy(bytes.begin(), bytes.end(), own.mutable_data());
    outputs.push_back(std::move(own));
  }
  return outputs;
}

std::vector<double> doubles(const Tensor& tensor) {
  std::vector<double> values;
  const auto dense = tensor.contiguous();
  dispatch(tensor.dtype(), [&]<typename T>(T) {
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        values.push_back(static_cast<double>(static_cast<float>(dense->template data_as<T>()[i])));
      } else {
        values.push_back(static_cast<double>(dense->template data_as<T>()[i]));
      }
    }
  });
  return values;
}

// `least` is the shortest type that took part.
void expect_near(const Tensor& got, const Tensor& want, DType least) {
  ASSERT_EQ(got.describe(), want.describe());
  const auto a = doubles(got);
  const auto e = doubles(want);
  double largest = 0;
  for (const double x : e) {
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  }
  const double tolerance = least == DType::kBFloat16   ? 2e-2
                           : least == DType::kFloat16  ? 3e-3
                           : is_floating(want.dtype()) ? 1e-4
                                                       : 0;
  for (size_t i = 0; i < e.size(); ++i) {
    if (a[i] == e[i] || (std::isnan(a[i]) && std::isnan(e[i]))) continue;
    ASSERT_LE(std::abs(a[i] - e[i]), tolerance * largest)
        << "element " << i << ": " << a[i] << ", expected " << e[i];
  }
}

void expect_near(const Tensor& got, const Tensor& want) { expect_near(got, want, want.dtype()); }

TEST(Legalize, GivesWhatEagerGives) {
  std::set<std::string> seen;
  int compared = 0;
  int refused = 0;
  for (const auto& file : golden_files()) {
    for_each_golden_case(file.second, [&](const GoldenCase& c, uint32_t number) {
      if (!c.op->has(kTagExtension) || c.op->has(kTagRandom) || c.op->op == Op::aten_linear) {
        return true;
      }
      const Tensor* expected = c.expected[0].get<Tensor>();
      if (expected == nullptr || is_complex(expected->dtype())) return true;
      const auto built = build(c);
      if (!built) return true;
      SCOPED_TRACE(file.first + ", case " + std::to_string(number) + ": " + c.name);
      const auto lowered = lowering::lower(built->module.clone(), {});
      if (!lowered) {
        EXPECT_EQ(lowered.error().code, Code::kUnsupported) << lowered.error().message;
        ++refused;
        return true;
      }
      const auto results = run(lowered->program, built->inputs);
      EXPECT_TRUE(results) << results.error().message;
      DType least = expected->dtype();
      for (const Tensor& input : built->inputs) {
        if (is_floating(input.dtype()) && size_of(input.dtype()) < size_of(least)) {
          least = input.dtype();
        }
      }
      if (results) expect_near((*results)[0], *expected, least);
      seen.insert(c.op->full_name());
      ++compared;
      return true;
    });
  }
  // Refusals are for odd cases; most operators and most of their cases are rewritten.
  EXPECT_GE(seen.size(), 75U);
  EXPECT_LT(refused, compared / 3) << compared << " compared";
}

// ---- branches and loops

std::vector<Tensor> run_text(const std::string& text, const std::vector<Tensor>& inputs) {
  auto module = ir::parse_module("module \"m\" {\n" + text + "\n}\n");
  EXPECT_TRUE(module) << module.error().message;
  if (!module) return {};
  const auto lowered = lowering::lower(std::move(*module), {});
  EXPECT_TRUE(lowered) << lowered.error().message;
  if (!lowered) return {};
  const auto results = run(lowered->program, inputs);
  EXPECT_TRUE(results) << results.error().message;
  return results ? *results : std::vector<Tensor>();
}

Tensor vector(std::initializer_list<float> values) {
  return Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
}

// ---- wide unsigned integers, calculated with in signed ones

template <typename T>
std::vector<T> elements(const Tensor& tensor) {
  const auto dense = tensor.contiguous();
  const T* begin = dense->template data_as<T>();
  return std::vector<T>(begin, begin + tensor.numel());
}

TEST(Unsigned, SixtyFourBitsKeepTheirOrderAndTheirQuotients) {
  constexpr uint64_t kTop = uint64_t{1} << 63;
  const std::vector<uint64_t> a = {0, 7, kTop, kTop + 5, ~uint64_t{0}, ~uint64_t{0}, 5};
  const std::vector<uint64_t> b = {1, 2, 3, kTop, 1, ~uint64_t{0}, kTop + 1};
  const auto out = run_text(R"(func forward(%a: uint64[7], %b: uint64[7]) {
    %q: uint64[7] = aten.div.Tensor_mode(%a, %b, "trunc")
    %r: uint64[7] = aten.remainder.Tensor(%a, %b)
    %m: uint64[7] = aten.maximum.default(%a, %b)
    %l: bool[7] = aten.lt.Tensor(%a, %b)
    %s: uint64[7] = aten.bitwise_right_shift.Tensor_Scalar(%a, 1)
    %f: float32[7] = dim_order_ops._to_dim_order_copy.default(%a, float32, none, none, none, false, none)
    %c: uint64[7] = aten.sub.Tensor(%a, %b, 1)
    return %q, %r, %m, %l, %s, %f, %c
  })",
                            {Tensor::of<uint64_t>({7}, std::span<const uint64_t>(a)),
                             Tensor::of<uint64_t>({7}, std::span<const uint64_t>(b))});
  ASSERT_EQ(out.size(), 7U);
  for (size_t i = 0; i < a.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(elements<uint64_t>(out[0])[i], a[i] / b[i]);
    EXPECT_EQ(elements<uint64_t>(out[1])[i], a[i] % b[i]);
    EXPECT_EQ(elements<uint64_t>(out[2])[i], std::max(a[i], b[i]));
    EXPECT_EQ(elements<bool>(out[3])[i], a[i] < b[i]);
    EXPECT_EQ(elements<uint64_t>(out[4])[i], a[i] >> 1);
    EXPECT_FLOAT_EQ(elements<float>(out[5])[i], static_cast<float>(a[i]));
    EXPECT_EQ(elements<uint64_t>(out[6])[i], a[i] - b[i]);
  }
}

TEST(Unsigned, NarrowTypesWrapRound) {
  const auto out = run_text(R"(func forward(%a: uint16[3], %b: uint32[3]) {
    %s: uint16[3] = aten.mul.Tensor(%a, %a)
    %t: uint32[3] = aten.add.Tensor(%b, %b, 1)
    %c: uint16[6] = aten.cat.default([%a, %s])
    return %s, %t, %c
  })",
                            {Tensor::of<uint16_t>({3}, {3, 65535, 300}),
                             Tensor::of<uint32_t>({3}, {1, 4294967295U, 2147483648U})});
  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(elements<uint16_t>(out[0]), (std::vector<uint16_t>{9, 1, 24464}));
  EXPECT_EQ(elements<uint32_t>(out[1]), (std::vector<uint32_t>{2, 4294967294U, 0}));
  EXPECT_EQ(elements<uint16_t>(out[2]), (std::vector<uint16_t>{3, 65535, 300, 9, 1, 24464}));
}

TEST(Unsigned, BitsAreReadAsAnotherTypeWithoutACall) {
  // From an input to an output, which must not share memory; in both directions.
  const auto out =
      run_text(R"(func forward(%x: float32[2], %n: uint32[2]) {
    %i: int32[2] = aten.view_copy.dtype(%x, int32)
    %u: uint32[2] = aten.view_copy.dtype(%x, uint32)
    %f: float32[2] = aten.view_copy.dtype(%n, float32)
    return %i, %u, %f
  })",
               {vector({1, -2}), Tensor::of<uint32_t>({2}, {0x3f800000U, 0xc0000000U})});
  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(elements<int32_t>(out[0]), (std::vector<int32_t>{0x3f800000, int32_t(0xc0000000U)}));
  EXPECT_EQ(elements<uint32_t>(out[1]), (std::vector<uint32_t>{0x3f800000U, 0xc0000000U}));
  expect_near(out[2], vector({1, -2}));
}

TEST(ControlFlow, TakesTheBranchThatTheConditionNames) {
  const std::string text = R"(func forward(%p: bool[], %x: float32[3]) {
    (%a: float32[3], %b: float32[3]) = higher_order.cond.default(%p, func yes(%u: float32[3]) {
      %r: float32[3] = aten.relu.default(%u)
      return %r, %u
    }, func no(%v: float32[3]) {
      %n: float32[3] = aten.neg.default(%v)
      return %v, %n
    }, [%x])
    %sum: float32[3] = aten.add.Tensor(%a, %b, 1)
    return %a, %b, %sum
  })";
  const Tensor x = vector({-1, 2, -3});
  for (const bool taken : {true, false}) {
    const auto out = run_text(text, {Tensor::scalar<bool>(taken), x});
    ASSERT_EQ(out.size(), 3U);
    expect_near(out[0], taken ? vector({0, 2, 0}) : x);
    expect_near(out[1], taken ? x : vector({1, -2, 3}));
    expect_near(out[2], taken ? vector({-1, 4, -3}) : vector({0, 0, 0}));
  }
}

TEST(ControlFlow, CarriesAllValuesOfALoopAtOnce) {
  // Fibonacci's pairs: the two values change places as one of them grows.
  const auto out = run_text(R"(func forward(%i: int64[], %a: float32[1], %b: float32[1]) {
    (%j: int64[], %c: float32[1], %d: float32[1]) = higher_order.while_loop.default(func test(%k: int64[], %p: float32[1], %q: float32[1]) {
      %go: bool[] = aten.lt.Scalar(%k, 6)
      return %go
    }, func body(%k2: int64[], %p2: float32[1], %q2: float32[1]) {
      %next: int64[] = aten.add.Scalar(%k2, 1, 1)
      %sum: float32[1] = aten.add.Tensor(%p2, %q2, 1)
      return %next, %q2, %sum
    }, [%i, %a, %b], [])
    return %j, %c, %d
  })",
                            {Tensor::scalar<int64_t>(0), vector({0}), vector({1})});
  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(doubles(out[0]), (std::vector<double>{6}));
  EXPECT_EQ(doubles(out[1]), (std::vector<double>{8}));
  EXPECT_EQ(doubles(out[2]), (std::vector<double>{13}));
}

TEST(ControlFlow, ALoopWhoseTestFailsAtOnceGivesWhatItGot) {
  const auto out = run_text(R"(func forward(%i: int64[], %a: float32[2]) {
    (%j: int64[], %c: float32[2]) = higher_order.while_loop.default(func test(%k: int64[], %p: float32[2]) {
      %go: bool[] = aten.lt.Scalar(%k, 6)
      return %go
    }, func body(%k2: int64[], %p2: float32[2]) {
      %next: int64[] = aten.add.Scalar(%k2, 1, 1)
      %twice: float32[2] = aten.add.Tensor(%p2, %p2, 1)
      return %next, %twice
    }, [%i, %a], [])
    return %c
  })",
                            {Tensor::scalar<int64_t>(9), vector({1, 2})});
  ASSERT_EQ(out.size(), 1U);
  expect_near(out[0], vector({1, 2}));
}

TEST(ControlFlow, MapsRowsAndScans) {
  const auto mapped = run_text(R"(func forward(%x: float32[3,2], %y: float32[2]) {
    (%a: float32[3,2]) = higher_order.map_impl.default(func body(%row: float32[2], %more: float32[2]) {
      %sum: float32[2] = aten.add.Tensor(%row, %more, 1)
      return %sum
    }, [%x], [%y])
    return %a
  })",
                               {Tensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6}), vector({10, 20})});
  ASSERT_EQ(mapped.size(), 1U);
  expect_near(mapped[0], Tensor::of<float>({3, 2}, {11, 22, 13, 24, 15, 26}));
  const auto scanned = run_text(R"(func forward(%s: float32[2], %x: float32[3,2]) {
    (%last: float32[2], %all: float32[3,2]) = higher_order.scan.default(func body(%carry: float32[2], %row: float32[2]) {
      %sum: float32[2] = aten.add.Tensor(%carry, %row, 1)
      %out: float32[2] = aten.neg.default(%carry)
      return %sum, %out
    }, [%s], [%x], [])
    return %last, %all
  })",
                                {vector({0, 100}), Tensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6})});
  ASSERT_EQ(scanned.size(), 2U);
  expect_near(scanned[0], vector({9, 112}));
  expect_near(scanned[1], Tensor::of<float>({3, 2}, {0, -100, -1, -102, -4, -106}));
}

TEST(Legalize, NamesWhatItCannotRewrite) {
  auto module = ir::parse_module(R"(module "m" {
  func forward(%x: float32[3], %y: float32[3]) {
    %a: float32[3] = aten.nextafter.default(%x, %y)
    return %a
  }
})");
  ASSERT_TRUE(module);
  const auto refused = lowering::lower(module->clone(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnsupported);
  EXPECT_NE(refused.error().message.find("aten.nextafter"), std::string::npos);
  for (const passes::Foreign foreign : {passes::Foreign::kKeep, passes::Foreign::kIgnore}) {
    lowering::Options options;
    options.foreign = foreign;
    EXPECT_TRUE(lowering::lower(module->clone(), options));
  }
}

}  // namespace
}  // namespace pte::runtime
