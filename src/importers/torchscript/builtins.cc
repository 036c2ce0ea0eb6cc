#include "importers/torchscript/builtins.h"

#include <algorithm>
#include <cmath>

#include "importers/torchscript/context.h"

namespace pte::importers::script {
namespace {

Answer nothing() { return std::optional<Value>(); }
Answer answer(Value value) { return std::optional<Value>(std::move(value)); }

// Python's place in a sequence of `size`, negative ones from its end.
std::optional<size_t> place(int64_t index, size_t size) {
  if (index < 0) index += static_cast<int64_t>(size);
  if (index < 0 || index >= static_cast<int64_t>(size)) return std::nullopt;
  return static_cast<size_t>(index);
}

Error out_of_range(int64_t index, size_t size) {
  return invalid_argument("index {} of a list of {}", index, size);
}

// The values at start, start + step … before end, as Python slices.
std::vector<size_t> slice_places(const std::vector<Argument>& args, size_t size) {
  const auto bound = [&](size_t i, int64_t missing) {
    if (i >= args.size() || !args[i].value.integer()) return missing;
    int64_t at = *args[i].value.integer();
    if (at < 0) at += static_cast<int64_t>(size);
    return std::clamp<int64_t>(at, 0, static_cast<int64_t>(size));
  };
  const int64_t step = args.size() > 3 ? args[3].value.integer().value_or(1) : 1;
  std::vector<size_t> out;
  if (step < 1) return out;
  const int64_t end = bound(2, static_cast<int64_t>(size));
  for (int64_t at = bound(1, 0); at < end;) {
    out.push_back(static_cast<size_t>(at));
    if (end - at <= step) break;
    at += step;
  }
  return out;
}

// The sizes that two lists of sizes broadcast to; open sizes that are not 1 are taken as equal.
Result<Values> broadcast_sizes(const Values& a, const Values& b) {
  const Values& longer = a.size() >= b.size() ? a : b;
  const Values& shorter = a.size() >= b.size() ? b : a;
  Values out = longer;
  const size_t offset = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    Value& size = out[offset + i];
    const auto mine = size.integer(), other = shorter[i].integer();
    if (other == 1 || mine == other) continue;
    if (mine && other && mine != 1)
      return invalid_argument("sizes {} and {} do not broadcast", *mine, *other);
    if (mine == 1 || other) size = shorter[i];
  }
  return out;
}

}  // namespace

