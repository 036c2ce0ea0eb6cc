#include "vision/classify.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace pte::vision {
namespace {

Result<std::vector<float>> read_scores(const Tensor& output) {
  if (!is_floating(output.dtype()))
    return make_error(Code::kMismatch,
                      "the model's output is {}; a classifier gives floating-point scores",
                      output.describe());
  const auto largest = std::max_element(output.sizes().begin(), output.sizes().end());
  const int64_t classes = largest == output.sizes().end() ? 1 : *largest;
  if (classes < 1 || output.numel() != classes)
    return make_error(Code::kMismatch,
                      "the model's output is {}; a classifier of one picture gives [1,classes]",
                      output.describe());
  PTE_TRY(const Tensor dense, output.contiguous());
  std::vector<float> scores(static_cast<size_t>(classes));
  const bool known = dispatch(dense.dtype(), [&]<typename T>(T) {
    const T* values = dense.data_as<T>();
    for (size_t i = 0; i < scores.size(); ++i) scores[i] = static_cast<float>(values[i]);
  });
  if (!known) return unsupported("scores of type {} cannot be ranked", dtype_name(output.dtype()));
  return scores;
}

}  // namespace

Result<std::vector<float>> softmax(std::span<const float> logits) {
  if (logits.empty()) return invalid_data("there are no scores");
  double top = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i]) || logits[i] == std::numeric_limits<float>::infinity())
      return invalid_data("the score of class {} is {}", i, logits[i]);
    top = std::max(top, static_cast<double>(logits[i]));
  }
  if (std::isinf(top)) return invalid_data("every score is -inf");
  std::vector<double> powers(logits.size());
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i)
    total += powers[i] = std::exp(static_cast<double>(logits[i]) - top);
  std::vector<float> result(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) result[i] = static_cast<float>(powers[i] / total);
  return result;
}

std::vector<int64_t> top_k(std::span<const float> values, int64_t k) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::clamp<int64_t>(k, 0, static_cast<int64_t>(values.size()));
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t a, int64_t b) {
    const float left = values[static_cast<size_t>(a)];
    const float right = values[static_cast<size_t>(b)];
    return left != right ? left > right : a < b;
  });
  order.resize(static_cast<size_t>(count));
  return order;
}

Result<std::vector<Prediction>> classify(const Tensor& output, const Metadata& metadata,
                                         int64_t k) {
  PTE_TRY(std::vector<float> scores, read_scores(output));
  if (!metadata.labels.empty() && metadata.labels.size() != scores.size())
    return make_error(Code::kMismatch, "the model gives {} scores but has {} labels", scores.size(),
                      metadata.labels.size());
  std::vector<float> probabilities;
  if (metadata.output == Metadata::Output::kLogits) {
    PTE_TRY(probabilities, softmax(scores));
  } else {
    for (size_t i = 0; i < scores.size(); ++i)
      if (std::isnan(scores[i])) return invalid_data("the score of class {} is nan", i);
    probabilities = scores;
  }
  std::vector<Prediction> predictions;
  // By score: rounding may make equal probabilities of unequal scores.
  for (const int64_t index : top_k(scores, k)) {
    const auto i = static_cast<size_t>(index);
    predictions.push_back(
        {index, probabilities[i],
         metadata.labels.empty() ? fmt::format("class {}", index) : metadata.labels[i]});
  }
  return predictions;
}

}  // namespace pte::vision
