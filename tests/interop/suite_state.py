"""Mutable buffers, several methods, constant methods, and inputs and outputs other than tensors."""

from suite_core import *


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.count.add_(1)
        return x + self.count


suite(
    "state",
    globals(),
    """
    counter :: Counter() :: f(2, 3) :: state=True, more=((f(2, 3),), (f(2, 3),))
    two_methods :: x + 1 :: f(3) :: methods={"second": ("x * 2, x - 1", "f(2, 2)")}
    constant_methods :: x + 1 :: f(3) :: constants={"get_n": 7, "get_rate": 0.5, "get_flag": True, "get_name": "net"}
    int_input :: x + y :: (f(3), 4)
    float_input :: x * y :: (f(3), 2.5)
    bool_input :: x + 1 if y else x - 1 :: (f(3), True)
    int_output :: x + 1, x.shape[0] :: f(3)
    none_output :: x + 1, None :: f(3)
    list_output :: [x + 1, x + 2] :: f(3)
    dict_output :: {"a": x + 1, "b": x + 2} :: f(3)
    """,
)
