"""Quantized .pt2 files exported by ptekit: what the official runtime makes of them.

A test a folder of generate_quantized.py. Portable programs quantize where eager PyTorch does, so
their numbers are its own. XNNPACK computes layers in integers: there the official exporter's file is
the measure, within one step of the output. Files are no larger than the official ones.
"""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pytest
import torch

import test_imports
from conftest import INTEROP, PTE

QUANTIZED = pathlib.Path(os.environ.get("PTE_QUANTIZED", INTEROP / "quantized"))
# Of the largest value of an output, where it does not come in steps.
TOLERANCE = 1e-4
# Integers chosen from other sums: an operand's step, seen in a result.
DYNAMIC_TOLERANCE = 1e-2
SIZE = 1.01
# A plan's alignment, which outweighs what tiny files hold.
SIZE_SLACK = 512
# Modes in which the official exporter's XNNPACK files compute something else altogether: it takes
# filters of integers for ready floats.
OFFICIAL_IS_WRONG = ("int8wo", "intx8wo", "intx4wo")
# Modes in which ours keep scales in float32 where the official file has bfloat16.
FINER_SCALES = ("8da4w", "8da4w_rows")


def load_records():
    return [json.loads(path.read_text()) for path in sorted(QUANTIZED.glob("*/case.json"))]


def cases():
    return [
        pytest.param(record, file, backend, id=f"{record['name']}-{pathlib.Path(file).stem}-{backend}")
        for record in load_records()
        for file in record["files"]
        for backend in ("portable", "xnnpack")
    ]


def gap(actual, expected):
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    return float((actual.double() - expected.double()).abs().max()) if actual.numel() else 0.0


def bound(expected, step, dynamic):
    largest = float(expected.double().abs().max()) if expected.numel() else 0.0
    if step:
        return 1.001 * step
    return (DYNAMIC_TOLERANCE if dynamic else TOLERANCE) * max(largest, 1e-30)


@pytest.mark.parametrize("record,file,backend", cases())
def test_quantized(record, file, backend, tmp_path):
    source = QUANTIZED / record["name"] / file
    program = tmp_path / "ours.pte"
    command = [PTE, "export", source, "--backends", backend, "-o", program, "--quiet"]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=180,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    calls = torch.load(source.parent / "calls.pt")
    theirs = torch.load(source.parent / "official.pt", weights_only=False)[backend]
    ours = test_imports.official(program, calls, False, tmp_path)
    assert isinstance(ours, list), ours
    mode = record["mode"]
    dynamic = mode not in ("static", "int8wo", "intx8wo", "intx4wo")
    compared = backend == "xnnpack" and isinstance(theirs.get("outputs"), list)
    for number, (made, (_, eager)) in enumerate(zip(ours, calls)):
        for k, (a, e) in enumerate(zip(made, eager)):
            step = record["steps"][k]
            assert gap(a, e) <= bound(e, step, dynamic), f"call {number}, output {k}, against eager"
            if not compared or mode in OFFICIAL_IS_WRONG:
                continue
            o = theirs["outputs"][number][k]
            # core.pt2 spells torchao's operators out: floats again.
            loose = mode in FINER_SCALES or (dynamic and file == "core.pt2")
            assert gap(a, o) <= bound(e, step, loose), f"call {number}, output {k}, against official"
    wrong = backend == "xnnpack" and mode in OFFICIAL_IS_WRONG
    if "size" in theirs and not wrong and (mode in ("static", "dynamic") or file == "train.pt2"):
        assert program.stat().st_size <= SIZE * theirs["size"] + SIZE_SLACK
