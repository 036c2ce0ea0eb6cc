#include "base/zip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <functional>
#include <random>

namespace pte {
namespace {

// Writes small archives, with each field open to a test's meddling.
struct Record {
  std::string name;
  std::string data;
  bool deflate = false;
  bool descriptor = false;   // zero sizes in the local header, as PyTorch writes
  bool wide = false;         // sizes and offset in a zip64 extra field
  size_t local_padding = 0;  // bytes of an 'FB' extra field
  // Overrides.
  std::string local_name = {};  // "" = name
  uint16_t method_override = 0xffff;
  uint16_t flags = 0;
  int64_t size_override = -1;
  int64_t offset_override = -1;
};

struct Writer {
  std::string out;
  std::string directory;
  uint16_t count = 0;

  template <typename T>
  static void put(std::string& to, T value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  static std::string deflated(const std::string& data) {
    std::string packed(data.size() + 100, '\0');
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
  }

  void add(const Record& r) {
    const std::string packed = r.deflate ? deflated(r.data) : r.data;
    const auto crc = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(r.data.data()), static_cast<uInt>(r.data.size())));
    uint16_t method = r.deflate ? 8 : 0;
    if (r.method_override != 0xffff) method = r.method_override;
    const uint64_t size =
        r.size_override >= 0 ? static_cast<uint64_t>(r.size_override) : r.data.size();
    const uint64_t offset =
        r.offset_override >= 0 ? static_cast<uint64_t>(r.offset_override) : out.size();
    const std::string& local = r.local_name.empty() ? r.name : r.local_name;
    put<uint32_t>(out, 0x04034b50);
    for (uint16_t v : {uint16_t{20}, uint16_t(r.flags | (r.descriptor ? 8 : 0)), method,
                       uint16_t{0}, uint16_t{0}}) {
      put(out, v);
    }
    put<uint32_t>(out, r.descriptor ? 0 : crc);
    put<uint32_t>(out, r.descriptor ? 0 : static_cast<uint32_t>(packed.size()));
    put<uint32_t>(out, r.descriptor ? 0 : static_cast<uint32_t>(size));
    put<uint16_t>(out, static_cast<uint16_t>(local.size()));
    put<uint16_t>(out, static_cast<uint16_t>(r.local_padding ? r.local_padding + 4 : 0));
    out += local;
    if (r.local_padding) {
      out += "FB";
      put<uint16_t>(out, static_cast<uint16_t>(r.local_padding));
      out.append(r.local_padding, 'Z');
    }
    out += packed;
    if (r.descriptor) {
      put<uint32_t>(out, 0x08074b50);
      put<uint32_t>(out, crc);
      put<uint32_t>(out, static_cast<uint32_t>(packed.size()));
      put<uint32_t>(out, static_cast<uint32_t>(size));
    }
    put<uint32_t>(directory, 0x02014b50);
    for (uint16_t v : {uint16_t{20}, uint16_t{20}, r.flags, method, uint16_t{0}, uint16_t{0}}) {
      put(directory, v);
    }
    put<uint32_t>(directory, crc);
    put<uint32_t>(directory, r.wide ? 0xffffffff : static_cast<uint32_t>(packed.size()));
    put<uint32_t>(directory, r.wide ? 0xffffffff : static_cast<uint32_t>(size));
    put<uint16_t>(directory, static_cast<uint16_t>(r.name.size()));
    put<uint16_t>(directory, r.wide ? 28 : 0);
    directory.append(10, '\0');
    put<uint32_t>(directory, r.wide ? 0xffffffff : static_cast<uint32_t>(offset));
    directory += r.name;
    if (r.wide) {
      put<uint16_t>(directory, 1);
      put<uint16_t>(directory, 24);
      put<uint64_t>(directory, size);
      put<uint64_t>(directory, packed.size());
      put<uint64_t>(directory, offset);
    }
    ++count;
  }

