#include "program/etdump.h"

#include <gtest/gtest.h>

#include <cstring>

#include "schema/etdump_generated.h"

namespace pte::program {
namespace {

TEST(EtDump, IsSizePrefixedAndReadsBack) {
  const std::vector<DumpRun> runs = {
      {"Default", {{"Method::init", -1, 0, "", 1, 5}}},
      {"Execute", {{"", 0, 2, "aten.relu #0", 10, 12}, {"DELEGATE_CALL", 0, 2, "", 9, 20}}}};
  const auto bytes = encode_etdump(runs);
  ASSERT_TRUE(bytes.has_value());
  uint32_t length = 0;
  std::memcpy(&length, bytes->data(), 4);
  EXPECT_EQ(length, bytes->size() - 4);
  EXPECT_EQ(std::memcmp(bytes->data() + 8, "ED00", 4), 0);
  const auto* data = reinterpret_cast<const uint8_t*>(bytes->data());
  flatbuffers::Verifier verifier(data, bytes->size());
  ASSERT_TRUE(schema::etdump::VerifySizePrefixedETDumpBuffer(verifier));
  const auto* dump = schema::etdump::GetSizePrefixedETDump(data);
  ASSERT_EQ(dump->run_data()->size(), 2U);
  EXPECT_EQ(dump->run_data()->Get(0)->name()->str(), "Default");
  const auto* inside = dump->run_data()->Get(1)->events()->Get(0)->profile_event();
  EXPECT_EQ(inside->name(), nullptr);
  EXPECT_EQ(inside->delegate_debug_id_str()->str(), "aten.relu #0");
  EXPECT_EQ(inside->instruction_id(), 2);
  EXPECT_EQ(inside->start_time(), 10U);
  EXPECT_EQ(inside->end_time(), 12U);
  EXPECT_EQ(dump->run_data()->Get(1)->events()->Get(1)->profile_event()->delegate_debug_id_str(),
            nullptr);
}

TEST(EtDump, NothingIsAProfileToo) {
  const auto bytes = encode_etdump({});
  ASSERT_TRUE(bytes.has_value());
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size());
  EXPECT_TRUE(schema::etdump::VerifySizePrefixedETDumpBuffer(verifier));
}

}  // namespace
}  // namespace pte::program
