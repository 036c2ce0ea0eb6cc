#include "passes/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pte::passes {
namespace {

using Maybe = std::optional<Tensor>;

// ---- elements

// One element on its way between types: integers stay exact.
struct Number {
  bool integral = false;
  int64_t i = 0;
  double d = 0;
  double real() const { return integral ? static_cast<double>(i) : d; }
};

template <typename T>
Number number_of(T value) {
  if constexpr (std::is_same_v<T, bool> || std::is_integral_v<T>) {
    return {true, static_cast<int64_t>(value), 0};
  } else {
    return {false, 0, static_cast<double>(value)};
  }
}

// False when the value has no defined form in T.
template <typename T>
bool store(const Number& from, T& to) {
  if constexpr (std::is_same_v<T, bool>) {
    to = from.integral ? from.i != 0 : from.d != 0;
  } else if constexpr (std::is_integral_v<T>) {
    if (from.integral) {
      to = static_cast<T>(from.i);  // wraps, as PyTorch's does
    } else {
      const double value = std::trunc(from.d);
      // The limits as doubles: exact below 2^53, the next power of two above.
      if (!(value >= static_cast<double>(std::numeric_limits<T>::min()) &&
            value < std::ldexp(1.0, std::numeric_limits<T>::digits))) {
        return false;
      }
      to = static_cast<T>(value);
    }
  } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    to = T(from.integral ? static_cast<float>(from.i) : static_cast<float>(from.d));
  } else {
    to = from.integral ? static_cast<T>(from.i) : static_cast<T>(from.d);
  }
  return true;
}

// uint64 does not fit Number.
bool is_known(DType dtype) {
  return dtype != DType::kUInt64 && dispatch(dtype, []<typename T>(T) {});
}

Result<Maybe> convert(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return Maybe(tensor);
  if (!is_known(tensor.dtype()) || !is_known(dtype)) return Maybe();
  PTE_TRY(const Tensor from, tensor.contiguous());
  PTE_TRY(Tensor to, Tensor::zeros(dtype, tensor.sizes()));
  const int64_t count = from.numel();
  std::vector<Number> numbers(static_cast<size_t>(std::min<int64_t>(count, 4096)));
  bool ok = true;
  for (int64_t begin = 0; begin < count && ok; begin += 4096) {
    const int64_t size = std::min<int64_t>(4096, count - begin);
    dispatch(from.dtype(), [&]<typename T>(T) {
      const T* in = from.template data_as<T>() + begin;
      for (int64_t i = 0; i < size; ++i) numbers[static_cast<size_t>(i)] = number_of(in[i]);
    });
    dispatch(dtype, [&]<typename T>(T) {
      T* out = to.template mutable_data_as<T>() + begin;
      for (int64_t i = 0; i < size; ++i) ok &= store(numbers[static_cast<size_t>(i)], out[i]);
    });
  }
  if (!ok) return Maybe();
  return Maybe(std::move(to));
}

// ---- rearrangements

Maybe expanded(const Tensor& tensor, const Sizes& sizes) {
  if (sizes.size() < tensor.rank()) return std::nullopt;
  const size_t missing = sizes.size() - tensor.rank();
  Strides strides(sizes.size(), 0);
  for (size_t i = missing; i < sizes.size(); ++i) {
    const int64_t size = tensor.size(i - missing);
    if (size == sizes[i]) {
      strides[i] = tensor.strides()[i - missing];
    } else if (size != 1) {
      return std::nullopt;
    }
  }
  return tensor.with_layout(sizes, std::move(strides));
}

Result<Maybe> permuted(const Tensor& tensor, const std::vector<int64_t>& dims) {
  if (dims.size() != tensor.rank()) return Maybe();
  Sizes sizes;
  Strides strides;
  for (const int64_t dim : dims) {
    const auto at = wrap_dim(dim, tensor.rank());
    if (!at.has_value()) return Maybe();
    sizes.push_back(tensor.size(*at));
    strides.push_back(tensor.strides()[*at]);
  }
  return Maybe(tensor.with_layout(std::move(sizes), std::move(strides)));
}

