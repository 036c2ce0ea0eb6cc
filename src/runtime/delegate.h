// What runs the parts of a method that an exporter gave to a backend.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "program/program.h"
#include "tensor/evalue.h"

namespace pte::runtime {

struct Options;

// A delegate made ready. One belongs to one method and is called by one thread at a time.
class Delegate {
 public:
  virtual ~Delegate() = default;

  // A DelegateCall names that many inputs, then that many outputs.
  virtual size_t input_count() const = 0;
  virtual size_t output_count() const = 0;

  // Memory that it needs during execute() and that others may use between two calls.
  virtual uint64_t scratch_bytes() const { return 0; }
  // At least that much, before the first execute().
  virtual Status set_scratch(const Tensor&) { return {}; }

  // Reads the inputs, resizes the output tensors in the memory that they have, and fills them.
  virtual Status execute(std::span<EValue* const> args) = 0;
};

struct DelegateRequest {
  std::shared_ptr<const program::Program> program;  // for its named data, and to keep bytes alive
  const program::Delegate& delegate;
  const Options& options;  // for the loader's call only: copy what is needed
  // What its first call passes, null where that is no tensor; may be empty: not known.
  std::vector<const program::TensorValue*> args;
};

// Whether default_delegates() runs this backend.
bool has_backend(std::string_view id);

// The bytes that a delegate asks for by name: the program's own, or those of a .ptd file. Fails
// with kNotFound, and says how to give them.
Result<program::Blob> find_named_data(const DelegateRequest& request, std::string_view key);
// The error when neither has the key; `given` says whether any .ptd file was.
Error missing_data(std::string_view key, bool given);

// Makes a delegate, or fails with kUnsupported when the backend is not known.
using DelegateLoader = std::function<Result<std::unique_ptr<Delegate>>(const DelegateRequest&)>;

// A delegate that runs a method of another program, such as an XNNPACK payload lifted and emitted
// with portable operators. Takes the method's inputs and outputs in their order. Where the method
// plans an input or output in an arena of its own (lowering::EmitOptions::separate_io), it works in
// the caller's tensor, without a copy; its other arena is the scratch.
Result<std::unique_ptr<Delegate>> make_program_delegate(
    std::shared_ptr<const program::Program> program, std::string_view method,
    const Options& options);

}  // namespace pte::runtime
