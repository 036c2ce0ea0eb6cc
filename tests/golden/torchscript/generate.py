#!/usr/bin/env python3
"""Makes the TorchScript files beside this script.  /path/to/python tests/golden/torchscript/generate.py

Each file holds a module, and expected.json what eager PyTorch answers to inputs of the sizes named
there, filled with 0, 0.01, 0.02 … in order, and then to that times 2, 3 and 4, less 0.03.
"""

import enum
import json
import pathlib
import warnings
import zipfile
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn

warnings.filterwarnings("ignore")


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    x: torch.Tensor
    n: int


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)), inplace=True)
        x = F.dropout(x, 0.5, self.training)
        return self.head(x.mean([2, 3])).softmax(-1)


class Sizes(nn.Module):
    def forward(self, x):
        n, c = x.shape[0], x.shape[1] * x.shape[2] // 2
        return x.reshape(n, c, -1) * (c + 1.5)


class Language(nn.Module):
    """Lists, dictionaries, tuples, optional values, loops, enumerations, early returns."""

    def __init__(self):
        super().__init__()
        self.color = Color.BLUE
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)])
        self.names = ["a", "b"]

    def helper(self, x: torch.Tensor, n: int) -> torch.Tensor:
        if n > 5:
            return x * n
        return x + n

    def forward(self, x: torch.Tensor, n: int = 3, opt: Optional[torch.Tensor] = None):
        parts: List[torch.Tensor] = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            parts.append(x * i)
        total: Dict[str, torch.Tensor] = {}
        for name in self.names:
            total[name + str(n)] = parts[-1] + len(total)
        for i in range(1, 10, 2):
            if i > 5:
                break
            x = self.helper(x, i)
        i = 0
        while i < n:
            i += 2
            x = x - i
        if opt is not None:
            x = x + opt
        if self.color == Color.RED:
            x = x * 100
        pair = Pair(x, n)
        assert n > 0, f"n is {n}"
        a, b = torch.split(torch.stack(parts), [1, 2])
        z = a.clone()
        z[0, :, 1:3] = 7
        z[:, 0] += 1
        top, where = torch.max(pair.x, 1)
        return x, total["a3"], total["b3"], z, b[0], top, where, float(i) / 2 - 0.5


class Branch(nn.Module):
    def forward(self, x: torch.Tensor):
        if bool(x.sum() > 1):
            y = x + 1
            n = 2
        else:
            y = x * 2
            n = 3
        return y * n


class Loop(nn.Module):
    def forward(self, x: torch.Tensor):
        i = 0
        while bool(x.max() < 10) and i < 20:
            x = x * 2
            i += 1
        return x, i


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(2))

    def forward(self, x):
        self.count += x.mean()
        return x + self.count[0]


class Recurrent(nn.Module):
    """Begins without a state; what it remembers has another size after the first call."""

    last: List[int]

    def __init__(self):
        super().__init__()
        self.state = torch.zeros(0)
        self.last = []
        self.cell = nn.LSTMCell(3, 2)

    def forward(self, x):
        if self.last != x.shape:
            self.state = torch.zeros(0)
        if len(self.state):
            h, c = self.cell(x, (self.state[0], self.state[1]))
        else:
            h, c = self.cell(x, None)
        self.state = torch.stack([h, c])
        self.last = x.shape
        return h


class Changes(nn.Module):
    """A first call that no later one is like, and numbers that go on changing."""

    last: Optional[torch.Tensor]

    def __init__(self):
        super().__init__()
        self.last = None
        self.calls = 5

    def forward(self, x):
        last = self.last
        if last is None:
            out = torch.sin(x)
        else:
            out = x * last + self.calls
        self.last = x + 1
        self.calls += 2
        return out


class Grows(nn.Module):
    def __init__(self):
        super().__init__()
        self.all = torch.zeros(0, 3)

    def forward(self, x):
        self.all = torch.cat([self.all, x])
        return self.all.sum(0)


