#include "program/verify.h"

#include <gtest/gtest.h>

#include <functional>

#include "program/testing.h"

namespace pte::program {
namespace {

using testing::add_program;
using testing::blob_of;
using testing::constant;
using testing::planned;
using testing::rich_program;

TensorValue& tensor_at(Program& program, size_t index) {
  return std::get<TensorValue>(program.methods[0].values[index]);
}
KernelCall& call_of(Program& program) {
  return std::get<KernelCall>(program.methods[0].chains[0].instructions[0]);
}

struct Broken {
  std::function<void(Program&)> break_it;
  std::string expected;  // after "method 'forward': "
};

TEST(Verify, AcceptsGoodPrograms) {
  EXPECT_TRUE(verify(add_program()));
  EXPECT_TRUE(verify(rich_program()));
  EXPECT_TRUE(verify(Program{}));
}

TEST(Verify, FindsAllFaults) {
  Program program = add_program();
  program.methods[0].outputs = {-1};
  tensor_at(program, 0).sizes[1] = -3;
  call_of(program).op = 1;
  program.methods[0].chains[0].instructions.push_back(FreeCall{4});
  const std::vector<Finding> all = find_faults(program);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].where, "method 'forward': value 0");
  EXPECT_EQ(all[1].message, "output 0 names value -1, the method has 4");
  EXPECT_EQ(all[3].where, "method 'forward': instruction 1");
  EXPECT_EQ(find_faults(program, 2).size(), 2u);
  EXPECT_TRUE(find_faults(add_program()).empty());
}

