// Window functions: tapers of a signal's ends.
#pragma once

#include "kernels/kernel.h"

namespace pte::kernels {

// (window_length), periodic; (window_length, periodic); further numbers shape the window.
Status hamming_window(Call& call);
Status hann_window(Call& call);
Status blackman_window(Call& call);
Status bartlett_window(Call& call);
Status kaiser_window(Call& call);

}  // namespace pte::kernels
