"""Volumes, sampling, distances, products and normalisations beyond the oldest families."""

import torch

from golden import INF, NAN, LARGEST, Family, rand
from quantized_cases import Calls

CL, CL3 = torch.channels_last, torch.channels_last_3d


def volume():
    f = Family("volume")

    def conv(x, w, b, stride=(1,), padding=(0,), dilation=(1,), transposed=False, extra=(0,), groups=1):
        f.floating("aten.convolution.default", x, w, b, list(stride), list(padding), list(dilation),
                   transposed, list(extra), groups, mode=LARGEST)

    conv(rand(1, 2, 3, 4, 5), rand(3, 2, 2, 3, 2), rand(3))
    conv(rand(2, 3, 5, 4, 6), rand(5, 3, 3, 3, 3), rand(5), (1, 2, 3), (1, 2, 0), (2, 1, 2))
    conv(rand(1, 4, 3, 5, 4), rand(6, 2, 1, 2, 3), None, (2,), (1,), groups=2)
    conv(rand(1, 3, 4, 4, 5), rand(6, 1, 3, 2, 3), rand(6), (1, 1, 2), (1, 0, 1), groups=3)
    conv(rand(1, 2, 3, 3, 3).to(memory_format=CL3), rand(2, 2, 2, 2, 2).to(memory_format=CL3), rand(2))
    conv(rand(1, 7, 2, 3, 2), rand(9, 7, 1, 1, 1), rand(9))
    conv(rand(0, 2, 3, 3, 3), rand(4, 2, 2, 2, 2), rand(4))
    conv(rand(1, 2, 6, 4, 4)[:, :, ::2, :, 1:], rand(2, 2, 2, 2, 2), None)
    conv(rand(1, 3, 2, 3, 4), rand(3, 2, 2, 3, 2), rand(2), transposed=True)
    conv(rand(2, 4, 3, 2, 3), rand(4, 3, 3, 2, 2), rand(6), (2, 1, 3), (1, 0, 1), (1, 2, 1), True, (1, 0, 2), 2)
    conv(rand(1, 2, 3, 2, 2), rand(2, 1, 3, 3, 3), None, (2,), (1,), (1,), True, (1,), 2)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        conv(rand(1, 2, 3, 3, 4, dtype=dtype, scale=1), rand(3, 2, 2, 2, 2, dtype=dtype, scale=1), rand(3, dtype=dtype))
    conv(torch.randint(-5, 5, (1, 2, 3, 3)), torch.randint(-5, 5, (2, 2, 2, 2)), torch.randint(-5, 5, (2,)))

    volumes = [rand(1, 2, 3, 4, 5), rand(2, 4, 3, 3), rand(1, 2, 3, 3, 3).to(memory_format=CL3), rand(0, 2, 4, 4, 4),
               rand(1, 1, 6, 4, 4)[:, :, ::2, 1:]]
    for x in volumes:
        for out in [(1, 1, 1), (2, 3, 2), (4, 2, 3), (0, 1, 2)]:
            f.floating("aten._adaptive_avg_pool3d.default", x, list(out), mode=LARGEST)
            f.call("aten.adaptive_max_pool3d.default", x, list(out))
        for kernel, stride, padding in [((2, 2, 2), [], (0, 0, 0)), ((3,), (2,), (1,)), ((3, 2, 1), (1, 2, 2), (1, 1, 0))]:
            for ceil in (False, True):
                f.floating("aten.avg_pool3d.default", x, list(kernel), list(stride), list(padding), ceil, ceil, mode=LARGEST)
                f.floating("aten.avg_pool3d.default", x, list(kernel), list(stride), list(padding), ceil, not ceil, mode=LARGEST)
                f.call("aten.max_pool3d_with_indices.default", x, list(kernel), list(stride), list(padding), [1], ceil)
        f.floating("aten.avg_pool3d.default", x, [2], [1], [1], False, True, 5, mode=LARGEST)
        f.call("aten.max_pool3d_with_indices.default", x, [2, 2, 2], [1, 2, 1], [1, 0, 1], [2, 1, 3], True)
    x = rand(1, 1, 3, 4, 4)
    x[0, 0, 1, 1, 1], x[0, 0, 1, 1, 2], x[0, 0, 2, 3, 3], x[0, 0, 0, 0, 3] = NAN, NAN, INF, -INF
    f.call("aten.max_pool3d_with_indices.default", x, [2], [1], [1], [1], False)
    f.call("aten.max_pool3d_with_indices.default", torch.full((1, 1, 3, 3, 3), -INF), [2], [1], [1], [1], False)
    f.call("aten.adaptive_max_pool3d.default", x, [2, 2, 3])
    f.call("aten.adaptive_max_pool2d.default", x[0], [3, 2])
    for dtype in [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float64]:
        t = rand(1, 2, 3, 3, 4).mul(10).clamp(0, 100).to(dtype)
        f.call("aten.max_pool3d_with_indices.default", t, [2], [1], [1], [1], False)
        f.call("aten.max_pool2d_with_indices.default", t[0], [2], [1], [1], [1], False)
        if dtype.is_floating_point:
            f.floating("aten._adaptive_avg_pool3d.default", t, [2, 2, 2], mode=LARGEST)
            f.call("aten.adaptive_max_pool3d.default", t, [2, 2, 3])
            f.call("aten.adaptive_max_pool2d.default", t[0], [2, 3])
    for dtype in [torch.int64, torch.float64]:
        t = torch.randint(-50, 50, (1, 2, 3, 5, 4)).to(dtype)
        for divisor in [None, -3, 2]:
            f.floating("aten.avg_pool3d.default", t, [2], [1], [1], False, True, divisor, mode=LARGEST)
            f.floating("aten.avg_pool2d.default", t[0], [2, 3], [1], [1], True, False, divisor, mode=LARGEST)

    for x in [rand(1, 2, 4, 5), rand(2, 5, 3), rand(1, 3, 4, 5).to(memory_format=CL), rand(0, 2, 4, 4), rand(2, 1, 6, 5)[:, :, ::2, 1:]]:
        for out in [(1, 1), (2, 3), (7, 2), (0, 2)]:
            f.call("aten.adaptive_max_pool2d.default", x, list(out))
        for kernel, stride, padding, dilation, ceil in [((2, 2), [2, 2], (0, 0), (1, 1), False), ((3, 2), [1, 2], (1, 1), (1, 2), True),
                                                        ((2,), [1], (1,), (1,), False)]:
            args = [list(kernel), list(stride), list(padding), list(dilation), ceil]
            values, indices = torch.ops.aten.max_pool2d_with_indices(x, *args)
            f.floating("aten.max_pool2d_with_indices_backward.default", rand(*values.shape), x, *args, indices, mode=LARGEST)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        x = rand(1, 2, 5, 5, dtype=dtype)
        args = [[3, 3], [1, 1], [1, 1], [1, 1], False]
        values, indices = torch.ops.aten.max_pool2d_with_indices(x, *args)
        gradient = torch.randint(-4, 4, values.shape).to(dtype)  # sums that halves hold
        f.floating("aten.max_pool2d_with_indices_backward.default", gradient, x, *args, indices, mode=LARGEST)
    return f


