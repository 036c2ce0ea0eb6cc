// What a variable of TorchScript code holds while a method is executed at import: Python's values,
// known as they are, and tensors, which are values of the graph that is being written.
//
// Lists, dictionaries, objects and tensors are shared as in Python: a write through one name is
// seen through the others.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "importers/torchscript/syntax.h"
#include "ir/graph.h"

namespace pte::importers::script {

struct Value;
using Values = std::vector<Value>;

// A Python number that is known at import.
using Scalar = std::variant<bool, int64_t, double>;

// What the whole numbers of a quantized tensor stand for: (q - zero_point) × scale. They are int8
// in the graph; a quint8 tensor's are less by 128 there, and so is its zero point.
struct Quantization {
  double scale = 1;
  int64_t zero_point = 0;
  // Per channel instead, along `axis`: constants of the module, float32 and int64.
  std::shared_ptr<struct TensorCell> scales, zero_points;
  int64_t axis = -1;
  bool is_unsigned = false;
};

// One tensor object: a handle of the Aliases of the context that made it.
struct TensorCell {
  size_t context = 0;
  std::optional<size_t> handle;
  // A tensor without dimensions whose value is known, as traces make of sizes. It has no handle
  // until an operator reads it.
  std::optional<Scalar> known;
  DType known_dtype = DType::kInt64;
  // The same of a size of the graph, while the graph of the method is written.
  ir::Value* size = nullptr;
  // Stands for a Python number in a trace: it decides no element type.
  bool weak = false;
  // The elements lie in row-major order without gaps, in eager PyTorch.
  bool contiguous = true;
  std::shared_ptr<const Quantization> quantization;  // null for a plain tensor
};
using TensorPtr = std::shared_ptr<TensorCell>;

// A number that only running the model tells: held in a tensor of one element (int64, float64 or
// bool), or a size of the graph.
struct Number {
  enum class Kind : uint8_t { kInt, kFloat, kBool };
  Kind kind = Kind::kInt;
  TensorPtr tensor;
  ir::Value* size = nullptr;
};

// Containers know the context that made them: a branch must not change one from outside.
struct List {
  Values items;
  size_t context = 0;
};
struct Tuple {
  Values items;
  const ClassDef* named = nullptr;  // of a NamedTuple
};
struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // in order of insertion
  size_t context = 0;
  Value* find(const Value& key);
  void set(const Value& key, Value value);
};
struct Object {
  std::string class_name;         // "__torch__.torch.nn.modules.conv.Conv2d"
  const ClassDef* def = nullptr;  // null for classes that torch itself has
  std::string path;               // from the module's root: "features.0"; "" for the root
  std::vector<std::pair<std::string, Value>> attributes;
  size_t context = 0;
  Value* find(std::string_view name);
  void set(std::string_view name, Value value);
};
struct Enum {
  const ClassDef* def = nullptr;
  std::string name;
  std::shared_ptr<Value> value;
};
struct Callable {
  const Function* function = nullptr;  // one of the two
  const ClassDef* def = nullptr;
};
// Stands for a result that could not be computed; the reason has been reported, or is told when
// the value is needed.
struct Poison {
  std::shared_ptr<const Error> reason;  // null: reported
};
struct Complex {
  double real = 0;
  double imaginary = 0;
};

struct Value {
  std::variant<std::monostate, bool, int64_t, double, std::string, TensorPtr, std::shared_ptr<List>,
               std::shared_ptr<Tuple>, std::shared_ptr<Dict>, std::shared_ptr<Object>, Number,
               ir::Device, Complex, Enum, Callable, Poison>
      v;

  Value() = default;
  Value(bool value) : v(value) {}                                // NOLINT
  Value(int64_t value) : v(value) {}                             // NOLINT
  Value(int value) : v(static_cast<int64_t>(value)) {}           // NOLINT
  Value(double value) : v(value) {}                              // NOLINT
  Value(std::string value) : v(std::move(value)) {}              // NOLINT
  Value(const char* value) : v(std::string(value)) {}            // NOLINT
  Value(TensorPtr value) : v(std::move(value)) {}                // NOLINT
  Value(std::shared_ptr<List> value) : v(std::move(value)) {}    // NOLINT
  Value(std::shared_ptr<Tuple> value) : v(std::move(value)) {}   // NOLINT
  Value(std::shared_ptr<Dict> value) : v(std::move(value)) {}    // NOLINT
  Value(std::shared_ptr<Object> value) : v(std::move(value)) {}  // NOLINT
  Value(Number value) : v(std::move(value)) {}                   // NOLINT
  Value(ir::Device value) : v(std::move(value)) {}               // NOLINT
  Value(Complex value) : v(value) {}                             // NOLINT
  Value(Enum value) : v(std::move(value)) {}                     // NOLINT
  Value(Callable value) : v(value) {}                            // NOLINT
  Value(Poison value) : v(std::move(value)) {}                   // NOLINT
  explicit Value(const Scalar& scalar);
  static Value list(Values items);
  static Value tuple(Values items, const ClassDef* named = nullptr);

  template <typename T>
  const T* get() const {
    return std::get_if<T>(&v);
  }
  bool is_none() const { return std::holds_alternative<std::monostate>(v); }
  bool is_poison() const { return std::holds_alternative<Poison>(v); }
  TensorPtr tensor() const;                // null for anything else
  std::shared_ptr<List> list() const;      // null for anything else
  std::shared_ptr<Tuple> tuple() const;    // null for anything else
  std::shared_ptr<Dict> dict() const;      // null for anything else
  std::shared_ptr<Object> object() const;  // null for anything else
  std::optional<Scalar> scalar() const;    // bool, int, float
  std::optional<int64_t> integer() const;  // int and bool
  std::optional<double> number() const;    // int, float and bool
  const Values* items() const;             // of a list or a tuple
};

// "int", "List", "Tensor": what the value is, for messages.
std::string kind_name(const Value& value);
// Python's == for everything but tensors; nothing where numbers of the graph take part.
std::optional<bool> equal(const Value& a, const Value& b, int depth = 0);
// As Python's str() prints it.
std::string python_text(const Value& value, bool quoted = false, int depth = 0);
// True when a tensor, or a number of the graph, is in the value.
bool holds_graph_values(const Value& value, int depth = 0);
// True when a Poison is in the value; `found` is the first.
const Poison* find_poison(const Value& value, int depth = 0);

constexpr int kMaxValueDepth = 64;

}  // namespace pte::importers::script
