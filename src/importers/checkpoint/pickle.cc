#include "importers/checkpoint/pickle.h"

#include <algorithm>
#include <array>

namespace pte::importers {

PickleKind PickleValue::kind() const {
  return pickle_ ? pickle_->nodes_[id_].kind : PickleKind::kNone;
}

bool PickleValue::is_object_of(std::string_view name) const {
  return is(PickleKind::kObject) && callable().is_global(name);
}

std::optional<bool> PickleValue::as_bool() const {
  if (!is(PickleKind::kBool)) return std::nullopt;
  return pickle_->nodes_[id_].integer != 0;
}

std::optional<int64_t> PickleValue::as_int() const {
  if (!is(PickleKind::kInt) && !is(PickleKind::kBool)) return std::nullopt;
  return pickle_->nodes_[id_].integer;
}

std::optional<double> PickleValue::as_float() const {
  if (is(PickleKind::kFloat)) return pickle_->nodes_[id_].real;
  if (const auto integer = as_int()) return static_cast<double>(*integer);
  return std::nullopt;
}

std::optional<std::string_view> PickleValue::as_string() const {
  if (!is(PickleKind::kString)) return std::nullopt;
  return text();
}

std::string_view PickleValue::text() const {
  switch (kind()) {
    case PickleKind::kString:
    case PickleKind::kBytes:
    case PickleKind::kGlobal:
    case PickleKind::kBigInt:
      return {pickle_->nodes_[id_].text, pickle_->nodes_[id_].index};
    default:
      return {};
  }
}

const std::vector<uint32_t>* Pickle::items_of(uint32_t id) const {
  const Node& node = nodes_[id];
  switch (node.kind) {
    case PickleKind::kList:
    case PickleKind::kTuple:
    case PickleKind::kSet:
    case PickleKind::kPersistentId:
      return &lists_[node.index];
    case PickleKind::kObject:
      return &objects_[node.index].items;
    default:
      return nullptr;
  }
}

const std::vector<uint32_t>* Pickle::entries_of(uint32_t id) const {
  const Node& node = nodes_[id];
  if (node.kind == PickleKind::kDict) return &lists_[node.index];
  if (node.kind == PickleKind::kObject) return &objects_[node.index].entries;
  return nullptr;
}

size_t PickleValue::size() const {
  const auto* items = pickle_ ? pickle_->items_of(id_) : nullptr;
  return items ? items->size() : 0;
}

PickleValue PickleValue::item(size_t i) const {
  return i < size() ? PickleValue(pickle_, (*pickle_->items_of(id_))[i]) : PickleValue();
}

size_t PickleValue::entry_count() const {
  const auto* entries = pickle_ ? pickle_->entries_of(id_) : nullptr;
  return entries ? entries->size() / 2 : 0;
}

PickleValue PickleValue::key(size_t i) const {
  return i < entry_count() ? PickleValue(pickle_, (*pickle_->entries_of(id_))[2 * i])
                           : PickleValue();
}

PickleValue PickleValue::value(size_t i) const {
  return i < entry_count() ? PickleValue(pickle_, (*pickle_->entries_of(id_))[2 * i + 1])
                           : PickleValue();
}

std::optional<PickleValue> PickleValue::find(std::string_view name) const {
  for (size_t i = entry_count(); i-- > 0;) {
    const PickleValue k = key(i);
    if (k.is(PickleKind::kString) && k.text() == name) return value(i);
  }
  return std::nullopt;
}

PickleValue PickleValue::callable() const {
  if (!is(PickleKind::kObject)) return {};
  return {pickle_, pickle_->objects_[pickle_->nodes_[id_].index].callable};
}

PickleValue PickleValue::args() const {
  if (!is(PickleKind::kObject)) return {};
  return {pickle_, pickle_->objects_[pickle_->nodes_[id_].index].args};
}

std::optional<PickleValue> PickleValue::state() const {
  if (!is(PickleKind::kObject)) return std::nullopt;
  const uint32_t state = pickle_->objects_[pickle_->nodes_[id_].index].state;
  if (state == Pickle::kNoValue) return std::nullopt;
  return PickleValue(pickle_, state);
}

std::vector<PickleValue> Pickle::persistent_ids() const {
  std::vector<PickleValue> out;
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].kind == PickleKind::kPersistentId) out.push_back(PickleValue(this, i));
  }
  return out;
}

std::optional<std::string> forbidden_global(std::string_view module, std::string_view name) {
  if (module == "posix" || module == "nt") module = "os";
  static constexpr std::array<std::string_view, 30> kModules = {
      "os",        "subprocess", "_posixsubprocess",
      "commands",  "popen2",     "pty",
      "sys",       "socket",     "_socket",
      "shutil",    "runpy",      "ctypes",
      "_ctypes",   "importlib",  "imp",
      "code",      "codeop",     "pdb",
      "bdb",       "timeit",     "webbrowser",
      "marshal",   "pip",        "pydoc",
      "requests",  "urllib",     "http",
      "torch.hub", "smtplib",    "ftplib"};
  static constexpr std::array<std::string_view, 10> kBuiltins = {
      "eval", "exec",       "execfile",   "compile", "open",
      "file", "__import__", "breakpoint", "input",   "globals"};
  static constexpr std::array<std::string_view, 12> kOthers = {"types.CodeType",
                                                               "types.FunctionType",
                                                               "pickle.loads",
                                                               "pickle.load",
                                                               "_pickle.loads",
                                                               "_pickle.load",
                                                               "dill.loads",
                                                               "cloudpickle.loads",
                                                               "torch.serialization.load",
                                                               "torch.load",
                                                               "asyncio.create_subprocess_shell",
                                                               "multiprocessing.Process"};
  const auto has = [](const auto& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  };
  std::string full = fmt::format("{}.{}", module, name);
  const bool bad_module = std::any_of(kModules.begin(), kModules.end(), [&](std::string_view m) {
    return module == m || (module.starts_with(m) && module[m.size()] == '.');
  });
  // A dotted name reaches through a module: ("torch", "os.system").
  const bool bad_path = name.find("os.system") != std::string_view::npos ||
                        name.find("subprocess.") != std::string_view::npos;
  if (bad_module || bad_path || (module == "builtins" && has(kBuiltins, name)) ||
      has(kOthers, full)) {
    return full;
  }
  return std::nullopt;
}

}  // namespace pte::importers