def sampling():
    """Grids, antialiased resizing, embeddings and distances."""
    f = Calls("sampling")
    specials = torch.tensor([NAN, INF, -INF, 1.0, -1.0, 0.0, 1e9, -1e9, 0.999, -1.3, 1.7, 0.21])
    for filters, dims in [(3, 2), (2, 3)]:
        op = f"aten.grid_sampler_{dims}d.default"
        x = rand(2, 2, *(3, 4, 5)[3 - dims:])
        grid = rand(2, *(2, 3, 3)[3 - dims:], dims, scale=0.8)
        corners = torch.stack([specials, specials.flip(0), specials.roll(3)][:dims], -1).reshape(1, *((1,) * (dims - 1)), 12, dims)
        for filter in range(filters):
            for padding in range(3):
                for align in (False, True):
                    f.floating(op, x, grid, filter, padding, align, mode=LARGEST, widen=False)
                    where = corners if filter != 2 and padding != 2 else corners[corners.isfinite().all(-1)].clamp(-9, 9).reshape(1, *((1,) * (dims - 1)), -1, dims)
                    f.floating(op, x[:1], where, filter, padding, align, mode=LARGEST, widen=False)
        for dtype in [torch.float64, torch.float16, torch.bfloat16]:
            f.floating(op, x.to(dtype), (grid * 8).round().div(8).to(dtype), 0, 0, True, mode=LARGEST)
            f.floating(op, x.to(dtype), (grid * 8).round().div(8).to(dtype), 1, 1, False, mode=LARGEST)
        f.floating(op, x[:0], grid[:0], 0, 0, False, mode=LARGEST)
        f.floating(op, x[:, :, :1, :1], grid, 0, 2, True, mode=LARGEST)
        f.floating(op, x.to(memory_format=CL if dims == 2 else CL3), grid, 0, 1, False, mode=LARGEST)

    for name in ["bilinear", "bicubic"]:
        op = f"aten._upsample_{name}2d_aa.default"
        for x in [rand(1, 2, 5, 7), rand(2, 3, 4, 3).to(memory_format=CL), rand(1, 1, 1, 1), rand(0, 2, 3, 3)]:
            for size in [(2, 3), (9, 4), (1, 1), (5, 7)]:
                for align in (False, True):
                    f.floating(op, x, list(size), align, None, None, mode=LARGEST, widen=False)
        f.floating(op, rand(1, 1, 6, 6), [3, 9], False, 0.5, 1.5, mode=LARGEST, widen=False)
        f.floating(op, rand(1, 1, 5, 6, dtype=torch.float64), [3, 4], False, None, None, mode=LARGEST)

    for dtype in [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool]:
        w = rand(5, 3, dtype=dtype)
        for indices in [torch.tensor([[1, 4], [0, 1]]), torch.tensor(2), torch.zeros(0, dtype=torch.int64)]:
            f.call("aten.embedding.default", w, indices, 1)
        f.call("aten.embedding.default", w.t(), torch.tensor([2, 0], dtype=torch.int32))
    f.call("aten.embedding.default", rand(5, 0), torch.tensor([2, 0]))

    for p in [0.0, 0.5, 1.0, 2.0, 3.0, INF]:
        f.floating("aten._cdist_forward.default", rand(4, 3), rand(2, 3), p, None, mode=LARGEST)
        f.floating("aten._cdist_forward.default", rand(2, 1, 4, 3), rand(3, 2, 3), p, 2, mode=LARGEST)
        f.floating("aten._cdist_forward.default", rand(3, 0), rand(2, 0), p, None, mode=LARGEST)
        f.floating("aten._cdist_forward.default", rand(0, 3), rand(2, 3), p, None, mode=LARGEST)
        f.floating("aten._pdist_forward.default", rand(5, 3), p, mode=LARGEST)
        f.floating("aten._pdist_forward.default", rand(3, 5, dtype=torch.float64), p, mode=LARGEST)
        f.floating("aten._cdist_forward.default", torch.tensor([[NAN, 1.0], [INF, 2.0]]), torch.tensor([[0.0, 1.0]]), p, None, mode=LARGEST) if p not in (0.0, INF) else None
    f.floating("aten._pdist_forward.default", rand(1, 3), 2.0, mode=LARGEST)
    f.floating("aten._pdist_forward.default", rand(0, 3), 2.0, mode=LARGEST)
    f.floating("aten._cdist_forward.default", rand(30, 4), rand(3, 4), 2.0, 1, mode=LARGEST)

    f.floating("aten._trilinear.default", rand(4, 3), rand(2, 3, 5), rand(4, 5), [1, 3], [0], [1, 2], [2, 3], mode=LARGEST)
    f.floating("aten._trilinear.default", rand(3), rand(3), rand(3), [1], [0], [1], [], mode=LARGEST)
    f.floating("aten._trilinear.default", rand(3, dtype=torch.float64), rand(3, dtype=torch.float64), rand(3, dtype=torch.float64), [1], [0], [1], [0], mode=LARGEST)

    w = rand(6, 3)
    for op in ["aten._embedding_bag.default", "aten._embedding_bag_forward_only.default"]:
        for mode in range(3):
            for kind in [torch.int64, torch.int32]:
                where = torch.tensor([1, 2, 3, 2, 0], dtype=kind)
                for last in (False, True):
                    if last and mode == 0 and "only" in op:
                        continue  # eager's sizes then count the last offset as a bag
                    offsets = torch.tensor([0, 2, 2, 5] if last else [0, 2, 2, 4], dtype=kind)
                    f.floating(op, w, where, offsets, False, mode, False, None, last, -1, mode=LARGEST, widen=False)
                    f.floating(op, w, where, offsets, False, mode, False, None, last, 2, mode=LARGEST, widen=False)
        f.floating(op, w, where, offsets, False, 0, False, rand(5), False, -1, mode=LARGEST, widen=False)
        f.floating(op, w.double(), where, offsets, False, 0, False, rand(5).double(), False, -1, mode=LARGEST)
        f.floating(op, w.half(), where, offsets[:3], False, 1, False, None, False, -1, mode=LARGEST)
        f.floating(op, w, where[:0], torch.tensor([0, 0], dtype=torch.int32), False, 1, False, None, False, -1, mode=LARGEST)
        f.floating(op, w, where[:0], torch.tensor([0, 0], dtype=torch.int32), False, 2, False, None, False, -1, mode=LARGEST)
    return f


