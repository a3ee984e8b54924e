"""A network from an ONNX file as a `Module`."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
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
from glassgrad.nn.saving.onnx.apply import apply
from glassgrad.nn.saving.onnx.prepare import prepare
from glassgrad.nn.saving.onnx.read import Graph, Input, plain, read, shape_text
from glassgrad.nn.saving.onnx.table import ALLOWED, GROWTH, LIMIT

GIVEN: weakref.WeakKeyDictionary[ONNXModel, list[Tensor]] = weakref.WeakKeyDictionary()
"""The NumPy arrays of each network's last call: a picture shows these, and not what the network makes of them first."""


def load(path: str | PathLike[str]) -> ONNXModel:
    """The network in a file; see `nn.load_onnx`."""
    graph = read(path)
    try:
        return ONNXModel(graph)
    except AutogradError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{path} can't be loaded: {error}") from error


class ONNXModel(Module):
    """A network read by `nn.load_onnx`.

    Call it with its inputs by position or by name; a Python number is known when the network is compiled, so that it
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

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the outputs. Raises `ShapeError`, `DTypeError` and `DomainError` for inputs that do not fit."""
        values = self._bound(inputs, named)
        sizes: dict[str, tuple[int, str]] = {}
        env = {i.name: _taken(i, value, sizes) for i, value in zip(self.inputs, values, strict=True)}
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

    def _bound(self, inputs: Sequence[Any], named: dict[str, Any]) -> list[Any]:
        """The values of the inputs in their order."""
        names = [i.name for i in self.inputs]
        listed = ", ".join(map(plain, names)) or "nothing"
        if len(inputs) > len(names):
            raise DomainError(f"the network was given {len(inputs)} inputs, and takes {len(names)}: {listed}.")
        values = dict(zip(names, inputs, strict=False))
        if twice := [name for name in named if name in values]:
            raise DomainError(f"the network was given its input {twice[0]!r} twice, by position and by name.")
        if unknown := [name for name in named if name not in names]:
            raise DomainError(f"the network has no input {unknown[0]!r}: its inputs are {listed}.")
        values |= named
        if missing := [name for name in names if name not in values]:
            raise DomainError(f"the network was not given {', '.join(map(repr, missing))}: its inputs are {listed}.")
        return [values[name] for name in names]

    def _run(self, graph: Graph, env: dict[str, Any]) -> list[Any]:
        """The outputs of a graph whose inputs are in ``env``."""
        env |= graph.values
        for name, path in graph.parameters.items():
            env[name] = getattr(self, path)
        for step in graph.steps:
            try:
                args = [env[name] if name else None for name in step.inputs]
            except KeyError as error:
                raise DomainError(f"{step.title} needs {error}, which was not computed.") from None
            results = apply(step, args, functools.partial(self._body, env))
            env |= {name: value for name, value in zip(step.outputs, results, strict=False) if name}
            _name(results, args)
            for name in step.frees:
                env.pop(name, None)
        try:
            return [env[name] for name in graph.outputs]
        except KeyError as error:
            raise DomainError(f"the network's output {error} was not computed.") from None

    def _body(self, around: dict[str, Any], graph: Graph, *values: Any) -> list[Any]:
        """The outputs of a graph within a step."""
        if len(values) != len(graph.inputs):
            raise ShapeError(f"its body takes {len(graph.inputs)} values, and was given {len(values)}")
        env = {name: around[name] for name in graph.captured}
        env |= {i.name: value for i, value in zip(graph.inputs, values, strict=True)}
        return self._run(graph, env)


def _name(results: Sequence[Any], args: Sequence[Any]) -> None:
    """If one Tensor is the only one among ``args``, give its name to the results that have neither node nor name."""
    names = {x.name for x in args if isinstance(x, Tensor)}
    for value in results:
        if len(names) == 1 and isinstance(value, Tensor) and value.node is None and value.name is None:
            value.name = next(iter(names))


def _taken(declared: Input, value: Any, sizes: dict[str, tuple[int, str]]) -> Any:
    """An input of the network: a number as a known array, anything else as a Tensor of the declared dtype.

    ``sizes``: the length that each name in declared shapes stands for, and the input where it was first seen.
    """
    name, dtype, shape = declared
    if isinstance(value, list) and dtype is None:
        return [_taken(Input(name, None, None), item, {}) for item in value]
    if value is None and dtype is None:
        return None
    if isinstance(value, bool | int | float):
        known = numpy.asarray(value)
        if dtype is not None:
            _check_kind(name, known.dtype, dtype)
            known = known.astype(dtype)
        ones = shape is not None and all(n == 1 or isinstance(n, str) for n in shape)
        value = known.reshape((1,) * len(shape)) if shape and ones else known
    elif not isinstance(value, Tensor):
        try:
            value = Tensor(value, name=name)
        except AutogradError as error:
            raise type(error)(f"the network's input {name!r}: {error}") from None
    if dtype is not None and value.dtype != dtype:
        _check_kind(name, value.dtype, dtype)
        value = value.astype(dtype)
    if shape is not None:
        _check_shape(name, value.shape, shape, sizes)
    return value


def _check_kind(name: str, given: Any, wanted: str) -> None:
    kinds = "biufc"
    a, b = (kinds.index(numpy.dtype(d).kind.replace("u", "i")) for d in (given, wanted))
    if a > b:
        raise DTypeError(f"the network's input {name!r} is {wanted}; it was given {given}.")


def _check_shape(
    name: str, given: tuple[int, ...], wanted: tuple[int | str, ...], sizes: dict[str, tuple[int, str]]
) -> None:
    if len(given) != len(wanted) or any(isinstance(w, int) and w != g for g, w in zip(given, wanted, strict=True)):
        raise ShapeError(f"the network's input {name!r} has the shape {shape_text(wanted)}; it was given {given}.")
    for n, axis in zip(given, wanted, strict=True):
        if isinstance(axis, str) and axis.isidentifier():
            seen, where = sizes.setdefault(axis, (n, name))
            if seen != n:
                raise ShapeError(
                    f"the network's input {name!r} has the shape {shape_text(wanted)}; it was given {given}, and "
                    f"{axis} is {seen} in the input {where!r}."
                )
