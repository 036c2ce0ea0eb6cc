// What a session does at each inference: steps in order, over tensors in one arena, in the caller's
// inputs and in constants.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/packing.h"
#include "engine/pool.h"
#include "simd/conv2d.h"
#include "tensor/evalue.h"
#include "tensor/tensor.h"

namespace pte::engine {

// Memory that tensors lie in.
struct Buffer {
  enum class Kind : uint8_t { kArena, kConstant, kInput, kState };
  Kind kind = Kind::kArena;
  uint64_t bytes = 0;
  uint64_t offset = 0;  // in the arena
  Tensor constant;      // of kConstant; keeps its bytes alive
  size_t input = 0;     // of kInput: which of the graph's
  size_t state = 0;     // of kState: which of the plan's
  int64_t first = -1;   // the first and the last step that touches it; -1: none
  int64_t last = -1;
};

// A tensor as a step sees it.
struct Operand {
  size_t buffer = 0;
  int64_t offset = 0;  // in elements
  DType dtype = DType::kFloat32;
  Sizes sizes;
  Strides strides;  // in elements; 0 where it is broadcast

  int64_t count() const { return element_count(sizes).value_or(0); }
  bool is_contiguous() const { return view(nullptr).is_contiguous(); }
  bool is_dense_in(const DimOrder& order) const { return view(nullptr).is_dense_in(order); }
  // The same as a Tensor over a buffer's first byte.
  Tensor view(const std::byte* base) const {
    const std::byte* data =
        base == nullptr ? nullptr : base + offset * static_cast<int64_t>(size_of(dtype));
    return Tensor::view(dtype, sizes, strides, data, nullptr);
  }
};

// What a step may use while it runs.
struct Run {
  std::span<std::byte* const> bases;  // of the buffers
  Pool* pool = nullptr;
  int threads = 1;
  std::byte* scratch = nullptr;  // `threads` pieces
  uint64_t scratch_stride = 0;   // bytes from one thread's piece to the next

  template <typename T = float>
  const T* in(const Operand& operand) const {
    return reinterpret_cast<const T*>(bases[operand.buffer]) + operand.offset;
  }
  template <typename T = float>
  T* out(const Operand& operand) const {
    return reinterpret_cast<T*>(bases[operand.buffer]) + operand.offset;
  }
  // Runs tasks that take about `nanoseconds` each on as many threads as are worth waking;
  // body(begin, end, scratch).
  template <typename Body>
  void parallel(int64_t tasks, double nanoseconds, const Body& body) const;
};

class Step {
 public:
  virtual ~Step() = default;
  virtual Status run(const Run& run) = 0;
  // For each thread.
  virtual uint64_t scratch_bytes() const { return 0; }
  // Of the plain algorithm; 0 where the step is no product.
  virtual double multiply_adds() const { return 0; }
};

struct PlannedStep {
  std::unique_ptr<Step> step;
  std::string what;           // the calls that it does: "aten.convolution + aten.silu"
  std::string kernel;         // what does them: "conv2d 3x3 winograd4", "reference"
  std::string reason;         // why no fast kernel does; empty where one does
  std::vector<size_t> reads;  // buffers
  std::vector<size_t> writes;
  Sizes sizes;  // of the result

  bool is_reference() const { return kernel == "reference"; }
};

struct Plan {
  std::vector<Buffer> buffers;
  std::vector<std::string> states;  // inputs that last from one execution to the next, by name
  std::vector<PlannedStep> steps;
  std::vector<std::variant<Operand, EValue>> outputs;
  uint64_t arena_bytes = 0;
  std::vector<simd::Conv2dShape> convs;  // what may be tuned
  std::vector<PackJob> packing;          // to be done before the first step; none afterwards

  size_t reference_steps() const {
    size_t count = 0;
    for (const PlannedStep& step : steps) count += step.is_reference() ? 1 : 0;
    return count;
  }
};

// ---- the cost model

// Waking a spinning thread and waiting for it takes a few microseconds: work shorter than this is
// not shared, and a range of tasks is at least as long.
inline constexpr double kWorthSharing = 8000;  // nanoseconds
inline constexpr double kRange = 2000;

template <typename Body>
void Run::parallel(int64_t tasks, double nanoseconds, const Body& body) const {
  int wanted = 1;
  if (pool != nullptr && static_cast<double>(tasks) * nanoseconds >= kWorthSharing) {
    wanted = threads;
  }
  if (wanted <= 1 || tasks <= 1) {
    body(int64_t{0}, tasks, scratch);
    return;
  }
  // Ranges small enough that the last one is not waited for, large enough to be worth taking.
  const auto least = static_cast<int64_t>(kRange / nanoseconds) + 1;
  const int64_t grain = std::min((tasks + wanted - 1) / wanted,
                                 std::max(least, tasks / (static_cast<int64_t>(wanted) * 8)));
  pool->run(tasks, grain, wanted, [&](int64_t begin, int64_t end, int worker) {
    body(begin, end,
         scratch == nullptr ? nullptr : scratch + static_cast<uint64_t>(worker) * scratch_stride);
  });
}

}  // namespace pte::engine
