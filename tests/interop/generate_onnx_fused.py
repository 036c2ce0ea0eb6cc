"""Small models of operators of com.microsoft, in the same form as generate_onnx.py's, with ONNX
Runtime's results. Used by it."""
import numpy as np


def cases():
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(11)

    def floats(*sizes):
        return rng.standard_normal(sizes).astype(np.float32)

    def bytes_of(kind, *sizes):
        low, high = (-128, 128) if kind == np.int8 else (0, 256)
        return rng.integers(low, high, sizes).astype(kind)

    def one(name, op, inputs, outputs=1, constants=(), domain="com.microsoft", **attributes):
        """`inputs` in order: arrays, or None for those left out; numbers in `constants` are
        initializers."""
        names, graph_inputs, initializers, data = [], [], [], []
        for i, array in enumerate(inputs):
            if array is None:
                names.append("")
                continue
            array = np.asarray(array)
            names.append(f"i{i}")
            if i in constants:
                initializers.append(numpy_helper.from_array(array, f"i{i}"))
            else:
                kind = helper.np_dtype_to_tensor_dtype(array.dtype)
                graph_inputs.append(helper.make_tensor_value_info(f"i{i}", kind, array.shape))
                data.append(array)
        results = outputs if isinstance(outputs, list) else [f"o{i}" for i in range(outputs)]
        node = helper.make_node(op, names, results, domain=domain, **attributes)
        graph = helper.make_graph(
            [node], name, graph_inputs,
            [helper.make_empty_tensor_value_info(o) for o in results if o], initializers)
        model = helper.make_model(
            graph, ir_version=10,
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
        return "fused_" + name, model.SerializeToString(), data

    x, bias = floats(2, 3, 8), floats(8)
    yield one("gelu", "Gelu", [x])
    yield one("fast_gelu", "FastGelu", [x, bias])
    yield one("bias_gelu", "BiasGelu", [x, bias])
    yield one("quick_gelu", "QuickGelu", [x], alpha=1.5)
    yield one("matmul", "FusedMatMul", [floats(2, 4, 3), floats(2, 5, 4)], alpha=0.5, transA=1, transB=1)
    yield one("conv", "FusedConv", [floats(1, 2, 6, 6), floats(3, 2, 3, 3), floats(3)],
              activation="LeakyRelu", activation_params=[0.2], pads=[1, 1, 1, 1])
    yield one("gemm", "FusedGemm", [floats(3, 4), floats(5, 4), floats(5)], transB=1, alpha=0.5,
              beta=2.0, activation="Relu")
    yield one("skip_norm", "SkipLayerNormalization", [x, floats(2, 3, 8), bias, floats(8), floats(8)],
              ["o0", "", "", "o3"], epsilon=1e-5)
    yield one("skip_rms", "SkipSimplifiedLayerNormalization", [x, floats(2, 3, 8), bias],
              ["o0", "", "", "o3"], epsilon=1e-5)
    yield one("rms", "SimplifiedLayerNormalization", [x, bias], domain="", epsilon=1e-5)
    ids = rng.integers(0, 6, (2, 3)).astype(np.int32)
    yield one("embed_norm", "EmbedLayerNormalization",
              [ids, ids % 2, floats(6, 8), floats(4, 8), floats(2, 8), bias, floats(8)],
              ["o0", "o1"], epsilon=1e-5)
    mask = np.array([[1, 1, 1], [1, 1, 0]], np.int32)
    yield one("attention", "Attention", [x, floats(8, 24), floats(24), mask], num_heads=2)
    yield one("attention_causal", "Attention", [x, floats(8, 24), floats(24)], num_heads=2,
              unidirectional=1)
    yield one("multi_head", "MultiHeadAttention", [x, floats(2, 5, 8), floats(2, 5, 8), floats(24)],
              num_heads=2)
    yield one("multi_head_bias", "MultiHeadAttention",
              [x, floats(2, 5, 8), floats(2, 5, 8), None, None, floats(1, 2, 3, 5)], num_heads=2)
    yield one("attention_lengths", "Attention",
              [x, floats(8, 24), floats(24), np.array([3, 2], np.int32)], num_heads=2)
    yield one("attention_past", "Attention",
              [x, floats(8, 24), floats(24), None, floats(2, 2, 2, 5, 4)], outputs=2, num_heads=2)
    yield one("qattention", "QAttention",
              [bytes_of(np.uint8, 2, 3, 8), bytes_of(np.int8, 8, 24), floats(24), np.float32(0.02),
               np.float32(0.01), None, np.uint8(128), np.int8(0)],
              constants=(1, 2, 3, 4, 6, 7), num_heads=2)
    places = np.array([[0, 1, 2], [3, 4, 5]], np.int64)
    tables = [floats(9, 2), floats(9, 2)]
    yield one("rotary", "RotaryEmbedding", [x, places] + tables, constants=(2, 3))
    yield one("rotary_offset", "RotaryEmbedding", [floats(2, 2, 3, 4), np.array([4], np.int64)] + tables,
              constants=(2, 3), interleaved=1)
    yield one("rotary_part", "RotaryEmbedding", [floats(2, 3, 12), places] + tables,
              constants=(2, 3), num_heads=2, rotary_embedding_dim=4)
    q = [bytes_of(np.uint8, 2, 3, 4), np.float32(0.02), np.uint8(128)]
    r = [bytes_of(np.uint8, 2, 3, 4), np.float32(0.0313), np.uint8(100)]
    out = [np.float32(0.05), np.uint8(120)]
    scales = (1, 2, 4, 5, 6, 7)
    yield one("qadd", "QLinearAdd", q + r + out, constants=scales)
    yield one("qmul", "QLinearMul", q + r + out, constants=scales)
    yield one("qsigmoid", "QLinearSigmoid", q + [np.float32(1 / 256), np.uint8(0)], constants=(1, 2, 3, 4))
    yield one("qleaky", "QLinearLeakyRelu", q + out, constants=(1, 2, 3, 4), alpha=0.1)
    yield one("qaverage", "QLinearGlobalAveragePool",
              [bytes_of(np.uint8, 1, 3, 4, 4), np.float32(0.02), np.uint8(128)] + out, constants=(1, 2, 3, 4))
    yield one("qpool", "QLinearAveragePool",
              [bytes_of(np.uint8, 1, 3, 6, 6), np.float32(0.02), np.uint8(128)] + out,
              constants=(1, 2, 3, 4), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    yield one("qwhere", "QLinearWhere", [rng.random((2, 3, 4)) < 0.5] + q + r + out,
              constants=(2, 3, 5, 6, 7, 8))
    yield one("qconcat", "QLinearConcat", out + q + r, constants=(0, 1, 3, 4, 6, 7), axis=1)
    yield one("qsoftmax", "QLinearSoftmax", q + [np.float32(1 / 256), np.uint8(0)], constants=(1, 2, 3, 4),
              axis=2, opset=13)
    yield one("matmul_to_float", "MatMulIntegerToFloat",
              [bytes_of(np.uint8, 3, 4), bytes_of(np.uint8, 4, 5), np.float32(0.1), np.float32(0.2),
               np.uint8(128), np.uint8(120), floats(5)])
    yield one("dynamic_matmul", "DynamicQuantizeMatMul",
              [floats(3, 4), bytes_of(np.uint8, 4, 5), np.float32(0.2), np.uint8(120)])
    yield one("qgemm", "QGemm",
              [bytes_of(np.uint8, 3, 4), np.float32(0.1), np.uint8(128), bytes_of(np.uint8, 5, 4),
               np.float32(0.2), np.uint8(120), rng.integers(-50, 50, 5).astype(np.int32)],
              constants=(1, 2, 4, 5), transB=1)
    yield one("nbits", "MatMulNBits",
              [floats(2, 40), bytes_of(np.uint8, 6, 2, 16), np.abs(floats(12))], constants=(1, 2),
              K=40, N=6, bits=4, block_size=32)
    yield one("nbits_zero", "MatMulNBits",
              [floats(2, 64), bytes_of(np.uint8, 6, 2, 16), np.abs(floats(12)), bytes_of(np.uint8, 6)],
              constants=(1, 2, 3), K=64, N=6, bits=4, block_size=32)
