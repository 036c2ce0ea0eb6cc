#include "importers/torchscript/torchscript.h"

#include <algorithm>

#include "importers/torchscript/bytecode.h"
#include "importers/torchscript/objects.h"
#include "importers/torchscript/parser.h"
#include "importers/torchscript/signature.h"
#include "ir/verify.h"

namespace pte::importers {
namespace {

using namespace script;  // NOLINT: the parts of this importer

std::string method_names(const Object& root) {
  std::string out;
  if (root.def == nullptr) return out;
  for (const Function& method : root.def->methods) out += (out.empty() ? "" : ", ") + method.name;
  return out;
}

// Nodes whose results nothing reads.
void drop_unread(ir::Graph& graph) {
  std::vector<ir::Node*> nodes = graph.nodes();
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    if ((*it)->op().has(kTagEffect) || (*it)->op().has(kTagInPlace)) continue;
    const auto& results = (*it)->results();
    if (std::none_of(results.begin(), results.end(),
                     [&](const ir::Value* value) { return graph.has_uses(value); })) {
      graph.erase(*it);
    }
  }
}

class MethodReader {
 public:
  MethodReader(std::shared_ptr<const ZipArchive> zip, ir::Module& module, ir::Graph& graph,
               const ImportOptions& options)
      : module_(module),
        graph_(graph),
        options_(options),
        library_(zip),
        mobile_(zip->find_below_top("bytecode.pkl") != nullptr),
        evaluator_(module, graph, library_),
        objects_(evaluator_, std::move(zip)) {}

  Status read(const std::string& name) {
    Status done = run(name);
    if (!done && !evaluator_.report().empty() && done.error().code != Code::kResourceLimit)
      return evaluator_.report().error();
    if (!done) {
      const std::string& place = evaluator_.place();
      return place.empty() ? std::move(done.error()) : std::move(done.error()).at(place);
    }
    return {};
  }

 private:
  Status run(const std::string& name) {
    if (mobile_) return run_mobile(name);
    PTE_TRY(const Value constants, objects_.read("constants.pkl", "constants", "constants"));
    if (constants.items() != nullptr) evaluator_.constants() = *constants.items();
    PTE_TRY(const Value root_value, objects_.read("data.pkl", "data", ""));
    const auto root = root_value.object();
    if (root == nullptr) return invalid_data("data.pkl holds no module");
    const Function* method = root->def == nullptr ? nullptr : root->def->method(name);
    if (method == nullptr) {
      return make_error(Code::kNotFound, "the module has no method '{}'; it has: {}", name,
                        method_names(*root));
    }
    Signature signature(evaluator_, module_, options_);
    PTE_TRY(std::vector<Argument> inputs, signature.arguments(*method));
    PTE_TRY(const Value result, evaluator_.call_method(root, name, std::move(inputs)));
    if (!evaluator_.report().empty()) return evaluator_.report().error();
    evaluator_.set_place("");
    PTE_CHECK(add_mutations());
    return add_outputs(result, 0);
  }

  // The same of a .ptl: the method is bytecode.
  Status run_mobile(const std::string& name) {
    PTE_TRY(const Value table, objects_.read("bytecode.pkl", "constants", "constants"));
    PTE_TRY(const std::vector<BytecodeMethod> methods, read_bytecode(table));
    PTE_TRY(const Value root, objects_.read("data.pkl", "data", ""));
    const auto found = std::find_if(methods.begin(), methods.end(),
                                    [&](const BytecodeMethod& own) { return own.name == name; });
    if (found == methods.end()) {
      std::string names;
      for (const BytecodeMethod& own : methods) names += (names.empty() ? "" : ", ") + own.name;
      return make_error(Code::kNotFound, "the module has no method '{}'; it has: {}", name, names);
    }
    Signature signature(evaluator_, module_, options_);
    PTE_TRY(const std::vector<Argument> inputs, signature.arguments(found->signature));
    Values arguments{root};
    const auto& parameters = found->signature.parameters;
    for (size_t i = 1; i < parameters.size(); ++i) {
      const auto given = std::find_if(inputs.begin(), inputs.end(), [&](const Argument& input) {
        return input.name == parameters[i].name;
      });
      arguments.push_back(given != inputs.end()        ? given->value
                          : i < found->defaults.size() ? found->defaults[i]
                                                       : Value());
    }
    PTE_TRY(const Value result, run_bytecode(evaluator_, *found, std::move(arguments)));
    if (!evaluator_.report().empty()) return evaluator_.report().error();
    evaluator_.set_place("");
    PTE_CHECK(add_mutations());
    return add_outputs(result, 0);
  }