  std::string finish(bool zip64 = false, const std::string& comment = "") const {
    std::string file = out + directory;
    if (zip64) {
      const uint64_t at = file.size();
      put<uint32_t>(file, 0x06064b50);
      put<uint64_t>(file, 44);
      put<uint32_t>(file, 0x001e001e);
      put<uint64_t>(file, 0);
      put<uint64_t>(file, count);
      put<uint64_t>(file, count);
      put<uint64_t>(file, directory.size());
      put<uint64_t>(file, out.size());
      put<uint32_t>(file, 0x07064b50);
      put<uint32_t>(file, 0);
      put<uint64_t>(file, at);
      put<uint32_t>(file, 1);
    }
    put<uint32_t>(file, 0x06054b50);
    put<uint32_t>(file, 0);
    put<uint16_t>(file, count);
    put<uint16_t>(file, count);
    put<uint32_t>(file, zip64 ? 0xffffffff : static_cast<uint32_t>(directory.size()));
    put<uint32_t>(file, zip64 ? 0xffffffff : static_cast<uint32_t>(out.size()));
    put<uint16_t>(file, static_cast<uint16_t>(comment.size()));
    return file + comment;
  }
};

MappedFile in_memory(const std::string& text) {
  const Bytes bytes = as_bytes(text);
  return MappedFile::from_bytes({bytes.begin(), bytes.end()});
}

Result<ZipArchive> archive_of(const std::vector<Record>& records, bool zip64 = false,
                              const std::string& comment = "") {
  Writer writer;
  for (const Record& r : records) writer.add(r);
  return ZipArchive::open(in_memory(writer.finish(zip64, comment)));
}

std::string text_of(const ZipArchive& archive, std::string_view name) {
  const ZipEntry* entry = archive.find(name);
  if (!entry) return "<absent>";
  auto data = archive.read(*entry);
  return data ? std::string(as_text(data->bytes)) : "<" + data.error().message + ">";
}

TEST(Zip, ReadsStoredAndDeflatedEntriesInOrder) {
  const std::string long_text(5000, 'x');
  auto archive = archive_of({{.name = "top/a", .data = "first"},
                             {.name = "top/b", .data = long_text, .deflate = true},
                             {.name = "top/c"}});
  ASSERT_TRUE(archive) << archive.error().message;
  ASSERT_EQ(archive->entries().size(), 3u);
  EXPECT_EQ(archive->entries()[1].name, "top/b");
  EXPECT_LT(archive->entries()[1].packed_size, 100u);
  EXPECT_EQ(text_of(*archive, "top/a"), "first");
  EXPECT_EQ(text_of(*archive, "top/b"), long_text);
  EXPECT_EQ(text_of(*archive, "top/c"), "");
  EXPECT_EQ(archive->find("top/d"), nullptr);
  EXPECT_EQ(archive->top_folder(), "top");
  EXPECT_EQ(archive->find_below_top("a"), archive->find("top/a"));
  for (const ZipEntry& entry : archive->entries()) EXPECT_TRUE(archive->check_crc(entry));
}

TEST(Zip, StoredEntriesAreViewsOfTheFile) {
  Writer writer;
  writer.add({.name = "a", .data = "hello"});
  const MappedFile file = in_memory(writer.finish());
  auto archive = ZipArchive::open(file);
  ASSERT_TRUE(archive);
  auto data = archive->read(*archive->find("a"));
  ASSERT_TRUE(data);
  EXPECT_EQ(data->bytes.data(), file.bytes().data() + 31);
  EXPECT_EQ(data->owner, file.owner());
}

TEST(Zip, ReadsWhatPyTorchWrites) {
  // Data descriptors, padding that aligns data to 64 bytes, a zip64 end record.
  auto archive = archive_of(
      {{.name = "archive/data.pkl", .data = "pickle", .descriptor = true, .local_padding = 14},
       {.name = "archive/data/0",
        .data = std::string(64, 'w'),
        .descriptor = true,
        .wide = true,
        .local_padding = 3}},
      true);
  ASSERT_TRUE(archive) << archive.error().message;
  EXPECT_EQ(archive->entries()[0].data_offset, 64u);
  EXPECT_EQ(text_of(*archive, "archive/data.pkl"), "pickle");
  EXPECT_EQ(text_of(*archive, "archive/data/0"), std::string(64, 'w'));
}

TEST(Zip, AcceptsACommentAndAnEmptyArchive) {
  auto commented = archive_of({{.name = "a", .data = "1"}}, false, "made by hand");
  ASSERT_TRUE(commented) << commented.error().message;
  EXPECT_EQ(text_of(*commented, "a"), "1");
  auto empty = archive_of({});
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->top_folder(), "");
}

TEST(Zip, TopFolderNeedsEveryEntry) {
  EXPECT_EQ(archive_of({{.name = "a/x"}, {.name = "b/x"}})->top_folder(), "");
  EXPECT_EQ(archive_of({{.name = "a/x"}, {.name = "ab"}})->top_folder(), "");
  EXPECT_EQ(archive_of({{.name = "/x"}})->top_folder(), "");
  EXPECT_EQ(archive_of({{.name = "x"}})->find_below_top("x")->name, "x");
}

TEST(Zip, OddNamesAreOnlyKeys) {
  auto archive = archive_of({{.name = "../../etc/passwd", .data = "harmless"},
                             {.name = std::string("a\0b", 3), .data = "nul"}});
  ASSERT_TRUE(archive);
  EXPECT_EQ(text_of(*archive, "../../etc/passwd"), "harmless");
  EXPECT_EQ(text_of(*archive, std::string_view("a\0b", 3)), "nul");
}

