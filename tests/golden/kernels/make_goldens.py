"""Writes <family>.bin beside this file: operator calls and what PyTorch eager gives for them.

Run with a Python that has PyTorch:  python tests/golden/kernels/make_goldens.py
The files are read by src/kernels/golden_test.cc; its header comment gives their layout.
"""

import itertools
import os
import struct

import torch
from torch.utils._pytree import tree_leaves, tree_map

HERE = os.path.dirname(os.path.abspath(__file__))
INF, NAN = float("inf"), float("nan")
DTYPES = {
    torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4,
    torch.float16: 5, torch.float32: 6, torch.float64: 7, torch.bool: 11, torch.bfloat16: 15,
}
EXACT, EACH, LARGEST = 0, 1, 2  # bit equality; relative to each element; to the largest element


def encode_tensor(t):
    t = t.detach()
    out = struct.pack("<BB", DTYPES[t.dtype], t.dim())
    out += struct.pack(f"<{2 * t.dim()}i", *t.shape, *t.stride())
    span = 0 if t.numel() == 0 else 1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride()))
    flat = torch.as_strided(t, (span,), (1,), t.storage_offset()) if span else t.reshape(-1)
    raw = flat.contiguous().view(torch.uint8).numpy().tobytes() if span else b""
    return out + struct.pack("<I", span) + raw


def encode(value):
    if value is None:
        return b"\0"
    if isinstance(value, torch.Tensor):
        return b"\1" + encode_tensor(value)
    if isinstance(value, bool):
        return b"\4" + struct.pack("<B", value)
    if isinstance(value, int):
        return b"\2" + struct.pack("<q", value)
    if isinstance(value, float):
        return b"\3" + struct.pack("<d", value)
    if isinstance(value, str):
        return b"\5" + struct.pack("<H", len(value)) + value.encode()
    if isinstance(value, torch.dtype):
        return b"\2" + struct.pack("<q", DTYPES[value])
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], torch.Tensor):
            return b"\x09" + struct.pack("<H", len(value)) + b"".join(map(encode_tensor, value))
        if value and isinstance(value[0], float):
            return b"\7" + struct.pack(f"<H{len(value)}d", len(value), *value)
        return b"\6" + struct.pack(f"<H{len(value)}q", len(value), *value)
    raise TypeError(type(value))


def text(s):
    return struct.pack("<H", len(s)) + s.encode()


class Family:
    def __init__(self, name):
        self.name, self.cases, self.seen = name, [], {}

    def call(self, op, *args, mode=EXACT, tolerance=0.0, widen=False, **kwargs):
        """op is 'aten.add.Tensor'; missing arguments take the schema's defaults.

        With widen, eager computes in float64 and its results are rounded to float32: sums that
        cancel would otherwise measure eager's own error.
        """
        packet, overload = op.removeprefix("aten.").split(".")
        target = getattr(getattr(torch.ops.aten, packet), overload)
        named, used = [], list(args)
        for schema in target._schema.arguments:
            if used:
                value = used.pop(0)
            elif schema.name in kwargs:
                value = kwargs[schema.name]
            else:
                value = schema.default_value if schema.has_default_value() else None
            if str(schema.type) == "List[int]" and isinstance(value, int):
                value = [value]
            named.append((schema.name, value))
        if widen:
            def cast(before, after):
                return lambda t: t.to(after) if isinstance(t, torch.Tensor) and t.dtype == before else t
            wide = tree_map(cast(torch.float32, torch.float64), args)
            expected = tree_map(cast(torch.float64, torch.float32), target(*wide, **kwargs))
        else:
            expected = target(*args, **kwargs)
        if not isinstance(expected, (tuple, list)):
            expected = [expected]
        elif target._schema.returns[0].type.kind() == "ListType":
            expected = [list(expected)]
        full = f"aten::{packet}" + ("" if overload == "default" else f".{overload}")
        self.seen[op] = self.seen.get(op, 0) + 1
        body = text(full) + struct.pack("<BdB", mode, tolerance, len(named))
        for name, value in named:
            body += text(name) + encode(value)
        body += struct.pack("<B", len(expected)) + b"".join(map(encode, expected))
        self.cases.append(body)

    def floating(self, op, *args, mode=EACH, **kwargs):
        """Within 1e-6, or one unit in the last place of a shorter type."""
        dtype = next((a.dtype for a in tree_leaves(args)
                      if isinstance(a, torch.Tensor) and a.dtype.is_floating_point), torch.float32)
        dtype = kwargs.get("dtype", dtype)
        tolerance = {torch.float16: 1e-3, torch.bfloat16: 8e-3, torch.float64: 1e-12}.get(dtype, 1e-6)
        kwargs.setdefault("widen", mode == LARGEST and dtype == torch.float32 and "dtype" not in kwargs)
        self.call(op, *args, mode=mode, tolerance=tolerance, **kwargs)

    def write(self):
        path = os.path.join(HERE, self.name + ".bin")
        with open(path, "wb") as f:
            f.write(b"PTEG" + struct.pack("<I", len(self.cases)) + b"".join(self.cases))
        print(f"{self.name}: {len(self.cases)} cases, {os.path.getsize(path)} bytes")


