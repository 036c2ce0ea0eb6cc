#include "importers/aten/custom_ops.h"

#include <deque>
#include <map>
#include <mutex>

namespace pte::importers {

const std::string* find_allowed(std::span<const std::string> allowed, std::string_view full_name) {
  for (const std::string& entry : allowed) {
    const std::string_view name = std::string_view(entry).substr(0, entry.find('('));
    // A name without an overload stands for all of them.
    if (full_name == name || (name.find('.') == std::string_view::npos &&
                              full_name.substr(0, full_name.find('.')) == name)) {
      return &entry;
    }
  }
  return nullptr;
}

Result<const OpInfo*> custom_op(std::string_view description) {
  static std::mutex mutex;
  static std::deque<OpInfo> infos;
  static std::map<std::string, const OpInfo*, std::less<>> known;
  const std::lock_guard lock(mutex);
  if (const auto it = known.find(description); it != known.end()) return it->second;
  if (infos.size() >= kMaxCustomOps) {
    return make_error(Code::kResourceLimit, "more than {} custom operators", kMaxCustomOps);
  }
  auto parsed = parse_schema(description);
  if (!parsed) return invalid_argument("{}", parsed.error().message);
  OpInfo& op = *parsed;
  const size_t colons = op.name.find("::");
  if (colons == std::string::npos || colons == 0 || colons + 2 == op.name.size()) {
    return invalid_argument("'{}' has no namespace", op.name);
  }
  for (const ArgSchema& arg : op.args) {
    if (arg.written) return unsupported("{}, which writes its argument '{}'", op.name, arg.name);
    if (arg.kind == ArgKind::kGraph) return unsupported("{}, which takes a graph", op.name);
  }
  if (op.returns.empty()) return unsupported("{}, which returns nothing", op.name);
  for (const ReturnSchema& result : op.returns) {
    if (result.kind != ArgKind::kTensor && result.kind != ArgKind::kTensorList) {
      return unsupported("{}, which returns something else than tensors", op.name);
    }
  }
  op.op = Op::kCount;
  // Nothing is known of it: equal calls may differ, as random ones do.
  op.tags = kTagRandom;
  op.out_name = fmt::format("{}.{}", op.name, op.overload.empty() ? "out" : op.overload + "_out");
  op.out_args.clear();
  for (size_t i = 0; i < op.args.size(); ++i) op.out_args.push_back(static_cast<int>(i));
  infos.push_back(std::move(op));
  known.emplace(description, &infos.back());
  return &infos.back();
}

}  // namespace pte::importers
