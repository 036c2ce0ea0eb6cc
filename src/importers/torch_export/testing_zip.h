// A zip of stored entries, for tests and fuzzers of the importer.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"

namespace pte::importers {

inline MappedFile stored_zip(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out, directory;
  const auto put = [](std::string& to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i, value >>= 8) to += static_cast<char>(value & 0xff);
  };
  for (const auto& [name, data] : entries) {
    const size_t offset = out.size();
    std::string common;  // version, flags, method, time, date, CRC (not checked), sizes, lengths
    put(common, 20, 2);
    put(common, 0, 2 + 2 + 2 + 2 + 4);
    put(common, data.size(), 4);
    put(common, data.size(), 4);
    put(common, name.size(), 2);
    put(common, 0, 2);
    put(out, 0x04034b50, 4);
    out += common + name + data;
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    directory += common;
    put(directory, 0, 2 + 2 + 2 + 4);
    put(directory, offset, 4);
    directory += name;
  }
  const size_t start = out.size();
  out += directory;
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, entries.size(), 2);
  put(out, entries.size(), 2);
  put(out, directory.size(), 4);
  put(out, start, 4);
  put(out, 0, 2);
  const Bytes bytes = as_bytes(out);
  return MappedFile::from_bytes({bytes.begin(), bytes.end()}, "made.pt2");
}

// A program in the layout of torch 2.7 and earlier, without tensors.
inline MappedFile program_zip(std::string_view json) {
  return stored_zip({{"serialized_exported_program.json", std::string(json)}});
}

}  // namespace pte::importers
