"""Makes the goldens of src/vision with Pillow and NumPy as the oracle.

    python make_goldens.py        (Pillow 10 to 12, see src/vision/resize.h)

Writes beside itself: small picture files, decode.txt (what Pillow reads from them), resize.txt and
preprocess.txt (results on pictures that a formula makes, so that no samples are stored).
Every result is a CRC-32 of samples or of little-endian float32.
"""

import io
import pathlib
import random
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
PILLOW_MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # CMYK: four channels, none of them opacity


def noise(seed, width, height, channels):
    """A mixing function of the sample's position: the same in C++ (vision_test_util.h)."""
    v = np.arange(width * height * channels, dtype=np.uint32)
    v += np.uint32((seed * 0x9E3779B9) & 0xFFFFFFFF)
    v ^= v >> np.uint32(16)
    v *= np.uint32(0x85EBCA6B)
    v ^= v >> np.uint32(13)
    v *= np.uint32(0xC2B2AE35)
    v ^= v >> np.uint32(16)
    return (v >> np.uint32(24)).astype(np.uint8).reshape(height, width, channels)


def pillow_image(samples):
    channels = samples.shape[2]
    return Image.fromarray(samples[..., 0] if channels == 1 else samples, PILLOW_MODES[channels])


def crc(array):
    return f"{zlib.crc32(np.ascontiguousarray(array).tobytes()):08x}"


# ---------------------------------------------------------------- resize


def make_resize():
    rng = random.Random(20240607)
    lines = []

    def case(width, height, channels, out_width, out_height, name, box):
        seed = len(lines) + 1
        image = pillow_image(noise(seed, width, height, channels))
        result = image.resize((out_width, out_height), FILTERS[name], box=box)
        region = " ".join(f"{v:g}" for v in box) if box else "0 0 0 0"
        lines.append(f"{seed} {width} {height} {channels} {out_width} {out_height} {name} {region} "
                     f"{crc(np.asarray(result))}\n")

    def side():
        return rng.choice([rng.randint(1, 12), rng.randint(1, 80), rng.randint(1, 300)])

    for name in FILTERS:
        for _ in range(110):
            width, height = side(), side()
            out_width, out_height = side(), side()
            shape = rng.random()
            if shape < 0.08:
                out_width = width
            elif shape < 0.16:
                out_height = height
            elif shape < 0.2:
                out_width, out_height = width, height
            box = None
            if rng.random() < 0.25:
                step = rng.choice([1, 1, 0.25])
                x = sorted(rng.sample(range(int(width / step) + 1), 2))
                y = sorted(rng.sample(range(int(height / step) + 1), 2))
                box = (x[0] * step, y[0] * step, x[1] * step, y[1] * step)
                if rng.random() < 0.2 and step == 1:
                    out_width, out_height = x[1] - x[0], y[1] - y[0]
            case(width, height, rng.choice([1, 3, 3, 3, 4]), out_width, out_height, name, box)
        for width, height, out_width, out_height in [
            (1, 1, 7, 5), (5, 3, 1, 1), (2000, 2, 3, 9), (2, 2000, 9, 3), (1200, 700, 439, 256),
            (640, 480, 341, 256), (3, 3, 512, 512), (257, 1, 256, 2),
        ]:
            case(width, height, 3, out_width, out_height, name, None)
    (HERE / "resize.txt").write_text("".join(lines))


# ---------------------------------------------------------------- preprocess

