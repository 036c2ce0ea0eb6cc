// Where the dimensions of a value lie in memory, and how to get them elsewhere.
//
// XNNPACK has no strides: a tensor's order in memory is the order of its dims, and convolutions and
// pooling want channels last. So every ATen value is kept as a storage that may exist in several
// physical layouts, each an XNNPACK value; asking for a layout that is missing adds the transpose
// or reshape that makes it, once for all who ask. Values that only rename dimensions (permute,
// squeeze, unsqueeze) are other views of the same storage and cost nothing until a layout is asked
// for that does not exist, so opposite transposes never come to be.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "backends/xnnpack/payload.h"
#include "backends/xnnpack/quantized.h"
#include "ir/graph.h"

namespace pte::xnnpack {

// An axis of size 1 that belongs to no dimension in particular.
inline constexpr uint8_t kUnit = 255;

// Dimensions of a value from outermost to innermost in memory, kUnit among them.
using Layout = std::vector<uint8_t>;

Layout contiguous_layout(size_t rank);  // rank 0 is one unit: XNNPACK has no scalars
// The order that 2d operators want: rank 4 NHWC, rank 3 (n, c, l) as n, l, 1, c, rank 2 as n, 1, 1,
// c.
Layout channels_last_layout(size_t rank);

class Layouts {
 public:
  // `quants` are those of the int8 values that will be met; it must outlive this.
  Layouts(const ir::Module& module, XnnGraph& graph, const StoredQuants& quants)
      : module_(module), graph_(graph), quants_(quants) {}

  // A fresh internal value.
  uint32_t add_value(Datatype datatype, std::vector<uint32_t> dims, Quant quant = {});
  // A fresh internal value like another.
  uint32_t add_like(uint32_t id, std::vector<uint32_t> dims);
  uint32_t add_constant(Datatype datatype, std::vector<uint32_t> dims, Tensor data,
                        Quant quant = {});
  // Scale and zero point of an int8 value; nothing for others.
  Quant quant_of(const ir::Value* value) const;
  XnnNode& add_node(NodeKind kind, std::vector<uint32_t> inputs, uint32_t output,
                    Params params = {});

  // Says that `id` holds `value` in `layout` (over all of the value's dims).
  void define(const ir::Value* value, const Layout& layout, uint32_t id);
  // A fresh internal value that holds `value` in `layout`.
  uint32_t add_result(const ir::Value* value, const Layout& layout);
  // `value` is `source` with its dims renamed: dim i is dim map[i] of the source, or a new
  // dimension of size 1 when map[i] is kUnit. Dims of the source left out have size 1.
  Status alias(const ir::Value* value, const ir::Value* source, const std::vector<uint8_t>& map);
  bool known(const ir::Value* value) const { return views_.count(value) != 0; }

  // The XNNPACK value that holds `value` in exactly this layout.
  Result<uint32_t> get(const ir::Value* value, const Layout& layout);
  // A layout in which `value` exists already, channels-last ones before others. Its dims of size 1
  // that have no place of their own appear as kUnit.
  Layout existing(const ir::Value* value) const;
  std::vector<Layout> all_existing(const ir::Value* value) const;
  bool exists(const ir::Value* value, const Layout& layout) const;

  // A one-element constant that broadcasts against anything.
  uint32_t scalar(double number, Datatype datatype);

  std::vector<uint32_t> dims_of(const ir::SymSizes& sizes, const Layout& layout) const;
  // The same for a reshape: 0 where the size is dynamic.
  std::vector<uint32_t> shape_of(const ir::SymSizes& sizes, const Layout& layout) const;

 private:
  struct Copy {
    Layout layout;  // over the storage's dims; those of size 1 are units
    uint32_t id = kNone;
  };
  struct Storage {
    ir::SymSizes sizes;
    Datatype datatype = Datatype::kFloat32;
    Quant quant;
    std::vector<Copy> copies;
    Tensor constant;  // has data when the value is a constant of the payload
    bool is_constant = false;
  };
  struct View {
    std::shared_ptr<Storage> storage;
    std::vector<uint8_t> dims;  // storage dim of every dim of the value, or kUnit
  };

  View& view(const ir::Value* value);
  Layout in_storage(const View& view, const Layout& layout) const;
  uint32_t transpose(Storage& storage, const Copy& from, const Layout& to);
  uint32_t reshape(Storage& storage, const Copy& from, const Layout& to);
  Result<uint32_t> constant_in(Storage& storage, const Layout& layout);

  const ir::Module& module_;
  XnnGraph& graph_;
  const StoredQuants& quants_;
  std::map<const ir::Value*, View> views_;
  std::map<std::pair<double, Datatype>, uint32_t> scalars_;
};

std::optional<Datatype> datatype_of(DType dtype);  // of activations: fp32, fp16, qint8

}  // namespace pte::xnnpack
