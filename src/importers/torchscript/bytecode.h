// Mobile modules (.ptl): the stack machine of bytecode.pkl (formats 10.5), executed on the values
// of an Evaluator as the code of an archive is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "importers/torchscript/evaluator.h"

namespace pte::importers::script {

struct Instruction {
  enum class Op : uint8_t {
    kOp,
    kOpN,
    kLoad,
    kMove,
    kStore,
    kStoreN,
    kDrop,
    kDropRegister,
    kLoadConstant,
    kJumpFalse,
    kJump,
    kLoop,
    kReturn,
    kGetAttribute,
    kSetAttribute,
    kListConstruct,
    kListUnpack,
    kTupleConstruct,
    kTupleSlice,
    kTupleIndex,
    kDictConstruct,
    kDictIndex,
    kNamedTuple,
    kCreateObject,
    kIsInstance,
    kRaise,
    kWarn,
    kFormat,
    kCall1,  // an operator of one operand that has an instruction of its own
    kCall2,
    kKeep,  // casts and waits
    kUninitialized,
    kUnknown,  // an error when it is reached: methods that nothing calls may hold it
  };
  Op op = Op::kKeep;
  int64_t x = 0;
  int64_t n = 0;
  std::string name;  // of kCall1, kCall2 and kUnknown
};

struct BytecodeMethod {
  struct Called {
    std::string name;
    std::string overload;
    int64_t count = -1;  // of arguments; -1 when the schema says
  };
  std::string name;  // "forward"
  std::vector<Instruction> code;
  std::vector<Called> operators;
  Values constants;
  std::vector<std::string> types;
  int64_t registers = 0;
  Function signature;  // names and types of the parameters, self first
  Values defaults;     // of each parameter
};

// Every method of bytecode.pkl, whose root `table` is. Fails with kUnsupported for versions and
// instructions that are unknown, by name.
Result<std::vector<BytecodeMethod>> read_bytecode(const Value& table);

// Runs a method on self and its arguments.
Result<Value> run_bytecode(Evaluator& evaluator, const BytecodeMethod& method, Values arguments);

}  // namespace pte::importers::script
