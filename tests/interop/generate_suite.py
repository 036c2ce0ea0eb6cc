#!/usr/bin/env python3
"""Exports every module of the suites with the official exporter and runs the result officially.

    .venv/bin/python tests/interop/generate_suite.py OUTPUT [--jobs N] [--only REGEX] [--share N] [--list]

For every case of suite_*.py a folder OUTPUT/<case>/ with

    <lowering>.pte                portable, nodim, xnnpack, static, dynamic: those that apply
    case.json                     calls with their inputs, what eager PyTorch and the official
                                  runtime answer (values or the error), the step of quantized outputs
    <call>_in<i>.npy|.bin, <lowering>_<call>_<eager|official>_out<i>.npy

A folder whose digest is that of the case's text is left alone. The official runtime runs in a
process of its own for each program, so that none takes others along when it aborts.
"""

import argparse
import copy
import functools
import glob
import importlib
import json
import logging
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import sys
import time
import traceback
import warnings
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import numpy as np
import torch

import exporter_speed
import suite_core

# Raise this when what is generated changes, so that old folders are made again.
VERSION = 1
RUN_SECONDS = 60


def load_suites():
    folder = pathlib.Path(__file__).parent
    for path in sorted(folder.glob("suite_*.py")):
        if path.stem != "suite_core":
            importlib.import_module(path.stem)
    return suite_core.CASES


# ---- values in files ---------------------------------------------------------------------------


def save_value(value, folder, stem):
    """What case.json says of a value; tensors go to files beside it."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        row = {"dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape)}
        if value.dtype == torch.bfloat16:
            row["file"] = f"{stem}.npy"
            np.save(folder / row["file"], value.float().contiguous().numpy())
        else:
            row["file"] = f"{stem}.npy"
            np.save(folder / row["file"], value.contiguous().numpy())
        return row
    if value is None:
        return {"kind": "none"}
    if isinstance(value, (bool, int, float, str)):
        return {"kind": type(value).__name__, "value": value}
    raise TypeError(f"an output of type {type(value).__name__}")


def save_input(value, folder, stem):
    """A word for `pte run --input`: a file, or a number as text."""
    if isinstance(value, torch.Tensor):
        if value.dtype == torch.bfloat16:  # no type of NumPy's
            (folder / f"{stem}.bin").write_bytes(
                value.contiguous().view(torch.int16).numpy().tobytes()
            )
            return {"file": f"{stem}.bin"}
        array = value.contiguous().numpy()
        np.save(folder / f"{stem}.npy", array)
        return {"file": f"{stem}.npy"}
    if value is None:
        return {"text": "none"}
    return {"text": str(value).lower() if isinstance(value, bool) else repr(value)}


def flat(values):
    return torch.utils._pytree.tree_leaves(values, is_leaf=lambda v: v is None)


# ---- lowering ----------------------------------------------------------------------------------


@functools.cache
def tools():
    """The official exporter's parts, imported once before the workers fork."""
    import ctypes
    import types

    import executorch.exir as exir
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as quantizer
    from executorch.exir.passes import MemoryPlanningPass
    from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass
    from executorch.extension.pybindings import portable_lib
    from torchao.quantization.pt2e import quantize_pt2e
    import executorch

    kernels = pathlib.Path(executorch.__path__[0]) / "lib/libexecutorch_kernels_quantized.so"
    ctypes.CDLL(str(kernels), ctypes.RTLD_GLOBAL)
    exporter_speed.quicken()
    return types.SimpleNamespace(
        exir=exir,
        passes=types.SimpleNamespace(  # what the options of a case may name
            ExecutorchBackendConfig=exir.ExecutorchBackendConfig,
            MemoryPlanningPass=MemoryPlanningPass,
            InitializedMutableBufferPass=InitializedMutableBufferPass,
            XnnpackPartitioner=XnnpackPartitioner,
        ),
        config=lambda **options: exir.EdgeCompileConfig(_check_ir_validity=False, **options),
        targets={config.target_name for config in ALL_PARTITIONER_CONFIGS},
        quantizer=quantizer,
        quantize=quantize_pt2e,
        runtime=portable_lib,
    )


