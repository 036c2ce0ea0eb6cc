// Shared libraries with operators. A plugin links against nothing of ours: it is handed tables of
// functions, so the same file works in an application and in the command line.
#include "api/plugin.h"

#include <dlfcn.h>

#include "api/handles.h"

namespace pte::api {
namespace {

struct Registration : pte_plugin_registry {
  std::shared_ptr<void> library;
  runtime::CustomOps ops;
  std::optional<Error> failure;
};

pte_status add(pte_plugin_registry* registry, const pte_operator* op) {
  auto& registration = *static_cast<Registration*>(registry);
  pte_error* error = nullptr;
  const pte_status status =
      guard(&error, [&] { return add_operator(op, registration.library, registration.ops); });
  if (status != PTE_OK && !registration.failure) {
    try {
      registration.failure = Error{code_of(status), error->message, error->hint};
    } catch (...) {
      registration.failure = Error{Code::kResourceLimit, {}, {}};
    }
  }
  pte_error_free(error);
  return status;
}

std::string last_error() {
  const char* text = dlerror();
  return text == nullptr ? "unknown reason" : text;
}

Status register_all(const char* path, Registration& registration) {
  void* library = registration.library.get();
  const auto* version = static_cast<const uint32_t*>(dlsym(library, "pte_plugin_abi_version"));
  using Register = pte_status (*)(pte_plugin_registry*);
  const auto entry = reinterpret_cast<Register>(dlsym(library, "pte_plugin_register"));
  if (version == nullptr || entry == nullptr) {
    return invalid_argument("{}: no plugin of pte: it does not define '{}'", path,
                            entry == nullptr ? "pte_plugin_register" : "pte_plugin_abi_version")
        .with_hint("a plugin defines pte_plugin_register() and has PTE_PLUGIN once; see pte/pte.h");
  }
  if (*version != PTE_ABI_VERSION) {
    return make_error(Code::kMismatch,
                      "{}: it was built for version {} of the plugin interface, "
                      "expected {}",
                      path, *version, PTE_ABI_VERSION)
        .with_hint("build it again with this version's pte/pte.h");
  }
  pte_status status = PTE_OK;
  try {
    status = entry(&registration);
  } catch (...) {
    return internal_error("{}: pte_plugin_register threw", path);
  }
  if (registration.failure) return std::move(*registration.failure).at(path);
  if (status != PTE_OK) {
    return make_error(code_of(status), "{}: pte_plugin_register failed: {}", path,
                      pte_status_name(status));
  }
  return {};
}

}  // namespace

Status load_plugin(const char* path, runtime::CustomOps& to) {
  // A bare name means a file here, as everywhere else, and no search through the system's folders.
  const std::string file = std::string_view(path).find('/') == std::string_view::npos
                               ? std::string("./") + path
                               : std::string(path);
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    return invalid_argument("{}: cannot be loaded as a plugin: {}", path, last_error());
  }
  Registration registration;
  registration.abi_version = PTE_ABI_VERSION;
  registration.add = add;
  registration.library = std::shared_ptr<void>(handle, [](void* open) { dlclose(open); });
  PTE_CHECK(register_all(path, registration));
  if (registration.ops.empty()) {
    return invalid_argument("{}: the plugin registers no operator", path);
  }
  return to.add_all(registration.ops).at(path);
}

}  // namespace pte::api
