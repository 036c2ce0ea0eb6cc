#include "importers/torchscript/library.h"

#include <algorithm>

#include "importers/torchscript/parser.h"

namespace pte::importers::script {
namespace {

// All code of the largest models that people trace is a few MiB.
constexpr uint64_t kMaxCode = uint64_t{64} << 20;

std::pair<std::string, std::string> split(const std::string& qualified) {
  const size_t dot = qualified.rfind('.');
  if (dot == std::string::npos) return {"", qualified};
  return {qualified.substr(0, dot), qualified.substr(dot + 1)};
}

}  // namespace

Status Library::add(const std::string& module, std::string_view text) {
  std::string path = module;
  std::replace(path.begin(), path.end(), '.', '/');
  PTE_TRY(SourceFile parsed, parse_source(text, path + ".py", module));
  files_[module] = std::make_unique<SourceFile>(std::move(parsed));
  return {};
}

Result<const SourceFile*> Library::file_of(const std::string& module) {
  const auto known = files_.find(module);
  if (known != files_.end()) return known->second.get();
  std::string path = module;
  std::replace(path.begin(), path.end(), '.', '/');
  const ZipEntry* entry =
      zip_ == nullptr ? nullptr : zip_->find_below_top(fmt::format("code/{}.py", path));
  if (entry == nullptr) {
    files_[module] = nullptr;
    return nullptr;
  }
  if (entry->size > kMaxCode || parsed_ + entry->size > kMaxCode)
    return make_error(Code::kResourceLimit, "its code is larger than {} bytes", kMaxCode);
  parsed_ += entry->size;
  PTE_TRY(const ZipData data, zip_->read(*entry, kMaxCode));
  PTE_CHECK(add(module, as_text(data.bytes)));
  return files_.at(module).get();
}

Result<const ClassDef*> Library::find_class(const std::string& qualified) {
  const auto [module, name] = split(qualified);
  PTE_TRY(const SourceFile* file, file_of(module));
  if (file == nullptr) return nullptr;
  for (const ClassDef& def : file->classes) {
    if (def.name == name) return &def;
  }
  return nullptr;
}

Result<const Function*> Library::find_function(const std::string& qualified) {
  const auto [module, name] = split(qualified);
  PTE_TRY(const SourceFile* file, file_of(module));
  if (file == nullptr) return nullptr;
  for (const Function& function : file->functions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

}  // namespace pte::importers::script
