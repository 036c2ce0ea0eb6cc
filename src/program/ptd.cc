#include "program/ptd.h"

#include <array>
#include <cstring>
#include <limits>

#include "base/checked.h"
#include "program/header.h"
#include "program/quote.h"
#include "schema/flat_tensor_generated.h"

namespace pte::program {
namespace {

namespace fb = pte::schema::flat_tensor;

constexpr size_t kHeaderAt = 8;
constexpr uint32_t kHeaderLength = 40;
// The header with its padding, so that everything after it keeps an alignment of 16.
constexpr size_t kInserted = 48;
constexpr uint64_t kSegmentAlignment = 128;

struct Header {
  uint64_t flatbuffer_end = 0;
  uint64_t segment_base = 0;
  uint64_t segment_bytes = 0;
};

template <typename T>
T load(Bytes file, size_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

Result<Header> read_data_header(Bytes file) {
  if (!is_data_file(file)) {
    const std::string guess = guess_format(file);
    return invalid_data("not ExecuTorch tensor data (.ptd){}{}", guess.empty() ? "" : " but ",
                        guess);
  }
  if (file.size() < kHeaderAt + kHeaderLength) {
    return invalid_data("truncated: {} bytes, its header alone needs {}", file.size(),
                        kHeaderAt + kHeaderLength);
  }
  if (as_text(file.subspan(kHeaderAt, 4)) != "FH01") {
    return invalid_data("no header FH01 at byte {}", kHeaderAt);
  }
  const auto length = load<uint32_t>(file, 12);
  if (length < kHeaderLength) {
    return invalid_data("the header gives its length as {}, expected at least {}", length,
                        kHeaderLength);
  }
  Header header;
  const auto end = checked_add(load<uint64_t>(file, 16), load<uint64_t>(file, 24));
  if (!end || *end > file.size()) {
    return invalid_data("truncated: {} bytes, its flatbuffer lies at {} + {}", file.size(),
                        load<uint64_t>(file, 16), load<uint64_t>(file, 24));
  }
  // Offsets of the flatbuffer count from the file's begin, wherever the header says it lies.
  header.flatbuffer_end = *end;
  header.segment_base = load<uint64_t>(file, 32);
  header.segment_bytes = load<uint64_t>(file, 40);
  if (!in_range(header.segment_base, header.segment_bytes, file.size())) {
    return invalid_data("truncated: {} bytes, its segments lie at {} + {}", file.size(),
                        header.segment_base, header.segment_bytes);
  }
  if (header.segment_bytes != 0 && header.segment_base < header.flatbuffer_end) {
    return invalid_data("the header places segments at byte {}, inside the flatbuffer's {} bytes",
                        header.segment_base, header.flatbuffer_end);
  }
  return header;
}

Status check_layout(const TensorLayout& layout, const Blob& data) {
  if (layout.sizes.size() > kMaxRank) {
    return invalid_data("a tensor of rank {}, expected at most {}", layout.sizes.size(), kMaxRank);
  }
  for (const int64_t size : layout.sizes) {
    if (size < 0 || size > std::numeric_limits<int32_t>::max()) {
      return invalid_data("a tensor of size {}", size);
    }
  }
  const auto bytes = byte_count(layout.dtype, layout.sizes);
  if (!bytes || *bytes > static_cast<size_t>(std::numeric_limits<int64_t>::max())) {
    return invalid_data("the byte count of {} overflows", describe(layout.dtype, layout.sizes));
  }
  if (layout.dim_order.size() != layout.sizes.size() || !is_permutation(layout.dim_order)) {
    return invalid_data("the dim order of {} is no permutation of its dimensions",
                        describe(layout.dtype, layout.sizes));
  }
  if (*bytes > data.size()) {
    return invalid_data("{} needs {} bytes, {} are stored", describe(layout.dtype, layout.sizes),
                        *bytes, data.size());
  }
  return {};
}

// A tensor of a file is read where it lies.
Status check_alignment(const TensorLayout& layout, const Blob& data) {
  const size_t element = std::max<size_t>(size_of(layout.dtype), 1);
  if (layout.nbytes() == 0 || reinterpret_cast<uintptr_t>(data.bytes.data()) % element == 0) {
    return {};
  }
  return invalid_data("it is not aligned to the {} bytes of {}", element, dtype_name(layout.dtype));
}

// Many tables may share one vector, so what is copied is counted.
class Budget {
 public:
  explicit Budget(uint64_t file_size) : left_(8 * file_size) {}
  Status take(uint64_t bytes) {
    if (bytes > left_) {
      return make_error(Code::kResourceLimit, "its lists unfold to many times the file's size");
    }
    left_ -= bytes;
    return {};
  }

 private:
  uint64_t left_;
};

Result<TensorLayout> decode_layout(const fb::TensorLayout& in, Budget& budget) {
  TensorLayout out;
  const auto dtype = dtype_from_code(in.scalar_type());
  if (!dtype) return invalid_data("unknown scalar type {}", in.scalar_type());
  out.dtype = *dtype;
  if (in.sizes() != nullptr) {
    PTE_CHECK(budget.take(uint64_t{in.sizes()->size()} * 8));
    out.sizes.assign(in.sizes()->begin(), in.sizes()->end());
  }
  if (in.dim_order() != nullptr) {
    PTE_CHECK(budget.take(in.dim_order()->size()));
    out.dim_order.assign(in.dim_order()->begin(), in.dim_order()->end());
  }
  return out;
}

Result<DataFile> parse(const MappedFile& file) {
  const Bytes bytes = file.bytes();
  PTE_TRY(const Header header, read_data_header(bytes));
  if (header.flatbuffer_end >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    return unsupported("its flatbuffer has {} bytes; the format ends at {}", header.flatbuffer_end,
                       FLATBUFFERS_MAX_BUFFER_SIZE);
  }
  flatbuffers::Verifier::Options options;
  options.max_depth = 8;
  options.max_tables = static_cast<flatbuffers::uoffset_t>(header.flatbuffer_end / 4 + 64);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()),
                                 header.flatbuffer_end, options);
  if (!fb::VerifyFlatTensorBuffer(verifier)) {
    return invalid_data(
        "the flatbuffer is damaged or cut off: a table, offset or length leaves its {} bytes",
        header.flatbuffer_end);
  }
  const fb::FlatTensor& root = *fb::GetFlatTensor(bytes.data());
  if (root.segments() == nullptr || root.named_data() == nullptr) {
    return invalid_data("one of segments and named data is absent");
  }
  DataFile out;
  out.path = file.path();
  out.version = root.version();
  std::vector<Bytes> segments;
  segments.reserve(root.segments()->size());
  for (const auto* segment : *root.segments()) {
    if (!in_range(segment->offset(), segment->size(), header.segment_bytes)) {
      return invalid_data("segment {} lies at {} + {}, outside the {} bytes of segments",
                          segments.size(), segment->offset(), segment->size(),
                          header.segment_bytes);
    }
    segments.push_back(bytes.subspan(header.segment_base + segment->offset(), segment->size()));
  }
  Budget budget(bytes.size());
  std::unordered_map<std::string_view, size_t> keys;
  out.entries.reserve(root.named_data()->size());
  for (const auto* item : *root.named_data()) {
    const size_t index = out.entries.size();
    const std::string place = fmt::format("entry {}", index);
    if (item->key() == nullptr || item->key()->size() == 0) {
      return invalid_data("{} has no key", place);
    }
    PTE_CHECK(budget.take(item->key()->size()));
    DataEntry entry;
    entry.key = item->key()->str();
    const std::string_view view = item->key()->string_view();
    if (const auto [found, fresh] = keys.emplace(view, index); !fresh) {
      return invalid_data("entries {} and {} have the key {}", found->second, index,
                          quote(entry.key));
    }
    if (item->segment_index() >= segments.size()) {
      return invalid_data("{} {} names segment {}, the file has {}", place, quote(entry.key),
                          item->segment_index(), segments.size());
    }
    entry.data.bytes = segments[item->segment_index()];
    entry.data.owner = file.owner();
    if (item->tensor_layout() != nullptr) {
      const auto decode = [&]() -> Status {
        PTE_TRY(entry.layout, decode_layout(*item->tensor_layout(), budget));
        PTE_CHECK(check_layout(*entry.layout, entry.data));
        return check_alignment(*entry.layout, entry.data);
      };
      PTE_CHECK(decode().at(fmt::format("{} {}", place, quote(entry.key))));
    }
    out.entries.push_back(std::move(entry));
  }
  return out;
}

// Where each entry's bytes go: equal ones share a segment.
struct DataPlan {
  std::vector<uint32_t> segment_of;
  std::vector<uint64_t> offsets;
  std::vector<Bytes> bytes;
  uint64_t total = 0;
};

DataPlan plan_data(const std::vector<DataEntry>& entries) {
  DataPlan plan;
  std::unordered_map<std::string_view, uint32_t> seen;
  for (const DataEntry& entry : entries) {
    const auto next = static_cast<uint32_t>(plan.bytes.size());
    const auto [found, fresh] = seen.try_emplace(as_text(entry.data.bytes), next);
    plan.segment_of.push_back(found->second);
    if (!fresh) continue;
    const uint64_t alignment = std::max<uint64_t>(kSegmentAlignment, entry.data.alignment);
    plan.offsets.push_back(align_up(plan.total, alignment));
    plan.bytes.push_back(entry.data.bytes);
    plan.total = plan.offsets.back() + entry.data.size();
  }
  return plan;
}

Status check_entries(const std::vector<DataEntry>& entries) {
  std::unordered_map<std::string_view, size_t> keys;
  uint64_t names = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const DataEntry& entry = entries[i];
    if (entry.key.empty()) return invalid_argument("entry {} has no key", i);
    if (!keys.emplace(entry.key, i).second) {
      return invalid_argument("the key {} is there twice", quote(entry.key));
    }
    if (entry.data.alignment > 4096 || (entry.data.alignment & (entry.data.alignment - 1)) != 0) {
      return invalid_argument("{}: alignment {} is no power of two up to 4096", quote(entry.key),
                              entry.data.alignment);
    }
    names += entry.key.size() + 512;
    if (!entry.layout) continue;
    if (Status status = check_layout(*entry.layout, entry.data); !status) {
      return invalid_argument("{}: {}", quote(entry.key), status.error().message);
    }
  }
  // The builder itself ends the process past 2 GiB.
  if (names > uint64_t{1} << 30) return unsupported("more keys than a .ptd file can hold");
  return {};
}

