"""Every module of the suites, traced, scripted and as mobile bytecode: exported to .pte and run.

The numbers are eager PyTorch's; the files run in the official runtime.
"""

import json
import subprocess

import numpy as np
import pytest

from conftest import INTEROP, PTE, RUNNER
from test_suite import compare_values

FOLDER = INTEROP / "scripts"

# gelu(inf) is nan in eager PyTorch and inf here and in the official runtime (docs/differences.md).
DIFFERENT = {"activation.special_values"}
# What a file may fail with and still be right: the report names the operator.
REFUSED = "supported|put into a program|is not supported|has no upper bound"


def load_cases():
    cases = []
    for path in sorted(FOLDER.glob("*/case.json")):
        record = json.loads(path.read_text())
        for name in record["files"]:
            cases.append(pytest.param(record, name, id=f"{record['name']}-{name}"))
    return cases


def export(record, name, output):
    folder = FOLDER / record["name"]
    command = [PTE, "export", folder / name, "--backends", "portable", "-o", output]
    if any(row.get("file", "").endswith(".bin") for row in record["inputs"]):
        sizes = ";".join(",".join(map(str, shape)) for shape in record["shapes"])
        command += ["--input-shapes", sizes, "--input-dtypes", ",".join(record["dtypes"])]
    else:
        words = [folder / row["file"] if "file" in row else row["text"] for row in record["inputs"]]
        command += [f"--example={word}" for word in words]
    command = [str(word) for word in command]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("record, name", load_cases())
def test_module(record, name, tmp_path):
    model = tmp_path / "model.pte"
    done = export(record, name, model)
    if done.returncode != 0:
        assert "Traceback" not in done.stderr and done.stderr.startswith("error: "), done.stderr
        if any(word in done.stderr for word in REFUSED.split("|")):
            pytest.skip(done.stderr.splitlines()[min(1, done.stderr.count("\n") - 1)].strip())
        pytest.fail(done.stderr)
    folder = FOLDER / record["name"]
    # bfloat16 is no type of NumPy's, nor of the official runner's.
    ours = any(row.get("file", "").endswith(".bin") for row in record["inputs"])
    command = [str(PTE), "run"] if ours else [str(RUNNER)]
    command += [str(model), "--output-dir", str(tmp_path)]
    for row in record["inputs"]:
        if "file" in row:
            command += ["--input", str(folder / row["file"])]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    if record["name"] in DIFFERENT:
        pytest.skip("a documented difference")
    for k, row in enumerate(record["expected"]):
        if "file" not in row or row["dtype"] == "bfloat16":
            continue
        path = tmp_path / f"out{k}.npy"
        assert path.exists(), sorted(p.name for p in tmp_path.iterdir())
        wrong = compare_values(
            np.load(path), np.load(folder / row["file"]), row["dtype"], 0, record["check"] != "values"
        )
        assert wrong is None or "of the largest value" in wrong and float(
            wrong.split()[2]
        ) <= 1e-4, wrong
