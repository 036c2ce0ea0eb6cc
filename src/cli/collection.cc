#include "cli/collection.h"

#include <algorithm>
#include <filesystem>

#include "cli/output.h"
#include "vision/labels.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;

struct Member {
  std::string name;      // "yolo11n": what its files are called
  std::string category;  // its folder
  std::string architecture;
  std::vector<std::string> files;  // beginnings of the checkpoint's name, without the ending
  std::string source;              // where it can be had
};

Member yolo(const std::string& name) {
  // Ultralytics renamed its second edition of YOLOv5: yolov5n is published as yolov5nu.
  const bool renamed = name.starts_with("yolov5") && !name.ends_with("u");
  std::vector<std::string> files = {name};
  if (renamed) files.insert(files.begin(), name + "u");
  return {name, "yolo", "", std::move(files), "Ultralytics' releases (AGPL-3.0)"};
}

std::vector<Member> members(const Collection& collection) {
  std::vector<Member> out;
  if (collection.all || collection.mobilenet) {
    out.push_back({"mobilenet_v3_small",
                   "mobilenet",
                   "mobilenet_v3_small",
                   {"mobilenet_v3_small"},
                   "torchvision (BSD-3-Clause)"});
  }
  std::vector<std::string> names = collection.yolo;
  if (collection.all) {
    for (const char* name : {"yolo11n", "yolov8n", "yolov5n"}) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
    }
  }
  for (const std::string& name : names) out.push_back(yolo(name));
  return out;
}

// The first file that begins as the member's does: mobilenet_v3_small-047dcff4.pth.
Result<std::string> find_checkpoint(const Member& member, const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string ending = entry.path().extension().string();
    if (ending == ".pt" || ending == ".pth" || ending == ".safetensors") {
      found.push_back(entry.path());
    }
  }
  if (error) return make_error(Code::kNotFound, "{}: cannot be read: {}", folder, error.message());
  std::sort(found.begin(), found.end());
  for (const std::string& begin : member.files) {
    for (const fs::path& path : found) {
      const std::string stem = path.stem().string();
      if (stem == begin || stem.starts_with(begin + "-")) return path.string();
    }
  }
  return make_error(Code::kNotFound, "{}: no checkpoint {}.pt or .pth in '{}'", member.name,
                    member.files.front(), folder)
      .with_hint(fmt::format("it comes from {}; --weights names the folder", member.source));
}

std::string lines(const std::vector<std::string>& labels) {
  std::string text;
  for (const std::string& label : labels) text += label + "\n";
  return text;
}

}  // namespace

Result<int> export_collection(const Collection& collection, const ExportJob& job,
                              const Context& context) {
  if (!job.output.empty() || !job.name.empty()) {
    return invalid_argument("--output and --model-name are for one model, not for a collection");
  }
  nlohmann::json rows = nlohmann::json::array();
  bool every = true;
  for (const Member& member : members(collection)) {
    ExportJob one = job;
    one.name = member.name;
    one.architecture = member.architecture;
    one.output_dir = (fs::path(job.output_dir) / member.category).string();
    const auto checkpoint = find_checkpoint(member, collection.weights);
    Result<ExportReport> report = make_error(Code::kInternal, "not run");
    if (checkpoint) {
      one.model = *checkpoint;
      report = run_job(one, context);
    } else {
      report = checkpoint.error();
    }
    if (!report) {
      every = false;
      print_error(report.error());
      rows.push_back({{"model", member.name}, {"error", report.error().message}});
      continue;
    }
    if (report->model.metadata && !report->model.metadata->labels.empty()) {
      PTE_CHECK(write_file((fs::path(one.output_dir) / "labels.txt").string(),
                           lines(report->model.metadata->labels)));
    }
    if (context.json) {
      rows.push_back(report_json(one, *report));
    } else {
      print_report(one, *report, context);
    }
  }
  if (context.json) print_json({{"models", std::move(rows)}});
  return every ? kFine : kBad;
}

}  // namespace pte::cli
