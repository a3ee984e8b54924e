"""The table of ONNX operators: for each one function per range of opsets, written with the operations of `autograd`.

A function's signature says what the operator takes: inputs are positional, attributes keyword-only. An attribute of an
old opset that later became an input (``axes`` of ReduceSum) has the input's name, so one function serves both.

Values known without the data, such as shapes and constants, are NumPy arrays, and so are values computed from these
alone. All others are `Tensor`s.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.errors import DomainError, DTypeError, SizeError, TraceError

LIMIT = 2**30
"""The most bytes of a value whose size the file chooses, such as the result of ConstantOfShape."""

GROWTH = 64
"""Such a value may also be this many times as large as the network's inputs."""

ALLOWED: ContextVar[int] = ContextVar("onnx_allowed", default=LIMIT)
"""The limit in the current call, from `LIMIT` and `GROWTH`."""

STEPS = 100_000
"""How often the body of a Loop may run."""


class Row(NamedTuple):
    """One operator from the opset ``since`` on.

    ``inputs`` and ``attributes`` name what its function takes; an attribute ``outputs`` is how many results are wanted.
    ``known`` are the inputs whose values must be known. The last input may repeat.
    """

    name: str
    since: int
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    attributes: tuple[str, ...]
    known: frozenset[str]


TABLE: dict[str, list[Row]] = {}
"""The rows of each operator, the oldest opset first. Operators of another domain than ONNX's are ``domain::name``."""


def operator(
    *names: str, since: int = 1, known: str = "", passes: Callable[..., Any] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the function of an operator from an opset on: a decorator.

    ``known``: names of inputs, whose values the function gets as NumPy arrays, because the shape of its result depends
    on them. ``passes``: another function, to which it passes its ``**options``: it has those attributes, too.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [*inspect.signature(function).parameters.values()]
        if passes is not None:
            others = inspect.signature(passes).parameters.values()
            parameters[-1:] = [p for p in others if p.kind is p.KEYWORD_ONLY]
        inputs = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        attributes = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        for name in names:
            row = Row(name, since, function, (*inputs,), (*attributes,), frozenset(known.split()))
            TABLE.setdefault(name, []).append(row)
            TABLE[name].sort(key=lambda row: row.since)
        return function

    return declare


def row_of(name: str, version: int) -> Row | None:
    """The row of an operator in an opset, ``None`` where there is none."""
    return next((row for row in reversed(TABLE.get(name, ())) if row.since <= version), None)


# -------------------------------------------------------------------------------------------------- for the functions

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "float32",
}  # fmt: skip
"""NumPy's dtypes by ONNX's numbers. bfloat16 (16), which NumPy lacks, is widened to float32."""


def dtype_of(number: int) -> str:
    """NumPy's dtype for one of ONNX. Raises `DTypeError` for one that NumPy lacks."""
    if number not in DTYPES:
        from onnx import TensorProto

        names = {code: name for name, code in TensorProto.DataType.items()}
        raise DTypeError(f"has the dtype {names.get(number, number)}, which is not supported")
    return DTYPES[number]


def concrete(value: Any) -> Any:
    """The value as a NumPy array. Raises `TraceError` for a Tensor while a function is traced."""
    if not isinstance(value, Tensor):
        return value
    if TRACER.get() is not None:
        raise TraceError(
            "it needs a value that is not known before the program runs: a shape, a condition or an index that depends "
            "on the data. Give that input as a Python number, or call the network without compiling it"
        )
    return numpy.asarray(value.data)


def arrays(value: Any) -> Any:
    """A value as a NumPy array, see `concrete`; a sequence as one of these, and one that is missing as ``None``."""
    if isinstance(value, tuple | list):
        return type(value)(map(arrays, value))
    return value if value is None else numpy.asarray(concrete(value))


def like(x: Any, array: Any) -> Any:
    """Move ``array``, which was made on the CPU, to the device of ``x``."""
    return ag.asarray(array, device=x.device) if isinstance(x, Tensor) and x.device != "cpu" else array


def ints(value: Any) -> list[int]:
    """A known value as a list of Python's integers."""
    return [int(i) for i in numpy.asarray(concrete(value)).reshape(-1)]


def number(value: Any) -> Any:
    """A known single value as a Python number, which does not promote dtypes."""
    return numpy.asarray(concrete(value)).reshape(()).item()


def scalar(value: Any) -> Any:
    """A known single value as a Python number; anything else as it is."""
    return value.item() if isinstance(value, numpy.ndarray | numpy.generic) and value.ndim == 0 else value


def is_float(x: Any) -> bool:
    """Whether the dtype is floating point."""
    return x.dtype.kind in "fc"


axis_in = numpy.lib.array_utils.normalize_axis_index
"""An axis, which may count from the end, as a number from 0. Raises an IndexError for one that is not there."""


def bounded(shape: Sequence[int], dtype: Any = "float32") -> tuple[int, ...]:
    """``shape``. Raises if a value of that shape would be larger than `ALLOWED`, or an axis is negative."""
    shape = tuple(int(n) for n in shape)
    if min(shape, default=0) < 0:
        raise DomainError(f"the shape {shape} has a negative axis")
    size, allowed = math.prod(shape) * numpy.dtype(dtype).itemsize, ALLOWED.get()
    if size > allowed:
        raise SizeError(
            f"its result would have the shape {shape} and {size / 2**30:,.1f} GiB; the limit for a size that a file "
            f"chooses is {allowed / 2**30:.3g} GiB"
        )
    return shape


def column(values: Any, axes: int) -> Any:
    """A vector as an array with ``axes`` trailing axes of length 1."""
    return values.reshape((-1, *(1,) * axes))


def at(x: Any, axis: int, part: Any) -> tuple[Any, ...]:
    """An index, or a slice, of one axis of ``x`` as an index of ``x``."""
    return (*(slice(None),) * (axis % x.ndim), part)


def along(x: Any, axis: int, part: Any) -> Any:
    """The part of ``x`` at an index or slice of one axis."""
    return ag.getitem(x, index=at(x, axis, part))


def parts_of(x: Any, lengths: int | Sequence[int], axis: int = -1) -> list[Any]:
    """An axis cut into parts of the given ``lengths``, or into a number of equal parts."""
    given = [x.shape[axis] // lengths] * lengths if isinstance(lengths, int) else lengths
    ends = [*itertools.accumulate(given)]
    return [along(x, axis, slice(end - n, end)) for n, end in zip(given, ends, strict=True)]


def broadcastable(*values: Any) -> None:
    """Raise if arrays can't be broadcast, or the size of the result exceeds `ALLOWED`."""
    bounded(numpy.broadcast_shapes(*(tuple(value.shape) for value in values)))


def cast(x: Any, dtype: Any) -> Any:
    """``x`` in another dtype."""
    if x.dtype == dtype:
        return x
    return ag.astype(x, dtype) if isinstance(x, Tensor) else numpy.asarray(x).astype(dtype)
