// Files: read by mapping, written beside their place and renamed, so that a reader never sees half
// a file.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace pte {

using Bytes = std::span<const std::byte>;

// A read-only view of a whole file. Copies share one mapping; views into it stay valid while any
// copy lives.
class MappedFile {
 public:
  // Fails with kNotFound or kIo, naming the path. A folder or an unreadable file is kIo.
  static Result<MappedFile> open(const std::string& path);
  // Wraps bytes that are in memory already, for tests and for programs never written to disk.
  static MappedFile from_bytes(std::vector<std::byte> bytes, std::string name = "<memory>");

  // A part of another file, or any bytes that `owner` keeps alive.
  static MappedFile view(Bytes bytes, std::shared_ptr<const void> owner, std::string name);

  Bytes bytes() const { return bytes_; }
  const std::string& path() const { return path_; }
  // What keeps the bytes alive: store it beside any view.
  std::shared_ptr<const void> owner() const { return owner_; }

 private:
  Bytes bytes_;
  std::string path_;
  std::shared_ptr<const void> owner_;
};

// Writes to a temporary file in the same folder; commit() flushes it and renames it over `path`.
// Without commit() the destructor removes it.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) = delete;
  ~AtomicFile();

  Status write(Bytes bytes);
  Status write(std::string_view text);
  // `count` zero bytes.
  Status pad(size_t count);
  size_t position() const { return position_; }
  Status commit();

 private:
  AtomicFile(int fd, std::string path, std::string temporary);
  int fd_ = -1;
  size_t position_ = 0;
  std::string path_;
  std::string temporary_;
};

Status write_file(const std::string& path, Bytes bytes);
Status write_file(const std::string& path, std::string_view text);

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace pte
