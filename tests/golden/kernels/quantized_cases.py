"""Quantized values outside a delegate: what torch.ao and ExecuTorch's own Python definitions give.

Products and sums of quantized values have no eager definition; theirs is written out here.
"""

import struct

import torch
import torch.ao.quantization.fx._decomposed  # noqa: F401, registers quantized_decomposed
import executorch.exir.passes._quant_patterns_and_replacements  # noqa: F401, adds embeddings and sums

from golden import EXACT, FLOATS, INF, LARGEST, NAN, DTYPES, Family, encode, rand, text

DTYPES.setdefault(torch.uint16, 27)
QUANTIZED = {torch.int8: (-128, 127), torch.uint8: (0, 255), torch.int16: (-32768, 32767),
             torch.uint16: (0, 65535), torch.int32: (-(2**31), 2**31 - 1)}


def encode_any(value):
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], bool):
        return b"\x08" + struct.pack(f"<H{len(value)}B", len(value), *value)
    return encode(value)


class Calls(Family):
    """Cases of operators of any namespace, results from eager or given."""

    def add(self, name, *args, expected=None, mode=EXACT, tolerance=0.0, **kwargs):
        space, rest = name.split("::")
        packet, _, overload = rest.partition(".")
        target = getattr(getattr(getattr(torch.ops, space), packet), overload or "default")
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
            if str(schema.type) in ("float", "Optional[float]") and isinstance(value, int):
                value = float(value)
            named.append((schema.name, value))
        if expected is None:
            expected = target(*args, **kwargs)
        if not isinstance(expected, (tuple, list)):
            expected = [expected]
        self.seen[name] = self.seen.get(name, 0) + 1
        body = text(name) + struct.pack("<BdB", mode, tolerance, len(named))
        for key, value in named:
            body += text(key) + encode_any(value)
        self.cases.append(body + struct.pack("<B", len(expected)) + b"".join(map(encode, expected)))


def layouts(dtype=torch.float32):
    yield rand(0, 3, dtype=dtype)
    yield rand(1, 3, 2, 2, dtype=dtype).to(memory_format=torch.channels_last)
    yield rand(5, 3, dtype=dtype).t()
    yield rand(4, 6, dtype=dtype)[1::2, ::3]


