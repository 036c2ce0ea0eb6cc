"""How a case is written, and the operands that every family tries. See make_goldens.py."""

import os
import struct
import zipfile

import torch
from torch.utils._pytree import tree_leaves, tree_map

HERE = os.path.dirname(os.path.abspath(__file__))
INF, NAN = float("inf"), float("nan")
DTYPES = {
    torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4,
    torch.float16: 5, torch.float32: 6, torch.float64: 7, torch.bool: 11, torch.bfloat16: 15,
    torch.complex64: 9, torch.complex128: 10, torch.uint16: 27, torch.uint32: 28, torch.uint64: 29,
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


class OptionalTensors(list):
    """A list in which a tensor may be None."""


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
    if isinstance(value, OptionalTensors):
        return b"\x0a" + struct.pack("<H", len(value)) + b"".join(map(encode, value))
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
        namespace, packet, overload = op.split(".")
        target = getattr(getattr(getattr(torch.ops, namespace), packet), overload)
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
            if str(schema.type) == "List[Optional[Tensor]]":
                value = OptionalTensors(value)
            named.append((schema.name, encode(value)))  # now: the call may write into it
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
        full = f"{namespace}::{packet}" + ("" if overload == "default" else f".{overload}")
        self.seen[op] = self.seen.get(op, 0) + 1
        self.add(full, named, expected, mode, tolerance)

    def stated(self, full_name, named, expected):
        """A case whose results the caller knows, of operators that are not PyTorch's."""
        self.add(full_name, [(name, encode(value)) for name, value in named], expected, EXACT, 0.0)

    def add(self, full_name, named, expected, mode, tolerance):
        body = text(full_name) + struct.pack("<BdB", mode, tolerance, len(named))
        for name, value in named:
            body += text(name) + value
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
        path = os.path.join(HERE, self.name + ".zip")
        content = b"PTEG" + struct.pack("<I", len(self.cases)) + b"".join(self.cases)
        entry = zipfile.ZipInfo("cases")  # with a date of its own, so that equal cases give equal bytes
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as f:
            f.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
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
UNSIGNED = [torch.uint16, torch.uint32, torch.uint64]
ALL_DTYPES = FLOATS + INTS + [torch.bool]


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