bool Builtins::keeps_unknown(std::string_view name) {
  constexpr std::string_view kNames[] = {"aten::append",
                                         "aten::_set_item",
                                         "aten::len",
                                         "aten::__is__",
                                         "aten::__isnot__",
                                         "aten::insert",
                                         "aten::extend",
                                         "aten::items",
                                         "aten::keys",
                                         "aten::values",
                                         "prim::unchecked_cast",
                                         "aten::list",
                                         "aten::_unwrap_optional",
                                         "prim::unchecked_unwrap_optional"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

Answer Builtins::call(Evaluator& e, const std::string& name, const std::vector<Argument>& args) {
  using Family = Answer (*)(Evaluator&, std::string_view, const std::vector<Argument>&);
  constexpr Family kFamilies[] = {quantized, language,  containers, dictionaries,
                                  strings,   questions, tensors,    prepacked};
  for (const Family family : kFamilies) {
    PTE_TRY(std::optional<Value> made, family(e, name, args));
    if (made) return answer(std::move(*made));
  }
  return nothing();
}

// ---- the language itself

Answer Builtins::language(Evaluator& e, std::string_view name, const std::vector<Argument>& args) {
  const size_t count = args.size();
  if (name == "prim::RaiseException") {
    const auto text = [&](size_t i) {
      const auto* held = count > i ? args[i].value.get<std::string>() : nullptr;
      return held == nullptr ? std::string() : held->substr(0, 500);
    };
    std::string kind = text(1);
    if (const size_t dot = kind.rfind('.'); dot != std::string::npos) kind = kind.substr(dot + 1);
    e.raised_ = true;
    return invalid_argument("the model raises {}{}", kind.empty() ? "an exception" : kind,
                            text(0).empty() ? "" : ": " + text(0));
  }
  if (name == "aten::__is__" || name == "aten::__isnot__") {
    if (count != 2) return nothing();
    const Value &a = args[0].value, &b = args[1].value;
    bool same = a.is_none() && b.is_none();
    if (!a.is_none() && !b.is_none()) {
      same = equal(a, b).value_or(false);
    } else if (a.is_poison() || b.is_poison()) {
      same = false;  // an unknown result is no None
    }
    return answer(Value(same == (name == "aten::__is__")));
  }
  if ((name == "aten::eq" || name == "aten::ne") && count == 2) {
    const auto plain = [](const Value& value) {
      return value.is_none() || value.get<Enum>() != nullptr || value.object() != nullptr ||
             value.get<ir::Device>() != nullptr;
    };
    if (plain(args[0].value) || plain(args[1].value)) {
      return answer(
          Value(equal(args[0].value, args[1].value).value_or(false) == (name == "aten::eq")));
    }
  }
  if (name == "aten::__not__" && count == 1) {
    if (args[0].value.get<Number>() != nullptr) return nothing();
    if (args[0].value.tensor()) return nothing();
    PTE_TRY(const Evaluator::Truth truth, e.truth(args[0].value));
    if (truth.known) return answer(Value(!*truth.known));
    return nothing();
  }
  if (name == "aten::__range_length" && count == 3) {
    const auto lo = args[0].value.integer(), hi = args[1].value.integer(),
               step = args[2].value.integer();
    if (!lo || !hi || !step) return unsupported("a range whose bounds depend on the input");
    if (*step == 0) return invalid_argument("a range of step 0");
    const double span =
        (static_cast<double>(*hi) - static_cast<double>(*lo)) / static_cast<double>(*step);
    if (span > 1e15) return make_error(Code::kResourceLimit, "a range of {} steps", span);
    return answer(Value(static_cast<int64_t>(std::max(0.0, std::ceil(span)))));
  }
  if (name == "aten::__derive_index" && count == 3) {
    PTE_TRY(Value scaled, e.call_operator("aten::mul", {args[0], args[2]}));
    PTE_TRY(Value made, e.call_operator("aten::add", {{"", std::move(scaled)}, args[1]}));
    return answer(std::move(made));
  }
  if ((name == "aten::_unwrap_optional" || name == "prim::unchecked_unwrap_optional") &&
      count == 1) {
    if (args[0].value.is_none()) return invalid_argument("None where a value is expected");
    return answer(args[0].value);
  }
  constexpr std::string_view kSame[] = {"prim::unchecked_cast", "prim::data", "aten::cpu",
                                        "aten::cuda",           "aten::data", "prim::Uninitialized",
                                        "aten::requires_grad_", "aten::wait", "aten::pin_memory"};
  if (count >= 1 && std::find(std::begin(kSame), std::end(kSame), name) != std::end(kSame))
    return answer(args[0].value);
  constexpr std::string_view kNothing[] = {
      "aten::warn",          "aten::set_grad_enabled", "prim::Print",   "aten::manual_seed",
      "prim::AutocastEnter", "prim::AutocastExit",     "aten::_assert", "aten::_assert_async"};
  if (std::find(std::begin(kNothing), std::end(kNothing), name) != std::end(kNothing))
    return answer(Value());
  constexpr std::string_view kFalse[] = {"aten::is_grad_enabled",
                                         "aten::is_scripting_false",
                                         "aten::is_autocast_enabled",
                                         "aten::is_autocast_cpu_enabled",
                                         "prim::is_cuda",
                                         "prim::is_mkldnn",
                                         "prim::is_quantized",
                                         "prim::is_sparse",
                                         "prim::is_nested",
                                         "prim::is_meta",
                                         "prim::is_xpu",
                                         "prim::is_mps",
                                         "prim::is_vulkan",
                                         "prim::requires_grad",
                                         "aten::is_conj",
                                         "aten::is_neg",
                                         "aten::is_inference",
                                         "aten::is_sparse",
                                         "prim::is_sparse_csr",
                                         "prim::is_maia",
                                         "prim::is_ipu",
                                         "aten::cuda_is_available",
                                         "aten::is_nested"};
  if (std::find(std::begin(kFalse), std::end(kFalse), name) != std::end(kFalse))
    return answer(Value(false));
  if (name == "aten::is_scripting" || name == "prim::is_leaf") return answer(Value(true));
  if (name == "prim::is_cpu") return answer(Value(true));
  if (name == "prim::isinstance") return nothing();
  if (name == "aten::device" && count >= 1) {
    const auto* text = args[0].value.get<std::string>();
    if (text == nullptr) return nothing();
    return answer(Value(ir::Device{*text}));
  }
  if (name == "prim::type" && count == 1) {
    const auto* device = args[0].value.get<ir::Device>();
    if (device == nullptr) return nothing();
    return answer(Value(device->name.substr(0, device->name.find(':'))));
  }
  if ((name == "prim::device" || name == "aten::get_device") && count == 1)
    return answer(Value(ir::Device{}));
  if (name == "prim::rangelist" && count == 1) {
    const auto length = args[0].value.integer();
    if (!length) return unsupported("a range whose length depends on the input");
    PTE_CHECK(e.spend_memory(std::max<int64_t>(*length, 0)));
    Values items;
    for (int64_t i = 0; i < *length; ++i) items.emplace_back(i);
    return answer(Value::list(std::move(items)));
  }
  return nothing();
}

// ---- lists and tuples

Answer Builtins::containers(Evaluator& e, std::string_view name,
                            const std::vector<Argument>& args) {
  const size_t count = args.size();
  if (count == 0) return nothing();
  const Value& first = args[0].value;
  const Values* items = first.items();
  if (items == nullptr) return nothing();
  const auto list = first.list();
  const auto fresh = [&](Values made) -> Answer {
    PTE_CHECK(e.spend_memory(static_cast<int64_t>(made.size()) + 1));
    PTE_CHECK(e.spend(static_cast<int64_t>(made.size())));
    Value out = Value::list(std::move(made));
    out.list()->context = e.context_id();
    return answer(std::move(out));
  };
  if (name == "aten::len") return answer(Value(static_cast<int64_t>(items->size())));
  if (name == "aten::__getitem__" && count == 2) {
    const auto index = args[1].value.integer();
    if (!index) {
      if (args[1].value.get<Number>() == nullptr) return nothing();
      return unsupported("a list is indexed by a number that depends on the input");
    }
    const auto at = place(*index, items->size());
    if (!at) return out_of_range(*index, items->size());
    return answer((*items)[*at]);
  }
  if (name == "aten::slice") {
    Values made;
    for (const size_t at : slice_places(args, items->size())) made.push_back((*items)[at]);
    return fresh(std::move(made));
  }
  if (name == "aten::add" && count >= 2 && args[1].value.items() != nullptr) {
    Values made = *items;
    const Values& more = *args[1].value.items();
    made.insert(made.end(), more.begin(), more.end());
    return fresh(std::move(made));
  }
  if (name == "aten::mul" && count == 2 && args[1].value.integer()) {
    const int64_t times = std::max<int64_t>(0, *args[1].value.integer());
    if (times > 0 && items->size() > 0) {
      if (times > (int64_t{1} << 26))
        return make_error(Code::kResourceLimit, "a list of that size");
      PTE_CHECK(e.spend_memory(times * static_cast<int64_t>(items->size())));
    }
    Values made;
    for (int64_t i = 0; i < times; ++i) made.insert(made.end(), items->begin(), items->end());
    return fresh(std::move(made));
  }
  if ((name == "aten::eq" || name == "aten::ne") && count == 2) {
    if (args[1].value.items() == nullptr) return nothing();
    const auto same = equal(first, args[1].value);
    if (!same) return unsupported("lists are compared whose values depend on the input");
    return answer(Value(*same == (name == "aten::eq")));
  }
  if (name == "aten::__contains__" && count == 2) {
    PTE_CHECK(e.spend(static_cast<int64_t>(items->size())));
    for (const Value& item : *items) {
      if (equal(item, args[1].value).value_or(false)) return answer(Value(true));
    }
    return answer(Value(false));
  }
  if (name == "aten::list" || name == "aten::copy") return fresh(*items);
  if (name == "aten::broadcast_shapes") {
    Values made;
    for (const Argument& arg : args) {
      const Values one{arg.value};
      PTE_TRY(made, broadcast_sizes(made, arg.value.items() == nullptr ? one : *arg.value.items()));
    }
    return fresh(std::move(made));
  }
  if (name == "aten::index" && list && count == 2 && args[1].value.items() == nullptr) {
    for (size_t i = 0; i < items->size(); ++i) {
      if (equal((*items)[i], args[1].value).value_or(false))
        return answer(Value(static_cast<int64_t>(i)));
    }
    return invalid_argument("the value is not in the list");
  }
  if (name == "aten::count" && count == 2) {
    int64_t found = 0;
    for (const Value& item : *items) found += equal(item, args[1].value).value_or(false) ? 1 : 0;
    return answer(Value(found));
  }
  if (name == "aten::all" || name == "aten::any") {
    const bool all = name == "aten::all";
    for (const Value& item : *items) {
      PTE_TRY(const Evaluator::Truth truth, e.truth(item));
      if (!truth.known) return unsupported("{} of a list that depends on the input", name);
      if (*truth.known != all) return answer(Value(!all));
    }
    return answer(Value(all));
  }
  const bool numbers =
      !items->empty() && std::all_of(items->begin(), items->end(), [](const Value& item) {
        return item.scalar() || item.get<Number>() != nullptr;
      });
  if (numbers && (name == "prim::min" || name == "prim::max" || name == "aten::sum") &&
      count == 1) {
    const std::string op = name == "aten::sum" ? "aten::add" : std::string(name);
    Value made = (*items)[0];
    for (size_t i = 1; i < items->size(); ++i) {
      PTE_TRY(made, e.call_operator(op, {{"", made}, {"", (*items)[i]}}));
    }
    return answer(std::move(made));
  }
  if (!list) return nothing();

  // What changes the list.
  const auto change = [&]() -> Status {
    PTE_CHECK(e.spend_memory(1));
    return e.may_change(list->context);
  };
  if (name == "aten::append" && count == 2) {
    PTE_CHECK(change());
    list->items.push_back(args[1].value);
    return answer(first);
  }
  if (name == "aten::extend" && count == 2 && args[1].value.items() != nullptr) {
    PTE_CHECK(change());
    const Values more = *args[1].value.items();
    PTE_CHECK(e.spend_memory(static_cast<int64_t>(more.size())));
    list->items.insert(list->items.end(), more.begin(), more.end());
    return answer(Value());
  }
  if (name == "aten::add_" && count == 2 && args[1].value.items() != nullptr) {
    PTE_CHECK(change());
    const Values more = *args[1].value.items();
    PTE_CHECK(e.spend_memory(static_cast<int64_t>(more.size())));
    list->items.insert(list->items.end(), more.begin(), more.end());
    return answer(first);
  }
  if (name == "aten::insert" && count == 3 && args[1].value.integer()) {
    PTE_CHECK(change());
    int64_t at = *args[1].value.integer();
    const auto size = static_cast<int64_t>(list->items.size());
    if (at < 0) at += size;
    list->items.insert(list->items.begin() + std::clamp<int64_t>(at, 0, size), args[2].value);
    return answer(Value());
  }
  if (name == "aten::pop") {
    PTE_CHECK(change());
    const int64_t index = count > 1 ? args[1].value.integer().value_or(-1) : -1;
    const auto at = place(index, list->items.size());
    if (!at) return out_of_range(index, list->items.size());
    const Value out = list->items[*at];
    list->items.erase(list->items.begin() + static_cast<int64_t>(*at));
    return answer(out);
  }
  if (name == "aten::clear") {
    PTE_CHECK(change());
    list->items.clear();
    return answer(Value());
  }
  if (name == "aten::reverse") {
    PTE_CHECK(change());
    std::reverse(list->items.begin(), list->items.end());
    return answer(Value());
  }
  if ((name == "aten::_set_item" || name == "aten::__setitem__") && count == 3) {
    PTE_CHECK(change());
    const auto index = args[1].value.integer();
    if (!index) return unsupported("a list is indexed by a number that depends on the input");
    const auto at = place(*index, list->items.size());
    if (!at) return out_of_range(*index, list->items.size());
    list->items[*at] = args[2].value;
    return answer(first);
  }
  if ((name == "aten::Delete" || name == "aten::__delitem__") && count == 2) {
    PTE_CHECK(change());
    const auto at = place(args[1].value.integer().value_or(0), list->items.size());
    if (!at) return out_of_range(args[1].value.integer().value_or(0), list->items.size());
    list->items.erase(list->items.begin() + static_cast<int64_t>(*at));
    return answer(Value());
  }
  if (name == "aten::remove" && count == 2) {
    PTE_CHECK(change());
    for (auto it = list->items.begin(); it != list->items.end(); ++it) {
      if (!equal(*it, args[1].value).value_or(false)) continue;
      list->items.erase(it);
      return answer(Value());
    }
    return invalid_argument("the value is not in the list");
  }
  if (name == "aten::sort" || name == "aten::sorted") {
    PTE_CHECK(e.spend(static_cast<int64_t>(items->size()) * 16));
    const bool texts = std::all_of(items->begin(), items->end(), [](const Value& item) {
      return item.get<std::string>() != nullptr;
    });
    const bool plain = std::all_of(items->begin(), items->end(),
                                   [](const Value& item) { return item.number().has_value(); });
    if (!texts && !plain) return unsupported("sorting a list of other than numbers or strings");
    Values sorted = *items;
    std::stable_sort(sorted.begin(), sorted.end(), [&](const Value& a, const Value& b) {
      if (texts) return *a.get<std::string>() < *b.get<std::string>();
      return *a.number() < *b.number();
    });
    for (const Argument& arg : args) {
      if (arg.value.get<bool>() != nullptr && *arg.value.get<bool>())
        std::reverse(sorted.begin(), sorted.end());
    }
    if (name == "aten::sorted") return fresh(std::move(sorted));
    PTE_CHECK(change());
    list->items = std::move(sorted);
    return answer(Value());
  }
  return nothing();
}

// ---- dictionaries

Answer Builtins::dictionaries(Evaluator& e, std::string_view name,
                              const std::vector<Argument>& args) {
  const size_t count = args.size();
  if (name == "aten::dict") {
    auto made = std::make_shared<Dict>();
    made->context = e.context_id();
    if (count > 0 && args[0].value.items() != nullptr) {
      for (const Value& entry : *args[0].value.items()) {
        PTE_CHECK(e.spend(static_cast<int64_t>(made->entries.size()) + 1));
        if (entry.items() == nullptr || entry.items()->size() != 2) return nothing();
        made->set((*entry.items())[0], (*entry.items())[1]);
      }
    } else if (count > 0 && args[0].value.dict()) {
      made->entries = args[0].value.dict()->entries;
    }
    return answer(Value(std::move(made)));
  }
  if (count == 0 || !args[0].value.dict()) return nothing();
  const auto dict = args[0].value.dict();
  PTE_CHECK(e.spend(static_cast<int64_t>(dict->entries.size())));
  const auto fresh = [&](Values made) -> Answer {
    PTE_CHECK(e.spend_memory(static_cast<int64_t>(made.size()) + 1));
    Value out = Value::list(std::move(made));
    out.list()->context = e.context_id();
    return answer(std::move(out));
  };
  const auto key = [&]() { return count > 1 ? args[1].value : Value(); };
  if (name == "aten::len") return answer(Value(static_cast<int64_t>(dict->entries.size())));
  if (name == "aten::__contains__") return answer(Value(dict->find(key()) != nullptr));
  if (name == "aten::__getitem__") {
    const Value* held = dict->find(key());
    if (held == nullptr)
      return invalid_argument("the dictionary has no key {}", python_text(key(), true));
    return answer(*held);
  }
  if (name == "aten::get") {
    const Value* held = dict->find(key());
    if (held != nullptr) return answer(*held);
    return answer(count > 2 ? args[2].value : Value());
  }
  if (name == "aten::keys" || name == "aten::values" || name == "aten::items") {
    Values made;
    for (const auto& [own, value] : dict->entries) {
      made.push_back(name == "aten::keys"     ? own
                     : name == "aten::values" ? value
                                              : Value::tuple({own, value}));
    }
    return fresh(std::move(made));
  }
  if (name == "aten::copy") {
    auto made = std::make_shared<Dict>(*dict);
    made->context = e.context_id();
    PTE_CHECK(e.spend_memory(static_cast<int64_t>(made->entries.size())));
    return answer(Value(std::move(made)));
  }
  const auto change = [&]() -> Status {
    PTE_CHECK(e.spend_memory(1));
    return e.may_change(dict->context);
  };
  if (name == "aten::_set_item" && count == 3) {
    PTE_CHECK(change());
    dict->set(key(), args[2].value);
    return answer(args[0].value);
  }
  if (name == "aten::setdefault" && count == 3) {
    PTE_CHECK(change());
    if (dict->find(key()) == nullptr) dict->set(key(), args[2].value);
    return answer(*dict->find(key()));
  }
  if (name == "aten::update" && count == 2 && args[1].value.dict()) {
    PTE_CHECK(change());
    const auto more = args[1].value.dict()->entries;
    PTE_CHECK(e.spend_memory(static_cast<int64_t>(more.size())));
    for (const auto& [own, value] : more) {
      PTE_CHECK(e.spend(static_cast<int64_t>(dict->entries.size())));
      dict->set(own, value);
    }
    return answer(Value());
  }
  if (name == "aten::pop" || name == "aten::Delete" || name == "aten::__delitem__") {
    PTE_CHECK(change());
    for (auto it = dict->entries.begin(); it != dict->entries.end(); ++it) {
      if (!equal(it->first, key()).value_or(false)) continue;
      const Value out = it->second;
      dict->entries.erase(it);
      return answer(name == "aten::pop" ? out : Value());
    }
    if (count > 2) return answer(args[2].value);
    return invalid_argument("the dictionary has no key {}", python_text(key(), true));
  }
  if (name == "aten::clear") {
    PTE_CHECK(change());
    dict->entries.clear();
    return answer(Value());
  }
  return nothing();
}

// ---- strings

Answer Builtins::strings(Evaluator& e, std::string_view name, const std::vector<Argument>& args) {
  const size_t count = args.size();
  if (count == 0) return nothing();
  const auto made = [&](std::string text) -> Answer {
    PTE_CHECK(e.spend_memory(static_cast<int64_t>(text.size())));
    return answer(Value(std::move(text)));
  };
  if (name == "aten::str") return made(python_text(args[0].value));
  if (name == "aten::chr" && args[0].value.integer())
    return made(std::string(1, static_cast<char>(*args[0].value.integer())));
  const auto* held = args[0].value.get<std::string>();
  if (held == nullptr) return nothing();
  const std::string& text = *held;
  const auto other = [&](size_t i) {
    const auto* own = i < count ? args[i].value.get<std::string>() : nullptr;
    return own == nullptr ? std::string() : *own;
  };
  const bool with_text = count > 1 && args[1].value.get<std::string>() != nullptr;
  if (name == "aten::format") {
    std::string out;
    size_t used = 0, next = 1;
    for (size_t at = text.find("{}"); at != std::string::npos; at = text.find("{}", used)) {
      out += text.substr(used, at - used);
      if (next < count) out += python_text(args[next++].value);
      used = at + 2;
      if (out.size() > 1 << 20) return make_error(Code::kResourceLimit, "a string of that size");
    }
    return made(out + text.substr(used));
  }
  if (name == "aten::percentFormat") {
    std::string out;
    size_t next = 1;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '%' || i + 1 == text.size()) {
        out += text[i];
      } else if (text[++i] == '%') {
        out += '%';
      } else if (next < count) {
        out += python_text(args[next++].value);
      }
      if (out.size() > 1 << 20) return make_error(Code::kResourceLimit, "a string of that size");
    }
    return made(std::move(out));
  }
  if (name == "aten::len") return answer(Value(static_cast<int64_t>(text.size())));
  if (name == "aten::add" && with_text) return made(text + other(1));
  if (name == "aten::mul" && count == 2 && args[1].value.integer()) {
    const int64_t times = std::max<int64_t>(0, *args[1].value.integer());
    if (times > 1 << 20) return make_error(Code::kResourceLimit, "a string of that size");
    PTE_CHECK(e.spend_memory(times * static_cast<int64_t>(text.size())));
    std::string out;
    for (int64_t i = 0; i < times; ++i) out += text;
    return answer(Value(std::move(out)));
  }
  if (name == "aten::eq" && count == 2) return answer(Value(with_text && text == other(1)));
  if (name == "aten::ne" && count == 2) return answer(Value(!with_text || text != other(1)));
  if (name == "aten::lt" && with_text) return answer(Value(text < other(1)));
  if (name == "aten::gt" && with_text) return answer(Value(text > other(1)));
  if (name == "aten::__contains__" && with_text)
    return answer(Value(text.find(other(1)) != std::string::npos));
  if (name == "aten::__getitem__" && count == 2 && args[1].value.integer()) {
    const auto at = place(*args[1].value.integer(), text.size());
    if (!at) return out_of_range(*args[1].value.integer(), text.size());
    return made(std::string(1, text[*at]));
  }
  if (name == "aten::slice") {
    std::string out;
    for (const size_t at : slice_places(args, text.size())) out += text[at];
    return made(std::move(out));
  }
  if (name == "aten::startswith" && with_text) return answer(Value(text.starts_with(other(1))));
  if (name == "aten::endswith" && with_text) return answer(Value(text.ends_with(other(1))));
  if (name == "aten::find" && with_text) {
    const size_t at = text.find(other(1));
    return answer(Value(at == std::string::npos ? int64_t{-1} : static_cast<int64_t>(at)));
  }
  if (name == "aten::upper" || name == "aten::lower") {
    std::string out = text;
    for (char& c : out) {
      if (name == "aten::upper" && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
      if (name == "aten::lower" && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return made(std::move(out));
  }
  if (name == "aten::strip" || name == "aten::lstrip" || name == "aten::rstrip") {
    const std::string chars = with_text ? other(1) : " \t\n\r\f\v";
    size_t begin = 0, end = text.size();
    while (name != "aten::rstrip" && begin < end && chars.find(text[begin]) != std::string::npos)
      ++begin;
    while (name != "aten::lstrip" && end > begin && chars.find(text[end - 1]) != std::string::npos)
      --end;
    return made(text.substr(begin, end - begin));
  }
  if (name == "aten::replace" && count >= 3) {
    const std::string from = other(1), to = other(2);
    if (from.empty()) return nothing();
    std::string out;
    size_t used = 0;
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, used)) {
      out += text.substr(used, at - used) + to;
      used = at + from.size();
      if (out.size() > 1 << 20) return make_error(Code::kResourceLimit, "a string of that size");
    }
    return made(out + text.substr(used));
  }
  if (name == "aten::split" && count >= 1) {
    const std::string mark = other(1);
    if (mark.empty()) return nothing();
    PTE_CHECK(e.spend_memory(static_cast<int64_t>(text.size())));
    Values parts;
    size_t used = 0;
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, used)) {
      parts.emplace_back(text.substr(used, at - used));
      used = at + mark.size();
    }
    parts.emplace_back(text.substr(used));
    Value out = Value::list(std::move(parts));
    out.list()->context = e.context_id();
    return answer(std::move(out));
  }
  if (name == "aten::join" && count == 2 && args[1].value.items() != nullptr) {
    std::string out;
    const Values& parts = *args[1].value.items();
    for (size_t i = 0; i < parts.size(); ++i) {
      out += (i > 0 ? text : "") + python_text(parts[i]);
      if (out.size() > 1 << 20) return make_error(Code::kResourceLimit, "a string of that size");
    }
    return made(std::move(out));
  }
  if (name == "aten::ord" && text.size() == 1)
    return answer(Value(static_cast<int64_t>(static_cast<unsigned char>(text[0]))));
  if (name == "aten::Int" || name == "aten::Float") {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end != text.c_str() + text.size() || text.empty())
      return invalid_argument("'{}' is no number", text.substr(0, 60));
    if (name == "aten::Float") return answer(Value(value));
    if (!(std::abs(value) < 9.2e18)) return invalid_argument("an integer of more than 64 bits");
    return answer(Value(static_cast<int64_t>(value)));
  }
  return nothing();
}

}  // namespace pte::importers::script
