"""Models with loops whose length the inputs decide, in the same form as generate_onnx.py's. Used by
it."""
import numpy as np


def cases():
    from onnx import TensorProto, helper, numpy_helper

    kinds = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "b": TensorProto.BOOL}
    rng = np.random.default_rng(5)

    def value(name, kind, sizes):
        return helper.make_tensor_value_info(name, kinds[kind], sizes)

    def constant(name, array):
        return numpy_helper.from_array(np.asarray(array), name)

    def body(nodes, state, *results):
        names = ("time", "more", "state") if state == "state" else ("time_in", "more_in", state)
        given = [value(names[0], "i", []), value(names[1], "b", []), value(state, "f", [1, 2])]
        made = [value(results[0], "b", []), value(results[1], "f", [1, 2])]
        return helper.make_graph(nodes, "body", given, made)

    def one(name, nodes, inputs, constants, data):
        graph = helper.make_graph(nodes, name, inputs, [value("z", "f", [1, 2])], constants)
        model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
        return "loop_" + name, model.SerializeToString(), data

    node = helper.make_node
    x = np.abs(rng.standard_normal((1, 2))).astype(np.float32) + 0.1
    weight = constant("w", rng.standard_normal((2, 2)).astype(np.float32))
    limit, yes = constant("limit", np.float32(50)), constant("yes", np.array(True))
    inputs = [value("x", "f", [1, 2]), value("n", "i", [])]

    # As often as an input says; the body reads a weight, a result from outside, and the time.
    counted = body(
        [node("MatMul", ["state", "w"], ["m"]), node("Cast", ["time"], ["t"], to=TensorProto.FLOAT),
         node("Add", ["m", "y"], ["a"]), node("Add", ["a", "t"], ["next"]),
         node("Identity", ["more"], ["again"])],
        "state", "again", "next")
    nodes = [node("Relu", ["x"], ["y"]), node("Loop", ["n", "", "x"], ["z"], body=counted)]
    for times in (0, 7):
        yield one(f"counted_{times}", nodes, inputs, [weight], [x, np.array(times, np.int64)])

    # Until a sum is large.
    end = [node("ReduceSum", ["next"], ["sum"], keepdims=0), node("Less", ["sum", "limit"], ["again"])]
    until = body([node("Add", ["state", "state"], ["next"])] + end, "state", "again", "next")
    nodes = [node("Loop", ["", "yes", "x"], ["z"], body=until)]
    yield one("until", nodes, inputs[:1], [limit, yes], [x])

    # One in the other.
    inner = body(
        [node("Mul", ["part", "k"], ["more_part"]), node("Identity", ["more_in"], ["again_in"])],
        "part", "again_in", "more_part")
    outer = body([node("Loop", ["n", "", "state"], ["next"], body=inner)] + end, "state", "again", "next")
    nodes = [node("Add", ["x", "one"], ["k"]), node("Loop", ["", "yes", "k"], ["z"], body=outer)]
    yield one("nested", nodes, inputs, [limit, yes, constant("one", np.float32(1))],
              [x, np.array(3, np.int64)])
