"""ONNX: the ONNX project's operator tests, and real models against ONNX Runtime.

Environment (the defaults in brackets): PTE_ONNX_PACKAGES [build/interop/onnx_packages], where
requirements-onnx.txt is installed; PTE_ONNX_MODELS [build/interop/onnx], what generate_onnx.py
made; PTE_ONNX_CASES [build/dev/tests/onnx_cases], the program that runs a folder of cases.
"""

import os
import pathlib
import subprocess

import numpy as np
import pytest

from conftest import INTEROP, PTE, ROOT, RUNNER, run_command

PACKAGES = pathlib.Path(os.environ.get("PTE_ONNX_PACKAGES", INTEROP / "onnx_packages"))
MODELS = pathlib.Path(os.environ.get("PTE_ONNX_MODELS", INTEROP / "onnx"))
CASES = pathlib.Path(os.environ.get("PTE_ONNX_CASES", ROOT / "build/dev/tests/onnx_cases"))
NODES = PACKAGES / "onnx/backend/test/data/node"

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


def run_folder(folder):
    done = subprocess.run([CASES, folder], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t", 2) for line in done.stdout.splitlines()]
    return {name: (word, text) for name, word, text in rows}


@pytest.fixture(scope="module")
def nodes():
    return run_folder(NODES)


def test_operator_cases(nodes):
    counted = {
        name: row for name, row in nodes.items()
        if not any(word in name for word in OUTSIDE) and not any(word in name for word in RANDOM)
    }
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
