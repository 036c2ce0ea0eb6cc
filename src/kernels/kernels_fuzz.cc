// Calls a reference kernel with values made from the input: any operator, each argument of a kind
// that its schema allows, tensors of any type, layout and small size. Nothing may be read or
// written out of range, whatever the shapes, dimensions and numbers say.
//
// Input: which operator, then each value in the order of the call. Bytes that are missing read as
// 0.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/kernel.h"

namespace pte::kernels {
namespace {

class Source {
 public:
  Source(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  uint8_t byte() { return at_ < size_ ? data_[at_++] : 0; }
  int64_t below(int64_t limit) { return byte() % limit; }
  bool flag() { return (byte() & 1U) != 0; }

  int64_t integer() {
    static constexpr int64_t kEdges[] = {INT64_MAX, INT64_MIN,        INT32_MAX,
                                         INT32_MIN, int64_t{1} << 40, -100};
    const uint8_t b = byte();
    if (b >= 250) return kEdges[b - 250];
    return b % 10 - 2;
  }
  std::string_view word() {
    static constexpr std::string_view kWords[] = {"none", "tanh", "sum",  "prod", "mean",
                                                  "amax", "amin", "left", "add",  "multiply"};
    return kWords[byte() % std::size(kWords)];
  }
  double real() {
    static constexpr double kEdges[] = {
        std::numeric_limits<double>::quiet_NaN(), 1e300, -1e300, 1e-300,
        std::numeric_limits<double>::infinity(),  0.0};
    const uint8_t b = byte();
    if (b >= 250) return kEdges[b - 250];
    return (b - 100) * 0.25;
  }
  DType dtype() {
    static constexpr DType kTypes[] = {
        DType::kFloat32, DType::kFloat32, DType::kFloat32,   DType::kInt64,  DType::kBool,
        DType::kFloat64, DType::kFloat16, DType::kBFloat16,  DType::kInt32,  DType::kUInt8,
        DType::kInt8,    DType::kInt16,   DType::kComplex64, DType::kUInt64, DType::kFloat8E5M2};
    return kTypes[byte() % std::size(kTypes)];
  }

  Tensor tensor(size_t room) {
    const DType type = dtype();
    Sizes sizes(static_cast<size_t>(below(6)));
    for (int64_t& size : sizes) size = below(6);
    DimOrder order = contiguous_dim_order(sizes.size());
    if (flag()) order = channels_last_dim_order(sizes.size());
    if (flag()) std::reverse(order.begin(), order.end());
    // A result may be given more memory than its sizes take.
    const size_t needed = byte_count(type, sizes).value_or(0);
    const size_t bytes = std::max(needed, room);
    Result<Tensor> memory = Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(bytes)});
    if (!memory.has_value()) return {};
    const uint8_t seed = byte();
    for (size_t i = 0; i < needed; ++i) {
      memory->mutable_data()[i] = static_cast<std::byte>(seed * (i + 1) >> (i % 3));
    }
    Tensor view =
        Tensor::view(type, sizes, strides_of(sizes, order), memory->data(), memory->owner());
    view.set_capacity_bytes(bytes);
    return view;
  }

  EValue value(ArgKind kind, size_t room) {
    switch (kind) {
      case ArgKind::kTensor:
        return tensor(room);
      case ArgKind::kTensorList:
        return list<Tensor>([&] { return tensor(room); });
      case ArgKind::kOptionalTensorList:
        return list<std::optional<Tensor>>(
            [&] { return flag() ? std::optional(tensor(room)) : std::nullopt; });
      case ArgKind::kScalar:
        switch (below(3)) {
          case 0:
            return integer();
          case 1:
            return real();
          default:
            return flag();
        }
      case ArgKind::kIntList:
        return list<int64_t>([&] { return integer(); });
      case ArgKind::kFloat:
        return real();
      case ArgKind::kFloatList:
        return list<double>([&] { return real(); });
      case ArgKind::kBool:
        return flag();
      case ArgKind::kBoolList:
        return list<bool>([&] { return flag(); });
      case ArgKind::kString:
        return std::string(word());
      default:
        return integer();
    }
  }

 private:
  template <typename T, typename Make>
  std::vector<T> list(Make make) {
    std::vector<T> items;
    for (int64_t n = below(6); n > 0; --n) items.push_back(make());
    return items;
  }

  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

void run(Source source) {
  std::vector<const OpInfo*> ops;
  for (const OpInfo& op : all_ops()) {
    if (find_kernel(op.op) != nullptr) ops.push_back(&op);
  }
  // There are more operators than one byte can tell apart.
  const size_t choice = source.byte() + (static_cast<size_t>(source.byte()) << 8U);
  const OpInfo& op = *ops[choice % ops.size()];
  constexpr size_t kRoom = 1 << 14;
  std::vector<EValue> values;
  for (const int index : op.out_args) {
    const ArgSchema& arg = op.args[static_cast<size_t>(index)];
    const bool none = arg.optional && source.flag();
    values.push_back(none ? EValue() : source.value(arg.kind, arg.written ? kRoom : 0));
  }
  for (const ReturnSchema& result : op.returns) values.push_back(source.value(result.kind, kRoom));
  std::vector<EValue*> pointers;
  for (EValue& value : values) pointers.push_back(&value);
  // A program may name one value twice.
  if (source.below(8) == 7) {
    pointers[static_cast<size_t>(source.byte()) % pointers.size()] =
        pointers[static_cast<size_t>(source.byte()) % pointers.size()];
  }
  if (!check_kinds(op, pointers).has_value()) return;
  Call call(op, pointers, nullptr);
  (void)find_kernel(op.op)(call);
}

}  // namespace
}  // namespace pte::kernels

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pte::kernels::run({data, size});
  return 0;
}
