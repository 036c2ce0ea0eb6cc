// Rows of a table: embeddings, and bags of them.
#include <cmath>
#include <cstring>

#include "kernels/lookup/lookup.h"

namespace pte::kernels {

Status check_indices(const Call& call, size_t arg) {
  const Tensor& indices = call.tensor(arg);
  if (indices.dtype() == DType::kInt64 || indices.dtype() == DType::kInt32) return {};
  return call.invalid("{} are {}, expected int64 or int32", call.op().args[arg].name,
                      dtype_name(indices.dtype()));
}

Result<Tensor> places_of(const Call& call, size_t arg, int64_t rows) {
  PTE_CHECK(check_indices(call, arg));
  PTE_TRY(Tensor places, dense_as<int64_t>(call, call.tensor(arg)));
  const int64_t* const place = places.data_as<int64_t>();
  for (int64_t i = 0; i < places.numel(); ++i) {
    if (place[i] < 0 || place[i] >= rows) {
      return call.invalid("index {} is out of range for {} rows", place[i], rows);
    }
  }
  return places;
}

namespace {

double norm_of(const double* row, int64_t width, double order) {
  double sum = 0;
  for (int64_t k = 0; k < width; ++k) {
    const double size = std::abs(row[k]);
    if (std::isinf(order)) {
      sum = k == 0 || std::isnan(size) || (order > 0 ? size > sum : size < sum) ? size : sum;
    } else if (order == 0) {
      sum += size != 0 ? 1 : 0;
    } else {
      sum += order == 2 ? size * size : std::pow(size, order);
    }
  }
  if (order == 0 || std::isinf(order)) return sum;
  return order == 2 ? std::sqrt(sum) : std::pow(sum, 1 / order);
}

}  // namespace

// Rows of any element type, copied as they lie.
Status embedding(Call& call) {
  const Tensor& weight = call.tensor(0);
  Tensor& out = call.out();
  if (weight.rank() != 2) return call.invalid("weight {} is no matrix", weight.describe());
  if (out.dtype() != weight.dtype()) {
    return call.invalid("weight {} does not fit the result {}", weight.describe(), out.describe());
  }
  PTE_TRY(const Tensor places, places_of(call, 1, weight.size(0)));
  Sizes sizes = call.tensor(1).sizes();
  sizes.push_back(weight.size(1));
  PTE_CHECK(resize_out(call, out, sizes));
  if (out.numel() == 0) return {};
  PTE_TRY(const Tensor table, weight.contiguous());
  const size_t row = static_cast<size_t>(weight.size(1)) * size_of(weight.dtype());
  const bool direct = out.is_contiguous();
  Tensor copy;
  if (!direct) {
    PTE_TRY(copy, Tensor::zeros(out.dtype(), sizes));
  }
  std::byte* const target = direct ? out.mutable_data() : copy.mutable_data();
  const int64_t* const place = places.data_as<int64_t>();
  for (int64_t i = 0; i < places.numel(); ++i) {
    std::memcpy(target + static_cast<size_t>(i) * row,
                table.data() + static_cast<size_t>(place[i]) * row, row);
  }
  return direct ? Status{} : copy_converting(call, copy, out);
}

// Rows that indices name are made no longer than max_norm, others left as they are.
Status embedding_renorm(Call& call) {
  const Tensor& self = call.tensor(0);
  const double most = call.real(2);
  const double order = call.real(3);
  if (self.rank() != 2) return call.invalid("self {} is no matrix", self.describe());
  if (!is_floating(self.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(self.dtype()));
  }
  PTE_CHECK(check_out_type(call, self.dtype(), call.out()));
  PTE_TRY(const Tensor places, places_of(call, 1, self.size(0)));
  PTE_TRY(const Tensor dense, dense_as<double>(call, self));
  PTE_CHECK(resize_out(call, call.out(), self.sizes()));
  PTE_TRY(auto out, DenseOut<double>::make(call, call.out()));
  const int64_t width = self.size(1);
  if (out.data() != dense.data_as<double>()) {
    std::copy_n(dense.data_as<double>(), dense.numel(), out.data());
  }
  std::vector<bool> done(static_cast<size_t>(self.size(0)), false);
  for (int64_t i = 0; i < places.numel(); ++i) {
    const int64_t place = places.data_as<int64_t>()[i];
    if (done[static_cast<size_t>(place)]) continue;
    done[static_cast<size_t>(place)] = true;
    double* const row = out.data() + place * width;
    const double norm = norm_of(row, width, order);
    if (!(norm > most)) continue;
    const double scale = most / (norm + 1e-7);
    for (int64_t k = 0; k < width; ++k) row[k] *= scale;
  }
  return out.commit(call);
}

namespace {

enum class Mode { kSum = 0, kMean = 1, kMax = 2 };

struct Bags {
  Mode mode = Mode::kSum;
  int64_t count = 0;
  std::vector<int64_t> begins;  // one more than bags
  Tensor places;
  std::vector<double> weights;  // empty: none
  int64_t padding = -1;         // a row that does not count; none when negative
};

Result<Bags> bags_of(const Call& call) {
  const Tensor& weight = call.tensor(0);
  const Tensor& indices = call.tensor(1);
  const Tensor& offsets = call.tensor(2);
  const Tensor* weights = call.optional_tensor(6);
  const bool last = call.boolean(7);
  Bags bags;
  if (weight.rank() != 2 || indices.rank() != 1 || offsets.rank() != 1) {
    return call.invalid("weight {}, indices {} and offsets {} are not a matrix and two vectors",
                        weight.describe(), indices.describe(), offsets.describe());
  }
  if (!is_floating(weight.dtype())) {
    return call.not_supported("operands of type {}", dtype_name(weight.dtype()));
  }
  const int64_t mode = call.integer(4);
  if (mode < 0 || mode > 2) return call.invalid("mode {} is not 0, 1 or 2", mode);
  bags.mode = static_cast<Mode>(mode);
  PTE_TRY(bags.places, places_of(call, 1, weight.size(0)));
  PTE_CHECK(check_indices(call, 2));
  PTE_TRY(const Tensor begins, dense_as<int64_t>(call, offsets));
  bags.begins.assign(begins.data_as<int64_t>(), begins.data_as<int64_t>() + begins.numel());
  if (last && bags.begins.empty()) return call.invalid("offsets lack the last one");
  if (!last) bags.begins.push_back(indices.numel());
  bags.count = static_cast<int64_t>(bags.begins.size()) - 1;
  if (bags.begins[0] != 0 && bags.count > 0) {
    return call.invalid("offsets begin with {}, not 0", bags.begins[0]);
  }
  for (size_t i = 0; i < bags.begins.size(); ++i) {
    const int64_t least = i == 0 ? 0 : bags.begins[i - 1];
    if (bags.begins[i] < least || bags.begins[i] > indices.numel()) {
      return call.invalid("offset {} is not between {} and {}", bags.begins[i], least,
                          indices.numel());
    }
  }
  bags.padding = call.integer(8);
  if (weights != nullptr) {
    if (bags.mode != Mode::kSum || weights->sizes() != indices.sizes() ||
        weights->dtype() != weight.dtype()) {
      return call.invalid("per_sample_weights {} do not fit indices {} in mode sum",
                          weights->describe(), indices.describe());
    }
    PTE_TRY(const Tensor dense, dense_as<double>(call, *weights));
    bags.weights.assign(dense.data_as<double>(), dense.data_as<double>() + dense.numel());
  }
  return bags;
}

Status store(const Call& call, size_t result, const Sizes& sizes,
             const std::vector<int64_t>& values) {
  Tensor& out = call.out(result);
  if (!is_integer(out.dtype())) {
    return call.invalid("result {} is {}, expected int64", result, dtype_name(out.dtype()));
  }
  PTE_CHECK(resize_out(call, out, sizes));
  if (values.empty()) return {};
  PTE_TRY(DenseOut<int64_t> dense, DenseOut<int64_t>::make(call, out));
  std::copy(values.begin(), values.end(), dense.data());
  return dense.commit(call);
}

}  // namespace

Status embedding_bag(Call& call) {
  const Tensor& weight = call.tensor(0);
  PTE_TRY(const Bags bags, bags_of(call));
  const int64_t columns = weight.size(1);
  PTE_CHECK(check_out_type(call, weight.dtype(), call.out()));
  PTE_CHECK(resize_out(call, call.out(), {bags.count, columns}));
  const bool maxima = bags.mode == Mode::kMax;
  // The bag of each index, the size of each bag, and where each maximum came from.
  std::vector<int64_t> bag_of_index(static_cast<size_t>(bags.places.numel()), 0);
  std::vector<int64_t> bag_size(static_cast<size_t>(bags.count), 0);
  std::vector<int64_t> max_index;
  if (maxima) max_index.assign(static_cast<size_t>(call.out().numel()), 0);
  PTE_TRY(const Tensor table, dense_as<double>(call, weight));
  PTE_TRY(DenseOut<double> out, DenseOut<double>::make(call, call.out()));
  const int64_t* const place = bags.places.data_as<int64_t>();
  for (int64_t bag = 0; bag < bags.count; ++bag) {
    double* const to = out.data() + bag * columns;
    std::fill_n(to, columns, 0.0);
    const auto at = static_cast<size_t>(bag);
    int64_t taken = 0;
    for (int64_t i = bags.begins[at]; i < bags.begins[at + 1]; ++i) {
      bag_of_index[static_cast<size_t>(i)] = bag;
      if (place[i] == bags.padding) continue;
      const double* from = table.data_as<double>() + place[i] * columns;
      const double factor = bags.weights.empty() ? 1 : bags.weights[static_cast<size_t>(i)];
      for (int64_t c = 0; c < columns; ++c) {
        if (bags.mode != Mode::kMax) {
          to[c] += factor * from[c];
        } else if (taken == 0 || from[c] > to[c]) {
          to[c] = from[c];
          max_index[static_cast<size_t>(bag * columns + c)] = place[i];
        }
      }
      ++taken;
    }
    bag_size[at] = taken;
    if (bags.mode == Mode::kMean && taken > 0) {
      for (int64_t c = 0; c < columns; ++c) to[c] /= static_cast<double>(taken);
    }
  }
  PTE_CHECK(out.commit(call));
  // PyTorch's sums do not record sizes, and where it can sum at once, no bags.
  if (bags.mode == Mode::kSum) {
    std::fill(bag_size.begin(), bag_size.end(), 0);
    const bool at_once =
        weight.dtype() != DType::kFloat64 && weight.strides()[1] == 1 && bags.padding < 0;
    if (at_once) bag_of_index.clear();
  }
  PTE_CHECK(store(call, 1, {static_cast<int64_t>(bag_of_index.size())}, bag_of_index));
  PTE_CHECK(store(call, 2, {bags.count}, bag_size));
  return maxima ? store(call, 3, {bags.count, columns}, max_index)
                : store(call, 3, {bags.count}, bag_size);
}

}  // namespace pte::kernels
