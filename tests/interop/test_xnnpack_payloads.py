"""XNNPACK payloads of every kind, in ptekit against the official runtime on the same file.

Floating values agree to the project's bound, half precision to a unit in its last place; where
values are quantised, the integers inside agree, so that results do too, or differ by one step of
their scale in one element of a thousand.
"""

import numpy as np
import pytest

import xnnpack_cases
from conftest import TOLERANCE, run_command, run_official, run_ours

# Half of the last place of float16 and bfloat16, of values near the largest.
LAST_PLACE = {"half": 2e-3, "brain": 1.6e-2}


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return tmp_path_factory.mktemp("xnnpack_cases")


def steps(expected):
    """The scale of numbers that are multiples of one: the least distance between two of them."""
    values = np.unique(expected.astype(np.float64))
    gaps = np.diff(values)
    return gaps[gaps > np.abs(values).max() * 1e-6].min(initial=np.abs(values).max())


def compare(name, how, actual, expected):
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    largest = np.abs(expected.astype(np.float64)).max()
    if how == "static":
        wrong = difference > TOLERANCE * largest
        assert wrong.mean() <= 0.001, f"{wrong.mean():.2%} of the elements differ"
        assert difference.max() <= steps(expected) * 1.001
        return
    bound = LAST_PLACE.get(name.split("_")[0], TOLERANCE)
    if name.endswith("_half"):
        bound = LAST_PLACE["half"]
    assert difference.max() <= bound * largest, f"{difference.max() / largest:.2e}"


@pytest.mark.parametrize("name", sorted(xnnpack_cases.CASES))
def test_numbers(name, files, tmp_path):
    how = xnnpack_cases.CASES[name][0]
    xnnpack_cases.make(name, files)
    model = files / f"{name}.pte"
    inputs = sorted(files.glob(f"{name}.in*.npy"))
    expected = run_official(model, inputs, tmp_path / "official")
    actual = run_ours(model, inputs, tmp_path / "ours")
    assert len(actual) == len(expected) > 0
    for ours, theirs in zip(actual, expected):
        compare(name, how, ours, theirs)
