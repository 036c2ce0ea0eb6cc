"""Makes the models of this folder and of fuzz/corpus/onnx. Needs the packages of
tests/interop/requirements-onnx.txt: PYTHONPATH=PACKAGES make_goldens.py
"""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
SEEDS = os.path.join(HERE, "../../../fuzz/corpus/onnx")
rng = np.random.default_rng(7)


def floats(*sizes):
    return rng.standard_normal(sizes).astype(np.float32)


def value(name, sizes, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, sizes)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def model(name, nodes, inputs, outputs, initializers=(), opset=20, functions=(), domains=(), **more):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(initializers))
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions),
                             ir_version=10, **more)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


def convolution():
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 0, 1, 1], strides=[2, 2], name="stem"),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("Gemm", ["f", "m"], ["y"], transB=1),
    ]
    return model("convolution", nodes, [value("x", [1, 3, 8, 8])], [value("y", [1, 5])],
                 [constant("w", floats(4, 3, 3, 3)), constant("b", floats(4)), constant("m", floats(5, 4))])


def shapes():
    """The shape arithmetic of the older exporter, over an open batch."""
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "zero"], ["n"], axis=0),
        node("Unsqueeze", ["n", "axes"], ["n1"]),
        node("Concat", ["n1", "rest"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["y"]),
    ]
    return model("shapes", nodes, [value("x", ["batch", 3, 4])], [value("y", None)],
                 [constant("zero", np.int64(0)), constant("axes", np.array([0])),
                  constant("rest", np.array([-1]))])


def branches():
    yes = helper.make_graph([node("Mul", ["x", "two"], ["a"])], "yes", [], [value("a", [2])])
    no = helper.make_graph([node("Neg", ["x"], ["b"])], "no", [], [value("b", [2])])
    nodes = [node("If", ["flag"], ["y"], then_branch=yes, else_branch=no)]
    return model("branches", nodes, [value("x", [2]), value("flag", [], TensorProto.BOOL)],
                 [value("y", [2])], [constant("two", np.float32(2))])


def loop():
    body = helper.make_graph(
        [node("Add", ["state", "step"], ["next"]), node("Identity", ["more"], ["again"]),
         node("Identity", ["next"], ["row"])],
        "body",
        [value("i", [], TensorProto.INT64), value("more", [], TensorProto.BOOL), value("state", [2])],
        [value("again", [], TensorProto.BOOL), value("next", [2]), value("row", [2])])
    nodes = [node("Loop", ["count", "", "x"], ["last", "rows"], body=body)]
    return model("loop", nodes, [value("x", [2])], [value("last", [2]), value("rows", [3, 2])],
                 [constant("count", np.int64(3)), constant("step", floats(2))])


def function():
    body = helper.make_function(
        "local", "Scaled", ["a"], ["b"],
        [helper.make_node("Constant", [], ["k"]), node("Mul", ["a", "k"], ["b"])],
        [helper.make_opsetid("", 20)], ["factor"])
    reference = onnx.AttributeProto()
    reference.name, reference.type, reference.ref_attr_name = "value_float", onnx.AttributeProto.FLOAT, "factor"
    body.node[0].attribute.append(reference)
    nodes = [node("Scaled", ["x"], ["m"], domain="local", factor=3.0),
             node("Scaled", ["m"], ["y"], domain="local", factor=0.5)]
    return model("function", nodes, [value("x", [2])], [value("y", [2])], functions=[body],
                 domains=["local"])


def quantised():
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("DequantizeLinear", ["w", "ws"], ["dw"], axis=0),
        node("MatMul", ["d", "dw"], ["y"]),
    ]
    weight = rng.integers(-8, 7, (4, 3)).astype(np.int8)
    int4 = helper.make_tensor("w", TensorProto.INT4, [4, 3], weight.flatten().tolist())
    return model("quantised", nodes, [value("x", [2, 4])], [value("y", [2, 3])],
                 [constant("s", np.float32(0.1)), constant("z", np.uint8(128)), int4,
                  constant("ws", np.abs(floats(4)))], opset=21)


