#!/usr/bin/env python3
"""One model, one machine, the same minutes: ptekit beside the runtimes that people use instead.

    bench/peers/setup.sh                                # once: the peers, out of the registry
    .venv/bin/python bench/peers/inference.py [--models resnet50 …] [--engines ptekit ort …]
                                              [--threads 1 2] [--rounds 7] [--seconds 0.5] [--json F]

Every engine loads the same random weights, batch 1, fp32, and stays loaded in a process of its own.
A round lets each of them run for a little, one after the other, so that all see the same machine;
a figure is the median of the rounds' medians, in milliseconds. One thread means one core (taskset).
`ptekit` runs the official exporter's XNNPACK file, `portable` a portable file of the same model, `avx2`
the first with kernels of that instruction set.
The models are made once, in --folder; yolo needs ultralytics and pe_core timm in the environment.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop"))
MODELS = {
    "mobilenet_v3_small": (1, 3, 224, 224),
    "yolo11n": (1, 3, 640, 640),
    "yolov8n": (1, 3, 640, 640),
    "pe_core_t16_384": (1, 3, 384, 384),
    "resnet50": (1, 3, 224, 224),
    "deep_epi_cnn": (1, 1, 750),
}
ENGINES = ["ptekit", "portable", "avx2", "executorch", "ort", "openvino", "ncnn", "mnn"]
OURS = {"ptekit", "portable", "avx2"}


def eager(name):
    import models
    import zoo_models

    if name == "deep_epi_cnn":
        import torch

        torch.manual_seed(0)
        return models.DeepEpiCnn().eval()
    if name.startswith("pe_core"):
        plain_flags()
        return zoo_models.perception_encoder("tiny_patch16_384")
    if name.startswith("yolo"):
        model = zoo_models.detector(name)
        model.model[-1].export = True
        model.model[-1].format = "torchscript"
        return model.eval()
    return zoo_models.classifier(name)


def plain_flags():
    """Tracing makes is_causal a tensor, which attention does not take."""
    from torch.nn import functional

    attention = functional.scaled_dot_product_attention

    def with_flag(*args, is_causal=False, **others):
        return attention(*args, is_causal=bool(is_causal), **others)

    functional.scaled_dot_product_attention = with_flag


def make(name, folder):
    """Every engine's file of one model. What an engine's converter refuses is left out, with a word."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    folder.mkdir(parents=True, exist_ok=True)
    model, x = eager(name), torch.rand(MODELS[name])
    with torch.no_grad():
        model(x)
        program = torch.export.export(model, (x,))
        torch.export.save(program, folder / "model.pt2")
        for file, parts in (("xnnpack.pte", [XnnpackPartitioner()]), ("portable.pte", [])):
            lowered = to_edge_transform_and_lower(program, partitioner=parts).to_executorch()
            (folder / file).write_bytes(lowered.buffer)
        torch.onnx.export(model, (x,), folder / "model.onnx", dynamo=False, opset_version=17)
        torch.jit.trace(model, x, check_trace=False).save(folder / "traced.pt")
    tools = ROOT / ".venv-peers/bin"
    # The package's own start script wants PyTorch; the program in it does not.
    pnnx = next((ROOT / ".venv-peers").glob("lib/python*/site-packages/pnnx/pnnx"))
    shape = "[" + ",".join(map(str, MODELS[name])) + "]"
    for command in (
        [tools / "mnnconvert", "-f", "ONNX", "--modelFile", "model.onnx", "--MNNModel", "model.mnn",
         "--bizCode", "bench"],
        [pnnx, "traced.pt", f"inputshape={shape}", "fp16=0"],
    ):  # fmt: skip
        done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{name}: {pathlib.Path(command[0]).name} refuses it", file=sys.stderr)
    (folder / "made").write_text("")


# ---- engines: each gives a function that runs once


def executorch(folder, threads, shape):
    import torch
    from executorch.extension.pybindings import portable_lib as runtime

    runtime._unsafe_reset_threadpool(threads)
    module = runtime._load_for_executorch(str(folder / "xnnpack.pte"))
    inputs = (torch.rand(shape),)
    return lambda: module.run_method("forward", inputs, clone_outputs=False)


def ort(folder, threads, shape):
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    feed = {session.get_inputs()[0].name: np.random.rand(*shape).astype(np.float32)}
    return lambda: session.run(None, feed)


def openvino(folder, threads, shape):
    import numpy as np
    import openvino as ov

    core = ov.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(str(folder / "model.onnx"), "CPU", settings).create_infer_request()
    request.set_input_tensor(ov.Tensor(np.random.rand(*shape).astype(np.float32)))
    return request.infer


