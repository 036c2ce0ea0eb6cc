#include "program/etdump.h"

#include "schema/etdump_generated.h"

namespace pte::program {

namespace fb = pte::schema::etdump;

Result<std::vector<std::byte>> encode_etdump(const std::vector<DumpRun>& runs) {
  // A table of an event takes less than 160 bytes with its strings.
  constexpr size_t kMostEvents = size_t{1} << 23;
  size_t count = 0;
  size_t text = 0;
  for (const DumpRun& run : runs) {
    count += run.events.size();
    for (const DumpEvent& event : run.events) text += event.name.size() + event.delegate_id.size();
  }
  if (count > kMostEvents || text > (size_t{1} << 29)) {
    return make_error(Code::kResourceLimit, "{} events are too many for one profile; at most {}",
                      count, kMostEvents)
        .with_hint("use a smaller --repeat");
  }
  flatbuffers::FlatBufferBuilder builder(1024);
  std::vector<flatbuffers::Offset<fb::RunData>> blocks;
  for (const DumpRun& run : runs) {
    std::vector<flatbuffers::Offset<fb::Event>> events;
    for (const DumpEvent& event : run.events) {
      const bool inside = !event.delegate_id.empty();
      const auto name = event.name.empty() ? 0 : builder.CreateSharedString(event.name);
      const auto id = inside ? builder.CreateSharedString(event.delegate_id) : 0;
      const auto metadata = inside ? builder.CreateVector(std::vector<uint8_t>()) : 0;
      const auto profile = fb::CreateProfileEvent(builder, name, event.chain, event.instruction, -1,
                                                  id, metadata, event.begin, event.end);
      events.push_back(fb::CreateEvent(builder, profile));
    }
    const auto name = builder.CreateSharedString(run.name);
    const auto allocators = builder.CreateVector(std::vector<flatbuffers::Offset<fb::Allocator>>());
    const auto list = builder.CreateVector(events);
    blocks.push_back(fb::CreateRunData(builder, name, -1, allocators, list));
  }
  const auto list = builder.CreateVector(blocks);
  fb::FinishSizePrefixedETDumpBuffer(builder, fb::CreateETDump(builder, 0, list));
  const auto* data = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return std::vector<std::byte>(data, data + builder.GetSize());
}

}  // namespace pte::program
