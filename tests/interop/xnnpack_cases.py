#!/usr/bin/env python3
"""Modules whose XNNPACK payloads hold every kind of value and node, and their .pte files.

    .venv/bin/python -W ignore tests/interop/xnnpack_cases.py OUTPUT [--only PATTERN]

Each case <name> becomes OUTPUT/<name>.pte and OUTPUT/<name>.in<i>.npy; what it should compute is the
official runtime's answer, so that nothing else is written. A case is a module, its inputs and how
its numbers are stored:

    float       as they are (also float16)
    static      int8 activations and weights (PT2E), scales per tensor or per channel
    dynamic     int8 weights, activations quantised while it runs
    fourbit     4-bit weights with scales for blocks, activations quantised while it runs
"""

import argparse
import os
import pathlib
import re
import sys
import warnings

os.environ.setdefault("TORCH_LOGS", "-all")
warnings.filterwarnings("ignore")

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Sequence(nn.Sequential):
    """Layers and plain functions one after the other."""

    def __init__(self, *parts):
        super().__init__(*(p if isinstance(p, nn.Module) else Call(p) for p in parts))


class Call(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


class Residual(nn.Module):
    """Sums of values with different scales, with and without relu, and a difference."""

    def __init__(self, channels=8):
        super().__init__()
        self.a = nn.Conv2d(3, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 1)
        self.c = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x):
        x = F.relu(self.a(x))
        y = F.relu(x + self.b(x))
        return y - self.c(y) * y


class Inverted(nn.Module):
    """MobileNet's block: expand, depthwise, squeeze and excitation, project."""

    def __init__(self, c=8, e=24):
        super().__init__()
        self.expand, self.dw = nn.Conv2d(c, e, 1), nn.Conv2d(e, e, 5, 2, 2, groups=e)
        self.s, self.x = nn.Conv2d(e, 6, 1), nn.Conv2d(6, e, 1)
        self.project, self.short = nn.Conv2d(e, c, 1), nn.Conv2d(c, c, 1, 2)

    def forward(self, x):
        y = F.hardswish(self.dw(F.hardswish(self.expand(x))))
        z = F.adaptive_avg_pool2d(y, 1)
        y = y * F.hardsigmoid(self.x(F.relu(self.s(z))))
        return self.project(y) + self.short(x)


class Bottleneck(nn.Module):
    """YOLO's C3: convolutions with SiLU, a residual, concatenation, pooling in a pyramid."""

    def __init__(self, c=16):
        super().__init__()
        self.stem = nn.Conv2d(3, c, 3, 2, 1)
        self.a, self.b = nn.Conv2d(c, c // 2, 1), nn.Conv2d(c, c // 2, 1)
        self.m1, self.m2 = nn.Conv2d(c // 2, c // 2, 3, 1, 1), nn.Conv2d(c // 2, c // 2, 3, 1, 1)
        self.out = nn.Conv2d(c, c, 1)
        self.last = nn.Conv2d(4 * c, 7, 1)

    def forward(self, x):
        x = F.silu(self.stem(x))
        a = F.silu(self.a(x))
        a = a + F.silu(self.m2(F.silu(self.m1(a))))
        x = F.silu(self.out(torch.cat([a, F.silu(self.b(x))], 1)))
        p = F.max_pool2d(x, 5, 1, 2)
        q = F.max_pool2d(p, 5, 1, 2)
        return self.last(torch.cat([x, p, q, F.max_pool2d(q, 5, 1, 2)], 1))


class Attention(nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(dim, dim) for _ in range(3))
        self.o = nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        scores = torch.bmm(self.q(x), self.k(x).transpose(1, 2)) * 0.125
        return self.o(torch.bmm(scores.softmax(-1), self.v(x)))


class TwoWeights(nn.Module):
    def __init__(self, *shapes):
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(shape)) for shape in shapes)

    def forward(self, x):
        return x @ self.weights[0] @ self.weights[1]


