#!/usr/bin/env python3
"""Small .pte files that the official exporter writes for XNNPACK, with inputs and eager outputs.

    .venv/bin/python tests/golden/xnnpack/make_goldens.py

Each case <name> becomes <name>.pte, <name>.in<i>.npy and <name>.out<i>.npy beside this file. The
quantised ones (static_…, dynamic_…, fourbit_…) come from tests/interop/xnnpack_cases.py instead,
and their outputs from the official runtime.
"""

import pathlib
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import torch
import torch.nn.functional as F
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from torch import nn

HERE = pathlib.Path(__file__).parent


class Block(nn.Module):
    """Squeeze and excitation, hard activations, padding, concatenation, a classifier."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 6, 3, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(6)
        self.dw = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.s = nn.Conv2d(6, 2, 1)
        self.e = nn.Conv2d(2, 6, 1)
        self.up = nn.ConvTranspose2d(12, 4, 2, stride=2, groups=2)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = F.relu6(self.bn(self.a(F.pad(x, (0, 1, 0, 1)))))
        y = F.hardswish(self.dw(x))
        z = y * F.hardsigmoid(self.e(F.relu(self.s(F.adaptive_avg_pool2d(y, 1)))))
        u = self.up(torch.cat([x, z], 1))
        u = F.max_pool2d(u, 3, stride=2, padding=1)
        return self.fc(u.mean((2, 3))).softmax(-1), u


class Signal(nn.Module):
    """One-dimensional convolutions."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv1d(2, 4, 5, stride=2, padding=2)
        self.b = nn.Conv1d(4, 4, 3, groups=4)

    def forward(self, x):
        return F.gelu(self.b(F.relu(self.a(x))))


class Mixed(nn.Module):
    """Layouts mixed: a scalar and a parameter after a convolution, permutes, slices, bmm, prelu."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 4, 1)
        self.scale = nn.Parameter(torch.randn(1, 4, 1, 1))
        self.act = nn.PReLU(4)

    def forward(self, x):
        y = self.act(self.a(x)) * self.scale + 1.5
        y = F.interpolate(y, scale_factor=2.0, mode="bilinear")[:, 1:3]
        y = F.leaky_relu(y.permute(0, 2, 3, 1), 0.2)
        m = y.reshape(1, 12, 16)
        return torch.bmm(m, m.transpose(1, 2)).abs().sqrt(), F.avg_pool2d(x, 2) / 3.0


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.a(x.to(memory_format=torch.channels_last)).tanh()


CASES = {
    "block": (Block, [(1, 3, 16, 16)]),
    "signal": (Signal, [(2, 2, 30)]),
    "mixed": (Mixed, [(1, 4, 6, 4)]),
    "channels_last": (ChannelsLast, [(1, 3, 6, 6)]),
}


def main():
    for name, (model, shapes) in CASES.items():
        torch.manual_seed(7)
        module = model().eval()
        inputs = tuple(torch.randn(shape) for shape in shapes)
        with torch.no_grad():
            outputs = module(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        program = to_edge_transform_and_lower(
            torch.export.export(module, inputs), partitioner=[XnnpackPartitioner()]
        ).to_executorch()
        (HERE / f"{name}.pte").write_bytes(program.buffer)
        for i, tensor in enumerate(inputs):
            np.save(HERE / f"{name}.in{i}.npy", tensor.numpy())
        for i, tensor in enumerate(outputs):
            np.save(HERE / f"{name}.out{i}.npy", np.ascontiguousarray(tensor.numpy()))
        print(name, len(program.buffer), "bytes")


if __name__ == "__main__":
    main()
