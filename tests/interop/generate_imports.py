#!/usr/bin/env python3
"""Saves every module of the suites, and those of imports_more.py, with torch.export.save.

    .venv/bin/python tests/interop/generate_imports.py OUTPUT [--only REGEX] [--share N] [--list]

For every case a folder OUTPUT/<case>/ with

    train.pt2      straight after torch.export.export, in training IR
    core.pt2       after run_decompositions(), where that works
    calls.pt       (inputs, what eager PyTorch answers) of every call, flat
    case.json      what there is

A folder whose digest is that of the case's text is left alone. Quantization, constant methods and
the official exporter's options are the suites' other half (generate_suite.py) and play no part.
"""

import argparse
import copy
import json
import pathlib
import re
import shutil
import sys
import time
import traceback
import zlib

import torch

import suite_core
from generate_suite import eager, export, flat, load_suites

# Raise this when what is generated changes, so that old folders are made again.
VERSION = 1
# Whole networks are slow to trace; half of them suffice beside the official exporter's suite.
MODELS_SHARE = 2


def generate(case, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    calls = [case.arguments()]
    calls += [eval(more, case.space) if isinstance(more, str) else more for more in case.more]
    module = case.module()
    program = export(copy.deepcopy(module), copy.deepcopy(calls[0]), case)
    files = ["train.pt2"]
    torch.export.save(program, folder / "train.pt2")
    try:
        torch.export.save(program.run_decompositions(), folder / "core.pt2")
        files.append("core.pt2")
    except Exception:  # some programs do not survive their own decomposition
        (folder / "core.pt2").unlink(missing_ok=True)
    answers = eager(copy.deepcopy(module), calls, case.state)
    torch.save([(flat(i), a) for i, a in zip(calls, answers)], folder / "calls.pt")
    return {
        "name": case.name,
        "group": case.group,
        "check": case.check,
        "state": case.state,
        "files": files,
    }


def selected(cases, share):
    """One case in `share`, by name, so that a machine's part is the same on every run."""
    chosen = {}
    for name, case in cases.items():
        of = share * MODELS_SHARE if case.group == "models" else share
        if not case.train and zlib.crc32(name.encode()) % of == 0:
            chosen[name] = case
    return chosen


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
    load_suites()
    import imports_more  # noqa: F401  adds its cases

    cases = selected(suite_core.CASES, options.share)
    if options.list:
        print("\n".join(cases))
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    for old in options.output.iterdir():  # cases that are no more
        if old.is_dir() and old.name not in cases:
            shutil.rmtree(old)
    failed = {}
    todo = [
        case
        for case in cases.values()
        if re.search(options.only, case.name) and not suite_core.is_complete(case, options.output, VERSION)
    ]
    for case in todo:
        folder = options.output / case.name
        try:
            record = generate(case, folder)
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            text = f"{type(error).__name__}: {error}".strip().splitlines()
            failed[case.name] = traceback.format_exc() if options.verbose else "\n".join(text[:3])
            continue
        record["digest"] = f"{VERSION} {case.digest()}"
        (folder / "case.json").write_text(json.dumps(record))
    for name, text in sorted(failed.items()):
        print(f"{name}: {text}\n", file=sys.stderr)
    print(
        f"{len(todo) - len(failed)} modules saved, {len(failed)} cannot be exported, "
        f"{time.time() - start:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
