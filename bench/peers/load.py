#!/usr/bin/env python3
"""Loading a program and its peak memory, ptekit beside the official runtime, in interleaved runs.

    make interop                     # once: builds the official runner
    .venv/bin/python bench/peers/load.py MODEL.pte INPUT.npy [--rounds 15]

Each round starts both afresh, loads MODEL once and runs it once, one thread each. "load" is the time
(ms) from opening the file to a method that is ready to run, as each program reports it; "peak" the
largest resident set (MiB) of the whole process, inference included.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def measured(command):
    """(what it printed as JSON, its peak resident set in MiB)."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command[0]} failed with status {status}")
    return json.loads(text), usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pte", default=ROOT / "build/release/src/cli/pte")
    parser.add_argument("--runner", default=ROOT / "build/interop/official_runner")
    arguments = parser.parse_args()
    inputs = [word for path in arguments.inputs for word in ("--input", path)]
    times = {"ptekit": [], "official": []}
    peaks = {"ptekit": [], "official": []}
    for _ in range(arguments.rounds):
        ours, peak = measured([arguments.pte, "run", arguments.model, *inputs, "--threads", "1", "--json"])
        times["ptekit"].append(ours["milliseconds"]["load"])
        peaks["ptekit"].append(peak)
        theirs, peak = measured([arguments.runner, arguments.model, *inputs, "--threads", "1"])
        times["official"].append(theirs["load_ms"])
        peaks["official"].append(peak)
    print(f"{'':10}{'load ms':>10}{'least':>10}{'peak MiB':>10}")
    for name in times:
        print(
            f"{name:10}{statistics.median(times[name]):10.2f}{min(times[name]):10.2f}"
            f"{statistics.median(peaks[name]):10.1f}"
        )
    load = statistics.median(times["ptekit"]) / statistics.median(times["official"])
    peak = statistics.median(peaks["ptekit"]) / statistics.median(peaks["official"])
    print(f"{'ratio':10}{load:10.2f}{min(times['ptekit']) / min(times['official']):10.2f}{peak:10.2f}")


if __name__ == "__main__":
    main()
