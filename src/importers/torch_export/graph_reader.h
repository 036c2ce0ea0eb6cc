// Reads one graph of a serialized program into the IR: its nodes in order, with names resolved in
// their scope, arguments by schema, and writes turned into values (aliases.h).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "importers/aten/aliases.h"
#include "importers/torch_export/json.h"
#include "importers/torch_export/meta.h"
#include "importers/torch_export/targets.h"
#include "ir/graph.h"

namespace pte::importers {

struct Parts;
// What a name of the file stands for: a handle of Aliases, a scalar (a value or a literal), or a
// tensor subclass that wraps others.
using Slot = std::variant<size_t, ir::Arg, std::shared_ptr<const Parts>>;
struct Parts {
  std::map<std::string, Slot, std::less<>> attributes;
};

class GraphReader {
 public:
  // `view` is a Graph object; nodes go to the end of `graph`. `allowed` are operators of others
  // that stay as calls (custom_ops.h); they outlive this.
  GraphReader(ir::Module& module, ir::Graph& graph, JsonView view,
              std::span<const std::string> allowed = {}, int depth = 0);

  Aliases& aliases() { return aliases_; }

  void bind(std::string name, Slot slot) {
    scopes_.back().names.insert_or_assign(std::move(name), std::move(slot));
  }
  // Type of an entry of `tensor_values`.
  Result<TensorMeta> tensor_meta(std::string_view name) const;
  // An input that the caller gives: a tensor, a symbolic number, or (bound to nothing) a literal.
  Status add_input(const JsonView& argument, std::string_view input_name);

  Status read_nodes();
  // An Argument as a value or a literal.
  Result<ir::Arg> argument(const JsonView& view);
  Result<ir::Value*> tensor(std::string_view name);

 private:
  struct Scope {
    std::map<std::string, Slot, std::less<>> names;
    JsonView graph;
    JsonView tensor_values;
  };

  Result<Slot*> find(std::string_view name, const JsonView& place);
  Result<size_t> handle(std::string_view name, const JsonView& place);
  Result<ir::Arg> list(const JsonView& view);
  Result<ir::Arg> sym_number(const JsonView& view);
  Result<ir::Arg> subgraph(const JsonView& view);

  Status read_node(const JsonView& node);
  Status read_call(const JsonView& node, const Target& target, std::string_view name);
  Status read_fill(const JsonView& node, std::string_view name);
  Status read_inlined(const JsonView& node);
  Status read_part(const JsonView& node);
  Status read_custom(const JsonView& node, std::string_view target);
  struct Given {
    std::string_view name;
    JsonView view;
    ir::Arg arg;
  };
  template <typename PlaceOf>
  Status place_numbers(std::vector<Given>& given, const PlaceOf& place_of,
                       const Overload*& overload);
  Status check_strided(const JsonView& node, const std::vector<ir::Arg>& args) const;
  Result<std::vector<ir::Arg>> read_args(const JsonView& node, const Target& target,
                                         const Overload*& overload);
  // The results of a call, lists of tensors taken apart.
  Result<std::vector<ir::Arg>> make_call(const Overload& overload, std::vector<ir::Arg> args,
                                         const std::vector<std::string_view>& names);
  // The names of a node's results in order; "" for those without a use.
  Result<std::vector<std::pair<std::string_view, JsonView>>> output_names(
      const JsonView& node) const;
  Status bind_results(const JsonView& node, const Overload& overload,
                      const std::vector<ir::Arg>& results,
                      const std::vector<std::string_view>& names, std::optional<size_t> base);
  bool is_contiguous(const JsonView& node) const;
  Status check_type(const ir::Value* value, std::string_view name) const;

  NodeMaker maker_;
  Aliases aliases_;
  std::vector<Scope> scopes_;
  std::span<const std::string> allowed_;
  int depth_;
};

}  // namespace pte::importers
