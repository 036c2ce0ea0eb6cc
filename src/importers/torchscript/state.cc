#include "importers/torchscript/state.h"

namespace pte::importers::script {
namespace {

constexpr DType kNumberTypes[] = {DType::kInt64, DType::kFloat64, DType::kBool};

std::optional<Number::Kind> plain_number(const Value& value) {
  if (value.get<bool>() != nullptr) return Number::Kind::kBool;
  if (value.get<int64_t>() != nullptr) return Number::Kind::kInt;
  if (value.get<double>() != nullptr) return Number::Kind::kFloat;
  return std::nullopt;
}

Form number_form(Number::Kind kind) {
  Form form;
  form.kind = Form::Kind::kNumber;
  form.number = kind;
  form.type = ir::TensorType::of(kNumberTypes[static_cast<size_t>(kind)], {});
  return form;
}

// The number as a tensor of one element.
Result<Tensor> tensor_of(const Value& number, DType dtype) {
  PTE_TRY(Tensor made, Tensor::zeros(dtype, {}));
  if (dtype == DType::kInt64) *made.mutable_data_as<int64_t>() = number.integer().value_or(0);
  if (dtype == DType::kFloat64) *made.mutable_data_as<double>() = number.number().value_or(0);
  if (dtype == DType::kBool) *made.mutable_data_as<bool>() = number.integer().value_or(0) != 0;
  return made;
}

}  // namespace

Result<Form> form_of(Evaluator& evaluator, const Value& value, int depth) {
  if (depth > kMaxValueDepth) return unsupported("values nested that deep");
  Form form;
  if (const TensorPtr cell = value.tensor()) {
    form.kind = Form::Kind::kTensor;
    if (cell->quantization) return unsupported("a quantized tensor as state");
    PTE_TRY(form.type, evaluator.type_of(cell));
    // A buffer has one size, and lies in rows.
    const auto sizes = form.type.static_sizes();
    if (!sizes) return unsupported("a tensor of open sizes, {}", ir::to_string(form.type));
    form.type = ir::TensorType::of(form.type.dtype, ir::to_sym(*sizes));
    return form;
  }
  if (const auto* number = value.get<Number>()) return number_form(number->kind);
  if (const Values* items = value.items()) {
    form.kind = value.list() ? Form::Kind::kList : Form::Kind::kTuple;
    if (value.tuple()) form.named = value.tuple()->named;
    for (const Value& item : *items) {
      PTE_TRY(Form made, form_of(evaluator, item, depth + 1));
      form.items.push_back(std::move(made));
    }
    return form;
  }
  if (const auto dict = value.dict()) {
    form.kind = Form::Kind::kDict;
    for (const auto& [key, item] : dict->entries) {
      PTE_TRY(Form made, form_of(evaluator, item, depth + 1));
      form.keys.push_back(key);
      form.items.push_back(std::move(made));
    }
    return form;
  }
  if (const auto* poison = value.get<Poison>()) {
    if (poison->reason) return *poison->reason;
    return unsupported("the result of an operator that is not supported");
  }
  form.kind = value.object() ? Form::Kind::kObject : Form::Kind::kPlain;
  form.plain = value;
  return form;
}

bool same_form(const Form& a, const Form& b, int depth) {
  if (depth > kMaxValueDepth || a.kind != b.kind || a.items.size() != b.items.size()) return false;
  switch (a.kind) {
    case Form::Kind::kTensor:
      return a.type.dtype == b.type.dtype && a.type.sizes == b.type.sizes;
    case Form::Kind::kNumber:
      return a.number == b.number;
    case Form::Kind::kPlain:
    case Form::Kind::kObject:
      return a.plain.v.index() == b.plain.v.index() && equal(a.plain, b.plain).value_or(false);
    case Form::Kind::kList:
    case Form::Kind::kTuple:
    case Form::Kind::kDict:
      break;
  }
  for (size_t i = 0; i < a.keys.size(); ++i) {
    if (!equal(a.keys[i], b.keys[i]).value_or(false)) return false;
  }
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!same_form(a.items[i], b.items[i], depth + 1)) return false;
  }
  return true;
}

std::string describe(const Form& form) {
  switch (form.kind) {
    case Form::Kind::kTensor:
      return ir::to_string(form.type);
    case Form::Kind::kNumber:
      return "a number that depends on the input";
    case Form::Kind::kPlain:
    case Form::Kind::kObject:
      return python_text(form.plain, true);
    case Form::Kind::kList:
    case Form::Kind::kTuple:
    case Form::Kind::kDict:
      break;
  }
  std::string text = fmt::format("{} of {}",
                                 form.kind == Form::Kind::kList    ? "a list"
                                 : form.kind == Form::Kind::kTuple ? "a tuple"
                                                                   : "a dictionary",
                                 form.items.size());
  if (!form.items.empty()) text += ", first " + describe(form.items[0]);
  return text;
}

