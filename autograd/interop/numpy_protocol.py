"""NumPy's functions called on Tensors, mapped to the functions of this package.

Most have the same name, or another one in `hints.NAMES`. `WAYS` adapts those with other arguments. All others are
refused, with what to use instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from glassgrad.autograd import fft, linalg, trees
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common import shapes
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.operation import Op
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, DTypeError
from glassgrad.autograd.functions import shaping as rearranging
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.interop.hints import FUNCTIONS, NAMES
from glassgrad.autograd.ops import matrices, shaping
from glassgrad.autograd.readings.levels import is_differentiated

_signature = lru_cache(maxsize=512)(inspect.signature)

KEYWORDS = {
    "a_max": "max", "a_min": "min", "ddof": "correction", "newshape": "shape", "reps": "repetitions", "v": "y",
}  # fmt: skip
"""This package's name for each parameter that NumPy calls by another name."""

VALUES = {
    "allclose", "argwhere", "array_equal", "flatnonzero", "iscomplex", "iscomplexobj", "isclose", "isin", "isreal",
    "isrealobj", "lexsort", "ndim", "shape", "shares_memory", "size",
}  # fmt: skip
"""Functions without a derivative: NumPy computes them from the values of Tensors."""


# --------------------------------------------------------------------------------- functions with different arguments


def _diag(v: Any, k: int = 0) -> Any:
    if v.ndim == 2:
        return matrices.diagonal(v, offset=k)
    wide = shaping.pad(v, pad_width=(max(k, 0), max(-k, 0)))  # of the length of the result's sides
    return shaping.triu(shaping.tril(shaping.broadcast_to(wide, shape=wide.shape * 2), k=k), k=k)


def _dot(a: Any, b: Any) -> Any:
    a, b = asarray(a), asarray(b)
    if not (a.ndim and b.ndim):
        return a * b
    return a @ b if b.ndim <= 2 else linalg.tensordot(a, b, axes=((-1,), (-2,)))


def _joined(tup: Any, ndim: int) -> Any:
    """The arrays one beside the other, or one below the other as rows, each of at least ``ndim`` axes."""
    parts = [x[(None,) * (ndim - x.ndim)] if x.ndim < ndim else x for x in map(asarray, tup)]
    return shaping.concat(parts, axis=0 if ndim == 2 or parts[0].ndim == 1 else 1)


def _last_two(a: Any, axis1: int, axis2: int) -> Any:
    return rearranging.moveaxis(a, (axis1, axis2), (-2, -1))


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = asarray(x)
    axes = shapes.normalize_axes(axis, x.ndim)
    if ord is None or len(axes) == 1:
        return linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    norm = linalg.matrix_norm(rearranging.moveaxis(x, axes, (-2, -1)), ord=ord, keepdims=keepdims)
    return rearranging.moveaxis(norm, (-2, -1), axes) if keepdims else norm


WAYS: dict[str, Callable[..., Any]] = {
    "concatenate": lambda arrays, axis=0: shaping.concat(list(arrays), axis=axis),  # of a single array: its entries
    "diag": _diag,
    "diagonal": lambda a, offset=0, axis1=0, axis2=1: matrices.diagonal(_last_two(a, axis1, axis2), offset=offset),
    "dot": _dot,
    "hstack": lambda tup: _joined(tup, 1),
    "linalg.norm": _norm,
    "ravel": lambda a: shaping.reshape(a, shape=(-1,)),
    "squeeze": lambda a, axis=None: asarray(a).squeeze(axis),
    "stack": lambda arrays, axis=0: shaping.stack(list(arrays), axis=axis),
    "swapaxes": lambda a, axis1, axis2: rearranging.moveaxis(a, (axis1, axis2), (axis2, axis1)),
    "trace": lambda a, offset=0, axis1=0, axis2=1: linalg.trace(_last_two(a, axis1, axis2), offset=offset),
    "transpose": lambda a, axes=None: asarray(a).transpose(*(() if axes is None else NUMPY.atleast_1d(axes).tolist())),
    "vstack": lambda tup: _joined(tup, 2),
}
"""Functions with NumPy's signature, for those whose arguments differ from the function of the same name here."""


# ------------------------------------------------------------------------------------------------------------ the call


def call(function: Any, method: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of this package's counterpart of NumPy's ``function``.

    Raises `DTypeError` if there is none, or if the call can't be recorded.
    """
    module = (getattr(function, "__module__", None) or "numpy").partition(".")[2]
    name = f"{module}.{function.__name__}".strip(".")  # "sum", "linalg.norm"
    numpys = getattr(function, method)
    if (out := kwargs.pop("out", None)) is not None:
        if _are_recorded(args) or any(isinstance(x, Tensor) for x in trees.leaves(out)):
            raise DTypeError(f"np.{name}(..., out=) can't be recorded: assign the result instead.")
        return numpys(*_values(args), out=out, **kwargs)  # values alone, as in w.data -= 0.1 * w.grad
    if name in ("shape", "ndim", "size") and len(args) == 1 and not kwargs:
        return getattr(args[0], name)
    name = name if method == "__call__" else f"{name}.{method}"
    last = function.__name__
    space: Any = {"": TENSORS, "fft": fft, "linalg": linalg}.get(module)
    ours = WAYS.get(name) or (method == "__call__" and getattr(space, NAMES.get(last, last), None))
    if not ours:
        if name in VALUES or not _are_recorded((args, kwargs)):
            return numpys(*_values(args), **_values(kwargs))
        table = getattr(space, "ELSEWHERE", FUNCTIONS)
        here = "autograd" if table is FUNCTIONS else f"autograd.{module}"
        use = table.get(name.removeprefix(f"{module}."))
        way = f"in {here} use {use}" if use else f"compose it of functions of {here}"
        raise DTypeError(f"np.{name} can't record Tensors: {way}, or .detach().numpy() for the values.")
    if name not in WAYS and not hasattr(function, "nin"):
        args, kwargs = _respelled(function, ours, args, kwargs)
    try:
        return ours(*args, **kwargs)
    except AutogradError:
        raise
    except TypeError as error:
        reason, form = str(error).partition("() ")[2] or error, f"np.{name}{_signature(ours)}"
        raise DTypeError(f"np.{name} can't be recorded as it is called ({reason}): write {form}.") from error


def _are_recorded(given: Any) -> bool:
    """Whether a Tensor in nested containers requires grad, or has a derivative in forward mode."""
    tensors = [x for x in trees.leaves(given) if isinstance(x, Tensor)]
    return any(x.requires_grad or is_differentiated(x._data) for x in tensors)


def _values(given: Any) -> Any:
    """``given`` with its Tensors, also those in nested containers, as NumPy arrays."""
    return trees.map(lambda x: x.detach().__array__() if isinstance(x, Tensor) else x, given)


def _respelled(function: Any, ours: Any, args: Any, kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """NumPy's arguments adapted to this package's function: arrays by position, parameters by their names here."""
    try:
        theirs = _signature(function)
    except ValueError:  # a function in C, such as np.where, has no signature before NumPy 2.4
        return list(args), kwargs
    known = _signature(ours).parameters
    named = [p for p in list(known)[1:] if known[p].kind is not inspect.Parameter.POSITIONAL_ONLY]
    parameters = {*(ours.params if isinstance(ours, Op) else named), "dtype", *kwargs}
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for name, value in theirs.bind(*args, **kwargs).arguments.items():
        here = KEYWORDS.get(name, name)
        if theirs.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            positional += value
        elif value is None and (here == "dtype" or here not in known):
            continue
        elif here in parameters or name in parameters:
            keywords[here] = value
        else:
            positional.append(value)
    return positional, keywords
