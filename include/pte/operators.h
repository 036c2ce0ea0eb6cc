/**
 * @file operators.h
 * @brief Kernels for operators of your own namespace, in an application or in a plugin.
 *
 * @code
 *   pte::OperatorRegistry operators;
 *   auto status = operators.add(
 *       "mylib::scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)",
 *       [](pte::Call& call) -> pte::Status { ... });
 *   pte::ModuleOptions options;
 *   options.operators = &operators;
 * @endcode
 *
 * A plugin is a shared library that does the same for `pte --plugin`:
 *
 * @code
 *   PTE_PLUGIN
 *   pte_status pte_plugin_register(pte_plugin_registry* registry) {
 *     return pte::add_operator(registry, "mylib::scale.out(...) -> Tensor(a!)", scale);
 *   }
 * @endcode
 */
#ifndef PTE_OPERATORS_H_
#define PTE_OPERATORS_H_

#include <pte/result.h>
#include <pte/tensor.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pte {
inline namespace v1 {

/** What a value is. */
enum class Kind : pte_kind {
  kNone = PTE_KIND_NONE,
  kTensor = PTE_KIND_TENSOR,
  kInt = PTE_KIND_INT,
  kDouble = PTE_KIND_DOUBLE,
  kBool = PTE_KIND_BOOL,
  kString = PTE_KIND_STRING,
  kIntList = PTE_KIND_INT_LIST,
  kDoubleList = PTE_KIND_DOUBLE_LIST,
  kBoolList = PTE_KIND_BOOL_LIST,
  kTensorList = PTE_KIND_TENSOR_LIST,
  kOptionalTensorList = PTE_KIND_OPTIONAL_TENSOR_LIST,
};

/**
 * One call of an operator. Arguments are numbered as the schema lists them, results included, and
 * have the kinds that it says. Views are valid until resized, and at most for the call.
 */
class Call {
 public:
  explicit Call(pte_call* call) : call_(call) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  size_t size() const { return pte_call_arg_count(call_); }
  Kind kind(size_t arg) const { return static_cast<Kind>(pte_call_arg_kind(call_, arg)); }
  /** An optional argument that was not given. */
  bool is_none(size_t arg) const { return kind(arg) == Kind::kNone; }

  Result<TensorView> tensor(size_t arg) const {
    pte_tensor found;
    if (const auto code = pte_call_tensor(call_, arg, &found)) return failed(code);
    return TensorView(found);
  }
  /** A result, or an argument that the schema marks as written. */
  Result<MutableTensorView> out(size_t arg) const {
    pte_tensor found;
    if (const auto code = pte_call_tensor(call_, arg, &found)) return failed(code);
    return MutableTensorView(found);
  }
  /** Gives a result its sizes, then its view. Fails when the program planned less memory for it. */
  Result<MutableTensorView> resize(size_t arg, Span<int64_t> sizes) const {
    if (const auto code = pte_call_resize(call_, arg, sizes.data(), sizes.size()))
      return failed(code);
    return out(arg);
  }

  Result<int64_t> integer(size_t arg) const {
    int64_t value = 0;
    if (const auto code = pte_call_int(call_, arg, &value)) return failed(code);
    return value;
  }
  Result<double> real(size_t arg) const {
    double value = 0;
    if (const auto code = pte_call_double(call_, arg, &value)) return failed(code);
    return value;
  }
  Result<bool> boolean(size_t arg) const {
    int32_t value = 0;
    if (const auto code = pte_call_bool(call_, arg, &value)) return failed(code);
    return value != 0;
  }
  Result<std::string_view> text(size_t arg) const {
    const char* value = nullptr;
    size_t length = 0;
    if (const auto code = pte_call_string(call_, arg, &value, &length)) return failed(code);
    return std::string_view(value, length);
  }
  Result<Span<int64_t>> integers(size_t arg) const {
    const int64_t* items = nullptr;
    size_t count = 0;
    if (const auto code = pte_call_ints(call_, arg, &items, &count)) return failed(code);
    return Span<int64_t>(items, count);
  }
  Result<Span<double>> reals(size_t arg) const {
    const double* items = nullptr;
    size_t count = 0;
    if (const auto code = pte_call_doubles(call_, arg, &items, &count)) return failed(code);
    return Span<double>(items, count);
  }
  Result<std::vector<bool>> booleans(size_t arg) const {
    auto count = list_size(arg);
    if (!count) return count.error();
    std::vector<bool> items(*count);
    for (size_t i = 0; i < *count; ++i) {
      int32_t value = 0;
      if (const auto code = pte_call_list_bool(call_, arg, i, &value)) return failed(code);
      items[i] = value != 0;
    }
    return items;
  }
  /** The items of a list of any kind. */
  Result<size_t> list_size(size_t arg) const {
    size_t count = 0;
    if (const auto code = pte_call_list_size(call_, arg, &count)) return failed(code);
    return count;
  }
  /** An item of a list of tensors; nothing where an optional one is none. */
  Result<std::optional<MutableTensorView>> item(size_t arg, size_t index) const {
    pte_tensor found;
    int32_t present = 0;
    if (const auto code = pte_call_list_tensor(call_, arg, index, &found, &present))
      return failed(code);
    if (present == 0) return std::optional<MutableTensorView>();
    return std::optional<MutableTensorView>(MutableTensorView(found));
  }
  /** Gives an item of a result that is a list its sizes. */
  Status resize_item(size_t arg, size_t index, Span<int64_t> sizes) const {
    if (const auto code = pte_call_list_resize(call_, arg, index, sizes.data(), sizes.size()))
      return failed(code);
    return {};
  }

  /** Calls body(begin, end) on ranges that cover [0, count), on the method's threads. */
  template <typename Body>
  void parallel_for(int64_t count, int64_t grain, const Body& body) const {
    pte_call_parallel_for(
        call_, count, grain,
        [](int64_t begin, int64_t end, void* data) {
          (*static_cast<const Body*>(data))(begin, end);
        },
        const_cast<Body*>(&body));
  }

 private:
  // The message is with the call already; an empty one keeps it.
  static Error failed(pte_status code) { return {static_cast<Code>(code), "", ""}; }

  pte_call* call_;
};

/** Computes one call. May be called from several threads at once. */
using Kernel = std::function<Status(Call&)>;

namespace detail {
inline pte_status run_kernel(pte_call* call, void* user_data) {
  const auto run = [&]() -> pte_status {
    Call wrapped(call);
    const Status status = (*static_cast<const Kernel*>(user_data))(wrapped);
    if (status) return PTE_OK;
    auto code = static_cast<pte_status>(status.error().code);
    if (code == PTE_OK) code = PTE_INTERNAL;
    return status.error().message.empty()
               ? code
               : pte_call_fail(call, code, status.error().message.c_str());
  };
#if defined(__cpp_exceptions)
  try {
    return run();
  } catch (const std::exception& exception) {
    return pte_call_fail(call, PTE_INTERNAL, exception.what());
  } catch (...) {
    return pte_call_fail(call, PTE_INTERNAL, "the kernel threw");
  }
#else
  return run();
#endif
}

// `add` takes a pte_operator; on success the kernel is its.
template <typename Add>
pte_status add_kernel(std::string_view schema, Kernel kernel, Add&& add) {
  if (kernel == nullptr) {
    pte_operator op = PTE_OPERATOR_INIT;
    return add(op);  // says what is missing
  }
  const std::string text(schema);
  auto kept = std::make_unique<Kernel>(std::move(kernel));
  pte_operator op = PTE_OPERATOR_INIT;
  op.schema = text.c_str();
  op.kernel = run_kernel;
  op.user_data = kept.get();
  op.destroy = [](void* data) { delete static_cast<Kernel*>(data); };
  const pte_status code = add(op);
  if (code == PTE_OK) (void)kept.release();
  return code;
}
}  // namespace detail

/** Operators that modules are loaded with. One thread at a time. */
class OperatorRegistry {
 public:
  OperatorRegistry() { (void)pte_operator_registry_create(&registry_, nullptr); }
  OperatorRegistry(OperatorRegistry&& other) noexcept
      : registry_(std::exchange(other.registry_, nullptr)) {}
  OperatorRegistry& operator=(OperatorRegistry&& other) noexcept {
    std::swap(registry_, other.registry_);
    return *this;
  }
  ~OperatorRegistry() { pte_operator_registry_free(registry_); }

  /** `schema` is the out variant as it was given to PyTorch; see pte_operator. */
  Status add(std::string_view schema, Kernel kernel) {
    return detail::status([&](pte_error** error) {
      return detail::add_kernel(schema, std::move(kernel), [&](const pte_operator& op) {
        return pte_operator_registry_add(registry_, &op, error);
      });
    });
  }
  /** Adds the operators of a plugin, which is code: load only those that you trust. */
  Status load_plugin(const std::string& path) {
    return detail::status([&](pte_error** error) {
      return pte_operator_registry_load_plugin(registry_, path.c_str(), error);
    });
  }

  const pte_operator_registry* c_registry() const { return registry_; }

 private:
  pte_operator_registry* registry_ = nullptr;
};

/** For plugins: adds an operator while pte_plugin_register() runs. */
inline pte_status add_operator(pte_plugin_registry* registry, std::string_view schema,
                               Kernel kernel) {
  return detail::add_kernel(schema, std::move(kernel),
                            [&](const pte_operator& op) { return pte_plugin_add(registry, &op); });
}

}  // namespace v1
}  // namespace pte

#endif  // PTE_OPERATORS_H_
