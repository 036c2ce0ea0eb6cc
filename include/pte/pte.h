/**
 * @file pte.h
 * @brief The C API: load ExecuTorch `.pte` programs and run their methods.
 *
 * @code{.c}
 *   pte_error* error = NULL;
 *   pte_module* module = NULL;
 *   pte_method* method = NULL;
 *   if (pte_module_load("model.pte", NULL, &module, &error) == PTE_OK &&
 *       pte_method_create(module, "forward", NULL, &method, &error) == PTE_OK &&
 *       pte_method_set_input(method, 0, &picture, &error) == PTE_OK &&
 *       pte_method_execute(method, &error) == PTE_OK &&
 *       pte_method_output(method, 0, &scores, &error) == PTE_OK) { ... }
 *   if (error != NULL) fprintf(stderr, "%s\n", pte_error_message(error));
 *   pte_error_free(error);
 *   pte_method_free(method);
 *   pte_module_free(module);
 * @endcode
 *
 * Rules that hold everywhere:
 * - **Errors.** A function that can fail returns a pte_status and takes a `pte_error**` last. When
 *   that is not null, it is set to null on success and to a new error on failure, which the caller
 *   frees with pte_error_free(). Results are written on success only. No function throws, prints or
 *   ends the process, whatever it is given; a null handle is PTE_INVALID_ARGUMENT.
 * - **Ownership.** What a `..._create` or `..._load` function gives is freed by the `..._free`
 *   function of its type, which takes null too. A method keeps what it needs of its module, and a
 *   module of its registry: they may be freed in any order. Strings and arrays that a function
 *   returns belong to the handle that was asked.
 * - **Threads.** A pte_module is immutable: any number of threads may use one at once. A pte_method
 *   belongs to one thread at a time; make one for each thread. There are no global variables and no
 *   global locks. pte_cancel_token is the one thing that is meant to be shared and changed.
 * - **Stability.** Handles are opaque. Structs that may grow begin with `struct_size`; set them
 * with their `..._INIT` macro and then change fields. Numbers of enumerators never change.
 */
#ifndef PTE_PTE_H_
#define PTE_PTE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define PTE_EXPORT __declspec(dllexport)
#else
#define PTE_EXPORT __attribute__((visibility("default")))
#endif
/** Marks the functions of the library. */
#define PTE_API PTE_EXPORT

/** Grows when a program built against an older header would no longer work. */
#define PTE_ABI_VERSION 1

/** @return the library's version, such as "0.1.0"; never null. */
PTE_API const char* pte_version(void);
/** @return PTE_ABI_VERSION as it was when the library was built. */
PTE_API uint32_t pte_abi_version(void);

/* ---- Errors ---------------------------------------------------------------------------------- */

/** What kind of thing went wrong: one of the PTE_… codes below. */
typedef int32_t pte_status;
enum {
  PTE_OK = 0,
  PTE_INVALID_ARGUMENT = 1, /**< The caller asked for something that makes no sense. */
  PTE_INVALID_DATA = 2,     /**< A file breaks its format's rules. */
  PTE_UNSUPPORTED = 3,      /**< Well formed, but this build cannot do it. */
  PTE_NOT_FOUND = 4,        /**< A file, method or key is missing. */
  PTE_IO = 5,               /**< The operating system refused a read. */
  PTE_RESOURCE_LIMIT = 6,   /**< It asks for more memory or instructions than it may. */
  PTE_MISMATCH = 7,         /**< Two things that should agree do not, such as sizes. */
  PTE_INTERNAL = 8,         /**< A defect of the library, or a kernel that threw. */
  PTE_CANCELLED = 9,        /**< A cancel token stopped the execution. */
  PTE_TIMEOUT = 10          /**< The method's timeout stopped the execution. */
};

/** What went wrong, in words. */
typedef struct pte_error pte_error;

