#include "cli/load_model.h"

#include <charconv>
#include <filesystem>

#include "base/pages.h"
#include "cli/output.h"
#include "importers/checkpoint/checkpoint.h"
#include "lowering/lower.h"
#include "program/reader.h"
#include "vision/labels.h"
#include "zoo/zoo.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

bool is_program(Bytes bytes) {
  if (bytes.size() < 8) return false;
  const std::string_view identifier = as_text(bytes.subspan(4, 4));
  // Tensor data is no program, and the reader says what it is.
  return identifier.substr(0, 2) == "ET" || identifier == "BP08" || identifier == "FT01";
}

std::string plural(size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// "efficientnet-lite0.pth" → "efficientnet-lite0"
std::string stem_of(const std::string& path) { return fs::path(path).stem().string(); }

// The recipe that the architecture names, for pictures of the size that the graph takes.
std::optional<vision::Preprocess> preprocess_of(const zoo::Architecture& architecture,
                                                const std::vector<int64_t>& shape) {
  std::optional<vision::Preprocess> recipe = vision::preset(architecture.preprocessing);
  if (!recipe || shape.size() != 4) return recipe;
  const int64_t margin = recipe->size - recipe->height;
  if (architecture.preprocessing == "imagenet" && shape[2] == shape[3]) {
    return vision::Preprocess::imagenet(shape[2]);
  }
  recipe->height = shape[2];
  recipe->width = shape[3];
  recipe->size = std::min(shape[2], shape[3]) + margin;
  return recipe;
}

// What a zoo model's file says about itself.
std::optional<vision::Metadata> metadata_of(const zoo::Architecture& architecture,
                                            const zoo::Source& source, const ir::Module& module) {
  const std::vector<std::string> labels =
      architecture.labels ? architecture.labels(source) : std::vector<std::string>();
  if (architecture.preprocessing.empty() && labels.empty()) return std::nullopt;
  vision::Metadata metadata;
  metadata.model = architecture.name;
  metadata.task = architecture.task;
  metadata.labels = labels;
  const ir::Graph& graph = *module.methods.begin()->second.graph;
  const ir::Value* input = graph.inputs().front();
  metadata.input_name = input->name();
  if (const auto sizes = input->tensor().static_sizes()) metadata.input_shape = *sizes;
  metadata.preprocess = preprocess_of(architecture, metadata.input_shape);
  const ir::Value* scores = graph.outputs().front().value;
  const std::vector<std::string>& imagenet = vision::imagenet1k_labels();
  if (architecture.task == "classify" && labels.empty() && scores != nullptr &&
      scores->is_tensor() && !scores->tensor().sizes.empty() &&
      scores->tensor().sizes.back().is_constant(static_cast<int64_t>(imagenet.size()))) {
    metadata.labels = imagenet;
  }
  return metadata;
}

// The zoo's models take the types that they were trained with.
Status check_dtypes(const std::vector<DType>& dtypes) {
  for (const DType dtype : dtypes) {
    if (dtype == DType::kFloat32 || dtype == DType::kInt64) continue;
    return unsupported(
        "--input-dtypes {}: models rebuilt from checkpoints take float32 (and int64 "
        "token ids)",
        dtype_name(dtype));
  }
  return {};
}

// Of them, the batch alone can be dynamic.
Result<std::optional<ir::Range>> dynamic_batch(const std::vector<importers::DynamicSize>& sizes) {
  std::optional<ir::Range> range;
  for (const importers::DynamicSize& size : sizes) {
    if (size.dim != 0) {
      return unsupported(
          "--dynamic {}:{}: of models rebuilt from checkpoints, dimension 0 alone "
          "(the batch) can be dynamic",
          size.input, size.dim);
    }
    range = size.range;
  }
  return range;
}

Result<LoadedModel> load_checkpoint_model(const MappedFile& file, const LoadOptions& options) {
  PTE_TRY(importers::Checkpoint loaded, importers::load_checkpoint(file));
  const auto shared = std::make_shared<const importers::Checkpoint>(std::move(loaded));
  const importers::Checkpoint& checkpoint = *shared;
  const auto kept = std::make_shared<const zoo::Source>(checkpoint.state, checkpoint.attributes);
  const zoo::Source& source = *kept;
  LoadedModel model;
  const zoo::Architecture* architecture = nullptr;
  if (options.architecture.empty()) {
    PTE_TRY(architecture, zoo::recognise(source).at(file.path()));
    model.recognised = true;
  } else {
    architecture = zoo::find(options.architecture);
  }
  zoo::BuildOptions build;
  build.input_shapes = options.shapes;
  PTE_CHECK(check_dtypes(options.import.input_dtypes).at(file.path()));
  PTE_TRY(build.dynamic_batch, dynamic_batch(options.import.dynamic).at(file.path()));
  if (architecture == nullptr) {
    // Fails, and lists the architectures there are.
    PTE_TRY(model.module, zoo::build(options.architecture, source, build));
    return model;
  }
  PTE_TRY(model.module, zoo::build(*architecture, source, build).at(file.path()));
  // A model described by its own file has no other name than the file's.
  model.name = architecture->claims ? stem_of(file.path()) : architecture->name;
  model.format =
      fmt::format("{}, {}, {} parameters", checkpoint.format,
                  plural(checkpoint.state.size(), "tensor"), human_count(checkpoint.parameters));
  model.metadata = metadata_of(*architecture, source, model.module);
  model.smaller = [shared, kept, architecture]() -> Result<ir::Module> {
    return zoo::build(*architecture, *kept, {.small = true});
  };
  return model;
}

Result<LoadedModel> load_graph(const MappedFile& file, const LoadOptions& options) {
  if (!options.architecture.empty()) {
    return invalid_argument("{}: --model is for checkpoints; this file carries its own graph",
                            file.path());
  }
  importers::ImportOptions import = options.import;
  import.input_shapes = options.shapes;
  PTE_TRY(importers::Imported imported, importers::import_graph(file, import));
  LoadedModel model;
  model.module = std::move(imported.module);
  model.examples = std::move(imported.examples);
  model.name = stem_of(file.path());
  int64_t parameters = 0;
  for (const auto& [name, constant] : model.module.constants) {
    if (constant.kind == ir::Constant::Kind::kParameter) parameters += constant.data.numel();
  }
  size_t nodes = 0;
  for (const auto& [name, method] : model.module.methods) nodes += method.graph->node_count();
  model.format = fmt::format("{}, {}, {} parameters", imported.format, plural(nodes, "node"),
                             human_count(parameters));
  return model;
}

}  // namespace

