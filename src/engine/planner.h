// From a lifted, optimised graph to steps: a layout for every value, a kernel for every group of
// nodes, one arena.
//
// Layouts are strides. Views (reshapes, permutes, slices, splits, broadcasts) are other strides on
// the same memory wherever such strides exist; channels lie innermost where a convolution or a
// window writes, and everything elementwise keeps the order that it finds. So permutes between
// layouts cost nothing, and copies are left only where a kernel needs an order that is not there.
// What a concatenation joins is written into its place at once where the kernels can.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/plan.h"
#include "engine/quantized.h"
#include "engine/steps.h"
#include "engine/tuning.h"
#include "ir/graph.h"

namespace pte::engine {

struct PlanOptions {
  simd::Isa isa = simd::best_isa();
  bool winograd = true;  // F(4,3), which rounds worse than the other algorithms
  bool fuse = true;      // epilogues and chains of elementwise calls
  bool alias = true;     // concatenations without copies
  uint64_t memory_limit = uint64_t{8} << 30;   // of the arena
  std::shared_ptr<const ConvChoices> choices;  // measured ones; null: none
};

// `module` keeps alive what constants lie in: steps refer to its tensors' owners, not to it. Fails
// with kUnsupported when a value's size is not known or a node has no kernel at all.
// Inputs that the graph writes (ir::OutputKind::kInputMutation) are states.
Result<Plan> make_plan(const ir::Module& module, const ir::Graph& graph,
                       const PlanOptions& options = {});

// ---- inside

// A value that is written straight into its place in a concatenation.
struct Preset {
  const ir::Node* cat = nullptr;
  size_t dim = 0;
  int64_t offset = 0;  // along `dim`
  Sizes seen;          // as which sizes the concatenation has it, when it is a view of the value
};
struct Presets {
  std::unordered_map<const ir::Value*, Preset> values;
  std::unordered_map<const ir::Node*, DimOrder> orders;  // of the concatenations
};

// Nodes that one step does.
struct Group {
  ir::Node* head = nullptr;
  std::vector<ir::Node*> nodes;  // the head first
  // Of products: what is done to each result, and a padding before the convolution.
  simd::Epilogue epilogue;
  ir::Value* residual = nullptr;
  const ir::Node* padding = nullptr;
  double scale = 1;

