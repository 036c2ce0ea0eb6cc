// What importers write for ATen overloads without a row, run by the reference interpreter against
// eager PyTorch (tests/golden/aten). It stands in this layer because none below knows importers and
// the runtime both.
#include "importers/aten/composites.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/zip.h"
#include "ir/builder.h"
#include "ir/verify.h"
#include "lowering/lower.h"
#include "runtime/compare.h"
#include "runtime/method.h"

namespace pte {
namespace {

using importers::NodeMaker;
using importers::Overload;
using ir::Arg;
using Json = nlohmann::json;

DType dtype_named(const std::string& name) {
  const auto dtype = parse_dtype(name);
  EXPECT_TRUE(dtype.has_value()) << name;
  return dtype.value_or(DType::kFloat32);
}

void store_number(Tensor& tensor, size_t index, double value) {
  dispatch(tensor.dtype(), [&]<typename T>(T) {
    if constexpr (std::is_arithmetic_v<T>) {
      tensor.mutable_data_as<T>()[index] = static_cast<T>(value);
    } else if constexpr (std::is_constructible_v<T, float>) {
      tensor.mutable_data_as<T>()[index] = T(static_cast<float>(value));
    }
  });
}

double load_number(const Tensor& tensor, size_t index) {
  double value = 0;
  dispatch(tensor.dtype(), [&]<typename T>(T) {
    if constexpr (std::is_convertible_v<T, float>)
      value = static_cast<double>(static_cast<float>(tensor.data_as<T>()[index]));
  });
  return value;
}

double number_of(const Json& value) {
  return value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
}

// {"dtype", "sizes", "values"}
Tensor tensor_of(const Json& value) {
  const DType dtype = dtype_named(value.at("dtype"));
  const auto sizes = value.at("sizes").get<Sizes>();
  std::vector<double> numbers;
  for (const Json& item : value.at("values"))
    numbers.push_back(item.is_boolean() ? static_cast<double>(item.get<bool>()) : number_of(item));
  auto made = Tensor::zeros(dtype, sizes);
  EXPECT_TRUE(made);
  for (size_t i = 0; i < numbers.size(); ++i) store_number(*made, i, numbers[i]);
  return *made;
}

bool is_tensor(const Json& value) { return value.is_object() && value.contains("dtype"); }

// One call as a module of its own: tensors are its inputs.
struct Call {
  ir::Module module;
  std::vector<EValue> inputs;

