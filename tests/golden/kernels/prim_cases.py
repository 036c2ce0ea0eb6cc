"""Operators on sizes and numbers, which Python itself answers."""

import itertools
import math
import operator

import torch

from golden import ALL_DTYPES, Family, rand

NUMBERS = [7, -7, 2, 2**30 + 1, 2.5, -2.5, 0.5]
ARITHMETIC = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv,
              "mod": operator.mod, "truediv": operator.truediv}
RELATIONS = {"eq": operator.eq, "ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}


def prim():
    f = Family("prim")

    def two(name, answer, values):
        for a, b in itertools.product(values, values):
            f.stated(name, [("a", a), ("b", b)], [answer(a, b)])

    for name, answer in {**ARITHMETIC, **RELATIONS}.items():
        two(f"_operator::{name}", answer, NUMBERS)
    integers = [n for n in NUMBERS if isinstance(n, int)]
    two("executorch_prim::floordiv.int", operator.floordiv, integers)
    two("executorch_prim::mod.int", operator.mod, integers)
    two("torch::sym_max", torch.sym_max, integers)
    two("torch::sym_min", torch.sym_min, integers)
    for a in NUMBERS:
        f.stated("_operator::neg", [("a", a)], [-a])
        f.stated("torch::sym_float", [("a", a)], [float(a)])
        f.stated("torch::sym_int", [("a", a)], [int(a)])
        f.stated("math::ceil", [("a", a)], [math.ceil(a)])
        f.stated("math::round", [("a", a)], [round(a)])
        f.stated("math::trunc", [("a", a)], [math.trunc(a)])
    for a in (1.5, 3.5, -0.5, -1.5, 0.49999999999999994, 4503599627370497.5):
        f.stated("math::round", [("a", a)], [round(a)])
    f.stated("torch::sym_float", [("a", True)], [1.0])
    f.stated("torch::sym_int", [("a", True)], [1])
    for a in (True, False):
        f.stated("torch::sym_not", [("a", a)], [not a])
        for x, y in [(3, 4), (2.5, -1.5), (True, False), (3, 0.5)]:
            f.stated("torch::sym_ite", [("condition", a), ("a", x), ("b", y)], [x if a else y])
    for dim in (0, 1, -1, -3):
        f.stated("aten::sym_size.int", [("self", rand(2, 0, 5)), ("dim", dim)], [[2, 0, 5][dim]])
    for shape in [(), (0,), (2, 3, 4)]:
        f.stated("aten::sym_numel", [("self", rand(*shape))], [math.prod(shape)])
    for dtype in ALL_DTYPES:
        for shape in [(), (1,), (1, 1)]:
            t = rand(*shape, dtype=dtype)
            f.stated("aten::_local_scalar_dense", [("self", t)], [t.item()])
    return f
