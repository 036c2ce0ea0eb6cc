// The code of an archive: classes and functions by their qualified names, parsed when first asked
// for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/zip.h"
#include "importers/torchscript/syntax.h"

namespace pte::importers::script {

class Library {
 public:
  // `zip` may be null: a library without code.
  explicit Library(std::shared_ptr<const ZipArchive> zip) : zip_(std::move(zip)) {}

  // "__torch__.torch.nn.modules.conv.Conv2d"; null when the archive has no such class.
  Result<const ClassDef*> find_class(const std::string& qualified);
  // "__torch__.torch.nn.functional.relu".
  Result<const Function*> find_function(const std::string& qualified);
  // Adds code as the file of `module`, for tests.
  Status add(const std::string& module, std::string_view text);

 private:
  // Null when there is no such file.
  Result<const SourceFile*> file_of(const std::string& module);

  std::shared_ptr<const ZipArchive> zip_;
  std::map<std::string, std::unique_ptr<SourceFile>> files_;  // by module; null: none
  size_t parsed_ = 0;                                         // bytes
};

}  // namespace pte::importers::script
