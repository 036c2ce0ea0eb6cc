#!/usr/bin/env python3
"""Saves quantized modules with torch.export.save, beside what the official exporter makes of them.

    .venv/bin/python tests/interop/generate_quantized.py OUTPUT [--only REGEX] [--share N] [--list]

The modules are those of suite_quantized.py, quantized by XNNPACKQuantizer (PT2E: static or
dynamic), and those of TORCHAO below, quantized by torchao's quantize_(). For every one a folder
OUTPUT/<case>.<mode>/ with

    train.pt2, core.pt2     as generate_imports.py saves them
    calls.pt                (inputs, what eager PyTorch answers) of every call, flat
    official.pt             backend → {"size": of the official file, "outputs": of every call} as far
                            as the official exporter and its runtime get
    case.json               what there is; "steps": for each output the step that its values come in
"""

import argparse
import copy
import json
import pathlib
import re
import shutil
import sys
import tempfile
import time
import traceback
import zlib

import torch
from torch import nn

import suite_core
from generate_suite import eager, export, flat, load_suites, quantized, step_of, tools
from suite_core import suite

# Raise this when what is generated changes, so that old folders are made again.
VERSION = 1


class Mixed(nn.Module):
    """A small transformer block: what weight-only files of language models are made of."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x):
        return x + self.down(torch.nn.functional.silu(self.up(self.norm(x))))


# What torchao's quantize_() does to linear layers, by mode.
TORCHAO = {
    "8da4w": "tq.Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=tq.PerGroup(32))",
    "8da4w_rows": "tq.Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int4, weight_granularity=tq.PerAxis(0))",
    "8da8w": "tq.Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int8, weight_granularity=tq.PerAxis(0))",
    "int8dq": "tq.Int8DynamicActivationInt8WeightConfig()",
    "int8wo": "tq.Int8WeightOnlyConfig()",
    "intx8wo": "tq.IntxWeightOnlyConfig(weight_dtype=torch.int8, granularity=tq.PerAxis(0))",
    "intx4wo": "tq.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=tq.PerGroup(32))",
}

suite("torchao", globals(), """
    linear      :: nn.Sequential(nn.Linear(64, 48)) :: f(5, 64)
    no_bias     :: nn.Sequential(nn.Linear(64, 48, bias=False)) :: f(1, 64)
    three_dims  :: nn.Sequential(nn.Linear(96, 32), nn.ReLU(), nn.Linear(32, 7)) :: f(2, 3, 96)
    mixed       :: Mixed(64) :: f(2, 4, 64)
    open        :: nn.Sequential(nn.Linear(64, 33)) :: f(3, 64) :: dyn=({0: D("n", min=2, max=8)},), more=("(f(5, 64),)",)
""")


def all_cases():
    """(case, mode) by name; a case of the suites may be quantized in several modes."""
    load_suites()
    found = {}
    for case in suite_core.CASES.values():
        modes = [mode for mode in ("static", "dynamic") if mode in case.q]
        if case.group == "torchao":
            modes = list(TORCHAO)
        for mode in modes:
            found[f"{case.name}.{mode}"] = (case, mode)
    return found


def quantize(case, mode, calls):
    if mode in ("static", "dynamic"):
        return quantized(case, mode == "dynamic", calls)
    import torchao.quantization as tq

    module = case.module()
    tq.quantize_(module, eval(TORCHAO[mode], {"tq": tq, "torch": torch}))
    return module


def official(program, calls, backend):
    """The official exporter's file for a backend and what its runtime makes of it."""
    kit = tools()
    import executorch.kernels.quantized  # noqa: F401  registers what to_executorch() asks for

    made = {}
    try:
        if backend == "portable":
            manager = kit.exir.to_edge(copy.deepcopy(program), compile_config=kit.config())
        else:
            manager = kit.exir.to_edge_transform_and_lower(
                copy.deepcopy(program),
                partitioner=[kit.passes.XnnpackPartitioner()],
                compile_config=kit.config(),
            )
        data = manager.to_executorch().buffer
        made["size"] = len(data)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]}
    import test_imports

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "official.pte").write_bytes(data)
        pairs = [(inputs, None) for inputs in calls]
        outputs = test_imports.official(folder / "official.pte", pairs, False, folder)
    made["outputs" if isinstance(outputs, list) else "error"] = outputs
    return made


def generate(name, case, mode, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    calls = [case.arguments()]
    calls += [eval(more, case.space) if isinstance(more, str) else more for more in case.more]
    module = quantize(case, mode, calls)
    program = export(copy.deepcopy(module), copy.deepcopy(calls[0]), case)
    files = ["train.pt2"]
    torch.export.save(program, folder / "train.pt2")
    try:
        torch.export.save(program.run_decompositions(), folder / "core.pt2")
        files.append("core.pt2")
    except Exception:  # some programs do not survive their own decomposition
        (folder / "core.pt2").unlink(missing_ok=True)
    answers = eager(copy.deepcopy(module), calls, case.state)
    inputs = [flat(i) for i in calls]
    torch.save(list(zip(inputs, answers)), folder / "calls.pt")
    theirs = {backend: official(program, inputs, backend) for backend in ("portable", "xnnpack")}
    torch.save(theirs, folder / "official.pt")
    return {
        "name": name,
        "mode": mode,
        "files": files,
        "steps": step_of(program.graph_module),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--share", type=int, default=1, help="one module in so many")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.time()
    cases = {
        name: found
        for name, found in all_cases().items()
        if zlib.crc32(name.encode()) % options.share == 0
    }
    if options.list:
        print("\n".join(cases))
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    for old in options.output.iterdir():  # cases that are no more
        if old.is_dir() and old.name not in cases:
            shutil.rmtree(old)
    count, failed = 0, {}
    for name, (case, mode) in cases.items():
        folder = options.output / name
        digest = f"{VERSION} {case.digest()} {TORCHAO.get(mode, '')}"
        try:
            if json.loads((folder / "case.json").read_text())["digest"] == digest:
                continue
        except (OSError, ValueError, KeyError):
            pass
        if not re.search(options.only, name):
            continue
        count += 1
        try:
            record = generate(name, case, mode, folder)
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            text = f"{type(error).__name__}: {error}".strip().splitlines()
            failed[name] = traceback.format_exc() if options.verbose else "\n".join(text[:3])
            continue
        record["digest"] = digest
        (folder / "case.json").write_text(json.dumps(record))
    for name, text in sorted(failed.items()):
        print(f"{name}: {text}\n", file=sys.stderr)
    print(
        f"{count - len(failed)} modules saved, {len(failed)} cannot be exported, "
        f"{time.time() - start:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
