// Whether a method answers as expected: how test cases of a bundled program are judged.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "program/bundle.h"
#include "runtime/method.h"

namespace pte::runtime {

// |got - expected| <= atol + |rtol * expected|; both 0: equal. NaN equals NaN, an infinity itself.
// Integers and bools must be equal. The defaults are those of the official example runner.
struct Tolerance {
  double rtol = 1e-3;
  double atol = 1e-5;
};

struct Comparison {
  bool matches = true;
  double largest = 0;   // of all finite |got - expected|
  std::string message;  // the first thing that differs; empty when all match
};

// Type and sizes must be the same, the order in memory may differ.
Comparison compare(const EValue& got, const EValue& expected, const Tolerance& tolerance);

// Sets the case's inputs, executes, compares every output that the case has an answer for. Fails
// when the method does; an answer that differs is no failure but in the result.
Result<Comparison> run_case(Method& method, const program::TestCase& test,
                            const Tolerance& tolerance);

}  // namespace pte::runtime
