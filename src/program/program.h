// A .pte program in memory: what the reader produces after verification, what lowering builds, what
// the writer stores and the runtime executes. Plain data; the file's own index conventions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "tensor/tensor.h"

namespace pte::program {

// Bytes that live in a mapped file or in memory of their own.
struct Blob {
  Bytes bytes;
  std::shared_ptr<const void> owner;
  uint32_t alignment = 16;  // asked of the writer for the segment that holds them

  size_t size() const { return bytes.size(); }
  static Blob copy(Bytes bytes);
  static Blob of(const Tensor& tensor);  // shares the memory of a dense tensor
};

// Where a planned tensor lies: arena `memory_id` (1-based, as in the file) at `offset` bytes.
struct Allocation {
  uint32_t memory_id = 1;
  uint64_t offset = 0;
};

enum class Dynamism : int8_t { kStatic = 0, kDynamicBound = 1, kDynamicUnbound = 2 };

// A tensor of a plan. The pair (constant, allocation) says where its bytes come from:
//   constant > 0, no allocation   constants[constant] of the program
//   constant > 0, allocation      planned memory that starts with mutable_data[constant]
//   0, allocation                 planned memory
//   0, no allocation              the caller provides it (unplanned input or output)
// and `external` says that they come from a .ptd file under `name` instead of from this file.
struct TensorValue {
  DType dtype = DType::kFloat32;
  Sizes sizes;  // upper bounds when dynamism is kDynamicBound
  DimOrder dim_order;
  bool requires_grad = false;
  Dynamism dynamism = Dynamism::kStatic;
  uint32_t constant = 0;
  std::optional<Allocation> allocation;
  bool external = false;
  std::string name;        // fully qualified name; often empty
  int8_t device_type = 0;  // 0 is the CPU
  int8_t device_index = 0;

  size_t nbytes() const { return byte_count(dtype, sizes).value_or(0); }
};

struct Null {};
struct IntList {
  std::vector<int32_t> items;
};  // indices of Int values
struct TensorList {
  std::vector<int32_t> items;
};  // indices of Tensor values
struct OptionalTensorList {
  std::vector<int32_t> items;
};  // the same; -1 is None

using Value = std::variant<Null, int64_t, bool, double, TensorValue, std::string, IntList,
                           std::vector<double>, std::vector<bool>, TensorList, OptionalTensorList>;

// "Tensor", "Int", "IntList" …, for messages.
std::string_view kind_name(const Value& value);

struct Operator {
  std::string name;      // "aten::add"
  std::string overload;  // "out", or "" for the default one
  std::string full_name() const { return overload.empty() ? name : name + "." + overload; }
};

// Arguments are indices into Method::values.
struct KernelCall {
  int32_t op = 0;  // index into Method::operators
  // Every schema argument in order, out arguments included, then the return values.
  std::vector<int32_t> args;
};
struct DelegateCall {
  int32_t delegate = 0;  // index into Method::delegates
  std::vector<int32_t> args;
};
struct MoveCall {
  int32_t from = 0;
  int32_t to = 0;
};
struct JumpFalseCall {
  int32_t condition = 0;
  int32_t target = 0;
};
struct FreeCall {
  int32_t value = 0;
};
using Instruction = std::variant<KernelCall, DelegateCall, MoveCall, JumpFalseCall, FreeCall>;

struct CompileSpec {
  std::string key;
  Blob value;
};

struct Delegate {
  std::string id;  // "XnnpackBackend"
  Blob payload;
  bool is_inline = false;  // stored in the flatbuffer instead of in a segment
  std::vector<CompileSpec> compile_specs;
};

// One step of the source location that an instruction came from, innermost last.
struct Frame {
  std::string file;
  int32_t line = 0;
  std::string name;     // the function
  std::string context;  // the line's text
};

struct Chain {
  std::vector<Instruction> instructions;
  // One list of frames an instruction, or nothing at all when locations are not stored.
  std::vector<std::vector<Frame>> stack_traces;
};

// An arena that lies elsewhere than in CPU memory.
struct ArenaDevice {
  int32_t arena = 0;  // index into Method::arena_sizes
  int8_t device_type = 0;
  int8_t device_index = 0;
};

struct Method {
  std::string name = "forward";
  std::string input_tree;  // pytree text, see formats 1.6; may be empty
  std::string output_tree;
  std::vector<Value> values;
  std::vector<int32_t> inputs;
  std::vector<int32_t> outputs;
  std::vector<Chain> chains;
  std::vector<Operator> operators;
  std::vector<Delegate> delegates;
  std::vector<int64_t> arena_sizes{0};  // [0] is reserved and 0; arena of memory_id m is [m]
  std::vector<ArenaDevice> arena_devices;
};

struct NamedData {
  std::string key;
  Blob data;
};

struct Program {
  uint32_t version = 0;
  std::vector<Method> methods;
  std::vector<Blob> constants{Blob{}};     // [0] stands for "not a constant"
  std::vector<Blob> mutable_data{Blob{}};  // the same
  std::vector<NamedData> named_data;

  const Method* find_method(std::string_view name) const;
  const Blob* find_named_data(std::string_view key) const;
};

}  // namespace pte::program
