"""Elementwise operators beyond the basic ones."""

import itertools

import torch

from golden import ALL_DTYPES as ALL
from golden import EACH, FLOATS, INF, INTS, LARGEST, NAN, UNSIGNED, Family, layouts, pairs, rand, special

THREE = [torch.float32, torch.float16, torch.int64]
FEW = [torch.float32, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool]  # one of each kind
EDGES = [INF, -INF, NAN, 0.0, -0.0]


def reals(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=torch.float64).to(dtype)


def small_integers(dtype):
    return torch.tensor([0, 1, 2, 3, 7], dtype=torch.int64).to(dtype)


# Where each function is tried: its domain with the edges of it.
DOMAINS = {
    "acos": [-1.5, -1, -0.7, -1e-3, 0, 0.3, 0.999, 1, 2],
    "acosh": [0.5, 1, 1.0001, 1.5, 10, 1e10, -2],
    "asin": [-1.5, -1, -0.7, -1e-5, 0, 0.3, 0.999, 1, 2],
    "asinh": [-1e10, -3, -1e-5, 0.4, 7, 1e10],
    "atan": [-1e10, -3, -1e-5, 0.4, 1, 7, 1e10],
    "atanh": [-1.5, -1, -0.7, -1e-5, 0.3, 0.999, 1, 2],
    "cosh": [-90, -5, -0.3, 0.1, 2, 88, 100],
    "sinh": [-90, -5, -0.3, -1e-5, 0.1, 2, 88, 100],
    "tan": [-20, -1.5, -0.3, 1e-5, 0.7, 1.5, 3, 50],
    "expm1": [-90, -3, -1e-3, -1e-7, 1e-7, 0.4, 5, 80],
    "log10": [-1, 1e-30, 0.1, 0.999, 1, 2, 1000, 1e30],
    "log1p": [-2, -1, -0.9, -1e-5, 1e-7, 0.3, 5, 1e30],
    "log2": [-1, 1e-30, 0.1, 0.999, 1, 2, 1024, 1e30],
    "exp2": [-130, -3.5, -0.1, 0.7, 1, 10, 126, 200],
    "erfc": [-6, -1, -0.3, 0.2, 0.9, 3, 5],
    "digamma": [-7.5, -3, -2.2, -0.5, -1e-3, 1e-3, 0.4, 1, 2, 3.7, 9.9, 10, 50, 1e6],
    "lgamma": [-7.5, -3, -2.2, -0.5, 1e-3, 0.4, 1, 2, 3.7, 10, 50, 1e6],
    "erfinv": [-1.5, -1, -0.999, -0.6, -0.2, 1e-4, 0.3, 0.7, 0.99, 0.999999, 1, 2],
    "i0": [-40, -8, -2, 0.3, 1, 7.9, 8.1, 30, 60],
    "special_i0e": [-100, -8, -2, 0.3, 1, 7.9, 8.1, 30, 1e6],
    "special_i1": [-40, -8, -2, 0.3, 1, 7.9, 8.1, 30, 60],
    "special_i1e": [-100, -8, -2, 0.3, 1, 7.9, 8.1, 30, 1e6],
    "special_erfcx": [-9, -3, -0.5, 0.2, 1, 5, 9.9, 11, 30, 1e6],
    "special_ndtri": [-0.1, 0, 1e-20, 1e-3, 0.1, 0.3, 0.6, 0.9, 0.9999, 1, 1.5],
    "special_log_ndtr": [-100, -10, -3, -1, -0.5, 0.3, 2, 6, 20],
}
NO_HALF = {"special_erfcx", "special_ndtri", "special_log_ndtr"}


