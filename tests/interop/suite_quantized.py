"""Quantized by XNNPACKQuantizer: static (activations measured) and dynamic (activations at run time)."""

from suite_core import *


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return F.relu(self.b(F.relu(self.a(x))) + x)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 1)
        self.b = nn.Conv2d(3, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        return self.pool(torch.cat([self.a(x), self.b(x)], 1))


class SmallNet(nn.Module):
    """Convolutions, batch norm, pooling, a classifier."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
            nn.BatchNorm2d(8),
            nn.Hardswish(),
            nn.Conv2d(8, 16, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 5),
        )

    def forward(self, x):
        return self.net(x)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.a = nn.Conv2d(4, 2, 1)
        self.b = nn.Conv2d(2, 4, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.b(F.relu(self.a(self.pool(x)))))


class Perceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 16)
        self.b = nn.Linear(16, 4)

    def forward(self, x):
        return self.b(F.relu(self.a(x)))


rows = """
    conv1d_relu :: nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU()) :: f(1, 3, 9)
    conv1d_bn :: nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)) :: f(2, 3, 9)
    conv2d_stride :: nn.Conv2d(3, 4, 3, stride=2, padding=1) :: f(2, 3, 8, 8)
    conv2d_groups :: nn.Conv2d(4, 6, 3, groups=2) :: f(1, 4, 6, 6)
    conv2d_dilation :: nn.Conv2d(3, 4, 3, dilation=2) :: f(1, 3, 8, 8)
    conv2d_no_bias :: nn.Conv2d(3, 4, 3, bias=False) :: f(1, 3, 6, 6)
    conv2d_big :: nn.Conv2d(16, 24, 3, padding=1) :: f(1, 16, 12, 12)
    conv2d_pointwise :: nn.Conv2d(8, 12, 1) :: f(1, 8, 6, 6)
    conv2d_depthwise_relu6 :: nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.ReLU6()) :: f(1, 6, 8, 8)
    conv2d_depthwise_stride :: nn.Conv2d(6, 6, 5, stride=2, padding=2, groups=6) :: f(1, 6, 9, 9)
    conv2d_hardtanh :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardtanh(-0.3, 0.4)) :: f(1, 3, 6, 6)
    conv2d_sigmoid :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid()) :: f(1, 3, 6, 6)
    conv2d_hardswish :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Hardswish()) :: f(1, 3, 6, 6)
    conv2d_leaky :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.1)) :: f(1, 3, 6, 6)
    conv2d_softmax :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softmax(1)) :: f(1, 3, 6, 6)
    conv2d_max_pool :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)) :: f(1, 3, 8, 8)
    conv2d_avg_pool :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2)) :: f(1, 3, 8, 8)
    conv2d_upsample :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2)) :: f(1, 3, 5, 5)
    conv2d_upsample_bilinear :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2, mode="bilinear")) :: f(1, 3, 5, 5)
    conv2d_pad :: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3)) :: f(1, 3, 6, 6)
    conv2d_dynamic :: nn.Conv2d(3, 4, 3) :: f(2, 3, 6, 6) :: dyn=({0: D("n", min=1, max=4)},), more=("(f(3, 3, 6, 6),)",)
    conv_transpose :: nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1) :: f(1, 4, 5, 5)
    conv_transpose_relu :: nn.Sequential(nn.ConvTranspose2d(4, 3, 2, stride=2), nn.ReLU()) :: f(1, 4, 5, 5)
    residual :: Residual() :: f(1, 4, 6, 6)
    branches :: Branches() :: f(1, 3, 6, 6)
    small_net :: SmallNet() :: f(1, 3, 16, 16)
    gated :: Gated() :: f(1, 4, 6, 6)
    perceptron :: Perceptron() :: f(3, 8)
    perceptron_tensor :: Perceptron() :: f(3, 8) :: q="static per_tensor"
    linear_3d :: nn.Linear(6, 5) :: f(2, 3, 6)
    linear_no_bias :: nn.Linear(6, 5, bias=False) :: f(3, 6)
    linear_big :: nn.Linear(64, 48) :: f(20, 64)
    linear_sigmoid :: nn.Sequential(nn.Linear(6, 5), nn.Sigmoid()) :: f(3, 6)
    linear_tanh :: nn.Sequential(nn.Linear(6, 5), nn.Tanh()) :: f(3, 6)
    linear_gelu :: nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 2)) :: f(3, 6)
    linear_layer_norm :: nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5)) :: f(3, 6)
    add :: x + y :: (f(3, 4), f(3, 4))
    add_broadcast :: x + y :: (f(2, 3, 4), f(4))
    add_relu :: (x + y).relu() :: (f(3, 4), f(3, 4))
    add_self :: x + x :: f(3, 4)
    mul :: x * y :: (f(3, 4), f(3, 4))
    mul_relu :: (x * y).relu() :: (f(3, 4), f(3, 4))
    cat :: torch.cat([x, y], 1) :: (f(2, 3), f(2, 4))
    chain_add_mul :: (x + y) * x :: (f(3, 4), f(3, 4))
    views :: nn.Sequential(nn.Flatten(), nn.Unflatten(1, (2, 3)), nn.Linear(3, 4)) :: f(2, 2, 3)
    mean :: nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1)) :: f(1, 3, 6, 6)
    clamp :: (x + x).clamp(-0.5, 0.7) :: f(3, 4)
"""
made = []
for row in rows.strip().splitlines():
    columns = row.strip().split(" :: ")
    options = columns[3] if len(columns) > 3 else ""
    q = "" if "q=" in options else 'q="static", '
    made.append(" :: ".join(columns[:3] + [q + 'xnn=False, no={"portable": "in other suites"}, ' + options]))
suite("static", globals(), "\n".join(made))

rows = """
    perceptron :: Perceptron() :: f(3, 8)
    linear_big :: nn.Linear(64, 48) :: f(20, 64)
    linear_vector :: nn.Linear(6, 5) :: f(1, 6)
    linear_4d :: nn.Linear(6, 5) :: f(2, 2, 3, 6)
    linear_dynamic :: nn.Linear(6, 5) :: f(3, 6) :: dyn=({0: D("n", min=1, max=8)},), more=("(f(5, 6),)", "(f(1, 6) * 100,)")
    linear_zero_input :: nn.Linear(6, 5) :: f(2, 6) * 0
    linear_positive_input :: nn.Linear(6, 5) :: pos(2, 6)
    linear_layer_norm :: nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 5), nn.SiLU(), nn.Linear(5, 6)) :: f(3, 6)
    conv :: nn.Conv2d(3, 4, 3) :: f(1, 3, 6, 6)
    conv_depthwise :: nn.Conv2d(4, 4, 3, groups=4) :: f(1, 4, 6, 6)
    small_net :: SmallNet() :: f(1, 3, 16, 16)
    attention :: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) :: f(1, 4, 8)
"""
made = []
for row in rows.strip().splitlines():
    columns = row.strip().split(" :: ")
    options = columns[3] if len(columns) > 3 else ""
    q = "" if "q=" in options else 'q="dynamic", '
    made.append(" :: ".join(columns[:3] + [q + 'xnn=False, no={"portable": "in other suites"}, ' + options]))
suite("dynamicq", globals(), "\n".join(made))
