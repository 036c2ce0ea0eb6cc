"""What torch.export saved, exported by ptekit: right in the official runtime, or refused by name.

A test a folder of generate_imports.py: training IR and core ATen, each to portable and XNNPACK. The
numbers are eager PyTorch's. As a program it prints every case that is not right, and the shares:

    .venv/bin/python tests/interop/test_imports.py [REGEX] [--files train,core] [--backends …]
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numpy as np
import pytest
import torch

from conftest import INTEROP, PTE

IMPORTS = pathlib.Path(os.environ.get("PTE_IMPORTS", INTEROP / "imports"))
# Of the largest value of an output.
TOLERANCE = 1e-4
EPSILON = {torch.float16: 2.0**-9, torch.bfloat16: 2.0**-6}
RUN_SECONDS = 60

# What is refused, and the words in which: it must stay refused by name until it works.
REFUSED = {
    "binary.nextafter": "aten.nextafter",
    "control.associative_scan": "torch._functorch.predispatch",
    "factory.dropout_training": "training mode",
    "factory.polar": "aten.view_as_real",
    "files.auto_dimension": "no upper bound",
    "views.view_as_complex": "complex numbers",
}
# What the official runtime, or PyTorch's own decomposition, gets wrong.
DIFFERENT = {
    "activation.special_values": "the official gelu of -inf is NaN",
    "binary.maximum_nan": "XNNPACK's maximum drops NaN",
    "loss.multilabel_margin": "PyTorch's decomposition counts what is no label",
}


@dataclasses.dataclass
class Answer:
    kind: str  # right, refused, wrong
    text: str = ""


_runtime = None


def runtime():
    """The official runtime, loaded once; every program runs in a child of its own."""
    global _runtime
    if _runtime is None:
        import executorch
        from executorch.extension.pybindings import portable_lib

        kernels = pathlib.Path(executorch.__path__[0]) / "lib/libexecutorch_kernels_quantized.so"
        if kernels.exists():
            torch.ops.load_library(str(kernels))
        _runtime = portable_lib
    return _runtime


def child(program, calls, state, answer):
    """Runs every call and writes what comes of them; never returns."""
    log = os.open(answer + ".log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal.alarm(RUN_SECONDS)
    torch.set_num_threads(1)
    try:
        data = pathlib.Path(program).read_bytes()
        module, outputs = None, []
        for inputs, _ in calls:
            if module is None or not state:
                module = runtime()._load_for_executorch_from_buffer(data)
            # What the export fixed (numbers, None) is no input of ptekit's programs.
            if module.method_meta("forward").num_inputs() < len(inputs):
                inputs = [value for value in inputs if isinstance(value, torch.Tensor)]
            made = module.run_method("forward", tuple(inputs))
            outputs.append([v.clone() if isinstance(v, torch.Tensor) else v for v in made])
        torch.save(outputs, answer)
    except BaseException as error:
        os.write(1, f"\n{type(error).__name__}: {error}".encode())
        os._exit(1)
    os._exit(0)


def official(program, calls, state, folder):
    """The outputs of every call, or a text that says why there are none."""
    runtime()
    answer = str(folder / "answer.pt")
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        child(program, calls, state, answer)
    _, status = os.waitpid(process, 0)
    if status == 0:
        return torch.load(answer)
    lines = pathlib.Path(answer + ".log").read_text(errors="replace").strip().splitlines()
    lines = [line for line in lines if "cpuinfo" not in line]
    told = [line for line in lines if "not found" in line or line.startswith(("E ", "F "))]
    return f"status {status}: " + " | ".join((told or lines)[:2] + lines[-1:])[:400]


def difference(actual, expected, shapes_only):
    """None when right."""
    if expected is None:
        return None
    if isinstance(expected, str):
        return None if actual == expected else f"{actual!r}, expected {expected!r}"
    if not isinstance(expected, torch.Tensor):
        near = abs(float(actual) - float(expected)) <= 1e-6 * max(1, abs(float(expected)))
        return None if near else f"{actual}, expected {expected}"
    if not isinstance(actual, torch.Tensor):
        return f"{actual!r}, expected a tensor"
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return (
            f"{actual.dtype}{list(actual.shape)}, expected {expected.dtype}{list(expected.shape)}"
        )
    if shapes_only or actual.numel() == 0:
        return None
    if not expected.dtype.is_floating_point:
        off = int((actual != expected).sum())
        return f"{off} of {actual.numel()} elements differ" if off else None
    a, e = (v.detach().double().numpy() for v in (actual, expected))
    with np.errstate(all="ignore"):
        same = (a == e) | (np.isnan(a) & np.isnan(e))
        gap = np.where(same, 0, np.abs(a - e))
    if not np.isfinite(gap).all():
        return f"{int((~np.isfinite(gap)).sum())} elements differ in infinity or NaN"
    finite = np.isfinite(e)
    largest = np.abs(e[finite]).max() if finite.any() else 0
    bound = max(TOLERANCE, EPSILON.get(expected.dtype, 0)) * largest
    if gap.max() > bound:
        return f"largest difference {gap.max() / (largest or 1):.1e} of the largest value"
    return None


def judge(record, file, backend, folder):
    """Exports one file and runs the result."""
    source = IMPORTS / record["name"] / file
    program = folder / f"{backend}.pte"
    command = [PTE, "export", source, "--backends", backend, "-o", program, "--quiet"]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=180,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip().replace(str(source), "")
        return Answer("refused" if done.returncode > 0 else "wrong", text)
    calls = torch.load(IMPORTS / record["name"] / "calls.pt")
    outputs = official(program, calls, record["state"], folder)
    if isinstance(outputs, str):
        return Answer("wrong", outputs)
    for number, (made, (_, expected)) in enumerate(zip(outputs, calls)):
        if len(made) != len(expected):
            return Answer("wrong", f"{len(made)} outputs, expected {len(expected)}")
        for k, (a, e) in enumerate(zip(made, expected)):
            wrong = difference(a, e, record["check"] == "shapes")
            if wrong:
                return Answer("wrong", f"call {number}, output {k}: {wrong}")
    return Answer("right")


def load_records():
    return [json.loads(path.read_text()) for path in sorted(IMPORTS.glob("*/case.json"))]


def cases():
    return [
        pytest.param(record, file, backend, id=f"{record['name']}-{pathlib.Path(file).stem}-{backend}")
        for record in load_records()
        for file in record["files"]
        for backend in ("portable", "xnnpack")
    ]


@pytest.mark.parametrize("record,file,backend", cases())
def test_import(record, file, backend, tmp_path):
    answer = judge(record, file, backend, tmp_path)
    reason = REFUSED.get(record["name"])
    if reason is not None:
        assert answer.kind == "refused" and reason in answer.text, (
            f"it should be refused with '{reason}', or be taken off REFUSED: {answer}"
        )
        pytest.xfail(reason)
    if answer.kind != "right" and record["name"] in DIFFERENT:
        pytest.xfail(DIFFERENT[record["name"]])
    assert answer.kind == "right", f"{answer.kind}: {answer.text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="?", default="")
    parser.add_argument("--files", default="train,core")
    parser.add_argument("--backends", default="portable,xnnpack")
    parser.add_argument("--share", type=int, default=1, help="one module in so many")
    options = parser.parse_args()
    count = collections.Counter()
    records = [r for r in load_records() if re.search(options.only, r["name"])][:: options.share]
    with tempfile.TemporaryDirectory() as folder:
        for record in records:
            for file in record["files"]:
                if pathlib.Path(file).stem not in options.files.split(","):
                    continue
                for backend in options.backends.split(","):
                    answer = judge(record, file, backend, pathlib.Path(folder))
                    count[answer.kind] += 1
                    if answer.kind != "right":
                        text = answer.text.replace("\n", " | ")[:300]
                        print(f"{answer.kind}: {record['name']} {file} {backend}: {text}", flush=True)
    total = sum(count.values()) or 1
    print(", ".join(f"{n} {kind} ({100 * n / total:.1f} %)" for kind, n in count.most_common()))
    return 0 if count["wrong"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
