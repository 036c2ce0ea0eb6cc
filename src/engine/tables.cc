// Which chains of calls on single int8 values become tables, and what those say.
#include <algorithm>
#include <functional>

#include "engine/quantized.h"
#include "kernels/kernel.h"
#include "lowering/emit.h"
#include "passes/passes.h"
#include "program/verify.h"
#include "runtime/method.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

namespace {

constexpr size_t kMostNodes = 64;

bool is_byte(const Value* value) {
  return value->is_tensor() && value->tensor().dtype == DType::kInt8;
}

// Computes each element from the same element of its operands.
bool is_elementwise(const Node& node) {
  constexpr uint32_t kNever = kTagEffect | kTagInPlace | kTagRandom | kTagHigherOrder;
  if (node.results().size() != 1 || !node.result()->is_tensor()) return false;
  if ((node.op().tags & kNever) != 0) return false;
  switch (node.op().op) {
    case Op::pte_quantized_add:
    case Op::pte_quantized_mul:
    case Op::pte_requantize:
      return true;
    default:
      return node.op().has(kTagElementwise);
  }
}

// What the reference interpreter makes of every int8 value.
Result<simd::ByteTable> compute(const ir::Module& module, const TableGroup& group) {
  ir::Module made;
  ir::Graph& graph = *made.methods["forward"].graph;
  constexpr int64_t kValues = 256;
  const auto all = [](DType dtype) { return ir::TensorType::of(dtype, {ir::SymInt(kValues)}); };
  std::unordered_map<const Value*, Value*> values;
  values[group.source] = graph.add_input("x", all(DType::kInt8));
  for (const Node* node : group.nodes) {
    std::vector<ir::Arg> args;
    for (const ir::Arg& arg : node->args()) {
      const Value* value = arg.value();
      if (value == nullptr) {
        args.push_back(arg);
        continue;
      }
      if (!values.contains(value)) {
        const Tensor* data = module.data_of(value);
        if (data == nullptr) return unsupported("an operand is neither made here nor a constant");
        PTE_TRY(Tensor dense, data->contiguous());
        values[value] =
            made.add_constant(graph, *value->constant(),
                              Tensor::view(dense.dtype(), {}, {}, dense.data(), dense.owner()));
      }
      args.emplace_back(values.at(value));
    }
    const auto call = [&](Op op, std::vector<ir::Arg> list) {
      return graph
          .add_node(info(op), std::move(list), {all(node->result()->tensor().dtype)},
                    {node->result()->name()})
          ->result();
    };
    if (node->is(Op::aten_silu)) {
      // As files have it, which know no such call.
      Value* gate = call(Op::aten_sigmoid, {args[0]});
      values[node->result()] = call(Op::aten_mul_Tensor, {args[0], ir::Arg(gate)});
    } else {
      values[node->result()] = call(node->op().op, std::move(args));
    }
  }
  graph.add_output(values.at(group.root->result()));
  passes::OpSet keep;
  for (const Node* node : graph.nodes()) {
    if (node->op().callable() && kernels::find_kernel(node->op().op) != nullptr) {
      keep.insert(node->op().op);
    }
  }
  PTE_TRY([[maybe_unused]] const int64_t changes, passes::decompose(made, keep));
  lowering::EmitOptions emit;
  emit.any_kernel = true;
  PTE_TRY(program::Program emitted, lowering::emit(made, emit));
  auto program = std::make_shared<const program::Program>(std::move(emitted));
  PTE_CHECK(program::verify(*program));
  PTE_TRY(auto method, runtime::Method::load(program, "forward"));
  PTE_TRY(Tensor input, Tensor::zeros(DType::kInt8, {kValues}));
  for (size_t i = 0; i < kValues; ++i) input.mutable_data_as<int8_t>()[i] = static_cast<int8_t>(i);
  PTE_CHECK(method->set_input(0, EValue(std::move(input))));
  PTE_CHECK(method->execute());
  const auto* output = method->output(0).get<Tensor>();
  if (output == nullptr || output->dtype() != DType::kInt8 || output->numel() != kValues) {
    return unsupported("it gives no table");
  }
  PTE_TRY(const Tensor dense, output->contiguous());
  simd::ByteTable table;
  std::copy_n(dense.data_as<int8_t>(), kValues, table.begin());
  return table;
}

class TableFinder {
 public:
  TableFinder(const ir::Module& module, const ir::Graph& graph, bool fuse)
      : module_(module), graph_(graph), fuse_(fuse) {}

  TableGroups run() {
    for (const ir::Output& output : graph_.outputs()) {
      if (output.value != nullptr) outputs_.insert(output.value);
    }
    const std::vector<Node*> nodes = graph_.nodes();
    std::unordered_set<const Node*> used;  // by tables
    for (size_t i = nodes.size(); i-- > 0;) {
      Node* node = nodes[i];
      bool live = false;
      for (const Value* result : node->results()) {
        live = live || outputs_.contains(result) || readers_.contains(result);
      }
      if (!live && used.contains(node)) {
        groups_.inside.insert(node);
        continue;
      }
      if (auto group = match(node)) {
        for (const Node* each : group->nodes) used.insert(each);
        readers_[group->source].push_back(node);
        groups_.by_root.emplace(node, std::move(*group));
        continue;
      }
      for (const Value* value : node->inputs()) {
        auto& list = readers_[value];
        if (list.empty() || list.back() != node) list.push_back(node);
      }
    }
    // In the order of execution: tables of tables, then those behind a kernel that has room.
    for (Node* node : nodes) {
      if (groups_.by_root.contains(node)) join(node);
    }
    for (Node* node : nodes) {
      if (fuse_ && takes_table(*node)) follow(node);
    }
    return std::move(groups_);
  }

