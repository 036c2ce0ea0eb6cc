"""Writes <family>.zip beside this file: operator calls and what PyTorch eager gives for them.

Run with a Python that has PyTorch:  python tests/golden/kernels/make_goldens.py [FAMILY ...]
The files are read by src/kernels/golden_test.cc; its header comment gives their layout. A family is
a function in one of the *_cases.py modules; golden.py has what they share.
"""

import sys

import torch

import elementwise_cases
import math_cases
import prim_cases
import quantized_cases
import selection_cases
import shape_cases
import uncommon_cases
import vision_cases
import window_cases

FAMILIES = [
    elementwise_cases.unary,
    elementwise_cases.elementwise,
    window_cases.conv,
    window_cases.matmul,
    window_cases.pool,
    window_cases.resample,
    shape_cases.reduce,
    shape_cases.layout,
    shape_cases.norm,
    shape_cases.softmax,
    elementwise_cases.factory,
    quantized_cases.quantized,
    vision_cases.volume,
    vision_cases.sampling,
    vision_cases.products,
    vision_cases.decompositions,
    selection_cases.rearrange,
    selection_cases.edges,
    selection_cases.folds,
    selection_cases.along,
    selection_cases.advanced,
    selection_cases.counting,
    selection_cases.scan,
    selection_cases.sorting,
    selection_cases.search,
    selection_cases.kinds,
    math_cases.math,
    math_cases.binary_math,
    math_cases.division,
    math_cases.bitwise,
    math_cases.masked,
    math_cases.identity,
    math_cases.unsigned,
    math_cases.creation,
    math_cases.fourier,
    prim_cases.prim,
    uncommon_cases.uncommon,
]


def main():
    torch.set_num_threads(1)
    chosen = sys.argv[1:] or [make.__name__ for make in FAMILIES]
    unknown = set(chosen) - {make.__name__ for make in FAMILIES}
    if unknown:
        sys.exit(f"no such family: {', '.join(sorted(unknown))}")
    for make in FAMILIES:
        if make.__name__ in chosen:
            torch.manual_seed(20240917)  # anew for each family, so that one can change alone
            make().write()


if __name__ == "__main__":
    main()
