"""Save and load weights, checkpoints and whole models: a file for each format. Loading never executes anything."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from typing import IO, Any, NamedTuple

from glassgrad.autograd.common.files import open_file, write_file
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.common.validation import as_path, check_instance
from glassgrad.autograd.errors import AutogradError, DomainError, DTypeError
from glassgrad.nn.errors import FileError
from glassgrad.nn.modules.module import Module
from glassgrad.nn.saving import keras, npz, safetensors
from glassgrad.nn.saving.architecture import build, describe, fill
from glassgrad.nn.saving.pytorch import weights

__all__ = ["load", "load_metadata", "load_model", "save"]

Read = Callable[[IO[bytes]], tuple[dict[str, Any], dict[str, Any]]]

WRITERS = {".npz": npz.write, "": npz.write, ".safetensors": safetensors.write}
"""How a file is written, by its ending."""


LONGEST = 500
"""How many characters of an error are shown: some hold the content of the file."""


class Format(NamedTuple):
    """A kind of file: its name, a pattern of its first and last bytes, and a reader, or advice if nn can't read it."""

    name: str
    pattern: bytes
    read: Read | None = None
    advice: str = ""


FORMATS = (
    Format("a file of nn.save", rb"PK\x03\x04.*__glassgrad__", npz.read),
    Format("a model of Keras", rb"PK\x03\x04.*model\.weights\.h5", keras.read),
    Format("a checkpoint of PyTorch", rb"PK\x03\x04.*/data\.pkl", weights.read),
    Format(
        "a checkpoint of PyTorch before 1.6", rb"\x80\x02\x8a\nl\xfc", advice="open it with PyTorch and save it again"
    ),
    Format("an HDF5 file", rb"\x89HDF\r\n\x1a\n", keras.read),
    Format("a safetensors file", rb'.{8}\{\s*["}]', safetensors.read),
    Format("an ONNX model", rb"\x08[\x01-\x20]\x12", advice="open it with nn.load_onnx"),
    Format("a single NumPy array", rb"\x93NUMPY", advice="read it with numpy.load"),
    Format("a pickle, which can run any code", rb"\x80[\x02-\x05]", advice="write its arrays with numpy.savez"),
    Format("an archive of arrays", rb"", npz.read),
)
"""The first whose pattern matches reads the file. Endings do not matter."""


