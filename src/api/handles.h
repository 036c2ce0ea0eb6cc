// What stands behind the C API's handles, and how errors leave it.
//
// The C API is the one that is implemented; the C++ API of include/pte is a header over it, so that
// no C++ type crosses the library's border.
#pragma once

#include <pte/pte.h>

#include <atomic>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "base/result.h"
#include "program/program.h"
#include "program/ptd.h"
#include "runtime/custom_ops.h"
#include "runtime/method.h"

struct pte_error {
  pte_status code = PTE_INTERNAL;
  std::string message;
  std::string hint;
};

struct pte_operator_registry {
  pte::runtime::CustomOps ops;
};

// What a module's methods need of it; never changed after loading.
struct pte_module {
  std::shared_ptr<const pte::program::Program> program;
  std::shared_ptr<const pte::runtime::CustomOps> ops;
  std::shared_ptr<const pte::program::DataMap> data;
};

struct pte_cancel_token {
  std::shared_ptr<std::atomic<bool>> cancelled;
};

struct pte_method {
  std::shared_ptr<std::atomic<bool>> cancelled;
  std::unique_ptr<pte::ThreadPool> pool;
  std::unique_ptr<pte::runtime::Method> method;
  std::vector<pte::runtime::ValueInfo> inputs;
  std::vector<pte::runtime::ValueInfo> outputs;
  uint64_t timeout_ms = 0;
  bool executed = false;
  std::atomic<bool> busy{false};
};

namespace pte::api {

pte_status status_of(Code code);
Code code_of(pte_status status);

// Writes *error when it is wanted. Never fails: without memory the error says so.
pte_status report(pte_status status, Error failure, pte_error** error) noexcept;
pte_status report_no_memory(pte_error** error) noexcept;
// Gives an error that was just reported a code which Error does not know.
void recode(pte_error& error, pte_status status) noexcept;

// Runs `body`, which returns a Status, and turns whatever comes of it into a status and an error.
template <typename Body>
pte_status guard(pte_error** error, Body&& body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    Status status = body();
    if (status.has_value()) return PTE_OK;
    const Code code = status.error().code;
    return report(status_of(code), std::move(status.error()), error);
  } catch (const std::bad_alloc&) {
    return report_no_memory(error);
  } catch (const std::exception& exception) {
    return report(PTE_INTERNAL, Error{Code::kInternal, exception.what(), {}}, error);
  } catch (...) {
    return report(PTE_INTERNAL, Error{Code::kInternal, "an unknown exception", {}}, error);
  }
}

inline Error null_argument(std::string_view name) { return invalid_argument("{} is null", name); }

// Checked against what pte.h asks for.
Result<Tensor> tensor_from(const pte_tensor* tensor);
// Points into `tensor`.
pte_tensor tensor_to(const Tensor& tensor);

// Adds the caller's operator. On success, and then only, its destroy() is ours to call.
// `library` stays loaded while the kernel lives.
Status add_operator(const pte_operator* op, const std::shared_ptr<void>& library,
                    runtime::CustomOps& to);

}  // namespace pte::api
