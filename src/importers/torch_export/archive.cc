#include "importers/torch_export/archive.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "importers/checkpoint/checkpoint.h"
#include "importers/checkpoint/pickle.h"
#include "importers/checkpoint/tensors.h"
#include "importers/sniff.h"
#include "importers/torch_export/meta.h"

namespace pte::importers {
namespace {

constexpr std::string_view kOldProgram = "serialized_exported_program.json";
constexpr std::string_view kModels = "models/";
constexpr std::string_view kJson = ".json";
// Memory that a few bytes of metadata may ask for beyond what the file holds: zeros for storages
// that were not written, copies of expanded tensors.
constexpr size_t kMaxInvented = size_t{256} << 20;
// Of sample inputs and of a tensor subclass.
constexpr size_t kMaxLeaves = 4096;

// Bytes that may still be made or looked through, so that a small file cannot ask for much.
struct Budget {
  size_t left = 0;
  bool take(size_t bytes) {
    if (bytes > left) return false;
    left -= bytes;
    return true;
  }
};

// A storage seen with sizes, strides and an offset; copied when it lies at an odd address.
Result<Tensor> view_storage(const ZipData& storage, const TensorMeta& meta, const JsonView& place,
                            Budget& budget) {
  const auto sizes = ir::to_static(meta.sizes);
  const auto strides = ir::to_static(meta.strides);
  const auto offset = meta.offset.constant();
  if (!sizes || !strides || !offset)
    return place.invalid("the sizes of stored tensors must be numbers");
  const size_t width = size_of(meta.dtype);
  const auto needed = byte_count(meta.dtype, *sizes);
  if (width == 0)
    return unsupported("{}: stored tensors of {}", place.path(), dtype_name(meta.dtype));
  if (!needed) return place.invalid("the tensor is too large");
  if (storage.bytes.empty() || *needed == 0) {
    if (!budget.take(*needed))
      return place.invalid(fmt::format("the data of {} bytes is missing", *needed));
    return Tensor::zeros(meta.dtype, *sizes);
  }
  // The last element's place, in elements.
  auto last = std::optional<int64_t>(*offset);
  for (size_t i = 0; i < sizes->size(); ++i) {
    if ((*strides)[i] < 0) return place.invalid("a negative stride");
    const auto reach = checked_mul((*strides)[i], (*sizes)[i] - 1);
    last = last && reach ? checked_add(*last, *reach) : std::nullopt;
  }
  const auto count = static_cast<int64_t>(storage.bytes.size() / width);
  if (*offset < 0 || !last || *last >= count) {
    return place.invalid(fmt::format("{} needs {} elements from {} on, the storage has {}",
                                     describe(meta.dtype, *sizes), last ? *last + 1 : -1, *offset,
                                     count));
  }
  // Expanded tensors are written out one day.
  if (*needed > storage.bytes.size() && !budget.take(*needed)) {
    return place.invalid("the tensor repeats its storage too often");
  }
  const std::byte* data = storage.bytes.data();
  std::shared_ptr<const void> owner = storage.owner;
  if (reinterpret_cast<uintptr_t>(data) % width != 0) {
    if (!budget.take(storage.bytes.size()))
      return place.invalid("too many storages at odd addresses");
    PTE_TRY(Tensor copy, Tensor::zeros(meta.dtype, {count}));
    std::memcpy(copy.mutable_data(), data, static_cast<size_t>(count) * width);
    data = copy.data();
    owner = copy.owner();
  }
  if (meta.dtype == DType::kBool) {
    const auto* flags = reinterpret_cast<const uint8_t*>(data);
    if (!budget.take(static_cast<size_t>(count)))
      return place.invalid("too many bools share a storage");
    if (std::any_of(flags, flags + count, [](uint8_t flag) { return flag > 1; })) {
      return place.invalid("a bool that is neither 0 nor 1");
    }
  }
  return Tensor::view(meta.dtype, *sizes, *strides, data + *offset * static_cast<int64_t>(width),
                      std::move(owner));
}

// What torch.save wrote into an entry: calls `read` with its root and a reader of its tensors.
template <typename Read>
auto read_saved(const ZipData& data, const Read& read)
    -> decltype(read(std::declval<PickleValue>(), std::declval<TensorReader&>())) {
  PTE_TRY(const ZipArchive zip,
          ZipArchive::open(MappedFile::view(data.bytes, data.owner, "pickled value")));
  const ZipEntry* entry = zip.find_below_top("data.pkl");
  if (entry == nullptr) return invalid_data("the pickled value has no data.pkl");
  PTE_TRY(const ZipData text, zip.read(*entry));
  PTE_TRY(const auto pickle, Pickle::parse(text.bytes));
  TensorReader reader([&](std::string_view key) -> Result<Storage> {
    const ZipEntry* storage = zip.find_below_top(fmt::format("data/{}", key));
    if (storage == nullptr) return invalid_data("a storage of the pickled value is missing");
    PTE_TRY(ZipData bytes, zip.read(*storage));
    return Storage{bytes.bytes, std::move(bytes.owner)};
  });
  return read(pickle->root(), reader);
}

using NamedTensors = std::vector<std::pair<std::string, Result<Tensor>>>;
using PartNames = std::map<std::string, std::vector<std::string>>;

constexpr int kMaxSubclassDepth = 4;

// torch._tensor._rebuild_from_type_v2(torch._utils._rebuild_wrapper_subclass, type, args, state):
// a subclass that wraps other tensors, which lie in its state. The state, or nothing.
std::optional<PickleValue> wrapped_state(const PickleValue& value) {
  const PickleValue args = value.args();
  if (!value.is_object_of("torch._tensor._rebuild_from_type_v2") || args.size() != 4 ||
      !args.item(0).is_global("torch._utils._rebuild_wrapper_subclass") ||
      !args.item(3).is(PickleKind::kDict)) {
    return std::nullopt;
  }
  return args.item(3);
}

Status read_parts(const PickleValue& state, const std::string& name, TensorReader& reader,
                  NamedTensors& tensors, PartNames& parts, int depth) {
  if (depth > kMaxSubclassDepth || state.entry_count() > kMaxLeaves)
    return invalid_data("tensor subclasses nested too deeply");
  for (size_t i = 0; i < state.entry_count(); ++i) {
    const auto key = state.key(i).as_string();
    const PickleValue value = state.value(i);
    if (!key || !TensorReader::is_tensor(value)) continue;
    const std::string full = fmt::format("{}.{}", name, *key);
    parts[name].emplace_back(*key);
    if (const auto inner = wrapped_state(value)) {
      PTE_CHECK(read_parts(*inner, full, reader, tensors, parts, depth + 1));
    } else {
      tensors.emplace_back(full, reader.read(value));
    }
  }
  return {};
}

// A torch.save zip whose pickle is one tensor, or a subclass that wraps some.
Status read_pickled_tensor(const ZipData& data, const std::string& name, const JsonView& place,
                           NamedTensors& tensors, PartNames& parts) {
  const auto read = [&](const PickleValue& root, TensorReader& reader) -> Status {
    if (!TensorReader::is_tensor(root))
      return unsupported("{}: a pickled object that is no tensor", place.path());
    if (const auto state = wrapped_state(root))
      return read_parts(*state, name, reader, tensors, parts, 0);
    tensors.emplace_back(name, reader.read(root));
    return {};
  };
  return read_saved(data, read).at(place.path());
}

constexpr int kMaxTreeDepth = 32;

// The leaves of nested tuples, lists and dicts, in order.
Status collect_leaves(const PickleValue& value, TensorReader& reader, std::vector<EValue>& leaves,
                      int depth) {
  if (depth > kMaxTreeDepth || leaves.size() > kMaxLeaves)
    return invalid_data("sample inputs nested too deeply");
  if (value.is(PickleKind::kTuple) || value.is(PickleKind::kList)) {
    for (size_t i = 0; i < value.size(); ++i)
      PTE_CHECK(collect_leaves(value.item(i), reader, leaves, depth + 1));
    return {};
  }
  if (value.is(PickleKind::kDict)) {
    for (size_t i = 0; i < value.entry_count(); ++i)
      PTE_CHECK(collect_leaves(value.value(i), reader, leaves, depth + 1));
    return {};
  }
  if (TensorReader::is_tensor(value)) {
    PTE_TRY(Tensor tensor, reader.read(value));
    PTE_TRY(tensor, tensor.contiguous());
    leaves.emplace_back(std::move(tensor));
  } else if (value.is(PickleKind::kBool)) {
    leaves.emplace_back(value.as_bool().value_or(false));
  } else if (value.is(PickleKind::kInt)) {
    leaves.emplace_back(value.as_int().value_or(0));
  } else if (value.is(PickleKind::kFloat)) {
    leaves.emplace_back(value.as_float().value_or(0));
  } else {
    leaves.emplace_back();
  }
  return {};
}

}  // namespace

Result<Tensor> Pt2Tensors::get(const std::string& name) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) {
    return make_error(Code::kNotFound, "the archive has no tensor '{}'", shown(name));
  }
  return it->second;
}

