// Quantized tensors of eager mode (torch.ao.quantization): operators on them become the float ones
// between dequantize and quantize, which is the form that torch.export's quantized models have and
// that backends look for.
#include <algorithm>
#include <array>
#include <functional>

#include "importers/torchscript/builtins.h"
#include "importers/torchscript/context.h"

namespace pte::importers::script {

using ir::Arg;

namespace {

Answer nothing() { return std::optional<Value>(); }
Answer answer(Value value) { return std::optional<Value>(std::move(value)); }

constexpr int64_t kLeast = -128, kMost = 127;
// torch.qint8, torch.quint8 as TorchScript numbers them.
constexpr int64_t kSigned = 12, kUnsigned = 13;

const Quantization* held_by(const Value& value) {
  const TensorPtr cell = value.tensor();
  return cell == nullptr ? nullptr : cell->quantization.get();
}

// The first quantized tensor in the arguments, lists included.
const Quantization* first_of(const std::vector<Argument>& args) {
  for (const Argument& arg : args) {
    if (const Quantization* own = held_by(arg.value)) return own;
    if (arg.value.items() == nullptr) continue;
    for (const Value& item : *arg.value.items()) {
      if (const Quantization* own = held_by(item)) return own;
    }
  }
  return nullptr;
}

// Operators whose result is quantized as their operand is.
constexpr std::array kKeeping = {"aten::relu",
                                 "aten::relu6",
                                 "aten::hardtanh",
                                 "aten::clamp",
                                 "aten::max_pool1d",
                                 "aten::max_pool2d",
                                 "aten::max_pool3d",
                                 "aten::avg_pool1d",
                                 "aten::avg_pool2d",
                                 "aten::avg_pool3d",
                                 "aten::mean",
                                 "aten::adaptive_avg_pool1d",
                                 "aten::flatten",
                                 "aten::view",
                                 "aten::adaptive_avg_pool2d",
                                 "aten::reshape",
                                 "aten::permute",
                                 "aten::adaptive_avg_pool3d",
                                 "aten::transpose",
                                 "aten::squeeze",
                                 "aten::unsqueeze",
                                 "aten::contiguous",
                                 "aten::slice",
                                 "aten::select",
                                 "aten::narrow",
                                 "aten::chunk",
                                 "aten::split",
                                 "aten::unbind",
                                 "aten::cat",
                                 "aten::stack",
                                 "aten::clone",
                                 "aten::detach",
                                 "aten::alias",
                                 "aten::expand",
                                 "aten::repeat",
                                 "aten::t",
                                 "aten::dropout",
                                 "aten::pixel_shuffle",
                                 "aten::upsample_nearest1d",
                                 "aten::channel_shuffle",
                                 "aten::pixel_unshuffle",
                                 "aten::upsample_nearest2d",
                                 "aten::constant_pad_nd",
                                 "aten::pad",
                                 "aten::upsample_bilinear2d",
                                 "aten::reflection_pad1d",
                                 "aten::reflection_pad2d",
                                 "aten::upsample_nearest3d",
                                 "aten::expand_as",
                                 "aten::view_as",
                                 "aten::reshape_as",
                                 "aten::__getitem__",
                                 "aten::leaky_relu",
                                 "aten::feature_dropout"};

// Operators whose results lie in a known range.
struct Fixed {
  std::string_view name;
  double scale;
  int64_t zero_point;  // of quint8
};
constexpr std::array kFixed = {Fixed{"aten::sigmoid", 1.0 / 256, 0},
                               Fixed{"aten::hardsigmoid", 1.0 / 256, 0},
                               Fixed{"aten::tanh", 2.0 / 256, 128}};

// What is asked of a quantized tensor as of any other.
constexpr std::array kQuestions = {"aten::size",   "aten::dim",           "aten::numel",
                                   "aten::len",    "prim::device",        "aten::is_floating_point",
                                   "prim::layout", "aten::__is__",        "aten::__isnot__",
                                   "aten::stride", "aten::is_contiguous", "prim::unchecked_cast",
                                   "aten::append", "aten::list",          "prim::requires_grad"};

template <typename Names>
bool is_among(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Quantizer {
 public:
  using Wrap = std::function<Result<Value>(ir::Value*)>;
  // `wrap` makes a tensor of a value of the graph.
  Quantizer(Evaluator& e, NodeMaker& maker, Wrap wrap)
      : e_(e), maker_(maker), wrap_(std::move(wrap)) {}

  // A known number, or one that a constant of the module holds.
  Result<double> number(const Argument& arg, std::string_view what) const {
    if (const auto held = arg.value.number()) return *held;
    TensorPtr cell = arg.value.tensor();
    if (const auto* open = arg.value.get<Number>()) cell = open->tensor;
    if (cell && cell->known) return *Value(*cell->known).number();
    if (cell) {
      PTE_TRY(const ir::Value* value, e_.value_of(cell));
      // Past the conversions that float() and int() are.
      while (value->producer() != nullptr && value->producer()->inputs().size() == 1 &&
             (value->producer()->op().has(kTagView) || value->producer()->is(Op::aten__to_copy))) {
        value = value->producer()->inputs()[0];
      }
      const Tensor* data = maker_.module().data_of(value);
      std::optional<double> out;
      if (data != nullptr && data->numel() == 1) {
        dispatch(data->dtype(),
                 [&]<typename T>(T) { out = static_cast<double>(*data->data_as<T>()); });
      }
      if (out) return *out;
    }
    return unsupported("quantization by a {} that depends on the input", what);
  }

  Result<Value> quantize(const Value& value, const Quantization& how) {
    if (value.items() != nullptr) {
      Values made;
      for (const Value& item : *value.items()) {
        PTE_TRY(Value own, quantize(item, how));
        made.push_back(std::move(own));
      }
      return value.tuple() ? Value::tuple(std::move(made)) : e_.new_list(std::move(made));
    }
    const TensorPtr cell = value.tensor();
    if (cell == nullptr) return value;
    if (how.axis >= 0) return unsupported("activations quantized by channel");
    if (!(how.scale > 0) || how.zero_point < kLeast || how.zero_point > kMost)
      return invalid_data("a quantization of scale {} and zero point {}", how.scale,
                          how.zero_point);
    PTE_TRY(ir::Value * held, e_.value_of(cell));
    PTE_TRY(
        ir::Value * made,
        maker_.call(Op::qd_quantize_per_tensor,
                    {held, how.scale, how.zero_point, kLeast, kMost, DType::kInt8}, "quantized"));
    PTE_TRY(Value out, wrap_(made));
    out.tensor()->quantization = std::make_shared<const Quantization>(how);
    return out;
  }

  // Plain values stay as they are.
  Result<Value> dequantize(const Value& value) {
    if (value.items() != nullptr) {
      Values made;
      for (const Value& item : *value.items()) {
        PTE_TRY(Value own, dequantize(item));
        made.push_back(std::move(own));
      }
      return value.tuple() ? Value::tuple(std::move(made)) : e_.new_list(std::move(made));
    }
    const Quantization* how = held_by(value);
    if (how == nullptr) return value;
    PTE_TRY(ir::Value * held, e_.value_of(value.tensor()));
    ir::Value* made = nullptr;
    if (how->axis < 0) {
      PTE_TRY(made,
              maker_.call(Op::qd_dequantize_per_tensor,
                          {held, how->scale, how->zero_point, kLeast, kMost, DType::kInt8, Arg()},
                          "dequantized"));
    } else {
      PTE_TRY(ir::Value * scales, e_.value_of(how->scales));
      PTE_TRY(ir::Value * points, e_.value_of(how->zero_points));
      PTE_TRY(made,
              maker_.call(Op::qd_dequantize_per_channel,
                          {held, scales, points, how->axis, kLeast, kMost, DType::kInt8, Arg()},
                          "dequantized"));
    }
    return wrap_(made);
  }

  // The scale and zero point that a call names for its result, as quint8 unless it says.
  Result<Quantization> named(const Argument& scale, const Argument& zero_point,
                             bool is_unsigned = true) const {
    Quantization out;
    PTE_TRY(out.scale, number(scale, "scale"));
    PTE_TRY(const double point, number(zero_point, "zero point"));
    out.zero_point = static_cast<int64_t>(std::clamp(point, -1e6, 1e6)) - (is_unsigned ? 128 : 0);
    out.is_unsigned = is_unsigned;
    return out;
  }

 private:
  Evaluator& e_;
  NodeMaker& maker_;
  Wrap wrap_;
};

// A packed layer: what the prepack operators make, and what archives hold of their objects.
struct Packed {
  Value weight, bias, stride, padding, dilation, groups, output_padding;
  bool transposed = false;
};

Value ints(const std::vector<int64_t>& numbers) {
  Values out;
  for (const int64_t number : numbers) out.emplace_back(number);
  return Value::list(std::move(out));
}

}  // namespace

namespace {

Result<Packed> unpacked(Evaluator& e, const ir::Module& module, const Value& value,
                        std::string_view name) {
  const auto object = value.object();
  if (object == nullptr) return unsupported("{} without its packed weights", name);
  Packed out;
  if (const Value* weight = object->find("weight")) {
    out.weight = *weight;
    const auto part = [&](std::string_view own) {
      const Value* held = object->find(own);
      return held == nullptr ? Value() : *held;
    };
    out.bias = part("bias");
    out.stride = part("stride");
    out.padding = part("padding");
    out.dilation = part("dilation");
    out.groups = part("groups");
    out.output_padding = part("output_padding");
    out.transposed = part("transposed").integer() == 1;
    return out;
  }
  const Value* held = object->find("state");
  const Values* state = held == nullptr ? nullptr : held->items();
  if (state != nullptr && state->size() == 1 && (*state)[0].items() != nullptr)
    state = (*state)[0].items();
  if (state == nullptr || state->size() < 2)
    return unsupported("{} with weights packed as {}", name, object->class_name);
  if ((*state)[0].tensor()) {  // linear: (weight, bias)
    out.weight = (*state)[0];
    out.bias = (*state)[1];
    return out;
  }
  // Convolutions: (version, [numbers, weight], [bias or None]). The numbers, an int16 tensor, are
  // the dimensions, then for each dimension stride, padding, dilation and output padding, then
  // groups and flags, of which the lowest bit is transposed.
  const auto* version = (*state)[0].get<std::string>();
  const Values* tensors = (*state)[1].items();
  const Values* optional = state->size() > 2 ? (*state)[2].items() : nullptr;
  if (version == nullptr || *version != "2" || tensors == nullptr || tensors->size() < 2 ||
      !(*tensors)[0].tensor() || optional == nullptr || optional->empty()) {
    return unsupported("{} with weights packed in another version", name);
  }
  PTE_TRY(const ir::Value* packed, e.value_of((*tensors)[0].tensor()));
  const Tensor* data = module.data_of(packed);
  if (data == nullptr || data->dtype() != DType::kInt16 || data->numel() < 1)
    return invalid_data("{}: its packed numbers are malformed", name);
  const int16_t* numbers = data->data_as<int16_t>();
  const int64_t dims = numbers[0];
  if (dims < 1 || dims > 3 || data->numel() != 1 + 4 * dims + 2)
    return invalid_data("{}: its packed numbers are malformed", name);
  const auto group = [&](int64_t which) {
    return ints({numbers + 1 + which * dims, numbers + 1 + (which + 1) * dims});
  };
  out.stride = group(0);
  out.padding = group(1);
  out.dilation = group(2);
  out.output_padding = group(3);
  out.groups = Value(static_cast<int64_t>(numbers[1 + 4 * dims]));
  out.transposed = (numbers[2 + 4 * dims] & 1) != 0;
  out.weight = (*tensors)[1];
  out.bias = (*optional)[0];
  return out;
}

}  // namespace

Answer Builtins::quantized(Evaluator& e, std::string_view name, const std::vector<Argument>& args) {
  Quantizer quantizer(e, e.context().maker,
                      [&](ir::Value* made) { return e.wrap_value(made, nullptr); });
  const auto value = [&](size_t i) { return i < args.size() ? args[i].value : Value(); };
  const bool own = name.starts_with("quantized::");
  if (name == "aten::quantize_per_tensor" && args.size() == 4) {
    const auto dtype = value(3).integer();
    if (dtype != kSigned && dtype != kUnsigned)
      return unsupported("a tensor quantized to another type than qint8 and quint8");
    PTE_TRY(const Quantization how, quantizer.named(args[1], args[2], dtype == kUnsigned));
    PTE_TRY(Value made, quantizer.quantize(value(0), how));
    return answer(std::move(made));
  }
  const Quantization* first = first_of(args);
  if (!own && first == nullptr) return nothing();
  const auto dequantized = [&](size_t i) -> Result<Argument> {
    PTE_TRY(Value made, quantizer.dequantize(value(i)));
    return Argument{i < args.size() ? args[i].name : "", std::move(made)};
  };

  if (!own) {
    if (is_among(kQuestions, name)) return nothing();
    if (name == "aten::dequantize") {
      PTE_TRY(Value made, quantizer.dequantize(value(0)));
      return answer(std::move(made));
    }
    if (name == "prim::is_quantized" || name == "aten::is_quantized") return answer(Value(true));
    if (name == "prim::dtype") return answer(Value(first->is_unsigned ? kUnsigned : kSigned));
    if (first->axis < 0 && name == "aten::q_scale") return answer(Value(first->scale));
    if (first->axis < 0 && name == "aten::q_zero_point")
      return answer(Value(first->zero_point + (first->is_unsigned ? 128 : 0)));
    const bool in_place = name.ends_with('_') && !name.ends_with("__");
    const std::string plain(in_place ? name.substr(0, name.size() - 1) : name);
    if (plain == "aten::__getitem__" && value(0).items() != nullptr) return nothing();
    Quantization how = *first;
    const auto fixed = std::find_if(kFixed.begin(), kFixed.end(),
                                    [&](const Fixed& row) { return row.name == plain; });
    if (fixed != kFixed.end()) {
      how.scale = fixed->scale;
      how.zero_point = fixed->zero_point - (how.is_unsigned ? 128 : 0);
      if (!how.is_unsigned) return unsupported("{} of a tensor of qint8", name);
    } else if (!is_among(kKeeping, plain)) {
      return unsupported("{} of a quantized tensor", name);
    }
    std::vector<Argument> inner;
    for (size_t i = 0; i < args.size(); ++i) {
      PTE_TRY(Argument made, dequantized(i));
      inner.push_back(std::move(made));
    }
    PTE_TRY(const Value made, e.call_operator(plain, std::move(inner)));
    if (made.is_poison()) return answer(made);
    PTE_TRY(Value out, quantizer.quantize(made, how));
    if (!in_place) return answer(std::move(out));
    if (value(0).tensor() == nullptr || out.tensor() == nullptr)
      return unsupported("{} of a quantized tensor", name);
    if (e.may_change(value(0).tensor()->context)) {
      *value(0).tensor() = *out.tensor();
      return answer(value(0));
    }
    return unsupported("a quantized tensor is written in a branch that depends on the input");
  }

  std::string op(name.substr(11));
  // ---- packing
  if (op.ends_with("_prepack") || op.ends_with("_unpack")) {
    const bool linear = op.starts_with("linear_");
    if (op.ends_with("_unpack")) {
      PTE_TRY(const Packed packed, unpacked(e, e.context().maker.module(), value(0), name));
      return answer(Value::tuple({packed.weight, packed.bias}));
    }
    if (!linear && !op.starts_with("conv")) return nothing();
    auto made = std::make_shared<Object>();
    made->class_name = "__torch__.torch.classes.quantized.packed";
    made->context = e.context_id();
    made->set("weight", value(0));
    made->set("bias", value(1));
    if (!linear) {
      const bool transposed = op.starts_with("conv_transpose");
      size_t next = 2;
      made->set("stride", value(next++));
      made->set("padding", value(next++));
      if (transposed) made->set("output_padding", value(next++));
      made->set("dilation", value(next++));
      made->set("groups", value(next));
      made->set("transposed", Value(transposed));
    }
    return answer(Value(std::move(made)));
  }

  bool relu = false;
  if (op.ends_with("_relu") && op != "leaky_relu") {
    relu = true;
    op.resize(op.size() - 5);
  }
  Value made;
  size_t scale = 0;  // of the arguments, the zero point after it
  const bool conv = op == "conv1d" || op == "conv2d" || op == "conv3d";
  const bool transposed =
      op == "conv_transpose1d" || op == "conv_transpose2d" || op == "conv_transpose3d";
  if (conv || transposed || op == "linear" || op == "linear_dynamic") {
    PTE_TRY(Packed packed, unpacked(e, e.context().maker.module(), value(1), name));
    if (packed.stride.is_none() != op.starts_with("linear")) {
      return invalid_data("{} with the weights of a {}", name,
                          packed.stride.is_none() ? "linear layer" : "convolution");
    }
    PTE_TRY(Value weight, quantizer.dequantize(packed.weight));
    Value input = value(0);
    if (op == "linear_dynamic") {
      // Quantized by what the run gives, as the kernel does within.
      if (input.tensor() == nullptr || first != nullptr) return nothing();
      NodeMaker& maker = e.context().maker;
      PTE_TRY(ir::Value * held, e.value_of(input.tensor()));
      PTE_TRY(ir::Node * chosen,
              maker.add(info(Op::qd_choose_qparams_tensor),
                        {held, kLeast, kMost, 1.1920928955078125e-07, DType::kInt8},
                        {"scale", "zero_point"}));
      PTE_TRY(ir::Value * whole,
              maker.call(Op::qd_quantize_per_tensor_tensor,
                         {held, chosen->result(0), chosen->result(1), kLeast, kMost, DType::kInt8},
                         "quantized"));
      PTE_TRY(ir::Value * back, maker.call(Op::qd_dequantize_per_tensor_tensor,
                                           {whole, chosen->result(0), chosen->result(1), kLeast,
                                            kMost, DType::kInt8, Arg()},
                                           "dequantized"));
      PTE_TRY(input, e.wrap_value(back, nullptr));
    } else {
      PTE_TRY(input, quantizer.dequantize(input));
    }
    std::vector<Argument> inner{{"", std::move(input)}, {"", std::move(weight)}, {"", packed.bias}};
    if (op.starts_with("linear")) {
      PTE_TRY(made, e.call_operator("aten::linear", std::move(inner)));
    } else {
      // One-dimensional convolutions may be packed as those of two.
      if (const Values* held = packed.stride.items();
          op.ends_with("1d") && held != nullptr && held->size() == 2) {
        for (Value* list :
             {&packed.stride, &packed.padding, &packed.dilation, &packed.output_padding}) {
          if (list->items() != nullptr && list->items()->size() == 2)
            *list = Value::list({(*list->items())[1]});
        }
        PTE_TRY(inner[1].value, e.call_operator("aten::squeeze", {inner[1], {"", Value(2)}}));
      }
      inner.push_back({"", packed.stride});
      inner.push_back({"", packed.padding});
      if (transposed) {
        inner.push_back({"", packed.output_padding});
        inner.push_back({"", packed.groups});
        inner.push_back({"", packed.dilation});
      } else {
        inner.push_back({"", packed.dilation});
        inner.push_back({"", packed.groups});
      }
      PTE_TRY(made, e.call_operator("aten::" + op, std::move(inner)));
    }
    scale = op == "linear_dynamic" ? args.size() : 2;
  } else if (op == "add" || op == "mul" || op == "matmul") {
    PTE_TRY(Argument a, dequantized(0));
    PTE_TRY(Argument b, dequantized(1));
    PTE_TRY(made, e.call_operator("aten::" + op, {std::move(a), std::move(b)}));
    scale = 2;
  } else if (op == "cat") {
    PTE_TRY(Argument list, dequantized(0));
    PTE_TRY(made, e.call_operator("aten::cat", {std::move(list), {"", value(1)}}));
    scale = value(2).is_none() ? 0 : 2;
  } else if (op == "relu6") {
    PTE_TRY(Argument input, dequantized(0));
    PTE_TRY(made, e.call_operator("aten::relu6", {std::move(input)}));
  } else if (op == "hardswish" || op == "sigmoid") {
    PTE_TRY(Argument input, dequantized(0));
    PTE_TRY(made, e.call_operator("aten::" + op, {std::move(input)}));
    scale = 1;
  } else if (op == "elu") {
    PTE_TRY(Argument input, dequantized(0));
    PTE_TRY(made, e.call_operator("aten::elu", {std::move(input), {"", value(3)}}));
    scale = 1;
  } else if (op == "leaky_relu") {
    PTE_TRY(Argument input, dequantized(0));
    PTE_TRY(made, e.call_operator("aten::leaky_relu", {std::move(input), {"", value(1)}}));
    scale = 3;
  } else if (op == "batch_norm" || op == "batch_norm1d" || op == "batch_norm2d" ||
             op == "batch_norm3d") {
    PTE_TRY(Argument input, dequantized(0));
    PTE_TRY(made, e.call_operator("aten::batch_norm", {std::move(input),
                                                       {"", value(1)},
                                                       {"", value(2)},
                                                       {"", value(3)},
                                                       {"", value(4)},
                                                       {"", Value(false)},
                                                       {"", Value(0.0)},
                                                       {"", value(5)},
                                                       {"", Value(false)}}));
    scale = 6;
  } else {
    return nothing();
  }
  if (made.is_poison()) return answer(std::move(made));
  if (relu) {
    PTE_TRY(made, e.call_operator("aten::relu", {{"", std::move(made)}}));
  }
  if (op == "linear_dynamic") return answer(std::move(made));
  if (scale == 0) {
    if (first == nullptr) return nothing();
    PTE_TRY(made, quantizer.quantize(made, *first));
    return answer(std::move(made));
  }
  if (scale + 1 >= args.size()) return unsupported("{} without the scale of its result", name);
  PTE_TRY(const Quantization how,
          quantizer.named(args[scale], args[scale + 1], first == nullptr || first->is_unsigned));
  PTE_TRY(made, quantizer.quantize(made, how));
  return answer(std::move(made));
}

}  // namespace pte::importers::script
