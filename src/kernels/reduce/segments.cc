// Sums, means, products and extremes of a dimension's segments, which follow one another.
#include <cmath>
#include <limits>

#include "kernels/common/dense.h"
#include "kernels/reduce/reduce.h"

namespace pte::kernels {
namespace {

enum class Reduce { kSum, kMean, kMax, kMin, kProd };

Result<Reduce> reduce_argument(const Call& call) {
  const std::string& name = *call.optional_text(1);
  if (name == "sum") return Reduce::kSum;
  if (name == "mean") return Reduce::kMean;
  if (name == "max") return Reduce::kMax;
  if (name == "min") return Reduce::kMin;
  if (name == "prod") return Reduce::kProd;
  return call.invalid("reduce is '{}', expected 'sum', 'mean', 'max', 'min' or 'prod'", name);
}

double start_of(Reduce reduce) {
  switch (reduce) {
    case Reduce::kMax:
      return -std::numeric_limits<double>::infinity();
    case Reduce::kMin:
      return std::numeric_limits<double>::infinity();
    case Reduce::kProd:
      return 1;
    default:
      return 0;
  }
}

double combine(Reduce reduce, double sum, double x) {
  switch (reduce) {
    case Reduce::kMax:
      return std::isnan(x) || x > sum ? x : sum;
    case Reduce::kMin:
      return std::isnan(x) || x < sum ? x : sum;
    case Reduce::kProd:
      return sum * x;
    default:
      return sum + x;
  }
}

// Where each segment begins and, last, where the last one ends: one row for each place of the
// dimensions before the axis.
struct Segments {
  int64_t rows = 1;
  int64_t count = 0;
  std::vector<int64_t> bounds;
  int64_t begin(int64_t row, int64_t i) const {
    return bounds[static_cast<size_t>(row * (count + 1) + i)];
  }
};

Result<Segments> segments_of(const Call& call, const Tensor& data, size_t axis) {
  const Tensor* lengths = call.optional_tensor(2);
  const Tensor* given = lengths != nullptr ? lengths : call.optional_tensor(4);
  if (given == nullptr) return call.invalid("needs lengths or offsets");
  const DType dtype = given->dtype();
  if (dtype != DType::kInt32 && dtype != DType::kInt64) {
    return call.invalid("segments are {}, expected int64 or int32", dtype_name(dtype));
  }
  bool fits = given->rank() == axis + 1;
  for (size_t d = 0; fits && d < axis; ++d) fits = given->size(d) == data.size(d);
  if (!fits) {
    return call.invalid("segments {} do not fit dimension {} of {}", given->describe(), axis,
                        data.describe());
  }
  Segments segments;
  segments.count = given->sizes().back() - (lengths != nullptr ? 0 : 1);
  if (segments.count < 0) return call.invalid("offsets are empty");
  // Without a segment there may be more rows than there is time for.
  segments.rows = given->numel() == 0 ? 0 : given->numel() / given->sizes().back();
  PTE_TRY(const Tensor dense, dense_as<int64_t>(call, *given));
  const int64_t* from = dense.data_as<int64_t>();
  const int64_t size = data.size(axis);
  for (int64_t row = 0; row < segments.rows; ++row) {
    int64_t at = 0;
    if (lengths != nullptr) segments.bounds.push_back(0);
    for (int64_t i = 0; i < given->sizes().back(); ++i) {
      const int64_t number = *from++;
      const int64_t next = lengths == nullptr ? number : (number < 0 ? -1 : number);
      // A length may not reach past the end, an offset neither there nor back.
      const bool valid =
          lengths != nullptr ? next >= 0 && next <= size - at : next >= at && next <= size;
      if (!valid) {
        return call.invalid("{} {} is impossible for a dimension of {} elements",
                            lengths != nullptr ? "length" : "offset", number, size);
      }
      at = lengths != nullptr ? at + next : next;
      segments.bounds.push_back(at);
    }
    if (lengths != nullptr && at != size && !call.boolean(6)) {
      return call.invalid("lengths sum to {}, expected {}", at, size);
    }
  }
  return segments;
}

}  // namespace

Status segment_reduce(Call& call) {
  const Tensor& data = call.tensor(0);
  const int64_t axis = call.integer(5);
  PTE_TRY(const Reduce reduce, reduce_argument(call));
  if (!is_floating(data.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(data.dtype()));
  }
  if (axis < 0 || axis >= static_cast<int64_t>(data.rank())) {
    return call.invalid("axis {} is out of range for {}", axis, data.describe());
  }
  const auto dim = static_cast<size_t>(axis);
  const auto initial = call.optional_scalar(7);
  PTE_TRY(const Segments segments, segments_of(call, data, dim));
  Sizes sizes = data.sizes();
  sizes[dim] = segments.count;
  PTE_CHECK(check_out_type(call, data.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), sizes));
  if (call.out().numel() == 0) return {};
  PTE_TRY(const Tensor dense, dense_as<double>(call, data));
  PTE_TRY(auto out, DenseOut<double>::make(call, call.out()));
  int64_t inner = 1;
  for (size_t d = dim + 1; d < data.rank(); ++d) inner *= data.size(d);
  const double* const from = dense.data_as<double>();
  double* to = out.data();
  for (int64_t row = 0; row < segments.rows; ++row) {
    for (int64_t i = 0; i < segments.count; ++i) {
      const int64_t begin = segments.begin(row, i);
      const int64_t end = segments.begin(row, i + 1);
      for (int64_t k = 0; k < inner; ++k) {
        double sum = initial ? initial->as_double() : start_of(reduce);
        for (int64_t at = begin; at < end; ++at) {
          sum = combine(reduce, sum, from[(row * data.size(dim) + at) * inner + k]);
        }
        if (reduce == Reduce::kMean) {
          if (begin == end && !initial) sum = std::numeric_limits<double>::quiet_NaN();
          if (begin < end) sum /= static_cast<double>(end - begin);
        }
        *to++ = sum;
      }
    }
  }
  return out.commit(call);
}

}  // namespace pte::kernels
