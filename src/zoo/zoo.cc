#include "zoo/zoo.h"

#include <algorithm>
#include <set>

#include "ir/builder.h"
#include "ir/verify.h"
#include "zoo/models.h"
#include "zoo/net.h"

namespace pte::zoo {
namespace {

constexpr size_t kMaxListed = 10;  // keys of a kind in a message
constexpr double kEnoughKeys = 0.5;
// A larger input than any camera or sensor gives: sizes beyond it are typing errors.
constexpr uint64_t kMaxInputBytes = uint64_t{1} << 34;

// What the architecture needs, given the checkpoint's own choices (classes, optional layers).
std::vector<Weight> needed_weights(const Architecture& architecture, const StateDict& state) {
  Net net(state);
  architecture.define(net, std::vector<ir::Value*>(architecture.default_inputs(state).size()));
  return net.weights();
}

struct Fit {
  const Architecture* architecture = nullptr;
  size_t found = 0;  // keys there by name
  size_t needed = 0;
  double share() const {
    return needed ? static_cast<double>(found) / static_cast<double>(needed) : 0;
  }
};

Fit nearest(const StateDict& state) {
  Fit best;
  for (const Architecture& architecture : architectures()) {
    Fit fit{&architecture, 0, 0};
    for (const Weight& weight : needed_weights(architecture, state)) {
      ++fit.needed;
      fit.found += state.contains(weight.name) ? 1 : 0;
    }
    if (!best.architecture || fit.share() > best.share()) best = fit;
  }
  return best;
}

std::string names_of_architectures() {
  std::string out;
  for (const Architecture& architecture : architectures()) {
    if (!out.empty()) out += ", ";
    out += architecture.name;
  }
  return out;
}

// One group of the report: "\n  missing     a, b and 3 more".
void append_group(std::string& out, std::string_view title, const std::vector<std::string>& lines) {
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i == kMaxListed) {
      out += fmt::format("\n  {:<14}… and {} more", "", lines.size() - kMaxListed);
      break;
    }
    out += fmt::format("\n  {:<14}{}", i == 0 ? title : "", lines[i]);
  }
}

bool is_counter(std::string_view name) { return name.ends_with("num_batches_tracked"); }

Status check_weights(const Architecture& architecture, const StateDict& state,
                     const std::vector<Weight>& weights) {
  std::vector<std::string> missing, unexpected, misshaped;
  std::set<std::string_view> known;
  for (const Weight& weight : weights) {
    known.insert(weight.name);
    const Tensor* tensor = state.find(weight.name);
    if (!tensor) {
      missing.push_back(
          fmt::format("{}  {}", weight.name, describe(DType::kFloat32, weight.sizes)));
    } else if (tensor->sizes() != weight.sizes || !is_floating(tensor->dtype())) {
      misshaped.push_back(fmt::format("{}  {}, expected {}", weight.name, tensor->describe(),
                                      describe(DType::kFloat32, weight.sizes)));
    }
  }
  for (const StateDict::Entry& entry : state.entries()) {
    // Batch norms count their batches while they are trained; nothing reads that at inference.
    if (known.contains(entry.name) || is_counter(entry.name)) continue;
    unexpected.push_back(fmt::format("{}  {}", entry.name, entry.tensor.describe()));
  }
  if (missing.empty() && unexpected.empty() && misshaped.empty()) return {};

  Error error = make_error(Code::kMismatch,
                           "the checkpoint does not fit {}: {} of {} keys missing, {} unexpected, "
                           "{} wrongly shaped",
                           architecture.name, missing.size(), weights.size(), unexpected.size(),
                           misshaped.size());
  append_group(error.message, "missing", missing);
  append_group(error.message, "unexpected", unexpected);
  append_group(error.message, "wrong shape", misshaped);
  const Fit fit = nearest(state);
  if (fit.architecture != &architecture && fit.share() >= kEnoughKeys) {
    error.hint = fmt::format("its keys are those of {}", fit.architecture->name);
  }
  return error;
}

