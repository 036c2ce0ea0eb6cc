#include "engine/packing.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>

#include "base/pages.h"
#include "base/sha256.h"
#include "engine/packed_file.h"

namespace pte::engine {

namespace {

namespace fs = std::filesystem;

// ---- what a block's bytes are a function of

bool is_dense(const Tensor& tensor) { return tensor.is_dense_in(tensor.dim_order()); }

std::string layout_text(const Tensor& tensor) {
  std::string text(dtype_name(tensor.dtype()));
  for (size_t i = 0; i < tensor.rank(); ++i) {
    text += fmt::format(" {}:{}", tensor.sizes()[i], tensor.strides()[i]);
  }
  return text;
}

// Of a file that can be told from its later states.
const Unmap* settled_file(const Tensor& tensor) {
  const Unmap* mapping = mapping_of(tensor.owner());
  if (mapping == nullptr || !mapping->stamp.settled) return nullptr;
  const std::byte* begin = mapping->file.data();
  return tensor.data() >= begin && tensor.data() < begin + mapping->file.size() ? mapping : nullptr;
}

bool has_stamps(const PackJob& job) {
  return std::all_of(job.sources.begin(), job.sources.end(),
                     [](const Tensor& source) { return settled_file(source) != nullptr; });
}

// By stamps where there are some, else by addresses, which say something only while their owners
// live.
std::string place_text(const PackJob& job) {
  std::string text = fmt::format("{}|{}", job.what, job.buffer.size());
  for (const Tensor& source : job.sources) {
    text += '|' + layout_text(source);
    if (const Unmap* mapping = settled_file(source)) {
      const FileStamp& stamp = mapping->stamp;
      text += fmt::format(" file {}:{}:{}:{}:{} at {}", stamp.device, stamp.inode, stamp.size,
                          stamp.modified, stamp.changed, source.data() - mapping->file.data());
    } else {
      text += fmt::format(" memory {}", fmt::ptr(source.data()));
    }
  }
  return text;
}

Result<std::string> content_text(const PackJob& job) {
  std::string text = fmt::format("{}|{}", job.what, job.buffer.size());
  for (const Tensor& source : job.sources) {
    if (is_dense(source)) {
      text += fmt::format("|{} {}", layout_text(source), sha256_hex(source.bytes()));
    } else {
      PTE_TRY(const Tensor dense, source.contiguous());
      text += fmt::format("|{} {}", layout_text(dense), sha256_hex(dense.bytes()));
    }
    text += '\n';
  }
  return text;
}

// ---- blocks that sessions of this process share

struct Slot {
  std::mutex mutex;  // held while the block is packed: who comes second waits for it
  std::weak_ptr<const void> memory;
  std::span<const std::byte> bytes;
  std::vector<std::weak_ptr<const void>> owners;  // of sources that go by address

  bool fits(const PackJob& job) const {
    size_t at = 0;
    for (const Tensor& source : job.sources) {
      if (settled_file(source) != nullptr) continue;
      // Another owner at the same address is another weight.
      if (at == owners.size() || owners[at].expired() || owners[at].owner_before(source.owner()) ||
          source.owner().owner_before(owners[at])) {
        return false;
      }
      ++at;
    }
    return at == owners.size();
  }

  // Provides the job's buffer when there is a block.
  bool give(PackJob& job) const {
    const std::shared_ptr<const void> owner = memory.lock();
    if (owner == nullptr || !fits(job) || bytes.size() != job.buffer.size()) return false;
    job.buffer.provide(simd::Buffer::borrow(bytes, owner));
    return true;
  }

  void take(const PackJob& job) {
    memory = job.buffer.owner();
    bytes = job.buffer.bytes();
    owners.clear();
    for (const Tensor& source : job.sources) {
      if (settled_file(source) == nullptr) owners.emplace_back(source.owner());
    }
  }
};

class Slots {
 public:
  static Slots& instance() {
    static Slots slots;
    return slots;
  }

  std::shared_ptr<Slot> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    if (slots_.size() >= sweep_at_) {
      std::erase_if(slots_, [](const auto& entry) { return is_dead(entry.second); });
      std::erase_if(blocks_, [](const auto& entry) {
        return std::all_of(entry.second.begin(), entry.second.end(),
                           [](const Block& block) { return block.memory.expired(); });
      });
      sweep_at_ = 2 * slots_.size() + kLeast;
    }
    std::shared_ptr<Slot>& slot = slots_[key];
    if (slot == nullptr) slot = std::make_shared<Slot>();
    return slot;
  }

  void add(const std::string& kind, const simd::Buffer& block) {
    const std::lock_guard lock(mutex_);
    blocks_[kind].push_back({block.owner(), block.bytes()});
  }

