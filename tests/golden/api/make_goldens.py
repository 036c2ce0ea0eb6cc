"""Makes the programs of this folder with the official exporter: calls of operators of a namespace
of one's own, mylib, with eager PyTorch's inputs and outputs beside them.

    python make_goldens.py [FOLDER]      torch 2.13.0, executorch 1.5.1
"""

import pathlib
import sys

import numpy as np
import torch
from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge
from torch.library import Library, impl

lib = Library("mylib", "DEF")
lib.define("scale(Tensor x, float factor) -> Tensor")
lib.define("scale.out(Tensor x, float factor, *, Tensor(a!) out) -> Tensor(a!)")
lib.define("halves(Tensor x, int dim, bool swap) -> (Tensor, Tensor)")
lib.define(
    "halves.out(Tensor x, int dim, bool swap, *, Tensor(a!) first, Tensor(b!) second)"
    " -> (Tensor(a!), Tensor(b!))"
)
lib.define("weigh(Tensor[] xs, float[] weights, Tensor? bias=None) -> Tensor")
lib.define(
    "weigh.out(Tensor[] xs, float[] weights, Tensor? bias=None, *, Tensor(a!) out) -> Tensor(a!)"
)


@impl(lib, "scale", "CompositeExplicitAutograd")
def scale(x, factor):
    return x * factor


@impl(lib, "scale.out", "CompositeExplicitAutograd")
def scale_out(x, factor, *, out):
    return out.copy_(x * factor)


@impl(lib, "halves", "CompositeExplicitAutograd")
def halves(x, dim, swap):
    first, second = (part.clone() for part in torch.chunk(x, 2, dim))
    return (second, first) if swap else (first, second)


@impl(lib, "halves.out", "CompositeExplicitAutograd")
def halves_out(x, dim, swap, *, first, second):
    a, b = halves(x, dim, swap)
    return first.copy_(a), second.copy_(b)


@impl(lib, "weigh", "CompositeExplicitAutograd")
def weigh(xs, weights, bias=None):
    total = sum(x * w for x, w in zip(xs, weights))
    return total if bias is None else total + bias


@impl(lib, "weigh.out", "CompositeExplicitAutograd")
def weigh_out(xs, weights, bias=None, *, out):
    return out.copy_(weigh(xs, weights, bias))


class Custom(torch.nn.Module):
    """relu(scale(x, 2.5)), beside halves and weigh: built-in operators before and after."""

    def forward(self, x):
        first, second = torch.ops.mylib.halves(x + 1.0, 1, True)
        both = torch.ops.mylib.weigh([first, second], [0.5, 2.0])
        return torch.relu(torch.ops.mylib.scale(both, 2.5)), first


class Scale(torch.nn.Module):
    """What the example plugins are for."""

    def forward(self, x):
        return torch.relu(torch.ops.mylib.scale(x, 2.5))


def export(folder: pathlib.Path, name: str, model: torch.nn.Module, x: torch.Tensor) -> None:
    edge = to_edge(
        torch.export.export(model.eval(), (x,)),
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    program = edge.to_executorch(ExecutorchBackendConfig(extract_delegate_segments=True))
    (folder / f"{name}.pte").write_bytes(program.buffer)
    np.save(folder / f"{name}.in0.npy", x.numpy())
    outputs = model(x)
    for i, out in enumerate(outputs if isinstance(outputs, tuple) else (outputs,)):
        np.save(folder / f"{name}.out{i}.npy", out.detach().contiguous().numpy())


def main(folder: pathlib.Path) -> None:
    x = torch.arange(-8, 8, dtype=torch.float32).reshape(2, 8) / 4
    export(folder, "custom_ops", Custom(), x)
    export(folder, "scale", Scale(), x)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent))
