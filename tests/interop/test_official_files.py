"""Files that the official exporter writes: in ptekit, against eager PyTorch."""

import numpy as np
import pytest

from conftest import BACKENDS, MODELS, NAMES, assert_close, pte, run_ours

CASES = [("", ""), ("_dynamic", ""), ("_dynamic", "batch3_")]


@pytest.mark.parametrize("suffix,prefix", CASES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_numbers(tmp_path, name, backend, suffix, prefix):
    file = MODELS / name / f"official_{backend}{suffix}.pte"
    actual = run_ours(file, [MODELS / name / f"{prefix}input0.npy"], tmp_path)
    assert_close(actual, np.load(MODELS / name / f"{prefix}output0.npy"), str(file))


@pytest.mark.parametrize("suffix", ["", "_dynamic"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_verifies(name, backend, suffix):
    pte("verify", MODELS / name / f"official_{backend}{suffix}.pte")
