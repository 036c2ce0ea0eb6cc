// Tensors made from nothing or in the likeness of others, and numbers by chance.
#include <cmath>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

constexpr double kPi = 3.14159265358979323846;

// Everything that factories take besides sizes is about dtypes; layouts other than strided cannot
// be written down, and devices mean nothing here.
#define PTE_KIND \
  "*, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None"

Results filled(Scope& s, size_t size, const Arg& value, const Arg& dtype) {
  return {s.call(Op::aten_full, {s.arg(size), value, dtype})};
}

// (self, dtype, layout, device, pin_memory, memory_format)
Results like(Scope& s, const Arg& value) {
  std::vector<Arg> args = s.args();
  args.insert(args.begin() + 1, value);
  return {s.call(Op::aten_full_like, std::move(args))};
}

// (self, size, …)
Results in_dtype_of_self(Scope& s, const Arg& value, size_t dtype) {
  return filled(s, 1, value, s.dtype(dtype).value_or(s.x(0).dtype()));
}

Results eye(Scope& s, const SymInt& rows, const SymInt& columns, size_t dtype) {
  const Expr places = unsqueeze(s.arange(rows, DType::kInt64), 1);
  return {
      cast(eq(places, s.arange(columns, DType::kInt64)), s.dtype(dtype).value_or(DType::kFloat32))};
}

// Values that are known now, in a dtype.
Results table(Scope& s, const std::vector<double>& values, DType dtype) {
  const auto count = static_cast<int64_t>(values.size());
  if (dtype == DType::kFloat64)
    return {s.constant(Tensor::of({count}, std::span<const double>(values)))};
  if (!is_floating(dtype)) {
    std::vector<int64_t> whole;
    for (const double value : values) {
      const bool fits = value > -9e18 && value < 9e18;
      whole.push_back(fits ? static_cast<int64_t>(value) : 0);
    }
    return {cast(s.constant(whole), dtype)};
  }
  return {s.constant(values, {count}, dtype)};
}

std::vector<double> evenly(double start, double end, int64_t steps, bool single) {
  std::vector<double> values;
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  for (int64_t i = 0; i < steps; ++i) {
    const double value = i < steps / 2 || steps == 1
                             ? start + step * static_cast<double>(i)
                             : end - step * static_cast<double>(steps - 1 - i);
    values.push_back(single ? static_cast<double>(static_cast<float>(value)) : value);
  }
  return values;
}

constexpr int64_t kLongestTable = 1 << 24;

// (start, end, steps, …)
Results linspace(Scope& s, size_t dtype, double base) {
  const int64_t steps = s.integer(2);
  const DType type = s.dtype(dtype).value_or(DType::kFloat32);
  if (!s.require(steps >= 0 && steps <= kLongestTable, "so many steps")) return {};
  std::vector<double> values =
      evenly(s.number(0), s.number(1), steps, type != DType::kFloat64 && is_floating(type));
  if (base != 0) {
    for (double& value : values) value = std::pow(base, value);
  }
  return table(s, values, type);
}

template <typename Formula>
Results window(Scope& s, bool periodic, size_t dtype, const Formula& formula) {
  const int64_t length = s.integer(0);
  if (!s.require(length >= 0 && length <= kLongestTable, "so long a window")) return {};
  const double span = static_cast<double>(periodic ? length : length - 1);
  std::vector<double> values;
  for (int64_t i = 0; i < length; ++i)
    values.push_back(length == 1 ? 1.0 : formula(static_cast<double>(i) / span));
  return table(s, values, s.dtype(dtype).value_or(DType::kFloat32));
}

double hann(double x) { return 0.5 - 0.5 * std::cos(2 * kPi * x); }
double blackman(double x) {
  return 0.42 - 0.5 * std::cos(2 * kPi * x) + 0.08 * std::cos(4 * kPi * x);
}
double bartlett(double x) { return x <= 0.5 ? 2 * x : 2 - 2 * x; }

Results hamming(Scope& s, bool periodic, size_t dtype, double alpha, double beta) {
  return window(s, periodic, dtype, [=](double x) { return alpha - beta * std::cos(2 * kPi * x); });
}

