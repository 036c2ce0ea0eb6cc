#include "importers/torch_export/torch_export.h"

#include <algorithm>
#include <limits>

#include "importers/torch_export/archive.h"
#include "importers/torch_export/graph_reader.h"
#include "importers/torch_export/targets.h"
#include "ir/verify.h"

namespace pte::importers {
namespace {

constexpr int64_t kSchemaMajor = 8;

// Tensors lie in the IR as rows or as channels-last; anything else is copied.
Result<Tensor> plain_layout(Tensor tensor) {
  if (tensor.is_contiguous())
    return tensor.contiguous();  // strides of dimensions of size 1 set right
  const DimOrder last = channels_last_dim_order(tensor.rank());
  if (tensor.is_dense_in(last)) {
    Sizes sizes = tensor.sizes();
    Strides strides = strides_of(sizes, last);
    return tensor.with_layout(std::move(sizes), std::move(strides));
  }
  return tensor.contiguous();
}

class ProgramReader {
 public:
  ProgramReader(ir::Module& module, ir::Method& method, const JsonView& program,
                const Pt2Tensors& tensors, const std::vector<std::string>& allowed)
      : module_(module), method_(method), program_(program), tensors_(tensors), allowed_(allowed) {}

  Status read() {
    PTE_CHECK(check_version());
    PTE_TRY(const JsonView graph_module, program_.at("graph_module"));
    PTE_TRY(const JsonView graph, graph_module.at("graph"));
    PTE_TRY(const JsonView signature, graph_module.at("signature"));
    UnsupportedReport report;
    PTE_CHECK(find_unsupported(graph, report, allowed_));
    if (!report.empty()) return report.error();
    PTE_CHECK(read_ranges());
    PTE_CHECK(read_calls(graph_module));
    GraphReader reader(module_, *method_.graph, graph, allowed_);
    PTE_CHECK(read_inputs(reader, signature));
    PTE_CHECK(reader.read_nodes());
    PTE_CHECK(read_outputs(reader, signature));
    drop_unread();
    module_.drop_unused_constants();
    return {};
  }

  // Of the leaves that the model was called with, those that are inputs of the graph; nothing when
  // they do not fit it.
  std::vector<EValue> example(std::vector<EValue> leaves) const {
    std::vector<EValue> kept;
    if (leaves.size() != kept_.size()) return {};
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (kept_[i]) kept.push_back(std::move(leaves[i]));
    }
    const auto& inputs = method_.graph->inputs();
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (i >= kept.size() || !fits(kept[i], inputs[i]->type())) return {};
    }
    return kept;
  }

 private:
  static bool fits(const EValue& value, const ir::Type& type) {
    if (const auto* expected = std::get_if<ir::TensorType>(&type)) {
      const Tensor* tensor = value.get<Tensor>();
      if (tensor == nullptr || tensor->dtype() != expected->dtype ||
          tensor->rank() != expected->rank()) {
        return false;
      }
      for (size_t i = 0; i < tensor->rank(); ++i) {
        const auto size = expected->sizes[i].constant();
        if (size && *size != tensor->size(i)) return false;
      }
      return true;
    }
    return value.is<int64_t>() || value.is<double>() || value.is<bool>();
  }

  Status check_version() {
    const auto version = program_.find("schema_version");
    if (!version) return {};
    // Early files have {"major", "minor"} as well; the very first a single number.
    const auto major = version->is_object() ? version->integer_at("major") : version->integer();
    if (!major) return major.error();
    if (*major == kSchemaMajor) return {};
    return unsupported(
        "schema version {} (version {} can be read): export it again with a current PyTorch",
        *major, kSchemaMajor);
  }

  // "s0" -> its range; names may be expressions in old files, and only plain symbols have ranges.
  Status read_ranges() {
    const auto ranges = program_.find("range_constraints");
    if (!ranges) return {};
    PTE_TRY(const auto fields, ranges->fields());
    for (const auto& [name, view] : fields) {
      ir::Range range{std::numeric_limits<int64_t>::min(), std::nullopt};
      if (const auto min = view.find("min_val")) {
        PTE_TRY(range.min, min->integer());
      }
      if (const auto max = view.find("max_val")) {
        PTE_TRY(range.max, max->integer());
        // torch's "no limit" in old files.
        if (*range.max >= std::numeric_limits<int64_t>::max() - 1) range.max.reset();
      }
      if (range.max && *range.max < range.min)
        return view.invalid("the maximum lies below the minimum");
      module_.symbols.insert_or_assign(std::string(name), range);
    }
    return {};
  }

