// For tests only: programs as bytes, made apart from the tests, which see the public headers alone.
#pragma once

#include <cstddef>
#include <vector>

namespace pte_test {

using File = std::vector<std::byte>;

File add();          // out = a + b, float32 [2,3]
File add_dynamic();  // the same, at most [2,3]
File endless();      // a loop that never ends; one input, float32 [2,3]
File answers();      // no operators: outputs 42, 2.5, true, "text" and the input, float32 [2]
File fixed();        // inputs Int 7, Double 0.5, Bool true, String "mode", fixed at export
File two_methods();  // "forward" and "second", both add; named data "note" is "hello"
// out = mylib::scale(a, 2.5), float32 [2,3]
File scale();
// The same, but the operator reads another value that lies where the input does.
File scale_renamed();
File overwrites();  // a.copy_(b), out = a; float32 [2,3]
// mylib::all(Tensor x, Tensor? none, int[] n, float[] f, bool[] b, str s, bool flag, Tensor[] xs,
// Tensor?[] maybe, *, Tensor(a!) out) with n = [4, 5], f = [0.5, 1.5], b = [true, false], s = "hi",
// flag = true, xs = [x, x], maybe = [None, x]
File all_kinds();
// mylib::parts.out(Tensor x, *, Tensor(a!)[] out): two outputs float32 [3]
File parts();

}  // namespace pte_test
