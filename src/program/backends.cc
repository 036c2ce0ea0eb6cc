#include "program/backends.h"

#include <fmt/format.h>

#include <algorithm>

namespace pte::program {
namespace {

constexpr BackendInfo kBackends[] = {
    {"CoreMLBackend", "Core ML", "Apple",
     "Apple devices (macOS, iOS, tvOS, watchOS) with ExecuTorch's Core ML backend"},
    {"CudaBackend", "CUDA (AOTInductor)", "NVIDIA",
     "Linux or Windows with an NVIDIA GPU and ExecuTorch's CUDA backend"},
    {"EnnBackend", "Exynos Neural Network", "Samsung",
     "Samsung Exynos devices with ExecuTorch's ENN backend"},
    {"EthosUBackend", "Ethos-U", "Arm",
     "Arm Cortex-M or Cortex-A systems with an Ethos-U55, U65 or U85 NPU, or Arm's FVP simulator"},
    {"MLXBackend", "MLX", "Apple", "Apple silicon Macs with ExecuTorch's MLX backend"},
    {"MPSBackend", "Metal Performance Shaders", "Apple",
     "Apple devices with a Metal GPU and ExecuTorch's MPS backend"},
    {"MetalBackend", "Metal (AOTInductor)", "Apple",
     "Apple silicon Macs with ExecuTorch's Metal backend"},
    {"NativeBackend", "native graph executor", "ExecuTorch",
     "builds of ExecuTorch with its native backend"},
    {"NeuropilotBackend", "NeuroPilot", "MediaTek",
     "MediaTek Dimensity devices with NeuroPilot and ExecuTorch's MediaTek backend"},
    {"NeutronBackend", "eIQ Neutron", "NXP",
     "NXP i.MX and MCX devices with an eIQ Neutron NPU and ExecuTorch's NXP backend"},
    {"OpenvinoBackend", "OpenVINO", "Intel",
     "Intel CPUs, GPUs and NPUs with OpenVINO and ExecuTorch's OpenVINO backend"},
    {"QnnBackend", "AI Engine Direct (QNN)", "Qualcomm",
     "Qualcomm Snapdragon devices with a Hexagon NPU and ExecuTorch's Qualcomm backend"},
    {"TOSABackend", "TOSA", "Arm",
     "nothing by itself: it is an exchange format for Arm's reference model and compilers"},
    {"VgfBackend", "VGF (ML extensions for Vulkan)", "Arm",
     "Vulkan devices with Arm's ML extensions or their emulation layer, and ExecuTorch's VGF "
     "backend"},
    {"VulkanBackend", "Vulkan", "Khronos",
     "devices with a Vulkan GPU (Android, Linux) and ExecuTorch's Vulkan or WebGPU backend"},
    {"XnnpackBackend", "XNNPACK", "Google", "any CPU: ptekit runs it itself"},
};

}  // namespace

std::span<const BackendInfo> known_backends() { return kBackends; }

const BackendInfo* find_backend(std::string_view id) {
  const auto found = std::find_if(std::begin(kBackends), std::end(kBackends),
                                  [&](const BackendInfo& backend) { return backend.id == id; });
  return found == std::end(kBackends) ? nullptr : found;
}

std::string describe_backend(std::string_view id) {
  const BackendInfo* info = find_backend(id);
  if (info == nullptr) return "a backend that is not known; whoever exported the file knows it";
  return fmt::format("{} ({}); it runs on {}", info->name, info->vendor, info->runs_on);
}

}  // namespace pte::program