def rand(*shape, dtype=torch.float32, scale=2.0):
    t = torch.randn(shape, dtype=torch.float64) * scale
    if dtype == torch.bool:
        return t > 0
    if dtype == torch.uint8:
        return (t.abs() * 20).to(dtype)
    return t.to(dtype) if dtype.is_floating_point else (t * 20).to(dtype)


SPECIAL = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -3.0, 6.0, 7.25, -7.25, 1e-30, -1e-30, 88.0,
           -88.0, 1e30, INF, -INF, NAN]
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


def special(dtype):
    return torch.tensor(SPECIAL, dtype=torch.float64).to(dtype)


def layouts(dtype=torch.float32):
    """Awkward operands: empty, rank 0, odd sizes, channels last, transposed, with gaps, expanded."""
    yield rand(0, 3, dtype=dtype)
    yield rand(dtype=dtype)
    yield rand(3, 5, 7, dtype=dtype)
    yield rand(2, 5, 3, 4, dtype=dtype).to(memory_format=torch.channels_last)
    yield rand(9, 4, dtype=dtype).t()
    yield rand(6, 8, dtype=dtype)[1::2, ::3]
    yield rand(4, 1, dtype=dtype).expand(4, 5)


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


def pairs():
    """Shapes that broadcast in every way."""
    yield (3, 4), (3, 4)
    yield (3, 4), (4,)
    yield (3, 1), (1, 4)
    yield (2, 1, 3), (5, 1)
    yield (), (3,)
    yield (2, 2), ()
    yield (), ()
    yield (0, 3), (1, 3)
    yield (2, 0), ()
    yield (1,), (2, 3, 4, 5)


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


