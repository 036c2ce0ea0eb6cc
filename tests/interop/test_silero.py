"""silero_vad.jit, a voice detector of control flow, an LSTM and a state that lives from chunk to
chunk: a sequence of chunks in both runtimes against eager PyTorch.

Environment (the default in brackets): PTE_ONNX_PACKAGES [build/interop/onnx_packages], where
setup_onnx.sh installed the package silero-vad.
"""

import os
import pathlib

import numpy as np
import pytest
import torch

from conftest import ENGINES, INTEROP, pte
from test_imports import TOLERANCE, difference, official

PACKAGES = pathlib.Path(os.environ.get("PTE_ONNX_PACKAGES", INTEROP / "onnx_packages"))
MODEL = PACKAGES / "silero_vad/data/silero_vad.jit"
CHUNKS = 12

pytestmark = pytest.mark.skipif(not MODEL.exists(), reason="silero-vad is not installed")


def chunks(batch, samples):
    """Noise, tones that sweep like vowels, and silence."""
    torch.manual_seed(0)
    time = torch.arange(samples) / samples
    tones = [torch.sin(time * 40 * (k + 1)) * torch.sin(time * 700) for k in range(CHUNKS)]
    noise = torch.randn(CHUNKS, batch, samples)
    return [noise[k] * 0.1 * (k % 4 != 3) + 0.5 * tones[k] * (k % 3 != 2) for k in range(CHUNKS)]


def ours(program, inputs, folder, engine):
    words = ["--engine", engine]
    for k, chunk in enumerate(inputs):
        np.save(folder / f"chunk{k}.npy", chunk.numpy())
        words += ["--input", folder / f"chunk{k}.npy"]
    pte("run", program, *words, "--calls", len(inputs), "--output-dir", folder / "ours")
    return [
        [torch.from_numpy(np.load(folder / f"ours/call{k}/out0.npy"))] for k in range(len(inputs))
    ]


@pytest.mark.parametrize("backend", ["portable", "xnnpack"])
@pytest.mark.parametrize("rate, samples, batch", [(16000, 512, 1), (16000, 512, 3), (8000, 256, 1)])
def test_a_sequence_of_chunks(rate, samples, batch, backend, tmp_path):
    model = torch.jit.load(MODEL).eval()
    inputs = chunks(batch, samples)
    with torch.no_grad():
        expected = [[model(chunk, rate)] for chunk in inputs]
    assert max(float(answer[0].max()) for answer in expected) > 0.02  # not silence all along
    np.save(tmp_path / "x.npy", inputs[0].numpy())
    program = tmp_path / "vad.pte"
    pte("export", MODEL, "--example", tmp_path / "x.npy", "--example", rate, "--backends", backend,
        "-o", program)
    calls = [([chunk], answer) for chunk, answer in zip(inputs, expected)]
    for name, made in (
        ("official", official(program, calls, True, tmp_path)),
        *((engine, ours(program, inputs, tmp_path, engine)) for engine in ENGINES),
    ):
        assert not isinstance(made, str), f"{name}: {made}"
        assert len(made) == CHUNKS
        for k, (answer, wanted) in enumerate(zip(made, expected)):
            wrong = difference(answer[0], wanted[0], False)
            assert wrong is None, f"{name}, chunk {k}: {wrong}"
            # And of the probability itself, which is small where nobody speaks.
            assert float((answer[0] - wanted[0]).abs().max()) <= TOLERANCE / 10
