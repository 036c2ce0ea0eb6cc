// Packed weights in a file of their own: written once, mapped by every later process that runs the
// same weights with the same kernels.
//
//   0    "PTEPACK\n", layout version, byte order mark, size of the file, place and size of the
//        index, digest of the index
//   64   blocks, each aligned to 64 bytes
//   ..   index: the key, and for each block its place, size, digest and what it is
//
// Numbers lie as the machine has them: packed weights are of no use to another kind anyway.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "simd/buffer.h"

namespace pte::engine {

struct PackedBlock {
  std::string what;  // which kernel reads the bytes, and of which shape
  simd::Buffer bytes;
};

class PackedFile {
 public:
  // Maps a file; its blocks borrow the mapping. Fails with kNotFound, or says what is wrong with
  // the file. Looks at its ends only: the bytes of blocks are taken as they are.
  static Result<PackedFile> open(const std::string& path);
  // Whether blocks are what was written, which takes a pass over all of them.
  Status verify() const;

  const std::string& key() const { return key_; }
  const std::vector<PackedBlock>& blocks() const { return blocks_; }

 private:
  std::string key_;
  std::vector<PackedBlock> blocks_;
  std::vector<std::string> digests_;
};

// Written beside `path` and renamed.
Status write_packed_file(const std::string& path, std::string_view key,
                         std::span<const PackedBlock> blocks);

}  // namespace pte::engine
