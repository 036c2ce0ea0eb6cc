// A libFuzzer mutator for .pte, .ptd and .bpte files. Bytes changed anywhere mostly break an
// offset, and the flatbuffers verifier refuses the file before anything of ours sees it. This one
// walks the tables and changes what their fields say: numbers, indices, lengths, kinds of unions,
// which table an item of a list is; and the header and the segments' bytes. Offsets stay as they
// are.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

// A field as the schema has it: b, i, l are numbers of 1, 4 and 8 bytes; B, I, L lists of them; s a
// string; t and T a table and a list of tables; u a union's kind (its table follows as 'v').
struct Field {
  char kind;
  int table = -1;
};
using Table = std::vector<Field>;

enum : int {
  kTrees,
  kNull,
  kPlace,
  kExtra,
  kTensor,
  kInt,
  kBool,
  kDouble,
  kString,
  kInts,
  kReals,
  kFlags,
  kIndices,
  kValue,
  kOperator,
  kCall,
  kPair,
  kFree,
  kInstruction,
  kFrame,
  kFrames,
  kReference,
  kSpec,
  kDelegate,
  kChain,
  kDevice,
  kPlan,
  kBuffer,
  kSegment,
  kSubsegment,
  kNamed,
  kProgram,
  kLayout,
  kDataNamed,
  kFlatTensor,
  kTestTensor,
  kTestValue,
  kTestCase,
  kTestSuite,
  kBundle,
  kTables
};

// What a union's kinds stand for, from kind 1 on.
const std::vector<int> kValueKinds = {kNull, kInt,   kBool,  kDouble,  kTensor, kString,
                                      kInts, kReals, kFlags, kIndices, kIndices};
const std::vector<int> kInstructionKinds = {kCall, kCall, kPair, kPair, kFree};
const std::vector<int> kTestKinds = {kTestTensor, kInt, kBool, kDouble};

const std::vector<Table>& schema() {
  static const std::vector<Table> tables = [] {
    std::vector<Table> t(kTables);
    t[kTrees] = {{'s'}, {'s'}};
    t[kPlace] = {{'i'}, {'i'}, {'i'}};
    t[kExtra] = {{'l'}, {'s'}, {'b'}, {'b'}, {'b'}};
    t[kTensor] = {{'b'}, {'i'},         {'I'}, {'B'}, {'b'},
                  {'i'}, {'t', kPlace}, {'b'}, {'b'}, {'t', kExtra}};
    t[kInt] = t[kDouble] = {{'l'}};
    t[kBool] = {{'b'}};
    t[kString] = {{'s'}};
    t[kInts] = t[kReals] = {{'L'}};
    t[kFlags] = {{'B'}};
    t[kIndices] = {{'I'}};
    t[kValue] = {{'u', kValue}, {'v'}};
    t[kOperator] = {{'s'}, {'s'}};
    t[kCall] = {{'i'}, {'I'}};
    t[kPair] = {{'i'}, {'i'}};
    t[kFree] = {{'i'}};
    t[kInstruction] = {{'u', kInstruction}, {'v'}};
    t[kFrame] = {{'s'}, {'i'}, {'s'}, {'s'}};
    t[kFrames] = {{'T', kFrame}};
    t[kReference] = {{'b'}, {'i'}};
    t[kSpec] = {{'s'}, {'B'}};
    t[kDelegate] = {{'s'}, {'t', kReference}, {'T', kSpec}};
    t[kChain] = {{'I'}, {'I'}, {'T', kInstruction}, {'T', kFrames}};
    t[kDevice] = {{'i'}, {'b'}, {'b'}};
    t[kPlan] = {{'s'},         {'t', kTrees},    {'T', kValue},    {'I'}, {'I'},
                {'T', kChain}, {'T', kOperator}, {'T', kDelegate}, {'L'}, {'T', kDevice}};
    t[kBuffer] = {{'B'}};
    t[kSegment] = {{'l'}, {'l'}};
    t[kSubsegment] = {{'i'}, {'L'}};
    t[kNamed] = {{'s'}, {'i'}};
    t[kProgram] = {{'i'},           {'T', kPlan},       {'T', kBuffer},     {'T', kBuffer},
                   {'T', kSegment}, {'t', kSubsegment}, {'T', kSubsegment}, {'T', kNamed}};
    t[kLayout] = {{'b'}, {'I'}, {'B'}};
    t[kDataNamed] = {{'s'}, {'i'}, {'t', kLayout}};
    t[kFlatTensor] = {{'i'}, {'T', kSegment}, {'T', kDataNamed}};
    t[kTestTensor] = {{'b'}, {'I'}, {'B'}, {'B'}};
    t[kTestValue] = {{'u', kTestValue}, {'v'}};
    t[kTestCase] = {{'T', kTestValue}, {'T', kTestValue}};
    t[kTestSuite] = {{'s'}, {'T', kTestCase}};
    t[kBundle] = {{'i'}, {'T', kTestSuite}, {'B'}};
    return t;
  }();
  return tables;
}

