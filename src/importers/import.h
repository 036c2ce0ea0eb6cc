// The one door for files that carry a graph of their own: looks at the bytes, sends them to the
// importer of their format and gives one form of answer. Checkpoints, which hold weights and no
// graph, are not among them: the zoo rebuilds those.
//
// A new format is one case in import.cc.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "importers/sniff.h"
#include "ir/graph.h"
#include "tensor/evalue.h"

namespace pte::importers {

// A dimension of an input that stays open: "x:0=1..8", or "x:2=32..960/32", multiples of 32 only.
struct DynamicSize {
  std::string input;  // its name, or its number as text
  size_t dim = 0;
  ir::Range range;
  int64_t step = 1;

  // The size over a symbol of this name, whose range goes into `symbols`.
  ir::SymInt size(const std::string& symbol, ir::Ranges& symbols) const;
};

// What a user may say about a model beside the file. A format that has the fact itself (.pt2 fixes
// its sizes) refuses the option by name rather than ignore it.
struct ImportOptions {
  std::vector<Sizes> input_shapes;   // one for each input; empty: those of the file
  std::vector<DType> input_dtypes;   // one for each input, or empty
  std::vector<EValue> example;       // inputs to take sizes, types and, where needed, values from
  std::vector<DynamicSize> dynamic;  // dimensions kept dynamic
  // An input whose value had to be known, and came from the example, stays as one that nothing
  // reads; else the program does not take it.
  bool keep_inputs = false;
  std::string program;  // one of several programs or methods; "" is the usual one
  // Operators of others ("mylib::rotate") that may stay as calls; the program then needs a runtime
  // that has them.
  std::vector<std::string> allow_custom;
};

struct Imported {
  ir::Module module;   // passes ir::verify()
  std::string format;  // "torch.export archive", for people
  // Inputs that the file brings along, by method.
  std::map<std::string, std::vector<EValue>, std::less<>> examples;
};

// True for the formats that import_graph() reads.
bool carries_graph(FileKind kind);

// Errors begin with the file's path. Files of other kinds fail with kInvalidData, naming what they
// look like.
Result<Imported> import_graph(const MappedFile& file, const ImportOptions& options = {});

}  // namespace pte::importers