def quantized():
    f = Calls("quantized")
    qd = "quantized_decomposed::"
    ties = torch.tensor([0.25, 0.75, -0.25, -0.75, 1.25, 1.75, 63.25, 200.0, -200.0, 0.0, -0.0, 5e4, -5e4])
    for dtype, (low, high) in QUANTIZED.items():
        zero = 3 if low == 0 else -5
        for x in list(layouts()) + [ties, rand()]:
            f.add(qd + "quantize_per_tensor", x, 0.5, zero, low, high, dtype)
            f.add(qd + "quantize_per_tensor.tensor", x, torch.tensor([0.0371], dtype=torch.float64),
                  torch.tensor([zero]), low, high, dtype)
        f.add(qd + "quantize_per_tensor", torch.tensor([INF, -INF, 1e9, -1e9]), 0.1, 1, max(low, -127), min(high, 127), dtype)
        f.add(qd + "quantize_per_tensor.tensor", ties, torch.tensor(0.3), torch.tensor(2, dtype=torch.int32), low, high, dtype)
        for source in [torch.float16, torch.bfloat16]:
            f.add(qd + "quantize_per_tensor", ties.to(source), 0.037, zero, low, high, dtype)
        low, high = max(low, -20000), min(high, 20000)
        q = torch.randint(low, high, (2, 3, 4), dtype=torch.int32).to(dtype)
        for t in [q, q[:, :1].expand(2, 3, 4) if dtype != torch.uint16 else q, q[:0], q.permute(2, 0, 1)]:
            f.add(qd + "dequantize_per_tensor", t, 0.0371, zero, low, high, dtype)
            f.add(qd + "dequantize_per_tensor.tensor", t, torch.tensor([0.3]), torch.tensor([zero]), low, high, dtype)
        for out in FLOATS:
            f.add(qd + "dequantize_per_tensor", q, 0.0371, zero, low, high, dtype, out_dtype=out)
            f.add(qd + "dequantize_per_tensor.tensor", q, torch.tensor(0.0371, dtype=torch.float64), torch.tensor(zero),
                  low, high, dtype, out_dtype=out)
        for axis in [0, 1, -1]:
            count = q.shape[axis]
            for kind in [torch.float32, torch.float64]:
                scales = torch.rand(count, dtype=kind) + 0.01
                for zeros in [torch.randint(0, 9, (count,)), torch.rand(count)] if axis else [torch.zeros(count, dtype=torch.int32)]:
                    f.add(qd + "quantize_per_channel", rand(2, 3, 4), scales, zeros, axis, low, high, dtype)
                    if dtype != torch.uint16 or zeros.is_floating_point():
                        f.add(qd + "dequantize_per_channel", q, scales, zeros, axis, low, high, dtype)
                f.add(qd + "dequantize_per_channel", q, scales, None, axis, low, high, dtype)
                f.add(qd + "dequantize_per_channel", q, scales, None, axis, low, high, dtype, out_dtype=torch.float16)
        tokens = torch.rand(2, 3, 1, dtype=torch.float64) + 0.01
        zeros = torch.randint(-3, 9, (2, 3, 1))
        f.add(qd + "quantize_per_token", rand(2, 3, 4), tokens, zeros, low, high, dtype)
        f.add(qd + "quantize_per_token", rand(2, 3, 4), tokens.float(), zeros.to(torch.int32), low, high, dtype)
        f.add(qd + "quantize_per_token", rand(2, 3, 4, dtype=torch.float16), tokens.float(), zeros.to(torch.float32), low, high, dtype)
        if dtype != torch.uint16:
            for out in FLOATS:
                f.add(qd + "dequantize_per_token", q, tokens, zeros, low, high, dtype, out)
            f.add(qd + "dequantize_per_token", q, tokens.float(), zeros.to(torch.int32), low, high, dtype, torch.float32)
    f.add(qd + "quantize_per_channel", rand(2, 3, 2, 2).to(memory_format=torch.channels_last), torch.rand(3) + 0.1,
          torch.zeros(3, dtype=torch.int64), 1, -127, 127, torch.int8)
    f.add(qd + "quantize_per_channel", rand(2, 3, dtype=torch.bfloat16), torch.rand(3) + 0.1,
          torch.zeros(3, dtype=torch.int64), 1, -127, 127, torch.int8)
    wide = torch.tensor([-128, 0, 127], dtype=torch.int8)  # a difference of int8 wraps
    f.add(qd + "dequantize_per_channel", wide, torch.ones(3), torch.tensor([1, 100, -5], dtype=torch.int8), 0, -128, 127, torch.int8)
    choosing = [rand(3, 5), rand(7).abs() + 1, -rand(7).abs() - 1, torch.zeros(4), torch.full((3,), 1e-9), torch.tensor([1e30, -1.0]),
                torch.tensor([-3.0, 1.0]), torch.tensor([0.5]), rand(4, 6)[:, ::2], rand(), torch.tensor([1.0, NAN])]
    for x in choosing:
        for dtype, low, high in [(torch.int8, -128, 127), (torch.uint8, 0, 255), (torch.int16, -32768, 32767), (torch.int32, -7, 8)]:
            for eps in [2**-12, 1e-10]:
                f.add(qd + "choose_qparams.tensor", x, low, high, eps, dtype)
        if x.dim():
            f.add(qd + "choose_qparams_per_token_asymmetric", x, torch.int8)
    for dtype in [torch.float16, torch.bfloat16]:
        f.add(qd + "choose_qparams.tensor", rand(3, 5, dtype=dtype), -128, 127, 1e-5, torch.int8)
        f.add(qd + "choose_qparams.tensor", rand(9, dtype=dtype), 0, 255, 2**-12, torch.uint8)
    for dtype in FLOATS:
        f.add(qd + "choose_qparams_per_token_asymmetric", rand(2, 3, 4, dtype=dtype), torch.int8)
    f.add(qd + "choose_qparams_per_token_asymmetric", rand(0, 4), torch.int8)

    def tables(rows, columns, dtype):
        yield torch.rand(rows).to(dtype) + 0.1, None
        yield torch.rand(rows).to(dtype) + 0.1, rand(rows).round().to(dtype)
        yield torch.rand(rows, 2).to(dtype) + 0.1, rand(rows, 2).round().to(dtype)
        yield torch.rand(rows, 1).to(dtype) + 0.1, None

    indices = [torch.tensor([2, 0, 4, 2]), torch.tensor([[1, 3], [0, 0]], dtype=torch.int32), torch.zeros(0, dtype=torch.int64),
               torch.tensor(3)]
    for bits, low, high in [("byte", -128, 127), ("4bit", -8, 7), ("2bit", -2, 1)]:
        for weight in [torch.randint(0, 256, (5, 4), dtype=torch.int32).to(torch.uint8)] + (
                [torch.randint(-128, 128, (5, 4), dtype=torch.int32).to(torch.int8)] if bits == "byte" else []):
            for dtype in [torch.float32, torch.float16, torch.bfloat16]:
                for (scales, zeros), where in zip(tables(5, 4, dtype), indices):
                    f.add(qd + f"embedding_{bits}", weight, scales, zeros, low, high, where)
                    for out in [torch.float32, torch.float16]:
                        f.add(qd + f"embedding_{bits}.dtype", weight, scales, zeros, low, high, where, dtype=out)

    for dtype, tolerance in [(torch.float32, 1e-6), (torch.float16, 1e-3), (torch.bfloat16, 8e-3)]:
        for m, k, n in [(3, 4, 6), (1, 8, 2), (0, 4, 2), (2, 1, 5)]:
            x = rand(m, k, dtype=dtype)
            w = torch.randint(-128, 128, (k, n), dtype=torch.int32).to(torch.int8)
            scales = (torch.rand(k) + 0.1).to(dtype)
            for zeros in [None, torch.randint(-4, 4, (k,)).to(dtype)]:
                values = (w.double() - (0 if zeros is None else zeros.double()[:, None])) * scales.double()[:, None]
                f.add(qd + "mixed_mm", x, w, scales, zeros, expected=(x.double() @ values.to(dtype).double()).to(dtype), mode=LARGEST, tolerance=tolerance)
            w = torch.randint(-128, 128, (n, k), dtype=torch.int32).to(torch.int8)
            for groups in [0, 2] if k % 2 == 0 else [0]:
                scales = (torch.rand(n, groups) if groups else torch.rand(n)).add(0.1).to(dtype)
                spread = scales.double().reshape(n, -1).repeat_interleave(k // max(groups, 1), 1)
                values = (w.double() * spread).to(dtype).double()
                for out in [None, torch.float32]:
                    f.add(qd + "mixed_linear", x, w, scales, None, out,
                          expected=(x.double() @ values.t()).to(out or dtype), mode=LARGEST, tolerance=tolerance)

    q8 = lambda *s: torch.randint(0, 256, s, dtype=torch.int32).to(torch.uint8)
    for a, b in [((3, 4), (3, 4)), ((3, 4), (4,)), ((0, 3), (0, 3)), ((2, 1), (1, 5))]:
        for parts in [(0.3, 7, 0, 255, 0.17, 200, 0, 255, 0.41, 100, 0, 255),
                      (1.0, 0, 0, 255, 0.5, 0, 0, 255, 1.0, 3, 10, 90)]:
            x, y, (one, two, out) = q8(*a), q8(*b), (parts[:4], parts[4:8], parts[8:])
            back = torch.ops.quantized_decomposed.dequantize_per_tensor
            total = back(x, *one, torch.uint8) + back(y, *two, torch.uint8)
            f.add(qd + "add", x, *one, y, *two, *out,
                  expected=torch.ops.quantized_decomposed.quantize_per_tensor(total, *out, torch.uint8))
    return f
