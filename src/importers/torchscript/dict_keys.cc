#include "importers/torchscript/dict_keys.h"

#include <algorithm>
#include <map>
#include <utility>

#include "importers/torchscript/parser.h"

namespace pte::importers::script {
namespace {

constexpr size_t kMostFunctions = 2000;

class Search {
 public:
  explicit Search(Library& library) : library_(library) {}

  // Every function once for each parameter.
  Status run(const ClassDef* self, const Function& method, const std::string& name) {
    open_.push_back({self, &method, name});
    while (!open_.empty()) {
      const Task task = open_.back();
      open_.pop_back();
      if (!done_.emplace(task.function, task.parameter).second) continue;
      if (done_.size() > kMostFunctions)
        return make_error(Code::kResourceLimit, "a dictionary handed to more than {} functions",
                          kMostFunctions);
      self_ = task.self;
      names_ = {task.parameter};
      objects_.clear();
      PTE_CHECK(block(task.function->body));
    }
    return {};
  }

  std::set<std::string> keys;

 private:
  struct Task {
    const ClassDef* self;
    const Function* function;
    std::string parameter;
  };

  bool is_it(const Expr& expr) const {
    return expr.kind == Expr::Kind::kName && names_.contains(expr.text);
  }

  Status block(const std::vector<Stmt>& body) {
    for (const Stmt& stmt : body) {
      for (size_t i = 0; i < stmt.values.size(); ++i) {
        PTE_CHECK(expression(stmt.values[i]));
        if (stmt.kind != Stmt::Kind::kAssign || stmt.unpack || i >= stmt.targets.size() ||
            stmt.targets[i].kind != Expr::Kind::kName) {
          continue;
        }
        const std::string& target = stmt.targets[i].text;
        if (is_it(stmt.values[i])) names_.insert(target);
        PTE_TRY(const ClassDef* held, class_of(stmt.values[i]));
        if (held != nullptr) objects_[target] = held;
      }
      for (const Expr& target : stmt.targets) {
        if (target.kind != Expr::Kind::kName) PTE_CHECK(expression(target));
      }
      PTE_CHECK(block(stmt.body));
      PTE_CHECK(block(stmt.otherwise));
    }
    return {};
  }

  Status expression(const Expr& expr) {
    for (const Expr& item : expr.items) PTE_CHECK(expression(item));
    if (expr.kind == Expr::Kind::kIndex && is_it(expr.items[0]) &&
        expr.items[1].kind == Expr::Kind::kString) {
      keys.insert(expr.items[1].text);
    }
    if (expr.kind != Expr::Kind::kCall) return {};
    const Expr& callee = expr.items[0];
    const std::string name = dotted_name(callee);
    // torch.__contains__(table, "key"), torch.get(table, "key")
    if (name.starts_with("torch.") && expr.items.size() > 2 && is_it(expr.items[1]) &&
        expr.items[2].kind == Expr::Kind::kString) {
      keys.insert(expr.items[2].text);
    }
    return handed_on(expr, name);
  }

  Status handed_on(const Expr& call, const std::string& name) {
    const ClassDef* owner = nullptr;
    const Function* function = nullptr;
    size_t first = 0;
    const Expr& callee = call.items[0];
    const auto any = std::any_of(call.items.begin() + 1, call.items.end(),
                                 [&](const Expr& item) { return is_it(item); });
    if (!any) return {};
    if (name.starts_with("__torch__.")) {
      PTE_TRY(function, library_.find_function(name));
    } else if (callee.kind == Expr::Kind::kAttribute) {
      PTE_TRY(owner, class_of(callee.items[0]));
      if (owner != nullptr) function = owner->method(callee.text);
      first = 1;  // self
    }
    if (function == nullptr) return {};
    for (size_t i = 1; i < call.items.size(); ++i) {
      if (!is_it(call.items[i])) continue;
      const std::string& keyword = call.keywords[i - 1];
      const size_t place = first + i - 1;
      if (!keyword.empty()) {
        open_.push_back({owner, function, keyword});
      } else if (place < function->parameters.size()) {
        open_.push_back({owner, function, function->parameters[place].name});
      }
    }
    return {};
  }

  // Of `self`, `self.layer`, or a name that was set to one of those.
  Result<const ClassDef*> class_of(const Expr& expr) {
    if (expr.kind == Expr::Kind::kName) {
      if (expr.text == "self") return self_;
      const auto held = objects_.find(expr.text);
      return held == objects_.end() ? nullptr : held->second;
    }
    std::string attribute;
    if (expr.kind == Expr::Kind::kAttribute) attribute = expr.text;
    const Expr* base = expr.kind == Expr::Kind::kAttribute ? &expr.items[0] : nullptr;
    if (expr.kind == Expr::Kind::kCall && dotted_name(expr.items[0]) == "getattr" &&
        expr.items.size() == 3 && expr.items[2].kind == Expr::Kind::kString) {
      attribute = expr.items[2].text;
      base = &expr.items[1];
    }
    if (base == nullptr) return static_cast<const ClassDef*>(nullptr);
    PTE_TRY(const ClassDef* outer, class_of(*base));
    if (outer == nullptr) return outer;
    for (const ClassDef::Attribute& own : outer->attributes) {
      if (own.name == attribute) return library_.find_class(dotted_name(own.type));
    }
    return static_cast<const ClassDef*>(nullptr);
  }

  Library& library_;
  const ClassDef* self_ = nullptr;
  std::set<std::string> names_;
  std::map<std::string, const ClassDef*> objects_;
  std::vector<Task> open_;
  std::set<std::pair<const Function*, std::string>> done_;
};

}  // namespace

Result<std::set<std::string>> dict_keys(Library& library, const ClassDef* self,
                                        const Function& method, const std::string& name) {
  Search search(library);
  PTE_CHECK(search.run(self, method, name));
  return std::move(search.keys);
}

}  // namespace pte::importers::script
