#!/usr/bin/env python3
"""Makes what the interop tests compare with, using eager PyTorch and the official exporter.

    .venv/bin/python tests/interop/generate.py OUTPUT [--demo build/demo] [--only MODEL …] [--jobs N]

For every model a folder OUTPUT/<model>/ with

    checkpoint_<format>.pth   zip, legacy, module (keys under "module."), state_dict and
                              model_state_dict (nested)
    training.pt2, aten.pt2    straight after export, and after run_decompositions(); batch 1
    training_dynamic.pt2, aten_dynamic.pt2                               batch 1 to 8
    official_portable.pte, official_xnnpack.pte, and …_dynamic.pte       the official exporter's
    input0.npy, output0.npy   seeded input and eager output, batch 1
    batch3_input0.npy, batch3_output0.npy                                the same for batch 3

and for EfficientNet-Lite0 the pictures as the network sees them, pictures/<name>.npy, with
pictures/expected.json. A model whose folder is complete is left alone.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
warnings.filterwarnings("ignore")

import numpy as np
import torch

import models

PICTURES = ["coffee.png", "rocket.jpg", "chelsea.png", "clock_motion.png", "bus.jpg"]
# Raise this when what is generated changes, so that old folders are made again.
VERSION = 1


def efficientnet_lite0(demo):
    model = models.EfficientNetLite0()
    state = torch.load(demo / "efficientnet-lite0.pth", weights_only=True)
    model.load_state_dict(state)
    return model.eval()


def deep_epi_cnn(conv_dropout, dense_dropout, seed):
    return models.randomise(
        models.DeepEpiCnn(conv_dropout=conv_dropout, dense_dropout=dense_dropout), seed
    )


# name → (maker from the demo folder, input shape for batch 1, input scale)
MODELS = {
    "efficientnet_lite0": (efficientnet_lite0, (1, 3, 224, 224), 1.0),
    "mobilenet_v3_small": (
        lambda demo: models.randomise(models.mobilenet_v3_small(), 11),
        (1, 3, 224, 224),
        1.0,
    ),
    "deep_epi_cnn": (lambda demo: deep_epi_cnn(0.0, 0.025, 12), (1, 1, 750), 1.0),
    "deep_epi_cnn_dropout": (lambda demo: deep_epi_cnn(0.025, 0.25, 13), (1, 1, 750), 1.0),
}


def save_checkpoints(model, name, folder, demo):
    state = model.state_dict()
    torch.save(state, folder / "checkpoint_zip.pth")
    if name == "efficientnet_lite0":
        # The published file is the legacy one; keep its bytes.
        (folder / "checkpoint_legacy.pth").write_bytes(
            (demo / "efficientnet-lite0.pth").read_bytes()
        )
        return
    torch.save(state, folder / "checkpoint_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"module." + k: v for k, v in state.items()}, folder / "checkpoint_module.pth")
    torch.save(
        {"epoch": 7, "arch": name, "state_dict": state}, folder / "checkpoint_state_dict.pth"
    )
    # The shape of a trainer's file: optimizer state, metrics (a numpy scalar among them), config.
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for parameter in list(model.parameters())[:4]:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.save(
        {
            "epoch": 12,
            "global_step": 3456,
            "model_state_dict": state,
            "optimizer_state_dict": optimizer.state_dict(),
            "val_loss": np.float64(0.25),
            "val_accuracy": 0.93,
            "sensitivity": 0.9,
            "far": 0.1,
            "conv_dropout": 0.025 if name.endswith("_dropout") else 0.0,
            "dense_dropout": 0.25 if name.endswith("_dropout") else 0.025,
            "config": {
                "dataProcessing": {"rawDataLength": 750},
                "modelConfig": {"numClasses": 2, "layers": [1, 2, None, True]},
            },
        },
        folder / "checkpoint_model_state_dict.pth",
    )


def official(program, backend):
    """The .pte that the official exporter makes of an ExportedProgram."""
    from executorch.exir import to_edge, to_edge_transform_and_lower

    if backend == "portable":
        return to_edge(program).to_executorch().buffer
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    return (
        to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        .to_executorch()
        .buffer
    )


def save_exports(model, shape, folder):
    batch = torch.export.Dim("batch", min=1, max=8)
    example = torch.zeros(shape)
    for suffix, arguments, dynamic in (
        ("", (example,), None),
        ("_dynamic", (example.expand(2, *shape[1:]).contiguous(),), ({0: batch},)),
    ):
        program = torch.export.export(model, arguments, dynamic_shapes=dynamic)
        torch.export.save(program, folder / f"training{suffix}.pt2")
        torch.export.save(program.run_decompositions(), folder / f"aten{suffix}.pt2")
        for backend in ("portable", "xnnpack"):
            (folder / f"official_{backend}{suffix}.pte").write_bytes(official(program, backend))


def save_numbers(model, shape, scale, folder, seed):
    generator = np.random.default_rng(seed)
    for prefix, batch in (("", 1), ("batch3_", 3)):
        x = (generator.standard_normal((batch, *shape[1:])) * scale).astype(np.float32)
        with torch.no_grad():
            y = model(torch.from_numpy(x)).numpy()
        np.save(folder / f"{prefix}input0.npy", x)
        np.save(folder / f"{prefix}output0.npy", y)


def preprocess(path):
    """As EfficientNet-Lite0 was trained: short side 256 bicubic, centre crop 224, (x - 127) / 128."""
    from PIL import Image

    image = Image.open(path).convert("RGB")
    width, height = image.size
    # The long side is rounded, not cut off as torchvision's Resize does.
    scale = 256 / min(width, height)
    size = (round(width * scale), round(height * scale))
    image = image.resize(size, Image.BICUBIC)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    image = image.crop((left, top, left + 224, top + 224))
    pixels = (np.asarray(image, dtype=np.float32) - 127) / 128
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def save_pictures(model, folder, demo):
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    expected = {}
    for name in PICTURES:
        x = preprocess(demo / name)
        with torch.no_grad():
            probabilities = torch.softmax(model(torch.from_numpy(x))[0], 0)
        values, indices = probabilities.topk(5)
        np.save(pictures / f"{name}.npy", x)
        expected[name] = [[int(i), float(v)] for i, v in zip(indices, values)]
    (pictures / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def generate(name, output, demo):
    make, shape, scale = MODELS[name]
    seed = 100 + list(MODELS).index(name)
    folder = output / name
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = make(demo)
    save_checkpoints(model, name, folder, demo)
    save_numbers(model, shape, scale, folder, seed)
    if name == "efficientnet_lite0":
        save_pictures(model, folder, demo)
    save_exports(model, shape, folder)
    (folder / "complete").write_text(str(VERSION))
    print(f"generated {name}", flush=True)


def generate_in_processes(names, options):
    """One process a model, `--jobs` at a time: exporting keeps one core busy."""
    waiting, running, failed = list(names), {}, []
    while waiting or running:
        while waiting and len(running) < options.jobs:
            name = waiting.pop(0)
            command = [sys.executable, "-W", "ignore", __file__, str(options.output)]
            command += ["--demo", str(options.demo), "--only", name]
            log = options.output / f"{name}.log"
            with open(log, "w") as stream:
                running[name] = subprocess.Popen(command, stdout=stream, stderr=stream), log
        for name, (process, log) in list(running.items()):
            try:
                process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
            del running[name]
            if process.returncode != 0:
                failed.append(name)
                print(log.read_text(), file=sys.stderr)
            else:
                print(f"generated {name}", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--demo", type=pathlib.Path, default=pathlib.Path("build/demo"))
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)

    def complete(name):
        stamp = options.output / name / "complete"
        return stamp.exists() and stamp.read_text() == str(VERSION)

    names = [name for name in options.only if not complete(name)]
    options.output.mkdir(parents=True, exist_ok=True)
    if len(names) > 1 and options.jobs > 1:
        sys.exit(1 if generate_in_processes(names, options) else 0)
    for name in names:
        generate(name, options.output, options.demo)


if __name__ == "__main__":
    main()
