// The pickle machine: opcodes, stack, marks and memo.
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "base/checked.h"
#include "importers/checkpoint/pickle.h"
#include "importers/checkpoint/pickle_text.h"

namespace pte::importers {
namespace {

// Names of importables; longer ones do not exist.
constexpr size_t kMaxGlobalName = 256;
// Integers of protocol 0 and floats are decimal text.
constexpr size_t kMaxNumberText = 512;
// LONG1 and LONG4: wide enough for any key or seed.
constexpr uint32_t kMaxLongBytes = 4096;

}  // namespace

class PickleParser {
 public:
  PickleParser(Bytes bytes, Pickle& out) : bytes_(bytes), out_(out) {}

  Status run() {
    for (;;) {
      start_ = at_;
      if (at_ >= bytes_.size()) return broken("ends without STOP");
      const auto opcode = static_cast<uint8_t>(bytes_[at_++]);
      if (opcode == '.') break;
      PTE_CHECK(step(opcode));
    }
    PTE_TRY(out_.root_, pop());
    out_.consumed_ = at_;
    return {};
  }

 private:
  using Id = uint32_t;
  using Kind = PickleKind;

  template <typename... Args>
  Error broken(fmt::format_string<Args...> format, Args&&... args) const {
    return invalid_data("pickle, byte {}: {}", start_,
                        fmt::format(format, std::forward<Args>(args)...));
  }

  // ---- input ----