// The modified Bessel function of the first kind, order 0.
double bessel(double x) {
  double term = 1, total = 1;
  for (int k = 1; k < 200 && term > total * 1e-17; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    total += term;
  }
  return total;
}

Results kaiser(Scope& s, bool periodic, size_t dtype, double beta) {
  return window(s, periodic, dtype, [=](double x) {
    const double y = 2 * x - 1;
    return bessel(beta * std::sqrt(std::max(0.0, 1 - y * y))) / bessel(beta);
  });
}

Results triangle_indices(Scope& s, bool lower) {
  const int64_t rows = s.integer(0), columns = s.integer(1), offset = s.integer(2);
  if (!s.require(rows >= 0 && columns >= 0 && rows <= kLongestTable && columns <= kLongestTable &&
                     rows * columns <= kLongestTable,
                 "so large a triangle")) {
    return {};
  }
  std::vector<int64_t> at, column;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      if (lower ? j - i > offset : j - i < offset) continue;
      at.push_back(i);
      column.push_back(j);
    }
  }
  const auto count = static_cast<int64_t>(at.size());
  at.insert(at.end(), column.begin(), column.end());
  const Expr made = s.constant(Tensor::of({2, count}, std::span<const int64_t>(at)));
  return {cast(made, s.dtype(3).value_or(DType::kInt64))};
}

// ---- chance

Expr uniform(Scope& s, const SymSizes& sizes, DType dtype, const Expr& near) {
  return s.call(Op::aten_rand, {s.size_args(sizes, near), dtype});
}

Expr normal(Scope& s, const Expr& like) {
  return s.call(Op::aten_randn, {s.size_args(like.sizes(), like), like.dtype()});
}

Expr chance_like(Scope& s) { return uniform(s, s.x(0).sizes(), floating(s.x(0).dtype()), s.x(0)); }

Results bernoulli(Scope& s, const Arg& p) { return {cast(lt(chance_like(s), p), s.x(0).dtype())}; }

// Whole numbers in [low, high) in the likeness of the first operand.
Results random_between(Scope& s, double low, double high) {
  const Expr x = s.x(0);
  const Expr scaled = floor(uniform(s, x.sizes(), DType::kFloat32, x) * Arg(high - low)) + Arg(low);
  return {cast(scaled, x.dtype())};
}

Results randint(Scope& s, int64_t low, int64_t high, size_t size) {
  const Expr chance = uniform(s, s.sizes(size), DType::kFloat32, {});
  const Expr made = floor(chance * Arg(static_cast<double>(high - low)));
  return {cast(made + Arg(static_cast<double>(low)), s.dtype(size + 1).value_or(DType::kInt64))};
}

// The identity in evaluation mode.
Results dropout(Scope& s) {
  s.require(!s.flag(2), "training mode");
  return {s.call(Op::aten_alias, {s.x(0)})};
}

