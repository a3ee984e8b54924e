"""A network from an ONNX file as a `Module`."""

from __future__ import annotations

import functools
import weakref
from os import PathLike
from typing import Any

import numpy

from glassgrad.autograd import Tensor
from glassgrad.autograd import asarray as as_tensor
from glassgrad.autograd.common.contexts import holding
from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.errors import AutogradError, DomainError, DTypeError, ShapeError
from glassgrad.nn.errors import FileError
from glassgrad.nn.modules.module import Module, Parameter
from glassgrad.nn.saving.onnx.read import Graph, Input, plain, read, shape_text
from glassgrad.nn.saving.onnx.steps import apply, prepare
from glassgrad.nn.saving.onnx.table import ALLOWED, GROWTH, LIMIT

GIVEN: weakref.WeakKeyDictionary[ONNXModel, list[Tensor]] = weakref.WeakKeyDictionary()
"""The NumPy arrays of each network's last call: a picture shows these, and not what the network makes of them first."""


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
    graph = read(path)
    try:
        return ONNXModel(graph)
    except Exception as error:  # of many classes, for names that are not text
        raise FileError(f"{path} can't be loaded: {error}") from error


class ONNXModel(Module):
    """A network read by `nn.load_onnx`.

    Call it with its inputs in their order; a Python number is known when the network is compiled, so that it
    may decide a shape or a branch. It returns one Tensor, or a tuple for several outputs. ``inputs`` has the
    names, dtypes and shapes of its inputs, ``outputs`` the names of its outputs.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = check_instance(graph, Graph, "graph", "a graph that nn.load_onnx has read")
        self.inputs = tuple(graph.inputs)
        self.outputs = tuple(graph.outputs)
        statistics = prepare(graph)
        for part in graph.all_graphs():
            for name in part.parameters:
                self._keep(part, name, name in statistics)

    def _keep(self, graph: Graph, name: str, is_statistic: bool) -> None:
        """Make a value of the file a parameter or a buffer."""
        path = plain(name, most=len(name))
        while hasattr(self, path) or not path:
            path += "_"
        array = graph.values.pop(name)
        graph.parameters[name] = path
        if is_statistic:
            object.__setattr__(self, path, Tensor(array, name=path))
            object.__setattr__(self, "_buffers", (*self._buffers, path))
        else:
            setattr(self, path, Parameter(array, dtype=array.dtype))

    def _described(self) -> str:
        """``ONNXModel x(batch, 3) → y``: the inputs with their shapes, and the outputs."""
        inputs = ", ".join(plain(i.name) + (shape_text(i.shape) if i.shape is not None else "") for i in self.inputs)
        return f"ONNXModel {inputs} → {', '.join(map(plain, self.outputs))}"

    # --------------------------------------------------------------------------------------------------------- running

    def forward(self, *inputs: Any) -> Any:
        """Compute the outputs. Raises `ShapeError`, `DTypeError` and `DomainError` for inputs that do not fit."""
        if len(inputs) != len(self.inputs):
            names = ", ".join(plain(i.name) for i in self.inputs) or "none"
            raise DomainError(f"the network's inputs are {names}, in this order; it was given {len(inputs)}.")
        env = {i.name: taken(i, value) for i, value in zip(self.inputs, inputs, strict=True)}
        GIVEN[self] = [x for x in env.values() if isinstance(x, Tensor) and type(x.data) is numpy.ndarray]
        given = sum(x.size * x.dtype.itemsize for x in env.values() if hasattr(x, "dtype"))
        with holding(ALLOWED, max(LIMIT, GROWTH * given)):
            found = self._run(self._graph, env)
        outs = []
        for name, value in zip(self.outputs, found, strict=True):
            out = as_tensor(value) if not isinstance(value, Tensor | list) and value is not None else value
            if isinstance(out, Tensor) and out.node is not None and out.name is None:
                out.name = name
            outs.append(out)
        return outs[0] if len(outs) == 1 else tuple(outs)

    def _run(self, graph: Graph, env: dict[str, Any]) -> list[Any]:
        """The outputs of a graph whose inputs are in ``env``."""
        env |= graph.values
        for name, path in graph.parameters.items():
            env[name] = getattr(self, path)
        try:
            for step in graph.steps:
                args = [env[name] if name else None for name in step.inputs]
                results = apply(step, args, functools.partial(self._body, env))
                env |= {name: value for name, value in zip(step.outputs, results, strict=False) if name}
                for name in step.frees:
                    env.pop(name, None)
            return [env[name] for name in graph.outputs]
        except KeyError as error:  # a loop that never runs collects nothing
            raise DomainError(f"the network needs {error}, which was not computed.") from None

    def _body(self, around: dict[str, Any], graph: Graph, *values: Any) -> list[Any]:
        """The outputs of a graph within a step."""
        if len(values) != len(graph.inputs):
            raise ShapeError(f"its body takes {len(graph.inputs)} values, and was given {len(values)}")
        return self._run(graph, around | {i.name: value for i, value in zip(graph.inputs, values, strict=True)})


def taken(declared: Input, value: Any, why: str = "") -> Any:
    """An input of a network: a number as a known array, anything else as a Tensor of the declared dtype.

    Raises `DTypeError`, and `ShapeError` with the reason ``why``, for a value that does not fit.
    """
    name, dtype, shape = declared
    if isinstance(value, list) and dtype is None:
        return [taken(Input(name, None, None), item) for item in value]
    if value is None and dtype is None:
        return None
    is_number = isinstance(value, bool | int | float)
    if is_number:
        value = numpy.asarray(value)
    elif not isinstance(value, Tensor):
        try:
            value = Tensor(value, name=name)
        except AutogradError as error:
            raise type(error)(f"the network's input {name!r}: {error}") from None
    if dtype is not None and value.dtype != dtype:
        if not numpy.can_cast(str(value.dtype), dtype, "same_kind"):
            raise DTypeError(f"the network's input {name!r} is {dtype}; it was given {value.dtype}.")
        value = value.astype(dtype)
    if is_number and shape and all(n == 1 or isinstance(n, str) for n in shape):
        value = value.reshape((1,) * len(shape))
    given = value.shape
    pairs = zip(shape or (), given, strict=False)
    if shape is not None and (len(given) != len(shape) or any(isinstance(n, int) and n != m for n, m in pairs)):
        raise ShapeError(f"the network's input {name!r} has the shape {shape_text(shape)}; it was given {given}.{why}")
    return value
