"""Convolutions, linear layers and matrix products."""

from suite_core import *

suite(
    "conv",
    globals(),
    """
    conv2d :: nn.Conv2d(3, 8, 3) :: f(1, 3, 8, 8) :: q="static"
    conv2d_padding_stride :: nn.Conv2d(3, 4, 3, stride=2, padding=1) :: f(2, 3, 7, 7)
    conv2d_dilation :: nn.Conv2d(2, 4, 3, dilation=2, padding=2) :: f(1, 2, 7, 7)
    conv2d_groups :: nn.Conv2d(4, 6, 3, groups=2) :: f(1, 4, 6, 6)
    conv2d_depthwise :: nn.Conv2d(4, 4, 3, groups=4, padding=1) :: f(1, 4, 6, 6) :: q="static"
    conv2d_depthwise_multiplier :: nn.Conv2d(3, 6, 3, groups=3) :: f(1, 3, 6, 6)
    conv2d_pointwise :: nn.Conv2d(4, 8, 1) :: f(1, 4, 5, 5)
    conv2d_no_bias :: nn.Conv2d(3, 4, (3, 1), bias=False) :: f(1, 3, 6, 6)
    conv2d_asymmetric :: nn.Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(1, 2)) :: f(1, 3, 8, 8)
    conv2d_same :: nn.Conv2d(3, 4, 3, padding="same") :: f(1, 3, 6, 6)
    conv2d_same_even :: nn.Conv2d(3, 4, 4, padding="same") :: f(1, 3, 6, 6)
    conv2d_valid :: nn.Conv2d(3, 4, 3, padding="valid") :: f(1, 3, 6, 6)
    conv2d_reflect :: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect") :: f(1, 3, 6, 6)
    conv2d_circular :: nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular") :: f(1, 3, 6, 6)
    conv2d_unbatched :: nn.Conv2d(3, 4, 3) :: f(3, 6, 6)
    conv2d_dynamic_batch :: nn.Conv2d(3, 4, 3) :: f(2, 3, 6, 6) :: dyn=({0: D("n", min=1, max=4)},), more=("(f(1, 3, 6, 6),)", "(f(4, 3, 6, 6),)")
    conv2d_dynamic_size :: nn.Conv2d(3, 4, 3, padding=1) :: f(1, 3, 6, 6) :: dyn=({2: D("h", min=3, max=12), 3: D("w", min=3, max=12)},), more=("(f(1, 3, 5, 9),)", "(f(1, 3, 12, 12),)")
    conv2d_functional :: F.conv2d(x, y, stride=2) :: (f(1, 2, 6, 6), f(3, 2, 3, 3))
    conv2d_relu :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()) :: f(1, 3, 6, 6) :: q="static"
    conv2d_bn_relu :: nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU6()) :: f(1, 3, 6, 6) :: q="static"
    conv2d_double :: nn.Conv2d(3, 4, 3).double() :: d(1, 3, 6, 6)
    conv2d_half :: nn.Conv2d(3, 4, 3).half() :: h(1, 3, 6, 6)
    conv1d :: nn.Conv1d(4, 6, 3) :: f(2, 4, 12) :: q="static"
    conv1d_options :: nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2) :: f(2, 4, 13)
    conv1d_depthwise :: nn.Conv1d(4, 4, 3, groups=4, padding=1) :: f(1, 4, 9)
    conv1d_same :: nn.Conv1d(4, 6, 3, padding="same") :: f(2, 4, 12)
    conv1d_unbatched :: nn.Conv1d(4, 6, 3) :: f(4, 12)
    conv3d :: nn.Conv3d(2, 3, 2) :: f(1, 2, 4, 5, 6)
    conv3d_options :: nn.Conv3d(2, 4, 3, stride=2, padding=1, groups=2) :: f(1, 2, 5, 5, 5)
    conv_transpose1d :: nn.ConvTranspose1d(3, 4, 3, stride=2) :: f(1, 3, 5)
    conv_transpose1d_options :: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2) :: f(1, 4, 5)
    conv_transpose2d :: nn.ConvTranspose2d(3, 4, 3) :: f(1, 3, 5, 5) :: q="static"
    conv_transpose2d_stride :: nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1) :: f(1, 3, 5, 5)
    conv_transpose2d_groups :: nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2) :: f(1, 4, 4, 4)
    conv_transpose2d_dilation :: nn.ConvTranspose2d(2, 3, 3, dilation=2) :: f(1, 2, 4, 4)
    conv_transpose3d :: nn.ConvTranspose3d(2, 3, 2, stride=2) :: f(1, 2, 3, 3, 3)
    linear :: nn.Linear(6, 5) :: f(3, 6) :: q="static dynamic"
    linear_no_bias :: nn.Linear(6, 5, bias=False) :: f(3, 6) :: q="dynamic"
    linear_3d :: nn.Linear(6, 5) :: f(2, 3, 6) :: q="dynamic"
    linear_vector :: nn.Linear(6, 5) :: f(6)
    linear_relu :: nn.Sequential(nn.Linear(6, 5), nn.ReLU()) :: f(3, 6) :: q="static"
    linear_chain :: nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3)) :: f(3, 6) :: q="static dynamic"
    linear_dynamic_batch :: nn.Linear(6, 5) :: f(3, 6) :: dyn=({0: D("n", min=1, max=8)},), more=("(f(5, 6),)", "(f(1, 6),)"), q="static dynamic"
    linear_functional :: F.linear(x, y, z) :: (f(3, 6), f(5, 6), f(5))
    linear_shared :: y = x @ x.t(); F.linear(y, y) :: f(4, 6)
    linear_half :: nn.Linear(6, 5).half() :: h(3, 6)
    linear_bfloat16 :: nn.Linear(6, 5).bfloat16() :: bf(3, 6)
    linear_double :: nn.Linear(6, 5).double() :: d(3, 6)
    bilinear :: nn.Bilinear(3, 4, 5) :: (f(2, 3), f(2, 4))
    bilinear_no_bias :: nn.Bilinear(3, 4, 5, bias=False) :: (f(2, 3), f(2, 4))
    mm :: x @ y :: (f(3, 4), f(4, 5))
    mm_zero :: x @ y :: (f(3, 0), f(0, 5))
    mm_int :: x @ y :: (i(3, 4), i(4, 5))
    mm_transposed :: x.t() @ y.t() :: (f(4, 3), f(5, 4))
    bmm :: torch.bmm(x, y) :: (f(2, 3, 4), f(2, 4, 5))
    matmul_broadcast :: torch.matmul(x, y) :: (f(2, 1, 3, 4), f(5, 4, 2))
    matmul_vector :: x @ y :: (f(3, 4), f(4))
    matmul_vectors :: x @ y :: (f(4), f(4))
    matmul_4d :: x @ y.transpose(-1, -2) :: (f(1, 2, 3, 4), f(1, 2, 5, 4))
    addmm :: torch.addmm(x, y, z) :: (f(5), f(3, 4), f(4, 5))
    addmm_scaled :: torch.addmm(x, y, z, beta=0.5, alpha=2.0) :: (f(3, 5), f(3, 4), f(4, 5))
    addmv :: torch.addmv(x, y, z) :: (f(3), f(3, 4), f(4))
    addbmm :: torch.addbmm(x, y, z) :: (f(3, 5), f(2, 3, 4), f(2, 4, 5))
    baddbmm :: torch.baddbmm(x, y, z, beta=0.5, alpha=2.0) :: (f(2, 3, 5), f(2, 3, 4), f(2, 4, 5))
    addr :: torch.addr(x, y, z) :: (f(3, 4), f(3), f(4))
    dot :: torch.dot(x, y) :: (f(4), f(4))
    vdot :: torch.vdot(x, y) :: (f(4), f(4))
    inner :: torch.inner(x, y) :: (f(3, 4), f(2, 4))
    tensordot :: torch.tensordot(x, y, dims=2) :: (f(2, 3, 4), f(3, 4, 5))
    einsum_mm :: torch.einsum("ij,jk->ik", x, y) :: (f(3, 4), f(4, 5))
    einsum_attention :: torch.einsum("bhid,bhjd->bhij", x, y) :: (f(1, 2, 3, 4), f(1, 2, 5, 4))
    einsum_diagonal :: torch.einsum("ii->i", x) :: f(4, 4)
    einsum_outer :: torch.einsum("i,j->ij", x, y) :: (f(3), f(4))
    chain_matmul :: torch.linalg.multi_dot([x, y, z]) :: (f(2, 3), f(3, 4), f(4, 2))
    matrix_power :: torch.linalg.matrix_power(x, 3) :: f(3, 3)
    det :: torch.linalg.det(x) :: f(3, 3)
    pinverse :: torch.linalg.pinv(x) :: f(3, 2)
    svd_values :: torch.linalg.svdvals(x) :: f(3, 2)
    """,
)
