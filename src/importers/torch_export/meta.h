// The small parts of the torch.export JSON schema: enums, sizes, tensor metadata. The enums are the
// schema's own and differ from c10's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "importers/torch_export/json.h"
#include "ir/graph.h"

namespace pte::importers {

Result<DType> read_dtype(const JsonView& view);
Result<ir::MemoryFormat> read_memory_format(const JsonView& view);
// Strided only; sparse layouts are kUnsupported.
Result<ir::Layout> read_layout(const JsonView& view);
Result<ir::Device> read_device(const JsonView& view);
// {"as_int": 3} or {"as_expr": {"expr_str": …}}.
Result<ir::SymInt> read_size(const JsonView& view);

// A TensorMeta.
struct TensorMeta {
  DType dtype = DType::kFloat32;
  ir::SymSizes sizes;
  ir::SymSizes strides;
  ir::SymInt offset;

  // Its type; layouts other than contiguous, channels-last and plain permutations become
  // contiguous.
  ir::TensorType type() const;
  bool is_contiguous() const;
};
Result<TensorMeta> read_tensor_meta(const JsonView& view);

// "model.py:41": the innermost frame of a Python traceback that is not torch's own, or "".
std::string location_of(std::string_view stack_trace);

// Valid for messages: control characters replaced, at most `limit` bytes.
std::string shown(std::string_view text, size_t limit = 120);

}  // namespace pte::importers
