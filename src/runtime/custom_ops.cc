#include "runtime/custom_ops.h"

namespace pte::runtime {

Result<OpInfo> custom_op_info(std::string_view schema) {
  auto parsed = parse_schema(schema);
  if (!parsed) return invalid_argument("{}", parsed.error().message);
  OpInfo info = std::move(*parsed);
  const auto fail = [&](std::string_view what) {
    return invalid_argument("operator schema '{}': {}", schema, what)
        .with_hint(
            "give the out variant, as in \"mylib::scale.out(Tensor x, float factor, *, "
            "Tensor(a!) out) -> Tensor(a!)\"");
  };
  const size_t colons = info.name.find("::");
  if (colons == std::string::npos || colons == 0 || colons + 2 == info.name.size()) {
    return fail("the name has no namespace");
  }
  size_t taken = info.args.size();
  while (taken > 0 && info.args[taken - 1].keyword_only && info.args[taken - 1].written) --taken;
  for (size_t i = 0; i < taken; ++i) {
    if (info.args[i].keyword_only && info.args[i].written) {
      return fail("results must be the last arguments");
    }
    if (info.args[i].kind == ArgKind::kGraph) return fail("it takes a graph");
  }
  const size_t results = info.args.size() - taken;
  if (!info.returns.empty() && info.returns.size() != results) {
    return fail(results == 0 ? "it returns something but writes no keyword-only argument"
                             : "it does not return what it writes");
  }
  info.returns.clear();
  for (size_t i = taken; i < info.args.size(); ++i) {
    const ArgKind kind = info.args[i].kind;
    if (kind != ArgKind::kTensor && kind != ArgKind::kTensorList) {
      return fail("results must be Tensor or Tensor[]");
    }
    if (info.args[i].optional) return fail("a result must not be optional");
    info.returns.push_back({kind});
  }
  info.out_args.resize(taken);
  info.op = Op::kCount;
  info.out_name = info.full_name();
  return info;
}

Status CustomOps::add(CustomOp op) {
  const std::string name = op.info.out_name;
  if (find_op_by_out(name) != nullptr) {
    return invalid_argument("operator '{}' is built in and cannot be replaced", name)
        .with_hint("register operators of a namespace of your own");
  }
  if (!op.kernel) return invalid_argument("operator '{}' has no kernel", name);
  if (ops_.contains(name)) return invalid_argument("operator '{}' is registered twice", name);
  ops_.emplace(name, std::make_shared<const CustomOp>(std::move(op)));
  return {};
}

Status CustomOps::add_all(const CustomOps& others) {
  for (const auto& [name, op] : others.ops_) {
    if (ops_.contains(name)) return invalid_argument("operator '{}' is registered twice", name);
  }
  ops_.insert(others.ops_.begin(), others.ops_.end());
  return {};
}

const CustomOp* CustomOps::find(std::string_view out_name) const {
  const auto it = ops_.find(out_name);
  return it == ops_.end() ? nullptr : it->second.get();
}

}  // namespace pte::runtime
