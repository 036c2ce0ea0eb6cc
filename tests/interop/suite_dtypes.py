"""The same operators in every element type."""

from suite_core import *

FLOAT = {
    "float16": "h(3, 4)",
    "bfloat16": "bf(3, 4)",
    "float64": "d(3, 4)",
}
WHOLE = {
    "int64": "i(3, 4)",
    "int32": "i(3, 4, dtype=torch.int32)",
    "int16": "i(3, 4, dtype=torch.int16)",
    "int8": "i(3, 4, dtype=torch.int8)",
    "uint8": "i(3, 4, low=0, dtype=torch.uint8)",
}
BOOL = {"bool": "b(3, 4)"}

# name → (what, how often its inputs come, element types)
OPERATORS = {
    "exponentials": ("x.exp(), x.expm1(), x.sigmoid(), x.tanh(), x.erf()", 1, {**FLOAT, **WHOLE, **BOOL}),
    "trigonometry": ("x.sin(), x.cos(), x.tan(), x.atan(), x.sinh(), x.asinh()", 1, {**FLOAT, **WHOLE, **BOOL}),
    "logarithms": ("y = x.abs() + 1; y.log(), y.log2(), y.log10(), y.log1p(), y.sqrt(), y.rsqrt(), y.reciprocal()", 1, {**FLOAT, **WHOLE}),
    "rounding": ("x.floor(), x.ceil(), x.round(), x.trunc(), x.sign(), x.abs(), -x", 1, {**FLOAT, **WHOLE}),
    "activations": ("x.relu(), F.gelu(x), F.silu(x), F.elu(x), F.leaky_relu(x), F.hardswish(x), F.hardtanh(x), F.softplus(x)", 1, FLOAT),
    "relus": ("x.relu(), x.clamp(-2, 3), x.clamp(min=2), F.relu6(x)", 1, WHOLE),
    "softmax": ("x.softmax(-1), x.log_softmax(0), x.logsumexp(1)", 1, FLOAT),
    "arithmetic": ("x + y, x - y, x * y, x + 2, x * 3, 1 - x", 2, {**FLOAT, **WHOLE}),
    "arithmetic_bool": ("x + y, x * y, x + 2, x * 1.5, x & y, x | y, x ^ y", 2, BOOL),
    "division": ("x / (y.abs() + 1), x / 2, torch.div(x, y.abs() + 1, rounding_mode='floor'), torch.div(x, y.abs() + 1, rounding_mode='trunc'), torch.remainder(x, y.abs() + 1), torch.fmod(x, y.abs() + 1)", 2, {**FLOAT, **WHOLE}),
    "powers": ("x ** 2, x.abs() ** y.abs(), 2 ** y.abs()", 2, {**FLOAT, **WHOLE}),
    "extremes": ("torch.maximum(x, y), torch.minimum(x, y), x.clamp(min=1), torch.where(x > y, x, y)", 2, {**FLOAT, **WHOLE}),
    "comparisons": ("x == y, x != y, x < y, x <= y, x > y, x >= y, x == 1, x > 0.5", 2, {**FLOAT, **WHOLE, **BOOL}),
    "logic": ("torch.logical_and(x, y), torch.logical_or(x, y), torch.logical_xor(x, y), torch.logical_not(x), x.isnan(), x.isinf()", 2, {**FLOAT, **WHOLE, **BOOL}),
    "bits": ("x & y, x | y, x ^ y, ~x, x & 3", 2, WHOLE),
    "sums": ("x.sum(), x.sum(1), x.cumsum(0), x.any(), x.all(1), x.prod(1)", 1, {**FLOAT, **WHOLE, **BOOL}),
    "means": ("x.mean(), x.mean(1), x.var(1), x.std(0)", 1, FLOAT),
    "orders": ("x.amax(1), x.amin(0), x.argmax(1), x.argmin(0), x.max(1), x.min(0)", 1, {**FLOAT, **WHOLE}),
    "orders_bool": ("x.amax(1), x.amin(0), x.max(), x.min()", 1, BOOL),
    "sorting": ("x.sort(1)[0], x.topk(2, 1)[0]", 1, {**FLOAT, **WHOLE}),
    "views": ("x.t(), x[1:], x.flatten(), x.unsqueeze(0), x.expand(2, 3, 4), x.repeat(2, 1), torch.cat([x, x]), torch.stack([x, x]), x.flip(0), x.roll(1)", 1, {**FLOAT, **WHOLE, **BOOL}),
    "moves": ("x[t([0, 2])], x.index_select(1, t([3, 1])), x.gather(1, t([[0], [1], [2]])), x.tril(), x.diagonal(), F.pad(x, (1, 1)), x.masked_fill(x == 1, 0), x.split(2, 1), x.unbind(0)", 1, {**FLOAT, **WHOLE, **BOOL}),
    "writes": ("y = x.clone(); y[0] = 1; y, x.scatter(1, t([[0], [1], [2]]), 1), torch.index_put(x, (t([0]),), x[1:2]), torch.zeros_like(x), torch.full_like(x, 1)", 1, {**FLOAT, **WHOLE, **BOOL}),
    "casts": ("x.float(), x.long(), x.int(), x.bool(), x.to(torch.uint8), x.to(torch.int8), x.half(), x.double()", 1, {**FLOAT, **WHOLE, **BOOL}),
    "products": ("x @ y.t(), torch.addmm(x[:, :3], x, y.t())", 2, {**FLOAT, **WHOLE}),
    "batches": ("torch.bmm(x[None], y.t()[None]), torch.baddbmm(x[None, :, :3], x[None], y.t()[None])", 2, {**FLOAT, **WHOLE}),
}
rows = []
for name, (what, count, types) in OPERATORS.items():
    for dtype, made in types.items():
        wrong = ""
        if name == "division" and dtype in WHOLE and dtype != "uint8":
            wrong = ', wrong={"all": "remainder of negative integers keeps the sign of the dividend"}'
        rows.append(
            f"{name}_{dtype} :: {what} :: ({', '.join([made] * count)},) :: "
            f"xnn={dtype == 'float16'}{wrong}"
        )
