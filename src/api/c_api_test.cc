// The C API where the C++ one does not reach: null handles, option structs, errors.
#include <gtest/gtest.h>
#include <pte/pte.h>

#include <cstring>
#include <string>

#include "api/test_programs.h"

namespace {

// Frees what a test made.
struct Error {
  pte_error* error = nullptr;
  ~Error() { pte_error_free(error); }
  pte_error** out() {
    pte_error_free(error);
    error = nullptr;
    return &error;
  }
  std::string message() const { return pte_error_message(error); }
};

struct Handles {
  pte_module* module = nullptr;
  pte_method* method = nullptr;
  ~Handles() {
    pte_module_free(module);
    pte_method_free(method);
  }
};

void load(const pte_test::File& file, Handles& handles) {
  Error error;
  ASSERT_EQ(pte_module_load_bytes(file.data(), file.size(), nullptr, nullptr, nullptr,
                                  &handles.module, error.out()),
            PTE_OK)
      << error.message();
  ASSERT_EQ(pte_method_create(handles.module, nullptr, nullptr, &handles.method, error.out()),
            PTE_OK)
      << error.message();
  EXPECT_EQ(error.error, nullptr);
}

TEST(CApi, SaysItsVersion) {
  EXPECT_GE(std::strlen(pte_version()), 5u);
  EXPECT_EQ(pte_abi_version(), static_cast<uint32_t>(PTE_ABI_VERSION));
}

TEST(CApi, NamesItsNumbers) {
  EXPECT_STREQ(pte_status_name(PTE_OK), "ok");
  EXPECT_STREQ(pte_status_name(PTE_TIMEOUT), "timeout");
  EXPECT_STREQ(pte_status_name(11), "unknown");
  EXPECT_STREQ(pte_status_name(-1), "unknown");
  EXPECT_STREQ(pte_dtype_name(PTE_DTYPE_FLOAT32), "float32");
  EXPECT_STREQ(pte_dtype_name(PTE_DTYPE_UINT64), "uint64");
  EXPECT_STREQ(pte_dtype_name(77), "unknown");
  EXPECT_EQ(pte_dtype_size(PTE_DTYPE_BFLOAT16), 2u);
  EXPECT_EQ(pte_dtype_size(PTE_DTYPE_COMPLEX128), 16u);
  EXPECT_EQ(pte_dtype_size(-5), 0u);
  EXPECT_STREQ(pte_kind_name(PTE_KIND_TENSOR_LIST), "TensorList");
  EXPECT_STREQ(pte_kind_name(11), "unknown");
}

TEST(CApi, FreesNull) {
  pte_error_free(nullptr);
  pte_module_free(nullptr);
  pte_method_free(nullptr);
  pte_cancel_token_free(nullptr);
  pte_cancel_token_cancel(nullptr);
  pte_cancel_token_reset(nullptr);
  pte_operator_registry_free(nullptr);
  EXPECT_EQ(pte_error_code(nullptr), PTE_OK);
  EXPECT_STREQ(pte_error_message(nullptr), "");
  EXPECT_STREQ(pte_error_hint(nullptr), "");
}

TEST(CApi, NullArgumentsAreErrors) {
  const pte_test::File file = pte_test::add();
  Error error;
  Handles made;
  load(file, made);
  const auto expect_null = [&](pte_status status) {
    EXPECT_EQ(status, PTE_INVALID_ARGUMENT);
    EXPECT_EQ(pte_error_code(error.error), PTE_INVALID_ARGUMENT);
    EXPECT_NE(error.message().find("is null"), std::string::npos) << error.message();
  };
  pte_module* module = nullptr;
  pte_method* method = nullptr;
  const void* data = nullptr;
  size_t size = 0;
  expect_null(pte_module_load(nullptr, nullptr, &module, error.out()));
  expect_null(pte_module_load("x.pte", nullptr, nullptr, error.out()));
  expect_null(pte_module_load_bytes(nullptr, 4, nullptr, nullptr, nullptr, &module, error.out()));
  expect_null(pte_module_load_bytes(file.data(), file.size(), nullptr, nullptr, nullptr, nullptr,
                                    error.out()));
  expect_null(pte_module_named_data(nullptr, "x", &data, &size, error.out()));
  expect_null(pte_module_named_data(made.module, nullptr, &data, &size, error.out()));
  expect_null(pte_module_named_data(made.module, "x", nullptr, &size, error.out()));
  expect_null(pte_method_create(nullptr, "forward", nullptr, &method, error.out()));
  expect_null(pte_method_create(made.module, "forward", nullptr, nullptr, error.out()));
  expect_null(pte_method_set_input(nullptr, 0, nullptr, error.out()));
  expect_null(pte_method_set_input(made.method, 0, nullptr, error.out()));
  expect_null(pte_method_set_input_int(nullptr, 0, 1, error.out()));
  expect_null(pte_method_set_input_double(nullptr, 0, 1, error.out()));
  expect_null(pte_method_set_input_bool(nullptr, 0, 1, error.out()));
  expect_null(pte_method_set_input_string(nullptr, 0, "x", error.out()));
  expect_null(pte_method_set_input_string(made.method, 0, nullptr, error.out()));
  expect_null(pte_method_execute(nullptr, error.out()));
  expect_null(pte_method_output(nullptr, 0, nullptr, error.out()));
  expect_null(pte_method_output(made.method, 0, nullptr, error.out()));
  expect_null(pte_method_output_int(made.method, 0, nullptr, error.out()));
  expect_null(pte_method_output_double(nullptr, 0, nullptr, error.out()));
  expect_null(pte_method_output_bool(nullptr, 0, nullptr, error.out()));
  expect_null(pte_method_output_string(nullptr, 0, nullptr, error.out()));
  expect_null(pte_method_input_info(nullptr, 0, nullptr, error.out()));
  expect_null(pte_method_input_info(made.method, 0, nullptr, error.out()));
  expect_null(pte_method_output_info(nullptr, 0, nullptr, error.out()));
  expect_null(pte_cancel_token_create(nullptr, error.out()));
  expect_null(pte_operator_registry_create(nullptr, error.out()));
  expect_null(pte_operator_registry_add(nullptr, nullptr, error.out()));
  expect_null(pte_operator_registry_load_plugin(nullptr, "x.so", error.out()));
  EXPECT_EQ(pte_module_method_count(nullptr), 0u);
  EXPECT_EQ(pte_module_method_name(nullptr, 0), nullptr);
  EXPECT_EQ(pte_module_method_name(made.module, 1), nullptr);
  EXPECT_EQ(pte_method_name(nullptr), nullptr);
  EXPECT_EQ(pte_method_input_count(nullptr), 0u);
  EXPECT_EQ(pte_method_output_count(nullptr), 0u);
  EXPECT_EQ(pte_method_memory_bytes(nullptr), 0u);
  EXPECT_EQ(pte_method_output_kind(nullptr, 0), PTE_KIND_NONE);
  // Nobody has to take the error.
  EXPECT_EQ(pte_method_execute(nullptr, nullptr), PTE_INVALID_ARGUMENT);
}

TEST(CApi, StructsSayTheirSize) {
  const pte_test::File file = pte_test::add();
  Error error;
  Handles made;
  load(file, made);
  pte_module* module = nullptr;
  pte_method* method = nullptr;
  pte_module_options module_options = PTE_MODULE_OPTIONS_INIT;
  module_options.struct_size = 0;
  EXPECT_EQ(pte_module_load_bytes(file.data(), file.size(), nullptr, nullptr, &module_options,
                                  &module, error.out()),
            PTE_INVALID_ARGUMENT);
  EXPECT_NE(std::string(pte_error_hint(error.error)).find("PTE_MODULE_OPTIONS_INIT"),
            std::string::npos);
  module_options = PTE_MODULE_OPTIONS_INIT;
  module_options.data_file_count = 1;
  EXPECT_EQ(pte_module_load_bytes(file.data(), file.size(), nullptr, nullptr, &module_options,
                                  &module, error.out()),
            PTE_INVALID_ARGUMENT);
  pte_method_options method_options = PTE_METHOD_OPTIONS_INIT;
  method_options.struct_size = 8;
  EXPECT_EQ(pte_method_create(made.module, nullptr, &method_options, &method, error.out()),
            PTE_INVALID_ARGUMENT);
  pte_value_info info = PTE_VALUE_INFO_INIT;
  info.struct_size = 4;
  EXPECT_EQ(pte_method_input_info(made.method, 0, &info, error.out()), PTE_INVALID_ARGUMENT);
  info = PTE_VALUE_INFO_INIT;
  EXPECT_EQ(pte_method_input_info(made.method, 2, &info, error.out()), PTE_INVALID_ARGUMENT);
  pte_operator_registry* registry = nullptr;
  ASSERT_EQ(pte_operator_registry_create(&registry, error.out()), PTE_OK);
  pte_operator op = PTE_OPERATOR_INIT;
  EXPECT_EQ(pte_operator_registry_add(registry, &op, error.out()), PTE_INVALID_ARGUMENT);
  EXPECT_NE(error.message().find("schema is null"), std::string::npos);
  op.struct_size = 0;
  EXPECT_EQ(pte_operator_registry_add(registry, &op, error.out()), PTE_INVALID_ARGUMENT);
  // A struct of a later version is longer; what is known of it counts.
  struct {
    pte_method_options known = PTE_METHOD_OPTIONS_INIT;
    uint64_t later = 7;
  } later;
  later.known.struct_size = sizeof(later);
  EXPECT_EQ(pte_method_create(made.module, nullptr, &later.known, &method, error.out()), PTE_OK);
  EXPECT_EQ(error.error, nullptr);
  pte_method_free(method);
  pte_operator_registry_free(registry);
}

TEST(CApi, HandlesMayBeFreedInAnyOrder) {
  Error error;
  Handles made;
  load(pte_test::endless(), made);
  pte_cancel_token* token = nullptr;
  ASSERT_EQ(pte_cancel_token_create(&token, error.out()), PTE_OK);
  pte_method_options options = PTE_METHOD_OPTIONS_INIT;
  options.cancel = token;
  pte_method* method = nullptr;
  ASSERT_EQ(pte_method_create(made.module, "forward", &options, &method, error.out()), PTE_OK);
  pte_module_free(made.module);
  made.module = nullptr;
  pte_cancel_token_cancel(token);
  pte_cancel_token_free(token);
  const float values[6] = {};
  const int64_t sizes[2] = {2, 3};
  pte_tensor tensor = {};
  tensor.data = const_cast<float*>(values);
  tensor.sizes = sizes;
  tensor.rank = 2;
  tensor.dtype = PTE_DTYPE_FLOAT32;
  ASSERT_EQ(pte_method_set_input(method, 0, &tensor, error.out()), PTE_OK) << error.message();
  EXPECT_EQ(pte_method_execute(method, error.out()), PTE_CANCELLED);
  EXPECT_EQ(pte_error_code(error.error), PTE_CANCELLED);
  EXPECT_NE(error.message().find("cancelled"), std::string::npos);
  tensor.sizes = nullptr;
  EXPECT_EQ(pte_method_set_input(method, 0, &tensor, error.out()), PTE_INVALID_ARGUMENT);
  pte_method_free(method);
}

TEST(CApi, AFailedAddLeavesTheUserDataAlone) {
  Error error;
  static int destroyed = 0;
  destroyed = 0;
  pte_operator_registry* registry = nullptr;
  ASSERT_EQ(pte_operator_registry_create(&registry, error.out()), PTE_OK);
  pte_operator op = PTE_OPERATOR_INIT;
  op.schema = "mylib::one.out(Tensor x, *, Tensor(a!) out) -> Tensor(a!)";
  op.kernel = [](pte_call* call, void*) { return pte_call_fail(call, PTE_UNSUPPORTED, "no"); };
  op.destroy = [](void*) { ++destroyed; };
  EXPECT_EQ(pte_operator_registry_add(registry, &op, error.out()), PTE_OK);
  EXPECT_EQ(pte_operator_registry_add(registry, &op, error.out()), PTE_INVALID_ARGUMENT);
  op.schema = "one";
  EXPECT_EQ(pte_operator_registry_add(registry, &op, error.out()), PTE_INVALID_ARGUMENT);
  EXPECT_EQ(destroyed, 0);
  pte_operator_registry_free(registry);
  EXPECT_EQ(destroyed, 1);
}

}  // namespace
