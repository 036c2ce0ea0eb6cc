// Proof that an exported program computes what was imported: it is loaded as a user would load it,
// run, and held against the imported graph, which the reference interpreter runs unoptimised.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "ir/graph.h"
#include "program/program.h"
#include "tensor/evalue.h"

namespace pte::cli {

using Examples = std::map<std::string, std::vector<EValue>, std::less<>>;

// Arithmetic of a graph by the definitions of its operators, multiplications and additions counted
// apart; dynamic sizes at their upper bounds.
double estimated_flops(const ir::Module& module);

// Inputs for every method: those that are given, else seeded ones that any model takes: floats in
// [0, 1), as pixels are, integers below every table that they are looked up in.
Result<Examples> sample_inputs(const ir::Module& module, const Examples& given);

// The imported graph ready to answer: one for each method, run once and kept.
class Reference {
 public:
  // `inputs` are as sample_inputs() gives them. Fails where the graph cannot be run here.
  static Result<Reference> run(const ir::Module& module, Examples inputs, ThreadPool& pool);

  const Examples& inputs() const { return inputs_; }
  const Examples& outputs() const { return outputs_; }
  // The graph draws random numbers, so that answers cannot be compared.
  bool random() const { return random_; }

 private:
  Examples inputs_, outputs_;
  bool random_ = false;
};

struct Share {
  std::string op;    // "aten.native_layer_norm.default"
  double flops = 0;  // of the whole program's, 0 to 1
};

struct Proof {
  double largest = 0;     // difference, relative to the output's largest value, over all outputs
  bool compared = false;  // false: it ran, but draws random numbers
  double milliseconds = 0;
  double outside_share = 0;  // of the arithmetic, what no delegate does, 0 to 1
  std::vector<Share> outside;
};

// What fp32 answers may differ by, relative to the output's largest value; half and bfloat16
// answers by more.
inline constexpr double kProofTolerance = 1e-4;

// The same where a delegate computes in integers: it rounds each layer's sums once and chooses
// scales by row, where the graph rounds to and from floats around every layer.
inline constexpr double kQuantizedProofTolerance = 0.1;

// Runs every method of `program`, which has passed verify(). Fails with kMismatch when an answer
// differs by more than the tolerance, naming method and output.
Result<Proof> prove(std::shared_ptr<const program::Program> program, const Reference& reference,
                    ThreadPool& pool, bool quantized = false);
// Only makes every method ready to run: what can be said of models too large to run.
Status prove_loadable(std::shared_ptr<const program::Program> program, ThreadPool& pool);

}  // namespace pte::cli