constexpr auto view_of = Composite::view_of;
constexpr Composite kComposites[] = {
    {"aten::arange(Scalar end, " PTE_KIND ") -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_arange_start_step,
                      {Arg(0), s.arg(0), Arg(1), s.arg(1), s.arg(2), s.arg(3), s.arg(4)})};
     }},
    {"aten::arange.start(Scalar start, Scalar end, " PTE_KIND ") -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_arange_start_step,
                      {s.arg(0), s.arg(1), Arg(1), s.arg(2), s.arg(3), s.arg(4), s.arg(5)})};
     }},
    {"aten::zeros(SymInt[] size, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return filled(s, 0, 0.0, s.arg(1)); }},
    {"aten::ones(SymInt[] size, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return filled(s, 0, 1.0, s.arg(1)); }},
    {"aten::zeros_like(Tensor self, " PTE_KIND ", MemoryFormat? memory_format=None) -> Tensor",
     [](Scope& s) { return like(s, 0); }},
    {"aten::ones_like(Tensor self, " PTE_KIND ", MemoryFormat? memory_format=None) -> Tensor",
     [](Scope& s) { return like(s, 1); }},
    {"aten::empty_like(Tensor self, " PTE_KIND ", MemoryFormat? memory_format=None) -> Tensor",
     [](Scope& s) { return like(s, 0); }},
    {"aten::new_zeros(Tensor self, SymInt[] size, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return in_dtype_of_self(s, 0, 2); }},
    {"aten::new_ones(Tensor self, SymInt[] size, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return in_dtype_of_self(s, 1, 2); }},
    {"aten::new_empty(Tensor self, SymInt[] size, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return in_dtype_of_self(s, 0, 2); }},
    {"aten::new_full(Tensor self, SymInt[] size, Scalar fill_value, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return in_dtype_of_self(s, s.arg(2), 3); }},
    {"aten::new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return in_dtype_of_self(s, 0, 3); }},
    {"aten::empty_strided(SymInt[] size, SymInt[] stride, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return filled(s, 0, 0.0, s.arg(2)); }},
    {"aten::empty_permuted(SymInt[] size, int[] physical_layout, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return filled(s, 0, 0.0, s.arg(2)); }},
    {"aten::eye(SymInt n, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return eye(s, s.size(0), s.size(0), 1); }},
    {"aten::eye.m(SymInt n, SymInt m, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return eye(s, s.size(0), s.size(1), 2); }},
    {"aten::linspace(Scalar start, Scalar end, int steps, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return linspace(s, 3, 0); }},
    {"aten::logspace(Scalar start, Scalar end, int steps, float base=10., " PTE_KIND ") -> Tensor",
     [](Scope& s) { return linspace(s, 4, s.number(3)); }},
    {"aten::hann_window(int window_length, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return window(s, true, 1, hann); }},
    {"aten::hann_window.periodic(int window_length, bool periodic, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return window(s, s.flag(1), 2, hann); }},
    {"aten::hamming_window(int window_length, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return hamming(s, true, 1, 0.54, 0.46); }},
    {"aten::hamming_window.periodic(int window_length, bool periodic, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return hamming(s, s.flag(1), 2, 0.54, 0.46); }},
    {"aten::hamming_window.periodic_alpha(int window_length, bool periodic, float "
     "alpha, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return hamming(s, s.flag(1), 3, s.number(2), 0.46); }},
    {"aten::hamming_window.periodic_alpha_beta(int window_length, bool periodic, float alpha, "
     "float beta, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return hamming(s, s.flag(1), 4, s.number(2), s.number(3)); }},
    {"aten::blackman_window(int window_length, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return window(s, true, 1, blackman); }},
    {"aten::blackman_window.periodic(int window_length, bool periodic, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return window(s, s.flag(1), 2, blackman); }},
    {"aten::bartlett_window(int window_length, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return window(s, true, 1, bartlett); }},
    {"aten::bartlett_window.periodic(int window_length, bool periodic, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return window(s, s.flag(1), 2, bartlett); }},
    {"aten::kaiser_window(int window_length, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return kaiser(s, true, 1, 12.0); }},
    {"aten::kaiser_window.periodic(int window_length, bool periodic, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return kaiser(s, s.flag(1), 2, 12.0); }},
    {"aten::kaiser_window.beta(int window_length, bool periodic, float beta, " PTE_KIND
     ") -> Tensor",
     [](Scope& s) { return kaiser(s, s.flag(1), 3, s.number(2)); }},
    {"aten::tril_indices(int row, int col, int offset=0, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return triangle_indices(s, true); }},
    {"aten::triu_indices(int row, int col, int offset=0, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return triangle_indices(s, false); }},
    {"prims::scalar_tensor(Scalar s, *, ScalarType? dtype=None, Device? device=None) -> Tensor",
     [](Scope& s) -> Results {
       return {s.call(Op::aten_scalar_tensor, {s.arg(0), s.arg(1)})};
     }},

    {"aten::rand_like(Tensor self, " PTE_KIND ", MemoryFormat? memory_format=None) -> Tensor",
     [](Scope& s) -> Results {
       return {uniform(s, s.x(0).sizes(), s.dtype(1).value_or(s.x(0).dtype()), s.x(0))};
     }},
    {"aten::randn_like(Tensor self, " PTE_KIND ", MemoryFormat? memory_format=None) -> Tensor",
     [](Scope& s) -> Results {
       return {normal(s, cast(s.x(0), s.dtype(1).value_or(s.x(0).dtype())))};
     }},
    {"aten::randint(SymInt high, SymInt[] size, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return randint(s, 0, s.integer(0), 1); }},
    {"aten::randint.low(SymInt low, SymInt high, SymInt[] size, " PTE_KIND ") -> Tensor",
     [](Scope& s) { return randint(s, s.integer(0), s.integer(1), 2); }},
    {"aten::randperm(SymInt n, " PTE_KIND ") -> Tensor",
     [](Scope& s) -> Results {
       const Expr chance = uniform(s, {s.size(0)}, DType::kFloat32, {});
       const Exprs made = s.call_all(Op::aten_topk, {chance, s.size_arg(s.size(0)), 0});
       return {made.size() == 2 ? cast(made[1], s.dtype(1).value_or(DType::kInt64)) : Expr()};
     }},
    {"aten::uniform(Tensor self, float from=0., float to=1.) -> Tensor",
     [](Scope& s) -> Results {
       return {chance_like(s) * Arg(s.number(2) - s.number(1)) + Arg(s.number(1))};
     }},
    {"aten::normal(Tensor self, float mean=0., float std=1.) -> Tensor",
     [](Scope& s) -> Results { return {normal(s, s.x(0)) * Arg(s.number(2)) + Arg(s.number(1))}; }},
    {"aten::normal_functional(Tensor self, float mean=0., float std=1.) -> Tensor", "aten::normal"},
    {"aten::normal.Tensor_Tensor(Tensor mean, Tensor std) -> Tensor",
     [](Scope& s) -> Results { return {normal(s, s.x(0) + s.x(1)) * s.x(1) + s.x(0)}; }},
    {"aten::normal.Tensor_float(Tensor mean, float std=1.) -> Tensor",
     [](Scope& s) -> Results { return {normal(s, s.x(0)) * Arg(s.number(1)) + s.x(0)}; }},
    {"aten::normal.float_Tensor(float mean, Tensor std) -> Tensor",
     [](Scope& s) -> Results { return {normal(s, s.x(1)) * s.x(1) + Arg(s.number(0))}; }},
    {"aten::normal.float_float(float mean, float std, SymInt[] size, " PTE_KIND ") -> Tensor",
     [](Scope& s) -> Results {
       const Expr made = s.call(Op::aten_randn, {s.arg(2), s.arg(3)});
       return {made * Arg(s.number(1)) + Arg(s.number(0))};
     }},
    {"aten::exponential(Tensor self, float lambd=1.) -> Tensor",
     [](Scope& s) -> Results { return {log1p(-chance_like(s)) / Arg(-s.number(1))}; }},
    {"aten::bernoulli(Tensor self) -> Tensor", [](Scope& s) { return bernoulli(s, s.arg(0)); }},
    {"aten::bernoulli.p(Tensor self, float p) -> Tensor",
     [](Scope& s) { return bernoulli(s, s.arg(1)); }},
    {"aten::bernoulli.float(Tensor self, float p=0.5) -> Tensor",
     [](Scope& s) { return bernoulli(s, s.arg(1)); }},
    {"aten::bernoulli.Tensor(Tensor self, Tensor p) -> Tensor",
     [](Scope& s) { return bernoulli(s, s.arg(1)); }},
    {"aten::random(Tensor self) -> Tensor",
     [](Scope& s) { return random_between(s, 0, s.x(0).dtype() == DType::kBool ? 2 : 128); }},
    {"aten::random.to(Tensor self, int to) -> Tensor",
     [](Scope& s) { return random_between(s, 0, s.number(1)); }},
    {"aten::random.from(Tensor self, int from, int? to) -> Tensor",
     [](Scope& s) { return random_between(s, s.number(1), s.number(2)); }},
    view_of("aten::dropout(Tensor input, float p, bool train) -> Tensor", dropout),
    view_of("aten::feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor", dropout),
    view_of("aten::alpha_dropout(Tensor input, float p, bool train) -> Tensor", dropout),
    view_of("aten::feature_dropout(Tensor input, float p, bool train) -> Tensor", dropout),
    {"aten::native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)",
     [](Scope& s) -> Results {
       s.require(!s.given(2) || !s.flag(2), "training mode");
       return {s.call(Op::aten_alias, {s.x(0)}),
               s.full(s.x(0).sizes(), true, DType::kBool, s.x(0))};
     }},
};

}  // namespace

std::span<const Composite> factory_composites() { return kComposites; }

}  // namespace pte::importers
