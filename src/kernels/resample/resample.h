// The files of this family; reference.cc has the table.
#pragma once

#include "kernels/common/dense.h"
#include "kernels/families.h"

namespace pte::kernels {

// In grid.cc.
Status grid_sampler_2d(Call& call);
Status grid_sampler_3d(Call& call);

// In antialias.cc.
Status upsample_bilinear_antialiased(Call& call);
Status upsample_bicubic_antialiased(Call& call);

}  // namespace pte::kernels