def layers(*sizes, bias=True):
    parts = []
    for a, b in zip(sizes, sizes[1:]):
        parts += [nn.Linear(a, b, bias=bias), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def mobilenet_v3_small():
    import models

    return models.randomise(models.mobilenet_v3_small(), 11)


PICTURE = [(1, 3, 16, 20)]
CASES = {
    # name: (how, module, shapes, options)
    "static_conv": ("static", lambda: nn.Conv2d(3, 5, 3, 2, 1), PICTURE, {}),
    "static_conv_tensor": ("static", lambda: nn.Conv2d(3, 5, 3), PICTURE, {"per_channel": False}),
    "static_conv_relu6": (
        "static",
        lambda: Sequence(nn.Conv2d(3, 4, 3), nn.ReLU6(), nn.Conv2d(4, 4, 1), nn.Hardtanh(-0.3, 0.4)),
        PICTURE,
        {},
    ),
    "static_conv_groups": (
        "static",
        lambda: Sequence(nn.Conv2d(4, 8, 3, groups=2, dilation=2), nn.Conv2d(8, 16, 3, groups=8)),
        [(2, 4, 12, 11)],
        {},
    ),
    "static_conv1d": ("static", lambda: nn.Conv1d(3, 6, 5, 2, 2), [(2, 3, 31)], {}),
    "static_depthwise": ("static", lambda: nn.Conv2d(6, 6, 3, 1, 1, groups=6), [(1, 6, 9, 9)], {}),
    "static_deep_conv": ("static", lambda: nn.Conv2d(64, 9, 3, 1, 1), [(1, 64, 6, 6)], {}),
    "static_transposed": (
        "static",
        lambda: Sequence(nn.ConvTranspose2d(4, 6, 3, 2, 1, 1), nn.ReLU()),
        [(1, 4, 7, 5)],
        {},
    ),
    "static_transposed_tensor": (
        "static",
        lambda: nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2),
        [(1, 4, 7, 5)],
        {"per_channel": False},
    ),
    "static_linear": ("static", lambda: layers(20, 33, 7), [(5, 20)], {}),
    "static_linear_tensor": ("static", lambda: layers(20, 7), [(2, 3, 20)], {"per_channel": False}),
    "static_linear_nobias": ("static", lambda: layers(300, 10, bias=False), [(9, 300)], {}),
    "static_matmul": ("static", lambda: TwoWeights((20, 12), (12, 5)), [(5, 20)], {}),
    "static_residual": ("static", Residual, PICTURE, {}),
    "static_add_broadcast": (
        "static",
        lambda: Call(lambda x, y: x + y),
        [(2, 3, 4, 5), (1, 3, 1, 1)],
        {},
    ),
    "static_mul": ("static", lambda: Call(lambda x, y: x * y), [(4, 33), (4, 33)], {}),
    "static_sub": ("static", lambda: Call(lambda x, y: F.relu(x - y)), [(4, 33), (4, 33)], {}),
    "static_cat": (
        "static",
        lambda: Call(lambda x, y: torch.cat([x, y, x + y], 1)),
        [(2, 3, 4, 4), (2, 3, 4, 4)],
        {},
    ),
    "static_pool": (
        "static",
        lambda: Sequence(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 1)),
        PICTURE,
        {},
    ),
    "static_ceil_pool": (
        "static",
        lambda: Sequence(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 2, 0, ceil_mode=True)),
        [(1, 3, 14, 15)],
        {},
    ),
    "static_mean": (
        "static",
        lambda: Sequence(
            nn.Conv2d(3, 8, 3), nn.ReLU(), lambda x: x.mean((2, 3), keepdim=True), nn.Conv2d(8, 4, 1)
        ),
        PICTURE,
        {},
    ),
    "static_pad": (
        "static",
        lambda: Sequence(lambda x: F.pad(x, (0, 1, 2, 1)), nn.Conv2d(3, 4, 3, 2)),
        PICTURE,
        {},
    ),
    "static_moves": (
        "static",
        lambda: Sequence(
            nn.Conv2d(3, 4, 1),
            lambda x: x[:, 1:3].permute(0, 2, 3, 1).reshape(1, -1, 4).unsqueeze(-1),
        ),
        PICTURE,
        {},
    ),
    "static_mixed": ("static", lambda: Sequence(Inverted(), nn.Sigmoid()), [(1, 8, 9, 9)], {}),
    "static_yolo": ("static", Bottleneck, [(1, 3, 32, 32)], {}),
    "static_batch": (
        "static",
        lambda: layers(8, 5),
        [(4, 8)],
        {"dynamic_shapes": ({0: torch.export.Dim("n", min=1, max=9)},), "run": [(3, 8)]},
    ),
    "static_mobilenet_v3_small": ("static", mobilenet_v3_small, [(1, 3, 224, 224)], {"big": True}),
    "dynamic_linear": ("dynamic", lambda: layers(48, 32, 6), [(7, 48)], {}),
    "dynamic_linear_rank3": ("dynamic", lambda: layers(40, 10, bias=False), [(2, 3, 40)], {}),
    "dynamic_linear_row": ("dynamic", lambda: layers(600, 20), [(1, 600)], {}),
    "dynamic_linear_clamp": (
        "dynamic",
        lambda: Sequence(nn.Linear(16, 8), nn.Hardtanh(-0.25, 0.5)),
        [(3, 16)],
        {},
    ),
    "dynamic_attention": ("dynamic", Attention, [(2, 5, 64)], {}),
    "dynamic_conv": ("dynamic", lambda: nn.Conv2d(3, 5, 3, 2, 1), [(2, 3, 9, 8)], {}),
    "dynamic_conv_groups": (
        "dynamic",
        lambda: Sequence(nn.Conv2d(4, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 4, 1)),
        [(1, 4, 9, 8)],
        {},
    ),
    "dynamic_tokens": (
        "dynamic",
        lambda: layers(32, 16),
        [(6, 32)],
        {"dynamic_shapes": ({0: torch.export.Dim("n", min=1, max=12)},), "run": [(11, 32)]},
    ),
    "dynamic_half": ("dynamic", lambda: layers(32, 16), [(6, 32)], {"dtype": torch.float16}),
    "fourbit_linear": ("fourbit", lambda: layers(64, 24, bias=False), [(5, 64)], {"group": 32}),
    "fourbit_linear_bias": ("fourbit", lambda: layers(128, 10), [(1, 128)], {"group": 64}),
    "fourbit_rank3": ("fourbit", lambda: layers(64, 32, 8), [(2, 3, 64)], {"group": 32}),
    "fourbit_channels": ("fourbit", lambda: layers(96, 24), [(4, 96)], {"group": 0}),
    "eightbit_channels": ("fourbit", lambda: layers(96, 24), [(4, 96)], {"group": 0, "bits": 8}),
    "half_conv": (
        "float",
        lambda: Sequence(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6)),
        PICTURE,
        {"dtype": torch.float16},
    ),
    "half_linear": ("float", lambda: layers(40, 24, 5), [(6, 40)], {"dtype": torch.float16}),
    "half_activations": (
        "float",
        lambda: Call(
            lambda x: (torch.sigmoid(x) * x).abs().sqrt() + F.hardswish(x).clamp(-1, 2) / 3 - x.exp()
        ),
        [(4, 50)],
        {"dtype": torch.float16},
    ),
    "half_pools": (
        "float",
        lambda: Call(lambda x: F.avg_pool2d(F.max_pool2d(x, 2), 3, 1, 1, count_include_pad=False)),
        PICTURE,
        {"dtype": torch.float16},
    ),
    "float_activations": (
        "float",
        lambda: Call(
            lambda x: F.gelu(x) + F.leaky_relu(x, 0.1) - torch.tanh(x).neg() * x.sin() + x.cos().exp()
        ),
        [(4, 50)],
        {},
    ),
    "float_roots": (
        "float",
        lambda: Call(lambda x: x.abs().rsqrt() + (x * x + 1).log().sqrt() + x.floor() - x.ceil()),
        [(4, 50)],
        {},
    ),
    "float_extremes": (
        "float",
        lambda: Call(lambda x, y: torch.maximum(x, y) / (torch.minimum(x, y) ** 2 + 1)),
        [(4, 1, 5), (3, 1)],
        {},
    ),
    "float_max_rows": (
        "float",
        lambda: Call(lambda x: x.max(2, keepdim=True)[0] + x.max(3, keepdim=True)[0]),
        PICTURE,
        {},
    ),
    "float_resize": (
        "float",
        lambda: Call(
            lambda x: F.interpolate(x, (9, 31), mode="bilinear", align_corners=True)
            + F.interpolate(x, (9, 31), mode="bilinear")
        ),
        PICTURE,
        {},
    ),
    "float_transposed": (
        "float",
        lambda: Sequence(nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), nn.ReLU6()),
        [(1, 4, 7, 5)],
        {},
    ),
    "float_norm": (
        "float",
        lambda: Sequence(nn.BatchNorm2d(3), nn.PReLU(3), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        PICTURE,
        {},
    ),
    "float_scalars": (
        "float",
        lambda: Call(lambda x: ((x * 2 + 1.5) / 3).permute(0, 2, 3, 1).reshape(2, -1, 3)),
        [(2, 3, 4, 5)],
        {},
    ),
    "float_many_cats": (
        "float",
        lambda: Call(lambda x: torch.cat([x + float(i) for i in range(9)], 1)),
        [(1, 2, 3, 4)],
        {},
    ),
    "float_channels_last": (
        "float",
        lambda: nn.Conv2d(3, 4, 3),
        PICTURE,
        {"channels_last": True},
    ),
    "float_yolo": ("float", Bottleneck, [(1, 3, 32, 32)], {}),
}


