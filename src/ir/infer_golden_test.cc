// Inference against PyTorch eager: for every golden case of the kernels, the inferred types are
// those of the results.
#include "ir/builder.h"
#include "ir/infer.h"
#include "tensor/golden_cases.h"

namespace pte::ir {
namespace {

// Arguments that a program does not know before it runs.
Value* input(Graph& graph, const Tensor& tensor) {
  return graph.add_input(
      "x", TensorType::of(tensor.dtype(), to_sym(tensor.sizes()), dim_order_of(tensor.strides())));
}

Arg as_arg(Graph& graph, ArgKind kind, const EValue& value) {
  if (const auto* tensor = value.get<Tensor>()) return input(graph, *tensor);
  if (const auto* number = value.get<int64_t>()) {
    if (kind == ArgKind::kDType) return dtype_from_code(*number).value_or(DType::kFloat32);
    if (kind == ArgKind::kMemoryFormat) return static_cast<MemoryFormat>(*number);
    if (kind == ArgKind::kLayout || kind == ArgKind::kDevice) return {};
    return *number;
  }
  if (const auto* number = value.get<double>()) return *number;
  if (const auto* flag = value.get<bool>()) return *flag;
  if (const auto* text = value.get<std::string>()) return *text;
  if (const auto* list = value.get<std::vector<int64_t>>()) return Arg::ints(*list);
  if (const auto* list = value.get<std::vector<double>>()) return Arg::doubles(*list);
  ArgList items;
  if (const auto* list = value.get<std::vector<bool>>()) {
    for (const bool flag : *list) items.emplace_back(flag);
  } else if (const auto* tensors = value.get<std::vector<Tensor>>()) {
    for (const Tensor& tensor : *tensors) items.emplace_back(input(graph, tensor));
  } else if (const auto* some = value.get<std::vector<std::optional<Tensor>>>()) {
    for (const auto& tensor : *some) items.push_back(tensor ? Arg(input(graph, *tensor)) : Arg());
  } else {
    return {};
  }
  return items;
}

// The sizes as text, with the result's own number where inference leaves one open and its bound
// allows that.
std::string shape(const Type& type, const Tensor& result, const Ranges& ranges) {
  const auto* tensor = std::get_if<TensorType>(&type);
  if (tensor == nullptr) return to_string(type);
  Sizes sizes;
  for (size_t d = 0; d < tensor->rank(); ++d) {
    const auto name = tensor->sizes[d].as_symbol();
    const auto range = name ? ranges.find(*name) : ranges.end();
    if (range != ranges.end() && d < result.rank() &&
        result.size(d) <= range->second.max.value_or(result.size(d))) {
      sizes.push_back(result.size(d));
    } else {
      sizes.push_back(tensor->sizes[d].constant().value_or(-1));
    }
  }
  return describe(tensor->dtype, sizes);
}

class InferGolden : public testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(InferGolden, GivesTheTypesOfTheResults) {
  int failures = 0;
  for_each_golden_case(GetParam().second, [&](const GoldenCase& c, uint32_t number) {
    if (!has_inference(c.op->op)) return true;
    // The types of numbers hold expressions, which infer_test.cc tests.
    if (!c.expected.empty() && !c.expected[0].is<Tensor>() &&
        !c.expected[0].is<std::vector<Tensor>>())
      return true;
    // Of an empty tensor eager gives an empty mask of the wrong type.
    const Tensor* first = c.args.empty() ? nullptr : c.args[0].get<Tensor>();
    if (c.op->op == Op::aten_native_dropout && first != nullptr && first->numel() == 0) return true;
    SCOPED_TRACE("case " + std::to_string(number) + ": " + c.name);
    Module module;
    const auto graph = std::make_shared<Graph>();
    std::vector<Arg> args;
    for (const ArgSchema& schema : c.op->args) {
      Arg arg = default_arg(schema);
      for (const auto& [name, value] : c.named) {
        if (name == schema.name) arg = as_arg(*graph, schema.kind, value);
      }
      args.push_back(std::move(arg));
    }
    Builder builder(module, *graph);
    const auto node = builder.node(c.op->op, std::move(args));
    std::string got;
    std::string expected;
    if (!node) {
      got = node.error().message;
    } else {
      std::vector<Tensor> results;
      for (const EValue& value : c.expected) {
        if (const auto* tensor = value.get<Tensor>()) results.push_back(*tensor);
        if (const auto* list = value.get<std::vector<Tensor>>())
          results.insert(results.end(), list->begin(), list->end());
      }
      for (const Tensor& result : results) expected += result.describe() + " ";
      const auto& values = (*node)->results();
      for (size_t i = 0; i < values.size(); ++i) {
        const Tensor& result = i < results.size() ? results[i] : results[0];
        got += shape(values[i]->type(), result, module.symbols) + " ";
      }
    }
    EXPECT_EQ(got, expected);
    if (HasFailure()) ++failures;
    return failures < 20;
  });
}

INSTANTIATE_TEST_SUITE_P(Families, InferGolden, testing::ValuesIn(golden_files()),
                         [](const auto& param) { return param.param.first; });

}  // namespace
}  // namespace pte::ir
