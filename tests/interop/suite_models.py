"""Whole networks: real architectures with seeded weights, on inputs small enough for CI.

The detector and the image tower are written out here from their published structure; torchvision
brings the others.
"""

import math

import models
from suite_core import *


def vision(name, **options):
    """A torchvision architecture as it is initialised, with batch norms that are not the identity.

    Weights drawn more freely (models.randomise) let rounding grow to 1e-5 in MobileNetV2, whichever
    way its sums are ordered.
    """
    made = getattr(models.torchvision_module().models, name)(weights=None, **options)
    with torch.no_grad():
        for norm in made.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.running_mean.normal_(0, 0.1)
                norm.running_var.uniform_(0.5, 1.5)
                norm.bias.normal_(0, 0.1)
    return made


class tv:
    @staticmethod
    def net(name, **options):
        return vision(name, **options)

    @staticmethod
    def vit():
        torchvision = models.torchvision_module()
        made = torchvision.models.VisionTransformer(
            image_size=32, patch_size=8, num_layers=2, num_heads=3, hidden_dim=48, mlp_dim=96,
            num_classes=10,
        )
        with torch.no_grad():
            for value in made.parameters():
                value.copy_(torch.randn_like(value) * 0.15 + (1.0 if value.dim() == 1 else 0.0))
        return made


