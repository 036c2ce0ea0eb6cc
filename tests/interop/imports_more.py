"""Functions that torch.export leaves in a graph and that the suites lack, for generate_imports.py.

The official exporter has no part in these: many it refuses, or writes what its runtime lacks.
"""

import torch
import torch.nn.functional as F
from torch import nn

from suite_core import *  # noqa: F403
from suite_core import suite


class Packed(nn.Module):
    """A recurrent layer with every option that changes its weights."""

    def __init__(self, kind, **options):
        super().__init__()
        self.layer = getattr(nn, kind)(4, 5, **options)

    def forward(self, x):
        return self.layer(x)


class Attention(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, q, k, v, mask=None):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, **self.options)


class Writes(nn.Module):
    """Writes through views of a buffer and of intermediates."""

    def __init__(self):
        super().__init__()
        self.register_buffer("cache", torch.zeros(2, 4, 3))

    def forward(self, x, at):
        self.cache[:, 1:3].copy_(x)
        self.cache.select(0, 1).mul_(2)
        self.cache.transpose(1, 2)[:, 0].add_(1)
        self.cache.index_copy_(1, at, x[:, :1])
        y = x.clone()
        y.unbind(0)[1].zero_()
        y.narrow(1, 0, 1).fill_(3)
        y.view(-1)[::2] += 1
        torch.diagonal(y[0]).mul_(-1)
        return self.cache + 0, y


class Restrides(nn.Module):
    def forward(self, x):
        y = x * 2
        y.t_()
        y.unsqueeze_(0)
        y.squeeze_(0)
        return y + 1, y.sum(0)


