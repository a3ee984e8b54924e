"""Networks in the ONNX format: `load_onnx` reads one.

The rest is imported when it is first used, because the table of operators is long.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nn.onnx.model import ONNXModel

__all__ = ["load_onnx"]


def load_onnx(path: str | PathLike[str]) -> ONNXModel:
    """The network in an ONNX file, as a `Module`: it can be run, differentiated, compiled and drawn.

    Weights become parameters with the names that they have in the file; the running statistics of BatchNormalization
    become buffers. Shape arithmetic and other constants are computed here, once. Nothing in the file is executed.

    Raises `nn.errors.FileError` for a file that is damaged, or that asks for operators or dtypes that are not
    supported (all are listed), `autograd.errors.DependencyError` without the package ``onnx``, and `OSError` for a file
    that can't be read.

    >>> import nn
    >>> nn.load_onnx("README.md")
    Traceback (most recent call last):
        ...
    nn.errors.FileError: README.md is no ONNX file, or is damaged.
    """
    from nn.onnx.model import load

    return load(path)
