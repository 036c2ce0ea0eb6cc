"""Exports programs that use what a .pte may hold beside kernel calls on planned tensors (several
methods, control flow, state, external weights, bundled tests …) with the official exporter.
expected.json lists what each is called with, in order, and what eager PyTorch answers.

usage: python make_goldens.py [name…]     (needs executorch 1.5 and torch; writes beside itself)
"""

import json
import sys
import traceback
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.devtools import BundledProgram
from executorch.devtools.bundled_program.config import MethodTestCase, MethodTestSuite
from executorch.devtools.bundled_program.serialize import serialize_from_bundled_program_to_flatbuffer
from executorch.exir import EdgeCompileConfig, ExecutorchBackendConfig, to_edge, to_edge_transform_and_lower
from executorch.exir.passes import MemoryPlanningPass
from executorch.exir.passes.external_constants_pass import delegate_external_constants_pass_unlifted
from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass
from torch._higher_order_ops.map import map as map_each
from torch.export import Dim, export

HERE = Path(__file__).parent
EXPECTED = {}


def encoded(value):
    if isinstance(value, torch.Tensor):
        return {"dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape),
                "data": value.detach().double().flatten().tolist()}
    return value


def flat(value):
    leaves, _ = torch.utils._pytree.tree_flatten(value)
    return [encoded(leaf) for leaf in leaves]


def call(function, *inputs, method="forward"):
    """What the program is given and must answer; state of `function` goes on from call to call."""
    given = flat(inputs)
    return {"method": method, "inputs": given, "outputs": flat(function(*inputs))}


def edge_of(methods, **options):
    return to_edge(methods, compile_config=EdgeCompileConfig(_check_ir_validity=False), **options)


def store(name, executorch, calls):
    (HERE / f"{name}.pte").write_bytes(executorch.buffer)
    data = []
    for tag in executorch._tensor_data:
        file = f"{name}.{tag.strip('_')}.ptd"
        (HERE / file).write_bytes(bytes(executorch._tensor_data[tag]))
        data.append(file)
    EXPECTED[name] = {"calls": calls, "data": data}


def simple(name, module, inputs, more=(), config=None, dynamic_shapes=None, strict=True):
    """Exports `forward` and calls it on `inputs`, then on each of `more`."""
    program = export(module.eval(), inputs, dynamic_shapes=dynamic_shapes, strict=strict)
    executorch = edge_of(program).to_executorch(config or ExecutorchBackendConfig())
    store(name, executorch, [call(module, *each) for each in (inputs, *more)])


class F(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


@case
def cond_two_outputs():
    class M(torch.nn.Module):
        def forward(self, x):
            return torch.cond(x.sum() > 0, lambda t: (t + 1.0, t * 3.0), lambda t: (t * 2.0, t - 1.0), (x,))

    simple("cond_two_outputs", M(), (torch.tensor([1.0, 2.0]),), [(torch.tensor([-1.0, -2.0]),)])


@case
def cond_nested():
    class M(torch.nn.Module):
        def forward(self, x):
            def yes(t):
                return torch.cond(t.max() > 2, lambda u: u * 10.0, lambda u: u + 0.5, (t,))

            return torch.cond(x.sum() > 0, yes, lambda t: -t, (x,)) + 1.0

    simple("cond_nested", M(), (torch.tensor([1.0, 2.0]),),
           [(torch.tensor([-1.0, -2.0]),), (torch.tensor([1.0, 5.0]),)])


@case
def cond_in_map():
    class M(torch.nn.Module):
        def forward(self, x):
            return map_each(lambda r: torch.cond(r.sum() > 0, lambda t: t + 1.0, lambda t: t * 2.0, (r,)), x)

    simple("cond_in_map", M(), (torch.tensor([[1.0, 2.0], [-3.0, 1.0], [0.5, 0.5]]),))


@case
def scan_sum():
    from torch._higher_order_ops.scan import scan

    class M(torch.nn.Module):
        def forward(self, init, xs):
            return scan(lambda carry, x: (carry + x, carry * 2.0), init, xs)

    simple("scan_sum", M(), (torch.zeros(2), torch.arange(6.0).reshape(3, 2)), [(torch.ones(2), torch.ones(3, 2))])


@case
def methods_and_constants():
    class Encode(torch.nn.Module):
        def __init__(self, weight):
            super().__init__()
            self.weight = weight

        def forward(self, x):
            return x @ self.weight

    weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3) - 2)
    encode, decode = Encode(weight), Encode(torch.nn.Parameter(weight.t().contiguous()))
    one, two = (torch.tensor([[1.0, 2.0]]),), (torch.tensor([[1.0, 2.0, 3.0]]),)
    constants = {"get_n": 7, "get_scale": 0.5, "get_flag": True, "get_name": "tiny",
                 "get_table": torch.tensor([1, 2, 3]), "get_list": [1, 2.5, torch.tensor([4.0])]}
    edge = edge_of({"encode": export(encode, one, strict=True), "decode": export(decode, two, strict=True)},
                   constant_methods=constants)
    calls = [call(encode, *one, method="encode"), call(decode, *two, method="decode")]
    calls += [{"method": key, "inputs": [], "outputs": flat(value)} for key, value in constants.items()]
    store("methods_and_constants", edge.to_executorch(), calls)