  Status add_mutations() {
    std::vector<ir::Output>& outputs = graph_.outputs();
    for (const Aliases::Mutation& mutation : evaluator_.root_aliases().mutations()) {
      const bool constant = mutation.origin == Aliases::Origin::kConstant;
      if (constant) module_.constants.at(mutation.key).kind = ir::Constant::Kind::kBuffer;
      outputs.push_back(
          {mutation.value,
           constant ? ir::OutputKind::kBufferMutation : ir::OutputKind::kInputMutation,
           mutation.key,
           {}});
    }
    // Attributes that the method put another tensor into.
    for (const ObjectReader::State& state : objects_.states()) {
      const Value* now = state.object->find(state.name);
      if (now == nullptr || state.key.empty() || !now->tensor()) continue;
      if (now->tensor() == state.value.tensor()) continue;
      PTE_TRY(const ir::TensorType before, evaluator_.type_of(state.value.tensor()));
      PTE_TRY(ir::Value * value, evaluator_.value_of(now->tensor()));
      if (value->tensor().dtype != before.dtype || !(value->tensor().sizes == before.sizes))
        continue;  // state that has no size yet: see docs/limits.md
      module_.constants.at(state.key).kind = ir::Constant::Kind::kBuffer;
      graph_.constant(state.key, before);
      outputs.push_back({value, ir::OutputKind::kBufferMutation, state.key, {}});
    }
    return {};
  }

  Status add_outputs(const Value& value, int depth) {
    if (depth > kMaxValueDepth) return unsupported("outputs nested that deep");
    ir::Output output;
    if (const Values* items = value.items()) {
      for (const Value& item : *items) PTE_CHECK(add_outputs(item, depth + 1));
      return {};
    }
    if (const auto dict = value.dict()) {
      for (const auto& [key, item] : dict->entries) PTE_CHECK(add_outputs(item, depth + 1));
      return {};
    }
    if (const TensorPtr cell = value.tensor()) {
      PTE_TRY(output.value, evaluator_.value_of(cell));
    } else if (const auto* number = value.get<Number>()) {
      if (number->size != nullptr) {
        output.value = number->size;
      } else {
        PTE_TRY(output.value, evaluator_.value_of(number->tensor));
      }
    } else if (const auto scalar = value.scalar()) {
      output.literal = std::visit([](auto held) { return ir::Arg(held); }, *scalar);
    } else if (const auto* text = value.get<std::string>()) {
      output.literal = ir::Arg(*text);
    } else if (const auto* poison = value.get<Poison>()) {
      if (poison->reason) return *poison->reason;
      return unsupported("an output of an operator that is not supported");
    } else if (!value.is_none()) {
      return unsupported("an output that is a {}", kind_name(value));
    }
    graph_.outputs().push_back(std::move(output));
    return {};
  }

  ir::Module& module_;
  ir::Graph& graph_;
  const ImportOptions& options_;
  Library library_;
  bool mobile_;
  Evaluator evaluator_;
  ObjectReader objects_;
};

Result<Imported> import_archive(const MappedFile& file, const ImportOptions& options) {
  if (!ZipArchive::looks_like_zip(file.bytes())) {
    return unsupported("a mobile module in flatbuffer form (PTMF)")
        .with_hint("save it again without _use_flatbuffer=True, or export it as .pt2");
  }
  PTE_TRY(ZipArchive opened, ZipArchive::open(file));
  const auto zip = std::make_shared<const ZipArchive>(std::move(opened));
  if (const ZipEntry* order = zip->find_below_top("byteorder")) {
    PTE_TRY(const ZipData data, zip->read(*order, 64));
    if (as_text(data.bytes).starts_with("big"))
      return unsupported("the archive is big-endian; little-endian files can be read");
  }
  if (!options.allow_custom.empty())
    return unsupported("--allow-custom is not for TorchScript modules");
  Imported out;
  out.format = zip->find_below_top("bytecode.pkl") != nullptr ? "TorchScript mobile module"
                                                              : "TorchScript module";
  const std::string name = options.program.empty() ? "forward" : options.program;
  ir::Method& method = out.module.methods[name];
  method.graph->set_name(name);
  PTE_CHECK(MethodReader(zip, out.module, *method.graph, options).read(name));
  drop_unread(*method.graph);
  method.graph->drop_unused_constants();
  out.module.drop_unused_constants();
  PTE_CHECK(ir::verify(out.module));
  return out;
}

}  // namespace

Result<Imported> import_torchscript(const MappedFile& file, const ImportOptions& options) {
  return import_archive(file, options).at(file.path());
}

}  // namespace pte::importers
