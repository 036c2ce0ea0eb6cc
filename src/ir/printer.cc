#include <cmath>

#include "ir/text.h"

namespace pte::ir {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Names that are not plain words (constants' keys may be anything) are quoted.
std::string key(std::string_view name) {
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.')
      return quoted(name);
  }
  return name.empty() ? quoted(name) : std::string(name);
}

std::string real(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}

  std::string take() { return std::move(out_); }

  void module(const Module& module) {
    line("module {} {{", quoted(module.name));
    ++depth_;
    for (const auto& [name, range] : module.symbols) {
      line("sym {} in [{}, {}]", name, range.min, range.max ? std::to_string(*range.max) : "inf");
    }
    for (const auto& [name, constant] : module.constants) this->constant(name, constant);
    for (size_t i = 0; i < module.delegates.size(); ++i) {
      const DelegatePayload& payload = module.delegates[i];
      line("// delegate {}: {}, {} bytes, {} operators", i, payload.backend, payload.bytes.size(),
           payload.operators.size());
    }
    for (const auto& [name, method] : module.methods) graph(*method.graph);
    --depth_;
    line("}}");
  }

  void graph(const Graph& graph) {
    indent();
    header_and_body(graph);
    out_ += '\n';
  }

  void node(const Node& node) {
    std::string results;
    for (size_t i = 0; i < node.results().size(); ++i) {
      if (i > 0) results += ", ";
      results +=
          fmt::format("%{}: {}", key(node.result(i)->name()), to_string(node.result(i)->type()));
    }
    indent();
    if (node.results().size() == 1) {
      out_ += results + " = ";
    } else {
      out_ += "(" + results + ") = ";
    }
    out_ += node.op().target() + "(";
    bool first = true;
    for (const Arg& arg : node.args()) {
      if (!first) out_ += ", ";
      first = false;
      this->arg(arg);
    }
    out_ += ')';
    if (options_.locations && !node.location().empty()) out_ += " loc " + quoted(node.location());
    out_ += '\n';
  }

 private:
  void indent() { out_.append(static_cast<size_t>(2 * depth_), ' '); }
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    indent();
    out_ += fmt::format(format, std::forward<Args>(args)...);
    out_ += '\n';
  }

  void constant(const std::string& name, const Constant& constant) {
    static constexpr std::string_view kKinds[] = {"parameter", "buffer", "constant"};
    const Tensor& data = constant.data;
    std::string text = "elided";
    const bool small = options_.max_elements < 0 || data.numel() <= options_.max_elements;
    if (data.has_data() && small) {
      if (auto literals = elements(data)) text = "dense [" + *literals + "]";
    }
    line("const @{}: {} {} = {}", key(name), data.describe(),
         kKinds[static_cast<size_t>(constant.kind)], text);
  }

  static std::optional<std::string> elements(const Tensor& tensor) {
    Result<Tensor> dense = tensor.contiguous();
    if (!dense) return std::nullopt;
    std::string text;
    const bool known = dispatch(dense->dtype(), [&]<typename T>(T) {
      for (int64_t i = 0; i < dense->numel(); ++i) {
        if (i > 0) text += ", ";
        const T value = dense->data_as<T>()[i];
        if constexpr (std::is_same_v<T, bool>) {
          text += value ? "true" : "false";
        } else if constexpr (std::is_integral_v<T>) {
          text += std::to_string(value);
        } else if constexpr (std::is_same_v<T, float>) {
          // The shortest text that reads back as the same float.
          text += std::isfinite(value) ? fmt::format("{}", value) : real(value);
        } else {
          text += real(static_cast<double>(value));
        }
      }
    });
    return known ? std::optional(text) : std::nullopt;
  }

  void header_and_body(const Graph& graph) {
    out_ += "func " + key(graph.name()) + "(";
    for (size_t i = 0; i < graph.inputs().size(); ++i) {
      if (i > 0) out_ += ", ";
      out_ += fmt::format("%{}: {}", key(graph.inputs()[i]->name()),
                          to_string(graph.inputs()[i]->type()));
    }
    out_ += ") {\n";
    ++depth_;
    for (const Value* value : graph.constants()) {
      line("%{} = const @{}", key(value->name()), key(*value->constant()));
    }
    for (const Node* node : graph.nodes()) this->node(*node);
    indent();
    out_ += "return";
    bool first = true;
    for (const Output& output : graph.outputs()) {
      out_ += first ? " " : ", ";
      first = false;
      if (output.kind == OutputKind::kBufferMutation) out_ += "mutate @" + key(output.target) + " ";
      if (output.kind == OutputKind::kInputMutation)
        out_ += "mutate_input %" + key(output.target) + " ";
      if (output.value != nullptr) {
        out_ += "%" + key(output.value->name());
      } else {
        arg(output.literal);
      }
    }
    out_ += '\n';
    --depth_;
    indent();
    out_ += '}';
  }

  void arg(const Arg& arg) {
    static constexpr std::string_view kFormats[] = {"contiguous_format", "preserve_format",
                                                    "channels_last", "channels_last_3d"};
    std::visit(
        [&]<typename T>(const T& value) {
          if constexpr (std::is_same_v<T, std::monostate>) {
            out_ += "none";
          } else if constexpr (std::is_same_v<T, Value*>) {
            out_ += "%" + key(value->name());
          } else if constexpr (std::is_same_v<T, int64_t>) {
            out_ += std::to_string(value);
          } else if constexpr (std::is_same_v<T, double>) {
            out_ += real(value);
          } else if constexpr (std::is_same_v<T, bool>) {
            out_ += value ? "true" : "false";
          } else if constexpr (std::is_same_v<T, std::string>) {
            out_ += quoted(value);
          } else if constexpr (std::is_same_v<T, DType>) {
            out_ += dtype_name(value);
          } else if constexpr (std::is_same_v<T, MemoryFormat>) {
            out_ += kFormats[static_cast<size_t>(value)];
          } else if constexpr (std::is_same_v<T, Layout>) {
            out_ += "strided";
          } else if constexpr (std::is_same_v<T, Device>) {
            out_ += "device " + quoted(value.name);
          } else if constexpr (std::is_same_v<T, ArgList>) {
            out_ += '[';
            for (size_t i = 0; i < value.size(); ++i) {
              if (i > 0) out_ += ", ";
              this->arg(value[i]);
            }
            out_ += ']';
          } else {
            header_and_body(*value);
          }
        },
        arg.v);
  }

  const PrintOptions& options_;
  std::string out_;
  int depth_ = 0;
};

}  // namespace

std::string print(const Module& module, const PrintOptions& options) {
  Printer printer(options);
  printer.module(module);
  return printer.take();
}

std::string print(const Graph& graph, const PrintOptions& options) {
  Printer printer(options);
  printer.graph(graph);
  return printer.take();
}

std::string print(const Node& node) {
  const PrintOptions options;
  Printer printer(options);
  printer.node(node);
  std::string text = printer.take();
  text.pop_back();
  return text;
}

}  // namespace pte::ir
