"""Exports the small programs that src/program and src/runtime are tested on with the official exporter,
and stores what each computes in eager PyTorch (<name>.in0.npy …, <name>.out0.npy …).

usage: python make_goldens.py     (needs executorch 1.5 and torch; writes beside itself)
"""

import re
from pathlib import Path

import numpy as np
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
        pooled = torch.nn.functional.max_pool2d(x.reshape(1, 1, 4, 3), 2)
        return torch.cat([second, first], dim=1), pooled


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


def write(folder, name, module, inputs, exporter=portable, **options):
    data = without_folders(bytes(exporter(module, inputs, **options)))
    (folder / f"{name}.pte").write_bytes(data)
    print(f"{name}.pte {len(data)} bytes")


def write_run(folder, name, module, inputs):
    outputs = module.eval()(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for kind, tensors in (("in", inputs), ("out", outputs)):
        for i, tensor in enumerate(tensors):
            np.save(folder / f"{name}.{kind}{i}.npy", tensor.detach().numpy())


def main():
    folder = Path(__file__).parent
    torch.manual_seed(1)
    pair = (torch.randn(2, 3), torch.randn(2, 3))
    image = (torch.randn(1, 3, 8, 8),)
    unplanned = ExecutorchBackendConfig(
        memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False, alloc_graph_output=False))
    initialised = ExecutorchBackendConfig(passes=[InitializedMutableBufferPass(["state"])])
    batch = {"x": {0: Dim("batch", min=1, max=8)}}
    cases = [
        ("add", Add(), pair, {}),
        ("add_weight", AddWeight(), pair[:1], {}),
        ("add_unplanned", Add(), pair, {"config": unplanned}),
        ("add_traced", Add(), pair, {"config": ExecutorchBackendConfig(emit_stacktrace=True)}),
        ("add_xnnpack", Add(), pair, {"exporter": xnnpack}),
        ("conv_relu6_portable", ConvRelu6(), image, {}),
        ("conv_relu6_xnnpack", ConvRelu6(), image, {"exporter": xnnpack}),
        ("conv_relu6_inline", ConvRelu6(), image, {
            "exporter": xnnpack, "config": ExecutorchBackendConfig(extract_delegate_segments=False)}),
        ("cond", Cond(), (torch.tensor([1.0, 2.0, 3.0, -9.0]),), {}),
        ("map", MapScale(), (torch.randn(3, 2), torch.randn(2)), {}),
        ("mutable_buffer", Counter(), (torch.tensor([1.0, 2.0, 3.0]),), {"config": initialised}),
        ("dynamic_batch", Linear(), (torch.randn(3, 5),), {"dynamic_shapes": batch}),
        ("split_cat", Split(), (torch.randn(4, 3),), {}),
    ]
    for name, module, inputs, options in cases:
        write(folder, name, module, inputs, **options)
        write_run(folder, name, module, inputs)


if __name__ == "__main__":
    main()
