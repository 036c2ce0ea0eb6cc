"""Real pictures through the pretrained EfficientNet-Lite0, in both runtimes."""

import json

import numpy as np
import pytest

from conftest import BACKENDS, DEMO, MODELS, pte_json, run_official

NAME = "efficientnet_lite0"
# Top 1 (its label and probability) and the next two, as eager PyTorch has them.
TABLE = {
    "coffee.png": ([967, 968, 925], "espresso", 0.951),
    "rocket.jpg": ([657, 744, 540], "missile", 0.296),
    "chelsea.png": ([282, 285, 281], "tiger cat", 0.386),
    "clock_motion.png": ([971], "bubble", 0.570),
    "bus.jpg": ([654, 874, 734], "minibus", 0.618),
}
BOUND = 0.01


def expected_top(picture):
    """[[class, probability], …] from eager PyTorch on the picture as PIL resizes it."""
    expected = json.loads((MODELS / NAME / "pictures/expected.json").read_text())[picture]
    classes, _, probability = TABLE[picture]
    assert [index for index, _ in expected[: len(classes)]] == classes
    assert abs(expected[0][1] - probability) <= 0.001
    return expected[:3]


@pytest.mark.parametrize("picture", TABLE)
@pytest.mark.parametrize("backend", BACKENDS)
def test_official_runtime(export, tmp_path, backend, picture):
    file = export(NAME, "checkpoint_legacy.pth", backend)
    (logits,) = run_official(file, [MODELS / NAME / f"pictures/{picture}.npy"], tmp_path)
    logits = logits[0].astype(np.float64)
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    expected = expected_top(picture)
    assert np.argsort(-probabilities)[:3].tolist() == [index for index, _ in expected]
    for index, probability in expected:
        assert abs(probabilities[index] - probability) <= BOUND


@pytest.fixture(scope="module", params=BACKENDS)
def classified(export, request):
    """`pte classify` on all pictures at once: decoding, resizing and labels are ours too."""
    file = export(NAME, "checkpoint_legacy.pth", request.param)
    answer = pte_json("classify", file, *(DEMO / name for name in TABLE), "--top-k", "3")
    results = answer["results"]
    assert [result["image"].split("/")[-1] for result in results] == list(TABLE)
    return {name: result["predictions"] for name, result in zip(TABLE, results)}


@pytest.mark.parametrize("picture", TABLE)
def test_classify(classified, picture):
    top = classified[picture]
    expected = expected_top(picture)
    assert [entry["class"] for entry in top] == [index for index, _ in expected]
    for entry, (_, probability) in zip(top, expected):
        assert abs(entry["probability"] - probability) <= BOUND
    assert top[0]["label"] == TABLE[picture][1]
