#!/usr/bin/env python3
"""Saves every module of the suites, and those of imports_more.py and scripts_more.py, as
TorchScript: traced, and scripted where torch.jit can.

    .venv/bin/python tests/interop/generate_scripts.py OUTPUT [--only REGEX] [--share N] [--list]

For every case a folder OUTPUT/<case>/ with

    trace.pt, script.pt   those that torch.jit makes and that give what eager gives
    lite.ptl              the scripted one as mobile bytecode
    calls.pt              (inputs, what eager PyTorch answers) of every call, flat
    case.json             what there is, and the words that tell the first call's inputs
    in<i>.npy

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

import suite_core
from generate_suite import eager, flat, load_suites, save_input

warnings.filterwarnings("ignore")
# Raise this when what is generated changes, so that old folders are made again.
VERSION = 3
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


def by_key(value):
    """Dictionaries in the order of their keys, as ptekit's programs take them."""
    if isinstance(value, dict):
        return [by_key(value[key]) for key in sorted(value)]
    return type(value)(map(by_key, value)) if type(value) in (list, tuple) else value


def plain(inputs):
    """Flat, and by rows: an archive says nothing of its inputs' layout."""
    leaves = flat(by_key(inputs))
    return [v.contiguous() if isinstance(v, torch.Tensor) else v for v in leaves]


def of_one_program(first, other):
    """Whether a program made for the one's sizes and numbers takes the other."""
    first, other = flat(first), flat(other)
    return len(first) == len(other) and all(
        a.dtype == b.dtype and a.shape == b.shape
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor)
        else type(a) is type(b) and a == b
        for a, b in zip(first, other)
    )


def generate(case, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    inputs = case.arguments()
    calls = [inputs]
    for more in case.more:
        more = eval(more, case.space) if isinstance(more, str) else more
        if of_one_program(inputs, more):
            calls.append(more)
    torch.manual_seed(0)
    answers = eager(copy.deepcopy(case.module()), calls, case.state)
    torch.save([(plain(i), a) for i, a in zip(calls, answers)], folder / "calls.pt")
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
                torch.jit.save(made, folder / f"{name}.pt")
                torch.manual_seed(0)
                own = eager(made, calls, True)
        except Exception:
            (folder / f"{name}.pt").unlink(missing_ok=True)
            continue
        if case.check == "values" and not all(
            len(call) == len(answer) and all(close(a, b) for a, b in zip(call, answer))
            for call, answer in zip(own, answers)
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
    words = [save_input(v, folder, f"in{k}") for k, v in enumerate(plain(inputs))]
    if any(row.get("file", "").endswith(".bin") for row in words):  # bfloat16, which no .npy holds
        tensors = [v for v in plain(inputs) if isinstance(v, torch.Tensor)]
        sizes = ";".join(",".join(map(str, v.shape)) for v in tensors)
        types = ",".join(str(v.dtype).removeprefix("torch.") for v in tensors)
        words = ["--input-shapes", sizes, "--input-dtypes", types]
    else:
        words = [f"--example={row.get('file') or row['text']}" for row in words]
    return {
        "name": case.name,
        "group": case.group,
        "check": case.check,
        "state": case.state,
        "files": files,
        "words": words,
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
    load_suites()
    import imports_more  # noqa: F401  adds its cases
    import scripts_more  # noqa: F401  and these

    cases = selected(suite_core.CASES, options.share)
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