PRESETS = {
    "imagenet": ("bilinear", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "efficientnet_lite": ("bicubic", 1, (127, 127, 127), (128, 128, 128)),
    "squash": ("bilinear", 1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


def preprocess(image, preset):
    """torchvision's Resize, CenterCrop, ToTensor and Normalize, written out."""
    name, scale, mean, std = PRESETS[preset]
    if preset == "squash":
        image = image.resize((224, 224), FILTERS[name])
    else:
        width, height = image.size
        short, long = min(width, height), max(width, height)
        exact = 256 * long / short
        new_long = round(exact) if preset == "efficientnet_lite" else int(exact)
        size = (256, new_long) if width <= height else (new_long, 256)
        if size != image.size:
            image = image.resize(size, FILTERS[name])
        width, height = image.size
        if width < 224 or height < 224:
            left, top = max(224 - width, 0) // 2, max(224 - height, 0) // 2
            padded = Image.new("RGB", (max(width, 224), max(height, 224)))
            padded.paste(image, (left, top))
            image = padded
            width, height = image.size
        left, top = int(round((width - 224) / 2.0)), int(round((height - 224) / 2.0))
        image = image.crop((left, top, left + 224, top + 224))
    samples = np.asarray(image).astype(np.float32)
    values = samples / np.float32(255) if scale != 1 else samples
    values = (values - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def make_preprocess():
    lines = []
    sizes = [(224, 224), (256, 256), (300, 200), (200, 301), (31, 17), (17, 31), (255, 257),
             (640, 480), (1, 1), (500, 499), (257, 256), (259, 256), (1000, 333)]
    for seed, (width, height) in enumerate(sizes):
        image = pillow_image(noise(seed, width, height, 3))
        for preset in PRESETS:
            lines.append(f"{seed} {width} {height} {preset} {crc(preprocess(image, preset))}\n")
    (HERE / "preprocess.txt").write_text("".join(lines))


# ---------------------------------------------------------------- decode


def scene(width, height, channels=3):
    """Smooth shades with hard edges: chroma upsampling and ringing both show."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for c in range(channels):
        shade = 128 + 90 * np.sin(x / (5 + 2 * c) + c) * np.cos(y / (7 - c))
        shade[(x - width / 3) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2] = 250 - 80 * c
        shade[:, int(width * 0.8):] = 30 + 60 * c
        planes.append(shade)
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth, first_filter):
    """Filtered scanlines of samples [height, width, channels]; the filter type changes by row."""
    height, width, channels = samples.shape
    if depth == 16:
        rows = samples.astype(">u2").view(np.uint8).reshape(height, -1)
    elif depth == 8:
        rows = samples.astype(np.uint8).reshape(height, -1)
    else:
        per_byte = 8 // depth
        padded = np.zeros((height, -(-width // per_byte) * per_byte), np.uint8)
        padded[:, :width] = samples[..., 0]
        rows = np.zeros((height, padded.shape[1] // per_byte), np.uint8)
        for i in range(per_byte):
            rows |= padded[:, i::per_byte] << np.uint8(8 - depth * (i + 1))
    bpp = max(1, channels * depth // 8)
    out = bytearray()
    above = np.zeros(rows.shape[1], np.int32)
    for index, row in enumerate(rows.astype(np.int32)):
        left = np.concatenate([np.zeros(bpp, np.int32), row[:-bpp]])[: len(row)]
        corner = np.concatenate([np.zeros(bpp, np.int32), above[:-bpp]])[: len(row)]
        kind = (first_filter + index) % 5
        if kind == 4:
            p = left + above - corner
            pa, pb, pc = abs(p - left), abs(p - above), abs(p - corner)
            guess = np.where((pa <= pb) & (pa <= pc), left, np.where(pb <= pc, above, corner))
        else:
            guess = [0 * row, left, above, (left + above) // 2][kind]
        out.append(kind)
        out += ((row - guess) & 255).astype(np.uint8).tobytes()
        above = row
    return bytes(out)


def png(samples, color_type, depth, interlaced=False, before=b"", after=b""):
    height, width, _ = samples.shape
    raw = b""
    if interlaced:
        for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                               (1, 0, 2, 2), (0, 1, 1, 2)]:
            part = samples[y0::dy, x0::dx]
            if part.size:
                raw += pack_rows(part, depth, 1)
    else:
        raw = pack_rows(samples, depth, 0)
    packed = zlib.compress(raw, 9)
    half = len(packed) // 2
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", packed[:half]) +
            chunk(b"IDAT", packed[half:]) + after + chunk(b"IEND", b""))


def tiff_orientation(value, order=">"):
    head = b"MM\0*" if order == ">" else b"II*\0"
    head += struct.pack(order + "IH", 8, 2)
    return (head + struct.pack(order + "HHIHH", 0x0100, 3, 1, 99, 0) +
            struct.pack(order + "HHIHH", 0x0112, 3, 1, value, 0) + struct.pack(order + "I", 0))


XMP = ('<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="{}"/>'
       "</rdf:RDF></x:xmpmeta>")


def jpeg_files():
    def save(image, **options):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        return buffer.getvalue()

    image = Image.fromarray(scene(61, 47))
    small = Image.fromarray(scene(24, 17))
    yield "444.jpg", save(image, quality=90, subsampling="4:4:4")
    yield "422.jpg", save(image, quality=80, subsampling="4:2:2")
    yield "420.jpg", save(image, quality=75, subsampling="4:2:0")
    yield "420_restart.jpg", save(image, quality=60, subsampling="4:2:0", restart_marker_rows=1)
    yield "progressive.jpg", save(image, quality=85, progressive=True)
    yield "progressive_444.jpg", save(image, quality=40, progressive=True, subsampling="4:4:4")
    yield "grey.jpg", save(image.convert("L"), quality=80)
    yield "grey_progressive.jpg", save(image.convert("L"), quality=80, progressive=True)
    yield "rgb.jpg", save(image, quality=90, keep_rgb=True)
    yield "one_pixel.jpg", save(Image.new("RGB", (1, 1), (200, 100, 50)), quality=90)
    cmyk = save(Image.fromarray(scene(40, 30, 4), "CMYK"), quality=85)
    yield "cmyk.jpg", cmyk
    adobe = cmyk.index(b"\xff\xee\x00\x0eAdobe")
    yield "ycck.jpg", cmyk[: adobe + 15] + b"\x02" + cmyk[adobe + 16:]
    yield "cmyk_plain.jpg", cmyk[:adobe] + cmyk[adobe + 16:]
    for orientation in range(1, 9):
        order = "<" if orientation % 2 else ">"
        exif = b"Exif\0\0" + tiff_orientation(orientation, order)
        yield f"orientation_{orientation}.jpg", save(small, quality=80, exif=exif)
    yield "orientation_xmp.jpg", save(small, quality=80, xmp=XMP.format(6).encode())
    yield "orientation_both.jpg", save(small, quality=80, xmp=XMP.format(6).encode(),
                                       exif=b"Exif\0\0" + tiff_orientation(3))
    yield "orientation_odd.jpg", save(small, quality=80, exif=b"Exif\0\0" + tiff_orientation(9))


def png_files():
    rng = np.random.default_rng(7)
    width, height = 29, 19
    for depth in (1, 2, 4, 8, 16):
        grey = rng.integers(0, 1 << depth, (height, width, 1), dtype=np.uint16)
        yield f"grey{depth}.png", png(grey, 0, depth)
        yield f"grey{depth}_interlaced.png", png(grey, 0, depth, interlaced=True)
    grey = rng.integers(0, 256, (height, width, 1), dtype=np.uint16)
    yield "grey8_transparent.png", png(grey, 0, 8, before=chunk(b"tRNS", struct.pack(">H", 77)))
    palette = rng.integers(0, 256, 768, dtype=np.uint8).tobytes()
    for depth in (1, 2, 4, 8):
        index = rng.integers(0, 1 << depth, (height, width, 1), dtype=np.uint16)
        colors = chunk(b"PLTE", palette[: 3 << depth])
        clear = chunk(b"tRNS", bytes([0, 128]))
        yield f"palette{depth}.png", png(index, 3, depth, before=colors)
        yield f"palette{depth}_interlaced.png", png(index, 3, depth, True, colors + clear)
    index = rng.integers(0, 12, (height, width, 1), dtype=np.uint16)
    yield "palette_short.png", png(index, 3, 8, before=chunk(b"PLTE", palette[:30]))
    for kind, channels, color_type in [("rgb", 3, 2), ("grey_alpha", 2, 4), ("rgba", 4, 6)]:
        for depth in (8, 16):
            samples = rng.integers(0, 1 << depth, (height, width, channels), dtype=np.uint16)
            yield f"{kind}{depth}.png", png(samples, color_type, depth)
            yield f"{kind}{depth}_interlaced.png", png(samples, color_type, depth, interlaced=True)
    rgb = scene(24, 17).astype(np.uint16)
    clear = chunk(b"tRNS", struct.pack(">HHH", 250, 170, 90))
    yield "rgb8_transparent.png", png(rgb, 2, 8, before=clear)
    yield "exif_before.png", png(rgb, 2, 8, before=chunk(b"eXIf", tiff_orientation(6)))
    yield "exif_after.png", png(rgb, 2, 8, after=chunk(b"eXIf", tiff_orientation(5, "<")))
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.format(8).encode()
    yield "xmp.png", png(rgb, 2, 8, before=chunk(b"iTXt", text))
    yield "gamma.png", png(rgb, 2, 8, before=chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "one_row_interlaced.png", png(rgb[:1], 2, 8, interlaced=True)


def make_decode():
    lines = []
    for name, data in [*jpeg_files(), *png_files()]:
        (HERE / name).write_bytes(data)
        image = Image.open(io.BytesIO(data))
        if image.mode == "I;16":
            # Pillow clips at 255 here, which turns nearly every such picture white; the high byte
            # is what it takes from all other 16-bit kinds, and what src/vision takes everywhere.
            samples = np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, -1)
        else:
            samples = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        lines.append(f"{name} {samples.shape[1]} {samples.shape[0]} {crc(samples)}\n")
    (HERE / "decode.txt").write_text("".join(lines))


def main():
    make_resize()
    make_preprocess()
    make_decode()


if __name__ == "__main__":
    main()
