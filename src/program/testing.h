// For tests only: small programs built by hand, and equality of programs by content.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "program/program.h"

namespace pte::program::testing {

inline TensorValue planned(Sizes sizes, uint64_t offset, DType dtype = DType::kFloat32) {
  TensorValue tensor;
  tensor.dtype = dtype;
  tensor.dim_order = contiguous_dim_order(sizes.size());
  tensor.sizes = std::move(sizes);
  tensor.allocation = Allocation{1, offset};
  return tensor;
}

inline TensorValue constant(Sizes sizes, uint32_t index, DType dtype = DType::kFloat32) {
  TensorValue tensor = planned(std::move(sizes), 0, dtype);
  tensor.allocation.reset();
  tensor.constant = index;
  return tensor;
}

template <typename T>
Blob blob_of(std::initializer_list<T> values) {
  const std::vector<T> copy(values);
  return Blob::copy(std::as_bytes(std::span(copy)));
}

// out = a + b for float32 [2,3], everything planned: formats 1.12.
inline Program add_program() {
  Program program;
  Method& method = program.methods.emplace_back();
  method.values = {planned({2, 3}, 64), planned({2, 3}, 32), planned({2, 3}, 0), Value(int64_t{1})};
  method.inputs = {0, 1};
  method.outputs = {2};
  method.operators = {{"aten::add", "out"}};
  method.chains.emplace_back().instructions = {KernelCall{0, {0, 1, 3, 2, 2}}};
  method.arena_sizes = {0, 96};
  return program;
}

// Something of everything that a file can hold.
inline Program rich_program() {
  Program program = add_program();
  program.methods[0].input_tree = "T1#1($)";
  program.methods[0].output_tree = "$";
  program.constants.push_back(blob_of({1.0f, 2.0f, 3.0f}));
  program.constants.push_back(blob_of<int64_t>({-7}));
  program.mutable_data.push_back(blob_of<uint8_t>({5, 6, 7}));
  program.mutable_data.push_back(blob_of({0.5f, 1.5f}));
  program.named_data.push_back({"alpha", blob_of<uint8_t>({1, 2, 3, 4, 5})});
  program.named_data.push_back({"beta", blob_of<uint8_t>({9})});
  program.named_data.push_back({"alpha again", blob_of<uint8_t>({1, 2, 3, 4, 5})});
  program.named_data[1].data.alignment = 256;

  Method& method = program.methods.emplace_back();
  method.name = "second";
  method.arena_sizes = {0, 256, 0};
  method.arena_devices = {{2, 1, 3}};
  method.delegates.push_back({"FirstBackend", blob_of<uint8_t>({10, 11, 12}), false, {}});
  method.delegates.push_back({"SecondBackend",
                              blob_of<uint8_t>({20, 21}),
                              true,
                              {{"key", blob_of<uint8_t>({1})}, {"", {}}}});
  method.delegates.push_back({"FirstBackend", blob_of<uint8_t>({10, 11, 12}), false, {}});
  method.operators = {{"aten::cat", "out"}, {"aten::copy_", ""}};
  TensorValue counter = planned({3}, 16, DType::kUInt8);
  counter.constant = 1;
  counter.name = "counter";
  TensorValue state = planned({2}, 32);
  state.constant = 2;
  state.requires_grad = true;
  TensorValue external = constant({2, 2}, 0, DType::kFloat16);
  external.external = true;
  external.name = "layer.weight";
  TensorValue bounded = planned({8, 2}, 64);
  bounded.dynamism = Dynamism::kDynamicBound;
  TensorValue image = planned({1, 2, 2, 2}, 128);
  image.dim_order = {0, 2, 3, 1};
  TensorValue elsewhere = planned({}, 0);
  elsewhere.allocation.reset();
  elsewhere.device_type = 1;
  method.values = {Value(counter),
                   Value(state),
                   Value(external),
                   Value(bounded),
                   Value(image),
                   Value(elsewhere),
                   Value(constant({3}, 1)),
                   Value(constant({}, 2, DType::kInt64)),
                   Value(Null{}),
                   Value(int64_t{0}),
                   Value(int64_t{-3}),
                   Value(true),
                   Value(false),
                   Value(0.0),
                   Value(-1.25),
                   Value(std::string("nearest")),
                   Value(IntList{{9, 10, 9}}),
                   Value(IntList{}),
                   Value(std::vector<double>{1.0, 2.5}),
                   Value(std::vector<bool>{true, false, true}),
                   Value(TensorList{{0, 1}}),
                   Value(OptionalTensorList{{-1, 3}})};
  method.inputs = {3, 9};
  method.outputs = {4, 14};
  method.chains.emplace_back().instructions = {
      KernelCall{0, {20, 9, 3, 3}}, DelegateCall{2, {0, 4}}, DelegateCall{1, {1}},
      JumpFalseCall{11, 6},         MoveCall{9, 10},         FreeCall{3}};
  method.chains[0].stack_traces.resize(6);
  method.chains[0].stack_traces[1] = {{"model.py", 12, "forward", "return x"},
                                      {"nn.py", 3, "", ""}};
  return program;
}

inline std::string text_of(const Blob& blob) { return std::string(as_text(blob.bytes)); }

inline void expect_same(const std::vector<Blob>& a, const std::vector<Blob>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(text_of(a[i]), text_of(b[i])) << i;
}

inline void expect_same(const TensorValue& a, const TensorValue& b) {
  EXPECT_EQ(a.dtype, b.dtype);
  EXPECT_EQ(a.sizes, b.sizes);
  EXPECT_EQ(a.dim_order, b.dim_order);
  EXPECT_EQ(a.requires_grad, b.requires_grad);
  EXPECT_EQ(a.dynamism, b.dynamism);
  EXPECT_EQ(a.constant, b.constant);
  EXPECT_EQ(a.external, b.external);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.device_type, b.device_type);
  EXPECT_EQ(a.device_index, b.device_index);
  ASSERT_EQ(a.allocation.has_value(), b.allocation.has_value());
  if (!a.allocation) return;
  EXPECT_EQ(a.allocation->memory_id, b.allocation->memory_id);
  EXPECT_EQ(a.allocation->offset, b.allocation->offset);
}