def data(shapes, options):
    inputs = [torch.randn(shape).to(options.get("dtype", torch.float32)) for shape in shapes]
    if options.get("channels_last"):
        inputs = [x.to(memory_format=torch.channels_last) for x in inputs]
    return tuple(inputs)


def quantize(module, inputs, how, options):
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer()
    quantizer.set_global(
        get_symmetric_quantization_config(
            is_per_channel=options.get("per_channel", True), is_dynamic=how == "dynamic"
        )
    )
    shapes = options.get("dynamic_shapes")
    graph = torch.export.export(module, inputs, dynamic_shapes=shapes).module()
    prepared = prepare_pt2e(graph, quantizer)
    for _ in range(1 if options.get("big") else 4):
        prepared(*(torch.randn_like(x) for x in inputs))
    prepared(*inputs)
    return convert_pt2e(prepared)


def fewer_bits(module, options):
    from torchao.quantization import Int8DynamicActivationIntxWeightConfig, quantize_
    from torchao.quantization.granularity import PerAxis, PerGroup

    bits = {4: torch.int4, 8: torch.int8}[options.get("bits", 4)]
    granularity = PerGroup(options["group"]) if options["group"] else PerAxis(0)
    quantize_(
        module,
        Int8DynamicActivationIntxWeightConfig(weight_dtype=bits, weight_granularity=granularity),
    )
    return module


