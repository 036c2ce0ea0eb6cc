// Python pickles (protocols 0 to 5) read as data. Nothing is ever executed: a global is a name, a
// call is a record of what would be called with what. A name that only serves to run code
// (os.system, builtins.eval, subprocess.*) makes parse() fail, so that nobody passes such a file on
// unknowing.
//
// One pass over the bytes, no recursion. Each opcode makes at most one value, so memory stays
// proportional to the input. Values form a graph: shared parts are shared, and a hostile pickle may
// close a cycle or nest exponentially many paths, so whoever walks it bounds depth and steps.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace pte::importers {

enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kBigInt,  // more than 64 bits; text() is its two's complement, little-endian
  kFloat,
  kString,  // text() is UTF-8 as the file has it, not validated
  kBytes,
  kList,
  kTuple,
  kSet,  // frozensets too
  kDict,
  kGlobal,        // text() is "module.name"; Python 2's module names are given as Python 3's
  kObject,        // REDUCE, NEWOBJ and their kin, with what was appended, set and built after
  kPersistentId,  // item(0) is the id
};

class Pickle;

// A handle on one value; valid while its Pickle lives. Accessors of another kind give the neutral
// answer (nothing, zero, empty), so chains need a check only at their end.
class PickleValue {
 public:
  PickleValue() = default;

  PickleKind kind() const;
  bool is(PickleKind k) const { return kind() == k; }
  bool is_none() const { return is(PickleKind::kNone); }
  bool is_global(std::string_view name) const { return is(PickleKind::kGlobal) && text() == name; }
  // An object made by calling the global `name`.
  bool is_object_of(std::string_view name) const;

  std::optional<bool> as_bool() const;
  std::optional<int64_t> as_int() const;   // ints and bools
  std::optional<double> as_float() const;  // floats, ints and bools
  std::optional<std::string_view> as_string() const;
  // Of strings, bytes, globals and big ints.
  std::string_view text() const;

  // Items of a list, tuple or set; of an object, what APPENDS added; of a persistent id, the id.
  size_t size() const;
  PickleValue item(size_t i) const;  // None when out of range
  // Entries of a dict; of an object, what SETITEMS added. Duplicate keys are listed twice.
  size_t entry_count() const;
  PickleValue key(size_t i) const;
  PickleValue value(size_t i) const;
  // The value of the last entry with this string key. Takes time in proportion to the entries.
  std::optional<PickleValue> find(std::string_view name) const;

  // Of an object: what is called, its positional arguments (a tuple), the state of BUILD.
  PickleValue callable() const;
  PickleValue args() const;
  std::optional<PickleValue> state() const;

  // The same value has the same id.
  uint32_t id() const { return id_; }

 private:
  friend class Pickle;
  PickleValue(const Pickle* pickle, uint32_t id) : pickle_(pickle), id_(id) {}
  const Pickle* pickle_ = nullptr;
  uint32_t id_ = 0;
};

class Pickle {
 public:
  // Reads one pickle from the start of `bytes`, which must outlive the result. Fails with
  // kInvalidData on malformed bytes (the message gives the offset), kUnsupported for the extension
  // registry, out-of-band buffers and globals that run code.
  static Result<std::shared_ptr<const Pickle>> parse(Bytes bytes);

  PickleValue root() const { return {this, root_}; }
  // Bytes from the first to just after STOP.
  size_t consumed() const { return consumed_; }
  // Every persistent id, in file order.
  std::vector<PickleValue> persistent_ids() const;
  size_t value_count() const { return nodes_.size(); }

 private:
  friend class PickleValue;
  friend class PickleParser;

  static constexpr uint32_t kNoValue = 0xffffffff;

  // `index` is a length of text, or an index into lists_, dicts_ or objects_.
  struct Node {
    PickleKind kind = PickleKind::kNone;
    uint32_t index = 0;
    union {
      int64_t integer = 0;
      double real;
      const char* text;
    };
  };
  struct Object {
    uint32_t callable = kNoValue;
    uint32_t args = kNoValue;
    uint32_t state = kNoValue;
    std::vector<uint32_t> items;
    std::vector<uint32_t> entries;  // key, value, key, value …
  };

  const std::vector<uint32_t>* items_of(uint32_t id) const;
  const std::vector<uint32_t>* entries_of(uint32_t id) const;

  std::vector<Node> nodes_;
  std::vector<std::vector<uint32_t>> lists_;  // of lists, tuples, sets, dicts, persistent ids
  std::vector<Object> objects_;
  std::deque<std::string> owned_;  // text that is not in the input as such
  uint32_t root_ = 0;
  size_t consumed_ = 0;
};

// The name of an importable that does nothing but run code or reach outside the process, or
// nothing: "os.system" for module "posix", name "system".
std::optional<std::string> forbidden_global(std::string_view module, std::string_view name);

}  // namespace pte::importers
