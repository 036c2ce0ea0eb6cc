#include "backends/xnnpack/lift.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backends/xnnpack/lifter.h"

namespace pte::xnnpack {

using ir::Arg;
using ir::TensorType;

Perm identity_perm(size_t rank) {
  Perm perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<uint8_t>(i);
  return perm;
}

Result<Lifted> lift(const XnnGraph& graph, std::span<const TensorType> args) {
  if (!args.empty() && args.size() < graph.num_externs) {
    return invalid_argument("an XNNPACK delegate takes {} arguments, the call has {}",
                            graph.num_externs, args.size());
  }
  return Lifter(graph, args).run();
}

Result<Lifted> Lifter::run() {
  for (uint32_t id = 0; id < source_.values.size(); ++id) {
    if (Status done = check_value(id); !done) {
      return std::move(done.error()).at(fmt::format("XNNPACK value {}", id));
    }
  }
  PTE_CHECK(add_inputs());
  for (size_t i = 0; i < source_.nodes.size(); ++i) {
    if (Status done = lift(source_.nodes[i]); !done) {
      return std::move(done.error())
          .at(fmt::format("XNNPACK node {} ({})", i, node_name(source_.nodes[i].kind)));
    }
  }
  PTE_CHECK(add_outputs());
  return std::move(lifted_);
}

// ---- borders

Status Lifter::add_inputs() {
  for (uint32_t id : source_.external_inputs()) {
    const XnnValue& v = source_.values[id];
    const auto place = fmt::format("argument {}", v.external_id);
    PTE_TRY(const DType type, dtype(id));
    TensorType arg = TensorType::of(type, ir::to_sym({v.dims.begin(), v.dims.end()}));
    if (!args_.empty()) arg = args_[v.external_id];
    if (arg.dtype != type) {
      return invalid_data("{} is {}, the XNNPACK payload takes {}", place, dtype_name(arg.dtype),
                          dtype_name(type));
    }
    ir::Value* input = graph_.add_input(fmt::format("arg{}", v.external_id), arg);
    lifted_.input_args.push_back(v.external_id);
    if (arg.rank() == 0 && v.dims == std::vector<uint32_t>{1}) {
      PTE_TRY(input, call(Op::aten_view_copy, {input, Arg::ints({1})}));
      PTE_CHECK(define(id, identity_perm(1), input));
      continue;
    }
    if (arg.rank() != v.dims.size()) {
      return invalid_data("{} is {}, the XNNPACK payload takes {} dimensions", place,
                          ir::to_string(ir::Type(arg)), v.dims.size());
    }
    // Physical dim j is logical dim dim_order[j].
    Perm perm(arg.rank());
    for (size_t j = 0; j < arg.rank(); ++j) perm[arg.dim_order[j]] = static_cast<uint8_t>(j);
    if (!arg.is_contiguous()) {
      std::vector<int64_t> order(arg.rank());
      for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
      PTE_TRY(input, call(Op::dim_order_to_dim_order_copy,
                          {input, {}, {}, {}, {}, false, Arg::ints(order)}));
    }
    PTE_CHECK(define(id, perm, input));
  }
  return {};
}

Status Lifter::add_outputs() {
  for (uint32_t id : source_.external_outputs()) {
    const XnnValue& v = source_.values[id];
    lifted_.output_args.push_back(v.external_id);
    const TensorType* arg = args_.empty() ? nullptr : &args_[v.external_id];
    ir::Value* value = nullptr;
    if (arg != nullptr && arg->rank() == 0 && v.dims == std::vector<uint32_t>{1}) {
      PTE_TRY(value, get(id, identity_perm(1)));
      PTE_TRY(value, call(Op::aten_view_copy, {value, Arg::ints({})}));
    } else if (arg != nullptr && !arg->is_contiguous() && arg->rank() == v.dims.size()) {
      Perm perm(arg->rank());
      for (size_t j = 0; j < arg->rank(); ++j) perm[arg->dim_order[j]] = static_cast<uint8_t>(j);
      PTE_TRY(value, get(id, perm));
      const std::vector<int64_t> order(arg->dim_order.begin(), arg->dim_order.end());
      PTE_TRY(value, call(Op::dim_order_to_dim_order_copy,
                          {value, {}, {}, {}, {}, false, Arg::ints(order)}));
    } else {
      PTE_TRY(value, get(id, identity_perm(v.dims.size())));
    }
    if (arg != nullptr && arg->dtype == DType::kInt64 && value->tensor().dtype == DType::kInt32) {
      // XNNPACK's indices have 32 bits.
      PTE_TRY(value, call(Op::aten__to_copy, {value, DType::kInt64}));
    }
    if (arg != nullptr &&
        (arg->rank() != value->tensor().rank() || arg->dtype != value->tensor().dtype)) {
      return invalid_data("argument {} is {}, the XNNPACK payload computes {}", v.external_id,
                          ir::to_string(ir::Type(*arg)), ir::to_string(value->type()));
    }
    if (value->producer() == nullptr || graph_.is_output(value)) {
      PTE_TRY(value, call(Op::aten_clone, {value}));
    }
    graph_.add_output(value);
  }
  return {};
}

// ---- values

Result<DType> Lifter::dtype(uint32_t id) const {
  const bool known = is_dynamic(id) && !reps_[id].empty();
  if (known) return reps_[id].front().value->tensor().dtype;
  return dtype_of(source_.values[id].datatype).at(fmt::format("XNNPACK value {}", id));
}

Result<Tensor> Lifter::constant_data(uint32_t id) const {
  const XnnValue& v = source_.values[id];
  PTE_TRY(const DType type, dtype(id));
  const Tensor& bytes = source_.constants[v.constant].data;
  Sizes sizes(v.dims.begin(), v.dims.end());
  // Two values a byte, every row padded to whole bytes.
  const bool halves = v.datatype == Datatype::kQBInt4 || v.datatype == Datatype::kQCInt4;
  if (halves && !sizes.empty()) sizes.back() = sizes.back() / 2 + sizes.back() % 2;
  if (reinterpret_cast<uintptr_t>(bytes.data()) % 16 == 0) {
    return Tensor::view(type, sizes, contiguous_strides(sizes), bytes.data(), bytes.owner());
  }
  PTE_TRY(Tensor copy, Tensor::zeros(type, sizes));
  if (copy.nbytes() > 0) std::memcpy(copy.mutable_data(), bytes.data(), copy.nbytes());
  return copy;
}

ir::Value* Lifter::weights(std::string name, Tensor data) {
  const TensorType type = TensorType::of(data.dtype(), ir::to_sym(data.sizes()), data.dim_order());
  ir::Value* value = builder_.constant(std::move(name), std::move(data));
  value->set_type(type);
  return value;
}

Result<ir::Value*> Lifter::permuted(ir::Value* value, const std::vector<uint8_t>& dims) {
  const ir::SymSizes& sizes = value->tensor().sizes;
  std::vector<int64_t> order(dims.begin(), dims.end());
  // A permute that moves only dims of size 1 moves no element: a view costs nothing.
  std::vector<uint8_t> real;
  for (uint8_t d : dims) {
    if (!sizes[d].is_constant(1)) real.push_back(d);
  }
  const auto fixed = value->tensor().static_sizes();
  if (fixed && std::is_sorted(real.begin(), real.end())) {
    std::vector<int64_t> shape;
    for (uint8_t d : dims) shape.push_back((*fixed)[d]);
    return call(Op::aten_view_copy, {value, Arg::ints(shape)});
  }
  return call(Op::aten_permute_copy, {value, Arg::ints(order)});
}

Result<ir::Value*> Lifter::get(uint32_t id, const Perm& perm) {
  for (const Rep& rep : reps_[id]) {
    if (rep.perm == perm) return rep.value;
  }
  if (perm.size() != rank(id)) {
    return invalid_data("value {} has {} dimensions, {} are needed", id, rank(id), perm.size());
  }
  if (is_constant(id)) {
    PTE_TRY(const Tensor data, constant_data(id));
    Sizes sizes;
    Strides strides;
    for (uint8_t d : perm) {
      sizes.push_back(data.size(d));
      strides.push_back(data.strides()[d]);
    }
    PTE_TRY(Tensor moved, data.with_layout(sizes, strides).contiguous());
    ir::Value* value = weights(fmt::format("c{}", id), std::move(moved));
    reps_[id].push_back({perm, value});
    return value;
  }
  if (reps_[id].empty()) return internal_error("value {} is read before it is computed", id);
  const Rep& from = reps_[id].front();
  std::vector<uint8_t> dims;
  for (uint8_t d : perm) {
    const auto at = std::find(from.perm.begin(), from.perm.end(), d);
    dims.push_back(static_cast<uint8_t>(at - from.perm.begin()));
  }
  PTE_TRY(ir::Value * value, permuted(from.value, dims));
  reps_[id].push_back({perm, value});
  return value;
}

Perm Lifter::existing(uint32_t id) const {
  return reps_[id].empty() ? identity_perm(rank(id)) : reps_[id].front().perm;
}

Perm Lifter::common(const std::vector<uint32_t>& ids, size_t wanted_rank) const {
  Perm best = identity_perm(wanted_rank);
  size_t best_count = 0;
  for (uint32_t id : ids) {
    if (is_constant(id) || rank(id) != wanted_rank) continue;
    for (const Rep& rep : reps_[id]) {
      size_t count = 0;
      for (uint32_t other : ids) {
        count += std::any_of(reps_[other].begin(), reps_[other].end(),
                             [&](const Rep& r) { return r.perm == rep.perm; });
      }
      if (count > best_count) {
        best = rep.perm;
        best_count = count;
      }
    }
  }
  return best;
}

Result<ir::Value*> Lifter::aligned(uint32_t id, const Perm& perm) {
  const size_t own = rank(id), missing = perm.size() - own;
  if (missing == 0) return get(id, perm);
  const std::vector<uint32_t>& dims = source_.values[id].dims;
  const bool single = std::all_of(dims.begin(), dims.end(), [](uint32_t d) { return d == 1; });
  PTE_TRY(ir::Value * value, get(id, identity_perm(own)));
  // Broadcasting aligns the last dims by itself.
  if (perm == identity_perm(perm.size()) || (single && value->is_constant())) return value;
  const auto sizes = value->tensor().static_sizes();
  if (!sizes) return unsupported("value {} of a dynamic shape broadcasts to a higher rank", id);
  std::vector<int64_t> shape(missing, 1);
  shape.insert(shape.end(), sizes->begin(), sizes->end());
  PTE_TRY(value, call(Op::aten_view_copy, {value, Arg::ints(shape)}));
  return permuted(value, perm);
}

Status Lifter::define(uint32_t id, const Perm& perm, ir::Value* value) {
  if (perm.size() != rank(id) || value->tensor().rank() != rank(id)) {
    return invalid_data("value {} has {} dimensions, its node computes {}", id, rank(id),
                        value->tensor().rank());
  }
  PTE_TRY(const DType type, dtype(id));
  const bool fits =
      is_dynamic(id) ? is_floating(value->tensor().dtype) : type == value->tensor().dtype;
  if (!fits) {
    return invalid_data("value {} is {}, its node computes {}", id, dtype_name(type),
                        dtype_name(value->tensor().dtype));
  }
  reps_[id].push_back({perm, value});
  return {};
}

Result<ir::Value*> Lifter::clamped(ir::Value* value, const XnnNode& node) {
  if (!node.clamp) return value;
  const double low = node.clamp->min, high = node.clamp->max;
  const bool no_low = std::isinf(low) && low < 0, no_high = std::isinf(high) && high > 0;
  if (no_low && no_high) return value;
  if (low == 0 && no_high) return call(Op::aten_relu, {value});
  if (!no_low && !no_high) return call(Op::aten_hardtanh, {value, low, high});
  return call(Op::aten_clamp, {value, no_low ? Arg() : Arg(low), no_high ? Arg() : Arg(high)});
}

}  // namespace pte::xnnpack
