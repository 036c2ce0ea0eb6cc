#include "api/test_programs.h"
#include "program/testing.h"
#include "program/writer.h"

namespace pte_test {
namespace {

using pte::program::IntList;
using pte::program::JumpFalseCall;
using pte::program::KernelCall;
using pte::program::Method;
using pte::program::Null;
using pte::program::OptionalTensorList;
using pte::program::Program;
using pte::program::TensorList;
using pte::program::Value;
using pte::program::testing::add_program;
using pte::program::testing::planned;

File bytes_of(const Program& program) {
  auto made = pte::program::serialize(program);
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return made ? std::move(*made) : File();
}

}  // namespace

File add() { return bytes_of(add_program()); }

File add_dynamic() {
  Program program = add_program();
  for (size_t i = 0; i < 3; ++i) {
    std::get<pte::program::TensorValue>(program.methods[0].values[i]).dynamism =
        pte::program::Dynamism::kDynamicBound;
  }
  return bytes_of(program);
}

File endless() {
  Program program = add_program();
  Method& method = program.methods[0];
  method.inputs = {0};
  method.values.emplace_back(false);
  method.chains[0].instructions = {JumpFalseCall{4, 0}};
  return bytes_of(program);
}

File answers() {
  Program program;
  Method& method = program.methods.emplace_back();
  method.values = {Value(int64_t{42}), Value(2.5), Value(true), Value(std::string("text")),
                   planned({2}, 0)};
  method.inputs = {4};
  method.outputs = {0, 1, 2, 3, 4};
  method.arena_sizes = {0, 16};
  method.chains.emplace_back();
  return bytes_of(program);
}

File fixed() {
  Program program;
  Method& method = program.methods.emplace_back();
  method.values = {Value(int64_t{7}), Value(0.5), Value(true), Value(std::string("mode"))};
  method.inputs = {0, 1, 2, 3};
  method.outputs = {0};
  method.chains.emplace_back();
  return bytes_of(program);
}

File two_methods() {
  Program program = add_program();
  program.methods.push_back(program.methods[0]);
  program.methods[1].name = "second";
  program.named_data.push_back(
      {"note", pte::program::Blob::copy(pte::as_bytes(std::string_view("hello")))});
  return bytes_of(program);
}

File scale() {
  Program program = add_program();
  Method& method = program.methods[0];
  method.inputs = {0};
  method.operators = {{"mylib::scale", "out"}};
  method.values[3] = 2.5;
  method.chains[0].instructions = {KernelCall{0, {0, 3, 2, 2}}};
  return bytes_of(program);
}

File scale_renamed() {
  Program program = add_program();
  Method& method = program.methods[0];
  method.inputs = {0};
  method.operators = {{"mylib::scale", "out"}};
  method.values[1] = method.values[0];
  method.values[3] = 2.5;
  method.chains[0].instructions = {KernelCall{0, {1, 3, 2, 2}}};
  return bytes_of(program);
}

File overwrites() {
  Program program = add_program();
  Method& method = program.methods[0];
  method.outputs = {0};
  method.operators = {{"aten::copy_", ""}};
  method.values[3] = false;
  method.chains[0].instructions = {KernelCall{0, {0, 1, 3, 0}}};
  return bytes_of(program);
}

File all_kinds() {
  Program program = add_program();
  Method& method = program.methods[0];
  method.inputs = {0};
  method.operators = {{"mylib::all", "out"}};
  method.values.resize(3);
  for (Value value : std::vector<Value>{Null{}, int64_t{4}, int64_t{5}, IntList{{4, 5}},
                                        std::vector<double>{0.5, 1.5},
                                        std::vector<bool>{true, false}, std::string("hi"), true,
                                        TensorList{{0, 0}}, OptionalTensorList{{-1, 0}}}) {
    method.values.push_back(std::move(value));
  }
  method.chains[0].instructions = {KernelCall{0, {0, 3, 6, 7, 8, 9, 10, 11, 12, 2, 2}}};
  return bytes_of(program);
}

File parts() {
  Program program;
  Method& method = program.methods.emplace_back();
  method.values = {planned({2, 3}, 0), planned({3}, 32), planned({3}, 64), TensorList{{1, 2}}};
  method.inputs = {0};
  method.outputs = {1, 2};
  method.operators = {{"mylib::parts", "out"}};
  method.chains.emplace_back().instructions = {KernelCall{0, {0, 3, 3}}};
  method.arena_sizes = {0, 96};
  return bytes_of(program);
}

}  // namespace pte_test
