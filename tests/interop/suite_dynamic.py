"""Dynamic shapes with bounds, and sizes that only the data decides."""

from suite_core import *


class DynamicReshape(nn.Module):
    def forward(self, x):
        n, m = x.shape
        return x.reshape(m, n) + n, x.reshape(-1)[: n * 2], torch.zeros(n, 2) + m


class PositionAdd(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(16, 4))

    def forward(self, x):
        return x + self.table[: x.shape[1]]


class FromItem(nn.Module):
    def forward(self, x, n):
        k = n.item()
        torch._check(k >= 1)
        torch._check(k <= x.shape[0])
        return x[:k] * 2


class MadeFromItem(nn.Module):
    def forward(self, n):
        k = n.item()
        torch._check(k >= 1)
        torch._check(k <= 8)
        return torch.ones(k, 3) * 2, torch.arange(k)


N = D("n", min=2, max=8)
M = D("m", min=2, max=8)

suite(
    "dynamic",
    globals(),
    """
    add :: x + 1 :: f(3, 4) :: dyn=({0: N},), more=("(f(2, 4),)", "(f(8, 4),)")
    add_two :: x + y :: (f(3, 4), f(3, 4)) :: dyn=({0: N, 1: M}, {0: N, 1: M}), more=("(f(2, 7), f(2, 7))",)
    add_broadcast :: x + y :: (f(3, 4), f(4)) :: dyn=({0: N}, None), more=("(f(6, 4), f(4))",)
    sum :: x.sum(0) :: f(3, 4) :: dyn=({0: N},), more=("(f(8, 4),)",)
    mean_all :: x.mean() :: f(3, 4) :: dyn=({0: N},), more=("(f(8, 4),)",)
    softmax :: x.softmax(-1) :: f(3, 4) :: dyn=({1: N},), more=("(f(3, 7),)",)
    reshape :: DynamicReshape() :: f(3, 4) :: dyn=({0: N, 1: M},), more=("(f(5, 2),)", "(f(8, 8),)"), q=""
    flatten :: x.flatten(1) * 2 :: f(3, 4, 2) :: dyn=({0: N, 1: M},), more=("(f(5, 2, 2),)",)
    transpose :: x.transpose(0, 1).contiguous() :: f(3, 4) :: dyn=({0: N, 1: M},), more=("(f(5, 2),)",)
    cat :: torch.cat([x, y], 0) :: (f(3, 4), f(4, 4)) :: dyn=({0: N}, {0: M}), more=("(f(5, 4), f(2, 4))",)
    slice :: x[:, 1:] + x[:, :-1] :: f(3, 5) :: dyn=({1: D("n", min=3, max=8)},), more=("(f(3, 8),)",)
    slice_half :: x[: x.shape[0] // 2] :: f(4, 5) :: dyn=({0: 2 * N},), more=("(f(8, 5),)",)
    expand :: x.expand(-1, y.shape[0]) + y :: (f(3, 1), f(4)) :: dyn=({0: N}, {0: M}), more=("(f(5, 1), f(7))",)
    arange :: x + torch.arange(x.shape[0])[:, None] :: f(3, 4) :: dyn=({0: N},), more=("(f(8, 4),)",)
    size_as_number :: x * x.shape[0] / (x.shape[1] + 1) :: f(3, 4) :: dyn=({0: N, 1: M},), more=("(f(8, 3),)",)
    size_output :: x + 1, x.shape[0] * 2 :: f(3, 4) :: dyn=({0: N},), more=("(f(5, 4),)",)
    full :: torch.full((x.shape[0], 2), 3.0) + x :: f(3, 2) :: dyn=({0: N},), more=("(f(7, 2),)",)
    tril_mask :: torch.tril(torch.ones(x.shape[0], x.shape[0])) @ x :: f(3, 2) :: dyn=({0: N},), more=("(f(7, 2),)",)
    matmul :: x @ y :: (f(3, 4), f(4, 5)) :: dyn=({0: N, 1: M}, {0: M}), more=("(f(5, 6), f(6, 5))",)
    bmm :: torch.bmm(x, y) :: (f(2, 3, 4), f(2, 4, 5)) :: dyn=({1: N}, None), more=("(f(2, 6, 4), f(2, 4, 5))",)
    attention :: F.scaled_dot_product_attention(x, x, x, is_causal=True) :: f(1, 2, 4, 8) :: dyn=({2: N},), more=("(f(1, 2, 7, 8),)",)
    position :: PositionAdd() :: f(1, 5, 4) :: dyn=({1: N},), more=("(f(1, 8, 4),)",)
    embedding :: nn.Embedding(10, 4) :: idx(10, 1, 5) :: dyn=({1: N},), more=("(idx(10, 1, 8),)",)
    linear_chain :: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 2)) :: f(3, 4) :: dyn=({0: N},), more=("(f(8, 4),)",)
    pool :: nn.AvgPool2d(2) :: f(1, 2, 6, 6) :: dyn=({2: 2 * N},), more=("(f(1, 2, 8, 6),)",)
    upsample :: F.interpolate(x, size=(8, 8), mode="bilinear") :: f(1, 2, 6, 6) :: dyn=({2: N},), more=("(f(1, 2, 3, 6),)",)
    nonzero :: torch.nonzero(x).sum(0) :: b(3, 4) :: wrong={"all": NONZERO}
    nonzero_rows :: x[x.sum(1) > 0] :: f(5, 3)
    masked_select_sum :: torch.masked_select(x, x > 0).sum() :: f(3, 4)
    item_slice :: FromItem() :: (f(6, 3), t(4)) :: more=("(f(6, 3), t(2))",)
    item_made :: MadeFromItem() :: t(5) :: more=("(t(2),)",)
    unique_counts :: torch.unique(x, return_counts=True) :: ties(8)
    where_rows :: torch.where(x > 0)[0] + 1 :: f(3, 4) :: no={"xnnpack": "unbacked sizes are lost in lowering"}
    where_rows_sized :: y = torch.nonzero(x > 0); y * 2, y.shape[0] :: f(3, 4) :: no={"xnnpack": "unbacked sizes are lost in lowering"}
    """,
)
