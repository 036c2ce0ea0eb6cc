#include "inspect/safetensors.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "program/quote.h"

namespace pte::inspect {
namespace {

constexpr size_t kMostHeader = 100'000'000;

// The format's name of a type; "" when it has none.
std::string_view type_name(DType dtype) {
  switch (dtype) {
    case DType::kUInt8:
      return "U8";
    case DType::kInt8:
      return "I8";
    case DType::kInt16:
      return "I16";
    case DType::kInt32:
      return "I32";
    case DType::kInt64:
      return "I64";
    case DType::kUInt16:
      return "U16";
    case DType::kUInt32:
      return "U32";
    case DType::kUInt64:
      return "U64";
    case DType::kFloat16:
      return "F16";
    case DType::kBFloat16:
      return "BF16";
    case DType::kFloat32:
      return "F32";
    case DType::kFloat64:
      return "F64";
    case DType::kBool:
      return "BOOL";
    case DType::kFloat8E5M2:
      return "F8_E5M2";
    case DType::kFloat8E4M3FN:
      return "F8_E4M3";
    case DType::kComplex64:
      return "C64";
    default:
      return "";
  }
}

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Throws nothing: a text that is not UTF-8 comes back changed.
bool is_utf8(const std::string& text) {
  const auto parsed = nlohmann::json::parse(quoted(text), nullptr, false);
  return parsed.is_string() && parsed.get<std::string>() == text;
}

}  // namespace

Status write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::set<std::string_view> names{"__metadata__"};
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      header += (first ? "" : ",") + quoted(key) + ":" + quoted(value);
      first = false;
    }
    header += "}";
  }
  std::vector<Tensor> data;
  uint64_t offset = 0;
  for (const NamedTensor& entry : tensors) {
    if (!names.insert(entry.name).second) {
      return invalid_argument("{}: two tensors are called {}", path, program::quote(entry.name));
    }
    if (!is_utf8(entry.name)) {
      return invalid_argument("{}: the name {} is not UTF-8", path, program::quote(entry.name));
    }
    if (!entry.tensor.has_data()) {
      return invalid_argument("{}: {} has no data", path, program::quote(entry.name));
    }
    PTE_TRY(Tensor dense, entry.tensor.contiguous());
    std::string_view type = type_name(dense.dtype());
    std::string shape = fmt::format("{}", fmt::join(dense.sizes(), ","));
    if (type.empty()) {
      type = "U8";
      shape = std::to_string(dense.nbytes());
    }
    header += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                          header.size() > 1 ? "," : "", quoted(entry.name), type, shape, offset,
                          offset + dense.nbytes());
    if (header.size() > kMostHeader) {
      return make_error(Code::kResourceLimit, "{}: the header would pass the format's {} bytes",
                        path, kMostHeader);
    }
    offset += dense.nbytes();
    data.push_back(std::move(dense));
  }
  header += "}";
  // Data begin at a multiple of 8.
  header.append((8 - header.size() % 8) % 8, ' ');
  PTE_TRY(AtomicFile file, AtomicFile::create(path));
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>((header.size() >> (8 * i)) & 0xffU);
  PTE_CHECK(file.write(length));
  PTE_CHECK(file.write(header));
  for (const Tensor& tensor : data) PTE_CHECK(file.write(tensor.bytes()));
  return file.commit();
}

}  // namespace pte::inspect