def ncnn(folder, threads, shape):
    import ncnn as library
    import numpy as np

    net = library.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for half in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, half, False)
    if net.load_param(str(folder / "traced.ncnn.param")) or net.load_model(str(folder / "traced.ncnn.bin")):
        raise RuntimeError("cannot be loaded")
    x = library.Mat(np.random.rand(*shape[1:]).astype(np.float32))
    outputs = net.output_names()

    def run():
        with net.create_extractor() as extractor:
            extractor.input(net.input_names()[0], x)
            for name in outputs:
                status, _ = extractor.extract(name)
                if status:
                    raise RuntimeError(f"stops with {status}")

    return run


def mnn(folder, threads, shape):
    import MNN
    import numpy as np

    runtime = MNN.nn.create_runtime_manager(
        ({"backend": "CPU", "numThread": threads, "precision": "high"},)
    )
    net = MNN.nn.load_module_from_file(
        str(folder / "model.mnn"), [], [], runtime_manager=runtime, shape_mutable=False
    )
    x = MNN.expr.placeholder(list(shape), MNN.expr.NCHW)
    x.write(np.random.rand(*shape).astype(np.float32))

    def run():
        for output in net.onForward([x]):
            output.read()

    return run


def work(engine, folder, threads, shape):
    """Loads, says so, then runs for as many seconds as each line of input asks."""
    run = globals()[engine](folder, threads, shape)
    run()
    print("ready", flush=True)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        print(json.dumps(statistics.median(times)), flush=True)


# ---- the table


class Peer:
    """A process that keeps a model loaded."""

    def __init__(self, engine, folder, threads, shape):
        python = ROOT / (".venv" if engine == "executorch" else ".venv-peers") / "bin/python"
        command = [python, "-W", "ignore", __file__, "--work", engine, folder, threads, json.dumps(shape)]
        self.process = subprocess.Popen(
            pinned(command, threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.answer("ready")

    def answer(self, wanted=None):
        for line in self.process.stdout:
            if wanted is None and line[:1].isdigit():
                return float(line)
            if wanted is not None and line.strip() == wanted:
                return None
        raise RuntimeError("stopped")

    def run(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    def __init__(self, engine, folder, threads, pte):
        file = folder / ("portable.pte" if engine == "portable" else "xnnpack.pte")
        isa = ["--isa", engine] if engine == "avx2" else []
        self.command = pinned([pte, "bench", file, "--threads", threads, "--json", *isa], threads)

    def run(self, seconds):
        command = [*self.command, "--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return json.loads(done.stdout)["milliseconds"]["median"]

    def close(self):
        pass


def pinned(command, threads):
    cores = ["taskset", "-c", "0"] if threads == 1 else []
    return cores + [str(word) for word in command]


def compare(name, threads, flags):
    """{engine: median ms} of one model."""
    folder, runners, rounds = flags.folder / name, {}, {}
    for engine in flags.engines:
        try:
            if engine in OURS:
                runners[engine] = Ours(engine, folder, threads, flags.pte)
            else:
                runners[engine] = Peer(engine, folder, threads, MODELS[name])
        except (RuntimeError, OSError):
            continue
    for _ in range(flags.rounds):
        for engine in list(runners):
            try:
                rounds.setdefault(engine, []).append(runners[engine].run(flags.seconds))
            except RuntimeError as error:
                print(f"{name}: {engine}: {error}", file=sys.stderr)
                runners.pop(engine).close()
                rounds.pop(engine, None)
    for runner in runners.values():
        runner.close()
    return {engine: statistics.median(times) for engine, times in rounds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pte", default=ROOT / "build/release/src/cli/pte", type=pathlib.Path)
    parser.add_argument("--folder", default=ROOT / "build/bench/inference", type=pathlib.Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.work:
        engine, folder, threads, shape = flags.work
        return work(engine, pathlib.Path(folder), int(threads), json.loads(shape))
    if flags.make:
        return make(flags.make, flags.folder / flags.make)
    packages = ROOT / "build/interop/onnx_packages"
    for name in flags.models:
        if not (flags.folder / name / "made").exists():
            command = [sys.executable, "-W", "ignore", __file__, "--make", name, "--folder", flags.folder]
            environment = {**os.environ, "PYTHONPATH": str(packages)}
            subprocess.run([str(word) for word in command], env=environment, check=True)
    results = []
    print("| model | threads | " + " | ".join(flags.engines) + " | of executorch | of the best peer |")
    print("|---" * (len(flags.engines) + 4) + "|")
    for name in flags.models:
        for threads in flags.threads:
            times = compare(name, threads, flags)
            peers = [ms for engine, ms in times.items() if engine not in OURS]
            ours = times.get("ptekit")
            shares = [
                f"{ours / other:.2f}" if ours and other else "–"
                for other in (times.get("executorch"), min(peers, default=None))
            ]
            cells = [f"{times[engine]:.2f}" if engine in times else "–" for engine in flags.engines]
            print(f"| {name} | {threads} | " + " | ".join(cells + shares) + " |", flush=True)
            results.append({"model": name, "threads": threads, "milliseconds": times})
    if flags.json:
        flags.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