def products():
    """More matrix products, gradients of convolutions, normalisation by the batch and by groups."""
    f = Calls("products")
    for b, m, k, n in [(2, 3, 4, 5), (1, 1, 70, 9), (3, 2, 0, 2), (0, 2, 3, 4), (2, 0, 3, 2)]:
        for self in [rand(n), rand(m, n), rand()]:
            f.floating("aten.baddbmm.default", self, rand(b, m, k), rand(b, k, n), mode=LARGEST)
            f.floating("aten.addbmm.default", self, rand(b, m, k), rand(b, k, n), beta=0.5, alpha=-2, mode=LARGEST)
            f.floating("aten.addmm.default", self, rand(m, k), rand(k, n), mode=LARGEST) if self.dim() else None
        f.floating("aten.baddbmm.default", rand(b, m, 1), rand(b, k, m).transpose(1, 2), rand(b, k, n), beta=2, alpha=0.5, mode=LARGEST)
        f.floating("aten.addbmm.default", torch.full((m, n), NAN), rand(b, m, k), rand(b, k, n), beta=0, mode=LARGEST)
        for self in [rand(m), rand(1), rand()] if m and k else [rand(m)]:
            f.floating("aten.addmv.default", self, rand(m, k), rand(k), beta=0.5, alpha=3, mode=LARGEST)
        f.floating("aten.addmv.default", torch.full((m,), NAN), rand(k, m).t(), rand(2 * k)[::2], beta=0, mode=LARGEST)
        f.floating("aten.mv.default", rand(m + 4, k), rand(k), mode=LARGEST)
        f.floating("aten.dot.default", rand(2 * k)[::2], rand(k), mode=LARGEST)
        for bias in [None, rand(n)]:
            f.floating("aten.linear.default", rand(b, m, k), rand(n, k), bias, mode=LARGEST)
            f.floating("aten.linear.default", rand(k), rand(k, n).t(), bias, mode=LARGEST)
    f.floating("aten.linear.default", rand(5, 3), rand(3), mode=LARGEST)
    f.floating("aten.linear.default", rand(5, 3), rand(2, 3), rand(1), mode=LARGEST)
    f.floating("aten.linear.default", rand(5, 3), rand(2, 3), rand(5, 2), mode=LARGEST)
    for dtype in [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]:
        a, b, c = rand(2, 3, 4, dtype=dtype), rand(2, 4, 2, dtype=dtype), rand(3, 2, dtype=dtype)
        f.floating("aten.baddbmm.default", c, a, b, beta=2, alpha=3, mode=LARGEST)
        f.floating("aten.addbmm.default", c, a, b, beta=2, mode=LARGEST)
        f.floating("aten.addmm.default", c, a[0], b[0], beta=2, alpha=3, mode=LARGEST)
        f.floating("aten.addmv.default", c[:, 0], a[0], b[0, :, 0], mode=LARGEST)
        f.floating("aten.mv.default", a[0], b[0, :, 0], mode=LARGEST)
        f.floating("aten.dot.default", a[0, 0], b[0, :, 0], mode=LARGEST)
        f.floating("aten.linear.default", a, b[0].t(), c[0], mode=LARGEST)

    def backward(x, w, stride=(1,), padding=(0,), dilation=(1,), transposed=False, extra=(0,), groups=1, bias=True):
        lists = [list(stride), list(padding), list(dilation), transposed, list(extra), groups]
        gradient = rand(*torch.ops.aten.convolution(x, w, None, *lists).shape, dtype=x.dtype, scale=1)
        channels = w.shape[1] * groups if transposed else w.shape[0]
        wide = [t.double() for t in (gradient, x, w)]
        expected = torch.ops.aten.convolution_backward(*wide, [channels] if bias else None, *lists, [True] * 3)
        tolerance = {torch.float16: 1e-3, torch.bfloat16: 8e-3}.get(x.dtype, 1e-6)
        f.add("aten::convolution_backward", gradient, x, w, [channels] if bias else None, *lists, [True] * 3,
              expected=[t.to(x.dtype) for t in expected], mode=LARGEST, tolerance=tolerance)

    backward(rand(2, 3, 5, 6), rand(4, 3, 3, 2), (1, 2), (1, 0))
    backward(rand(1, 4, 6, 5), rand(6, 2, 2, 3), (2,), (1,), (1, 2), groups=2, bias=False)
    backward(rand(1, 3, 4, 4), rand(6, 1, 3, 3), padding=(1,), groups=3)
    backward(rand(1, 4, 3, 3), rand(4, 3, 3, 2), (2, 1), (1, 0), (1,), True, (1, 0), 2)
    backward(rand(2, 3, 7), rand(5, 3, 3), (2,), (1,))
    backward(rand(1, 2, 3, 4, 3), rand(3, 2, 2, 2, 2), padding=(1,))
    backward(rand(1, 2, 2, 3, 2), rand(2, 3, 2, 2, 3), transposed=True)
    backward(rand(1, 2, 4, 4).to(memory_format=CL), rand(3, 2, 2, 2))
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        backward(rand(1, 2, 4, 4, dtype=dtype, scale=1), rand(3, 2, 2, 2, dtype=dtype, scale=1))

    for shape in [(2, 6, 3, 4), (1, 4, 5), (3, 2), (2, 4, 2, 2, 3)]:
        c = shape[1]
        x = rand(*shape)
        for w, b in [(rand(c), rand(c)), (None, None), (rand(c), None), (None, rand(c))]:
            for group in [1, 2] if len(shape) > 2 else [1]:
                pixels = x[0, 0].numel()
                f.floating("aten.native_group_norm.default", x, w, b, shape[0], c, pixels, group, 1e-5, mode=LARGEST)
            if pixels > 1 or shape[0] > 1:
                f.floating("aten._native_batch_norm_legit.no_stats", x, w, b, True, 0.1, 1e-5, mode=LARGEST)
                f.floating("aten._native_batch_norm_legit.default", x, w, b, rand(c), rand(c).abs(), False, 0.1, 1e-5, mode=LARGEST)
    f.floating("aten.native_group_norm.default", rand(2, 4, 3, 3).to(memory_format=CL), rand(4), rand(4), 2, 4, 9, 2, 1e-3, mode=LARGEST)
    f.floating("aten.native_group_norm.default", rand(0, 4, 3), rand(4), None, 0, 4, 3, 2, 1e-5, mode=LARGEST)
    f.floating("aten.native_group_norm.default", rand(2, 12), rand(4), None, 2, 4, 3, 2, 1e-5, mode=LARGEST)
    f.floating("aten._native_batch_norm_legit.no_stats", rand(2, 4, 3, 3).to(memory_format=CL), rand(4), rand(4), True, 0.1, 1e-3, mode=LARGEST)
    for dtype in [torch.float64, torch.float16, torch.bfloat16]:
        x, w, b = rand(2, 4, 3, dtype=dtype), rand(4, dtype=dtype), rand(4, dtype=dtype)
        f.floating("aten.native_group_norm.default", x, w, b, 2, 4, 3, 2, 1e-5, mode=LARGEST)
        f.floating("aten._native_batch_norm_legit.no_stats", x, w, b, True, 0.1, 1e-5, mode=LARGEST)
        if dtype != torch.float64:
            f.floating("aten.native_group_norm.default", x, w.float(), b.float(), 2, 4, 3, 2, 1e-5, mode=LARGEST)
            f.floating("aten._native_batch_norm_legit.no_stats", x, w.float(), b.float(), True, 0.1, 1e-5, mode=LARGEST)
            f.floating("aten.native_layer_norm.default", x, [3], rand(3), rand(3), 1e-5, mode=LARGEST)
            f.floating("aten._native_batch_norm_legit_no_training.default", x, w.float(), b.float(), rand(4), rand(4).abs(), 0.1, 1e-5, mode=LARGEST)
    return f


