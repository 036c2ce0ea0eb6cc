// Rotary position embedding in the pieces that exporters leave: x * cos + turned(x) * sin, where
// turned(x) is (-b, a) for each pair (a, b), of all tokens or of those behind a prefix.
#include <algorithm>

#include "engine/planner.h"
#include "passes/rewrite.h"

namespace pte::engine {

using ir::Node;
using ir::Value;

namespace {

class RotaryMatcher {
 public:
  // Elements lie in the value's last dimension, tokens in the one before it.
  std::optional<Rotary> match(Value* value) {
    if (!value->is_tensor() || value->tensor().rank() < 2) return std::nullopt;
    if (auto whole = turned_sum(value)) return whole;
    return behind_prefix(value);
  }

 private:
  struct Slice {
    Value* source = nullptr;
    int64_t start = 0;
    int64_t end = 0;
    int64_t step = 1;
  };

  // A slice of dimension `dim`, its end within the source.
  static std::optional<Slice> slice_of(const Value* value, size_t dim) {
    const Node* node = value->producer();
    if (node == nullptr || !node->is(Op::aten_slice_copy_Tensor)) return std::nullopt;
    const auto at =
        passes::wrap_dim(node->arg(1).integer().value_or(INT64_MAX), value->tensor().rank());
    const auto sizes = node->input(0)->tensor().static_sizes();
    if (at != dim || !sizes) return std::nullopt;
    const int64_t size = (*sizes)[dim];
    const auto number = [&](size_t index, int64_t otherwise) -> std::optional<int64_t> {
      if (node->arg(index).is_none()) return otherwise;
      return node->arg(index).integer();
    };
    const auto start = number(2, 0);
    const auto end = number(3, size);
    const auto step = number(4, 1);
    if (!start || !end || !step || *start < 0 || *end < 0) return std::nullopt;
    return Slice{node->input(0), *start, std::min(*end, size), *step};
  }

  Value* through_view(Value* value) {
    Node* node = value->producer();
    if (node == nullptr) return value;
    switch (node->op().op) {
      case Op::aten_view_copy:
      case Op::aten_unsqueeze_copy:
      case Op::aten_unsqueeze:
        nodes_.push_back(node);
        return node->input(0);
      default:
        return value;
    }
  }

  // The two values that a concatenation along the last dimension joins.
  std::optional<std::pair<Value*, Value*>> joined(Value* value, size_t dim) {
    Node* node = value->producer();
    if (node == nullptr || !node->is(Op::aten_cat)) return std::nullopt;
    const auto* list = node->arg(0).list();
    const auto at =
        passes::wrap_dim(node->arg(1).integer().value_or(INT64_MAX), value->tensor().rank());
    if (list == nullptr || list->size() != 2 || at != dim) return std::nullopt;
    nodes_.push_back(node);
    return std::pair{(*list)[0].value(), (*list)[1].value()};
  }

  // Whether `value` is turned(x), and which pairs it turns.
  std::optional<bool> turned(Value* value, const Value* x) {
    const size_t last = x->tensor().rank() - 1;
    const auto width = x->tensor().sizes[last].constant();
    if (!width || *width % 2 != 0) return std::nullopt;
    const size_t mark = nodes_.size();
    // Neighbours: (-x[1::2], x[0::2]) side by side in a dimension of their own.
    Value* stacked = through_view(value);
    const bool halves = stacked == value;
    auto parts = joined(stacked, halves ? last : last + 1);
    if (parts) {
      Value* first = parts->first;
      Value* second = parts->second;
      if (!halves) {
        first = through_view(first);
        second = through_view(second);
      }
      Node* negated = first->producer();
      if (negated != nullptr && negated->is(Op::aten_neg)) {
        nodes_.push_back(negated);
        const auto b = slice_of(negated->input(0), last);
        const auto a = slice_of(second, last);
        const int64_t half = *width / 2;
        const bool pairs = a && b && a->source == x && b->source == x &&
                           (halves ? a->start == 0 && a->end == half && b->start == half &&
                                         b->end == *width && a->step == 1 && b->step == 1
                                   : a->start == 0 && b->start == 1 && a->step == 2 &&
                                         b->step == 2 && a->end >= *width - 1 && b->end == *width);
        if (pairs && stacked->tensor().rank() == last + (halves ? 1 : 2)) {
          nodes_.push_back(negated->input(0)->producer());
          nodes_.push_back(second->producer());
          return halves;
        }
      }
    }
    nodes_.resize(mark);
    return std::nullopt;
  }