/** @return the error's code; PTE_OK for null. */
PTE_API pte_status pte_error_code(const pte_error* error);
/** @return what happened, where, and what was expected (UTF-8); "" for null. */
PTE_API const char* pte_error_message(const pte_error* error);
/** @return what to do about it, or "". */
PTE_API const char* pte_error_hint(const pte_error* error);
/** Frees an error; null is fine. */
PTE_API void pte_error_free(pte_error* error);
/** @return a code's name, such as "invalid argument"; "unknown" for other numbers. */
PTE_API const char* pte_status_name(pte_status status);

/* ---- Tensors --------------------------------------------------------------------------------- */

/** Element types, numbered as in PyTorch and in the `.pte` format. */
typedef int32_t pte_dtype;
enum {
  PTE_DTYPE_UINT8 = 0,
  PTE_DTYPE_INT8 = 1,
  PTE_DTYPE_INT16 = 2,
  PTE_DTYPE_INT32 = 3,
  PTE_DTYPE_INT64 = 4,
  PTE_DTYPE_FLOAT16 = 5,
  PTE_DTYPE_FLOAT32 = 6,
  PTE_DTYPE_FLOAT64 = 7,
  PTE_DTYPE_COMPLEX64 = 9,
  PTE_DTYPE_COMPLEX128 = 10,
  PTE_DTYPE_BOOL = 11,
  PTE_DTYPE_BFLOAT16 = 15,
  PTE_DTYPE_BITS16 = 22,
  PTE_DTYPE_FLOAT8_E5M2 = 23,
  PTE_DTYPE_FLOAT8_E4M3FN = 24,
  PTE_DTYPE_UINT16 = 27,
  PTE_DTYPE_UINT32 = 28,
  PTE_DTYPE_UINT64 = 29
};

/** @return bytes of one element; 0 for unknown types. */
PTE_API size_t pte_dtype_size(pte_dtype dtype);
/** @return PyTorch's name, such as "float32"; "unknown" for unknown types. */
PTE_API const char* pte_dtype_name(pte_dtype dtype);

/** The most dimensions that a tensor has. */
#define PTE_MAX_RANK 16

/** A view of typed memory that somebody else owns. This struct never changes. */
typedef struct pte_tensor {
  void* data;             /**< The first element. Null only when there are no elements. */
  uint64_t size_bytes;    /**< Bytes at `data`. Given to the library: checked, 0 means unknown. */
  const int64_t* sizes;   /**< `rank` numbers, outermost dimension first, each >= 0. */
  const int64_t* strides; /**< `rank` numbers >= 0, in elements; null means row-major, no gaps. */
  uint32_t rank;          /**< At most PTE_MAX_RANK; 0 is a single number. */
  pte_dtype dtype;
} pte_tensor;

/** What a value is. */
typedef int32_t pte_kind;
enum {
  PTE_KIND_NONE = 0,
  PTE_KIND_TENSOR = 1,
  PTE_KIND_INT = 2,
  PTE_KIND_DOUBLE = 3,
  PTE_KIND_BOOL = 4,
  PTE_KIND_STRING = 5,
  PTE_KIND_INT_LIST = 6,
  PTE_KIND_DOUBLE_LIST = 7,
  PTE_KIND_BOOL_LIST = 8,
  PTE_KIND_TENSOR_LIST = 9,
  PTE_KIND_OPTIONAL_TENSOR_LIST = 10 /**< Items may be none. */
};

/** @return a kind's name, such as "Tensor"; "unknown" for other numbers. */
PTE_API const char* pte_kind_name(pte_kind kind);

/* ---- Operators of your own ------------------------------------------------------------------- */

/** The arguments of one call of an operator, for the time of that call. */
typedef struct pte_call pte_call;

/**
 * Computes one call. Arguments are numbered as the schema lists them, results included; they have
 * the kinds that the schema says. The kernel resizes its results and writes their elements; it must
 * honour strides. Files are not trusted: in a hostile one, a result may share bytes with arguments.
 * It may be called from several threads at once when several methods run.
 *
 * @return PTE_OK, or a code after pte_call_fail() has said why.
 */
typedef pte_status (*pte_kernel)(pte_call* call, void* user_data);