class Cache(torch.nn.Module):
    """A key-value cache in small: writes a row at a position, answers with all of it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("cache", torch.zeros(4, 2))

    def forward(self, position, row):
        self.cache[position] = row
        return self.cache.sum(0) * 1.0


@case
def kv_cache():
    steps = [(torch.tensor([i]), torch.tensor([[float(i + 1), -1.0]])) for i in (0, 1, 3, 1)]
    program = export(Cache(), steps[0], strict=True)
    module = Cache()
    store("kv_cache", edge_of(program).to_executorch(), [call(module, *step) for step in steps])


@case
def kv_cache_initialised():
    def make():
        module = Cache()
        module.cache = torch.arange(8.0).reshape(4, 2)
        return module

    steps = [(torch.tensor([i]), torch.tensor([[float(i + 1), -1.0]])) for i in (0, 2, 0)]
    config = ExecutorchBackendConfig(passes=[InitializedMutableBufferPass(["cache"])], emit_mutable_buffer_names=True)
    program = export(make(), steps[0], strict=True)
    module = make()
    store("kv_cache_initialised", edge_of(program).to_executorch(config), [call(module, *step) for step in steps])


@case
def shared_state():
    class Shared(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("state", torch.zeros(3))

        def add(self, x):
            self.state.add_(x)
            return self.state * 1.0

        def read(self, x):
            self.state.mul_(2.0)
            return self.state + x

    module = Shared()
    x = (torch.tensor([1.0, 2.0, 3.0]),)

    def method(name):
        class Wrapper(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.module = module

            def forward(self, value):
                return getattr(self.module, name)(value)

        return export(Wrapper(), x, strict=False)

    edge = edge_of({"add": method("add"), "read": method("read")})
    config = ExecutorchBackendConfig(memory_planning_pass=MemoryPlanningPass(share_mutable_buffers=True),
                                     emit_mutable_buffer_names=True)
    # Each method of ptekit has memory of its own, so `read` finds zeros.
    fresh = Shared()
    store("shared_state", edge.to_executorch(config),
          [call(fresh.add, *x, method="add"), call(Shared().read, *x, method="read")])


@case
def outputs_are_inputs():
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    simple("outputs_are_inputs", F(lambda a, b: (a, a + b, b, a)), (x, y), [(y, x)])


@case
def same_output_twice():
    class M(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor([5.0, 6.0]))

        def forward(self, x):
            y = x + self.w
            return y, y, self.w, 3, None, 2.5, True

    simple("same_output_twice", M(), (torch.tensor([1.0, 2.0]),))


@case
def nested_outputs():
    simple("nested_outputs", F(lambda a, b: {"sum": a[0] + a[1], "all": [b["k"] * 2.0, (a[0],)]}),
           ([torch.ones(2), torch.full((2,), 2.0)], {"k": torch.tensor([7.0])}), strict=False)


@case
def scalar_inputs():
    class M(torch.nn.Module):
        def forward(self, x, n: int, s: float, flag: bool, mode: str, nothing):
            y = x * s + n
            return y if flag and mode == "plus" and nothing is None else -y

    simple("scalar_inputs", M(), (torch.tensor([1.0, 2.0]), 3, 0.5, True, "plus", None), strict=False)


@case
def dynamic_sizes_out():
    batch, width = Dim("batch", min=1, max=6), Dim("width", min=2, max=5)
    simple("dynamic_sizes_out", F(lambda x: (x.shape[0], x.reshape(-1) * 2.0, x.shape[1] * 3 + 1)),
           (torch.arange(6.0).reshape(2, 3),), [(torch.ones(6, 5),), (torch.ones(1, 2),)],
           dynamic_shapes={"args": ({0: batch, 1: width},)})


@case
def nonzero_bound():
    class M(torch.nn.Module):
        def forward(self, x):
            found = torch.nonzero(x)
            torch._check(found.shape[0] <= 6)
            return found + 1

    simple("nonzero_bound", M(), (torch.tensor([0.0, 1.0, 2.0, 0.0, 3.0, 0.0]),),
           [(torch.zeros(6),), (torch.ones(6),)])


@case
def nonzero_unbound():
    from executorch.exir.passes.sym_shape_eval_pass import HintBasedSymShapeEvalPass

    config = ExecutorchBackendConfig(sym_shape_eval_pass=HintBasedSymShapeEvalPass(),
                                     memory_planning_pass=MemoryPlanningPass(alloc_graph_output=False))
    simple("nonzero_unbound", F(lambda x: torch.masked_select(x, x > 0)), (torch.tensor([0.0, 1.0, 2.0, -1.0]),),
           [(torch.ones(4),), (torch.zeros(4),)], config=config)


@case
def unplanned_io():
    config = ExecutorchBackendConfig(
        memory_planning_pass=MemoryPlanningPass(alloc_graph_input=False, alloc_graph_output=False))
    simple("unplanned_io", F(lambda x: (x.permute(1, 0).contiguous(), torch.relu(x) - 1.0)),
           (torch.arange(6.0).reshape(2, 3) - 3,), [(torch.ones(2, 3),)], config=config)


@case
def two_arenas():
    class InTwo(MemoryPlanningPass):
        def run(self, graph_module, graph_signature=None):
            for node in graph_module.graph.nodes:
                if node.op == "call_function" and "relu" in str(node.target):
                    for spec in [node.meta["spec"]] if not isinstance(node.meta["spec"], (list, tuple)) else node.meta["spec"]:
                        spec.mem_id = 2
            return super().run(graph_module, graph_signature)

    simple("two_arenas", F(lambda x: torch.relu(x + 1.0) * 2.0 - x), (torch.tensor([-3.0, 2.0, 0.5]),),
           config=ExecutorchBackendConfig(memory_planning_pass=InTwo()))


class External(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.l = torch.nn.Linear(4, 3)
        self.w = torch.nn.Parameter(torch.arange(6).reshape(2, 3).float())

    def forward(self, x):
        return self.l(x) + self.w


@case
def external_weights():
    torch.manual_seed(1)
    simple("external_weights", External(), (torch.randn(2, 4),),
           config=ExecutorchBackendConfig(external_constants=True))


@case
def external_two_files():
    torch.manual_seed(1)
    config = ExecutorchBackendConfig(external_constants=lambda node: "linear" if "l_" in node.name or "p_l" in node.name else "rest")
    simple("external_two_files", External(), (torch.randn(2, 4),), config=config)


@case
def external_xnnpack():
    torch.manual_seed(1)
    x = (torch.randn(2, 4),)
    module = External().eval()
    program = export(module, x, strict=True)
    tagged = delegate_external_constants_pass_unlifted(
        module=program.module(), gen_tag_fn=lambda node: "model")
    program = export(tagged.graph_module, x, strict=True)
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    store("external_xnnpack", edge.to_executorch(), [call(module, *x)])


def bundle(name, executorch, suites):
    data = serialize_from_bundled_program_to_flatbuffer(BundledProgram(executorch, suites))
    (HERE / f"{name}.bpte").write_bytes(data)


@case
def bundled():
    torch.manual_seed(2)
    module = External().eval()
    inputs = [(torch.randn(2, 4),) for _ in range(2)]
    executorch = edge_of(export(module, inputs[0], strict=True)).to_executorch()
    cases = [MethodTestCase(inputs=each, expected_outputs=(module(*each),)) for each in inputs]
    bundle("bundled", executorch, [MethodTestSuite(method_name="forward", test_cases=cases)])
    wrong = [MethodTestCase(inputs=each, expected_outputs=(module(*each) + 0.25 * i,)) for i, each in enumerate(inputs)]
    bundle("bundled_wrong", executorch, [MethodTestSuite(method_name="forward", test_cases=wrong)])


@case
def bundled_scalars():
    class M(torch.nn.Module):
        def forward(self, x, n: int, s: float, flag: bool):
            return (x * s + n if flag else x), x.to(torch.int64)

    module = M()
    inputs = (torch.tensor([[1.0, 2.0]]), 3, 0.5, True)
    executorch = edge_of(export(module, inputs, strict=False)).to_executorch()
    cases = [MethodTestCase(inputs=inputs, expected_outputs=module(*inputs))]
    bundle("bundled_scalars", executorch, [MethodTestSuite(method_name="forward", test_cases=cases)])


@case
def zero_size():
    simple("zero_size", F(lambda x: (torch.cat([x, x]), x.sum(), x + 1.0)), (torch.zeros(0, 3),))


def main():
    wanted = sys.argv[1:] or list(CASES)
    index = HERE / "expected.json"
    if index.exists() and sys.argv[1:]:
        EXPECTED.update(json.loads(index.read_text()))
    for name in wanted:
        try:
            CASES[name]()
            print("ok    ", name, flush=True)
        except Exception as error:  # noqa: BLE001: what the exporter refuses is listed
            print("FAILED", name, type(error).__name__, str(error)[:300].replace("\n", " "), flush=True)
            if "-v" in sys.argv:
                traceback.print_exc()
    index.write_text(json.dumps(EXPECTED, separators=(",", ":"), sort_keys=True).replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
