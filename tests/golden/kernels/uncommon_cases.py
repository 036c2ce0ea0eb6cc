"""Operators that exporters write without a kernel to run them; see make_goldens.py."""

import torch

from golden import FLOATS, INTS, LARGEST, NAN, Family, layouts, rand, special


def shifts(f):
    for dtype in INTS:
        t = rand(3, 4, dtype=dtype)
        bits = torch.tensor([0, 1, 2, 7]).to(dtype)
        for name in ("__lshift__", "__rshift__"):
            f.call(f"aten.{name}.Tensor", t, bits)
            f.call(f"aten.{name}.Tensor", t[0], bits.reshape(4, 1))
            f.call(f"aten.{name}.Scalar", t, 3)


def numbers(f):
    for dtype in FLOATS + [torch.int32, torch.bool]:
        t = rand(3, 4, dtype=dtype)
        f.call("aten.copysign.Scalar", t, -2.5)
        f.call("aten.copysign.Scalar", t, 3)
    f.call("aten.copysign.Scalar", special(torch.float32), -0.0)
    for t in layouts():
        f.call("aten.copysign.Scalar", t, -1)
        f.floating("aten.remainder.Scalar_Tensor", 5.5, t)
    for dtype in FLOATS:
        f.floating("aten.remainder.Scalar_Tensor", 7, rand(3, 4, dtype=dtype))
    f.call("aten.remainder.Scalar_Tensor", 2.5, special(torch.float32))
    for dtype in INTS:
        t = torch.tensor([1, 2, 3, 7]).to(dtype)
        f.call("aten.remainder.Scalar_Tensor", 17, t)
        f.call("aten.remainder.Scalar_Tensor", 5.5, t)
        if dtype != torch.uint8:
            f.call("aten.remainder.Scalar_Tensor", -17, -t)
            f.call("aten.remainder.Scalar_Tensor", 17, -t)
    for dtype in (torch.float32, torch.float64):
        f.floating("aten.polar.default", rand(3, 4, dtype=dtype), rand(3, 4, dtype=dtype), mode=LARGEST, widen=False)
        f.floating("aten.polar.default", rand(4, dtype=dtype), rand(2, 1, dtype=dtype), mode=LARGEST, widen=False)
        f.call("aten.view_as_complex_copy.default", rand(3, 4, 2, dtype=dtype))
        f.call("aten.view_as_complex_copy.default", rand(2, dtype=dtype))
    f.call("aten.view_as_complex_copy.default", rand(0, 2))
    f.floating("aten.polar.default", rand(0), rand(0), mode=LARGEST, widen=False)


def rows(f):
    for dtype in FLOATS + [torch.int64]:
        t = rand(3, 4, dtype=dtype)
        index = torch.tensor([[0, -1, 5], [7, 2, 0]])
        f.call("aten.put.default", t, index[:, :2].contiguous(), rand(2, 2, dtype=dtype))
        f.call("aten.put.default", t.t(), index[1], rand(3, dtype=dtype))
        f.floating("aten.put.default", t, index, rand(2, 3, dtype=dtype), True)
    f.call("aten.put.default", rand(2, 3), torch.zeros(0, dtype=torch.int64), rand(0))
    for dtype in (torch.float32, torch.float64, torch.float16):
        for order in (2.0, 1.0, 3.0):
            f.floating("aten.embedding_renorm.default", rand(4, 3, dtype=dtype), torch.tensor([[0, 2], [2, 3]]), 1.5,
                       order, mode=LARGEST, widen=False)
    f.call("aten.embedding_renorm.default", rand(4, 3), torch.zeros(0, dtype=torch.int64), 1.0, 2.0)
    for dtype in (torch.float32, torch.float64, torch.float16):
        t = rand(2, 3, 4, dtype=dtype)
        for axis, size in ((0, 2), (1, 3), (2, 4)):
            scale = torch.rand(size) * 0.4 + 0.1
            zero = torch.arange(size, dtype=torch.int32) - 1
            f.floating("aten.fake_quantize_per_channel_affine_cachemask.default", t, scale, zero, axis, -4, 9)
    t, scale = rand(3, 4), torch.tensor([0.1, 0.2, 0.3])
    f.floating("aten.fake_quantize_per_channel_affine_cachemask.default", t, scale, torch.tensor([0.0, 0.5, 2.0]), 0, 0, 10)
    f.floating("aten.fake_quantize_per_channel_affine_cachemask.default", t.t(), scale, torch.tensor([0, 1, 2], dtype=torch.int32), 1, 0, 255)


