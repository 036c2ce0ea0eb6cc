// What Conv2d delegates to: one class for each algorithm.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>

#include "base/result.h"
#include "simd/conv2d.h"
#include "simd/tile.h"
#include "simd/winograd_transform.h"

namespace pte::simd {

class Conv2dImpl {
 public:
  Conv2dImpl(const Conv2dShape& shape, Isa isa, ConvAlgorithm algorithm)
      : shape_(shape), isa_(isa), algorithm_(algorithm), tiles_(tile_set(isa)) {}
  virtual ~Conv2dImpl() = default;
  Conv2dImpl(const Conv2dImpl&) = delete;
  Conv2dImpl& operator=(const Conv2dImpl&) = delete;

  const Conv2dShape& shape() const { return shape_; }
  ConvAlgorithm algorithm() const { return algorithm_; }
  const Buffer& packed() const { return packed_; }
  int64_t tasks() const { return tasks_; }
  size_t scratch_bytes() const { return scratch_bytes_; }

  // The bytes of packed weights; `pack` fills as many, zeroed before.
  virtual size_t packed_bytes() const = 0;
  virtual void pack(const float* weights, float* packed) const = 0;
  virtual void run(const Conv2d::Args& args, int64_t begin, int64_t end, void* scratch) const = 0;

  void set_packed(Buffer packed) { packed_ = std::move(packed); }

 protected:
  Conv2dShape shape_;
  Isa isa_;
  ConvAlgorithm algorithm_;
  const TileSet& tiles_;
  Buffer packed_;
  int64_t tasks_ = 0;
  size_t scratch_bytes_ = 0;
};

std::unique_ptr<Conv2dImpl> make_direct_conv(const Conv2dShape& shape, Isa isa,
                                             ConvAlgorithm algorithm);
std::unique_ptr<Conv2dImpl> make_winograd_conv(const Conv2dShape& shape, Isa isa,
                                               ConvAlgorithm algorithm);
std::unique_ptr<Conv2dImpl> make_depthwise_conv(const Conv2dShape& shape, Isa isa);

// How Winograd's algorithm cuts such a convolution; kOne where it cannot.
WinogradLine winograd_line(const Conv2dShape& shape, ConvAlgorithm algorithm);

// Extents that no tensor in memory could have, and kernels that do not fit, are errors.
Status check_conv_shape(const Conv2dShape& shape);

// Whether a tensor of these extents could be in memory.
bool is_bounded(std::initializer_list<int64_t> extents);

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline void set_epilogue(const Epilogue& epilogue, TileArgs* tile) {
  tile->bias = epilogue.bias;
  tile->residual_stride = epilogue.residual_stride;
  tile->residual_after_activation = epilogue.residual_after_activation;
  tile->activation = epilogue.activation;
  tile->lo = epilogue.lo;
  tile->hi = epilogue.hi;
}

}  // namespace pte::simd
