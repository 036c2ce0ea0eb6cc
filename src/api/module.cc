#include <cstring>

#include "api/handles.h"
#include "base/file.h"
#include "program/quote.h"
#include "program/reader.h"

namespace pte::api {
namespace {

struct ModuleOptions {
  std::vector<std::string> data_files;
  std::shared_ptr<const runtime::CustomOps> ops;
};

Result<ModuleOptions> options_from(const pte_module_options* given) {
  ModuleOptions options;
  if (given == nullptr) return options;
  if (given->struct_size < sizeof(pte_module_options)) {
    return invalid_argument("pte_module_options.struct_size is {}, expected {}", given->struct_size,
                            sizeof(pte_module_options))
        .with_hint("begin with PTE_MODULE_OPTIONS_INIT");
  }
  if (given->data_file_count > 0 && given->data_files == nullptr) {
    return null_argument("pte_module_options.data_files");
  }
  for (size_t i = 0; i < given->data_file_count; ++i) {
    if (given->data_files[i] == nullptr) {
      return invalid_argument("pte_module_options.data_files[{}] is null", i);
    }
    options.data_files.emplace_back(given->data_files[i]);
  }
  if (given->operators != nullptr) {
    options.ops = std::make_shared<const runtime::CustomOps>(given->operators->ops);
  }
  return options;
}

Status load(const MappedFile& file, ModuleOptions options, pte_module** module) {
  auto made = std::make_unique<pte_module>();
  PTE_TRY(program::Program parsed, program::read_program(file));
  made->program = std::make_shared<const program::Program>(std::move(parsed));
  if (!options.data_files.empty()) {
    auto data = std::make_shared<program::DataMap>();
    for (const std::string& path : options.data_files) {
      PTE_TRY(const MappedFile data_file, MappedFile::open(path));
      PTE_TRY(program::DataFile parsed_data, program::read_data(data_file));
      PTE_CHECK(data->add(std::move(parsed_data)));
    }
    made->data = std::move(data);
  }
  made->ops = std::move(options.ops);
  *module = made.release();
  return {};
}

// Calls the caller's release() when the last view goes.
class Borrowed {
 public:
  Borrowed(void (*release)(void*), void* data) : release_(release), data_(data) {}
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() { release_(data_); }

 private:
  void (*release_)(void*);
  void* data_;
};

Result<MappedFile> file_of(const void* data, size_t size, std::shared_ptr<const void> borrowed) {
  constexpr size_t kAlignment = 16;  // what a file's tables and constants are stored at
  constexpr const char* kName = "<memory>";
  const auto* bytes = static_cast<const std::byte*>(data);
  if (borrowed != nullptr && reinterpret_cast<uintptr_t>(data) % kAlignment == 0) {
    return MappedFile::view({bytes, size}, std::move(borrowed), kName);
  }
  PTE_TRY(Tensor copy, Tensor::zeros(DType::kUInt8, {static_cast<int64_t>(size)}));
  if (size > 0) std::memcpy(copy.mutable_data(), data, size);
  return MappedFile::view({copy.data(), size}, copy.owner(), kName);
}

}  // namespace
}  // namespace pte::api

extern "C" {

pte_status pte_module_load(const char* path, const pte_module_options* options, pte_module** module,
                           pte_error** error) {
  using namespace pte;
  return api::guard(error, [&]() -> Status {
    if (path == nullptr) return api::null_argument("path");
    if (module == nullptr) return api::null_argument("module");
    PTE_TRY(auto read, api::options_from(options));
    PTE_TRY(const MappedFile file, MappedFile::open(path));
    return api::load(file, std::move(read), module);
  });
}

pte_status pte_module_load_bytes(const void* data, size_t size, void (*release)(void*),
                                 void* release_data, const pte_module_options* options,
                                 pte_module** module, pte_error** error) {
  using namespace pte;
  return api::guard(error, [&]() -> Status {
    std::shared_ptr<const void> borrowed;
    if (release != nullptr) {
      try {
        borrowed = std::make_shared<api::Borrowed>(release, release_data);
      } catch (...) {
        release(release_data);
        throw;
      }
    }
    if (data == nullptr) return api::null_argument("data");
    if (module == nullptr) return api::null_argument("module");
    PTE_TRY(auto read, api::options_from(options));
    PTE_TRY(const MappedFile file, api::file_of(data, size, std::move(borrowed)));
    return api::load(file, std::move(read), module);
  });
}

void pte_module_free(pte_module* module) { delete module; }

size_t pte_module_method_count(const pte_module* module) {
  return module == nullptr ? 0 : module->program->methods.size();
}

const char* pte_module_method_name(const pte_module* module, size_t index) {
  if (index >= pte_module_method_count(module)) return nullptr;
  return module->program->methods[index].name.c_str();
}

pte_status pte_module_named_data(const pte_module* module, const char* key, const void** data,
                                 size_t* size, pte_error** error) {
  using namespace pte;
  return api::guard(error, [&]() -> Status {
    if (module == nullptr) return api::null_argument("module");
    if (key == nullptr) return api::null_argument("key");
    if (data == nullptr || size == nullptr) return api::null_argument("data or size");
    const program::Blob* blob = module->program->find_named_data(key);
    if (blob == nullptr) {
      return make_error(Code::kNotFound, "the program has no named data {}", program::quote(key));
    }
    *data = blob->bytes.data();
    *size = blob->bytes.size();
    return {};
  });
}

}  // extern "C"
