// Executes TorchScript methods at import. What is known of the values is computed on the way, calls
// of operators on tensors become nodes of the graph, so that what remains at the end is a plain
// graph: methods inlined, loops of known length unrolled, branches of known conditions taken.
// Branches and loops that depend on the input become subgraphs (cond, while_loop).
//
// Nothing in a file can make this run away: steps, nodes, calls within calls, and the memory of
// lists and strings are bounded.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "importers/aten/aliases.h"
#include "importers/aten/composites.h"
#include "importers/torchscript/library.h"
#include "importers/torchscript/value.h"
#include "importers/unsupported_report.h"

namespace pte::importers::script {

// Bytecode's word for the overload without a name.
constexpr std::string_view kDefaultOverload = "default";

struct Limits {
  int64_t steps = 4'000'000;  // statements and expressions
  size_t nodes = 200'000;
  int64_t memory = int64_t{1} << 26;  // items of lists, characters of strings that were made
  int calls = 96;                     // methods within methods
  int depth = 700;                    // expressions and blocks within each other, calls included
  int branches = 12;                  // subgraphs within subgraphs
};

struct Argument {
  std::string name;  // "" when it was given by its place
  Value value;
};

class Evaluator {
 public:
  Evaluator(ir::Module& module, ir::Graph& graph, Library& library, Limits limits = {});
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  Values& constants() { return constants_; }
  Library& library() { return library_; }
  UnsupportedReport& report() { return report_; }
  // Operators outside the tables that may stay as they are reported, never called.
  Result<Value> call_method(const std::shared_ptr<Object>& self, const std::string& name,
                            std::vector<Argument> args);
  Result<Value> call_function(const Function& function, std::vector<Argument> args);
  // "aten::add" with arguments as Python has them: scalars, lists and tensors.
  Result<Value> call_operator(const std::string& name, std::vector<Argument> args,
                              std::string_view overload = {});

  // ---- tensors
  TensorPtr add_input(const std::string& name, ir::Type type);
  // A tensor of the module; equal keys must be equal tensors.
  TensorPtr add_constant(const std::string& key, Tensor data, ir::Constant::Kind kind);
  // The value in the graph that is being written now.
  Result<ir::Value*> value_of(const TensorPtr& cell);
  Result<ir::TensorType> type_of(const TensorPtr& cell);
  Aliases& root_aliases();
  // A tensor without dimensions of a known number.
  static TensorPtr known(const Scalar& value, DType dtype);
  // The truth of a condition where it is known; else a 0-d bool tensor to branch on.
  struct Truth {
    std::optional<bool> known;
    TensorPtr tensor;
  };
  Result<Truth> truth(const Value& value);

  const std::string& place() const { return place_; }
  void set_place(std::string place);

  // ---- control flow, for code and for bytecode alike
  // Runs one of two blocks; each returns the values of the same number of variables, and those of
  // the branch that runs come back.
  using Block = std::function<Result<Values>()>;
  Result<Values> branch(const TensorPtr& condition, const Block& yes, const Block& no);
  // Runs `body` on the carried values while the first that it returns is true; `go` is whether to
  // begin.
  using Body = std::function<Result<Values>(const Values&)>;
  Result<Values> loop(const Value& go, Values carried, const Body& body);
  // The number of the graph as a 0-d tensor.
  Result<TensorPtr> number_tensor(const Value& value, Number::Kind kind);

  // isinstance(value, type)
  Result<bool> is_instance(const Value& value, const Expr& type);
  Status set_attribute(const std::shared_ptr<Object>& object, const std::string& name, Value value);
  // A list of the context that is being written.
  Value new_list(Values items) const;
  Status spend(int64_t steps = 1);
  Status spend_memory(int64_t items);

 private:
  friend class Builtins;
  friend class Operators;
  struct Context;
  struct Frame;
  using Variables = std::unordered_map<std::string, Value>;