def conv():
    f = Family("conv")

    def case(x, w, b, stride=(1, 1), padding=(0, 0), dilation=(1, 1), transposed=False, extra=(0, 0), groups=1):
        n = x.dim() - 2
        f.floating("aten.convolution.default", x, w, b, list(stride[:n]), list(padding[:n]), list(dilation[:n]),
                   transposed, list(extra[:n]), groups, mode=LARGEST)

    case(rand(1, 3, 8, 8), rand(5, 3, 3, 3), rand(5), (1, 1), (1, 1))
    case(rand(2, 3, 9, 7), rand(5, 3, 3, 3), None, (2, 2), (1, 1))
    case(rand(1, 4, 7, 9), rand(6, 4, 1, 1), rand(6))
    case(rand(1, 4, 7, 9), rand(6, 4, 1, 1), rand(6), (2, 3))
    case(rand(1, 70, 3, 5), rand(9, 70, 1, 1), rand(9))
    case(rand(1, 6, 9, 9), rand(6, 1, 3, 3), rand(6), (1, 1), (1, 1), groups=6)
    case(rand(1, 6, 9, 10), rand(6, 1, 5, 5), None, (2, 2), (2, 2), groups=6)
    case(rand(2, 3, 6, 7), rand(6, 1, 3, 3), rand(6), (1, 2), (2, 0), (2, 1), groups=3)
    case(rand(1, 8, 6, 6), rand(12, 2, 3, 3), rand(12), (1, 1), (1, 1), groups=4)
    case(rand(1, 3, 11, 13), rand(4, 3, 3, 5), rand(4), (2, 1), (3, 0), (2, 3))
    case(rand(1, 1, 1, 1), rand(1, 1, 1, 1), rand(1))
    case(rand(1, 2, 2, 2), rand(3, 2, 5, 5), rand(3), (1, 1), (3, 3))
    case(rand(0, 3, 8, 8), rand(5, 3, 3, 3), rand(5))
    case(rand(1, 4, 20), rand(7, 4, 5), rand(7), (2,), (0,))
    case(rand(2, 1, 33), rand(16, 1, 5), rand(16))
    case(rand(2, 4, 17), rand(8, 2, 3), None, (3,), (2,), (2,), groups=2)
    case(rand(1, 5, 8, 6).to(memory_format=torch.channels_last), rand(4, 5, 3, 3), rand(4), (1, 1), (1, 1))
    case(rand(1, 5, 8, 6).to(memory_format=torch.channels_last),
         rand(4, 5, 3, 3).to(memory_format=torch.channels_last), rand(4), (1, 1), (1, 1))
    case(rand(1, 6, 8, 6).to(memory_format=torch.channels_last), rand(6, 1, 3, 3), rand(6), (2, 2), (1, 1), groups=6)
    case(rand(1, 3, 12, 12)[:, :, ::2, 1:10], rand(4, 3, 2, 2), rand(4))
    case(rand(1, 4, 5, 6), rand(4, 3, 3, 3), rand(3), (1, 1), transposed=True)
    case(rand(2, 4, 5, 6), rand(4, 3, 3, 3), None, (2, 3), (1, 1), transposed=True, extra=(1, 2))
    case(rand(1, 4, 5, 6), rand(4, 3, 2, 3), rand(6), (2, 2), (1, 0), (2, 1), True, (1, 0), 2)
    case(rand(1, 6, 5, 5), rand(6, 1, 3, 3), rand(6), (2, 2), (1, 1), (1, 1), True, (1, 1), 6)
    case(rand(1, 3, 9), rand(3, 5, 4), rand(5), (2,), (1,), transposed=True)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        case(rand(1, 3, 6, 6, dtype=dtype, scale=1), rand(5, 3, 3, 3, dtype=dtype, scale=1), rand(5, dtype=dtype), (1, 1), (1, 1))
        case(rand(1, 4, 6, 6, dtype=dtype, scale=1), rand(4, 1, 3, 3, dtype=dtype, scale=1), None, (2, 2), (1, 1), groups=4)
    x = rand(1, 2, 5, 5)
    x[0, 0, 2, 2], x[0, 1, 0, 0] = NAN, INF
    case(x, rand(3, 2, 2, 2).abs() + 0.1, rand(3))
    return f


def matmul():
    f = Family("matmul")
    for m, k, n in [(3, 4, 5), (1, 70, 9), (13, 1, 7), (5, 130, 33), (0, 3, 4), (3, 4, 0), (2, 0, 3), (1, 1, 1)]:
        f.floating("aten.mm.default", rand(m, k), rand(k, n), mode=LARGEST)
        f.floating("aten.addmm.default", rand(n), rand(m, k), rand(k, n), mode=LARGEST)
        f.floating("aten.bmm.default", rand(2, m, k), rand(2, k, n), mode=LARGEST)
    a, b = rand(4, 6), rand(6, 5)
    for bias in [rand(5), rand(4, 5), rand(1, 5), rand(4, 1), rand(1)]:
        f.floating("aten.addmm.default", bias, a, b, mode=LARGEST)
    f.floating("aten.addmm.default", rand(5), a, b, beta=0.5, alpha=-2, mode=LARGEST)
    f.floating("aten.addmm.default", torch.full((5,), NAN), a, b, beta=0, mode=LARGEST)
    f.floating("aten.mm.default", rand(6, 4).t(), rand(5, 6).t(), mode=LARGEST)
    f.floating("aten.addmm.default", rand(5), rand(8, 6)[::2], rand(5, 6).t(), mode=LARGEST)
    f.floating("aten.bmm.default", rand(1, 4, 6).expand(3, 4, 6), rand(3, 5, 6).transpose(1, 2), mode=LARGEST)
    f.floating("aten.bmm.default", rand(0, 4, 6), rand(0, 6, 2), mode=LARGEST)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        f.floating("aten.mm.default", a.to(dtype), b.to(dtype), mode=LARGEST)
        f.floating("aten.addmm.default", rand(5, dtype=dtype), a.to(dtype), b.to(dtype), mode=LARGEST)
        f.floating("aten.bmm.default", rand(2, 3, 4, dtype=dtype), rand(2, 4, 5, dtype=dtype), mode=LARGEST)
    for dtype in [torch.int64, torch.int32, torch.int8, torch.uint8]:
        f.call("aten.mm.default", rand(3, 4, dtype=dtype), rand(4, 5, dtype=dtype))
        f.call("aten.addmm.default", rand(5, dtype=dtype), rand(3, 4, dtype=dtype), rand(4, 5, dtype=dtype))
        f.call("aten.bmm.default", rand(2, 3, 4, dtype=dtype), rand(2, 4, 5, dtype=dtype))
    return f


