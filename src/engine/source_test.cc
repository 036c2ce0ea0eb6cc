// Methods whose sizes follow from those of their inputs, and what they are given beside tensors.
#include "engine/source.h"

#include <filesystem>

#include "engine/testing.h"
#include "program/ptd.h"
#include "program/reader.h"

namespace pte::engine {
namespace {

using testing::input_for;
using testing::program_of;

using ProgramPtr = std::shared_ptr<const program::Program>;

// One input of the given sizes on both.
void same_as_reference(const ProgramPtr& program, Session& session, const Sizes& sizes,
                       uint32_t seed = 1) {
  auto method = runtime::Method::load(program, "forward");
  ASSERT_TRUE(method.has_value()) << method.error().message;
  runtime::ValueInfo info = session.input_info(0);
  info.sizes = sizes;
  info.dim_order = contiguous_dim_order(sizes.size());
  const EValue value = input_for(info, seed);
  const std::string where = describe(info.dtype, sizes);
  const Status taken = (*method)->set_input(0, value);
  const Status given = session.set_input(0, value);
  ASSERT_EQ(taken.has_value(), given.has_value()) << where;
  if (!taken) {
    EXPECT_EQ(taken.error().message, given.error().message);
    EXPECT_EQ(taken.error().code, given.error().code);
    EXPECT_EQ(taken.error().hint, given.error().hint);
    return;
  }
  const Status wanted = (*method)->execute();
  const Status got = session.execute();
  if (!wanted) {
    ASSERT_FALSE(got.has_value()) << where;
    EXPECT_EQ(wanted.error().message, got.error().message);
    return;
  }
  ASSERT_TRUE(got.has_value()) << where << ": " << got.error().message;
  for (size_t i = 0; i < session.output_count(); ++i) {
    const auto* want = (*method)->output(i).get<Tensor>();
    const auto* have = session.output(i).get<Tensor>();
    ASSERT_EQ(want == nullptr, have == nullptr);
    if (want != nullptr) testing::expect_close(*want, *have, 1e-4, where);
  }
}

constexpr const char* kDynamic = R"(sym s0 in [1, 6]
  sym s1 in [4, 20]
  const @w: float32[8,3,3,3] parameter = elided
  const @l: float32[5,8] parameter = elided
  func forward(%x: float32[s0,3,s1,12]) {
    %w = const @w
    %l = const @l
    %n: int(s0) = aten.sym_size.int(%x, 0)
    %h: int(s1) = aten.sym_size.int(%x, 2)
    %twice: int(2*s1) = _operator.mul.default(%h, 2)
    %c: float32[s0,8,s1,12] = aten.convolution.default(%x, %w, none, [1, 1], [1, 1], [1, 1], false, [0, 0], 1)
    %r: float32[s0,8,s1,12] = aten.relu.default(%c)
    %v: float32[s0,8,12*s1] = aten.view_copy.default(%r, [%n, 8, -1])
    %p: float32[s0,12*s1,8] = aten.permute_copy.default(%v, [0, 2, 1])
    %y: float32[s0,12*s1,5] = aten.linear.default(%p, %l)
    %f: float32[2*s1] = aten.full.default([%twice], 1.5, float32, none, none, none)
    return %y, %f, %twice
  })";

TEST(Source, APlanForEachSizeThatTheInputsHave) {
  const auto program = program_of(kDynamic);
  auto session = Session::load(program, "forward");
  ASSERT_TRUE(session.has_value()) << session.error().message;
  ASSERT_NE((*session)->plan(), nullptr) << (*session)->why_reference();
  // Back and forth, more sizes than are kept, some of them again.
  for (const Sizes& sizes : std::vector<Sizes>{{2, 3, 7, 12},
                                               {6, 3, 20, 12},
                                               {2, 3, 7, 12},
                                               {1, 3, 4, 12},
                                               {1, 3, 5, 12},
                                               {1, 3, 6, 12},
                                               {1, 3, 7, 12},
                                               {1, 3, 8, 12},
                                               {1, 3, 9, 12},
                                               {1, 3, 10, 12},
                                               {1, 3, 11, 12},
                                               {2, 3, 7, 12},
                                               {6, 3, 20, 12}}) {
    same_as_reference(program, **session, sizes, static_cast<uint32_t>(sizes[2]));
    ASSERT_NE((*session)->plan(), nullptr) << (*session)->why_reference();
    EXPECT_EQ(*(*session)->output(2).get<int64_t>(), 2 * sizes[2]);
  }
}

TEST(Source, WhatIsTooLargeIsTheSameMistakeAsOnTheReference) {
  const auto program = program_of(kDynamic);
  auto session = *Session::load(program, "forward");
  same_as_reference(program, *session, {7, 3, 7, 12});
  same_as_reference(program, *session, {2, 3, 21, 12});
  same_as_reference(program, *session, {2, 3, 7});
  same_as_reference(program, *session, {3, 7, 12});
  EXPECT_FALSE(session->set_input(0, EValue(int64_t{3})).has_value());
  same_as_reference(program, *session, {2, 3, 7, 12});
  EXPECT_FALSE(session->execute().has_value());  // not set again
}

TEST(Source, SizesThatCannotBePlannedAreTheReferences) {
  // A dimension of one element goes, and there is no room for a result of another rank.
  const auto program = program_of(R"(sym s0 in [1, 8]
  func forward(%x: float32[s0,4]) {
    %y: float32[s0,4] = aten.squeeze_copy.dims(%x, [0])
    %z: float32[s0,4] = aten.relu.default(%y)
    return %z
  })");
  auto session = *Session::load(program, "forward");
  for (const int64_t rows : {3, 1, 3, 1, 8}) {
    same_as_reference(program, *session, {rows, 4}, static_cast<uint32_t>(rows));
    EXPECT_EQ(session->plan() == nullptr, rows == 1);
    EXPECT_EQ(session->why_reference().empty(), rows != 1) << session->why_reference();
  }
  Options strict;
  strict.strict = true;
  session = *Session::load(program, "forward", strict);
  runtime::ValueInfo info = session->input_info(0);
  info.sizes[0] = 1;
  ASSERT_TRUE(session->set_input(0, input_for(info, 1)).has_value());
  EXPECT_FALSE(session->execute().has_value());
}

TEST(Source, SizesThatDependOnElementsAreTheReferences) {
  const auto program = program_of(R"(sym u0 in [0, 12]
  func forward(%x: float32[3,4]) {
    %z: int64[u0,2] = aten.nonzero.default(%x)
    return %z
  })");
  auto session = *Session::load(program, "forward");
  EXPECT_EQ(session->plan(), nullptr);
  EXPECT_NE(session->why_reference().find("depend on what a tensor holds"), std::string::npos)
      << session->why_reference();
  same_as_reference(program, *session, {3, 4});
}

TEST(Source, PlansShareTheirPackedWeights) {
  const auto program = program_of(kDynamic);
  Source source(*program, *program->find_method("forward"), {});
  EXPECT_TRUE(source.is_dynamic());
  EXPECT_EQ(source.file_sizes(), (std::vector<Sizes>{{6, 3, 20, 12}}));
  auto first = source.plan(source.file_sizes());
  ASSERT_TRUE(first.has_value()) << first.error().message;
  const auto packed = pack_weights(first->plan.packing);
  ASSERT_TRUE(packed.has_value());
  EXPECT_EQ(packed->blocks, 2U);
  for (int64_t height = 17; height < 20; ++height) {
    auto other = source.plan({{3, 3, height, 12}});
    ASSERT_TRUE(other.has_value()) << other.error().message;
    const auto shared = pack_weights(other->plan.packing);
    ASSERT_TRUE(shared.has_value());
    EXPECT_EQ(shared->shared, 2U);
  }
  EXPECT_FALSE(source.plan({{2, 3}}).has_value());
  EXPECT_FALSE(source.plan({}).has_value());
}

TEST(Source, DynamicPayloads) {
  size_t planned = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           std::string(PTE_SOURCE_DIR) + "/tests/golden")) {
    if (entry.path().extension() != ".pte") continue;
    auto file = MappedFile::open(entry.path().string());
    auto read = program::read_program(*file);
    if (!read || read->find_method("forward") == nullptr) continue;
    auto program = std::make_shared<const program::Program>(std::move(*read));
    auto session = Session::load(program, "forward");
    if (!session || (*session)->input_count() != 1) continue;
    const runtime::ValueInfo info = (*session)->input_info(0);
    if (!info.dynamic || (*session)->plan() == nullptr) continue;
    ++planned;
    for (int round = 0; round < 2; ++round) {
      Sizes sizes = info.sizes;
      sizes[0] = round == 0 ? sizes[0] : std::max<int64_t>(1, sizes[0] / 2);
      same_as_reference(program, **session, sizes);
    }
  }
  EXPECT_GT(planned, 0U);
}

