// Operators as data: ops.def has one row for each, and everything that knows operators by name or
// asks for their properties reads it here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace pte {

// One enumerator per row of ops.def: aten_add_Tensor, aten_relu, executorch_prim_add …
enum class Op : uint16_t {
#define PTE_OP(id, ...) id,
#include "schema/ops.def"
#undef PTE_OP
  kCount
};

enum class ArgKind : uint8_t {
  kTensor,
  kTensorList,
  kOptionalTensorList,
  kScalar,  // int, float or bool, keeping its own kind
  kInt,     // also SymInt
  kIntList,
  kFloat,
  kFloatList,
  kBool,
  kBoolList,
  kString,
  kDType,
  kLayout,
  kMemoryFormat,
  kDevice,
  kGraph,  // subgraph of a higher-order operator
};

using ArgDefault =
    std::variant<std::monostate, int64_t, double, bool, std::string, std::vector<int64_t>>;

struct ArgSchema {
  std::string name;
  ArgKind kind = ArgKind::kTensor;
  bool optional = false;  // may be None
  bool keyword_only = false;
  bool has_default = false;  // a monostate default is None
  bool written = false;      // Tensor(a!): the operator writes into it
  ArgDefault default_value;
};

struct ReturnSchema {
  ArgKind kind = ArgKind::kTensor;  // kTensor, kTensorList, kScalar, kInt, kFloat, kBool
};

// What passes and backends may ask about an operator instead of listing names.
enum OpTag : uint32_t {
  kTagNone = 0,
  kTagElementwise = 1U << 0,  // each result element depends on the operands' elements at its place
  kTagBroadcast = 1U << 1,    // operands broadcast against each other
  kTagReduction = 1U << 2,
  kTagView = 1U << 3,      // rearranges or selects elements, never computes
  kTagIdentity = 1U << 4,  // at inference the result is the first operand (dropout, detach, alias)
  kTagFactory = 1U << 5,   // makes a tensor from no tensor
  kTagSymbolic = 1U << 6,  // computes on sizes and scalars, not on tensors' elements
  kTagHigherOrder = 1U << 7,
  kTagRandom = 1U << 8,
  kTagInPlace = 1U << 9,  // aten::add_.Tensor: writes its first operand
  kTagUnary = 1U << 10,   // elementwise with exactly one tensor operand
  kTagEffect = 1U << 11,  // must stay although nothing reads its result
  // The official runtime has no kernel for it: its exporter writes such calls nevertheless, or it
  // is one of ours that only lifted payloads make. It runs here, and no file that we write calls
  // it.
  kTagExtension = 1U << 12,
};

struct OpInfo {
  Op op{};
  std::string name;      // "aten::add"
  std::string overload;  // "Tensor", or "" for the default overload
  std::vector<ArgSchema> args;
  std::vector<ReturnSchema> returns;
  uint32_t tags = 0;
  // The operator that a program calls for this one: "aten::add.out". Empty when it must be
  // decomposed before emission.
  std::string out_name;
  // Which of `args` that call takes, in its order; results follow. All, unless the row lists them.
  std::vector<int> out_args;

  bool has(OpTag tag) const { return (tags & tag) != 0; }
  // A program that calls it runs here.
  bool callable() const { return !out_name.empty(); }
  // The official runtime runs it too, so that what we write may call it.
  bool emittable() const { return callable() && !has(kTagExtension); }
  // Operators such as executorch_prim::add.Scalar take their result once; kernels twice.
  bool is_prim() const;
  std::string full_name() const { return overload.empty() ? name : name + "." + overload; }
  // As PyTorch prints it: "aten.add.Tensor", "aten.relu.default".
  std::string target() const;
  int arg_index(std::string_view arg) const;  // -1 when there is none
};

std::span<const OpInfo> all_ops();
const OpInfo& info(Op op);

// By "aten::add.Tensor"; null when the table has no such row.
const OpInfo* find_op(std::string_view full_name);
// By "aten.add.Tensor" or "torch.ops.aten.add.Tensor".
const OpInfo* find_op_by_target(std::string_view target);
// By the name a program calls, "aten::add.out".
const OpInfo* find_op_by_out(std::string_view out_name);

// Parses "aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor".
Result<OpInfo> parse_schema(std::string_view text);

}  // namespace pte
