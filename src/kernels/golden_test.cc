// Every kernel against PyTorch eager, on the cases that tests/golden/kernels/make_goldens.py chose.
//
// Each case runs five ways: as PyTorch laid the result out, with the result's dimensions reversed
// in memory, with result memory larger than needed, on three threads, and, for elementwise
// operators whose result looks like the first operand, in place.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "kernels/common/complex.h"
#include "kernels/common/convert.h"
#include "kernels/common/test_call.h"
#include "tensor/golden_cases.h"

namespace pte::kernels {
namespace {

std::string describe_value(const EValue& value) {
  if (const Tensor* t = value.get<Tensor>()) return t->describe();
  if (const auto* i = value.get<int64_t>()) return std::to_string(*i);
  if (const auto* d = value.get<double>()) return std::to_string(*d);
  if (const auto* list = value.get<std::vector<int64_t>>()) {
    std::string text = "[";
    for (const int64_t item : *list) text += std::to_string(item) + ",";
    return text + "]";
  }
  return std::string(value.kind());
}

std::string describe_case(const GoldenCase& c) {
  std::string text = c.name;
  for (const EValue& arg : c.args) text += " " + describe_value(arg);
  return text;
}

// Complex elements are their real and their imaginary part.
std::vector<double> as_doubles(const Tensor& tensor) {
  const int64_t count = tensor.numel() * (is_complex(tensor.dtype()) ? 2 : 1);
  std::vector<double> values(static_cast<size_t>(count));
  const auto dense = tensor.contiguous();
  if (dense.has_value())
    load_run<double>(real_part(tensor.dtype()), dense->data(), 1, count, values.data());
  return values;
}

void compare(const GoldenCase& c, const Tensor& got, const Tensor& expected) {
  ASSERT_EQ(got.dtype(), expected.dtype());
  ASSERT_EQ(got.sizes(), expected.sizes());
  const std::vector<double> a = as_doubles(got);
  const std::vector<double> b = as_doubles(expected);
  double largest = 0;
  for (const double x : b) {
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(b[i]) && std::isnan(a[i])) continue;
    if (a[i] == b[i]) continue;
    ASSERT_FALSE(std::isnan(a[i]) || std::isnan(b[i]) || std::isinf(a[i]) || std::isinf(b[i]))
        << "element " << i << " is " << a[i] << ", expected " << b[i];
    const double scale = c.mode == 2 ? largest : c.mode == 1 ? std::abs(b[i]) : 0;
    // Below the normal range of the type, the last place is a fixed step.
    const double step = expected.dtype() == DType::kFloat16 ? 0x1p-24 : 1e-38;
    ASSERT_LE(std::abs(a[i] - b[i]), c.mode == 0 ? 0 : c.tolerance * scale + step)
        << "element " << i << " is " << a[i] << ", expected " << b[i];
  }
}

void compare_value(const GoldenCase& c, const EValue& got, const EValue& expected) {
  if (const Tensor* tensor = expected.get<Tensor>()) {
    ASSERT_TRUE(got.is<Tensor>());
    compare(c, *got.get<Tensor>(), *tensor);
    return;
  }
  if (!expected.is<std::vector<Tensor>>()) {
    ASSERT_EQ(got.kind(), expected.kind());
    if (const auto* i = expected.get<int64_t>()) {
      EXPECT_EQ(*got.get<int64_t>(), *i);
    } else if (const auto* b = expected.get<bool>()) {
      EXPECT_EQ(*got.get<bool>(), *b);
    } else if (const auto* d = expected.get<double>()) {
      EXPECT_TRUE(*got.get<double>() == *d || (std::isnan(*d) && std::isnan(*got.get<double>())))
          << *got.get<double>() << ", expected " << *d;
    }
    return;
  }
  const auto& list = *expected.get<std::vector<Tensor>>();
  const auto& results = *got.get<std::vector<Tensor>>();
  ASSERT_EQ(results.size(), list.size());
  for (size_t i = 0; i < list.size(); ++i) compare(c, results[i], list[i]);
}

enum class Layout { kAsEager, kReversed, kRoomy };

Tensor result_like(const Tensor& expected, Layout layout) {
  DimOrder order = dim_order_of(strides_of(expected.sizes(), dim_order_of(expected.strides())));
  if (layout == Layout::kReversed) std::reverse(order.begin(), order.end());
  Sizes sizes = expected.sizes();
  if (layout == Layout::kRoomy) {
    for (int64_t& size : sizes) size += 1;
  }
  Result<Tensor> tensor = Tensor::zeros(expected.dtype(), sizes, order);
  EXPECT_TRUE(tensor.has_value());
  // What a kernel leaves unwritten must show.
  std::memset(tensor->mutable_data(), 0x5a, tensor->nbytes());
  return std::move(*tensor);
}

EValue results_like(const EValue& expected, Layout layout) {
  if (const Tensor* tensor = expected.get<Tensor>()) return result_like(*tensor, layout);
  if (!expected.is<std::vector<Tensor>>()) return {};  // a number is set whole
  std::vector<Tensor> tensors;
  for (const Tensor& t : *expected.get<std::vector<Tensor>>())
    tensors.push_back(result_like(t, layout));
  return tensors;
}

// The arguments, those that the call writes into as copies of their own.
std::vector<EValue> fresh_args(const GoldenCase& c) {
  std::vector<EValue> args = c.args;
  for (size_t i = 0; i < args.size(); ++i) {
    Tensor* tensor = args[i].get<Tensor>();
    if (tensor == nullptr || !c.op->args[static_cast<size_t>(c.op->out_args[i])].written) continue;
    const auto copy = tensor->in_dim_order(tensor->dim_order());
    EXPECT_TRUE(copy.has_value());
    *tensor = *copy;
  }
  return args;
}

void run_case(GoldenCase& c, ThreadPool& pool) {
  for (const Layout layout : {Layout::kAsEager, Layout::kReversed, Layout::kRoomy}) {
    SCOPED_TRACE("result layout " + std::to_string(static_cast<int>(layout)));
    std::vector<EValue> results;
    for (const EValue& e : c.expected) results.push_back(results_like(e, layout));
    std::vector<EValue> args = fresh_args(c);
    const Status status = call_kernel(c.name, args, results);
    ASSERT_TRUE(status.has_value()) << status.error().message;
    for (size_t i = 0; i < results.size(); ++i) compare_value(c, results[i], c.expected[i]);
    if (testing::Test::HasFatalFailure() || layout != Layout::kAsEager) continue;
    // The threads must not change a bit.
    std::vector<EValue> threaded;
    for (const EValue& e : c.expected) threaded.push_back(results_like(e, layout));
    args = fresh_args(c);
    ASSERT_TRUE(call_kernel(c.name, args, threaded, &pool).has_value());
    for (size_t i = 0; i < results.size(); ++i) {
      const Tensor* one = results[i].get<Tensor>();
      if (one == nullptr) continue;
      const Tensor* other = threaded[i].get<Tensor>();
      EXPECT_EQ(std::memcmp(one->data(), other->data(), one->nbytes()), 0)
          << "threads change the result";
    }
  }
  const Tensor* first = c.args.empty() ? nullptr : c.args[0].get<Tensor>();
  const Tensor* expected = c.expected[0].get<Tensor>();
  if (!c.op->has(kTagElementwise) || first == nullptr || expected == nullptr ||
      c.expected.size() != 1)
    return;
  if (first->dtype() != expected->dtype() || first->sizes() != expected->sizes()) return;
  if (!first->is_dense_in(first->dim_order())) return;
  SCOPED_TRACE("in place");
  std::vector<EValue> args = c.args;
  const auto copy = first->in_dim_order(first->dim_order());
  ASSERT_TRUE(copy.has_value());
  args[0] = *copy;
  std::vector<EValue> results{EValue(*copy)};
  const Status status = call_kernel(c.name, args, results);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  compare_value(c, results[0], c.expected[0]);
}

class Golden : public testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(Golden, MatchesEager) {
  ThreadPool pool(3);
  int failures = 0;
  for_each_golden_case(GetParam().second, [&](GoldenCase& c, uint32_t number) {
    SCOPED_TRACE("case " + std::to_string(number) + ": " + describe_case(c));
    run_case(c, pool);
    if (HasFailure()) ++failures;
    return failures < 20;
  });
}

// Every row that has a kernel has a case here. Operators of chance have those of their cases that
// leave nothing to chance; kernels/random tests the rest. What gives views or writes its operand
// has its own tests.
TEST(GoldenCoverage, EveryKernelHasACase) {
  std::set<std::string> seen;
  for (const auto& file : golden_files()) {
    for_each_golden_case(file.second, [&](const GoldenCase& c, uint32_t) {
      seen.insert(c.name);
      return true;
    });
  }
  for (const OpInfo& op : all_ops()) {
    // Layers of quantised payloads are nobody's operators but ours.
    if (find_kernel(op.op) == nullptr || op.name.starts_with("pte::") ||
        op.op == Op::executorch_prim_et_view || op.op == Op::executorch_prim_et_copy_index) {
      continue;
    }
    EXPECT_TRUE(seen.contains(op.full_name())) << op.full_name();
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Golden, testing::ValuesIn(golden_files()),
                         [](const auto& param) { return param.param.first; });

}  // namespace
}  // namespace pte::kernels
