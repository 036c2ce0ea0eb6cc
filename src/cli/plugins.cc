#include "cli/plugins.h"

#include "api/plugin.h"

namespace pte::cli {

void add_plugin_option(CLI::App* command, std::vector<std::string>& paths) {
  command
      ->add_option("--plugin", paths,
                   "A shared library with kernels for operators of your own; it is run as code")
      ->allow_extra_args(false);
}

Result<std::shared_ptr<const runtime::CustomOps>> load_plugins(
    const std::vector<std::string>& paths) {
  if (paths.empty()) return std::shared_ptr<const runtime::CustomOps>();
  auto ops = std::make_shared<runtime::CustomOps>();
  for (const std::string& path : paths) PTE_CHECK(api::load_plugin(path.c_str(), *ops));
  return std::shared_ptr<const runtime::CustomOps>(std::move(ops));
}

}  // namespace pte::cli
