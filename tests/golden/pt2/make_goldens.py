"""Writes the small .pt2 files that the importer's tests read.

Run with PyTorch 2.13: python make_goldens.py [folder]. Each function below makes one model; the
names of the files are those of the functions, with "_aten" where decompositions were run.
"""

import io
import json
import pathlib
import struct
import sys
import warnings
import zipfile
import zlib

import torch
from torch import nn
from torch.export import Dim, export, save

warnings.filterwarnings("ignore")
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
torch.manual_seed(0)


class LinearRelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return torch.relu(self.fc(x))


class ConvBnRelu(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        return self.drop(self.act(self.bn(self.conv(x))))


class DynamicBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 2)

    def forward(self, x):
        y = x.view(x.shape[0], -1)
        return self.fc(y) * x.shape[0], x[:, 1:].reshape(-1, 3)


class DynamicPicture(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 2, 3, stride=2, padding=1)
        self.b = nn.Conv2d(2, 2, 3, stride=2, padding=1)

    def forward(self, x):
        return torch.max_pool2d(self.b(self.a(x)), 2)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("scratch", torch.ones(2), persistent=False)

    def forward(self, x):
        self.count.add_(1)
        self.scratch.copy_(x[0])
        return x + self.count


class WritesViews(nn.Module):
    """Writes through a select and a slice of a buffer and of an intermediate."""

    def __init__(self):
        super().__init__()
        self.register_buffer("rows", torch.zeros(3, 2))

    def forward(self, x):
        self.rows[1] = x[0]
        y = x * 2
        flat = y.view(-1)
        flat[1:3].mul_(10)
        y.t().add_(1)
        x.relu_()
        return self.rows + 0, y, flat


class Branches(nn.Module):
    def forward(self, x):
        return torch.cond(x.mean() > 0, lambda t: t.relu(), lambda t: t.exp() * 2, (x,))


class Loops(nn.Module):
    def forward(self, x, scale):
        from torch._higher_order_ops import map as hop_map
        from torch._higher_order_ops.while_loop import while_loop

        mapped = hop_map(lambda row, y: row * y, x, scale)
        _, z = while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2), (torch.tensor(0), x))
        return mapped, z


