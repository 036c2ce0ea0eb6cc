"""ONNX: the ONNX project's operator tests, and real models against ONNX Runtime.

Environment (the defaults in brackets): PTE_ONNX_PACKAGES [build/interop/onnx_packages], where
requirements-onnx.txt is installed; PTE_ONNX_MODELS [build/interop/onnx], what generate_onnx.py
made; PTE_ONNX_CASES [build/dev/tests/onnx_cases], the program that runs a folder of cases;
PTE_ONNX_SHARE [8]: the official runtime runs one operator test in so many (1: all).

As a program it runs the operator tests in the official runtime, prints every case that is not
right, and the shares:

    .venv/bin/python tests/interop/test_onnx.py [REGEX] [--backends portable,xnnpack] [--share 1]
        [--cases FOLDER]
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

import numpy as np
import pytest
import torch

from conftest import INTEROP, PTE, ROOT, RUNNER, run_command
from test_imports import difference, official

PACKAGES = pathlib.Path(os.environ.get("PTE_ONNX_PACKAGES", INTEROP / "onnx_packages"))
MODELS = pathlib.Path(os.environ.get("PTE_ONNX_MODELS", INTEROP / "onnx"))
CASES = pathlib.Path(os.environ.get("PTE_ONNX_CASES", ROOT / "build/dev/tests/onnx_cases"))
NODES = PACKAGES / "onnx/backend/test/data/node"
SHARE = int(os.environ.get("PTE_ONNX_SHARE", 8))

pytestmark = pytest.mark.skipif(
    not (NODES.exists() and CASES.exists()), reason="the ONNX packages are not installed"
)

# Outside the bar: strings, sequences, optional values, training, and other domains.
OUTSIDE = (
    "sequence", "optional", "_opt", "_seq", "string", "strnorm", "regex", "adagrad", "adam",
    "momentum", "nesterov", "ai_onnx_ml", "training_dropout", "label_encoder", "equal_string",
)
# Random by definition: what they give has a distribution, not a value.
RANDOM = ("bernoulli",)
# The tests' own data lets results beyond int8 wrap round; the specification saturates them, as
# ONNX Runtime does.
WRAPS = {f"test_qlinearmatmul_{d}D_int8_float{bits}" for d in (2, 3) for bits in (16, 32)}


def inside(name):
    return not any(word in name for word in OUTSIDE + RANDOM)


def run_folder(folder, *options):
    done = subprocess.run([CASES, folder, *options], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t", 2) for line in done.stdout.splitlines()]
    return {name: (word, text) for name, word, text in rows}


@pytest.fixture(scope="module")
def nodes():
    return run_folder(NODES)


def test_operator_cases(nodes):
    counted = {name: row for name, row in nodes.items() if inside(name)}
    assert len(counted) > 1500
    wrong = {n: t for n, (word, t) in counted.items() if word == "wrong" and n not in WRAPS}
    failed = {n: t for n, (word, t) in counted.items() if word == "failed"}
    assert not wrong and not failed, f"{wrong}\n{failed}"
    right = sum(word == "right" for word, _ in counted.values())
    assert right >= 0.95 * len(counted), f"{right} of {len(counted)}"


def test_what_is_refused_is_named(nodes):
    for name, (word, text) in nodes.items():
        if word == "refused":
            assert "model.onnx: " in text and len(text.split(": ", 1)[1]) > 10, (name, text)


def load_values(folder):
    """(inputs, outputs) of one data set."""
    about = json.loads((folder / "values.json").read_text())
    data = (folder / "values.bin").read_bytes()
    at = 0
    lists = []
    for kind in ("inputs", "outputs"):
        values = []
        for dtype, sizes in about[kind]:
            dtype = getattr(torch, dtype)
            size = int(np.prod(sizes)) * dtype.itemsize
            flat = torch.frombuffer(bytearray(data[at:at + size]), dtype=dtype) if size else (
                torch.empty(0, dtype=dtype))
            values.append(flat.reshape(sizes))
            at += size
        lists.append(values)
    return lists


def nearly(made, wanted):
    """Within the tolerances of the ONNX project's own runner: some data have four digits only."""
    if not isinstance(made, torch.Tensor) or not wanted.dtype.is_floating_point:
        return False
    if (made.dtype, made.shape) != (wanted.dtype, wanted.shape):
        return False
    half = wanted.dtype.itemsize == 2
    relative, absolute = (1e-2, 1e-3) if half else (1e-3, 1e-6)
    return torch.allclose(made.double(), wanted.double(), relative, absolute, equal_nan=True)


def judge(case):
    """None when every data set of a case is right in the official runtime."""
    for data_set in sorted(case.iterdir()):
        inputs, expected = load_values(data_set)
        outputs = official(data_set / "program.pte", [(inputs, expected)], False, data_set)
        if isinstance(outputs, str):
            return outputs
        if len(outputs[0]) != len(expected):
            return f"{len(outputs[0])} outputs, expected {len(expected)}"
        for k, (made, wanted) in enumerate(zip(outputs[0], expected)):
            wrong = difference(made, wanted, False)
            if wrong and not nearly(made, wanted):
                return f"output {k}: {wrong}"
    return None


