// Products of matrices and tensors, distances, and what solves linear systems.
#include <algorithm>

#include "importers/aten/scope.h"

namespace pte::importers {
namespace {

// beta * a + alpha * b; a beta of 0 leaves a out, NaNs in it included.
Expr blend(const Expr& a, const Expr& b, const Arg& beta, const Arg& alpha) {
  const Expr right = alpha.number() == 1.0 ? b : mul(b, alpha);
  if (beta.number() == 0.0) return right;
  return (beta.number() == 1.0 ? a : mul(a, beta)) + right;
}

// The sum over `summed` of products of elements, by a matrix product: `a` as [batch…, rows…,
// summed…], `b` as [batch…, summed…, columns…], given by the letters of their dimensions.
struct Operand {
  Expr value;
  std::string letters;
};

SymSizes sizes_of(const Operand& from, const std::string& letters) {
  SymSizes sizes;
  for (const char letter : letters) {
    const size_t at = from.letters.find(letter);
    sizes.push_back(at == std::string::npos ? SymInt(1)
                                            : from.value.size(static_cast<int64_t>(at)));
  }
  return sizes;
}

// Dimensions in the order of `letters`; absent ones have size 1.
Expr arranged(const Operand& from, const std::string& letters) {
  std::vector<int64_t> order;
  for (const char letter : letters) {
    const size_t at = from.letters.find(letter);
    if (at != std::string::npos) order.push_back(static_cast<int64_t>(at));
  }
  return view(permute(from.value, order), sizes_of(from, letters));
}

SymSizes joined(SymSizes a, const SymSizes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Sizes that broadcast: 1 gives way.
SymSizes larger(const SymSizes& a, const SymSizes& b) {
  SymSizes sizes = a;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i].is_constant(1)) sizes[i] = b[i];
  }
  return sizes;
}

Operand contract(Scope& s, Operand a, Operand b, const std::string& kept) {
  // Letters of one operand alone that nothing keeps are summed first.
  const auto trim = [&](Operand& own, const Operand& other) {
    std::vector<int64_t> dims;
    std::string left;
    for (size_t i = 0; i < own.letters.size(); ++i) {
      const char letter = own.letters[i];
      if (kept.find(letter) == std::string::npos &&
          other.letters.find(letter) == std::string::npos) {
        dims.push_back(static_cast<int64_t>(i));
      } else {
        left += letter;
      }
    }
    if (!dims.empty()) own = {sum(own.value, dims), left};
  };
  trim(a, b);
  trim(b, a);
  std::string batch, rows, summed, columns;
  for (const char letter : a.letters) {
    const bool shared = b.letters.find(letter) != std::string::npos;
    (shared ? (kept.find(letter) != std::string::npos ? batch : summed) : rows) += letter;
  }
  for (const char letter : b.letters) {
    if (a.letters.find(letter) == std::string::npos) columns += letter;
  }
  if (summed.empty()) {
    // A product without a sum.
    const std::string all = batch + rows + columns;
    return {arranged(a, all) * arranged(b, all), all};
  }
  const SymSizes batches = larger(sizes_of(a, batch), sizes_of(b, batch));
  const SymSizes inner = larger(sizes_of(a, summed), sizes_of(b, summed));
  const SymInt many = ir::product(batches), depth = ir::product(inner);
  const SymSizes row_sizes = sizes_of(a, rows), column_sizes = sizes_of(b, columns);
  Expr left = expand(arranged(a, batch + rows + summed), joined(joined(batches, row_sizes), inner),
                     b.value);
  Expr right = expand(arranged(b, batch + summed + columns),
                      joined(joined(batches, inner), column_sizes), a.value);
  Expr product;
  if (batch.empty()) {
    left = view(left, {ir::product(row_sizes), depth});
    right = view(right, {depth, ir::product(column_sizes)});
    product = s.call(Op::aten_mm, {left, right});
  } else {
    left = view(left, {many, ir::product(row_sizes), depth});
    right = view(right, {many, depth, ir::product(column_sizes)});
    product = s.call(Op::aten_bmm, {left, right});
  }
  return {view(product, joined(joined(batches, row_sizes), column_sizes)), batch + rows + columns};
}

