"""Control flow: cond, map, scan (the exporter refuses while_loop)."""

from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.scan import scan
from functorch.experimental.control_flow import map as map_rows

from suite_core import *


class Cond(nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x * 2, (x,))


class CondInput(nn.Module):
    def forward(self, p, x):
        return torch.cond(p, lambda x: (x.sin(), x + 1), lambda x: (x.cos(), x - 1), (x,))


class CondShape(nn.Module):
    def forward(self, x):
        return torch.cond(x.shape[0] > 4, lambda x: x.sum(0), lambda x: x.prod(0), (x,))


class CondLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 3)
        self.b = nn.Linear(4, 3)

    def forward(self, x):
        return torch.cond(x.mean() > 0, lambda x: self.a(x), lambda x: self.b(x).relu(), (x,))


class CondNested(nn.Module):
    def forward(self, x):
        def positive(x):
            return torch.cond(x.sum() > 2, lambda x: x + 10, lambda x: x + 20, (x,))

        return torch.cond(x.sum() > 0, positive, lambda x: -x, (x,)) * 2


class CondTwice(nn.Module):
    def forward(self, x, y):
        a = torch.cond(x.sum() > y.sum(), lambda x, y: x - y, lambda x, y: y - x, (x, y))
        return torch.cond(a.sum() > 1, lambda a: a / 2, lambda a: a * 2, (a,)), a


class Map(nn.Module):
    def forward(self, x, y):
        return map_rows(lambda row, y: row * 2 + y, x, y)


class MapTwo(nn.Module):
    def forward(self, x):
        return map_rows(lambda row: row.softmax(-1) * row.sum(), x)


class MapLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        return map_rows(lambda row, w: row @ w, x, self.weight)


class Scan(nn.Module):
    def forward(self, init, x):
        return scan(lambda c, x: (c + x, (c * x).clone()), init, x)


class ScanReverse(nn.Module):
    def forward(self, init, x):
        return scan(lambda c, x: (c * 0.5 + x, c + 1.0), init, x, reverse=True)


class ScanCell(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(7, 4)

    def forward(self, h, x):
        def step(h, x):
            h = torch.tanh(self.cell(torch.cat([h, x], -1)))
            return h, h.clone()

        return scan(step, h, x)


class AssociativeScan(nn.Module):
    def forward(self, x):
        return associative_scan(lambda a, b: a + b, x, 0, combine_mode="generic")


class Unrolled(nn.Module):
    def forward(self, x):
        for k in range(4):
            x = x * 0.5 + k
        return x


suite(
    "control",
    globals(),
    """
    cond :: Cond() :: pos(3) :: more=("(-pos(3),)",)
    cond_input :: CondInput() :: (t(True), f(3)) :: more=("(t(False), f(3))",)
    cond_shape :: CondShape() :: f(5, 2) :: dyn=({0: D("n", min=2, max=8)},), more=("(f(3, 2),)",)
    cond_linear :: CondLinear() :: pos(2, 4) :: more=("(-pos(2, 4),)",), no={"xnnpack": "linear inside a branch is neither decomposed nor taken"}
    cond_nested :: CondNested() :: pos(3) * 4 :: more=("(-pos(3),)", "(pos(3) * 0.1,)")
    cond_twice :: CondTwice() :: (pos(3), f(3)) :: more=("(f(3), pos(3) * 3)",)
    map :: Map() :: (f(4, 3), f(3))
    map_two :: MapTwo() :: f(3, 4)
    map_linear :: MapLinear() :: f(3, 2, 4)
    map_one :: Map() :: (f(1, 3), f(3))
    scan :: Scan() :: (f(3), f(4, 3))
    scan_reverse :: ScanReverse() :: (f(2), f(5, 2))
    scan_cell :: ScanCell() :: (f(1, 4), f(3, 1, 3))
    associative_scan :: AssociativeScan() :: f(4, 3)
    unrolled :: Unrolled() :: f(3)
    """,
)
