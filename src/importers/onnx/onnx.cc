#include "importers/onnx/onnx.h"

#include <algorithm>
#include <map>

#include "importers/onnx/model.h"
#include "importers/onnx/reader.h"
#include "importers/unsupported_report.h"
#include "ir/verify.h"

namespace pte::importers {

using namespace onnx;

namespace {

constexpr int64_t kOldestOpset = 6;
constexpr int64_t kNewestOpset = 26;

std::string plain_name(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 120)) {
    out += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ? c : '_';
  }
  return out.empty() ? "input" : out;
}

std::string full_op(const NodeDef& node) {
  return node.domain.empty()
             ? std::string(node.op.substr(0, 80))
             : fmt::format("{}::{}", node.domain.substr(0, 80), node.op.substr(0, 80));
}

// Operators without a rule, with their counts, in the order of their names.
class UnsupportedScan {
 public:
  explicit UnsupportedScan(const ModelDef& model) : model_(model) {}

  void scan(const std::vector<NodeDef>& nodes) {
    for (const NodeDef& node : nodes) {
      const FunctionDef* function = nullptr;
      for (const FunctionDef& f : model_.functions) {
        if (f.name == node.op && f.domain == node.domain && f.overload == node.overload)
          function = &f;
      }
      if (function != nullptr) {
        if (seen_.insert(function).second) scan(function->nodes);
        continue;
      }
      if (find_rule(node.domain, node.op) == nullptr) {
        const bool classic = node.domain == "ai.onnx.ml";
        missing_.add(full_op(node), std::string(node.name.substr(0, 80)),
                     classic ? "classic machine learning has no form in ExecuTorch programs" : "");
      }
      for (const AttributeDef& attribute : node.attributes) {
        if (attribute.graph != nullptr) scan(attribute.graph->nodes);
      }
    }
  }

  Status status() const {
    if (missing_.empty()) return {};
    return missing_.error();
  }

 private:
  const ModelDef& model_;
  UnsupportedReport missing_;
  std::set<const FunctionDef*> seen_;
};

class ModelReader {
 public:
  ModelReader(const MappedFile& file, const ModelDef& model, const ImportOptions& options)
      : file_(file), model_(model), options_(options) {}

  Result<OnnxImport> read() {
    PTE_CHECK(check_versions());
    UnsupportedScan scan(model_);
    scan.scan(model_.graph.nodes);
    PTE_CHECK(scan.status());
    PTE_CHECK(collect_inputs());
    PTE_CHECK(settle_sizes());
    // An operator may turn out to need an input's value: then that input is fixed to its example
    // and the graph is read again.
    uint64_t fixed = fixed_at_first_;
    while (true) {
      OnnxImport out;
      uint64_t wanted = 0;
      Status done = read_graph(out, fixed, wanted);
      if (done) return out;
      const uint64_t more = wanted & fixable() & ~fixed;
      if (more == 0) return explained(std::move(done.error()));
      fixed |= more;
    }
  }

 private:
  // Sizes that a model halves and doubles again come out equal for multiples only.
  Error explained(Error error) const {
    const bool sizes = error.message.find("broadcast") != std::string::npos ||
                       error.message.find("do not match") != std::string::npos;
    if (symbols_.empty() || !sizes || !error.hint.empty()) return error;
    return std::move(error).with_hint(
        "if the model wants open sizes that are multiples of 32, say so: --dynamic "
        "\"x:2=32..960/32\"");
  }

  Status check_versions() {
    const auto opset = model_.opsets.find(std::string_view());
    if (opset == model_.opsets.end() && !model_.opsets.empty()) return {};
    const int64_t version = opset == model_.opsets.end() ? 1 : opset->second;
    if (version < kOldestOpset)
      return unsupported("opset {} (versions {} to {} can be read)", version, kOldestOpset,
                         kNewestOpset)
          .with_hint("onnx.version_converter brings old models up to date");
    if (version > kNewestOpset)
      return unsupported("opset {}, which is newer than the newest known one, {}", version,
                         kNewestOpset);
    return {};
  }

