// Weights in the order in which kernels read them. A plan says what is to be packed; each block is
// then found in this process, where another session has it, or in a file that an earlier process
// left, or packed, all layers side by side.
//
// Which block is whose goes by what its bytes are a function of: the weights, the kernel and its
// shape, the instruction set and the version of the layout. Weights go by SHA-256, or, where they
// lie in a mapped file that has not been written to lately, by that file's stamp (device, inode,
// size, times) and their place in it, so that a warm start does not read them.
//
// In the folder: <sha-256 of all that>.packed, and for each program a symbolic link
// <digest of stamps>.weights to it. Any of them may be deleted at any time, by anyone.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/pool.h"
#include "simd/buffer.h"
#include "tensor/tensor.h"

namespace pte::engine {

// One block that a kernel reads.
struct PackJob {
  std::string what;             // the kernel, its shape, algorithm and instruction set
  std::vector<Tensor> sources;  // the weights, as the program has them
  simd::Buffer buffer;          // of the kernel: provided when the job is done
  // Writes buffer.size() bytes, which were zero. Called by any thread.
  std::function<Status(std::byte* to)> pack;
};

struct PackOptions {
  Pool* pool = nullptr;  // null: the caller's thread alone
  std::string folder;    // of files of packed weights; empty: none
};

// What came from where.
struct PackReport {
  size_t blocks = 0;
  size_t shared = 0;   // with other sessions of this process
  size_t mapped = 0;   // from a file
  size_t packed = 0;   // by this call
  uint64_t bytes = 0;  // of all blocks
  std::string file;    // that holds them; empty: none does
  std::string note;    // why a file was not used or not written; empty: nothing to say
};

// Provides every job's buffer. A folder that cannot be used is a note; failing are only jobs.
Result<PackReport> pack_weights(std::span<PackJob> jobs, const PackOptions& options = {});

// Blocks that are alive and may be shared; for tests.
size_t shared_blocks();

}  // namespace pte::engine
