"""What every interop test shares: where things are, and how to run each side.

Environment (the Makefile's defaults in brackets): PTE_BINARY [build/dev/src/cli/pte],
PTE_INTEROP [build/interop], PTE_DEMO [build/demo].
"""

import collections
import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PTE = pathlib.Path(os.environ.get("PTE_BINARY", ROOT / "build/dev/src/cli/pte"))
INTEROP = pathlib.Path(os.environ.get("PTE_INTEROP", ROOT / "build/interop"))
DEMO = pathlib.Path(os.environ.get("PTE_DEMO", ROOT / "build/demo"))
RUNNER = INTEROP / "official_runner"
MODELS = INTEROP / "models"

NAMES = ["efficientnet_lite0", "mobilenet_v3_small", "deep_epi_cnn", "deep_epi_cnn_dropout"]
BACKENDS = ["portable", "xnnpack"]
# The project's bound on every number: relative to the largest value of the expected output.
TOLERANCE = 1e-5
# The engine's where it runs 3x3 convolutions by Winograd's F(4,3), layer after layer.
WINOGRAD_TOLERANCE = 1e-4
# What runs programs: fused kernels, or each call by its plain one.
ENGINES = ["fast", "reference"]


def pytest_sessionstart(session):
    for needed in (PTE, RUNNER, MODELS, DEMO):
        if not needed.exists() and not session.config.option.collectonly:
            pytest.exit(f"{needed} is missing: run `make interop`", returncode=1)


def run_command(*command, timeout=300):
    """Standard output of a command that must succeed."""
    command = [str(word) for word in command]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, (
        f"exit code {done.returncode}: {' '.join(command)}\n{done.stdout}{done.stderr}"
    )
    return done.stdout


def pte(*arguments, **options):
    return run_command(PTE, *arguments, **options)


def pte_json(*arguments, **options):
    return json.loads(pte(*arguments, "--json", **options))


def _outputs(folder):
    count = len(list(folder.glob("out*.npy")))
    return [np.load(folder / f"out{i}.npy") for i in range(count)]


def run_ours(model, inputs, folder, engine="fast"):
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [word for path in inputs for word in ("--input", path)]
    pte("run", model, *arguments, "--engine", engine, "--output-dir", folder)
    return _outputs(folder)


def run_reference(model, inputs, folder):
    return run_ours(model, inputs, folder, "reference")


def run_official(model, inputs, folder):
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [word for path in inputs for word in ("--input", path)]
    run_command(RUNNER, model, *arguments, "--output-dir", folder)
    return _outputs(folder)


RUNTIMES = {"engine": run_ours, "reference": run_reference, "official": run_official}


def assert_close(actual, expected, what, runtime="reference"):
    assert len(actual) == 1, f"{what}: {len(actual)} outputs, expected 1"
    assert actual[0].dtype == expected.dtype and actual[0].shape == expected.shape, (
        f"{what}: {actual[0].dtype}{actual[0].shape}, expected {expected.dtype}{expected.shape}"
    )
    difference = np.abs(actual[0].astype(np.float64) - expected).max() / np.abs(expected).max()
    bound = WINOGRAD_TOLERANCE if runtime == "engine" else TOLERANCE
    assert difference <= bound, f"{what}: largest difference {difference:.2e}"


@dataclasses.dataclass
class PteFacts:
    """What a .pte says of itself, read by the official package."""

    size: int
    arena: int  # bytes of all planned buffers
    kernels: collections.Counter  # operator name → calls outside delegates
    delegates: list
    named_data: list


@functools.lru_cache(maxsize=None)
def pte_facts(path):
    from executorch.exir._serialize._program import deserialize_pte_binary

    data = pathlib.Path(path).read_bytes()
    file = deserialize_pte_binary(data)
    (plan,) = file.program.execution_plan
    kernels = collections.Counter()
    for chain in plan.chains:
        for instruction in chain.instructions:
            if hasattr(instruction.instr_args, "op_index"):
                operator = plan.operators[instruction.instr_args.op_index]
                kernels[f"{operator.name}.{operator.overload}"] += 1
    return PteFacts(
        size=len(data),
        arena=sum(plan.non_const_buffer_sizes),
        kernels=kernels,
        delegates=[delegate.id for delegate in plan.delegates],
        named_data=sorted(file.named_data.pte_data) if file.named_data else [],
    )


@pytest.fixture(scope="session")
def export_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="session")
def export(export_folder):
    """export(name, source, backend) → path of ptekit's own .pte; each made once."""

    @functools.lru_cache(maxsize=None)
    def make(name, source, backend):
        output = export_folder / f"{name}-{pathlib.Path(source).stem}-{backend}.pte"
        pte("export", MODELS / name / source, "--backends", backend, "-o", output)
        return output

    return make
