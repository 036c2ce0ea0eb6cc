#include "tensor/npy.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/checked.h"

namespace pte {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

struct NpyType {
  std::string_view text;
  DType dtype;
};
constexpr std::array kCodes = {
    NpyType{"|b1", DType::kBool},    NpyType{"|u1", DType::kUInt8},
    NpyType{"|i1", DType::kInt8},    NpyType{"<u2", DType::kUInt16},
    NpyType{"<i2", DType::kInt16},   NpyType{"<u4", DType::kUInt32},
    NpyType{"<i4", DType::kInt32},   NpyType{"<u8", DType::kUInt64},
    NpyType{"<i8", DType::kInt64},   NpyType{"<f2", DType::kFloat16},
    NpyType{"<f4", DType::kFloat32}, NpyType{"<f8", DType::kFloat64},
};

// The text after 'key': in the header's Python dictionary.
std::string_view after_key(std::string_view header, std::string_view key) {
  for (const char quote : {'\'', '"'}) {
    const std::string wanted = fmt::format("{0}{1}{0}", quote, key);
    const size_t at = header.find(wanted);
    if (at == std::string_view::npos) continue;
    std::string_view rest = header.substr(at + wanted.size());
    const size_t value = rest.find_first_not_of(" :");
    return value == std::string_view::npos ? std::string_view{} : rest.substr(value);
  }
  return {};
}

}  // namespace

Result<Tensor> read_npy(const MappedFile& file) {
  const Bytes bytes = file.bytes();
  const auto bad = [&](std::string_view what) {
    return invalid_data("{}: not a usable .npy file: {}", file.path(), what);
  };
  if (bytes.size() < 10 || as_text(bytes.first(6)) != kMagic)
    return bad("it does not begin with \\x93NUMPY");
  const auto version = static_cast<unsigned>(bytes[6]);
  if (version < 1 || version > 3) return bad(fmt::format("version {} is unknown", version));
  const size_t width = version == 1 ? 2 : 4;
  if (bytes.size() < 8 + width) return bad("the header is cut off");
  uint64_t length = 0;
  for (size_t i = 0; i < width; ++i) length |= static_cast<uint64_t>(bytes[8 + i]) << (8 * i);
  if (!in_range(8 + width, length, bytes.size())) return bad("the header is cut off");
  const std::string_view header = as_text(bytes.subspan(8 + width, length));

  const std::string_view descr = after_key(header, "descr");
  const std::string_view type = descr.size() > 4 ? descr.substr(1, 3) : std::string_view{};
  const auto* code =
      std::find_if(kCodes.begin(), kCodes.end(), [&](const NpyType& c) { return c.text == type; });
  if (code == kCodes.end()) {
    return bad(fmt::format("element type {} is not supported", descr.substr(0, descr.find(','))));
  }
  const bool fortran = after_key(header, "fortran_order").starts_with("True");
  std::string_view shape = after_key(header, "shape");
  if (!shape.starts_with('(')) return bad("it has no shape");
  shape = shape.substr(1, shape.find(')') - 1);
  Sizes sizes;
  while (!shape.empty()) {
    const size_t digit = shape.find_first_not_of(" ,");
    if (digit == std::string_view::npos) break;
    shape.remove_prefix(digit);
    int64_t size = 0;
    const auto [end, error] = std::from_chars(shape.data(), shape.data() + shape.size(), size);
    if (error != std::errc() || size < 0 || sizes.size() == kMaxRank)
      return bad("its shape is not a list of sizes");
    sizes.push_back(size);
    shape.remove_prefix(static_cast<size_t>(end - shape.data()));
  }
  const auto need = byte_count(code->dtype, sizes);
  const uint64_t start = 8 + width + length;
  if (!need || !in_range(start, *need, bytes.size())) {
    return bad(fmt::format("{} needs more than the {} bytes that follow the header",
                           describe(code->dtype, sizes), bytes.size() - start));
  }
  DimOrder order = contiguous_dim_order(sizes.size());
  if (fortran) std::reverse(order.begin(), order.end());
  Strides strides = strides_of(sizes, order);
  Tensor view = Tensor::view(code->dtype, std::move(sizes), std::move(strides),
                             bytes.data() + start, file.owner());
  if (code->dtype == DType::kBool) {
    // A bool of any value but 0 and 1 is undefined in C++.
    for (const std::byte b : view.bytes()) {
      if (b > std::byte{1}) return bad("a bool that is neither 0 nor 1");
    }
  }
  // Version 1 headers are padded to 16 bytes, but only by convention.
  if (reinterpret_cast<uintptr_t>(view.data()) % size_of(code->dtype) == 0) return view;
  PTE_TRY(Tensor copy, Tensor::zeros(view.dtype(), view.sizes(), order));
  std::memcpy(copy.mutable_data(), view.data(), view.nbytes());
  return copy;
}

Result<Tensor> read_npy(const std::string& path) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  return read_npy(file);
}

Status write_npy(const std::string& path, const Tensor& tensor) {
  if (tensor.dtype() == DType::kBFloat16) {
    PTE_TRY(Tensor dense, tensor.contiguous());
    PTE_TRY(Tensor wide, Tensor::zeros(DType::kFloat32, tensor.sizes()));
    for (int64_t i = 0; i < dense.numel(); ++i)
      wide.mutable_data_as<float>()[i] = dense.data_as<BFloat16>()[i];
    return write_npy(path, wide);
  }
  const auto* code = std::find_if(kCodes.begin(), kCodes.end(),
                                  [&](const NpyType& c) { return c.dtype == tensor.dtype(); });
  if (code == kCodes.end())
    return unsupported("{}: NumPy has no type for {}", path, dtype_name(tensor.dtype()));
  PTE_TRY(const Tensor dense, tensor.contiguous());
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", code->text,
                  fmt::join(dense.sizes(), ", "), dense.rank() == 1 ? "," : "");
  constexpr size_t kPrefix = 10;
  header.resize(align_up(kPrefix + header.size() + 1, 64) - kPrefix - 1, ' ');
  header += '\n';
  PTE_TRY(AtomicFile file, AtomicFile::create(path));
  const auto length = static_cast<uint16_t>(header.size());
  const char version[] = {1, 0, static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  PTE_CHECK(file.write(kMagic));
  PTE_CHECK(file.write(std::string_view(version, sizeof(version))));
  PTE_CHECK(file.write(header));
  PTE_CHECK(file.write(dense.bytes()));
  return file.commit();
}

}  // namespace pte
