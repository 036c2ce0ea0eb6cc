// What the normalisations share.
#pragma once

#include "kernels/common/dense.h"
#include "kernels/families.h"

namespace pte::kernels {

// Fails when there is a `tensor` and it is no vector with one element for each channel.
Status check_norm_vector(const Call& call, const Tensor* tensor, std::string_view name,
                         int64_t channels);

// Batch norm by running statistics, arguments 3 and 4; argument `eps` is the epsilon.
Status batch_norm_by_running(Call& call, size_t eps);

// In batch.cc.
Status batch_norm_legit(Call& call);
Status batch_norm_no_stats(Call& call);
Status group_norm(Call& call);

}  // namespace pte::kernels
