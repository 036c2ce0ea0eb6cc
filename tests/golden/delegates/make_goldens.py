"""Writes the programs beside this file with the official exporter: payloads that only other
machines run, for reading."""

import pathlib

import torch
from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner
from executorch.exir import to_edge_transform_and_lower

HERE = pathlib.Path(__file__).parent


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.linear(torch.relu(self.conv(x)).mean((2, 3)))


def main():
    torch.manual_seed(0)
    exported = torch.export.export(Small().eval(), (torch.randn(1, 3, 6, 6),))
    program = to_edge_transform_and_lower(exported, partitioner=[VulkanPartitioner()])
    (HERE / "vulkan.pte").write_bytes(program.to_executorch().buffer)


if __name__ == "__main__":
    main()
