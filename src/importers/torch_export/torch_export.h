// Programs saved by torch.export.save (.pt2), both the archive of torch 2.8 and later and the older
// one, read into the IR without Python.
//
// The result speaks the operators of the file (conv2d, linear, batch_norm … straight after export;
// core ATen after run_decompositions) and is free of writes: in-place calls are rewritten, and what
// they leave in buffers and inputs becomes mutation outputs. Weights are views of the file.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "ir/graph.h"
#include "tensor/evalue.h"

namespace pte::importers {

struct Pt2Options {
  // Which program of an archive that holds several; "" takes "model", or the only one.
  std::string program;
  // The method it becomes.
  std::string method = "forward";
  // Operators of others that stay as calls: names or schemas (aten/custom_ops.h).
  std::vector<std::string> allow_custom = {};
};

// The module passes ir::verify(). Fails with kInvalidData for damaged files and other formats (the
// message says what it looks like), kUnsupported for programs that use what ptekit lacks (every
// operator is listed, with its count and source lines), kNotFound for a program or tensor that is
// missing, kMismatch when the file contradicts itself. Messages start with the path.
Result<ir::Module> import_pt2(const MappedFile& file, const Pt2Options& options = {});
Result<ir::Module> import_pt2(const std::string& path, const Pt2Options& options = {});

struct Pt2Program {
  ir::Module module;
  // The inputs that the program was exported with, one for each input of the graph; empty when the
  // archive has none that fit.
  std::vector<EValue> example;
};
// The same with the sample inputs of the archive.
Result<Pt2Program> import_pt2_program(const MappedFile& file, const Pt2Options& options = {});

}  // namespace pte::importers
