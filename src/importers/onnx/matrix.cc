// Matrix products.
#include <algorithm>
#include <map>

#include "importers/onnx/rules.h"

namespace pte::importers::onnx {
namespace {

using ir::Arg;
using ir::ArgList;

void mat_mul(NodeCall& c) { c.set(c.in(0).matmul(c.in(1))); }

void gemm(NodeCall& c) {
  Ex a = c.in(0), b = c.in(1);
  const double alpha = c.f("alpha", 1.0), beta = c.f("beta", 1.0);
  if (c.i("transA", 0) != 0) a = a.transpose(0, 1);
  if (c.i("transB", 0) != 0) b = b.transpose(0, 1);
  if (!c.has(2) || beta == 0) {
    const Ex y = c.e.call(Op::aten_mm, {a.v, b.v});
    return c.set(alpha == 1.0 ? y : y * alpha);
  }
  const Ex bias = c.in(2);
  c.set(c.e.call(Op::aten_addmm, {bias.v, a.v, b.v, bias.number(beta), a.number(alpha)}));
}

// ---- Einsum

// An operand with a letter for every dimension; those of "..." are upper-case letters of their own.
struct Term {
  Ex x;
  std::string letters;
};

// Dimensions of one letter met twice in an operand: its diagonal.
Term with_diagonals(Term term) {
  for (size_t i = 0; i < term.letters.size(); ++i) {
    const size_t j = term.letters.find(term.letters[i], i + 1);
    if (j == std::string::npos) continue;
    term.x = term.x.e->call(Op::aten_diagonal_copy, {term.x.v, int64_t{0}, static_cast<int64_t>(i),
                                                     static_cast<int64_t>(j)});
    const char letter = term.letters[i];
    term.letters.erase(j, 1);
    term.letters.erase(i, 1);
    term.letters += letter;  // the diagonal comes last
    i = static_cast<size_t>(-1);
  }
  return term;
}

Term summed(Term term, const std::string& kept) {
  std::vector<int64_t> gone;
  std::string left;
  for (size_t i = 0; i < term.letters.size(); ++i) {
    if (kept.find(term.letters[i]) == std::string::npos) {
      gone.push_back(static_cast<int64_t>(i));
    } else {
      left += term.letters[i];
    }
  }
  if (!gone.empty()) term.x = term.x.sum(gone, false);
  term.letters = left;
  return term;
}

Ex ordered(const Term& term, const std::string& letters) {
  std::vector<int64_t> perm;
  bool same = true;
  for (size_t i = 0; i < letters.size(); ++i) {
    perm.push_back(static_cast<int64_t>(term.letters.find(letters[i])));
    same = same && perm.back() == static_cast<int64_t>(i);
  }
  return same ? term.x : term.x.permute(perm);
}

// The product of two operands, summed over what neither `kept` nor anything else needs.
Term contract(Emitter& e, const Term& a, const Term& b, const std::string& kept) {
  std::string batch, inner, left, right;
  for (const char letter : a.letters) {
    const bool shared = b.letters.find(letter) != std::string::npos;
    const bool stays = kept.find(letter) != std::string::npos;
    if (shared && stays) batch += letter;
    if (shared && !stays) inner += letter;
    if (!shared) left += letter;
  }
  for (const char letter : b.letters) {
    if (a.letters.find(letter) == std::string::npos) right += letter;
  }
  const auto sizes = [&](const std::string& letters) {
    std::vector<Arg> out;
    for (const char letter : letters) {
      const size_t in_a = a.letters.find(letter);
      const bool first = in_a != std::string::npos && !a.x.size(in_a).is_constant(1);
      out.push_back(first || b.letters.find(letter) == std::string::npos
                        ? a.x.size_arg(in_a)
                        : b.x.size_arg(b.letters.find(letter)));
    }
    return out;
  };
  const auto product = [&](const std::vector<Arg>& list) {
    Arg total(int64_t{1});
    for (const Arg& each : list) {
      total = total.integer() && each.integer() ? Arg(*total.integer() * *each.integer())
                                                : e.scalar(Op::operator_mul, {total, each});
    }
    return total;
  };
  const std::vector<Arg> batch_sizes = sizes(batch), left_sizes = sizes(left),
                         right_sizes = sizes(right), inner_sizes = sizes(inner);
  const auto joined = [](std::vector<Arg> x, const std::vector<Arg>& y, const std::vector<Arg>& z) {
    x.insert(x.end(), y.begin(), y.end());
    x.insert(x.end(), z.begin(), z.end());
    return x;
  };
  // Shared dimensions of size 1 stretch to the other operand's.
  const Ex first = ordered(a, batch + left + inner)
                       .expand(joined(batch_sizes, left_sizes, inner_sizes))
                       .view({product(batch_sizes), product(left_sizes), product(inner_sizes)});
  const Ex second = ordered(b, batch + inner + right)
                        .expand(joined(batch_sizes, inner_sizes, right_sizes))
                        .view({product(batch_sizes), product(inner_sizes), product(right_sizes)});
  const Ex y = e.call(Op::aten_bmm, {first.v, second.v});
  return {y.view(joined(batch_sizes, left_sizes, right_sizes)), batch + left + right};
}

void einsum(NodeCall& c) {
  std::string text;
  for (const char letter : c.s("equation", "")) {
    if (letter != ' ') text += letter;
  }
  const size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  std::vector<std::string> names;
  for (size_t at = 0; at <= left.size();) {
    const size_t comma = std::min(left.find(',', at), left.size());
    names.push_back(left.substr(at, comma - at));
    at = comma + 1;
  }
  if (names.size() != c.inputs())
    return c.fail(invalid_data("the equation '{}' for {} inputs", text, c.inputs()));
  // How many dimensions "..." stands for: the most of all operands, aligned at their ends.
  static constexpr std::string_view kEllipsis = "\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f";
  size_t most = 0;
  std::vector<Term> terms;
  std::map<char, int> count;
  for (size_t k = 0; k < names.size(); ++k) {
    Term term{c.in(k), names[k]};
    if (c.failed()) return;
    const size_t dots = term.letters.find("...");
    size_t extra = 0;
    if (dots != std::string::npos) {
      if (term.x.rank() + 3 < term.letters.size())
        return c.fail(invalid_data("the equation '{}'", text));
      extra = term.x.rank() + 3 - term.letters.size();
      if (extra > kEllipsis.size())
        return c.fail(unsupported("an ellipsis of {} dimensions", extra));
      term.letters.replace(dots, 3, kEllipsis.substr(kEllipsis.size() - extra));
    }
    most = std::max(most, extra);
    if (term.letters.size() != term.x.rank())
      return c.fail(invalid_data("operand {} of '{}' has rank {}", k, text, term.x.rank()));
    std::string seen;
    for (const char letter : term.letters) {
      if (seen.find(letter) == std::string::npos) ++count[letter];
      seen += letter;
    }
    terms.push_back(with_diagonals(std::move(term)));
  }
  const std::string ellipsis(kEllipsis.substr(kEllipsis.size() - most));
  std::string out;
  if (arrow == std::string::npos) {
    out = ellipsis;
    std::map<char, int> written;
    for (const char letter : left) {
      if (std::isalpha(static_cast<unsigned char>(letter)) != 0) ++written[letter];
    }
    for (const auto& [letter, times] : written) {
      if (times == 1) out += letter;
    }
  } else {
    out = text.substr(arrow + 2);
    const size_t dots = out.find("...");
    if (dots != std::string::npos) out.replace(dots, 3, ellipsis);
  }
  Term total = terms[0];
  for (size_t k = 1; k <= terms.size(); ++k) {
    std::string kept = out;
    for (size_t j = k; j < terms.size(); ++j) kept += terms[j].letters;
    total = summed(std::move(total), kept);
    if (k == terms.size()) break;
    std::string after = out;
    for (size_t j = k + 1; j < terms.size(); ++j) after += terms[j].letters;
    const Term next = summed(terms[k], after + total.letters);
    total = contract(c.e, total, next, after);
    if (c.failed()) return;
  }
  for (const char letter : out) {
    if (total.letters.find(letter) == std::string::npos)
      return c.fail(invalid_data("the equation '{}'", text));
  }
  c.set(ordered(total, out));
}

void det(NodeCall& c) { c.set(c.e.calls(Op::aten__linalg_det, {c.in(0).v})[0]); }

constexpr RuleEntry kRules[] = {
    {"MatMul", mat_mul},
    {"Gemm", gemm},
    {"Einsum", einsum},
    {"Det", det},
};

}  // namespace

std::span<const RuleEntry> matrix_rules() { return kRules; }

}  // namespace pte::importers::onnx
