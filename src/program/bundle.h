// .bpte files: a whole .pte, with calls of its methods and what they should answer.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tensor/evalue.h"

namespace pte::program {

struct TestCase {
  std::vector<EValue> inputs;    // tensors, Int, Bool and Double
  std::vector<EValue> expected;  // the outputs; the official exporter writes tensors only
};

struct TestSuite {
  std::string method;
  std::vector<TestCase> cases;
};

struct Bundle {
  uint32_t version = 0;
  MappedFile program;  // the .pte inside: not yet read, let alone verified
  std::vector<TestSuite> suites;
};

// True when the bytes begin as a .bpte does.
bool is_bundle(Bytes file);

// Tensors of the result view `file` and keep its mapping alive; each is well formed and inside it.
// Errors begin with the file's path.
Result<Bundle> read_bundle(const MappedFile& file);

// The .pte inside alone, at an address that suits it: a view, or a copy when it lies at an odd
// place of the bundle. Errors do not carry the path.
Result<MappedFile> extract_program(const MappedFile& file);

}  // namespace pte::program
