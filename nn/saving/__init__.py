"""Save and load weights, checkpoints and whole models: a file for each format. Loading never executes anything."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from autograd import Tensor
from autograd.backends import is_inexact
from autograd.errors import AutogradError, DomainError, DTypeError
from autograd.files import write_file
from autograd.validation import as_path, check_instance
from nn.errors import FileError
from nn.modules.module import Module
from nn.saving import npz
from nn.saving.architecture import LAYERS, build, describe

__all__ = ["LAYERS", "load", "load_metadata", "load_model", "save"]

SUFFIXES = (".npz", "")


def save(
    content: Module | Mapping[str, Any], path: str | PathLike[str], *, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a module, or a dict such as a checkpoint, to an ``.npz`` file, whole or not at all.

    Args:
        content: a `Module`, saved with its state and, if it consists of layers of ``nn``, its architecture; or a dict
            of Tensors, arrays, numbers, strings, booleans, ``None``, and lists and dicts of these, for instance
            ``{"model": model.state_dict(), "optimizer": optimizer.state_dict()}``.
        path: the file; an existing one is replaced.
        metadata: any JSON content, returned by `load_metadata`.

    Raises:
        autograd.errors.DomainError: ``path`` ends as another format's files do.
        autograd.errors.DTypeError: content or metadata of another type.
        autograd.errors.WriteError: the file can't be written; then it is as it was.

    >>> import nn, tempfile, os
    >>> model = nn.MLP([4, 3], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save(model, os.path.join(folder, "model.npz"), metadata={"classes": ["a", "b", "c"]})
    ...     nn.load_model(os.path.join(folder, "model.npz"))
    MLP((4, 3)): 15 parameters
      layers.0  Linear(4, 3)  15
    """
    path = as_path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise DomainError(
            f"nn.save writes .npz files, and {path.name!r} ends in {path.suffix!r}: give a name with .npz."
        )
    arrays: dict[str, Any] = {}
    check_instance(metadata or {}, Mapping, "metadata", "a dict")  # type: ignore[type-abstract]
    header: dict[str, Any] = {"metadata": dict(metadata or {})}
    if isinstance(content, Module):
        header |= {"class": type(content).__name__, "architecture": describe(content)}
        content = content.state_dict()
    elif not isinstance(content, Mapping):
        raise DTypeError(f"nn.save takes a module or a dict; it was given a {type(content).__name__}.")
    try:
        header["content"] = npz.flatten(content, "", arrays)
        text = npz.header_text(header)
    except AutogradError:
        raise
    except RecursionError:
        raise DTypeError(
            "this can't be saved: its lists and dicts are nested too deeply, or contain themselves."
        ) from None
    except (TypeError, ValueError) as error:
        raise DTypeError(
            f"this can't be saved: {error}. Metadata is numbers, strings, booleans, None, lists and dicts."
        ) from None
    write_file(path, lambda file: npz.write(file, text, arrays))


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """Return what `save` wrote: a module's ``state_dict``, or the dict, with Tensors for Tensors and arrays.

    Raises `nn.errors.FileError` for a file that `save` did not write or that is damaged, and `OSError` for one that
    can't be read.
    """
    content: dict[str, Any] = npz.read(path)[1]
    return content


def load_metadata(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the ``metadata`` given to `save`. Raises as `load` does."""
    metadata = npz.read(path)[0].get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def load_model(path: str | PathLike[str]) -> Module:
    """Rebuild the module that `save` wrote, with its weights, on the CPU.

    Works for every layer and model of ``nn``. Raises `nn.errors.FileError` as `load` does, and for a file without such
    a module.

    >>> import nn
    >>> nn.load_model("README.md")
    Traceback (most recent call last):
        ...
    nn.errors.FileError: README.md was not written by nn.save, or is damaged: it is not a zip archive.
    """
    header, state = npz.read(path)
    architecture = header.get("architecture")
    if architecture is None:
        kind = header.get("class", "a dict")
        raise FileError(
            f"{path} holds {kind!r}, which nn can't build: build it in Python and call "
            "model.load_state_dict(nn.load(path))."
        )
    try:
        model = build(architecture)
        wanted = {name: p.shape for name, p in model._named_state()}
        if wanted != {name: value.shape for name, value in state.items() if isinstance(value, Tensor)}:
            raise FileError("its weights do not fit its architecture")
        if not all(is_inexact(state[name].dtype) for name in wanted):
            raise FileError("its weights are integers")
        for name, p in model._named_state():
            p._set(state[name].data)
    except npz.INVALID as error:
        raise npz.damaged(path, error) from None
    return model