  // The root entry of the module call graph: trees of inputs and outputs, names of inputs.
  Status read_calls(const JsonView& graph_module) {
    const auto calls = graph_module.find("module_call_graph");
    if (!calls) return {};
    PTE_TRY(const auto items, calls->items());
    for (const JsonView& item : items) {
      const auto fqn = item.text_at("fqn");
      const auto signature = item.find("signature");
      if (!fqn || !fqn->empty() || !signature) continue;
      if (const auto tree = signature->find("in_spec")) {
        PTE_TRY(method_.input_tree, tree->text());
      }
      if (const auto tree = signature->find("out_spec")) {
        PTE_TRY(method_.output_tree, tree->text());
      }
      if (const auto names = signature->find("forward_arg_names")) {
        PTE_TRY(const auto list, names->items());
        for (const JsonView& name : list) {
          PTE_TRY(const std::string_view text, name.text());
          arg_names_.emplace_back(text);
        }
      }
    }
    return {};
  }

  Status bind_constant(GraphReader& reader, const JsonView& spec, std::string_view key_field,
                       ir::Constant::Kind kind) {
    PTE_TRY(const JsonView arg, spec.at("arg"));
    PTE_TRY(const std::string_view name, arg.text_at("name"));
    PTE_TRY(const std::string_view key_text, spec.text_at(key_field));
    PTE_TRY(Slot slot, constant(reader, std::string(key_text), kind));
    reader.bind(std::string(name), std::move(slot));
    return {};
  }

  Result<Slot> constant(GraphReader& reader, const std::string& key, ir::Constant::Kind kind) {
    if (const auto attributes = tensors_.parts(key); !attributes.empty()) {
      auto parts = std::make_shared<Parts>();
      for (const std::string& attribute : attributes) {
        PTE_TRY(Slot part, constant(reader, fmt::format("{}.{}", key, attribute), kind));
        parts->attributes.insert_or_assign(attribute, std::move(part));
      }
      return Slot(std::shared_ptr<const Parts>(std::move(parts)));
    }
    PTE_TRY(Tensor data, tensors_.get(key));
    PTE_TRY(data, plain_layout(std::move(data)));
    std::string stored = key;
    if (kind == ir::Constant::Kind::kParameter) stored = shared_parameter(key, data);
    ir::TensorType type = ir::TensorType::of(data);
    module_.constants.insert_or_assign(stored, ir::Constant{std::move(data), kind});
    return Slot(reader.aliases().add_constant(stored, std::move(type)));
  }

  // Parameters that are the same view of the same storage are one constant.
  std::string shared_parameter(const std::string& key, const Tensor& data) {
    if (data.numel() == 0) return key;
    const auto same = seen_.emplace(data.data(), key);
    if (same.second) return key;
    const Tensor& first = module_.constants.at(same.first->second).data;
    const bool equal = first.dtype() == data.dtype() && first.sizes() == data.sizes() &&
                       first.strides() == data.strides();
    return equal ? same.first->second : key;
  }

  // Names such as "arg0_1" of old files say nothing; the call graph knows better ones.
  std::string_view input_name(size_t index, size_t count) const {
    return arg_names_.size() == count ? std::string_view(arg_names_[index]) : std::string_view();
  }

  Status read_inputs(GraphReader& reader, const JsonView& signature) {
    PTE_TRY(const auto specs, signature.items_at("input_specs"));
    size_t users = 0, index = 0;
    for (const JsonView& spec : specs) {
      PTE_TRY(const auto variant, spec.variant());
      if (variant.first == "user_input" || variant.first == "constant_input") ++users;
    }
    for (const JsonView& spec : specs) {
      PTE_TRY(const auto variant, spec.variant());
      const auto& [kind, view] = variant;
      if (kind == "parameter") {
        PTE_CHECK(bind_constant(reader, view, "parameter_name", ir::Constant::Kind::kParameter));
      } else if (kind == "buffer") {
        PTE_CHECK(bind_constant(reader, view, "buffer_name", ir::Constant::Kind::kBuffer));
      } else if (kind == "tensor_constant") {
        PTE_CHECK(
            bind_constant(reader, view, "tensor_constant_name", ir::Constant::Kind::kConstant));
      } else if (kind == "user_input") {
        PTE_TRY(const JsonView arg, view.at("arg"));
        const size_t before = method_.graph->inputs().size();
        PTE_CHECK(reader.add_input(arg, input_name(index++, users)));
        kept_.push_back(method_.graph->inputs().size() > before);
      } else if (kind == "constant_input") {
        ++index;  // the export fixed its value
        kept_.push_back(false);
      } else if (kind != "custom_obj" && kind != "token") {
        return unsupported("{}: an input of kind {}", spec.path(), shown(kind));
      }
    }
    return {};
  }

