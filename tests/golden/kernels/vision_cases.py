"""Volumes: convolution and pooling in three dimensions, and pooling that adapts or runs backwards."""

import torch

from golden import INF, NAN, LARGEST, Family, rand

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
