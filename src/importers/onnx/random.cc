// Random numbers. Seeds of the file are not kept: the runtime draws its own.
#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;
using ir::ArgList;

std::optional<DType> type_of(NodeCall& c, DType otherwise) {
  const int64_t given = c.i("dtype", 0);
  if (given == 0) return otherwise;
  const auto to = carrier_type(static_cast<int32_t>(given));
  if (!to) {
    c.fail(Error(to.error()));
    return std::nullopt;
  }
  return *to;
}

std::vector<Arg> shape_of(NodeCall& c) {
  std::vector<Arg> sizes;
  for (const int64_t size : c.is("shape")) sizes.emplace_back(size);
  return sizes;
}

void draw(NodeCall& c, Op op, const std::vector<Arg>& sizes, DType otherwise) {
  const auto dtype = type_of(c, otherwise);
  if (!dtype) return;
  const Ex x = c.e.call(op, {Arg(ArgList(sizes)), DType::kFloat32});
  if (op == Op::aten_rand) {
    const double low = c.f("low", 0), high = c.f("high", 1);
    return c.set((x * (high - low) + low).cast(*dtype));
  }
  c.set((x * c.f("scale", 1) + c.f("mean", 0)).cast(*dtype));
}

void random_uniform(NodeCall& c) { draw(c, Op::aten_rand, shape_of(c), DType::kFloat32); }
void random_normal(NodeCall& c) { draw(c, Op::aten_randn, shape_of(c), DType::kFloat32); }
void random_uniform_like(NodeCall& c) {
  const Ex x = c.in(0);
  draw(c, Op::aten_rand, x.sizes(), x.dtype());
}
void random_normal_like(NodeCall& c) {
  const Ex x = c.in(0);
  draw(c, Op::aten_randn, x.sizes(), x.dtype());
}

void bernoulli(NodeCall& c) {
  const Ex x = c.in(0);
  const auto dtype = type_of(c, x.dtype());
  if (!dtype) return;
  const Ex draws = c.e.call(Op::aten_rand, {Arg(ArgList(x.sizes())), DType::kFloat32});
  c.set((draws < x.cast(DType::kFloat32)).cast(*dtype));
}

constexpr RuleEntry kRules[] = {
    {"RandomUniform", random_uniform},
    {"RandomNormal", random_normal},
    {"RandomUniformLike", random_uniform_like},
    {"RandomNormalLike", random_normal_like},
    {"Bernoulli", bernoulli},
};

}  // namespace

std::span<const RuleEntry> random_rules() { return kRules; }

}  // namespace pte::importers::onnx