std::span<const std::string> Pt2Tensors::parts(const std::string& name) const {
  const auto it = parts_.find(name);
  return it == parts_.end() ? std::span<const std::string>() : it->second;
}

Result<Pt2Archive> Pt2Archive::open(const MappedFile& file) {
  if (!ZipArchive::looks_like_zip(file.bytes())) {
    return invalid_data("not a .pt2 file: it is {}", describe(sniff(file)));
  }
  PTE_TRY(ZipArchive zip, ZipArchive::open(file));
  Pt2Archive archive(std::move(zip));
  const ZipArchive& entries = *archive.zip_;
  if (entries.find(kOldProgram) != nullptr) {
    archive.old_ = true;
    archive.programs_.emplace_back("model");
    return archive;
  }
  const std::string prefix = entries.top_folder().empty()
                                 ? std::string(kModels)
                                 : fmt::format("{}/{}", entries.top_folder(), kModels);
  for (const ZipEntry& entry : entries.entries()) {
    if (entry.name.size() > prefix.size() + kJson.size() && entry.name.starts_with(prefix) &&
        entry.name.ends_with(kJson)) {
      std::string_view name = entry.name.substr(prefix.size());
      archive.programs_.emplace_back(name.substr(0, name.size() - kJson.size()));
    }
  }
  if (archive.programs_.empty()) {
    return invalid_data("not a .pt2 file: the zip holds no models/*.json; it is {}",
                        describe(sniff(file)));
  }
  if (const ZipEntry* order = entries.find_below_top("byteorder")) {
    PTE_TRY(const ZipData text, entries.read(*order, 64));
    if (!as_text(text.bytes).starts_with("little")) return unsupported("big-endian archives");
  }
  return archive;
}

