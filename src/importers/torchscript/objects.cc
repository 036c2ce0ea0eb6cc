#include "importers/torchscript/objects.h"

#include <algorithm>

namespace pte::importers::script {
namespace {

constexpr uint64_t kMaxPickle = uint64_t{256} << 20;
constexpr int kMaxDepth = 200;

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Tensors lie in the IR as rows or as channels-last; anything else is copied.
Result<Tensor> plain_layout(const Tensor& tensor) {
  if (tensor.is_contiguous()) return tensor.contiguous();
  const DimOrder last = channels_last_dim_order(tensor.rank());
  if (tensor.is_dense_in(last)) {
    Sizes sizes = tensor.sizes();
    Strides strides = strides_of(sizes, last);
    return tensor.with_layout(std::move(sizes), std::move(strides));
  }
  return tensor.contiguous();
}

}  // namespace

Result<Value> ObjectReader::read(const std::string& entry, const std::string& folder,
                                 const std::string& path) {
  const ZipEntry* found = zip_->find_below_top(entry);
  if (found == nullptr) return invalid_data("the archive has no '{}'", entry);
  PTE_TRY(ZipData data, zip_->read(*found, kMaxPickle));
  PTE_TRY(pickle_, Pickle::parse(data.bytes).at(entry));
  held_.push_back(std::move(data));
  pickles_.push_back(pickle_);
  const auto zip = zip_;
  tensors_ = std::make_unique<TensorReader>([zip, folder](std::string_view key) -> Result<Storage> {
    const std::string name = fmt::format("{}/{}", folder, key);
    const ZipEntry* storage = zip->find_below_top(name);
    if (storage == nullptr) return invalid_data("its storage '{}' is not in the file", name);
    PTE_TRY(ZipData bytes, zip->read(*storage, uint64_t{1} << 40));
    return Storage{bytes.bytes, std::move(bytes.owner)};
  });
  made_.clear();
  auto value = convert(pickle_->root(), path, ir::Constant::Kind::kConstant, 0);
  return std::move(value).at(entry);
}

Result<Value> ObjectReader::convert(const PickleValue& value, const std::string& path,
                                    ir::Constant::Kind kind, int depth) {
  if (depth > kMaxDepth)
    return make_error(Code::kResourceLimit, "objects nested more than {} deep", kMaxDepth);
  PTE_CHECK(evaluator_.spend());
  const auto known = made_.find(value.id());
  if (known != made_.end()) return known->second;
  const auto inner = [&](const std::string& name) {
    return path.empty() ? name : path + "." + name;
  };
  switch (value.kind()) {
    case PickleKind::kNone:
      return Value();
    case PickleKind::kBool:
      return Value(value.as_bool().value_or(false));
    case PickleKind::kInt:
      return Value(value.as_int().value_or(0));
    case PickleKind::kFloat:
      return Value(value.as_float().value_or(0));
    case PickleKind::kString:
      PTE_CHECK(evaluator_.spend_memory(static_cast<int64_t>(value.text().size())));
      return Value(std::string(value.text()));
    case PickleKind::kList:
    case PickleKind::kTuple: {
      PTE_CHECK(evaluator_.spend_memory(static_cast<int64_t>(value.size()) + 1));
      Values items;
      for (size_t i = 0; i < value.size(); ++i) {
        PTE_TRY(Value item, convert(value.item(i), inner(std::to_string(i)), kind, depth + 1));
        items.push_back(std::move(item));
      }
      Value made = value.is(PickleKind::kList) ? Value::list(std::move(items))
                                               : Value::tuple(std::move(items));
      made_[value.id()] = made;
      return made;
    }
    case PickleKind::kDict: {
      auto dict = std::make_shared<Dict>();
      for (size_t i = 0; i < value.entry_count(); ++i) {
        PTE_CHECK(evaluator_.spend_memory(1));
        PTE_CHECK(evaluator_.spend(static_cast<int64_t>(i)));
        PTE_TRY(const Value key, convert(value.key(i), path, kind, depth + 1));
        PTE_TRY(Value item, convert(value.value(i), inner(python_text(key)), kind, depth + 1));
        dict->set(key, std::move(item));
      }
      made_[value.id()] = Value(dict);
      return Value(std::move(dict));
    }
    case PickleKind::kObject: {
      PTE_TRY(Value made, convert_object(value, path, kind, depth));
      made_[value.id()] = made;
      return made;
    }
    case PickleKind::kGlobal:
      if (const auto dtype = value.text().starts_with("torch.")
                                 ? parse_dtype(value.text().substr(6))
                                 : std::nullopt) {
        return Value(static_cast<int64_t>(*dtype));
      }
      break;
    default:
      break;
  }
  return Value(Poison{std::make_shared<const Error>(
      unsupported("{}: a value of no known kind", path.empty() ? "the module" : path))});
}

Result<Value> ObjectReader::tensor(const PickleValue& value, const std::string& path,
                                   ir::Constant::Kind kind) {
  auto read = tensors_->read(value);
  if (!read) {
    // A tensor that nothing reads is no reason to refuse the file.
    return Value(Poison{std::make_shared<const Error>(std::move(read.error()).at(path))});
  }
  // Tensors that are the same view of the same storage are one tensor.
  const Tensor& data = *read;
  if (data.numel() > 0) {
    const auto [first, last] = seen_.equal_range(data.data());
    for (auto it = first; it != last; ++it) {
      const Tensor& other = it->second.data;
      if (other.dtype() == data.dtype() && other.sizes() == data.sizes() &&
          other.strides() == data.strides()) {
        return Value(it->second.cell);
      }
    }
  }
  PTE_TRY(Tensor plain, plain_layout(data));
  std::optional<Scalar> number;
  if (kind == ir::Constant::Kind::kConstant && plain.rank() == 0) {
    dispatch(plain.dtype(), [&]<typename T>(T) {
      const T held = *plain.data_as<T>();
      if constexpr (std::is_same_v<T, bool>) {
        number = Scalar(held);
      } else if constexpr (std::is_integral_v<T>) {
        number = Scalar(static_cast<int64_t>(held));
      } else {
        number = Scalar(static_cast<double>(held));
      }
    });
  }
  const DType dtype = plain.dtype();
  const std::string key = path.empty() ? "tensor" : path;
  const TensorPtr cell = evaluator_.add_constant(key, std::move(plain), kind);
  cell->contiguous = data.is_contiguous();
  cell->known = number;
  cell->known_dtype = dtype;
  cell->weak = number && (dtype == DType::kFloat64 || dtype == DType::kInt64);
  seen_.emplace(data.data(), Seen{data, cell});
  keys_[cell.get()] = key;
  return Value(cell);
}

// int8 or uint8 numbers, and how to read them: (torch.per_tensor_affine, scale, zero point) or
// (torch.per_channel_affine, scales, zero points, axis).
Result<Value> ObjectReader::quantized_tensor(const PickleValue& value, const std::string& path) {
  PTE_TRY(const Tensor data, tensors_->read_quantized(value));
  if (data.dtype() == DType::kInt32) return unsupported("a quantized tensor of qint32");
  auto held = std::make_shared<Quantization>();
  held->is_unsigned = data.dtype() == DType::kUInt8;
  const PickleValue how = value.args().item(4);
  const std::string_view scheme = how.item(0).text();
  if (scheme == "torch.per_tensor_affine") {
    const auto scale = how.item(1).as_float();
    const auto zero_point = how.item(2).as_int();
    if (!scale || !zero_point) return invalid_data("its scale is malformed");
    held->scale = *scale;
    held->zero_point = *zero_point;
  } else if (scheme == "torch.per_channel_affine") {
    PTE_TRY(const Tensor scales, tensors_->read(how.item(1)));
    PTE_TRY(const Tensor points, tensors_->read(how.item(2)));
    const auto axis = how.item(3).as_int();
    if (!axis || *axis < 0 || *axis >= static_cast<int64_t>(data.rank()) ||
        scales.dtype() != DType::kFloat64 || points.dtype() != DType::kInt64 ||
        scales.numel() != data.sizes()[static_cast<size_t>(*axis)] ||
        points.numel() != scales.numel()) {
      return invalid_data("its scales are malformed");
    }
    held->axis = *axis;
    PTE_TRY(const Tensor rows, scales.contiguous());
    PTE_TRY(const Tensor zeros, points.contiguous());
    PTE_TRY(Tensor single, Tensor::zeros(DType::kFloat32, {scales.numel()}));
    PTE_TRY(Tensor moved, Tensor::zeros(DType::kInt64, {scales.numel()}));
    for (int64_t i = 0; i < scales.numel(); ++i) {
      single.mutable_data_as<float>()[i] = static_cast<float>(rows.data_as<double>()[i]);
      moved.mutable_data_as<int64_t>()[i] =
          zeros.data_as<int64_t>()[i] - (held->is_unsigned ? 128 : 0);
    }
    const auto constant = ir::Constant::Kind::kParameter;
    held->scales = evaluator_.add_constant(path + ".scales", std::move(single), constant);
    held->zero_points = evaluator_.add_constant(path + ".zero_points", std::move(moved), constant);
  } else {
    return unsupported("a tensor quantized as {}", scheme.substr(0, 60));
  }
  PTE_TRY(Tensor plain, plain_layout(data));
  if (held->is_unsigned) {
    held->zero_point -= 128;
    PTE_TRY(const Tensor rows, plain.contiguous());
    PTE_TRY(Tensor moved, Tensor::zeros(DType::kInt8, rows.sizes()));
    for (int64_t i = 0; i < rows.numel(); ++i)
      moved.mutable_data_as<int8_t>()[i] = static_cast<int8_t>(rows.data_as<uint8_t>()[i] - 128);
    plain = std::move(moved);
  }
  const std::string key = path.empty() ? "tensor" : path;
  const TensorPtr cell =
      evaluator_.add_constant(key, std::move(plain), ir::Constant::Kind::kParameter);
  cell->quantization = std::move(held);
  return Value(cell);
}

Result<Value> ObjectReader::convert_object(const PickleValue& value, const std::string& path,
                                           ir::Constant::Kind kind, int depth) {
  const PickleValue callable = value.callable();
  const PickleValue args = value.args();
  const std::string name(callable.is(PickleKind::kGlobal) ? callable.text() : "");
  if (name.starts_with("__torch__")) return make_object(value, name, path, depth);
  if (name == "torch._utils._rebuild_qtensor") {
    auto made = quantized_tensor(value, path);
    if (made || made.error().code == Code::kResourceLimit) return made;
    return Value(Poison{std::make_shared<const Error>(std::move(made.error()).at(path))});
  }
  if (TensorReader::is_tensor(value)) return tensor(value, path, kind);
  if (name == "torch.jit._pickle.restore_type_tag" ||
      name.starts_with("torch.jit._pickle.build_")) {
    return convert(args.item(0), path, kind, depth + 1);
  }
  if (name == "collections.OrderedDict") {
    auto dict = std::make_shared<Dict>();
    for (size_t i = 0; i < value.entry_count(); ++i) {
      PTE_CHECK(evaluator_.spend_memory(1));
      PTE_CHECK(evaluator_.spend(static_cast<int64_t>(i)));
      PTE_TRY(const Value key, convert(value.key(i), path, kind, depth + 1));
      PTE_TRY(Value item, convert(value.value(i), path + "." + python_text(key), kind, depth + 1));
      dict->set(key, std::move(item));
    }
    return Value(std::move(dict));
  }
  if (name == "torch.device") return Value(ir::Device{std::string(args.item(0).text())});
  if (name == "torch.Size") return convert(args.item(0), path, kind, depth + 1);
  return Value(Poison{std::make_shared<const Error>(
      unsupported("{}: an object of '{}'", path, name.substr(0, 100)))});
}

Result<Value> ObjectReader::make_object(const PickleValue& value, const std::string& name,
                                        const std::string& path, int depth) {
  PTE_TRY(const ClassDef* def, evaluator_.library().find_class(name));
  if (def != nullptr && def->base == "Enum") {
    const PickleValue args = value.args();
    PTE_TRY(Value held, convert(args.is(PickleKind::kTuple) ? args.item(0) : args, path,
                                ir::Constant::Kind::kConstant, depth + 1));
    for (const ClassDef::Attribute& member : def->attributes) {
      const Expr& own = member.value;
      const bool same = (own.kind == Expr::Kind::kInt && held.get<int64_t>() != nullptr &&
                         *held.get<int64_t>() == own.integer) ||
                        (own.kind == Expr::Kind::kFloat && held.get<double>() != nullptr &&
                         *held.get<double>() == own.real) ||
                        (own.kind == Expr::Kind::kString && held.get<std::string>() != nullptr &&
                         *held.get<std::string>() == own.text);
      if (same) return Value(Enum{def, member.name, std::make_shared<Value>(std::move(held))});
    }
    return invalid_data("{}: {} has no member {}", path, name, python_text(held, true));
  }
  if (def != nullptr && def->base == "NamedTuple") {
    PTE_TRY(const Value held,
            convert(value.args(), path, ir::Constant::Kind::kConstant, depth + 1));
    const Values* items = held.items();
    if (items != nullptr && items->size() == 1 && (*items)[0].items() != nullptr)
      items = (*items)[0].items();
    return Value::tuple(items == nullptr ? Values{} : *items, def);
  }
  auto object = std::make_shared<Object>();
  object->class_name = name;
  object->def = def;
  object->path = path;
  made_[value.id()] = Value(object);
  const auto state = value.state();
  if (!state) return Value(std::move(object));
  if (def != nullptr && def->method("__setstate__") != nullptr) {
    PTE_TRY(Value held, convert(*state, path, ir::Constant::Kind::kParameter, depth + 1));
    PTE_TRY(const Value ignored,
            evaluator_.call_method(object, "__setstate__", {{"", std::move(held)}}));
    static_cast<void>(ignored);
    // In the order of the class, by which bytecode counts them.
    std::vector<std::pair<std::string, Value>> ordered;
    for (const ClassDef::Attribute& attribute : def->attributes) {
      if (attribute.has_value) continue;
      const Value* own = object->find(attribute.name);
      ordered.emplace_back(attribute.name, own == nullptr ? Value() : *own);
    }
    for (auto& attribute : object->attributes) {
      const auto same = [&](const auto& entry) { return entry.first == attribute.first; };
      if (std::none_of(ordered.begin(), ordered.end(), same)) ordered.push_back(attribute);
    }
    object->attributes = std::move(ordered);
    return Value(std::move(object));
  }
  if (state->entry_count() == 0 && !state->is(PickleKind::kDict)) {
    // A class of torch's own, whose state is a tuple.
    PTE_TRY(Value held, convert(*state, path, ir::Constant::Kind::kParameter, depth + 1));
    object->set("state", std::move(held));
    return Value(std::move(object));
  }
  PTE_CHECK(evaluator_.spend_memory(static_cast<int64_t>(state->entry_count())));
  for (size_t i = 0; i < state->entry_count(); ++i) {
    PTE_CHECK(evaluator_.spend(static_cast<int64_t>(i)));
    const std::string attribute(state->key(i).text());
    ir::Constant::Kind kind = ir::Constant::Kind::kBuffer;
    if (def != nullptr && contains(def->parameters, attribute))
      kind = ir::Constant::Kind::kParameter;
    PTE_TRY(Value held, convert(state->value(i), path.empty() ? attribute : path + "." + attribute,
                                kind, depth + 1));
    const TensorPtr cell = held.tensor();
    states_.push_back({object, attribute, held, cell ? keys_[cell.get()] : std::string()});
    object->set(attribute, std::move(held));
  }
  return Value(std::move(object));
}

}  // namespace pte::importers::script
