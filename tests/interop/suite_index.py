"""Indexing, gathering, scattering and embedding."""

from suite_core import *

suite(
    "index",
    globals(),
    """
    index_one :: x[y] :: (f(5, 3), t([0, 4, 2]))
    index_negative :: x[y] :: (f(5, 3), t([-1, 0, -5]))
    index_two :: x[y, z] :: (f(5, 3), t([0, 4, 2]), t([1, 2, 0]))
    index_broadcast :: x[y, z] :: (f(5, 3), t([[0], [4]]), t([1, 2, 0]))
    index_last :: x[:, y] :: (f(2, 5), t([3, 1]))
    index_gap :: x[y, :, z] :: (f(3, 2, 4), t([0, 2]), t([1, 3]))
    index_matrix :: x[y] :: (f(5, 3), t([[0, 1], [3, 4]]))
    index_int32 :: x[y] :: (f(5, 3), t([0, 4], dtype=torch.int32))
    index_bool :: x[y] :: (f(4, 3), t([True, False, True, True]))
    index_bool_matrix :: x[y] :: (f(2, 3), t([[True, False, True], [False, True, False]]))
    index_select :: x.index_select(0, y) :: (f(5, 3), t([0, 4, 4]))
    index_select_last :: x.index_select(-1, y) :: (i(2, 5), t([3, 1], dtype=torch.int32))
    gather :: x.gather(1, y) :: (f(3, 5), idx(5, 3, 2))
    gather_first :: x.gather(0, y) :: (f(5, 3), idx(5, 2, 3))
    take :: torch.take(x, y) :: (f(3, 4), t([0, 11, 5]))
    take_along_dim :: torch.take_along_dim(x, y, 1) :: (f(3, 5), idx(5, 3, 2))
    index_put :: torch.index_put(x, (y,), z) :: (f(5, 3), t([0, 2]), f(2, 3))
    index_put_accumulate :: torch.index_put(x, (y,), z, accumulate=True) :: (f(5, 3), t([0, 0, 2]), f(3, 3))
    index_put_scalar :: y = x.clone(); y[1] = 5.0; y :: f(4, 3)
    index_put_slice :: z = x.clone(); z[1:3] = y; z :: (f(4, 3), f(2, 3))
    index_put_mask :: y = x.clone(); y[y > 0] = 0.0; y :: f(4, 3)
    index_copy :: x.index_copy(0, y, z) :: (f(5, 3), t([0, 2]), f(2, 3))
    index_add :: x.index_add(0, y, z) :: (f(5, 3), t([0, 0, 2]), f(3, 3))
    index_add_alpha :: torch.index_add(x, 1, y, z, alpha=2) :: (f(3, 5), t([0, 4]), f(3, 2))
    index_fill :: x.index_fill(1, y, 9.0) :: (f(3, 5), t([0, 4]))
    index_reduce :: x.index_reduce(0, y, z, "amax") :: (f(5, 3), t([0, 0, 2]), f(3, 3))
    scatter :: x.scatter(1, y, z) :: (f(3, 5), t([[0, 1], [2, 3], [4, 0]]), f(3, 2))
    scatter_value :: x.scatter(1, y, 2.5) :: (f(3, 5), t([[0, 1], [2, 3], [4, 0]]))
    scatter_add :: x.scatter_add(1, y, z) :: (f(3, 5), t([[0, 0], [2, 3], [4, 0]]), f(3, 2))
    scatter_reduce_sum :: x.scatter_reduce(0, y, z, "sum") :: (f(4), t([0, 1, 0]), f(3))
    scatter_reduce_mean :: x.scatter_reduce(0, y, z, "mean", include_self=False) :: (f(4), t([0, 1, 0]), f(3))
    scatter_reduce_amax :: x.scatter_reduce(0, y, z, "amax") :: (f(4), t([0, 1, 0]), f(3))
    scatter_reduce_prod :: x.scatter_reduce(0, y, z, "prod") :: (f(4), t([0, 1, 0]), f(3))
    select_scatter :: torch.select_scatter(x, y, 0, 1) :: (f(3, 4), f(4))
    slice_scatter :: torch.slice_scatter(x, y, 0, 1, 3) :: (f(4, 3), f(2, 3))
    slice_scatter_step :: torch.slice_scatter(x, y, 1, 0, 4, 2) :: (f(3, 4), f(3, 2))
    diagonal_scatter :: torch.diagonal_scatter(x, y) :: (f(3, 3), f(3))
    masked_scatter :: x.masked_scatter(y, z) :: (f(2, 3), t([[True, False, True], [True, True, False]]), f(6))
    masked_select :: torch.masked_select(x, y) :: (f(3, 4), b(3, 4))
    nonzero :: torch.nonzero(x) :: ties(3, 4) :: wrong={"all": NONZERO}
    nonzero_bool :: torch.nonzero(x) :: b(3, 4) :: wrong={"all": NONZERO}
    nonzero_static :: torch.nonzero_static(x, size=5) :: ties(3, 4)
    argwhere :: torch.argwhere(x) :: ties(3, 4) :: wrong={"all": NONZERO}
    where_indices :: torch.where(x) :: b(3, 4)
    embedding :: nn.Embedding(10, 4) :: idx(10, 2, 3)
    embedding_int32 :: nn.Embedding(10, 4) :: idx(10, 2, 3, dtype=torch.int32)
    embedding_padding :: nn.Embedding(10, 4, padding_idx=2) :: idx(10, 5)
    embedding_functional :: F.embedding(x, y) :: (idx(5, 2, 3), f(5, 4))
    embedding_bag :: nn.EmbeddingBag(10, 4, mode="sum") :: (idx(10, 6), t([0, 3]))
    embedding_bag_mean :: nn.EmbeddingBag(10, 4) :: (idx(10, 6), t([0, 2]))
    embedding_bag_matrix :: nn.EmbeddingBag(10, 4, mode="max") :: idx(10, 2, 3)
    one_hot :: F.one_hot(x, 5) :: idx(5, 4)
    copy_into :: y = torch.zeros(3, 4); y[:, 1:3].copy_(x); y :: f(3, 2)
    copy_broadcast :: y = torch.zeros(3, 4); y.copy_(x); y + 1 :: f(4)
    fill_slice :: y = x.clone(); y[:, 0].fill_(3.0); y :: f(3, 4)
    put :: torch.put(x, y, z) :: (f(3, 4), t([0, 5, 11]), f(3))
    isin :: torch.isin(x, y) :: (i(6), t([1, 2, 3]))
    item :: x + y.item() :: (f(3), f()) :: xnn=False
    """,
)