def recurrent():
    nodes = [node("LSTM", ["x", "w", "r", "b"], ["y", "h", "c"], hidden_size=2, direction="bidirectional")]
    return model("recurrent", nodes, [value("x", [3, 1, 2])],
                 [value("y", [3, 2, 1, 2]), value("h", [2, 1, 2]), value("c", [2, 1, 2])],
                 [constant("w", floats(2, 8, 2)), constant("r", floats(2, 8, 2)), constant("b", floats(2, 16))])


def resize():
    nodes = [node("Resize", ["x", "", "scales"], ["y"], mode="cubic", antialias=1),
             node("Attention", ["q", "q", "q"], ["a"], is_causal=1)]
    return model("resize", nodes, [value("x", [1, 1, 4, 4]), value("q", [1, 2, 3, 4])],
                 [value("y", [1, 1, 2, 2]), value("a", [1, 2, 3, 4])],
                 [constant("scales", np.array([1, 1, 0.6, 0.6], np.float32))], opset=23)


def open_loop():
    """How often it runs is an input; the body reads what is computed and what is stored outside."""
    body = helper.make_graph(
        [node("Mul", ["state", "k"], ["grown"]), node("Add", ["grown", "y"], ["next"]),
         node("ReduceSum", ["next"], ["total"], keepdims=0), node("Less", ["total", "limit"], ["again"])],
        "body",
        [value("i", [], TensorProto.INT64), value("more", [], TensorProto.BOOL), value("state", [2])],
        [value("again", [], TensorProto.BOOL), value("next", [2])])
    nodes = [node("Relu", ["x"], ["y"]), node("Loop", ["count", "", "x"], ["last"], body=body)]
    return model("open_loop", nodes, [value("x", [2]), value("count", [], TensorProto.INT64)],
                 [value("last", [2])],
                 [constant("k", np.float32(2)), constant("limit", np.float32(100))])


def open_recurrent():
    weights = np.arange(32, dtype=np.float32).reshape(2, 8, 2) / 32 - 0.5
    nodes = [node("LSTM", ["x", "w", "w", "", "lengths"], ["y", "h", "c"], hidden_size=2,
                  direction="bidirectional")]
    return model("open_recurrent", nodes, [value("x", ["T", 1, 2]), value("lengths", [1], TensorProto.INT32)],
                 [value("y", ["T", 2, 1, 2]), value("h", [2, 1, 2]), value("c", [2, 1, 2])],
                 [constant("w", weights)])


def unsupported():
    nodes = [node("Frobnicate", ["x"], ["a"]), node("Frobnicate", ["a"], ["b"]),
             helper.make_node("TreeEnsembleRegressor", ["b"], ["y"], domain="ai.onnx.ml")]
    return model("unsupported", nodes, [value("x", [2])], [value("y", [2])], domains=["ai.onnx.ml"])


def external():
    """Weights in a file beside it, by a path that stays in the folder and by one that leaves it."""
    made = model("external", [node("Add", ["x", "w"], ["y"])], [value("x", [4])], [value("y", [4])])
    tensor = made.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.data_location = "w", TensorProto.FLOAT, TensorProto.EXTERNAL
    tensor.dims.append(4)
    for key, text in (("location", "external.bin"), ("offset", "8"), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, text
    with open(os.path.join(HERE, "external.bin"), "wb") as file:
        file.write(bytes(8) + np.arange(4, dtype=np.float32).tobytes())
    outside = onnx.ModelProto()
    outside.CopyFrom(made)
    outside.graph.initializer[0].external_data[0].value = "../onnx/external.bin"
    return made, outside


def main():
    for make in (convolution, shapes, branches, loop, function, quantised, recurrent, resize, unsupported,
                 open_loop, open_recurrent):
        data = make().SerializeToString()
        for folder in (HERE, SEEDS):
            with open(os.path.join(folder, make.__name__ + ".onnx"), "wb") as file:
                file.write(data)
    inside, outside = external()
    for name, made in (("external", inside), ("external_outside", outside)):
        with open(os.path.join(HERE, name + ".onnx"), "wb") as file:
            file.write(made.SerializeToString())


if __name__ == "__main__":
    main()
