// Filling, masks, and the gated linear unit.
#include <cmath>

#include "kernels/common/dense.h"
#include "kernels/common/fits.h"
#include "kernels/elementwise/binary.h"
#include "kernels/families.h"

namespace pte::kernels {
namespace {

Status check_mask(const Call& call, const Tensor& mask) {
  if (mask.dtype() == DType::kBool) return {};
  return call.not_supported("a mask of type {}", dtype_name(mask.dtype()));
}

Status fill_scalar(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_fits(call, call.scalar(1), self.dtype()));
  PTE_CHECK(resize_out(call, out, self.sizes()));
  return fill_with(call, out, call.scalar(1));
}

Status fill_tensor(Call& call) {
  const Tensor& value = call.tensor(1);
  Tensor& out = call.out();
  if (value.rank() != 0) {
    return call.invalid("the value is {}, expected a tensor of rank 0", value.describe());
  }
  const Sizes sizes = call.tensor(0).sizes();
  PTE_CHECK(resize_out(call, out, sizes));
  return copy_converting(call, value.with_layout(sizes, broadcast_strides(value, sizes)), out);
}

Status full_like(Call& call) {
  Tensor& out = call.out();
  PTE_CHECK(check_fits(call, call.scalar(1), out.dtype()));
  PTE_CHECK(resize_out(call, out, call.tensor(0).sizes()));
  return fill_with(call, out, call.scalar(1));
}

Status masked_fill(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& mask = call.tensor(1);
  const Scalar value = call.scalar(2);
  Tensor& out = call.out();
  PTE_CHECK(check_mask(call, mask));
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_fits(call, value, self.dtype()));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  PTE_TRY(const Sizes sizes, broadcast_sizes(call, self.sizes(), mask.sizes()));
  PTE_CHECK(resize_out(call, out, sizes));
  dispatch_exact(self.dtype(), [&]<typename C>(C) {
    const C constant = scalar_as<C>(value, self.dtype());
    map_elements<C>(
        call,
        std::array{Operand::of(self, sizes, self.dtype()), Operand::of(mask, sizes, DType::kBool)},
        out, self.dtype(), [constant](C x, C m) { return m != C{0} ? constant : x; });
  });
  return {};
}

// Where elements of `self` and of the mask lie in memory, for each element of `sizes` in row-major
// order: visit(self, mask) with offsets in elements.
template <typename Visit>
void walk(const Tensor& self, const Tensor& mask, const Sizes& sizes, Visit visit) {
  const std::array strides{contiguous_strides(sizes), broadcast_strides(self, sizes),
                           broadcast_strides(mask, sizes)};
  const Loop loop(sizes, strides);
  loop.run(0, loop.count(), [&](const int64_t* offsets, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      visit(offsets[1] + i * loop.step(1), offsets[2] + i * loop.step(2));
    }
  });
}

bool is_set(const Tensor& mask, int64_t offset) { return mask.data()[offset] != std::byte{0}; }

Status masked_select(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& mask = call.tensor(1);
  Tensor& out = call.out();
  PTE_CHECK(check_mask(call, mask));
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  PTE_TRY(const Sizes sizes, broadcast_sizes(call, self.sizes(), mask.sizes()));
  int64_t count = 0;
  walk(self, mask, sizes, [&](int64_t, int64_t m) { count += is_set(mask, m) ? 1 : 0; });
  PTE_CHECK(resize_out(call, out, {count}));
  PTE_TRY(Tensor chosen, Tensor::zeros(self.dtype(), {count}));
  const auto size = static_cast<int64_t>(size_of(self.dtype()));
  std::byte* to = chosen.mutable_data();
  walk(self, mask, sizes, [&](int64_t s, int64_t m) {
    if (!is_set(mask, m)) return;
    std::copy_n(self.data() + s * size, size, to);
    to += size;
  });
  return copy_converting(call, chosen, out);
}

