// The discrete Fourier transform of one line, of any length, in O(n log n).
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/common/complex.h"

namespace pte::kernels {

// What transforms of one length share. Immutable once made, so threads may use one together.
class Transform {
 public:
  // n >= 1.
  explicit Transform(size_t n);

  size_t size() const { return n_; }
  // Memory for one transform at a time, of any content.
  size_t scratch_size() const { return padded_; }
  // Replaces n values by sum_k x[k] exp(-2 pi i j k / n), or +2 pi i backwards. Nothing is scaled.
  void run(Complex* values, bool forward, Complex* scratch) const;

 private:
  static void powers_of_two(Complex* values, size_t n, const std::vector<Complex>& roots);
  void chirp(Complex* values, Complex* scratch) const;

  size_t n_;
  size_t padded_ = 0;            // a power of two; 0 when n is one itself
  std::vector<Complex> roots_;   // exp(-2 pi i k / N) for k < N/2, N the power of two in use
  std::vector<Complex> chirp_;   // exp(-pi i k^2 / n)
  std::vector<Complex> filter_;  // the transform of the chirp's conjugate, over N
};

}  // namespace pte::kernels