// Everything before the segments, padded up to them.
std::vector<std::byte> encode(const std::vector<DataEntry>& entries, const DataPlan& plan) {
  flatbuffers::FlatBufferBuilder out;
  std::vector<flatbuffers::Offset<fb::DataSegment>> segments;
  for (size_t i = 0; i < plan.bytes.size(); ++i) {
    segments.push_back(fb::CreateDataSegment(out, plan.offsets[i], plan.bytes[i].size()));
  }
  const auto segment_tables = out.CreateVector(segments);
  std::vector<flatbuffers::Offset<fb::NamedData>> items;
  for (size_t i = 0; i < entries.size(); ++i) {
    flatbuffers::Offset<fb::TensorLayout> layout;
    if (entries[i].layout) {
      const TensorLayout& in = *entries[i].layout;
      const std::vector<int32_t> sizes(in.sizes.begin(), in.sizes.end());
      const auto size_vector = out.CreateVector(sizes);
      layout = fb::CreateTensorLayout(out, static_cast<int8_t>(in.dtype), size_vector,
                                      out.CreateVector(in.dim_order));
    }
    const auto key = out.CreateString(entries[i].key);
    items.push_back(fb::CreateNamedData(out, key, plan.segment_of[i], layout));
  }
  const auto item_tables = out.CreateVector(items);
  fb::FinishFlatTensorBuffer(out, fb::CreateFlatTensor(out, 0, segment_tables, item_tables));

  const uint64_t size = out.GetSize();
  const uint64_t base = align_up(kInserted + size, kSegmentAlignment);
  std::vector<std::byte> bytes(base);
  const auto* built = reinterpret_cast<const std::byte*>(out.GetBufferPointer());
  std::copy_n(built, kHeaderAt, bytes.begin());
  std::copy(built + kHeaderAt, built + size, bytes.begin() + kHeaderAt + kInserted);
  // Everything after the header moved, the root with it.
  const auto root = load<uint32_t>(bytes, 0) + static_cast<uint32_t>(kInserted);
  std::memcpy(bytes.data(), &root, sizeof(root));
  std::memcpy(bytes.data() + kHeaderAt, "FH01", 4);
  std::memcpy(bytes.data() + 12, &kHeaderLength, sizeof(kHeaderLength));
  const std::array<uint64_t, 4> numbers = {kInserted, size, base, plan.total};
  std::memcpy(bytes.data() + 16, numbers.data(), sizeof(numbers));
  return bytes;
}

}  // namespace

