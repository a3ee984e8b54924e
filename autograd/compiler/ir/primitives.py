"""What a program's instructions are: each primitive's shape and dtype, and the call that computes it.

A primitive is a function of NumPy's under the array API's name, computed as the eager mode computes it. Those that
programs are full of have a row in `KNOWN`, which says their shape without computing; any other is a call with its
arguments, whose shape is found by calling it once on arrays of the shapes at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy

from autograd import shapes
from autograd.backends import NUMPY
from autograd.operation import OPS

ELEMENTWISE = frozenset(
    (
        "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert",
        "bitwise_or", "bitwise_xor", "ceil", "copysign", "cos", "cosh", "divide", "equal", "exp", "expm1", "floor",
        "floor_divide", "greater", "greater_equal", "hypot", "isfinite", "isinf", "isnan", "less", "less_equal", "log",
        "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum",
        "minimum", "multiply", "negative", "nextafter", "not_equal", "positive", "power", "reciprocal", "remainder",
        "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "trunc",
    )
)  # fmt: skip
"""NumPy's ufuncs: entry by entry, broadcast, with ``out=``."""

REDUCTIONS = {
    "sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "all": "logical_and", "any": "logical_or",
}  # fmt: skip
"""Reductions, and the ufunc that each is made of."""

VIEWS = frozenset(("reshape", "permute_dims", "broadcast_to", "piece"))
"""The same numbers seen otherwise: no work."""

EFFECTS = frozenset(("check_range", "draw"))
"""What is done even where nobody reads the result, in its order, and never twice for one."""

INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**", "greater": ">",
    "less": "<", "greater_equal": ">=", "less_equal": "<=", "equal": "==", "not_equal": "!=", "remainder": "%",
    "floor_divide": "//", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
}  # fmt: skip


@dataclass(frozen=True)
class Slot:
    """The place of the i-th array in the parameters of an instruction."""

    index: int

    def __repr__(self) -> str:
        return f"${self.index}"


def fill(template: Any, arrays: Sequence[Any]) -> Any:
    """``template`` (tuples, lists, dicts and slices) with the arrays in their places."""
    if type(template) is Slot:
        return arrays[template.index]
    if isinstance(template, tuple) and hasattr(template, "_fields"):
        return type(template)(*(fill(part, arrays) for part in template))
    if isinstance(template, tuple | list):
        return type(template)(fill(part, arrays) for part in template)
    if isinstance(template, dict):
        return {key: fill(part, arrays) for key, part in template.items()}
    if isinstance(template, slice):
        return slice(*(fill(part, arrays) for part in (template.start, template.stop, template.step)))
    return template


def function_of(name: str) -> Callable[..., Any]:
    """NumPy's function ``name`` (``"linalg.qr"``), as the eager mode computes it."""
    found: Any = NUMPY
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def _setitem(x: Any, value: Any, *, index: Any) -> Any:
    out = NUMPY.asarray(x, copy=True)
    out[index] = value
    return out


def _add_at(x: Any, values: Any, *, index: Any) -> Any:
    out = NUMPY.asarray(x, copy=True)
    numpy.add.at(out, index, values)
    return out


def _draw(*, generator: Any, method: str, shape: Any, dtype: Any, options: dict[str, Any]) -> Any:
    return getattr(generator, method)(shape, dtype=dtype, **options)


def _check_range(array: Any, *, stop: int, refuse: Callable[..., None], options: dict[str, Any]) -> Any:
    NUMPY.check_range(array, stop, refuse, **options)
    return numpy.False_


def _piece(x: Any, *, start: int, shape: shapes.Shape, flip: bool) -> Any:
    part = x[start : start + shapes.size(shape)]
    return part.reshape(shape[::-1]).T if flip else part.reshape(shape)


CALLS: dict[str, Callable[..., Any]] = {
    "getitem": lambda x, *, index: x[index],
    "setitem": _setitem,
    "add_at": _add_at,
    "draw": _draw,
    "check_range": _check_range,
    "copy": lambda x: x.copy(),
    "with_ones": lambda x: numpy.concatenate([x, numpy.ones((x.shape[0], 1), x.dtype)], axis=1),
    "piece": _piece,
    "pack": lambda *arrays, flips: numpy.concatenate(
        [(x.T if flip else x).reshape(-1) for x, flip in zip(arrays, flips, strict=True)]
    ),
    "take_sure": lambda x, indices, *, axis: x.take(indices, axis),
    "permute_dims": lambda x, *, axes: x.transpose(axes),
}
"""The primitives that are no functions of NumPy's."""


def compute(name: str, params: dict[str, Any], arrays: Sequence[Any]) -> Any:
    """The value of an instruction: the definition that every faster way is held to."""
    if "call" in params:
        args, options = fill(params["call"], arrays)
        out = function_of(name)(*args, **options)
        return out[params["item"]] if "item" in params else out
    if name == "op":
        options = fill(params["options"], arrays[params["count"] :])
        return OPS[params["name"]].forward(NUMPY, *fill(params["inputs"], arrays), **options)
    if "index" in params:
        count = 2 if name in ("setitem", "add_at") else 1
        return CALLS[name](*arrays[:count], index=fill(params["index"], arrays))
    return (CALLS.get(name) or function_of(name))(*arrays, **params)


