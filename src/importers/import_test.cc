#include "importers/import.h"

#include <gtest/gtest.h>

#include "ir/verify.h"

namespace pte::importers {
namespace {

MappedFile golden(std::string_view name) {
  auto file = MappedFile::open(fmt::format("{}/tests/golden/{}", PTE_SOURCE_DIR, name));
  EXPECT_TRUE(file);
  return file ? *file : MappedFile();
}

std::string error_of(const MappedFile& file, const ImportOptions& options = {}) {
  const auto imported = import_graph(file, options);
  return imported ? "no error" : imported.error().message;
}

TEST(Import, SendsEachFormatToItsImporter) {
  for (const std::string_view name : {"pt2/linear_relu.pt2", "pt2/linear_relu_old.pt2"}) {
    const MappedFile file = golden(name);
    ASSERT_TRUE(carries_graph(sniff(file)));
    const auto imported = import_graph(file);
    ASSERT_TRUE(imported) << imported.error().message;
    EXPECT_TRUE(ir::verify(imported->module));
    EXPECT_EQ(imported->format, "torch.export archive");
  }
}

TEST(Import, RefusesWhatHoldsNoGraph) {
  const MappedFile file = golden("checkpoint/mixed_zip.pth");
  EXPECT_FALSE(carries_graph(sniff(file)));
  EXPECT_NE(error_of(file).find("mixed_zip.pth: not a model with a graph: it is a torch.save"),
            std::string::npos)
      << error_of(file);
  EXPECT_NE(error_of(MappedFile::from_bytes({})).find("an empty file"), std::string::npos);
}

TEST(Import, RefusesOptionsThatAnArchiveFixed) {
  const MappedFile file = golden("pt2/linear_relu.pt2");
  ImportOptions shapes;
  shapes.input_shapes = {{1, 2}};
  EXPECT_NE(error_of(file, shapes).find("linear_relu.pt2: --input-shapes is not for .pt2"),
            std::string::npos);
  ImportOptions dtypes;
  dtypes.input_dtypes = {DType::kFloat32};
  EXPECT_NE(error_of(file, dtypes).find("--input-dtypes"), std::string::npos);
  ImportOptions dynamic;
  dynamic.dynamic = {{"x", 0, {1, 8}}};
  EXPECT_NE(error_of(file, dynamic).find("--dynamic"), std::string::npos);
}

}  // namespace
}  // namespace pte::importers
