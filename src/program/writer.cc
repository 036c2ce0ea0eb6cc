#include "program/writer.h"

#include <cstring>

#include "base/checked.h"
#include "base/pages.h"
#include "program/encode.h"
#include "program/header.h"
#include "program/verify.h"

namespace pte::program {
namespace {

// The file up to its first segment, and the pieces after it.
struct File {
  std::vector<std::byte> head;
  Layout layout;
};

// Puts the extended header right behind the identifier. Offsets inside a flatbuffer are relative,
// so only the root offset has to move with the tables.
void insert_header(std::vector<std::byte>& flatbuffer, uint64_t segment_bytes) {
  constexpr uint64_t kBaseAlignment = 128;
  uint32_t root = 0;
  std::memcpy(&root, flatbuffer.data(), sizeof(root));
  root += kHeaderBytes;
  std::memcpy(flatbuffer.data(), &root, sizeof(root));
  FileHeader header;
  header.program_size = flatbuffer.size() + kHeaderBytes;
  header.segment_base = align_up(header.program_size, kBaseAlignment);
  header.segment_bytes = segment_bytes;
  const auto encoded = encode_header(header);
  flatbuffer.insert(flatbuffer.begin() + kHeaderOffset, encoded.begin(), encoded.end());
  flatbuffer.resize(header.segment_base);
}

Result<File> make_file(const Program& program) {
  PTE_CHECK(verify(program));
  File file;
  PTE_TRY(file.layout, lay_out(program));
  PTE_TRY(file.head, encode(program, file.layout));
  if (file.layout.total > 0) insert_header(file.head, file.layout.total);
  return file;
}

}  // namespace

Status write_program(const Program& program, const std::string& path) {
  PTE_TRY(const File file, make_file(program).at(path));
  PTE_TRY(AtomicFile out, AtomicFile::create(path));
  PTE_CHECK(out.write(Bytes(file.head)));
  for (const Piece& piece : file.layout.pieces) {
    PTE_CHECK(out.pad(file.head.size() + piece.offset - out.position()));
    PTE_CHECK(out.write(piece.bytes));
    release_pages(piece.bytes, piece.owner);
  }
  PTE_CHECK(out.pad(file.head.size() + file.layout.total - out.position()));
  return out.commit();
}

Result<std::vector<std::byte>> serialize(const Program& program) {
  PTE_TRY(File file, make_file(program));
  std::vector<std::byte> out = std::move(file.head);
  const size_t base = out.size();
  if (file.layout.total > 0) out.resize(base + file.layout.total);
  for (const Piece& piece : file.layout.pieces) {
    std::memcpy(out.data() + base + piece.offset, piece.bytes.data(), piece.bytes.size());
  }
  return out;
}

}  // namespace pte::program