TEST(Verify, NamesEveryBrokenRule) {
  const Broken cases[] = {
      {[](Program& p) { p.methods[0].outputs = {-1}; },
       "output 0 names value -1, the method has 4"},
      {[](Program& p) {
         p.methods[0].inputs = {0, 4};
       },
       "input 1 names value 4, the method has 4"},
      {[](Program& p) { call_of(p).op = 1; },
       "instruction 0: operator 1 is called, the method has 1"},
      {[](Program& p) { call_of(p).args[3] = 77; },
       "instruction 0: argument 3 names value 77, the method has 4"},
      {[](Program& p) { call_of(p).args.pop_back(); },
       "instruction 0: 'aten::add.out' takes 5 values (3 arguments, 1 results), the call has 4"},
      {[](Program& p) { call_of(p).args[4] = 1; },
       "instruction 0: 'aten::add.out': its result is value 2 but it returns value 1"},
      {[](Program& p) { call_of(p).args[1] = 3; },
       "instruction 0: 'aten::add.out': argument 'other' is value 3 (Int), expected Tensor"},
      {[](Program& p) { p.methods[0].values[3] = std::string("one"); },
       "instruction 0: 'aten::add.out': argument 'alpha' is value 3 (String), expected number"},
      {[](Program& p) {
         p.methods[0].chains[0].instructions.push_back(DelegateCall{0, {}});
       },
       "instruction 1: delegate 0 is called, the method has 0"},
      {[](Program& p) {
         p.methods[0].chains[0].instructions.push_back(JumpFalseCall{3, 3});
       },
       "instruction 1: jump to instruction 3 of 2"},
      {[](Program& p) {
         p.methods[0].chains[0].instructions.push_back(JumpFalseCall{9, 0});
       },
       "instruction 1: jump condition names value 9, the method has 4"},
      {[](Program& p) {
         p.methods[0].chains[0].instructions.push_back(MoveCall{0, -2});
       },
       "instruction 1: move target names value -2, the method has 4"},
      {[](Program& p) { p.methods[0].chains[0].instructions.push_back(FreeCall{4}); },
       "instruction 1: free names value 4, the method has 4"},
      {[](Program& p) { p.methods[0].chains[0].stack_traces.resize(2); },
       "chain 0: 2 stack traces for 1 instructions"},
      {[](Program& p) { tensor_at(p, 0).sizes.resize(17); },
       "value 0: a tensor of rank 17, expected at most 16"},
      {[](Program& p) { tensor_at(p, 0).sizes[1] = -3; },
       "value 0: size -3 of dimension 1 is out of range"},
      {[](Program& p) { tensor_at(p, 0).sizes[1] = 1LL << 31; },
       "value 0: size 2147483648 of dimension 1 is out of range"},
      {[](Program& p) {
         tensor_at(p, 0).dim_order = {1, 1};
       },
       "value 0: the dim order of float32[2,3] is no permutation of its 2 dimensions"},
      {[](Program& p) { tensor_at(p, 0).dim_order = {0}; },
       "value 0: the dim order of float32[2,3] is no permutation of its 2 dimensions"},
      {[](Program& p) { tensor_at(p, 0).dtype = static_cast<DType>(99); },
       "value 0: unknown scalar type 99"},
      {[](Program& p) {
         tensor_at(p, 0).sizes.assign(3, 2147483647);
         tensor_at(p, 0).dim_order = {0, 1, 2};
       },
       "value 0: the byte count of float32[2147483647,2147483647,2147483647] overflows"},
      {[](Program& p) { tensor_at(p, 0).allocation->memory_id = 0; },
       "value 0: arena 0 is asked for, the method has arenas 1 to 1"},
      {[](Program& p) { tensor_at(p, 0).allocation->memory_id = 2; },
       "value 0: arena 2 is asked for, the method has arenas 1 to 1"},
      {[](Program& p) { tensor_at(p, 0).allocation->offset = 80; },
       "value 0: float32[2,3] lies at 80 + 24 in arena 1 of 96 bytes"},
      {[](Program& p) { tensor_at(p, 0).allocation->offset = ~0ULL; },
       "value 0: float32[2,3] lies at 18446744073709551615 + 24 in arena 1 of 96 bytes"},
      {[](Program& p) { tensor_at(p, 0).allocation->offset = 34; },
       "value 0: offset 34 is not aligned to the 4 bytes of float32"},
      {[](Program& p) { p.methods[0].arena_sizes = {}; },
       "no arena sizes; entry 0 is reserved and always there"},
      {[](Program& p) { p.methods[0].arena_sizes[1] = -1; }, "arena 1 has size -1"},
      {[](Program& p) {
         p.methods[0].arena_devices = {{2, 1, 0}};
       },
       "a device is given to arena 2 of 2"},
      {[](Program& p) { p.methods[0].values.push_back(constant({2}, 1)); },
       "value 4: constant 1 is asked for, the program has 0"},
      {[](Program& p) {
         p.constants.push_back(blob_of<uint8_t>({1, 2, 3}));
         p.methods[0].values.push_back(constant({1}, 1));
       },
       "value 4: float32[1] needs 4 bytes, constant 1 has 3"},
      {[](Program& p) { tensor_at(p, 0).constant = 1; },
       "value 0: mutable data entry 1 is asked for, the program has 0"},
      {[](Program& p) {
         p.mutable_data.push_back(blob_of<uint8_t>({1, 2, 3}));
         tensor_at(p, 0).constant = 1;
       },
       "value 0: float32[2,3] needs 24 bytes, mutable data entry 1 has 3"},
      {[](Program& p) { tensor_at(p, 0).external = true; },
       "value 0: an external tensor without a name"},
      {[](Program& p) {
         p.methods[0].values.push_back(IntList{{3, 0}});
       },
       "value 4: IntList item names value 0 (Tensor), expected Int"},
      {[](Program& p) { p.methods[0].values.push_back(IntList{{5}}); },
       "value 4: IntList item names value 5, the method has 5"},
      {[](Program& p) { p.methods[0].values.push_back(TensorList{{-1}}); },
       "value 4: TensorList item names value -1, the method has 5"},
      {[](Program& p) {
         p.methods[0].values.push_back(OptionalTensorList{{-1, 3}});
       },
       "value 4: OptionalTensorList item names value 3 (Int), expected Tensor"},
  };
  for (const Broken& item : cases) {
    Program program = add_program();
    item.break_it(program);
    const Status status = verify(program);
    ASSERT_FALSE(status) << item.expected;
    EXPECT_EQ(status.error().message, "method 'forward': " + item.expected);
    EXPECT_EQ(status.error().code, Code::kInvalidData);
  }
}

TEST(Verify, MisalignedConstant) {
  Program program = add_program();
  const Blob whole = blob_of({1.0f, 2.0f});
  Blob part = whole;
  part.bytes = whole.bytes.subspan(1, 4);
  program.constants.push_back(part);
  program.methods[0].values.push_back(constant({1}, 1));
  const Status status = verify(program);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "method 'forward': value 4: constant 1 is not aligned to the 4 bytes of float32");
}

