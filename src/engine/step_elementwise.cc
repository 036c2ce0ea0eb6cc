#include <algorithm>
#include <cstring>

#include "engine/steps.h"
#include "simd/elementwise.h"

namespace pte::engine {
namespace {

// A block of the running value and of one operand stay in the first-level cache.
constexpr int64_t kBlock = 2048;
constexpr size_t kMostOperands = 16;
// Rows shorter than this are done several at a time.
constexpr int64_t kShortRow = 256;

class ElementwiseStep : public Step {
 public:
  ElementwiseStep(std::vector<ElementOp> ops, std::vector<Operand> operands, Operand out,
                  simd::Isa isa)
      : ops_(std::move(ops)), operands_(std::move(operands)), out_(std::move(out)), isa_(isa) {
    std::vector<Strides> strides{out_.strides};
    for (const Operand& operand : operands_) strides.push_back(operand.strides);
    loops_ = fold_loops(out_.sizes, strides, order_of(out_.sizes, out_.strides));
    columns_ = loops_.sizes.back();
    repeat_rows();
    rows_ = 1;
    for (size_t dim = 0; dim + 1 < loops_.sizes.size(); ++dim) rows_ *= loops_.sizes[dim];
    for (const ElementOp& op : ops_) {
      switch (op.kind) {
        case ElementOp::Kind::kActivate:
          cost_ += op.activation == simd::Activation::kClamp ? 0.1 : 0.6;
          break;
        case ElementOp::Kind::kExp:
        case ElementOp::Kind::kErf:
          cost_ += 0.6;
          break;
        default:
          cost_ += 0.15;
      }
    }
  }

  uint64_t scratch_bytes() const override {
    return repeated_.size() * static_cast<uint64_t>(columns_) * sizeof(float);
  }

  Status run(const Run& run) override {
    if (out_.count() == 0) return {};
    const float* bases[kMostOperands];
    for (size_t i = 0; i < operands_.size(); ++i) bases[i] = run.in(operands_[i]);
    float* const out = run.out(out_);
    const int64_t blocks = (columns_ + kBlock - 1) / kBlock;
    const int64_t width = (columns_ + blocks - 1) / blocks;
    run.parallel(rows_ * blocks, cost_ * static_cast<double>(width) + 5,
                 [&](int64_t begin, int64_t end, std::byte* scratch) {
                   int64_t at[kMostOperands + 1];
                   const float* from[kMostOperands];
                   std::copy_n(bases, operands_.size(), from);
                   Repeats repeats{reinterpret_cast<float*>(scratch), {}};
                   for (int64_t task = begin; task < end; ++task) {
                     const int64_t first = task % blocks * width;
                     const int64_t count = std::min(width, columns_ - first);
                     if (count <= 0) continue;
                     locate(loops_, task / blocks, {at, operands_.size() + 1});
                     if (!repeated_.empty()) repeat(bases, at, repeats, from);
                     block(from, at, first, count, out + at[0] + first);
                   }
                 });
    return {};
  }

 private:
  // Copies of the operands that each row reads anew, as many as a block has rows.
  struct Repeats {
    float* copies = nullptr;
    int64_t of[kMostOperands] = {};  // where in the operand the copy was made, plus 1
  };

  // Short rows that follow each other, such as the channels of pixels, become one; what is the same
  // for each of them is repeated beforehand.
  void repeat_rows() {
    const size_t last = loops_.sizes.size() - 1;
    if (columns_ == 0 || columns_ >= kShortRow || last == 0) return;
    const int64_t rows = loops_.sizes[last - 1];
    if (rows < 2) return;
    std::vector<size_t> repeated;
    for (size_t i = 0; i < loops_.strides.size(); ++i) {
      const Strides& strides = loops_.strides[i];
      if (strides[last] == 1 && strides[last - 1] == columns_) continue;
      if (strides[last - 1] != 0 || i == 0) return;
      if (strides[last] == 1) repeated.push_back(i - 1);
    }
    // The most rows that a block holds, dividing all of them.
    int64_t together = std::min(rows, kBlock / columns_);
    while (rows % together != 0) --together;
    if (repeated.empty() || together < 2) return;
    repeated_ = std::move(repeated);
    period_ = columns_;
    columns_ *= together;
    loops_.sizes[last - 1] /= together;
    for (Strides& strides : loops_.strides) strides[last - 1] *= together;
    loops_.sizes[last] = columns_;
  }