  ir::Value* result() const { return nodes.back()->result(); }
  std::string what() const;
};
// x * cos + turned(x) * sin for all tokens behind the first `prefix`, which stay as they are.
struct Rotary {
  ir::Value* source = nullptr;  // x: [..., tokens, dim]
  ir::Value* cos = nullptr;     // constants: [tokens - prefix, dim]
  ir::Value* sin = nullptr;
  int64_t prefix = 0;
  bool halves = false;                 // as simd::rope_rows
  std::vector<const ir::Node*> nodes;  // that do it
};
std::optional<Rotary> match_rotary(ir::Value* value);

// softmax(scale * q x k + mask) x v, all of which one step does.
struct AttentionGroup {
  ir::Node* last = nullptr;
  ir::Value* q = nullptr;
  ir::Value* k = nullptr;  // [..., dim, tokens], as the product takes it
  ir::Value* v = nullptr;
  ir::Value* mask = nullptr;
  double scale = 1;
  // Done to q and k on the way in; then both are [..., tokens, dim], and may have other leading
  // dimensions than v.
  std::optional<Rotary> rotary;
  bool transposed = false;             // v and the result are [..., dim, tokens]
  std::vector<const ir::Node*> inner;  // all but the last
};
// The attention that ends in this product, when nothing else reads what is inside it.
std::optional<AttentionGroup> match_attention(const ir::Module& module, ir::Node* product,
                                              const std::unordered_set<const ir::Value*>& outputs,
                                              const std::unordered_set<const ir::Node*>& taken);

// By the last node of each group; all other nodes of groups are in `inside`.
struct Groups {
  std::unordered_map<const ir::Node*, AttentionGroup> attention;
  std::unordered_map<const ir::Node*, Group> by_last;
  std::unordered_set<const ir::Node*> inside;
};
// `without`: nodes that other steps do.
Groups find_groups(const ir::Module& module, const ir::Graph& graph, bool fuse,
                   const std::unordered_set<const ir::Node*>& without = {});

// The epilogue's activation that a node is, if it is one.
struct Activated {
  simd::Activation activation = simd::Activation::kNone;
  float lo = 0;
  float hi = 0;
};
std::optional<Activated> activation_of(const ir::Node& node);
// A number: a literal, or a constant of one element.
std::optional<double> number_of(const ir::Module& module, const ir::Arg& arg);

// What an elementwise node does to the running value; operands that are tensors or numbers are
// appended. `running` is the value that the ops before have made, null for a first node, which
// puts its own first operand at the front. Nothing when no kernel does it.
struct ElementChain {
  struct Source {
    ir::Value* value = nullptr;  // or
    float number = 0;
  };
  std::vector<ElementOp> ops;
  std::vector<Source> sources;
};
bool append_element(const ir::Module& module, const ir::Node& node, const ir::Value* running,
                    ElementChain& chain);

// Kernels by node, and what is to be packed for them: two plannings share both.
struct Kernels {
  std::unordered_map<const ir::Node*, PackJob> packing;
  std::unordered_map<const ir::Node*, simd::Conv2d> convs;
  std::unordered_map<const ir::Node*, simd::ConvTranspose2d> transposed;
  std::unordered_map<const ir::Node*, simd::Gemm> gemms;
  std::unordered_map<const ir::Node*, simd::QConv2d> bytes;
  std::unordered_map<const ir::Node*, simd::QGemm> dynamic;
};

class Planner {
 public:
  Planner(const ir::Module& module, const ir::Graph& graph, const PlanOptions& options,
          const Presets& presets, Kernels& kernels)
      : module_(module), graph_(graph), options_(options), presets_(presets), kernels_(kernels) {}

  // Steps and layouts; then the outputs and the arena.
  Status walk();
  // After walk(): what a second planning may write in place.
  Presets found() const;
  Result<Plan> finish();

 private:
  using Fits = bool (*)(const Operand&);

  Status plan_node(ir::Node* node);
  Status plan_group(const Group& group);
  Status plan_reference(const ir::Node* node, std::string reason);

  // ---- kinds of nodes; false: no fast kernel, and why_ says why not
  Result<bool> plan_view(const ir::Node* node);
  Result<bool> plan_cat(const ir::Node* node);
  Result<bool> plan_elementwise(const Group& group);
  Result<bool> plan_convolution(const Group& group);
  std::optional<simd::ConvAlgorithm> chosen_algorithm(const simd::Conv2dShape& shape) const;
  Result<bool> plan_transposed(const Group& group);
  // The group's epilogue with its residual, whose rows must be those of the result `out` in the
  // same order; nothing where they cannot be.
  Result<std::optional<simd::Epilogue>> epilogue_of(const Group& group, const Operand& out,
                                                    const DimOrder& order, ConvOperands& operands,
                                                    std::vector<Operand>& reads);
  Result<bool> plan_linear(const Group& group);
  Result<bool> plan_matmul(const Group& group);
  Result<bool> plan_attention(const AttentionGroup& group);
  // A rotation's table, rows of `outside` before it.
  Result<Tensor> rotary_table(const ir::Value* value, int64_t prefix, float outside);
  // The value with the leading dimensions of `sizes`, tokens and elements as its last two.
  Result<Operand> heads(const ir::Value* value, const Sizes& sizes);
  Result<bool> plan_softmax(const ir::Node* node);
  Result<bool> plan_softmax_mean(const Group& group);
  Result<bool> plan_layer_norm(const ir::Node* node);
  Result<bool> plan_mean(const ir::Node* node);
  Result<bool> plan_pool(const ir::Node* node);
  Result<bool> plan_nearest(const ir::Node* node);
  Result<bool> plan_pad(const ir::Node* node);
  // ---- int8
  Result<bool> plan_bytes(const ir::Node* node);
  Status plan_table(const TableGroup& group);
  Status plan_byte_map(ByteMap map, Operand in, const ir::Value* result, std::string what,
                       std::string kernel);
  Result<bool> plan_quantize(const ir::Node* node);
  Result<bool> plan_byte_convolution(const ir::Node* node, const TableGroup* table);
  Result<bool> plan_byte_linear(const ir::Node* node, const TableGroup* table);
  Result<bool> plan_byte_pair(const ir::Node* node, const TableGroup* table);
  Result<bool> plan_byte_mean(const ir::Node* node, const TableGroup* table);
  Result<bool> plan_dynamic_linear(const ir::Node* node);
  Result<bool> byte_weights(const ir::Node* node, size_t bias_arg, size_t out_arg, int64_t channels,
                            Tensor& weights, Tensor& bias, std::vector<float>& scales);
  Result<bool> byte_kernel(const ir::Node* node, simd::QConv2dShape shape, size_t out_arg,
                           const TableGroup* table, const Tensor& weights, const Tensor& bias,
                           const std::vector<float>& scales);
  bool no(std::string why) {
    why_ = std::move(why);
    return false;
  }

