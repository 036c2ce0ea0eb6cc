// Calls a kernel by its operator's name, for tests.
#pragma once

#include "kernels/kernel.h"

namespace pte::kernels {

// `args` are the arguments that the call takes, `results` what it writes (tensors made beforehand).
inline Status call_kernel(std::string_view full_name, std::vector<EValue>& args,
                          std::vector<EValue>& results, ThreadPool* pool = nullptr) {
  const OpInfo* op = find_op(full_name);
  if (op == nullptr) return internal_error("no operator {}", full_name);
  const Kernel kernel = find_kernel(op->op);
  if (kernel == nullptr) return internal_error("no kernel for {}", full_name);
  std::vector<EValue*> values;
  for (EValue& arg : args) values.push_back(&arg);
  for (EValue& result : results) values.push_back(&result);
  PTE_CHECK(check_kinds(*op, values));
  Call call(*op, values, pool);
  return kernel(call);
}

// The same for one result, which it gives back.
inline Result<EValue> call_one(std::string_view full_name, std::vector<EValue> args,
                               EValue result) {
  std::vector<EValue> results{std::move(result)};
  PTE_CHECK(call_kernel(full_name, args, results));
  return std::move(results[0]);
}

template <typename T>
std::vector<T> elements(const Tensor& tensor) {
  const auto dense = tensor.contiguous();
  if (!dense.has_value()) return {};
  const T* data = dense->data_as<T>();
  return std::vector<T>(data, data + dense->numel());
}

}  // namespace pte::kernels