def pool():
    f = Family("pool")
    images = [rand(1, 2, 8, 8), rand(2, 1, 7, 9), rand(3, 6, 5), rand(1, 3, 6, 7).to(memory_format=torch.channels_last),
              rand(1, 2, 12, 12)[:, :, ::2, 2:]]
    for x in images:
        for out in [(1, 1), (2, 3), (5, 4), (9, 2)]:
            f.floating("aten._adaptive_avg_pool2d.default", x, list(out), mode=LARGEST)
        for kernel, stride, padding in [((2, 2), [], (0, 0)), ((3, 3), (2, 2), (1, 1)), ((3, 2), (1, 2), (1, 1)), ((5, 5), (3, 3), (2, 2))]:
            for ceil in (False, True):
                for include in (False, True):
                    f.floating("aten.avg_pool2d.default", x, list(kernel), list(stride), list(padding), ceil, include, mode=LARGEST)
                f.call("aten.max_pool2d_with_indices.default", x, list(kernel), list(stride), list(padding), [1, 1], ceil)
        f.floating("aten.avg_pool2d.default", x, [2, 2], [2, 2], [0, 0], False, True, 3, mode=LARGEST)
        f.call("aten.max_pool2d_with_indices.default", x, [2, 2], [1, 2], [1, 1], [2, 2], False)
        f.call("aten.max_pool2d_with_indices.default", x, [2], [2], [0], [1], False)
    x = rand(1, 1, 6, 6)
    x[0, 0, 1, 1], x[0, 0, 4, 4], x[0, 0, 0, 5] = NAN, INF, -INF
    f.call("aten.max_pool2d_with_indices.default", x, [2, 2], [1, 1], [1, 1], [1, 1], False)
    f.call("aten.max_pool2d_with_indices.default", torch.full((1, 1, 4, 4), -INF), [3, 3], [2, 2], [1, 1], [1, 1], False)
    f.call("aten.max_pool2d_with_indices.default", torch.ones(1, 1, 4, 4), [3, 3], [1, 1], [1, 1], [1, 1], True)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        f.floating("aten.avg_pool2d.default", x[:, :, 1:].nan_to_num(0, 1, 1).to(dtype), [2, 2], [2, 2], mode=LARGEST)
        f.floating("aten._adaptive_avg_pool2d.default", rand(1, 3, 5, 5, dtype=dtype), [2, 2], mode=LARGEST)
        f.call("aten.max_pool2d_with_indices.default", x.to(dtype), [2, 2], [1, 1], [0, 0], [1, 1], False)
    f.call("aten.max_pool2d_with_indices.default", rand(1, 2, 5, 5, dtype=torch.int32), [2, 2], [1, 1], [1, 1], [1, 1], False)
    return f