std::optional<Form> opened(const Form& before, const Form& after, const Form& later, int depth) {
  if (depth > kMaxValueDepth) return std::nullopt;
  if (same_form(after, later)) return before;
  if (before.kind != after.kind || after.kind != later.kind) return std::nullopt;
  if (after.kind == Form::Kind::kPlain) {
    const auto first = plain_number(before.plain), second = plain_number(after.plain),
               third = plain_number(later.plain);
    if (!first || first != second || second != third) return std::nullopt;
    Form open = number_form(*first);
    open.plain = before.plain;
    return open;
  }
  if (after.items.empty() || before.items.size() != after.items.size() ||
      after.items.size() != later.items.size()) {
    return std::nullopt;
  }
  Form open = before;
  for (size_t i = 0; i < open.items.size(); ++i) {
    auto item = opened(before.items[i], after.items[i], later.items[i], depth + 1);
    if (!item) return std::nullopt;
    open.items[i] = std::move(*item);
  }
  return open;
}

Result<Value> value_of_form(Evaluator& evaluator, const ir::Module& module, const Form& form,
                            const std::string& key, std::vector<Leaf>& leaves) {
  const auto items = [&]() -> Result<Values> {
    Values made;
    for (size_t i = 0; i < form.items.size(); ++i) {
      PTE_TRY(Value item, value_of_form(evaluator, module, form.items[i],
                                        fmt::format("{}.{}", key, i), leaves));
      made.push_back(std::move(item));
    }
    return made;
  };
  switch (form.kind) {
    case Form::Kind::kPlain:
    case Form::Kind::kObject:
      return form.plain;
    case Form::Kind::kTensor:
    case Form::Kind::kNumber: {
      Tensor data;
      if (form.kind == Form::Kind::kNumber) {
        PTE_TRY(data, tensor_of(form.plain, form.type.dtype));
      } else if (const auto held = module.constants.find(form.constant);
                 !form.constant.empty() && held != module.constants.end()) {
        PTE_TRY(data, held->second.data.contiguous());
      } else {
        PTE_TRY(data, Tensor::zeros(form.type.dtype, *form.type.static_sizes()));
      }
      const TensorPtr cell =
          evaluator.add_constant(key, std::move(data), ir::Constant::Kind::kBuffer);
      leaves.push_back({key, cell, &form});
      if (form.kind == Form::Kind::kTensor) return Value(cell);
      Number number;
      number.kind = form.number;
      number.tensor = cell;
      return Value(std::move(number));
    }
    case Form::Kind::kList: {
      PTE_TRY(Values made, items());
      return Value::list(std::move(made));
    }
    case Form::Kind::kTuple: {
      PTE_TRY(Values made, items());
      return Value::tuple(std::move(made), form.named);
    }
    case Form::Kind::kDict: {
      PTE_TRY(const Values made, items());
      auto dict = std::make_shared<Dict>();
      for (size_t i = 0; i < made.size(); ++i) dict->entries.emplace_back(form.keys[i], made[i]);
      return Value(std::move(dict));
    }
  }
  return Value();
}

Status collect_leaves(Evaluator& evaluator, const Form& form, const Value& value,
                      std::vector<TensorPtr>& out) {
  if (form.kind == Form::Kind::kTensor) {
    if (!value.tensor()) return internal_error("an attribute is no tensor any more");
    out.push_back(value.tensor());
    return {};
  }
  if (form.kind == Form::Kind::kNumber) {
    PTE_TRY(TensorPtr cell, evaluator.number_tensor(value, form.number));
    out.push_back(std::move(cell));
    return {};
  }
  if (const Values* items = value.items(); items != nullptr && form.items.size() == items->size()) {
    for (size_t i = 0; i < items->size(); ++i)
      PTE_CHECK(collect_leaves(evaluator, form.items[i], (*items)[i], out));
  } else if (const auto dict = value.dict(); dict && dict->entries.size() == form.items.size()) {
    for (size_t i = 0; i < form.items.size(); ++i)
      PTE_CHECK(collect_leaves(evaluator, form.items[i], dict->entries[i].second, out));
  }
  return {};
}

}  // namespace pte::importers::script
