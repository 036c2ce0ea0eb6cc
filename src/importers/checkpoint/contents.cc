#include "importers/checkpoint/contents.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "importers/checkpoint/metadata.h"
#include "importers/checkpoint/tensors.h"

namespace pte::importers {
namespace {

using Entries = std::vector<std::pair<PickleValue, PickleValue>>;

// Where training scripts put the state dict, most telling name first.
constexpr std::array<std::string_view, 16> kUsualKeys = {
    "state_dict", "model_state_dict", "model_state", "model",  "ema",        "weights",
    "module",     "network",          "net",         "params", "params_ema", "state_dict_ema",
    "model_ema",  "teacher",          "student",     "state"};
constexpr int kMaxNesting = 2;          // of state dicts in dicts
constexpr size_t kMaxAttributes = 512;  // of one module object
constexpr size_t kMaxCandidates = 64;   // entries of other names that are looked into
constexpr int kMaxModuleDepth = 128;
constexpr size_t kMaxName = 4096;
constexpr size_t kMaxListed = 12;  // keys in a message

// The items of anything that acts as a dict, or nothing.
std::optional<Entries> entries_of(const PickleValue& value) {
  Entries out;
  const bool ordered = value.is_object_of("collections.OrderedDict");
  if (!value.is(PickleKind::kDict) && !ordered && value.entry_count() == 0) return std::nullopt;
  if (ordered) {  // Python 2 passes a list of pairs to the constructor
    const PickleValue pairs = value.args().item(0);
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (pairs.item(i).size() == 2) out.emplace_back(pairs.item(i).item(0), pairs.item(i).item(1));
    }
  }
  out.reserve(out.size() + value.entry_count());
  for (size_t i = 0; i < value.entry_count(); ++i) out.emplace_back(value.key(i), value.value(i));
  return out;
}

bool is_module(const PickleValue& value) {
  const auto state = value.state();
  return state && state->is(PickleKind::kDict) && state->entry_count() <= kMaxAttributes &&
         state->find("_parameters") && state->find("_modules");
}

// Legacy files give a class as a persistent id ('module', class, source file, source).
std::string class_of(const PickleValue& module) {
  const PickleValue callable = module.callable();
  return std::string(
      (callable.is(PickleKind::kPersistentId) ? callable.item(0).item(1) : callable).text());
}

// Of `_non_persistent_buffers_set`: a set, or a call of set with a list.
std::unordered_set<std::string_view> strings_in(PickleValue value) {
  if (value.is(PickleKind::kObject)) value = value.args().item(0);
  std::unordered_set<std::string_view> out;
  for (size_t i = 0; i < value.size(); ++i) out.insert(value.item(i).text());
  return out;
}

class Finder {
 public:
  Finder(const FindOptions& options, Contents& out) : options_(options), out_(out) {}

  Status run(const PickleValue& root) {
    PTE_TRY(const PickleValue state, locate(root));
    if (is_module(state)) {
      out_.module_class = class_of(state);
      collect_attributes(state);
      PTE_CHECK(walk_module(state, "", 0));
    } else {
      const auto entries = entries_of(state);
      for (const auto& [key, value] : *entries) {
        if (key.is(PickleKind::kString) && TensorReader::is_tensor(value)) {
          PTE_CHECK(add("", key, value, false));
        }
      }
    }
    keep_last_of_each_name();
    if (out_.tensors.empty() && !options_.allow_empty)
      return invalid_data("the state dict holds no tensors");
    if (options_.strip_prefix && !out_.tensors.empty()) {
      while (strip("module.") || strip("_orig_mod.")) {
      }
    }
    collect_metadata(root, state);
    return {};
  }

 private:
  Result<PickleValue> locate(const PickleValue& root) {
    if (!options_.key.empty()) {
      const auto value = root.find(options_.key);
      if (!value || !holds_tensors(*value)) {
        return make_error(Code::kNotFound, "no state dict under '{}'; {}", options_.key,
                          what_there_is(root));
      }
      out_.found_under = options_.key;
      return *value;
    }
    if (auto found = search(root, 0)) return *found;
    PTE_TRY(const auto only, only_candidate(root));
    if (only) return *only;
    if (options_.allow_empty && entries_of(root)) return root;
    if (TensorReader::is_tensor(root)) {
      return invalid_data("holds a single tensor {}, not a state dict",
                          TensorReader::describe(root));
    }
    return invalid_data("holds no state dict: {}", what_there_is(root));
  }

