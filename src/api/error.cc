#include <cstring>

#include "api/handles.h"

namespace pte::api {
namespace {

pte_error& no_memory() {
  static pte_error error{PTE_RESOURCE_LIMIT, "out of memory", {}};
  return error;
}

}  // namespace

pte_status status_of(Code code) { return static_cast<pte_status>(code) + 1; }

Code code_of(pte_status status) {
  if (status < PTE_INVALID_ARGUMENT || status > PTE_INTERNAL) {
    return status == PTE_CANCELLED || status == PTE_TIMEOUT ? Code::kResourceLimit
                                                            : Code::kInternal;
  }
  return static_cast<Code>(status - 1);
}

static_assert(static_cast<int>(Code::kInvalidArgument) + 1 == PTE_INVALID_ARGUMENT);
static_assert(static_cast<int>(Code::kInvalidData) + 1 == PTE_INVALID_DATA);
static_assert(static_cast<int>(Code::kUnsupported) + 1 == PTE_UNSUPPORTED);
static_assert(static_cast<int>(Code::kNotFound) + 1 == PTE_NOT_FOUND);
static_assert(static_cast<int>(Code::kIo) + 1 == PTE_IO);
static_assert(static_cast<int>(Code::kResourceLimit) + 1 == PTE_RESOURCE_LIMIT);
static_assert(static_cast<int>(Code::kMismatch) + 1 == PTE_MISMATCH);
static_assert(static_cast<int>(Code::kInternal) + 1 == PTE_INTERNAL);

pte_status report_no_memory(pte_error** error) noexcept {
  if (error != nullptr) *error = &no_memory();
  return PTE_RESOURCE_LIMIT;
}

void recode(pte_error& error, pte_status status) noexcept {
  if (&error != &no_memory()) error.code = status;
}

pte_status report(pte_status status, Error failure, pte_error** error) noexcept {
  if (error == nullptr) return status;
  auto* made =
      new (std::nothrow) pte_error{status, std::move(failure.message), std::move(failure.hint)};
  if (made == nullptr) return report_no_memory(error);
  *error = made;
  return status;
}

}  // namespace pte::api

extern "C" {

const char* pte_version(void) { return PTE_VERSION; }
uint32_t pte_abi_version(void) { return PTE_ABI_VERSION; }

pte_status pte_error_code(const pte_error* error) {
  return error == nullptr ? PTE_OK : error->code;
}
const char* pte_error_message(const pte_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}
const char* pte_error_hint(const pte_error* error) {
  return error == nullptr ? "" : error->hint.c_str();
}
void pte_error_free(pte_error* error) {
  if (error != &pte::api::no_memory()) delete error;
}

const char* pte_status_name(pte_status status) {
  static constexpr const char* kNames[] = {"ok",
                                           "invalid argument",
                                           "invalid data",
                                           "unsupported",
                                           "not found",
                                           "input/output error",
                                           "resource limit",
                                           "mismatch",
                                           "internal error",
                                           "cancelled",
                                           "timeout"};
  const auto index = static_cast<size_t>(status);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

}  // extern "C"