// A portable program of a linear layer, with reshapes around its product and a hard swish in
// pieces.
TEST(Source, PortableProgramsReachThePlanOfWholeOperators) {
  const auto session = testing::compare(program_of(R"(const @w: float32[16,8] parameter = elided
  const @qk: float32[12,8] parameter = elided
  const @b: float32[16] parameter = elided
  func forward(%x: float32[2,5,8], %z: float32[2,5,16]) {
    %w = const @w
    %qk = const @qk
    %b = const @b
    %t: float32[8,16] = aten.permute_copy.default(%w, [1, 0])
    %r: float32[10,8] = aten.view_copy.default(%x, [10, 8])
    %p: float32[10,16] = aten.addmm.default(%b, %r, %t)
    %v: float32[2,5,16] = aten.view_copy.default(%p, [2, 5, 16])
    %c: float32[2,5,16] = aten.clamp.default(%v, 0)
    %d: float32[2,5,16] = aten.clamp.default(%c, none, 6)
    %f: float32[2,5,16] = aten.add.Tensor(%d, %z)
    %k: float32[4,8] = aten.slice_copy.Tensor(%qk, 0, 8, 12)
    %kt: float32[8,4] = aten.permute_copy.default(%k, [1, 0])
    %g: float32[10,4] = aten.mm.default(%r, %kt)
    %h: float32[2,5,4] = aten.view_copy.default(%g, [2, 5, 4])
    %i: float32[2,5,4] = aten.relu.default(%h)
    return %f, %i
  })"));
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(testing::kernels_of(*session), "gemm 10x16x8, clamp, sum\ngemm 10x4x8, clamp\n");
}

TEST(Source, NumbersThatWereFixedAtExport) {
  const auto base = program_of(R"(func forward(%x: float32[3]) {
    %y: float32[3] = aten.relu.default(%x)
    return %y
  })");
  program::Program changed = *base;
  program::Method& method = changed.methods.front();
  for (program::Value value :
       std::vector<program::Value>{int64_t{4}, true, 0.5, std::string("sum"), program::Null{}}) {
    method.inputs.push_back(static_cast<int32_t>(method.values.size()));
    method.values.push_back(std::move(value));
  }
  auto program = std::make_shared<const program::Program>(std::move(changed));
  auto session = *Session::load(program, "forward");
  auto reference = *runtime::Method::load(program, "forward");
  ASSERT_NE(session->plan(), nullptr) << session->why_reference();
  EXPECT_EQ(session->input_count(), 6U);
  EValue wrong_flag;
  wrong_flag.v = false;
  EValue right_flag;
  right_flag.v = true;
  const std::vector<std::pair<EValue, EValue>> given = {{EValue(int64_t{4}), EValue(int64_t{5})},
                                                        {right_flag, wrong_flag},
                                                        {EValue(0.5), EValue(0.75)},
                                                        {EValue(std::string("sum")), EValue(1.0)},
                                                        {EValue(), EValue(int64_t{1})}};
  for (size_t i = 0; i < given.size(); ++i) {
    EXPECT_TRUE(session->set_input(i + 1, given[i].first).has_value()) << i;
    const Status refused = session->set_input(i + 1, given[i].second);
    ASSERT_FALSE(refused.has_value()) << i;
    EXPECT_EQ(refused.error().message,
              reference->set_input(i + 1, given[i].second).error().message);
  }
  ASSERT_TRUE(session->set_input(0, input_for(session->input_info(0), 1)).has_value());
  EXPECT_TRUE(session->execute().has_value());
}

