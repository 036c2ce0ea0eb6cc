#include "cli/proof.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "base/pages.h"
#include "cli/output.h"
#include "inspect/cost.h"
#include "kernels/kernel.h"
#include "lowering/emit.h"
#include "passes/passes.h"
#include "program/verify.h"
#include "runtime/method.h"

namespace pte::cli {
namespace {

constexpr uint64_t kSeed = 20'251'121;
constexpr uint64_t kMemory = uint64_t{16} << 30;
// Integers that are looked up nowhere.
constexpr int64_t kIntegersBelow = 10;

// ---- cost

std::optional<double> elements(const ir::Value* value, const ir::Ranges& symbols) {
  if (value == nullptr || !value->is_tensor()) return std::nullopt;
  double count = 1;
  for (const ir::SymInt& size : value->tensor().sizes) {
    const auto bound = size.upper_bound(symbols);
    if (!bound) return std::nullopt;
    count *= static_cast<double>(std::max<int64_t>(*bound, 0));
  }
  return count;
}

double size_at(const ir::Value* value, size_t dim, const ir::Ranges& symbols) {
  if (value == nullptr || !value->is_tensor() || dim >= value->tensor().rank()) return 1;
  return static_cast<double>(value->tensor().sizes[dim].upper_bound(symbols).value_or(1));
}

double node_flops(const ir::Node& node, const ir::Ranges& symbols) {
  if (node.op().has(kTagView) || node.op().has(kTagSymbolic) || node.results().empty()) return 0;
  const ir::Value* result = node.result();
  const double out = elements(result, symbols).value_or(0);
  const std::string& name = node.op().name;
  const auto tensor_arg = [&](size_t i) {
    return i < node.args().size() ? node.arg(i).value() : nullptr;
  };
  if (name.find("conv") != std::string::npos && tensor_arg(1) != nullptr) {
    // Every element of the result needs one filter.
    const double filters = std::max(size_at(tensor_arg(1), 0, symbols), 1.0);
    return 2 * out * elements(tensor_arg(1), symbols).value_or(0) / filters;
  }
  if (name == "aten::linear" && tensor_arg(1) != nullptr) {
    return 2 * out * size_at(tensor_arg(1), 1, symbols);
  }
  const bool product =
      name == "aten::mm" || name == "aten::bmm" || name == "aten::matmul" || name == "aten::addmm";
  const ir::Value* left = tensor_arg(name == "aten::addmm" ? 1 : 0);
  if (product && left != nullptr && left->is_tensor() && left->tensor().rank() > 0) {
    return 2 * out * size_at(left, left->tensor().rank() - 1, symbols);
  }
  return std::max(out, elements(tensor_arg(0), symbols).value_or(0));
}

double graph_flops(const ir::Graph& graph, const ir::Ranges& symbols, int depth) {
  double sum = 0;
  for (const ir::Node* node : graph.nodes()) {
    sum += node_flops(*node, symbols);
    for (const ir::Arg& arg : node->args()) {
      if (arg.graph() != nullptr && *arg.graph() && depth < 8) {
        sum += graph_flops(**arg.graph(), symbols, depth + 1);
      }
    }
  }
  return sum;
}

// ---- inputs

// The number of rows of the smallest table that an integer input is looked up in.
int64_t rows_looked_up(const ir::Value& input) {
  int64_t rows = std::numeric_limits<int64_t>::max();
  for (const ir::Node* user : input.users()) {
    if (user->op().name.find("embedding") == std::string::npos) continue;
    const ir::Value* table = user->input(0);
    if (table == nullptr || table == &input || !table->is_tensor()) continue;
    if (const auto size =
            table->tensor().sizes.empty() ? std::nullopt : table->tensor().sizes[0].constant())
      rows = std::min(rows, *size);
  }
  return rows == std::numeric_limits<int64_t>::max() ? kIntegersBelow : std::max<int64_t>(rows, 1);
}

Result<EValue> seeded(const ir::Value& input, const ir::Ranges& symbols, std::mt19937_64& random) {
  if (!input.is_tensor()) {
    if (std::holds_alternative<ir::SymIntType>(input.type())) return EValue(int64_t{1});
    if (std::holds_alternative<ir::SymFloatType>(input.type())) return EValue(1.0);
    return EValue(true);
  }
  Sizes sizes;
  for (const ir::SymInt& size : input.tensor().sizes) {
    const auto bound = size.upper_bound(symbols);
    if (!bound) {
      return unsupported("input '{}' has a size without an upper bound", input.name());
    }
    sizes.push_back(*bound);
  }
  const DType dtype = input.tensor().dtype;
  PTE_TRY(Tensor tensor, Tensor::zeros(dtype, sizes));
  const auto below = static_cast<uint64_t>(rows_looked_up(input));
  const bool known = dispatch(dtype, [&]<typename T>(T) {
    T* data = tensor.mutable_data_as<T>();
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      if constexpr (std::is_same_v<T, bool>) {
        data[i] = (random() & 1U) != 0;
      } else if constexpr (std::is_integral_v<T>) {
        data[i] = static_cast<T>(random() % std::min<uint64_t>(below, 100));
        if (below > 100) data[i] = static_cast<T>(random() % below);
      } else {
        data[i] = T(static_cast<float>(static_cast<double>(random() >> 11) * 0x1p-53));
      }
    }
  });
  if (!known) return unsupported("no sample values for {}", dtype_name(dtype));
  return EValue(std::move(tensor));
}

// ---- running

runtime::Options runtime_options(ThreadPool& pool) {
  runtime::Options options;
  options.pool = &pool;
  options.memory_limit = kMemory;
  return options;
}

// Outputs are copied: the method's memory goes with it.
Result<EValue> kept(const EValue& value) {
  const auto* tensor = value.get<Tensor>();
  if (tensor == nullptr) return value;
  PTE_TRY(Tensor copy, Tensor::zeros(tensor->dtype(), tensor->sizes()));
  PTE_CHECK(copy_elements(*tensor, copy));
  return EValue(std::move(copy));
}

Result<std::vector<EValue>> answer(std::shared_ptr<const program::Program> program,
                                   const std::string& name, const std::vector<EValue>& inputs,
                                   const runtime::Options& options) {
  PTE_TRY(const auto method, runtime::Method::load(std::move(program), name, options));
  if (method->input_count() != inputs.size()) {
    return make_error(Code::kMismatch, "it takes {} inputs, the sample has {}",
                      method->input_count(), inputs.size());
  }
  for (size_t i = 0; i < inputs.size(); ++i) PTE_CHECK(method->set_input(i, inputs[i]));
  // What made the program ready is not what runs it.
  leave_step();
  PTE_CHECK(method->execute());
  std::vector<EValue> outputs;
  for (size_t i = 0; i < method->output_count(); ++i) {
    PTE_TRY(EValue value, kept(method->output(i)));
    outputs.push_back(std::move(value));
  }
  return outputs;
}

passes::OpSet operators_with_kernels() {
  passes::OpSet ops;
  for (const OpInfo& op : all_ops()) {
    if (kernels::find_kernel(op.op) != nullptr) ops.insert(op.op);
  }
  return ops;
}

bool draws(const ir::Graph& graph, int depth = 0) {
  for (const ir::Node* node : graph.nodes()) {
    if (node->op().has(kTagRandom)) return true;
    for (const ir::Arg& arg : node->args()) {
      if (arg.graph() != nullptr && *arg.graph() && depth < 8 && draws(**arg.graph(), depth + 1)) {
        return true;
      }
    }
  }
  return false;
}

// ---- comparing

std::optional<std::vector<double>> numbers(const EValue& value) {
  if (const auto* integer = value.get<int64_t>()) return {{static_cast<double>(*integer)}};
  if (const auto* real = value.get<double>()) return {{*real}};
  if (const auto* flag = value.get<bool>()) return {{*flag ? 1.0 : 0.0}};
  const auto* tensor = value.get<Tensor>();
  if (tensor == nullptr) return std::nullopt;
  std::vector<double> out(static_cast<size_t>(tensor->numel()));
  const bool known = dispatch(tensor->dtype(), [&]<typename T>(T) {
    const T* data = tensor->data_as<T>();
    for (size_t i = 0; i < out.size(); ++i) {
      if constexpr (std::is_convertible_v<T, double>) {
        out[i] = static_cast<double>(data[i]);
      } else {
        out[i] = static_cast<double>(static_cast<float>(data[i]));
      }
    }
  });
  return known ? std::optional(std::move(out)) : std::nullopt;
}

double tolerance_of(const EValue& value, bool quantized) {
  if (quantized) return kQuantizedProofTolerance;
  const auto* tensor = value.get<Tensor>();
  if (tensor == nullptr) return kProofTolerance;
  if (tensor->dtype() == DType::kFloat16) return 1e-2;
  if (tensor->dtype() == DType::kBFloat16) return 5e-2;
  return is_floating(tensor->dtype()) ? kProofTolerance : 0;
}

// The largest difference relative to the largest value expected; infinite where one is not a number
// and the other is.
Result<double> difference(const EValue& got, const EValue& expected) {
  const auto* a = got.get<Tensor>();
  const auto* b = expected.get<Tensor>();
  if ((a == nullptr) != (b == nullptr) ||
      (a != nullptr && (a->dtype() != b->dtype() || a->sizes() != b->sizes()))) {
    return make_error(Code::kMismatch, "it gives {}, the imported graph {}",
                      a ? a->describe() : std::string(got.kind()),
                      b ? b->describe() : std::string(expected.kind()));
  }
  const auto x = numbers(got);
  const auto y = numbers(expected);
  if (!x || !y) return 0.0;
  double largest = 0;
  double most = 0;
  for (size_t i = 0; i < y->size(); ++i) {
    const double p = (*x)[i];
    const double q = (*y)[i];
    if (p == q || (std::isnan(p) && std::isnan(q))) {
      if (std::isfinite(q)) largest = std::max(largest, std::abs(q));
      continue;
    }
    if (!std::isfinite(p) || !std::isfinite(q)) return std::numeric_limits<double>::infinity();
    most = std::max(most, std::abs(p - q));
    largest = std::max(largest, std::abs(q));
  }
  return most == 0 ? 0 : most / std::max(largest, 1e-30);
}

// Counts what a program's instructions compute, inside delegates and outside.
class Meter {
 public:
  void count(const runtime::InstructionTiming& timing) {
    if (timing.op == nullptr) return;
    const double flops = inspect::cost_of(*timing.op, timing.args).flops;
    all_ += flops;
    if (timing.delegate >= 0) {
      delegated_ = true;
      return;
    }
    outside_ += flops;
    by_op_[timing.op->target()] += flops;
  }
  void report(Proof& proof) const {
    if (!delegated_ || all_ <= 0) return;
    proof.outside_share = outside_ / all_;
    for (const auto& [op, flops] : by_op_) proof.outside.push_back({op, flops / all_});
  }

