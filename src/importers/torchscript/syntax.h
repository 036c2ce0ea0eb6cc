// The syntax of TorchScript's serialized code: the subset of Python that torch writes into the
// `code/` folder of an archive (formats 10.4), as plain trees. Nothing here has a meaning yet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pte::importers::script {

struct Expr {
  enum class Kind : uint8_t {
    kName,       // text
    kInt,        // integer
    kFloat,      // real
    kImaginary,  // real, without the j
    kString,     // text, escapes resolved
    kNone,
    kBool,       // integer
    kAttribute,  // items[0].text
    kIndex,      // items[0][items[1]]; several subscripts of a type are a tuple
    kSlice,      // items: start, end, step; kNone where left out
    kCall,       // items[0](items[1] …), keywords[i] names items[i + 1] or is ""
    kList,
    kTuple,
    kDict,    // key, value, key, value …
    kNegate,  // -items[0]
  };
  Kind kind = Kind::kNone;
  int line = 0;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<Expr> items;
  std::vector<std::string> keywords;
};

struct Stmt {
  enum class Kind : uint8_t { kAssign, kExpr, kIf, kWhile, kFor, kWith, kReturn, kPass };
  Kind kind = Kind::kPass;
  int line = 0;
  // Of an assignment: one target and one value; as many of both; or several targets (or a trailing
  // comma, `unpack`) for the parts of one value. Of `for`, the name.
  std::vector<Expr> targets;
  bool unpack = false;
  // Of an assignment, an expression, `return` (none or one), `with`, and the condition or range.
  std::vector<Expr> values;
  std::vector<Stmt> body;
  std::vector<Stmt> otherwise;
};

struct Parameter {
  std::string name;
  Expr type;  // kNone when not given
  bool has_default = false;
  Expr default_value;
};

struct Function {
  std::string name;
  std::string file;  // "torch/nn/modules/conv.py"
  int line = 0;
  std::vector<Parameter> parameters;
  Expr return_type;
  std::vector<Stmt> body;
};

struct ClassDef {
  struct Attribute {
    std::string name;
    Expr type;  // kNone for `RED = 1`
    bool has_value = false;
    Expr value;
  };
  std::string name;
  std::string qualified;  // "__torch__.torch.nn.modules.conv.Conv2d"
  std::string base;       // "Module", "NamedTuple", "Enum", "Interface" or ""
  std::vector<Attribute> attributes;
  std::vector<std::string> parameters;  // __parameters__
  std::vector<std::string> buffers;     // __buffers__
  std::vector<Function> methods;
  const Function* method(const std::string& wanted) const {
    for (const Function& method : methods) {
      if (method.name == wanted) return &method;
    }
    return nullptr;
  }
};

struct SourceFile {
  std::vector<ClassDef> classes;
  std::vector<Function> functions;
};

}  // namespace pte::importers::script
