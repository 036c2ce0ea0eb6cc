#include "zoo/zoo.h"

#include <algorithm>
#include <cctype>
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

// What the architecture needs, given the checkpoint's own choices (classes, optional layers), each
// tensor once. Fails where the description finds that the checkpoint makes no sense.
Result<std::vector<Weight>> needed_weights(const Architecture& architecture, const Source& source) {
  Net net(source);
  for (const Method& method : architecture.methods) {
    method.define(net, std::vector<ir::Value*>(method.inputs(source).size()));
    if (!net.status()) return Error(net.status().error());
  }
  std::vector<Weight> weights;
  std::set<std::string_view> seen;
  for (const Weight& weight : net.weights()) {
    if (seen.insert(weight.name).second) weights.push_back(weight);
  }
  return weights;
}

bool is_counter(std::string_view name) { return name.ends_with("num_batches_tracked"); }

// Batch norms count their batches while they are trained; nothing reads that at inference.
bool belongs(const Architecture& architecture, std::string_view name) {
  return !is_counter(name) && !(architecture.ignores && architecture.ignores(name));
}

struct Fit {
  const Architecture* architecture = nullptr;
  size_t found = 0;    // keys there by name
  size_t fitting = 0;  // of them, those of the right size
  size_t needed = 0;
  size_t present = 0;  // tensors that the checkpoint has for it
  double share() const {
    return needed ? static_cast<double>(found) / static_cast<double>(needed) : 0;
  }
  // How well it fits all in all: sizes tell the members of a family apart, and so do tensors that
  // it would have no use for.
  double score() const {
    const size_t most = std::max(needed, present);
    return most ? static_cast<double>(found + fitting) / (2.0 * static_cast<double>(most)) : 0;
  }
};

Fit fit_of(const Architecture& architecture, const Source& source) {
  Fit fit{&architecture};
  const auto weights = needed_weights(architecture, source);
  if (!weights) return fit;
  for (const Weight& weight : *weights) {
    ++fit.needed;
    const Tensor* tensor = source.state.find(weight.name);
    if (!tensor) continue;
    ++fit.found;
    fit.fitting += tensor->sizes() == weight.sizes ? 1 : 0;
  }
  for (const StateDict::Entry& entry : source.state.entries()) {
    fit.present += belongs(architecture, entry.name) ? 1 : 0;
  }
  return fit;
}

