"""Writes the small checkpoints that the importer's tests read, and expected.json beside them.

Run with a Python that has torch 2.13 and NumPy:  python tests/golden/checkpoint/make_goldens.py
"""

import collections
import io
import json
import os
import pathlib
import pickle
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
EXPECTED = {}


def values_of(tensor):
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return [float(v) for v in tensor.detach().to(torch.float64).flatten()]


def describe(state):
    return [
        {
            "name": name,
            "dtype": str(t.dtype).removeprefix("torch."),
            "sizes": list(t.shape),
            "strides": list(t.stride()),
            "values": values_of(t.resolve_conj()),
        }
        for name, t in state.items()
    ]


def expect(file, state, *, format, found_under="", parameters=None, metadata=None):
    EXPECTED[file] = {
        "format": format,
        "found_under": found_under,
        "tensors": describe(state),
        "metadata": metadata or {},
    }
    if parameters is not None:
        EXPECTED[file]["parameters"] = parameters


def refuse(file, code, part):
    EXPECTED[file] = {"error": part, "code": code}


def save(obj, file, legacy=False, **kwargs):
    torch.save(obj, HERE / file, _use_new_zipfile_serialization=not legacy, **kwargs)


def rewrite(source, target, change, method=zipfile.ZIP_STORED):
    """Copies a zip, passing each (name, bytes) through `change`; None drops the entry."""
    with zipfile.ZipFile(HERE / source) as old, zipfile.ZipFile(HERE / target, "w", method) as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(zipfile.ZipInfo(name), data, method)


def mixed_state():
    base = torch.arange(12, dtype=torch.float32)
    state = collections.OrderedDict()
    state["f32"] = torch.tensor([[1.5, -2.25], [1e-30, 3e30]])
    state["f64"] = torch.tensor([1.0 / 3.0, -1e300], dtype=torch.float64)
    state["f16"] = torch.tensor([0.5, -65504.0, 6e-8], dtype=torch.float16)
    state["bf16"] = torch.tensor([1.0, -3.140625], dtype=torch.bfloat16)
    state["i8"] = torch.tensor([-128, 127], dtype=torch.int8)
    state["i16"] = torch.tensor([-32768, 5], dtype=torch.int16)
    state["i32"] = torch.tensor([-(2**31), 7], dtype=torch.int32)
    state["i64"] = torch.tensor([-(2**53), 9], dtype=torch.int64)
    state["u8"] = torch.tensor([0, 255], dtype=torch.uint8)
    state["bool"] = torch.tensor([True, False, True])
    state["c64"] = torch.tensor([1 + 2j, -0.5j], dtype=torch.complex64)
    state["scalar"] = torch.tensor(42.0)
    state["empty"] = torch.empty(0, 3)
    state["shared"] = base
    state["shared_tail"] = base[8:]
    state["transposed"] = base.view(3, 4).t()
    state["window"] = base.view(3, 4)[1:, 1:3]
    state["expanded"] = torch.tensor([2.0]).expand(3, 1)
    state["channels_last"] = (
        torch.arange(16, dtype=torch.float32).view(1, 2, 2, 4).contiguous(memory_format=torch.channels_last)
    )
    return state


class Evil:
    def __reduce__(self):
        return (os.system, ("echo pwned",))


class EvilEval:
    def __reduce__(self):
        return (eval, ("1+1",))


def make_module():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(1, 2, 3, bias=False),
            bn=torch.nn.BatchNorm2d(2),
            tail=torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()),
        )
    )
    module.register_buffer("kept", torch.tensor([1.0, 2.0]))
    module.register_buffer("dropped", torch.tensor([3.0]), persistent=False)
    return module.eval()


