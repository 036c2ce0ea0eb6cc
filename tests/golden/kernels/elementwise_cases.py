"""Elementwise operators and the factories."""

import itertools

import torch

from golden import FLOATS, Family, INF, INTS, LARGEST, NAN, layouts, pairs, rand, special


def unary():
    f = Family("unary")
    computing = ["cos", "erf", "exp", "log", "reciprocal", "rsqrt", "sigmoid", "sin", "sqrt", "tanh"]
    exact = ["abs", "ceil", "floor", "neg", "relu", "round"]
    for name in computing + exact:
        op = f"aten.{name}.default"
        go = f.floating if name in computing else f.call
        if name == "erf":  # eager gives 0 for the smallest operands
            go = lambda *a: f.floating(*a, mode=LARGEST)
        for dtype in FLOATS:
            t = special(dtype)
            if name in ("sin", "cos"):
                t = t[t.abs() < 100]
            go(op, t)
        for t in layouts():
            go(op, t.abs() if name in ("log", "rsqrt", "sqrt") and t.numel() else t)
        for dtype in INTS:
            t = torch.tensor([0, 1, 2, 3, 100, 127], dtype=dtype)
            go(op, t)
            if name in ("abs", "neg", "relu") and dtype.is_signed:
                go(op, torch.tensor([torch.iinfo(dtype).min, -3], dtype=dtype))
        if name in computing:
            go(op, torch.tensor([True, False]))
    for dtype in FLOATS + INTS + [torch.bool]:
        f.call("aten.logical_not.default", special(dtype) if dtype.is_floating_point else rand(7, dtype=dtype))
    for dtype in FLOATS:
        t = special(dtype)
        for low, high in [(0, 6), (-1.5, None), (None, 2.5), (3, 1), (NAN, 1.0), (0.1, 0.7), (-INF, INF)]:
            f.call("aten.clamp.default", t, low, high)
        f.call("aten.hardtanh.default", t)
        f.call("aten.hardtanh.default", t, 0, 6)
        f.call("aten.hardtanh.default", t, -0.3, 0.3)
        f.floating("aten.leaky_relu.default", t)
        f.floating("aten.leaky_relu.default", t, 0.3)
        f.floating("aten.elu.default", t)
        f.floating("aten.elu.default", t, 1.5, 1.2, 0.7)
        g = t[t.isfinite() & (t.abs() < 1e20)]
        f.floating("aten.gelu.default", g, mode=LARGEST)
        f.floating("aten.gelu.default", g, approximate="tanh", mode=LARGEST)
    for dtype in INTS:
        t = rand(3, 5, dtype=dtype)
        f.call("aten.clamp.default", t, 2, 20)
        f.call("aten.clamp.default", t, 1.5, None)
        f.call("aten.hardtanh.default", t, 0, 6)
    for t in layouts():
        f.call("aten.hardtanh.default", t, 0.0, 6.0)
        f.call("aten.clamp.default", t, -0.5, 0.5)
    everything = FLOATS + INTS + [torch.bool]
    for a, b in itertools.product(everything, everything):
        t = torch.tensor([0.0, 1.0, 2.5, 100.75, -1.5 if a.is_floating_point else 3], dtype=torch.float64).to(a)
        if b == torch.uint8 and a != torch.bool:
            t = t.abs()
        f.call("aten._to_copy.default", t, dtype=b)
    for t in layouts():
        f.call("aten.clone.default", t)
        f.call("aten.lift_fresh_copy.default", t)
    return f