  // Graph inputs that are no initializers.
  Status collect_inputs() {
    std::set<std::string_view> given;
    for (const TensorDef& def : model_.graph.initializers) given.insert(def.name);
    for (const ValueDef& input : model_.graph.inputs) {
      if (given.contains(input.name)) continue;
      if (!input.other.empty())
        return unsupported("input '{}' is {}, only tensors can be given to a program",
                           input.name.substr(0, 120), input.other);
      inputs_.push_back(&input);
    }
    const auto check = [&](size_t count, std::string_view option) -> Status {
      if (count == 0 || count == inputs_.size()) return {};
      std::string names;
      for (const ValueDef* input : inputs_)
        names += fmt::format("{}{}", names.empty() ? "" : ", ", input->name.substr(0, 80));
      return invalid_argument("{} is given for {} inputs, the model has {}: {}", option, count,
                              inputs_.size(), names);
    };
    PTE_CHECK(check(options_.input_shapes.size(), "--input-shapes"));
    PTE_CHECK(check(options_.example.size(), "--example"));
    PTE_CHECK(check(options_.input_dtypes.size(), "--input-dtypes"));
    return read_examples();
  }

  // A number stands for a tensor of that one element, and stays fixed.
  Status read_examples() {
    for (size_t k = 0; k < options_.example.size(); ++k) {
      const EValue& given = options_.example[k];
      const ValueDef& input = *inputs_[k];
      if (const auto* tensor = given.get<Tensor>()) {
        examples_.push_back(*tensor);
        continue;
      }
      Small number;
      PTE_TRY(number.dtype,
              carrier_type(input.type).at(fmt::format("input '{}'", input.name.substr(0, 120))));
      if (input.dims) number.sizes.assign(input.dims->size(), 1);
      if (const auto* integer = given.get<int64_t>()) {
        number.v = {is_floating(number.dtype) ? Elem(static_cast<double>(*integer))
                                              : Elem(*integer)};
      } else if (const auto* flag = given.get<bool>()) {
        number.v = {Elem(static_cast<int64_t>(*flag))};
      } else if (const auto* real = given.get<double>();
                 real != nullptr && is_floating(number.dtype)) {
        number.v = {Elem(*real)};
      }
      auto tensor = number.v.empty() ? std::nullopt : number.tensor();
      if (!tensor)
        return invalid_argument("--example: input '{}' is a tensor of {}, it cannot be this {}",
                                input.name.substr(0, 120), dtype_name(number.dtype), given.kind());
      examples_.push_back(std::move(*tensor));
      if (k < 64) fixed_at_first_ |= uint64_t{1} << k;
    }
    return {};
  }

  const Tensor* example(size_t input) const {
    return examples_.empty() ? nullptr : &examples_[input];
  }

  // Inputs with an example that may be taken for a constant: integers, and a few numbers.
  uint64_t fixable() const {
    uint64_t mask = 0;
    for (size_t k = 0; k < std::min<size_t>(inputs_.size(), 64); ++k) {
      const Tensor* tensor = example(k);
      if (tensor != nullptr && tensor->numel() <= (is_floating(tensor->dtype()) ? 16 : kMaxSmall))
        mask |= uint64_t{1} << k;
    }
    return mask;
  }

  const DynamicSize* dynamic(size_t input, size_t dim) const {
    for (const DynamicSize& item : options_.dynamic) {
      const bool same = item.input == inputs_[input]->name || item.input == std::to_string(input) ||
                        item.input == plain_name(inputs_[input]->name);
      if (same && item.dim == dim) return &item;
    }
    return nullptr;
  }