def math():
    f = Family("math")
    for name, domain in DOMAINS.items():
        op = f"aten.{name}.default"
        for dtype in FLOATS:
            if name in NO_HALF and dtype in (torch.float16, torch.bfloat16):
                continue
            t = reals(*domain, *EDGES, dtype=dtype)
            if dtype in (torch.float16, torch.bfloat16):
                t = t[(t.abs() < 80) | ~t.isfinite()]
            f.floating(op, t, widen=dtype == torch.float32)
        for dtype in INTS + UNSIGNED + [torch.bool]:
            t = small_integers(dtype)
            # Eager's own float32 functions stray by some units in the last place.
            f.call(op, t, mode=LARGEST, tolerance=2e-6)
        for t in itertools.islice(layouts(), 0, 5) if name in ("acos", "digamma") else [rand(2, 5, 2).transpose(0, 2)]:
            f.call(op, t.sigmoid() if t.numel() else t, mode=LARGEST, tolerance=2e-6)
    for n in (0, 1, 2, 3, 6):
        for dtype in [torch.float32, torch.float64]:
            # At the negative poles eager's first derivative is a large number by accident.
            t = reals(0.1, 0.5, 1, 2.5, 10, 100, -0.5, -3.3, 0, *[-2] * (n != 1), dtype=dtype)
            f.call("aten.polygamma.default", n, t, mode=EACH, widen=dtype == torch.float32,
                   tolerance=1e-6 if dtype == torch.float32 else 1e-9)
        f.call("aten.polygamma.default", n, torch.tensor([1, 2, 9]), mode=EACH, tolerance=4e-6)
    # Integers and bool are what they are, or are asked for their sign.
    for name in ["sign", "signbit", "isnan", "isinf", "trunc", "angle"]:
        op = f"aten.{name}.default"
        for dtype in FLOATS:
            f.call(op, special(dtype))
        for dtype in INTS + [torch.bool]:
            if name == "trunc" and dtype == torch.bool:
                continue
            f.call(op, small_integers(dtype))
            if dtype.is_signed:
                f.call(op, torch.tensor([torch.iinfo(dtype).min, -3, 0], dtype=dtype))
        for t in layouts():
            f.call(op, t)
    for dtype in INTS + [torch.bool]:
        f.call("aten.bitwise_not.default", rand(2, 5, dtype=dtype))
    for t in layouts(torch.int32):
        f.call("aten.bitwise_not.default", t)
    for dtype in FLOATS:
        t = reals(-0.5, 0, 0.1, 0.5, 0.9, 1, 1.5, NAN, dtype=dtype)
        for eps in (None, 1e-3, 0.25, 0.6, -1.0):
            f.call("aten.logit.default", t, eps, mode=LARGEST,
                   tolerance={torch.float16: 2e-3, torch.bfloat16: 2e-2}.get(dtype, 2e-6))
        for decimals in (0, 1, 2, -1, 3):
            f.call("aten.round.decimals", special(dtype)[:16], decimals=decimals)
            f.call("aten.round.decimals", reals(1.25, 2.345, -7.005, 0.5, 149.5, dtype=dtype), decimals=decimals)
    for dtype in INTS:
        f.call("aten.logit.default", torch.tensor([0, 1, 2], dtype=dtype), 0.25, mode=LARGEST, tolerance=2e-6)
    return f


def broadcasts(f, op, go, make=rand):
    for a, b in pairs():
        go(op, make(*a), make(*b))
    go(op, make(2, 5, 3, 4).to(memory_format=torch.channels_last), make(5, 1, 1))
    go(op, make(4, 6).t(), make(6, 8)[:, ::2])


def mixed(f, op, go, kinds, make=rand):
    """Every pair of types, with dimensions and against rank 0; what eager refuses is left out."""
    for a, b in itertools.product(kinds, kinds):
        for x, y in [(make(3, dtype=a), make(3, dtype=b)), (make(2, dtype=a), make(dtype=b))]:
            try:
                go(op, x, y)
            except (RuntimeError, NotImplementedError):
                pass


def nonzero(*shape, dtype=torch.float32):
    t = rand(*shape, dtype=dtype)
    return torch.where(t == 0, torch.ones((), dtype=dtype), t)


def positive(*shape, dtype=torch.float32):
    t = rand(*shape, dtype=dtype)
    return t if dtype == torch.bool else t.abs().clamp(max=10) + torch.ones((), dtype=dtype)


MANY_TYPES = ["ldexp.Tensor", "pow.Tensor_Tensor"]


