"""A program as an ONNX graph: `Writer` collects nodes and constants; tables list the nodes for each instruction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy

from glassgrad.autograd.compiler.ir.program import Value
from glassgrad.autograd.errors import DeclarationError
from glassgrad.nn.saving.onnx.read import onnx_package

OPSET = 21
IR_VERSION = 10
"""The opset and IR version that onnxruntime reads since 1.18."""


class NotWritten(DeclarationError):
    """An instruction that has no counterpart in ONNX. ``operation``: the name of an operation that was not decomposed,
    if any.
    """

    def __init__(self, message: str, operation: str = "") -> None:
        self.operation = operation
        super().__init__(message)


class Writer:
    """The nodes and constants of one graph, and the names of its values.

    ``names`` are those of values that are there already: inputs, parameters, and outputs that have a name.
    """

    def __init__(self, names: dict[Value, str], around: Writer | None = None) -> None:
        self.onnx = onnx_package()
        self.names = names
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.taken: set[str] = {*names.values()} | ({*around.taken} if around else set())
        self.packed: dict[Value, list[tuple[slice, str, Any]]] = {}  # parts of a flattened value: position, name, shape
        self.parts: dict[Value, tuple[str, Any]] = {}  # the slices that are one of these parts: its name and shape
        self._constants: dict[Any, str] = {}
        self.value: Value | None = None  # the result of the current instruction
        self.scope = ""

    # ----------------------------------------------------------------------------------------------------------- names

    def fresh(self, base: str) -> str:
        """``base``, with a number appended if it is taken."""
        numbered = (f"{base}_{i}" for i in itertools.count(1))
        name = next(n for n in itertools.chain((base,), numbered) if n not in self.taken)
        self.taken.add(name)
        return name

    def name(self, value: Value) -> str:
        """The name of a value; a constant is written at its first use."""
        if value not in self.names:
            if value.kind != "constant":
                raise NotWritten(f"{value.name} is not computed before it is used.")
            data = numpy.asarray(value.data)
            if data.size > 1 and (data == data.flat[0]).all():  # it must not be mistaken for a parameter
                self.names[value] = self.node("Expand", self.number(data.flat[0], data), self.ints(*data.shape))
            else:
                self.names[value] = self.constant(data, value.name)
        return self.names[value]

    def constant(self, array: Any, base: str = "constant") -> str:
        """A constant with these numbers."""
        array = numpy.ascontiguousarray(array).reshape(numpy.shape(array))
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            name = self._constants[key] = self.fresh(base)
            self.initializers.append(self.onnx.numpy_helper.from_array(array, name))
        return self._constants[key]

    def ints(self, *numbers: int) -> str:
        """A constant list of integers, such as a shape or axes."""
        return self.constant(numpy.asarray(numbers, "int64"), "axes" if len(numbers) == 1 else "shape")

    def number(self, value: float, like: Value | Any) -> str:
        """A constant number of the dtype of a value."""
        return self.constant(numpy.asarray(value, getattr(like, "dtype", like)), "number")

    # ----------------------------------------------------------------------------------------------------------- nodes

    def node(self, op_type: str, *inputs: str, outputs: int = 1, out: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its first output."""
        base = self.value.name if self.value is not None else op_type.lower()
        names = [out or self.fresh(f"{base}_{op_type.lower()}")] + [
            self.fresh(f"{base}_more") for _ in range(outputs - 1)
        ]
        self.nodes.append(
            self.onnx.helper.make_node(
                op_type, [*inputs], names, name=self.fresh(f"{self.scope}/{op_type}"), **attributes
            )
        )
        return names[0]

    def cast(self, name: str, dtype: Any, to: Any) -> str:
        """A value of ``dtype`` as one of the dtype ``to``."""
        if numpy.dtype(dtype) == numpy.dtype(to):
            return name
        return self.node("Cast", name, to=self.onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(to)))

    def typed(self, value: Value, dtype: Any) -> str:
        """The name of a value as one of ``dtype``."""
        return self.cast(self.name(value), value.dtype, dtype)

    def expand(self, name: str, shape: Sequence[int], wanted: Sequence[int]) -> str:
        """A value of ``shape`` broadcast to the shape ``wanted``."""
        return name if tuple(shape) == tuple(wanted) else self.node("Expand", name, self.ints(*wanted))

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        """A value in another shape."""
        as_it_is: dict[str, Any] = {"allowzero": 1} if 0 in shape else {}  # otherwise 0 would keep an axis
        return self.node("Reshape", name, self.ints(*shape), **as_it_is)

    def called(self, written: str, wanted: str) -> str:
        """Give an output its name, by renaming the result of its node if possible."""
        last = self.nodes[-1] if self.nodes else None
        if last is not None and written in last.output and written not in self.names.values():
            last.output[[*last.output].index(written)] = wanted
        else:
            self.node("Identity", written, out=wanted)
        return wanted


def value_info(onnx: Any, name: str, value: Value, has_shape: bool = True) -> Any:
    """The declaration of an input or an output."""
    dtype = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
    return onnx.helper.make_tensor_value_info(name, dtype, value.shape if has_shape else None)


def used_inside(node: Any) -> set[str]:
    """The names that the graphs within a node take."""
    found: set[str] = set()
    for attribute in node.attribute:
        found |= used_by(attribute.g.node) | {o.name for o in attribute.g.output}
    return found


def used_by(nodes: Sequence[Any]) -> set[str]:
    """The names that nodes, and the graphs within them, take."""
    return {name for node in nodes for name in (*node.input, *used_inside(node))}


def without_dead(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """The nodes that the outputs need."""
    live, kept = set(outputs), []
    for node in reversed(nodes):
        if not live.isdisjoint(node.output):
            kept.append(node)
            live |= used_by([node])
    return kept[::-1]