// A letter that stands twice: the diagonal.
void take_diagonals(Scope& s, Operand& operand) {
  for (size_t i = 0; i < operand.letters.size(); ++i) {
    const char letter = operand.letters[i];
    size_t j = operand.letters.find(letter, i + 1);
    while (j != std::string::npos) {
      operand.value = s.call(Op::aten_diagonal_copy,
                             {operand.value, 0, static_cast<int64_t>(i), static_cast<int64_t>(j)});
      // The diagonal is the last dimension.
      operand.letters.erase(j, 1);
      operand.letters.erase(i, 1);
      operand.letters += letter;
      i = 0;
      j = operand.letters.find(operand.letters[0], 1);
    }
  }
}

// The letters of "ij...k" for an operand of this rank; dots become upper signs counted from the
// right, which no equation holds.
std::optional<std::string> letters_of(Scope& s, const std::string& text, size_t rank) {
  std::string letters;
  const size_t dots = text.find("...");
  const size_t named = text.size() - (dots == std::string::npos ? 0 : 3);
  if ((dots == std::string::npos && named != rank) || named > rank) {
    s.invalid(fmt::format("'{}' for an operand of rank {}", text, rank));
    return std::nullopt;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == dots) {
      for (size_t k = rank - named; k-- > 0;) letters += static_cast<char>('!' + k);
      i += 2;
    } else {
      letters += text[i];
    }
  }
  return letters;
}

Results einsum(Scope& s) {
  std::string equation = s.text(0);
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  const Exprs operands = s.xs(1);
  const size_t arrow = equation.find("->");
  std::vector<std::string> parts(1);
  for (const char c : equation.substr(0, arrow)) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  constexpr size_t kMostOperands = 52;
  if (parts.size() != operands.size() || operands.empty() || operands.size() > kMostOperands) {
    s.invalid(fmt::format("{} operands for '{}'", operands.size(), equation));
    return {};
  }
  std::vector<Operand> all;
  std::string dots;
  for (size_t i = 0; i < parts.size(); ++i) {
    constexpr size_t kMostDots = 16;
    if (!s.require(operands[i].rank() <= kMostDots, "an operand of this rank")) return {};
    const auto letters = letters_of(s, parts[i], operands[i].rank());
    if (!letters) return {};
    all.push_back({operands[i], *letters});
    take_diagonals(s, all.back());
    for (const char c : all.back().letters) {
      if (c < '0' && dots.find(c) == std::string::npos) dots += c;
    }
  }
  std::sort(dots.rbegin(), dots.rend());
  std::string result;
  if (arrow != std::string::npos) {
    result = equation.substr(arrow + 2);
    if (const size_t at = result.find("..."); at != std::string::npos) result.replace(at, 3, dots);
  } else {
    // Letters that stand once, in order.
    std::string once;
    std::string text;
    for (const std::string& part : parts) text += part;
    for (const char c : text) {
      if (c != '.' && std::count(text.begin(), text.end(), c) == 1) once += c;
    }
    std::sort(once.begin(), once.end());
    result = dots + once;
  }
  Operand made = all[0];
  for (size_t i = 1; i < all.size(); ++i) {
    std::string kept = result;
    for (size_t k = i + 1; k < all.size(); ++k) kept += all[k].letters;
    made = contract(s, made, all[i], kept);
  }
  std::vector<int64_t> dims;
  std::string left;
  for (size_t i = 0; i < made.letters.size(); ++i) {
    if (result.find(made.letters[i]) == std::string::npos) {
      dims.push_back(static_cast<int64_t>(i));
    } else {
      left += made.letters[i];
    }
  }
  if (!dims.empty()) made = {sum(made.value, dims), left};
  if (made.letters.size() != result.size()) {
    s.invalid(fmt::format("'{}' asks for a dimension that no operand has", equation));
    return {};
  }
  return {arranged(made, result)};
}

Results tensordot(Scope& s) {
  const Expr a = s.x(0), b = s.x(1);
  const auto left = s.integers(2), right = s.integers(3);
  constexpr size_t kMost = 20;
  if (left.size() != right.size() || a.rank() > kMost || b.rank() > kMost) {
    s.invalid("lists of dimensions that do not fit");
    return {};
  }
  Operand x{a, {}}, y{b, {}};
  for (size_t i = 0; i < a.rank(); ++i) x.letters += static_cast<char>('a' + i);
  for (size_t i = 0; i < b.rank(); ++i) y.letters += static_cast<char>('A' + i);
  std::string kept;
  for (size_t i = 0; i < left.size(); ++i) {
    const auto from = static_cast<size_t>(s.wrap(left[i], a.rank()));
    const auto to = static_cast<size_t>(s.wrap(right[i], b.rank()));
    if (!s.ok() || from >= x.letters.size() || to >= y.letters.size()) return {};
    y.letters[to] = x.letters[from];
  }
  for (const char c : x.letters + y.letters) {
    if ((x.letters.find(c) == std::string::npos) != (y.letters.find(c) == std::string::npos))
      kept += c;
  }
  return {contract(s, x, y, kept).value};
}