def binary_math():
    f = Family("binary_math")

    def near(op, a, b, **kwargs):
        short = [t.dtype for t in (a, b) if t.dtype in (torch.float16, torch.bfloat16)]
        tolerance = 1.6e-2 if torch.bfloat16 in short else 2e-3 if short else 2e-6
        f.call(op, a, b, mode=EACH, tolerance=tolerance, **kwargs)

    t = special(torch.float32)
    for name, go, make in [
            ("atan2.default", near, rand), ("copysign.Tensor", f.call, rand), ("hypot.default", near, rand),
            ("fmax.default", f.call, rand), ("fmin.default", f.call, rand), ("nextafter.default", f.call, rand),
            ("ldexp.Tensor", near, rand), ("logical_or.default", f.call, rand),
            ("logical_xor.default", f.call, rand), ("pow.Tensor_Tensor", near, positive)]:
        op = "aten." + name
        broadcasts(f, op, go, make)
        mixed(f, op, go, ALL if name == "fmax.default" else FEW if name in MANY_TYPES else THREE, make)
        if name not in ("ldexp.Tensor",):
            go(op, t[:, None], t[None, :])
    for dtype in FLOATS:
        x = reals(0, 0.5, 1, 2, 4, dtype=dtype)
        f.call("aten.nextafter.default", special(dtype), special(dtype).flip(0))
        f.call("aten.ldexp.Tensor", x, torch.tensor([0, 3, -2, 10, -20], dtype=torch.int32))
        if dtype in (torch.float32, torch.float64):
            a = reals(0, 0.01, 0.3, 1, 2, 5, 20, 100, 250, 3e4, 1e6, INF, -1, dtype=dtype)
            for scale in (0.0, 0.1, 0.7, 0.97, 1.0, 1.02, 1.5, 3.0, INF, NAN):
                b = a * scale
                tolerance = 1e-9 if dtype == torch.float64 else 2e-5
                f.call("aten.igamma.default", a, b, mode=EACH, tolerance=tolerance, widen=dtype == torch.float32)
                f.call("aten.igammac.default", a, b, mode=LARGEST, tolerance=tolerance, widen=dtype == torch.float32)
            for base in (0.5, 1.0, 1.1, 2.0, 3.5, 20.0):
                q = reals(0.1, 0.5, 1, 3, 10, 1e4, 0, -1, -1.5, -7.2, NAN, dtype=dtype)
                f.floating("aten.special_zeta.default", torch.full_like(q, base), q, widen=dtype == torch.float32)
    for op in ["aten.igamma.default", "aten.igammac.default", "aten.special_zeta.default"]:
        go = lambda o, a, b: f.call(o, a + 1, b + 1, mode=LARGEST, tolerance=2e-5)
        broadcasts(f, op, go, positive)
    near("aten.special_zeta.default", torch.tensor([2, 3, 4]), torch.tensor([1, 2, 9]))
    f.call("aten.pow.Tensor_Tensor", torch.tensor([2, 1, -1, 0, -1, 7]), torch.tensor([-1, -2, -3, -1, -4, 40]))
    f.call("aten.pow.Tensor_Tensor", torch.tensor([3, -2, 5], dtype=torch.int8), torch.tensor([5, 7, 9], dtype=torch.int8))
    for base in (2, 2.5, 1, True, -3, 0):
        for dtype in ALL:
            x = rand(4, dtype=dtype) if dtype.is_floating_point else torch.tensor([0, 1, 3]).to(dtype)
            try:
                f.call("aten.pow.Scalar", base, x, mode=EACH, tolerance=1.6e-2 if dtype == torch.bfloat16 else 2e-3)
            except (RuntimeError, NotImplementedError):
                pass
        f.call("aten.pow.Scalar", base, torch.tensor(3))
    # Bounds that are tensors.
    for x in layouts():
        f.call("aten.clamp.Tensor", x, torch.tensor(-0.5), torch.tensor(0.5))
    low, high = torch.tensor([[-1.0], [0.5]]), torch.tensor([0.7, -2.0, NAN])
    for args in [(low, high), (low, None), (None, high)]:
        f.call("aten.clamp.Tensor", torch.tensor([[3.0, NAN, -3.0]]), *args)
    for a, b in itertools.product(FEW, FEW):
        f.call("aten.clamp.Tensor", rand(3, dtype=a), rand(3, dtype=b), None)
        f.call("aten.clamp.Tensor", rand(3, dtype=a), None, rand(dtype=b))
    return f


