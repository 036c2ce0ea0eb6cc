"""Convolution, pooling, resampling, matrix products."""

import torch

from golden import Family, INF, LARGEST, NAN, rand


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
