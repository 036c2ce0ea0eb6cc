"""Every module of the suites, as the official exporter writes it: loads, verifies and runs in ptekit,
on the engine and on the reference interpreter.

The numbers are the official runtime's, or eager PyTorch's where the official runtime cannot load or
run its own exporter's file, or where the case says why it is wrong.
"""

import concurrent.futures
import json
import os
import subprocess

import numpy as np
import pytest

from conftest import ENGINES, INTEROP, PTE, TOLERANCE

SUITE = INTEROP / "suite"
# Of a quantized output: elements that may be one step away.
ELEMENTS_OFF = 1e-3
# The distance between neighbouring numbers near 1.
EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def load_cases():
    cases = []
    for path in sorted(SUITE.glob("*/case.json")):
        record = json.loads(path.read_text())
        for lowering in record["lowerings"]:
            for engine in ENGINES:
                name = f"{record['name']}-{lowering}-{engine}"
                cases.append(pytest.param(record, lowering, engine, id=name))
    return cases


def run_pte(model, inputs, output, method, calls, engine):
    """(exit code, printed text) of `pte run`."""
    output.mkdir(parents=True, exist_ok=True)
    command = [PTE, "run", model, "--output-dir", output, "--method", method, "--json"]
    command += ["--threads", "1", "--engine", engine]
    if calls > 1:
        command += ["--calls", str(calls)]
    for word in inputs:
        command += ["--input", word]
    command = [str(word) for word in command]
    for attempt in range(3):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
            )
            return done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired:
            return -1, "", "120 s have gone by"
        except OSError as error:  # some sandboxes fail to start a process now and then
            reason = f"cannot be started: {error}"
    return -1, "", reason


def words(folder, inputs):
    return [str(folder / row["file"]) if "file" in row else row["text"] for row in inputs]


def run_case(record, lowering, engine, output):
    """{method: [(code, out, err) of every call]} of one file."""
    folder = SUITE / record["name"]
    row = record["lowerings"][lowering]
    done = {}
    for method in row["methods"]:
        calls = record["inputs"][method]
        if record["state"] and method == "forward":
            flat = [word for inputs in calls for word in words(folder, inputs)]
            done[method] = [
                run_pte(folder / row["file"], flat, output / method, method, len(calls), engine)
            ]
        else:
            done[method] = [
                run_pte(
                    folder / row["file"],
                    words(folder, inputs),
                    output / f"{method}{n}",
                    method,
                    1,
                    engine,
                )
                for n, inputs in enumerate(calls)
            ]
    for method in record["constants"]:
        done[method] = [run_pte(folder / row["file"], [], output / method, method, 1, engine)]
    return done


@pytest.fixture(scope="session")
def runs(request, tmp_path_factory):
    """future of run_case for every selected test; two at a time while the tests look at them."""
    base = tmp_path_factory.mktemp("suite")
    pool = concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2")))
    futures = {}
    for item in request.session.items:
        if getattr(item, "function", None) is test_module:
            record = item.callspec.params["record"]
            lowering = item.callspec.params["lowering"]
            engine = item.callspec.params["engine"]
            key = record["name"], lowering, engine
            futures[key] = pool.submit(run_case, record, lowering, engine, base / "-".join(key))
    yield futures, base
    pool.shutdown(cancel_futures=True)


