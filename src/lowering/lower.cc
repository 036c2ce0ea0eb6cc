#include "lowering/lower.h"

#include <algorithm>
#include <map>

#include "backends/xnnpack/partition.h"
#include "backends/xnnpack/quantized.h"
#include "lowering/emit.h"
#include "passes/pipelines.h"

namespace pte::lowering {
namespace {

size_t node_count(const ir::Module& module) {
  size_t count = 0;
  for (const auto& [name, method] : module.methods) count += method.graph->node_count();
  return count;
}

Status run_pipeline(ir::Module& module, const std::vector<passes::Pass>& pipeline,
                    const Options& options, Lowered& out) {
  // A name may belong to the other half of the pipeline; lower() has checked it against both.
  passes::Options own = options.passes;
  const auto unknown_here = [&](const std::string& name) {
    return name != "all" &&
           std::none_of(pipeline.begin(), pipeline.end(),
                        [&](const passes::Pass& pass) { return pass.name == name; });
  };
  std::erase_if(own.disable, unknown_here);
  std::erase_if(own.dump_after, unknown_here);
  PTE_TRY(const std::vector<passes::Timing> timings, passes::run_passes(module, pipeline, own));
  out.timings.insert(out.timings.end(), timings.begin(), timings.end());
  return {};
}

Status check_pass_names(const Options& options) {
  const std::vector<passes::Pass> known = pipeline(options.backend, options.foreign);
  for (const auto* names : {&options.passes.disable, &options.passes.dump_after}) {
    for (const std::string& name : *names) {
      if (name == "all" && names == &options.passes.dump_after) continue;
      if (std::any_of(known.begin(), known.end(),
                      [&](const passes::Pass& pass) { return pass.name == name; }))
        continue;
      std::string list;
      for (const passes::Pass& pass : known) {
        if (list.find(pass.name) == std::string::npos)
          list += (list.empty() ? "" : ", ") + pass.name;
      }
      return invalid_argument("there is no pass '{}'", name).with_hint("the passes are " + list);
    }
  }
  return {};
}

// What a program of kernels calls, by operator.
std::vector<Outside> kernel_calls(const ir::Module& module) {
  std::map<std::string, int> counts;
  for (const auto& [name, method] : module.methods) {
    for (const ir::Node* node : method.graph->nodes()) ++counts[node->op().target()];
  }
  std::vector<Outside> out;
  for (const auto& [op, count] : counts) out.push_back({op, count, {}});
  return out;
}

// What the partitioner left out, by operator and reason, in the order it met them.
void add_rejections(const std::vector<xnnpack::Rejection>& rejected, std::vector<Outside>& out) {
  for (const xnnpack::Rejection& rejection : rejected) {
    const auto same = std::find_if(out.begin(), out.end(), [&](const Outside& entry) {
      return entry.op == rejection.op && entry.reason == rejection.reason;
    });
    if (same != out.end()) {
      ++same->count;
    } else {
      out.push_back({rejection.op, 1, rejection.reason});
    }
  }
}

}  // namespace

const std::vector<std::string>& backends() {
  static const std::vector<std::string> names = {"portable", "xnnpack"};
  return names;
}

Status check_backend(const std::string& name) {
  if (std::find(backends().begin(), backends().end(), name) != backends().end()) return {};
  constexpr std::string_view kHint = "this build writes portable and xnnpack";
  for (const std::string_view known : {"vulkan", "coreml", "mps", "qnn", "arm"}) {
    if (name == known)
      return unsupported("backend '{}' cannot be written by this build", name)
          .with_hint(std::string(kHint));
  }
  return invalid_argument("there is no backend '{}'", name).with_hint(std::string(kHint));
}

std::vector<passes::Pass> pipeline(const std::string& backend, passes::Foreign foreign) {
  if (backend == "portable") return passes::portable_pipeline(foreign);
  std::vector<passes::Pass> all = passes::xnnpack_pipeline(foreign);
  for (passes::Pass& pass : passes::finish_portable()) all.push_back(std::move(pass));
  return all;
}

Result<Lowered> lower(ir::Module module, const Options& options) {
  PTE_CHECK(check_backend(options.backend));
  PTE_CHECK(check_pass_names(options));
  Lowered out;
  if (options.backend == "portable") {
    PTE_CHECK(run_pipeline(module, passes::portable_pipeline(options.foreign), options, out));
    out.nodes = node_count(module);
    out.outside = kernel_calls(module);
  } else {
    PTE_CHECK(run_pipeline(module, passes::xnnpack_pipeline(options.foreign), options, out));
    for (auto& [name, method] : module.methods) {
      PTE_TRY(const int64_t layers, xnnpack::fuse_quantized(module, *method.graph));
      out.quantized += static_cast<size_t>(layers);
    }
    out.nodes = node_count(module);
    for (auto& [name, method] : module.methods) {
      const xnnpack::PartitionResult parts = xnnpack::partition(module, *method.graph);
      for (const auto& group : parts.groups) out.delegated += group.nodes.size();
      add_rejections(parts.rejected, out.outside);
      out.delegates += parts.groups.size();
      PTE_CHECK(xnnpack::apply(
          module, *method.graph, parts,
          options.in_memory ? xnnpack::WeightKeys::kAddress : xnnpack::WeightKeys::kContent));
    }
    PTE_CHECK(run_pipeline(module, passes::finish_portable(), options, out));
  }
  EmitOptions emission;
  emission.any_kernel = options.foreign != passes::Foreign::kRefuse;
  PTE_TRY(out.program, emit(module, emission));
  for (const program::Method& method : out.program.methods) {
    for (const int64_t size : method.arena_sizes) out.arena_bytes += size;
  }
  return out;
}

}  // namespace pte::lowering
