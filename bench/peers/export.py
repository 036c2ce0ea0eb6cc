"""Exports ten models with ptekit and with the official exporter, side by side.

    python bench/peers/export.py [--pte build/release/src/cli/pte] [--folder build/bench/export]
                                 [--models resnet18 yolo11n …]

Needs the interop tests' Python environment; ultralytics and timm for their models. Every export is a
process of its own: wall time and peak memory are the whole process's. The official side reads the
same weights, builds the eager model, runs torch.export and lowers for XNNPACK; its imports are
counted apart, as a long session pays for them once.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop"))
MODELS = [
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "resnet18", "resnet50",
    "yolo11n", "yolov8n", "yolov5nu", "pe_core_t16_384_vision", "pe_core_b16_224_vision",
]  # fmt: skip
ENCODERS = {
    "pe_core_t16_384_vision": ("tiny_patch16_384", 384),
    "pe_core_s16_384_vision": ("small_patch16_384", 384),
    "pe_core_b16_224_vision": ("base_patch16_224", 224),
}


def make(name):
    """The eager model and its input's sizes."""
    import zoo_models

    if name in ENCODERS:
        size, side = ENCODERS[name]
        return zoo_models.perception_encoder(size), (1, 3, side, side)
    if name.startswith("yolo"):
        return zoo_models.detector(name), (1, 3, 640, 640)
    return zoo_models.classifier(name), (1, 3, 224, 224)


def save(name, path):
    import torch
    import zoo_models

    model, _ = make(name)
    if name.startswith("yolo"):
        zoo_models.save_as_trained(model, path)
    else:
        torch.save(model.state_dict(), path)


def official(name, checkpoint, output):
    """In a process of its own: prints how long its steps took."""
    start = time.monotonic()
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    model, sizes = make(name) if not name.startswith("yolo") else (None, (1, 3, 640, 640))
    imports = time.monotonic()
    if model is None:
        import zoo_models

        zoo_models.torchvision()
        import ultralytics.nn.tasks  # noqa: F401

        imports = time.monotonic()
        model = torch.load(checkpoint, weights_only=False)["model"].float().eval()
        model.model[-1].export = True
        model.model[-1].format = "torchscript"
        model(torch.zeros(sizes))
    else:
        model.load_state_dict(torch.load(checkpoint))
    with torch.no_grad():
        program = torch.export.export(model, (torch.zeros(sizes),))
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        pathlib.Path(output).write_bytes(lowered.to_executorch().buffer)
    print(json.dumps({"imports": imports - start, "export": time.monotonic() - imports}))


def run(command):
    """Wall seconds, peak bytes and standard output of one process."""
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return time.monotonic() - start, usage.ru_maxrss * 1024, out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pte", default=ROOT / "build/release/src/cli/pte")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/bench/export")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--runs", type=int, default=3, help="of ptekit; the best counts")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--save", nargs=2, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.save:
        return save(*flags.save)
    if flags.step:
        return official(*flags.step)
    flags.folder.mkdir(parents=True, exist_ok=True)
    print("| model | weights | ptekit | memory | size | official | of it imports | memory | size |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in flags.models:
        checkpoint = flags.folder / f"{name}.pt"
        if not checkpoint.exists():
            # Elsewhere: a process counts what the one that started it held as its own peak.
            subprocess.run([sys.executable, "-W", "ignore", __file__, "--save", name, checkpoint], check=True)
        ours, theirs = flags.folder / f"{name}.pte", flags.folder / f"{name}_official.pte"
        command = [flags.pte, "export", checkpoint, "--backends", "xnnpack", "-o", ours, "-q"]
        results = [run(command) for _ in range(flags.runs)]
        seconds = min(result[0] for result in results)
        memory = max(result[1] for result in results)
        step = [sys.executable, "-W", "ignore", __file__, "--step", name, checkpoint, theirs]
        official_seconds, official_memory, out = run(step)
        facts = json.loads(out.strip().splitlines()[-1])
        megabytes = [
            round(n / 1e6, 1)
            for n in (checkpoint.stat().st_size, memory, ours.stat().st_size,
                      official_memory, theirs.stat().st_size)
        ]  # fmt: skip
        print(
            f"| {name} | {megabytes[0]} MB | {seconds:.2f} s | {megabytes[1]} MB "
            f"| {megabytes[2]} MB | {official_seconds:.1f} s | {facts['imports']:.1f} s "
            f"| {megabytes[3]} MB | {megabytes[4]} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
