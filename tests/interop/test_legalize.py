"""Operators that ExecuTorch 1.5 has no kernel of, or whose kernel is wrong, as `pte export` writes them.

Every module is saved by torch.export, exported by ptekit and run by the official runtime; the answer is
eager PyTorch's. The import suite covers whole families; these are the operators that passes/legalize
rewrites, and branches and loops.
"""

import numpy as np
import pytest
import torch
from torch._higher_order_ops import map as higher_order_map
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.nn import functional as F

from conftest import PTE, RUNNER, run_command

BOUND = 1e-4  # of the largest value
A = torch.ops.aten


def rand(*shape):
    return torch.randn(*shape)


def ints(low, high, *shape, dtype=torch.int64):
    return torch.randint(low, high, shape).to(dtype)


def spd(n):
    a = rand(2, n, n)
    return a @ a.mT + 0.5 * torch.eye(n)


CASES = {
    "conv3d": (lambda x, w, b: F.conv3d(x, w, b, 1, 1), lambda: (rand(2, 4, 5, 6, 7), rand(6, 4, 3, 3, 3), rand(6))),
    "conv3d_options": (
        lambda x, w: F.conv3d(x, w, None, (2, 1, 2), (2, 0, 1), (2, 1, 1), 2),
        lambda: (rand(1, 4, 8, 6, 7), rand(6, 2, 3, 2, 3)),
    ),
    "conv_transpose3d": (
        lambda x, w, b: F.conv_transpose3d(x, w, b, (2, 1, 3), (1, 0, 2), (1, 0, 2), 1, (1, 2, 1)),
        lambda: (rand(2, 4, 3, 4, 3), rand(4, 5, 3, 2, 3), rand(5)),
    ),
    "conv_transpose3d_groups": (
        lambda x, w: F.conv_transpose3d(x, w, None, 1, 0, 0, 2, 2),
        lambda: (rand(1, 4, 3, 3, 3), rand(4, 3, 2, 2, 2)),
    ),
    "max_pool3d": (lambda x: F.max_pool3d(x, 3, 2, 1, return_indices=True), lambda: (rand(2, 3, 7, 8, 9),)),
    "max_pool3d_ceil": (
        lambda x: F.max_pool3d(x, (2, 3, 2), (2, 2, 3), (0, 1, 1), (2, 1, 1), True, True),
        lambda: (rand(3, 7, 8, 9),),
    ),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, 3, 2, 1), lambda: (rand(2, 3, 7, 8, 9),)),
    "avg_pool3d_odd": (
        lambda x: F.avg_pool3d(x, (2, 3, 2), (2, 2, 1), (1, 1, 0), True, False),
        lambda: (rand(2, 3, 7, 8, 9),),
    ),
    "avg_pool3d_divisor": (lambda x: F.avg_pool3d(x, 2, 2, 0, False, True, 3), lambda: (rand(1, 2, 4, 4, 4),)),
    "adaptive_avg_pool3d": (lambda x: F.adaptive_avg_pool3d(x, (3, 2, 4)), lambda: (rand(2, 3, 7, 5, 9),)),
    "adaptive_max_pool2d": (
        lambda x: F.adaptive_max_pool2d(x, (3, 4), return_indices=True),
        lambda: (rand(2, 3, 7, 10),),
    ),
    "adaptive_max_pool3d": (
        lambda x: F.adaptive_max_pool3d(x, (3, 2, 4), return_indices=True),
        lambda: (rand(2, 3, 7, 4, 9),),
    ),
    "fractional_max_pool2d": (
        lambda x, s: F.fractional_max_pool2d(x, (2, 3), (4, 3), return_indices=True, _random_samples=s),
        lambda: (rand(2, 3, 9, 10), torch.rand(2, 3, 2)),
    ),
    "bicubic_antialias": (
        lambda x: F.interpolate(x, (5, 7), mode="bicubic", antialias=True),
        lambda: (rand(1, 3, 12, 16),),
    ),
    "grid_sample_3d": (
        lambda x, g: F.grid_sample(x, g, align_corners=False),
        lambda: (rand(1, 2, 4, 5, 6), rand(1, 3, 3, 3, 3)),
    ),
    "grid_sample_3d_reflection": (
        lambda x, g: F.grid_sample(x, g, padding_mode="reflection", align_corners=True),
        lambda: (rand(1, 2, 4, 5, 6), 3 * rand(1, 3, 3, 3, 3)),
    ),
    "grid_sample_3d_nearest": (
        lambda x, g: F.grid_sample(x, g, mode="nearest", padding_mode="border", align_corners=False),
        lambda: (rand(1, 2, 4, 5, 6), rand(1, 3, 3, 3, 3)),
    ),
    "pad_negative": (lambda x: F.pad(x, (-1, 2, 1, -2)), lambda: (rand(2, 5, 6),)),
    "embedding_bag_max": (
        lambda w, i, o: F.embedding_bag(i, w, o, mode="max"),
        lambda: (rand(9, 4), ints(0, 9, 7), torch.tensor([0, 2, 2, 5])),
    ),
    "embedding_bag_weights": (
        lambda w, i, o, s: F.embedding_bag(i, w, o, mode="sum", per_sample_weights=s, padding_idx=3),
        lambda: (rand(9, 4), ints(0, 9, 7), torch.tensor([0, 2, 6]), rand(7)),
    ),
    "sort_ties": (lambda x: torch.sort(x, dim=1, stable=True), lambda: (ints(0, 4, 3, 9),)),
    "sort_descending": (lambda x: torch.sort(x, 0, descending=True), lambda: (rand(20, 3),)),
    "sort_nan": (lambda x: torch.sort(x), lambda: (torch.tensor([2.0, float("nan"), -1.0, float("inf")]),)),
    "median": (lambda x: (x.median(), x.nanmedian()), lambda: (rand(4, 5),)),
    "median_dim": (lambda x: x.median(1), lambda: (rand(4, 6),)),
    "nanmedian_dim": (
        lambda x: x.nanmedian(0).values,
        lambda: (torch.where(rand(7, 3) > 0.7, float("nan"), rand(7, 3)),),
    ),
    "kthvalue": (lambda x: x.kthvalue(3, 1, True), lambda: (rand(4, 6),)),
    "mode": (lambda x: x.mode(1).values, lambda: (ints(0, 3, 4, 9),)),
    "cummax": (lambda x: torch.cummax(x, 1), lambda: (rand(3, 11),)),
    "cummin": (lambda x: torch.cummin(x, 0), lambda: (ints(0, 5, 11, 2),)),
    "cumprod": (lambda x: torch.cumprod(x, 1), lambda: (rand(3, 11),)),
    "logcumsumexp": (lambda x: torch.logcumsumexp(x, 0), lambda: (10 * rand(9, 3),)),
    "searchsorted": (
        lambda s, x: (torch.searchsorted(s, x), torch.searchsorted(s, x, right=True, out_int32=True)),
        lambda: (rand(3, 8).sort(1).values, rand(3, 5)),
    ),
    "bucketize": (lambda x, b: torch.bucketize(x, b, right=True), lambda: (rand(3, 5), rand(7).sort().values)),
    "histc": (lambda x: (torch.histc(x, 8, -2, 2), torch.histc(x, 5)), lambda: (rand(40),)),
    "unique": (lambda x: torch.unique(x, return_inverse=True, return_counts=True)[1], lambda: (ints(0, 5, 3, 4),)),
    "nonzero_static": (lambda x: torch.nonzero_static(x, size=6, fill_value=-7), lambda: (ints(0, 2, 3, 4),)),
    "scatter_reduce": (
        lambda x, i, s: tuple(x.scatter_reduce(0, i, s, how, include_self=keep)
                              for how in ("sum", "mean", "amax", "amin", "prod") for keep in (True, False)),
        lambda: (rand(5, 4), ints(0, 5, 7, 3), rand(8, 4)),
    ),
    "index_reduce": (
        lambda x, i, s: x.index_reduce(1, i, s, "amax", include_self=False),
        lambda: (rand(3, 5), ints(0, 5, 7), rand(3, 7)),
    ),
    "put": (lambda x, i, s: x.put(i, s), lambda: (rand(3, 4), torch.tensor([1, -2, 6]), rand(3))),
    "diagonal_scatter": (lambda x, s: x.diagonal_scatter(s, 1, 2, 0), lambda: (rand(4, 3, 5), rand(3, 3))),
    "triu": (lambda x: x.triu(-1), lambda: (rand(2, 4, 5),)),
    "det": (lambda x: torch.linalg.det(x), lambda: (rand(2, 5, 5),)),
    "inverse": (lambda x: torch.linalg.inv(x), lambda: (rand(6, 6) + 2 * torch.eye(6),)),
    "inverse_pivots": (lambda x: torch.linalg.inv(x), lambda: (torch.tensor([[0.0, 2.0], [3.0, 1.0]]),)),
    "solve": (lambda a, b: torch.linalg.solve(a, b), lambda: (rand(4, 4) + 2 * torch.eye(4), rand(4, 3))),
    "cholesky": (lambda x: torch.linalg.cholesky(x), lambda: (spd(5),)),
    "pinv": (lambda x: torch.linalg.pinv(x), lambda: (rand(5, 3),)),
    "svd_values": (lambda x: A._linalg_svd(x, False, False)[1], lambda: (rand(2, 5, 3),)),
    "svd": (  # either sign of a vector is right
        lambda x: tuple(f(v) for f, v in zip((torch.abs, torch.clone, torch.abs), A._linalg_svd(x, False, True))),
        lambda: (rand(3, 5),),
    ),
    "baddbmm": (lambda c, a, b: torch.baddbmm(c, a, b, beta=0.5, alpha=2), lambda: (rand(5), rand(2, 3, 4), rand(2, 4, 5))),
    "dist": (lambda x, y: (torch.dist(x, y), torch.dist(x, y, 3)), lambda: (rand(3, 4), rand(4))),
    "round_decimals": (lambda x: (x.round(decimals=2), x.round(decimals=-1)), lambda: (30 * rand(20),)),
    "copysign": (lambda x, y: torch.copysign(x, y), lambda: (rand(5), torch.tensor([-0.0, 0.0, -2.0, 3.0, -1.0]))),
    "gcd_lcm": (lambda x, y: (torch.gcd(x, y), torch.lcm(x, y)), lambda: (ints(-90, 90, 12, dtype=torch.int32), ints(-90, 90, 12, dtype=torch.int32))),
    "remainder_int": (lambda x, y: (x % y, x % -3), lambda: (ints(-50, 50, 20), ints(1, 9, 20))),
    "extremes": (
        lambda x, y: (torch.fmax(x, y), torch.fmin(x, y)),
        lambda: (torch.tensor([1.0, float("nan"), 3.0]), torch.tensor([2.0, 5.0, float("nan")])),
    ),
    "gamma": (lambda x: (torch.lgamma(x), torch.digamma(x)), lambda: (torch.tensor([0.1, 0.5, 1.5, 2.0, 7.5, 40.0, -0.7, -3.4]),)),
    "polygamma": (lambda x: (torch.polygamma(1, x), torch.polygamma(3, x)), lambda: (torch.rand(9) * 5 + 0.2,)),
    "error_functions": (
        lambda x: (torch.erfc(x), torch.special.erfcx(x), torch.special.log_ndtr(x)),
        lambda: (torch.linspace(-3, 6, 37),),
    ),
    "inverse_error_functions": (
        lambda x: (torch.erfinv(x * 2 - 1), torch.special.ndtri(x)),
        lambda: (torch.linspace(0.01, 0.99, 33),),
    ),
    "bessel": (
        lambda x: (torch.i0(x), torch.special.i1(x), torch.special.i0e(x), torch.special.i1e(x)),
        lambda: (torch.linspace(-9, 9, 31),),
    ),
    "softmax_double": (lambda x: (x.softmax(1), x.log_softmax(0)), lambda: (rand(3, 5).double(),)),
    "fake_quantize": (
        lambda x, s, z: (torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -20, 30),
                         torch.fake_quantize_per_channel_affine(x, s, z, 0, 0, 255)),
        lambda: (3 * rand(3, 8), torch.tensor([0.01, 0.02, 0.05]), torch.tensor([0, 9, 128], dtype=torch.int32)),
    ),
    "cond": (
        lambda x: torch.cond(x.sum() > 0, lambda v: v * 2, lambda v: v - 1, (x,)),
        lambda: (rand(3, 4),),
    ),
    "while_loop": (
        lambda i, x: while_loop(lambda k, v: k < 5, lambda k, v: (k + 1, v * 1.5 + k), (i, x)),
        lambda: (torch.tensor(0), rand(3)),
    ),
    "map": (lambda x, y: higher_order_map(lambda row, more: (row * more).sin(), x, y), lambda: (rand(4, 3), rand(3))),
    "scan": (
        lambda s, x: scan(lambda c, row: (c * 0.5 + row, c + 1), s, x),
        lambda: (rand(3), rand(5, 3)),
    ),
}