suite("more", globals(), """
    lerp_half        :: torch.lerp(x, y, 0.3), torch.lerp(x, y, 0.7) :: h(3, 4), h(3, 4)
    copysign_scalar  :: torch.copysign(x, -2.0) :: f(3, 4)
    remainder_from   :: torch.remainder(7, x) :: i(3, 4, low=1)
    float_powers     :: torch.float_power(x, y), torch.float_power(2, x) :: pos(3, 4), f(3, 4)
    xlog1py          :: torch.special.xlog1py(x, y), torch.special.xlog1py(x, 0.5) :: ties(3, 4), pos(3, 4)
    fake_quantize    :: torch.fake_quantize_per_tensor_affine(x, 0.1, 2, -128, 127) :: f(3, 4)
    nan_numbers      :: torch.nan_to_num(x, 1.0, 2.0, -3.0), x.isfinite(), x.isneginf() :: special()
    where_numbers    :: torch.where(x > 0, 1, 2), torch.where(x > 0, x, 1), torch.where(x > 0, 1.5, 2) :: f(3, 4)
    in_place_powers  :: y = x.clone(); y.pow_(2); y.pow_(x.abs()); y.sub_(1); y.floor_divide_(2); y :: pos(3, 4)
    bits_in_place    :: y = x.clone(); y &= 6; y |= 1; y ^= x; y <<= 1; y :: i(3, 4, low=0)

    bce_weighted     :: F.binary_cross_entropy(x, y, z, reduction="sum") :: pos(3, 4, high=0.9), pos(3, 4, high=0.9), pos(3, 4)
    bce_pos_weight   :: F.binary_cross_entropy_with_logits(x, y, pos_weight=z) :: f(3, 4), pos(3, 4, high=0.9), pos(4)
    ce_smooth        :: F.cross_entropy(x, y, z, label_smoothing=0.1, ignore_index=1) :: f(5, 4), idx(4, 5), pos(4)
    ce_shares        :: F.cross_entropy(x, y, z, label_smoothing=0.2) :: f(5, 4), f(5, 4).softmax(1), pos(4)
    ce_pictures      :: F.cross_entropy(x, y, reduction="none") :: f(2, 4, 3, 3), idx(4, 2, 3, 3)
    ce_one           :: F.cross_entropy(x, y) :: f(4), idx(4, 1)[0]
    nll_sum          :: F.nll_loss(x, y, reduction="sum", ignore_index=2) :: f(5, 4), idx(4, 5)
    huber_delta      :: F.huber_loss(x, y, delta=0.4), F.smooth_l1_loss(x, y, beta=0.0) :: f(3, 4), f(3, 4)
    triplet_swap     :: F.triplet_margin_loss(x, y, z, swap=True, p=1.5) :: f(3, 4), f(3, 4), f(3, 4)
    multi_margin_2   :: F.multi_margin_loss(x, y, p=2, weight=z) :: f(3, 4), idx(4, 3), pos(4)
    poisson_full     :: F.poisson_nll_loss(x, y, log_input=False, full=True) :: pos(3, 4), pos(3, 4, high=4.0)

    norms            :: torch.linalg.vector_norm(x, 3, (0, 2)), x.norm(1, -1), x.norm(float("inf")), x.norm(dtype=torch.float64) :: f(2, 3, 4)
    matrix_norms     :: torch.linalg.matrix_norm(x, 1), torch.linalg.matrix_norm(x, -float("inf"), keepdim=True), torch.linalg.norm(x, "fro", (0, 1)) :: f(2, 3, 4)
    quantile_tensor  :: torch.quantile(x, y, dim=1), torch.quantile(x, y, dim=0, keepdim=True), torch.quantile(x, y) :: f(5, 4), t([0.1, 0.5, 1.0])
    quantile_kinds   :: x.quantile(0.3, interpolation="lower"), x.quantile(0.3, interpolation="midpoint"), x.quantile(0.3, 1, interpolation="nearest") :: f(5, 4)
    all_bytes        :: x.all(), x.all(0), x.all((0, 1)) :: b(3, 4).to(torch.uint8)
    std_means        :: torch.std_mean(x, 1), x.std(correction=0), torch.var_mean(x, (0, 1), correction=2) :: f(3, 4)
    gradients        :: torch.gradient(x, spacing=2.0, dim=1, edge_order=2), torch.gradient(x) :: f(4, 5)
    trapezoids       :: torch.trapezoid(x, y), torch.cumulative_trapezoid(x, dim=0) :: f(3, 4), f(4).cumsum(0)
    covariance       :: torch.cov(x) :: f(3, 6)
    diff_ends        :: torch.diff(x, 2, 0, prepend=y), torch.diff(z) :: f(4, 3), f(1, 3), b(4)

    rms_weight       :: F.rms_norm(x, (4,), y, 1e-3) :: f(2, 3, 4), pos(4)
    rms_half         :: F.rms_norm(x, (3, 4)) :: h(2, 3, 4)
    batch_no_stats   :: nn.BatchNorm2d(3, track_running_stats=False) :: f(2, 3, 4, 4)
    instance_affine  :: nn.InstanceNorm1d(3, affine=True) :: f(2, 3, 5)
    instance_stats   :: nn.InstanceNorm2d(3, track_running_stats=True) :: f(2, 3, 4, 4)
    parametrized     :: nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)) :: f(2, 3)
    local_response   :: nn.LocalResponseNorm(3) :: f(2, 5, 3, 3)

    einsum_ellipsis  :: torch.einsum("...ij,...jk->...ik", x, y) :: f(2, 3, 4), f(2, 4, 5)
    einsum_diagonal  :: torch.einsum("iij->j", x), torch.einsum("ii->i", x[:, :, 0]) :: f(3, 3, 4)
    einsum_three     :: torch.einsum("bi,ijk,bk->bj", x, y, z) :: f(2, 3), f(3, 4, 5), f(2, 5)
    einsum_sum       :: torch.einsum("ij,kl->", x, y), torch.einsum("ba,cb", x, y) :: f(2, 3), f(4, 2)
    einsum_heads     :: torch.einsum("bhqd,bkhd->bhqk", x, y) :: f(2, 3, 4, 5), f(2, 6, 3, 5)
    tensordot_two    :: torch.tensordot(x, y, ((1, 2), (0, 1))) :: f(2, 3, 4), f(3, 4, 5)
    products         :: torch.kron(x, y), torch.inner(x, y), torch.linalg.vecdot(x, y) :: f(2, 3), f(2, 3)
    crosses          :: torch.linalg.cross(x, y, dim=1), torch.cross(x, y) :: f(2, 3), f(2, 3)
    add_products     :: torch.addbmm(x, y, z, beta=0.5, alpha=2), torch.baddbmm(x, y, z, beta=0) :: f(3, 5), f(2, 3, 4), f(2, 4, 5)
    add_vectors      :: torch.addmv(x, y, z, alpha=2), torch.addr(y, x, z) :: f(3), f(3, 4), f(4)
    powers_of_matrix :: torch.linalg.matrix_power(x, 5), torch.linalg.matrix_power(x, 0) :: f(3, 3)
    distances        :: torch.cdist(x, y, p=1.0), torch.pdist(x), F.pairwise_distance(x, x + 1, keepdim=True) :: f(4, 3), f(5, 3)
    bilinear_batch   :: nn.Bilinear(3, 4, 5) :: f(2, 6, 3), f(2, 6, 4)

    attention_bool   :: Attention() :: f(2, 3, 4, 8), f(2, 3, 6, 8), f(2, 3, 6, 8), b(4, 6)
    attention_masked :: Attention() :: f(1, 2, 3, 4), f(1, 2, 3, 4), f(1, 2, 3, 4), t([[True, False, True], [False, False, False], [True, True, True]])
    attention_float  :: Attention(scale=0.3) :: f(2, 4, 8), f(2, 6, 8), f(2, 6, 5), f(2, 4, 6)
    attention_causal :: Attention(is_causal=True) :: f(2, 3, 4, 8), f(2, 3, 6, 8), f(2, 3, 6, 8)
    attention_groups :: Attention(enable_gqa=True) :: f(2, 6, 4, 8), f(2, 2, 4, 8), f(2, 2, 4, 8)
    attention_half   :: Attention() :: h(2, 3, 4, 8), h(2, 3, 4, 8), h(2, 3, 4, 8)
    attention_open   :: Attention(is_causal=True) :: f(1, 2, 4, 8), f(1, 2, 4, 8), f(1, 2, 4, 8) :: dyn=((lambda n: ({2: n}, {2: n}, {2: n}))(D("n", min=2, max=8)) + (None,))[:3]

    lstm_all         :: Packed("LSTM", num_layers=2, bidirectional=True, batch_first=True) :: f(2, 6, 4)
    lstm_projection  :: Packed("LSTM", proj_size=3, bias=False) :: f(6, 2, 4)
    lstm_single      :: Packed("LSTM") :: f(6, 4)
    gru_all          :: Packed("GRU", num_layers=2, bidirectional=True, bias=False) :: f(6, 2, 4)
    rnn_relu         :: Packed("RNN", nonlinearity="relu", batch_first=True, bidirectional=True) :: f(2, 6, 4)
    cells            :: nn.RNNCell(4, 5, nonlinearity="relu") :: f(2, 4), f(2, 5)

    bicubic_corners  :: F.interpolate(x, (7, 5), mode="bicubic", align_corners=True) :: f(1, 2, 4, 6)
    bicubic_scaled   :: F.interpolate(x, scale_factor=1.7, mode="bicubic") :: f(1, 2, 4, 6)
    bicubic_smooth   :: F.interpolate(x, (3, 4), mode="bicubic", antialias=True) :: f(1, 2, 9, 7)
    bilinear_smooth  :: F.interpolate(x, scale_factor=0.4, mode="bilinear", antialias=True) :: f(1, 2, 9, 7)
    bilinear_corners :: F.interpolate(x, scale_factor=(2.0, 1.5), mode="bilinear", align_corners=True) :: f(1, 2, 4, 6)
    linear_sizes     :: F.interpolate(x, 7, mode="linear"), F.interpolate(x, scale_factor=2.5, mode="linear") :: f(1, 2, 5)
    trilinear_sizes  :: F.interpolate(x, (4, 5, 3), mode="trilinear", align_corners=True), F.interpolate(x, scale_factor=2.0, mode="trilinear") :: f(1, 2, 3, 4, 2)
    nearest_three    :: F.interpolate(x, (5, 7, 3)), F.interpolate(x, scale_factor=2.0) :: f(1, 2, 3, 4, 2)
    nearest_exact    :: F.interpolate(x, (5, 7), mode="nearest-exact"), F.interpolate(x, scale_factor=0.6, mode="nearest-exact") :: f(1, 2, 4, 6)
    nearest_exact_1d :: F.interpolate(x, 7, mode="nearest-exact"), F.interpolate(x, 3) :: f(1, 2, 5)
    nearest_exact_3d :: F.interpolate(x, (2, 5, 3), mode="nearest-exact") :: f(1, 2, 3, 4, 2)
    resize_half      :: F.interpolate(x, (7, 5), mode="bicubic") :: h(1, 2, 4, 6)
    bicubic_open     :: F.interpolate(x, scale_factor=2.0, mode="bicubic") :: f(1, 2, 4, 6) :: dyn=({2: D("n", min=2, max=8)},)
    exact_open       :: F.interpolate(x, scale_factor=2.0, mode="nearest-exact") :: f(1, 2, 4, 6) :: dyn=({3: D("n", min=2, max=8)},)
    affine_grids     :: F.affine_grid(x, (2, 1, 3, 4), align_corners=True), F.affine_grid(x, (2, 1, 3, 4), align_corners=False) :: f(2, 2, 3)
    affine_grid_3d   :: F.affine_grid(x, (2, 1, 3, 4, 2), align_corners=False) :: f(2, 3, 4)

    index_ops        :: x.index_add(0, y, z, alpha=2), x.index_copy(0, y, z), x.index_fill(1, y, 3.0) :: f(4, 4), t([2, 0]), f(2, 4)
    takes            :: x.take(y), torch.take_along_dim(x, y[:, :1], 1), torch.take_along_dim(x, y) :: f(3, 4), idx(4, 3, 4)
    put_add          :: x.put(y, z, accumulate=True) :: f(3, 4), t([1, 5, 1]), f(3)
    members          :: torch.isin(x, y), torch.isin(x, 2), torch.isin(x, y, invert=True) :: ties(3, 4), t([1.0, 3.0])
    one_hots         :: F.one_hot(x, 5) :: idx(5, 2, 3)
    bags_mean        :: nn.EmbeddingBag(6, 3, mode="mean", padding_idx=1) :: idx(6, 7), t([0, 2, 2, 5])
    bags_max         :: nn.EmbeddingBag(6, 3, mode="max") :: idx(6, 2, 4)
    bags_weighted    :: nn.EmbeddingBag(6, 3, mode="sum", include_last_offset=True) :: idx(6, 7), t([0, 3, 7]), f(7)
    fold_overlap     :: F.fold(x, (5, 6), (2, 3), dilation=(1, 2), padding=1, stride=(2, 1)) :: f(1, 12, 12)
    unfold_dilated   :: F.unfold(x, (2, 3), dilation=(2, 1), padding=(1, 0), stride=2) :: f(2, 3, 5, 6)
    unpool           :: F.max_unpool2d(x, y, 2) :: f(1, 2, 2, 2), t([[[[0, 2], [8, 10]], [[5, 3], [9, 15]]]])
    pool_one         :: F.max_pool1d(x, 3, 2, 1, ceil_mode=True), F.max_pool1d(x, 2, dilation=2) :: f(2, 3, 8)

    splits           :: torch.tensor_split(x, 3, 1), torch.tensor_split(x, (1, 4), 1), torch.hsplit(x, 2), torch.vsplit(x, (1,)) :: f(4, 6)
    joins            :: torch.dstack((x, y)), torch.column_stack((x[0], y.t())), torch.hstack((x[0], y[0])) :: f(2, 3), f(2, 3)
    meshes           :: torch.meshgrid(x, y, indexing="xy"), torch.cartesian_prod(x, y) :: f(2), f(3)
    diagonals        :: torch.diag_embed(x, 1), torch.diag_embed(x, -2, 0, 2), torch.diag(x[0], -1), torch.diag(x, 1) :: f(2, 3)
    blocks           :: torch.block_diag(x, y, x[0]) :: f(2, 3), f(1, 2)
    turns            :: torch.rot90(x, 1), torch.rot90(x, 2, (0, 2)), torch.rot90(x, -1, (2, 1)) :: f(2, 3, 4)
    moves            :: x.movedim((0, 1), (2, 0)), x.swapdims(0, 2), x.mT, x.moveaxis(-1, 0) :: f(2, 3, 4)
    tiles            :: x.tile(2), x.tile((2, 1, 3)), x.repeat_interleave(2, 1), x.repeat_interleave(3) :: f(2, 3)
    circular         :: F.pad(x, (2, 1, 1, 0), mode="circular"), F.pad(x[0], (1, 2), mode="reflect") :: f(1, 2, 3, 4)
    crops            :: F.pad(x, (-1, 2, 1, -1), value=3.0) :: f(2, 3, 4)
    least_ranks      :: torch.atleast_3d(x, x[0], x[0, 0]), torch.atleast_1d(x[0, 0]) :: f(2, 3)
    shuffles         :: F.channel_shuffle(x, 2), F.pixel_unshuffle(x, 2) :: f(1, 4, 4, 6)
    strided          :: (x + 0).as_strided((2, 2), (3, 1), 1), x.unfold(0, 2, 1) :: f(3, 3)
    shifts           :: torch.fft.fftshift(x), torch.fft.ifftshift(x, 1), x.roll(2) :: f(3, 5)

    tables           :: torch.linspace(-1, 2, 5) + x, torch.logspace(0, 2, 5, base=2) * x :: f(5)
    windows          :: torch.hann_window(5) * x, torch.blackman_window(5, periodic=False) + x, torch.hamming_window(5), torch.bartlett_window(5), torch.kaiser_window(5) :: f(5)
    triangles        :: torch.tril_indices(3, 4, 1) + x, torch.triu_indices(3, 4, -1) :: i(1)
    eyes             :: torch.eye(3) + x, torch.eye(2, 3, dtype=torch.int64) :: f(3, 3)
    likes            :: torch.ones_like(x, dtype=torch.int32), x.new_full((2,), 3), x.new_ones(2, 2), torch.zeros_like(x) :: f(2, 3)
    chances          :: torch.rand_like(x), torch.randint(0, 5, (3,)), torch.bernoulli(x), torch.randperm(4), torch.normal(x, 1.0) :: pos(2, 3, high=0.9) :: check="shapes"

    writes           :: Writes() :: f(2, 2, 3), t([3]) :: state=True, more=("(f(2, 2, 3), t([0]))",)
    restrides        :: Restrides() :: f(2, 3)
    open_groups      :: nn.GroupNorm(2, 4) :: f(2, 4, 5) :: dyn=({0: D("n", min=2, max=8)},)
    open_pairs       :: x.unsqueeze(1) - x.unsqueeze(0), torch.outer(x, x), torch.eye(x.shape[0]) :: f(4) :: dyn=({0: D("n", min=2, max=8)},)
    open_views       :: x.tile(2, 1), x.reshape(-1, 2), x.repeat_interleave(2, 0), x.flatten() :: f(4, 6) :: dyn=({0: D("n", min=2, max=8)},)
""")
