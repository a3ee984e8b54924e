"""Weights and checkpoints as ``.npz``: arrays and one JSON text, no pickle, so that reading a file runs nothing in it.

A file is written whole or not at all. What it holds, NumPy alone can read: ``numpy.load(path)["layers.0.weight"]``.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from itertools import pairwise
from os import PathLike
from typing import IO, Any

import numpy as np

from autograd import Tensor, backends
from autograd.backends import is_inexact, to_numpy
from autograd.errors import AutogradError, DTypeError
from autograd.files import open_file, write_file
from autograd.messages import shown
from autograd.validation import as_path, check_instance
from nn.errors import FileError
from nn.modules import layers
from nn.modules.module import Module

FORMAT = 1
HEADER = "__glassgrad__"

LAYERS: dict[str, type[Module]] = {
    cls.__name__: cls
    for cls in (
        layers.Linear,
        layers.Sigmoid,
        layers.Tanh,
        layers.ReLU,
        layers.LeakyReLU,
        layers.GELU,
        layers.Softplus,
        layers.Softmax,
        layers.Flatten,
        layers.Dropout,
        layers.LayerNorm,
        layers.BatchNorm1d,
        layers.Sequential,
        layers.MLP,
    )
}
"""What `load_model` builds: nothing else that a file may name."""


def save(
    content: Module | Mapping[str, Any], path: str | PathLike[str], *, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a module, or a dict such as a checkpoint, to ``path`` (``.npz``), whole or not at all.

    Args:
        content: a `Module`, of which the state and, for layers of ``nn``, the architecture are kept; or a dict of
        Tensors,
            arrays, numbers, strings, booleans, ``None``, and lists and dicts of such, for instance
            ``{"model": model.state_dict(), "optimizer": optimizer.state_dict()}``.
        path: where to; an existing file is replaced.
        metadata: anything JSON, given back by `load_metadata`.

    Raises:
        autograd.errors.DTypeError: the content, or the metadata, has something else in it.
        autograd.errors.WriteError: the file can't be written; then ``path`` is as it was.

    >>> import nn, tempfile, os
    >>> model = nn.MLP([4, 3], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save(model, os.path.join(folder, "model.npz"), metadata={"classes": ["a", "b", "c"]})
    ...     nn.load_model(os.path.join(folder, "model.npz"))
    MLP((4, 3)): 15 parameters
      layers.0  Linear(4, 3)  15
    """
    arrays: dict[str, Any] = {}
    check_instance(metadata or {}, Mapping, "metadata", "a dict")  # type: ignore[type-abstract]
    header: dict[str, Any] = {"format": FORMAT, "metadata": dict(metadata or {})}
    if isinstance(content, Module):
        header["class"] = type(content).__name__
        header["architecture"] = _architecture(content)
        content = content.state_dict()
    elif not isinstance(content, Mapping):
        raise DTypeError(f"nn.save takes a module or a dict; it was given a {type(content).__name__}.")
    try:
        header["content"] = _flatten(content, "", arrays)
        text = json.dumps(header, default=_plain)
    except AutogradError:
        raise
    except RecursionError:
        raise DTypeError("this can't be saved: lists and dicts are too deep in each other, or in themselves.") from None
    except (TypeError, ValueError) as error:
        raise DTypeError(
            f"this can't be saved: {error}. Metadata is numbers, strings, booleans, None, lists and dicts."
        ) from None
    write_file(path, lambda file: _write_arrays(file, {HEADER: np.array(text), **arrays}))


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """What `save` wrote: a module's ``state_dict``, or the dict, with Tensors where it had Tensors or arrays.

    Nothing in the file is executed. Raises `nn.errors.FileError` for a file that `save` did not write or that was
    damaged, and `OSError` for one that can't be read.
    """
    content: dict[str, Any] = _read(path)[1]
    return content


