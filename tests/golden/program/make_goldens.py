"""Exports the small programs that src/program and src/runtime are tested on with the official exporter.

usage: python make_goldens.py     (needs executorch 1.5 and torch; writes beside itself)
"""

import re
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge, to_edge_transform_and_lower
from executorch.exir.passes import MemoryPlanningPass
from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass
from torch._higher_order_ops.map import map as map_each
from torch.export import Dim, export


class Add(torch.nn.Module):
    def forward(self, a, b):
        return a + b


class AddWeight(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))

    def forward(self, a):
        return a + self.w


class ConvRelu6(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)

    def forward(self, x):
        return torch.nn.functional.relu6(self.conv(x))


class Cond(torch.nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda t: t + 1.0, lambda t: t * 2.0, (x,))


class MapScale(torch.nn.Module):
    def forward(self, x, y):
        return map_each(lambda row, factor: row * factor + 1.0, x, y)


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.tensor([10.0, 20.0, 30.0]))

    def forward(self, x):
        self.state.add_(x)
        return self.state * 1.0


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(5, 4)

    def forward(self, x):
        return torch.relu(self.linear(x))


class Split(torch.nn.Module):
    def forward(self, x):
        first, second = torch.split(x, [1, 2], dim=1)
        return torch.cat([second, first], dim=1), first.max(dim=0)[0]


def portable(module, inputs, dynamic_shapes=None, config=None):
    program = export(module.eval(), inputs, dynamic_shapes=dynamic_shapes, strict=True)
    edge = to_edge(program, compile_config=EdgeCompileConfig(_check_ir_validity=False))
    return edge.to_executorch(config or ExecutorchBackendConfig()).buffer


def xnnpack(module, inputs, config=None):
    program = export(module.eval(), inputs, strict=True)
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    return edge.to_executorch(config or ExecutorchBackendConfig()).buffer


def without_folders(data):
    """Source locations name this machine's folders; slashes of the same length replace them."""
    return re.sub(rb"/[^\0]*/(?=\w+\.py\0)", lambda found: b"/" * len(found[0]), data)


def main():
    folder = Path(__file__).parent
    pair = (torch.ones(2, 3), torch.ones(2, 3))
    image = (torch.ones(1, 3, 8, 8),)
    unplanned = ExecutorchBackendConfig(
        memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False, alloc_graph_output=False))
    files = {
        "add": lambda: portable(Add(), pair),
        "add_weight": lambda: portable(AddWeight(), pair[:1]),
        "add_unplanned": lambda: portable(Add(), pair, config=unplanned),
        "add_traced": lambda: portable(Add(), pair, config=ExecutorchBackendConfig(emit_stacktrace=True)),
        "add_xnnpack": lambda: xnnpack(Add(), pair),
        "conv_relu6_portable": lambda: portable(ConvRelu6(), image),
        "conv_relu6_xnnpack": lambda: xnnpack(ConvRelu6(), image),
        "conv_relu6_inline": lambda: xnnpack(
            ConvRelu6(), image, ExecutorchBackendConfig(extract_delegate_segments=False)),
        "cond": lambda: portable(Cond(), (torch.ones(4),)),
        "map": lambda: portable(MapScale(), (torch.ones(3, 2), torch.ones(2))),
        "mutable_buffer": lambda: portable(
            Counter(), (torch.ones(3),),
            config=ExecutorchBackendConfig(passes=[InitializedMutableBufferPass(["state"])])),
        "dynamic_batch": lambda: portable(
            Linear(), (torch.ones(3, 5),), dynamic_shapes={"x": {0: Dim("batch", min=1, max=8)}}),
        "split_cat": lambda: portable(Split(), (torch.arange(12.0).reshape(4, 3),)),
    }
    for name, make in files.items():
        data = without_folders(bytes(make()))
        (folder / f"{name}.pte").write_bytes(data)
        print(f"{name}.pte {len(data)} bytes")


if __name__ == "__main__":
    main()
