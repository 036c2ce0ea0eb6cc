// Kernels behind the C API: what pte_call_… answers, and a pte_operator as a runtime::CustomOp.
#include <algorithm>

#include "api/handles.h"
#include "api/plugin.h"

namespace pte::api {
namespace {

struct CallState : pte_call {
  const runtime::CustomCall* call = nullptr;
  Error failure;
  bool failed = false;
};

CallState& state_of(pte_call* call) { return *static_cast<CallState*>(call); }
const CallState& state_of(const pte_call* call) { return *static_cast<const CallState*>(call); }

pte_status fail(pte_call* call, pte_status code, const char* message) noexcept {
  CallState& state = state_of(call);
  try {
    state.failure = Error{code_of(code), message == nullptr ? "" : message, {}};
  } catch (...) {
    state.failure = Error{};
  }
  state.failed = true;
  return code == PTE_OK ? PTE_INTERNAL : code;
}

pte_status fail(pte_call* call, const Error& error) noexcept {
  return fail(call, status_of(error.code), error.message.c_str());
}

// Runs a getter: errors become the call's own.
template <typename Body>
pte_status answer(pte_call* call, Body&& body) noexcept {
  try {
    const Status status = body(state_of(call));
    return status.has_value() ? PTE_OK : fail(call, status.error());
  } catch (...) {
    return fail(call, PTE_RESOURCE_LIMIT, "out of memory");
  }
}

Result<EValue*> value(const CallState& state, size_t arg) {
  if (arg >= state.call->values.size()) {
    return invalid_argument("there is no argument {}: the call has {}", arg,
                            state.call->values.size());
  }
  return state.call->values[arg];
}

template <typename T>
Result<const T*> typed(const CallState& state, size_t arg, std::string_view wanted) {
  PTE_TRY(const EValue* found, value(state, arg));
  const T* typed = found->get<T>();
  if (typed == nullptr) {
    return invalid_argument("argument {} is {}, the kernel asks for {}", arg, found->kind(),
                            wanted);
  }
  return typed;
}

size_t arg_count(const pte_call* call) { return state_of(call).call->values.size(); }

pte_kind arg_kind(const pte_call* call, size_t arg) {
  const CallState& state = state_of(call);
  return arg < state.call->values.size() ? static_cast<pte_kind>(state.call->values[arg]->v.index())
                                         : PTE_KIND_NONE;
}

pte_status get_tensor(pte_call* call, size_t arg, pte_tensor* tensor) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const Tensor* found, typed<Tensor>(state, arg, "Tensor"));
    *tensor = tensor_to(*found);
    return {};
  });
}

pte_status get_int(pte_call* call, size_t arg, int64_t* out) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const int64_t* found, typed<int64_t>(state, arg, "Int"));
    *out = *found;
    return {};
  });
}

pte_status get_double(pte_call* call, size_t arg, double* out) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const EValue* found, value(state, arg));
    if (const auto* whole = found->get<int64_t>()) {
      *out = static_cast<double>(*whole);
      return {};
    }
    PTE_TRY(const double* real, typed<double>(state, arg, "Double"));
    *out = *real;
    return {};
  });
}

pte_status get_bool(pte_call* call, size_t arg, int32_t* out) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const bool* found, typed<bool>(state, arg, "Bool"));
    *out = *found ? 1 : 0;
    return {};
  });
}

pte_status get_string(pte_call* call, size_t arg, const char** text, size_t* length) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const std::string* found, typed<std::string>(state, arg, "String"));
    *text = found->c_str();
    *length = found->size();
    return {};
  });
}

pte_status get_ints(pte_call* call, size_t arg, const int64_t** items, size_t* count) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const auto* found, typed<std::vector<int64_t>>(state, arg, "IntList"));
    *items = found->data();
    *count = found->size();
    return {};
  });
}

pte_status get_doubles(pte_call* call, size_t arg, const double** items, size_t* count) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const auto* found, typed<std::vector<double>>(state, arg, "DoubleList"));
    *items = found->data();
    *count = found->size();
    return {};
  });
}

std::optional<size_t> size_of_list(const EValue& value) {
  if (const auto* list = value.get<std::vector<int64_t>>()) return list->size();
  if (const auto* list = value.get<std::vector<double>>()) return list->size();
  if (const auto* list = value.get<std::vector<bool>>()) return list->size();
  if (const auto* list = value.get<std::vector<Tensor>>()) return list->size();
  if (const auto* list = value.get<std::vector<std::optional<Tensor>>>()) return list->size();
  return std::nullopt;
}

pte_status list_size(pte_call* call, size_t arg, size_t* count) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const EValue* found, value(state, arg));
    const auto size = size_of_list(*found);
    if (!size) {
      return invalid_argument("argument {} is {}, the kernel asks for a list", arg, found->kind());
    }
    *count = *size;
    return {};
  });
}

Status check_item(size_t arg, size_t item, size_t count) {
  if (item < count) return {};
  return invalid_argument("there is no item {}: argument {} has {}", item, arg, count);
}

pte_status list_tensor(pte_call* call, size_t arg, size_t item, pte_tensor* tensor,
                       int32_t* present) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const EValue* found, value(state, arg));
    const Tensor* at = nullptr;
    if (const auto* optionals = found->get<std::vector<std::optional<Tensor>>>()) {
      PTE_CHECK(check_item(arg, item, optionals->size()));
      const std::optional<Tensor>& maybe = (*optionals)[item];
      at = maybe ? &*maybe : nullptr;
    } else {
      PTE_TRY(const auto* tensors, typed<std::vector<Tensor>>(state, arg, "TensorList"));
      PTE_CHECK(check_item(arg, item, tensors->size()));
      at = &(*tensors)[item];
    }
    if (present != nullptr) *present = at != nullptr ? 1 : 0;
    if (at != nullptr) *tensor = tensor_to(*at);
    return {};
  });
}

