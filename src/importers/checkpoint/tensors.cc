#include "importers/checkpoint/tensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "base/checked.h"
#include "importers/checkpoint/numpy.h"

namespace pte::importers {
namespace {

// torch.save numbers its storages, or names them by an address.
constexpr size_t kMaxKey = 128;
// Parameters of parameters, and subclasses of subclasses.
constexpr int kMaxWrappers = 8;
// A tensor may repeat its storage (stride 0), but not without bound.
constexpr uint64_t kMaxExpanded = uint64_t{64} << 20;

struct StorageName {
  std::string_view name;
  DType dtype;
};
constexpr std::array<StorageName, 16> kStorageNames = {{
    {"FloatStorage", DType::kFloat32},
    {"HalfStorage", DType::kFloat16},
    {"BFloat16Storage", DType::kBFloat16},
    {"DoubleStorage", DType::kFloat64},
    {"LongStorage", DType::kInt64},
    {"IntStorage", DType::kInt32},
    {"ShortStorage", DType::kInt16},
    {"CharStorage", DType::kInt8},
    {"ByteStorage", DType::kUInt8},
    {"BoolStorage", DType::kBool},
    {"ComplexFloatStorage", DType::kComplex64},
    {"ComplexDoubleStorage", DType::kComplex128},
    {"UntypedStorage", DType::kUInt8},
    {"QInt8Storage", DType::kQInt8},
    {"QUInt8Storage", DType::kQUInt8},
    {"QInt32Storage", DType::kQInt32},
}};

// Functions that make tensors which cannot be plain views, with what to call those.
struct Refusal {
  std::string_view function;
  std::string_view what;
};
constexpr std::array<Refusal, 8> kRefused = {{
    {"torch._utils._rebuild_qtensor", "a quantized tensor"},
    {"torch._utils._rebuild_sparse_tensor", "a sparse tensor"},
    {"torch._utils._rebuild_sparse_csr_tensor", "a sparse tensor"},
    {"torch._utils._rebuild_nested_tensor", "a nested tensor"},
    {"torch._utils._rebuild_meta_tensor_no_storage", "a meta tensor, which has no data"},
    {"torch._utils._rebuild_device_tensor_from_numpy", "a tensor of another device's library"},
    {"torch._utils._rebuild_device_tensor_from_cpu_tensor", "a tensor of another device's library"},
    {"torch._utils._rebuild_wrapper_subclass", "a tensor subclass"},
}};

constexpr std::string_view kRebuild = "torch._utils._rebuild_tensor";
constexpr std::string_view kRebuildV2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildV3 = "torch._utils._rebuild_tensor_v3";
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kParameterWithState = "torch._utils._rebuild_parameter_with_state";
constexpr std::string_view kFromType = "torch._tensor._rebuild_from_type";
constexpr std::string_view kFromTypeV2 = "torch._tensor._rebuild_from_type_v2";

std::string_view refusal_of(std::string_view function) {
  for (const Refusal& r : kRefused) {
    if (r.function == function) return r.what;
  }
  return {};
}

size_t alignment_of(DType dtype) {
  const size_t size = std::max<size_t>(size_of(dtype), 1);
  return is_complex(dtype) ? size / 2 : size;
}

bool is_aligned(const std::byte* data, size_t alignment) {
  return reinterpret_cast<uintptr_t>(data) % alignment == 0;
}

// A tuple of non-negative integers, or torch.Size((…),).
Result<std::vector<int64_t>> read_integers(PickleValue value, std::string_view what) {
  if (value.is_object_of("torch.Size")) value = value.args().item(0);
  if (!value.is(PickleKind::kTuple) && !value.is(PickleKind::kList)) {
    return invalid_data("its {} are no tuple", what);
  }
  if (value.size() > kMaxRank) {
    return unsupported("it has {} dimensions; at most {} are supported", value.size(), kMaxRank);
  }
  std::vector<int64_t> out(value.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const auto integer = value.item(i).as_int();
    if (!integer || *integer < 0) return invalid_data("its {} are malformed", what);
    out[i] = *integer;
  }
  return out;
}

Result<Storage> aligned_copy(Bytes bytes) {
  std::shared_ptr<std::byte[]> memory(new (std::nothrow) std::byte[bytes.size() + 1]);
  if (!memory) return make_error(Code::kResourceLimit, "no memory for {} bytes", bytes.size());
  std::memcpy(memory.get(), bytes.data(), bytes.size());
  return Storage{{memory.get(), bytes.size()}, memory};
}

}  // namespace

std::optional<DType> dtype_of_global(const PickleValue& global) {
  if (!global.is(PickleKind::kGlobal)) return std::nullopt;
  const std::string_view text = global.text();
  if (!text.starts_with("torch.")) return std::nullopt;
  const std::string_view name = text.substr(text.rfind('.') + 1);
  for (const StorageName& s : kStorageNames) {
    if (s.name == name) return s.dtype;
  }
  return parse_dtype(name);
}

Result<StorageRef> read_storage_ref(const PickleValue& persistent_id) {
  const PickleValue id = persistent_id.item(0);
  if (!persistent_id.is(PickleKind::kPersistentId) || !id.is(PickleKind::kTuple) || id.size() < 5 ||
      id.item(0).as_string() != "storage") {
    return invalid_data("its storage is not what torch.save writes");
  }
  const auto dtype = dtype_of_global(id.item(1));
  if (!dtype) {
    return unsupported("its storage is of type {}, which is not known", id.item(1).text());
  }
  const auto key = id.item(2).as_string();
  const auto count = id.item(4).as_int();
  if (!key || key->empty() || key->size() > kMaxKey || !count || *count < 0) {
    return invalid_data("its storage has a malformed key or size");
  }
  StorageRef out{*key, *dtype, *count, 0, *count};
  if (const PickleValue view = id.item(5); !view.is_none()) {
    const auto offset = view.item(1).as_int();
    const auto visible = view.item(2).as_int();
    if (!offset || !visible || *offset < 0 || *visible < 0 ||
        !in_range(static_cast<uint64_t>(*offset), static_cast<uint64_t>(*visible),
                  static_cast<uint64_t>(*count))) {
      return invalid_data("its storage is a malformed part of another");
    }
    out.offset = *offset;
    out.visible = *visible;
  }
  return out;
}

bool TensorReader::is_tensor(const PickleValue& value) {
  if (!value.is(PickleKind::kObject)) return false;
  const PickleValue callable = value.callable();
  if (!callable.is(PickleKind::kGlobal)) return false;
  const std::string_view name = callable.text();
  return name == kRebuild || name == kRebuildV2 || name == kRebuildV3 || name == kParameter ||
         name == kParameterWithState || name == kFromType || name == kFromTypeV2 ||
         !refusal_of(name).empty() || is_numpy_array(value);
}

std::string TensorReader::describe(const PickleValue& value) {
  PickleValue function = value.callable();
  PickleValue args = value.args();
  for (int depth = 0; depth < kMaxWrappers; ++depth) {
    const std::string_view name = function.text();
    if (name == kParameter || name == kParameterWithState) {
      function = args.item(0).callable();
      args = args.item(0).args();
    } else if (name == kFromType || name == kFromTypeV2) {
      function = args.item(0);
      args = args.item(2);
    } else {
      break;
    }
  }
  if (is_numpy_array(value)) {
    auto array = read_numpy_array(value);
    return array ? pte::describe(array->dtype, array->sizes) : "";
  }
  const std::string_view name = function.text();
  if (name != kRebuild && name != kRebuildV2 && name != kRebuildV3) return "";
  auto dtype = dtype_of_global(args.item(0).item(0).item(1));
  if (name == kRebuildV3) dtype = dtype_of_global(args.item(6));
  const auto sizes = read_integers(args.item(2), "sizes");
  return dtype && sizes ? pte::describe(*dtype, *sizes) : "";
}

Result<Tensor> TensorReader::read(const PickleValue& value) {
  if (const auto it = tensors_.find(value.id()); it != tensors_.end()) return it->second;
  PTE_TRY(Tensor tensor,
          is_numpy_array(value) ? read_array(value) : rebuild(value.callable(), value.args(), 0));
  tensors_.emplace(value.id(), tensor);
  return tensor;
}

Result<Tensor> TensorReader::read_quantized(const PickleValue& value) {
  const PickleValue args = value.args();
  if (args.size() < 5) return invalid_data("it is rebuilt from {} arguments", args.size());
  PTE_TRY(const StorageRef ref, read_storage_ref(args.item(0)));
  switch (ref.dtype) {
    case DType::kQInt8:
      return rebuild_strided(args, DType::kInt8);
    case DType::kQUInt8:
      return rebuild_strided(args, DType::kUInt8);
    case DType::kQInt32:
      return rebuild_strided(args, DType::kInt32);
    default:
      return invalid_data("it is quantized and of {}", dtype_name(ref.dtype));
  }
}

Result<Tensor> TensorReader::rebuild(const PickleValue& function, const PickleValue& args,
                                     int depth) {
  if (depth > kMaxWrappers) return invalid_data("it is wrapped too deeply");
  const std::string_view name = function.text();
  if (name == kRebuild || name == kRebuildV2) return rebuild_strided(args, std::nullopt);
  if (name == kRebuildV3) {
    const auto dtype = dtype_of_global(args.item(6));
    if (!dtype) return unsupported("its element type {} is not known", args.item(6).text());
    return rebuild_strided(args, dtype);
  }
  if (name == kParameter || name == kParameterWithState) {
    const PickleValue inner = args.item(0);
    if (!inner.is(PickleKind::kObject)) return invalid_data("it is a parameter without a tensor");
    return rebuild(inner.callable(), inner.args(), depth + 1);
  }
  if (name == kFromType || name == kFromTypeV2) {
    return rebuild(args.item(0), args.item(2), depth + 1);
  }
  if (const auto what = refusal_of(name); !what.empty()) {
    return unsupported("it is {}; dense tensors can be read", what);
  }
  return unsupported("it is made by {}, which is not known",
                     name.empty() ? "a call without a name" : name);
}

// (storage, offset, sizes, strides, requires_grad, hooks[, dtype][, metadata])
Result<Tensor> TensorReader::rebuild_strided(const PickleValue& args, std::optional<DType> dtype) {
  if (args.size() < 4) return invalid_data("it is rebuilt from {} arguments", args.size());
  PTE_TRY(const StorageRef ref, read_storage_ref(args.item(0)));
  const auto offset = args.item(1).as_int();
  if (!offset || *offset < 0) return invalid_data("its storage offset is malformed");
  PTE_TRY(Sizes sizes, read_integers(args.item(2), "sizes"));
  PTE_TRY(Strides strides, read_integers(args.item(3), "strides"));
  if (sizes.size() != strides.size()) {
    return invalid_data("it has {} sizes and {} strides", sizes.size(), strides.size());
  }
  const PickleValue metadata = args.item(dtype ? 7 : 6);
  constexpr size_t kMaxFlags = 16;
  if (metadata.entry_count() > kMaxFlags) return invalid_data("its flags are malformed");
  for (const char* flag : {"conj", "neg"}) {
    if (const auto set = metadata.find(flag); set && set->as_bool() == true) {
      return unsupported("it is a lazy {} view; save it after .resolve_{}()", flag, flag);
    }
  }
  return view(ref, dtype.value_or(ref.dtype), std::move(sizes), std::move(strides), *offset);
}

Result<TensorReader::Loaded*> TensorReader::load(std::string_view key) {
  if (const auto it = storages_.find(key); it != storages_.end()) return &it->second;
  PTE_TRY(Storage storage, source_(key));
  return &storages_.emplace(std::string(key), Loaded{std::move(storage), {}, false}).first->second;
}

// A byte that is neither 0 nor 1 is no bool in C++ either.
Status TensorReader::check_bools(Loaded& loaded) {
  if (loaded.bools_checked) return {};
  if (std::any_of(loaded.storage.bytes.begin(), loaded.storage.bytes.end(),
                  [](std::byte b) { return b > std::byte{1}; })) {
    return invalid_data("it is of bools, and its bytes are not");
  }
  loaded.bools_checked = true;
  return {};
}

Result<Tensor> TensorReader::view(const StorageRef& ref, DType dtype, Sizes sizes, Strides strides,
                                  int64_t offset) {
  const auto element = static_cast<uint64_t>(size_of(dtype));
  if (element == 0 || dtype == DType::kQInt8 || dtype == DType::kQUInt8 ||
      dtype == DType::kQInt32) {
    return unsupported("its element type {} cannot be read", dtype_name(dtype));
  }
  PTE_TRY(Loaded* const loaded, load(ref.key));
  const uint64_t held = loaded->storage.bytes.size();
  const uint64_t ref_element = size_of(ref.dtype);
  const auto begin = checked_mul<uint64_t>(static_cast<uint64_t>(ref.offset), ref_element);
  const auto window = checked_mul<uint64_t>(static_cast<uint64_t>(ref.visible), ref_element);
  if (!begin || !window || !in_range(*begin, *window, held)) {
    return invalid_data("its storage '{}' should hold {} {} elements and holds {} bytes", ref.key,
                        ref.count, dtype_name(ref.dtype), held);
  }

  // The last element that the strides reach must lie in the window.
  const auto dense = byte_count(dtype, sizes);
  if (!dense) return invalid_data("its sizes overflow");
  uint64_t last = static_cast<uint64_t>(offset);
  bool overflow = false;
  for (size_t i = 0; i < sizes.size() && *dense > 0; ++i) {
    const auto reach = checked_mul<uint64_t>(static_cast<uint64_t>(sizes[i] - 1),
                                             static_cast<uint64_t>(strides[i]));
    const auto sum = reach ? checked_add<uint64_t>(last, *reach) : std::nullopt;
    overflow = overflow || !sum;
    last = sum.value_or(last);
  }
  if (*dense == 0) return Tensor::view(dtype, std::move(sizes), std::move(strides), nullptr, {});
  if (overflow || last >= *window / element) {
    return invalid_data("{} with offset {} reaches beyond its storage '{}' of {} bytes",
                        pte::describe(dtype, sizes), offset, ref.key, *window);
  }
  if (*dense > kMaxExpanded && *dense > held) {
    return make_error(Code::kResourceLimit, "{} repeats a storage of {} bytes too often",
                      pte::describe(dtype, sizes), held);
  }

  if (dtype == DType::kBool) {
    PTE_CHECK(check_bools(*loaded));
  }

  const uint64_t skip = *begin + static_cast<uint64_t>(offset) * element;
  const Storage* storage = &loaded->storage;
  if (!is_aligned(storage->bytes.data() + skip, alignment_of(dtype))) {
    if (*begin % alignment_of(dtype) != 0) {
      return unsupported("it starts {} bytes into its storage, which {} cannot", *begin,
                         dtype_name(dtype));
    }
    if (loaded->aligned.bytes.empty()) {
      PTE_TRY(loaded->aligned, aligned_copy(loaded->storage.bytes));
    }
    storage = &loaded->aligned;
  }
  return Tensor::view(dtype, std::move(sizes), std::move(strides), storage->bytes.data() + skip,
                      storage->owner);
}

Result<Tensor> TensorReader::read_array(const PickleValue& value) {
  PTE_TRY(const NumpyArray array, read_numpy_array(value));
  // The bytes are copied once however many arrays share them.
  auto it = decoded_.find(array.data.id());
  if (it == decoded_.end()) {
    PTE_TRY(const std::vector<std::byte> bytes, numpy_bytes(array.data));
    PTE_TRY(Storage copy, aligned_copy(bytes));
    it = decoded_.emplace(array.data.id(), Loaded{std::move(copy), {}, false}).first;
  }
  const Storage& storage = it->second.storage;
  const auto need = byte_count(array.dtype, array.sizes);
  if (!need || *need != storage.bytes.size()) {
    return invalid_data("NumPy array {} has {} bytes of data",
                        pte::describe(array.dtype, array.sizes), storage.bytes.size());
  }
  if (array.dtype == DType::kBool) {
    PTE_CHECK(check_bools(it->second));
  }
  DimOrder order = contiguous_dim_order(array.sizes.size());
  if (array.fortran) std::reverse(order.begin(), order.end());
  return Tensor::view(array.dtype, array.sizes, strides_of(array.sizes, order),
                      storage.bytes.data(), storage.owner);
}

}  // namespace pte::importers
