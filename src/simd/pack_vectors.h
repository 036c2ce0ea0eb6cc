// Rearranging of operands that are known only at run time, at vector speed.
#pragma once

#include <cstdint>

#include "simd/isa.h"

namespace pte::simd {

struct PackSet {
  // Packs `columns` columns of scale * B, B being k rows (plain) or its transpose (k columns), into
  // panels as tile.h describes them, with zeros up to a whole vector. `packed` is aligned.
  void (*plain)(const float* b, int64_t stride, int64_t columns, int64_t k, float scale,
                float* packed) = nullptr;
  void (*transposed)(const float* b, int64_t stride, int64_t columns, int64_t k, float scale,
                     float* packed) = nullptr;
  // `count` pixels of three planes, `plane` floats apart, to pixels of three channels.
  void (*interleave3)(const float* planes, int64_t plane, int64_t count, float* pixels) = nullptr;
};

const PackSet& pack_set(Isa isa);

}  // namespace pte::simd