  // The one entry of the root, whatever its name, that holds tensors.
  Result<std::optional<PickleValue>> only_candidate(const PickleValue& root) {
    std::optional<PickleValue> found;
    const auto entries = entries_of(root);
    if (!entries) return found;
    size_t looked = 0;
    for (const auto& [key, value] : *entries) {
      if (!key.is(PickleKind::kString) || key.text().starts_with("optim")) continue;
      if (value.entry_count() == 0 && !value.is(PickleKind::kObject)) continue;
      if (++looked > kMaxCandidates) break;
      if (!visited_.insert(value.id()).second || !holds_tensors(value)) continue;
      const std::string name = printable(key.text());
      if (found) {
        return invalid_data("both '{}' and '{}' could be the state dict", out_.found_under, name)
            .with_hint("name the one that is meant");
      }
      found = value;
      out_.found_under = name;
    }
    return found;
  }

  // The state dict in `value`; each value is looked into once.
  std::optional<PickleValue> search(const PickleValue& value, int depth) {
    if (depth > kMaxNesting || !visited_.insert(value.id()).second) return std::nullopt;
    if (is_module(value)) return value;
    const auto entries = entries_of(value);
    if (!entries) return std::nullopt;
    bool has_tensors = false;
    std::array<PickleValue, kUsualKeys.size()> usual;
    for (const auto& [key, item] : *entries) {
      if (!key.is(PickleKind::kString)) continue;
      if (TensorReader::is_tensor(item)) {
        has_tensors = true;
        continue;
      }
      const auto it = std::find(kUsualKeys.begin(), kUsualKeys.end(), key.text());
      if (it != kUsualKeys.end()) usual[static_cast<size_t>(it - kUsualKeys.begin())] = item;
    }
    prefer_averaged(usual);
    for (size_t i = 0; i < usual.size(); ++i) {
      if (usual[i].is_none()) continue;
      if (auto found = search(usual[i], depth + 1)) {
        out_.found_under.insert(0, out_.found_under.empty() ? std::string(kUsualKeys[i])
                                                            : fmt::format("{}.", kUsualKeys[i]));
        return found;
      }
    }
    if (has_tensors) return value;
    return std::nullopt;
  }

  // Where training kept an exponential moving average of the model beside it, as a module of its
  // own, that is the one to use: its trainer validates and publishes it.
  static void prefer_averaged(std::array<PickleValue, kUsualKeys.size()>& usual) {
    const auto place = [](std::string_view key) {
      return static_cast<size_t>(std::find(kUsualKeys.begin(), kUsualKeys.end(), key) -
                                 kUsualKeys.begin());
    };
    if (is_module(usual[place("ema")])) usual[place("model")] = PickleValue();
  }

  bool holds_tensors(const PickleValue& value) const {
    if (is_module(value)) return true;
    const auto entries = entries_of(value);
    return entries && std::any_of(entries->begin(), entries->end(), [](const auto& entry) {
             return TensorReader::is_tensor(entry.second);
           });
  }

  static std::string what_there_is(const PickleValue& root) {
    const auto entries = entries_of(root);
    if (!entries) {
      if (root.is(PickleKind::kObject)) {
        return fmt::format("the file is an object of {}", printable(root.callable().text()));
      }
      return "the file is no dict";
    }
    if (entries->empty()) return "the file is an empty dict";
    std::string list;
    for (size_t i = 0; i < std::min(entries->size(), kMaxListed); ++i) {
      if (i > 0) list += ", ";
      const PickleValue key = (*entries)[i].first;
      JsonBudget small{10, 100, {}};
      list += key.is(PickleKind::kString) ? printable(key.text(), 40) : to_json(key, small).dump();
    }
    if (entries->size() > kMaxListed) {
      list += fmt::format(" and {} more", entries->size() - kMaxListed);
    }
    return fmt::format("the file has the entries {}", list);
  }

  Status add(std::string_view prefix, const PickleValue& key, const PickleValue& value,
             bool is_buffer) {
    const std::string_view name = key.text();
    if (name.empty() || prefix.size() + name.size() > kMaxName || !is_valid_utf8(name)) {
      return invalid_data("a tensor's name is empty, too long or no text");
    }
    out_.tensors.push_back({fmt::format("{}{}", prefix, name), value, is_buffer});
    return {};
  }

  Status spend(size_t steps) {
    // A module may be reached by several paths; a file that makes more than this of it is hostile.
    constexpr size_t kMaxSteps = size_t{1} << 24;
    steps_ += steps;
    if (steps_ > kMaxSteps) {
      return make_error(Code::kResourceLimit, "the pickled module repeats its parts without end");
    }
    return {};
  }

