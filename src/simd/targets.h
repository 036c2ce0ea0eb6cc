// What a file compiled once per instruction set includes first, before <hwy/foreach_target.h>: the
// list of instruction sets that this layer is compiled for. SSSE3 is left out (SSE4 is as old in
// practice), and so are the ARM sets of variable length, whose vectors cannot be held in arrays:
// NEON serves those machines.
#pragma once

#ifdef PTE_FORCE_SCALAR
#define HWY_COMPILE_ONLY_SCALAR
#endif
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)

// Sanitizers make the unrolled inner loops so large that compilers take minutes: their builds keep
// fewer rows and outputs in registers, by the same code.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PTE_SIMD_SMALL 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define PTE_SIMD_SMALL 1
#endif
#endif
