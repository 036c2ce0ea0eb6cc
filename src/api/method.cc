#include "api/handles.h"
#include "program/quote.h"

namespace pte::api {
namespace {

// One thread at a time: a second one is told so instead of racing with the first.
class InUse {
 public:
  explicit InUse(const pte_method* method) : method_(const_cast<pte_method*>(method)) {
    free_ = !method_->busy.exchange(true, std::memory_order_acquire);
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() {
    if (free_) method_->busy.store(false, std::memory_order_release);
  }
  Status check() const {
    if (free_) return {};
    return invalid_argument("method {} is in use already", program::quote(method_->method->name()))
        .with_hint("give each thread a method of its own; they share the module");
  }

 private:
  pte_method* method_;
  bool free_;
};

// What most functions of a method do around their work.
template <typename Body>
pte_status with_method(const pte_method* method, pte_error** error, Body&& body) {
  return guard(error, [&]() -> Status {
    if (method == nullptr) return null_argument("method");
    const InUse use(method);
    PTE_CHECK(use.check());
    return body(*method->method);
  });
}

Status apply(const pte_method_options& given, runtime::Options& options, pte_method& method) {
  if (given.struct_size < sizeof(pte_method_options)) {
    return invalid_argument("pte_method_options.struct_size is {}, expected {}", given.struct_size,
                            sizeof(pte_method_options))
        .with_hint("begin with PTE_METHOD_OPTIONS_INIT");
  }
  constexpr int kMaxThreads = 1024;
  if (given.threads < 0 || given.threads > kMaxThreads) {
    return invalid_argument("pte_method_options.threads is {}, expected 0 to {}", given.threads,
                            kMaxThreads);
  }
  if (given.threads != 1) {
    method.pool = std::make_unique<ThreadPool>(given.threads);
    options.pool = method.pool.get();
  }
  if (given.memory_limit != 0) options.memory_limit = given.memory_limit;
  if (given.instruction_limit != 0) options.instruction_limit = given.instruction_limit;
  constexpr uint64_t kMaxTimeout = uint64_t{1} << 40;  // 34 years: as good as none
  method.timeout_ms = std::min(given.timeout_ms, kMaxTimeout);
  options.timeout = std::chrono::milliseconds(method.timeout_ms);
  if (given.cancel != nullptr) {
    method.cancelled = given.cancel->cancelled;
    options.cancel = method.cancelled.get();
  }
  return {};
}

Status create(const pte_module& module, std::string_view name, const pte_method_options* given,
              pte_method** out) {
  auto method = std::make_unique<pte_method>();
  runtime::Options options;
  if (given != nullptr) PTE_CHECK(apply(*given, options, *method));
  options.custom_ops = module.ops;
  options.data = module.data;
  PTE_TRY(method->method, runtime::Method::load(module.program, name, options));
  for (size_t i = 0; i < method->method->input_count(); ++i) {
    method->inputs.push_back(method->method->input_info(i));
  }
  for (size_t i = 0; i < method->method->output_count(); ++i) {
    method->outputs.push_back(method->method->output_info(i));
  }
  *out = method.release();
  return {};
}

// The number among `names`' places; EValue::kind() is the text of it.
pte_kind kind_of(std::string_view name) {
  for (pte_kind kind = 0; kind <= PTE_KIND_OPTIONAL_TENSOR_LIST; ++kind) {
    if (name == pte_kind_name(kind)) return kind;
  }
  return PTE_KIND_NONE;
}

Status fill(const std::vector<runtime::ValueInfo>& infos, std::string_view what, size_t index,
            pte_value_info* out) {
  if (out == nullptr) return null_argument("info");
  if (out->struct_size < sizeof(pte_value_info)) {
    return invalid_argument("pte_value_info.struct_size is {}, expected {}", out->struct_size,
                            sizeof(pte_value_info))
        .with_hint("begin with PTE_VALUE_INFO_INIT");
  }
  if (index >= infos.size()) {
    return invalid_argument("there is no {} {}: the method has {}", what, index, infos.size());
  }
  const runtime::ValueInfo& info = infos[index];
  out->name = info.name.c_str();
  out->kind = kind_of(info.kind);
  out->dtype = static_cast<pte_dtype>(info.dtype);
  out->sizes = info.sizes.data();
  out->dim_order = info.dim_order.data();
  out->rank = static_cast<uint32_t>(info.sizes.size());
  out->dynamic = info.dynamic ? 1 : 0;
  return {};
}

Status set(pte_method& method, size_t index, const EValue& value) {
  method.executed = false;
  return method.method->lend_input(index, value);
}

// A tensor that lies in an output of the method may overlap the input's place: the runtime sees
// that by its owner.
Tensor with_owner(const runtime::Method& method, Tensor tensor) {
  const auto begin = reinterpret_cast<uintptr_t>(tensor.data());
  for (size_t i = 0; i < method.output_count(); ++i) {
    const auto* output = method.output(i).get<Tensor>();
    if (output == nullptr || output->owner() == nullptr) continue;
    const auto at = reinterpret_cast<uintptr_t>(output->data());
    if (begin < at || begin >= at + output->nbytes()) continue;
    return Tensor::view(tensor.dtype(), tensor.sizes(), tensor.strides(), tensor.data(),
                        output->owner());
  }
  return tensor;
}

Status execute(pte_method& method, pte_status& stopped) {
  method.executed = false;
  const auto begin = std::chrono::steady_clock::now();
  Status status = method.method->execute();
  if (status.has_value()) {
    method.executed = true;
    return {};
  }
  if (status.error().code == Code::kResourceLimit) {
    const auto limit = std::chrono::milliseconds(method.timeout_ms);
    if (method.cancelled != nullptr && method.cancelled->load(std::memory_order_relaxed)) {
      stopped = PTE_CANCELLED;
    } else if (method.timeout_ms > 0 && std::chrono::steady_clock::now() - begin >= limit) {
      stopped = PTE_TIMEOUT;
    }
  }
  return status;
}

Result<const EValue*> output(const pte_method& method, size_t index) {
  if (index >= method.outputs.size()) {
    return invalid_argument("there is no output {}: the method has {}", index,
                            method.outputs.size());
  }
  if (!method.executed) {
    return invalid_argument(
        "there are no outputs: the method was not executed since its inputs "
        "changed");
  }
  return &method.method->output(index);
}

template <typename T, typename Put>
pte_status get_output(const pte_method* method, size_t index, bool wanted, std::string_view kind,
                      pte_error** error, Put&& put) {
  return with_method(method, error, [&](const runtime::Method&) -> Status {
    if (!wanted) return null_argument("value");
    PTE_TRY(const EValue* value, output(*method, index));
    const T* typed = value->get<T>();
    if (typed == nullptr) {
      return make_error(Code::kMismatch, "output {} is {}, not {}", index, value->kind(), kind);
    }
    put(*typed);
    return {};
  });
}

}  // namespace
}  // namespace pte::api

using pte::EValue;
using pte::Status;
using pte::api::get_output;
using pte::api::null_argument;
using pte::api::with_method;

extern "C" {

pte_status pte_cancel_token_create(pte_cancel_token** token, pte_error** error) {
  return pte::api::guard(error, [&]() -> Status {
    if (token == nullptr) return null_argument("token");
    auto made = std::make_unique<pte_cancel_token>();
    made->cancelled = std::make_shared<std::atomic<bool>>(false);
    *token = made.release();
    return {};
  });
}

void pte_cancel_token_free(pte_cancel_token* token) { delete token; }

void pte_cancel_token_cancel(pte_cancel_token* token) {
  if (token != nullptr) token->cancelled->store(true);
}

void pte_cancel_token_reset(pte_cancel_token* token) {
  if (token != nullptr) token->cancelled->store(false);
}

pte_status pte_method_create(const pte_module* module, const char* name,
                             const pte_method_options* options, pte_method** method,
                             pte_error** error) {
  return pte::api::guard(error, [&]() -> Status {
    if (module == nullptr) return null_argument("module");
    if (method == nullptr) return null_argument("method");
    return pte::api::create(*module, name == nullptr ? "forward" : name, options, method);
  });
}

void pte_method_free(pte_method* method) { delete method; }

const char* pte_method_name(const pte_method* method) {
  return method == nullptr ? nullptr : method->method->name().c_str();
}

size_t pte_method_input_count(const pte_method* method) {
  return method == nullptr ? 0 : method->inputs.size();
}

size_t pte_method_output_count(const pte_method* method) {
  return method == nullptr ? 0 : method->outputs.size();
}

pte_status pte_method_input_info(const pte_method* method, size_t index, pte_value_info* info,
                                 pte_error** error) {
  return pte::api::guard(error, [&]() -> Status {
    if (method == nullptr) return null_argument("method");
    return pte::api::fill(method->inputs, "input", index, info);
  });
}

pte_status pte_method_output_info(const pte_method* method, size_t index, pte_value_info* info,
                                  pte_error** error) {
  return pte::api::guard(error, [&]() -> Status {
    if (method == nullptr) return null_argument("method");
    return pte::api::fill(method->outputs, "output", index, info);
  });
}

uint64_t pte_method_memory_bytes(const pte_method* method) {
  return method == nullptr ? 0 : method->method->memory_bytes();
}

pte_status pte_method_set_input(pte_method* method, size_t index, const pte_tensor* tensor,
                                pte_error** error) {
  return with_method(method, error, [&](const pte::runtime::Method& inner) -> Status {
    PTE_TRY(pte::Tensor view, pte::api::tensor_from(tensor).at(fmt::format("input {}", index)));
    return pte::api::set(*method, index, pte::api::with_owner(inner, std::move(view)));
  });
}

pte_status pte_method_set_input_int(pte_method* method, size_t index, int64_t value,
                                    pte_error** error) {
  return with_method(method, error, [&](const pte::runtime::Method&) -> Status {
    return pte::api::set(*method, index, EValue(value));
  });
}

pte_status pte_method_set_input_double(pte_method* method, size_t index, double value,
                                       pte_error** error) {
  return with_method(method, error, [&](const pte::runtime::Method&) -> Status {
    return pte::api::set(*method, index, EValue(value));
  });
}

pte_status pte_method_set_input_bool(pte_method* method, size_t index, int32_t value,
                                     pte_error** error) {
  return with_method(method, error, [&](const pte::runtime::Method&) -> Status {
    return pte::api::set(*method, index, EValue(value != 0));
  });
}

pte_status pte_method_set_input_string(pte_method* method, size_t index, const char* value,
                                       pte_error** error) {
  return with_method(method, error, [&](const pte::runtime::Method&) -> Status {
    if (value == nullptr) return null_argument("value");
    return pte::api::set(*method, index, EValue(std::string(value)));
  });
}

pte_status pte_method_execute(pte_method* method, pte_error** error) {
  pte_status stopped = PTE_OK;
  const pte_status status = with_method(method, error, [&](const pte::runtime::Method&) {
    return pte::api::execute(*method, stopped);
  });
  if (status == PTE_OK || stopped == PTE_OK) return status;
  if (error != nullptr && *error != nullptr) pte::api::recode(**error, stopped);
  return stopped;
}

pte_kind pte_method_output_kind(const pte_method* method, size_t index) {
  if (method == nullptr || index >= method->outputs.size()) return PTE_KIND_NONE;
  const pte::api::InUse use(method);
  if (!use.check().has_value() || !method->executed) return PTE_KIND_NONE;
  return static_cast<pte_kind>(method->method->output(index).v.index());
}

pte_status pte_method_output(const pte_method* method, size_t index, pte_tensor* tensor,
                             pte_error** error) {
  return get_output<pte::Tensor>(
      method, index, tensor != nullptr, "a tensor", error,
      [&](const pte::Tensor& value) { *tensor = pte::api::tensor_to(value); });
}

pte_status pte_method_output_int(const pte_method* method, size_t index, int64_t* value,
                                 pte_error** error) {
  return get_output<int64_t>(method, index, value != nullptr, "Int", error,
                             [&](int64_t found) { *value = found; });
}

pte_status pte_method_output_double(const pte_method* method, size_t index, double* value,
                                    pte_error** error) {
  return get_output<double>(method, index, value != nullptr, "Double", error,
                            [&](double found) { *value = found; });
}

pte_status pte_method_output_bool(const pte_method* method, size_t index, int32_t* value,
                                  pte_error** error) {
  return get_output<bool>(method, index, value != nullptr, "Bool", error,
                          [&](bool found) { *value = found ? 1 : 0; });
}

pte_status pte_method_output_string(const pte_method* method, size_t index, const char** value,
                                    pte_error** error) {
  return get_output<std::string>(method, index, value != nullptr, "String", error,
                                 [&](const std::string& found) { *value = found.c_str(); });
}

}  // extern "C"