Result<LoadedModel> load_model(const std::string& path, const LoadOptions& options) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  if (is_program(file.bytes())) {
    return invalid_argument("{}: this is a .pte program already", path)
        .with_hint("`pte inspect` shows what is in it, `pte run` runs it");
  }
  auto model = importers::carries_graph(importers::sniff(file))
                   ? load_graph(file, options)
                   : load_checkpoint_model(file, options);
  // Parsing takes much more than what comes of it, and has read weights that were converted.
  leave_step();
  release_pages(file.bytes(), file.owner());
  return model;
}

Result<program::Program> load_program(const std::string& path, const LoadOptions& options) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  if (is_program(file.bytes())) return program::read_program(file);
  PTE_TRY(LoadedModel model, load_model(path, options));
  lowering::Options lower;
  lower.foreign = passes::Foreign::kIgnore;  // it runs here
  PTE_TRY(lowering::Lowered lowered, lowering::lower(std::move(model.module), lower).at(path));
  return std::move(lowered.program);
}

Result<std::vector<std::string>> load_labels(const std::string& path) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  return vision::parse_labels(as_text(file.bytes()));
}

Result<std::vector<std::vector<int64_t>>> parse_shapes(const std::string& text) {
  std::vector<std::vector<int64_t>> shapes;
  if (text.empty()) return shapes;
  std::vector<int64_t> current;
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    while (at != end && *at == ' ') ++at;
    int64_t size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    if (error != std::errc() || size < 0) {
      return invalid_argument("--input-shapes '{}': expected a size at column {}", text,
                              at - text.data() + 1)
          .with_hint("write sizes with commas, inputs with semicolons: \"1,3,224,224;1,100\"");
    }
    current.push_back(size);
    at = next;
    while (at != end && *at == ' ') ++at;
    if (at != end && *at == ',') {
      ++at;
      continue;
    }
    shapes.push_back(std::move(current));
    current.clear();
    if (at == end) return shapes;
    if (*at != ';') {
      return invalid_argument("--input-shapes '{}': expected ',' or ';' at column {}", text,
                              at - text.data() + 1);
    }
    ++at;
  }
}

}  // namespace pte::cli