Result<Maybe> transposed(const Tensor& tensor, const Node& node) {
  Sizes sizes = tensor.sizes();
  Strides strides = tensor.strides();
  const bool is_t = node.is(Op::aten_t) || node.is(Op::aten_t_copy);
  const auto a = wrap_dim(is_t ? 0 : node.arg(1).integer().value_or(INT64_MAX), sizes.size());
  const auto b = wrap_dim(is_t ? -1 : node.arg(2).integer().value_or(INT64_MAX), sizes.size());
  if (!a.has_value() || !b.has_value()) return Maybe();
  if (!sizes.empty()) {
    std::swap(sizes[*a], sizes[*b]);
    std::swap(strides[*a], strides[*b]);
  }
  return Maybe(tensor.with_layout(std::move(sizes), std::move(strides)));
}

Result<Maybe> selected(const Tensor& tensor, const Node& node) {
  const auto dim = wrap_dim(node.arg(1).integer().value_or(INT64_MAX), tensor.rank());
  auto index = node.arg(2).integer();
  if (!dim.has_value() || *dim >= tensor.rank() || !index.has_value()) return Maybe();
  const int64_t size = tensor.size(*dim);
  if (*index < 0) *index += size;
  if (*index < 0 || *index >= size) return Maybe();
  Sizes sizes = tensor.sizes();
  Strides strides = tensor.strides();
  const int64_t offset = *index * strides[*dim];
  sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(*dim));
  strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(*dim));
  return Maybe(tensor.with_layout(std::move(sizes), std::move(strides), offset));
}

Result<Maybe> sliced(const Tensor& tensor, const Node& node) {
  const auto dim = wrap_dim(node.arg(1).integer().value_or(INT64_MAX), tensor.rank());
  const auto step = node.arg(4).integer();
  if (!dim.has_value() || *dim >= tensor.rank() || !step.has_value() || *step < 1) return Maybe();
  const int64_t size = tensor.size(*dim);
  const auto bound = [&](const Arg& arg, int64_t absent) -> std::optional<int64_t> {
    if (arg.is_none()) return absent;
    auto value = arg.integer();
    if (!value.has_value()) return value;
    if (*value < 0) *value = *value < -size ? 0 : *value + size;
    return std::min(*value, size);
  };
  const auto start = bound(node.arg(2), 0);
  const auto end = bound(node.arg(3), size);
  if (!start.has_value() || !end.has_value()) return Maybe();
  Sizes sizes = tensor.sizes();
  Strides strides = tensor.strides();
  const int64_t length = std::max<int64_t>(*end - *start, 0);
  sizes[*dim] = length == 0 ? 0 : (length - 1) / *step + 1;
  const int64_t offset = length == 0 ? 0 : *start * strides[*dim];
  // A stride beyond the end of the tensor is never used for a second element.
  strides[*dim] = sizes[*dim] > 1 ? strides[*dim] * *step : strides[*dim];
  return Maybe(tensor.with_layout(std::move(sizes), std::move(strides), offset));
}

Result<Maybe> concatenated(const Node& node, const Sizes& sizes,
                           const std::function<const Tensor*(const Value*)>& data) {
  const auto dim = wrap_dim(node.arg(1).integer().value_or(INT64_MAX), sizes.size());
  if (!dim.has_value() || *dim >= sizes.size()) return Maybe();
  PTE_TRY(Tensor out, Tensor::zeros(node.result()->tensor().dtype, sizes));
  int64_t at = 0;
  for (const Arg& item : *node.arg(0).list()) {
    const Tensor* part = item.value() == nullptr ? nullptr : data(item.value());
    if (part == nullptr || part->rank() != sizes.size() || part->dtype() != out.dtype()) {
      return Maybe();
    }
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (i != *dim && part->size(i) != sizes[i]) return Maybe();
    }
    if (part->size(*dim) > sizes[*dim] - at) return Maybe();
    Tensor place = out.with_layout(part->sizes(), out.strides(), at * out.strides()[*dim]);
    PTE_CHECK(copy_elements(*part, place));
    at += part->size(*dim);
  }
  if (at != sizes[*dim]) return Maybe();
  return Maybe(std::move(out));
}