suite("dtypes", globals(), "\n".join(rows))

LAYERS = {
    "conv": "nn.Conv2d(2, 3, 3, padding=1)",
    "conv1d": "nn.Conv1d(2, 3, 2)",
    "linear": "nn.Linear(4, 3)",
    "layer_norm": "nn.LayerNorm(4)",
    "group_norm": "nn.GroupNorm(1, 2)",
    "batch_norm": "nn.BatchNorm2d(2)",
    "max_pool": "nn.MaxPool2d(2)",
    "avg_pool": "nn.AvgPool2d(2)",
    "upsample": "nn.Upsample(scale_factor=2, mode='bilinear')",
    "nearest": "nn.Upsample(scale_factor=2)",
    "prelu": "nn.PReLU()",
    "glu": "nn.GLU()",
}
rows = []
for name, made in LAYERS.items():
    shape = "2, 2, 4" if name == "conv1d" else "1, 2, 4, 4"
    for dtype, make, cast in (
        ("float16", "h", "half"),
        ("bfloat16", "bf", "bfloat16"),
        ("float64", "d", "double"),
    ):
        rows.append(
            f"{name}_{dtype} :: {made}.{cast}() :: ({make}({shape}),) :: xnn={dtype == 'float16'}"
        )
suite("layers", globals(), "\n".join(rows))

suite(
    "mixed",
    globals(),
    """
    half_float :: x + y, x * y :: (h(3, 4), f(3, 4))
    half_scalar :: x + 1.5, x * 2 :: h(3, 4)
    half_bfloat16 :: x + y :: (h(3, 4), bf(3, 4))
    float_double :: x + y, x / y :: (f(3, 4), d(3, 4))
    int_half :: x + y :: (i(3, 4), h(3, 4))
    int8_uint8 :: x + y :: (i(3, dtype=torch.int8), i(3, low=0, dtype=torch.uint8))
    int16_float :: x * y :: (i(3, dtype=torch.int16), f(3))
    zero_dim_double :: x + y :: (f(3), d())
    zero_dim_int64 :: x + y :: (i(3, dtype=torch.int32), i())
    zero_dim_float :: x + y :: (i(3, dtype=torch.int32), f())
    zero_dim_both :: x + y :: (i(), f())
    bool_int8 :: x + y :: (b(3), i(3, dtype=torch.int8))
    where_half_float :: torch.where(x, y, z) :: (b(3), h(3), f(3))
    cat_half_float :: torch.cat([x, y]) :: (h(3), f(3))
    cat_int32_int64 :: torch.cat([x, y]) :: (i(3, dtype=torch.int32), i(3))
    compare_int_half :: x < y :: (i(3), h(3))
    maximum_int_float :: torch.maximum(x, y) :: (i(3, 4), f(3, 4))
    pow_int_float :: x.abs() ** y :: (i(3, 4), f(3, 4))
    remainder_int_float :: torch.remainder(x, y.abs() + 0.5) :: (i(3, 4), f(3, 4))
    sum_half_float :: x.sum(dtype=torch.float32), x.mean(dtype=torch.float32) :: h(3, 4)
    sum_int_to_float :: x.sum(1, dtype=torch.float32) :: i(3, 4)
    clamp_int_float :: x.clamp(min=0.5) :: i(3, 4)
    index_int32 :: x[y, z] :: (f(3, 4), t([0, 1], dtype=torch.int32), t([1, 3], dtype=torch.int32))
    uint16 :: x.to(torch.int32) + 1 :: t([1, 2, 60000], dtype=torch.uint16)
    uint32 :: x.to(torch.int64) + 1 :: t([1, 2, 4000000000], dtype=torch.uint32)
    scalar_types :: x + 1, x + 1.5, x + True :: i(3)
    embedding_half :: nn.Embedding(5, 4).half() :: idx(5, 3)
    """,
)