inline void expect_same(const Value& a, const Value& b) {
  ASSERT_EQ(a.index(), b.index());
  if (const auto* tensor = std::get_if<TensorValue>(&a)) {
    expect_same(*tensor, std::get<TensorValue>(b));
  } else if (const auto* ints = std::get_if<IntList>(&a)) {
    EXPECT_EQ(ints->items, std::get<IntList>(b).items);
  } else if (const auto* tensors = std::get_if<TensorList>(&a)) {
    EXPECT_EQ(tensors->items, std::get<TensorList>(b).items);
  } else if (const auto* optionals = std::get_if<OptionalTensorList>(&a)) {
    EXPECT_EQ(optionals->items, std::get<OptionalTensorList>(b).items);
  } else if (const auto* number = std::get_if<int64_t>(&a)) {
    EXPECT_EQ(*number, std::get<int64_t>(b));
  } else if (const auto* flag = std::get_if<bool>(&a)) {
    EXPECT_EQ(*flag, std::get<bool>(b));
  } else if (const auto* real = std::get_if<double>(&a)) {
    // By bits: a file may hold a NaN.
    EXPECT_EQ(std::memcmp(real, std::get_if<double>(&b), sizeof(double)), 0);
  } else if (const auto* text = std::get_if<std::string>(&a)) {
    EXPECT_EQ(*text, std::get<std::string>(b));
  } else if (const auto* reals = std::get_if<std::vector<double>>(&a)) {
    EXPECT_EQ(*reals, std::get<std::vector<double>>(b));
  } else if (const auto* flags = std::get_if<std::vector<bool>>(&a)) {
    EXPECT_EQ(*flags, std::get<std::vector<bool>>(b));
  }
}

inline void expect_same(const Instruction& a, const Instruction& b) {
  ASSERT_EQ(a.index(), b.index());
  if (const auto* kernel = std::get_if<KernelCall>(&a)) {
    EXPECT_EQ(kernel->op, std::get<KernelCall>(b).op);
    EXPECT_EQ(kernel->args, std::get<KernelCall>(b).args);
  } else if (const auto* call = std::get_if<DelegateCall>(&a)) {
    EXPECT_EQ(call->delegate, std::get<DelegateCall>(b).delegate);
    EXPECT_EQ(call->args, std::get<DelegateCall>(b).args);
  } else if (const auto* move = std::get_if<MoveCall>(&a)) {
    EXPECT_EQ(move->from, std::get<MoveCall>(b).from);
    EXPECT_EQ(move->to, std::get<MoveCall>(b).to);
  } else if (const auto* jump = std::get_if<JumpFalseCall>(&a)) {
    EXPECT_EQ(jump->condition, std::get<JumpFalseCall>(b).condition);
    EXPECT_EQ(jump->target, std::get<JumpFalseCall>(b).target);
  } else if (const auto* release = std::get_if<FreeCall>(&a)) {
    EXPECT_EQ(release->value, std::get<FreeCall>(b).value);
  }
}