Result<ir::Type> input_type(const Sizes& sizes, const std::optional<ir::Range>& batch) {
  if (std::any_of(sizes.begin(), sizes.end(), [](int64_t s) { return s < 1; })) {
    return invalid_argument("input {} has a size below 1", describe(DType::kFloat32, sizes));
  }
  const auto bytes = byte_count(DType::kFloat32, sizes);
  if (!bytes || *bytes > kMaxInputBytes) {
    return invalid_argument("input {} is too large", describe(DType::kFloat32, sizes));
  }
  ir::SymSizes symbolic = ir::to_sym(sizes);
  if (batch) symbolic[0] = ir::SymInt::symbol("s0");
  return ir::Type(ir::TensorType::of(DType::kFloat32, std::move(symbolic)));
}

}  // namespace

std::span<const Architecture> architectures() {
  static const Architecture kAll[] = {kEfficientNetLite0, kMobileNetV3Small, kDeepEpiCnn};
  return kAll;
}

const Architecture* find(std::string_view name) {
  for (const Architecture& architecture : architectures()) {
    if (architecture.name == name) return &architecture;
  }
  return nullptr;
}

Status check_picture(const std::vector<Sizes>& inputs, int64_t smallest) {
  if (inputs.size() == 1 && inputs[0].size() == 4 && inputs[0][1] == 3 &&
      inputs[0][2] >= smallest && inputs[0][3] >= smallest) {
    return {};
  }
  return invalid_argument("takes one input [N,3,H,W] with H and W of {} or more, got {}", smallest,
                          inputs.size() == 1 ? describe(DType::kFloat32, inputs[0])
                                             : fmt::format("{} inputs", inputs.size()));
}

Result<const Architecture*> recognise(const StateDict& state) {
  const Fit fit = nearest(state);
  if (fit.share() >= kEnoughKeys) return fit.architecture;
  std::string first;
  for (size_t i = 0; i < std::min<size_t>(state.size(), 3); ++i) {
    first += fmt::format("{}{}", i ? ", " : "", state.entries()[i].name);
  }
  return make_error(
             Code::kNotFound,
             "no architecture of the zoo has these keys ({} tensors: {}{}); the nearest, {}, "
             "finds {} of its {}",
             state.size(), first, state.size() > 3 ? ", …" : "", fit.architecture->name, fit.found,
             fit.needed)
      .with_hint(fmt::format("the zoo has {}; other models come in through torch.export (.pt2)",
                             names_of_architectures()));
}

Result<ir::Module> build(const Architecture& architecture, const StateDict& state,
                         const BuildOptions& options) {
  PTE_CHECK(check_weights(architecture, state, needed_weights(architecture, state)));
  const std::vector<Sizes> shapes =
      options.input_shapes.empty() ? architecture.default_inputs(state) : options.input_shapes;
  PTE_CHECK(architecture.check_inputs(shapes).at(architecture.name));

  ir::Module module;
  module.name = architecture.name;
  ir::Graph& graph = *module.methods["forward"].graph;
  if (options.dynamic_batch) module.symbols["s0"] = *options.dynamic_batch;
  std::vector<ir::Value*> inputs;
  for (const Sizes& sizes : shapes) {
    PTE_TRY(ir::Type type, input_type(sizes, options.dynamic_batch));
    inputs.push_back(graph.add_input("x", std::move(type)));
  }
  ir::Builder builder(module, graph);
  Net net(state, builder);
  ir::Value* output = architecture.define(net, inputs);
  if (!net.status()) return Error(net.status().error()).at(architecture.name);
  if (!output) return internal_error("{}: the description gives no output", architecture.name);
  graph.add_output(output);
  PTE_CHECK(ir::verify(module));
  return module;
}

Result<ir::Module> build(std::string_view name, const StateDict& state,
                         const BuildOptions& options) {
  const Architecture* architecture = find(name);
  if (!architecture) {
    return invalid_argument("no architecture is named '{}'", name)
        .with_hint(fmt::format("the zoo has {}", names_of_architectures()));
  }
  return build(*architecture, state, options);
}

}  // namespace pte::zoo
