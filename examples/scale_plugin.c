/* A plugin in C with one operator: mylib::scale(Tensor x, float factor) -> Tensor.
 *
 *   pte run model.pte --plugin ./libscale_c.so --input x.npy
 */
#include <pte/pte.h>
#include <stddef.h>

struct work {
  const float* from;
  float* to;
  float factor;
};

static void scale_range(int64_t begin, int64_t end, void* data) {
  const struct work* work = data;
  int64_t i;
  for (i = begin; i < end; ++i) work->to[i] = work->from[i] * work->factor;
}

static int is_contiguous(const pte_tensor* tensor) {
  int64_t step = 1;
  uint32_t i;
  for (i = tensor->rank; i-- > 0;) {
    if (tensor->sizes[i] != 1 && tensor->strides[i] != step) return 0;
    step *= tensor->sizes[i];
  }
  return 1;
}

static pte_status scale(pte_call* call, void* user_data) {
  pte_tensor x;
  pte_tensor out;
  double factor = 0;
  struct work work;
  int64_t count = 1;
  uint32_t i;
  pte_status status;
  (void)user_data;
  if ((status = pte_call_tensor(call, 0, &x)) != PTE_OK) return status;
  if ((status = pte_call_double(call, 1, &factor)) != PTE_OK) return status;
  if ((status = pte_call_resize(call, 2, x.sizes, x.rank)) != PTE_OK) return status;
  if ((status = pte_call_tensor(call, 2, &out)) != PTE_OK) return status;
  if (x.dtype != PTE_DTYPE_FLOAT32 || out.dtype != PTE_DTYPE_FLOAT32) {
    return pte_call_fail(call, PTE_UNSUPPORTED, "it takes float32 only");
  }
  if (!is_contiguous(&x) || !is_contiguous(&out)) {
    return pte_call_fail(call, PTE_UNSUPPORTED, "it takes row-major tensors only");
  }
  for (i = 0; i < x.rank; ++i) count *= x.sizes[i];
  work.from = x.data;
  work.to = out.data;
  work.factor = (float)factor;
  pte_call_parallel_for(call, count, 4096, scale_range, &work);
  return PTE_OK;
}

PTE_PLUGIN

pte_status pte_plugin_register(pte_plugin_registry* registry) {
  pte_operator op = PTE_OPERATOR_INIT;
  op.schema = "mylib::scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)";
  op.kernel = scale;
  return pte_plugin_add(registry, &op);
}
