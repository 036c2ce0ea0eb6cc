#include "base/pages.h"
#include "passes/evaluate.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

// Results up to this size are worth their bytes, for the call that they save.
constexpr uint64_t kTinyBytes = 64;

class Folder {
 public:
  explicit Folder(Module& module)
      : module_(module), written_(written_constants(module)), replaced_(module) {}

  Result<bool> visit(Graph& graph, Node* node) {
    if (!can_evaluate(*node) || node->results().size() != 1) return false;
    const std::vector<Value*> inputs = node->inputs();
    if (inputs.empty()) return false;
    uint64_t released = 0;
    for (const Value* input : inputs) {
      if (!input->is_constant() || written_.contains(*input->constant())) return false;
      const Tensor* data = module_.data_of(input);
      if (data == nullptr) return false;
      const bool last_reader =
          input->users().size() == 1 && !graph.is_output(input) && replaced_.read_here_only(input);
      if (last_reader) released += data->nbytes();
    }
    const auto sizes = node->result()->tensor().static_sizes();
    if (!sizes.has_value()) return false;
    const auto bytes = byte_count(node->result()->tensor().dtype, *sizes);
    if (!bytes.has_value() || *bytes > std::max(released, kTinyBytes)) return false;
    PTE_TRY(std::optional<Tensor> data,
            evaluate(*node, [&](const Value* value) { return module_.data_of(value); }));
    if (!data.has_value()) return false;
    const Value* first = inputs.front();
    const ir::Constant::Kind kind = module_.constants.at(*first->constant()).kind;
    Value* made = module_.add_constant(graph, *first->constant() + "_" + short_name(*node),
                                       std::move(*data), kind);
    if (made->type() != node->result()->type()) return false;
    replaced_.add(made);
    replace(node, {made}, /*take_names=*/false);
    for (const Value* input : inputs) {
      const Tensor* read = module_.data_of(input);
      if (read != nullptr) release_pages(read->bytes(), read->owner());
      replaced_.let_go(module_, graph, input);
    }
    return true;
  }

 private:
  static std::string short_name(const Node& node) {
    const std::string& name = node.op().name;
    return name.substr(name.find("::") + 2);
  }

  Module& module_;
  std::set<std::string, std::less<>> written_;
  ReplacedConstants replaced_;
};

}  // namespace

Result<int64_t> fold_constants(ir::Module& module) {
  Folder folder(module);
  PTE_TRY(const int64_t changes, for_each_graph(module, [&](Graph& graph) -> Result<int64_t> {
            int64_t count = 0;
            for (Node* node : graph.nodes()) {
              PTE_TRY(const bool folded, folder.visit(graph, node));
              count += folded ? 1 : 0;
            }
            return count;
          }));
  if (changes > 0) module.drop_unused_constants();
  return changes;
}

}  // namespace pte::passes
