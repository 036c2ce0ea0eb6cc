#include <bit>
#include <functional>
#include <unordered_map>

#include "base/checked.h"
#include "base/pages.h"
#include "program/encode.h"
#include "program/quote.h"

namespace pte::program {
namespace {

constexpr uint64_t kSegmentAlignment = 128;
constexpr uint64_t kConstantAlignment = 16;

// Indices of byte strings seen before, found by content.
class ByContent {
 public:
  // The index that equal bytes were given, or `next` when there were none.
  uint32_t find_or_insert(Bytes bytes, uint32_t next) {
    return seen_.try_emplace(as_text(bytes), next).first->second;
  }

 private:
  std::unordered_map<std::string_view, uint32_t> seen_;
};

class LayoutMaker {
 public:
  explicit LayoutMaker(const Program& program) : program_(program) {}

  Result<Layout> make() {
    constants();
    mutable_data();
    PTE_CHECK(delegates());
    PTE_CHECK(named_data());
    return std::move(out_);
  }

 private:
  void put(uint64_t offset, const Blob& blob) {
    if (blob.size() > 0) out_.pieces.push_back({offset, blob.bytes, blob.owner});
    out_.total = offset + blob.size();
  }

  void constants() {
    out_.constant_offsets.push_back(0);
    uint64_t end = 0;
    for (size_t i = 1; i < program_.constants.size(); ++i) {
      const uint64_t begin = align_up(end, kConstantAlignment);
      out_.constant_offsets.push_back(begin);
      put(begin, program_.constants[i]);
      end = begin + program_.constants[i].size();
    }
    out_.total = end;
    out_.segments.push_back({0, end});
  }

  void mutable_data() {
    if (program_.mutable_data.size() < 2) return;
    const uint64_t base = align_up(out_.total, kSegmentAlignment);
    uint64_t end = 0;
    out_.mutable_offsets.push_back(0);
    for (size_t i = 1; i < program_.mutable_data.size(); ++i) {
      out_.mutable_offsets.push_back(end);
      put(base + end, program_.mutable_data[i]);
      end += program_.mutable_data[i].size();
    }
    out_.segments.push_back({base, end});
    out_.total = base + end;
  }

  Result<uint32_t> segment(const Blob& blob) {
    constexpr uint32_t kLargestAlignment = 1U << 20;
    if (blob.alignment > kLargestAlignment ||
        (blob.alignment != 0 && !std::has_single_bit(blob.alignment))) {
      return invalid_argument("alignment {} is no power of two up to {}", blob.alignment,
                              kLargestAlignment);
    }
    const uint64_t alignment = std::max<uint64_t>(kSegmentAlignment, blob.alignment);
    const auto index = static_cast<uint32_t>(out_.segments.size());
    const uint64_t begin = align_up(out_.total, alignment);
    if (blob.bytes.empty()) {
      out_.segments.push_back({begin, 0});
      return index;
    }
    put(begin, blob);
    out_.segments.push_back({begin, blob.size()});
    return index;
  }

  Status delegates() {
    ByContent in_segments;
    ByContent inlined;
    for (const Method& method : program_.methods) {
      std::vector<uint32_t>& indices = out_.payloads.emplace_back();
      for (const Delegate& delegate : method.delegates) {
        const Bytes bytes = delegate.payload.bytes;
        if (delegate.is_inline) {
          const auto next = static_cast<uint32_t>(out_.inline_payloads.size());
          indices.push_back(inlined.find_or_insert(bytes, next));
          if (indices.back() == next) out_.inline_payloads.push_back(bytes);
          continue;
        }
        const auto next = static_cast<uint32_t>(out_.segments.size());
        indices.push_back(in_segments.find_or_insert(bytes, next));
        if (indices.back() != next) continue;
        PTE_CHECK(segment(delegate.payload).at(fmt::format("delegate {}", quote(delegate.id))));
      }
    }
    return {};
  }

  Status named_data() {
    ByContent seen;
    for (const NamedData& entry : program_.named_data) {
      const auto next = static_cast<uint32_t>(out_.segments.size());
      out_.named_data.push_back(seen.find_or_insert(entry.data.bytes, next));
      release_pages(entry.data.bytes, entry.data.owner);
      if (out_.named_data.back() != next) continue;
      PTE_CHECK(segment(entry.data).at(fmt::format("named data {}", quote(entry.key))));
    }
    return {};
  }

  const Program& program_;
  Layout out_;
};

}  // namespace

Result<Layout> lay_out(const Program& program) { return LayoutMaker(program).make(); }

}  // namespace pte::program
