"""Exports the et100_*.pte and et070_*.pte files. Needs executorch 1.0.0 (0.7.0) ahead of any other on
the path; a later torch does. Prints what eager PyTorch answers.

usage: python make_goldens.py et100     (writes beside itself)
"""

import sys
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig, to_edge, to_edge_transform_and_lower
from torch.export import export


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.l = torch.nn.Linear(4, 3)

    def forward(self, x):
        return torch.relu(self.l(x))


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.zeros(3))

    def forward(self, x):
        self.state.add_(x)
        return self.state * 2.0


def write(name, executorch, answer):
    (Path(__file__).parent / f"{sys.argv[1]}_{name}.pte").write_bytes(executorch.buffer)
    print(name, answer.tolist())


def main():
    x = (torch.tensor([[1.0, -2.0, 3.0, 0.5], [0.0, 1.0, 0.0, -1.0]]),)
    y = (torch.tensor([1.0, 2.0, 3.0]),)
    config = EdgeCompileConfig(_check_ir_validity=False)
    for name, module, inputs in (("linear_relu", Linear(), x), ("counter", Counter(), y)):
        program = export(module.eval(), inputs, strict=True)
        write(name, to_edge(program, compile_config=config).to_executorch(), module(*inputs))
    module = Linear().eval()
    edge = to_edge_transform_and_lower(export(module, x, strict=True), partitioner=[XnnpackPartitioner()])
    write("linear_relu_xnnpack", edge.to_executorch(), module(*x))


if __name__ == "__main__":
    main()
