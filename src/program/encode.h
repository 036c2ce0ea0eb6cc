// The flatbuffer of a .pte from a Program and a layout of its segments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "program/program.h"

namespace pte::program {

// One stretch of bytes in the segment part of the file, `offset` from its base.
struct Piece {
  uint64_t offset = 0;
  Bytes bytes;
  std::shared_ptr<const void> owner;
};

struct Segment {
  uint64_t offset = 0;
  uint64_t size = 0;
};

// Where everything outside the flatbuffer goes.
struct Layout {
  std::vector<Segment> segments;
  std::vector<uint64_t> constant_offsets;  // within segment 0, which always exists
  std::vector<uint64_t> mutable_offsets;   // within segment 1; empty without mutable data
  // By method and delegate: segment of its payload, or index of its inline data.
  std::vector<std::vector<uint32_t>> payloads;
  std::vector<Bytes> inline_payloads;
  std::vector<uint32_t> named_data;  // segment of each entry
  std::vector<Piece> pieces;         // ascending, gaps are zeros
  uint64_t total = 0;                // bytes from the first segment to the end of the last
};

// Equal payloads share a segment, equal named data another; segments begin at multiples of 128.
Result<Layout> lay_out(const Program& program);

// The finished flatbuffer, without the extended header.
Result<std::vector<std::byte>> encode(const Program& program, const Layout& layout);

}  // namespace pte::program