def load_metadata(path: str | PathLike[str]) -> dict[str, Any]:
    """The ``metadata`` that `save` was given. Raises as `load` does."""
    metadata = _read(path)[0].get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def load_model(path: str | PathLike[str]) -> Module:
    """The module that `save` wrote, built anew with its weights, on the CPU.

    Works for an `nn.MLP`, a `nn.Sequential` and every layer of ``nn``. Raises `nn.errors.FileError` as `load` does, and
    for a file that holds no such module.

    >>> import nn
    >>> nn.load_model("README.md")
    Traceback (most recent call last):
        ...
    nn.errors.FileError: README.md is no file of nn.save, or was damaged: it is no zip archive.
    """
    header, state = _read(path)
    architecture = header.get("architecture")
    if architecture is None:
        kind = header.get("class", "a dict")
        raise FileError(
            f"{path} holds {kind!r}, which nn can't build by itself: build it in Python and call "
            "model.load_state_dict(nn.load(path))."
        )
    try:
        tensors = [value for value in state.values() if isinstance(value, Tensor)]
        if _size(architecture) != sum(t.size for t in tensors):
            raise FileError("its weights do not fit its architecture")
        if not all(is_inexact(t.dtype) for t in tensors):
            raise FileError("its weights are integers")
        model = _build(architecture)
        for name, p in model._named_state():
            p._set(p.detach().to(state[name].dtype).data)
        model.load_state_dict(state)
    except UNBELIEVABLE as error:
        raise _damaged(path, error) from None
    return model


