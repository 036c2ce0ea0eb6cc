"""Activation functions and torch.nn's activation modules."""

from suite_core import *

suite(
    "activation",
    globals(),
    """
    relu :: nn.ReLU() :: f(2, 5)
    relu6 :: nn.ReLU6() :: f(2, 5) * 5
    elu :: nn.ELU() :: f(2, 5)
    elu_alpha :: nn.ELU(alpha=0.5) :: f(2, 5)
    selu :: nn.SELU() :: f(2, 5)
    celu :: nn.CELU() :: f(2, 5)
    celu_alpha :: nn.CELU(0.7) :: f(2, 5)
    gelu :: nn.GELU() :: f(2, 5)
    gelu_tanh :: nn.GELU(approximate="tanh") :: f(2, 5)
    silu :: nn.SiLU() :: f(2, 5)
    mish :: nn.Mish() :: f(2, 5)
    hardswish :: nn.Hardswish() :: f(2, 5) * 3
    hardsigmoid :: nn.Hardsigmoid() :: f(2, 5) * 3
    hardtanh :: nn.Hardtanh(-0.5, 0.7) :: f(2, 5)
    hardshrink :: nn.Hardshrink() :: f(2, 5)
    softshrink :: nn.Softshrink() :: f(2, 5)
    tanhshrink :: nn.Tanhshrink() :: f(2, 5)
    leaky_relu :: nn.LeakyReLU(0.2) :: f(2, 5)
    prelu_one :: nn.PReLU() :: f(2, 3, 4) :: no={"xnnpack": "ChannelsLastTaggedReshapePass fails"}
    prelu_channels :: nn.PReLU(3) :: f(2, 3, 4, 4)
    sigmoid :: nn.Sigmoid() :: f(2, 5)
    log_sigmoid :: nn.LogSigmoid() :: f(2, 5)
    softplus :: nn.Softplus() :: f(2, 5) * 10
    softplus_beta :: nn.Softplus(beta=2.0, threshold=3.0) :: f(2, 5) * 3
    softsign :: nn.Softsign() :: f(2, 5)
    softmax :: nn.Softmax(dim=1) :: f(2, 5)
    softmax_middle :: nn.Softmax(dim=1) :: f(2, 3, 4)
    softmax_float16_to_float :: F.softmax(x, dim=-1, dtype=torch.float32) :: h(2, 5) :: xnn=False
    softmax2d :: nn.Softmax2d() :: f(2, 3, 4, 4)
    softmin :: nn.Softmin(dim=1) :: f(2, 5)
    log_softmax :: nn.LogSoftmax(dim=-1) :: f(2, 5)
    log_softmax_first :: nn.LogSoftmax(dim=0) :: f(4, 5)
    tanh :: nn.Tanh() :: f(2, 5)
    threshold :: nn.Threshold(0.1, 20.0) :: f(2, 5)
    glu :: nn.GLU() :: f(2, 6)
    glu_first :: nn.GLU(dim=0) :: f(4, 3)
    dropout :: nn.Dropout(0.5) :: f(2, 5)
    dropout2d :: nn.Dropout2d() :: f(2, 3, 4, 4)
    alpha_dropout :: nn.AlphaDropout() :: f(2, 5)
    feature_alpha_dropout :: nn.FeatureAlphaDropout() :: f(2, 3, 4)
    identity :: nn.Sequential(nn.Identity(), nn.ReLU()) :: f(2, 5)
    special_values :: x.relu(), x.sigmoid(), x.tanh(), F.silu(x), F.gelu(x) :: special()
    scalar_tensor :: torch.relu(x) :: f()
    empty :: torch.relu(x) :: f(0, 4)
    square_relu :: F.relu(x).square() :: f(2, 5)
    clamp :: x.clamp(-0.5, 0.5) :: f(3, 4)
    clamp_min :: x.clamp(min=0.1) :: f(3, 4)
    clamp_max :: x.clamp(max=0.1) :: f(3, 4)
    clamp_tensor :: x.clamp(y, z) :: (f(3, 4), -pos(4), pos(3, 1))
    clamp_tensor_min :: x.clamp_min(y) :: (f(3, 4), f(4))
    clamp_max_method :: x.clamp_max(0.2) :: f(3, 4)
    clamp_int :: x.clamp(-2, 3) :: i(3, 4)
    clamp_int_float :: x.clamp(-1.5, 2.5) :: i(3, 4)
    clip_nan :: x.clamp(-1, 1) :: special()
    """,
)