def run_official(cases, backend, folder, share=1, only=""):
    """{name: (word, text)} of every case; of the ONNX project's, those inside the bar."""
    rows = run_folder(cases, "--programs", folder, "--backend", backend)
    if pathlib.Path(cases) == NODES:
        rows = {name: row for name, row in rows.items() if inside(name)}
    answers = {}
    for name in sorted(rows)[::share]:
        if not re.search(only, name):
            continue
        word, text = rows[name]
        if word == "written":
            wrong = judge(pathlib.Path(folder) / name)
            word, text = ("wrong", wrong) if wrong else ("right", "")
        answers[name] = word, text
    return answers


@pytest.mark.parametrize("backend", ["portable", "xnnpack"])
def test_operator_cases_in_the_official_runtime(tmp_path, backend):
    answers = run_official(NODES, backend, tmp_path, SHARE)
    wrong = {n: row for n, row in answers.items() if row[0] in ("wrong", "failed") and n not in WRAPS}
    right = sum(word == "right" for word, _ in answers.values())
    assert not wrong
    assert right >= 0.95 * len(answers), f"{right} of {len(answers)}"


def model_names():
    return sorted(path.parent.name for path in MODELS.glob("*/model.onnx"))


@pytest.fixture(scope="module")
def models():
    return run_folder(MODELS)


@pytest.mark.parametrize("name", model_names())
def test_model(models, name):
    word, text = models[name]
    assert word == "right", text


OPEN = [name for name in model_names() if name.endswith("_dynamic")]


def tensors(name, kind):
    import sys

    sys.path.append(str(PACKAGES))
    import onnx
    from onnx import numpy_helper

    folder = MODELS / name / "test_data_set_0"
    return [
        numpy_helper.to_array(onnx.load_tensor(str(folder / f"{kind}_{i}.pb")))
        for i in range(len(list(folder.glob(f"{kind}_*.pb"))))
    ]


@pytest.mark.parametrize("backend", ["portable", "xnnpack"])
@pytest.mark.parametrize("name", OPEN)
def test_open_sizes_in_the_official_runtime(tmp_path, name, backend):
    program = tmp_path / "model.pte"
    inputs = tensors(name, "input")
    command = [PTE, "export", MODELS / name / "model.onnx", "-o", program, "--backends", backend]
    command += ["--dynamic", "x0:0=1..4"]
    if "minilm" in name:
        command += ["--dynamic", "x0:1=2..128"]
    run_command(*command)
    words = []
    for i, array in enumerate(inputs):
        np.save(tmp_path / f"in{i}.npy", array)
        words += ["--input", tmp_path / f"in{i}.npy"]
    run_command(RUNNER, program, *words, "--output-dir", tmp_path)
    for i, expected in enumerate(tensors(name, "output")):
        found = np.load(tmp_path / f"out{i}.npy")
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-5 * max(np.abs(expected).max(), 1e-30)


# Sizes that must be multiples of what the model halves them by.
STEPS = {
    "ocr_detection": (["x:2=32..320/32", "x:3=32..320/32"], [(96, 160), (64, 320)]),
    "ocr_recognition": (["x:3=8..640/8"], [(48, 160), (48, 320), (48, 8)]),
}


@pytest.mark.parametrize("backend", ["portable", "xnnpack"])
@pytest.mark.parametrize("name", STEPS)
def test_open_pictures_in_the_official_runtime(tmp_path, name, backend):
    if not (MODELS / name).exists():
        pytest.skip("its model is not made")
    sys.path.append(str(PACKAGES))
    import onnxruntime

    ranges, sizes = STEPS[name]
    source, program = MODELS / name / "model.onnx", tmp_path / "model.pte"
    (known,) = tensors(name, "input")
    shape = ",".join(map(str, known.shape))
    words = [word for each in ranges for word in ("--dynamic", each)]
    run_command(
        PTE, "export", source, "-o", program, "--backends", backend, "--input-shapes", shape, *words
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(source), options)
    for height, width in sizes:
        picture = np.resize(known, (1, 3, height, width))
        (expected,) = session.run(None, {session.get_inputs()[0].name: picture})
        np.save(tmp_path / "in.npy", picture)
        run_command(RUNNER, program, "--input", tmp_path / "in.npy", "--output-dir", tmp_path)
        found = np.load(tmp_path / "out0.npy")
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="?", default="")
    parser.add_argument("--backends", default="portable,xnnpack")
    parser.add_argument("--share", type=int, default=1, help="one case in so many")
    parser.add_argument("--cases", default=NODES, help="a folder of cases")
    options = parser.parse_args()
    bad = False
    for backend in options.backends.split(","):
        with tempfile.TemporaryDirectory() as folder:
            answers = run_official(options.cases, backend, folder, options.share, options.only)
        count = collections.Counter(word for word, _ in answers.values())
        for name, (word, text) in answers.items():
            if word != "right":
                print(f"{word}: {name} {backend}: {text[:300]}", flush=True)
        shares = (f"{n} {word} ({100 * n / len(answers):.1f} %)" for word, n in count.most_common())
        print(f"{backend}: {', '.join(shares)}")
        bad = bad or count["wrong"] + count["failed"] > 0
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