  // An equal block that somebody holds, or this one, which others are given from now on: weights
  // that passes have computed lie elsewhere in every session.
  simd::Buffer one_of(const std::string& kind, const simd::Buffer& made) {
    const std::lock_guard lock(mutex_);
    std::vector<Block>& blocks = blocks_[kind];
    std::erase_if(blocks, [](const Block& block) { return block.memory.expired(); });
    for (const Block& block : blocks) {
      const std::shared_ptr<const void> owner = block.memory.lock();
      if (owner != nullptr && std::equal(block.bytes.begin(), block.bytes.end(),
                                         made.bytes().begin(), made.bytes().end())) {
        return simd::Buffer::borrow(block.bytes, owner);
      }
    }
    blocks.push_back({made.owner(), made.bytes()});
    return made;
  }

  size_t alive() {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count_if(
        slots_.begin(), slots_.end(), [](const auto& entry) { return !is_dead(entry.second); }));
  }

 private:
  static constexpr size_t kLeast = 64;

  // Nobody else holds the slot: only a find(), which has to wait, could begin to.
  static bool is_dead(const std::shared_ptr<Slot>& slot) {
    return slot.use_count() == 1 && slot->memory.expired();
  }

  struct Block {
    std::weak_ptr<const void> memory;
    std::span<const std::byte> bytes;
  };

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Slot>> slots_;
  std::map<std::string, std::vector<Block>> blocks_;
  size_t sweep_at_ = kLeast;
};

// ---- the whole of a plan's blocks

class Packer {
 public:
  Packer(std::span<PackJob> jobs, const PackOptions& options) : jobs_(jobs), options_(options) {}

  Result<PackReport> run() {
    report_.blocks = jobs_.size();
    for (const PackJob& job : jobs_) report_.bytes += job.buffer.size();
    for (const PackJob& job : jobs_) {
      places_.push_back(place_text(job));
      slots_.push_back(Slots::instance().find(places_.back()));
    }
    for (size_t i = 0; i < jobs_.size(); ++i) {
      const std::lock_guard lock(slots_[i]->mutex);
      if (slots_[i]->give(jobs_[i])) ++report_.shared;
    }
    if (options_.folder.empty()) {
      PTE_CHECK(make());
      return std::move(report_);
    }
    const std::string link = link_path();
    if (!link.empty() && read(link, nullptr)) return std::move(report_);
    PTE_TRY(const std::string key, content_key());
    const std::string name = key.substr(0, 32) + ".packed";
    const std::string path = (fs::path(options_.folder) / name).string();
    if (!read(path, &key)) {
      PTE_CHECK(make());
      if (!write(path, key)) return std::move(report_);
    }
    if (!link.empty()) point(link, name);
    return std::move(report_);
  }

