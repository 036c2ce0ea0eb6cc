#include "lowering/inline_delegate.h"

#include <unordered_map>

#include "backends/xnnpack/lift.h"
#include "program/quote.h"

namespace pte::lowering {
namespace {

using ir::Arg;
using ir::Value;
using Mapping = std::unordered_map<const Value*, Value*>;

Arg mapped(const Arg& arg, const Mapping& values) {
  if (const Value* value = arg.value()) return Arg(values.at(value));
  if (const auto* list = arg.list()) {
    ir::ArgList items;
    items.reserve(list->size());
    for (const Arg& item : *list) items.push_back(mapped(item, values));
    return Arg(std::move(items));
  }
  return arg;
}

}  // namespace

Result<const xnnpack::XnnGraph*> DelegateInliner::decoded(const program::Delegate& delegate) {
  const auto found = graphs_.find(&delegate);
  if (found != graphs_.end()) return &found->second;
  const auto resolve = [&](std::string_view key) -> Result<Tensor> {
    program::Blob blob;
    if (const program::Blob* own = program_.find_named_data(key)) {
      blob = *own;
    } else if (external_) {
      PTE_TRY(blob, external_(key));
    } else {
      return make_error(Code::kNotFound, "the program does not hold the data named {}",
                        program::quote(key));
    }
    return Tensor::view(DType::kUInt8, {static_cast<int64_t>(blob.size())}, {1}, blob.bytes.data(),
                        blob.owner);
  };
  PTE_TRY(xnnpack::XnnGraph graph,
          xnnpack::decode(delegate.payload.bytes, delegate.payload.owner, resolve));
  return &graphs_.emplace(&delegate, std::move(graph)).first->second;
}

Result<InlinedCall> DelegateInliner::call(ir::Graph& graph, const program::Delegate& delegate,
                                          std::vector<ir::TensorType> types, bool sizes_follow,
                                          const std::function<Result<Value*>(size_t arg)>& read) {
  if (delegate.id != xnnpack::kBackendId) {
    return unsupported("backend {} is not lifted", program::quote(delegate.id));
  }
  PTE_TRY(const xnnpack::XnnGraph* payload, decoded(delegate));
  if (types.size() < payload->num_externs) {
    return invalid_data("an XNNPACK delegate takes {} arguments, the call has {}",
                        payload->num_externs, types.size());
  }
  types.resize(payload->num_externs);
  const std::vector<ir::TensorType> wanted = types;
  PTE_TRY(const xnnpack::Lifted lifted, xnnpack::lift(*payload, types));
  const ir::Module& inner = lifted.module;
  const ir::Graph& body = *inner.methods.at("forward").graph;
  Mapping values;
  values.reserve(2 * body.constants().size() + 2 * body.nodes().size());
  for (size_t i = 0; i < body.inputs().size(); ++i) {
    PTE_TRY(Value * argument, read(lifted.input_args[i]));
    if (argument->type() != body.inputs()[i]->type()) {
      return unsupported("argument {} of a delegate is {}, its payload takes {}",
                         lifted.input_args[i], ir::to_string(argument->type()),
                         ir::to_string(body.inputs()[i]->type()));
    }
    values[body.inputs()[i]] = argument;
  }
  const std::string prefix = fmt::format("x{}_", calls_++);
  for (const Value* constant : body.constants()) {
    const ir::Constant& entry = inner.constants.at(*constant->constant());
    values[constant] =
        module_.add_constant(graph, prefix + *constant->constant(), entry.data, entry.kind);
    // Its type may say more than the tensor's strides do.
    values[constant]->set_type(constant->type());
  }
  for (const ir::Node* node : body.nodes()) {
    std::vector<Arg> args;
    for (const Arg& arg : node->args()) args.push_back(mapped(arg, values));
    std::vector<ir::Type> results;
    std::vector<std::string> names;
    for (const Value* result : node->results()) {
      results.push_back(result->type());
      names.push_back(prefix + result->name());
    }
    ir::Node* copy =
        graph.add_node(node->op(), std::move(args), std::move(results), std::move(names));
    copy->set_location(node->location());
    for (size_t i = 0; i < node->results().size(); ++i) {
      values[node->result(i)] = copy->result(i);
    }
  }
  InlinedCall out;
  for (size_t i = 0; i < body.outputs().size(); ++i) {
    const size_t arg = lifted.output_args[i];
    Value* result = values.at(body.outputs()[i].value);
    ir::TensorType room = wanted[arg];
    if (sizes_follow && room.rank() == result->tensor().rank()) room.sizes = result->tensor().sizes;
    if (result->tensor() != room) {
      return unsupported("result {} of a delegate is {}, the program has room for {}", arg,
                         ir::to_string(result->type()), ir::to_string(room));
    }
    out.results.emplace_back(arg, result);
  }
  return out;
}

}  // namespace pte::lowering