  Status read_outputs(GraphReader& reader, const JsonView& signature) {
    std::vector<ir::Output>& outputs = method_.graph->outputs();
    for (const Aliases::Mutation& mutation : reader.aliases().mutations()) {
      const bool constant = mutation.origin == Aliases::Origin::kConstant;
      outputs.push_back(
          {mutation.value,
           constant ? ir::OutputKind::kBufferMutation : ir::OutputKind::kInputMutation,
           mutation.key,
           {}});
    }
    PTE_TRY(const auto specs, signature.items_at("output_specs"));
    for (const JsonView& spec : specs) {
      PTE_TRY(const auto variant, spec.variant());
      const auto& [kind, view] = variant;
      PTE_TRY(const JsonView arg, view.at("arg"));
      ir::Output output;
      if (kind == "user_output") {
        PTE_TRY(ir::Arg result, reader.argument(arg));
        output.value = result.value();
        if (output.value == nullptr) output.literal = std::move(result);
        if (output.literal.list() != nullptr)
          return unsupported("{}: a list as an output", spec.path());
      } else if (kind == "buffer_mutation" || kind == "parameter_mutation") {
        PTE_TRY(const std::string_view name, arg.text_at("name"));
        PTE_TRY(output.value, reader.tensor(name));
        PTE_TRY(const std::string_view target,
                view.text_at(kind == "buffer_mutation" ? "buffer_name" : "parameter_name"));
        output.kind = ir::OutputKind::kBufferMutation;
        output.target = target;
      } else if (kind == "user_input_mutation") {
        PTE_TRY(const std::string_view name, arg.text_at("name"));
        PTE_TRY(output.value, reader.tensor(name));
        PTE_TRY(const std::string_view target, view.text_at("user_input_name"));
        PTE_TRY(ir::Value * input, reader.tensor(target));
        output.kind = ir::OutputKind::kInputMutation;
        output.target = input->name();
      } else if (kind == "token") {
        continue;
      } else {
        return unsupported("{}: an output of kind {}", spec.path(), shown(kind));
      }
      outputs.push_back(std::move(output));
    }
    return {};
  }

  // Sizes that only the dropped checks read, views that only were written through.
  void drop_unread() {
    std::vector<ir::Node*> nodes = method_.graph->nodes();
    for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
      if (!(*it)->op().has(kTagSymbolic) && !(*it)->op().has(kTagView)) continue;
      const auto& results = (*it)->results();
      if (std::none_of(results.begin(), results.end(),
                       [&](const ir::Value* value) { return method_.graph->has_uses(value); })) {
        method_.graph->erase(*it);
      }
    }
  }

  ir::Module& module_;
  ir::Method& method_;
  JsonView program_;
  const Pt2Tensors& tensors_;
  const std::vector<std::string>& allowed_;
  std::vector<std::string> arg_names_;
  std::vector<bool> kept_;  // which leaves of the call are inputs of the graph
  std::map<const std::byte*, std::string> seen_;
};

Result<std::string> choose_program(const Pt2Archive& archive, const std::string& wanted) {
  const auto& programs = archive.programs();
  const auto has = [&](const std::string& name) {
    return std::find(programs.begin(), programs.end(), name) != programs.end();
  };
  if (!wanted.empty() && has(wanted)) return wanted;
  if (wanted.empty() && has("model")) return std::string("model");
  if (wanted.empty() && programs.size() == 1) return programs[0];
  std::string names;
  for (const std::string& name : programs) names += (names.empty() ? "" : ", ") + shown(name, 40);
  if (wanted.empty())
    return invalid_argument("the archive holds several programs, choose one of: {}", names);
  return make_error(Code::kNotFound, "no program '{}'; the archive holds: {}", wanted, names);
}

Result<Pt2Program> import_archive(const MappedFile& file, const Pt2Options& options,
                                  bool with_example) {
  PTE_TRY(const Pt2Archive archive, Pt2Archive::open(file));
  PTE_TRY(const std::string name, choose_program(archive, options.program));
  PTE_TRY(const JsonDocument document, archive.program(name));
  PTE_TRY(const Pt2Tensors tensors, archive.tensors(name));
  Pt2Program made;
  ir::Module& module = made.module;
  module.name = name;
  ir::Method& method = module.methods[options.method];
  method.graph->set_name(options.method);
  ProgramReader reader(module, method, document.root(), tensors, options.allow_custom);
  PTE_CHECK(reader.read());
  PTE_CHECK(ir::verify(module));
  // A file whose sample inputs cannot be read is a model nevertheless.
  if (with_example) {
    if (auto leaves = archive.sample_inputs(name))
      made.example = reader.example(std::move(*leaves));
  }
  return made;
}

}  // namespace

Result<ir::Module> import_pt2(const MappedFile& file, const Pt2Options& options) {
  PTE_TRY(Pt2Program made, import_archive(file, options, false).at(file.path()));
  return std::move(made.module);
}

Result<Pt2Program> import_pt2_program(const MappedFile& file, const Pt2Options& options) {
  return import_archive(file, options, true).at(file.path());
}

Result<ir::Module> import_pt2(const std::string& path, const Pt2Options& options) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  return import_pt2(file, options);
}

}  // namespace pte::importers
