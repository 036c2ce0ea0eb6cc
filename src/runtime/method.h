// The reference interpreter: runs a program's method call by call with the plain kernels.
//
//   PTE_TRY(auto method, Method::load(program, "forward"));
//   PTE_CHECK(method->set_input(0, picture));
//   PTE_CHECK(method->execute());
//   const Tensor& scores = *method->output(0).get<Tensor>();
//
// A method owns its memory and is used by one thread at a time; methods share only the program.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/thread_pool.h"
#include "program/program.h"
#include "program/ptd.h"
#include "runtime/custom_ops.h"
#include "runtime/delegate.h"
#include "schema/ops.h"
#include "tensor/evalue.h"

namespace pte::runtime {

// One executed instruction. What a delegate executes inside comes first, then its own call.
struct InstructionTiming {
  size_t instruction = 0;  // counted through the method's chains
  std::string_view name;   // the operator, the backend, or the kind of instruction
  uint64_t nanoseconds = 0;
  uint64_t begin = 0;  // nanoseconds on the steady clock
  // -1: an instruction of the method. Else that delegate of the method is at work, and
  // `instruction` counts the steps of the program that the delegate runs.
  int32_t delegate = -1;
  const OpInfo* op = nullptr;     // of kernel calls
  std::span<EValue* const> args;  // its arguments and results as they are now; for this call only
};

struct Options {
  ThreadPool* pool = nullptr;  // null: the calling thread alone. Must outlive the method.
  // What arenas, unplanned values and lists may take together, constants not counted.
  uint64_t memory_limit = uint64_t{8} << 30;
  // Instructions per execution, as in the official runtime: a loop that never ends must.
  uint64_t instruction_limit = 10'000'000;
  const std::atomic<bool>* cancel = nullptr;  // looked at before every instruction
  // Longer executions stop before their next instruction; 0: none does.
  std::chrono::nanoseconds timeout{0};
  std::function<void(const InstructionTiming&)> profile;
  bool caller_arenas = false;  // make no arenas: bind_arena() gives each before the first execution
  DelegateLoader delegates;    // null: default_delegates()
  // What lies in .ptd files: tensors by fully qualified name, and what delegates ask for. Methods
  // share it; it may be null. A key that the program has too is an error, as in the official one.
  std::shared_ptr<const program::DataMap> data;
  // Kernels for operators without a row in ops.def; null: none.
  std::shared_ptr<const CustomOps> custom_ops;
};

// The backends that this build runs itself.
DelegateLoader default_delegates();

// What an input or output is.
struct ValueInfo {
  std::string name;               // "" when not known
  std::string_view kind;          // "Tensor", "Int" …
  DType dtype = DType::kFloat32;  // of tensors, as what follows
  Sizes sizes;                    // upper bounds when dynamic
  DimOrder dim_order;
  bool dynamic = false;
  bool unbounded = false;  // dynamic, and `sizes` are but an example

  // "float32[1,3,224,224]", "float32[8,5] at most", "Int"
  std::string describe() const;
};
ValueInfo describe_value(const program::Value& value);

class Method {
 public:
  // `program` has passed program::verify. Fails with kUnsupported, naming all of them, when
  // operators or backends are missing, and with kResourceLimit when it asks for too much memory.
  static Result<std::unique_ptr<Method>> load(std::shared_ptr<const program::Program> program,
                                              std::string_view method, const Options& options = {});
  ~Method();
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  const std::string& name() const;
  size_t input_count() const;
  size_t output_count() const;
  ValueInfo input_info(size_t index) const;
  ValueInfo output_info(size_t index) const;
  // Names for messages: a .pte does not store any.
  void set_input_names(std::vector<std::string> names);

  // Copies a value in; any strides will do. Tensors must have the input's type and sizes (at most
  // them, where dynamic); a number or text was fixed at export and must equal that. Every tensor
  // must be set before every execution, because execution may reuse an input's memory.
  Status set_input(size_t index, const EValue& value);
  // The same for memory that stays as it is until the next execution has ended: a tensor without an
  // owner is read where it lies, when its layout is the planned one and nothing in the program
  // writes to it or names it twice. Else it is copied.
  Status lend_input(size_t index, const EValue& value);
  Status execute();
  // Valid until the next set_input or execute, which change a tensor's memory.
  const EValue& output(size_t index) const;

  // Planned memory and the state in it (a key-value cache, say) as after load(). Inputs must be set
  // again. Not needed between executions that go on from each other.
  Status reset();

  // Puts everything that the plan has in arena `memory_id` into `memory`, which must be as large as
  // the arena, outlive the execution, and not change its place during it. With `read_only` no
  // instruction may write there; inputs in it count as set. Keeps sizes that set_input() chose.
  Status bind_arena(uint32_t memory_id, const Tensor& memory, bool read_only);

  size_t instruction_count() const;
  uint64_t memory_bytes() const;  // arenas and unplanned tensors

  struct State;  // see state.h

 private:
  explicit Method(std::unique_ptr<State> state);
  Status give_input(size_t index, const EValue& value, bool lend);
  std::unique_ptr<State> state_;
};

}  // namespace pte::runtime