class Methods(nn.Module):
    """Several methods, an input in a dictionary, an output that is a word."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x), "logits"

    @torch.jit.export
    def both(self, table: Dict[str, torch.Tensor]):
        return self.layer(table["rows"]) * self.scaled(table)

    @torch.jit.export
    def scaled(self, table: Dict[str, torch.Tensor]):
        named = table
        return named["bias"] + 1


class Raises(nn.Module):
    def forward(self, x: torch.Tensor):
        if x.dim() != 3:
            raise ValueError("expected 3 dimensions, got {}".format(x.dim()))
        return x


def ramp(*sizes):
    count = 1
    for size in sizes:
        count *= size
    return torch.arange(count, dtype=torch.float32).reshape(sizes) / 100


CASES = {
    "traced_convolution": (Convolution, (1, 3, 8, 8), torch.jit.trace),
    "scripted_convolution": (Convolution, (1, 3, 8, 8), torch.jit.script),
    "frozen_convolution": (Convolution, (1, 3, 8, 8), "freeze"),
    "mobile_convolution": (Convolution, (1, 3, 8, 8), "mobile"),
    "traced_sizes": (Sizes, (2, 4, 6), torch.jit.trace),
    "language": (Language, (2, 4), torch.jit.script),
    "mobile_language": (Language, (2, 4), "mobile"),
    "branch": (Branch, (2, 3), torch.jit.script),
    "loop": (Loop, (2, 3), torch.jit.script),
    "counter": (Counter, (2, 2), torch.jit.script),
    "recurrent": (Recurrent, (2, 3), torch.jit.script),
    "mobile_recurrent": (Recurrent, (2, 3), "mobile"),
    "changes": (Changes, (2, 3), torch.jit.script),
    "mobile_changes": (Changes, (2, 3), "mobile"),
    "grows": (Grows, (2, 3), torch.jit.script),
    "methods": (Methods, (2, 3), torch.jit.script),
    "mobile_methods": (Methods, (2, 3), "mobile"),
    "raises": (Raises, (2, 2), torch.jit.script),
}


def without_places(path):
    """Drops the records that tell where a line's source lay on the machine that wrote the file."""
    alignment = 64
    with zipfile.ZipFile(path) as archive:
        records = [
            (entry, archive.read(entry))
            for entry in archive.infolist()
            if not entry.filename.endswith(".debug_pkl")
        ]
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in records:
            record = zipfile.ZipInfo(entry.filename)
            record.compress_type = entry.compress_type
            begin = archive.fp.tell() + 30 + len(entry.filename) + 4
            padding = -begin % alignment
            record.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            archive.writestr(record, data)


def answer_of(module, x):
    with torch.no_grad():
        answer = module(x)
    answer = answer if isinstance(answer, tuple) else (answer,)
    return [
        {"sizes": list(v.shape), "values": [float(f"{e:.8g}") for e in v.flatten().tolist()]}
        if isinstance(v, torch.Tensor)
        else v
        for v in answer
    ]


def main():
    folder = pathlib.Path(__file__).parent
    expected = {}
    for name, (module, sizes, how) in CASES.items():
        torch.manual_seed(0)
        made = module().eval()
        x = ramp(*sizes)
        path = folder / f"{name}.{'ptl' if how == 'mobile' else 'pt'}"
        if how is torch.jit.trace:
            script = torch.jit.trace(made, x)
        else:
            script = torch.jit.script(made)
        if how == "freeze":
            script = torch.jit.freeze(script)
        if how == "mobile":
            script._save_for_lite_interpreter(str(path))
        else:
            torch.jit.save(script, str(path))
        without_places(path)
        row = {"file": path.name, "sizes": list(sizes)}
        if name != "raises":
            row["outputs"] = answer_of(made, x)
            # Calls that follow on the same module, with other values.
            row["later"] = [answer_of(made, x * (k + 2) - 0.03) for k in range(3)]
        expected[name] = row
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
