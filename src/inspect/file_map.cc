#include "inspect/file_map.h"

#include <algorithm>
#include <map>

#include "inspect/weights.h"
#include "program/header.h"

namespace pte::inspect {
namespace {

// Which bytes of the file are told for already: disjoint, by their beginning.
class Claims {
 public:
  // The bytes of [begin, end) that nobody had claimed; claims them.
  uint64_t claim(uint64_t begin, uint64_t end) {
    if (begin >= end) return 0;
    uint64_t fresh = 0;
    uint64_t at = begin;
    auto it = taken_.upper_bound(begin);
    if (it != taken_.begin()) {
      const auto before = std::prev(it);
      at = std::max(at, std::min(before->second, end));
    }
    while (at < end) {
      const uint64_t next = it == taken_.end() ? end : std::min(it->first, end);
      if (next > at) fresh += next - at;
      if (it == taken_.end() || it->first >= end) break;
      at = std::max(at, it->second);
      ++it;
    }
    insert(begin, end);
    total_ += fresh;
    return fresh;
  }
  uint64_t total() const { return total_; }

 private:
  void insert(uint64_t begin, uint64_t end) {
    auto it = taken_.upper_bound(begin);
    if (it != taken_.begin() && std::prev(it)->second >= begin) it = std::prev(it);
    while (it != taken_.end() && it->first <= end) {
      begin = std::min(begin, it->first);
      end = std::max(end, it->second);
      it = taken_.erase(it);
    }
    taken_[begin] = end;
  }

  std::map<uint64_t, uint64_t> taken_;
  uint64_t total_ = 0;
};

class Mapper {
 public:
  Mapper(const MappedFile& file, const program::Program& program)
      : file_(file), program_(program) {}

  FilePart run(size_t limit) {
    const auto header = program::read_header(file_.bytes());
    const uint64_t buffer = header ? header->program_size : file_.bytes().size();
    const auto weights = list_weights(program_);
    for (const Weight& weight : weights) {
      names_.try_emplace(weight.data.data(), weight.name);
    }
    FilePart root{"file", 0, file_.bytes().size(), 1, {}};
    FilePart constants = blobs("constants", program_.constants);
    FilePart mutables = blobs("mutable data", program_.mutable_data);
    FilePart delegates = payloads();
    FilePart named = named_data();
    FilePart flatbuffer{"program flatbuffer", 0, claims_.claim(0, buffer), 1, {}};
    root.children.push_back(std::move(flatbuffer));
    for (FilePart* part : {&constants, &mutables, &delegates, &named}) {
      if (part->count == 0) continue;
      shorten(*part, limit);
      root.children.push_back(std::move(*part));
    }
    const uint64_t rest = root.bytes - claims_.total();
    if (rest > 0) root.children.push_back({"padding", 0, rest, 1, {}});
    return root;
  }

 private:
  FilePart part(std::string name, Bytes bytes) {
    FilePart out{std::move(name), 0, 0, 1, {}};
    const std::byte* base = file_.bytes().data();
    // An empty blob has no place; one that lies elsewhere is not of this file.
    if (bytes.empty() || bytes.data() < base || bytes.data() >= base + file_.bytes().size())
      return out;
    out.offset = static_cast<uint64_t>(bytes.data() - base);
    out.bytes = claims_.claim(out.offset, out.offset + bytes.size());
    return out;
  }

  static void add(FilePart& parent, FilePart child) {
    parent.bytes += child.bytes;
    parent.count += 1;
    parent.children.push_back(std::move(child));
  }

  std::string name_of(const std::byte* data, std::string otherwise) const {
    const auto it = names_.find(data);
    return it == names_.end() ? std::move(otherwise) : it->second;
  }

  FilePart blobs(std::string name, const std::vector<program::Blob>& table) {
    FilePart out{std::move(name), 0, 0, 0, {}};
    for (size_t i = 1; i < table.size(); ++i) {
      add(out, part(name_of(table[i].bytes.data(), fmt::format("entry {}", i)), table[i].bytes));
    }
    return out;
  }

  FilePart payloads() {
    FilePart out{"delegates", 0, 0, 0, {}};
    for (const program::Method& method : program_.methods) {
      for (size_t i = 0; i < method.delegates.size(); ++i) {
        const program::Delegate& delegate = method.delegates[i];
        std::string name = fmt::format("{} {}", delegate.id, i);
        if (program_.methods.size() > 1) name = method.name + " " + name;
        add(out, part(std::move(name), delegate.payload.bytes));
      }
    }
    return out;
  }

  FilePart named_data() {
    FilePart out{"named data", 0, 0, 0, {}};
    for (const program::NamedData& entry : program_.named_data) {
      add(out, part(name_of(entry.data.bytes.data(), entry.key), entry.data.bytes));
    }
    return out;
  }

  static void shorten(FilePart& part, size_t limit) {
    std::stable_sort(part.children.begin(), part.children.end(),
                     [](const FilePart& a, const FilePart& b) { return a.bytes > b.bytes; });
    if (part.children.size() <= limit + 1) return;
    FilePart rest{"", 0, 0, 0, {}};
    for (size_t i = limit; i < part.children.size(); ++i) {
      rest.bytes += part.children[i].bytes;
      ++rest.count;
    }
    rest.name = fmt::format("{} more", rest.count);
    part.children.resize(limit);
    part.children.push_back(std::move(rest));
  }

  const MappedFile& file_;
  const program::Program& program_;
  Claims claims_;
  std::map<const std::byte*, std::string> names_;
};

}  // namespace

FilePart map_file(const MappedFile& file, const program::Program& program, size_t limit) {
  return Mapper(file, program).run(limit);
}

}  // namespace pte::inspect