  // ---- values
  Result<Operand> place(const ir::Value* value);
  Result<Operand> constant(const Tensor& tensor);
  Operand fresh(DType dtype, const Sizes& sizes, const DimOrder& order);
  Operand allocate(const ir::Value* value, const DimOrder& order);
  // The place of a result that the next step writes; when `fits` does not take it, another one that
  // is copied there behind the step.
  Operand target(const ir::Value* value, const DimOrder& order, Fits fits);
  // The operand itself when it is dense in `order`, else a copy that is.
  Operand arranged(const Operand& operand, const DimOrder& order);
  Operand contiguous(const Operand& operand) {
    return arranged(operand, contiguous_dim_order(operand.sizes.size()));
  }
  void alias(const ir::Value* value, Operand operand);
  Result<Tensor> dense_constant(const ir::Value* value) const;
  // Of any strides: what is packed is not read before.
  Result<Tensor> weights_of(const ir::Value* value) const;
  Status write_states();
  bool is_output(const ir::Value* value) const { return outputs_.contains(value); }
  bool may_overwrite(const ir::Value* value, const Operand& operand) const;

  void add(std::unique_ptr<Step> step, std::string what, std::string kernel,
           const std::vector<Operand>& reads, const std::vector<Operand>& writes,
           std::string reason = {});
  void touch(size_t buffer, int64_t step);

  const ir::Module& module_;
  const ir::Graph& graph_;
  PlanOptions options_;
  const Presets& presets_;
  Kernels& kernels_;
  Groups groups_;
  TableGroups tables_;
  Plan plan_;
  std::unordered_map<const ir::Value*, Operand> places_;
  std::unordered_set<const ir::Value*> roots_;  // values with memory of their own
  std::unordered_map<const ir::Value*, const ir::Value*> reshaped_;  // views of whole values
  std::unordered_map<const ir::Node*, Operand> cat_storage_;
  std::unordered_map<const ir::Node*, DimOrder> cat_orders_;
  // By cos, sin and prefix: layers share them.
  std::map<std::tuple<const ir::Value*, const ir::Value*, int64_t>, std::pair<Tensor, Tensor>>
      rotary_tables_;
  std::vector<int> sharers_;  // values that lie in each buffer
  std::unordered_set<const ir::Value*> outputs_;
  std::vector<std::pair<Operand, Operand>> pending_copies_;
  std::string why_;
};

bool fits_any(const Operand& operand);
bool fits_pixels(const Operand& operand);

}  // namespace pte::engine
