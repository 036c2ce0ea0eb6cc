#include "importers/checkpoint/safetensors.h"

#include <cstring>
#include <filesystem>
#include <set>

#include "base/checked.h"
#include "importers/checkpoint/metadata.h"
#include "importers/torch_export/json.h"

namespace pte::importers {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxHeader = 100'000'000;  // as the format's own library
constexpr size_t kMaxFiles = 4096;
constexpr size_t kMaxRank = 16;

std::optional<DType> dtype_of(std::string_view name) {
  struct Row {
    std::string_view name;
    DType dtype;
  };
  static constexpr Row kRows[] = {
      {"F64", DType::kFloat64}, {"F32", DType::kFloat32},   {"F16", DType::kFloat16},
      {"I64", DType::kInt64},   {"BF16", DType::kBFloat16}, {"I32", DType::kInt32},
      {"I16", DType::kInt16},   {"I8", DType::kInt8},       {"U8", DType::kUInt8},
      {"U16", DType::kUInt16},  {"U32", DType::kUInt32},    {"U64", DType::kUInt64},
      {"BOOL", DType::kBool},
  };
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

Result<Tensor> read_tensor(const JsonView& entry, const MappedFile& file, uint64_t base) {
  PTE_TRY(const std::string_view type, entry.text_at("dtype"));
  const auto dtype = dtype_of(type);
  if (!dtype) return unsupported("type '{}'", printable(type, 20));
  PTE_TRY(const auto dims, entry.items_at("shape"));
  if (dims.size() > kMaxRank) return invalid_data("{} dimensions", dims.size());
  Sizes sizes;
  for (const JsonView& dim : dims) {
    PTE_TRY(const int64_t size, dim.integer());
    if (size < 0) return invalid_data("a size below 0");
    sizes.push_back(size);
  }
  PTE_TRY(const auto offsets, entry.items_at("data_offsets"));
  if (offsets.size() != 2) return invalid_data("data_offsets are not two numbers");
  PTE_TRY(const int64_t begin, offsets[0].integer());
  PTE_TRY(const int64_t end, offsets[1].integer());
  const auto bytes = byte_count(*dtype, sizes);
  const uint64_t available = file.bytes().size() - base;
  if (!bytes || begin < 0 || end < begin || static_cast<uint64_t>(end - begin) != *bytes ||
      !in_range(static_cast<uint64_t>(begin), *bytes, available)) {
    return invalid_data("{} does not lie at bytes {} to {} of {}", pte::describe(*dtype, sizes),
                        begin, end, available);
  }
  const std::byte* data = file.bytes().data() + base + begin;
  if (*dtype == DType::kBool) {
    for (uint64_t i = 0; i < *bytes; ++i) {
      if (static_cast<uint8_t>(data[i]) > 1)
        return invalid_data("a truth value is neither 0 nor 1");
    }
  }
  Strides strides = contiguous_strides(sizes);
  if (reinterpret_cast<uintptr_t>(data) % size_of(*dtype) == 0) {
    return Tensor::view(*dtype, std::move(sizes), std::move(strides), data, file.owner());
  }
  PTE_TRY(Tensor copy, Tensor::zeros(*dtype, sizes));
  if (*bytes > 0) std::memcpy(copy.mutable_data(), data, *bytes);
  return copy;
}

Status read_into(const MappedFile& file, Checkpoint& out) {
  const Bytes bytes = file.bytes();
  uint64_t header = 0;
  if (bytes.size() < 8) return invalid_data("cut short: no header");
  std::memcpy(&header, bytes.data(), 8);
  if (header > kMaxHeader || !in_range(8, header, bytes.size())) {
    return invalid_data("the header of {} bytes does not fit into the file's {}", header,
                        bytes.size());
  }
  PTE_TRY(const JsonDocument document, JsonDocument::parse(as_text(bytes.subspan(8, header))));
  PTE_TRY(const auto fields, document.root().fields());
  for (const auto& [name, entry] : fields) {
    if (name == "__metadata__") {
      PTE_TRY(const auto facts, entry.fields());
      for (const auto& [key, value] : facts) {
        if (const auto text = value.text())
          out.metadata[printable(key)] = printable(*text, 100'000);
      }
      continue;
    }
    if (!is_valid_utf8(name) || name.empty()) return invalid_data("a tensor's name is no text");
    PTE_TRY(Tensor tensor,
            read_tensor(entry, file, 8 + header).at(fmt::format("tensor '{}'", printable(name))));
    if (out.state.contains(name)) {
      return invalid_data("tensor '{}' is in two files", printable(name));
    }
    out.state.set(std::string(name), std::move(tensor));
  }
  return {};
}

void finish(Checkpoint& out) {
  out.parameters = out.state.parameter_count();
  out.state.metadata = flatten_scalars(out.metadata);
}

// The files that an index names, once each.
Result<std::set<std::string>> files_of(const MappedFile& index) {
  PTE_TRY(const JsonDocument document, JsonDocument::parse(as_text(index.bytes())));
  PTE_TRY(const JsonView map, document.root().at("weight_map"));
  PTE_TRY(const auto entries, map.fields());
  std::set<std::string> files;
  for (const auto& [name, value] : entries) {
    PTE_TRY(const std::string_view file, value.text());
    const fs::path path{std::string(file)};
    if (file.empty() || path.has_parent_path() || path == "." || path == ".." ||
        file.find('\\') != std::string_view::npos || file.find('\0') != std::string_view::npos) {
      return invalid_data("'{}' is no file beside the index", printable(file, 100));
    }
    files.emplace(file);
    if (files.size() > kMaxFiles) {
      return make_error(Code::kResourceLimit, "it names more than {} files", kMaxFiles);
    }
  }
  if (files.empty()) return invalid_data("it names no files");
  return files;
}

Result<Checkpoint> load_parts(const MappedFile& index) {
  PTE_TRY(const auto files, files_of(index));
  Checkpoint out;
  out.format = fmt::format("safetensors in {} files", files.size());
  out.metadata = nlohmann::json::object();
  const fs::path folder = fs::path(index.path()).parent_path();
  for (const std::string& name : files) {
    PTE_TRY(const MappedFile part, MappedFile::open((folder / name).string()));
    PTE_CHECK(read_into(part, out).at(name));
  }
  finish(out);
  return out;
}

}  // namespace

Result<Checkpoint> load_safetensors(const MappedFile& file) {
  Checkpoint out;
  out.format = "safetensors";
  out.metadata = nlohmann::json::object();
  PTE_CHECK(read_into(file, out));
  finish(out);
  return out;
}

Result<Checkpoint> load_safetensors_index(const MappedFile& index) { return load_parts(index); }

}  // namespace pte::importers