/** An operator and its kernel. */
typedef struct pte_operator {
  size_t struct_size; /**< sizeof(pte_operator) */
  /**
   * The out variant as it was given to PyTorch's library: what a program calls is its name.
   * "mylib::scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)"
   */
  const char* schema;
  pte_kernel kernel;
  void* user_data;        /**< Given to the kernel. */
  void (*destroy)(void*); /**< Called with user_data when nothing needs it any more; may be null.
                               Not called when adding the operator failed. */
} pte_operator;
#define PTE_OPERATOR_INIT \
  { sizeof(pte_operator), NULL, NULL, NULL, NULL }

/** A set of operators that modules are loaded with. One thread at a time. */
typedef struct pte_operator_registry pte_operator_registry;

/** Makes an empty registry. */
PTE_API pte_status pte_operator_registry_create(pte_operator_registry** registry,
                                                pte_error** error);
/** Frees a registry; modules loaded with it keep their operators. */
PTE_API void pte_operator_registry_free(pte_operator_registry* registry);
/** Adds an operator. Names of built-in operators and names already there are refused. */
PTE_API pte_status pte_operator_registry_add(pte_operator_registry* registry,
                                             const pte_operator* op, pte_error** error);
/**
 * Loads a shared library and adds the operators that its pte_plugin_register() gives, all or none.
 * The library stays loaded while anything needs its operators. A plugin is code: load only those
 * that you trust.
 */
PTE_API pte_status pte_operator_registry_load_plugin(pte_operator_registry* registry,
                                                     const char* path, pte_error** error);

/** What a kernel may ask of its call. Use the pte_call_… functions below. */
typedef struct pte_call_api {
  size_t struct_size;
  size_t (*arg_count)(const pte_call*);
  pte_kind (*arg_kind)(const pte_call*, size_t);
  pte_status (*get_tensor)(pte_call*, size_t, pte_tensor*);
  pte_status (*get_int)(pte_call*, size_t, int64_t*);
  pte_status (*get_double)(pte_call*, size_t, double*);
  pte_status (*get_bool)(pte_call*, size_t, int32_t*);
  pte_status (*get_string)(pte_call*, size_t, const char**, size_t*);
  pte_status (*get_ints)(pte_call*, size_t, const int64_t**, size_t*);
  pte_status (*get_doubles)(pte_call*, size_t, const double**, size_t*);
  pte_status (*list_size)(pte_call*, size_t, size_t*);
  pte_status (*list_tensor)(pte_call*, size_t, size_t, pte_tensor*, int32_t*);
  pte_status (*list_bool)(pte_call*, size_t, size_t, int32_t*);
  pte_status (*resize)(pte_call*, size_t, size_t, const int64_t*, size_t);
  pte_status (*fail)(pte_call*, pte_status, const char*);
  void (*parallel_for)(pte_call*, int64_t, int64_t, void (*)(int64_t, int64_t, void*), void*);
} pte_call_api;

struct pte_call {
  const pte_call_api* api; /**< What follows is the library's own. */
};

/** @return how many arguments the call has, results included. */
static inline size_t pte_call_arg_count(const pte_call* call) { return call->api->arg_count(call); }
/** @return what argument `arg` is; an optional one that was not given is PTE_KIND_NONE. */
static inline pte_kind pte_call_arg_kind(const pte_call* call, size_t arg) {
  return call->api->arg_kind(call, arg);
}
/**
 * A tensor among the arguments or results. Valid until it is resized or the kernel returns; only
 * results, and arguments that the schema marks as written, may be written.
 */