// A contiguous copy. Transposed matrices (weights of linear layers, megabytes) go tile by tile:
// row by row, every element would come from another cache line.
Result<Tensor> made_dense(const Tensor& tensor) {
  const bool transposed_matrix = tensor.rank() == 2 && tensor.strides()[0] == 1 &&
                                 tensor.strides()[1] == tensor.size(0) && tensor.numel() > 0;
  if (!transposed_matrix) return tensor.contiguous();
  PTE_TRY(Tensor out, Tensor::zeros(tensor.dtype(), tensor.sizes()));
  const int64_t rows = tensor.size(0);
  const int64_t columns = tensor.size(1);
  const auto copy = [&]<typename T>(T) {
    constexpr int64_t kTile = 32;
    const T* from = tensor.template data_as<T>();
    T* to = out.template mutable_data_as<T>();
    for (int64_t row = 0; row < rows; row += kTile) {
      for (int64_t column = 0; column < columns; column += kTile) {
        const int64_t last_row = std::min(row + kTile, rows);
        const int64_t last_column = std::min(column + kTile, columns);
        for (int64_t i = row; i < last_row; ++i) {
          for (int64_t j = column; j < last_column; ++j) to[i * columns + j] = from[j * rows + i];
        }
      }
    }
  };
  if (!dispatch(tensor.dtype(), copy)) return tensor.contiguous();
  return out;
}

// ---- arithmetic

enum class Arithmetic { kAdd, kSub, kRsub, kMul, kDiv };

template <typename T>
T apply(Arithmetic op, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    // Integers wrap; the unsigned type makes that defined.
    using U = std::make_unsigned_t<T>;
    const U x = static_cast<U>(a);
    const U y = static_cast<U>(b);
    switch (op) {
      case Arithmetic::kAdd:
        return static_cast<T>(static_cast<U>(x + y));
      case Arithmetic::kSub:
        return static_cast<T>(static_cast<U>(x - y));
      case Arithmetic::kRsub:
        return static_cast<T>(static_cast<U>(y - x));
      // Through 64 bits: small unsigned types would be promoted to int and overflow there.
      case Arithmetic::kMul:
        return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y));
      case Arithmetic::kDiv:
        return a;  // not reached: division gives floating types
    }
  } else {
    switch (op) {
      case Arithmetic::kAdd:
        return a + b;
      case Arithmetic::kSub:
        return a - b;
      case Arithmetic::kRsub:
        return b - a;
      case Arithmetic::kMul:
        return a * b;
      case Arithmetic::kDiv:
        return a / b;
    }
  }
  return a;
}

Result<Maybe> combined(Arithmetic op, const Tensor& a, const Tensor& b, DType dtype,
                       const Sizes& sizes) {
  if (dtype == DType::kBool || !is_known(dtype)) return Maybe();
  if (op == Arithmetic::kDiv && !is_floating(dtype)) return Maybe();
  PTE_TRY(Maybe x, convert(a, dtype));
  PTE_TRY(Maybe y, convert(b, dtype));
  if (!x.has_value() || !y.has_value()) return Maybe();
  x = expanded(*x, sizes);
  y = expanded(*y, sizes);
  if (!x.has_value() || !y.has_value()) return Maybe();
  PTE_TRY(const Tensor left, x->contiguous());
  PTE_TRY(const Tensor right, y->contiguous());
  PTE_TRY(Tensor out, Tensor::zeros(dtype, sizes));
  const int64_t count = out.numel();
  dispatch(dtype, [&]<typename T>(T) {
    const T* p = left.template data_as<T>();
    const T* q = right.template data_as<T>();
    T* to = out.template mutable_data_as<T>();
    for (int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        to[i] = T(apply<float>(op, static_cast<float>(p[i]), static_cast<float>(q[i])));
      } else if constexpr (!std::is_same_v<T, bool>) {
        to[i] = apply<T>(op, p[i], q[i]);
      }
    }
  });
  return Maybe(std::move(out));
}

