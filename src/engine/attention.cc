// Scaled dot-product attention in the pieces that exporters leave: two batched products around a
// softmax, with reshapes, scales and masks between them.
#include <algorithm>

#include "engine/planner.h"
#include "passes/rewrite.h"
#include "simd/attention.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

namespace {

bool last_two_kept(const Value* from, const Value* to) {
  const ir::SymSizes& a = from->tensor().sizes;
  const ir::SymSizes& b = to->tensor().sizes;
  return a.size() >= 2 && b.size() >= 2 && a[a.size() - 1] == b[b.size() - 1] &&
         a[a.size() - 2] == b[b.size() - 2];
}

// Swaps the last two dimensions and nothing else.
bool swaps_last_two(const Node& node) {
  const size_t rank = node.result()->tensor().rank();
  if (rank < 2) return false;
  if (node.is(Op::aten_transpose_copy_int)) {
    const auto a = passes::wrap_dim(node.arg(1).integer().value_or(INT64_MAX), rank);
    const auto b = passes::wrap_dim(node.arg(2).integer().value_or(INT64_MAX), rank);
    return a && b && std::min(*a, *b) == rank - 2 && std::max(*a, *b) == rank - 1;
  }
  if (!node.is(Op::aten_permute_copy)) return false;
  const auto dims = node.arg(1).integers();
  if (!dims || dims->size() != rank) return false;
  for (size_t i = 0; i < rank; ++i) {
    const size_t from = i + 2 < rank ? i : 2 * rank - 3 - i;
    if (passes::wrap_dim((*dims)[i], rank) != from) return false;
  }
  return true;
}

class Matcher {
 public:
  Matcher(const ir::Module& module, const std::unordered_set<const Value*>& outputs,
          const std::unordered_set<const Node*>& taken)
      : module_(module), outputs_(outputs), taken_(taken) {}

  std::optional<AttentionGroup> match(Node* product) {
    for (const size_t side : {size_t{0}, size_t{1}}) {
      inner_.clear();
      AttentionGroup found;
      found.last = product;
      found.transposed = side == 1;
      bool swapped = false;
      Value* scores = back(product->input(side), swapped);
      if (swapped != found.transposed || !probabilities(scores, found)) continue;
      found.v = product->input(1 - side);
      found.inner = inner_;
      if (!closed(product)) continue;
      take_rotary(product, found);
      return found;
    }
    return std::nullopt;
  }

 private:
  // Where the value was made, behind views that keep its rows.
  Value* back(Value* value, bool& swapped) {
    while (const Node* node = value->producer()) {
      const bool view = node->is(Op::aten_view_copy) || node->is(Op::aten_expand_copy) ||
                        node->is(Op::aten_clone) || node->is(Op::dim_order_clone_dim_order);
      if (view && last_two_kept(node->input(0), value) && same_count(node->input(0), value)) {
        inner_.push_back(node);
      } else if (swaps_last_two(*node)) {
        swapped = !swapped;
        inner_.push_back(node);
      } else {
        break;
      }
      value = node->input(0);
    }
    return value;
  }

  static bool same_count(const Value* a, const Value* b) {
    const auto x = a->tensor().static_sizes();
    const auto y = b->tensor().static_sizes();
    return x && y && element_count(*x) == element_count(*y);
  }

  bool probabilities(const Value* value, AttentionGroup& found) {
    const Node* node = value->producer();
    if (node == nullptr) return false;
    const bool safe = node->is(Op::aten_where_self);
    if (safe) {
      if (!never_taken(node)) return false;
      inner_.push_back(node);
      node = node->input(2)->producer();
      if (node == nullptr) return false;
    }
    if (!node->is(Op::aten__softmax) && !node->is(Op::aten_softmax_int)) return false;
    const size_t rank = node->result()->tensor().rank();
    if (node->result()->tensor().dtype != DType::kFloat32 ||
        passes::wrap_dim(node->arg(1).integer().value_or(INT64_MAX), rank) != rank - 1) {
      return false;
    }
    inner_.push_back(node);
    const Value* logits = node->input(0);
    if (safe && logits_of_where_ != logits) return false;
    return scores(node->input(0), found, safe);
  }