def _read(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and content of a file of any known format."""
    with open_file(path) as file:
        start = file.read(4096)
        file.seek(max(0, os.fstat(file.fileno()).st_size - 2**16))  # where a zip archive lists its members
        content = start + file.read()
        file.seek(0)
        kind = next(f for f in FORMATS if re.match(f.pattern, content, re.DOTALL))
        if kind.read is None:
            raise FileError(f"{path} is {kind.name}, which nn.load does not read: {kind.advice}.")
        try:
            return kind.read(file)
        except Exception as error:  # of many classes, as the content may be anything
            raise _damaged(path, kind.name, error) from None


def _damaged(path: str | PathLike[str], kind: str, error: Exception) -> FileError:
    """The error for a file whose content caused ``error``."""
    why = str(error).rstrip(".")[:LONGEST] or type(error).__name__
    if isinstance(error, KeyError):
        why = f"it has no entry {error}"
    elif isinstance(error, TypeError | AttributeError | IndexError) and not isinstance(error, AutogradError):
        why = "its header has an unexpected structure"
    elif isinstance(error, zipfile.BadZipFile) and "not a zip" in why:
        why = "it is not a zip archive"
    return FileError(f"{path} can't be read as {kind}: {why}.")


def save(
    content: Module | Mapping[str, Any], path: str | PathLike[str], *, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a module, or a dict such as a checkpoint, to a file, atomically.

    The file's ending chooses the format: ``.npz``, which NumPy alone can read, or ``.safetensors``, which PyTorch, JAX
    and others read (``pip install safetensors``). Both restore everything that was saved.

    Args:
        content: a `Module`, saved with its state and, for `load_model`, its modes and the arguments of its constructor,
            if it is one of ``nn``; or a dict of Tensors, arrays, numbers, strings, booleans, ``None``,
            and lists and dicts of these, for instance
            ``{"model": model.state_dict(), "optimizer": optimizer.state_dict()}``.
        path: the file, ``.npz`` or ``.safetensors``; an existing one is replaced.
        metadata: any JSON content, returned by `load_metadata`. Other programs see its strings in a ``.safetensors``.

    Raises:
        autograd.errors.DomainError: ``path`` has the ending of another format.
        autograd.errors.DTypeError: content or metadata of another type.
        autograd.errors.WriteError: the file can't be written; an existing one stays unchanged.

    >>> import tempfile, os
    >>> from glassgrad import nn
    >>> model = nn.MLP([4, 3], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save(model, os.path.join(folder, "model.npz"), metadata={"classes": ["a", "b", "c"]})
    ...     nn.load_model(os.path.join(folder, "model.npz"))
    MLP((4, 3)): 15 parameters
      layers.0  Linear(4, 3)  15
    """
    path = as_path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise DomainError(
            f"nn.save writes .npz and .safetensors files, and {path.name!r} ends in {path.suffix!r}: give a name with "
            "one of these (PyTorch reads .safetensors, too). nn.save_onnx writes ONNX."
        )
    arrays: dict[str, Any] = {}
    check_instance(metadata or {}, Mapping, "metadata", "a dict")  # type: ignore[type-abstract]
    header: dict[str, Any] = {"metadata": dict(metadata or {})}
    if isinstance(content, Module):
        try:
            header |= describe(content)
        except FileError as error:
            header |= {"class": type(content).__name__, "why": str(error)}
        content = content.state_dict()
    elif not isinstance(content, Mapping):
        raise DTypeError(f"nn.save takes a module or a dict; it was given {of_type(content)}.")
    try:
        header["content"] = npz.flatten(content, "", arrays)
        text = npz.header_text(header)
    except AutogradError:
        raise
    except RecursionError:
        raise DTypeError("this can't be saved: its lists and dicts are nested too deeply, or in themselves.") from None
    except (TypeError, ValueError) as error:
        raise DTypeError(
            f"this can't be saved: {error}. Metadata is numbers, strings, booleans, None, lists and dicts."
        ) from None
    write_file(path, lambda file: write(file, text, arrays))


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the content of a file: a module's ``state_dict``, or a checkpoint, with a Tensor for each tensor.

    Reads files of `save`; state dicts and checkpoints of PyTorch 1.6 or later (``.pt``), without running their pickle;
    ``.safetensors``; weights of Keras (``.keras``, ``.weights.h5``, ``.h5``; needs ``h5py``); archives of NumPy. The
    content decides, not the ending. bfloat16 becomes float32. ``model.load_state_dict(nn.load(path))`` fits the weights
    into a module; those of Keras are converted to its layout.

    Raises `nn.errors.FileError` for another or a damaged file, and for content other than tensors, numbers, strings,
    lists and dicts; `OSError` for a file that can't be read.
    """
    return _read(path)[1]


def load_metadata(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the ``metadata`` given to `save`. Raises as `load` does."""
    metadata = _read(path)[0].get("metadata")
    return metadata if isinstance(metadata, dict) else {}


INSTEAD = "build it in Python and call model.load_state_dict(nn.load(path))"


def load_model(path: str | PathLike[str]) -> Module:
    """Rebuild the module of ``nn`` that `save` wrote, on the CPU: layers, weights, modes, frozen and tied parameters.

    A class of your own is built in Python: ``model = Net(...)``, then ``model.load_state_dict(nn.load(path))``.
    Raises `nn.errors.FileError` as `load` does, and for a file of anything but a module of ``nn``.

    >>> from glassgrad import nn
    >>> nn.load_model("README.md")
    Traceback (most recent call last):
        ...
    glassgrad.nn.errors.FileError: README.md can't be read as an archive of arrays: it is not a zip archive.
    """
    header, state = _read(path)
    if "architecture" not in header:
        kind, why = header.get("class", "a dict"), header.get("why")
        raise FileError(f"{path} holds {kind!r}, which nn can't build{f', as {why}' if why else ''}: {INSTEAD}.")
    try:
        model = build(header, state)
        fill(model, state)
    except Exception as error:  # of many classes, as the content may be anything
        raise FileError(f"{str(_damaged(path, 'a model', error)).rstrip('.')}: {INSTEAD}.") from None
    return model