  Arg arg(const Json& value) {
    if (is_tensor(value)) {
      Tensor tensor = tensor_of(value);
      ir::Value* input = module.forward().add_input(
          "x", ir::TensorType::of(tensor.dtype(), ir::to_sym(tensor.sizes())));
      inputs.emplace_back(std::move(tensor));
      return Arg(input);
    }
    if (value.is_array()) {
      ir::ArgList list;
      for (const Json& item : value) list.push_back(arg(item));
      return Arg(std::move(list));
    }
    if (value.is_object() && value.contains("type")) return Arg(dtype_named(value.at("type")));
    if (value.is_object()) return Arg(number_of(value.at("number")));
    if (value.is_boolean()) return Arg(value.get<bool>());
    if (value.is_number_integer()) return Arg(value.get<int64_t>());
    if (value.is_string()) return Arg(value.get<std::string>());
    return {};
  }
};

// Runs a recorded call; the text says what is wrong, empty when nothing is.
std::string run(const Json& record) {
  const std::string name = record.at("op");
  const Overload* overload = importers::find_overload(name);
  if (overload == nullptr) return "it is not known";
  // A number in the place of the second tensor.
  const Json& given = record.at("args");
  if (overload->info->args.size() > 1) {
    const auto second = given.find(overload->info->args[1].name);
    if (second != given.end() && overload->info->args[1].kind == ArgKind::kTensor &&
        !second->is_null() && !is_tensor(*second)) {
      overload = importers::scalar_overload(*overload);
      if (overload == nullptr) return "it takes no number";
    }
  }
  Call call;
  call.module.methods["forward"];
  std::vector<Arg> args;
  for (const ArgSchema& schema : overload->info->args) {
    const auto value = given.find(schema.name);
    if (value != given.end()) {
      args.push_back(call.arg(*value));
      // Layouts, devices and memory formats are not recorded.
      if (args.back().is_none() && !schema.optional && schema.has_default)
        args.back() = ir::default_arg(schema);
    } else if (schema.has_default) {
      args.push_back(ir::default_arg(schema));
    } else {
      args.emplace_back();
    }
  }
  NodeMaker maker(call.module, call.module.forward());
  auto made = importers::call(maker, *overload, std::move(args));
  if (!made) return made.error().message;
  std::vector<Tensor> expected;
  size_t at = 0;
  std::vector<Arg> results;
  for (const Arg& result : *made) {
    if (const ir::ArgList* list = result.list()) {
      results.insert(results.end(), list->begin(), list->end());
    } else {
      results.push_back(result);
    }
  }
  if (results.size() != record.at("results").size()) return "another number of results";
  for (const Arg& result : results) {
    const Json& wanted = record.at("results")[at++];
    // What a rule does not work out, and what comes back untouched, is no output.
    if (result.value() == nullptr || !is_tensor(wanted)) continue;
    if (result.value()->is_input()) continue;
    call.module.forward().add_output(result.value());
    expected.push_back(tensor_of(wanted));
  }
  if (expected.empty()) return "";
  if (const auto fine = ir::verify(call.module); !fine) return fine.error().message;
  auto lowered = lowering::lower(std::move(call.module), {});
  if (!lowered) return lowered.error().message;
  auto program = std::make_shared<const program::Program>(std::move(lowered->program));
  auto method = runtime::Method::load(program, "forward");
  if (!method) return method.error().message;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (const auto set = (*method)->set_input(i, call.inputs[i]); !set) return set.error().message;
  }
  if (const auto done = (*method)->execute(); !done) return done.error().message;
  for (size_t i = 0; i < expected.size(); ++i) {
    double largest = 0;
    const bool half = size_of(expected[i].dtype()) == 2 && is_floating(expected[i].dtype());
    for (int64_t k = 0; k < expected[i].numel(); ++k) {
      const double value = load_number(expected[i], static_cast<size_t>(k));
      if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
    }
    const runtime::Tolerance tolerance{0, largest * (half ? 2e-3 : 2e-5) + 1e-30};
    const auto found = runtime::compare((*method)->output(i), EValue(expected[i]), tolerance);
    if (!found.matches) return fmt::format("result {}: {}", i, found.message);
  }
  return "";
}

TEST(CompositeValues, AreThoseOfEagerPyTorch) {
  const std::string path = std::string(PTE_SOURCE_DIR) + "/tests/golden/aten/cases.zip";
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  const auto zip = ZipArchive::open(*file);
  ASSERT_TRUE(zip) << zip.error().message;
  const ZipEntry* entry = zip->find("cases.json");
  ASSERT_NE(entry, nullptr);
  const auto data = zip->read(*entry);
  ASSERT_TRUE(data) << data.error().message;
  const Json cases = Json::parse(as_text(data->bytes), nullptr, false);
  ASSERT_TRUE(cases.is_array());
  std::map<std::string, int> count;
  size_t refused = 0;
  for (const Json& record : cases) {
    const std::string wrong = run(record);
    ++count[record.at("op")];
    // Rows that the official runtime lacks wait for the pass that rewrites them.
    if (wrong.find("cannot be put into a program") != std::string::npos) {
      ++refused;
      continue;
    }
    EXPECT_EQ(wrong, "") << record.at("op") << " " << record.at("args").dump().substr(0, 300);
  }
  EXPECT_GE(count.size(), 150U);
  EXPECT_LE(refused, 12U);
}

}  // namespace
}  // namespace pte