pte_status list_bool(pte_call* call, size_t arg, size_t item, int32_t* out) {
  return answer(call, [&](CallState& state) -> Status {
    PTE_TRY(const auto* found, typed<std::vector<bool>>(state, arg, "BoolList"));
    PTE_CHECK(check_item(arg, item, found->size()));
    *out = (*found)[item] ? 1 : 0;
    return {};
  });
}

pte_status resize(pte_call* call, size_t arg, size_t item, const int64_t* sizes, size_t rank) {
  return answer(call, [&](CallState& state) -> Status {
    const size_t taken = state.call->op.out_args.size();
    if (arg < taken || arg >= state.call->values.size()) {
      return invalid_argument("argument {} is no result and keeps its sizes", arg);
    }
    if (rank > kMaxRank || (rank > 0 && sizes == nullptr)) {
      return invalid_argument("a result cannot have these sizes");
    }
    const Sizes wanted(sizes, sizes + rank);
    EValue& result = *state.call->values[arg];
    Tensor* tensor = result.get<Tensor>();
    if (auto* list = result.get<std::vector<Tensor>>()) {
      PTE_CHECK(check_item(arg, item, list->size()));
      tensor = &(*list)[item];
    }
    if (tensor == nullptr) {
      return invalid_argument("argument {} is {} and has no sizes", arg, result.kind());
    }
    return tensor->resize(wanted);
  });
}

void parallel_for(pte_call* call, int64_t count, int64_t grain,
                  void (*body)(int64_t, int64_t, void*), void* data) {
  ThreadPool* pool = state_of(call).call->pool;
  if (pool == nullptr) {
    if (count > 0) body(0, count, data);
    return;
  }
  pool->parallel_for(count, grain,
                     [body, data](int64_t begin, int64_t end) { body(begin, end, data); });
}

constexpr pte_call_api kApi = {sizeof(pte_call_api),
                               arg_count,
                               arg_kind,
                               get_tensor,
                               get_int,
                               get_double,
                               get_bool,
                               get_string,
                               get_ints,
                               get_doubles,
                               list_size,
                               list_tensor,
                               list_bool,
                               resize,
                               fail,
                               parallel_for};

// The caller's kernel with what it was registered with.
struct Registered {
  pte_kernel kernel = nullptr;
  void* user_data = nullptr;
  void (*destroy)(void*) = nullptr;
  std::shared_ptr<void> library;  // unloaded after destroy() has run

  Registered() = default;
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;
  ~Registered() {
    if (destroy != nullptr) destroy(user_data);
  }
};

Status run(const Registered& registered, const runtime::CustomCall& call) {
  CallState state;
  state.api = &kApi;
  state.call = &call;
  const std::string& name = call.op.out_name;
  pte_status status = PTE_OK;
  try {
    status = registered.kernel(&state, registered.user_data);
  } catch (const std::exception& exception) {
    return internal_error("{}: its kernel threw: {}", name, exception.what());
  } catch (...) {
    return internal_error("{}: its kernel threw", name);
  }
  if (status == PTE_OK) return {};
  if (state.failed) {
    state.failure.code = code_of(status);
    return std::move(state.failure).at(name);
  }
  return make_error(code_of(status), "{}: its kernel failed: {}", name, pte_status_name(status));
}

}  // namespace

Status add_operator(const pte_operator* op, const std::shared_ptr<void>& library,
                    runtime::CustomOps& to) {
  if (op == nullptr) return null_argument("the operator");
  if (op->struct_size < sizeof(pte_operator)) {
    return invalid_argument("pte_operator.struct_size is {}, expected {}", op->struct_size,
                            sizeof(pte_operator))
        .with_hint("begin with PTE_OPERATOR_INIT");
  }
  if (op->schema == nullptr) return null_argument("pte_operator.schema");
  if (op->kernel == nullptr) return null_argument("pte_operator.kernel");
  runtime::CustomOp made;
  PTE_TRY(made.info, runtime::custom_op_info(op->schema));
  auto registered = std::make_shared<Registered>();
  registered->kernel = op->kernel;
  registered->user_data = op->user_data;
  registered->library = library;
  made.kernel = [registered](const runtime::CustomCall& call) { return run(*registered, call); };
  PTE_CHECK(to.add(std::move(made)));
  registered->destroy = op->destroy;
  return {};
}

}  // namespace pte::api

extern "C" {

pte_status pte_operator_registry_create(pte_operator_registry** registry, pte_error** error) {
  return pte::api::guard(error, [&]() -> pte::Status {
    if (registry == nullptr) return pte::api::null_argument("registry");
    *registry = new pte_operator_registry;
    return {};
  });
}

void pte_operator_registry_free(pte_operator_registry* registry) { delete registry; }

pte_status pte_operator_registry_add(pte_operator_registry* registry, const pte_operator* op,
                                     pte_error** error) {
  return pte::api::guard(error, [&]() -> pte::Status {
    if (registry == nullptr) return pte::api::null_argument("registry");
    return pte::api::add_operator(op, nullptr, registry->ops);
  });
}

pte_status pte_operator_registry_load_plugin(pte_operator_registry* registry, const char* path,
                                             pte_error** error) {
  return pte::api::guard(error, [&]() -> pte::Status {
    if (registry == nullptr) return pte::api::null_argument("registry");
    if (path == nullptr) return pte::api::null_argument("path");
    return pte::api::load_plugin(path, registry->ops);
  });
}

}  // extern "C"
