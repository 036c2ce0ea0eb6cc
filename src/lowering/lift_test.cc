#include "lowering/lift.h"

#include <gtest/gtest.h>

#include "ir/text.h"
#include "ir/verify.h"
#include "program/reader.h"

namespace pte::lowering {
namespace {

struct Read {
  MappedFile file;
  program::Program program;
};
Read read(const std::string& name) {
  auto file = MappedFile::open(std::string(PTE_SOURCE_DIR) + "/tests/golden/" + name + ".pte");
  EXPECT_TRUE(file.has_value()) << name;
  auto program = program::read_program(*file);
  EXPECT_TRUE(program.has_value()) << program.error().message;
  return {std::move(*file), std::move(*program)};
}

TEST(Lift, PayloadsAreInlined) {
  for (const std::string name : {"program/add_xnnpack", "program/conv_relu6_xnnpack",
                                 "xnnpack/block", "xnnpack/channels_last", "xnnpack/mixed"}) {
    const Read file = read(name);
    ir::Module module;
    LiftOptions options;
    options.inline_delegates = true;
    const Status lifted =
        lift_method(file.program, *file.program.find_method("forward"), module, options);
    ASSERT_TRUE(lifted.has_value()) << name << ": " << lifted.error().message;
    const auto valid = ir::verify(module);
    EXPECT_TRUE(valid.has_value()) << valid.error().message << "\n" << ir::print(module);
    EXPECT_EQ(ir::print(module).find("call_delegate"), std::string::npos) << name;
    EXPECT_GT(module.forward().node_count(), 0U);
  }
}

TEST(Lift, WithoutInliningTheCallStays) {
  const Read file = read("program/conv_relu6_xnnpack");
  ir::Module module;
  ASSERT_TRUE(lift_method(file.program, *file.program.find_method("forward"), module).has_value());
  EXPECT_NE(ir::print(module).find("pte.call_delegate.default(0, ["), std::string::npos)
      << ir::print(module);
}

TEST(Lift, ConstantsStayWhereTheFileHasThem) {
  const Read file = read("program/conv_relu6_portable");
  ir::Module module;
  ASSERT_TRUE(lift_method(file.program, *file.program.find_method("forward"), module).has_value());
  ASSERT_FALSE(module.constants.empty());
  for (const auto& [key, constant] : module.constants) {
    bool inside = false;
    for (const program::Blob& blob : file.program.constants) {
      inside = inside || blob.bytes.data() == constant.data.data();
    }
    EXPECT_TRUE(inside) << key;
  }
}

TEST(Lift, JumpsAreRefused) {
  const Read file = read("program/cond");
  ir::Module module;
  const Status lifted = lift_method(file.program, *file.program.find_method("forward"), module);
  ASSERT_FALSE(lifted.has_value());
  EXPECT_EQ(lifted.error().code, Code::kUnsupported);
}

}  // namespace
}  // namespace pte::lowering