def division():
    f = Family("division")
    # Results are whole numbers, or exact remainders of the rounded operands.
    for name, kwargs in [("floor_divide.default", {}), ("fmod.Tensor", {}), ("remainder.Tensor", {}),
                         ("div.Tensor_mode", {"rounding_mode": "floor"}),
                         ("div.Tensor_mode", {"rounding_mode": "trunc"})]:
        op = "aten." + name
        go = lambda o, a, b: f.call(o, a, b, **kwargs)
        broadcasts(f, op, go, nonzero)
        mixed(f, op, go, ALL if name == "floor_divide.default" else THREE, nonzero)
        for dtype in [torch.float32, torch.float16]:
            t = special(dtype)
            t = t[(t.abs() < 50) | ~t.isfinite()]
            go(op, t[:, None], t[None, :])
        go(op, reals(1, 0.1, 7, -7, 1), reals(0.1, 0.01, 0.7, 0.7, -0.1))
        for dtype in INTS:
            if dtype.is_signed and dtype not in (torch.int32, torch.int64):
                low = torch.iinfo(dtype).min
                go(op, torch.tensor([low, low, 7, -7, 7, -7], dtype=dtype), torch.tensor([-1, 2, -2, 2, 2, -2], dtype=dtype))
            else:
                go(op, torch.tensor([7, 8, 9, 200], dtype=dtype), torch.tensor([2, 8, 10, 7], dtype=dtype))
                if dtype.is_signed:
                    go(op, torch.tensor([7, -7, 7, -7], dtype=dtype), torch.tensor([2, 2, -2, -2], dtype=dtype))
    big = torch.tensor([2**62 + 1, -(2**62) - 1, 2**53 + 1])
    for name in ["floor_divide.default", "fmod.Tensor", "remainder.Tensor"]:
        f.call("aten." + name, big, torch.tensor([3, 3, 2]))
    for a, b in pairs():
        f.floating("aten.div.Tensor_mode", rand(*a), nonzero(*b), rounding_mode=None)
    for name in ["fmod.Scalar", "remainder.Scalar"]:
        for dtype, other in itertools.product(ALL, [3, -2, 2.5, True, -0.3]):
            if dtype == torch.uint8 and other == -2:
                continue
            try:
                f.call("aten." + name, rand(5, dtype=dtype), other)
            except (RuntimeError, NotImplementedError):
                pass
    for mode, dtype, other in itertools.product([None, "floor", "trunc"], ALL, [3, 2.5, -0.3, True]):
        try:
            f.call("aten.div.Scalar_mode", rand(5, dtype=dtype), other, rounding_mode=mode, mode=EACH,
                   tolerance=8e-3 if dtype == torch.bfloat16 else 1e-3)
        except (RuntimeError, NotImplementedError):
            pass
    return f


def bitwise():
    f = Family("bitwise")
    integers = INTS + [torch.bool]

    def make(*shape, dtype=torch.int32):
        return rand(*shape, dtype=dtype)

    for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
        broadcasts(f, f"aten.{name}.Tensor", f.call, make)
        mixed(f, f"aten.{name}.Tensor", f.call, integers if name == "bitwise_and" else [torch.int64, torch.int8, torch.bool], make)
        for dtype, other in itertools.product(integers, [5, -2, True, 300]):
            f.call(f"aten.{name}.Scalar", rand(5, dtype=dtype), other)
        for dtype in UNSIGNED:
            f.call(f"aten.{name}.Tensor", torch.tensor([1, 2**15, 7]).to(dtype), torch.tensor([3, 2**15 + 1, 8]).to(dtype))
    amounts = [0, 1, 3, 7, 8, 15, 31, 32, 63, 64, 100, -1]
    for name in ["bitwise_left_shift", "bitwise_right_shift"]:
        broadcasts(f, f"aten.{name}.Tensor", f.call, lambda *s: rand(*s, dtype=torch.int32) % 8)
        mixed(f, f"aten.{name}.Tensor", f.call, [torch.int64, torch.int8, torch.uint8], lambda *s, dtype: rand(*s, dtype=dtype).abs() % 8)
        for dtype in INTS:
            by = torch.tensor([a % 128 if dtype == torch.uint8 else a for a in amounts], dtype=dtype)
            x = torch.tensor([1, 5, 100] + ([-1, -7, torch.iinfo(dtype).min] if dtype.is_signed else []), dtype=dtype)
            f.call(f"aten.{name}.Tensor", x[:, None], by)
            for amount in (0, 2, 7, 9, 40, -1):
                f.call(f"aten.{name}.Tensor_Scalar", x, amount)
        f.call(f"aten.{name}.Tensor_Scalar", torch.tensor([True, False]), 3)
    for name in ["gcd", "lcm"]:
        op = f"aten.{name}.default"
        broadcasts(f, op, f.call, make)
        mixed(f, op, f.call, [torch.int64, torch.int16, torch.uint8], lambda *s, dtype: (rand(*s, dtype=dtype) % 12).to(dtype))
        f.call(op, torch.tensor([0, 0, 12, -12, 18, 2**40]), torch.tensor([0, 5, 18, 8, -12, 2**35]))
    return f