Results bilinear(Scope& s) {
  const Expr a = s.x(0), b = s.x(1), weight = s.x(2);
  if (a.rank() == 0 || b.rank() == 0 || weight.rank() != 3) {
    s.invalid("operands of these ranks");
    return {};
  }
  SymSizes lead(a.sizes().begin(), a.sizes().end() - 1);
  const SymInt rows = ir::product(lead);
  const Expr left = view(a, {rows, a.size(-1)}), right = view(b, {rows, b.size(-1)});
  // [n, i] × [o, i, j] → [n, o, j], then with [n, j] → [n, o]
  const Expr table =
      view(permute(weight, {1, 0, 2}), {weight.size(1), weight.size(0) * weight.size(2)});
  const Expr half =
      view(s.call(Op::aten_mm, {left, table}), {rows, weight.size(0), weight.size(2)});
  Expr made = squeeze(s.call(Op::aten_bmm, {half, unsqueeze(right, 2)}), 2);
  lead.push_back(weight.size(0));
  made = view(made, lead);
  return {s.given(3) ? made + s.x(3) : made};
}

// (i1, i2, i3, expand1, expand2, expand3, sumdim, unroll_dim)
Results trilinear(Scope& s) {
  Expr product;
  for (size_t i = 0; i < 3; ++i) {
    Expr operand = s.x(i);
    for (const int64_t dim : s.integers(3 + i)) operand = unsqueeze(operand, dim);
    product = i == 0 ? operand : product * operand;
  }
  const auto dims = s.integers(6);
  return {dims.empty() ? product : sum(product, dims)};
}

Results kron(Scope& s) {
  const Expr a = s.x(0), b = s.x(1);
  const size_t rank = std::max(a.rank(), b.rank());
  SymSizes left, right, made;
  for (size_t i = 0; i < rank; ++i) {
    const size_t back = rank - i;
    const SymInt x = back > a.rank() ? SymInt(1) : a.size(-static_cast<int64_t>(back));
    const SymInt y = back > b.rank() ? SymInt(1) : b.size(-static_cast<int64_t>(back));
    left.push_back(x);
    left.emplace_back(1);
    right.emplace_back(1);
    right.push_back(y);
    made.push_back(x * y);
  }
  return {view(view(a, left) * view(b, right), made)};
}

Results cross(Scope& s, int64_t dim) {
  const Exprs both = s.call_all("aten::broadcast_tensors", {to_list({s.x(0), s.x(1)})});
  if (both.size() != 2) return {};
  dim = s.wrap(dim, both[0].rank());
  if (!both[0].size(dim).is_constant(3)) {
    s.invalid("vectors that have not three elements");
    return {};
  }
  const auto turned = [&](const Expr& x, int64_t by) {
    return s.call("aten::roll", {x, Arg::ints({by}), Arg::ints({dim})});
  };
  const Expr a = both[0], b = both[1];
  return {turned(a, -1) * turned(b, -2) - turned(a, -2) * turned(b, -1)};
}

Results old_cross(Scope& s) {
  if (s.given(2)) return cross(s, s.integer(2));
  const Expr x = s.x(0);
  for (size_t i = 0; i < x.rank(); ++i) {
    if (x.sizes()[i].is_constant(3)) return cross(s, static_cast<int64_t>(i));
  }
  s.invalid("no dimension of size 3");
  return {};
}

Results multi_dot(Scope& s) {
  Exprs parts = s.xs(0);
  if (parts.size() < 2) {
    s.invalid("fewer than two matrices");
    return {};
  }
  const bool row = parts.front().rank() == 1, column = parts.back().rank() == 1;
  if (row) parts.front() = unsqueeze(parts.front(), 0);
  if (column) parts.back() = unsqueeze(parts.back(), 1);
  Expr made = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) made = matmul(made, parts[i]);
  if (column) made = squeeze(made, -1);
  if (row) made = squeeze(made, 0);
  return {made};
}

