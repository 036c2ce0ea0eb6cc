"""Files that ptekit writes: in the official runtime and in ours, against eager PyTorch, and never
larger or hungrier than the official exporter's."""

import sys

import numpy as np
import pytest

from conftest import (
    BACKENDS,
    MODELS,
    NAMES,
    PTE,
    RUNTIMES,
    assert_close,
    pte,
    pte_facts,
    run_command,
)

SOURCES = ["checkpoint_zip.pth", "training.pt2", "aten.pt2"]
every_file = pytest.mark.parametrize(
    "name,source,backend",
    [(name, source, backend) for name in NAMES for source in SOURCES for backend in BACKENDS],
)


@every_file
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_numbers(export, tmp_path, name, source, backend, runtime):
    file = export(name, source, backend)
    actual = RUNTIMES[runtime](file, [MODELS / name / "input0.npy"], tmp_path)
    assert_close(actual, np.load(MODELS / name / "output0.npy"), f"{file.name} in {runtime}", runtime)


@every_file
def test_verifies(export, name, source, backend):
    pte("verify", export(name, source, backend))


@every_file
def test_size_and_memory(export, name, source, backend):
    ours = pte_facts(export(name, source, backend))
    official = pte_facts(MODELS / name / f"official_{backend}.pte")
    assert ours.size <= 1.01 * official.size
    assert ours.arena <= official.arena


@every_file
def test_operators_outside_delegates(export, name, source, backend):
    ours = pte_facts(export(name, source, backend))
    if backend == "portable":
        assert not ours.delegates and ours.kernels
        return
    official = pte_facts(MODELS / name / "official_xnnpack.pte")
    assert ours.delegates and set(ours.delegates) == {"XnnpackBackend"}
    left_out = ours.kernels - official.kernels
    assert not left_out, f"outside ours but inside the official delegate: {dict(left_out)}"
    assert len(ours.delegates) <= len(official.delegates)


# The graph that a zoo model describes is the one that PyTorch traces, so every door gives a file of
# the same shape.
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_every_door_leads_to_the_same_program(export, name, backend):
    facts = [pte_facts(export(name, source, backend)) for source in SOURCES]
    for other in facts[1:]:
        assert other.kernels == facts[0].kernels
        assert other.arena == facts[0].arena


CHECKPOINTS = [
    (name, f"checkpoint_{format}.pth")
    for name in NAMES
    for format in ("legacy", "module", "state_dict", "model_state_dict")
    if name != "efficientnet_lite0" or format == "legacy"
]


@pytest.mark.parametrize("name,source", CHECKPOINTS)
def test_checkpoint_formats(export, tmp_path, name, source):
    file = export(name, source, "xnnpack")
    actual = RUNTIMES["official"](file, [MODELS / name / "input0.npy"], tmp_path)
    assert_close(actual, np.load(MODELS / name / "output0.npy"), source)


@pytest.mark.parametrize("prefix", ["", "batch3_"])
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", ["training_dynamic.pt2", "aten_dynamic.pt2"])
@pytest.mark.parametrize("name", NAMES)
def test_dynamic_batch(export, tmp_path, name, source, backend, runtime, prefix):
    file = export(name, source, backend)
    actual = RUNTIMES[runtime](file, [MODELS / name / f"{prefix}input0.npy"], tmp_path)
    expected = np.load(MODELS / name / f"{prefix}output0.npy")
    assert_close(actual, expected, f"{file.name} in {runtime}", runtime)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_dynamic_size_and_memory(export, name, backend):
    ours = pte_facts(export(name, "training_dynamic.pt2", backend))
    official = pte_facts(MODELS / name / f"official_{backend}_dynamic.pte")
    assert ours.size <= 1.01 * official.size
    # Where the official partitioner splits a model that is one delegate here, its output may take
    # the room of its input; the input and output of one delegate live together (docs/differences.md).
    split = len(official.delegates) > len(ours.delegates)
    assert ours.arena <= official.arena * (1.005 if split else 1)


def test_metadata_is_carried_and_ignored(export):
    # test_numbers has run this very file in the official runtime.
    file = export("efficientnet_lite0", "checkpoint_zip.pth", "xnnpack")
    assert "ptekit.metadata" in pte_facts(file).named_data


@pytest.mark.parametrize("backend", BACKENDS)
def test_export_memory(export_folder, backend):
    # A fresh process whose only children are this export: ru_maxrss is its peak (KiB).
    source = MODELS / "efficientnet_lite0/checkpoint_legacy.pth"
    output = export_folder / f"memory-{backend}.pte"
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    printed = run_command(
        sys.executable, "-c", script, PTE, "export", source, "--backends", backend, "-o", output
    )
    assert int(printed) * 1024 < 4 * source.stat().st_size
