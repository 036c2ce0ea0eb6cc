"""Families that select, scatter, sort, search and fold; see make_goldens.py."""

import itertools

import torch

from golden import FLOATS, INF, INTS, LARGEST, NAN, Family, layouts, rand

ALL = FLOATS + INTS + [torch.bool]
LAST = torch.channels_last


def distinct(*shape, dtype=torch.float32):
    """Elements that differ, in no order: ties have no fixed place among sorted elements."""
    count = torch.Size(shape).numel()
    return (torch.randperm(count) - count // 3).to(dtype).reshape(shape)


def rearrange():
    f = Family("rearrange")
    for t in layouts():
        n = t.dim()
        f.call("aten.flip.default", t, [])
        for d in range(n):
            f.call("aten.flip.default", t, [d, -1] if d != n - 1 else [-1])
            f.call("aten.roll.default", t, [2], [d])
            f.call("aten.unfold_copy.default", t, d, min(2, t.shape[d]), 1)
            f.call("aten.unfold_copy.default", t, d - n, min(3, t.shape[d]), 2)
            f.call("aten.narrow_copy.default", t, d, t.shape[d] // 2, t.shape[d] - t.shape[d] // 2)
            f.call("aten.split_copy.Tensor", t, 2 if t.shape[d] else 0, d)
            if t.shape[d]:
                f.call("aten.unbind_copy.int", t, d)
                f.call("aten.select_scatter.default", t, rand(*t.select(d, -1).shape), d, -1)
            f.call("aten.slice_scatter.default", t, rand(*t[(slice(None),) * d + (slice(1, 100, 2),)].shape), d, 1, 100, 2)
            f.call("aten.slice_scatter.default", t, t.neg(), d - n)
        f.call("aten.roll.default", t, [-3])
        f.call("aten.repeat.default", t, [2] + [1] * n)
        f.call("aten.repeat.default", t, [2] * min(n, 3) + [1] * (n - 3))
        f.call("aten.repeat.default", t, [2, 0] + [2] * n)
        if n >= 2:
            f.call("aten.roll.default", t, [1, -1], [0, -1])
            for offset in (0, 1, -2, 100):
                f.call("aten.diagonal_copy.default", t, offset)
                f.call("aten.diagonal_copy.default", t, offset, -1, 0)
                f.call("aten.diagonal_scatter.default", t, rand(*t.diagonal(offset).shape), offset)
                f.call("aten.tril.default", t, offset)
                f.call("aten.triu.default", t, offset)
        if t.is_contiguous() and t.numel() > 5:
            f.call("aten.as_strided_copy.default", t, [2, 2], [1, 2], 1)
            f.call("aten.as_strided_copy.default", t, [3], [0])
            f.call("aten.as_strided_copy.default", t, [0, 9], [5, 5])
    for dtype in ALL:
        t = rand(2, 4, 3, dtype=dtype)
        f.call("aten.flip.default", t, [1])
        f.call("aten.roll.default", t, [1, 1, 1], [0, 0, 2])
        f.call("aten.repeat.default", t, [1, 2, 1])
        f.call("aten.tril.default", t, -1)
        f.call("aten.triu.default", t, 1)
        f.call("aten.diagonal_copy.default", t, 0, 1, 2)
        f.call("aten.select_scatter.default", t, rand(2, 3, dtype=dtype), 1, 2)
        f.call("aten.slice_scatter.default", t, rand(2, 4, 1), 2, -2, -1)
        f.call("aten.pixel_shuffle.default", rand(1, 8, 2, 3, dtype=dtype), 2)
        f.call("aten.pixel_unshuffle.default", rand(1, 2, 4, 6, dtype=dtype), 2)
    for shape, factor in [((9, 2, 2), 3), ((2, 3, 8, 1, 2), 2), ((0, 4, 2, 2), 2), ((1, 3, 2, 2), 1)]:
        t = rand(*shape)
        f.call("aten.pixel_shuffle.default", t, factor)
        if t.numel():  # eager gives an empty operand back as it is
            f.call("aten.pixel_unshuffle.default", torch.pixel_shuffle(t, factor), factor)
    f.call("aten.pixel_shuffle.default", rand(2, 8, 2, 3).to(memory_format=LAST), 2)
    f.call("aten.pixel_unshuffle.default", rand(2, 2, 4, 6).to(memory_format=LAST), 2)
    f.call("aten.unfold_copy.default", rand(), 0, 1, 1)
    f.call("aten.unfold_copy.default", rand(), -1, 0, 3)
    f.call("aten.unfold_copy.default", rand(7), 0, 3, 100)
    f.call("aten.narrow_copy.default", rand(5), 0, -2, 2)
    f.call("aten.narrow_copy.default", rand(5), 0, 5, 0)
    f.call("aten.split_copy.Tensor", rand(7, 2), 100, 0)
    t = torch.tensor([[1.5, -2.25], [NAN, INF]])
    for dtype in (torch.int32, torch.uint8, torch.int16, torch.float16, torch.int64, torch.float64):
        f.call("aten.view_copy.dtype", t, dtype)
        f.call("aten.view_copy.dtype", t.t().contiguous().t() if dtype == torch.int32 else t, dtype)
    f.call("aten.view_copy.dtype", torch.tensor(3.0), torch.int32)
    return f


def edges():
    f = Family("edges")
    pads = {1: [[1, 2], [0, 0], [3, -1], [-2, 3], [2, 2]],
            2: [[1, 2, 0, 1], [3, 3, 2, 2], [-1, 1, 1, -1], [0, 0, 0, 0]],
            3: [[1, 1, 1, 0, 2, 1], [-1, 2, 0, 0, 1, -1]]}
    inputs = {1: [rand(2, 5), rand(1, 2, 4), rand(0, 2, 4), rand(5, 6, 4).transpose(0, 2)],
              2: [rand(2, 4, 5), rand(1, 2, 4, 4), rand(0, 2, 4, 4), rand(2, 3, 4, 4).to(memory_format=LAST)],
              3: [rand(2, 4, 4, 5), rand(1, 2, 3, 4, 4)]}
    for n, (kind, name) in itertools.product((1, 2, 3), [("reflection", "r"), ("replication", "e")]):
        for t, pad in itertools.product(inputs[n], pads[n]):
            f.call(f"aten.{kind}_pad{n}d.default", t, pad)
        for dtype in ALL:
            t = rand(*[2, 3, 3, 3, 3][:n + 1], dtype=dtype)
            if dtype == torch.bool:
                continue  # eager has no kernel for it
            f.call(f"aten.{kind}_pad{n}d.default", t, [1, 2] * n)
        f.call("aten.replication_pad1d.default", rand(1, 2), [5, 9])
    return f


def folds():
    """Reductions beyond shape_cases.reduce."""
    f = Family("folds")
    tensors = [rand(3, 4, 5), rand(2, 5, 3, 4).to(memory_format=LAST), rand(9, 4).t(), rand(6, 8)[1::2, ::3],
               rand(4, 1).expand(4, 5), rand(7), rand(1, 1), rand()]
    for t in tensors:
        f.call("aten.max.default", t)
        f.call("aten.min.default", t)
        f.call("aten.argmin.default", t)
        f.floating("aten.prod.default", t)
        for d, keep in itertools.product([0, -1], (False, True)):
            f.call("aten.max.dim", t, d, keep)
            f.call("aten.min.dim", t, d, keep)
            f.call("aten.argmin.default", t, d, keep)
            f.floating("aten.prod.dim_int", t, d, keep)
            f.floating("aten.var.dim", t, [d], False, keep, mode=LARGEST)
            f.floating("aten.var.dim", t, [d], True, keep, mode=LARGEST)
        dims = [None, [], [0], [-1]] + ([[0, -1], [1, 0]] if t.dim() > 1 else [])
        for d, keep in itertools.product(dims, (False, True)):
            f.call("aten.any.dims", t > 2.5, d, keep)
            f.floating("aten.var.correction", t, d, keepdim=keep, mode=LARGEST)
            f.floating("aten.var_mean.correction", t, d, correction=0, keepdim=keep, mode=LARGEST)
    bad = torch.tensor([[1.0, NAN, 3.0, NAN], [-INF, -INF, -INF, -INF], [INF, NAN, NAN, 0.0], [2.0, 2.0, 1.0, 1.0]])
    for d in (0, 1):
        for op in ("max.dim", "min.dim", "argmin.default", "prod.dim_int"):
            f.call("aten." + op, bad, d)
        f.call("aten.any.dims", bad, [d])
        f.floating("aten.var.correction", bad, [d], mode=LARGEST, widen=False)
    f.call("aten.max.default", bad)
    f.call("aten.min.default", bad)
    for correction in (0, 1, 2, 3, 5, 0.5, -1):
        f.floating("aten.var.correction", torch.tensor([[1.0, 2.5, -3.0], [4.0, 4.0, 4.0]]), [1], correction=correction, mode=LARGEST)
    f.floating("aten.var.correction", rand(1, 3), [0], mode=LARGEST)
    f.floating("aten.var.correction", rand(100) + 1000, None, mode=LARGEST)
    for shape, d in [((0, 3), 0), ((0, 3), 1), ((3, 0), 0), ((0,), 0)]:
        t = rand(*shape)
        f.floating("aten.var_mean.correction", t, [d], mode=LARGEST)
        f.floating("aten.prod.dim_int", t, d)
        f.call("aten.any.dims", t, [d], True)
        if shape[d]:
            f.call("aten.max.dim", t, d)
            f.call("aten.argmin.default", t, d)
    f.floating("aten.prod.default", rand(0))
    f.floating("aten.var.correction", rand(0), None, mode=LARGEST)
    for dtype in FLOATS:
        t = rand(3, 20, dtype=dtype)
        for op in ("var.correction", "var_mean.correction", "var.dim"):
            f.floating("aten." + op, t, [1], mode=LARGEST)
        f.floating("aten.prod.dim_int", rand(3, 5, dtype=dtype), 1)
        f.floating("aten.prod.default", rand(3, dtype=dtype), dtype=torch.float64)
        f.call("aten.prod.default", torch.tensor([1.75, 2.5, -3.0], dtype=dtype), dtype=torch.int32)
    for dtype in ALL:
        t = rand(4, 6, dtype=dtype)
        f.call("aten.max.default", t)
        f.call("aten.min.default", t)
        f.call("aten.max.dim", t, 1)
        f.call("aten.min.dim", t, 0, True)
        f.call("aten.any.dims", t, [0])
        f.call("aten.any.dims", t, [])
        if dtype != torch.bool:
            f.call("aten.argmin.default", t, 1)
        if not dtype.is_floating_point:
            f.call("aten.prod.default", t[0])
            f.call("aten.prod.dim_int", t, 0, dtype=dtype)
            f.floating("aten.prod.dim_int", t, 1, dtype=torch.float32)
    return f


def along():
    f = Family("along")
    index = torch.tensor([[0, 2, 1], [3, 0, 0]])
    for t in [rand(4, 5), rand(5, 4).t(), rand(8, 10)[::2, 1::2]]:
        f.call("aten.gather.default", t, 0, index)
        f.call("aten.gather.default", t, -1, index)
        f.call("aten.gather.default", t, 1, index.to(torch.int32))
        f.call("aten.gather.default", t, 0, index.t()[:, :2])
        f.call("aten.index_select.default", t, 0, torch.tensor([3, 0, 0]))
        f.call("aten.index_select.default", t, -1, torch.tensor([1, 4, 2, 2], dtype=torch.int32)[::2])
        f.call("aten.index_select.default", t, 1, torch.tensor(2))
        f.call("aten.scatter.src", t, 1, torch.tensor([[0, 2, 1], [3, 0, 4]]), rand(2, 3))
        f.call("aten.scatter.src", t, 0, torch.tensor([[0, 2, 1], [3, 0, 2]]).t()[:2], rand(4, 6)[:, ::2])
        f.call("aten.scatter.value", t, -2, index, 1.5)
        f.floating("aten.scatter_add.default", t, 0, index, rand(3, 3), mode=LARGEST, widen=False)
        f.floating("aten.scatter_add.default", t, 1, index, rand(2, 3), mode=LARGEST, widen=False)
    t = rand(2, 3, 4, 5).to(memory_format=LAST)
    f.call("aten.gather.default", t, 1, torch.randint(0, 3, (2, 7, 4, 5)))
    f.call("aten.gather.default", t, 2, torch.randint(0, 4, (1, 2, 3, 4)).to(memory_format=LAST))
    f.call("aten.index_select.default", t, 1, torch.tensor([2, 0]))
    f.floating("aten.scatter_add.default", t, 3, torch.randint(0, 5, (2, 3, 2, 6)), rand(2, 3, 2, 6), mode=LARGEST, widen=False)
    # Rank 0, and nothing at all.
    s, one = rand(), torch.tensor([0])
    f.call("aten.gather.default", s, 0, torch.tensor([0, 0]))
    f.call("aten.gather.default", s, -1, torch.tensor(0))
    f.call("aten.gather.default", rand(3), 0, torch.tensor(2))
    f.call("aten.gather.default", rand(2, 3), 1, torch.zeros(7, 0, dtype=torch.long))
    f.call("aten.gather.default", rand(0, 3), 0, torch.zeros(0, 2, dtype=torch.long))
    f.call("aten.index_select.default", s, 0, one)
    f.call("aten.index_select.default", s, -1, torch.tensor(0))
    f.call("aten.index_select.default", rand(2, 3), 0, torch.zeros(0, dtype=torch.long))
    f.call("aten.index_select.default", rand(0, 3), 1, torch.tensor([2, 1]))
    f.call("aten.scatter.src", s, 0, one, rand(1))
    f.call("aten.scatter.src", rand(2, 3), 0, torch.zeros(0, 3, dtype=torch.long), rand(2, 3))
    f.call("aten.scatter.value", s, 0, torch.tensor(0), 2)
    f.call("aten.scatter_add.default", rand(3), 0, torch.tensor(1), rand())
    for dtype in ALL:
        t, src = rand(3, 4, dtype=dtype), rand(2, 3, dtype=dtype)
        f.call("aten.gather.default", t, 1, index)
        f.call("aten.index_select.default", t, 1, torch.tensor([3, 1]))
        f.call("aten.scatter.src", t, 1, torch.tensor([[0, 2, 1], [3, 0, 1]]), src)
        f.call("aten.scatter.value", t, 1, index, 2.5)
        f.call("aten.scatter.value", t, 1, index, True)
        f.floating("aten.scatter_add.default", t, 1, index, src, mode=LARGEST, widen=False)
        for reduce, include in itertools.product(("sum", "prod", "mean", "amax", "amin"), (True, False)):
            if dtype == torch.bool and reduce == "mean":
                continue
            f.floating("aten.scatter_reduce.two", t, 1, index, src, reduce, include_self=include, mode=LARGEST, widen=False)
            if reduce != "sum" and dtype != torch.bool:
                f.floating("aten.index_reduce.default", t, 1, torch.tensor([2, 0, 2]), rand(3, 3, dtype=dtype), reduce,
                           include_self=include, mode=LARGEST, widen=False)
        for reduce in ("add", "multiply"):
            if dtype == torch.bool and reduce == "multiply":
                continue
            f.floating("aten.scatter.reduce", t, 0, torch.tensor([[0, 2, 1], [2, 0, 1]]), src, reduce=reduce, mode=LARGEST, widen=False)
            f.floating("aten.scatter.value_reduce", t, 0, torch.tensor([[0, 2, 1], [2, 0, 1]]), 3, reduce=reduce, mode=LARGEST, widen=False)
    bad = torch.tensor([1.0, NAN, INF, -INF])
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        f.call("aten.scatter_reduce.two", bad, 0, torch.tensor([0, 1, 0, 2]), torch.tensor([NAN, 2.0, 1.0, INF]), reduce)
    f.floating("aten.scatter_reduce.two", rand(), 0, torch.tensor([0]), rand(1), "mean")
    f.floating("aten.index_reduce.default", rand(2, 3, 4).transpose(0, 2), 0, torch.tensor([1, 1], dtype=torch.int32), rand(2, 3, 2), "mean")
    f.call("aten.index_reduce.default", rand(2, 3), 0, torch.zeros(0, dtype=torch.long), rand(0, 3), "amax")
    return f


def advanced():
    f = Family("advanced")
    i = torch.tensor
    x = rand(4, 5, 6)
    mask = rand(4, dtype=torch.bool)
    mask[0] = True
    plane = rand(4, 5) > 0.5
    choices = [
        [i([0, -1, 2])], [None, i([0, -1, 2])], [None, None, i([5, -6])], [i([[0, 1], [-1, 2]])],
        [i([0, 1]), i([2, -3])], [i([0, 1]), None, i([2, -3])], [None, i([0, 1]), i([2, -3])],
        [i([[0], [1]]), i([2, -3, 0])], [i([[0], [1]]), None, i([2, -3, 0])], [i(1), i([2, -3, 0])],
        [i(1)], [i(1), None, i(2)], [i([1, 2], dtype=torch.int32), i([0, 4])],
        [mask], [None, rand(5, dtype=torch.bool)], [plane], [mask, None, i(2)], [plane, i([1])], [plane, i(-1)],
        [None, rand(5, 6) > 1.0], [rand(4, 5, 6) > 1.5], [torch.zeros(4, dtype=torch.bool)],
        [i([], dtype=torch.long)], [i([], dtype=torch.long), None, i([], dtype=torch.long)],
        [i([0, 1]), i([2, 2]), i([3, 3])], [None, i([[[1]], [[0]]]), None], [mask.to(torch.uint8)],
        [i([0, 1])[:, None].expand(2, 3), i([0, 1, 2])],
    ]
    for indices in choices:
        result = torch.ops.aten.index.Tensor(x, indices)
        f.call("aten.index.Tensor", x, indices)
        if all(t is None or t.dtype != torch.uint8 for t in indices):
            f.call("aten.index_put.default", x, indices, torch.full((1,), 7.0))
        if result.dim():
            values = rand(*result.shape[1:])
            f.floating("aten.index_put.default", x, indices, values, True, mode=LARGEST, widen=False)
            f.floating("aten.index_put_.default", x.clone(), indices, values, True, mode=LARGEST, widen=False)
    f.call("aten.index_put_.default", x.clone(), [i([0, 2])], rand(2, 5, 6))
    f.call("aten.index_put_.default", x.transpose(0, 2).clone(), [None, i([0, 2])], rand(2, 4))
    f.call("aten.index_put.default", x, [i([0, 2]), None, i([1, 4])], rand(2, 5))
    f.call("aten.index_put.default", x, [i([1, 1, 1, 3])], rand(1, 5, 6).expand(4, 5, 6))
    for t in layouts():
        if not t.dim() or 0 in t.shape:
            continue
        f.call("aten.index.Tensor", t, [None] * (t.dim() - 1) + [i([0, -1])])
        f.call("aten.index_put.default", t, [i([0, -1])], rand(1), False)
    f.call("aten.index.Tensor", rand(0, 3), [None, i([0, 2])])
    f.call("aten.index.Tensor", rand(0, 3), [torch.zeros(0, dtype=torch.bool)])
    f.call("aten.index.Tensor", rand(2, 3), [torch.zeros(2, 3, dtype=torch.bool)])
    f.call("aten.index_put.default", rand(2, 3), [torch.zeros(2, 3, dtype=torch.bool)], rand())
    for dtype in ALL:
        t = rand(3, 4, dtype=dtype)
        f.call("aten.index.Tensor", t, [i([2, 0]), i([[1], [3]])])
        f.call("aten.index_put.default", t, [i([2, 0])], rand(4, dtype=dtype))
        f.floating("aten.index_put.default", t, [i([2, 0, 2, 2])], rand(4, 4, dtype=dtype), True, mode=LARGEST, widen=False)
    return f


def counting():
    f = Family("counting")
    for dtype in ALL:
        t = rand(3, 4, dtype=dtype)
        t[1, 2] = 0
        f.call("aten.nonzero.default", t)
        f.call("aten.nonzero_static.default", t, size=3)
        f.call("aten.nonzero_static.default", t, size=14, fill_value=-7)
        u = (rand(4, 5) * 1.5).round().to(dtype) if dtype != torch.uint8 else rand(4, 5).abs().to(dtype)
        f.call("aten._unique2.default", u)
        f.call("aten._unique2.default", u, True, True, True)
        f.call("aten._unique2.default", u, False, False, True)
        f.call("aten.unique_consecutive.default", u, True, True)
        f.call("aten.unique_consecutive.default", u)
        f.call("aten.unique_consecutive.default", u[:, :1].expand(4, 3), True, True, 1)
        f.call("aten.unique_consecutive.default", u[[0, 0, 1, 0]], False, False, 0)
    for t in layouts():
        f.call("aten.nonzero.default", t > 1)
        f.call("aten._unique2.default", t, True, True, True)
    for v in (0.0, 2.0, NAN):
        f.call("aten.nonzero.default", torch.tensor(v))
    f.call("aten.nonzero.default", torch.tensor([0.0, -0.0, NAN, INF]))
    f.call("aten._unique2.default", torch.tensor([3.0, NAN, 1.0, NAN, 1.0, -INF]), True, True, True)
    f.call("aten._unique2.default", rand(0, 2), True, True, True)
    f.call("aten.unique_consecutive.default", torch.tensor([1.0, 1.0, NAN, NAN, 1.0]), True, True)
    f.call("aten.unique_consecutive.default", rand(0), True, True)
    f.call("aten.unique_consecutive.default", rand(0, 2), True, True, 0)
    f.call("aten.unique_consecutive.default", rand(), True, True)
    for dtype in (torch.int32, torch.int64):
        for counts in ([1, 0, 3], [], [0, 0], [2]):
            f.call("aten.repeat_interleave.Tensor", torch.tensor(counts, dtype=dtype))
    f.call("aten.repeat_interleave.Tensor", torch.tensor([1, 2, 3, 4])[::2], output_size=4)
    for dtype in INTS:
        t = torch.tensor([3, 0, 3, 1], dtype=dtype)
        f.call("aten.bincount.default", t)
        f.call("aten.bincount.default", t, None, 7)
        for weights in ALL:
            f.floating("aten.bincount.default", t, rand(4, dtype=weights).abs() if weights != torch.bool else rand(4, dtype=weights), widen=False)
    f.call("aten.bincount.default", torch.zeros(0, dtype=torch.long), rand(0), 3)
    f.call("aten.bincount.default", torch.zeros(0, dtype=torch.long))
    return f


def scan():
    f = Family("scan")
    for t in list(layouts()) + [rand(3, 0)]:
        for d in range(-1, max(t.dim() - 1, 0)):
            f.floating("aten.cumsum.default", t, d, mode=LARGEST)
            f.floating("aten.cumprod.default", t, d, mode=LARGEST)
            f.call("aten.cummax.default", t, d)
            f.call("aten.cummin.default", t, d)
            f.floating("aten.logcumsumexp.default", t, d, mode=LARGEST)
    bad = torch.tensor([[1.0, NAN, 3.0], [-INF, -INF, -INF], [INF, NAN, NAN], [2.0, INF, -INF], [2.0, 2.0, 1.0], [-INF, INF, 1.0]])
    for d in (0, 1):
        for name in ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"):
            f.floating(f"aten.{name}.default", bad, d)
    for dtype in ALL:
        t = rand(2, 6, dtype=dtype)
        f.call("aten.cummax.default", t, 1)
        f.call("aten.cummin.default", t, 1)
        f.floating("aten.cumsum.default", t, 1, mode=LARGEST, widen=False)
        f.floating("aten.cumprod.default", t, 0, mode=LARGEST, widen=False)
        f.floating("aten.cumsum.default", t, 1, dtype=torch.float32, mode=LARGEST)
        f.call("aten.cumsum.default", t, 0, dtype=torch.int32)
        f.floating("aten.cumprod.default", t, 1, dtype=torch.float64, mode=LARGEST)
        f.floating("aten.cumsum.default", t, 1, dtype=torch.float16, mode=LARGEST)
        if dtype.is_floating_point:
            f.floating("aten.logcumsumexp.default", t, 1, mode=LARGEST, widen=False)
    return f


def sorting():
    f = Family("sorting")
    tensors = [distinct(3, 4, 5), distinct(2, 5, 3, 4).to(memory_format=LAST), distinct(9, 4).t(), distinct(6, 8)[1::2, ::3],
               distinct(70), distinct(1, 1), rand(), rand(3, 0), rand(0, 3)]
    for t in tensors:
        for d in sorted({-1, 0}):
            length = t.shape[d] if t.dim() else 1
            for descending in (False, True):
                f.call("aten.sort.default", t, d, descending)
                f.call("aten.sort.stable", t, stable=True, dim=d, descending=descending)
            for k in sorted({0, min(1, length), length // 2, length}) if t.dim() else [1]:
                for largest in (False, True):
                    f.call("aten.topk.default", t, k, d, largest)
            if length == 0:
                continue
            for keep in (False, True):
                f.call("aten.median.dim", t, d, keep)
                f.call("aten.nanmedian.dim", t, d, keep)
                f.call("aten.kthvalue.default", t, (length + 1) // 2, d, keep)
                f.call("aten.mode.default", t, d, keep)
        f.call("aten.median.default", t)
        f.call("aten.nanmedian.default", t)
    bad = torch.tensor([[1.0, NAN, 3.0, 0.0, -1.0], [-INF, 5.0, INF, 0.0, NAN], [NAN, NAN, 7.0, NAN, NAN]])
    for d in (0, 1):
        for op in ("sort", "median", "nanmedian"):
            name = "default" if op == "sort" else "dim"
            if op == "sort":
                f.call("aten.sort.stable", bad, stable=True, dim=d, descending=False)
                f.call("aten.sort.stable", bad, stable=True, dim=d, descending=True)
            elif d == 1:
                f.call(f"aten.{op}.{name}", bad, d)
        f.call("aten.kthvalue.default", bad[:2], 2, d)
    f.call("aten.topk.default", bad[:2], 3, 1)
    f.call("aten.topk.default", bad[:2], 3, 1, False)
    f.call("aten.median.default", bad)
    f.call("aten.nanmedian.default", bad)
    f.call("aten.nanmedian.dim", torch.full((2, 3), NAN), 1)
    f.call("aten.median.default", rand(0))
    f.call("aten.mode.default", torch.tensor([[2.0, 1, 2, 1, 3], [5, 5, 0, 0, 0]]), 1)
    for dtype in ALL:
        t = distinct(3, 8, dtype=dtype) if dtype not in (torch.bool, torch.uint8) else (distinct(3, 8) + 8).to(dtype)
        ties = (rand(3, 8) > 0).to(dtype)
        f.call("aten.sort.stable", ties, stable=True, dim=1, descending=False)
        f.call("aten.sort.stable", ties, stable=True, dim=1, descending=True)
        f.call("aten.mode.default", ties)
        f.call("aten.sort.default", t, -1, True) if dtype != torch.bool else None
        if dtype == torch.bool:
            continue
        f.call("aten.topk.default", t, 3)
        f.call("aten.topk.default", t, 2, 0, False)
        f.call("aten.median.default", t)
        f.call("aten.median.dim", t, 1)
        f.call("aten.nanmedian.default", t)
        f.call("aten.nanmedian.dim", t, 0)
        f.call("aten.kthvalue.default", t, 5)
    return f


def search():
    f = Family("search")
    edges = torch.tensor([-1.0, 0.0, 0.5, 0.5, 2.0, INF])
    values = torch.tensor([[-5.0, -1.0, 0.25], [0.5, 2.0, NAN], [INF, -INF, 1e30]])
    for right, narrow in itertools.product((False, True), (False, True)):
        f.call("aten.bucketize.Tensor", values, edges, right=right, out_int32=narrow)
        f.call("aten.searchsorted.Tensor", edges, values, right=right, out_int32=narrow)
    for t in layouts():
        f.call("aten.bucketize.Tensor", t, edges)
    lines = rand(3, 7).sort().values
    for side in ("left", "right"):
        f.call("aten.searchsorted.Tensor", lines, values, side=side)
        f.call("aten.searchsorted.Tensor", lines[:, ::2], values.t(), side=side)
    f.call("aten.searchsorted.Tensor", torch.tensor([[2.0, 0.0, 1.0]]), values[:1], sorter=torch.tensor([[1, 2, 0]]))
    f.call("aten.searchsorted.Tensor", edges, torch.tensor(0.5), right=True)
    f.call("aten.searchsorted.Tensor", rand(0), values)
    f.call("aten.bucketize.Tensor", torch.tensor(1), rand(0))
    f.call("aten.bucketize.Tensor", rand(0, 2), edges)
    numbers = [d for d in ALL if d != torch.bool]
    for dtype in numbers:
        t = rand(6, dtype=dtype)
        f.call("aten.bucketize.Tensor", rand(2, 4, dtype=dtype), t.sort().values, right=True)
        f.call("aten.searchsorted.Tensor", t.sort().values, rand(3, dtype=torch.float64))
        f.call("aten.bucketize.Tensor", rand(4, dtype=torch.int32), t.sort().values)
    for dtype in FLOATS:
        t = rand(40, dtype=dtype)
        f.call("aten.histc.default", t, 7, -2, 3)
        f.call("aten.histc.default", t, 5)
        f.call("aten.histc.default", torch.tensor([1.0, 1.0, 2.0, NAN, 3.0], dtype=dtype), 4, 1, 3)
    f.call("aten.histc.default", rand(5, 6).t()[::2], 6, -1.5, 1.5)
    f.call("aten.histc.default", torch.ones(3), 4)
    f.call("aten.histc.default", rand(0), 4)
    a, b = rand(3, 4), rand(4)
    for p in (0, 1, 2, 3, 0.5, INF, -INF, -1):
        f.floating("aten.dist.default", a, b, p)
        f.floating("aten.dist.default", a.t(), a[0, 0], p)
        f.floating("aten.dist.default", torch.tensor([NAN, 1.0]), torch.zeros(2), p)
        for dtype in FLOATS:
            f.floating("aten.dist.default", rand(5, dtype=dtype), rand(5, dtype=dtype), p)
    f.floating("aten.dist.default", rand(0), rand(0))
    f.floating("aten.dist.default", rand(3), rand(3, dtype=torch.float64), 3)
    f.floating("aten.dist.default", rand(3), rand(3, dtype=torch.int64), 1)
    return f


def kinds():
    """Every element type through the older reductions, copies, joins and factories."""
    f = Family("kinds")
    tensor = torch.tensor
    for dtype in ALL:
        t = rand(2, 3, 4, dtype=dtype)
        cropped = t[:, ::2, 1:].transpose(0, 2)
        for op, args in [("view_copy", ([4, -1],)), ("permute_copy", ([-1, 0, 1],)), ("expand_copy", ([2, -1, 3, 4],)),
                         ("unsqueeze_copy", (-2,)), ("clone", ()), ("constant_pad_nd", ([1, -1, 0, 2], 2.5)),
                         ("constant_pad_nd", ([-1, -1], True)), ("stack", None), ("cat", None)]:
            if op in ("stack", "cat"):
                f.call(f"aten.{op}.default", [t, t], -1)
                f.call(f"aten.{op}.default", [cropped, cropped], 1)
            else:
                f.call(f"aten.{op}.default", t, *args)
        f.call("aten.slice_copy.Tensor", t, 1, -2, 100, 2)
        f.call("aten.select_copy.int", t, -1, -4)
        f.call("aten.transpose_copy.int", t, 0, -1)
        f.call("aten.squeeze_copy.dims", t[:1], [0, 1])
        f.call("aten.split_with_sizes_copy.default", t, [1, 0, 2], 1)
        f.call("aten.amax.default", t, [0, 2])
        f.call("aten.amin.default", t, [], True)
        f.call("aten.any.dim", t, 1, True)
        f.call("aten.any.default", t[0, 0])
        f.call("aten.any.default", torch.zeros(3, dtype=dtype))
        for to in ALL:
            f.call("aten.copy.default", torch.zeros(3, 2, dtype=to), (rand(2, dtype=dtype).abs() if dtype != torch.bool else rand(2, dtype=dtype)))
            f.call("aten.cat.default", [rand(2, 1, dtype=dtype), rand(0, dtype=to), rand(2, 2, dtype=to)], 1)
        for to in FLOATS:
            f.floating("aten.mean.dim", t, [1], dtype=to, mode=LARGEST, widen=False)
            f.floating("aten.sum.dim_IntList", t, [1], True, dtype=to, mode=LARGEST, widen=False)
        for to in (torch.int64, torch.int8, torch.uint8, torch.bool):
            u = t.abs() if to == torch.uint8 and dtype.is_floating_point else t
            f.call("aten.sum.dim_IntList", u, [0], dtype=to)
        if dtype.is_floating_point:
            f.floating("aten.mean.default", t, mode=LARGEST)
            f.floating("aten._softmax.default", cropped, 0, False, mode=LARGEST, widen=False)
            f.floating("aten._log_softmax.default", cropped, 1, False, mode=LARGEST, widen=False)
            f.floating("aten._softmax.default", rand(dtype=dtype), 0, False)
        f.call("aten.full.default", [2], 1.75, dtype=dtype)
        f.call("aten.full.default", [], -1, dtype=dtype)
        if dtype != torch.bool:
            f.floating("aten.arange.start_step", 0.5, 4.5, 1.5, dtype=dtype)
            f.floating("aten.arange.start_step", 9, -3, -4, dtype=dtype) if dtype != torch.uint8 else None
    # Sums that a shorter type cannot hold on the way.
    for dtype in (torch.float16, torch.bfloat16):
        big = torch.full((3,), torch.finfo(dtype).max, dtype=dtype)
        if dtype == torch.float16:  # eager sums in float, which bfloat16's largest overflow
            f.call("aten.mean.default", big)
        f.call("aten.sum.dim_IntList", big, [0])
        f.call("aten.sum.dim_IntList", big, [0], dtype=torch.float64)
        f.floating("aten.sum.dim_IntList", torch.ones(3000, dtype=dtype), [0])
    f.call("aten.sum.dim_IntList", tensor([300.7, 1.7]), [0], dtype=torch.int64)
    f.call("aten.sum.dim_IntList", tensor([100, 100], dtype=torch.int8), [0], dtype=torch.int8)
    f.call("aten.sum.dim_IntList", tensor([2049, 1]), [0], dtype=torch.float16)
    f.call("aten.stack.default", [tensor(1), tensor(2.5)], 0)
    f.call("aten.stack.default", [rand(0), rand(0)], 1)
    f.call("aten.cat.default", [rand(0), rand(0)], 1)
    f.call("aten.cat.default", [rand(0), rand(0, 2)], 1)
    f.call("aten.cat.default", [rand(2, 2, dtype=torch.int32), rand(0), rand(1, 2, dtype=torch.int32)], 0)
    f.call("aten.copy.default", torch.zeros(3, dtype=torch.bool), tensor([NAN, 0.0, -0.0]))
    f.call("aten.copy_.default", torch.zeros(2, 2), tensor([1, 2]))
    f.call("aten.slice_copy.Tensor", torch.arange(5), 0, 3, -4, 1)
    f.call("aten.slice_copy.Tensor", torch.arange(5), 0, 9, None, 2**40)
    f.call("aten.expand_copy.default", rand(1), [0])
    f.call("aten.expand_copy.default", rand(), [2, 2])
    f.call("aten.view_copy.default", rand(0, 3), [-1])
    f.call("aten.squeeze_copy.dims", rand(1, 2, 1), [])
    f.call("aten.permute_copy.default", rand(), [])
    f.call("aten.transpose_copy.int", rand(), 0, -1)
    return f
