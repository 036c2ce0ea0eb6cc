// Kernels for operators that ops.def has no row for: the caller's own, found by the name that a
// program calls ("mylib::scale.out").
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/thread_pool.h"
#include "schema/ops.h"
#include "tensor/evalue.h"

namespace pte::runtime {

struct CustomCall {
  const OpInfo& op;
  std::span<EValue* const> values;  // arguments, then results
  ThreadPool* pool;                 // null: the calling thread alone
};

struct CustomOp {
  // Arguments without the results; `op` is Op::kCount, `out_name` what a program calls.
  OpInfo info;
  // Kinds have been checked against `info`, tensors have memory. May be called from several threads
  // at once when several methods run.
  std::function<Status(const CustomCall&)> kernel;
};

// `schema` is the out variant as it was given to PyTorch:
//   "mylib::scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)"
// Keyword-only arguments that it writes are its results. Fails with kInvalidArgument when there is
// no namespace, or when the results do not match what it returns.
Result<OpInfo> custom_op_info(std::string_view schema);

class CustomOps {
 public:
  // Fails with kInvalidArgument when the name is taken, by another or by an operator of ours.
  Status add(CustomOp op);
  // All of another set, which they then share; none of them when a name is taken.
  Status add_all(const CustomOps& others);
  // Null when there is none of that name.
  const CustomOp* find(std::string_view out_name) const;
  bool empty() const { return ops_.empty(); }

 private:
  std::map<std::string, std::shared_ptr<const CustomOp>, std::less<>> ops_;
};

}  // namespace pte::runtime
