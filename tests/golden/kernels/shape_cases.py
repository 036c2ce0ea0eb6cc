"""Reductions, layouts, normalisation, softmax."""

import itertools

import torch

from golden import EACH, Family, INF, INTS, LARGEST, NAN, layouts, rand


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
