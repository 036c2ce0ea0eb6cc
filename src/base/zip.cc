#include "base/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/checked.h"

namespace pte {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kCentralSignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kEnd64Signature = 0x06064b50;
constexpr uint32_t kLocator64Signature = 0x07064b50;
constexpr uint64_t kLocalSize = 30;
constexpr uint64_t kCentralSize = 46;
constexpr uint64_t kEndSize = 22;
constexpr uint64_t kEnd64Size = 56;
constexpr uint64_t kLocator64Size = 20;
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;
constexpr uint16_t kEncryptedFlag = 1;
constexpr uint16_t kZip64Field = 1;

// Deflate cannot do better than 1032 to 1; a larger claim is a lie.
constexpr uint64_t kDeflateBestRatio = 1032;
// Above this size, an entry packed tighter than the ratio below holds nothing but padding.
constexpr uint64_t kBombSize = uint64_t{16} << 20;
constexpr uint64_t kBombRatio = 256;

template <typename T>
T load(Bytes bytes, uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// A name for messages: bounded, and without control characters.
std::string shown(std::string_view name) {
  std::string out;
  for (char c : name.substr(0, 80)) out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  if (name.size() > 80) out += "...";
  return out;
}

struct Directory {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t count = 0;
  uint64_t end = 0;  // where the end records start
};

// The end record is last in the file but for a comment of up to 65535 bytes.
std::optional<uint64_t> find_end_record(Bytes file) {
  if (file.size() < kEndSize) return std::nullopt;
  const uint64_t last = file.size() - kEndSize;
  const uint64_t first = last > 0xffff ? last - 0xffff : 0;
  for (uint64_t at = last + 1; at-- > first;) {
    if (load<uint32_t>(file, at) == kEndSignature && load<uint16_t>(file, at + 20) == last - at) {
      return at;
    }
  }
  return std::nullopt;
}

// A 16- or 32-bit field that is not saturated must say what its 64-bit twin says.
template <typename T>
bool agrees(T narrow, uint64_t wide) {
  return narrow == std::numeric_limits<T>::max() || narrow == wide;
}

Result<Directory> locate_directory(Bytes file) {
  const auto end = find_end_record(file);
  if (!end) {
    return invalid_data(
        "not a complete zip file: the directory that ends every zip was not found in {} bytes; "
        "the file is cut short or is no zip",
        file.size());
  }
  const auto disk = load<uint16_t>(file, *end + 4);
  const auto directory_disk = load<uint16_t>(file, *end + 6);
  const auto disk_count = load<uint16_t>(file, *end + 8);
  const auto count = load<uint16_t>(file, *end + 10);
  const auto size = load<uint32_t>(file, *end + 12);
  const auto offset = load<uint32_t>(file, *end + 16);
  if (disk != directory_disk || disk_count != count || (disk != 0 && disk != 0xffff)) {
    return unsupported("zip archives in several parts cannot be read");
  }
  Directory out{offset, size, count, *end};

  if (*end >= kLocator64Size &&
      load<uint32_t>(file, *end - kLocator64Size) == kLocator64Signature) {
    const uint64_t locator = *end - kLocator64Size;
    const auto at = load<uint64_t>(file, locator + 8);
    if (!in_range(at, kEnd64Size, locator) || load<uint32_t>(file, at) != kEnd64Signature) {
      return invalid_data("zip: the zip64 end record should be at byte {} and is not", at);
    }
    out = {load<uint64_t>(file, at + 48), load<uint64_t>(file, at + 40),
           load<uint64_t>(file, at + 32), at};
    if (load<uint64_t>(file, at + 24) != out.count || load<uint32_t>(file, at + 16) != 0 ||
        load<uint32_t>(file, at + 20) != 0) {
      return unsupported("zip archives in several parts cannot be read");
    }
    if (!agrees(count, out.count) || !agrees(size, out.size) || !agrees(offset, out.offset)) {
      return invalid_data("zip: the end record and the zip64 end record contradict each other");
    }
  } else if (count == 0xffff || size == 0xffffffff || offset == 0xffffffff) {
    return invalid_data("zip: the end record points to a zip64 record that is missing");
  }
  if (!in_range(out.offset, out.size, out.end)) {
    return invalid_data("zip: the directory ({} bytes at {}) does not fit before byte {}", out.size,
                        out.offset, out.end);
  }
  if (out.count > out.size / kCentralSize) {
    return invalid_data("zip: a directory of {} bytes cannot hold {} entries", out.size, out.count);
  }
  return out;
}

// Fills saturated sizes and offset from the zip64 extra field, in the order the format fixes.
Status apply_zip64(Bytes extra, ZipEntry& entry, uint64_t& local_offset, bool wide_size,
                   bool wide_packed, bool wide_offset) {
  if (!wide_size && !wide_packed && !wide_offset) return {};
  for (uint64_t at = 0; in_range(at, 4, extra.size());) {
    const auto id = load<uint16_t>(extra, at);
    const uint64_t size = load<uint16_t>(extra, at + 2);
    at += 4;
    if (!in_range(at, size, extra.size())) break;
    if (id == kZip64Field) {
      const Bytes field = extra.subspan(at, size);
      uint64_t used = 0;
      const auto take = [&](bool wanted, uint64_t& value) {
        if (!wanted) return true;
        if (!in_range(used, 8, field.size())) return false;
        value = load<uint64_t>(field, used);
        used += 8;
        return true;
      };
      if (take(wide_size, entry.size) && take(wide_packed, entry.packed_size) &&
          take(wide_offset, local_offset)) {
        return {};
      }
      break;
    }
    at += size;
  }
  return invalid_data("zip: entry '{}' lacks its zip64 sizes", shown(entry.name));
}

}  // namespace

bool ZipArchive::looks_like_zip(Bytes bytes) {
  if (bytes.size() < 4) return false;
  const auto signature = load<uint32_t>(bytes, 0);
  return signature == kLocalSignature || signature == kEndSignature;
}

Result<ZipArchive> ZipArchive::open(MappedFile file) {
  ZipArchive archive;
  archive.file_ = std::move(file);
  PTE_CHECK(archive.read_directory());
  archive.find_top();
  return archive;
}

Status ZipArchive::read_directory() {
  PTE_TRY(const Directory directory, locate_directory(file_.bytes()));
  return read_entries(directory.offset, directory.size, directory.count);
}

Status ZipArchive::read_entries(uint64_t offset, uint64_t size, uint64_t count) {
  const Bytes directory = file_.bytes().subspan(offset, size);
  entries_.reserve(count);
  by_name_.reserve(count);
  struct Extent {
    uint64_t begin, end;
    size_t entry;
  };
  std::vector<Extent> extents;
  extents.reserve(count);

  uint64_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (!in_range(at, kCentralSize, size) || load<uint32_t>(directory, at) != kCentralSignature) {
      return invalid_data("zip: entry {} of {} is missing from the directory", i, count);
    }
    const auto flags = load<uint16_t>(directory, at + 8);
    const uint64_t name_size = load<uint16_t>(directory, at + 28);
    const uint64_t extra_size = load<uint16_t>(directory, at + 30);
    const uint64_t comment_size = load<uint16_t>(directory, at + 32);
    ZipEntry entry;
    entry.method = load<uint16_t>(directory, at + 10);
    entry.crc32 = load<uint32_t>(directory, at + 16);
    entry.packed_size = load<uint32_t>(directory, at + 20);
    entry.size = load<uint32_t>(directory, at + 24);
    entry.encrypted = (flags & kEncryptedFlag) != 0;
    uint64_t local_offset = load<uint32_t>(directory, at + 42);
    at += kCentralSize;
    if (!in_range(at, name_size + extra_size + comment_size, size)) {
      return invalid_data("zip: entry {} of {} runs out of the directory", i, count);
    }
    entry.name = as_text(directory.subspan(at, name_size));
    PTE_CHECK(apply_zip64(directory.subspan(at + name_size, extra_size), entry, local_offset,
                          entry.size == 0xffffffff, entry.packed_size == 0xffffffff,
                          local_offset == 0xffffffff));
    at += name_size + extra_size + comment_size;
    PTE_CHECK(resolve(entry, local_offset, offset));
    if (!by_name_.emplace(entry.name, entries_.size()).second) {
      return invalid_data("zip: two entries are named '{}'", shown(entry.name));
    }
    extents.push_back({local_offset, entry.data_offset + entry.packed_size, entries_.size()});
    entries_.push_back(entry);
  }

