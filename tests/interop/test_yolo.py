"""Ultralytics checkpoints, rebuilt from the yaml in them, against Ultralytics' own answer.
PTE_LARGE=1 adds sizes and the full picture."""

import os

import numpy as np
import pytest
import torch

import zoo_models
from conftest import BACKENDS, RUNTIMES, assert_close, pte_json

pytest.importorskip("ultralytics")

LARGE = os.environ.get("PTE_LARGE") == "1"
SIDE = 640 if LARGE else 128
NAMES = ["yolo11n", "yolov8n", "yolov5nu"] + (["yolo11s", "yolov8m", "yolo11m"] if LARGE else [])


def check(model, checkpoint, folder, side=SIDE):
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    np.save(folder / "in.npy", picture.numpy())
    expected = zoo_models.detections(model, picture).numpy()
    facts = pte_json(
        "export", checkpoint, "--backends", *BACKENDS, "--output-dir", folder,
        "--input-shapes", f"1,3,{side},{side}",
    )  # fmt: skip
    for file in facts["files"]:
        assert file["proof"]["largest_difference"] <= 1e-5, file
        for runtime, run in RUNTIMES.items():
            actual = run(file["file"], [folder / "in.npy"], folder / runtime)
            assert_close(actual, expected, f"{file['file']} in {runtime}", runtime)


@pytest.mark.parametrize("name", NAMES)
def test_published_sizes(name, tmp_path):
    model = zoo_models.detector(name)
    zoo_models.save_as_trained(model, tmp_path / f"{name}.pt")
    check(model, tmp_path / f"{name}.pt", tmp_path)


def test_own_classes_and_averaged_weights(tmp_path):
    model = zoo_models.detector("yolo11n", classes=3)
    zoo_models.save_as_trained(model, tmp_path / "best.pt", averaged=True)
    check(model, tmp_path / "best.pt", tmp_path)


def test_state_dict_without_its_yaml(tmp_path):
    model = zoo_models.detector("yolov8n")
    torch.save(model.half().float().state_dict(), tmp_path / "weights.pt")
    check(model, tmp_path / "weights.pt", tmp_path)
