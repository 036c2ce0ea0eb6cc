"""Eager PyTorch models that ptekit's zoo rebuilds: the reference for its numbers.

Each model comes with seeded weights whose batch-norm statistics are far from the identity, so that
a wrong fold cannot hide; EfficientNet-Lite0 takes the published checkpoint.
"""

import torch
from torch import nn
import torch.nn.functional as F


class EfficientNetBlock(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expand):
        super().__init__()
        hidden = inputs * expand
        self.expands = expand != 1
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=1e-3)
        self._depthwise_conv = nn.Conv2d(
            hidden, hidden, kernel, stride, groups=hidden, bias=False
        )
        self._bn1 = nn.BatchNorm2d(hidden, eps=1e-3)
        self._project_conv = nn.Conv2d(hidden, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)
        self.padding = same_padding(kernel, stride)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(F.pad(y, self.padding))))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


def same_padding(kernel, stride):
    """TensorFlow's static "same" padding for an even input: left, right, top, bottom."""
    total = kernel - stride
    before = total // 2
    return (before, total - before, before, total - before)


class EfficientNetLite0(nn.Module):
    BLOCKS = (
        [(32, 16, 3, 1, 1), (16, 24, 3, 2, 6), (24, 24, 3, 1, 6), (24, 40, 5, 2, 6)]
        + [(40, 40, 5, 1, 6), (40, 80, 3, 2, 6)]
        + [(80, 80, 3, 1, 6)] * 2
        + [(80, 112, 5, 1, 6)]
        + [(112, 112, 5, 1, 6)] * 2
        + [(112, 192, 5, 2, 6)]
        + [(192, 192, 5, 1, 6)] * 3
        + [(192, 320, 3, 1, 6)]
    )

    def __init__(self):
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        self._blocks = nn.ModuleList(EfficientNetBlock(*block) for block in self.BLOCKS)
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=1e-3)
        self._dropout = nn.Dropout(0.2)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(F.pad(x, same_padding(3, 2)))))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return self._fc(self._dropout(x))


class DeepEpiCnn(nn.Module):
    """The seizure detector of OpenSeizureDatabase: logits from 30 s of acceleration at 25 Hz."""

    CHANNELS = [1, 16] + [32] * 11 + [64, 64]

    def __init__(self, classes=2, conv_dropout=0.0, dense_dropout=0.025):
        super().__init__()
        layers = []
        for i, (inputs, outputs) in enumerate(zip(self.CHANNELS, self.CHANNELS[1:])):
            layers.append(nn.Conv1d(inputs, outputs, 5, stride=2 if i in (4, 9) else 1))
            layers.append(nn.BatchNorm1d(outputs))
            layers.append(nn.ReLU())
            if conv_dropout > 0:
                layers.append(nn.Dropout(conv_dropout))
        self.conv_stack = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool1d(1)
        self.fc1, self.bn1 = nn.Linear(64, 64), nn.BatchNorm1d(64)
        self.dropout1 = nn.Dropout(dense_dropout) if dense_dropout > 0 else nn.Identity()
        self.fc2, self.bn2 = nn.Linear(64, 64), nn.BatchNorm1d(64)
        self.fc3, self.bn3 = nn.Linear(64, 32), nn.BatchNorm1d(32)
        self.fc4, self.bn4 = nn.Linear(32, 16), nn.BatchNorm1d(16)
        self.fc_out = nn.Linear(16, classes)

    def forward(self, x):
        if x.dim() == 2:
            x = x.unsqueeze(1)
        elif x.shape[1] != 1:
            x = x.permute(0, 2, 1)
        x = self.pool(self.conv_stack(x)).squeeze(-1)
        x = self.dropout1(F.relu(self.bn1(self.fc1(x))))
        x = F.relu(self.bn2(self.fc2(x)))
        x = F.relu(self.bn3(self.fc3(x)))
        x = F.relu(self.bn4(self.fc4(x)))
        return self.fc_out(x)


def define_torchvision_operators():
    """torchvision's operators need its own CUDA-linked library; its models do not need them, but
    its import asks for their names."""
    library = torch.library.Library("torchvision", "DEF")
    for name in (
        "nms",
        "qnms",
        "qroi_align",
        "roi_align",
        "roi_pool",
        "ps_roi_align",
        "ps_roi_pool",
        "deform_conv2d",
        "_roi_align_backward",
        "_roi_pool_backward",
        "_ps_roi_align_backward",
        "_ps_roi_pool_backward",
        "_deform_conv2d_backward",
    ):
        library.define(f"{name}(Tensor a) -> Tensor")
    return library


_torchvision_library = None


def torchvision_module():
    global _torchvision_library
    if _torchvision_library is None:
        _torchvision_library = define_torchvision_operators()
    import torchvision

    return torchvision


def mobilenet_v3_small():
    return torchvision_module().models.mobilenet_v3_small(weights=None)


def randomise(model, seed):
    """Seeded weights that keep activations in range, with batch-norm statistics to be folded."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor, low, high):
        tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
                bound = (6.0 / module.weight[0].numel()) ** 0.5
                uniform(module.weight, -bound, bound)
                if module.bias is not None:
                    uniform(module.bias, -0.2, 0.2)
            elif isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                uniform(module.weight, 0.6, 1.4)
                uniform(module.bias, -0.3, 0.3)
                uniform(module.running_mean, -0.3, 0.3)
                uniform(module.running_var, 0.5, 1.5)
                module.num_batches_tracked.fill_(1234)
    return model.eval()