  template <typename T>
  Result<T> number() {
    if (!in_range(at_, sizeof(T), bytes_.size())) return broken("is cut short");
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  Result<std::string_view> chars(uint64_t count) {
    if (!in_range(at_, count, bytes_.size())) return broken("is cut short");
    const auto text = as_text(bytes_.subspan(at_, count));
    at_ += count;
    return text;
  }

  template <typename T>
  Result<std::string_view> counted() {
    PTE_TRY(const T size, number<T>());
    if constexpr (std::is_signed_v<T>) {
      if (size < 0) return broken("has a negative length");
    }
    return chars(static_cast<uint64_t>(size));
  }

  Result<std::string_view> line() {
    const auto rest = as_text(bytes_.subspan(at_));
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) return broken("is cut short");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  // ---- values ----

  Result<Id> make(Kind kind, uint32_t index = 0) {
    if (out_.nodes_.size() >= Pickle::kNoValue) {
      return make_error(Code::kResourceLimit, "pickle: more than 2^32 values");
    }
    Pickle::Node node;
    node.kind = kind;
    node.index = index;
    out_.nodes_.push_back(node);
    return static_cast<Id>(out_.nodes_.size() - 1);
  }

  Status push(Result<Id> id) {
    PTE_TRY(const Id value, std::move(id));
    stack_.push_back(value);
    return {};
  }

  Status push_int(int64_t value, Kind kind = Kind::kInt) {
    PTE_TRY(const Id id, make(kind));
    out_.nodes_[id].integer = value;
    stack_.push_back(id);
    return {};
  }

  Status push_float(double value) {
    PTE_TRY(const Id id, make(Kind::kFloat));
    out_.nodes_[id].real = value;
    stack_.push_back(id);
    return {};
  }

  Result<Id> make_text(Kind kind, std::string_view text) {
    if (text.size() > 0xffffffff) {
      return make_error(Code::kResourceLimit, "pickle, byte {}: a text of {} bytes", start_,
                        text.size());
    }
    PTE_TRY(const Id id, make(kind, static_cast<uint32_t>(text.size())));
    out_.nodes_[id].text = text.data();
    return id;
  }

  Status push_text(Kind kind, std::string_view text) { return push(make_text(kind, text)); }

  Status push_owned(Kind kind, std::string text) {
    return push_text(kind, out_.owned_.emplace_back(std::move(text)));
  }

  Result<Id> make_list(Kind kind, std::vector<Id> items) {
    out_.lists_.push_back(std::move(items));
    return make(kind, static_cast<uint32_t>(out_.lists_.size() - 1));
  }

  Result<Id> make_object(Id callable, Id args) {
    out_.objects_.push_back({callable, args, Pickle::kNoValue, {}, {}});
    return make(Kind::kObject, static_cast<uint32_t>(out_.objects_.size() - 1));
  }

  Result<Id> make_global(std::string_view module, std::string_view name) {
    if (module == "__builtin__") module = "builtins";
    if (module == "copy_reg") module = "copyreg";
    if (module.size() > kMaxGlobalName || name.size() > kMaxGlobalName) {
      return broken("names a global of {} letters", module.size() + name.size());
    }
    if (auto forbidden = forbidden_global(module, name)) {
      return unsupported("this pickle asks to call {}; ptekit never runs code from a file",
                         *forbidden)
          .with_hint("a file that asks for this was made to harm; do not load it elsewhere");
    }
    std::string full;
    full.reserve(module.size() + 1 + name.size());
    full.append(module).append(1, '.').append(name);
    auto [it, fresh] = globals_.try_emplace(full, nullptr);
    if (fresh) it->second = &out_.owned_.emplace_back(std::move(full));
    return make_text(Kind::kGlobal, *it->second);
  }

  // ---- stack ----

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Result<Id> pop() {
    if (stack_.size() <= floor()) return broken("takes more values than there are");
    const Id id = stack_.back();
    stack_.pop_back();
    return id;
  }

  Result<Id> top() const {
    if (stack_.size() <= floor()) return broken("takes more values than there are");
    return stack_.back();
  }

  // What lies above the last mark, removed with it.
  Result<std::vector<Id>> pop_to_mark() {
    if (marks_.empty()) return broken("finds no mark");
    const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
    std::vector<Id> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  Status push_tuple(size_t count) {
    if (stack_.size() < floor() + count) return broken("takes more values than there are");
    std::vector<Id> items(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return push(make_list(Kind::kTuple, std::move(items)));
  }

  // ---- memo ----

  // Every PUT takes two bytes or more, so an index far beyond the bytes read is no pickler's.
  Status put(uint64_t index) {
    PTE_TRY(const Id id, top());
    if (index > at_ + 1024) return broken("memo index {} is out of proportion", index);
    if (index >= memo_.size()) memo_.resize(index + 1, Pickle::kNoValue);
    if (memo_[index] == Pickle::kNoValue) ++memo_count_;
    memo_[index] = id;
    return {};
  }

  Status get(uint64_t index) {
    if (index >= memo_.size() || memo_[index] == Pickle::kNoValue) {
      return broken("memo index {} was never stored", index);
    }
    stack_.push_back(memo_[index]);
    return {};
  }

  Result<uint64_t> index_line() {
    PTE_TRY(const auto text, line());
    uint64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || stop != text.data() + text.size()) {
      return broken("has a malformed memo index");
    }
    return value;
  }

  // ---- composite opcodes ----

  Status append(const std::vector<Id>& values, bool to_set) {
    PTE_TRY(const Id target, top());
    const Pickle::Node& node = out_.nodes_[target];
    std::vector<Id>* items = nullptr;
    if (node.kind == (to_set ? Kind::kSet : Kind::kList)) items = &out_.lists_[node.index];
    if (node.kind == Kind::kObject) items = &out_.objects_[node.index].items;
    if (!items) return broken("appends to what is no list");
    items->insert(items->end(), values.begin(), values.end());
    return {};
  }

  Status set_items(const std::vector<Id>& values) {
    if (values.size() % 2 != 0) return broken("sets a key without a value");
    PTE_TRY(const Id target, top());
    const Pickle::Node& node = out_.nodes_[target];
    std::vector<Id>* entries = nullptr;
    if (node.kind == Kind::kDict) entries = &out_.lists_[node.index];
    if (node.kind == Kind::kObject) entries = &out_.objects_[node.index].entries;
    if (!entries) return broken("sets an item of what is no dict");
    entries->insert(entries->end(), values.begin(), values.end());
    return {};
  }

  // callable and a tuple of arguments, from the stack.
  Status call() {
    PTE_TRY(const Id args, pop());
    PTE_TRY(const Id callable, pop());
    if (out_.nodes_[args].kind != Kind::kTuple) {
      // TorchScript makes members of an enumeration from a bare value.
      const Pickle::Node& node = out_.nodes_[callable];
      if (node.kind != Kind::kGlobal || node.index < 9 ||
          std::string_view(node.text, node.index).substr(0, 9) != "__torch__") {
        return broken("calls with what is no tuple");
      }
    }
    return push(make_object(callable, args));
  }

  Status build() {
    PTE_TRY(const Id state, pop());
    PTE_TRY(const Id target, top());
    const Pickle::Node& node = out_.nodes_[target];
    if (node.kind != Kind::kObject) return broken("builds what is no object");
    Pickle::Object& object = out_.objects_[node.index];
    if (object.state != Pickle::kNoValue) return broken("builds one object twice");
    object.state = state;
    return {};
  }

  Status int_line() {
    PTE_TRY(const auto text, line());
    if (text == "01") return push_int(1, Kind::kBool);
    if (text == "00") return push_int(0, Kind::kBool);
    return decimal(text);
  }

  Status decimal(std::string_view text) {
    int64_t value = 0;
    const char* begin = text.data();
    const char* end = begin + text.size();
    if (begin != end && *begin == '+') ++begin;
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (error == std::errc::result_out_of_range) {
      return unsupported("pickle, byte {}: a decimal integer beyond 64 bits", start_);
    }
    if (error != std::errc() || stop != end) return broken("has a malformed integer");
    return push_int(value);
  }

  Status float_line() {
    PTE_TRY(const auto text, line());
    if (text.empty() || text.size() > kMaxNumberText) return broken("has a malformed float");
    const std::string copy(text);
    char* stop = nullptr;
    const double value = std::strtod(copy.c_str(), &stop);
    if (stop != copy.c_str() + copy.size()) return broken("has a malformed float");
    return push_float(value);
  }

  Status long_bytes(uint32_t count) {
    if (count > kMaxLongBytes) return broken("has an integer of {} bytes", count);
    PTE_TRY(const auto text, chars(count));
    if (count > 8) return push_text(Kind::kBigInt, text);
    uint64_t value = 0;
    std::memcpy(&value, text.data(), count);
    if (count > 0 && count < 8 && (static_cast<uint8_t>(text.back()) & 0x80)) {
      value |= ~uint64_t{0} << (8 * count);
    }
    return push_int(static_cast<int64_t>(value));
  }

  Status step(uint8_t opcode);

  Bytes bytes_;
  Pickle& out_;
  size_t at_ = 0;
  size_t start_ = 0;
  std::vector<Id> stack_;
  std::vector<size_t> marks_;
  std::vector<Id> memo_;
  uint64_t memo_count_ = 0;
  std::unordered_map<std::string, const std::string*> globals_;
};

Status PickleParser::step(uint8_t opcode) {
  switch (opcode) {
    case 0x80: {  // PROTO
      PTE_TRY(const auto version, number<uint8_t>());
      if (version > 5) return broken("is of protocol {}; 0 to 5 are known", version);
      return {};
    }
    case 0x95: {  // FRAME
      PTE_TRY(const auto size, number<uint64_t>());
      if (!in_range(at_, size, bytes_.size())) return broken("is cut short");
      return {};
    }
    case '(':
      marks_.push_back(stack_.size());
      return {};
    case '0': {  // POP takes a mark when that is on top
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
        return {};
      }
      PTE_TRY([[maybe_unused]] const Id id, pop());
      return {};
    }
    case '1': {  // POP_MARK
      PTE_TRY([[maybe_unused]] const auto items, pop_to_mark());
      return {};
    }
    case '2': {  // DUP
      PTE_TRY(const Id id, top());
      stack_.push_back(id);
      return {};
    }

    case 'N':
      return push(make(Kind::kNone));
    case 0x88:
      return push_int(1, Kind::kBool);
    case 0x89:
      return push_int(0, Kind::kBool);
    case 'I':
      return int_line();
    case 'L': {  // LONG: decimal with an L
      PTE_TRY(auto text, line());
      if (text.ends_with('L')) text.remove_suffix(1);
      return decimal(text);
    }
    case 'K': {
      PTE_TRY(const auto value, number<uint8_t>());
      return push_int(value);
    }
    case 'M': {
      PTE_TRY(const auto value, number<uint16_t>());
      return push_int(value);
    }
    case 'J': {
      PTE_TRY(const auto value, number<int32_t>());
      return push_int(value);
    }
    case 0x8a: {  // LONG1
      PTE_TRY(const auto count, number<uint8_t>());
      return long_bytes(count);
    }
    case 0x8b: {  // LONG4
      PTE_TRY(const auto count, number<int32_t>());
      if (count < 0) return broken("has a negative length");
      return long_bytes(static_cast<uint32_t>(count));
    }
    case 'F':
      return float_line();
    case 'G': {  // BINFLOAT is big-endian
      PTE_TRY(const auto bits, number<uint64_t>());
      return push_float(std::bit_cast<double>(__builtin_bswap64(bits)));
    }

    case 'S': {
      PTE_TRY(const auto text, line());
      auto decoded = decode_pickle_string(text);
      if (!decoded) return broken("has a malformed string");
      return push_owned(Kind::kString, std::move(*decoded));
    }
    case 'V': {
      PTE_TRY(const auto text, line());
      auto decoded = decode_pickle_unicode(text);
      if (!decoded) return broken("has a malformed string");
      return push_owned(Kind::kString, std::move(*decoded));
    }
    case 'T': {
      PTE_TRY(const auto text, counted<int32_t>());
      return push_text(Kind::kString, text);
    }
    case 'U':
    case 0x8c: {
      PTE_TRY(const auto text, counted<uint8_t>());
      return push_text(Kind::kString, text);
    }
    case 'X': {
      PTE_TRY(const auto text, counted<uint32_t>());
      return push_text(Kind::kString, text);
    }
    case 0x8d: {
      PTE_TRY(const auto text, counted<uint64_t>());
      return push_text(Kind::kString, text);
    }
    case 'C': {
      PTE_TRY(const auto text, counted<uint8_t>());
      return push_text(Kind::kBytes, text);
    }
    case 'B': {
      PTE_TRY(const auto text, counted<uint32_t>());
      return push_text(Kind::kBytes, text);
    }
    case 0x8e:    // BINBYTES8
    case 0x96: {  // BYTEARRAY8
      PTE_TRY(const auto text, counted<uint64_t>());
      return push_text(Kind::kBytes, text);
    }

    case ')':
      return push_tuple(0);
    case 0x85:
      return push_tuple(1);
    case 0x86:
      return push_tuple(2);
    case 0x87:
      return push_tuple(3);
    case ']':
      return push(make_list(Kind::kList, {}));
    case '}':
      return push(make_list(Kind::kDict, {}));
    case 0x8f:
      return push(make_list(Kind::kSet, {}));
    case 't':
    case 'l':
    case 'd':
    case 0x91: {
      PTE_TRY(auto items, pop_to_mark());
      if (opcode == 'd' && items.size() % 2 != 0) return broken("sets a key without a value");
      const Kind kind = opcode == 't'   ? Kind::kTuple
                        : opcode == 'l' ? Kind::kList
                        : opcode == 'd' ? Kind::kDict
                                        : Kind::kSet;
      return push(make_list(kind, std::move(items)));
    }
    case 'a': {
      PTE_TRY(const Id value, pop());
      return append({value}, false);
    }
    case 'e':
    case 0x90: {
      PTE_TRY(const auto items, pop_to_mark());
      return append(items, opcode == 0x90);
    }
    case 's': {
      PTE_TRY(const Id value, pop());
      PTE_TRY(const Id key, pop());
      return set_items({key, value});
    }
    case 'u': {
      PTE_TRY(const auto items, pop_to_mark());
      return set_items(items);
    }

    case 'c': {
      PTE_TRY(const auto module, line());
      PTE_TRY(const auto name, line());
      return push(make_global(module, name));
    }
    case 0x93: {  // STACK_GLOBAL
      PTE_TRY(const Id name, pop());
      PTE_TRY(const Id module, pop());
      const auto& nodes = out_.nodes_;
      if (nodes[name].kind != Kind::kString || nodes[module].kind != Kind::kString) {
        return broken("names a global by what is no string");
      }
      return push(make_global({nodes[module].text, nodes[module].index},
                              {nodes[name].text, nodes[name].index}));
    }
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ
      return call();
    case 0x92: {  // NEWOBJ_EX: keyword arguments are dropped, no class that is read here has them
      PTE_TRY([[maybe_unused]] const Id keywords, pop());
      return call();
    }
    case 'i':    // INST
    case 'o': {  // OBJ
      Id callable = 0;
      if (opcode == 'i') {
        PTE_TRY(const auto module, line());
        PTE_TRY(const auto name, line());
        PTE_TRY(callable, make_global(module, name));
      }
      PTE_TRY(auto items, pop_to_mark());
      if (opcode == 'o') {
        if (items.empty()) return broken("calls nothing");
        callable = items.front();
        items.erase(items.begin());
      }
      PTE_TRY(const Id args, make_list(Kind::kTuple, std::move(items)));
      return push(make_object(callable, args));
    }
    case 'b':
      return build();

    case 'P': {
      PTE_TRY(const auto text, line());
      PTE_TRY(const Id id, make_text(Kind::kString, text));
      return push(make_list(Kind::kPersistentId, {id}));
    }
    case 'Q': {
      PTE_TRY(const Id id, pop());
      return push(make_list(Kind::kPersistentId, {id}));
    }

    case 'p': {
      PTE_TRY(const auto index, index_line());
      return put(index);
    }
    case 'q': {
      PTE_TRY(const auto index, number<uint8_t>());
      return put(index);
    }
    case 'r': {
      PTE_TRY(const auto index, number<uint32_t>());
      return put(index);
    }
    case 0x94:
      return put(memo_count_);
    case 'g': {
      PTE_TRY(const auto index, index_line());
      return get(index);
    }
    case 'h': {
      PTE_TRY(const auto index, number<uint8_t>());
      return get(index);
    }
    case 'j': {
      PTE_TRY(const auto index, number<uint32_t>());
      return get(index);
    }

    case 0x82:
    case 0x83:
    case 0x84:
      return unsupported("pickle, byte {}: copyreg extension codes have no meaning here", start_);
    case 0x97:
    case 0x98:
      return unsupported("pickle, byte {}: out-of-band buffers are not in the file", start_);
    default:
      return broken("opcode 0x{:02x} is not known", opcode);
  }
}

Result<std::shared_ptr<const Pickle>> Pickle::parse(Bytes bytes) {
  auto pickle = std::make_shared<Pickle>();
  PTE_CHECK(PickleParser(bytes, *pickle).run());
  return std::shared_ptr<const Pickle>(std::move(pickle));
}

}  // namespace pte::importers