  Status settle_sizes() {
    for (const DynamicSize& item : options_.dynamic) {
      bool found = false;
      for (size_t k = 0; k < inputs_.size(); ++k) found = found || dynamic(k, item.dim) == &item;
      if (!found) return invalid_argument("--dynamic: the model has no input '{}'", item.input);
    }
    // Open sizes of one name are one size: what is said of it in one place holds in all.
    std::map<std::string_view, ir::SymInt> named;
    for (const bool open : {false, true}) {
      sizes_.assign(inputs_.size(), {});
      for (size_t k = 0; k < inputs_.size(); ++k) {
        const ValueDef& input = *inputs_[k];
        std::vector<Dim> dims;
        const Sizes* given = nullptr;
        if (!options_.input_shapes.empty()) given = &options_.input_shapes[k];
        if (given == nullptr && example(k) != nullptr) given = &example(k)->sizes();
        if (input.dims) {
          dims = *input.dims;
          if (given != nullptr && given->size() != dims.size())
            return invalid_argument("input '{}' has {} dimensions, sizes for {} are given",
                                    input.name.substr(0, 120), dims.size(), given->size());
        } else if (given != nullptr) {
          dims.resize(given->size());
        } else {
          return invalid_argument("the model does not say the shape of input '{}'",
                                  input.name.substr(0, 120))
              .with_hint("give it with --input-shapes");
        }
        for (size_t d = 0; d < dims.size(); ++d) {
          PTE_CHECK(settle(k, d, dims[d], given == nullptr ? nullptr : &(*given)[d], open, named));
        }
      }
    }
    return {};
  }

  Status settle(size_t input, size_t dim, Dim def, const int64_t* given, bool open,
                std::map<std::string_view, ir::SymInt>& named) {
    // "?" and the like are no names: two of them are two sizes.
    if (std::none_of(def.symbol.begin(), def.symbol.end(),
                     [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }))
      def.symbol = {};
    ir::SymSizes& sizes = sizes_[input];
    const std::string_view name = inputs_[input]->name;
    if (const DynamicSize* range = dynamic(input, dim)) {
      if (range->range.max == range->range.min) {
        sizes.emplace_back(range->range.min);
        return {};
      }
      std::string symbol =
          def.symbol.empty() ? fmt::format("s{}_{}", input, dim) : symbol_name(def.symbol);
      sizes.push_back(range->size(symbol, symbols_));
      if (!def.symbol.empty()) named.insert_or_assign(def.symbol, sizes.back());
      return {};
    }
    // Where exporters write no size they may write 0.
    const bool known = def.value && (*def.value != 0 || given == nullptr);
    if (given != nullptr) {
      if (known && *def.value != *given) {
        // The file's word may be a default that the graph does not insist on; inference decides.
        sizes.emplace_back(*given);
        return {};
      }
      sizes.emplace_back(*given);
      if (!def.symbol.empty()) named.emplace(def.symbol, *given);
      return {};
    }
    if (known) {
      sizes.emplace_back(*def.value);
      return {};
    }
    const auto settled = named.find(def.symbol);
    if (!def.symbol.empty() && settled != named.end()) {
      sizes.push_back(settled->second);
      return {};
    }
    if (!open) {
      sizes.emplace_back(0);
      return {};
    }
    return invalid_argument(
               "dimension {} of input '{}'{} is open", dim, name.substr(0, 120),
               def.symbol.empty() ? "" : fmt::format(" ({})", def.symbol.substr(0, 80)))
        .with_hint(fmt::format("keep it open within bounds with --dynamic \"{}:{}=1..8\", or fix "
                               "the sizes with --input-shapes",
                               name.substr(0, 80), dim));
  }

