// The collection of models that `pte export --all` makes, from checkpoints on this machine: nothing
// is downloaded.
#pragma once

#include <string>
#include <vector>

#include "cli/export_job.h"

namespace pte::cli {

struct Collection {
  bool all = false;
  bool mobilenet = false;
  std::vector<std::string> yolo;  // "yolo11n"
  std::string weights = ".";      // where the checkpoints lie

  bool any() const { return all || mobilenet || !yolo.empty(); }
};

// Files go to <output-dir>/mobilenet and <output-dir>/yolo, class names beside them. kFine only
// when every model had at least one file.
Result<int> export_collection(const Collection& collection, const ExportJob& job,
                              const Context& context);

}  // namespace pte::cli
