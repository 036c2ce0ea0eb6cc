"""Every module of the suites, traced, scripted and as mobile bytecode: right in the official
runtime, or refused by name.

A test a file of generate_scripts.py, to portable and XNNPACK. The numbers are eager PyTorch's. As a
program it prints every case that is not right, and the shares:

    .venv/bin/python tests/interop/test_torchscript.py [REGEX] [--files trace,script,lite] [--backends …]
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pytest
import torch

from conftest import INTEROP, PTE
from test_imports import Answer, difference, official

FOLDER = pathlib.Path(os.environ.get("PTE_SCRIPTS", INTEROP / "scripts"))
BACKENDS = ("portable", "xnnpack")

# What is refused, and the words in which: it must stay refused by name until it works. A key is a
# case, or a case and a file.
REFUSED = {
    "binary.nextafter": "aten.nextafter",
    "dynamic.item_made script": "no upper bound",
    "dynamic.item_made lite": "no upper bound",
    "factory.dropout_training": "training mode",
    "factory.polar": "aten::view_as_real",
    "mixed.uint16": "uint16",
    "mixed.uint32": "uint32",
    "scripts.grows": "the attribute 'all' has no form that lasts",
}
# What the official runtime gets wrong.
DIFFERENT = {
    "activation.special_values": "the official gelu of -inf is NaN",
    "binary.maximum_nan": "XNNPACK's maximum drops NaN",
}


def judge(record, file, backend, folder):
    """Exports one file and runs the result."""
    home = FOLDER / record["name"]
    program = folder / f"{backend}.pte"
    command = [PTE, "export", file, "--backends", backend, "-o", program, "--quiet"]
    done = subprocess.run(
        [str(word) for word in command + record["words"]],
        capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL, cwd=home,
    )
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()
        named = done.returncode > 0 and text.startswith("error: ")
        return Answer("refused" if named else "wrong", text)
    calls = torch.load(home / "calls.pt")
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


def noted(notes, record, file):
    return notes.get(f"{record['name']} {pathlib.Path(file).stem}", notes.get(record["name"]))


def load_records():
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/case.json"))]


def cases():
    return [
        pytest.param(record, file, backend, id=f"{record['name']}-{pathlib.Path(file).stem}-{backend}")
        for record in load_records()
        for file in record["files"]
        # Bytecode gives the graph that code gives: one backend is enough for it.
        for backend in (BACKENDS[:1] if file.endswith(".ptl") else BACKENDS)
    ]


@pytest.mark.parametrize("record,file,backend", cases())
def test_module(record, file, backend, tmp_path):
    answer = judge(record, file, backend, tmp_path)
    reason = noted(REFUSED, record, file)
    if reason is not None:
        assert answer.kind == "refused" and reason in answer.text, (
            f"it should be refused with '{reason}', or be taken off REFUSED: {answer}"
        )
        pytest.xfail(reason)
    different = noted(DIFFERENT, record, file)
    if answer.kind != "right" and different is not None:
        pytest.xfail(different)
    assert answer.kind == "right", f"{answer.kind}: {answer.text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="?", default="")
    parser.add_argument("--files", default="trace,script,lite")
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument("--part", default="0/1", help="k/n: of n processes that share the work")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    count = collections.defaultdict(collections.Counter)
    records = [r for r in load_records() if re.search(options.only, r["name"])][part::parts]
    with tempfile.TemporaryDirectory() as folder:
        for record in records:
            for file in record["files"]:
                stem = pathlib.Path(file).stem
                if stem not in options.files.split(","):
                    continue
                for backend in options.backends.split(","):
                    answer = judge(record, file, backend, pathlib.Path(folder))
                    count[f"{stem} {backend}"][answer.kind] += 1
                    if answer.kind != "right":
                        text = answer.text.replace("\n", " | ")[:400]
                        print(f"{answer.kind}: {record['name']} {stem} {backend}: {text}", flush=True)
    for name, kinds in count.items():
        total = sum(kinds.values())
        shares = ", ".join(f"{n} {kind} ({100 * n / total:.1f} %)" for kind, n in kinds.most_common())
        print(f"{name}: {shares}")
    return 0 if not any(kinds["wrong"] for kinds in count.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
