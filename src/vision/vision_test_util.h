// What the tests of this folder share: pictures made by a formula that the golden script knows too,
// and checksums.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "vision/image.h"

namespace pte::vision {

inline Image noise(uint32_t seed, int64_t width, int64_t height, int channels) {
  auto image = Image::create(width, height, channels);
  uint8_t* out = image->data();
  for (uint32_t i = 0; i < image->size_bytes(); ++i) {
    uint32_t v = i + seed * 0x9E3779B9u;
    v ^= v >> 16;
    v *= 0x85EBCA6Bu;
    v ^= v >> 13;
    v *= 0xC2B2AE35u;
    v ^= v >> 16;
    out[i] = static_cast<uint8_t>(v >> 24);
  }
  return std::move(*image);
}

inline std::string crc(const void* data, size_t bytes) {
  const auto value = crc32(0, static_cast<const Bytef*>(data), static_cast<uInt>(bytes));
  return fmt::format("{:08x}", value);
}
inline std::string crc(const Image& image) { return crc(image.data(), image.size_bytes()); }

inline std::string golden_path(const std::string& name) {
  return std::string(PTE_SOURCE_DIR "/tests/golden/vision/") + name;
}

inline std::vector<std::istringstream> golden_lines(const std::string& name) {
  std::vector<std::istringstream> lines;
  std::ifstream file(golden_path(name));
  for (std::string line; std::getline(file, line);) lines.emplace_back(line);
  return lines;
}

}  // namespace pte::vision