  // where(all of the row is -inf, 0, softmax): what keeps rows that are masked whole from NaN.
  bool never_taken(const Node* where) {
    const Node* nodes[4] = {};
    const Value* value = where->input(0);
    const Op wanted[] = {Op::aten_logical_not, Op::aten_any_dim, Op::aten_logical_not,
                         Op::aten_eq_Scalar};
    for (size_t i = 0; i < 4; ++i) {
      nodes[i] = value->producer();
      if (nodes[i] == nullptr || !nodes[i]->is(wanted[i])) return false;
      value = nodes[i]->input(0);
    }
    if (nodes[3]->arg(1).number() != -std::numeric_limits<double>::infinity()) return false;
    const Node* zero = where->input(1)->producer();
    if (zero == nullptr || !zero->is(Op::aten_full_like) || zero->arg(1).number() != 0.0) {
      return false;
    }
    inner_.insert(inner_.end(), nodes, nodes + 4);
    inner_.push_back(zero);
    logits_of_where_ = value;
    return true;
  }

  // scale * Q x K^T + mask
  bool scores(Value* value, AttentionGroup& found, bool safe) {
    bool swapped = false;
    while (true) {
      value = back(value, swapped);
      Node* node = value->producer();
      if (node == nullptr || swapped) return false;
      if (node->is(Op::aten_bmm) && !taken_.contains(node)) {
        inner_.push_back(node);
        found.q = node->input(0);
        found.k = node->input(1);
        return true;
      }
      const bool multiplies = node->is(Op::aten_mul_Tensor) || node->is(Op::aten_mul_Scalar);
      const bool divides = node->is(Op::aten_div_Tensor) || node->is(Op::aten_div_Scalar);
      if (multiplies || divides) {
        const auto number = number_of(module_, node->arg(1));
        if (!number || *number == 0) return false;
        // A mask that was added behind it is not scaled; one that is added before it would be.
        found.scale *= multiplies ? *number : 1 / *number;
      } else if (node->is(Op::aten_add_Tensor) && node->arg(2).number() == 1.0) {
        // Rows that are masked whole would be NaN where the program gives zero.
        if (safe || found.mask != nullptr || found.scale != 1) return false;
        found.mask = node->input(1);
        const Sizes sizes = *found.mask->tensor().static_sizes();
        for (size_t dim = 0; dim + 2 < sizes.size(); ++dim) {
          if (sizes[dim] != 1) return false;
        }
        const ir::SymSizes& whole = node->result()->tensor().sizes;
        if (sizes.size() < 2 || found.mask->tensor().dtype != DType::kFloat32 ||
            found.mask->tensor().sizes[sizes.size() - 1] != whole.back() ||
            found.mask->tensor().sizes[sizes.size() - 2] != whole[whole.size() - 2]) {
          return false;
        }
      } else {
        return false;
      }
      inner_.push_back(node);
      value = node->input(0);
    }
  }

  // Draws the rotation of q and k in, when both are turned alike and nothing else reads what is in
  // between.
  void take_rotary(const Node* product, AttentionGroup& found) {
    double scale = 1;
    auto q = turned(found.q, false, scale);
    auto k = turned(found.k, true, scale);
    const bool alike = q && k && q->cos == k->cos && q->sin == k->sin && q->prefix == k->prefix &&
                       q->halves == k->halves;
    if (!alike || !closed(product)) return;
    found.inner = inner_;
    found.scale *= scale;
    found.q = q->source;
    found.k = k->source;
    found.rotary = std::move(q);
  }

  // The rotation that the value is, behind views and numbers that it is multiplied by.
  std::optional<Rotary> turned(Value* value, bool swapped, double& scale) {
    while (true) {
      value = back(value, swapped);
      const Node* node = value->producer();
      if (node == nullptr) return std::nullopt;
      if (!node->is(Op::aten_mul_Scalar) && !node->is(Op::aten_mul_Tensor)) break;
      const auto number = number_of(module_, node->arg(1));
      if (!number || *number == 0) break;
      scale *= *number;
      inner_.push_back(node);
      value = node->input(0);
    }
    if (swapped) return std::nullopt;
    auto found = match_rotary(value);
    if (found) {
      for (const Node* node : found->nodes) {
        if (std::find(inner_.begin(), inner_.end(), node) == inner_.end()) inner_.push_back(node);
      }
    }
    return found;
  }