Result<JsonDocument> Pt2Archive::program(const std::string& name) const {
  const std::string path =
      old_ ? std::string(kOldProgram) : fmt::format("{}{}{}", kModels, name, kJson);
  const ZipEntry* entry = old_ ? zip_->find(path) : zip_->find_below_top(path);
  if (entry == nullptr) return make_error(Code::kNotFound, "there is no {}", shown(path));
  PTE_TRY(const ZipData text, zip_->read(*entry));
  return JsonDocument::parse(as_text(text.bytes)).at(shown(path));
}

Status Pt2Archive::read_config(const std::string& entry_name, const std::string& folder,
                               Pt2Tensors& tensors) const {
  const ZipEntry* entry = zip_->find_below_top(entry_name);
  if (entry == nullptr) return {};
  PTE_TRY(const ZipData text, zip_->read(*entry));
  PTE_TRY(const JsonDocument document,
          JsonDocument::parse(as_text(text.bytes)).at(shown(entry_name)));
  Budget budget{kMaxInvented + zip_->file().bytes().size()};
  NamedTensors pickled_tensors;
  const auto read_one = [&](const JsonView& view,
                            const std::string& name) -> Result<std::optional<Tensor>> {
    PTE_TRY(const std::string_view path, view.text_at("path_name"));
    const ZipEntry* payload = zip_->find_below_top(fmt::format("{}/{}", folder, path));
    if (payload == nullptr)
      return view.invalid(fmt::format("the archive has no {}/{}", folder, shown(path)));
    PTE_TRY(const ZipData data, zip_->read(*payload));
    bool pickled = false;
    if (const auto flag = view.find("use_pickle")) {
      PTE_TRY(pickled, flag->boolean());
    }
    if (pickled) {
      PTE_CHECK(read_pickled_tensor(data, name, view, pickled_tensors, tensors.parts_));
      return std::optional<Tensor>();
    }
    const auto meta_view = view.find("tensor_meta");
    if (!meta_view) return unsupported("{}: a custom object", view.path());
    PTE_TRY(const TensorMeta meta, read_tensor_meta(*meta_view));
    PTE_TRY(Tensor made, view_storage(data, meta, view, budget));
    return std::optional<Tensor>(std::move(made));
  };
  const auto read_all = [&]() -> Status {
    PTE_TRY(const JsonView config, document.root().at("config"));
    PTE_TRY(const auto fields, config.fields());
    for (const auto& [name, view] : fields) {
      const std::string key(name);
      auto made = read_one(view, key).at(shown(entry_name));
      if (!made) {
        tensors.tensors_.insert_or_assign(key, std::move(made.error()));
      } else if (*made) {
        tensors.tensors_.insert_or_assign(key, std::move(**made));
      }
    }
    for (auto& [key, tensor] : pickled_tensors)
      tensors.tensors_.insert_or_assign(key, std::move(tensor));
    return {};
  };
  return read_all().at(shown(entry_name));
}

