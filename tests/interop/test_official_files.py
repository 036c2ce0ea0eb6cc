"""Files that the official exporter writes: in ptekit, against eager PyTorch."""

import numpy as np
import pytest

from conftest import BACKENDS, MODELS, NAMES, RUNTIMES, assert_close, pte, pte_facts, pte_json

CASES = [("", ""), ("_dynamic", ""), ("_dynamic", "batch3_")]


@pytest.mark.parametrize("runtime", ["engine", "reference"])
@pytest.mark.parametrize("suffix,prefix", CASES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_numbers(tmp_path, name, backend, suffix, prefix, runtime):
    file = MODELS / name / f"official_{backend}{suffix}.pte"
    actual = RUNTIMES[runtime](file, [MODELS / name / f"{prefix}input0.npy"], tmp_path)
    expected = np.load(MODELS / name / f"{prefix}output0.npy")
    assert_close(actual, expected, f"{file} in {runtime}", runtime)


@pytest.mark.parametrize("suffix", ["", "_dynamic"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_verifies(name, backend, suffix):
    pte("verify", MODELS / name / f"official_{backend}{suffix}.pte")


@pytest.mark.parametrize("suffix", ["", "_dynamic"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_inspect_agrees_with_the_official_reader(name, backend, suffix):
    file = MODELS / name / f"official_{backend}{suffix}.pte"
    facts = pte_facts(file)
    answer = pte_json("inspect", file)
    (method,) = answer["methods"]
    assert answer["bytes"] == facts.size
    assert sum(method["arena_sizes"]) == facts.arena
    assert [delegate["id"] for delegate in method["delegates"]] == facts.delegates
    assert method["operators"] == dict(facts.kernels)
    assert sorted(data["key"] for data in answer["named_data"]) == facts.named_data
