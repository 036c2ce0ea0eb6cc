/**
 * @file module.h
 * @brief The C++ API: load ExecuTorch `.pte` programs and run their methods.
 *
 * @code
 *   auto module = pte::Module::load("model.pte");
 *   if (!module) return fail(module.error());
 *   auto method = module->method("forward");
 *   if (!method) return fail(method.error());
 *   std::vector<float> picture = ...;
 *   if (auto s = method->set_input(0, {picture, {1, 3, 224, 224}}); !s) return fail(s.error());
 *   if (auto s = method->execute(); !s) return fail(s.error());
 *   auto scores = method->output(0);  // a view of float32 [1, 1000]
 * @endcode
 *
 * A Module is immutable and cheap to copy; any number of threads share one. A Method belongs to one
 * thread at a time: make one for each thread. Nothing is global.
 */
#ifndef PTE_MODULE_H_
#define PTE_MODULE_H_

#include <pte/operators.h>
#include <pte/result.h>
#include <pte/tensor.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pte {
inline namespace v1 {

/** The library's version, such as "0.1.0". */
inline const char* version() { return pte_version(); }

/** Stops executions from another thread. Copies are one token; all functions may be called by any
 * thread. */
class CancelToken {
 public:
  CancelToken() {
    pte_cancel_token* made = nullptr;
    if (pte_cancel_token_create(&made, nullptr) == PTE_OK)
      token_.reset(made, pte_cancel_token_free);
  }
  /** Stops the executions of every method made with the token before their next instruction. */
  void cancel() const { pte_cancel_token_cancel(token_.get()); }
  /** Lets methods run again. */
  void reset() const { pte_cancel_token_reset(token_.get()); }
  pte_cancel_token* c_token() const { return token_.get(); }

 private:
  std::shared_ptr<pte_cancel_token> token_;
};

struct ModuleOptions {
  /** `.ptd` files that hold the weights which are not in the program. */
  std::vector<std::string> data_files;
  /** Operators of your own, as they are when the module is loaded. */
  const OperatorRegistry* operators = nullptr;
};

struct MethodOptions {
  int threads = 1;                       ///< 1: the calling thread alone; 0: one per core.
  uint64_t memory_limit = 0;             ///< Bytes of arenas, values and lists; 0: 8 GiB.
  uint64_t instruction_limit = 0;        ///< Of one execution; 0: 10 million.
  std::chrono::milliseconds timeout{0};  ///< Of one execution, looked at before each instruction.
  std::optional<CancelToken> cancel;
};

/** What an input or output is. */
struct ValueInfo {
  std::string name;  ///< "" when not known: a `.pte` stores none.
  Kind kind = Kind::kNone;
  DType dtype = DType::kFloat32;   ///< Of tensors, as what follows.
  std::vector<int64_t> sizes;      ///< Upper bounds when `dynamic`.
  std::vector<uint8_t> dim_order;  ///< Outermost in memory first.
  bool dynamic = false;
};

/** A method with memory of its own. Movable; an empty one (moved from) gives errors. */
class Method {
 public:
  Method() = default;

  std::string name() const {
    const char* name = pte_method_name(method_.get());
    return name == nullptr ? "" : name;
  }
  size_t input_count() const { return pte_method_input_count(method_.get()); }
  size_t output_count() const { return pte_method_output_count(method_.get()); }
  /** What each input is. */
  std::vector<ValueInfo> inputs() const { return infos(input_count(), pte_method_input_info); }
  /** What each output is. */
  std::vector<ValueInfo> outputs() const { return infos(output_count(), pte_method_output_info); }
  /** Bytes of arenas and unplanned tensors. */
  uint64_t memory_bytes() const { return pte_method_memory_bytes(method_.get()); }

  /**
   * Gives an input its tensor, whose memory must stay as it is until the next execution has ended:
   * it is read in place where the program's layout allows it, and copied by this call where not.
   * Every tensor input must be set before each execution. Fails with kMismatch, naming what is
   * expected, when type or sizes are others.
   */
  Status set_input(size_t index, const TensorView& tensor) {
    return detail::status([&](pte_error** error) {
      const pte_tensor view = tensor.c_tensor();
      return pte_method_set_input(method_.get(), index, &view, error);
    });
  }
  /** Inputs that are no tensors were fixed at export: the value must equal that. */
  Status set_input(size_t index, int64_t value) {
    return detail::status([&](pte_error** error) {
      return pte_method_set_input_int(method_.get(), index, value, error);
    });
  }
  Status set_input(size_t index, int value) { return set_input(index, int64_t{value}); }
  Status set_input(size_t index, double value) {
    return detail::status([&](pte_error** error) {
      return pte_method_set_input_double(method_.get(), index, value, error);
    });
  }
  Status set_input(size_t index, bool value) {
    return detail::status([&](pte_error** error) {
      return pte_method_set_input_bool(method_.get(), index, value ? 1 : 0, error);
    });
  }
  Status set_input(size_t index, const char* value) {
    return detail::status([&](pte_error** error) {
      return pte_method_set_input_string(method_.get(), index, value, error);
    });
  }
  Status set_input(size_t index, const std::string& value) {
    return set_input(index, value.c_str());
  }

  /** Fails with kCancelled or kTimeout when stopped; then there are no outputs. */
  Status execute() {
    return detail::status(
        [&](pte_error** error) { return pte_method_execute(method_.get(), error); });
  }

  /** What the last execution gave as that output. */
  Kind output_kind(size_t index) const {
    return static_cast<Kind>(pte_method_output_kind(method_.get(), index));
  }
  /** An output of the last execution: valid until the next one, or until an input is set. */
  Result<TensorView> output(size_t index) const {
    pte_tensor tensor;
    return get(pte_method_output, index, tensor, [&] { return TensorView(tensor); });
  }
  Result<int64_t> output_int(size_t index) const {
    int64_t value = 0;
    return get(pte_method_output_int, index, value, [&] { return value; });
  }
  Result<double> output_double(size_t index) const {
    double value = 0;
    return get(pte_method_output_double, index, value, [&] { return value; });
  }
  Result<bool> output_bool(size_t index) const {
    int32_t value = 0;
    return get(pte_method_output_bool, index, value, [&] { return value != 0; });
  }
  Result<std::string> output_string(size_t index) const {
    const char* value = nullptr;
    return get(pte_method_output_string, index, value, [&] { return std::string(value); });
  }

 private:
  friend class Module;
  struct Free {
    void operator()(pte_method* method) const { pte_method_free(method); }
  };

  template <typename Info>
  std::vector<ValueInfo> infos(size_t count, Info info) const {
    std::vector<ValueInfo> out;
    for (size_t i = 0; i < count; ++i) {
      pte_value_info found = PTE_VALUE_INFO_INIT;
      if (info(method_.get(), i, &found, nullptr) != PTE_OK) break;
      ValueInfo value;
      value.name = found.name;
      value.kind = static_cast<Kind>(found.kind);
      value.dtype = static_cast<DType>(found.dtype);
      if (found.rank > 0) {
        value.sizes.assign(found.sizes, found.sizes + found.rank);
        value.dim_order.assign(found.dim_order, found.dim_order + found.rank);
      }
      value.dynamic = found.dynamic != 0;
      out.push_back(std::move(value));
    }
    return out;
  }
  template <typename Get, typename Value, typename Make>
  auto get(Get ask, size_t index, Value& value, Make&& make) const -> Result<decltype(make())> {
    Status status =
        detail::status([&](pte_error** error) { return ask(method_.get(), index, &value, error); });
    if (!status) return status.error();
    return make();
  }

  std::unique_ptr<pte_method, Free> method_;
};

/** A verified program with its weights. Copies share it. */
class Module {
 public:
  Module() = default;

  /** Maps and verifies a file, which must not change while the module or a method of it lives. */
  static Result<Module> load(const std::string& path, const ModuleOptions& options = {}) {
    return make(options, [&](const pte_module_options& given, pte_module** out, pte_error** error) {
      return pte_module_load(path.c_str(), &given, out, error);
    });
  }
  /** The same from a copy of bytes in memory. */
  static Result<Module> load_bytes(const void* data, size_t size,
                                   const ModuleOptions& options = {}) {
    return make(options, [&](const pte_module_options& given, pte_module** out, pte_error** error) {
      return pte_module_load_bytes(data, size, nullptr, nullptr, &given, out, error);
    });
  }
  /** Uses bytes where they lie (at a multiple of 16, else it copies them) while `owner` lives. */
  static Result<Module> load_bytes(std::shared_ptr<const void> owner, const void* data, size_t size,
                                   const ModuleOptions& options = {}) {
    auto kept = std::make_unique<std::shared_ptr<const void>>(std::move(owner));
    return make(options, [&](const pte_module_options& given, pte_module** out, pte_error** error) {
      return pte_module_load_bytes(
          data, size, [](void* held) { delete static_cast<std::shared_ptr<const void>*>(held); },
          kept.release(), &given, out, error);
    });
  }

  std::vector<std::string> method_names() const {
    std::vector<std::string> names;
    for (size_t i = 0; i < pte_module_method_count(module_.get()); ++i) {
      names.emplace_back(pte_module_method_name(module_.get(), i));
    }
    return names;
  }

  /** Makes a method ready. Fails with kUnsupported, naming all of them, when operators or backends
   * are missing. */
  Result<Method> method(const std::string& name = "forward",
                        const MethodOptions& options = {}) const {
    pte_method_options given = PTE_METHOD_OPTIONS_INIT;
    given.threads = options.threads;
    given.memory_limit = options.memory_limit;
    given.instruction_limit = options.instruction_limit;
    if (options.timeout.count() > 0)
      given.timeout_ms = static_cast<uint64_t>(options.timeout.count());
    if (options.cancel) given.cancel = options.cancel->c_token();
    Method made;
    Status status = detail::status([&](pte_error** error) {
      pte_method* handle = nullptr;
      const pte_status code =
          pte_method_create(module_.get(), name.c_str(), &given, &handle, error);
      made.method_.reset(handle);
      return code;
    });
    if (!status) return status.error();
    return made;
  }

  /** Bytes that the program carries by name; they live as long as the module. */
  Result<std::string_view> named_data(const std::string& key) const {
    const void* data = nullptr;
    size_t size = 0;
    Status status = detail::status([&](pte_error** error) {
      return pte_module_named_data(module_.get(), key.c_str(), &data, &size, error);
    });
    if (!status) return status.error();
    return std::string_view(static_cast<const char*>(data), size);
  }

 private:
  template <typename Load>
  static Result<Module> make(const ModuleOptions& options, Load&& load) {
    std::vector<const char*> paths;
    for (const std::string& path : options.data_files) paths.push_back(path.c_str());
    pte_module_options given = PTE_MODULE_OPTIONS_INIT;
    given.data_files = paths.data();
    given.data_file_count = paths.size();
    if (options.operators != nullptr) given.operators = options.operators->c_registry();
    Module made;
    Status status = detail::status([&](pte_error** error) {
      pte_module* handle = nullptr;
      const pte_status code = load(given, &handle, error);
      made.module_.reset(handle, pte_module_free);
      return code;
    });
    if (!status) return status.error();
    return made;
  }

  std::shared_ptr<pte_module> module_;
};

}  // namespace v1
}  // namespace pte

#endif  // PTE_MODULE_H_