  Status walk_module(const PickleValue& module, const std::string& prefix, int depth) {
    if (depth > kMaxModuleDepth || prefix.size() > kMaxName) {
      return make_error(Code::kResourceLimit, "the pickled module is nested too deeply");
    }
    const PickleValue state = *module.state();
    PTE_CHECK(spend(16 + 5 * state.entry_count() + prefix.size()));
    const auto members = [&](std::string_view name) {
      return entries_of(state.find(name).value_or(PickleValue())).value_or(Entries());
    };
    const Entries parameters = members("_parameters");
    const Entries buffers = members("_buffers");
    const Entries modules = members("_modules");
    const PickleValue hidden_list =
        state.find("_non_persistent_buffers_set").value_or(PickleValue());
    PTE_CHECK(spend(4 * (parameters.size() + buffers.size() + modules.size()) +
                    hidden_list.args().item(0).size() + hidden_list.size()));
    const auto hidden = strings_in(hidden_list);

    for (const auto& [key, value] : parameters) {
      if (TensorReader::is_tensor(value)) {
        PTE_CHECK(add(prefix, key, value, false));
      }
    }
    for (const auto& [key, value] : buffers) {
      if (TensorReader::is_tensor(value) && !hidden.contains(key.text())) {
        PTE_CHECK(add(prefix, key, value, true));
      }
    }
    for (const auto& [key, value] : modules) {
      const auto attributes = value.state().value_or(PickleValue()).entry_count();
      PTE_CHECK(spend(2 * std::min(attributes, kMaxAttributes)));
      if (is_module(value)) {
        if (prefix.size() + key.text().size() > kMaxName) {
          return invalid_data("a module's name is too long");
        }
        if (!is_valid_utf8(key.text())) return invalid_data("a module's name is no text");
        PTE_CHECK(walk_module(value, fmt::format("{}{}.", prefix, key.text()), depth + 1));
      }
    }
    return {};
  }

  void keep_last_of_each_name() {
    std::unordered_set<std::string_view> seen;
    std::vector<bool> keep(out_.tensors.size());
    for (size_t i = out_.tensors.size(); i-- > 0;)
      keep[i] = seen.insert(out_.tensors[i].name).second;
    seen.clear();
    size_t kept = 0;
    for (size_t i = 0; i < keep.size(); ++i) {
      if (!keep[i]) continue;
      if (kept != i) out_.tensors[kept] = std::move(out_.tensors[i]);
      ++kept;
    }
    out_.tensors.resize(kept);
  }

  bool strip(std::string_view prefix) {
    for (const NamedValue& tensor : out_.tensors) {
      if (!tensor.name.starts_with(prefix) || tensor.name.size() == prefix.size()) return false;
    }
    for (NamedValue& tensor : out_.tensors) tensor.name.erase(0, prefix.size());
    return true;
  }

  // What the module says about itself besides its tensors and parts.
  void collect_attributes(const PickleValue& module) {
    JsonBudget budget;
    const PickleValue state = *module.state();
    for (size_t i = 0; i < state.entry_count() && budget.values > 0; ++i) {
      const PickleValue key = state.key(i);
      if (!key.is(PickleKind::kString) || key.text().starts_with("_")) continue;
      out_.attributes[printable(key.text())] = to_json(state.value(i), budget);
    }
    out_.attributes["class"] = printable(out_.module_class);
  }

  void collect_metadata(const PickleValue& root, const PickleValue& state) {
    out_.metadata = nlohmann::json::object();
    if (!out_.module_class.empty()) out_.metadata["class"] = printable(out_.module_class);
    const auto entries = entries_of(root);
    if (!entries) return;
    // Scalars first: a long history must not use up the budget of an epoch number. An optimizer's
    // state says nothing about the model.
    JsonBudget budget;
    budget.omit = state.id();
    for (const bool containers : {false, true}) {
      for (const auto& [key, value] : *entries) {
        if (budget.values == 0) return;
        const bool is_container = value.size() > 0 || value.entry_count() > 0;
        if (is_container != containers || !key.is(PickleKind::kString)) continue;
        if (value.id() == state.id()) continue;
        if (root.id() == state.id() && TensorReader::is_tensor(value)) continue;
        if (key.text().starts_with("optim")) continue;
        out_.metadata[printable(key.text())] = to_json(value, budget);
      }
    }
  }

  const FindOptions& options_;
  Contents& out_;
  std::unordered_set<uint32_t> visited_;
  size_t steps_ = 0;
};

}  // namespace

Result<Contents> find_contents(const PickleValue& root, const FindOptions& options) {
  Contents out;
  PTE_CHECK(Finder(options, out).run(root));
  return out;
}

}  // namespace pte::importers
