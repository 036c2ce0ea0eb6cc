#include "importers/checkpoint/checkpoint.h"

#include <cstring>

#include "base/checked.h"
#include "base/zip.h"
#include "importers/checkpoint/metadata.h"
#include "importers/checkpoint/safetensors.h"
#include "importers/checkpoint/tensors.h"
#include "importers/sniff.h"

namespace pte::importers {
namespace {

Error not_a_checkpoint(FileKind kind) {
  Error error = kind == FileKind::kUnknown
                    ? invalid_data("not a checkpoint: the format is not known")
                    : invalid_data("not a checkpoint: it is {}", describe(kind));
  if (kind == FileKind::kGitLfsPointer) return std::move(error).with_hint("run `git lfs pull`");
  return std::move(error).with_hint(
      "a checkpoint is what torch.save(model.state_dict(), path) writes");
}

// The pickle read, its tensors rebuilt over `source`.
Result<Checkpoint> assemble(std::string_view format, const PickleValue& root,
                            TensorReader::StorageSource source, const CheckpointOptions& options) {
  PTE_TRY(Contents contents, find_contents(root, options));
  TensorReader reader(std::move(source));
  Checkpoint out;
  out.format = format;
  out.found_under = std::move(contents.found_under);
  StateDict parameters;
  for (NamedValue& named : contents.tensors) {
    auto tensor = reader.read(named.value);
    if (!tensor) {
      return std::move(tensor.error()).at(fmt::format("tensor '{}'", printable(named.name)));
    }
    if (!named.is_buffer) parameters.set(named.name, *tensor);
    out.state.set(std::move(named.name), std::move(*tensor));
  }
  out.parameters = parameters.parameter_count();
  out.state.metadata = flatten_scalars(contents.metadata);
  out.metadata = std::move(contents.metadata);
  out.attributes = std::move(contents.attributes);
  return out;
}

Result<Checkpoint> load_zip(const MappedFile& file, const CheckpointOptions& options) {
  PTE_TRY(const ZipArchive archive, ZipArchive::open(file));
  const ZipEntry* pickle_entry = archive.find_below_top("data.pkl");
  if (!pickle_entry) return not_a_checkpoint(sniff(file));
  if (const ZipEntry* order = archive.find_below_top("byteorder")) {
    PTE_TRY(const ZipData text, archive.read(*order));
    if (as_text(text.bytes) != "little") {
      return unsupported("the checkpoint is {}-endian; little-endian files can be read",
                         printable(as_text(text.bytes), 10));
    }
  }
  PTE_TRY(const ZipData bytes, archive.read(*pickle_entry));
  PTE_TRY(const auto pickle, Pickle::parse(bytes.bytes));
  const auto source = [&](std::string_view key) -> Result<Storage> {
    const ZipEntry* entry = archive.find_below_top(fmt::format("data/{}", key));
    if (!entry) {
      return invalid_data("its storage 'data/{}' is not in the file", printable(key));
    }
    // A stored entry costs nothing; a packed one is bounded by its ratio.
    PTE_TRY(ZipData data, archive.read(*entry, uint64_t{1} << 40));
    return Storage{data.bytes, std::move(data.owner)};
  };
  return assemble("torch.save zip", pickle->root(), source, options);
}

// The four pickles around the object, and where each storage lies.
class LegacyFile {
 public:
  explicit LegacyFile(const MappedFile& file) : file_(file) {}

  Status read() {
    PTE_CHECK(next("the magic number"));
    PTE_TRY(const auto version, next("the protocol version"));
    if (version->root().as_int() != 1001) {
      return unsupported("legacy torch.save of a protocol that is not 1001");
    }
    PTE_TRY(const auto system, next("the system description"));
    if (const auto little = system->root().find("little_endian");
        little && little->as_bool() == false) {
      return unsupported("the checkpoint is big-endian; little-endian files can be read");
    }
    PTE_TRY(object_, next("the object"));
    PTE_TRY(const auto keys, next("the list of storages"));
    return locate(keys->root());
  }

  PickleValue root() const { return object_->root(); }

  Result<Storage> storage(std::string_view key) const {
    const auto it = storages_.find(key);
    if (it == storages_.end()) {
      return invalid_data("its storage '{}' is not in the file", printable(key));
    }
    return Storage{it->second, file_.owner()};
  }

