"""The official exporter without what it does again for every model: its results stay the same.

Exporting a module of one operator takes a second or two, most of it spent on asking for the same
lists of operators, on type annotations evaluated in a loop, and on exporting the quantizer's own
patterns. A suite of a thousand modules would not fit CI's time.
"""

import copy
import functools


def quicken():
    remember_operator_lists()
    register_without_annotations()
    remember_patterns()


def remember_operator_lists():
    """Nothing registers operators between two exports here, so the lists stay as they are."""
    import torch
    from torch._export import utils
    from torch.export import decomp_utils

    utils._materialize_cpp_cia_ops = functools.cache(utils._materialize_cpp_cia_ops)
    collect = functools.cache(utils._collect_all_valid_cia_ops)
    for module in (utils, decomp_utils, torch.export.exported_program):
        if hasattr(module, "_collect_all_valid_cia_ops"):
            module._collect_all_valid_cia_ops = collect
    exported = torch.export.exported_program
    exported.autograd_not_implemented = functools.cache(exported.autograd_not_implemented)


def register_without_annotations():
    """OperatorBase.py_impl builds a decorator whose annotations cost more than its work."""
    import torch

    original = torch._ops.OperatorBase.py_impl

    def py_impl(self, key):
        if not isinstance(key, torch._C.DispatchKey) or key == torch._C.DispatchKey.Python:
            return original(self, key)

        def register(function):
            if key in self.py_kernels:
                raise RuntimeError(f"a second python impl for {key} on operator {self.name()}")
            self.py_kernels[key] = function
            self._dispatch_cache.clear()
            return function

        return register

    torch._ops.OperatorBase.py_impl = py_impl


def remember_patterns():
    """The quantizer exports the same dozen convolution patterns for every model."""
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer_utils as utils

    export = utils._get_aten_graph_module_for_pattern
    made = {}

    def identity(value):
        if hasattr(value, "__code__"):
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return (value.__code__, tuple(identity(cell) for cell in cells))
        return repr(value)

    def remembered(pattern, example_inputs, *arguments, **options):
        key = (identity(pattern), repr(arguments), repr(options))
        key += tuple((tuple(e.shape), e.dtype) for e in example_inputs)
        if key not in made:
            made[key] = export(pattern, example_inputs, *arguments, **options)
        return copy.deepcopy(made[key])

    utils._get_aten_graph_module_for_pattern = remembered