class Tagger(nn.Module):
    """Embedding, an LSTM in both directions, a linear layer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 12)
        self.lstm = nn.LSTM(12, 10, bidirectional=True, batch_first=True)
        self.out = nn.Linear(20, 7)

    def forward(self, tokens):
        return self.out(self.lstm(self.embedding(tokens))[0]).log_softmax(-1)


# ---- a decoder with a cache of keys and values -------------------------------------------------


class DecoderBlock(nn.Module):
    def __init__(self, width, heads, groups, length, update):
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.update = update
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(width, groups * self.size, bias=False)
        self.v = nn.Linear(width, groups * self.size, bias=False)
        self.o = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 2 * width, bias=False)
        self.up = nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)
        shape = (1, groups, length, self.size)
        self.register_buffer("keys", torch.zeros(shape))
        self.register_buffer("values", torch.zeros(shape))

    def rotate(self, x, cos, sin):
        a, b = x.float().chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def forward(self, x, position, cos, sin, mask):
        n = x.shape[1]
        y = self.norm1(x)
        q = self.q(y).view(1, n, self.heads, self.size).transpose(1, 2)
        k = self.k(y).view(1, n, self.groups, self.size).transpose(1, 2)
        v = self.v(y).view(1, n, self.groups, self.size).transpose(1, 2)
        q, k = self.rotate(q, cos, sin), self.rotate(k, cos, sin)
        if self.update == "index_copy":
            self.keys.index_copy_(2, position, k)
            self.values.index_copy_(2, position, v)
        else:
            self.keys[:, :, position] = k
            self.values[:, :, position] = v
        repeat = self.heads // self.groups
        keys = self.keys.repeat_interleave(repeat, dim=1)
        values = self.values.repeat_interleave(repeat, dim=1)
        y = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        x = x + self.o(y.transpose(1, 2).reshape(1, n, -1))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    """A small decoder-only language model: rotary positions, grouped queries, a mutable cache."""

    def __init__(self, layers=2, width=16, heads=4, groups=2, length=8, update="index_copy"):
        super().__init__()
        self.embedding = nn.Embedding(32, width)
        self.blocks = nn.ModuleList(
            DecoderBlock(width, heads, groups, length, update) for _ in range(layers)
        )
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, 32, bias=False)
        half = width // heads // 2
        angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(half) / half)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self.register_buffer("mask", torch.ones(length, length).tril().bool(), persistent=False)

    def forward(self, tokens, position):
        x = self.embedding(tokens)
        cos, sin, mask = self.cos[position], self.sin[position], self.mask[position]
        for block in self.blocks:
            x = block(x, position, cos, sin, mask)
        return self.head(self.norm(x))


# ---- YOLO11 ------------------------------------------------------------------------------------


class ConvNorm(nn.Sequential):
    def __init__(self, c1, c2, k=1, s=1, groups=1, act=True):
        super().__init__(
            nn.Conv2d(c1, c2, k, s, k // 2, groups=groups, bias=False),
            nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03),
            nn.SiLU() if act else nn.Identity(),
        )


class Bottleneck(nn.Module):
    def __init__(self, c1, c2, kernels=(3, 3), e=0.5):
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = ConvNorm(c1, hidden, kernels[0])
        self.cv2 = ConvNorm(hidden, c2, kernels[1])
        self.add = c1 == c2

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C3k(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden = c // 2
        self.cv1, self.cv2 = ConvNorm(c, hidden), ConvNorm(c, hidden)
        self.cv3 = ConvNorm(2 * hidden, c)
        self.m = nn.Sequential(*(Bottleneck(hidden, hidden, e=1.0) for _ in range(2)))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class C3k2(nn.Module):
    def __init__(self, c1, c2, c3k=False, e=0.5):
        super().__init__()
        self.c = int(c2 * e)
        self.cv1 = ConvNorm(c1, 2 * self.c)
        self.cv2 = ConvNorm(3 * self.c, c2)
        self.m = C3k(self.c) if c3k else Bottleneck(self.c, self.c)

    def forward(self, x):
        a, b = self.cv1(x).chunk(2, 1)
        return self.cv2(torch.cat((a, b, self.m(b)), 1))


class SPPF(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.cv1, self.cv2 = ConvNorm(c, c // 2), ConvNorm(c * 2, c)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        y = [self.cv1(x)]
        for _ in range(3):
            y.append(self.m(y[-1]))
        return self.cv2(torch.cat(y, 1))


class AreaAttention(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.heads, self.head, self.key = heads, c // heads, c // heads // 2
        self.qkv = ConvNorm(c, c + self.key * heads * 2, act=False)
        self.proj = ConvNorm(c, c, act=False)
        self.pe = ConvNorm(c, c, 3, groups=c, act=False)

    def forward(self, x):
        batch, c, h, w = x.shape
        qkv = self.qkv(x).view(batch, self.heads, self.key * 2 + self.head, h * w)
        q, k, v = qkv.split([self.key, self.key, self.head], 2)
        weights = (q.transpose(-2, -1) @ k * self.key**-0.5).softmax(-1)
        y = (v @ weights.transpose(-2, -1)).view(batch, c, h, w)
        return self.proj(y + self.pe(v.reshape(batch, c, h, w)))


class C2PSA(nn.Module):
    def __init__(self, c):
        super().__init__()
        half = c // 2
        self.cv1, self.cv2 = ConvNorm(c, c), ConvNorm(c, c)
        self.attention = AreaAttention(half, half // 64)
        self.ffn = nn.Sequential(ConvNorm(half, c), ConvNorm(c, half, act=False))

    def forward(self, x):
        a, b = self.cv1(x).chunk(2, 1)
        b = b + self.attention(b)
        b = b + self.ffn(b)
        return self.cv2(torch.cat((a, b), 1))


class Detect(nn.Module):
    """Boxes as distributions over 16 distances; classes; decoded to pixels in the graph."""

    def __init__(self, channels, size, classes=80, bins=16):
        super().__init__()
        self.bins = bins
        self.boxes = nn.ModuleList(
            nn.Sequential(ConvNorm(c, 64, 3), ConvNorm(64, 64, 3), nn.Conv2d(64, 4 * bins, 1))
            for c in channels
        )
        self.classes = nn.ModuleList(
            nn.Sequential(
                ConvNorm(c, c, 3, groups=c), ConvNorm(c, 80), ConvNorm(80, 80, 3, groups=80),
                ConvNorm(80, 80), nn.Conv2d(80, classes, 1),
            )
            for c in channels
        )
        self.dfl = nn.Conv2d(bins, 1, 1, bias=False)
        self.dfl.weight.data.copy_(torch.arange(bins, dtype=torch.float32).view(1, bins, 1, 1))
        centres, strides = [], []
        for stride in (8, 16, 32):
            cells = torch.arange(size // stride) + 0.5
            y, x = torch.meshgrid(cells, cells, indexing="ij")
            centres.append(torch.stack((x, y), -1).view(-1, 2))
            strides.append(torch.full((x.numel(), 1), float(stride)))
        self.register_buffer("centres", torch.cat(centres).t()[None].contiguous())
        self.register_buffer("strides", torch.cat(strides).t().contiguous())

    def forward(self, features):
        batch = features[0].shape[0]
        rows = [
            torch.cat((box(x), kind(x)), 1).view(batch, 4 * self.bins + 80, -1)
            for x, box, kind in zip(features, self.boxes, self.classes)
        ]
        box, kind = torch.cat(rows, 2).split((4 * self.bins, 80), 1)
        box = self.dfl(box.view(batch, 4, self.bins, -1).transpose(2, 1).softmax(1))
        left_top, right_bottom = box.view(batch, 4, -1).chunk(2, 1)
        low, high = self.centres - left_top, self.centres + right_bottom
        box = torch.cat(((low + high) / 2, high - low), 1) * self.strides
        return torch.cat((box, kind.sigmoid()), 1)


class Yolo11n(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.l0, self.l1 = ConvNorm(3, 16, 3, 2), ConvNorm(16, 32, 3, 2)
        self.l2, self.l3 = C3k2(32, 64, e=0.25), ConvNorm(64, 64, 3, 2)
        self.l4, self.l5 = C3k2(64, 128, e=0.25), ConvNorm(128, 128, 3, 2)
        self.l6, self.l7 = C3k2(128, 128, True), ConvNorm(128, 256, 3, 2)
        self.l8, self.l9, self.l10 = C3k2(256, 256, True), SPPF(256), C2PSA(256)
        self.up = nn.Upsample(scale_factor=2)
        self.l13, self.l16 = C3k2(384, 128), C3k2(256, 64)
        self.l17, self.l19 = ConvNorm(64, 64, 3, 2), C3k2(192, 128)
        self.l20, self.l22 = ConvNorm(128, 128, 3, 2), C3k2(384, 256, True)
        self.detect = Detect((64, 128, 256), size)

    def forward(self, x):
        x4 = self.l4(self.l3(self.l2(self.l1(self.l0(x)))))
        x6 = self.l6(self.l5(x4))
        x10 = self.l10(self.l9(self.l8(self.l7(x6))))
        x13 = self.l13(torch.cat((self.up(x10), x6), 1))
        x16 = self.l16(torch.cat((self.up(x13), x4), 1))
        x19 = self.l19(torch.cat((self.l17(x16), x13), 1))
        x22 = self.l22(torch.cat((self.l20(x19), x10), 1))
        return self.detect((x16, x19, x22))


class Yolo(nn.Module):
    """YOLO11n with seeded weights."""

    def __init__(self, size):
        super().__init__()
        self.net = Yolo11n(size)
        keep = self.net.detect.dfl.weight.clone()
        models.randomise(self.net, 22)
        self.net.detect.dfl.weight.data.copy_(keep)

    def forward(self, x):
        return self.net(x)


# ---- PE-Core's image tower ---------------------------------------------------------------------


class RotaryAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.head = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def rotate(self, x, cos, sin):
        pairs = x.unflatten(-1, (-1, 2))
        a, b = pairs.unbind(-1)
        turned = torch.stack((-b, a), -1).flatten(-2)
        return x * cos + turned * sin

    def forward(self, x, cos, sin):
        n, length, _ = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, self.head).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(self.rotate(q, cos, sin), self.rotate(k, cos, sin), v)
        return self.out(y.transpose(1, 2).flatten(2))


class TowerBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = RotaryAttention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x, cos, sin):
        x = x + self.attn(self.ln_1(x), cos, sin)
        return x + self.mlp(self.ln_2(x))


class ImageTower(nn.Module):
    """Patches, a class token, rotary positions in two dimensions, pooling by attention."""

    def __init__(self, size=64, patch=16, width=192, layers=12, heads=3, out=512):
        super().__init__()
        grid, head = size // patch, width // heads
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(1, 1, width) * 0.1)
        self.positional_embedding = nn.Parameter(torch.randn(grid * grid + 1, width) * 0.1)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(TowerBlock(width, heads) for _ in range(layers))
        self.probe = nn.Parameter(torch.randn(1, 1, width))
        self.pool = nn.MultiheadAttention(width, 8, batch_first=True)
        self.pool_norm = nn.LayerNorm(width)
        self.pool_mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.proj = nn.Parameter(torch.randn(width, out) * width**-0.5)
        axis = head // 2
        rates = 10000 ** (-torch.arange(0, axis, 2) / axis)
        places = (torch.arange(grid) + 1.0)[:, None] * rates
        places = places.repeat_interleave(2, -1)
        angles = torch.cat(
            (places[None].expand(grid, -1, -1), places[:, None].expand(-1, grid, -1)), -1
        ).reshape(grid * grid, head)
        angles = torch.cat((torch.zeros(1, head), angles))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.class_embedding.expand(x.shape[0], -1, -1), x), 1)
        x = self.ln_pre(x + self.positional_embedding)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        x = self.ln_post(x)
        y = self.pool(self.probe.expand(x.shape[0], -1, -1), x, x, need_weights=False)[0]
        y = y + self.pool_mlp(self.pool_norm(y))
        return y[:, 0] @ self.proj


suite(
    "models",
    globals(),
    """
    resnet18 :: tv.net("resnet18", num_classes=10) :: f(1, 3, 64, 64) :: q="static"
    mobilenet_v2 :: tv.net("mobilenet_v2", num_classes=10) :: f(1, 3, 64, 64) :: q="static"
    mobilenet_v3_small :: tv.net("mobilenet_v3_small", num_classes=10) :: f(1, 3, 64, 64) :: q="static"
    mobilenet_v3_large :: tv.net("mobilenet_v3_large", num_classes=10) :: f(1, 3, 64, 64)
    vit :: tv.vit() :: f(1, 3, 32, 32) :: q="static"
    tagger :: Tagger() :: idx(50, 1, 4) :: q="dynamic"
    decoder :: Decoder() :: (idx(32, 1, 1), t([0])) :: state=True, more=("(idx(32, 1, 1), t([1]))", "(idx(32, 1, 1), t([2]))"), q="dynamic"
    decoder_put :: Decoder(layers=1, update="put") :: (idx(32, 1, 1), t([0])) :: state=True, more=("(idx(32, 1, 1), t([1]))", "(idx(32, 1, 1), t([2]))")
    decoder_prompt :: Decoder(layers=1) :: (idx(32, 1, 4), t([0, 1, 2, 3]))
    yolo11n :: Yolo(64) :: pos(1, 3, 64, 64, low=0.0, high=1.0) :: q="static"
    image_tower :: ImageTower() :: f(1, 3, 64, 64)
    """,
)
