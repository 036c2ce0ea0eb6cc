#include "kernels/common/convert.h"

namespace pte::kernels {

template <typename C>
bool load_run(DType dtype, const std::byte* from, int64_t step, int64_t count, C* to) {
  // A bool's byte may hold any number, and C++ may not read such a bool.
  return dispatch(dtype, [&]<typename Element>(Element) {
    using T = std::conditional_t<std::is_same_v<Element, bool>, uint8_t, Element>;
    const T* source = reinterpret_cast<const T*>(from);
    if constexpr (std::is_same_v<Element, bool> && !std::is_same_v<C, bool>) {
      for (int64_t i = 0; i < count; ++i) to[i] = source[i * step] != 0 ? C{1} : C{0};
      return;
    }
    if (step == 1) {
      for (int64_t i = 0; i < count; ++i) to[i] = convert_element<C>(source[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) to[i] = convert_element<C>(source[i * step]);
    }
  });
}

template <typename C>
bool store_run(DType dtype, std::byte* to, int64_t step, int64_t count, const C* from) {
  return dispatch(dtype, [&]<typename T>(T) {
    T* target = reinterpret_cast<T*>(to);
    if (step == 1) {
      for (int64_t i = 0; i < count; ++i) target[i] = convert_element<T>(from[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) target[i * step] = convert_element<T>(from[i]);
    }
  });
}

template <typename C>
void round_run(DType dtype, C* values, int64_t count) {
  dispatch(dtype, [&]<typename T>(T) {
    for (int64_t i = 0; i < count; ++i)
      values[i] = convert_element<C>(convert_element<T>(values[i]));
  });
}

bool is_real(DType dtype) {
  return dispatch(dtype, [](auto) {});
}

template bool load_run(DType, const std::byte*, int64_t, int64_t, bool*);
template bool load_run(DType, const std::byte*, int64_t, int64_t, int64_t*);
template bool load_run(DType, const std::byte*, int64_t, int64_t, uint64_t*);
template bool load_run(DType, const std::byte*, int64_t, int64_t, float*);
template bool load_run(DType, const std::byte*, int64_t, int64_t, double*);
template bool store_run(DType, std::byte*, int64_t, int64_t, const bool*);
template bool store_run(DType, std::byte*, int64_t, int64_t, const int64_t*);
template bool store_run(DType, std::byte*, int64_t, int64_t, const uint64_t*);
template bool store_run(DType, std::byte*, int64_t, int64_t, const float*);
template bool store_run(DType, std::byte*, int64_t, int64_t, const double*);
template void round_run(DType, bool*, int64_t);
template void round_run(DType, int64_t*, int64_t);
template void round_run(DType, uint64_t*, int64_t);
template void round_run(DType, float*, int64_t);
template void round_run(DType, double*, int64_t);

}  // namespace pte::kernels