  void repeat(const float* const* bases, int64_t* at, Repeats& repeats, const float** from) const {
    for (size_t i = 0; i < repeated_.size(); ++i) {
      const size_t operand = repeated_[i];
      float* copy = repeats.copies + static_cast<int64_t>(i) * columns_;
      const int64_t place = at[operand + 1];
      if (repeats.of[i] != place + 1) {
        for (int64_t c = 0; c < columns_; c += period_) {
          std::memcpy(copy + c, bases[operand] + place,
                      static_cast<size_t>(period_) * sizeof(float));
        }
        repeats.of[i] = place + 1;
      }
      from[operand] = copy;
      at[operand + 1] = 0;
    }
  }

  bool one(size_t operand) const { return loops_.strides[operand + 1].back() == 0; }

  void block(const float* const* bases, const int64_t* at, int64_t first, int64_t count,
             float* out) const {
    const auto place = [&](size_t operand) {
      return bases[operand] + at[operand + 1] + (one(operand) ? 0 : first);
    };
    const float* value = place(0);
    bool value_one = one(0);
    for (const ElementOp& op : ops_) {
      if (op.kind == ElementOp::Kind::kBinary) {
        const auto other = static_cast<size_t>(op.operand);
        const float* y = place(other);
        if (op.swapped) {
          simd::binary(op.binary, y, one(other), value, value_one, out, count, isa_);
        } else {
          simd::binary(op.binary, value, value_one, y, one(other), out, count, isa_);
        }
        value = out;
        value_one = false;
        continue;
      }
      if (value_one) {
        std::fill_n(out, count, *value);
        value = out;
        value_one = false;
      }
      switch (op.kind) {
        case ElementOp::Kind::kUnary:
          simd::unary(op.unary, op.parameter, value, out, count, isa_);
          break;
        case ElementOp::Kind::kActivate:
          simd::activate(op.activation, op.lo, op.hi, value, out, count, isa_);
          break;
        case ElementOp::Kind::kExp:
          simd::exponential(value, out, count, isa_);
          break;
        case ElementOp::Kind::kErf:
          simd::error_function(value, out, count, isa_);
          break;
        default:
          std::memcpy(out, value, static_cast<size_t>(count) * sizeof(float));
      }
      value = out;
    }
  }

  std::vector<ElementOp> ops_;
  std::vector<Operand> operands_;
  Operand out_;
  simd::Isa isa_;
  Loops loops_;
  int64_t columns_ = 1;
  std::vector<size_t> repeated_;  // operands
  int64_t period_ = 0;            // columns of those
  int64_t rows_ = 1;
  double cost_ = 0.1;  // nanoseconds for each element
};

}  // namespace

bool elementwise_fits(const Operand& operand, const Operand& out) {
  const DimOrder order = order_of(out.sizes, out.strides);
  for (size_t i = order.size(); i-- > 0;) {
    const size_t dim = order[i];
    if (out.sizes[dim] == 1) continue;
    if (out.strides[dim] != 1) return false;
    return operand.strides[dim] == 0 || operand.strides[dim] == 1;
  }
  return true;
}

std::unique_ptr<Step> elementwise_step(std::vector<ElementOp> ops, std::vector<Operand> operands,
                                       Operand out, simd::Isa isa) {
  return std::make_unique<ElementwiseStep>(std::move(ops), std::move(operands), std::move(out),
                                           isa);
}

}  // namespace pte::engine
