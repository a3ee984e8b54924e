"""Networks in the ONNX format: `load_onnx` reads one, `save_onnx` writes one.

The rest is imported when it is first used, because the table of operators is long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glassgrad.nn.saving.onnx.model import ONNXModel

__all__ = ["load_onnx", "save_onnx"]


def load_onnx(path: str | PathLike[str]) -> ONNXModel:
    """The network in an ONNX file, as a `Module`: it can be run, differentiated, compiled and drawn.

    Weights become parameters with the names that they have in the file; the running statistics of BatchNormalization
    become buffers. Shape arithmetic and other constants are computed here, once. Nothing in the file is executed.

    Raises `nn.errors.FileError` for a file that is damaged, or that asks for operators or dtypes that are not
    supported (all are listed), `autograd.errors.DependencyError` without the package ``onnx``, and `OSError` for a file
    that can't be read.

    >>> from glassgrad import nn
    >>> nn.load_onnx("README.md")
    Traceback (most recent call last):
        ...
    glassgrad.nn.errors.FileError: README.md is not an ONNX file, or is damaged.
    """
    from glassgrad.nn.saving.onnx.model import load

    return load(path)


def save_onnx(
    model: Callable[..., Any],
    path: str | PathLike[str],
    *examples: Any,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_batch: bool = False,
) -> None:
    """Write a module or a function of Tensors as an ONNX file, atomically.

    The model is traced once on the ``examples``, arrays or Tensors of the shapes and dtypes of its inputs. A layer is
    one node where ONNX has one: a Linear is a Gemm, a Conv2d a Conv, an LSTM a Scan. Parameters keep their names. A
    training step can be written, too: its gradients are outputs. A value that it changes, such as a parameter
    ``weight`` or an average of the optimizer, is an input, whose default is the present value, and an output
    ``weight_new``.

    ``input_names``: by default those of the function's arguments. ``output_names``: by default ``output``, or
    ``output_0``, ``output_1``, ... ``dynamic_batch``: the first axis of all inputs is the number of examples, and the
    file takes any. The file has opset 21, which needs onnxruntime 1.18 or later.

    Raises `nn.errors.ConversionError` for operations without a counterpart in ONNX, random numbers among them, and
    `autograd.errors.DependencyError` without the package ``onnx``.

    >>> import tempfile, os
    >>> from glassgrad import nn, autograd as ag
    >>> model = nn.MLP([4, 3, 2], seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save_onnx(model, os.path.join(folder, "model.onnx"), ag.ones((1, 4), dtype="float32"))
    ...     nn.load_onnx(os.path.join(folder, "model.onnx"))
    ONNXModel x(1, 4) → output: 23 parameters
      layers.0.weight  Parameter (3, 4)  12
      layers.0.bias    Parameter (3,)     3
      layers.2.weight  Parameter (2, 3)   6
      layers.2.bias    Parameter (2,)     2
    """
    from glassgrad.nn.saving.onnx.save import save

    save(model, path, examples, input_names, output_names, dynamic_batch)