  // Entries that share bytes let a small file claim to hold a huge one.
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin < extents[i - 1].end) {
      return invalid_data("zip: entries '{}' and '{}' share bytes",
                          shown(entries_[extents[i - 1].entry].name),
                          shown(entries_[extents[i].entry].name));
    }
  }
  return {};
}

// Finds the data behind the local header. Its sizes and CRC may be zero (a data descriptor
// follows), so only its lengths and name count.
Status ZipArchive::resolve(ZipEntry& entry, uint64_t local_offset, uint64_t limit) const {
  const Bytes file = file_.bytes();
  if (!in_range(local_offset, kLocalSize, limit) ||
      load<uint32_t>(file, local_offset) != kLocalSignature) {
    return invalid_data("zip: entry '{}' should start at byte {} and does not", shown(entry.name),
                        local_offset);
  }
  const uint64_t name_size = load<uint16_t>(file, local_offset + 26);
  const uint64_t extra_size = load<uint16_t>(file, local_offset + 28);
  const uint64_t name_offset = local_offset + kLocalSize;
  if (!in_range(name_offset, name_size + extra_size, limit) ||
      as_text(file.subspan(name_offset, name_size)) != entry.name) {
    return invalid_data("zip: entry '{}' has another name in its own header", shown(entry.name));
  }
  entry.data_offset = name_offset + name_size + extra_size;
  if (!in_range(entry.data_offset, entry.packed_size, limit)) {
    return invalid_data("zip: entry '{}' ({} bytes at {}) runs into the directory",
                        shown(entry.name), entry.packed_size, entry.data_offset);
  }
  if (entry.method == kStored && !entry.encrypted && entry.size != entry.packed_size) {
    return invalid_data("zip: stored entry '{}' has two sizes, {} and {}", shown(entry.name),
                        entry.size, entry.packed_size);
  }
  return {};
}

