#include "program/program.h"

#include <algorithm>

namespace pte::program {

Blob Blob::copy(Bytes bytes) {
  auto memory = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  Blob blob;
  blob.bytes = *memory;
  blob.owner = std::move(memory);
  return blob;
}

Blob Blob::of(const Tensor& tensor) {
  Blob blob;
  blob.bytes = tensor.bytes();
  blob.owner = tensor.owner();
  return blob;
}

std::string_view kind_name(const Value& value) {
  static constexpr std::string_view kNames[] = {"None",
                                                "Int",
                                                "Bool",
                                                "Double",
                                                "Tensor",
                                                "String",
                                                "IntList",
                                                "DoubleList",
                                                "BoolList",
                                                "TensorList",
                                                "OptionalTensorList"};
  static_assert(std::size(kNames) == std::variant_size_v<Value>);
  return kNames[value.index()];
}

const Method* Program::find_method(std::string_view name) const {
  const auto found = std::find_if(methods.begin(), methods.end(),
                                  [&](const Method& method) { return method.name == name; });
  return found == methods.end() ? nullptr : &*found;
}

const Blob* Program::find_named_data(std::string_view key) const {
  const auto found = std::find_if(named_data.begin(), named_data.end(),
                                  [&](const NamedData& entry) { return entry.key == key; });
  return found == named_data.end() ? nullptr : &found->data;
}

}  // namespace pte::program
