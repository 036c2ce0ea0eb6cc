// The directory of a zip file, as PyTorch writes them (zip64, data descriptors, 64-byte aligned
// records) and as ordinary tools do. Stored entries are views into the mapping; deflated ones are
// inflated when asked for, within a bound.
//
// The bytes are not trusted: open() checks every offset and size once, refuses duplicate names and
// entries that share bytes, and nothing later can run out of the file. Names are only keys ("../x"
// is an odd key): nothing is ever unpacked to disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace pte {

struct ZipEntry {
  std::string_view name;  // views the mapping; a folder's name ends in '/'
  uint16_t method = 0;    // 0 stored, 8 deflated; others can be listed but not read
  uint32_t crc32 = 0;
  uint64_t packed_size = 0;
  uint64_t size = 0;
  uint64_t data_offset = 0;  // of the packed bytes, from the start of the file
  bool encrypted = false;

  bool is_stored() const { return method == 0 && !encrypted; }
};

// The bytes of an entry and what keeps them alive.
struct ZipData {
  Bytes bytes;
  std::shared_ptr<const void> owner;
};

class ZipArchive {
 public:
  // An inflated entry larger than this needs the caller's consent.
  static constexpr uint64_t kDefaultInflateLimit = uint64_t{256} << 20;

  // True when the bytes begin as a zip file does; open() may still fail.
  static bool looks_like_zip(Bytes bytes);
  // Fails with kInvalidData when the bytes are no zip, are cut short, or contradict themselves;
  // with kUnsupported for archives in several parts. Messages do not carry the path.
  static Result<ZipArchive> open(MappedFile file);

  // In the order of the central directory.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  // Null when there is none. The name is compared byte by byte.
  const ZipEntry* find(std::string_view name) const;
  // The same for a name below the top folder.
  const ZipEntry* find_below_top(std::string_view name) const;
  // The folder that every entry lies under, without '/'; empty when there is no such folder.
  std::string_view top_folder() const { return top_; }

  // The entry's bytes: a view of the mapping when stored, else inflated. Fails with
  // kResourceLimit when inflating would make more than `limit` bytes or the ratio is that of a
  // bomb, with kUnsupported for other methods and for encrypted entries. An inflated entry's CRC
  // is checked always, a stored one's by check_crc() alone.
  Result<ZipData> read(const ZipEntry& entry, uint64_t limit = kDefaultInflateLimit) const;
  // Holds a stored entry's bytes against its CRC-32.
  Status check_crc(const ZipEntry& entry) const;

  const MappedFile& file() const { return file_; }

 private:
  Status read_directory();
  Status read_entries(uint64_t offset, uint64_t size, uint64_t count);
  Status resolve(ZipEntry& entry, uint64_t local_offset, uint64_t limit) const;
  void find_top();

  MappedFile file_;
  std::vector<ZipEntry> entries_;
  std::unordered_map<std::string_view, size_t> by_name_;
  std::string_view top_;
};

}  // namespace pte
