#include "importers/onnx/small.h"

#include <algorithm>

namespace pte::importers::onnx {

using ir::Arg;

std::optional<Small> Small::of(const Tensor& tensor) {
  if (tensor.numel() > kMaxSmall || !tensor.has_data()) return std::nullopt;
  const auto dense = tensor.contiguous();
  if (!dense) return std::nullopt;
  Small small{tensor.dtype(), tensor.sizes(), {}};
  const bool known = dispatch(tensor.dtype(), [&]<typename T>(T) {
    const T* data = dense->data_as<T>();
    for (int64_t i = 0; i < dense->numel(); ++i) {
      if constexpr (std::is_integral_v<T>) {
        small.v.emplace_back(static_cast<int64_t>(data[i]));
      } else {
        small.v.emplace_back(static_cast<double>(data[i]));
      }
    }
  });
  if (!known) return std::nullopt;
  return small;
}

Small Small::ints(const std::vector<int64_t>& values, bool scalar) {
  Small small{DType::kInt64, {}, {}};
  if (!scalar) small.sizes = {static_cast<int64_t>(values.size())};
  for (const int64_t value : values) small.v.emplace_back(value);
  return small;
}

std::optional<std::vector<int64_t>> Small::integers() const {
  std::vector<int64_t> out;
  for (const Elem& item : v) {
    const auto* number = std::get_if<int64_t>(&item);
    if (number == nullptr) return std::nullopt;
    out.push_back(*number);
  }
  return out;
}

std::optional<std::vector<double>> Small::numbers() const {
  std::vector<double> out;
  for (const Elem& item : v) {
    if (const auto* integer = std::get_if<int64_t>(&item)) {
      out.push_back(static_cast<double>(*integer));
    } else if (const auto* real = std::get_if<double>(&item)) {
      out.push_back(*real);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

bool Small::constant() const {
  return std::none_of(v.begin(), v.end(),
                      [](const Elem& item) { return std::holds_alternative<ir::Value*>(item); });
}

namespace {

Arg arg_of(const Elem& item) {
  if (const auto* integer = std::get_if<int64_t>(&item)) return Arg(*integer);
  if (const auto* real = std::get_if<double>(&item)) return Arg(*real);
  return Arg(std::get<ir::Value*>(item));
}

}  // namespace

std::vector<Arg> Small::args() const {
  std::vector<Arg> out;
  for (const Elem& item : v) out.push_back(arg_of(item));
  return out;
}

std::optional<Tensor> Small::tensor() const {
  if (!constant()) return std::nullopt;
  auto out = Tensor::zeros(dtype, sizes);
  if (!out) return std::nullopt;
  const bool known = dispatch(dtype, [&]<typename T>(T) {
    T* data = out->mutable_data_as<T>();
    for (size_t i = 0; i < v.size(); ++i) {
      if (const auto* integer = std::get_if<int64_t>(&v[i])) {
        if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
          data[i] = T(static_cast<float>(*integer));
        } else {
          data[i] = static_cast<T>(*integer);
        }
      } else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        data[i] = T(static_cast<float>(std::get<double>(v[i])));
      } else if constexpr (std::is_floating_point_v<T>) {
        data[i] = static_cast<T>(std::get<double>(v[i]));
      }
    }
  });
  if (!known) return std::nullopt;
  return std::move(*out);
}

Ex materialise(Emitter& e, const Small& small, std::string_view name) {
  if (auto tensor = small.tensor()) return e.constant(std::string(name), std::move(*tensor));
  std::vector<Ex> parts;
  for (const Elem& item : small.v) {
    parts.push_back(e.call(Op::aten_scalar_tensor, {arg_of(item), small.dtype}));
  }
  if (small.sizes.empty()) return parts[0];
  std::vector<Arg> sizes;
  for (const int64_t size : small.sizes) sizes.emplace_back(size);
  const Ex flat = e.stack(parts, 0);
  return small.sizes.size() == 1 ? flat : flat.view(std::move(sizes));
}

}  // namespace pte::importers::onnx