TEST(Verify, NamesMustDiffer) {
  Program program = add_program();
  program.methods.push_back(program.methods[0]);
  EXPECT_EQ(verify(program).error().message, "method 1: two methods are called 'forward'");
  program.methods[1].name.clear();
  EXPECT_EQ(verify(program).error().message, "method 1: a method without a name");
  program = add_program();
  program.named_data = {{"key\n", {}}, {"key\n", {}}};
  EXPECT_EQ(verify(program).error().message,
            "named data 1: named data has the key 'key\\x0a' twice");
}

TEST(PlanConflicts, NoneInAGoodPlan) {
  EXPECT_TRUE(find_plan_conflicts(add_program().methods[0]).empty());
}

TEST(PlanConflicts, ResultOverAnArgument) {
  Program program = add_program();
  tensor_at(program, 2).allocation->offset = 48;  // bytes 48 to 72; argument 0 has 64 to 88
  const auto findings = find_plan_conflicts(program.methods[0]);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].where, "method 'forward': values 1 and 2");
  EXPECT_EQ(findings[1].message,
            "share bytes 64 to 72 of arena 1 while both are in use (instructions 0 to 1, -1 to 0)");
}

// value 0 -> 1 -> 2 -> 3 by relu: 0 and 2 may share, as may 1 and 3, but not neighbours.
Program relu_chain(std::vector<uint64_t> offsets) {
  Program program;
  Method& method = program.methods.emplace_back();
  method.operators = {{"aten::relu", "out"}};
  method.chains.emplace_back();
  method.arena_sizes = {0, 1024};
  for (size_t i = 0; i < offsets.size(); ++i) {
    method.values.push_back(planned({4}, offsets[i]));
    if (i == 0) continue;
    const auto to = static_cast<int32_t>(i);
    method.chains[0].instructions.push_back(KernelCall{0, {to - 1, to, to}});
  }
  method.inputs = {0};
  method.outputs = {static_cast<int32_t>(offsets.size() - 1)};
  return program;
}

TEST(PlanConflicts, LifetimesAreInclusive) {
  EXPECT_TRUE(find_plan_conflicts(relu_chain({0, 16, 0, 16}).methods[0]).empty());
  // In place: the input is not written by an instruction, so this may be a view. Between two
  // results it is a conflict.
  EXPECT_EQ(find_plan_conflicts(relu_chain({0, 16, 16, 0}).methods[0]).size(), 1u);
}

TEST(PlanConflicts, LoopsKeepWhatTheyRead) {
  // 1 is made before the loop (instructions 1 and 2) and read in it; 3 is made after its last read
  // but inside the loop, so the next round would read 3's bytes.
  Program program = relu_chain({0, 16, 32, 16});
  Method& method = program.methods[0];
  method.values.push_back(true);
  method.chains[0].instructions.push_back(JumpFalseCall{4, 1});
  EXPECT_EQ(find_plan_conflicts(method).size(), 1u);
  method.chains[0].instructions.back() = JumpFalseCall{4, 2};  // the read stands before the loop
  EXPECT_TRUE(find_plan_conflicts(method).empty());
}

TEST(PlanConflicts, StateLivesFromCallToCall) {
  Program program = relu_chain({0, 16, 32, 48});
  Method& method = program.methods[0];
  program.mutable_data.push_back(blob_of({1.0f, 2.0f, 3.0f, 4.0f}));
  TensorValue state = planned({4}, 16);
  state.constant = 1;
  method.values.push_back(state);
  method.operators.push_back({"aten::copy_", ""});
  method.values.push_back(false);
  method.chains[0].instructions.push_back(KernelCall{1, {4, 3, 5, 4}});
  ASSERT_TRUE(verify(program));
  EXPECT_EQ(find_plan_conflicts(method).size(), 1u);
  std::get<TensorValue>(method.values[4]).allocation->offset = 64;
  EXPECT_TRUE(find_plan_conflicts(method).empty());
}

TEST(PlanConflicts, StopsAtTheLimit) {
  std::vector<uint64_t> offsets(60, 4);
  offsets[0] = 0;
  EXPECT_EQ(find_plan_conflicts(relu_chain(offsets).methods[0], 7).size(), 7u);
}

}  // namespace
}  // namespace pte::program
