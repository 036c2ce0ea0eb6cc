"""Normalisation layers."""

from suite_core import *


class Statistics(nn.Module):
    """A batch norm whose statistics are far from the identity."""

    def __init__(self, made):
        super().__init__()
        self.norm = made
        with torch.no_grad():
            for name, value in made.named_buffers():
                if value.is_floating_point():
                    value.copy_(torch.rand_like(value) + 0.5)
            for value in made.parameters():
                value.copy_(torch.rand_like(value) + 0.5)

    def forward(self, x):
        return self.norm(x)


suite(
    "norm",
    globals(),
    """
    batch_norm1d :: Statistics(nn.BatchNorm1d(3)) :: f(4, 3)
    batch_norm1d_sequence :: Statistics(nn.BatchNorm1d(3)) :: f(2, 3, 5)
    batch_norm2d :: Statistics(nn.BatchNorm2d(3)) :: f(2, 3, 4, 4)
    batch_norm3d :: Statistics(nn.BatchNorm3d(2)) :: f(1, 2, 3, 3, 3)
    batch_norm_not_affine :: Statistics(nn.BatchNorm2d(3, affine=False)) :: f(2, 3, 4, 4)
    batch_norm_no_statistics :: nn.BatchNorm2d(3, track_running_stats=False) :: f(2, 3, 4, 4)
    batch_norm_half :: Statistics(nn.BatchNorm2d(3)).half() :: h(2, 3, 4, 4)
    layer_norm :: nn.LayerNorm(6) :: f(2, 3, 6)
    layer_norm_two :: nn.LayerNorm((3, 6)) :: f(2, 3, 6)
    layer_norm_plain :: nn.LayerNorm(6, elementwise_affine=False) :: f(2, 6)
    layer_norm_no_bias :: Statistics(nn.LayerNorm(6, bias=False)) :: f(2, 6)
    layer_norm_eps :: Statistics(nn.LayerNorm(6, eps=0.1)) :: f(2, 6)
    layer_norm_half :: nn.LayerNorm(6).half() :: h(2, 6)
    group_norm :: Statistics(nn.GroupNorm(2, 4)) :: f(2, 4, 3, 3)
    group_norm_plain :: nn.GroupNorm(3, 6, affine=False) :: f(2, 6, 5)
    group_norm_one :: Statistics(nn.GroupNorm(1, 4)) :: f(2, 4, 3)
    instance_norm1d :: nn.InstanceNorm1d(3) :: f(2, 3, 5)
    instance_norm2d :: Statistics(nn.InstanceNorm2d(3, affine=True)) :: f(2, 3, 4, 4)
    instance_norm3d :: nn.InstanceNorm3d(2) :: f(1, 2, 3, 3, 3)
    instance_norm_statistics :: Statistics(nn.InstanceNorm2d(3, track_running_stats=True)) :: f(2, 3, 4, 4)
    rms_norm :: nn.RMSNorm(6) :: f(2, 3, 6)
    rms_norm_eps :: Statistics(nn.RMSNorm(6, eps=1e-3)) :: f(2, 6)
    local_response_norm :: nn.LocalResponseNorm(2) :: f(1, 4, 3, 3)
    weight_norm :: nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)) :: f(2, 4)
    spectral_norm :: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)) :: f(2, 4)
    layer_norm_dynamic :: nn.LayerNorm(6) :: f(3, 6) :: dyn=({0: D("n", min=1, max=8)},), more=("(f(7, 6),)",)
    batch_norm_dynamic :: Statistics(nn.BatchNorm2d(3)) :: f(2, 3, 4, 4) :: dyn=({0: D("n", min=1, max=4)},), more=("(f(4, 3, 4, 4),)",)
    """,
)
