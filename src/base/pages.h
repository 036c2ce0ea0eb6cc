// Memory handed back to the system before it would go by itself, so that converting a model takes
// little more memory than what it writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace pte {

// Which state of which file was mapped. A file that is written to later gets another `changed`,
// unless the clock has not moved on since: `settled` says that it had when the file was mapped.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified = 0;  // nanoseconds
  int64_t changed = 0;
  bool settled = false;
};

// How the owner of a mapped file's bytes lets go of them; see MappedFile::owner().
struct Unmap {
  std::span<const std::byte> file;  // the whole of it
  FileStamp stamp;
  void operator()(const void* data) const;
};
// Of memory that MappedFile::open() mapped; else null.
const Unmap* mapping_of(const std::shared_ptr<const void>& owner);

// Takes the pages that hold `bytes` out of this process until they are read again, if `owner` maps
// a file; other memory is left alone. For whoever has read a whole weight and goes on to the next.
void release_pages(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner);

// Between the steps of a long job, none of which calls what the one before it did: gives back free
// heap memory, which a step takes in small pieces, and the pages of code and read-only data that it
// ran through. The code goes in release builds only, as a debugger's breakpoints would go along.
void leave_step();

}  // namespace pte
