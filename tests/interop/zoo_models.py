"""Eager models that ptekit's zoo rebuilds from checkpoints, with seeded weights: torchvision's,
Ultralytics' and timm's. Each test skips when its package is not installed.
"""

import torch

import models


def give_statistics(model, seed=0):
    """Batch norms far from the identity, so that a wrong fold cannot hide."""
    draw = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            shape = module.running_mean.shape
            module.running_mean.copy_(torch.randn(shape, generator=draw) * 0.1)
            module.running_var.copy_(torch.rand(shape, generator=draw) + 0.5)
            module.weight.data.copy_(torch.rand(shape, generator=draw) + 0.5)
            module.bias.data.copy_(torch.randn(shape, generator=draw) * 0.1)
    return model.eval()


def torchvision():
    return models.torchvision_module()


def classifier(name):
    torch.manual_seed(0)
    return give_statistics(getattr(torchvision().models, name)(weights=None))


def detector(name, classes=80):
    import os

    os.environ.setdefault("YOLO_VERBOSE", "False")
    torchvision()
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    return give_statistics(DetectionModel(f"{name}.yaml", ch=3, nc=classes, verbose=False))


def save_as_trained(model, path, averaged=False):
    """As Ultralytics' trainer saves: half weights, in a module with everything around it."""
    import copy

    half = copy.deepcopy(model).half()
    other = None if not averaged else copy.deepcopy(half)
    if averaged:
        for parameter in other.parameters():
            parameter.data.zero_()
    torch.save(
        {
            "epoch": -1,
            "model": other if averaged else half,
            "ema": half if averaged else None,
            "optimizer": None,
            "train_args": {"imgsz": 640, "task": "detect"},
            "version": "8.3.0",
            "license": "AGPL-3.0",
        },
        path,
    )


def detections(model, picture):
    """What Ultralytics' export gives: boxes and scores alone, of the half weights."""
    import copy

    exact = copy.deepcopy(model).half().float().eval()
    exact.model[-1].export = True
    exact.model[-1].format = "torchscript"
    with torch.no_grad():
        out = exact(picture)
    return out[0] if isinstance(out, (tuple, list)) else out


def perception_encoder(size="tiny_patch16_384"):
    torchvision()
    import timm

    model = timm.create_model(f"vit_pe_core_{size}", pretrained=False)
    draw = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            parameter.data.copy_(torch.rand(parameter.shape, generator=draw) * 0.5 + 0.75)
        else:
            parameter.data.copy_(torch.randn(parameter.shape, generator=draw) * 0.05)
    model.head.bias.data.zero_()
    return model.eval()


def published_names(state):
    """timm's names of a Perception Encoder's vision tower as Meta publishes them."""
    out = {}
    for name, tensor in state.items():
        if name == "head.bias" or name.startswith(("attn_pool.q.", "attn_pool.kv.")):
            continue
        if name == "head.weight":
            out["visual.proj"] = tensor.t().contiguous()
        elif name == "cls_token":
            out["visual.class_embedding"] = tensor.flatten()
        elif name == "pos_embed":
            out["visual.positional_embedding"] = tensor[0]
        elif name == "attn_pool.latent":
            out["visual.attn_pool.probe"] = tensor
        else:
            for old, new in (
                ("patch_embed.proj", "conv1"),
                ("norm_pre", "ln_pre"),
                ("blocks.", "transformer.resblocks."),
                ("attn_pool.norm", "attn_pool.layernorm"),
                ("attn_pool.proj", "attn_pool.attn.out_proj"),
                ("attn.qkv.", "attn.in_proj_"),
                ("attn.proj", "attn.out_proj"),
                ("norm1", "ln_1"),
                ("norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
            ):
                name = name.replace(old, new)
            if name.startswith("norm."):
                name = "ln_post." + name[5:]
            out["visual." + name] = tensor
    for part in ("weight", "bias"):
        out[f"visual.attn_pool.attn.in_proj_{part}"] = torch.cat(
            [state[f"attn_pool.q.{part}"], state[f"attn_pool.kv.{part}"]]
        )
    return out
