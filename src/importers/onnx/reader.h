// Walks an ONNX graph in its order and writes the calls that its nodes stand for: names resolved in
// their scopes, functions and chosen branches inlined, loops of known length unrolled, shape
// arithmetic worked out on the way.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "importers/onnx/emitter.h"
#include "importers/onnx/model.h"
#include "importers/onnx/small.h"
#include "importers/onnx/tensors.h"

namespace pte::importers::onnx {

// What a name of the file stands for. It has a value, or elements that are known, or is an
// initializer that nothing has read yet; the other forms are made when they are asked for.
struct Item {
  ir::Value* value = nullptr;
  std::shared_ptr<const Small> small;
  const TensorDef* initializer = nullptr;
  int32_t type = kUndefined;  // its ONNX type where a wider one carries it
  uint64_t sources = 0;       // the graph inputs (by bit) that its elements come from
  bool absent = false;        // an optional input that the caller left out
};

struct Scope {
  std::map<std::string_view, Item> items;
  Scope* outer = nullptr;  // of a subgraph; functions see nothing around them
  const Opsets* opsets = nullptr;
  // Attributes that a call of the function gave, for references inside it.
  const std::map<std::string_view, AttributeDef>* attributes = nullptr;
  int depth = 0;
  // Of a graph of its own (a loop's body): what is found outside is copied in, so that the forms
  // that are made of it here stay here.
  bool is_body = false;

  Item* find(std::string_view name);
};

class NodeCall;
using Rule = void (*)(NodeCall&);

// The rule for an operator; null when there is none.
Rule find_rule(std::string_view domain, std::string_view op);

class GraphReader {
 public:
  GraphReader(const ModelDef& model, const MappedFile& file, ir::Module& module, ir::Graph& graph);

  // Of the body of a loop, whose graph takes values of the outer reader's as inputs.
  GraphReader(const GraphReader& outer, ir::Graph& body);

  Emitter& emitter() { return emitter_; }
  const FunctionDef* find_function(const NodeDef& node) const;

  Status read_initializers(const GraphDef& graph, Scope& scope);
  Status read_nodes(const std::vector<NodeDef>& nodes, Scope& scope);
  // Runs a subgraph's nodes with its inputs standing for `inputs`; gives its outputs.
  Result<std::vector<Item>> inline_graph(const GraphDef& graph, Scope& outer,
                                         const std::vector<Item>& inputs);

  Result<Ex> value_of(Item& item, std::string_view name);
  // Null when the elements are not known. The pointer lives as long as the item.
  Result<const Small*> small_of(Item& item);
  Result<Tensor> read_tensor(const TensorDef& def) { return tensors_.read(def); }

  // A value of this graph, or an input that stands for one of a graph around it.
  Result<ir::Value*> inside(ir::Value* value);
  // The values that inputs made by inside() stand for, in their order.
  const std::vector<ir::Value*>& captured() const { return captured_; }

  // Graph inputs whose values some operator needs to know before the program runs.
  uint64_t wanted_inputs = 0;

 private:
  friend class NodeCall;
  Status read_node(const NodeDef& node, Scope& scope);
  Status call_function(const FunctionDef& function, NodeCall& call, Scope& scope);
  bool fold(NodeCall& call);

  const ModelDef& model_;
  TensorReader tensors_;
  Emitter emitter_;
  std::map<const TensorDef*, ir::Value*> made_;  // initializers that have a value
  std::map<const TensorDef*, std::shared_ptr<const Small>> read_;
  std::map<const ir::Value*, ir::Value*> inputs_;
  std::vector<ir::Value*> captured_;
  bool is_body_ = false;
  size_t steps_ = 0;
  size_t folded_ = 0;
};

// One node while its rule writes it: operands, attributes, results.
class NodeCall {
 public:
  NodeCall(GraphReader& reader, const NodeDef& node, Scope& scope, int64_t opset);

  GraphReader& reader;
  const NodeDef& node;
  Scope& scope;
  Emitter& e;
  int64_t opset;  // of the node's domain

  void fail(Error error) { e.fail(std::move(error)); }
  bool failed() const { return e.failed(); }

  // ---- operands
  size_t inputs() const { return node.inputs.size(); }
  bool has(size_t input) const;
  Item* item(size_t input) const;  // null when left out
  Ex in(size_t input);
  // Nothing (a null Ex) when left out.
  Ex maybe(size_t input) { return has(input) ? in(input) : Ex{&e, nullptr}; }
  // The ONNX type where a wider one carries it, else kUndefined.
  int32_t type(size_t input) const;
  // The element type, known without making a value.
  std::optional<DType> dtype(size_t input) const;
  // What is known of the elements; null when they are not, or the input is left out.
  const Small* small(size_t input);
  // The elements, which must be known.
  std::vector<int64_t> ints(size_t input);
  std::vector<double> numbers(size_t input);
  // Elements as integers for a call: known ones, sizes, and elements that are read at run time.
  std::vector<ir::Arg> dims(size_t input);
  // Says that the operator needs to know an input's elements.
  void need(size_t input);

  // ---- attributes
  const AttributeDef* attribute(std::string_view name) const;
  bool has_attribute(std::string_view name) const { return attribute(name) != nullptr; }
  int64_t i(std::string_view name, int64_t otherwise) const;
  double f(std::string_view name, double otherwise) const;
  std::string_view s(std::string_view name, std::string_view otherwise) const;
  std::vector<int64_t> is(std::string_view name) const;
  std::vector<float> fs(std::string_view name) const;
  // The axis attribute, or `otherwise`, counted from the front.
  int64_t axis(size_t rank, int64_t otherwise, std::string_view name = "axis");
  int64_t wrap(int64_t axis, size_t rank);

  // ---- results
  size_t outputs() const { return node.outputs.size(); }
  bool wants(size_t output) const {
    return output < node.outputs.size() && !node.outputs[output].empty();
  }
  void set(size_t output, const Ex& value);
  void set(size_t output, Small small);
  void set(size_t output, Item item);
  // The ONNX type of a result that a wider type carries.
  void set_type(size_t output, int32_t type);
  void set(const Ex& value) { set(0, value); }

 private:
  std::vector<AttributeDef> bound_;  // references to attributes of the function, resolved
};

}  // namespace pte::importers::onnx
