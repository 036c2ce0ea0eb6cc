"""TorchScript modules quantized in eager mode (torch.ao.quantization), exported by ptekit: within a
step of what PyTorch's own quantized kernels answer, in the official runtime.
"""

import subprocess
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.ao import quantization as tq
from torch.ao.nn.quantized import FloatFunctional

from conftest import PTE
from test_imports import official

warnings.filterwarnings("ignore")
BACKENDS = ("portable", "xnnpack")


class Picture(nn.Module):
    """Convolutions of every kind, sums, pooling, views, a linear layer."""

    def __init__(self):
        super().__init__()
        self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.deep = nn.Conv2d(8, 8, 3, stride=2, groups=8, dilation=2, padding=2)
        self.up = nn.Conv2d(8, 8, 1, bias=False)
        self.add, self.mul, self.cat = FloatFunctional(), FloatFunctional(), FloatFunctional()
        self.pool, self.mean = nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)
        self.act, self.gate = nn.Hardswish(), nn.Sigmoid()
        self.linear = nn.Linear(16, 5)

    def forward(self, x):
        x = self.relu(self.norm(self.conv(self.quant(x))))
        y = self.deep(x)
        z = self.add.add_relu(self.up(y), self.pool(x))
        z = self.mul.mul(self.act(z), self.gate(y))
        z = self.cat.cat([z, z[:, :, :, 1:].mean(3, keepdim=True).expand_as(z)], 1)
        return self.dequant(self.linear(torch.flatten(self.mean(z), 1)))


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
        self.conv, self.relu = nn.Conv1d(4, 6, 3), nn.ReLU6()
        self.leaky = nn.LeakyReLU(0.2)
        self.linear = nn.Linear(6, 3)

    def forward(self, x):
        x = self.leaky(self.conv(self.quant(x)))
        x = self.relu(x).transpose(1, 2).contiguous()
        return self.dequant(self.linear(x))


class Dense(nn.Module):
    """Quantized by what the run gives."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))



def converted(module, config, sizes, fuse):
    module = module.eval()
    if fuse:
        tq.fuse_modules(module, fuse, inplace=True)
    module.qconfig = tq.get_default_qconfig(config)
    tq.prepare(module, inplace=True)
    for _ in range(8):
        module(torch.randn(sizes))
    return tq.convert(module, inplace=True)


def module_of(name):
    torch.manual_seed(1)
    if name.startswith("picture"):
        engine = name.split("_")[1]
        made = converted(Picture(), engine, (2, 3, 12, 12), [["conv", "norm", "relu"]])
        return made, (2, 3, 12, 12), made.linear.scale
    if name == "sequence":
        made = converted(Sequence(), "fbgemm", (2, 4, 9), None)
        return made, (2, 4, 9), made.linear.scale
    made = tq.quantize_dynamic(Dense().eval(), {nn.Linear}, torch.qint8)
    return made, (3, 16), None


FORMS = {
    "trace.pt": lambda module, x, path: torch.jit.trace(module, x, check_trace=False).save(path),
    "script.pt": lambda module, x, path: torch.jit.script(module).save(path),
    "frozen.pt": lambda module, x, path: torch.jit.freeze(torch.jit.script(module)).save(path),
    "lite.ptl": lambda module, x, path: torch.jit.script(module)._save_for_lite_interpreter(path),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["picture_fbgemm", "picture_qnnpack", "sequence", "dense"])
def test_module(name, form, backend, tmp_path):
    module, sizes, step = module_of(name)
    x = torch.randn(sizes)
    with torch.no_grad():
        expected = module(x)
        FORMS[form](module, x, str(tmp_path / form))
    np.save(tmp_path / "x.npy", x.numpy())
    program = tmp_path / "model.pte"
    command = [PTE, "export", tmp_path / form, "--example", tmp_path / "x.npy"]
    command += ["--backends", backend, "-o", program]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = official(program, [([x], [expected])], False, tmp_path)
    assert not isinstance(made, str), made
    gap = float((made[0][0] - expected).abs().max())
    # Where the run decides the steps there is none to hold the answer to.
    bound = step * 1.001 if step else 0.02 * float(expected.abs().max())
    assert gap <= bound, f"off by {gap / (step or 1):.2f} steps"
    assert float(expected.std()) > 3 * bound / (1 if step else 0.4)  # not one value alone


def test_what_is_not_mapped_is_named(tmp_path):
    class Outside(nn.Module):
        def forward(self, x):
            return torch.cumsum(torch.quantize_per_tensor(x, 0.1, 3, torch.quint8), 0)

    path = tmp_path / "outside.pt"
    torch.jit.script(Outside()).save(path)
    done = subprocess.run(
        [str(PTE), "export", str(path), "--input-shapes", "3", "-o", str(tmp_path / "x.pte")],
        capture_output=True, text=True,
    )
    assert done.returncode != 0 and "aten::cumsum of a quantized tensor" in done.stderr, done.stderr
