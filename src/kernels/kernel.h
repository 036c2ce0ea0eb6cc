// How an operator's kernel is called, and the table that finds it.
//
// A kernel gets the values that a program's KernelCall names: the operator's arguments as its out
// variant takes them (OpInfo::out_args), then one value for each result. It checks what the
// verifier cannot know before shapes are known, resizes its results (kernels/shape rules equal
// PyTorch's), computes, and returns an error instead of reading or writing out of range.
#pragma once

#include <optional>
#include <span>

#include "base/result.h"
#include "base/thread_pool.h"
#include "schema/ops.h"
#include "tensor/evalue.h"

namespace pte::kernels {

// A number that keeps its kind, as PyTorch's Scalar does.
struct Scalar {
  enum class Kind { kInt, kFloat, kBool } kind = Kind::kInt;
  int64_t integer = 0;
  double real = 0;

  double as_double() const { return kind == Kind::kFloat ? real : static_cast<double>(integer); }
  int64_t as_int() const { return kind == Kind::kFloat ? static_cast<int64_t>(real) : integer; }
};

// Where the operators of chance stand: which numbers come next. The same seed and the same order of
// calls give the same numbers, on any number of threads.
struct RandomState {
  uint64_t seed = 0;
  uint64_t calls = 0;  // made so far; each draws from a stream of its own
};

class Call {
 public:
  // `args` are the operator's arguments followed by its results, in the order of OpInfo::out_args
  // and OpInfo::returns. Kinds were checked against the schema (see check_kinds).
  // Without a `random`, every call of an operator of chance draws the same numbers.
  Call(const OpInfo& op, std::span<EValue* const> args, ThreadPool* pool,
       RandomState* random = nullptr)
      : op_(op), args_(args), pool_(pool), random_(random) {}

  const OpInfo& op() const { return op_; }

  const Tensor& tensor(size_t arg) const { return *args_[arg]->get<Tensor>(); }
  const Tensor* optional_tensor(size_t arg) const { return args_[arg]->get<Tensor>(); }
  const std::vector<Tensor>& tensors(size_t arg) const {
    return *args_[arg]->get<std::vector<Tensor>>();
  }
  const std::vector<std::optional<Tensor>>& optional_tensors(size_t arg) const {
    return *args_[arg]->get<std::vector<std::optional<Tensor>>>();
  }
  int64_t integer(size_t arg) const;
  double real(size_t arg) const;
  bool boolean(size_t arg) const;
  Scalar scalar(size_t arg) const;
  bool is_none(size_t arg) const { return args_[arg]->is_none(); }
  std::optional<int64_t> optional_integer(size_t arg) const;
  std::optional<double> optional_real(size_t arg) const;
  std::optional<Scalar> optional_scalar(size_t arg) const;
  const std::vector<int64_t>& ints(size_t arg) const {
    return *args_[arg]->get<std::vector<int64_t>>();
  }
  const std::vector<int64_t>* optional_ints(size_t arg) const {
    return args_[arg]->get<std::vector<int64_t>>();
  }
  const std::vector<double>* optional_reals(size_t arg) const {
    return args_[arg]->get<std::vector<double>>();
  }
  const std::vector<bool>& bools(size_t arg) const { return *args_[arg]->get<std::vector<bool>>(); }
  const std::string* optional_text(size_t arg) const { return args_[arg]->get<std::string>(); }

  size_t result_count() const { return args_.size() - op_.out_args.size(); }
  EValue& result(size_t index = 0) const { return *args_[op_.out_args.size() + index]; }
  Tensor& out(size_t index = 0) const { return *result(index).get<Tensor>(); }
  // An argument that the operator writes into, as copy_ does.
  Tensor& written(size_t arg) const { return *args_[arg]->get<Tensor>(); }
  std::vector<Tensor>& out_list(size_t index = 0) const {
    return *result(index).get<std::vector<Tensor>>();
  }

  // Loops over [0, count) on the session's threads, or on this one when there is no pool.
  void parallel_for(int64_t count, int64_t grain,
                    const std::function<void(int64_t, int64_t)>& body) const;

  // The seed and stream that this call draws from, which no later call of the session gets again.
  RandomState next_stream() const {
    if (random_ == nullptr) return {};
    return {random_->seed, random_->calls++};
  }

  // Errors that begin with the operator's name.
  template <typename... Args>
  Error invalid(fmt::format_string<Args...> format, Args&&... args) const {
    return invalid_data(format, std::forward<Args>(args)...).at(op_.full_name());
  }
  template <typename... Args>
  Error not_supported(fmt::format_string<Args...> format, Args&&... args) const {
    return unsupported(format, std::forward<Args>(args)...).at(op_.full_name());
  }

 private:
  const OpInfo& op_;
  std::span<EValue* const> args_;
  ThreadPool* pool_;
  RandomState* random_;
};

using Kernel = Status (*)(Call&);

struct Entry {
  Op op;
  Kernel kernel;
};

// The reference kernel of an operator, or null.
Kernel find_kernel(Op op);

// Whether the values have the kinds that the operator's schema asks for: number, tensor or none,
// list kinds. Run once at load, so that Call's accessors cannot miss. Operators that write an
// argument may leave their result away. A symbolic operator's result may have any kind: its kernel
// sets it. A result must be a value of its own, except that elementwise operators may give theirs
// in an argument's place.
Status check_kinds(const OpInfo& op, std::span<EValue* const> args);

}  // namespace pte::kernels
