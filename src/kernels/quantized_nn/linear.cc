// Quantised linear layers: int8 to int8, and floating values quantised row by row on the way, with
// weights of 8 or 4 bits and one scale for all, one a row or one a block of a row.
#include <cmath>

#include "kernels/families.h"
#include "kernels/quantized_nn/arithmetic.h"
#include "kernels/quantized_nn/integer_gemm.h"

namespace pte::kernels {
namespace {

struct Shape {
  int64_t rows = 1;  // of the input
  int64_t in = 0;
  int64_t out = 0;
  Sizes sizes;  // of the result
};

// Rows of weights, unpacked from where they lie.
class Weights {
 public:
  Weights(const Tensor& weight, int64_t bits, int32_t zero_point, int64_t in)
      : weight_(weight), bits_(bits), zero_point_(zero_point), in_(in) {}

  void row(int64_t index, float* to) const {
    const int64_t start = index * weight_.strides()[0];
    const int64_t step = weight_.strides()[1];
    if (bits_ == 4) {
      const uint8_t* from = weight_.data_as<uint8_t>() + start;
      for (int64_t i = 0; i < in_; ++i) {
        const int32_t pair = from[i / 2 * step];
        const int32_t value = i % 2 == 0 ? pair & 15 : pair >> 4;
        to[i] = static_cast<float>(value - zero_point_);
      }
    } else if (weight_.dtype() == DType::kInt8) {
      copy(weight_.data_as<int8_t>() + start, step, to);
    } else {
      copy(weight_.data_as<uint8_t>() + start, step, to);
    }
  }

 private:
  template <typename T>
  void copy(const T* from, int64_t step, float* to) const {
    if (step == 1) {
      for (int64_t i = 0; i < in_; ++i) to[i] = static_cast<float>(from[i] - zero_point_);
    } else {
      for (int64_t i = 0; i < in_; ++i) to[i] = static_cast<float>(from[i * step] - zero_point_);
    }
  }

  const Tensor& weight_;
  int64_t bits_;
  int32_t zero_point_;
  int64_t in_;
};

// The zero point of 4-bit weights belongs to the halves of bytes.
Result<int32_t> weight_zero_point(const Call& call, size_t arg, const Tensor& weight,
                                  int64_t bits) {
  return zero_point_arg(call, arg, bits == 4 ? ByteRange{0, 15} : ByteRange::of(weight.dtype()));
}

// `weight_arg` is the place of the weight, of its bits and of the bias.
Result<Shape> shape_of(const Call& call, size_t weight_arg, size_t bits_arg, size_t bias_arg) {
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(weight_arg);
  const Tensor* bias = call.optional_tensor(bias_arg);
  PTE_CHECK(check_byte(call, weight_arg));
  const int64_t bits = call.integer(bits_arg);
  if (bits != 8 && (bits != 4 || weight.dtype() != DType::kUInt8)) {
    return call.invalid("weights of {} bits in {}", bits, dtype_name(weight.dtype()));
  }
  if (input.rank() == 0 || weight.rank() != 2) {
    return call.invalid("input {} and weight {} do not make a linear layer", input.describe(),
                        weight.describe());
  }
  Shape shape;
  shape.in = input.sizes().back();
  shape.out = weight.size(0);
  if (weight.size(1) != (bits == 4 ? shape.in / 2 + shape.in % 2 : shape.in)) {
    return call.invalid("weight {} of {} bits does not fit input {}", weight.describe(), bits,
                        input.describe());
  }
  if (bias != nullptr && (bias->rank() != 1 || bias->size(0) != shape.out)) {
    return call.invalid("bias {} does not fit {} output channels", bias->describe(), shape.out);
  }
  shape.sizes = input.sizes();
  shape.sizes.back() = shape.out;
  for (size_t i = 0; i + 1 < input.rank(); ++i) shape.rows *= input.size(i);
  return shape;
}

template <typename T>
IntegerGemm::Pack pack_rows(const T* input, int32_t zero_point, int64_t in) {
  return [=](int64_t column, int64_t count, float* tile) {
    constexpr int64_t kColumns = IntegerGemm::kColumns;
    for (int64_t j = 0; j < kColumns; ++j) {
      const T* from = input + (column + j) * in;
      for (int64_t k = 0; k < in; ++k) {
        tile[k * kColumns + j] = j < count ? static_cast<float>(from[k] - zero_point) : 0.0F;
      }
    }
  };
}

// pte::quantized_linear
Status quantized_linear(Call& call) {
  constexpr size_t kWeight = 3;
  constexpr size_t kBits = 6;
  constexpr size_t kBias = 7;
  PTE_CHECK(check_byte(call, 0));
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(kWeight);
  const Tensor* bias = call.optional_tensor(kBias);
  PTE_TRY(const Shape shape, shape_of(call, kWeight, kBits, kBias));
  PTE_TRY(const Quantization from, quantization_args(call, 1, input.dtype()));
  PTE_TRY(const int32_t weight_zero, weight_zero_point(call, 5, weight, call.integer(kBits)));
  PTE_TRY(const Quantization to, quantization_args(call, 8, input.dtype()));
  PTE_TRY(std::vector<float> scales, channel_scales(call, 4, shape.out));
  for (float& scale : scales) scale = from.scale * scale / to.scale;
  PTE_TRY(const Tensor adds, int32_bias(call, bias));
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), shape.sizes));
  if (call.out().numel() == 0) return {};
  const ByteRange range = ByteRange::of(input.dtype());
  const Weights weights(weight, call.integer(kBits), weight_zero, shape.in);
  const auto run = [&]<typename T>(T) -> Status {
    PTE_TRY(const Tensor rows, dense_as<T>(call, input));
    PTE_TRY(DenseOut<T> out, DenseOut<T>::make(call, call.out()));
    T* const results = out.data();
    IntegerGemm::run(
        call, shape.out, shape.rows, shape.in,
        [&](int64_t row, float* line) { weights.row(row, line); },
        pack_rows(rows.data_as<T>(), from.zero_point, shape.in),
        [&](int64_t row, int64_t column, int64_t count, const double* sums) {
          const double add = bias == nullptr ? 0 : adds.data_as<int32_t>()[row];
          const float scale = scales[static_cast<size_t>(row)];
          for (int64_t j = 0; j < count; ++j) {
            const auto sum = static_cast<float>(sums[j] + add);
            results[(column + j) * shape.out + row] =
                static_cast<T>(to_stored(sum * scale, to.zero_point, range));
          }
        });
    return out.commit(call);
  };
  return input.dtype() == DType::kInt8 ? run(int8_t{}) : run(uint8_t{});
}

