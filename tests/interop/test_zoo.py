"""Checkpoints of torchvision and timm models, rebuilt by the zoo: the files in the official runtime
and in ours against eager PyTorch. PTE_LARGE=1 adds the larger ones."""

import json
import os
import struct

import numpy as np
import pytest
import torch

import zoo_models
from conftest import BACKENDS, RUNTIMES, assert_close, pte, pte_json

LARGE = os.environ.get("PTE_LARGE") == "1"
CLASSIFIERS = ["mobilenet_v2", "mobilenet_v3_small", "resnet18"]
if LARGE:
    CLASSIFIERS += ["mobilenet_v3_large", "resnet34", "resnet50"]
SIZE = 64  # the network is the same, the picture smaller


def check(checkpoint, picture, expected, folder, *options, method=None):
    np.save(folder / "in.npy", picture)
    facts = pte_json("export", checkpoint, "--backends", *BACKENDS, "--output-dir", folder, *options)
    assert [file["backend"] for file in facts["files"]] == BACKENDS
    for file in facts["files"]:
        assert file["proof"]["largest_difference"] <= 1e-5, file
        for runtime, run in RUNTIMES.items():
            actual = run(file["file"], [folder / "in.npy"], folder / runtime)
            assert_close(actual, expected, f"{file['file']} in {runtime}", runtime)
    return facts


def save_safetensors(state, path):
    """The format by its description, so that nothing of ours writes what ours reads."""
    header, data = {}, b""
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        raw = tensor.detach().float().contiguous().numpy().tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("form", ["state", "module", "safetensors"])
def test_classifiers(name, form, tmp_path):
    if form != "state" and name != "resnet18" and not LARGE:
        pytest.skip("one model shows it")
    model = zoo_models.classifier(name)
    picture = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(picture).numpy()
    checkpoint = tmp_path / f"model.{'safetensors' if form == 'safetensors' else 'pt'}"
    if form == "safetensors":
        save_safetensors(model.state_dict(), checkpoint)
    else:
        torch.save(model if form == "module" else model.state_dict(), checkpoint)
    facts = check(
        checkpoint, picture.numpy(), expected, tmp_path, "--input-shapes", f"1,3,{SIZE},{SIZE}"
    )
    assert facts["model"] == name and facts["recognised"]


def test_sharded_safetensors(tmp_path):
    model = zoo_models.classifier("mobilenet_v3_small")
    state = {k: v for k, v in model.state_dict().items() if v.is_floating_point()}
    halves = [dict(list(state.items())[:100]), dict(list(state.items())[100:])]
    index = {"metadata": {}, "weight_map": {}}
    for i, half in enumerate(halves):
        name = f"model-0000{i + 1}-of-00002.safetensors"
        save_safetensors(half, tmp_path / name)
        index["weight_map"].update({key: name for key in half})
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    picture = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(picture).numpy()
    check(path, picture.numpy(), expected, tmp_path, "--input-shapes", f"1,3,{SIZE},{SIZE}")


@pytest.mark.parametrize("names", ["timm", "published"])
def test_perception_encoder(names, tmp_path):
    pytest.importorskip("timm")
    model = zoo_models.perception_encoder()
    side = 384
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        expected = model(picture).numpy()
    state = model.state_dict()
    if names == "published":
        state = zoo_models.published_names(state)
    torch.save(state, tmp_path / "pe.pt")
    facts = check(tmp_path / "pe.pt", picture.numpy(), expected, tmp_path)
    assert facts["model"] == "pe_core_t16_384_vision"


def test_a_failed_proof_leaves_nothing(tmp_path):
    # Without the pass that makes layouts agree, or with a wrong name, nothing may appear.
    model = zoo_models.classifier("mobilenet_v3_small")
    torch.save(model.state_dict(), tmp_path / "m.pt")
    with pytest.raises(AssertionError):
        pte("export", tmp_path / "m.pt", "--output-dir", tmp_path / "out", "--disable-pass", "no_such")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
