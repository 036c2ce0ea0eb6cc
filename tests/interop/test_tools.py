"""What the tools write, read by the official package."""

import json

import numpy as np
import pytest

from conftest import MODELS, pte, pte_json, run_official


def _inspector(path):
    from executorch.devtools import Inspector

    return Inspector(etdump_path=str(path))


@pytest.mark.parametrize("backend", ["portable", "xnnpack"])
def test_the_inspector_reads_our_profile(backend, tmp_path):
    model = MODELS / "deep_epi_cnn" / f"official_{backend}.pte"
    dump = tmp_path / "profile.etdp"
    answer = pte_json("profile", model, "--repeat", "3", "--etdump", dump)
    blocks = {block.name: block for block in _inspector(dump).event_blocks}
    assert set(blocks) == {"Default", "Execute"}
    assert {event.name for event in blocks["Default"].events} >= {
        "Method::init",
        "Program::load_method",
    }
    events = blocks["Execute"].events
    (execute,) = [event for event in events if event.name == "Method::execute"]
    assert len(execute.perf_data.raw) == 3
    ours = np.array(answer["run_milliseconds"])
    assert np.allclose(execute.perf_data.raw, ours, rtol=0.01, atol=0.01)
    inside = [event for event in events if event.is_delegated_op]
    assert bool(inside) == (backend == "xnnpack")
    calls = [event for event in events if event.name.startswith("native_call_")]
    outside = [step for step in answer["steps"] if "delegate" not in step and "::" in step["name"]]
    assert len(calls) == len(outside)


def test_traces_are_trace_events(tmp_path):
    model = MODELS / "deep_epi_cnn" / "official_xnnpack.pte"
    trace = tmp_path / "trace.json"
    pte("profile", model, "--repeat", "2", "--trace", trace)
    events = json.loads(trace.read_text())["traceEvents"]
    complete = [event for event in events if event["ph"] == "X"]
    runs = [event for event in complete if event["name"] == "execute"]
    assert len(runs) == 2
    for event in complete:
        if event["cat"] in ("instruction", "delegate"):
            assert any(
                run["ts"] <= event["ts"] and event["ts"] + event["dur"] <= run["ts"] + run["dur"]
                for run in runs
            )


@pytest.mark.parametrize("backend", ["portable", "xnnpack"])
def test_stripped_programs_run_in_the_official_runtime(backend, tmp_path):
    model = MODELS / "deep_epi_cnn" / f"official_{backend}.pte"
    stripped = tmp_path / "stripped.pte"
    pte("strip", model, "-o", stripped)
    sample = tmp_path / "x.npy"
    np.save(sample, np.random.default_rng(0).standard_normal((1, 1, 750), dtype=np.float32))
    before = run_official(model, [sample], tmp_path / "before")
    after = run_official(stripped, [sample], tmp_path / "after")
    for left, right in zip(before, after, strict=True):
        assert np.array_equal(left, right)


def test_weights_are_safetensors(tmp_path):
    model = MODELS / "deep_epi_cnn" / "official_portable.pte"
    path = tmp_path / "weights.safetensors"
    pte("extract", model, "--weights", path)
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    listed = {weight["name"]: weight for weight in pte_json("inspect", model)["weights"]}
    header.pop("__metadata__")
    assert header.keys() == listed.keys()
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        assert end - begin == listed[name]["bytes"]
    assert 8 + length + max(entry["data_offsets"][1] for entry in header.values()) == len(data)