// pte::dynamic_quantized_linear
Status dynamic_quantized_linear(Call& call) {
  constexpr size_t kWeight = 2;
  constexpr size_t kBits = 5;
  constexpr size_t kBias = 6;
  const Tensor& input = call.tensor(0);
  const Tensor& weight = call.tensor(kWeight);
  const Tensor& given = call.tensor(3);
  const Tensor* bias = call.optional_tensor(kBias);
  if (!is_floating(input.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(input.dtype()));
  }
  PTE_TRY(const Shape shape, shape_of(call, kWeight, kBits, kBias));
  PTE_TRY(const int32_t weight_zero, weight_zero_point(call, 4, weight, call.integer(kBits)));
  const int64_t shared = call.integer(1);
  if (shared < 1 || shared > static_cast<int64_t>(input.rank())) {
    return call.invalid("shared_dims {} of an input of rank {}", shared, input.rank());
  }
  // Blocks of a row with scales of their own, or scales for rows.
  const bool blockwise = given.rank() == 2;
  IntegerGemm::Blocks blocks{0, nullptr};
  Tensor block_scales;
  std::vector<float> scales;
  if (blockwise) {
    if (given.size(0) != shape.out || given.size(1) < 1 || shape.in % given.size(1) != 0) {
      return call.invalid("weight_scales {} for weight {}", given.describe(), weight.describe());
    }
    PTE_TRY(block_scales, dense_as<float>(call, given));
    blocks = {shape.in / given.size(1), block_scales.data_as<float>()};
  } else {
    PTE_TRY(scales, channel_scales(call, 3, shape.out));
  }
  PTE_CHECK(check_out_type(call, input.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), shape.sizes));
  if (call.out().numel() == 0) return {};
  Tensor adds;
  if (bias != nullptr) {
    PTE_TRY(adds, dense_as<float>(call, *bias));
  }
  PTE_TRY(const Tensor dense, dense_as<float>(call, input));
  PTE_TRY(Tensor integers, Tensor::zeros(DType::kInt16, input.sizes()));
  int64_t together = 1;  // rows that share a scale
  for (int64_t i = 1; i < shared; ++i) {
    together *= input.size(input.rank() - 1 - static_cast<size_t>(i));
  }
  const int64_t part = together * shape.in;
  std::vector<float> to_real(static_cast<size_t>(shape.rows / together));
  call.parallel_for(shape.rows / together, 1 + (1 << 13) / std::max<int64_t>(part, 1),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t i = begin; i < end; ++i) {
                        to_real[static_cast<size_t>(i)] =
                            quantize_dynamically(dense.data_as<float>() + i * part, part,
                                                 input.dtype(),
                                                 integers.mutable_data_as<int16_t>() + i * part)
                                .to_real;
                      }
                    });
  PTE_TRY(DenseOut<float> out, DenseOut<float>::make(call, call.out()));
  float* const results = out.data();
  const Weights weights(weight, call.integer(kBits), weight_zero, shape.in);
  IntegerGemm::run(
      call, shape.out, shape.rows, shape.in,
      [&](int64_t row, float* line) { weights.row(row, line); },
      pack_rows(integers.data_as<int16_t>(), 0, shape.in),
      [&](int64_t row, int64_t column, int64_t count, const double* sums) {
        const float add = bias == nullptr ? 0.0F : adds.data_as<float>()[row];
        const float scale = blockwise ? 1.0F : scales[static_cast<size_t>(row)];
        for (int64_t j = 0; j < count; ++j) {
          const float real = to_real[static_cast<size_t>((column + j) / together)];
          // XNNPACK rounds once here; else later layers would quantise to other integers.
          results[(column + j) * shape.out + row] =
              std::fma(static_cast<float>(sums[j]) * real, scale, add);
        }
      },
      blocks);
  return out.commit(call);
}

}  // namespace

std::span<const Entry> quantized_linear_kernels() {
  static constexpr Entry kEntries[] = {
      {Op::pte_quantized_linear, quantized_linear},
      {Op::pte_dynamic_quantized_linear, dynamic_quantized_linear},
  };
  return kEntries;
}

}  // namespace pte::kernels