  std::string symbol_name(std::string_view name) {
    std::string out;
    for (const char c : name.substr(0, 60))
      out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0])) != 0) out.insert(0, "s_");
    return out;
  }

  Status read_graph(OnnxImport& out, uint64_t fixed, uint64_t& wanted) {
    ir::Module& module = out.imported.module;
    module.name = model_.graph.name.empty() ? "model" : plain_name(model_.graph.name);
    module.symbols = symbols_;
    ir::Method& method = module.methods["forward"];
    method.graph->set_name("forward");
    onnx::GraphReader reader(model_, file_, module, *method.graph);
    Scope scope;
    scope.opsets = &model_.opsets;
    PTE_CHECK(reader.read_initializers(model_.graph, scope));
    for (size_t k = 0; k < inputs_.size(); ++k) {
      const ValueDef& def = *inputs_[k];
      out.inputs.emplace_back(def.name);
      Item item;
      PTE_TRY(const DType dtype,
              carrier_type(def.type).at(fmt::format("input '{}'", def.name.substr(0, 120))));
      if (is_carried(def.type)) item.type = def.type;
      if (k < 64) item.sources = uint64_t{1} << k;
      if (k < 64 && (fixed >> k & 1) != 0) {
        auto small = Small::of(*example(k));
        if (!small || small->dtype != dtype)
          return invalid_argument("--example: input '{}' should be {}, it is {}",
                                  def.name.substr(0, 120), dtype_name(dtype),
                                  dtype_name(example(k)->dtype()));
        item.small = std::make_shared<const Small>(std::move(*small));
        item.sources = 0;
        out.fixed_inputs.emplace_back(def.name);
        if (options_.keep_inputs)
          method.graph->add_input(plain_name(def.name), ir::TensorType::of(dtype, sizes_[k]));
      } else {
        item.value =
            method.graph->add_input(plain_name(def.name), ir::TensorType::of(dtype, sizes_[k]));
      }
      scope.items.insert_or_assign(def.name, std::move(item));
    }
    Status done = reader.read_nodes(model_.graph.nodes, scope);
    if (done) done = read_outputs(reader, method, scope);
    wanted = reader.wanted_inputs;
    PTE_CHECK(std::move(done));
    drop_unread(*method.graph);
    module.drop_unused_constants();
    for (const auto& [name, each] : module.methods) each.graph->drop_unused_constants();
    out.imported.format = fmt::format("ONNX opset {}", opset());
    for (const std::string& name : out.fixed_inputs)
      out.imported.format += fmt::format(", {} fixed to its example", name.substr(0, 80));
    return ir::verify(module);
  }

  int64_t opset() const {
    const auto it = model_.opsets.find(std::string_view());
    return it == model_.opsets.end() ? 1 : it->second;
  }

  Status read_outputs(onnx::GraphReader& reader, ir::Method& method, Scope& scope) {
    if (model_.graph.outputs.empty()) return invalid_data("the graph has no outputs");
    for (const ValueDef& def : model_.graph.outputs) {
      if (!def.other.empty())
        return unsupported("output '{}' is {}, only tensors can be returned",
                           def.name.substr(0, 120), def.other);
      Item* item = scope.find(def.name);
      if (item == nullptr)
        return invalid_data("the graph does not define its output '{}'", def.name.substr(0, 120));
      PTE_TRY(const Ex value, reader.value_of(*item, def.name));
      method.graph->add_output(value.v);
      if (value.v->producer() != nullptr && method.graph->find(plain_name(def.name)) == nullptr)
        method.graph->rename(value.v, plain_name(def.name));
    }
    return {};
  }

  // Values that shape arithmetic made or that only unused results read.
  void drop_unread(ir::Graph& graph) {
    std::vector<ir::Node*> nodes = graph.nodes();
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
      if ((*it)->op().has(kTagEffect) || (*it)->op().has(kTagHigherOrder)) continue;
      const auto& results = (*it)->results();
      if (std::none_of(results.begin(), results.end(),
                       [&](const ir::Value* value) { return graph.has_uses(value); }))
        graph.erase(*it);
    }
  }

  const MappedFile& file_;
  const ModelDef& model_;
  const ImportOptions& options_;
  std::vector<const ValueDef*> inputs_;
  std::vector<Tensor> examples_;  // one for each input, or none
  uint64_t fixed_at_first_ = 0;
  std::vector<ir::SymSizes> sizes_;
  ir::Ranges symbols_;
};

Result<OnnxImport> import_bytes(const MappedFile& file, const ImportOptions& options) {
  PTE_TRY(const ModelDef model, read_model(file.bytes()));
  return ModelReader(file, model, options).read();
}

}  // namespace

Result<OnnxImport> import_onnx(const MappedFile& file, const ImportOptions& options) {
  return import_bytes(file, options).at(file.path());
}

Result<Tensor> read_onnx_tensor(const MappedFile& file) {
  auto def = read_tensor_def(file.bytes()).at(file.path());
  if (!def) return std::move(def.error());
  return TensorReader(file).read(*def).at(file.path());
}

}  // namespace pte::importers