def elementwise():
    f = Family("elementwise")
    arithmetic = ["add", "sub", "mul"]
    binary = ["add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "maximum.default", "minimum.default"]
    compare = ["eq", "ne", "gt", "ge", "lt", "le"]
    for name in binary + [c + ".Tensor" for c in compare] + ["logical_and.default"]:
        op = "aten." + name
        go = f.floating if name.startswith("div") else f.call
        for a, b in pairs():
            go(op, rand(*a), rand(*b))
        t = special(torch.float32)
        go(op, t[:, None], t[None, :])
        kinds = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
                 torch.uint8, torch.int8, torch.bool]
        for a, b in itertools.product(kinds, kinds):
            if name.startswith("sub") and torch.bool in (a, b):
                continue
            tolerant = f.floating if torch.float16 in (a, b) or torch.bfloat16 in (a, b) else go
            tolerant(op, rand(2, 3, dtype=a), rand(3, dtype=b))
            tolerant(op, rand(4, dtype=a), rand(dtype=b))
        go(op, rand(2, 5, 3, 4).to(memory_format=torch.channels_last), rand(5, 1, 1))
        go(op, rand(4, 6).t(), rand(6, 8)[:, ::2])
        big = torch.tensor([2**31 - 1, -2**31, 7], dtype=torch.int32)
        go(op, big, torch.tensor([1, -1, 2], dtype=torch.int32))
    for alpha in [2, -3]:
        f.call("aten.add.Tensor", rand(3, dtype=torch.int32), rand(3, dtype=torch.int8), alpha=alpha)
        f.floating("aten.sub.Tensor", rand(3, 4), rand(4), alpha=alpha)
    f.floating("aten.add.Tensor", rand(3, 4), rand(4), alpha=0.37)
    f.call("aten.add.Tensor", torch.tensor([True, False, True]), torch.tensor([True, True, False]))
    for name in arithmetic + ["div", "rsub"] + compare:
        op = f"aten.{name}.Scalar"
        for dtype in [torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.float16, torch.bfloat16]:
            for s in [2, 0, -3, 0.1, NAN, INF, True]:
                if isinstance(s, bool) and name in ("sub", "rsub"):
                    continue
                f.floating(op, rand(5, dtype=dtype), s)
        for t in layouts():
            f.floating(op, t, 1.7)
    f.call("aten.add.Scalar", rand(5, dtype=torch.int64), 3, 2)
    f.floating("aten.rsub.Scalar", rand(5), 3.5, 0.5)
    for dtype in FLOATS + INTS + [torch.bool]:
        f.call("aten.where.self", rand(3, 1, dtype=torch.bool), rand(3, 4, dtype=dtype), rand(4, dtype=dtype))
    f.call("aten.where.self", rand(3, 4, dtype=torch.bool), rand(dtype=torch.float32), rand(4, dtype=torch.int64))
    f.call("aten.where.self", torch.tensor([1, 0, 2], dtype=torch.uint8), rand(3), rand(2, 1))
    for exponent in [0, 1, 2, 3, -1, 0.5, -0.5, -2, 2.7, NAN]:
        f.floating("aten.pow.Tensor_Scalar", special(torch.float32)[:16], exponent)
        f.floating("aten.pow.Tensor_Scalar", rand(3, 4), exponent)
    for exponent in [0, 1, 2, 5, 1.5]:
        f.floating("aten.pow.Tensor_Scalar", torch.tensor([-3, 0, 2, 7], dtype=torch.int32), exponent)
    for a, b in [((3, 4), (4,)), ((3, 4), ()), ((0, 2), (2,)), ((2, 3), (2, 3))]:
        for dtype in [torch.float32, torch.int64, torch.bool]:
            f.call("aten.copy.default", rand(*a), rand(*b, dtype=dtype))
    return f


def factory():
    f = Family("factory")
    for dtype in FLOATS + INTS + [torch.bool]:
        f.call("aten.full.default", [2, 3], 1, dtype=dtype)
        f.call("aten.scalar_tensor.default", 3, dtype=dtype)
        if dtype != torch.bool:
            f.call("aten.arange.start_step", 0, 7, 2, dtype=dtype)
    f.call("aten.full.default", [2, 0], 1.5)
    f.call("aten.full.default", [], NAN)
    f.call("aten.full.default", [3], True)
    f.call("aten.full.default", [3], 2**40)
    f.call("aten.full.default", [3], -INF, dtype=torch.float16)
    f.call("aten.scalar_tensor.default", -INF, dtype=torch.float32)
    for start, end, step in [(0, 0, 1), (5, -3, -2), (0.0, 1.0, 0.1), (1, 2.5, 0.5), (3, 4, 100), (-5, 5, 3)]:
        f.floating("aten.arange.start_step", start, end, step)
    f.call("aten.arange.start_step", 2**53, 2**53 + 5, 1)
    return f