 private:
  Result<std::shared_ptr<const Pickle>> next(std::string_view what) {
    PTE_TRY(auto pickle, Pickle::parse(file_.bytes().subspan(at_)).at(what));
    at_ += pickle->consumed();
    return pickle;
  }

  // The storages follow each other in the order of the list; their element sizes stand only in
  // the object's persistent ids.
  Status locate(const PickleValue& keys) {
    if (!keys.is(PickleKind::kList)) return invalid_data("the list of storages is no list");
    std::map<std::string_view, DType> types;
    for (const PickleValue& id : object_->persistent_ids()) {
      const PickleValue tuple = id.item(0);
      if (tuple.item(0).as_string() != "storage") continue;  // a module's source, say
      auto ref = read_storage_ref(id);
      if (!ref) {
        return std::move(ref.error()).at("a tensor");
      }
      types.emplace(ref->key, ref->dtype);
    }
    const Bytes file = file_.bytes();
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::string_view key = keys.item(i).text();
      const auto type = types.find(key);
      if (type == types.end()) {
        return invalid_data("storage {} of {} ('{}') is used by no tensor, so its size is unknown",
                            i + 1, keys.size(), printable(key, 40));
      }
      int64_t count = 0;
      if (!in_range(at_, 8, file.size())) return cut_short(i, keys.size());
      std::memcpy(&count, file.data() + at_, 8);
      at_ += 8;
      const auto size =
          count < 0 ? std::nullopt
                    : checked_mul<uint64_t>(static_cast<uint64_t>(count), size_of(type->second));
      if (!size || !in_range(at_, *size, file.size())) return cut_short(i, keys.size());
      storages_.emplace(type->first, file.subspan(at_, *size));
      at_ += *size;
    }
    return {};
  }

  Error cut_short(size_t i, size_t count) const {
    return invalid_data("cut short: storage {} of {} does not fit into the file's {} bytes", i + 1,
                        count, file_.bytes().size());
  }

  const MappedFile& file_;
  size_t at_ = 0;
  std::shared_ptr<const Pickle> object_;
  std::map<std::string_view, Bytes> storages_;  // keys view what object_ keeps
};

Result<Checkpoint> load_legacy(const MappedFile& file, const CheckpointOptions& options) {
  LegacyFile legacy(file);
  PTE_CHECK(legacy.read());
  return assemble(
      "legacy torch.save", legacy.root(), [&](std::string_view key) { return legacy.storage(key); },
      options);
}

// A pickle that torch.save did not write has no storages, but may hold NumPy arrays.
Result<Checkpoint> load_pickle(const MappedFile& file, const CheckpointOptions& options) {
  PTE_TRY(const auto pickle, Pickle::parse(file.bytes()));
  const auto source = [](std::string_view) -> Result<Storage> {
    return invalid_data("its storage is not in the file: the file was not written by torch.save");
  };
  return assemble("pickle", pickle->root(), source, options);
}

Result<Checkpoint> load(const MappedFile& file, const CheckpointOptions& options) {
  if (ZipArchive::looks_like_zip(file.bytes())) {
    // A damaged zip gets its own message; a sound one of another kind is named.
    const FileKind kind = sniff(file);
    if (kind != FileKind::kTorchSaveZip && kind != FileKind::kZip) return not_a_checkpoint(kind);
    return load_zip(file, options);
  }
  switch (const FileKind kind = sniff(file)) {
    case FileKind::kTorchSaveLegacy:
      return load_legacy(file, options);
    case FileKind::kPickle:
      return load_pickle(file, options);
    case FileKind::kSafetensors:
      return load_safetensors(file);
    case FileKind::kSafetensorsIndex:
      return load_safetensors_index(file);
    default:
      return not_a_checkpoint(kind);
  }
}

}  // namespace

Result<Checkpoint> load_checkpoint(const MappedFile& file, const CheckpointOptions& options) {
  return load(file, options).at(file.path());
}

Result<Checkpoint> load_checkpoint(const std::string& path, const CheckpointOptions& options) {
  PTE_TRY(const MappedFile file, MappedFile::open(path));
  return load_checkpoint(file, options);
}

}  // namespace pte::importers
