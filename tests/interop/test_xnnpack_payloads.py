"""XNNPACK payloads of every kind, in ptekit against the official runtime on the same file.

Floating values agree to the project's bound, half precision to a unit in its last place; where
values are quantised, the integers inside agree, so that results do too, or differ by one step of
their scale in one element of a thousand.
"""

import numpy as np
import pytest

import xnnpack_cases
from conftest import ENGINES, TOLERANCE, run_command, run_official, run_ours

# Two units in float16's last place, of values near the largest.
HALF = 2e-3


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
    bound = HALF if "half" in name.split("_") else TOLERANCE
    assert difference.max() <= bound * largest, f"{difference.max() / largest:.2e}"


@pytest.mark.parametrize("name", sorted(xnnpack_cases.CASES))
def test_numbers(name, files, tmp_path):
    how = xnnpack_cases.CASES[name][0]
    xnnpack_cases.make(name, files)
    model = files / f"{name}.pte"
    inputs = sorted(files.glob(f"{name}.in*.npy"))
    expected = run_official(model, inputs, tmp_path / "official")
    for engine in ENGINES:
        actual = run_ours(model, inputs, tmp_path / engine, engine)
        assert len(actual) == len(expected) > 0
        for ours, theirs in zip(actual, expected):
            compare(name, how, ours, theirs)
