"""Small detectors of our own arrangement, saved as Ultralytics' trainer saves them, and what its code
computes with them. Needs torch and ultralytics (8.3); the weights are coarse random numbers, so that
they compress:

    python tests/golden/zoo/make_goldens.py tests/golden/zoo
"""

import copy
import os
import pathlib
import sys
import zipfile

os.environ.setdefault("YOLO_VERBOSE", "False")

import numpy as np
import torch
from ultralytics.nn.tasks import DetectionModel

LIGHT = {  # YOLO11's blocks and head
    "nc": 3,
    "depth_multiple": 0.5,
    "width_multiple": 1.0,
    "backbone": [
        [-1, 1, "Conv", [8, 3, 2]],
        [-1, 1, "DWConv", [16, 3, 2]],
        [-1, 2, "C3k2", [16, False, 0.25]],
        [-1, 1, "SPPF", [16, 5]],
        [-1, 1, "Conv", [128, 1, 2]],
        [-1, 2, "C2PSA", [128]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", ["None", 2, "nearest"]],
        [[-1, 2], 1, "Concat", [1]],
        [-1, 2, "C3k2", [16, True]],
        [[8], 1, "Detect", ["nc"]],
    ],
}
PLAIN = {  # those of YOLOv8 and YOLOv5u
    "nc": 2,
    "scales": {"n": [0.34, 0.5, 16], "s": [0.34, 1.0, 32]},
    "backbone": [
        [-1, 1, "Conv", [16, 6, 2, 2]],
        [-1, 3, "C2f", [16, True]],
        [-1, 1, "Conv", [64, 3, 2]],
        [-1, 6, "C3", [64]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", ["None", 2, "nearest"]],
        [[-1, 1], 1, "Concat", [1]],
        [-1, 3, "C2f", [16]],
        [[-1, 3], 1, "Detect", ["nc"]],
    ],
}


def make(yaml, scale=None):
    torch.manual_seed(0)
    yaml = copy.deepcopy(yaml)
    if scale:
        yaml["scale"] = scale
    model = DetectionModel(yaml, ch=3, nc=yaml["nc"], verbose=False)
    model.names = {i: f"thing {i}" for i in range(yaml["nc"])}
    draw = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight.requires_grad:
            fan = module.weight[0].numel()
            step = max(2.0 ** round(np.log2(0.5 / fan**0.5)), 2.0**-10)
            coarse = torch.randint(-3, 4, module.weight.shape, generator=draw)
            module.weight.data.copy_(coarse * step)
        if isinstance(module, torch.nn.BatchNorm2d):
            shape = module.running_mean.shape
            module.running_mean.copy_(torch.randint(-3, 4, shape, generator=draw) / 16)
            module.running_var.copy_(torch.randint(8, 24, shape, generator=draw) / 16)
            module.weight.data.copy_(torch.randint(8, 24, shape, generator=draw) / 16)
            module.bias.data.copy_(torch.randint(-3, 4, shape, generator=draw) / 16)
    return model.half().float().eval()


def save(model, path, ema):
    half = copy.deepcopy(model).half()
    contents = {"epoch": -1, "model": half, "ema": None, "train_args": {"imgsz": 64}}
    if ema:
        worse = copy.deepcopy(half)
        for parameter in worse.parameters():
            parameter.data.zero_()
        contents.update(model=worse, ema=half, updates=7)
    torch.save(contents, path)
    with zipfile.ZipFile(path) as archive:
        parts = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)


def main(folder):
    for name, yaml, scale, ema in (("light", LIGHT, "n", True), ("plain", PLAIN, "n", False)):
        model = make(yaml, scale)
        save(model, folder / f"{name}.pt", ema)
        picture = torch.rand(1, 3, 64, 32, generator=torch.Generator().manual_seed(1))
        picture = (picture * 255).round() / 255
        head = copy.deepcopy(model)
        head.model[-1].export = True
        head.model[-1].format = "torchscript"
        with torch.no_grad():
            out = head(picture)
        np.save(folder / "in.npy", picture.numpy())
        np.save(folder / f"{name}.out.npy", out.numpy())
        print(name, tuple(out.shape), os.path.getsize(folder / f"{name}.pt"))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