static inline pte_status pte_call_tensor(pte_call* call, size_t arg, pte_tensor* tensor) {
  return call->api->get_tensor(call, arg, tensor);
}
static inline pte_status pte_call_int(pte_call* call, size_t arg, int64_t* value) {
  return call->api->get_int(call, arg, value);
}
/** A double; a whole number is converted. */
static inline pte_status pte_call_double(pte_call* call, size_t arg, double* value) {
  return call->api->get_double(call, arg, value);
}
/** A bool as 0 or 1. */
static inline pte_status pte_call_bool(pte_call* call, size_t arg, int32_t* value) {
  return call->api->get_bool(call, arg, value);
}
/** A text of `length` bytes, with a zero after them. */
static inline pte_status pte_call_string(pte_call* call, size_t arg, const char** text,
                                         size_t* length) {
  return call->api->get_string(call, arg, text, length);
}
static inline pte_status pte_call_ints(pte_call* call, size_t arg, const int64_t** items,
                                       size_t* count) {
  return call->api->get_ints(call, arg, items, count);
}
static inline pte_status pte_call_doubles(pte_call* call, size_t arg, const double** items,
                                          size_t* count) {
  return call->api->get_doubles(call, arg, items, count);
}
/** How many items a list of any kind has. */
static inline pte_status pte_call_list_size(pte_call* call, size_t arg, size_t* count) {
  return call->api->list_size(call, arg, count);
}
/** An item of a list of tensors. `present` is 0 for none, and the tensor is then left alone. */
static inline pte_status pte_call_list_tensor(pte_call* call, size_t arg, size_t item,
                                              pte_tensor* tensor, int32_t* present) {
  return call->api->list_tensor(call, arg, item, tensor, present);
}
static inline pte_status pte_call_list_bool(pte_call* call, size_t arg, size_t item,
                                            int32_t* value) {
  return call->api->list_bool(call, arg, item, value);
}
/** Gives a result its sizes; PTE_MISMATCH when they need more memory than the program planned. */
static inline pte_status pte_call_resize(pte_call* call, size_t arg, const int64_t* sizes,
                                         size_t rank) {
  return call->api->resize(call, arg, 0, sizes, rank);
}
/** The same for an item of a result that is a list of tensors. */
static inline pte_status pte_call_list_resize(pte_call* call, size_t arg, size_t item,
                                              const int64_t* sizes, size_t rank) {
  return call->api->resize(call, arg, item, sizes, rank);
}
/** Says why the call fails; @return `code`, for the kernel to return. */
static inline pte_status pte_call_fail(pte_call* call, pte_status code, const char* message) {
  return call->api->fail(call, code, message);
}
/**
 * Calls body(begin, end, data) on disjoint ranges that cover [0, count), each at least `grain`
 * long but for the last, on the method's threads; returns when all are done. Not reentrant.
 */
static inline void pte_call_parallel_for(pte_call* call, int64_t count, int64_t grain,
                                         void (*body)(int64_t, int64_t, void*), void* data) {
  call->api->parallel_for(call, count, grain, body, data);
}

/* ---- Plugins --------------------------------------------------------------------------------- */

/** Where a plugin puts its operators; pte_plugin_add() does. */
typedef struct pte_plugin_registry {
  uint32_t abi_version; /**< PTE_ABI_VERSION of who loads the plugin. */
  pte_status (*add)(struct pte_plugin_registry*, const pte_operator*);
} pte_plugin_registry;

/**
 * Adds an operator while pte_plugin_register() runs. What went wrong is kept and reported by who
 * loads the plugin.
 */
static inline pte_status pte_plugin_add(pte_plugin_registry* registry, const pte_operator* op) {
  return registry->add(registry, op);
}

/**
 * A plugin is a shared library that defines this function and, once, PTE_PLUGIN. It needs this
 * header and nothing to link against.
 */
PTE_EXPORT pte_status pte_plugin_register(pte_plugin_registry* registry);

/** Says which version of this header a plugin was built with. Stands once in its sources. */
#ifdef __cplusplus
#define PTE_PLUGIN                                             \
  extern "C" PTE_EXPORT const uint32_t pte_plugin_abi_version; \
  extern "C" PTE_EXPORT const uint32_t pte_plugin_abi_version = PTE_ABI_VERSION;
#else
#define PTE_PLUGIN                                         \
  extern PTE_EXPORT const uint32_t pte_plugin_abi_version; \
  PTE_EXPORT const uint32_t pte_plugin_abi_version = PTE_ABI_VERSION;
#endif