Results matrix_power(Scope& s) {
  Expr x = s.x(0);
  int64_t n = s.integer(1);
  if (!s.require(n >= -64 && n <= 64, "such a power")) return {};
  if (n < 0) {
    x = s.call("aten::linalg_inv_ex", {x});
    n = -n;
  }
  if (n == 0) {
    const Expr one = s.call("aten::eye", {s.size_arg(x.size(-1), x), x.dtype()});
    return {expand(one, x.sizes(), x)};
  }
  Expr made, square = x;
  bool any = false;
  for (; n > 0; n /= 2) {
    if (n % 2 != 0) {
      made = any ? matmul(made, square) : square;
      any = true;
    }
    if (n > 1) square = matmul(square, square);
  }
  return {made};
}

Results first_of(Scope& s, Op op, std::vector<Arg> args) { return {s.call(op, std::move(args))}; }

Results solve(Scope& s) {
  const Expr b = s.x(1);
  return first_of(s, Op::aten__linalg_solve_ex, {s.arg(0), b, s.arg(2), Arg(false)});
}

Results inner(Scope& s) {
  const Expr a = s.x(0), b = s.x(1);
  if (a.rank() == 0 || b.rank() == 0) return {a * b};
  return {s.call("aten::tensordot", {a, b, Arg::ints({-1}), Arg::ints({-1})})};
}

Results vander(Scope& s) {
  const Expr x = s.x(0);
  const int64_t count = s.given(1) ? s.integer(1) : s.fixed(x.size(0), "a number of columns");
  if (!s.bounded(count, "columns")) return {};
  const Expr base =
      x.dtype() == DType::kBool || !is_floating(x.dtype()) ? cast(x, DType::kInt64) : x;
  Exprs columns;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t power = s.flag(2) ? i : count - 1 - i;
    columns.push_back(power == 0 ? base * 0 + Arg(1) : pow(base, Arg(power)));
  }
  if (columns.empty()) return {s.full({x.size(0), 0}, 0, base.dtype(), x)};
  return {stack(columns, 1)};
}

Results batched(Scope& s, bool summed) {
  Expr product = s.call(Op::aten_bmm, {s.arg(1), s.arg(2)});
  if (summed) product = sum(product, {0});
  return {blend(s.x(0), product, s.arg(3), s.arg(4))};
}

Results mv(Scope& s) { return {squeeze(s.call(Op::aten_mm, {s.x(0), unsqueeze(s.x(1), 1)}), 1)}; }

// U, S and V transposed.
Results singular(Scope& s, bool full_matrices, const Arg& driver) {
  const Exprs parts =
      s.call_all(Op::aten__linalg_svd, {s.arg(0), Arg(full_matrices), Arg(true), driver});
  if (parts.size() != 3) return {Arg(), Arg(), Arg()};
  return {parts[0], parts[1], parts[2]};
}

Results old_svd(Scope& s) {
  if (!s.require(s.flag(2), "singular values without their vectors")) return {};
  Results parts = singular(s, !s.flag(1), Arg());
  if (s.ok()) parts[2] = transpose(Expr(s, parts[2].value()), -2, -1);
  return parts;
}