UNBELIEVABLE = (
    AutogradError,
    ArithmeticError,
    zipfile.BadZipFile,
    zlib.error,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What reading a file raises that is not what it should be."""


def _damaged(path: str | PathLike[str], error: Exception) -> FileError:
    why = str(error).rstrip(".") or type(error).__name__
    if isinstance(error, KeyError):
        why = f"it has no entry {error}"
    elif isinstance(error, TypeError | AttributeError | IndexError) and not isinstance(error, AutogradError):
        why = "its description is of another form"
    elif isinstance(error, zipfile.BadZipFile) and "not a zip" in why:
        why = "it is no zip archive"
    return FileError(f"{path} is no file of nn.save, or was damaged: {why}.")


def _plain(value: Any) -> Any:
    """A number of NumPy's as Python's. Raises `TypeError` for anything else, as `json` does."""
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _flatten(value: Any, key: str, arrays: dict[str, Any]) -> Any:
    """``value`` as JSON, with ``{"array": key}`` for every Tensor and array, which go to ``arrays``."""
    if value is None or isinstance(value, bool | int | float | str):  # np.float64 is a float
        return value
    if isinstance(value, Tensor) or hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        try:
            array = to_numpy(value.data if isinstance(value, Tensor) else backends.asarray(value))
        except AutogradError as error:
            raise type(error)(f"{key!r} can't be saved: {error}") from None
        key = key or "array"
        while key in arrays or key == HEADER:
            key += "_"
        if not _names_a_member(key):
            raise DTypeError(f"{shown(key)} can't be saved: an archive takes names up to 60000 bytes, without NUL.")
        arrays[key] = array
        return {"array": key}
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise DTypeError(f"the key {name!r} in {key or 'the dict'} can't be saved: keys are strings.")
        return {
            "dict": {name: _flatten(item, f"{key}/{name}" if key else name, arrays) for name, item in value.items()}
        }
    if isinstance(value, list | tuple):
        return {"list": [_flatten(item, f"{key}/{i}" if key else str(i), arrays) for i, item in enumerate(value)]}
    raise DTypeError(
        f"{key!r} is a {type(value).__name__}, which can't be saved: keep Tensors, numbers, strings, lists and dicts."
    )


def _names_a_member(key: str) -> bool:
    try:
        return "\0" not in key and len(key.encode()) <= 60_000
    except UnicodeEncodeError:
        return False


def _restore(value: Any, arrays: Mapping[str, Any]) -> Any:
    """What `_flatten` was given."""
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "array":
        return Tensor(arrays[inside])
    if kind == "list":
        return [_restore(item, arrays) for item in inside]
    if kind == "dict":
        return {name: _restore(item, arrays) for name, item in inside.items()}
    raise ValueError("its description is of another form")


def _write_arrays(file: IO[bytes], arrays: Mapping[str, Any]) -> None:
    """An ``.npz``. Its members carry no time, so that equal content gives equal bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def _read(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the content of a file that is believed in nothing."""
    path = as_path(path)
    with open_file(path) as file:
        try:
            arrays = _arrays(file)
            header = json.loads(str(arrays[HEADER]))
            if header["format"] != FORMAT:
                raise FileError(
                    f"it has format {header['format']!r} and this version reads {FORMAT}: use the version that wrote it"
                )
            content = _restore(header["content"], arrays)
            if not isinstance(content, dict):
                raise FileError("it holds no dict")
        except UNBELIEVABLE as error:
            raise _damaged(path, error) from None
    return header, content


def _arrays(file: IO[bytes]) -> dict[str, Any]:
    """The arrays of an ``.npz``, each checked against its size in the file before memory is taken for it."""
    size = os.fstat(file.fileno()).st_size
    arrays: dict[str, Any] = {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(m.compress_type != zipfile.ZIP_STORED for m in members) or sum(m.file_size for m in members) > size:
            raise ValueError("its members are compressed or overlap")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename or name in arrays:
                raise ValueError(f"its member {member.filename!r} is no array, or is there twice")
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                try:
                    shape, _, dtype = read(stream)
                except (ValueError, SyntaxError, MemoryError, RecursionError):
                    raise ValueError(f"the header of its array {name!r} is none") from None
                if any(n < 0 for n in shape):
                    raise ValueError(f"its array {name!r} has a negative length")
                if dtype.hasobject or dtype.kind not in ("U" if name == HEADER else "fciub"):
                    raise ValueError(f"its array {name!r} is of {dtype}")
                if dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object)) > member.file_size:
                    raise ValueError(f"its array {name!r} is cut short")
            with archive.open(member) as stream:
                arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return arrays


def _architecture(module: Module) -> dict[str, Any] | None:
    """The module as JSON, or ``None`` where `load_model` would not build the same from it."""
    described = _described(module)
    if described is None:
        return None
    built = _build(described)
    same = [name for name, _ in built._named_state()] == [name for name, _ in module._named_state()]
    return described if same and _parts(built) == _parts(module) else None


def _parts(module: Module) -> Any:
    """The classes and arguments of a module and all below it; of a shared one wherever it is."""
    return type(module), module.arguments(), [(name, _parts(child)) for name, child in module.named_children()]


def _described(module: Module) -> dict[str, Any] | None:
    name = type(module).__name__
    if LAYERS.get(name) is not type(module):
        return None
    if not isinstance(module, layers.Sequential):
        return {"class": name, "arguments": module.arguments()}
    children = {n: _described(child) for n, child in module.named_children()}
    return None if None in children.values() else {"class": name, "children": children}


def _build(architecture: dict[str, Any]) -> Module:
    cls = LAYERS[architecture["class"]]
    if cls is layers.Sequential:
        return cls({name: _build(child) for name, child in architecture["children"].items()})
    weightless = {"init": "zeros"} if cls in (layers.Linear, layers.MLP) else {}
    return cls(**architecture["arguments"], **weightless)


def _size(architecture: dict[str, Any]) -> int:
    """How many numbers such a module has, known before it is built: a file may claim anything."""
    kind, given = architecture["class"], architecture.get("arguments", {})
    if kind not in LAYERS:
        raise FileError(f"it names a layer {kind!r}, which nn does not have")
    if kind == "Sequential":
        return sum(map(_size, architecture["children"].values()))
    if kind == "Linear":
        return int(given["out_features"]) * (int(given["in_features"]) + bool(given["bias"]))
    if kind == "LayerNorm":
        per_feature = 1 + bool(given["bias"]) if given["elementwise_affine"] else 0
        return math.prod(int(n) for n in given["normalized_shape"]) * per_feature
    if kind == "BatchNorm1d":
        return int(given["num_features"]) * (4 if given["affine"] else 2)
    if kind == "MLP":
        sizes = [int(n) for n in given["sizes"]]
        per_neuron = {"layer": 2, "batch": 4}.get(given.get("norm"), 0)
        return sum(b * (a + 1) for a, b in pairwise(sizes)) + per_neuron * sum(sizes[1:-1])
    return 0
