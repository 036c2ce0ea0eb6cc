// What lasts between executions, and plans that take turns in one memory.
#include "engine/variant.h"

#include "engine/testing.h"
#include "program/ptd.h"
#include "program/reader.h"

namespace pte::engine {
namespace {

using testing::program_of;

EValue fixed(const program::Value& value) {
  EValue out;
  if (const auto* integer = std::get_if<int64_t>(&value)) out = *integer;
  if (const auto* real = std::get_if<double>(&value)) out = *real;
  if (const auto* flag = std::get_if<bool>(&value)) out.v = *flag;
  if (const auto* text = std::get_if<std::string>(&value)) out = *text;
  return out;
}

// Several executions that go on from each other, then as after loading, on both.
void same_as_reference(const std::shared_ptr<const program::Program>& program,
                       const std::string& name, const Options& options = {}, bool planned = true) {
  auto session = Session::load(program, name, options);
  auto method = runtime::Method::load(program, name, options.reference);
  ASSERT_TRUE(session.has_value()) << session.error().message;
  ASSERT_TRUE(method.has_value()) << method.error().message;
  const program::Method& shape = *program->find_method(name);
  if (planned) {
    EXPECT_NE((*session)->plan(), nullptr) << (*session)->why_reference();
  }
  for (int round = 0; round < 6; ++round) {
    if (round == 4) {
      ASSERT_TRUE((*session)->reset().has_value());
      ASSERT_TRUE((*method)->reset().has_value());
    }
    for (size_t i = 0; i < (*method)->input_count(); ++i) {
      const runtime::ValueInfo info = (*method)->input_info(i);
      const EValue value = info.kind == "Tensor"
                               ? testing::input_for(info, static_cast<uint32_t>(round % 4 * 10) +
                                                              static_cast<uint32_t>(i))
                               : fixed(shape.values[static_cast<size_t>(shape.inputs[i])]);
      ASSERT_TRUE((*session)->set_input(i, value).has_value());
      ASSERT_TRUE((*method)->set_input(i, value).has_value());
    }
    const Status wanted = (*method)->execute();
    const Status got = (*session)->execute();
    ASSERT_EQ(wanted.has_value(), got.has_value())
        << (got ? wanted.error().message : got.error().message);
    for (size_t i = 0; wanted && i < (*method)->output_count(); ++i) {
      const EValue& want = (*method)->output(i);
      const EValue& have = (*session)->output(i);
      ASSERT_EQ(want.kind(), have.kind());
      const auto* tensor = want.get<Tensor>();
      if (tensor != nullptr) {
        testing::expect_close(*tensor, *have.get<Tensor>(), 1e-5,
                              name + ", round " + std::to_string(round));
      }
    }
  }
}

std::shared_ptr<const program::DataMap> data_of(const std::vector<std::string>& files) {
  auto map = std::make_shared<program::DataMap>();
  for (const std::string& name : files) {
    auto file = MappedFile::open(std::string(PTE_SOURCE_DIR) + "/tests/golden/runtime/" + name);
    EXPECT_TRUE(file.has_value()) << name;
    if (!file) continue;
    auto data = program::read_data(*file);
    EXPECT_TRUE(data.has_value()) << name;
    if (!data) continue;
    EXPECT_TRUE(map->add(std::move(*data)).has_value());
  }
  return map;
}

struct Golden {
  const char* file;
  const char* method;
  std::vector<std::string> data;
  bool planned;
};

TEST(Variant, GoldensThatKeepStateOrTakeTheirWeightsFromFiles) {
  for (const Golden& golden : std::vector<Golden>{
           {"runtime/kv_cache", "forward", {}, true},
           {"runtime/kv_cache_initialised", "forward", {}, true},
           {"runtime/shared_state", "forward", {}, false},
           {"program/mutable_buffer", "forward", {}, true},
           {"runtime/unplanned_io", "forward", {}, true},
           {"runtime/two_arenas", "forward", {}, true},
           {"runtime/outputs_are_inputs", "forward", {}, true},
           {"runtime/same_output_twice", "forward", {}, true},
           {"runtime/scalar_inputs", "forward", {}, true},
           {"runtime/zero_size", "forward", {}, true},
           {"runtime/nonzero_bound", "forward", {}, false},
           {"runtime/external_weights",
            "forward",
            {"external_weights.default_external_constant.ptd"},
            true},
           {"runtime/external_two_files",
            "forward",
            {"external_two_files.linear.ptd", "external_two_files.rest.ptd"},
            true},
           {"runtime/external_xnnpack", "forward", {"external_xnnpack.model.ptd"}, true}}) {
    SCOPED_TRACE(golden.file);
    auto file =
        MappedFile::open(std::string(PTE_SOURCE_DIR) + "/tests/golden/" + golden.file + ".pte");
    ASSERT_TRUE(file.has_value());
    auto read = program::read_program(*file);
    ASSERT_TRUE(read.has_value());
    auto program = std::make_shared<const program::Program>(std::move(*read));
    if (program->find_method(golden.method) == nullptr) continue;
    Options options;
    if (!golden.data.empty()) options.reference.data = data_of(golden.data);
    same_as_reference(program, golden.method, options, golden.planned);
  }
}

TEST(Variant, AKeyInBothProgramAndFileIsRefused) {
  auto file = MappedFile::open(std::string(PTE_SOURCE_DIR) +
                               "/tests/golden/runtime/external_two_files.pte");
  auto program = std::make_shared<program::Program>(std::move(*program::read_program(*file)));
  Options options;
  options.reference.data =
      data_of({"external_two_files.linear.ptd", "external_two_files.rest.ptd"});
  program->named_data.push_back({"w", {}});
  const auto loaded = Session::load(program, "forward", options);
  ASSERT_FALSE(loaded.has_value());
  EXPECT_NE(loaded.error().message.find("both in the program and in a .ptd file"),
            std::string::npos)
      << loaded.error().message;
  EXPECT_FALSE(Session::load(program, "forward", {}).has_value());
}

TEST(Variant, StatesThatChangePlaces) {
  same_as_reference(program_of(R"(const @a: float32[2,3] buffer = elided
  const @b: float32[2,3] buffer = elided
  func forward(%x: float32[2,3]) {
    %a = const @a
    %b = const @b
    %s: float32[2,3] = aten.add.Tensor(%a, %x)
    %c: float32[2,3] = aten.clone.default(%b)
    return mutate @a %c, mutate @b %s, %s, %c
  })"),
                    "forward");
}

TEST(Variant, OneStateThatIsReadAfterItsNewValueIsKnown) {
  same_as_reference(program_of(R"(const @a: float32[4] buffer = elided
  func forward(%x: float32[4]) {
    %a = const @a
    %n: float32[4] = aten.add.Tensor(%a, %x)
    %o: float32[4] = aten.mul.Tensor(%a, %n)
    %v: float32[2,2] = aten.view_copy.default(%o, [2, 2])
    return mutate @a %n, %v
  })"),
                    "forward");
}

TEST(Variant, StateOfOneElementIsNoConstant) {
  same_as_reference(program_of(R"(const @count: float32[] buffer = dense [3]
  func forward(%x: float32[4]) {
    %count = const @count
    %n: float32[] = aten.add.Scalar(%count, 1.0)
    %o: float32[4] = aten.mul.Tensor(%x, %count)
    return mutate @count %n, %o
  })"),
                    "forward");
}

// Each size has a plan of its own, and all of them go on with the same state.
TEST(Variant, StateGoesFromPlanToPlan) {
  const auto program = program_of(R"(sym s0 in [1, 8]
  const @sum: float32[4] buffer = dense [1, 2, 3, 4]
  func forward(%x: float32[s0,4]) {
    %sum = const @sum
    %r: float32[4] = aten.sum.dim_IntList(%x, [0])
    %n: float32[4] = aten.add.Tensor(%sum, %r)
    %y: float32[s0,4] = aten.add.Tensor(%x, %n)
    return mutate @sum %n, %y
  })");
  auto session = *Session::load(program, "forward");
  auto method = *runtime::Method::load(program, "forward");
  ASSERT_NE(session->plan(), nullptr) << session->why_reference();
  for (const int64_t rows : {3, 8, 1, 3, 2, 4, 5, 6, 7, 8, 1, 2, 3}) {
    runtime::ValueInfo info = method->input_info(0);
    info.sizes[0] = rows;
    const EValue value = testing::input_for(info, static_cast<uint32_t>(rows));
    ASSERT_TRUE(session->set_input(0, value).has_value());
    ASSERT_TRUE(method->set_input(0, value).has_value());
    ASSERT_TRUE(session->execute().has_value());
    ASSERT_TRUE(method->execute().has_value());
    testing::expect_close(*method->output(0).get<Tensor>(), *session->output(0).get<Tensor>(), 1e-5,
                          std::to_string(rows) + " rows");
  }
}

TEST(Variant, TimesAreTakenWhenAskedFor) {
  const auto program = program_of(R"(func forward(%x: float32[64]) {
    %y: float32[64] = aten._softmax.default(%x, 0, false)
    return %y
  })");
  auto session = *Session::load(program, "forward");
  session->set_timing(true);
  ASSERT_TRUE(session->set_input(0, testing::input_for(session->input_info(0), 1)).has_value());
  ASSERT_TRUE(session->execute().has_value());
  ASSERT_EQ(session->nanoseconds().size(), session->plan()->steps.size());
  EXPECT_GT(session->nanoseconds().front(), 0);
}

}  // namespace
}  // namespace pte::engine