def masked():
    f = Family("masked")
    for dtype, value in itertools.product(ALL + UNSIGNED, [0, 2.5, True, 100]):
        x = rand(5, dtype=torch.int64).abs().to(dtype) if dtype in UNSIGNED else rand(5, dtype=dtype)
        if dtype not in UNSIGNED:
            f.call("aten.masked_fill.Scalar", x, rand(5, dtype=torch.bool), value)
        f.call("aten.fill.Scalar", x, value)
        f.call("aten.full_like.default", x, value)
        f.call("aten.fill.Tensor", x, torch.tensor(value))
    for dtype in FLOATS:
        for value in (INF, -INF, NAN):
            f.call("aten.masked_fill.Scalar", rand(4, dtype=dtype), torch.tensor([True, False, True, False]), value)
            f.call("aten.fill.Scalar", rand(2, dtype=dtype), value)
            f.call("aten.full_like.default", rand(2, dtype=dtype), value)
    f.call("aten.full_like.default", rand(3), 7, dtype=torch.int32)
    f.call("aten.full_like.default", rand(1, 2, 3, 3).to(memory_format=torch.channels_last), 1.5)
    for t in layouts():
        f.call("aten.masked_fill.Scalar", t, t > 0, 9)
        f.call("aten.masked_select.default", t, t > 0)
        f.call("aten.masked_scatter.default", t, t > 0, rand(t.numel() + 2))
        f.call("aten.fill.Scalar", t, -1.5)
        f.call("aten.fill.Tensor", t, torch.tensor(4))
        f.call("aten.full_like.default", t, 3)
    for a, b in pairs():
        f.call("aten.masked_fill.Scalar", rand(*a), rand(*b, dtype=torch.bool), 9)
        f.call("aten.masked_select.default", rand(*a), rand(*b, dtype=torch.bool))
        f.call("aten.masked_scatter.default", rand(*a), rand(*b, dtype=torch.bool), rand(130))
    for dtype in ALL:
        f.call("aten.masked_select.default", rand(3, 4, dtype=dtype), rand(4, dtype=torch.bool))
        f.call("aten.masked_scatter.default", rand(3, 4, dtype=dtype), rand(4, dtype=torch.bool), rand(12, dtype=dtype))
    for dtype in FLOATS:
        f.floating("aten.glu.default", rand(4, 6, dtype=dtype))
        f.floating("aten.glu.default", rand(4, 6, dtype=dtype), 0)
    f.floating("aten.glu.default", rand(2, 4, 3, 3).to(memory_format=torch.channels_last), 1)
    f.floating("aten.glu.default", rand(8, 6)[::2, 1:5], -2)
    f.floating("aten.glu.default", rand(0, 4), 1)
    f.floating("aten.glu.default", rand(3, 0), 1)
    f.floating("aten.glu.default", torch.tensor([1.0, NAN, INF, 2.0, 0.0, -INF]))
    x = torch.tensor([1.0, 2.5, -100, NAN, INF, -INF, 0.04, 0.05, 0.15, -0.25])
    for dtype in FLOATS:
        f.floating("aten.fake_quantize_per_tensor_affine_cachemask.default", x.to(dtype), 0.1, 3, -5, 20)
    for t in layouts():
        f.floating("aten.fake_quantize_per_tensor_affine_cachemask.default", t, 0.25, 0, -8, 7)
    # Without training dropout only says that it kept everything.
    for t in layouts():
        f.call("aten.native_dropout.default", t, 0.5, False)
        f.call("aten.native_dropout.default", t, 0.0, True)
        f.call("aten.native_dropout.default", t, 1.0, None)
    for dtype in ALL:
        f.call("aten.native_dropout.default", rand(3, dtype=dtype), 0.5, False)
    return f


