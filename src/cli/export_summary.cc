#include "cli/export_summary.h"

#include <cmath>
#include <filesystem>

#include "base/file.h"

namespace pte::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct BackendFacts {
  std::string_view name, description, requirements;
  std::vector<std::string> platforms;
  bool written;  // by this build
};

const std::vector<BackendFacts>& backend_facts() {
  static const std::vector<BackendFacts> facts = {
      {"xnnpack",
       "CPU-optimized (XNNPACK)",
       "none",
       {"ios", "android", "embedded", "desktop"},
       true},
      {"portable", "portable kernels", "none", {"ios", "android", "embedded", "desktop"}, true},
      {"mps", "a portable program; ExecuTorch removed the MPS delegate", "none", {"ios"}, true},
      {"coreml", "Apple Neural Engine (CoreML)", "a build that writes it", {"ios"}, false},
      {"vulkan",
       "GPU-accelerated (Vulkan)",
       "a build that writes it",
       {"android", "desktop"},
       false},
      {"qnn", "Qualcomm AI Engine", "a build that writes it", {"android"}, false},
      {"arm", "Arm Ethos-U", "a build that writes it", {"embedded"}, false},
  };
  return facts;
}

double megabytes(uintmax_t bytes) {
  return std::round(static_cast<double>(bytes) / (1024 * 1024) * 100) / 100;
}

json input_specs(const ir::Module& module) {
  json specs = json::array();
  const ir::Graph& graph = *module.methods.begin()->second.graph;
  size_t index = 0;
  for (const ir::Value* input : graph.inputs()) {
    if (input->is_tensor()) {
      json shape = json::array();
      for (const ir::SymInt& size : input->tensor().sizes) {
        if (const auto number = size.constant()) {
          shape.push_back(*number);
        } else {
          shape.push_back(size.to_string());
        }
      }
      specs.push_back({{"index", index},
                       {"shape", std::move(shape)},
                       {"dtype", dtype_name(input->tensor().dtype)},
                       {"name", input->name()}});
    }
    ++index;
  }
  return specs;
}

json facts_json(const BackendFacts& facts) {
  return {{"platforms", facts.platforms},
          {"description", facts.description},
          {"requirements", facts.requirements}};
}

Status write(const ExportJob& job, json results) {
  size_t good = 0;
  double size = 0;
  for (const json& result : results) {
    good += result["success"].get<bool>() ? 1 : 0;
    size += result["file_size_mb"].get<double>();
  }
  json available = json::array();
  json info = json::object();
  for (const BackendFacts& facts : backend_facts()) {
    if (facts.written) available.push_back(facts.name);
    info[std::string(facts.name)] = facts_json(facts);
  }
  const size_t total = results.size();
  const json summary = {{"export_summary",
                         {{"total_exports", total},
                          {"successful_exports", good},
                          {"failed_exports", total - good},
                          {"total_size_mb", size}}},
                        {"results", std::move(results)},
                        {"available_backends", std::move(available)},
                        {"backend_info", std::move(info)}};
  const fs::path folder =
      job.output.empty() ? fs::path(job.output_dir) : fs::path(job.output).parent_path();
  std::error_code ignored;
  if (!folder.empty()) fs::create_directories(folder, ignored);
  return write_file((folder / "export_summary.json").string(), summary.dump(2) + "\n");
}

json result_json(const std::string& model, const std::string& backend, const Error* error,
                 double milliseconds) {
  return {{"model_name", model},
          {"backend", backend},
          {"output_path", nullptr},
          {"file_size_mb", 0.0},
          {"success", error == nullptr},
          {"error_message", error ? json(error->message) : json()},
          {"export_time_seconds", milliseconds / 1000},
          {"metadata", json::object()}};
}

}  // namespace

Status write_summary(const ExportJob& job, const ExportReport& report) {
  const std::string model = job.name.empty() ? report.model.name : job.name;
  const json specs = input_specs(report.model.module);
  json results = json::array();
  for (const BackendResult& backend : report.backends) {
    json row = result_json(model, backend.backend, backend.error ? &*backend.error : nullptr,
                           backend.milliseconds);
    if (!backend.error) {
      row["output_path"] = backend.path;
      row["file_size_mb"] = megabytes(backend.bytes);
    }
    row["metadata"] = {{"input_specs", specs}, {"num_inputs", specs.size()}, {"quantized", false}};
    for (const BackendFacts& facts : backend_facts()) {
      if (facts.name == backend.backend) row["metadata"]["backend_info"] = facts_json(facts);
    }
    results.push_back(std::move(row));
  }
  return write(job, std::move(results));
}

Status write_failed_summary(const ExportJob& job, const Error& error, double milliseconds) {
  const std::string model = job.name.empty() ? fs::path(job.model).stem().string() : job.name;
  json results = json::array();
  for (const std::string& backend : job.backends) {
    results.push_back(result_json(model, backend, &error, milliseconds));
  }
  return write(job, std::move(results));
}

}  // namespace pte::cli