/* ---- Modules --------------------------------------------------------------------------------- */

/** A verified program with its weights. Immutable, and shared by threads. */
typedef struct pte_module pte_module;

typedef struct pte_module_options {
  size_t struct_size; /**< sizeof(pte_module_options) */
  /** Paths of the `.ptd` files that hold the weights which are not in the program. */
  const char* const* data_files;
  size_t data_file_count;
  /** Operators of your own, as they are now; null for none. */
  const pte_operator_registry* operators;
} pte_module_options;
#define PTE_MODULE_OPTIONS_INIT \
  { sizeof(pte_module_options), NULL, 0, NULL }

/**
 * Maps and verifies a `.pte` file. The file must not change while the module or a method of it
 * lives.
 *
 * @param options null for the defaults.
 */
PTE_API pte_status pte_module_load(const char* path, const pte_module_options* options,
                                   pte_module** module, pte_error** error);

/**
 * The same from bytes in memory.
 *
 * @param release null: the bytes are copied. Else they are used where they lie, must not change,
 * and release(release_data) is called, on whatever thread that happens, once nothing needs them any
 *   more; on failure it has been called when this function returns. Bytes that do not begin at a
 *   multiple of 16 are copied in any case.
 */
PTE_API pte_status pte_module_load_bytes(const void* data, size_t size, void (*release)(void*),
                                         void* release_data, const pte_module_options* options,
                                         pte_module** module, pte_error** error);

/** Frees a module; its methods go on. */
PTE_API void pte_module_free(pte_module* module);

/** @return how many methods there are; 0 for null. */
PTE_API size_t pte_module_method_count(const pte_module* module);
/** @return a method's name; null when there is no such method. */
PTE_API const char* pte_module_method_name(const pte_module* module, size_t index);

/**
 * Bytes that the program carries by name, such as metadata that the exporter put there.
 * PTE_NOT_FOUND when there are none of that name. They live as long as the module.
 */
PTE_API pte_status pte_module_named_data(const pte_module* module, const char* key,
                                         const void** data, size_t* size, pte_error** error);

/* ---- Cancelling ------------------------------------------------------------------------------ */

/** Stops executions from another thread. All of its functions may be called by any thread. */
typedef struct pte_cancel_token pte_cancel_token;

PTE_API pte_status pte_cancel_token_create(pte_cancel_token** token, pte_error** error);
/** Frees a token; methods made with it keep what they need. */
PTE_API void pte_cancel_token_free(pte_cancel_token* token);
/**
 * Stops the executions of every method made with the token before their next instruction: they
 * return PTE_CANCELLED, and so do later ones until pte_cancel_token_reset().
 */
PTE_API void pte_cancel_token_cancel(pte_cancel_token* token);
/** Lets methods run again. */
PTE_API void pte_cancel_token_reset(pte_cancel_token* token);

/* ---- Methods --------------------------------------------------------------------------------- */

/** A method of a module with memory of its own: set inputs, execute, read outputs. */
typedef struct pte_method pte_method;

typedef struct pte_method_options {
  size_t struct_size; /**< sizeof(pte_method_options) */
  /** Threads of an execution, the caller's included: 1 starts none, 0 means one per core. */
  int32_t threads;
  int32_t reserved;           /**< 0 */
  uint64_t memory_limit;      /**< Bytes of arenas, unplanned values and lists; 0 means 8 GiB. */
  uint64_t instruction_limit; /**< Instructions of one execution; 0 means 10 million. */
  uint64_t timeout_ms; /**< An execution that takes longer stops before its next instruction; 0:
                            none does. */
  pte_cancel_token* cancel; /**< Null for none. */
} pte_method_options;
#define PTE_METHOD_OPTIONS_INIT \
  { sizeof(pte_method_options), 1, 0, 0, 0, 0, NULL }