def export(module, inputs, case):
    with torch.no_grad():
        return torch.export.export(
            module, inputs, dynamic_shapes=case.dyn, strict=case.strict
        )


def quantized(case, dynamic, calls):
    kit = tools()
    program = export(case.module(), calls[0], case)
    quantizer = kit.quantizer.XNNPACKQuantizer()
    quantizer.set_global(
        kit.quantizer.get_symmetric_quantization_config(
            is_per_channel="per_tensor" not in case.q, is_dynamic=dynamic
        )
    )
    prepared = kit.quantize.prepare_pt2e(program.module(), quantizer)
    with torch.no_grad():
        for inputs in calls:
            prepared(*inputs)
    return kit.quantize.convert_pt2e(prepared)


def step_of(graph_module):
    """For each output the quantization step that its values come in, or None."""
    passing = ("view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "flatten", "slice")
    (output,) = [node for node in graph_module.graph.nodes if node.op == "output"]
    steps = []
    for node in torch.utils._pytree.tree_leaves(output.args[0]):
        step = None
        while isinstance(node, torch.fx.Node) and node.op == "call_function":
            name = str(node.target)
            if "dequantize_per_tensor" in name:
                step = float(node.args[1]) if isinstance(node.args[1], (int, float)) else None
                break
            if not any(word in name for word in passing):
                break
            node = node.args[0]
        steps.append(step)
    return steps


def delegates_in(manager):
    for name in manager.methods:
        for node in manager.exported_program(name).graph.nodes:
            if "executorch_call_delegate" in str(node.target):
                return True
    return False


def partitioner_may_take(program):
    words = tools().targets
    for node in program.graph.nodes:
        if node.op == "call_function":
            name = str(node.target).split("::")[-1].removeprefix("aten.").rstrip("_")
            base = name.split(".")[0].rstrip("_")
            if base.startswith(("conv", "linear", "matmul", "upsample_bilinear", "_to", "to")):
                return True
            for word in words:
                known = word.split(".")[0].removesuffix("_copy").lstrip("_").rstrip("_")
                if base.lstrip("_") == known:
                    return True
    return False


def lower(case, lowering, programs):
    """The .pte as bytes, or None where the backend takes nothing."""
    kit = tools()
    backend = eval(f"ExecutorchBackendConfig({case.config})", vars(kit.passes))
    if lowering in ("portable", "nodim"):
        options = {"_skip_dim_order": True} if lowering == "nodim" else {}
        manager = kit.exir.to_edge(
            programs, constant_methods=case.constants, compile_config=kit.config(**options)
        )
    else:
        manager = kit.exir.to_edge_transform_and_lower(
            programs,
            partitioner=[eval(f"XnnpackPartitioner({case.partition})", vars(kit.passes))],
            constant_methods=case.constants,
            compile_config=kit.config(),
        )
        if not delegates_in(manager):
            return None
    return manager.to_executorch(backend).buffer


# ---- running -----------------------------------------------------------------------------------


def eager(module, calls, state):
    answers = []
    for inputs in calls:
        instance = module if state else copy.deepcopy(module)
        with torch.no_grad():
            answers.append(flat(instance(*copy.deepcopy(inputs))))
        answers[-1] = [
            value.clone() if isinstance(value, torch.Tensor) else value for value in answers[-1]
        ]
    return answers


def official_in_child(folder, file, method, calls, state, stem):
    """Runs all calls and writes the outputs; never returns."""
    log = os.open(folder / f"{stem}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    signal.alarm(RUN_SECONDS)
    answers = []
    code = 0
    try:
        runtime = tools().runtime
        data = (folder / file).read_bytes()
        program = None
        for number, inputs in enumerate(calls):
            if program is None or not state:
                program = runtime._load_for_executorch_from_buffer(data)
            # The binding takes what the exporter's inputs flatten to.
            outputs = program.run_method(method, tuple(flat(inputs)))
            answers.append(
                [
                    save_value(value, folder, f"{stem}_{number}_out{k}")
                    for k, value in enumerate(outputs)
                ]
            )
    except BaseException as error:
        answers = {"error": f"{type(error).__name__}: {error}"}
    (folder / f"{stem}.json").write_text(json.dumps(answers))
    os._exit(code)


def official(folder, file, method, calls, state, stem):
    """The outputs of every call, or {"error": …}."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        official_in_child(folder, file, method, calls, state, stem)
    _, status = os.waitpid(child, 0)
    answer = folder / f"{stem}.json"
    log = folder / f"{stem}.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    if status != 0 or not answer.exists():
        result = {"error": f"ended with status {status}"}
    else:
        result = json.loads(answer.read_text())
    if "error" in result:
        lines = [line for line in text.splitlines() if line.startswith(("E ", "F ", "[", "I "))]
        result["log"] = re.sub(r"^.*?(executorch:)?(\w+\.(cpp|h):\d+)\]", r"\2", "\n".join(lines[:4]))
    for path in (answer, log):
        path.unlink(missing_ok=True)
    return result


# ---- one case ----------------------------------------------------------------------------------


def difference(actual, expected, folder):
    """Largest difference over the largest value, for the table of official bugs; None: equal type."""
    worst = 0.0
    for a, e in zip(actual, expected):
        if "file" not in a or "file" not in e:
            continue
        x, y = np.load(folder / a["file"]), np.load(folder / e["file"])
        if x.shape != y.shape or x.dtype != y.dtype:
            return f"{x.dtype}{list(x.shape)} for {y.dtype}{list(y.shape)}"
        if x.size == 0:
            continue
        x, y = x.astype(np.float64), y.astype(np.float64)
        with np.errstate(all="ignore"):
            same = (x == y) | (np.isnan(x) & np.isnan(y))
            gap = np.where(same, 0, np.abs(x - y))
            finite = np.isfinite(y)
            scale = np.abs(y[finite]).max() if finite.any() else 0
            gap = np.where(np.isnan(gap) | np.isinf(gap), 1e30, gap)
        worst = max(worst, float(gap.max() / (scale or 1)))
    return worst


def generate(case, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    record = {"name": case.name, "check": case.check, "state": case.state, "lowerings": {}}
    methods = {"forward": (case.what, case.inputs), **(case.methods or {})}
    record["constants"] = {
        name: save_value(value, folder, f"constant_{name}")
        for name, value in (case.constants or {}).items()
    }
    calls, modules, programs = {}, {}, {}
    for name, (what, inputs) in methods.items():
        calls[name] = [case.arguments(inputs)]
        if name == "forward":
            calls[name] += [eval(more, case.space) if isinstance(more, str) else more
                            for more in case.more]
        modules[name] = case.module(what, inputs)
        programs[name] = export(copy.deepcopy(modules[name]), copy.deepcopy(calls[name][0]), case)
    record["inputs"] = {
        name: [
            [save_input(v, folder, f"{name}_{n}_in{k}") for k, v in enumerate(flat(inputs))]
            for n, inputs in enumerate(rows)
        ]
        for name, rows in calls.items()
    }

    wanted = ["portable"] if "portable" not in case.no else []
    if case.nodim:
        wanted.append("nodim")
    if case.xnn and any(partitioner_may_take(p) for p in programs.values()):
        wanted.append("xnnpack")
    wanted += [mode for mode in ("static", "dynamic") if mode in case.q]
    for lowering in wanted:
        if lowering in case.no:
            continue
        steps = None
        lowered, used = programs, modules
        if lowering in ("static", "dynamic"):
            converted = quantized(case, lowering == "dynamic", calls["forward"])
            steps = step_of(converted)
            lowered = {"forward": export(converted, calls["forward"][0], case)}
            used = {"forward": converted}
        try:
            data = lower(case, lowering, copy.deepcopy(lowered))
        except Exception as error:
            raise RuntimeError(f"{lowering}: {type(error).__name__}: {error}") from error
        if data is None:
            continue
        file = f"{lowering}.pte"
        (folder / file).write_bytes(data)
        row = {"file": file, "wrong": case.wrong.get(lowering, case.wrong.get("all")), "methods": {}}
        row["steps"] = steps
        for name in lowered:
            stem = f"{lowering}_{name}"
            answers = eager(copy.deepcopy(used[name]), calls[name], case.state)
            rows = [
                [save_value(v, folder, f"{stem}_eager_{n}_out{k}") for k, v in enumerate(answer)]
                for n, answer in enumerate(answers)
            ]
            theirs = official(folder, file, name, calls[name], case.state, f"{stem}_official")
            entry = {"eager": rows, "official": theirs}
            if isinstance(theirs, list):
                entry["official_against_eager"] = [
                    difference(a, e, folder) for a, e in zip(theirs, rows)
                ]
            row["methods"][name] = entry
        record["lowerings"][lowering] = row
    if not record["lowerings"]:
        raise RuntimeError("nothing came of it")
    return record


def work(cases, output, next_case, failures):
    """One worker: takes the next case until there is none."""
    torch.set_num_threads(1)
    while True:
        with next_case.get_lock():
            index = next_case.value
            next_case.value += 1
        if index >= len(cases):
            return
        case = cases[index]
        folder = output / case.name
        start = time.process_time(), time.time()
        try:
            record = generate(case, folder)
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            text = f"{type(error).__name__}: {error}".strip().splitlines()
            failures.put((case.name, "\n".join(text[:12]), traceback.format_exc()[-3000:]))
            continue
        record["digest"] = f"{VERSION} {case.digest()}"
        record["seconds"] = round(time.process_time() - start[0], 2)
        (folder / "case.json").write_text(json.dumps(record))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--share", type=int, default=1, help="one module in so many, whole models all")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()

    start = time.time()
    cases = {
        name: case
        for name, case in load_suites().items()
        if case.group == "models" or zlib.crc32(name.encode()) % options.share == 0
    }
    if options.list:
        print("\n".join(cases))
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    for old in options.output.iterdir():  # cases that are no more
        if old.is_dir() and old.name not in cases:
            shutil.rmtree(old)
    todo = [
        case
        for case in cases.values()
        if re.search(options.only, case.name) and not suite_core.is_complete(case, options.output, VERSION)
    ]
    if not todo:
        print(f"{len(cases)} modules are there")
        return 0
    # The long ones first.
    todo.sort(key=lambda case: (case.group != "models", -len(case.q)))
    tools()
    next_case = multiprocessing.Value("i", 0)
    failures = multiprocessing.SimpleQueue()
    workers = []
    for _ in range(min(options.jobs, len(todo))):
        process = multiprocessing.get_context("fork").Process(
            target=work, args=(todo, options.output, next_case, failures)
        )
        process.start()
        workers.append(process)
    failed = {}
    while any(process.is_alive() for process in workers) or not failures.empty():
        while not failures.empty():
            name, text, trace = failures.get()
            failed[name] = trace if options.verbose else text
        time.sleep(0.05)
    for case in todo:
        if case.name not in failed and not suite_core.is_complete(case, options.output, VERSION):
            failed[case.name] = "the exporting process ended"
    for name, text in sorted(failed.items()):
        print(f"{name}: {text}\n", file=sys.stderr)
    print(
        f"{len(todo) - len(failed)} modules generated, {len(failed)} failed, "
        f"{time.time() - start:.0f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