class Module(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        results = self.function(*inputs)
        return tuple(results) if isinstance(results, tuple) else results  # named ones cannot be saved


@pytest.mark.parametrize("name", CASES)
def test_legalized(name, tmp_path):
    function, inputs = CASES[name]
    torch.manual_seed(7)
    inputs = inputs()
    answers = function(*inputs)
    answers = list(answers) if isinstance(answers, (tuple, list)) else [answers]
    torch.export.save(torch.export.export(Module(function).eval(), inputs), tmp_path / "m.pt2")
    model, outputs = tmp_path / "m.pte", tmp_path / "out"
    outputs.mkdir()
    run_command(PTE, "export", tmp_path / "m.pt2", "--backends", "portable", "-o", model)
    words = []
    for k, value in enumerate(inputs):
        np.save(tmp_path / f"in{k}.npy", value.numpy())
        words += ["--input", tmp_path / f"in{k}.npy"]
    run_command(RUNNER, model, *words, "--output-dir", outputs)
    for k, want in enumerate(answers):
        want, got = want.numpy(), np.load(outputs / f"out{k}.npy")
        assert got.shape == want.shape and got.dtype == want.dtype, f"output {k}"
        if want.dtype.kind in "biu":
            assert (got == want).all(), f"output {k}: {got}, expected {want}"
            continue
        assert (np.isfinite(got) == np.isfinite(want)).all(), f"output {k}: {got}, expected {want}"
        finite = np.isfinite(want)
        bound = BOUND * np.abs(want[finite]).max(initial=0)
        gap = np.abs(got[finite].astype(float) - want[finite]).max(initial=0)
        assert gap <= bound, f"output {k}: off by {gap}, {gap / (bound / BOUND):.1e} of the largest"


def test_what_cannot_be_rewritten_is_named(tmp_path):
    inputs = (rand(3), rand(3))
    torch.export.save(torch.export.export(Module(torch.nextafter), inputs), tmp_path / "m.pt2")
    model = tmp_path / "m.pte"
    with pytest.raises(AssertionError, match="nextafter"):
        run_command(PTE, "export", tmp_path / "m.pt2", "--backends", "portable", "-o", model)
    assert not model.exists()
    for flags in (["--allow-ptekit-ops"], ["--runtime", "ptekit"]):
        run_command(PTE, "export", tmp_path / "m.pt2", "--backends", "portable", "-o", model, *flags)
        assert model.exists()
        model.unlink()