const std::vector<int>& kinds_of(int table) {
  return table == kValue ? kValueKinds : table == kInstruction ? kInstructionKinds : kTestKinds;
}

struct Spot {
  size_t at = 0;
  uint8_t size = 1;
};
// The offsets of a list of tables: two of them may change places.
struct Items {
  size_t at = 0;
  uint32_t count = 0;
};

class Walk {
 public:
  Walk(const uint8_t* data, size_t size, size_t base) : data_(data), size_(size), base_(base) {}

  void root(int table) {
    uint32_t offset = 0;
    if (read(base_, offset)) visit(base_ + offset, table, 0);
  }

  std::vector<Spot> numbers;
  std::vector<Spot> lengths;
  std::vector<Items> lists;

 private:
  static constexpr size_t kMostSpots = 20000;

  template <typename T>
  bool read(size_t at, T& value) const {
    if (at > size_ || size_ - at < sizeof(T)) return false;
    std::memcpy(&value, data_ + at, sizeof(T));
    return true;
  }

  void spot(std::vector<Spot>& to, size_t at, size_t bytes) {
    if (at <= size_ && bytes <= size_ - at && to.size() < kMostSpots) {
      to.push_back({at, static_cast<uint8_t>(bytes)});
    }
  }

  // The place that an offset at `at` names, or `size_`.
  size_t follow(size_t at) const {
    uint32_t offset = 0;
    if (!read(at, offset) || offset >= size_ - at) return size_;
    return at + offset;
  }

  void vector(size_t at, size_t element) {
    const size_t begin = follow(at);
    uint32_t count = 0;
    if (!read(begin, count)) return;
    spot(lengths, begin, 4);
    for (uint32_t i = 0; i < std::min<uint32_t>(count, 64); ++i) {
      spot(numbers, begin + 4 + i * element, element);
    }
  }

  void visit(size_t at, int table, int depth) {
    if (depth > 12 || numbers.size() >= kMostSpots) return;
    int32_t back = 0;
    if (!read(at, back)) return;
    const auto vtable = static_cast<size_t>(static_cast<int64_t>(at) - back);
    uint16_t bytes = 0;
    if (!read(vtable, bytes)) return;
    uint8_t kind = 0;
    const Table& fields = schema()[static_cast<size_t>(table)];
    for (size_t i = 0; i < fields.size(); ++i) {
      uint16_t offset = 0;
      if (4 + 2 * i + 2 > bytes || !read(vtable + 4 + 2 * i, offset) || offset == 0) continue;
      const size_t place = at + offset;
      switch (fields[i].kind) {
        case 'b':
          spot(numbers, place, 1);
          break;
        case 'i':
          spot(numbers, place, 4);
          break;
        case 'l':
          spot(numbers, place, 8);
          break;
        case 'B':
          vector(place, 1);
          break;
        case 's':
          vector(place, 1);
          break;
        case 'I':
          vector(place, 4);
          break;
        case 'L':
          vector(place, 8);
          break;
        case 't':
          visit(follow(place), fields[i].table, depth + 1);
          break;
        case 'u': {
          spot(numbers, place, 1);
          read(place, kind);
          break;
        }
        case 'v': {
          const std::vector<int>& kinds = kinds_of(table);
          if (kind >= 1 && kind <= kinds.size()) visit(follow(place), kinds[kind - 1], depth + 1);
          break;
        }
        case 'T': {
          const size_t begin = follow(place);
          uint32_t count = 0;
          if (!read(begin, count)) break;
          spot(lengths, begin, 4);
          count = static_cast<uint32_t>(std::min<size_t>(count, (size_ - begin) / 4));
          if (count > 1) lists.push_back({begin + 4, count});
          for (uint32_t k = 0; k < std::min<uint32_t>(count, 4096); ++k) {
            visit(follow(begin + 4 + size_t{4} * k), fields[i].table, depth + 1);
          }
          break;
        }
        default:
          break;
      }
    }
  }