  // One row for each token, known before anything runs.
  static bool is_table(const Value* value, const Value* x) {
    const ir::SymSizes& sizes = value->tensor().sizes;
    const ir::SymSizes& whole = x->tensor().sizes;
    if (value->tensor().dtype != DType::kFloat32 || sizes.size() < 2 ||
        sizes.size() > whole.size()) {
      return false;
    }
    for (size_t i = 0; i + 2 < sizes.size(); ++i) {
      if (sizes[i].constant() != 1) return false;
    }
    if (sizes.back() != whole.back() || sizes[sizes.size() - 2] != whole[whole.size() - 2]) {
      return false;
    }
    if (value->is_constant()) return true;
    const Node* node = value->producer();
    return node != nullptr && node->input(0) != nullptr && node->input(0)->is_constant() &&
           (node->is(Op::aten_split_with_sizes_copy) || node->is(Op::aten_slice_copy_Tensor));
  }

  std::optional<Rotary> turned_sum(Value* value) {
    Node* sum = value->producer();
    if (sum == nullptr || !sum->is(Op::aten_add_Tensor) || sum->arg(2).number() != 1.0) {
      return std::nullopt;
    }
    for (const size_t side : {size_t{0}, size_t{1}}) {
      Node* straight = sum->input(side)->producer();
      Node* across = sum->input(1 - side)->producer();
      if (straight == nullptr || across == nullptr || !straight->is(Op::aten_mul_Tensor) ||
          !across->is(Op::aten_mul_Tensor)) {
        return std::nullopt;
      }
      for (const size_t a : {size_t{0}, size_t{1}}) {
        for (const size_t b : {size_t{0}, size_t{1}}) {
          nodes_ = {sum, straight, across};
          Value* x = straight->input(a);
          Value* cos = straight->input(1 - a);
          Value* sin = across->input(1 - b);
          if (x->tensor().rank() < 2 || !is_table(cos, x) || !is_table(sin, x)) continue;
          const auto halves = turned(across->input(b), x);
          if (!halves) continue;
          Rotary found;
          found.source = x;
          found.cos = cos;
          found.sin = sin;
          found.halves = *halves;
          found.nodes = nodes_;
          return found;
        }
      }
    }
    return std::nullopt;
  }

  // Tokens that are not turned, then tokens that are, both of one value.
  std::optional<Rotary> behind_prefix(Value* value) {
    const size_t tokens = value->tensor().rank() - 2;
    nodes_.clear();
    const auto parts = joined(value, tokens);
    if (!parts) return std::nullopt;
    const Node* cat = nodes_.front();
    const auto prefix = slice_of(parts->first, tokens);
    auto rest = turned_sum(parts->second);
    if (!prefix || !rest) return std::nullopt;
    const auto behind = slice_of(rest->source, tokens);
    const auto size = value->tensor().sizes[tokens].constant();
    if (!behind || !size || behind->source != prefix->source || prefix->start != 0 ||
        prefix->step != 1 || behind->step != 1 || behind->start != prefix->end ||
        behind->end != *size || prefix->source->tensor().sizes[tokens].constant() != size) {
      return std::nullopt;
    }
    rest->nodes.push_back(cat);
    rest->nodes.push_back(parts->first->producer());
    rest->nodes.push_back(rest->source->producer());
    rest->source = prefix->source;
    rest->prefix = prefix->end;
    return rest;
  }

  std::vector<const Node*> nodes_;
};

}  // namespace

std::optional<Rotary> match_rotary(Value* value) { return RotaryMatcher().match(value); }

Result<Tensor> Planner::rotary_table(const Value* value, int64_t prefix, float outside) {
  PTE_TRY(const Operand rows, place(value));
  const Buffer& buffer = plan_.buffers[rows.buffer];
  if (buffer.kind != Buffer::Kind::kConstant) return unsupported("its rotation is no constant");
  PTE_TRY(const Tensor from, rows.view(buffer.constant.data()).contiguous());
  const int64_t width = rows.sizes.back();
  const int64_t count = rows.sizes[rows.sizes.size() - 2];
  PTE_TRY(Tensor table, Tensor::zeros(DType::kFloat32, {prefix + count, width}));
  auto* to = table.mutable_data_as<float>();
  std::fill(to, to + prefix * width, outside);
  std::copy_n(from.data_as<float>(), count * width, to + prefix * width);
  return table;
}

}  // namespace pte::engine