  // ---- evaluator.cc: functions and statements
  enum class Flow : uint8_t { kNext, kReturned };
  Result<Flow> run_block(const std::vector<Stmt>& block, Frame& frame);
  Result<Flow> run_statement(const Stmt& stmt, Frame& frame);
  Status assign(const Stmt& stmt, Frame& frame);
  Status assign_target(const Expr& target, Value value, Frame& frame);
  Result<Flow> run_if(const Stmt& stmt, Frame& frame);
  Result<Flow> run_while(const Stmt& stmt, Frame& frame);
  Result<Flow> run_for(const Stmt& stmt, Frame& frame);

  // ---- expressions.cc
  Result<Value> evaluate(const Expr& expr, Frame& frame);
  Result<Value> evaluate_inner(const Expr& expr, Frame& frame);
  Result<Value> evaluate_name(const Expr& expr, Frame& frame);
  Result<Value> evaluate_attribute(const Expr& expr, Frame& frame);
  Result<Value> evaluate_index(const Expr& expr, Frame& frame);
  Result<Value> evaluate_call(const Expr& expr, Frame& frame);
  Result<Value> call_name(const std::string& name, const Expr& expr, Frame& frame);
  Result<Value> call_qualified(const std::string& name, std::vector<Argument> args);
  Result<Value> call_on(Value self, const std::string& name, std::vector<Argument> args);
  Result<std::vector<Argument>> arguments(const Expr& call, Frame& frame, size_t from = 1);
  Result<Value> construct(const ClassDef& def, std::vector<Argument> args);
  Result<Value> read_attribute(const Value& base, const std::string& name);
  Result<Value> qualified(const std::string& name);

  // ---- control_flow.cc
  struct Branch;
  struct Merge;
  Result<Branch> run_branch(const Block& block, const std::vector<TensorPtr>& captured);
  Value merge(Merge& merge, const Value& a, const Value& b, int depth);
  Result<Value> unmerge(Merge& merge, const Value& merged, int depth);
  Status capture_all(const Value& value, int depth = 0);
  Result<Values> loop_once(const Values& carried, const std::vector<bool>& widened,
                           const Body& body, Branch& out);

  // ---- tensors.cc
  Context& context() { return *contexts_.back(); }
  size_t context_id() const;
  // Fails when a container made outside is changed in a branch that depends on the input.
  Status may_change(size_t container_context) const;
  Result<size_t> handle_in(size_t context, const TensorPtr& cell);
  Result<ir::Value*> value_in(size_t context, const TensorPtr& cell);
  TensorPtr new_tensor(size_t handle, bool contiguous = true);
  Status check_nodes();

  // ---- operators.cc
  Result<Value> call_aten(const std::string& name, const std::vector<Argument>& args,
                          std::string_view overload);
  Result<Value> call_overload(const Overload& overload, std::vector<ir::Arg> args,
                              const TensorPtr& base);
  Result<Value> write_in_place(const std::string& name, const std::vector<Argument>& args,
                               std::string_view overload);
  Result<ir::Arg> to_arg(const ArgSchema& schema, const Value& value);
  Result<Value> from_result(const ir::Arg& result, const OpInfo& info, const TensorPtr& base);
  Result<Value> wrap_value(ir::Value* value, const TensorPtr& base);
  Error unsupported_call(const std::string& name, const std::vector<Argument>& args,
                         std::string reason);
  // numbers.cc
  Result<std::optional<Value>> number_operator(const std::string& name,
                                               const std::vector<Argument>& args);

  ir::Module& module_;
  Library& library_;
  Limits limits_;
  UnsupportedReport report_;
  Values constants_;
  std::vector<std::unique_ptr<Context>> contexts_;
  size_t next_context_ = 0;
  std::string place_;
  int64_t steps_ = 0;
  int64_t memory_ = 0;
  size_t nodes_ = 0;
  int calls_ = 0;
  int depth_ = 0;
  bool raised_ = false;  // the error that is on its way is the model's own
};

}  // namespace pte::importers::script