def identity():
    f = Family("identity")
    for dtype in ALL + UNSIGNED:
        t = rand(2, 3, dtype=torch.int64).abs().to(dtype) if dtype in UNSIGNED else rand(2, 3, dtype=dtype)
        for name in ["alias_copy", "detach_copy"]:
            f.call(f"aten.{name}.default", t)
        for name in ["_d2h_copy", "_h2d_copy"]:
            f.stated(f"et_copy::{name}", [("self", t)], [t])
    for a, b in itertools.product(FEW, FEW):
        t = rand(2, 3, dtype=a).abs() if a != torch.bool else rand(2, 3, dtype=a)
        f.stated("dim_order_ops::_to_dim_order_copy",
                 [("self", t), ("dtype", b), ("non_blocking", False), ("dim_order", [0, 1])], [t.to(b)])
    image = rand(2, 3, 4, 5)
    last = image.contiguous(memory_format=torch.channels_last)
    for t, order, result in [(image, [0, 2, 3, 1], last), (last, [0, 1, 2, 3], image), (image, None, image)]:
        named = [("self", t), ("non_blocking", False), ("dim_order", order)]
        f.stated("dim_order_ops::_to_dim_order_copy", named, [result])
        f.stated("dim_order_ops::_clone_dim_order", named, [result])
    for t in layouts():
        f.call("aten.alias_copy.default", t)
        f.call("aten.detach_copy.default", t)
        f.stated("et_copy::_d2h_copy", [("self", t)], [t])
        f.stated("et_copy::_h2d_copy", [("self", t)], [t])
    return f


def unsigned():
    """What eager does with the unsigned types that promote with nothing else."""
    f = Family("unsigned")
    for dtype in UNSIGNED:
        top = 2**torch.iinfo(dtype).bits
        a = torch.tensor([0, 1, 7, 200, 3], dtype=torch.int64).to(dtype)
        b = torch.tensor([5, 1, 3, 199, 7], dtype=torch.int64).to(dtype)
        high = (torch.full((2,), -1, dtype=torch.int64).to(dtype))  # every bit set
        for x, y in [(a, b), (high, a[1:3]), (a[None, :], b[:, None])]:
            f.call("aten.mul.Tensor", x, y)
            f.floating("aten.div.Tensor", x, torch.where(y == 0, torch.ones((), dtype=dtype), y))
            f.call("aten.eq.Tensor", x, y)
            f.call("aten.ne.Tensor", x, y)
            f.call("aten.where.self", x == y, x, y)
        f.call("aten._to_copy.default", high, dtype=torch.float64)
        f.call("aten._to_copy.default", high, dtype=torch.float32)
        f.call("aten._to_copy.default", high, dtype=torch.int64)
        f.call("aten._to_copy.default", torch.tensor([0.0, 2.5, top / 2, top * 0.75], dtype=torch.float64), dtype=dtype)
        f.call("aten._to_copy.default", torch.tensor([0, 1, -1]), dtype=dtype)
        f.floating("aten.sqrt.default", high)
        f.floating("aten.sigmoid.default", a)
        f.floating("aten.cos.default", a)
        for other in (3, 200):
            f.call("aten.eq.Scalar", a, other)
            f.call("aten.mul.Scalar", a, other)
    return f