def compare_values(actual, expected, dtype, step, shapes_only):
    """None when near enough, otherwise what is wrong."""
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return f"{actual.dtype}{list(actual.shape)}, expected {expected.dtype}{list(expected.shape)}"
    if shapes_only or actual.size == 0:
        return None
    if expected.dtype.kind in "biu":
        off = int((actual != expected).sum())
        return f"{off} of {actual.size} elements differ" if off else None
    epsilon = EPSILON.get(dtype, 0)
    a, e = actual.astype(np.float64), expected.astype(np.float64)
    with np.errstate(all="ignore"):
        same = (a == e) | (np.isnan(a) & np.isnan(e))
        gap = np.where(same, 0, np.abs(a - e))
    if not np.isfinite(gap).all():
        return f"{int((~np.isfinite(gap)).sum())} elements differ in infinity or NaN"
    finite = np.isfinite(e)
    largest = np.abs(e[finite]).max() if finite.any() else 0
    bound = max(TOLERANCE, epsilon) * largest
    if step:
        off = int((gap > bound).sum())
        if gap.max() <= step * 1.001 and off <= ELEMENTS_OFF * actual.size:
            return None
        if off:
            return f"{off} of {actual.size} elements differ by up to {gap.max() / step:.2f} steps"
        return None
    if gap.max() <= bound:
        return None
    return f"largest difference {gap.max() / (largest or 1):.2e} of the largest value"


def compare_outputs(rows, expected, folder, files, steps, record):
    if len(rows) != len(expected):
        return f"{len(rows)} outputs, expected {len(expected)}"
    for k, (row, want) in enumerate(zip(rows, expected)):
        if "file" in want:
            if "dtype" not in row:
                return f"output {k}: {row}, expected a tensor"
            if row["dtype"] != want["dtype"]:
                return f"output {k}: {row['dtype']}, expected {want['dtype']}"
            wrong = compare_values(
                np.load(files / f"out{k}.npy"),
                np.load(folder / want["file"]),
                want["dtype"],
                steps[k] if steps and k < len(steps) else None,
                record["check"] == "shapes",
            )
            if wrong:
                return f"output {k}: {wrong}"
        elif want["kind"] == "none":
            if "None" not in row["kind"] and "none" not in str(row.get("value")).lower():
                return f"output {k}: {row}, expected none"
        else:
            text, value = str(row.get("value")).lower(), want["value"]
            near = text == str(value).lower()
            if want["kind"] in ("int", "float") and not near:
                near = float(text) == pytest.approx(float(value), rel=1e-6)
            if not near:
                return f"output {k}: {row}, expected {value!r}"
    return None


def expected_answers(entry, wrong):
    """(outputs of every call, whose): official where it ran and is right, else eager PyTorch's."""
    if isinstance(entry["official"], list) and not wrong:
        return entry["official"], "the official runtime"
    why = wrong or entry["official"].get("error", "")
    return entry["eager"], f"eager PyTorch ({why})"


@pytest.mark.parametrize("record,lowering,engine", load_cases())
def test_module(runs, record, lowering, engine):
    futures, base = runs
    done = futures[record["name"], lowering, engine].result()
    folder = SUITE / record["name"]
    row = record["lowerings"][lowering]
    output = base / f"{record['name']}-{lowering}-{engine}"
    problems = []
    for method, entry in row["methods"].items():
        expected, whose = expected_answers(entry, row["wrong"])
        together = record["state"] and method == "forward"
        for n, want in enumerate(expected):
            code, out, err = done[method][0 if together else n]
            place = f"{method}, call {n}"
            if code != 0:
                problems.append(f"{place}: exit code {code}: {(err or out).strip()[:600]}")
                continue
            answer = json.loads(out)
            files = output / (method if together else f"{method}{n}")
            if together and len(expected) > 1:
                answer, files = answer["calls"][n], files / f"call{n}"
            rows = answer["outputs"]
            wrong = compare_outputs(rows, want, folder, files, row["steps"], record)
            if wrong:
                problems.append(f"{place}: {wrong}; against {whose}")
    for method, want in record["constants"].items():
        code, out, err = done[method][0]
        if code != 0:
            problems.append(f"{method}: exit code {code}: {(err or out).strip()[:600]}")
            continue
        wrong = compare_outputs(
            json.loads(out)["outputs"], [want], folder, output / method, None, record
        )
        if wrong:
            problems.append(f"{method}: {wrong}")
    if problems:
        pytest.fail(f"{folder / row['file']}\n  " + "\n  ".join(problems[:4]), pytrace=False)