TEST(Source, AnInputThatIsNamedTwiceIsWhatWasSetLast) {
  const auto base = program_of(R"(func forward(%x: float32[3]) {
    %y: float32[3] = aten.add.Scalar(%x, 1.0)
    return %y
  })");
  program::Program changed = *base;
  changed.methods.front().inputs.push_back(changed.methods.front().inputs.front());
  auto program = std::make_shared<const program::Program>(std::move(changed));
  auto session = *Session::load(program, "forward");
  ASSERT_NE(session->plan(), nullptr) << session->why_reference();
  auto reference = *runtime::Method::load(program, "forward");
  for (const size_t first : {size_t{0}, size_t{1}}) {
    for (const size_t index : {first, 1 - first}) {
      const EValue value = input_for(session->input_info(0), static_cast<uint32_t>(10 + index));
      ASSERT_TRUE(session->set_input(index, value).has_value());
      ASSERT_TRUE(reference->set_input(index, value).has_value());
    }
    ASSERT_TRUE(session->execute().has_value());
    ASSERT_TRUE(reference->execute().has_value());
    testing::expect_close(*reference->output(0).get<Tensor>(), *session->output(0).get<Tensor>(), 0,
                          "named twice");
  }
  ASSERT_TRUE(session->set_input(0, input_for(session->input_info(0), 1)).has_value());
  EXPECT_FALSE(session->execute().has_value());  // the other one was not set
}

}  // namespace
}  // namespace pte::engine
