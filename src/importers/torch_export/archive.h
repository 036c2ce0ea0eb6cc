// The .pt2 file as a container: which programs it holds and where their tensors lie, in the layout
// of torch 2.8 and later (one top folder, raw storages) and in the older one (torch.save parts).
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/zip.h"
#include "importers/torch_export/json.h"
#include "tensor/evalue.h"
#include "tensor/tensor.h"

namespace pte::importers {

// The tensors of one program by fully qualified name. Storages stay where they are: tensors are
// views of the file wherever alignment allows it, and tensors that share a storage share it still.
class Pt2Tensors {
 public:
  // Fails with kNotFound when the archive has no tensor of this name.
  Result<Tensor> get(const std::string& name) const;
  // Of a tensor subclass (torchao's quantized weights) the attributes that are tensors; each is
  // here as "name.attribute", and may have parts itself. Nothing for plain tensors.
  std::span<const std::string> parts(const std::string& name) const;

 private:
  friend class Pt2Archive;
  // A tensor, or why it cannot be read: an unused custom object is no reason to refuse a file.
  std::map<std::string, Result<Tensor>> tensors_;
  std::map<std::string, std::vector<std::string>> parts_;
};

class Pt2Archive {
 public:
  static Result<Pt2Archive> open(const MappedFile& file);

  bool is_old_layout() const { return old_; }
  const std::vector<std::string>& programs() const { return programs_; }
  // The serialized ExportedProgram.
  Result<JsonDocument> program(const std::string& name) const;
  Result<Pt2Tensors> tensors(const std::string& name) const;
  // The inputs that the program was exported with: the leaves of (args, kwargs) in order, none for
  // what is neither a tensor nor a number.
  Result<std::vector<EValue>> sample_inputs(const std::string& name) const;

 private:
  explicit Pt2Archive(ZipArchive zip) : zip_(std::make_shared<ZipArchive>(std::move(zip))) {}
  Status read_config(const std::string& entry, const std::string& folder,
                     Pt2Tensors& tensors) const;
  Status read_state(std::initializer_list<std::string_view> names, bool required,
                    Pt2Tensors& tensors) const;

  std::shared_ptr<const ZipArchive> zip_;
  bool old_ = false;
  std::vector<std::string> programs_;
};

}  // namespace pte::importers