/** What an input or output is. */
typedef struct pte_value_info {
  size_t struct_size; /**< sizeof(pte_value_info) */
  const char* name;   /**< "" when not known: a `.pte` stores none. */
  pte_kind kind;
  pte_dtype dtype;          /**< Of tensors, as what follows. */
  const int64_t* sizes;     /**< `rank` numbers; upper bounds when `dynamic`. */
  const uint8_t* dim_order; /**< `rank` dimensions, outermost in memory first. */
  uint32_t rank;
  int32_t dynamic; /**< 1 when the sizes may be smaller. */
} pte_value_info;
#define PTE_VALUE_INFO_INIT \
  { sizeof(pte_value_info), NULL, 0, 0, NULL, NULL, 0, 0 }

/**
 * Makes a method ready: memory, kernels, delegates. PTE_UNSUPPORTED names every operator or backend
 * that is missing.
 *
 * @param name null means "forward".
 * @param options null for the defaults.
 */
PTE_API pte_status pte_method_create(const pte_module* module, const char* name,
                                     const pte_method_options* options, pte_method** method,
                                     pte_error** error);
/** Frees a method; it must not be executing. */
PTE_API void pte_method_free(pte_method* method);

/** @return its name; null for null. */
PTE_API const char* pte_method_name(const pte_method* method);
PTE_API size_t pte_method_input_count(const pte_method* method);
PTE_API size_t pte_method_output_count(const pte_method* method);
/** Fills as much of `info` as its struct_size says; what it points to lives as long as the method.
 */
PTE_API pte_status pte_method_input_info(const pte_method* method, size_t index,
                                         pte_value_info* info, pte_error** error);
PTE_API pte_status pte_method_output_info(const pte_method* method, size_t index,
                                          pte_value_info* info, pte_error** error);
/** @return bytes that the method took for arenas and unplanned tensors. */
PTE_API uint64_t pte_method_memory_bytes(const pte_method* method);

/**
 * Gives an input its tensor. The memory must stay as it is until the next execution has ended: it
 * is read in place where the program's layout allows it, and copied by this call where not. It is
 * never written. Every tensor input must be set before each execution.
 *
 * Type and sizes must be the input's (at most its sizes, where dynamic); any strides will do.
 */
PTE_API pte_status pte_method_set_input(pte_method* method, size_t index, const pte_tensor* tensor,
                                        pte_error** error);
/**
 * Inputs that are no tensors. Exporters fix those at export, so the value must equal the one in the
 * program, and setting it is optional.
 */
PTE_API pte_status pte_method_set_input_int(pte_method* method, size_t index, int64_t value,
                                            pte_error** error);
PTE_API pte_status pte_method_set_input_double(pte_method* method, size_t index, double value,
                                               pte_error** error);
PTE_API pte_status pte_method_set_input_bool(pte_method* method, size_t index, int32_t value,
                                             pte_error** error);
PTE_API pte_status pte_method_set_input_string(pte_method* method, size_t index, const char* value,
                                               pte_error** error);

/** Runs the method. After a failure there are no outputs, and mutable buffers may be half changed.
 */
PTE_API pte_status pte_method_execute(pte_method* method, pte_error** error);

/** @return what the last execution gave as that output; PTE_KIND_NONE when there is none. */
PTE_API pte_kind pte_method_output_kind(const pte_method* method, size_t index);
/**
 * An output of the last execution, in the method's memory: valid until the next execution or
 * setting of an input, and not to be written. PTE_MISMATCH when it is no tensor.
 */
PTE_API pte_status pte_method_output(const pte_method* method, size_t index, pte_tensor* tensor,
                                     pte_error** error);
/** Outputs that are no tensors; PTE_MISMATCH when they are of another kind. */
PTE_API pte_status pte_method_output_int(const pte_method* method, size_t index, int64_t* value,
                                         pte_error** error);
PTE_API pte_status pte_method_output_double(const pte_method* method, size_t index, double* value,
                                            pte_error** error);
PTE_API pte_status pte_method_output_bool(const pte_method* method, size_t index, int32_t* value,
                                          pte_error** error);
/** A text that lives until the next execution. */
PTE_API pte_status pte_method_output_string(const pte_method* method, size_t index,
                                            const char** value, pte_error** error);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* PTE_PTE_H_ */