constexpr Composite kComposites[] = {
    {"aten::einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor", einsum},
    {"aten::tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor",
     tensordot},
    {"aten::bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor",
     bilinear},
    {"aten::_trilinear(Tensor i1, Tensor i2, Tensor i3, int[] expand1, int[] expand2, int[] "
     "expand3, int[] sumdim, int unroll_dim=1) -> Tensor",
     trilinear},
    {"aten::baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) "
     "-> Tensor",
     [](Scope& s) { return batched(s, false); }},
    {"aten::addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> "
     "Tensor",
     [](Scope& s) { return batched(s, true); }},
    {"aten::addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor",
     [](Scope& s) -> Results {
       const Expr product = squeeze(s.call(Op::aten_mm, {s.x(1), unsqueeze(s.x(2), 1)}), 1);
       return {blend(s.x(0), product, s.arg(3), s.arg(4))};
     }},
    {"aten::addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> "
     "Tensor",
     [](Scope& s) -> Results {
       const Expr product = unsqueeze(s.x(1), 1) * unsqueeze(s.x(2), 0);
       return {blend(s.x(0), product, s.arg(3), s.arg(4))};
     }},
    {"aten::mv(Tensor self, Tensor vec) -> Tensor", mv},
    {"aten::dot(Tensor self, Tensor tensor) -> Tensor",
     [](Scope& s) -> Results {
       const Expr made = sum(s.x(0) * s.x(1), {0});
       return {cast(made, s.x(0).dtype())};
     }},
    {"aten::vdot(Tensor self, Tensor other) -> Tensor", "aten::dot"},
    {"aten::inner(Tensor self, Tensor other) -> Tensor", inner},
    {"aten::outer(Tensor self, Tensor vec2) -> Tensor",
     [](Scope& s) -> Results { return {unsqueeze(s.x(0), 1) * unsqueeze(s.x(1), 0)}; }},
    {"aten::ger(Tensor self, Tensor vec2) -> Tensor", "aten::outer"},
    {"aten::linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor",
     [](Scope& s) -> Results {
       const Expr product = s.x(0) * s.x(1);
       return {sum(product, {s.dim(2, product.rank())})};
     }},
    {"aten::kron(Tensor self, Tensor other) -> Tensor", kron},
    {"aten::linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor",
     [](Scope& s) { return cross(s, s.integer(2)); }},
    {"aten::cross(Tensor self, Tensor other, int? dim=None) -> Tensor", old_cross},
    {"aten::linalg_multi_dot(Tensor[] tensors) -> Tensor", multi_dot},
    {"aten::chain_matmul(Tensor[] matrices) -> Tensor", multi_dot},
    {"aten::linalg_matrix_power(Tensor self, int n) -> Tensor", matrix_power},
    {"aten::matrix_power(Tensor self, int n) -> Tensor", matrix_power},
    {"aten::linalg_det(Tensor A) -> Tensor",
     [](Scope& s) { return first_of(s, Op::aten__linalg_det, {s.arg(0)}); }},
    {"aten::det(Tensor self) -> Tensor",
     [](Scope& s) { return first_of(s, Op::aten__linalg_det, {s.arg(0)}); }},
    {"aten::logdet(Tensor self) -> Tensor",
     [](Scope& s) -> Results { return {log(s.call(Op::aten__linalg_det, {s.arg(0)}))}; }},
    {"aten::linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)",
     [](Scope& s) -> Results {
       const Expr det = s.call(Op::aten__linalg_det, {s.arg(0)});
       return {sign(det), log(abs(det))};
     }},
    {"aten::slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)", "aten::linalg_slogdet"},
    {"aten::inverse(Tensor self) -> Tensor",
     [](Scope& s) { return first_of(s, Op::aten_linalg_inv_ex, {s.arg(0)}); }},
    {"aten::linalg_inv(Tensor A) -> Tensor",
     [](Scope& s) { return first_of(s, Op::aten_linalg_inv_ex, {s.arg(0)}); }},
    {"aten::linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor",
     [](Scope& s) {
       return first_of(s, Op::aten_linalg_cholesky_ex, {s.arg(0), s.arg(1)});
     }},
    {"aten::cholesky(Tensor self, bool upper=False) -> Tensor",
     [](Scope& s) {
       return first_of(s, Op::aten_linalg_cholesky_ex, {s.arg(0), s.arg(1)});
     }},
    {"aten::linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", solve},
    {"aten::linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, "
     "Tensor S, Tensor Vh)",
     [](Scope& s) { return singular(s, s.flag(1), s.arg(2)); }},
    {"aten::linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor",
     [](Scope& s) -> Results {
       Results parts = singular(s, false, s.arg(1));
       return {parts[1]};
     }},
    {"aten::svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor "
     "V)",
     old_svd},
    {"aten::cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor",
     [](Scope& s) {
       return first_of(s, Op::aten__cdist_forward, {s.arg(0), s.arg(1), s.arg(2), s.arg(3)});
     }},
    {"aten::pdist(Tensor self, float p=2.) -> Tensor",
     [](Scope& s) {
       return first_of(s, Op::aten__pdist_forward, {s.arg(0), s.arg(1)});
     }},
    {"aten::vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", vander},
    {"aten::linalg_vander(Tensor x, *, int? N=None) -> Tensor",
     [](Scope& s) -> Results {
       return {s.call("aten::vander", {s.arg(0), s.arg(1), Arg(true)})};
     }},
};

}  // namespace

std::span<const Composite> linalg_composites() { return kComposites; }

}  // namespace pte::importers