# ------------------------------------------------------------------------------------------------- shapes and dtypes


@lru_cache(maxsize=4096)
def resolved(name: str, dtypes: tuple[Any, ...]) -> tuple[Any, ...]:
    """The dtypes that the ufunc casts its arguments to, and the result's; ``float`` and ``int`` stand for Python's
    numbers, which take the dtype of the arrays."""
    dtypes = tuple(numpy.dtype(bool) if kind is bool else kind for kind in dtypes)
    return getattr(numpy, name).resolve_dtypes((*dtypes, None))  # type: ignore[no-any-return]


def stand_in(value: Any, regular: bool = False) -> Any:
    """An array to find shapes with, of no memory: zeros for indices, ones in all else; a mask that is known is itself.
    With ``regular``, square matrices are identities, which can be inverted."""
    shape, dtype = value.shape, value.dtype
    if value.kind == "constant" and dtype.kind == "b":
        return value.data
    if numpy.dtype(dtype).kind in "iub":
        return numpy.broadcast_to(numpy.zeros((), dtype), shape)
    if regular and len(shape) > 1 and shape[-1] == shape[-2]:
        return numpy.broadcast_to(numpy.eye(shape[-1], dtype=dtype), shape)
    return numpy.broadcast_to(numpy.ones((), dtype), shape)


def _matmul_shape(x: Any, y: Any) -> shapes.Shape:
    a, b = x.shape, y.shape
    if not a or not b or a[-1] != b[-2 if len(b) > 1 else 0]:
        raise ValueError(f"the inner lengths of {a} and {b} differ")
    rows = a[-2:-1] if len(a) > 1 else ()
    columns = b[-1:] if len(b) > 1 else ()
    return (*shapes.broadcast_shapes(a[:-2], b[:-2]), *rows, *columns)


def _reshaped(x: Any, given: Any) -> shapes.Shape:
    shape: shapes.Shape = (given,) if isinstance(given, int) else tuple(given)
    if -1 in shape:
        known = shapes.size(tuple(n for n in shape if n != -1))
        total = shapes.size(x.shape)
        left = total // known if known else 0
        shape = tuple(left if n == -1 else n for n in shape)
    if shapes.size(shape) != shapes.size(x.shape):
        raise ValueError(f"cannot reshape an array of shape {x.shape} into {shape}")
    return shape


def infer(name: str, params: dict[str, Any], args: Sequence[Any]) -> tuple[shapes.Shape, Any]:
    """The shape and dtype of an instruction's value, from those of its arguments. Raises what NumPy would raise."""
    if name in ELEMENTWISE:
        return shapes.broadcast_shapes(*(a.shape for a in args)), resolved(name, tuple(a.dtype for a in args))[-1]
    if name == "matmul":
        return _matmul_shape(*args), resolved(name, tuple(a.dtype for a in args))[-1]
    if name == "reshape":
        return _reshaped(args[0], params["shape"]), args[0].dtype
    if name == "broadcast_to":
        if shapes.broadcast_shapes(args[0].shape, params["shape"]) != tuple(params["shape"]):
            raise ValueError(f"{args[0].shape} does not broadcast to {params['shape']}")
        return tuple(params["shape"]), args[0].dtype
    if name == "astype":
        return args[0].shape, params["dtype"]
    if name == "where":
        return shapes.broadcast_shapes(*(a.shape for a in args)), numpy.result_type(args[1].dtype, args[2].dtype)
    if name in ("max", "min") or (name == "sum" and args[0].dtype.kind == "f"):
        shape, axis = args[0].shape, params["axis"]
        if params["keepdims"]:
            return shapes.keepdims_shape(shape, axis), args[0].dtype
        gone = shapes.normalize_axes(axis, len(shape))
        return tuple(n for i, n in enumerate(shape) if i not in gone), args[0].dtype
    if name == "draw":
        return params["shape"], params["dtype"]
    if name == "take_sure":
        x, axis = args[0], params["axis"]
        return (*x.shape[:axis], *args[1].shape, *x.shape[axis + 1 :]), x.dtype
    if name == "with_ones":
        return (args[0].shape[0], args[0].shape[1] + 1), args[0].dtype
    if name == "piece":
        return params["shape"], args[0].dtype
    if name == "pack":
        return (sum(shapes.size(a.shape) for a in args),), args[0].dtype
    if name == "copy":
        return args[0].shape, args[0].dtype
    if name == "check_range":
        return (), numpy.dtype(bool)
    if name == "permute_dims":
        return tuple(args[0].shape[a] for a in params["axes"]), args[0].dtype
    regular = name.startswith("linalg") or name == "op"
    found = compute(name, params, [stand_in(a, regular) for a in args])
    return found.shape, found.dtype
