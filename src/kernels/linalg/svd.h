// Singular values and vectors, and the pseudoinverse that is made of them.
#pragma once

#include "kernels/kernel.h"

namespace pte::kernels {

Status svd(Call& call);
Status pseudoinverse(Call& call);

}  // namespace pte::kernels
