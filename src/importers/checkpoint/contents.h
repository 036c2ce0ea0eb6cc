// What a pickled checkpoint means: which part of it is the state dict, and what else was saved.
// Works on pickle values alone; no storage is touched.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "importers/checkpoint/pickle.h"

namespace pte::importers {

struct NamedValue {
  std::string name;
  PickleValue value;
  bool is_buffer = false;  // known for whole modules only
};

struct Contents {
  std::vector<NamedValue> tensors;  // in file order, names unique
  std::string found_under;          // "model_state_dict"; "" when the checkpoint is the state dict
  std::string module_class;         // of a whole pickled module, else ""
  // Of a whole pickled module: its attributes that are plain values ("yaml", "names", "args").
  nlohmann::json attributes = nlohmann::json::object();
  nlohmann::json metadata;  // an object: everything else at the top
};

struct FindOptions {
  // The entry that holds the state dict; "" looks under the usual names.
  std::string key;
  // Remove "module." (DataParallel) and "_orig_mod." (torch.compile) when every name has it.
  bool strip_prefix = true;
  // A dict without tensors counts as an empty state dict (parts of other archives may be that).
  bool allow_empty = false;
};

// Accepts a state dict, a dict that holds one under a usual name (state_dict, model_state_dict,
// model, ema, weights …; averaged weights before
// others), and a whole torch.nn.Module, whose _parameters, _buffers and _modules are
// walked. Fails with kInvalidData when there is none (the message lists what there is), with
// kResourceLimit when a hostile file nests without end.
Result<Contents> find_contents(const PickleValue& root, const FindOptions& options);

}  // namespace pte::importers
