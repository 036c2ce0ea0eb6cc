"""What the suites are written in: tables of small modules, one line each.

A line is  name :: what :: inputs :: options , where

    what      an expression of x, y, z, w (the inputs), or `nn.Something(…)`, or the name of a class
              of the suite's own file; statements before the last expression are allowed, after `;`
    inputs    a Python tuple made with the functions below (f, i, b, …) and plain numbers
    options   keyword arguments of Case, such as dyn=({0: D("n", 1, 8)},), q="static"

The text is all there is: a case is generated again when its text, or its file's classes, change.
"""

import dataclasses
import hashlib
import inspect
import json
import re
import textwrap
import zlib

import torch
import torch.nn.functional as F
from torch import nn

D = torch.export.Dim

# PyTorch's nonzero lays its result out by columns, and the file says so.
NONZERO = "nonzero writes rows whatever the memory order of its output"


def f(*shape, dtype=torch.float32):
    """Standard normal."""
    return torch.randn(shape).to(dtype)


def h(*shape):
    return f(*shape, dtype=torch.float16)


def bf(*shape):
    return f(*shape, dtype=torch.bfloat16)


def d(*shape):
    return f(*shape, dtype=torch.float64)


def pos(*shape, low=0.1, high=2.0, dtype=torch.float32):
    return (torch.rand(shape) * (high - low) + low).to(dtype)


def unit(*shape, dtype=torch.float32):
    """Inside (-1, 1), away from the ends."""
    return ((torch.rand(shape) * 2 - 1) * 0.97).to(dtype)


def i(*shape, low=-9, high=10, dtype=torch.int64):
    return torch.randint(low, high, shape).to(dtype)


def idx(n, *shape, dtype=torch.int64):
    return torch.randint(0, n, shape).to(dtype)


def b(*shape):
    return torch.randint(0, 2, shape).bool()


def t(values, dtype=None):
    return torch.tensor(values, dtype=dtype)


def special(dtype=torch.float32):
    """Values on which kernels like to differ."""
    inf, nan = float("inf"), float("nan")
    return torch.tensor(
        [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-8, 1e8, inf, -inf, nan, 3.75, -7.25],
        dtype=dtype,
    )


def ties(*shape, dtype=torch.float32):
    """Small whole numbers, so that equal elements meet."""
    return torch.randint(0, 4, shape).to(dtype)


def perm(n):
    return torch.randperm(n)


def cl(tensor):
    return tensor.contiguous(memory_format=torch.channels_last)


@dataclasses.dataclass
class Case:
    name: str
    group: str
    what: str
    inputs: str
    source: str  # all text that decides what is made
    space: dict = dataclasses.field(repr=False, default_factory=dict)
    dyn: object = None  # dynamic_shapes of torch.export
    more: tuple = ()  # further calls: tuples of inputs
    state: bool = False  # calls follow each other on one instance
    methods: dict = None  # name → (what, inputs) besides forward
    constants: dict = None  # constant methods
    q: str = ""  # "static", "dynamic" or both: quantized with XNNPACKQuantizer
    xnn: bool = True  # also XNNPACK fp32, where the partitioner takes something
    no: dict = dataclasses.field(default_factory=dict)  # backend → why the official exporter cannot
    nodim: bool = False  # also without the dim_order operators
    strict: bool = False
    train: bool = False
    check: str = "values"  # "shapes" for what is random or not initialised
    # backend (or "all") → reason: the official runtime's numbers are wrong, eager's count
    wrong: dict = dataclasses.field(default_factory=dict)
    config: str = ""  # keyword arguments of ExecutorchBackendConfig, as text
    partition: str = ""  # keyword arguments of XnnpackPartitioner, as text

    def digest(self):
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]

    def seed(self, salt=""):
        torch.manual_seed(zlib.crc32((self.name + salt).encode()))

    def module(self, what=None, inputs=None):
        count = len(self.arguments(inputs))
        self.seed()
        made = build(what or self.what, self.space, count)
        return made.train() if self.train else made.eval()

    def arguments(self, inputs=None):
        self.seed("inputs")
        made = eval(inputs or self.inputs, self.space)
        return made if isinstance(made, tuple) else (made,)


class Expression(nn.Module):
    pass


def plain(value):
    """torch.return_types.sort and its like cannot be exported: tuples instead."""
    if type(value) is tuple:
        return tuple(plain(part) for part in value)
    return tuple(value) if type(value).__module__ == "torch.return_types" else value


def build(what, space, count):
    """A module from the second column of a line; an expression takes `count` inputs."""
    if re.match(r"(nn\.[A-Z]|nn\.utils|tv\.|[A-Z]\w*\()", what):
        return eval(what, space)
    *statements, result = [part.strip() for part in what.split(";")]
    lines = [f"def forward(self, {', '.join('xyzwv'[:count])}):"]
    lines += [f"    {line}" for line in statements] + [f"    return plain(({result}))"]
    local = {}
    exec("\n".join(lines), space, local)
    return type("Expression", (Expression,), {"forward": local["forward"]})()


CASES = {}


def suite(group, space, table, **common):
    """Adds every line of a table. `space` is the suite file's globals()."""
    names = dict(globals())
    names.update(space)
    for line in textwrap.dedent(table).strip().splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        columns = [column.strip() for column in re.split(r"\s+::\s+", line)]
        name, what, inputs, options = (columns + ["", ""])[:4]
        full = f"{group}.{name}"
        if full in CASES:
            raise ValueError(f"{full} is there twice")
        source = line + repr(sorted(common.items(), key=str))
        for word in set(re.findall(r"\b[A-Z]\w+", line)):
            made = space.get(word)
            if inspect.isclass(made) and made.__module__ == space.get("__name__"):
                source += class_text(made, space)
        fields = dict(common)
        fields.update(eval(f"dict({options})", names))
        CASES[full] = Case(full, group, what, inputs or "()", source, names, **fields)


def class_text(made, space, seen=None):
    """A class's source with that of the other classes of its file that it names."""
    seen = seen if seen is not None else set()
    if made.__name__ in seen:
        return ""
    seen.add(made.__name__)
    text = inspect.getsource(made)
    for word in sorted(set(re.findall(r"\b[A-Z]\w+", text))):
        other = space.get(word)
        if inspect.isclass(other) and other.__module__ == space.get("__name__"):
            text += class_text(other, space, seen)
    return text


def is_complete(case, output, version):
    """Whether OUTPUT/<name> was made from this text by this version of its generator."""
    try:
        record = json.loads((output / case.name / "case.json").read_text())
    except (OSError, ValueError):
        return False
    return record["digest"] == f"{version} {case.digest()}"