def resample():
    f = Family("resample")
    for x in [rand(1, 2, 4, 5), rand(2, 1, 7, 3), rand(1, 3, 5, 4).to(memory_format=torch.channels_last), rand(1, 1, 1, 1)]:
        for size in [(8, 10), (3, 3), (7, 3), (1, 1), (13, 6)]:
            f.call("aten.upsample_nearest2d.vec", x, list(size), None)
            for align in (False, True):
                f.floating("aten.upsample_bilinear2d.vec", x, list(size), align, None, mode=LARGEST, widen=False)
        for scales in [(2.0, 2.0), (1.5, 3.0)]:
            f.call("aten.upsample_nearest2d.vec", x, None, list(scales))
            for align in (False, True):
                f.floating("aten.upsample_bilinear2d.vec", x, None, align, list(scales), mode=LARGEST, widen=False)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        f.floating("aten.upsample_bilinear2d.vec", rand(1, 2, 4, 5, dtype=dtype), [7, 9], False, None, mode=LARGEST)
        f.call("aten.upsample_nearest2d.vec", rand(1, 2, 4, 5, dtype=dtype), [7, 9], None)
    f.call("aten.upsample_nearest2d.vec", rand(1, 2, 4, 5, dtype=torch.uint8), [7, 9], None)
    return f


def reduce():
    f = Family("reduce")
    tensors = [rand(3, 4, 5), rand(2, 5, 3, 4).to(memory_format=torch.channels_last), rand(9, 4).t(), rand(6, 8)[1::2, ::3],
               rand(4, 1).expand(4, 5), rand(7), rand(1, 1)]
    for t in tensors:
        dims = [[0], [-1], list(range(t.dim())), []] + ([[0, -1]] if t.dim() > 1 else [])
        for d, keep in itertools.product(dims, (False, True)):
            f.floating("aten.mean.dim", t, d, keep, mode=LARGEST)
            f.floating("aten.sum.dim_IntList", t, d, keep, mode=LARGEST)
            f.call("aten.amax.default", t, d, keep)
            f.call("aten.amin.default", t, d, keep)
        for d, keep in itertools.product([0, -1, None], (False, True)):
            f.call("aten.argmax.default", t, d, keep)
            if d is not None:
                f.call("aten.any.dim", t, d, keep)
        f.floating("aten.mean.default", t, mode=LARGEST)
        f.call("aten.any.default", t)
    f.floating("aten.mean.dim", rand(2, 3), None, mode=LARGEST)
    f.floating("aten.mean.dim", rand(), [0], mode=LARGEST)
    f.floating("aten.sum.dim_IntList", rand(2, 3), None, mode=LARGEST)
    f.floating("aten.mean.dim", rand(0, 3), [0], mode=LARGEST)
    f.floating("aten.mean.dim", rand(3, 0), [0], mode=LARGEST)
    f.floating("aten.sum.dim_IntList", rand(0, 3), [0], mode=LARGEST)
    f.call("aten.any.dim", rand(0, 3), 0)
    f.call("aten.any.default", rand(0, 3))
    f.call("aten.amax.default", rand(0, 3), [1])
    bad = torch.tensor([[1.0, NAN, 3.0], [-INF, -INF, -INF], [INF, NAN, NAN]])
    for d in [0, 1]:
        f.call("aten.amax.default", bad, [d])
        f.call("aten.amin.default", bad, [d])
        f.call("aten.argmax.default", bad, d)
        f.call("aten.any.dim", bad, d)
        f.floating("aten.sum.dim_IntList", bad, [d], mode=LARGEST)
    f.call("aten.argmax.default", torch.tensor([[1, 3, 3], [2, 2, 2]]), 1)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        t = rand(4, 50, dtype=dtype)
        f.floating("aten.mean.dim", t, [1], mode=LARGEST)
        f.floating("aten.sum.dim_IntList", t, [1], mode=LARGEST)
        f.call("aten.amax.default", t, [1])
        f.call("aten.argmax.default", t, 1)
    for dtype in INTS + [torch.bool]:
        t = rand(4, 30, dtype=dtype)
        f.call("aten.sum.dim_IntList", t, [1])
        f.call("aten.sum.dim_IntList", t, [1], dtype=torch.int32)
        f.floating("aten.sum.dim_IntList", t, [0], dtype=torch.float32, mode=LARGEST)
        f.floating("aten.mean.dim", t, [0], dtype=torch.float32, mode=LARGEST)
        f.floating("aten.mean.default", t, dtype=torch.float64, mode=LARGEST)
        f.call("aten.amax.default", t, [0])
        f.call("aten.any.dim", t, 0)
        f.call("aten.any.default", t)
        if dtype != torch.bool:
            f.call("aten.argmax.default", t, 0)
    f.floating("aten.sum.dim_IntList", rand(5, dtype=torch.float64), [0], dtype=torch.float32, mode=LARGEST)
    f.floating("aten.mean.dim", rand(1, 4, 7, 7).to(memory_format=torch.channels_last), [2, 3], True, mode=LARGEST)
    return f


