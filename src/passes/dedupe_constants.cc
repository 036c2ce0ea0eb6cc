#include <cstring>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace pte::passes {
namespace {

// A few words from all over the tensor tell most different ones apart without reading them whole.
uint64_t sample(Bytes bytes) {
  constexpr size_t kSamples = 16;
  uint64_t seed = bytes.size();
  if (bytes.size() < 8) {
    uint64_t word = 0;
    if (!bytes.empty()) std::memcpy(&word, bytes.data(), bytes.size());
    return seed ^ (word * 0x9E3779B97F4A7C15ULL);
  }
  for (size_t i = 0; i < kSamples; ++i) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + (bytes.size() - 8) / kSamples * i, 8);
    seed = (seed ^ word) * 0x9E3779B97F4A7C15ULL;
    seed ^= seed >> 32;
  }
  return seed;
}

bool same_bytes(Bytes a, Bytes b) {
  return a.data() == b.data() || std::memcmp(a.data(), b.data(), a.size()) == 0;
}

// A set of constants that may be equal: same type, same sample. Each bucket keeps one of every
// kind, found by its whole hash once a second candidate turns up.
struct Bucket {
  std::unordered_map<size_t, std::vector<const std::string*>> by_hash;
};

size_t hash_bytes(Bytes bytes) {
  return std::hash<std::string_view>()(
      std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

Result<int64_t> dedupe_constants(ir::Module& module) {
  const auto written = written_constants(module);
  using Key = std::tuple<DType, Sizes, uint64_t>;
  std::map<Key, std::vector<const std::string*>> candidates;
  for (const auto& [key, constant] : module.constants) {
    const Tensor& data = constant.data;
    // Another layout in memory is made contiguous by the writer; it is compared then or never.
    if (!data.has_data() || !data.is_contiguous() || data.numel() == 0 || written.contains(key)) {
      continue;
    }
    candidates[{data.dtype(), data.sizes(), sample(data.bytes())}].push_back(&key);
  }
  std::map<std::string, std::string, std::less<>> same_as;
  for (const auto& [type, keys] : candidates) {
    if (keys.size() < 2) continue;
    Bucket bucket;
    for (const std::string* key : keys) {
      const Bytes bytes = module.constants.at(*key).data.bytes();
      auto& twins = bucket.by_hash[hash_bytes(bytes)];
      bool found = false;
      for (const std::string* twin : twins) {
        if (!same_bytes(bytes, module.constants.at(*twin).data.bytes())) continue;
        same_as.emplace(*key, *twin);
        found = true;
        break;
      }
      if (!found) twins.push_back(key);
    }
  }
  if (same_as.empty()) return 0;
  for (Graph* graph : all_graphs(module)) {
    for (Value* value : graph->constants()) {
      const auto it = same_as.find(*value->constant());
      if (it == same_as.end()) continue;
      graph->replace_uses(value, graph->constant(it->second, value->tensor()));
    }
  }
  module.drop_unused_constants();
  return static_cast<int64_t>(same_as.size());
}

}  // namespace pte::passes