  // Nothing outside reads what is computed inside.
  bool closed(const Node* product) const {
    for (const Node* node : inner_) {
      if (taken_.contains(node)) return false;
      for (const Value* result : node->results()) {
        if (outputs_.contains(result)) return false;
        for (const Node* user : result->users()) {
          if (user != product && std::find(inner_.begin(), inner_.end(), user) == inner_.end()) {
            return false;
          }
        }
      }
    }
    return true;
  }

  const ir::Module& module_;
  const std::unordered_set<const Value*>& outputs_;
  const std::unordered_set<const Node*>& taken_;
  std::vector<const Node*> inner_;
  const Value* logits_of_where_ = nullptr;
};

class AttentionStep : public Step {
 public:
  AttentionStep(simd::Attention kernel, std::vector<Operand> operands, simd::Attention::Args args,
                std::vector<Tensor> kept)
      : kernel_(std::move(kernel)),
        operands_(std::move(operands)),
        kept_(std::move(kept)),
        args_(args) {
    const simd::Attention::Shape& shape = kernel_.shape();
    const auto scores = static_cast<double>(shape.batch * shape.heads * shape.queries * shape.keys);
    multiply_adds_ = scores * static_cast<double>(shape.head_dim + shape.value_dim);
    cost_ = (multiply_adds_ + 16 * scores) / 40 /
            static_cast<double>(std::max<int64_t>(kernel_.tasks(), 1));
  }

  uint64_t scratch_bytes() const override { return kernel_.scratch_bytes(); }
  double multiply_adds() const override { return multiply_adds_; }

  Status run(const Run& run) override {
    simd::Attention::Args args = args_;
    args.out = run.out(operands_[0]);
    args.q = run.in(operands_[1]);
    args.k = run.in(operands_[2]);
    args.v = run.in(operands_[3]);
    if (operands_.size() > 4) args.mask = run.in(operands_[4]);
    run.parallel(kernel_.tasks(), cost_, [&](int64_t begin, int64_t end, std::byte* scratch) {
      kernel_.run(args, begin, end, scratch);
    });
    return {};
  }

 private:
  simd::Attention kernel_;
  std::vector<Operand> operands_;  // out, q, k, v, mask
  std::vector<Tensor> kept_;       // what args_ points to
  simd::Attention::Args args_;
  double multiply_adds_ = 0;
  double cost_ = 0;
};

// A [..., rows, columns] operand as one layout of heads; nothing when it has none.
std::optional<simd::Attention::Layout> heads_of(const Operand& operand, size_t token,
                                                size_t inner) {
  if (operand.sizes[inner] != 1 && operand.strides[inner] != 1) return std::nullopt;
  std::vector<size_t> batch;
  for (size_t dim = 0; dim + 2 < operand.sizes.size(); ++dim) batch.push_back(dim);
  const auto stride = folded_stride(operand.sizes, operand.strides, batch, 0);
  if (!stride) return std::nullopt;
  return simd::Attention::Layout{0, *stride, operand.strides[token]};
}

}  // namespace

std::optional<AttentionGroup> match_attention(const ir::Module& module, Node* product,
                                              const std::unordered_set<const Value*>& outputs,
                                              const std::unordered_set<const Node*>& taken) {
  return Matcher(module, outputs, taken).match(product);
}

Result<Operand> Planner::heads(const Value* value, const Sizes& sizes) {
  PTE_TRY(Operand operand, place(value));
  Sizes wanted(sizes.begin(), sizes.end() - 2);
  wanted.insert(wanted.end(), operand.sizes.end() - 2, operand.sizes.end());
  auto strides = view_strides(operand.sizes, operand.strides, wanted);
  if (!strides) {
    operand = contiguous(operand);
    strides = view_strides(operand.sizes, operand.strides, wanted);
  }
  if (!strides) return unsupported("its heads are other ones");
  operand.sizes = std::move(wanted);
  operand.strides = *strides;
  return operand;
}

