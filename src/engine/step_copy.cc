#include <algorithm>
#include <cstring>

#include "engine/steps.h"
#include "tensor/dtype.h"

namespace pte::engine {
namespace {

// Two dimensions whose innermost strides differ are walked in squares that fit the cache.
constexpr int64_t kTile = 16;

template <typename T>
void copy_tile(const T* from, int64_t from_row, int64_t from_column, T* to, int64_t to_row,
               int64_t rows, int64_t columns) {
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t r1 = std::min(rows, r0 + kTile);
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      const int64_t c1 = std::min(columns, c0 + kTile);
      for (int64_t r = r0; r < r1; ++r) {
        const T* in = from + r * from_row;
        T* out = to + r * to_row;
        for (int64_t c = c0; c < c1; ++c) out[c] = in[c * from_column];
      }
    }
  }
}

struct Bytes16 {
  uint64_t half[2];
};

class CopyStep : public Step {
 public:
  CopyStep(Operand from, Operand to) : from_(std::move(from)), to_(std::move(to)) {
    const Strides strides[] = {to_.strides, from_.strides};
    loops_ = fold_loops(to_.sizes, strides, order_of(to_.sizes, to_.strides));
    // Below the innermost dimension of the result, the one in which the source steps least makes
    // the other side of the squares.
    const size_t last = loops_.sizes.size() - 1;
    if (loops_.sizes.size() > 1 && loops_.strides[1][last] != 1) {
      size_t best = last - 1;
      for (size_t dim = 0; dim < last; ++dim) {
        if (loops_.strides[1][dim] == 1) best = dim;
      }
      const auto move_to_second_last = [&](Sizes& list) {
        const int64_t item = list[best];
        list.erase(list.begin() + static_cast<ptrdiff_t>(best));
        list.insert(list.end() - 1, item);
      };
      move_to_second_last(loops_.sizes);
      for (Strides& list : loops_.strides) move_to_second_last(list);
    }
    size_ = size_of(to_.dtype);
  }

  Status run(const Run& run) override {
    if (to_.count() == 0) return {};
    switch (size_) {
      case 1:
        return copy<uint8_t>(run);
      case 2:
        return copy<uint16_t>(run);
      case 4:
        return copy<uint32_t>(run);
      case 8:
        return copy<uint64_t>(run);
      default:
        return copy<Bytes16>(run);
    }
  }

 private:
  template <typename T>
  Status copy(const Run& run) const {
    const T* const from = run.in<T>(from_);
    T* const to = run.out<T>(to_);
    const size_t dims = loops_.sizes.size();
    const size_t last = dims - 1;
    const int64_t columns = loops_.sizes[last];
    const int64_t rows = dims > 1 ? loops_.sizes[dims - 2] : 1;
    const int64_t to_row = dims > 1 ? loops_.strides[0][dims - 2] : 0;
    const int64_t from_row = dims > 1 ? loops_.strides[1][dims - 2] : 0;
    const int64_t to_column = loops_.strides[0][last];
    const int64_t from_column = loops_.strides[1][last];
    int64_t outer = 1;
    for (size_t dim = 0; dim + 2 < dims; ++dim) outer *= loops_.sizes[dim];
    // Tasks are bands of rows of each plane.
    const int64_t bands = std::max<int64_t>(1, rows / (4 * kTile));
    const int64_t band = (rows + bands - 1) / bands;
    const double cost = 0.3 * static_cast<double>(band * columns);
    run.parallel(outer * bands, cost, [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t task = begin; task < end; ++task) {
        int64_t plane = task / bands;
        int64_t to_at = 0;
        int64_t from_at = 0;
        for (size_t dim = dims < 2 ? 0 : dims - 2; dim-- > 0;) {
          const int64_t at = plane % loops_.sizes[dim];
          plane /= loops_.sizes[dim];
          to_at += at * loops_.strides[0][dim];
          from_at += at * loops_.strides[1][dim];
        }
        const int64_t r0 = task % bands * band;
        const int64_t r1 = std::min(rows, r0 + band);
        if (r0 >= r1) continue;
        const T* in = from + from_at + r0 * from_row;
        T* out = to + to_at + r0 * to_row;
        if (to_column != 1) {
          for (int64_t r = 0; r < r1 - r0; ++r) {
            for (int64_t c = 0; c < columns; ++c)
              out[r * to_row + c * to_column] = in[r * from_row + c * from_column];
          }
        } else if (from_column == 1) {
          for (int64_t r = 0; r < r1 - r0; ++r) {
            std::memcpy(out + r * to_row, in + r * from_row,
                        static_cast<size_t>(columns) * sizeof(T));
          }
        } else {
          copy_tile(in, from_row, from_column, out, to_row, r1 - r0, columns);
        }
      }
    });
    return {};
  }

  Operand from_;
  Operand to_;
  Loops loops_;
  size_t size_ = 0;
};

class FillStep : public Step {
 public:
  FillStep(Operand to, double value) : to_(std::move(to)), value_(static_cast<float>(value)) {
    loops_ = fold_loops(to_.sizes, std::span<const Strides>(&to_.strides, 1),
                        order_of(to_.sizes, to_.strides));
  }
  Status run(const Run& run) override {
    float* const to = run.out(to_);
    const int64_t columns = loops_.sizes.back();
    const int64_t stride = loops_.strides[0].back();
    const int64_t rows = to_.count() / std::max<int64_t>(columns, 1);
    for (int64_t row = 0; row < rows; ++row) {
      int64_t at[1];
      locate(loops_, row, at);
      for (int64_t c = 0; c < columns; ++c) to[at[0] + c * stride] = value_;
    }
    return {};
  }

 private:
  Operand to_;
  float value_;
  Loops loops_;
};

}  // namespace

std::unique_ptr<Step> copy_step(Operand from, Operand to) {
  return std::make_unique<CopyStep>(std::move(from), std::move(to));
}

std::unique_ptr<Step> fill_step(Operand to, double value) {
  return std::make_unique<FillStep>(std::move(to), value);
}

}  // namespace pte::engine