def main():
    for old in HERE.iterdir():
        if old.suffix in {".pth", ".pt", ".pt2", ".pkl", ".json"}:
            old.unlink()

    state = mixed_state()
    save(state, "mixed_zip.pth")
    save(state, "mixed_legacy.pth", legacy=True)
    expect("mixed_zip.pth", state, format="torch.save zip")
    expect("mixed_legacy.pth", state, format="legacy torch.save")
    for protocol in (3, 4, 5):
        save(dict(list(state.items())[:4]), f"protocol{protocol}.pth", pickle_protocol=protocol)
        expect(f"protocol{protocol}.pth", dict(list(state.items())[:4]), format="torch.save zip")

    wide = {
        "f8": torch.tensor([1.0, -2.0], dtype=torch.float8_e4m3fn),
        "u16": torch.tensor([65535, 1], dtype=torch.uint16),
    }
    save(wide, "rebuild_v3.pth")
    expect("rebuild_v3.pth", wide, format="torch.save zip")

    small = collections.OrderedDict(
        [("fc.weight", torch.arange(6.0).view(2, 3)), ("fc.bias", torch.tensor([0.5, -0.5]))]
    )
    for key in ("state_dict", "model_state_dict", "model", "ema", "weights"):
        save({"epoch": 3, key: small}, f"under_{key}.pth")
        expect(f"under_{key}.pth", small, format="torch.save zip", found_under=key, parameters=8,
               metadata={"epoch": 3})
    save({"model": {"state_dict": small, "note": "inner"}, "ema": None}, "nested_twice.pth")
    expect("nested_twice.pth", small, format="torch.save zip", found_under="model.state_dict",
           metadata={"model": {"note": "inner"}, "ema": None})
    save({"epoch": 1, "generator": small}, "odd_name.pth", legacy=True)
    expect("odd_name.pth", small, format="legacy torch.save", found_under="generator",
           metadata={"epoch": 1})
    prefixed = collections.OrderedDict(("module." + k, v) for k, v in small.items())
    save({"state_dict": prefixed}, "module_prefix.pth")
    expect("module_prefix.pth", small, format="torch.save zip", found_under="state_dict")
    parameters = {k: torch.nn.Parameter(v) for k, v in small.items()}
    save(parameters, "parameters.pth")
    expect("parameters.pth", parameters, format="torch.save zip", parameters=8)

    numbers = {
        "model_state_dict": small,
        "epoch": np.int64(12),
        "val_loss": np.float64(0.25),
        "far": np.float32(0.5),
        "flag": np.bool_(True),
        "history": np.array([1.0, 2.0]),
        "config": {"modelConfig": {"numClasses": 3, "layers": [1, None, "x"]}, 7: "seven"},
        "big": 2**100,
        "nothing": None,
        "nan": float("nan"),
        "device": torch.device("cpu"),
        "size": torch.Size([1, 2]),
        "path": pathlib.PurePosixPath("a/b"),
        "optimizer_state_dict": {"state": {}},
    }
    metadata = {
        "epoch": 12, "val_loss": 0.25, "far": 0.5, "flag": True, "history": "<float64[2]>",
        "config": {"modelConfig": {"numClasses": 3, "layers": [1, None, "x"]}, "7": "seven"},
        "big": "<integer of 13 bytes>", "nothing": None, "nan": "NaN", "device": "cpu",
        "size": [1, 2], "path": "<pathlib.PurePosixPath>",
    }
    for protocol in (2, 4):
        file = f"metadata_protocol{protocol}.pth"
        save(numbers, file, pickle_protocol=protocol)
        expect(file, small, format="torch.save zip", found_under="model_state_dict",
               metadata=metadata)

    # Legacy files carry the source of each pickled class; a stand-in keeps them small.
    torch.serialization.get_source_lines_and_file = lambda obj, *_: (["source\n"], 1, "file.py")
    module = make_module()
    for legacy in (False, True):
        file = "module_legacy.pth" if legacy else "module_zip.pth"
        save(module, file, legacy=legacy)
        expect(file, module.state_dict(),
               format="legacy torch.save" if legacy else "torch.save zip",
               parameters=sum(p.numel() for p in module.parameters()),
               metadata={"class": "torch.nn.modules.container.Sequential"})

    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "f": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
        "b": np.array([True, False]),
    }
    for protocol in (2, 4):
        file = f"numpy_protocol{protocol}.pkl"
        (HERE / file).write_bytes(pickle.dumps(arrays, protocol=protocol))
        described = {k: torch.from_numpy(v) for k, v in arrays.items()}
        expect(file, described, format="pickle")

    # Rewritten zips.
    rewrite("under_model.pth", "deflated.pth", lambda n, d: d, zipfile.ZIP_DEFLATED)
    expect("deflated.pth", small, format="torch.save zip", found_under="model",
           metadata={"epoch": 3})
    rewrite("under_model.pth", "missing_storage.pth",
            lambda n, d: None if n.endswith("data/1") else d)
    refuse("missing_storage.pth", "invalid", "tensor 'fc.bias': its storage 'data/1' is not in the file")
    rewrite("under_model.pth", "short_storage.pth",
            lambda n, d: d[:-4] if n.endswith("data/1") else d)
    refuse("short_storage.pth", "invalid", "tensor 'fc.bias'")
    rewrite("under_model.pth", "big_endian.pth",
            lambda n, d: b"big" if n.endswith("byteorder") else d)
    refuse("big_endian.pth", "unsupported", "big-endian")

    # Pickles that ask for code.
    save({"state_dict": small, "x": Evil()}, "os_system_zip.pth")
    save({"state_dict": small, "x": Evil()}, "os_system_legacy.pth", legacy=True)
    save({"state_dict": small, "x": EvilEval()}, "eval_zip.pth")
    (HERE / "os_system.pkl").write_bytes(pickle.dumps(Evil(), protocol=4))
    (HERE / "os_system_text.pkl").write_bytes(b"\x80\x00" + pickle.dumps(Evil(), protocol=0))
    for file in ("os_system_zip.pth", "os_system_legacy.pth", "os_system.pkl",
                 "os_system_text.pkl"):
        refuse(file, "unsupported",
               "this pickle asks to call os.system; ptekit never runs code from a file")
    refuse("eval_zip.pth", "unsupported", "this pickle asks to call builtins.eval")

    # Tensors that are no plain views.
    save({"w": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, "quantized.pth")
    refuse("quantized.pth", "unsupported", "tensor 'w': it is a quantized tensor")
    save({"w": torch.eye(2).to_sparse()}, "sparse.pth")
    refuse("sparse.pth", "unsupported", "tensor 'w': it is a sparse tensor")
    save({"w": torch.empty(2, device="meta")}, "meta.pth")
    refuse("meta.pth", "unsupported", "tensor 'w': it is a meta tensor")
    save({"w": torch.tensor([1j]).conj()}, "conj.pth")
    refuse("conj.pth", "unsupported", "tensor 'w': it is a lazy conj view")

    # Sound files that are no checkpoints.
    save(torch.ones(2), "single_tensor.pth")
    refuse("single_tensor.pth", "invalid", "holds a single tensor float32[2]")
    save({"epoch": 1, "config": {"a": 2}}, "no_tensors.pth")
    refuse("no_tensors.pth", "invalid", "the file has the entries epoch, config")
    save({"a": small, "b": parameters}, "ambiguous.pth")
    refuse("ambiguous.pth", "invalid", "both 'a' and 'b' could be the state dict")
    torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)).save(HERE / "script_full.pt")
    rewrite("script_full.pt", "script.pt", lambda n, d: None if n.endswith("debug_pkl") else d)
    (HERE / "script_full.pt").unlink()
    refuse("script.pt", "invalid", "not a checkpoint: it is a TorchScript module")
    torch.export.save(torch.export.export(torch.nn.ReLU(), (torch.ones(1),)), HERE / "full.pt2")
    rewrite("full.pt2", "export.pt2",
            lambda n, d: b"{}" if n.endswith("model.json") else d)
    (HERE / "full.pt2").unlink()
    refuse("export.pt2", "invalid", "not a checkpoint: it is a torch.export archive (.pt2)")

    (HERE / "expected.json").write_text(json.dumps(EXPECTED, indent=None, separators=(",", ":")) + "\n")
    total = sum(f.stat().st_size for f in HERE.iterdir())
    print(f"{len(EXPECTED)} files, {total} bytes in all")


if __name__ == "__main__":
    main()