def layout():
    f = Family("layout")
    kinds = [torch.float32, torch.int64, torch.bool, torch.uint8, torch.float16]
    for t in layouts():
        for d in range(-t.dim(), t.dim()):
            f.call("aten.squeeze_copy.dim", t, d)
            f.call("aten.unsqueeze_copy.default", t, d)
        f.call("aten.unsqueeze_copy.default", t, t.dim())
        f.call("aten.view_copy.default", t.contiguous(), [-1] if t.numel() else [3, 0])
        f.call("aten.view_copy.default", t.contiguous(), [1, t.numel(), 1])
        if t.dim() > 1:
            f.call("aten.permute_copy.default", t, list(range(t.dim()))[::-1])
            f.call("aten.permute_copy.default", t, [-1] + list(range(t.dim() - 1)))
            f.call("aten.transpose_copy.int", t, 0, -1)
            f.call("aten.select_copy.int", t, -1, -1)
        if t.dim() == 2:
            f.call("aten.t_copy.default", t)
        f.call("aten.expand_copy.default", t, [2] + list(t.shape))
        f.call("aten.expand_copy.default", t, [2] + [-1] * t.dim())
        if t.dim():
            for s in [(0, None, None, 1), (-1, 1, None, 2), (0, -2, None, 1), (0, 5, 2, 1), (-1, None, -1, 1),
                      (0, -100, 100, 3), (0, 1, 9223372036854775807, 1)]:
                f.call("aten.slice_copy.Tensor", t, *s)
            f.call("aten.constant_pad_nd.default", t, [1, 2], 3.5)
            f.call("aten.constant_pad_nd.default", t, [2, -1], 0) if t.shape[-1] > 0 else None
            f.call("aten.cat.default", [t, t], -1)
            f.call("aten.cat.default", [t, t[:0], t], 0)
        f.call("aten.stack.default", [t, t, t], 0)
        f.call("aten.stack.default", [t, t], -1)
    for dtype in kinds:
        t = rand(2, 3, 4, dtype=dtype)
        f.call("aten.permute_copy.default", t, [2, 0, 1])
        f.call("aten.constant_pad_nd.default", t, [1, 1, 0, 2], 1)
        f.call("aten.cat.default", [t, rand(2, 1, 4, dtype=dtype)], 1)
        f.call("aten.split_with_sizes_copy.default", t, [1, 3], 2)
        f.call("aten.select_copy.int", t, 1, 2)
    f.call("aten.squeeze_copy.dims", rand(1, 3, 1, 2), [0, 2])
    f.call("aten.squeeze_copy.dims", rand(1, 3, 1, 2), [-1, 0])
    f.call("aten.squeeze_copy.dims", rand(1, 3, 1, 2), [1])
    f.call("aten.squeeze_copy.dim", rand(), 0)
    f.call("aten.t_copy.default", rand(4))
    f.call("aten.t_copy.default", rand())
    f.call("aten.view_copy.default", rand(), [1, 1])
    f.call("aten.view_copy.default", rand(2, 6), [3, -1, 2])
    f.call("aten.split_with_sizes_copy.default", rand(7, 2), [2, 0, 5], 0)
    f.call("aten.split_with_sizes_copy.default", rand(2, 6, 2, 2).to(memory_format=torch.channels_last), [1, 3, 2], 1)
    f.call("aten.cat.default", [rand(0), rand(2, 3), rand(0)], 1)
    f.call("aten.cat.default", [rand(0), rand(0)], 0)
    f.call("aten.cat.default", [rand(2, 3), rand(1, 3, dtype=torch.int64), rand(1, 3, dtype=torch.float64)], 0)
    f.call("aten.cat.default", [rand(1, 2, 3, 3).to(memory_format=torch.channels_last), rand(1, 4, 3, 3)], 1)
    f.call("aten.constant_pad_nd.default", rand(1, 2, 3, 3).to(memory_format=torch.channels_last), [0, 1, 0, 1], 0)
    f.call("aten.constant_pad_nd.default", rand(2, 5, 5), [-1, -2, 1, 1, 0, 1], -INF)
    f.call("aten.constant_pad_nd.default", rand(3, 3), [-3, 2], 1)
    f.call("aten.constant_pad_nd.default", rand(3, 3), [], 1)
    f.call("aten.constant_pad_nd.default", rand(0, 3), [1, 1, 1, 1], 9)
    return f