// The elements of `source`, in its order, where the mask says so.
Status masked_scatter(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& mask = call.tensor(1);
  Tensor& out = call.out();
  PTE_CHECK(check_mask(call, mask));
  PTE_CHECK(check_real(call, self));
  if (call.tensor(2).dtype() != self.dtype()) {
    return call.invalid("source is {}, expected {}", dtype_name(call.tensor(2).dtype()),
                        dtype_name(self.dtype()));
  }
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  PTE_TRY(const Sizes sizes, broadcast_sizes(call, self.sizes(), mask.sizes()));
  PTE_CHECK(resize_out(call, out, sizes));
  PTE_TRY(const Tensor source, call.tensor(2).contiguous());
  PTE_TRY(Tensor result, Tensor::zeros(self.dtype(), sizes));
  const auto size = static_cast<int64_t>(size_of(self.dtype()));
  std::byte* to = result.mutable_data();
  int64_t used = 0;
  walk(self, mask, sizes, [&](int64_t s, int64_t m) {
    const bool chosen = is_set(mask, m);
    if (!chosen || used < source.numel()) {
      std::copy_n(chosen ? source.data() + used * size : self.data() + s * size, size, to);
    }
    used += chosen ? 1 : 0;
    to += size;
  });
  if (used > source.numel()) {
    return call.invalid("source has {} elements, the mask chooses {}", source.numel(), used);
  }
  return copy_converting(call, result, out);
}

// The first half of a dimension times the sigmoid of the second.
Status glu(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  PTE_CHECK(check_real(call, self));
  PTE_CHECK(check_out_type(call, self.dtype(), out));
  if (self.rank() == 0) return call.invalid("a rank-0 tensor cannot be halved");
  PTE_TRY(const int64_t dim, wrap_dim(call, call.integer(1), self.rank()));
  const auto d = static_cast<size_t>(dim);
  if (self.size(d) % 2 != 0) {
    return call.invalid("dimension {} has {} elements, expected an even number", dim, self.size(d));
  }
  Sizes sizes = self.sizes();
  sizes[d] /= 2;
  PTE_CHECK(resize_out(call, out, sizes));
  const Tensor value = self.with_layout(sizes, self.strides());
  const Tensor gate = self.with_layout(sizes, self.strides(), sizes[d] * self.strides()[d]);
  return dispatch_floating(self.dtype(), [&]<typename C>(C) -> Status {
    map_elements<C>(
        call,
        std::array{Operand::of(value, sizes, self.dtype()), Operand::of(gate, sizes, self.dtype())},
        out, self.dtype(), [](C a, C b) { return a * (C{1} / (C{1} + std::exp(-b))); });
    return {};
  });
}

// Rounds to a grid of integers and back. The mask says which elements the grid could hold.
Status fake_quantize(Call& call) {
  const Tensor& self = call.tensor(0);
  const double scale = call.real(1);
  const int64_t zero = call.integer(2);
  const int64_t low = call.integer(3);
  const int64_t high = call.integer(4);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  PTE_CHECK(check_real(call, self));
  if (low > high) return call.invalid("quant_min {} is above quant_max {}", low, high);
  if (zero < low || zero > high) {
    return call.invalid("zero_point {} is not between {} and {}", zero, low, high);
  }
  PTE_CHECK(check_out_type(call, self.dtype(), call.out(0)));
  PTE_CHECK(check_out_type(call, DType::kBool, call.out(1)));
  PTE_CHECK(resize_out(call, call.out(0), self.sizes()));
  PTE_CHECK(resize_out(call, call.out(1), self.sizes()));
  dispatch_floating(self.dtype(), [&]<typename C>(C) {
    // The scale, its inverse and the result are float32 whatever the operand is.
    const auto step = static_cast<float>(scale);
    const auto inverse = static_cast<C>(1.0F / step);
    const C offset = static_cast<C>(zero);
    const C least = static_cast<C>(low);
    const C most = static_cast<C>(high);
    const auto quantized = [=](C x) { return offset + std::nearbyint(x * inverse); };
    const std::array in{Operand::of(self, self.sizes(), self.dtype())};
    map_elements<C>(call, in, call.out(0), self.dtype(), [=](C x) {
      // NaN becomes the least.
      const C whole = std::fmin(std::fmax(quantized(x), least), most) - offset;
      return static_cast<C>(static_cast<float>(whole) * step);
    });
    map_elements<C>(call, in, call.out(1), DType::kBool, [=](C x) -> bool {
      const C q = quantized(x);
      return least <= q && q <= most;
    });
  });
  return {};
}

