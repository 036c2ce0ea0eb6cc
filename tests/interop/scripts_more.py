"""Modules that torch.jit.script takes and torch.export does not, for generate_scripts.py: what a
call leaves in attributes for the next one, and inputs and outputs in dictionaries.
"""

from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import nn

from suite_core import *  # noqa: F403
from suite_core import suite


class Lazy(nn.Module):
    """A state that is None before the first call."""

    state: Optional[torch.Tensor]

    def __init__(self):
        super().__init__()
        self.state = None
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x):
        state = self.state
        if state is None:
            state = torch.zeros(x.size(0), 4)
        state = self.cell(x, state)
        self.state = state
        return state


class Empty(nn.Module):
    """As silero_vad: an empty tensor until the first call, and numbers that say what it was for."""

    def __init__(self):
        super().__init__()
        self.state = torch.zeros(0)
        self.context = torch.zeros(0)
        self.batch = 0
        self.cell = nn.LSTMCell(5, 4)

    @torch.jit.export
    def reset(self):
        self.state = torch.zeros(0)
        self.batch = 0

    def forward(self, x):
        if self.batch and self.batch != x.shape[0]:
            self.reset()
        if not len(self.context):
            self.context = torch.ones(x.shape[0], 2)
        joined = torch.cat([self.context, x], 1)
        if len(self.state):
            h, c = self.cell(joined, (self.state[0], self.state[1]))
        else:
            h, c = self.cell(joined, None)
        self.state = torch.stack([h, c])
        self.context = joined[:, -2:]
        self.batch = x.shape[0]
        return h


class Learned(nn.Module):
    """A first state that is a parameter."""

    state: Optional[torch.Tensor]

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.randn(2, 4))
        self.state = None

    def forward(self, x):
        state = self.state
        if state is None:
            state = self.first
        state = torch.tanh(state + x)
        self.state = state
        return state * 2


class Counts(nn.Module):
    """Numbers that change with every call, alone and in a tuple."""

    both: Tuple[int, float]

    def __init__(self):
        super().__init__()
        self.calls = 3
        self.both = (0, 1.0)

    def forward(self, x):
        self.calls += 2
        n, r = self.both
        self.both = (n + 1, r * 0.5)
        return x * self.calls + n, x + r


class Remembers(nn.Module):
    """A grid for the input's size, made at the first call and kept."""

    shape: List[int]

    def __init__(self):
        super().__init__()
        self.shape = []
        self.grid = torch.zeros(0)

    def forward(self, x):
        if self.shape != x.shape:
            self.grid = torch.arange(x.shape[-1], dtype=torch.float32) / x.shape[-1]
            self.shape = x.shape
        return x + self.grid


class FirstOther(nn.Module):
    """A first call that no later one is like."""

    last: Optional[torch.Tensor]

    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, x):
        last = self.last
        if last is None:
            out = torch.sin(x)
        else:
            out = x * last + 1
        self.last = x.abs()
        return out


class States(nn.Module):
    """A list of states that the first call fills, and a dictionary."""

    states: List[torch.Tensor]
    named: Dict[str, torch.Tensor]

    def __init__(self):
        super().__init__()
        self.states = []
        self.named = {"sum": torch.zeros(2, 3)}

    def forward(self, x):
        if len(self.states) == 0:
            self.states = [torch.zeros(2, 3), torch.zeros(2)]
        a, b = self.states[0], self.states[1]
        self.states = [torch.maximum(a, x), b * 0.5 + x.sum(1)]
        self.named["sum"] = self.named["sum"] + x
        return self.states[0] + self.states[1].unsqueeze(1), self.named["sum"]


class SharedStart(nn.Module):
    """Two attributes that are one tensor at first."""

    def __init__(self):
        super().__init__()
        zeros = torch.full((2, 3), 0.5)
        self.register_buffer("a", zeros)
        self.register_buffer("b", zeros)

    def forward(self, x):
        self.a = self.a + x
        self.b = self.b * 0.5 - x
        return self.a, self.b


class LazyCache(nn.Module):
    """A cache made by the first call and written in place by each."""

    cache: Optional[torch.Tensor]

    def __init__(self):
        super().__init__()
        self.cache = None
        self.at = 0

    def forward(self, x):
        cache = self.cache
        if cache is None:
            cache = torch.zeros(6, 3)
            self.cache = cache
        cache[self.at % 6] = x
        self.at += 1
        return cache * 2


class Grows(nn.Module):
    def __init__(self):
        super().__init__()
        self.all = torch.zeros(0, 3)

    def forward(self, x):
        self.all = torch.cat([self.all, x])
        return self.all.sum(0)


class Settles(nn.Module):
    """Twice replaced in one call, and only written."""

    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.mean = torch.zeros(3)
        self.seen = False

    def forward(self, x):
        self.steps += 1
        self.steps = self.steps * 2
        if not self.seen:
            self.mean = x.mean(0)
        self.mean = self.mean * 0.9 + x.mean(0) * 0.1
        self.seen = True
        return self.steps.clone(), self.mean


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


class Table(nn.Module):
    def forward(self, table: Dict[str, torch.Tensor], scale: torch.Tensor):
        return {"out": table["b"] * scale - table["a"], "a": table["a"]}


class Named(nn.Module):
    def forward(self, pair: Tuple[torch.Tensor, torch.Tensor]):
        made = Pair(pair[1] + 1, pair[0] * 2)
        return made.left, {"k": [made.right, made.left]}


class Words(nn.Module):
    def forward(self, x):
        return x + 1, "float"


suite("scripts", globals(), """
    lazy         :: Lazy() :: f(2, 3) :: state=True, more=("(f(2, 3),)", "(f(2, 3),)", "(f(2, 3),)")
    empty        :: Empty() :: f(2, 3) :: state=True, more=("(f(2, 3),)", "(f(2, 3),)", "(f(2, 3),)")
    learned      :: Learned() :: f(2, 4) :: state=True, more=("(f(2, 4),)", "(f(2, 4),)")
    counts       :: Counts() :: f(3) :: state=True, more=("(f(3),)", "(f(3),)", "(f(3),)")
    remembers    :: Remembers() :: f(2, 3) :: state=True, more=("(f(2, 3),)",)
    first_other  :: FirstOther() :: f(2, 3) :: state=True, more=("(f(2, 3),)", "(f(2, 3),)", "(f(2, 3),)")
    states       :: States() :: f(2, 3) :: state=True, more=("(f(2, 3),)", "(f(2, 3),)", "(f(2, 3),)")
    shared_start :: SharedStart() :: f(2, 3) :: state=True, more=("(f(2, 3),)", "(f(2, 3),)")
    lazy_cache   :: LazyCache() :: f(3) :: state=True, more=("(f(3),)", "(f(3),)", "(f(3),)")
    grows        :: Grows() :: f(2, 3) :: state=True, more=("(f(2, 3),)",)
    settles      :: Settles() :: f(2, 3) :: state=True, more=("(f(2, 3),)", "(f(2, 3),)")
    table        :: Table() :: ({"b": f(3), "a": f(2, 3)}, f(1))
    named        :: Named() :: ((f(3), f(2)),)
    words        :: Words() :: f(3)
    """)
