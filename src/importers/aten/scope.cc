#include "importers/aten/scope.h"

#include <algorithm>

#include "ir/builder.h"

namespace pte::importers {

using ir::Value;

// ---- expressions

namespace {
const SymSizes kNoSizes;
}

DType Expr::dtype() const {
  return value_ != nullptr && value_->is_tensor() ? value_->tensor().dtype : DType::kFloat32;
}

const SymSizes& Expr::sizes() const {
  return value_ != nullptr && value_->is_tensor() ? value_->tensor().sizes : kNoSizes;
}

SymInt Expr::size(int64_t dim) const {
  const SymSizes& own = sizes();
  const int64_t count = static_cast<int64_t>(own.size());
  if (dim < 0) dim += count;
  return dim < 0 || dim >= count ? SymInt(1) : own[static_cast<size_t>(dim)];
}

SymInt Expr::numel() const { return ir::product(sizes()); }

// ---- arguments

Result<Results> Scope::run(NodeMaker& maker, const Overload& overload, std::vector<Arg> args) {
  Scope scope(maker, overload, std::move(args));
  Results results = overload.rule(scope);
  if (scope.error_) return std::move(*scope.error_);
  if (results.size() != overload.info->returns.size()) {
    return internal_error("{}: its rule gives {} results", overload.info->full_name(),
                          results.size());
  }
  for (size_t i = 0; i < 1 && i < results.size(); ++i) {
    if (results[i].is_none())
      return internal_error("{}: its rule lacks a result", overload.info->full_name());
  }
  return results;
}

Error Scope::bad(size_t index, std::string_view expected) const {
  return unsupported("{}: argument '{}' is not {}", op().target(), op().args[index].name, expected);
}

Expr Scope::x(size_t index) { return {*this, ok() ? args_[index].value() : nullptr}; }

Exprs Scope::xs(size_t index) {
  Exprs all;
  if (const ArgList* list = args_[index].list(); list != nullptr && ok()) {
    for (const Arg& item : *list) all.emplace_back(*this, item.value());
  }
  return all;
}

int64_t Scope::integer(size_t index) {
  const auto number = args_[index].integer();
  if (number) return *number;
  if (const auto size = args_[index].sym_int(); size && size->constant()) return *size->constant();
  if (const auto flag = args_[index].boolean()) return *flag ? 1 : 0;
  fail(bad(index, "a known integer"));
  return 0;
}

int64_t Scope::integer(size_t index, int64_t when_none) {
  return given(index) ? integer(index) : when_none;
}

double Scope::number(size_t index) {
  if (const auto number = args_[index].number()) return *number;
  fail(bad(index, "a known number"));
  return 0;
}

double Scope::number(size_t index, double when_none) {
  return given(index) ? number(index) : when_none;
}

bool Scope::flag(size_t index) {
  if (const auto value = args_[index].boolean()) return *value;
  if (given(index)) fail(bad(index, "a known bool"));
  return false;
}

std::string Scope::text(size_t index) {
  const std::string* value = args_[index].text();
  return value == nullptr ? std::string() : *value;
}

std::optional<DType> Scope::dtype(size_t index) const {
  const auto* value = std::get_if<DType>(&args_[index].v);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::vector<int64_t> Scope::integers(size_t index) {
  if (auto values = args_[index].integers()) return std::move(*values);
  if (const auto sizes = args_[index].sym_ints()) {
    if (auto fixed = ir::to_static(*sizes)) return std::move(*fixed);
  }
  if (args_[index].integer()) return {*args_[index].integer()};
  fail(bad(index, "a list of known integers"));
  return {};
}

std::vector<int64_t> Scope::integers(size_t index, size_t count) {
  std::vector<int64_t> values = integers(index);
  if (values.size() == 1) values.resize(count, values[0]);
  if (values.size() != count) {
    fail(bad(index, fmt::format("a list of {} known integers", count)));
    values.assign(count, 1);
  }
  // Sizes and steps of windows: rules multiply them.
  for (int64_t& value : values) {
    if (value >= INT32_MIN && value <= INT32_MAX) continue;
    fail(bad(index, "integers of at most 31 bits"));
    value = 1;
  }
  return values;
}

std::vector<double> Scope::numbers(size_t index) {
  std::vector<double> values;
  if (const ArgList* list = args_[index].list()) {
    for (const Arg& item : *list) {
      const auto number = item.number();
      if (!number) {
        fail(bad(index, "a list of known numbers"));
        return {};
      }
      values.push_back(*number);
    }
  }
  return values;
}

SymSizes Scope::sizes(size_t index) {
  if (auto sizes = args_[index].sym_ints()) return std::move(*sizes);
  if (const auto size = args_[index].sym_int()) return {*size};
  fail(bad(index, "a list of sizes"));
  return {};
}

SymInt Scope::size(size_t index) {
  if (const auto size = args_[index].sym_int()) return *size;
  fail(bad(index, "a size"));
  return 1;
}

int64_t Scope::wrap(int64_t dim, size_t rank) {
  const int64_t count = std::max<int64_t>(static_cast<int64_t>(rank), 1);
  if (dim < -count || dim >= count) {
    invalid(fmt::format("dimension {} of a tensor of rank {}", dim, rank));
    return 0;
  }
  return dim < 0 ? dim + count : dim;
}

int64_t Scope::dim(size_t index, size_t rank) { return wrap(integer(index), rank); }

std::vector<int64_t> Scope::dims(size_t index, size_t rank, bool empty_is_all) {
  if (!given(index)) return range(static_cast<int64_t>(rank));
  std::vector<int64_t> all = integers(index);
  if (all.empty() && empty_is_all) return range(static_cast<int64_t>(rank));
  for (int64_t& dim : all) dim = wrap(dim, rank);
  return all;
}

// ---- errors

void Scope::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

void Scope::refuse(std::string_view what) {
  fail(unsupported("{}: {} is not supported", op().target(), what));
}

bool Scope::require(bool condition, std::string_view what) {
  if (!condition) refuse(what);
  return condition;
}

void Scope::invalid(std::string_view message) {
  fail(invalid_data("{}: {}", op().target(), message));
}

int64_t Scope::fixed(const SymInt& size, std::string_view what) {
  if (const auto number = size.constant()) return *number;
  refuse(fmt::format("{} that depends on the input", what));
  return 1;
}

bool Scope::bounded(int64_t count, std::string_view what) {
  constexpr int64_t kMost = 4096;
  if (count >= 0 && count <= kMost) return ok();
  refuse(fmt::format("{} {} (at most {})", count, what, kMost));
  return false;
}

// ---- making nodes

Exprs Scope::call_all(Op op, std::vector<Arg> args) {
  if (!ok()) return {};
  auto node = maker_.add(info(op), std::move(args), {});
  if (!node) {
    fail(std::move(node.error()).at(this->op().target()));
    return {};
  }
  Exprs results;
  for (Value* value : (*node)->results()) results.emplace_back(*this, value);
  return results;
}

Expr Scope::call(Op op, std::vector<Arg> args) {
  const Exprs results = call_all(op, std::move(args));
  return results.empty() ? Expr(*this, nullptr) : results[0];
}

Exprs Scope::call_all(std::string_view full_name, std::vector<Arg> args) {
  if (!ok()) return {};
  const Overload* overload = find_overload(full_name);
  if (overload == nullptr) {
    fail(internal_error("{}: there is no operator {}", op().target(), full_name));
    return {};
  }
  auto made = importers::call(maker_, *overload, std::move(args));
  if (!made) {
    fail(std::move(made.error()).at(op().target()));
    return {};
  }
  Exprs results;
  for (const Arg& result : *made) {
    if (const ArgList* list = result.list()) {
      for (const Arg& item : *list) results.emplace_back(*this, item.value());
    } else {
      results.emplace_back(*this, result.value());
    }
  }
  return results;
}

Expr Scope::call(std::string_view full_name, std::vector<Arg> args) {
  const Exprs results = call_all(full_name, std::move(args));
  return results.empty() ? Expr(*this, nullptr) : results[0];
}

Expr Scope::constant(Tensor data) {
  if (!ok()) return {*this, nullptr};
  return {*this, maker_.module().add_constant(maker_.graph(), "_table", std::move(data))};
}

Expr Scope::constant(const std::vector<int64_t>& values) {
  return constant(
      Tensor::of({static_cast<int64_t>(values.size())}, std::span<const int64_t>(values)));
}

Expr Scope::constant(const std::vector<double>& values, std::vector<int64_t> sizes, DType dtype) {
  const std::vector<float> floats(values.begin(), values.end());
  const SymInt count = ir::product(ir::to_sym(sizes));
  if (!count.is_constant(static_cast<int64_t>(values.size()))) {
    fail(internal_error("{}: a constant of {} values for {} elements", op().target(), values.size(),
                        count.to_string()));
    return {*this, nullptr};
  }
  return cast(constant(Tensor::of(std::move(sizes), std::span<const float>(floats))), dtype);
}

std::vector<Value*> Scope::operands(const Expr& near) const {
  std::vector<Value*> all;
  if (near.value() != nullptr) all.push_back(near.value());
  const auto collect = [&](const Arg& arg) {
    if (arg.value() != nullptr) all.push_back(arg.value());
  };
  for (const Arg& arg : args_) {
    collect(arg);
    if (const ArgList* list = arg.list()) std::for_each(list->begin(), list->end(), collect);
  }
  return all;
}

Arg Scope::size_arg(const SymInt& size, const Expr& near) {
  if (const auto number = size.constant()) return Arg(*number);
  if (!ok()) return Arg(1);
  auto arg = maker_.size(size, operands(near));
  if (arg) return std::move(*arg);
  fail(std::move(arg.error()).at(op().target()));
  return Arg(1);
}

ArgList Scope::size_args(const SymSizes& sizes, const Expr& near) {
  ArgList args;
  for (const SymInt& size : sizes) args.push_back(size_arg(size, near));
  return args;
}

ArgList Scope::view_args(const SymSizes& sizes, const Expr& near) {
  // -1 cannot be worked out when another size is zero.
  bool inferred = std::any_of(sizes.begin(), sizes.end(),
                              [](const SymInt& size) { return size.is_constant(0); });
  ArgList args;
  for (const SymInt& size : sizes) {
    if (!size.is_constant() && !inferred) {
      inferred = true;
      args.emplace_back(-1);
    } else {
      args.push_back(size_arg(size, near));
    }
  }
  return args;
}

Expr Scope::full(const SymSizes& sizes, const Arg& value, DType dtype, const Expr& near) {
  return call(Op::aten_full, {size_args(sizes, near), value, dtype});
}

Expr Scope::arange(const SymInt& end, DType dtype, const Expr& near) {
  return call(Op::aten_arange_start_step, {Arg(0), size_arg(end, near), Arg(1), dtype});
}

Expr Scope::scalar(const Arg& value, DType dtype) {
  return call(Op::aten_scalar_tensor, {value, dtype});
}

}  // namespace pte::importers
