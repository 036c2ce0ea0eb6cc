// A plugin in C++ with one operator: mylib::scale(Tensor x, float factor) -> Tensor.
//
//   pte run model.pte --plugin ./libscale_cc.so --input x.npy
#include <pte/operators.h>

namespace {

pte::Status scale(pte::Call& call) {
  auto x = call.tensor(0);
  if (!x) return x.error();
  auto factor = call.real(1);
  if (!factor) return factor.error();
  auto out = call.resize(2, x->sizes());
  if (!out) return out.error();

  const float* from = x->data_as<float>();
  float* to = out->data_as<float>();
  if (from == nullptr || to == nullptr) {
    return pte::Error{pte::Code::kUnsupported, "it takes float32 only", ""};
  }
  if (!x->is_contiguous() || !out->is_contiguous()) {
    return pte::Error{pte::Code::kUnsupported, "it takes row-major tensors only", ""};
  }
  const auto by = static_cast<float>(*factor);
  call.parallel_for(x->numel(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = from[i] * by;
  });
  return {};
}

}  // namespace

PTE_PLUGIN

pte_status pte_plugin_register(pte_plugin_registry* registry) {
  return pte::add_operator(
      registry, "mylib::scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)", scale);
}
