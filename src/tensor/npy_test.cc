#include "tensor/npy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace pte {
namespace {

MappedFile file_of(std::string_view header, size_t data_bytes, char version = 1) {
  std::string text("\x93NUMPY", 6);
  text += version;
  text += '\0';
  text += static_cast<char>(header.size());
  text += '\0';
  if (version > 1) text += std::string(2, '\0');
  text += header;
  text += std::string(data_bytes, '\1');
  std::vector<std::byte> bytes(text.size());
  std::copy_n(reinterpret_cast<const std::byte*>(text.data()), text.size(), bytes.begin());
  return MappedFile::from_bytes(std::move(bytes), "x.npy");
}

TEST(Npy, WritesWhatItReads) {
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("pte_npy_{}.npy", ::getpid())).string();
  for (const Tensor& tensor :
       {Tensor::of<float>({2, 3}, {0, 1, 2, 3, 4, 5}), Tensor::scalar<int64_t>(-5),
        Tensor::of<bool>({3}, {true, false, true}), Tensor::of<float>({0, 4}, {})}) {
    ASSERT_TRUE(write_npy(path, tensor));
    const auto back = read_npy(path);
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(back->dtype(), tensor.dtype());
    EXPECT_EQ(back->sizes(), tensor.sizes());
    EXPECT_TRUE(std::equal(tensor.bytes().begin(), tensor.bytes().end(), back->bytes().begin()));
  }
  std::filesystem::remove(path);
}

TEST(Npy, ReadsFortranOrderAsStrides) {
  const auto tensor =
      read_npy(file_of("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24));
  ASSERT_TRUE(tensor.has_value());
  EXPECT_EQ(tensor->strides(), (Strides{1, 2}));
}

TEST(Npy, RefusesWhatItCannotRead) {
  const auto error = [](const MappedFile& file) { return read_npy(file).error().message; };
  EXPECT_NE(error(MappedFile::from_bytes({}, "e.npy")).find("e.npy: not a usable .npy"),
            std::string::npos);
  EXPECT_NE(error(file_of("{'descr': '>f4', 'shape': (1,), }", 4)).find("'>f4' is not supported"),
            std::string::npos);
  EXPECT_NE(error(file_of("{'descr': '<f4', 'shape': (9,), }", 8)).find("needs more than"),
            std::string::npos);
  EXPECT_NE(error(file_of("{'descr': '<f4', 'shape': (-1,), }", 8)).find("its shape"),
            std::string::npos);
  EXPECT_NE(error(file_of("{'descr': '<f4'}", 8)).find("no shape"), std::string::npos);
  EXPECT_NE(error(file_of("{'descr': '<f8', 'shape': (99999999999, 99999999999), }", 8))
                .find("needs more"),
            std::string::npos);
  EXPECT_NE(error(file_of("", 0, 9)).find("version 9"), std::string::npos);
}

}  // namespace
}  // namespace pte
