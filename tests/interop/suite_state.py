"""Mutable buffers, several methods, constant methods, and inputs and outputs other than tensors."""

from suite_core import *


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.count.add_(1)
        return x + self.count


class Average(nn.Module):
    """A running mean, and its state as output."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.full((3,), 2.0))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.mean.mul_(0.9).add_(x, alpha=0.1)
        self.steps += 1
        return self.mean.clone(), self.steps.clone()


class Window(nn.Module):
    """The last four inputs."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.zeros(4, 3))

    def forward(self, x):
        self.window.copy_(torch.cat([self.window[1:], x[None]]))
        return self.window.sum(0)


class Cache(nn.Module):
    """Writes rows of a cache at positions that come as an input."""

    def __init__(self):
        super().__init__()
        self.register_buffer("cache", torch.zeros(1, 2, 6, 4))

    def forward(self, x, position):
        self.cache.index_copy_(2, position, x)
        return self.cache.sum(2), self.cache[:, :, 0]


class CachePut(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("cache", torch.zeros(6, 4))

    def forward(self, x, position):
        self.cache[position] = x
        return self.cache * 2


class BoolState(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("flag", torch.zeros(3, dtype=torch.bool))

    def forward(self, x):
        self.flag.logical_xor_(x > 0)
        return self.flag.clone(), x


class SharedWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 4)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(x))


class ParameterOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2))

    def forward(self, x):
        return self.weight, x * self.weight


class Nested(nn.Module):
    def forward(self, x, pair, table):
        return {"sum": x + pair[0], "rest": [pair[1] * table["k"], (x, x.shape[0])]}


class Keyword(nn.Module):
    def forward(self, x, scale: float = 2.0, flag: bool = False):
        return x * scale if flag else x + scale


suite(
    "state",
    globals(),
    """
    counter :: Counter() :: f(2, 3) :: state=True, more=("(f(2, 3),)", "(f(2, 3),)")
    average :: Average() :: f(3) :: state=True, more=("(f(3),)", "(f(3),)")
    window :: Window() :: f(3) :: state=True, more=("(f(3),)", "(f(3),)", "(f(3),)")
    cache :: Cache() :: (f(1, 2, 1, 4), t([0])) :: state=True, more=("(f(1, 2, 1, 4), t([1]))", "(f(1, 2, 1, 4), t([4]))")
    cache_put :: CachePut() :: (f(2, 4), t([0, 1])) :: state=True, more=("(f(2, 4), t([3, 2]))",)
    bool_state :: BoolState() :: f(3) :: state=True, more=("(f(3),)",)
    shared_weight :: SharedWeight() :: f(2, 4)
    two_methods :: x + 1 :: f(3) :: methods={"second": ("x * 2, x - 1", "f(2, 2)")}
    three_methods :: nn.Linear(4, 3) :: f(2, 4) :: methods={"encode": ("nn.Linear(4, 2)", "f(1, 4)"), "decode": ("nn.Conv1d(2, 2, 1)", "f(1, 2, 4)")}
    constant_methods :: x + 1 :: f(3) :: constants={"get_n": 7, "get_rate": 0.5, "get_flag": True, "get_name": "net"}
    constant_tensor_method :: x + 1 :: f(3) :: constants={"get_table": torch.arange(6.0).reshape(2, 3)}
    int_input :: x + y :: (f(3), 4)
    float_input :: x * y :: (f(3), 2.5)
    bool_input :: x + 1 if y else x - 1 :: (f(3), True)
    none_input :: x + 1 if y is None else x + y :: (f(3), None)
    unused_input :: x * 2 :: (f(3), f(2))
    defaults :: Keyword() :: (f(3), 0.5, True)
    int_output :: x + 1, x.shape[0] :: f(3)
    float_output :: x + 1, 2.5, True :: f(3)
    none_output :: x + 1, None :: f(3)
    list_output :: [x + 1, x + 2] :: f(3)
    dict_output :: {"a": x + 1, "b": x + 2} :: f(3)
    nested :: Nested() :: (f(3), (f(3), f(1)), {"k": f(2)})
    list_input :: x[0] + x[1] * 2 :: ([f(3), f(3)],)
    constant_output :: x + 1, torch.ones(2, 3) :: f(3)
    input_as_output :: x, x + 1 :: f(3)
    parameter_output :: ParameterOutput() :: f(2)
    no_input :: torch.arange(3) + 1 :: ()
    """,
)
