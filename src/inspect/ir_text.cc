// Programs as text: lifted where they can be, as stored where not.
#include "backends/xnnpack/lift.h"
#include "inspect/lift.h"
#include "inspect/payloads.h"
#include "ir/text.h"
#include "lowering/lift.h"
#include "program/quote.h"

namespace pte::inspect {
namespace {

std::string values_text(const std::vector<int32_t>& values) {
  constexpr size_t kMost = 24;
  std::string text;
  for (size_t i = 0; i < values.size() && i < kMost; ++i) {
    text += fmt::format("{}v{}", i == 0 ? "" : ", ", values[i]);
  }
  if (values.size() > kMost) text += fmt::format(", … {} more", values.size() - kMost);
  return text;
}

std::string commented(const std::string& text) {
  std::string out;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out += "//   " + text.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return out;
}

// A name from the file, as it may stand in a comment.
std::string plain(const std::string& name) { return program::quote(name); }

std::string payload_text(const program::Program& program, const program::Delegate& delegate,
                         const std::string& name) {
  if (delegate.id != xnnpack::kBackendId) {
    const PayloadSummary summary = summarize_payload(program, delegate);
    return fmt::format("// {}: {}, {} bytes{}\n", name, plain(delegate.id), delegate.payload.size(),
                       summary.problem.empty() ? "" : ": " + summary.problem);
  }
  const auto graph = decode_xnnpack(program, delegate);
  if (!graph) return fmt::format("// {}: {}\n", name, graph.error().message);
  auto lifted = xnnpack::lift(*graph);
  if (lifted) {
    lifted->module.name = name;
    return ir::print(lifted->module);
  }
  std::string text =
      fmt::format("// {} is listed as it is stored: {}\n", name, lifted.error().message);
  if (const auto listed = list_payload(program, delegate)) text += commented(*listed);
  return text;
}

}  // namespace

Status lift_method(const program::Program& program, const program::Method& method,
                   ir::Module& module) {
  lowering::LiftOptions options;
  for (const Port& port : signature_of(method).inputs) options.input_names.push_back(port.name);
  options.describe = [&](const program::Delegate& delegate) {
    const PayloadSummary payload = summarize_payload(program, delegate);
    lowering::DelegateFacts facts;
    if (!payload.format.empty()) facts.inputs = payload.inputs;
    for (const auto& [kind, count] : payload.operators) {
      for (int64_t i = 0; i < count; ++i) facts.operators.push_back(kind);
    }
    return facts;
  };
  return lowering::lift_method(program, method, module, options);
}

std::string list_instructions(const program::Method& method) {
  std::string text;
  size_t at = 0;
  for (const program::Chain& chain : method.chains) {
    for (const program::Instruction& instruction : chain.instructions) {
      std::string line;
      if (const auto* kernel = std::get_if<program::KernelCall>(&instruction)) {
        line = fmt::format(
            "{}({})", short_operator(method.operators[static_cast<size_t>(kernel->op)].full_name()),
            values_text(kernel->args));
      } else if (const auto* call = std::get_if<program::DelegateCall>(&instruction)) {
        line = fmt::format("delegate {} {}({})", call->delegate,
                           plain(method.delegates[static_cast<size_t>(call->delegate)].id),
                           values_text(call->args));
      } else if (const auto* move = std::get_if<program::MoveCall>(&instruction)) {
        line = fmt::format("v{} = v{}", move->to, move->from);
      } else if (const auto* jump = std::get_if<program::JumpFalseCall>(&instruction)) {
        line = fmt::format("if not v{} go to {}", jump->condition, jump->target);
      } else if (const auto* release = std::get_if<program::FreeCall>(&instruction)) {
        line = fmt::format("free v{}", release->value);
      }
      text += fmt::format("{:>5}  {}\n", at++, line);
    }
  }
  return text;
}

std::string ir_text(const program::Program& program, const std::string& name) {
  ir::Module module;
  module.name = name;
  std::string listed;
  for (const program::Method& method : program.methods) {
    // A failed lift may have left constants behind; it must not leave them in the text.
    ir::Module attempt = module;
    if (const Status lifted = lift_method(program, method, attempt); lifted) {
      module = std::move(attempt);
      continue;
    } else {
      listed += fmt::format("// method {} is listed as it is stored: {}\n", plain(method.name),
                            lifted.error().message);
    }
    listed += fmt::format("//   {}\n", signature_text(method));
    listed += commented(list_instructions(method));
  }
  std::string text = module.methods.empty() && !program.methods.empty() ? "" : ir::print(module);
  text += listed;
  for (const program::Method& method : program.methods) {
    for (size_t i = 0; i < method.delegates.size(); ++i) {
      text += "\n" + payload_text(program, method.delegates[i],
                                  fmt::format("{}.delegate_{}", method.name, i));
    }
  }
  return text;
}

}  // namespace pte::inspect