def creation():
    f = Family("creation")
    everything = ALL + UNSIGNED
    for dtype in everything:
        f.call("aten.ones.default", [2, 3], dtype=dtype)
        f.call("aten.zeros.default", [2, 3], dtype=dtype)
        if dtype != torch.bool and dtype not in UNSIGNED:
            f.call("aten.arange.default", 5, dtype=dtype)
    for size in [[], [0], [3, 0, 2], [4]]:
        f.call("aten.ones.default", size)
        f.call("aten.zeros.default", size)
    for end in (0, 7, 2.5, 0.0, True):
        f.call("aten.arange.default", end)
    # Of what chance decides, what it does not.
    for size in [[0], [2, 0, 3]]:
        t = rand(*size)
        f.call("aten.rand.default", size)
        f.call("aten.randn.default", size, dtype=torch.float64)
        f.call("aten.rand_like.default", t)
        f.call("aten.randn_like.default", t, dtype=torch.float16)
        f.call("aten.empty.memory_format", size)
        f.call("aten.empty_permuted.default", size, list(range(len(size)))[::-1])
        f.stated("dim_order_ops::_empty_dim_order", [("size", size), ("dim_order", list(range(len(size))))], [t])
    for dtype in [torch.int64, torch.int32, torch.uint8, torch.float32]:
        f.call("aten.randint.low", 5, 6, [3, 2], dtype=dtype)
        f.call("aten.randperm.default", 1, dtype=dtype)
        f.call("aten.randperm.default", 0, dtype=dtype)
    for rows, columns, offset in [(3, 3, 0), (3, 5, 1), (5, 3, -1), (4, 4, 2), (4, 4, -3), (2, 2, -5), (2, 2, 5),
                                  (0, 3, 0), (3, 0, 1), (1, 6, 3), (6, 1, -2)]:
        f.call("aten.tril_indices.default", rows, columns, offset)
        f.call("aten.triu_indices.default", rows, columns, offset)
        f.call("aten.triu_indices.default", rows, columns, offset, dtype=torch.int32)
    return f


def complexes(*shape, dtype=torch.complex64):
    return torch.complex(rand(*shape, dtype=torch.float64), rand(*shape, dtype=torch.float64)).to(dtype)


def fourier():
    f = Family("fourier")

    def near(op, *args):
        double = args[0].dtype in (torch.float64, torch.complex128)
        f.call(op, *args, mode=LARGEST, tolerance=1e-12 if double else 1e-6)

    for n in (1, 2, 3, 4, 5, 8, 12, 31):
        x, z = rand(2, n), complexes(2, n)
        for norm in (0, 1, 2) if n < 9 else (0,):
            near("aten._fft_c2c.default", z, [1], norm, True)
            near("aten._fft_c2c.default", z, [1], norm, False)
            near("aten._fft_r2c.default", x, [1], norm, True)
            near("aten._fft_c2r.default", complexes(2, n // 2 + 1), [1], norm, n)
        near("aten._fft_r2c.default", x, [1], 0, False)
        near("aten._fft_r2c.default", x.double(), [1], 2, True)
        near("aten._fft_c2c.default", complexes(n, dtype=torch.complex128), [0], 0, True)
    for dims in ([0], [1], [2], [0, 2], [2, 1], [0, 1, 2]):
        x, z = rand(3, 4, 6), complexes(3, 4, 6)
        near("aten._fft_c2c.default", z, dims, 1, True)
        near("aten._fft_c2c.default", z.transpose(0, 2), dims, 0, False)
        near("aten._fft_r2c.default", x, dims, 0, True)
        near("aten._fft_r2c.default", x.transpose(0, 1), dims, 2, False)
        last = z.shape[dims[-1]]
        for length in (2 * last - 2, 2 * last - 1) if dims == sorted(dims) else []:
            near("aten._fft_c2r.default", z, dims, 2, length)
    near("aten._fft_c2c.default", complexes(2, 3), [], 0, True)
    for dtype in [torch.complex64, torch.complex128]:
        z = complexes(2, 3, dtype=dtype)
        for t in [z, z.t(), z[:, ::2], complexes(dtype=dtype), complexes(0, 2, dtype=dtype)]:
            f.call("aten.view_as_real_copy.default", t)
            f.call("aten._conj_physical.default", t)
    f.call("aten._conj_physical.default", rand(3))
    for dtype in [torch.complex64, torch.complex128]:
        for name in ["add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor"]:
            near(f"aten.{name}", complexes(2, 3, dtype=dtype), complexes(3, dtype=dtype))
            near(f"aten.{name}", complexes(3, 2, dtype=dtype).t(), rand(2, 1))
        near("aten.add.Tensor", complexes(2, dtype=dtype), complexes(2, dtype=dtype))
        near("aten.mul.Scalar", complexes(2, dtype=dtype), 2.5)
        near("aten.rsub.Scalar", complexes(2, dtype=dtype), 2, 3)
        near("aten.abs.default", complexes(2, 3, dtype=dtype).t())
    return f
