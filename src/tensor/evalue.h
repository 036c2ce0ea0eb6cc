// The values that a program's instructions read and write, named as ExecuTorch names them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace pte {

struct EValue {
  using Variant = std::variant<std::monostate, Tensor, int64_t, double, bool, std::string,
                               std::vector<int64_t>, std::vector<double>, std::vector<bool>,
                               std::vector<Tensor>, std::vector<std::optional<Tensor>>>;
  Variant v;

  EValue() = default;
  template <typename T>
  requires(!std::is_same_v<std::remove_cvref_t<T>, EValue> && std::is_constructible_v<Variant, T&&>)
      EValue(T&& value)
      : v(std::forward<T>(value)) {}  // NOLINT

  bool is_none() const { return std::holds_alternative<std::monostate>(v); }
  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(v);
  }
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&v);
  }
  template <typename T>
  T* get() {
    return std::get_if<T>(&v);
  }

  // "Tensor", "Int", "IntList" …, for messages.
  std::string_view kind() const {
    static constexpr std::string_view kNames[] = {"None",
                                                  "Tensor",
                                                  "Int",
                                                  "Double",
                                                  "Bool",
                                                  "String",
                                                  "IntList",
                                                  "DoubleList",
                                                  "BoolList",
                                                  "TensorList",
                                                  "OptionalTensorList"};
    return kNames[v.index()];
  }
};

}  // namespace pte
