#!/usr/bin/env python3
"""Calls of ATen overloads with what eager PyTorch answers, for src/cli/composites_test.cc.

    .venv/bin/python tests/golden/aten/make_goldens.py

Exports the modules of tests/interop/imports_more.py and suite_loss.py, runs their graphs node by
node and keeps the first calls of every overload that importers/aten writes as a composite. Writes
cases.zip: one JSON text, a list of {"op", "args": {name: value}, "results": [value]}.
"""

import json
import math
import pathlib
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests/interop"))

import torch

import suite_core
import suite_loss  # noqa: F401
import imports_more  # noqa: F401

CALLS = 2  # of each overload
ELEMENTS = 400  # at most, in all tensors of a call
CHANCE = ("rand", "normal", "bernoulli", "uniform", "exponential", "empty")


def composites():
    names = set()
    for path in (ROOT / "src/importers/aten").glob("*.cc"):
        names.update(re.findall(r'\{?"(aten::[\w.]+)', path.read_text()))
    return names


def number(value):
    if isinstance(value, float):
        return f"{value:.9g}" if math.isfinite(value) else str(value)
    return value


def encode(value):
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            raise TypeError
        flat = value.detach().flatten()
        values = flat.double().tolist() if value.is_floating_point() else flat.tolist()
        return {
            "dtype": str(value.dtype).removeprefix("torch."),
            "sizes": list(value.shape),
            "values": [number(v) for v in values],
        }
    if isinstance(value, torch.dtype):
        return {"type": str(value).removeprefix("torch.")}
    if isinstance(value, (torch.device, torch.layout, torch.memory_format)):
        return None
    if isinstance(value, float):
        return {"number": number(value)}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise TypeError


def elements(value):
    if isinstance(value, torch.Tensor):
        return value.numel()
    return sum(map(elements, value)) if isinstance(value, (tuple, list)) else 0


class Recorder(torch.fx.Interpreter):
    def __init__(self, module, wanted, cases):
        super().__init__(module)
        self.wanted, self.cases = wanted, cases

    def call_function(self, target, args, kwargs):
        kept = None
        name = ""
        if isinstance(target, torch._ops.OpOverload):
            name = target.name().removesuffix(".default")
            schema = target._schema
            writes = any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)
            seen = self.cases.setdefault(name, []) if name in self.wanted else None
            if seen is not None and not writes and len(seen) < CALLS:
                named = {a.name: v for a, v in zip(schema.arguments, args)} | dict(kwargs)
                if sum(map(elements, named.values())) <= ELEMENTS:
                    try:
                        kept = {"op": name, "args": {k: encode(v) for k, v in named.items()}}
                    except TypeError:
                        kept = None
        made = super().call_function(target, args, kwargs)
        if kept and elements(made) <= ELEMENTS:
            results = list(made) if isinstance(made, (tuple, list)) else [made]
            try:
                kept["results"] = [encode(value) for value in results]
                if kept not in self.cases[name]:
                    self.cases[name].append(kept)
            except TypeError:
                pass
        return made


def main():
    torch.set_num_threads(1)
    wanted = {n for n in composites() if not any(c in n for c in CHANCE)}
    cases = {}
    for case in suite_core.CASES.values():
        if case.train or case.dyn is not None:
            continue
        inputs = case.arguments()
        try:
            with torch.no_grad():
                program = torch.export.export(case.module(), inputs)
                Recorder(program.module(), wanted, cases).run(*inputs)
        except Exception as error:  # some do not survive being run node by node
            print(f"{case.name}: {type(error).__name__}", file=sys.stderr)
    rows = [row for name in sorted(cases) for row in cases[name]]
    text = "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n"
    entry = zipfile.ZipInfo("cases.json", (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(HERE / "cases.zip", "w") as archive:
        archive.writestr(entry, text, compresslevel=9)
    print(f"{len(rows)} calls of {len(cases)} overloads, {len(text)} bytes")


if __name__ == "__main__":
    main()
