#include "simd/isa.h"

#include "simd/targets.h"
// Nothing is compiled per target here; Highway's own list of them is all that is needed.
#include <fmt/format.h>
#include <hwy/highway.h>

#include <array>

#include "simd/dispatch.h"

namespace pte::simd {

namespace {

struct Row {
  Isa isa;
  std::string_view name;
  int64_t targets;  // all that the set permits
  int64_t needs;    // one that the machine must have
};

constexpr int64_t kUpToSse4 = HWY_SSE4;
constexpr int64_t kUpToAvx2 = kUpToSse4 | HWY_AVX2;
constexpr int64_t kUpToAvx512 = kUpToAvx2 | HWY_AVX3;

constexpr std::array kRows{
    Row{Isa::kScalar, "scalar", 0, 0},
    Row{Isa::kNeon, "neon", HWY_NEON, HWY_NEON},
    Row{Isa::kSse4, "sse4", kUpToSse4, HWY_SSE4},
    Row{Isa::kAvx2, "avx2", kUpToAvx2, HWY_AVX2},
    Row{Isa::kAvx512, "avx512", kUpToAvx512, HWY_AVX3},
    Row{Isa::kAvx512Vnni, "avx512vnni", kUpToAvx512 | HWY_AVX3_DL, HWY_AVX3_DL},
};

struct Available {
  std::array<Isa, kRows.size()> isas{};
  size_t count = 0;
};

Available find_available() {
  Available found;
#ifdef PTE_FORCE_SCALAR
  found.isas[found.count++] = Isa::kScalar;
#else
  const int64_t supported = hwy::SupportedTargets();
  for (const Row& row : kRows) {
    // Off x86 the plainest set is the architecture's own, not scalar code.
    const bool scalar = row.isa == Isa::kScalar && (HWY_STATIC_TARGET == HWY_SCALAR);
    if (scalar || (row.needs & supported) != 0) found.isas[found.count++] = row.isa;
  }
  if (found.count == 0) found.isas[found.count++] = Isa::kScalar;
#endif
  return found;
}

const Row& row_of(Isa isa) { return kRows[static_cast<size_t>(isa)]; }

}  // namespace

std::string_view isa_name(Isa isa) { return row_of(isa).name; }

std::span<const Isa> available_isas() {
  static const Available found = find_available();
  return {found.isas.data(), found.count};
}

Isa best_isa() { return available_isas().back(); }

bool has_isa(Isa isa) {
  for (const Isa one : available_isas()) {
    if (one == isa) return true;
  }
  return false;
}

Result<Isa> parse_isa(std::string_view name) {
  std::string known;
  for (const Isa isa : available_isas()) {
    if (isa_name(isa) == name) return isa;
    known += (known.empty() ? "" : ", ");
    known += isa_name(isa);
  }
  return invalid_argument("instruction set '{}' is not one that this machine has; use one of: {}",
                          name, known);
}

int64_t targets_of(Isa isa) {
  // Asking the processor can take microseconds on a virtual machine.
  static const int64_t kSupported = hwy::SupportedTargets();
  return row_of(isa).targets & kSupported;
}

}  // namespace pte::simd