def norm():
    f = Family("norm")
    for shape in [(1, 3, 4, 5), (2, 4, 3, 3), (2, 5), (1, 6, 7), (0, 3, 2, 2), (1, 2, 3, 4, 5)]:
        c = shape[1]
        x, mean, var = rand(*shape), rand(c), rand(c).abs() + 0.1
        for w, b in [(rand(c), rand(c)), (None, None), (rand(c), None), (None, rand(c))]:
            f.floating("aten._native_batch_norm_legit_no_training.default", x, w, b, mean, var, 0.1, 1e-5, mode=LARGEST)
    x = rand(2, 4, 3, 5).to(memory_format=torch.channels_last)
    f.floating("aten._native_batch_norm_legit_no_training.default", x, rand(4), rand(4), rand(4), rand(4).abs(), 0.1, 1e-3, mode=LARGEST)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        x, w, b = rand(2, 3, 4, dtype=dtype), rand(3, dtype=dtype), rand(3, dtype=dtype)
        f.floating("aten._native_batch_norm_legit_no_training.default", x, w, b, w, b.abs() + 0.1, 0.1, 1e-5, mode=LARGEST)
        f.floating("aten.native_layer_norm.default", rand(2, 3, 8, dtype=dtype), [8], rand(8, dtype=dtype), rand(8, dtype=dtype), 1e-5, mode=LARGEST)
    for shape, normal in [((2, 3, 8), [8]), ((2, 3, 8), [3, 8]), ((4, 5), [5]), ((6,), [6]), ((2, 3, 4), [2, 3, 4]), ((0, 4), [4])]:
        for affine in (False, True):
            w, b = (rand(*normal), rand(*normal)) if affine else (None, None)
            f.floating("aten.native_layer_norm.default", rand(*shape), normal, w, b, 1e-5, mode=LARGEST)
    f.floating("aten.native_layer_norm.default", rand(2, 6, 3, 4).to(memory_format=torch.channels_last), [4], rand(4), None, 1e-6, mode=LARGEST)
    f.floating("aten.native_layer_norm.default", rand(2, 16) + 3, [16], None, None, 1e-5, mode=LARGEST)
    return f


def softmax():
    f = Family("softmax")
    for op in ["aten._softmax.default", "aten._log_softmax.default"]:
        for t in [rand(3, 5), rand(2, 3, 4), rand(2, 5, 3, 4).to(memory_format=torch.channels_last), rand(9, 4).t(),
                  rand(7), rand(), rand(0, 4), rand(4, 0), rand(3, 1), rand(2, 1000)]:
            for d in range(-1, max(t.dim() - 1, 0)):
                f.floating(op, t, d, False, mode=EACH if "log" not in op else LARGEST)
        for dtype in [torch.float64, torch.float16, torch.bfloat16]:
            f.floating(op, rand(4, 6, dtype=dtype), 1, False, mode=LARGEST)
        x = torch.tensor([[1.0, 2.0, -INF], [-INF, -INF, -INF], [INF, 0.0, 1.0], [NAN, 0.0, 1.0], [1000.0, 999.0, -1000.0]])
        f.floating(op, x, 1, False)
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


def main():
    torch.set_num_threads(1)
    for make in [unary, elementwise, conv, matmul, pool, resample, reduce, layout, norm, softmax, factory]:
        torch.manual_seed(20240917)  # anew for each family, so that one can change alone
        make().write()


if __name__ == "__main__":
    main()
