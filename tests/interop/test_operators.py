"""src/schema/ops.def against PyTorch (schemas) and the official kernels (what a program may call)."""

import functools
import re

import pytest

from conftest import ROOT, RUNNER, run_command

ROWS = re.findall(
    r'^PTE_OP\((\w+), "([^"]*)", "([^"]*)", ([\w| ]+)\)',
    (ROOT / "src/schema/ops.def").read_text(),
    re.M,
)
SCHEMAS = {schema.split("(")[0]: schema for _, schema, _, _ in ROWS}
# The calls that programs we write may make. The runner has no quantized library.
WRITTEN = {
    call.split("(")[0]
    for _, _, call, tags in ROWS
    if call and "kTagExtension" not in tags and not call.startswith("quantized_decomposed::")
}


def test_ops_def_is_read():
    assert len(ROWS) == (ROOT / "src/schema/ops.def").read_text().count("\nPTE_OP(")
    assert len(ROWS) > 100


@functools.lru_cache
def official_schema(name):
    import torch
    import executorch.exir  # registers the dim_order operators

    qualified, _, overload = name.partition(".")
    namespace, _, base = qualified.partition("::")
    packet = getattr(getattr(torch.ops, namespace), base)
    return str(getattr(packet, overload or "default")._schema)


def without_aliasing(schema):
    """The schema as PyTorch spells it, less marks such as Tensor(a!)."""
    import torch

    return re.sub(r"\([a-z](!)?( -> [a-z*|]+)?\)", "", str(torch._C.parse_schema(schema)))


@pytest.mark.parametrize("name", sorted(name for name in SCHEMAS if name.startswith(("aten", "dim"))))
def test_schema_is_pytorchs(name):
    # A generator is always None in a program, so that ops.def has no type of its own for it.
    expected = official_schema(name).replace("Generator?", "int?")
    assert without_aliasing(SCHEMAS[name]) == without_aliasing(expected)


@functools.lru_cache
def official_kernels():
    return set(run_command(RUNNER, "--kernels").split())


@pytest.mark.parametrize("call", sorted(WRITTEN))
def test_call_is_an_official_kernel(call):
    assert call in official_kernels()