def decompositions():
    """Determinants, inverses, Cholesky factors and solutions of linear systems, also of batches."""
    f = Calls("decompositions")
    for dtype in [torch.float32, torch.float64]:
        for shape in [(3, 3), (1, 1), (2, 4, 4), (2, 1, 2, 2), (0, 0), (0, 3, 3), (2, 0, 0)]:
            a = rand(*shape, dtype=dtype) + 2 * torch.eye(shape[-1], dtype=dtype)
            for m in [a, a.mT]:
                f.floating("aten.linalg_inv_ex.default", m, mode=LARGEST, widen=False) if dtype == torch.float64 else None
                f.floating("aten._linalg_det.default", m, mode=LARGEST)
                for left in (True, False):
                    b = rand(*shape[:-1], 2, dtype=dtype) if left else rand(*shape[:-2], 2, shape[-1], dtype=dtype)
                    f.floating("aten._linalg_solve_ex.default", m, b, left=left, mode=LARGEST)
            f.floating("aten._linalg_solve_ex.default", a, rand(*shape[:-1], dtype=dtype), mode=LARGEST) if len(shape) != 3 or shape[0] != shape[1] else None
            spd = a @ a.mT + torch.eye(shape[-1], dtype=dtype)
            for upper in (False, True):
                f.floating("aten.linalg_cholesky_ex.default", spd, upper=upper, mode=LARGEST)
    pivots = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.5], [1.0, 1.0, 0.0]], dtype=torch.float64)
    f.floating("aten._linalg_det.default", pivots, mode=LARGEST)
    f.floating("aten._linalg_solve_ex.default", pivots, torch.eye(3, dtype=torch.float64), mode=LARGEST)
    f.floating("aten._linalg_det.default", torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64), mode=LARGEST)
    return f
