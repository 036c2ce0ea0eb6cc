#include "engine/packed_file.h"

#include <array>
#include <cstring>

#include "base/checked.h"
#include "base/sha256.h"

namespace pte::engine {

namespace {

constexpr std::string_view kMagic = "PTEPACK\n";
constexpr uint32_t kByteOrder = 0x01020304;
constexpr size_t kDigest = 16;  // hex digits of a digest that are kept
// More than any model has layers, and long enough for any description of one.
constexpr uint32_t kMostBlocks = 1 << 20;
constexpr uint32_t kMostText = 4096;

struct Header {
  char magic[8];
  uint32_t layout;
  uint32_t byte_order;
  uint64_t file_bytes;
  uint64_t index_offset;
  uint64_t index_bytes;
  char index_digest[kDigest];
  char unused[8];
};
static_assert(sizeof(Header) == simd::kAlignment);

struct Entry {
  uint64_t offset;
  uint64_t bytes;
  char digest[kDigest];
  uint32_t text;  // bytes of what follows
  uint32_t unused;
};

std::string digest_of(Bytes bytes) { return sha256_hex(bytes).substr(0, kDigest); }

template <typename T>
void append(std::string& to, const T& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}
  template <typename T>
  bool read(T& value) {
    if (bytes_.size() < sizeof(T)) return false;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return true;
  }
  bool read(std::string& text, uint32_t length) {
    if (length > kMostText || bytes_.size() < length) return false;
    text = as_text(bytes_.first(length));
    bytes_ = bytes_.subspan(length);
    return true;
  }
  bool is_at_end() const { return bytes_.empty(); }

 private:
  Bytes bytes_;
};

}  // namespace

Result<PackedFile> PackedFile::open(const std::string& path) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  const Bytes bytes = file.bytes();
  const auto bad = [&](std::string_view why) { return invalid_data("{}: {}", path, why); };
  Header header;
  if (bytes.size() < sizeof(header)) return bad("too short for packed weights");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::string_view(header.magic, sizeof(header.magic)) != kMagic) {
    return bad("no file of packed weights");
  }
  if (header.byte_order != kByteOrder || header.layout != simd::kPackedLayout) {
    return bad("packed by another version");
  }
  if (header.file_bytes != bytes.size()) {
    return invalid_data("{}: {} bytes, {} were written", path, bytes.size(), header.file_bytes);
  }
  if (header.index_offset > bytes.size() ||
      header.index_bytes != bytes.size() - header.index_offset)
    return bad("its index lies outside");
  const Bytes index = bytes.subspan(header.index_offset);
  if (digest_of(index) != std::string_view(header.index_digest, kDigest)) {
    return bad("its index is damaged");
  }
  PackedFile packed;
  Reader reader(index);
  uint32_t count = 0;
  uint32_t key_length = 0;
  if (!reader.read(key_length) || !reader.read(count) || count > kMostBlocks ||
      !reader.read(packed.key_, key_length)) {
    return bad("its index is damaged");
  }
  for (uint32_t i = 0; i < count; ++i) {
    Entry entry;
    PackedBlock block;
    if (!reader.read(entry) || !reader.read(block.what, entry.text)) {
      return bad("its index is damaged");
    }
    // A cache line behind a block may be read.
    const auto end = checked_add<uint64_t>(entry.offset, entry.bytes);
    if (!end || *end > header.index_offset || header.index_offset - *end < simd::kAlignment ||
        entry.offset % simd::kAlignment != 0) {
      return invalid_data("{}: block {} lies outside", path, i);
    }
    block.bytes = simd::Buffer::borrow(bytes.subspan(entry.offset, entry.bytes), file.owner());
    packed.blocks_.push_back(std::move(block));
    packed.digests_.emplace_back(entry.digest, kDigest);
  }
  if (!reader.is_at_end()) return bad("its index is damaged");
  return packed;
}

Status PackedFile::verify() const {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (digest_of(blocks_[i].bytes.bytes()) != digests_[i]) {
      return invalid_data("block {} ({}) is damaged", i, blocks_[i].what);
    }
  }
  return {};
}

Status write_packed_file(const std::string& path, std::string_view key,
                         std::span<const PackedBlock> blocks) {
  const auto aligned = [](uint64_t bytes) {
    return (bytes + simd::kAlignment - 1) / simd::kAlignment * simd::kAlignment;
  };
  if (blocks.size() > kMostBlocks || key.size() > kMostText) {
    return invalid_argument("{}: {} blocks of packed weights are too many", path, blocks.size());
  }
  std::string index;
  append(index, static_cast<uint32_t>(key.size()));
  append(index, static_cast<uint32_t>(blocks.size()));
  index += key;
  uint64_t offset = sizeof(Header);
  for (const PackedBlock& block : blocks) {
    if (block.what.size() > kMostText) {
      return invalid_argument("{}: a description of {} bytes is too long", path, block.what.size());
    }
    Entry entry{};
    entry.offset = offset;
    entry.bytes = block.bytes.size();
    digest_of(block.bytes.bytes()).copy(entry.digest, kDigest);
    entry.text = static_cast<uint32_t>(block.what.size());
    append(index, entry);
    index += block.what;
    offset = aligned(offset + entry.bytes);
  }
  offset += simd::kAlignment;
  Header header{};
  kMagic.copy(header.magic, sizeof(header.magic));
  header.layout = simd::kPackedLayout;
  header.byte_order = kByteOrder;
  header.file_bytes = offset + index.size();
  header.index_offset = offset;
  header.index_bytes = index.size();
  digest_of(as_bytes(index)).copy(header.index_digest, kDigest);

  PTE_TRY(AtomicFile file, AtomicFile::create(path));
  PTE_CHECK(file.write(Bytes(reinterpret_cast<const std::byte*>(&header), sizeof(header))));
  for (const PackedBlock& block : blocks) {
    PTE_CHECK(file.write(block.bytes.bytes()));
    PTE_CHECK(file.pad(aligned(file.position()) - file.position()));
  }
  PTE_CHECK(file.pad(simd::kAlignment));
  PTE_CHECK(file.write(index));
  return file.commit();
}

}  // namespace pte::engine