// A Python number as a tensor that converts to `dtype` without a detour through a narrower type.
std::optional<Tensor> scalar(const Arg& arg) {
  if (const auto integer = arg.integer()) return Tensor::scalar<int64_t>(*integer);
  if (const auto number = arg.number()) return Tensor::scalar<double>(*number);
  return std::nullopt;
}

Result<Maybe> arithmetic(const Node& node, const Sizes& sizes,
                         const std::function<const Tensor*(const Value*)>& data) {
  Arithmetic op = Arithmetic::kAdd;
  bool has_alpha = false;
  switch (node.op().op) {
    case Op::aten_add_Tensor:
    case Op::aten_add_Scalar:
      has_alpha = true;
      break;
    case Op::aten_sub_Tensor:
    case Op::aten_sub_Scalar:
      op = Arithmetic::kSub;
      has_alpha = true;
      break;
    case Op::aten_rsub_Scalar:
      op = Arithmetic::kRsub;
      has_alpha = true;
      break;
    case Op::aten_mul_Tensor:
    case Op::aten_mul_Scalar:
      op = Arithmetic::kMul;
      break;
    case Op::aten_div_Tensor:
    case Op::aten_div_Scalar:
      op = Arithmetic::kDiv;
      break;
    default:
      return Maybe();
  }
  // A factor would be rounded in its own way.
  if (has_alpha && node.arg(2).number() != 1.0) return Maybe();
  const Tensor* a = data(node.input(0));
  Maybe b;
  if (const Value* value = node.arg(1).value()) {
    const Tensor* tensor = data(value);
    if (tensor != nullptr) b = *tensor;
  } else {
    b = scalar(node.arg(1));
  }
  if (a == nullptr || !b.has_value()) return Maybe();
  const DType dtype = node.result()->tensor().dtype;
  // In half precision a number stays a float, it is not rounded first.
  if (size_of(dtype) < 4 && is_floating(dtype) && node.arg(1).value() == nullptr) return Maybe();
  return combined(op, *a, *b, dtype, sizes);
}

Result<Maybe> negated(const Tensor& tensor) {
  if (tensor.dtype() == DType::kBool || !is_known(tensor.dtype())) return Maybe();
  // Not 0 - x, which loses the sign of zero.
  PTE_TRY(const Tensor from, tensor.contiguous());
  PTE_TRY(Tensor to, Tensor::zeros(tensor.dtype(), tensor.sizes()));
  dispatch(tensor.dtype(), [&]<typename T>(T) {
    const T* in = from.template data_as<T>();
    T* out = to.template mutable_data_as<T>();
    for (int64_t i = 0; i < from.numel(); ++i) {
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        out[i].bits = in[i].bits ^ 0x8000;
      } else if constexpr (std::is_integral_v<T>) {
        if constexpr (!std::is_same_v<T, bool>) out[i] = apply<T>(Arithmetic::kSub, T{0}, in[i]);
      } else {
        out[i] = -in[i];
      }
    }
  });
  return Maybe(std::move(to));
}

// What evaluate() does for the operator.
enum class Method {
  kNone,
  kReshape,
  kPermute,
  kTranspose,
  kExpand,
  kSelect,
  kSlice,
  kCopy,
  kCat,
  kArithmetic,
  kNegate
};

