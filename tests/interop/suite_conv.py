"""Convolutions and linear layers."""

from suite_core import *

suite(
    "conv",
    globals(),
    """
    conv2d :: nn.Conv2d(3, 8, 3) :: f(1, 3, 8, 8) :: q="static dynamic"
    conv1d :: nn.Conv1d(4, 6, 3) :: f(2, 4, 12) :: q="static"
    conv3d :: nn.Conv3d(2, 3, 2) :: f(1, 2, 4, 5, 6)
    linear :: nn.Linear(6, 5) :: f(3, 6) :: q="static dynamic"
    linear_dynamic_batch :: nn.Linear(6, 5) :: f(3, 6) :: dyn=({0: D("n", min=1, max=8)},), more=((f(5, 6),), (f(1, 6),))
    """,
)