 private:
  static bool takes_table(const Node& node) {
    switch (node.op().op) {
      case Op::pte_quantized_convolution:
      case Op::pte_quantized_linear:
      case Op::pte_quantized_add:
      case Op::pte_quantized_mul:
      case Op::pte_quantized_mean:
        return is_byte(node.result());
      default:
        return false;
    }
  }

  // The only table that reads the value, when nothing else does.
  TableGroup* only_table(const Value* value) {
    if (outputs_.contains(value)) return nullptr;
    const auto readers = readers_.find(value);
    if (readers == readers_.end() || readers->second.size() != 1) return nullptr;
    const auto table = groups_.by_root.find(readers->second.front());
    return table == groups_.by_root.end() ? nullptr : &table->second;
  }

  // A table that another one reads becomes one with it.
  void join(Node* node) {
    const TableGroup& first = groups_.by_root.at(node);
    TableGroup* second = fuse_ ? only_table(node->result()) : nullptr;
    if (second == nullptr) return;
    simd::ByteTable joined;
    for (size_t i = 0; i < joined.size(); ++i) {
      joined[i] = second->table[static_cast<uint8_t>(first.table[i])];
    }
    second->table = joined;
    second->source = first.source;
    second->nodes.insert(second->nodes.begin(), first.nodes.begin(), first.nodes.end());
    auto& readers = readers_[first.source];
    std::replace(readers.begin(), readers.end(), node, second->root);
    groups_.inside.insert(node);
    groups_.by_root.erase(node);
  }

  void follow(Node* node) {
    if (groups_.by_root.contains(node) || groups_.inside.contains(node)) return;
    TableGroup* table = only_table(node->result());
    if (table == nullptr) return;
    const Node* root = table->root;
    groups_.inside.insert(root);
    groups_.followers.emplace(node, std::move(*table));
    groups_.by_root.erase(root);
  }

  std::optional<TableGroup> match(Node* root) {
    if (!is_elementwise(*root) || !is_byte(root->result())) return std::nullopt;
    TableGroup group;
    group.root = root;
    if (!draw_in(root, group) || group.source == nullptr) return std::nullopt;
    auto table = compute(module_, group);
    if (!table) return std::nullopt;
    group.table = *table;
    return group;
  }

  // Puts the node behind what makes its operands.
  bool draw_in(const Node* node, TableGroup& group) {
    if (std::find(group.nodes.begin(), group.nodes.end(), node) != group.nodes.end()) return true;
    if (group.nodes.size() >= kMostNodes) return false;
    size_t direct = 0;
    for (const ir::Arg& arg : node->args()) direct += arg.value() != nullptr ? 1 : 0;
    const std::vector<Value*> inputs = node->inputs();
    if (direct < inputs.size() || direct == 0) return false;  // some are in lists
    for (Value* value : inputs) {
      if (!value->is_tensor()) return false;
      if (value->is_constant()) {
        const Tensor* data = module_.data_of(value);
        if (data == nullptr || !data->has_data() || data->numel() != 1) return false;
        continue;
      }
      if (value->tensor().sizes != group.root->result()->tensor().sizes) return false;
      if (is_byte(value)) {
        if (group.source != nullptr && group.source != value) return false;
        group.source = value;
        continue;
      }
      const Node* producer = value->producer();
      if (producer == nullptr || !is_elementwise(*producer) || !draw_in(producer, group)) {
        return false;
      }
    }
    group.nodes.push_back(node);
    return true;
  }

  const ir::Module& module_;
  const ir::Graph& graph_;
  bool fuse_;
  TableGroups groups_;
  std::unordered_set<const Value*> outputs_;
  std::unordered_map<const Value*, std::vector<const Node*>> readers_;
};

}  // namespace

bool TableGroup::is_identity() const { return limits() == std::pair<int32_t, int32_t>(-128, 127); }

std::optional<std::pair<int32_t, int32_t>> TableGroup::limits() const {
  const int32_t low = table[128];
  const int32_t high = table[127];
  if (low > high) return std::nullopt;
  for (int32_t value = -128; value < 128; ++value) {
    if (table[static_cast<uint8_t>(value)] != std::clamp(value, low, high)) return std::nullopt;
  }
  return std::pair(low, high);
}

std::string TableGroup::what() const {
  std::string text;
  for (const Node* node : nodes) text += (text.empty() ? "" : " + ") + node->op().name;
  return text;
}

TableGroups find_tables(const ir::Module& module, const ir::Graph& graph, bool fuse) {
  return TableFinder(module, graph, fuse).run();
}

}  // namespace pte::engine
