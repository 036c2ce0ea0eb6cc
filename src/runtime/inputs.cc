#include "runtime/inputs.h"

#include <fmt/ranges.h>

#include <cmath>

#include "program/quote.h"
#include "runtime/delegate.h"
#include "runtime/method.h"

namespace pte::runtime {
namespace {

using program::quote;
using program::TensorValue;

std::string fixed_text(const program::Value& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return text_of(EValue(*integer));
  if (const auto* real = std::get_if<double>(&value)) return text_of(EValue(*real));
  if (const auto* flag = std::get_if<bool>(&value)) return text_of(EValue(*flag));
  if (const auto* text = std::get_if<std::string>(&value)) return text_of(EValue(*text));
  return std::string(program::kind_name(value));
}

// Numbers are fixed at export; a float may have lost digits on its way through a command line.
bool same_constant(const program::Value& expected, const EValue& given) {
  const auto* a = std::get_if<double>(&expected);
  const auto* b = given.get<double>();
  if (a != nullptr && b != nullptr) {
    constexpr double kAbsolute = 1e-4;
    constexpr double kRelative = 1e-5;
    return *a == *b || std::abs(*a - *b) <= kAbsolute + kRelative * std::abs(*b) ||
           (std::isnan(*a) && std::isnan(*b));
  }
  if (const auto* integer = std::get_if<int64_t>(&expected)) {
    return given.is<int64_t>() && *given.get<int64_t>() == *integer;
  }
  if (const auto* flag = std::get_if<bool>(&expected))
    return given.is<bool>() && *given.get<bool>() == *flag;
  if (const auto* text = std::get_if<std::string>(&expected)) {
    return given.is<std::string>() && *given.get<std::string>() == *text;
  }
  // The official exporter writes None for a text that it baked in.
  return std::holds_alternative<program::Null>(expected) &&
         (given.is_none() || given.is<std::string>());
}

bool sizes_fit(const TensorValue& planned, const Sizes& sizes) {
  const Sizes& most = planned.sizes;
  if (planned.dynamism == program::Dynamism::kDynamicUnbound) return sizes.size() == most.size();
  if (planned.dynamism == program::Dynamism::kStatic || sizes.size() != most.size()) {
    return sizes == most;
  }
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] > most[i]) return false;
  }
  return true;
}

std::string hint_for(const TensorValue& info, const Tensor& given) {
  Sizes with_batch = given.sizes();
  with_batch.insert(with_batch.begin(), 1);
  if (given.dtype() == info.dtype && sizes_fit(info, with_batch)) {
    return "the batch dimension is missing; --unsqueeze adds it";
  }
  if (given.dtype() != info.dtype && sizes_fit(info, given.sizes())) {
    return fmt::format("convert the values to {}", dtype_name(info.dtype));
  }
  const Sizes& want = info.sizes;
  const Sizes& have = given.sizes();
  if (want.size() == 4 && have.size() == 4 && info.dynamism == program::Dynamism::kStatic &&
      Sizes{have[0], have[3], have[1], have[2]} == want) {
    return "channels come last here; they are expected second";
  }
  return {};
}

}  // namespace

std::string text_of(const EValue& value) {
  if (const auto* tensor = value.get<Tensor>()) return tensor->describe();
  if (const auto* integer = value.get<int64_t>()) return fmt::format("Int {}", *integer);
  if (const auto* real = value.get<double>()) return fmt::format("Double {}", *real);
  if (const auto* flag = value.get<bool>()) return fmt::format("Bool {}", *flag);
  if (const auto* text = value.get<std::string>()) return fmt::format("String {}", quote(*text));
  return std::string(value.kind());
}

Status check_input(const program::Value& planned, std::string_view where, const EValue& value) {
  if (!std::holds_alternative<TensorValue>(planned)) {
    if (same_constant(planned, value)) return {};
    return make_error(Code::kMismatch, "{} was fixed at export as {}, got {}", where,
                      fixed_text(planned), text_of(value));
  }
  const auto& tensor = std::get<TensorValue>(planned);
  const auto* given = value.get<Tensor>();
  if (given == nullptr || given->dtype() != tensor.dtype || !sizes_fit(tensor, given->sizes())) {
    Error error = make_error(Code::kMismatch, "{} expects {}, got {}", where,
                             describe_value(planned).describe(), text_of(value));
    if (given != nullptr) error.hint = hint_for(tensor, *given);
    return error;
  }
  if (!given->has_data()) return invalid_argument("{} has no memory", where);
  return {};
}

Result<Tensor> external_tensor(const TensorValue& tensor, const program::DataMap* data) {
  const program::DataEntry* entry = data == nullptr ? nullptr : data->find(tensor.name);
  if (entry == nullptr) return missing_data(tensor.name, data != nullptr);
  if (!entry->layout) {
    return make_error(Code::kMismatch, "{} has no tensor layout in its .ptd file, expected {}",
                      quote(tensor.name), describe(tensor.dtype, tensor.sizes));
  }
  const program::TensorLayout& layout = *entry->layout;
  const Strides strides = strides_of(layout.sizes, layout.dim_order);
  Tensor found = Tensor::view(layout.dtype, layout.sizes, strides, entry->data.bytes.data(),
                              entry->data.owner);
  // Orders may differ in the places of dimensions of size 1.
  if (layout.dtype != tensor.dtype || layout.sizes != tensor.sizes ||
      !found.is_dense_in(tensor.dim_order)) {
    return make_error(Code::kMismatch,
                      "{} is {} with dim order [{}] in its .ptd file, expected "
                      "{} with [{}]",
                      quote(tensor.name), found.describe(), fmt::join(layout.dim_order, ","),
                      describe(tensor.dtype, tensor.sizes), fmt::join(tensor.dim_order, ","));
  }
  return found;
}

Status check_data_keys(const program::Program& program, const program::DataMap* data) {
  if (data == nullptr || data->empty()) return {};
  for (const program::NamedData& entry : program.named_data) {
    if (data->find(entry.key) == nullptr) continue;
    return make_error(Code::kMismatch, "the key {} is both in the program and in a .ptd file",
                      quote(entry.key));
  }
  return {};
}

}  // namespace pte::runtime
