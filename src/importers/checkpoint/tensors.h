// Tensors from pickled rebuild calls: torch._utils._rebuild_tensor_v2 and its kin become views of
// their storages, NumPy arrays views of their bytes. The calls are read, not made.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "importers/checkpoint/pickle.h"
#include "tensor/tensor.h"

namespace pte::importers {

// The raw bytes of one storage and what keeps them alive.
struct Storage {
  Bytes bytes;
  std::shared_ptr<const void> owner;
};

// Where a persistent id of torch.save points.
struct StorageRef {
  std::string_view key;
  DType dtype = DType::kUInt8;  // kUInt8 for an untyped storage, whose count is in bytes
  int64_t count = 0;            // elements in the file
  int64_t offset = 0;           // elements to skip, in the sub-storages of old files
  int64_t visible = 0;          // elements that may be seen from there
};
// Reads a persistent id: ('storage', type, key, location, count[, view]).
Result<StorageRef> read_storage_ref(const PickleValue& persistent_id);

class TensorReader {
 public:
  // Gives the bytes of a storage by its key. An error is passed on.
  using StorageSource = std::function<Result<Storage>(std::string_view key)>;
  explicit TensorReader(StorageSource source) : source_(std::move(source)) {}

  // True when the value is a call that makes a tensor of any kind, or an array.
  static bool is_tensor(const PickleValue& value);
  // "float32[3,4]" when that can be told without the data, else "".
  static std::string describe(const PickleValue& value);

  // The tensor as a view of the storage. A storage that does not lie where its element type
  // needs it (legacy files have no padding) is copied, once for all tensors that view it.
  // Fails with kUnsupported for quantized, sparse, nested, meta and conjugate tensors.
  Result<Tensor> read(const PickleValue& value);
  // The whole numbers of a quantized tensor (torch._utils._rebuild_qtensor) as int8, uint8 or
  // int32; its scales and zero points stay in the pickle.
  Result<Tensor> read_quantized(const PickleValue& value);

 private:
  struct Loaded {
    Storage storage;
    Storage aligned;  // a copy, made when first needed
    bool bools_checked = false;
  };

  Result<Tensor> rebuild(const PickleValue& function, const PickleValue& args, int depth);
  Result<Tensor> rebuild_strided(const PickleValue& args, std::optional<DType> dtype);
  Result<Tensor> view(const StorageRef& ref, DType dtype, Sizes sizes, Strides strides,
                      int64_t offset);
  Result<Tensor> read_array(const PickleValue& value);
  Result<Loaded*> load(std::string_view key);
  static Status check_bools(Loaded& loaded);

  StorageSource source_;
  std::map<std::string, Loaded, std::less<>> storages_;
  std::unordered_map<uint32_t, Tensor> tensors_;  // by value id
  std::unordered_map<uint32_t, Loaded> decoded_;  // of arrays, by id of the bytes or text
};

// torch.float32 as a global, torch.FloatStorage as a global.
std::optional<DType> dtype_of_global(const PickleValue& global);

}  // namespace pte::importers
