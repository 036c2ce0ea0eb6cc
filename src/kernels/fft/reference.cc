// Fourier transforms over some dimensions, complex or real on either side, and the operators on
// complex tensors that go with them.
#include <cmath>

#include "kernels/common/dense.h"
#include "kernels/families.h"
#include "kernels/fft/transform.h"

namespace pte::kernels {
namespace {

// Transforms every line along `dim` of row-major `values`.
void transform_dim(const Call& call, std::vector<Complex>& values, const Sizes& sizes, size_t dim,
                   bool forward) {
  const int64_t n = sizes[dim];
  if (n <= 1 || values.empty()) return;
  int64_t inner = 1;
  for (size_t d = dim + 1; d < sizes.size(); ++d) inner *= sizes[d];
  const int64_t lines = static_cast<int64_t>(values.size()) / n;
  const Transform transform(static_cast<size_t>(n));
  call.parallel_for(lines, std::max<int64_t>(1, 4096 / n), [&](int64_t begin, int64_t end) {
    std::vector<Complex> line(static_cast<size_t>(n));
    std::vector<Complex> scratch(transform.scratch_size());
    for (int64_t l = begin; l < end; ++l) {
      Complex* first = values.data() + l / inner * n * inner + l % inner;
      for (int64_t i = 0; i < n; ++i) line[static_cast<size_t>(i)] = first[i * inner];
      transform.run(line.data(), forward, scratch.data());
      for (int64_t i = 0; i < n; ++i) first[i * inner] = line[static_cast<size_t>(i)];
    }
  });
}

// What PyTorch's normalization number says of a signal of `count` elements: not at all, by the
// root, or by the count.
Result<double> scale_of(const Call& call, int64_t normalization, double count) {
  switch (normalization) {
    case 0:
      return 1.0;
    case 1:
      return 1 / std::sqrt(count);
    case 2:
      return 1 / count;
    default:
      return call.invalid("normalization is {}, expected 0, 1 or 2", normalization);
  }
}

struct Dims {
  std::vector<size_t> dims;  // in the order given
  double count = 1;          // elements of one signal, by `sizes`
};

Result<Dims> read_dims(const Call& call, const Sizes& sizes) {
  Dims result;
  std::vector<bool> seen(sizes.size(), false);
  for (const int64_t dim : call.ints(1)) {
    PTE_TRY(const int64_t d, wrap_dim(call, dim, sizes.size()));
    const auto index = static_cast<size_t>(d);
    if (index >= sizes.size()) return call.invalid("a rank-0 tensor cannot be transformed");
    if (seen[index]) return call.invalid("dimension {} is named twice", dim);
    seen[index] = true;
    if (sizes[index] < 1) return call.invalid("dimension {} has no elements", dim);
    result.dims.push_back(index);
    result.count *= static_cast<double>(sizes[index]);
  }
  return result;
}

Status check_complex(const Call& call, const Tensor& tensor) {
  if (is_complex(tensor.dtype())) return {};
  return call.not_supported("operands of type {}", dtype_name(tensor.dtype()));
}

void scale(std::vector<Complex>& values, double factor) {
  if (factor == 1) return;
  for (Complex& value : values) value *= factor;
}

Status fft_c2c(Call& call) {
  const Tensor& self = call.tensor(0);
  const bool forward = call.boolean(3);
  PTE_CHECK(check_complex(call, self));
  const Sizes sizes = self.sizes();
  PTE_TRY(const Dims dims, read_dims(call, sizes));
  PTE_TRY(const double factor, scale_of(call, call.integer(2), dims.count));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  PTE_TRY(std::vector<Complex> values, load_complex(call, self));
  for (const size_t dim : dims.dims) transform_dim(call, values, sizes, dim, forward);
  scale(values, factor);
  return store_complex(call, values, call.out());
}

// Real to complex: the last dimension named is transformed first, and onesided keeps only its first
// half, which holds all there is to know.
Status fft_r2c(Call& call) {
  const Tensor& self = call.tensor(0);
  const bool onesided = call.boolean(3);
  PTE_CHECK(check_real(call, self));
  const Sizes sizes = self.sizes();
  PTE_TRY(const Dims dims, read_dims(call, sizes));
  if (dims.dims.empty()) return call.invalid("no dimension is named");
  PTE_TRY(const double factor, scale_of(call, call.integer(2), dims.count));
  const size_t last = dims.dims.back();
  Sizes kept = sizes;
  if (onesided) kept[last] = sizes[last] / 2 + 1;
  PTE_CHECK(resize_out(call, call.out(), kept));
  PTE_TRY(std::vector<Complex> values, load_complex(call, self));
  transform_dim(call, values, sizes, last, true);
  if (onesided) {
    int64_t inner = 1;
    for (size_t d = last + 1; d < sizes.size(); ++d) inner *= sizes[d];
    const int64_t from = sizes[last] * inner;
    const int64_t to = kept[last] * inner;
    const int64_t outer = static_cast<int64_t>(values.size()) / from;
    for (int64_t o = 1; o < outer; ++o) {
      std::copy_n(values.begin() + o * from, to, values.begin() + o * to);
    }
    values.resize(static_cast<size_t>(outer * to));
  }
  for (size_t i = 0; i + 1 < dims.dims.size(); ++i) {
    transform_dim(call, values, kept, dims.dims[i], true);
  }
  scale(values, factor);
  return store_complex(call, values, call.out());
}

// Complex to real, backwards: the input is the first half of a symmetric spectrum.
Status fft_c2r(Call& call) {
  const Tensor& self = call.tensor(0);
  const int64_t length = call.integer(3);
  PTE_CHECK(check_complex(call, self));
  const Sizes sizes = self.sizes();
  PTE_TRY(Dims dims, read_dims(call, sizes));
  if (dims.dims.empty()) return call.invalid("no dimension is named");
  const size_t last = dims.dims.back();
  if (length < 1) return call.invalid("last_dim_size is {}, expected 1 or more", length);
  if (sizes[last] != length / 2 + 1) {
    return call.invalid("{} elements make up half a spectrum of {}, expected {}", sizes[last],
                        length, length / 2 + 1);
  }
  Sizes full = sizes;
  full[last] = length;
  const double count = dims.count / static_cast<double>(sizes[last]) * static_cast<double>(length);
  PTE_TRY(const double factor, scale_of(call, call.integer(2), count));
  Tensor& out = call.out();
  PTE_CHECK(check_out_type(call, real_part(self.dtype()), out));
  PTE_CHECK(resize_out(call, out, full));
  PTE_TRY(std::vector<Complex> half, load_complex(call, self));
  for (size_t i = 0; i + 1 < dims.dims.size(); ++i) {
    transform_dim(call, half, sizes, dims.dims[i], false);
  }
  int64_t inner = 1;
  for (size_t d = last + 1; d < sizes.size(); ++d) inner *= sizes[d];
  const int64_t outer = static_cast<int64_t>(half.size()) / (sizes[last] * inner);
  std::vector<Complex> values(static_cast<size_t>(outer * length * inner));
  for (int64_t o = 0; o < outer; ++o) {
    const Complex* from = half.data() + o * sizes[last] * inner;
    Complex* to = values.data() + o * length * inner;
    for (int64_t k = 0; k < length; ++k) {
      const bool mirrored = 2 * k > length;
      // The imaginary parts of the first and the middle element have no mirror image.
      const bool real = k == 0 || 2 * k == length;
      for (int64_t i = 0; i < inner; ++i) {
        const Complex value = from[(mirrored ? length - k : k) * inner + i];
        to[k * inner + i] = real ? Complex(value.real()) : mirrored ? std::conj(value) : value;
      }
    }
  }
  transform_dim(call, values, full, last, false);
  PTE_TRY(auto dense, DenseOut<double>::make(call, out));
  for (size_t i = 0; i < values.size(); ++i) dense.data()[i] = values[i].real() * factor;
  return dense.commit(call);
}

// ---- complex tensors

Status conj_physical(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  if (!is_complex(self.dtype())) {
    PTE_CHECK(check_real(call, self));
    PTE_CHECK(check_out_type(call, self.dtype(), out));
    PTE_CHECK(resize_out(call, out, self.sizes()));
    return copy_converting(call, self, out);
  }
  PTE_CHECK(resize_out(call, out, self.sizes()));
  PTE_TRY(std::vector<Complex> values, load_complex(call, self));
  for (Complex& value : values) value = std::conj(value);
  return store_complex(call, values, out);
}

// Real and imaginary parts along a new last dimension.
Status view_as_real(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  PTE_CHECK(check_complex(call, self));
  PTE_CHECK(check_out_type(call, real_part(self.dtype()), out));
  Sizes sizes = self.sizes();
  sizes.push_back(2);
  PTE_CHECK(resize_out(call, out, sizes));
  PTE_TRY(const std::vector<Complex> values, load_complex(call, self));
  PTE_TRY(auto dense, DenseOut<double>::make(call, out));
  for (size_t i = 0; i < values.size(); ++i) {
    dense.data()[2 * i] = values[i].real();
    dense.data()[2 * i + 1] = values[i].imag();
  }
  return dense.commit(call);
}

// Pairs along the last dimension become complex numbers.
Status view_as_complex(Call& call) {
  const Tensor& self = call.tensor(0);
  Tensor& out = call.out();
  if (self.rank() == 0 || self.sizes().back() != 2) {
    return call.invalid("{} has no last dimension of 2", self.describe());
  }
  if (!is_complex(out.dtype()) || real_part(out.dtype()) != self.dtype()) {
    return call.invalid("{} does not make a result of type {}", self.describe(),
                        dtype_name(out.dtype()));
  }
  PTE_CHECK(resize_out(call, out, Sizes(self.sizes().begin(), self.sizes().end() - 1)));
  PTE_TRY(const Tensor dense, dense_as<double>(call, self));
  const double* const parts = dense.data_as<double>();
  std::vector<Complex> values(static_cast<size_t>(dense.numel() / 2));
  for (size_t i = 0; i < values.size(); ++i) values[i] = {parts[2 * i], parts[2 * i + 1]};
  return store_complex(call, values, out);
}

// Complex numbers from their magnitudes and angles.
Status polar(Call& call) {
  const Tensor& magnitude = call.tensor(0);
  const Tensor& angle = call.tensor(1);
  Tensor& out = call.out();
  const DType dtype = magnitude.dtype();
  if ((dtype != DType::kFloat32 && dtype != DType::kFloat64) || angle.dtype() != dtype) {
    return call.not_supported("operands of types {} and {}", dtype_name(dtype),
                              dtype_name(angle.dtype()));
  }
  if (!is_complex(out.dtype())) {
    return call.invalid("its result cannot be stored as {}", dtype_name(out.dtype()));
  }
  PTE_TRY(const Sizes sizes, broadcast_sizes(call, magnitude.sizes(), angle.sizes()));
  PTE_CHECK(resize_out(call, out, sizes));
  if (out.numel() == 0) return {};
  const auto spread = [&](const Tensor& tensor) {
    return dense_as<double>(call, tensor.with_layout(sizes, broadcast_strides(tensor, sizes)));
  };
  PTE_TRY(const Tensor radii, spread(magnitude));
  PTE_TRY(const Tensor turns, spread(angle));
  std::vector<Complex> values(static_cast<size_t>(out.numel()));
  for (size_t i = 0; i < values.size(); ++i) {
    const double r = radii.data_as<double>()[i];
    const double t = turns.data_as<double>()[i];
    values[i] = {r * std::cos(t), r * std::sin(t)};
  }
  return store_complex(call, values, out);
}

}  // namespace

std::span<const Entry> fft_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::aten__fft_c2c, fft_c2c},
      {Op::aten__fft_r2c, fft_r2c},
      {Op::aten__fft_c2r, fft_c2r},
      {Op::aten__conj_physical, conj_physical},
      {Op::aten_view_as_real_copy, view_as_real},
      {Op::aten_view_as_complex_copy, view_as_complex},
      {Op::aten_polar, polar},
  };
  return kEntries;
}

}  // namespace pte::kernels