Fit nearest(const Source& source) {
  Fit best;
  for (const Architecture& architecture : architectures()) {
    const Fit fit = fit_of(architecture, source);
    // Of two that fit alike, the one that uses more of the checkpoint.
    if (!best.architecture || fit.score() > best.score() ||
        (fit.score() == best.score() && fit.needed > best.needed)) {
      best = fit;
    }
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

Status check_weights(const Architecture& architecture, const Source& source,
                     const std::vector<Weight>& weights) {
  std::vector<std::string> missing, unexpected, misshaped;
  std::set<std::string_view> known;
  for (const Weight& weight : weights) {
    known.insert(weight.name);
    const Tensor* tensor = source.state.find(weight.name);
    if (!tensor) {
      missing.push_back(
          fmt::format("{}  {}", weight.name, describe(DType::kFloat32, weight.sizes)));
    } else if (tensor->sizes() != weight.sizes || !is_floating(tensor->dtype())) {
      misshaped.push_back(fmt::format("{}  {}, expected {}", weight.name, tensor->describe(),
                                      describe(DType::kFloat32, weight.sizes)));
    }
  }
  for (const StateDict::Entry& entry : source.state.entries()) {
    if (known.contains(entry.name) || !belongs(architecture, entry.name)) continue;
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
  const Fit fit = nearest(source);
  if (fit.architecture != &architecture && fit.share() >= kEnoughKeys) {
    error.hint = fmt::format("its keys are those of {}", fit.architecture->name);
  }
  return error;
}

Result<ir::Type> input_type(const Input& input, const std::optional<ir::Range>& batch) {
  if (std::any_of(input.sizes.begin(), input.sizes.end(), [](int64_t s) { return s < 1; })) {
    return invalid_argument("input {} has a size below 1", describe(input.dtype, input.sizes));
  }
  const auto bytes = byte_count(input.dtype, input.sizes);
  if (!bytes || *bytes > kMaxInputBytes) {
    return invalid_argument("input {} is too large", describe(input.dtype, input.sizes));
  }
  ir::SymSizes symbolic = ir::to_sym(input.sizes);
  if (batch) symbolic[0] = ir::SymInt::symbol("s0");
  return ir::Type(ir::TensorType::of(input.dtype, std::move(symbolic)));
}

Status build_method(const Architecture& architecture, const Method& method, const Source& source,
                    const BuildOptions& options, ir::Module& module) {
  std::vector<Input> inputs =
      options.small && method.small ? method.small(source) : method.inputs(source);
  if (!options.input_shapes.empty()) {
    PTE_CHECK(method.check(source, options.input_shapes).at(architecture.name));
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i].sizes = options.input_shapes[i];
  }
  ir::Graph& graph = *module.methods[method.name].graph;
  graph.set_name(method.name);
  std::vector<ir::Value*> values;
  for (const Input& input : inputs) {
    PTE_TRY(ir::Type type, input_type(input, options.dynamic_batch));
    values.push_back(graph.add_input(input.name, std::move(type)));
  }
  ir::Builder builder(module, graph);
  Net net(source, builder);
  const std::vector<ir::Value*> outputs = method.define(net, values);
  if (!net.status()) return Error(net.status().error()).at(architecture.name);
  if (outputs.empty())
    return internal_error("{}: the description gives no output", architecture.name);
  for (ir::Value* output : outputs) graph.add_output(output);
  return {};
}

// A name without what people write differently.
std::string plain_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c != '-' && c != '_') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace

std::span<const Architecture> architectures() {
  static const std::vector<Architecture> all = [] {
    std::vector<Architecture> rows;
    for (const auto family : {efficientnet_lite, mobilenet_v2, mobilenet_v3, resnet, pe_core,
                              ultralytics, deep_epi_cnn}) {
      for (Architecture& row : family()) rows.push_back(std::move(row));
    }
    return rows;
  }();
  return all;
}

const Architecture* find(std::string_view name) {
  const std::string plain = plain_name(name);
  for (const Architecture& architecture : architectures()) {
    if (plain_name(architecture.name) == plain) return &architecture;
  }
  return nullptr;
}

Method picture_method(int64_t size, int64_t smallest, decltype(Method::define) define) {
  Method method;
  method.inputs = [size](const Source&) { return std::vector<Input>{{"x", {1, 3, size, size}}}; };
  method.small = [](const Source&) { return std::vector<Input>{{"x", {1, 3, 64, 64}}}; };
  method.check = [smallest](const Source&, const std::vector<Sizes>& inputs) {
    return check_picture(inputs, smallest);
  };
  method.define = std::move(define);
  return method;
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

Result<const Architecture*> recognise(const Source& source) {
  const StateDict& state = source.state;
  for (const Architecture& architecture : architectures()) {
    if (architecture.claims && architecture.claims(source)) return &architecture;
  }
  const Fit fit = nearest(source);
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

Result<ir::Module> build(const Architecture& architecture, const Source& source,
                         const BuildOptions& options) {
  PTE_TRY(const auto weights, needed_weights(architecture, source).at(architecture.name));
  PTE_CHECK(check_weights(architecture, source, weights));
  if (!options.input_shapes.empty() && architecture.methods.size() > 1) {
    return invalid_argument("{}: input shapes are for models with one method; it has {}",
                            architecture.name, architecture.methods.size());
  }
  ir::Module module;
  module.name = architecture.name;
  if (options.dynamic_batch) module.symbols["s0"] = *options.dynamic_batch;
  for (const Method& method : architecture.methods) {
    PTE_CHECK(build_method(architecture, method, source, options, module));
  }
  PTE_CHECK(ir::verify(module));
  return module;
}

Result<ir::Module> build(std::string_view name, const Source& source, const BuildOptions& options) {
  const Architecture* architecture = find(name);
  if (!architecture) {
    return invalid_argument("no architecture is named '{}'", name)
        .with_hint(fmt::format("the zoo has {}", names_of_architectures()));
  }
  return build(*architecture, source, options);
}

}  // namespace pte::zoo