void ZipArchive::find_top() {
  if (entries_.empty()) return;
  const std::string_view first = entries_[0].name;
  const size_t slash = first.find('/');
  if (slash == 0 || slash == std::string_view::npos) return;
  const std::string_view prefix = first.substr(0, slash + 1);
  for (const ZipEntry& entry : entries_) {
    if (!entry.name.starts_with(prefix)) return;
  }
  top_ = first.substr(0, slash);
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &entries_[it->second];
}

const ZipEntry* ZipArchive::find_below_top(std::string_view name) const {
  if (top_.empty()) return find(name);
  std::string full(top_);
  full += '/';
  full += name;
  return find(full);
}

Result<ZipData> ZipArchive::read(const ZipEntry& entry, uint64_t limit) const {
  if (entry.encrypted) return unsupported("zip: entry '{}' is encrypted", shown(entry.name));
  const Bytes packed = file_.bytes().subspan(entry.data_offset, entry.packed_size);
  if (entry.method == kStored) return ZipData{packed, file_.owner()};
  if (entry.method != kDeflated) {
    return unsupported(
        "zip: entry '{}' is packed with method {}; stored (0) and deflated (8) can be read",
        shown(entry.name), entry.method);
  }
  if (entry.size > limit) {
    return make_error(Code::kResourceLimit, "zip: entry '{}' inflates to {} bytes, more than {}",
                      shown(entry.name), entry.size, limit);
  }
  if (entry.size / kDeflateBestRatio > entry.packed_size) {
    return invalid_data("zip: entry '{}' cannot inflate from {} to {} bytes", shown(entry.name),
                        entry.packed_size, entry.size);
  }
  if (entry.size > kBombSize && entry.size / kBombRatio > entry.packed_size) {
    return make_error(Code::kResourceLimit,
                      "zip: entry '{}' inflates from {} to {} bytes: refused as a zip bomb",
                      shown(entry.name), entry.packed_size, entry.size);
  }

  // One byte more than claimed, to see an entry that holds more; zlib counts in 32 bits, so
  // larger entries go through in pieces.
  auto out = std::make_shared<std::vector<std::byte>>(entry.size + 1);
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return make_error(Code::kResourceLimit, "zip: no memory to inflate '{}'", shown(entry.name));
  }
  constexpr uint64_t kPiece = uint64_t{1} << 30;
  uint64_t read = 0;
  uint64_t written = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const uint64_t in = std::min(kPiece, packed.size() - read);
    const uint64_t room = std::min(kPiece, out->size() - written);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data() + read));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(out->data() + written);
    stream.avail_out = static_cast<uInt>(room);
    state = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += room - stream.avail_out;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || written != entry.size) {
    return invalid_data("zip: entry '{}' does not inflate to its {} bytes", shown(entry.name),
                        entry.size);
  }
  const Bytes bytes(out->data(), entry.size);
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (crc != entry.crc32) {
    return invalid_data("zip: entry '{}' is damaged: its CRC-32 is {:08x}, not {:08x}",
                        shown(entry.name), crc, entry.crc32);
  }
  return ZipData{bytes, std::move(out)};
}

Status ZipArchive::check_crc(const ZipEntry& entry) const {
  PTE_TRY(const ZipData data, read(entry));
  if (!entry.is_stored()) return {};
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(data.bytes.data()), data.bytes.size());
  if (crc != entry.crc32) {
    return invalid_data("zip: entry '{}' is damaged: its CRC-32 is {:08x}, not {:08x}",
                        shown(entry.name), crc, entry.crc32);
  }
  return {};
}

}  // namespace pte