class SharedWeights(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)
        self.b = nn.Linear(3, 3, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("turned", self.a.weight.detach().t())
        self.slice = nn.Parameter(torch.arange(8.0).view(2, 4)[:, 1:])
        self.conv = nn.Conv2d(2, 2, 3).to(memory_format=torch.channels_last)

    def forward(self, x, picture):
        return self.b(self.a(x)) @ self.turned + self.slice, self.conv(picture)


class ListOutputs(nn.Module):
    def forward(self, x):
        a, b, _ = torch.chunk(x, 3, dim=1)
        return {"first": a, "rest": [b, None, 7]}, x


class KeywordArguments(nn.Module):
    def forward(self, x, scale: int, *, bias=None, flag=True):
        y = x * scale
        if bias is not None:
            y = y + bias
        return torch.where(y > 0.5, y, torch.tensor(0.25)) if flag else y


class Literals(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            y = x.clamp(min=0.0, max=float("inf"))
        z = torch.full((2, 3), 1, dtype=torch.float32) + torch.arange(3)
        return torch.cat([y, z], dim=0) / 2, y.mean(), y.to(torch.int32)


class DataDependent(nn.Module):
    def forward(self, x, n):
        k = n.item()
        torch._check(k >= 1)
        torch._check(k <= 4)
        return torch.arange(k) * 2, x.sum(dim=0) * k


@torch.library.custom_op("mylib::rotate", mutates_args=())
def rotate(x: torch.Tensor) -> torch.Tensor:
    return x.roll(1)


@rotate.register_fake
def _(x):
    return torch.empty_like(x)


class Unsupported(nn.Module):
    def forward(self, x):
        y = torch.fft.rfft(x).abs()
        z = torch.fft.rfft(y)
        return rotate(x), z.abs()


def hide_paths(file):
    """Stack traces name folders of the machine that made the file: replaces them by a neutral name
    of the same length, so that no offset moves, and mends the checksums."""
    data = bytearray(file.read_bytes())
    folders = [sys.prefix, str(pathlib.Path(__file__).resolve().parents[3])]
    for folder in folders:
        neutral = ("/source" + "_" * len(folder))[: len(folder)]
        data = data.replace(folder.encode(), neutral.encode())
    # The checksum stands in the central directory and in the descriptor behind the data.
    for entry in zipfile.ZipFile(io.BytesIO(data)).infolist():
        name, extra = struct.unpack_from("<HH", data, entry.header_offset + 26)
        start = entry.header_offset + 30 + name + extra
        fresh = struct.pack("<I", zlib.crc32(data[start : start + entry.file_size]))
        old = struct.pack("<I", entry.CRC)
        record = data.rindex(old)
        while data[record - 16 : record - 12] != b"PK\x01\x02" or not data[record + 30 :].startswith(
            entry.filename.encode()
        ):
            record = data.rindex(old, 0, record)
        data[record : record + 4] = fresh
        descriptor = start + entry.file_size
        if data[descriptor : descriptor + 4] == b"PK\x07\x08":
            data[descriptor + 4 : descriptor + 8] = fresh
    file.write_bytes(data)
    assert zipfile.ZipFile(file).testzip() is None


def write(name, model, args, kwargs=None, aten=False, train=False, **options):
    model = model.train() if train else model.eval()
    program = export(model, args, kwargs, **options)
    save(program, str(OUT / f"{name}.pt2"))
    hide_paths(OUT / f"{name}.pt2")
    if aten:
        save(program.run_decompositions(), str(OUT / f"{name}_aten.pt2"))
        hide_paths(OUT / f"{name}_aten.pt2")


def old_layout(name, source):
    """The archive of torch 2.7 and earlier, from a file in the present one."""
    new = zipfile.ZipFile(OUT / f"{source}.pt2")
    loaded = torch.export.load(str(OUT / f"{source}.pt2"))
    program = json.loads(new.read(f"{source}/models/model.json"))

    def saved(value):
        buffer = io.BytesIO()
        torch.save(value, buffer)
        return buffer.getvalue()

    with zipfile.ZipFile(OUT / f"{name}.pt2", "w", zipfile.ZIP_DEFLATED) as old:
        for entry, data in {
            "serialized_exported_program.json": json.dumps(program),
            "serialized_state_dict.pt": saved(dict(loaded.state_dict)),
            "serialized_constants.pt": saved(dict(loaded.constants)),
            "serialized_example_inputs.pt": saved(loaded.example_inputs),
            "version": "8.8",
        }.items():
            old.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def main():
    batch = Dim("batch", min=2, max=16)
    write("linear_relu", LinearRelu(), (torch.randn(1, 3),))
    write("conv_bn_relu", ConvBnRelu(), (torch.randn(1, 3, 8, 8),), aten=True)
    write("train_mode", ConvBnRelu(), (torch.randn(1, 3, 8, 8),), train=True)
    write("dynamic_batch", DynamicBatch(), (torch.randn(4, 4, 3),), aten=True, dynamic_shapes=({0: batch},))
    write("dynamic_picture", DynamicPicture(), (torch.randn(1, 1, 40, 40),),
          dynamic_shapes=({2: Dim("h", min=32, max=512), 3: Dim("w", min=32, max=512)},))
    write("counter", Counter(), (torch.randn(2, 2),), aten=True)
    write("writes_views", WritesViews(), (torch.randn(2, 2),))
    write("branches", Branches(), (torch.randn(2, 2),))
    write("loops", Loops(), (torch.randn(3, 2), torch.randn(2)))
    write("shared_weights", SharedWeights(), (torch.randn(2, 3), torch.randn(1, 2, 4, 4).to(memory_format=torch.channels_last)))
    write("list_outputs", ListOutputs(), (torch.randn(2, 6),))
    write("keyword_arguments", KeywordArguments(), (torch.randn(2), 3), {"bias": torch.randn(2), "flag": True})
    write("literals", Literals(), (torch.randn(2, 3),))
    write("data_dependent", DataDependent(), (torch.randn(2, 2), torch.tensor(3)))
    write("unsupported", Unsupported(), (torch.randn(8),))
    old_layout("linear_relu_old", "linear_relu")


if __name__ == "__main__":
    main()
