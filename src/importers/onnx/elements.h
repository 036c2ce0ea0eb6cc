// Arithmetic on single elements of small tensors, as the operators define it: integers wrap,
// division is towards zero, and sizes that are known at run time only become calls.
#pragma once

#include <optional>
#include <string_view>

#include "importers/onnx/small.h"

namespace pte::importers::onnx {

inline bool is_sym(const Elem& a) { return std::holds_alternative<ir::Value*>(a); }
inline bool is_real(const Elem& a) { return std::holds_alternative<double>(a); }
// Of an element that is no call's.
double real_of(const Elem& a);
// A computed number rounded to what its type holds.
Elem stored(double value, DType dtype);
// An integer's bits as its type wraps them.
Elem wrapped(uint64_t bits, DType dtype);

// `op` is the operator's name in ONNX. Nothing when the result is not known or has no value.
using ElemResult = std::optional<Elem>;
ElemResult symbolic(Emitter& e, std::string_view op, const Elem& a, const Elem& b);
ElemResult compare(Emitter& e, std::string_view op, const Elem& a, const Elem& b);
ElemResult integer_binary(std::string_view op, int64_t a, int64_t b, DType dtype, bool fmod);
ElemResult real_binary(std::string_view op, double a, double b, DType dtype);
bool is_comparison(std::string_view op);

}  // namespace pte::importers::onnx