bool is_data_file(Bytes file) {
  return file.size() >= kHeaderAt && as_text(file.subspan(4, 4)) == "FT01";
}

Result<DataFile> read_data(const MappedFile& file) { return parse(file).at(file.path()); }

Result<std::vector<std::byte>> serialize_data(const std::vector<DataEntry>& entries) {
  PTE_CHECK(check_entries(entries));
  const DataPlan plan = plan_data(entries);
  std::vector<std::byte> out = encode(entries, plan);
  const size_t base = out.size();
  out.resize(base + plan.total);
  for (size_t i = 0; i < plan.bytes.size(); ++i) {
    std::copy(plan.bytes[i].begin(), plan.bytes[i].end(),
              out.begin() + static_cast<ptrdiff_t>(base + plan.offsets[i]));
  }
  return out;
}

Status write_data(const std::vector<DataEntry>& entries, const std::string& path) {
  PTE_CHECK(check_entries(entries).at(path));
  const DataPlan plan = plan_data(entries);
  PTE_TRY(AtomicFile file, AtomicFile::create(path));
  const std::vector<std::byte> head = encode(entries, plan);
  PTE_CHECK(file.write(Bytes(head)));
  for (size_t i = 0; i < plan.bytes.size(); ++i) {
    PTE_CHECK(file.pad(head.size() + plan.offsets[i] - file.position()));
    PTE_CHECK(file.write(plan.bytes[i]));
  }
  return file.commit();
}

Status DataMap::add(DataFile file) {
  for (const DataEntry& entry : file.entries) {
    const auto found = by_key_.find(entry.key);
    if (found == by_key_.end()) continue;
    return make_error(Code::kMismatch, "{}: the key {} is in {} too", file.path, quote(entry.key),
                      files_[found->second.file].path);
  }
  for (size_t i = 0; i < file.entries.size(); ++i) {
    by_key_.emplace(file.entries[i].key, Place{files_.size(), i});
  }
  files_.push_back(std::move(file));
  return {};
}

const DataEntry* DataMap::find(std::string_view key) const {
  const auto found = by_key_.find(std::string(key));
  if (found == by_key_.end()) return nullptr;
  return &files_[found->second.file].entries[found->second.entry];
}

}  // namespace pte::program