// The same with a scale and a zero point for each place of a dimension. Zero points that are
// floating count as they are.
Status fake_quantize_channels(Call& call) {
  const Tensor& self = call.tensor(0);
  const Tensor& scales = call.tensor(1);
  const Tensor& zeros = call.tensor(2);
  const int64_t axis = call.integer(3);
  const int64_t low = call.integer(4);
  const int64_t high = call.integer(5);
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  for (const Tensor* tensor : {&self, &scales, &zeros}) PTE_CHECK(check_real(call, *tensor));
  if (low > high) return call.invalid("quant_min {} is above quant_max {}", low, high);
  if (axis < 0 || axis >= static_cast<int64_t>(self.rank())) {
    return call.invalid("axis {} is out of range for {}", axis, self.describe());
  }
  const Sizes channels{self.size(static_cast<size_t>(axis))};
  if (scales.sizes() != channels || zeros.sizes() != channels) {
    return call.invalid("scale {} and zero_point {} do not fit dimension {} of {}",
                        scales.describe(), zeros.describe(), axis, self.describe());
  }
  PTE_TRY(const Tensor offsets, dense_as<double>(call, zeros));
  for (int64_t i = 0; i < offsets.numel(); ++i) {
    const double zero = offsets.data_as<double>()[i];
    if (!(zero >= static_cast<double>(low) && zero <= static_cast<double>(high))) {
      return call.invalid("zero_point {} is not between {} and {}", zero, low, high);
    }
  }
  PTE_CHECK(check_out_type(call, self.dtype(), call.out(0)));
  PTE_CHECK(check_out_type(call, DType::kBool, call.out(1)));
  PTE_CHECK(resize_out(call, call.out(0), self.sizes()));
  PTE_CHECK(resize_out(call, call.out(1), self.sizes()));
  // They repeat along every other dimension.
  const auto each = [&](const Tensor& tensor) {
    Strides strides(self.rank(), 0);
    strides[static_cast<size_t>(axis)] = tensor.strides()[0];
    return Operand{tensor.data(), tensor.dtype(), std::move(strides), tensor.dtype()};
  };
  dispatch_floating(self.dtype(), [&]<typename C>(C) {
    const C least = static_cast<C>(low);
    const C most = static_cast<C>(high);
    const auto quantized = [](C x, C scale, C zero) {
      return zero + std::nearbyint(x * static_cast<C>(1.0F / static_cast<float>(scale)));
    };
    const std::array in{Operand::of(self, self.sizes(), self.dtype()), each(scales), each(zeros)};
    map_elements<C>(call, in, call.out(0), self.dtype(), [=](C x, C scale, C zero) {
      const C whole = std::fmin(std::fmax(quantized(x, scale, zero), least), most) - zero;
      return whole * scale;
    });
    map_elements<C>(call, in, call.out(1), DType::kBool, [=](C x, C scale, C zero) -> bool {
      const C q = quantized(x, scale, zero);
      return least <= q && q <= most;
    });
  });
  return {};
}

}  // namespace

std::span<const Entry> masked_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten_fill_Scalar, fill_scalar},
      {Op::aten_fill_Tensor, fill_tensor},
      {Op::aten_full_like, full_like},
      {Op::aten_masked_fill_Scalar, masked_fill},
      {Op::aten_masked_select, masked_select},
      {Op::aten_masked_scatter, masked_scatter},
      {Op::aten_glu, glu},
      {Op::aten_fake_quantize_per_tensor_affine_cachemask, fake_quantize},
      {Op::aten_fake_quantize_per_channel_affine_cachemask, fake_quantize_channels},
  };
  return kEntries;
}

}  // namespace pte::kernels