 private:
  double all_ = 0;
  double outside_ = 0;
  bool delegated_ = false;
  std::map<std::string, double> by_op_;
};

}  // namespace

double estimated_flops(const ir::Module& module) {
  double sum = 0;
  for (const auto& [name, method] : module.methods) {
    sum += graph_flops(*method.graph, module.symbols, 0);
  }
  return sum;
}

Result<Examples> sample_inputs(const ir::Module& module, const Examples& given) {
  Examples out;
  std::mt19937_64 random(kSeed);
  for (const auto& [name, method] : module.methods) {
    if (const auto it = given.find(name); it != given.end()) {
      if (it->second.size() != method.graph->inputs().size()) {
        return invalid_argument("the example has {} values, method '{}' takes {}",
                                it->second.size(), name, method.graph->inputs().size());
      }
      out[name] = it->second;
      continue;
    }
    std::vector<EValue> values;
    for (const ir::Value* input : method.graph->inputs()) {
      PTE_TRY(EValue value, seeded(*input, module.symbols, random));
      values.push_back(std::move(value));
    }
    out[name] = std::move(values);
  }
  return out;
}

Result<Reference> Reference::run(const ir::Module& module, Examples inputs, ThreadPool& pool) {
  ir::Module plain = module.clone();
  // Composites without a kernel of their own become others; nothing is folded, fused or moved.
  for (int i = 0; i < 2; ++i) {
    PTE_TRY([[maybe_unused]] const int64_t dropped, passes::remove_identities(plain));
    if (i == 1) break;
    PTE_TRY([[maybe_unused]] const int64_t rewritten,
            passes::decompose(plain, operators_with_kernels()));
  }
  PTE_TRY(program::Program emitted, lowering::emit(plain, {.any_kernel = true}));
  PTE_CHECK(program::verify(emitted));
  const auto program = std::make_shared<const program::Program>(std::move(emitted));
  plain = {};
  Reference out;
  for (const auto& [name, method] : module.methods) {
    out.random_ = out.random_ || draws(*method.graph);
    PTE_TRY(out.outputs_[name],
            answer(program, name, inputs.at(name), runtime_options(pool)).at(name));
  }
  out.inputs_ = std::move(inputs);
  return out;
}