Method method_of(Op op) {
  switch (op) {
    case Op::aten_view:
    case Op::aten__unsafe_view:
    case Op::aten_reshape:
    case Op::aten_view_copy:
    case Op::aten_flatten_using_ints:
    case Op::aten_unflatten_int:
    case Op::aten_squeeze:
    case Op::aten_squeeze_dim:
    case Op::aten_squeeze_dims:
    case Op::aten_squeeze_copy_dim:
    case Op::aten_squeeze_copy_dims:
    case Op::aten_unsqueeze:
    case Op::aten_unsqueeze_copy:
      return Method::kReshape;
    case Op::aten_permute:
    case Op::aten_permute_copy:
      return Method::kPermute;
    case Op::aten_transpose_int:
    case Op::aten_transpose_copy_int:
    case Op::aten_t:
    case Op::aten_t_copy:
      return Method::kTranspose;
    case Op::aten_expand:
    case Op::aten_expand_copy:
      return Method::kExpand;
    case Op::aten_select_int:
    case Op::aten_select_copy_int:
      return Method::kSelect;
    case Op::aten_slice_Tensor:
    case Op::aten_slice_copy_Tensor:
      return Method::kSlice;
    case Op::aten_detach:
    case Op::aten_alias:
    case Op::aten_lift_fresh_copy:
    case Op::aten_clone:
    case Op::aten_contiguous:
    case Op::aten_to_dtype:
    case Op::aten_to_dtype_layout:
    case Op::aten__to_copy:
    case Op::dim_order_to_dim_order_copy:
    case Op::dim_order_clone_dim_order:
      return Method::kCopy;
    case Op::aten_cat:
      return Method::kCat;
    case Op::aten_add_Tensor:
    case Op::aten_add_Scalar:
    case Op::aten_sub_Tensor:
    case Op::aten_sub_Scalar:
    case Op::aten_rsub_Scalar:
    case Op::aten_mul_Tensor:
    case Op::aten_mul_Scalar:
    case Op::aten_div_Tensor:
    case Op::aten_div_Scalar:
      return Method::kArithmetic;
    case Op::aten_neg:
      return Method::kNegate;
    default:
      return Method::kNone;
  }
}

}  // namespace

bool can_evaluate(const Node& node) { return method_of(node.op().op) != Method::kNone; }

Result<std::optional<Tensor>> evaluate(const Node& node,
                                       const std::function<const Tensor*(const Value*)>& data) {
  const TensorType& type = node.result()->tensor();
  const auto sizes = type.static_sizes();
  const Method method = method_of(node.op().op);
  if (!sizes.has_value() || method == Method::kNone || !type.is_contiguous()) return Maybe();
  Maybe result;
  if (method == Method::kCat) {
    PTE_TRY(result, concatenated(node, *sizes, data));
  } else if (method == Method::kArithmetic) {
    PTE_TRY(result, arithmetic(node, *sizes, data));
  } else {
    const Tensor* operand = data(node.input(0));
    if (operand == nullptr) return Maybe();
    switch (method) {
      case Method::kReshape: {
        if (element_count(*sizes) != operand->numel()) return Maybe();
        PTE_TRY(const Tensor dense, operand->contiguous());
        result = dense.with_layout(*sizes, contiguous_strides(*sizes));
        break;
      }
      case Method::kPermute: {
        const auto dims = node.arg(1).integers();
        if (!dims.has_value()) return Maybe();
        PTE_TRY(result, permuted(*operand, *dims));
        break;
      }
      case Method::kTranspose: {
        PTE_TRY(result, transposed(*operand, node));
        break;
      }
      case Method::kExpand:
        result = expanded(*operand, *sizes);
        break;
      case Method::kSelect: {
        PTE_TRY(result, selected(*operand, node));
        break;
      }
      case Method::kSlice: {
        PTE_TRY(result, sliced(*operand, node));
        break;
      }
      case Method::kCopy: {
        PTE_TRY(result, convert(*operand, type.dtype));
        break;
      }
      case Method::kNegate: {
        PTE_TRY(result, negated(*operand));
        break;
      }
      default:
        return Maybe();
    }
  }
  if (!result.has_value() || result->sizes() != *sizes || result->dtype() != type.dtype) {
    return Maybe();
  }
  PTE_TRY(Tensor dense, made_dense(*result));
  return Maybe(std::move(dense));
}

}  // namespace pte::passes
