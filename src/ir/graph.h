// The graph that everything meets in: a list of operator calls in execution order over typed
// values, in PyTorch's ATen vocabulary.
//
// A Module has methods (one Graph each) and a table of named constants that they share. A Graph
// owns its values and nodes; pointers to them stay valid until they are erased. Every operator
// argument of the schema is present on a node, defaults filled in, in schema order.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "ir/symint.h"
#include "schema/ops.h"
#include "tensor/tensor.h"

namespace pte::ir {

class Graph;
class Node;
class Value;

// ---- types

struct TensorType {
  DType dtype = DType::kFloat32;
  SymSizes sizes;
  DimOrder dim_order;  // always as long as sizes; strides follow from it

  static TensorType of(DType dtype, SymSizes sizes, DimOrder order = {});
  static TensorType of(const Tensor& tensor);
  size_t rank() const { return sizes.size(); }
  bool is_contiguous() const { return pte::is_contiguous(dim_order); }
  // All sizes as numbers, or nothing.
  std::optional<Sizes> static_sizes() const { return to_static(sizes); }
  bool operator==(const TensorType&) const = default;
};
struct SymIntType {
  SymInt value;  // what is known of it: at least a symbol of its own
  bool operator==(const SymIntType&) const = default;
};
struct SymFloatType {
  bool operator==(const SymFloatType&) const = default;
};
struct SymBoolType {
  bool operator==(const SymBoolType&) const = default;
};
using Type = std::variant<TensorType, SymIntType, SymFloatType, SymBoolType>;

// "float32[1,3,224,224]", "float32[1,3,2,2]{0,2,3,1}", "int(2*s0)", "float", "bool"
std::string to_string(const Type& type);

// ---- arguments

enum class MemoryFormat : int8_t {
  kContiguous = 0,
  kPreserve = 1,
  kChannelsLast = 2,
  kChannelsLast3d = 3
};
enum class Layout : int8_t { kStrided = 0 };
struct Device {
  std::string name = "cpu";
  bool operator==(const Device&) const = default;
};

struct Arg;
using ArgList = std::vector<Arg>;

// One argument of a call: None, a value, a literal, a list of arguments, or a subgraph (owned).
struct Arg {
  std::variant<std::monostate, Value*, int64_t, double, bool, std::string, DType, MemoryFormat,
               Layout, Device, ArgList, std::shared_ptr<Graph>>
      v;

  Arg() = default;
  Arg(Value* value) : v(value) {}                             // NOLINT
  Arg(int64_t value) : v(value) {}                            // NOLINT
  Arg(int value) : v(static_cast<int64_t>(value)) {}          // NOLINT
  Arg(double value) : v(value) {}                             // NOLINT
  Arg(bool value) : v(value) {}                               // NOLINT
  Arg(const char* value) : v(std::string(value)) {}           // NOLINT
  Arg(std::string value) : v(std::move(value)) {}             // NOLINT
  Arg(DType value) : v(value) {}                              // NOLINT
  Arg(MemoryFormat value) : v(value) {}                       // NOLINT
  Arg(Layout value) : v(value) {}                             // NOLINT
  Arg(Device value) : v(std::move(value)) {}                  // NOLINT
  Arg(ArgList value) : v(std::move(value)) {}                 // NOLINT
  Arg(std::shared_ptr<Graph> graph) : v(std::move(graph)) {}  // NOLINT
  static Arg ints(const std::vector<int64_t>& values);
  static Arg values(const std::vector<Value*>& values);
  static Arg doubles(const std::vector<double>& values);

  bool is_none() const { return std::holds_alternative<std::monostate>(v); }
  Value* value() const;                    // null unless a value
  std::optional<int64_t> integer() const;  // int literals only
  std::optional<double> number() const;    // int, float and bool literals
  std::optional<bool> boolean() const;
  const std::string* text() const { return std::get_if<std::string>(&v); }
  const ArgList* list() const { return std::get_if<ArgList>(&v); }
  std::optional<std::vector<int64_t>> integers() const;  // a list of int literals
  const std::shared_ptr<Graph>* graph() const { return std::get_if<std::shared_ptr<Graph>>(&v); }
  // The size it stands for: a literal, or a value of SymIntType.
  std::optional<SymInt> sym_int() const;
  std::optional<SymSizes> sym_ints() const;
};

bool same_arg(const Arg& a, const Arg& b);

// ---- values and nodes

class Value {
 public:
  const std::string& name() const { return name_; }
  const Type& type() const { return type_; }
  void set_type(Type type) { type_ = std::move(type); }
  bool is_tensor() const { return std::holds_alternative<TensorType>(type_); }
  const TensorType& tensor() const { return std::get<TensorType>(type_); }

  Node* producer() const { return producer_; }  // null for inputs and constants
  size_t index() const { return index_; }       // among the producer's results
  // The key in Module::constants when this value is a constant.
  const std::optional<std::string>& constant() const { return constant_; }
  bool is_constant() const { return constant_.has_value(); }
  bool is_input() const { return producer_ == nullptr && !is_constant(); }

  // The nodes that read it, once for each place they read it in. Graph outputs are not among them.
  const std::vector<Node*>& users() const { return users_; }
  Graph& graph() const { return *graph_; }

 private:
  friend class Graph;
  friend class Node;
  std::string name_;
  Type type_;
  Node* producer_ = nullptr;
  size_t index_ = 0;
  std::optional<std::string> constant_;
  std::vector<Node*> users_;
  Graph* graph_ = nullptr;
};

class Node {
 public:
  const OpInfo& op() const { return *op_; }
  bool is(Op id) const { return op_->op == id; }