Status Pt2Archive::read_state(std::initializer_list<std::string_view> names, bool required,
                              Pt2Tensors& tensors) const {
  const ZipEntry* entry = nullptr;
  for (const std::string_view name : names) {
    if (entry == nullptr) entry = old_ ? zip_->find(name) : zip_->find_below_top(name);
  }
  if (entry == nullptr) {
    return required
               ? Status(make_error(Code::kNotFound, "the archive has no {}", shown(*names.begin())))
               : Status();
  }
  PTE_TRY(ZipData data, zip_->read(*entry, uint64_t{4} << 30));
  CheckpointOptions options;
  options.strip_prefix = false;
  const auto file = MappedFile::view(data.bytes, std::move(data.owner), std::string(entry->name));
  auto checkpoint = load_checkpoint(file, options);
  // A dict without tensors is no checkpoint, yet a fine set of constants.
  if (!checkpoint) return required ? Status(std::move(checkpoint.error())) : Status();
  for (const auto& named : checkpoint->state.entries())
    tensors.tensors_.insert_or_assign(named.name, named.tensor);
  return {};
}

Result<std::vector<EValue>> Pt2Archive::sample_inputs(const std::string& name) const {
  const std::string path =
      old_ ? "serialized_example_inputs.pt" : fmt::format("data/sample_inputs/{}.pt", name);
  const ZipEntry* entry = old_ ? zip_->find(path) : zip_->find_below_top(path);
  if (entry == nullptr) return make_error(Code::kNotFound, "there is no {}", shown(path));
  PTE_TRY(const ZipData data, zip_->read(*entry));
  const auto read = [&](const PickleValue& root,
                        TensorReader& reader) -> Result<std::vector<EValue>> {
    std::vector<EValue> leaves;
    PTE_CHECK(collect_leaves(root, reader, leaves, 0));
    return leaves;
  };
  return read_saved(data, read).at(shown(path));
}

Result<Pt2Tensors> Pt2Archive::tensors(const std::string& name) const {
  Pt2Tensors tensors;
  if (old_) {
    PTE_CHECK(read_state({"serialized_constants.pt", "serialized_constants.json"}, false, tensors));
    PTE_CHECK(
        read_state({"serialized_state_dict.pt", "serialized_state_dict.json"}, false, tensors));
    return tensors;
  }
  PTE_CHECK(read_state({fmt::format("data/constants/{}.pt", name)}, false, tensors));
  PTE_CHECK(read_state({fmt::format("data/weights/{}.pt", name)}, false, tensors));
  PTE_CHECK(read_config(fmt::format("data/constants/{}_constants_config.json", name),
                        "data/constants", tensors));
  PTE_CHECK(read_config(fmt::format("data/weights/{}_weights_config.json", name), "data/weights",
                        tensors));
  return tensors;
}

}  // namespace pte::importers
