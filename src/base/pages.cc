#include "base/pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace pte {

void Unmap::operator()(const void* data) const { ::munmap(const_cast<void*>(data), size); }

void release_pages(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner) {
  if (bytes.empty() || std::get_deleter<Unmap>(owner) == nullptr) return;
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) / page * page;
  const auto end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
  // The mapping is private and never written to: its pages come back from the file.
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void release_code() {
#ifdef NDEBUG
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void*) {
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& segment = object->dlpi_phdr[i];
          // What is not writable was never relocated either: it comes back as it was.
          if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
          static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
          const uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) / page * page;
          const uintptr_t end = object->dlpi_addr + segment.p_vaddr + segment.p_filesz;
          ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 0;
      },
      nullptr);
#endif
}

void release_heap() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

}  // namespace pte