  const std::vector<Arg>& args() const { return args_; }
  const Arg& arg(size_t index) const { return args_[index]; }
  // By schema name; the name must exist.
  const Arg& arg(std::string_view name) const;
  Value* input(size_t index) const { return args_[index].value(); }
  void set_arg(size_t index, Arg arg);

  const std::vector<Value*>& results() const { return results_; }
  Value* result(size_t index = 0) const { return results_[index]; }

  // Where in the user's source this call came from ("model.py:41"), or empty.
  const std::string& location() const { return location_; }
  void set_location(std::string location) { location_ = std::move(location); }

  // Every value that the arguments read, lists included, subgraphs not.
  std::vector<Value*> inputs() const;
  Node* next() const;  // in execution order; null at the end
  Node* prev() const;
  Graph& graph() const { return *graph_; }

 private:
  friend class Graph;
  const OpInfo* op_ = nullptr;
  std::vector<Arg> args_;
  std::vector<Value*> results_;
  std::string location_;
  Graph* graph_ = nullptr;
  std::list<std::unique_ptr<Node>>::iterator place_;
};

// ---- graphs

enum class OutputKind : uint8_t {
  kUser,            // returned to the caller
  kBufferMutation,  // the new value of the constant named `target`
  kInputMutation,   // written back into the input named `target`
};

struct Output {
  Value* value = nullptr;  // null for a None output, or when `literal` holds a number
  OutputKind kind = OutputKind::kUser;
  std::string target;
  Arg literal;
};

class Graph {
 public:
  explicit Graph(std::string name = "forward") : name_(std::move(name)) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

  // Inputs in the caller's order. A name that is taken gets a numeric suffix.
  Value* add_input(std::string name, Type type);
  const std::vector<Value*>& inputs() const { return inputs_; }
  void erase_input(size_t index);  // it must have no users

  // The value that stands for Module::constants[key]; one per key, made at the first call.
  Value* constant(const std::string& key, TensorType type);
  // Every constant that has a value here, in order of creation.
  std::vector<Value*> constants() const;
  // Forgets the constants that nothing here reads.
  void drop_unused_constants();

  std::vector<Output>& outputs() { return outputs_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  void add_output(Value* value) { outputs_.push_back({value, OutputKind::kUser, {}, {}}); }

  // Adds a node before `before` (at the end when null) with results of the given types. `args`
  // must be complete (Builder fills defaults and infers types).
  Node* add_node(const OpInfo& op, std::vector<Arg> args, std::vector<Type> result_types,
                 std::vector<std::string> result_names, Node* before = nullptr);
  // The node's results must have no users and be no outputs.
  void erase(Node* node);
  // Moves a node; the caller keeps the order valid.
  void move_before(Node* node, Node* before);
  // Every reader of `from`, outputs included, reads `to` from now on.
  void replace_uses(Value* from, Value* to);
  void rename(Value* value, std::string name);

  bool is_output(const Value* value) const;
  bool has_uses(const Value* value) const { return !value->users().empty() || is_output(value); }
  Value* find(std::string_view name) const;

  Node* front() const { return nodes_.empty() ? nullptr : nodes_.front().get(); }
  Node* back() const { return nodes_.empty() ? nullptr : nodes_.back().get(); }
  size_t node_count() const { return nodes_.size(); }
  // A snapshot in execution order, safe to walk while nodes are added or erased (do not touch a
  // node after erasing it).
  std::vector<Node*> nodes() const;

  // A deep copy: values of the same names, nodes, outputs and subgraphs.
  std::shared_ptr<Graph> clone() const;

 private:
  friend class Node;
  Value* new_value(std::string name, Type type);
  void add_users(const Arg& arg, Node* node);
  void remove_users(const Arg& arg, Node* node);

  std::string name_;
  std::vector<Value*> inputs_;
  std::vector<Output> outputs_;
  std::list<std::unique_ptr<Node>> nodes_;
  std::map<std::string, std::unique_ptr<Value>, std::less<>> values_;
  std::map<std::string, int, std::less<>> next_suffix_;
  std::vector<Value*> constants_;
};

// ---- modules

struct Constant {
  enum class Kind : uint8_t { kParameter, kBuffer, kConstant };
  Tensor data;  // may lack data in text tests: see Tensor::has_data
  Kind kind = Kind::kParameter;
};

struct DelegatePayload {
  std::string backend;  // "XnnpackBackend"
  std::vector<std::byte> bytes;
  // Named data that the payload refers to, by key.
  std::map<std::string, Tensor, std::less<>> named_data;
  // What is inside, for reports: the nodes it replaced.
  std::vector<std::string> operators;
};

struct Method {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  std::string input_tree;  // pytree text (formats 1.6); empty = flat tuple
  std::string output_tree;
};

class Module {
 public:
  std::string name = "model";
  std::map<std::string, Method, std::less<>> methods;
  std::map<std::string, Constant, std::less<>> constants;
  std::vector<DelegatePayload> delegates;  // pte::call_delegate refers to them by index
  Ranges symbols;

  Graph& forward() { return *methods.at("forward").graph; }
  // Adds a constant under `hint` or, when that is taken, `hint_1` …; returns its value in `graph`.
  Value* add_constant(Graph& graph, std::string hint, Tensor data,
                      Constant::Kind kind = Constant::Kind::kConstant);
  // Data of a constant value; null when the value is no constant or has no data.
  const Tensor* data_of(const Value* value) const;
  // Removes constants that no graph reads.
  void drop_unused_constants();
  Module clone() const;
};

}  // namespace pte::ir
