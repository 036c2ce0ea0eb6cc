// Distributions from the two that the official library draws: rand and randn.
#include "passes/legalize_rules.h"

namespace pte::passes {
namespace {

// Numbers of `type`'s sizes, in [0, 1) or normal.
Result<Value*> draw(Rewrite& r, Op op, const TensorType& type, Value* source, DType dtype) {
  PTE_TRY(auto sizes, size_args(r.builder, source, type.sizes));
  if (!sizes) return r.not_supported("sizes that cannot be read from an operand");
  // -1 stands for a size that a view would work out, which a new tensor cannot.
  for (size_t i = 0; i < sizes->size(); ++i) {
    if ((*sizes)[i].integer() != -1) continue;
    PTE_TRY(Value * length, r.call(Op::aten_sym_size_int, {source, Arg(static_cast<int64_t>(i))}));
    (*sizes)[i] = Arg(length);
  }
  return r.call(op, {std::move(*sizes), dtype});
}

DType precise(DType dtype) { return dtype == DType::kFloat64 ? dtype : DType::kFloat32; }

template <Op kOp>
Result<Replacement> like(Rewrite& r) {
  const DType dtype = r.result_type().dtype;
  PTE_TRY(Value * drawn, draw(r, kOp, r.type(0), r.input(0), precise(dtype)));
  Maker m(r);
  return m.done(drawn);
}

Result<Replacement> randint(Rewrite& r) {
  const auto low = r.arg(0).integer();
  const auto high = r.arg(1).integer();
  if (!low || !high) return r.not_supported("bounds that are computed");
  Maker m(r);
  Value* drawn = m.call(Op::aten_rand, {r.arg(2), DType::kFloat64});
  Value* whole = m.floor(m.mul(drawn, Arg(static_cast<double>(*high - *low))));
  return m.done(m.add(m.cast(whole, DType::kInt64), Arg(*low)));
}

// The order of numbers drawn.
Result<Replacement> randperm(Rewrite& r) {
  Maker m(r);
  Value* keys = m.call(Op::aten_rand, {Arg(ArgList{r.arg(0)}), DType::kFloat64});
  const auto results = m.calls(Op::aten_topk, {keys, r.arg(0), Arg(0), Arg(true), Arg(true)});
  return m.done(results.size() < 2 ? keys : results[1]);
}

Result<Replacement> bernoulli(Rewrite& r) {
  PTE_TRY(Value * drawn, draw(r, Op::aten_rand, r.type(0), r.input(0), precise(r.type(0).dtype)));
  Maker m(r);
  return m.done(m.lt(drawn, r.input(0)));
}

Result<Replacement> exponential(Rewrite& r) {
  const auto rate = r.arg(1).number();
  if (!rate) return r.not_supported("a rate that is computed");
  PTE_TRY(Value * drawn, draw(r, Op::aten_rand, r.type(0), r.input(0), precise(r.type(0).dtype)));
  Maker m(r);
  return m.done(m.div(m.unary(Op::aten_log1p, m.neg(drawn)), Arg(-*rate)));
}

Result<Replacement> uniform(Rewrite& r) {
  const auto from = r.arg(1).number();
  const auto to = r.arg(2).number();
  if (!from || !to) return r.not_supported("bounds that are computed");
  PTE_TRY(Value * drawn, draw(r, Op::aten_rand, r.type(0), r.input(0), precise(r.type(0).dtype)));
  Maker m(r);
  return m.done(m.add(m.mul(drawn, Arg(*to - *from)), Arg(*from)));
}

Result<Replacement> normal(Rewrite& r) {
  Value* mean = r.arg(0).value();
  Value* deviation = r.arg(1).value();
  const TensorType& type = r.result_type();
  if (mean != nullptr && !mean->is_tensor()) mean = nullptr;
  if (deviation != nullptr && !deviation->is_tensor()) deviation = nullptr;
  if (mean == nullptr && deviation == nullptr) return r.not_supported("no operand");
  Value* source = mean != nullptr ? mean : deviation;
  if (mean != nullptr && deviation != nullptr &&
      deviation->tensor().rank() > mean->tensor().rank()) {
    source = deviation;
  }
  PTE_TRY(Value * drawn, draw(r, Op::aten_randn, type, source, precise(type.dtype)));
  Maker m(r);
  drawn = deviation != nullptr ? m.mul(drawn, deviation) : m.mul(drawn, r.arg(1));
  return m.done(mean != nullptr ? m.add(drawn, mean) : m.add(drawn, r.arg(0)));
}

// With replacement a number falls between running sums; without, exponential times race.
Result<Replacement> multinomial(Rewrite& r) {
  PTE_TRY(const Sizes sizes, known_sizes(r, 0));
  const auto count = r.arg(1).integer();
  if (!count || sizes.empty()) return r.not_supported("a number of samples that is computed");
  const DType dtype = precise(r.type(0).dtype);
  Maker m(r);
  Value* weights = m.cast(r.input(0), dtype);
  if (!r.arg(2).boolean().value_or(false)) {
    Value* drawn = m.call(Op::aten_rand, {Arg::ints(sizes), dtype});
    Value* times = m.div(m.neg(m.unary(Op::aten_log1p, m.neg(drawn))), weights);
    const auto results =
        m.calls(Op::aten_topk, {times, Arg(*count), Arg(-1), Arg(false), Arg(true)});
    return m.done(results.size() < 2 ? times : results[1]);
  }
  PTE_CHECK(check_work(r, {*element_count(sizes), *count}));
  Value* sums = m.call(Op::aten_cumsum, {weights, Arg(-1)});
  Sizes drawn_sizes = sizes;
  drawn_sizes.back() = *count;
  Value* total =
      m.slice(sums, static_cast<int64_t>(sizes.size()) - 1, sizes.back() - 1, sizes.back());
  Value* drawn = m.mul(m.call(Op::aten_rand, {Arg::ints(drawn_sizes), dtype}), total);
  Value* passed = m.le(m.unsqueeze(sums, -2), m.unsqueeze(drawn, -1));
  return m.done(m.call(Op::aten_clamp, {m.count(passed, -1), Arg(), Arg(sizes.back() - 1)}));
}

}  // namespace

std::span<const RuleEntry> legal_random_rules() {
  static constexpr RuleEntry kRules[] = {
      {Op::aten_rand_like, like<Op::aten_rand>},
      {Op::aten_randn_like, like<Op::aten_randn>},
      {Op::aten_randint_low, randint},
      {Op::aten_randperm, randperm},
      {Op::aten_bernoulli, bernoulli},
      {Op::aten_exponential, exponential},
      {Op::aten_uniform, uniform},
      {Op::aten_normal_Tensor_float, normal},
      {Op::aten_normal_float_Tensor, normal},
      {Op::aten_normal_Tensor_Tensor, normal},
      {Op::aten_multinomial, multinomial},
  };
  return kRules;
}

}  // namespace pte::passes
