#!/usr/bin/env python3
"""Saves every module of the suites as TorchScript: traced, and scripted where torch.jit can.

    .venv/bin/python tests/interop/generate_scripts.py OUTPUT [--only REGEX] [--share N] [--list]

For every case a folder OUTPUT/<case>/ with

    trace.pt, script.pt   those that torch.jit makes and that give what eager gives
    lite.ptl              the scripted one as mobile bytecode
    case.json             inputs of the first call, what eager PyTorch answers
    in<i>.npy|.bin, eager_out<i>.npy

A folder whose digest is that of the case's text is left alone.
"""

import argparse
import copy
import inspect
import json
import linecache
import pathlib
import re
import shutil
import sys
import textwrap
import time
import warnings
import zlib

import torch
from torch import nn
import torch.nn.functional as F

from generate_suite import flat, load_suites, save_input, save_value
import suite_core

warnings.filterwarnings("ignore")
# Raise this when what is generated changes, so that old folders are made again.
VERSION = 1
# Whole networks are slow to trace.
MODELS_SHARE = 2
HEADER = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"


def type_of(value):
    if isinstance(value, torch.Tensor):
        return "torch.Tensor"
    return type(value).__name__


def scriptable(case, inputs):
    """The case's module with source text that torch.jit.script can read."""
    if not isinstance(case.module(), suite_core.Expression):
        return case.module()
    *statements, result = [part.strip() for part in case.what.split(";")]
    arguments = "".join(f", {n}: {type_of(v)}" for n, v in zip("xyzwv", inputs))
    lines = [f"def forward(self{arguments}):"]
    lines += [f"    {line}" for line in statements] + [f"    return {result}"]
    name = f"<case {case.name}>"
    text = "\n".join(lines) + "\n"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    local = {}
    exec(compile(text, name, "exec"), case.space, local)
    return type("Expression", (nn.Module,), {"forward": local["forward"]})().eval()


def close(a, b):
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.is_complex():
            return False
        return torch.allclose(a.double(), b.double(), 1e-4, 1e-5, equal_nan=True)
    return type(a) is type(b) and (a == b or a != a)


def generate(case, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    inputs = case.arguments()
    with torch.no_grad():
        torch.manual_seed(0)
        answer = flat(case.module()(*copy.deepcopy(inputs)))
    files = []
    makers = {
        "trace": lambda: torch.jit.trace(
            case.module(), copy.deepcopy(inputs), check_trace=False
        ),
        "script": lambda: torch.jit.script(scriptable(case, inputs)),
    }
    for name, make in makers.items():
        if name == "trace" and not all(isinstance(v, torch.Tensor) for v in flat(inputs)):
            continue
        try:
            with torch.no_grad():
                made = make()
                torch.manual_seed(0)
                torch.jit.save(made, folder / f"{name}.pt")
                own = flat(made(*copy.deepcopy(inputs)))
        except Exception:
            (folder / f"{name}.pt").unlink(missing_ok=True)
            continue
        if case.check == "values" and not (
            len(own) == len(answer) and all(close(a, b) for a, b in zip(own, answer))
        ):
            (folder / f"{name}.pt").unlink(missing_ok=True)
            continue
        files.append(f"{name}.pt")
        if name == "script":
            try:
                # Made anew: the call above may have changed its state.
                make()._save_for_lite_interpreter(str(folder / "lite.ptl"))
                files.append("lite.ptl")
            except RuntimeError:  # what the mobile interpreter lacks
                (folder / "lite.ptl").unlink(missing_ok=True)
    if not files:
        raise ValueError("torch.jit neither traces nor scripts it")
    return {
        "name": case.name,
        "group": case.group,
        "check": case.check,
        "files": files,
        "shapes": [list(v.shape) for v in flat(inputs) if isinstance(v, torch.Tensor)],
        "inputs": [save_input(v, folder, f"in{k}") for k, v in enumerate(flat(inputs))],
        "dtypes": [
            str(v.dtype).removeprefix("torch.") for v in flat(inputs) if isinstance(v, torch.Tensor)
        ],
        "expected": [save_value(v, folder, f"eager_out{k}") for k, v in enumerate(answer)],
    }


def selected(cases, share):
    """One case in `share`, by name, so that a machine's part is the same on every run."""
    chosen = {}
    for name, case in cases.items():
        of = share * MODELS_SHARE if case.group == "models" and share > 1 else share
        if not case.train and not case.q and zlib.crc32(name.encode()) % of == 0:
            chosen[name] = case
    return chosen


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--share", type=int, default=1, help="one module in so many")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.time()
    cases = selected(load_suites(), options.share)
    if options.list:
        print("\n".join(cases))
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    failed = 0
    todo = [
        case
        for case in cases.values()
        if re.search(options.only, case.name) and not suite_core.is_complete(case, options.output, VERSION)
    ]
    made = 0
    for case in todo:
        folder = options.output / case.name
        try:
            record = generate(case, folder)
        except Exception as error:
            record = {"name": case.name, "files": [], "reason": str(error)[:200]}
            failed += 1
        record["digest"] = f"{VERSION} {case.digest()}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "case.json").write_text(json.dumps(record, indent=1))
        made += 1
    print(f"{made} of {len(cases)} modules made in {time.time() - start:.0f} s, {failed} without a file")
    return 0


if __name__ == "__main__":
    sys.exit(main())