 private:
  // Runs body(job) for all, the largest first, each on one thread.
  template <typename Body>
  Status for_each(const Body& body) {
    std::vector<size_t> order(jobs_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return jobs_[a].buffer.size() > jobs_[b].buffer.size();
    });
    std::vector<Status> done(jobs_.size());
    const auto range = [&](int64_t begin, int64_t end, int) {
      for (auto at = static_cast<size_t>(begin); at < static_cast<size_t>(end); ++at) {
        done[order[at]] = body(order[at]);
      }
    };
    const auto count = static_cast<int64_t>(jobs_.size());
    // Less is packed before another thread wakes.
    constexpr uint64_t kWorthSharing = uint64_t{1} << 20;
    if (options_.pool == nullptr || report_.bytes < kWorthSharing) {
      range(0, count, 0);
    } else {
      options_.pool->run(count, 1, options_.pool->size(), range);
    }
    for (Status& status : done) {
      if (!status) return std::move(status);
    }
    return {};
  }

  // Packs what is still missing.
  Status make() {
    std::vector<uint8_t> made(jobs_.size());
    std::vector<uint8_t> shared(jobs_.size());
    const auto make_one = [&](size_t i) -> Status {
      PackJob& job = jobs_[i];
      if (job.buffer.is_ready() || job.buffer.size() == 0) return {};
      const std::lock_guard lock(slots_[i]->mutex);
      if (slots_[i]->give(job)) {
        shared[i] = 1;
        return {};
      }
      PTE_TRY(simd::Buffer buffer, simd::Buffer::allocate(job.buffer.size()));
      PTE_CHECK(job.pack(buffer.fill<std::byte>()));
      release(job);
      job.buffer.provide(has_stamps(job) ? buffer : Slots::instance().one_of(kind_of(job), buffer));
      slots_[i]->take(job);
      (job.buffer.bytes().data() == buffer.bytes().data() ? made : shared)[i] = 1;
      return {};
    };
    PTE_CHECK(for_each(make_one));
    // What lies beside the weights in their files is read again when something needs it.
    std::set<const Unmap*> files;
    for (const PackJob& job : jobs_) {
      for (const Tensor& source : job.sources) {
        const Unmap* mapping = mapping_of(source.owner());
        if (mapping != nullptr && files.insert(mapping).second) {
          release_pages(mapping->file, source.owner());
        }
      }
    }
    report_.packed += static_cast<size_t>(std::count(made.begin(), made.end(), 1));
    report_.shared += static_cast<size_t>(std::count(shared.begin(), shared.end(), 1));
    return {};
  }

  // A block of a file, for this session and those to come.
  void keep(size_t i, const simd::Buffer& block) {
    PackJob& job = jobs_[i];
    job.buffer.provide(block);
    if (!has_stamps(job)) Slots::instance().add(kind_of(job), block);
    const std::lock_guard lock(slots_[i]->mutex);
    slots_[i]->take(job);
  }

  static std::string kind_of(const PackJob& job) {
    return fmt::format("{}|{}", job.what, job.buffer.size());
  }

  // The file is read again when something else needs its pages.
  static void release(const PackJob& job) {
    for (const Tensor& source : job.sources) {
      if (is_dense(source)) release_pages(source.bytes(), source.owner());
    }
  }

  Result<std::string> content_key() {
    std::vector<std::string> parts(jobs_.size());
    const auto hash_one = [&](size_t i) -> Status {
      PTE_TRY(parts[i], content_text(jobs_[i]));
      release(jobs_[i]);
      return {};
    };
    PTE_CHECK(for_each(hash_one));
    std::string all = fmt::format("layout {}\n", simd::kPackedLayout);
    for (const std::string& part : parts) all += part;
    return sha256_hex(as_bytes(all));
  }

  // Empty where a source goes by its address.
  std::string link_path() const {
    std::string all = fmt::format("layout {}\n", simd::kPackedLayout);
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (!has_stamps(jobs_[i])) return {};
      all += places_[i] + '\n';
    }
    const std::string name = sha256_hex(as_bytes(all)).substr(0, 32) + ".weights";
    return (fs::path(options_.folder) / name).string();
  }

  // Takes what no other session has from a file that holds just these blocks, and, when it is
  // given, bears this key.
  bool read(const std::string& path, const std::string* key) {
    const Result<PackedFile> file = PackedFile::open(path);
    if (!file) {
      if (file.error().code != Code::kNotFound) report_.note = file.error().message;
      return false;
    }
    bool same = file->blocks().size() == jobs_.size() && (key == nullptr || file->key() == *key);
    for (size_t i = 0; same && i < jobs_.size(); ++i) {
      const PackedBlock& block = file->blocks()[i];
      same = block.what == jobs_[i].what && block.bytes.size() == jobs_[i].buffer.size();
    }
    if (!same) {
      report_.note = fmt::format("{}: it holds other weights", path);
      return false;
    }
    for (size_t i = 0; i < jobs_.size(); ++i) {
      PackJob& job = jobs_[i];
      if (job.buffer.is_ready() || job.buffer.size() == 0) continue;
      keep(i, file->blocks()[i].bytes);
      ++report_.mapped;
    }
    report_.file = path;
    return true;
  }

  // Afterwards the file's pages take the place of this process's own, where nobody else needs them.
  bool write(const std::string& path, const std::string& key) {
    std::vector<PackedBlock> blocks;
    for (const PackJob& job : jobs_) blocks.push_back({job.what, job.buffer});
    std::error_code error;
    fs::create_directories(options_.folder, error);
    const auto give_up = [&](const Error& why) {
      report_.note = why.message;
      return false;
    };
    if (Status written = write_packed_file(path, key, blocks); !written) {
      return give_up(written.error());
    }
    const Result<PackedFile> file = PackedFile::open(path);
    if (!file) return give_up(file.error());
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (jobs_[i].buffer.size() == 0) continue;
      keep(i, file->blocks()[i].bytes);
    }
    report_.file = path;
    return true;
  }

  // File systems without symbolic links go without: weights are then hashed at each start.
  static void point(const std::string& link, const std::string& name) {
    const std::string temporary = fmt::format("{}.{}", link, ::getpid());
    if (::symlink(name.c_str(), temporary.c_str()) != 0) return;
    if (::rename(temporary.c_str(), link.c_str()) != 0) ::unlink(temporary.c_str());
  }

  std::span<PackJob> jobs_;
  const PackOptions& options_;
  PackReport report_;
  std::vector<std::string> places_;
  std::vector<std::shared_ptr<Slot>> slots_;
};

}  // namespace

Result<PackReport> pack_weights(std::span<PackJob> jobs, const PackOptions& options) {
  return Packer(jobs, options).run();
}

size_t shared_blocks() { return Slots::instance().alive(); }

}  // namespace pte::engine