Result<Proof> prove(std::shared_ptr<const program::Program> program, const Reference& reference,
                    ThreadPool& pool, bool quantized) {
  Stopwatch watch;
  Proof proof;
  proof.compared = !reference.random();
  Meter meter;
  runtime::Options options = runtime_options(pool);
  options.profile = [&](const runtime::InstructionTiming& timing) { meter.count(timing); };
  for (const auto& [name, expected] : reference.outputs()) {
    PTE_TRY(const std::vector<EValue> got,
            answer(program, name, reference.inputs().at(name), options).at(name));
    if (got.size() != expected.size()) {
      return make_error(Code::kMismatch, "method '{}' gives {} values, the imported graph {}", name,
                        got.size(), expected.size());
    }
    if (!proof.compared) continue;
    for (size_t i = 0; i < got.size(); ++i) {
      PTE_TRY(const double apart,
              difference(got[i], expected[i]).at(fmt::format("method '{}', output {}", name, i)));
      proof.largest = std::max(proof.largest, apart);
      const double allowed = tolerance_of(expected[i], quantized);
      if (apart > allowed) {
        return make_error(Code::kMismatch,
                          "method '{}', output {}: the program's answer differs from the imported "
                          "graph's by {:.2g} of its largest value, {:.0e} is allowed",
                          name, i, apart, allowed)
            .with_hint("this is a defect of the exporter; --disable-pass narrows it down");
      }
    }
  }
  meter.report(proof);
  proof.milliseconds = watch.milliseconds();
  return proof;
}

Status prove_loadable(std::shared_ptr<const program::Program> program, ThreadPool& pool) {
  for (const program::Method& method : program->methods) {
    PTE_TRY([[maybe_unused]] const auto loaded,
            runtime::Method::load(program, method.name, runtime_options(pool)));
  }
  return {};
}

}  // namespace pte::cli