Result<bool> Planner::plan_attention(const AttentionGroup& group) {
  const Value* result = group.last->result();
  const Sizes sizes = *result->tensor().static_sizes();
  const size_t rank = sizes.size();
  PTE_TRY(Operand v, place(group.v));
  Operand q;
  Operand k;
  if (group.rotary) {
    PTE_TRY(q, heads(group.q, sizes));
    PTE_TRY(k, heads(group.k, sizes));
    std::swap(k.sizes[rank - 2], k.sizes[rank - 1]);
    std::swap(k.strides[rank - 2], k.strides[rank - 1]);
  } else {
    PTE_TRY(q, place(group.q));
    PTE_TRY(k, place(group.k));
  }
  for (const Operand* operand : {&q, &k, &v}) {
    if (operand->sizes.size() != rank || operand->dtype != DType::kFloat32 ||
        operand->count() == 0) {
      return no("attention over operands of several ranks");
    }
    for (size_t dim = 0; dim + 2 < rank; ++dim) {
      if (operand->sizes[dim] != sizes[dim]) return no("attention over broadcast heads");
    }
  }
  const size_t row = rank - 2;
  const size_t column = rank - 1;
  DimOrder swapped = contiguous_dim_order(rank);
  std::swap(swapped[row], swapped[column]);
  // Each token's row lies together: q [tokens, dim], k [dim, tokens], v and the result either way.
  if (!heads_of(q, row, column)) q = contiguous(q);
  if (!heads_of(k, column, row)) k = arranged(k, swapped);
  const size_t v_token = group.transposed ? column : row;
  const size_t v_inner = group.transposed ? row : column;
  if (!heads_of(v, v_token, v_inner)) v = group.transposed ? arranged(v, swapped) : contiguous(v);
  simd::Attention::Shape shape;
  for (size_t dim = 0; dim + 2 < rank; ++dim) shape.heads *= sizes[dim];
  shape.queries = q.sizes[row];
  shape.head_dim = q.sizes[column];
  shape.keys = k.sizes[column];
  shape.value_dim = v.sizes[v_inner];
  auto kernel = simd::Attention::make(shape, options_.isa);
  if (!kernel) return no(kernel.error().message);
  simd::Attention::Args args;
  args.scale = static_cast<float>(group.scale);
  Operand mask;
  if (group.mask != nullptr) {
    PTE_TRY(mask, place(group.mask));
    if (mask.strides.back() != 1) mask = contiguous(mask);
    args.mask_query_stride = mask.strides[mask.sizes.size() - 2];
  }
  // Tokens outermost, then heads: what comes next mostly joins the heads of each token.
  DimOrder order{static_cast<uint8_t>(v_token)};
  for (size_t dim = 0; dim + 2 < rank; ++dim) order.push_back(static_cast<uint8_t>(dim));
  order.push_back(static_cast<uint8_t>(v_inner));
  const Operand out =
      target(result, order, [](const Operand& home) { return is_dense(home.sizes, home.strides); });
  args.q_layout = *heads_of(q, row, column);
  args.k_layout = *heads_of(k, column, row);
  args.v_layout = *heads_of(v, v_token, v_inner);
  const auto out_layout = heads_of(out, v_token, v_inner);
  if (!out_layout) return no("attention into a window");
  args.out_layout = *out_layout;
  std::vector<Operand> operands{out, q, k, v};
  std::vector<Operand> reads{q, k, v};
  if (group.mask != nullptr) {
    operands.push_back(mask);
    reads.push_back(mask);
  }
  std::string name =
      fmt::format("attention {}x {}x{}x{}", shape.heads, shape.queries, shape.keys, shape.head_dim);
  if (group.mask != nullptr) name += ", mask";
  std::vector<Tensor> kept;
  if (const auto& rotary = group.rotary) {
    auto& [cos, sin] = rotary_tables_[{rotary->cos, rotary->sin, rotary->prefix}];
    if (cos.data() == nullptr) {
      PTE_TRY(cos, rotary_table(rotary->cos, rotary->prefix, 1));
      PTE_TRY(sin, rotary_table(rotary->sin, rotary->prefix, 0));
    }
    args.rope_cos = cos.data_as<float>();
    args.rope_sin = sin.data_as<float>();
    args.rope_stride = shape.head_dim;
    args.rope_halves = rotary->halves;
    kept = {cos, sin};
    name += ", rotary";
  }
  add(std::make_unique<AttentionStep>(std::move(*kernel), std::move(operands), args,
                                      std::move(kept)),
      "aten::bmm + aten::_softmax + aten::bmm", std::move(name), reads, {out});
  return true;
}

}  // namespace pte::engine