def lower(module, inputs, options, how):
    from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    partitioners = [XnnpackPartitioner()]
    if how in ("dynamic", "fourbit"):
        partitioners.insert(
            0,
            XnnpackPartitioner(
                config_precisions=ConfigPrecisionType.DYNAMIC_QUANT, per_op_mode=True
            ),
        )
    program = torch.export.export(module, inputs, dynamic_shapes=options.get("dynamic_shapes"))
    return to_edge_transform_and_lower(program, partitioner=partitioners).to_executorch().buffer


def make(name, folder):
    how, build, shapes, options = CASES[name]
    torch.manual_seed(sum(map(ord, name)))
    module = build().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.normal_(part.running_mean)
    if "dtype" in options:
        module = module.to(options["dtype"])
    inputs = data(shapes, options)
    with torch.no_grad():
        if how in ("static", "dynamic"):
            module = quantize(module, inputs, how, options)
        elif how == "fourbit":
            module = fewer_bits(module, options)
        (folder / f"{name}.pte").write_bytes(lower(module, inputs, options, how))
    run = data(options["run"], options) if "run" in options else inputs
    for i, tensor in enumerate(run):
        np.save(folder / f"{name}.in{i}.npy", tensor.contiguous().numpy())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-big", action="store_true", help="leave whole models out")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name, case in CASES.items():
        if not re.search(arguments.only, name) or (arguments.no_big and case[3].get("big")):
            continue
        if (arguments.output / f"{name}.pte").exists():
            continue
        try:
            make(name, arguments.output)
        except Exception as error:  # the official tools refuse: say so and go on
            failed += 1
            print(f"{name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
