// A zip as a TorchScript archive; other bytes as the code of a module without attributes, whose
// forward takes a tensor and a number.
#include "importers/torch_export/testing_zip.h"
#include "importers/torchscript/evaluator.h"
#include "importers/torchscript/torchscript.h"
#include "ir/text.h"

namespace {

using namespace pte;                     // NOLINT: a fuzzer
using namespace pte::importers::script;  // NOLINT: a fuzzer

// Small enough that no input takes a second.
constexpr Limits kSmall{20'000, 2'000, 1 << 16, 24, 200, 4};

void run_code(std::string_view text) {
  Library library(nullptr);
  if (!library.add("__torch__", text)) return;
  const auto def = library.find_class("__torch__.M");
  if (!def || *def == nullptr) return;
  ir::Module module;
  ir::Graph& graph = *module.methods["forward"].graph;
  Evaluator evaluator(module, graph, library, kSmall);
  auto self = std::make_shared<Object>();
  self->class_name = "__torch__.M";
  self->def = *def;
  self->set("training", Value(false));
  const auto input = evaluator.add_input("x", ir::TensorType::of(DType::kFloat32, {2, 3}));
  std::vector<Argument> args{{"", Value(input)}};
  const Function* forward = (*def)->method("forward");
  if (forward == nullptr) return;
  if (forward->parameters.size() > 2) args.push_back({"", Value(3)});
  const auto result = evaluator.call_method(self, "forward", std::move(args));
  if (!result) return;
  if (const auto cell = result->tensor()) {
    const auto value = evaluator.value_of(cell);
    if (value) graph.add_output(*value);
  }
  // What was accepted prints and reads back.
  if (!ir::parse_module(ir::print(module))) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const Bytes bytes(begin, size);
  if (size > 2 && data[0] == 'P' && data[1] == 'K') {
    importers::ImportOptions options;
    options.input_shapes = {{1, 3, 8, 8}};
    const auto file = MappedFile::from_bytes({bytes.begin(), bytes.end()});
    static_cast<void>(importers::import_torchscript(file, options));
    return 0;
  }
  run_code(as_text(bytes));
  return 0;
}
