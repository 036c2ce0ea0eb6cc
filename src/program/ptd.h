// .ptd files: named bytes outside a program, such as weights that several programs share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "program/program.h"

namespace pte::program {

// How the bytes of a tensor lie.
struct TensorLayout {
  DType dtype = DType::kFloat32;
  Sizes sizes;
  DimOrder dim_order;

  size_t nbytes() const { return byte_count(dtype, sizes).value_or(0); }
};

struct DataEntry {
  std::string key;
  Blob data;
  std::optional<TensorLayout> layout;  // absent for what only a backend understands
};

struct DataFile {
  std::string path;  // for messages
  uint32_t version = 0;
  std::vector<DataEntry> entries;
};

// True when the bytes begin as a .ptd does.
bool is_data_file(Bytes file);

// Blobs of the result are views into `file` and keep its mapping alive. Every entry lies in the
// file, is as long as its layout needs and aligned to its elements; keys differ. Errors begin with
// the file's path.
Result<DataFile> read_data(const MappedFile& file);

// The official exporter's layout: a 40-byte header, segments at multiples of 128, equal bytes
// stored once. Fails with kInvalidArgument for entries that read_data() would not accept.
Result<std::vector<std::byte>> serialize_data(const std::vector<DataEntry>& entries);
Status write_data(const std::vector<DataEntry>& entries, const std::string& path);

// The entries of several files by key. Immutable once built; methods on many threads share one.
class DataMap {
 public:
  // Fails with kMismatch when a key is there already, as the official runtime does.
  Status add(DataFile file);

  // Null when there is none.
  const DataEntry* find(std::string_view key) const;
  size_t size() const { return by_key_.size(); }
  bool empty() const { return by_key_.empty(); }

 private:
  struct Place {
    size_t file = 0;
    size_t entry = 0;
  };
  std::vector<DataFile> files_;
  std::unordered_map<std::string, Place> by_key_;
};

}  // namespace pte::program