void expect_refused(const std::vector<Record>& records, std::string_view part) {
  auto archive = archive_of(records);
  ASSERT_FALSE(archive) << part;
  EXPECT_NE(archive.error().message.find(part), std::string::npos) << archive.error().message;
}

TEST(Zip, RefusesContradictions) {
  expect_refused({{.name = "a", .data = "1"}, {.name = "a", .data = "2"}}, "two entries are named");
  expect_refused({{.name = "a", .data = "1", .local_name = "b"}}, "another name");
  expect_refused({{.name = "a", .data = "1", .offset_override = 5}}, "should start at byte 5");
  expect_refused({{.name = "a", .data = "1", .offset_override = 1 << 20}}, "should start at byte");
  expect_refused({{.name = "a", .data = "1", .size_override = 2}}, "two sizes");
}

TEST(Zip, RefusesEntriesThatShareBytes) {
  // A second local header lies inside the first entry's data, so both entries are well formed.
  Writer inner;
  inner.add({.name = "in", .data = "x"});
  expect_refused(
      {{.name = "outer", .data = inner.out}, {.name = "in", .data = "x", .offset_override = 35}},
      "share bytes");
}

TEST(Zip, RefusesBombsAndLies) {
  auto bomb = archive_of({{.name = "z", .data = std::string(32 << 20, '\0'), .deflate = true}});
  ASSERT_TRUE(bomb);
  auto read = bomb->read(bomb->entries()[0]);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kResourceLimit);

  auto limited = archive_of({{.name = "z", .data = std::string(1000, 'a'), .deflate = true}});
  EXPECT_EQ(limited->read(limited->entries()[0], 999).error().code, Code::kResourceLimit);
  EXPECT_TRUE(limited->read(limited->entries()[0], 1000));

  for (int64_t size : {99, 101}) {
    auto lie = archive_of(
        {{.name = "z", .data = std::string(100, 'a'), .deflate = true, .size_override = size}});
    ASSERT_TRUE(lie);
    EXPECT_EQ(lie->read(lie->entries()[0]).error().code, Code::kInvalidData);
  }
  auto huge = archive_of({{.name = "z", .data = "a", .deflate = true, .size_override = 1 << 27}});
  EXPECT_EQ(huge->read(huge->entries()[0]).error().code, Code::kInvalidData);
}

TEST(Zip, NamesWhatItCannotRead) {
  auto archive = archive_of(
      {{.name = "x", .data = "1", .method_override = 14}, {.name = "y", .data = "1", .flags = 1}});
  ASSERT_TRUE(archive);
  EXPECT_EQ(archive->read(archive->entries()[0]).error().code, Code::kUnsupported);
  EXPECT_EQ(archive->read(archive->entries()[1]).error().code, Code::kUnsupported);
}

TEST(Zip, FindsDamage) {
  Writer writer;
  writer.add({.name = "a", .data = "hello"});
  std::string file = writer.finish();
  file[31] = 'j';
  auto archive = ZipArchive::open(in_memory(file));
  ASSERT_TRUE(archive);
  EXPECT_EQ(text_of(*archive, "a"), "jello");
  EXPECT_EQ(archive->check_crc(archive->entries()[0]).error().code, Code::kInvalidData);
}

TEST(Zip, EveryTruncationIsAnErrorAndNoFlipCrashes) {
  Writer writer;
  writer.add({.name = "t/a", .data = "hello", .descriptor = true, .wide = true});
  writer.add({.name = "t/b", .data = std::string(300, 'q'), .deflate = true});
  const std::string file = writer.finish(true);
  for (size_t n = 0; n < file.size(); ++n) {
    EXPECT_FALSE(ZipArchive::open(in_memory(file.substr(0, n)))) << n;
  }
  std::mt19937 random(1);
  int opened = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = file;
    for (int flips = 1 + i % 3; flips > 0; --flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    }
    auto archive = ZipArchive::open(in_memory(damaged));
    if (!archive) continue;
    ++opened;
    for (const ZipEntry& entry : archive->entries()) {
      auto data = archive->read(entry, 1 << 16);
      if (data) {
        EXPECT_EQ(data->bytes.size(), entry.size);
      }
    }
  }
  EXPECT_GT(opened, 0);
}

TEST(Zip, TellsAZipFromOtherBytes) {
  EXPECT_TRUE(ZipArchive::looks_like_zip(as_bytes("PK\3\4....")));
  EXPECT_FALSE(ZipArchive::looks_like_zip(as_bytes("PK")));
  EXPECT_FALSE(ZipArchive::looks_like_zip(as_bytes("\x80\2}q.")));
  EXPECT_FALSE(ZipArchive::open(in_memory("")));
}

}  // namespace
}  // namespace pte
