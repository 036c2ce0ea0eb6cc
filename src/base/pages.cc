#include "base/pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace pte {

namespace {

// Of private mappings that nobody wrote to: their pages come back from the file.
void drop_pages(uintptr_t begin, size_t bytes) {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = begin / page * page;
  ::madvise(reinterpret_cast<void*>(first), begin + bytes - first, MADV_DONTNEED);
}

#ifdef NDEBUG
int drop_code(dl_phdr_info* object, size_t, void*) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    // What is not writable was never relocated either.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    drop_pages(object->dlpi_addr + segment.p_vaddr, segment.p_filesz);
  }
  return 0;
}
#endif

}  // namespace

void Unmap::operator()(const void* data) const { ::munmap(const_cast<void*>(data), file.size()); }

const Unmap* mapping_of(const std::shared_ptr<const void>& owner) {
  return std::get_deleter<Unmap>(owner);
}

void release_pages(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner) {
  if (bytes.empty() || std::get_deleter<Unmap>(owner) == nullptr) return;
  drop_pages(reinterpret_cast<uintptr_t>(bytes.data()), bytes.size());
}

void leave_step() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
#ifdef NDEBUG
  dl_iterate_phdr(drop_code, nullptr);
#endif
}

}  // namespace pte