inline void expect_same(const Chain& a, const Chain& b) {
  ASSERT_EQ(a.instructions.size(), b.instructions.size());
  for (size_t i = 0; i < a.instructions.size(); ++i) {
    SCOPED_TRACE("instruction " + std::to_string(i));
    expect_same(a.instructions[i], b.instructions[i]);
  }
  ASSERT_EQ(a.stack_traces.size(), b.stack_traces.size());
  for (size_t i = 0; i < a.stack_traces.size(); ++i) {
    ASSERT_EQ(a.stack_traces[i].size(), b.stack_traces[i].size());
    for (size_t k = 0; k < a.stack_traces[i].size(); ++k) {
      const Frame& left = a.stack_traces[i][k];
      const Frame& right = b.stack_traces[i][k];
      EXPECT_EQ(std::tie(left.file, left.line, left.name, left.context),
                std::tie(right.file, right.line, right.name, right.context));
    }
  }
}

inline void expect_same(const Delegate& a, const Delegate& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.is_inline, b.is_inline);
  EXPECT_EQ(text_of(a.payload), text_of(b.payload));
  ASSERT_EQ(a.compile_specs.size(), b.compile_specs.size());
  for (size_t i = 0; i < a.compile_specs.size(); ++i) {
    EXPECT_EQ(a.compile_specs[i].key, b.compile_specs[i].key);
    EXPECT_EQ(text_of(a.compile_specs[i].value), text_of(b.compile_specs[i].value));
  }
}

inline void expect_same(const Method& a, const Method& b) {
  SCOPED_TRACE("method " + a.name);
  EXPECT_EQ(std::tie(a.name, a.input_tree, a.output_tree, a.inputs, a.outputs, a.arena_sizes),
            std::tie(b.name, b.input_tree, b.output_tree, b.inputs, b.outputs, b.arena_sizes));
  ASSERT_EQ(a.values.size(), b.values.size());
  for (size_t i = 0; i < a.values.size(); ++i) {
    SCOPED_TRACE("value " + std::to_string(i));
    expect_same(a.values[i], b.values[i]);
  }
  ASSERT_EQ(a.chains.size(), b.chains.size());
  for (size_t i = 0; i < a.chains.size(); ++i) expect_same(a.chains[i], b.chains[i]);
  ASSERT_EQ(a.operators.size(), b.operators.size());
  for (size_t i = 0; i < a.operators.size(); ++i) {
    EXPECT_EQ(a.operators[i].full_name(), b.operators[i].full_name());
  }
  ASSERT_EQ(a.delegates.size(), b.delegates.size());
  for (size_t i = 0; i < a.delegates.size(); ++i) expect_same(a.delegates[i], b.delegates[i]);
  ASSERT_EQ(a.arena_devices.size(), b.arena_devices.size());
  for (size_t i = 0; i < a.arena_devices.size(); ++i) {
    EXPECT_EQ(a.arena_devices[i].arena, b.arena_devices[i].arena);
    EXPECT_EQ(a.arena_devices[i].device_type, b.arena_devices[i].device_type);
    EXPECT_EQ(a.arena_devices[i].device_index, b.arena_devices[i].device_index);
  }
}

inline void expect_same(const Program& a, const Program& b) {
  EXPECT_EQ(a.version, b.version);
  ASSERT_EQ(a.methods.size(), b.methods.size());
  for (size_t i = 0; i < a.methods.size(); ++i) expect_same(a.methods[i], b.methods[i]);
  {
    SCOPED_TRACE("constants");
    expect_same(a.constants, b.constants);
  }
  {
    SCOPED_TRACE("mutable data");
    expect_same(a.mutable_data, b.mutable_data);
  }
  ASSERT_EQ(a.named_data.size(), b.named_data.size());
  for (size_t i = 0; i < a.named_data.size(); ++i) {
    EXPECT_EQ(a.named_data[i].key, b.named_data[i].key);
    EXPECT_EQ(text_of(a.named_data[i].data), text_of(b.named_data[i].data));
  }
}

}  // namespace pte::program::testing
