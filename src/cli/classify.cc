// `pte classify`: pictures in, labels out.
#include "vision/classify.h"
#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/output.h"
#include "cli/plugins.h"
#include "engine/session.h"
#include "program/reader.h"
#include "vision/decode.h"
#include "vision/metadata.h"
#include "vision/preprocess.h"

namespace pte::cli {
namespace {

struct Flags {
  std::string engine = "fast";
  std::string model;
  std::vector<std::string> images;
  std::vector<std::string> plugins;
  std::string labels;
  std::string preset;
  int64_t top_k = 5;
  int threads = 0;
};

struct Answer {
  std::vector<vision::Prediction> predictions;
  double decode = 0, resize = 0, inference = 0;  // milliseconds
};

Result<vision::Metadata> metadata_of(const program::Program& program, const Flags& flags) {
  vision::Metadata metadata;
  if (const program::Blob* blob = program.find_named_data(vision::kMetadataKey)) {
    PTE_TRY(metadata, vision::parse_metadata(as_text(blob->bytes)).at(flags.model));
  }
  if (!flags.preset.empty()) {
    metadata.preprocess = vision::preset(flags.preset);
    if (!metadata.preprocess) {
      return invalid_argument("there is no preset '{}'", flags.preset)
          .with_hint("the presets are imagenet, efficientnet_lite and squash");
    }
  }
  if (!metadata.preprocess) {
    return invalid_argument("{}: the file does not say how pictures are prepared", flags.model)
        .with_hint("name a preset: --preset imagenet");
  }
  if (!flags.labels.empty()) {
    PTE_TRY(metadata.labels, load_labels(flags.labels));
  }
  return metadata;
}

Result<Answer> classify_one(engine::Session& method, const vision::Metadata& metadata,
                            const std::string& path, int64_t top_k) {
  Answer answer;
  Stopwatch decode;
  PTE_TRY(const vision::Image image, vision::load_image(path));
  answer.decode = decode.milliseconds();
  Stopwatch resize;
  PTE_TRY(Tensor input, vision::apply(*metadata.preprocess, image).at(path));
  answer.resize = resize.milliseconds();
  Stopwatch inference;
  PTE_CHECK(method.set_input(0, std::move(input)).at(path));
  PTE_CHECK(method.execute().at(path));
  answer.inference = inference.milliseconds();
  const Tensor* output = method.output(0).get<Tensor>();
  if (output == nullptr)
    return make_error(Code::kMismatch, "the program's first output is no tensor");
  PTE_TRY(answer.predictions, vision::classify(*output, metadata, top_k).at(path));
  return answer;
}

void print_answer(const std::string& path, const Answer& answer, const std::string& model,
                  bool several) {
  if (several) print("{}\n", bold(path));
  for (const vision::Prediction& p : answer.predictions) {
    static constexpr std::string_view kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const auto eighths = static_cast<size_t>(p.probability * 38.0F * 8.0F + 0.5F);
    std::string bar;
    for (size_t i = 0; i < eighths / 8; ++i) bar += "█";
    bar += kEighths[eighths % 8];
    print("{}  {} %  {}\n", pad_right(p.label, 24),
          pad_left(fmt::format("{:.1f}", 100 * p.probability), 5), bar);
  }
  print("{}\n",
        dim(fmt::format("{}  decode {:.1f}  resize {:.1f}  inference {:.1f} ms",
                        pad_right(model, 24), answer.decode, answer.resize, answer.inference)));
}

nlohmann::json answer_json(const std::string& path, const Answer& answer) {
  nlohmann::json rows = nlohmann::json::array();
  for (const vision::Prediction& p : answer.predictions) {
    rows.push_back({{"class", p.index}, {"label", p.label}, {"probability", p.probability}});
  }
  return {
      {"image", path},
      {"predictions", std::move(rows)},
      {"milliseconds",
       {{"decode", answer.decode}, {"resize", answer.resize}, {"inference", answer.inference}}}};
}

Result<int> classify(const Flags& flags, const Context& context) {
  if (flags.top_k < 1) return invalid_argument("--top-k must be at least 1");
  PTE_TRY(const MappedFile file, MappedFile::open(flags.model));
  PTE_TRY(program::Program parsed, program::read_program(file));
  const auto program = std::make_shared<const program::Program>(std::move(parsed));
  PTE_TRY(const vision::Metadata metadata, metadata_of(*program, flags));
  engine::Options options;
  options.threads = flags.threads;
  options.reference_only = flags.engine == "reference";
  PTE_TRY(options.reference.custom_ops, load_plugins(flags.plugins));
  PTE_TRY(const auto method, engine::Session::load(program, "forward", options).at(flags.model));
  int code = kFine;
  nlohmann::json rows = nlohmann::json::array();
  Progress progress("classify", flags.images.size());
  for (size_t i = 0; i < flags.images.size(); ++i) {
    const std::string& path = flags.images[i];
    auto answer = classify_one(*method, metadata, path, flags.top_k);
    if (!answer) {  // one bad picture does not stop the others
      code = kBad;
      if (context.json) rows.push_back({{"image", path}, {"error", answer.error().message}});
      print_error(answer.error());
    } else if (context.json) {
      rows.push_back(answer_json(path, *answer));
    } else if (context.quiet) {
      print("{}\n", answer->predictions.front().label);
    } else {
      print_answer(path, *answer, metadata.model, flags.images.size() > 1);
    }
    progress.advance(i + 1);
  }
  if (context.json)
    print_json({{"model", metadata.model}, {"file", flags.model}, {"results", std::move(rows)}});
  return code;
}

}  // namespace

void add_classify(Commands& commands) {
  CLI::App* command = commands.add("classify", "Name what is in pictures",
                                   "pte classify efficientnet_lite0_xnnpack.pte photo.jpg");
  auto flags = std::make_shared<Flags>();
  command->add_option("MODEL", flags->model, "A classifier's .pte")->required();
  command->add_option("IMAGE", flags->images, "JPEG or PNG files")->required();
  command->add_option("--labels", flags->labels,
                      "Class names, one a line; default: those in the file");
  command->add_option("--preset", flags->preset,
                      "Preprocessing: imagenet, efficientnet_lite, squash; default: the file's");
  command->add_option("--top-k", flags->top_k, "How many classes to show")->capture_default_str();
  add_plugin_option(command, flags->plugins);
  command->add_option("--engine", flags->engine, "What runs it: fast or reference")
      ->check(CLI::IsMember({"fast", "reference"}))
      ->capture_default_str();
  command->add_option("--threads", flags->threads, "Threads; 0 = one per core")
      ->capture_default_str();
  commands.set_body(command, [&commands, flags] { return classify(*flags, commands.context()); });
}

}  // namespace pte::cli