def segments(f):
    name = "aten.segment_reduce.default"
    for dtype in (torch.float32, torch.float64, torch.float16):
        t = rand(5, 3, dtype=dtype)
        for reduce in ("sum", "mean", "max", "min", "prod"):
            f.floating(name, t, reduce, lengths=torch.tensor([2, 0, 3]), mode=LARGEST, widen=False)
            f.floating(name, t, reduce, lengths=torch.tensor([1, 4]), initial=2.5, mode=LARGEST, widen=False)
            f.floating(name, t[:, 0].contiguous(), reduce, offsets=torch.tensor([0, 1, 1, 5]), mode=LARGEST, widen=False)
            f.floating(name, t.t().contiguous(), reduce, lengths=torch.tensor([[2, 3], [0, 5], [4, 1]]), axis=1, mode=LARGEST, widen=False)
    f.floating(name, rand(5, 2, 2), "sum", lengths=torch.tensor([2, 1], dtype=torch.int32), unsafe=True, mode=LARGEST, widen=False)
    f.call(name, torch.tensor([1.0, NAN, 3.0]), "max", lengths=torch.tensor([2, 1]))


def pools(f):
    for dtype in (torch.float32, torch.float64, torch.float16):
        f.call("aten.fractional_max_pool2d.default", rand(2, 3, 7, 8, dtype=dtype), [2, 3], [3, 4], torch.rand(2, 3, 2).to(dtype))
    f.call("aten.fractional_max_pool2d.default", rand(3, 9, 6), [2, 2], [5, 1], torch.rand(1, 3, 2))
    f.call("aten.fractional_max_pool2d.default", torch.full((1, 1, 4, 4), NAN), [2, 2], [2, 2], torch.rand(1, 1, 2))
    f.call("aten.fractional_max_pool3d.default", rand(2, 2, 5, 6, 7), [2, 1, 3], [3, 4, 2], torch.rand(2, 2, 3))
    f.call("aten.fractional_max_pool3d.default", rand(2, 5, 5, 5), [2, 2, 2], [2, 2, 2], torch.rand(1, 2, 3))


def matrices(f):
    for dtype in (torch.float32, torch.float64):
        for shape in ((3, 2), (2, 5), (4, 4), (2, 3, 4), (1, 1), (0, 3), (2, 0, 3)):
            t = rand(*shape, dtype=dtype)
            tolerance = 3e-6 if dtype == torch.float32 else 1e-12
            # Vectors may point either way: their own tests look at those.
            f.call("aten._linalg_svd.default", t, False, False, mode=LARGEST, tolerance=tolerance)
            f.call("aten.linalg_pinv.atol_rtol_tensor", t, mode=LARGEST, tolerance=20 * tolerance)
        low = rand(5, 2, dtype=dtype) @ rand(2, 4, dtype=dtype)
        f.call("aten.linalg_pinv.atol_rtol_tensor", low, atol=torch.tensor(0.01, dtype=dtype), mode=LARGEST, tolerance=50 * tolerance)
        f.call("aten.linalg_pinv.atol_rtol_tensor", low, rtol=torch.tensor(0.01, dtype=dtype), mode=LARGEST, tolerance=50 * tolerance)
        square = rand(2, 3, 3, dtype=dtype)
        f.call("aten.linalg_pinv.atol_rtol_tensor", square, rtol=torch.tensor([0.01, 0.5], dtype=dtype), hermitian=True, mode=LARGEST,
               tolerance=50 * tolerance)


def windows(f):
    for length in (0, 1, 3, 7, 8):
        for name in ("hamming", "hann", "blackman", "bartlett", "kaiser"):
            close = {"mode": LARGEST, "tolerance": 1e-6}
            f.call(f"aten.{name}_window.default", length, **close)
            for periodic in (True, False):
                f.call(f"aten.{name}_window.periodic", length, periodic, **close)
        f.call("aten.hamming_window.periodic_alpha", length, False, 0.6, **close)
        f.call("aten.hamming_window.periodic_alpha_beta", length, True, 0.6, 0.3, **close)
        f.call("aten.kaiser_window.beta", length, False, 5.5, **close)


def uncommon():
    f = Family("uncommon")
    for part in (shifts, numbers, rows, segments, pools, matrices, windows):
        part(f)
    # Draws that leave nothing to chance.
    for t in layouts():
        f.call("aten.bernoulli.default", (t > 0).float())
        f.call("aten.uniform.default", t, 2.5, 2.5)
        f.call("aten.normal.Tensor_float", t, 0.0)
        f.call("aten.normal.float_Tensor", -1.5, torch.zeros_like(t))
        f.call("aten.normal.Tensor_Tensor", t, torch.zeros(1))
    f.call("aten.exponential.default", rand(0, 3), 1.5)
    f.call("aten.multinomial.default", torch.tensor([0.0, 0.0, 3.0, 0.0]), 1)
    f.call("aten.multinomial.default", torch.tensor([[0.0, 2.0], [0.5, 0.0]]), 4, True)
    return f