  const uint8_t* data_;
  size_t size_;
  size_t base_;
};

class Mutator {
 public:
  Mutator(uint8_t* data, size_t size, unsigned seed) : data_(data), size_(size), random_(seed) {}

  // False when the bytes are none of ours.
  bool run() {
    const size_t base = 0;
    int root = 0;
    if (size_ < 16) return false;
    const std::string_view identifier(reinterpret_cast<const char*>(data_) + 4, 4);
    if (identifier == "ET12")
      root = kProgram;
    else if (identifier == "FT01")
      root = kFlatTensor;
    else if (identifier == "BP08")
      root = kBundle;
    else
      return false;
    Walk walk(data_, size_, base);
    walk.root(root);
    if (root == kBundle) walk_inner(walk);
    if (walk.numbers.empty()) return false;
    for (unsigned edits = 1 + pick(4); edits > 0; --edits) edit(walk);
    return true;
  }

 private:
  size_t pick(size_t count) { return count == 0 ? 0 : random_() % count; }

  // A bundle's program begins at a multiple of 32; its own offsets count from there.
  void walk_inner(Walk& walk) {
    for (size_t at = 32; at + 64 < size_; at += 32) {
      if (std::memcmp(data_ + at + 4, "ET12", 4) != 0) continue;
      Walk inside(data_ + at, size_ - at, 0);
      inside.root(kProgram);
      for (Spot spot : inside.numbers) walk.numbers.push_back({spot.at + at, spot.size});
      return;
    }
  }

  void edit(const Walk& walk) {
    const size_t choice = pick(100);
    if (choice < 70) {
      number(walk.numbers[pick(walk.numbers.size())], walk.numbers);
    } else if (choice < 78 && !walk.lengths.empty()) {
      length(walk.lengths[pick(walk.lengths.size())]);
    } else if (choice < 86 && !walk.lists.empty()) {
      exchange(walk.lists[pick(walk.lists.size())]);
    } else if (choice < 90) {
      header();
    } else {
      // Constants and payloads.
      const size_t at = pick(size_ - 4);
      if (pick(2) == 0)
        data_[at] ^= static_cast<uint8_t>(1U << pick(8));
      else
        store(at, 4, interesting(load(at, 4)));
    }
  }

  uint64_t load(size_t at, size_t bytes) const {
    uint64_t value = 0;
    std::memcpy(&value, data_ + at, bytes);
    return value;
  }
  void store(size_t at, size_t bytes, uint64_t value) { std::memcpy(data_ + at, &value, bytes); }

  uint64_t interesting(uint64_t old) {
    switch (pick(10)) {
      case 0:
        return 0;
      case 1:
        return 1;
      case 2:
        return ~uint64_t{0};
      case 3:
        return old + 1;
      case 4:
        return old - 1;
      case 5:
        return old ^ (uint64_t{1} << pick(64));
      case 6:
        return uint64_t{1} << pick(64);
      case 7:
        return old * 2;
      case 8:
        return 0x7fffffff;
      default:
        return pick(40);
    }
  }

  void number(const Spot& spot, const std::vector<Spot>& all) {
    uint64_t value = interesting(load(spot.at, spot.size));
    // What stands elsewhere is more often in range than what comes from nowhere.
    if (pick(3) == 0) {
      const Spot& other = all[pick(all.size())];
      if (other.size == spot.size) value = load(other.at, other.size);
    }
    store(spot.at, spot.size, value);
  }

  void length(const Spot& spot) {
    const uint64_t old = load(spot.at, 4);
    store(spot.at, 4, pick(4) == 0 ? interesting(old) : old == 0 ? 1 : old - 1 - pick(old));
  }

  // An item of a list becomes another one: offsets count from where they stand.
  void exchange(const Items& items) {
    const size_t a = items.at + 4 * pick(items.count);
    const size_t b = items.at + 4 * pick(items.count);
    const auto distance = static_cast<uint32_t>(b - a);
    const auto from = static_cast<uint32_t>(load(b, 4)) + distance;
    if (pick(2) == 0) store(b, 4, static_cast<uint32_t>(load(a, 4)) - distance);
    store(a, 4, from);
  }

  void header() {
    const size_t at = 12 + 4 * pick(9);
    if (at + 4 <= size_) store(at, 4, interesting(load(at, 4)));
  }

  uint8_t* data_;
  size_t size_;
  std::minstd_rand random_;
};

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  if (seed % 16 == 0 || !Mutator(data, size, seed).run()) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  return size;
}
