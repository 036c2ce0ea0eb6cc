// Picks, from a function exported by HWY_EXPORT, the version for an Isa. Include behind
// <hwy/highway.h>.
#pragma once

#include <hwy/targets.h>

#include <array>
#include <cstddef>

#include "simd/isa.h"

namespace pte::simd {

// The Highway targets that `isa` permits on this machine.
int64_t targets_of(Isa isa);

}  // namespace pte::simd

#if (HWY_TARGETS & (HWY_TARGETS - 1)) == 0
// One target only: nothing to choose.
#define PTE_SIMD_PICK(function, isa) (static_cast<void>(isa), &HWY_STATIC_DISPATCH(function))
#else
#define PTE_SIMD_PICK(function, isa)                            \
  ([](::pte::simd::Isa pte_isa) {                               \
    hwy::ChosenTarget pte_target;                               \
    pte_target.Update(::pte::simd::targets_of(pte_isa));        \
    return HWY_DISPATCH_TABLE(function)[pte_target.GetIndex()]; \
  }(isa))
#endif

// Defines `const Set& getter(Isa)`: what the file's describe(Set*) fills in for each instruction
// set of this machine. One that it lacks gives the best that it has.
#define PTE_SIMD_SETS(Set, getter)                                      \
  HWY_EXPORT(describe);                                                 \
  const Set& getter(Isa isa) {                                          \
    static const auto kSets = [] {                                      \
      std::array<Set, static_cast<size_t>(Isa::kAvx512Vnni) + 1> sets;  \
      for (const Isa one : available_isas()) {                          \
        PTE_SIMD_PICK(describe, one)(&sets[static_cast<size_t>(one)]);  \
      }                                                                 \
      return sets;                                                      \
    }();                                                                \
    return kSets[static_cast<size_t>(has_isa(isa) ? isa : best_isa())]; \
  }
