"""`PRIMITIVES`: the meaning of each instruction of a program, a row for each.

A row computes the instruction against a namespace ``xp`` (NumPy's, CuPy's), infers the shape and dtype of its result,
and says how it is written. Passes, targets, the validator and the interpreter read these rows, so that no two of them
can disagree. An operation without a row can't be part of a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.shapes import Shape, broadcast_shapes, size
from glassgrad.autograd.compiler.ir import inference
from glassgrad.autograd.compiler.ir.inference import Typed, function_of
from glassgrad.autograd.engine.operation import OPS
from glassgrad.autograd.errors import DeclarationError

POWERS, BEFORE_DOT = 3, 9
"""How tightly arguments must bind (see `Primitive`): in powers and signs, and before a dot or a bracket."""

Notation = Callable[[Sequence[str], dict[str, Any]], str]


@dataclass(frozen=True, eq=False)
class Primitive:
    """One row: ``compute(xp, *arrays, **params)`` is the value, ``infer(*values, **params)`` its shape and dtype.

    ``kind`` is ``"elementwise"`` (a ufunc, broadcast), ``"reduction"`` (by ``ufunc``, along ``axis``), ``"view"`` (the
    same memory, where memory allows it), ``"effect"`` (done in its order and exactly once, even where nobody reads the
    result) or ``"call"`` (anything else). ``notation`` is a template over the arguments (``{0}``) and parameters, or a
    function of both; without one the instruction is written as a call. ``level`` says how tightly its arguments must
    bind: 0 in a call, 1 in sums and comparisons, 2 in products, 3 in powers, 9 before a dot or a bracket.
    """

    compute: Callable[..., Any]
    infer: Callable[..., Typed]
    kind: str = "call"
    notation: str | Notation = ""
    level: int = 0
    ufunc: str = ""


@dataclass(frozen=True)
class Slot:
    """Stands for the i-th array in the parameters of an instruction."""

    index: int

    def __repr__(self) -> str:
        return f"${self.index}"


def mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    """``tree`` with ``change`` applied to its leaves: all but tuples, lists, dicts and slices."""
    if isinstance(tree, tuple | list):
        parts = [mapped(part, change) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, dict):
        return {key: mapped(part, change) for key, part in tree.items()}
    if isinstance(tree, slice):
        return slice(*(mapped(part, change) for part in (tree.start, tree.stop, tree.step)))
    return change(tree)


def fill(template: Any, arrays: Sequence[Any]) -> Any:
    """``template`` with its slots replaced by the arrays."""
    return mapped(template, lambda part: arrays[part.index] if type(part) is Slot else part)


# ------------------------------------------------------------------------------------------------------------ the text


class _Bare(str):
    """A string that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _named(template: Any, texts: Sequence[str]) -> Any:
    return fill(template, [_Bare(text) for text in texts])


def shown(part: Any) -> str:
    """A parameter as Python source, with NumPy's names."""
    if isinstance(part, tuple | list):
        inner = ", ".join(map(shown, part))
        return f"[{inner}]" if isinstance(part, list) else f"({inner}{',' * (len(part) == 1)})"
    if isinstance(part, numpy.dtype) or (isinstance(part, type) and issubclass(part, numpy.generic)):
        return str(numpy.dtype(part))
    return "..." if part is ... else repr(part)


def called(name: str, args: Sequence[Any], options: dict[str, Any]) -> str:
    """A call as source."""
    return f"{name}({', '.join([*map(shown, args), *(f'{k}={shown(v)}' for k, v in options.items())])})"


def index_text(index: Any, texts: Sequence[str] = ()) -> str:
    """An index as one writes it between brackets, ``0, 1:3, ...``; ``texts`` stand for the arrays in it."""

    def text(part: Any) -> str:
        if not isinstance(part, slice):
            return shown(part)
        bounds = [part.start, part.stop, *([part.step] if part.step is not None else [])]
        return ":".join("" if bound is None else shown(bound) for bound in bounds)

    filled = _named(index, texts)
    return ", ".join(map(text, filled)) if isinstance(filled, tuple) and filled else text(filled)


def _drawn_text(texts: Sequence[str], params: dict[str, Any]) -> str:
    options = {} if params["dtype"] == numpy.float64 else {"dtype": params["dtype"]}
    return called(f"{params['generator']}.{params['method']}", [params["shape"]], options)


def _operation_text(texts: Sequence[str], params: dict[str, Any]) -> str:
    return called(params["name"], _named(params["inputs"], texts), _named(params["options"], texts[params["count"] :]))


def _permuted_text(texts: Sequence[str], params: dict[str, Any]) -> str:
    return f"{texts[0]}.T" if params["axes"] == (1, 0) else called("permute_dims", [_Bare(texts[0])], params)


# ------------------------------------------------------------------------------------------- the values, and the rows


def _elementwise(name: str, notation: str = "", level: int = 0) -> Primitive:
    def compute(xp: Any, *arrays: Any) -> Any:
        return getattr(xp, name)(*arrays)

    return Primitive(compute, inference.elementwise(name), "elementwise", notation, level)


def _reduction(name: str, ufunc: str) -> Primitive:
    def compute(xp: Any, x: Any, **params: Any) -> Any:
        return getattr(xp, name)(x, **params)

    return Primitive(compute, inference.reduction(name), "reduction", ufunc=ufunc)


def _view(compute: Callable[..., Any], notation: str | Notation = "", level: int = 0) -> Primitive:
    return Primitive(compute, inference.view(compute), "view", notation, level)


def _function(name: str, function: Callable[..., Any]) -> Primitive:
    """The row of a function of NumPy's: calling it on sample arrays gives the shape of its result."""

    def compute(xp: Any, *arrays: Any, call: Any, item: int | None = None) -> Any:
        args, options = fill(call, arrays)
        out = function_of(name, xp)(*args, **options)
        return out if item is None else out[item]

    def infer(*values: Any, call: Any, item: int | None = None) -> Any:
        args, options = fill(call, list(map(stand_in, values)))
        found = function(*args, **options)
        if not isinstance(found, tuple | list):
            return found.shape, found.dtype
        kinds = [(x.shape, x.dtype) for x in found]
        return kinds if item is None else kinds[item]

    def notation(texts: Sequence[str], params: dict[str, Any]) -> str:
        item = params.get("item")
        return called(name, *_named(params["call"], texts)) + ("" if item is None else f"[{item}]")

    return Primitive(compute, infer, notation=notation)


def piece_of(x: Any, start: int, shape: Shape) -> Any:
    """The part of a flat array from ``start`` on, reshaped."""
    return x[start : start + size(shape)].reshape(shape)


def pieces_of(packed: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The arguments of an instruction that packs them, each with the parameters of its piece of the result."""
    start = 0
    for arg in packed.args:
        yield arg, {"start": start, "shape": arg.shape}
        start += size(arg.shape)


def _pack(xp: Any, *parts: Any) -> Any:
    return xp.concat([x.reshape((-1,)) for x in parts])


def _setitem(xp: Any, x: Any, value: Any, *more: Any, index: Any) -> Any:
    out = xp.asarray(x, copy=True)
    backends.assign(out, fill(index, (x, value, *more)), value)
    return out


def _add_at(xp: Any, x: Any, values: Any, *more: Any, index: Any) -> Any:
    out = xp.asarray(x, copy=True)
    xp.add.at(out, fill(index, (x, values, *more)), values)
    return out


def _indexing(name: str, compute: Callable[..., Any]) -> Primitive:
    def infer(*values: Any, index: Any) -> Typed:
        rule = inference.getitem if name == "getitem" else inference.written
        return rule(*values, index=fill(index, values))

    def notation(texts: Sequence[str], params: dict[str, Any]) -> str:
        text = index_text(params["index"], texts)
        return f"{texts[0]}[{text}]" if name == "getitem" else f"{name}({texts[0]}, {texts[1]}, index=s_[{text}])"

    return Primitive(compute, infer, notation=notation, level=BEFORE_DOT if name == "getitem" else 0)


def _draw(xp: Any, *, generator: Any, method: str, shape: Shape, dtype: Any, options: dict[str, Any]) -> Any:
    return getattr(backends.generator_on(xp.device, generator), method)(shape, dtype=dtype, **options)


def _check_range(xp: Any, x: Any, *, stop: int, refuse: Callable[..., None], options: dict[str, Any]) -> Any:
    xp.check_range(x, stop, refuse, **options)
    return numpy.False_


def _operation(xp: Any, *arrays: Any, name: str, inputs: Any, options: Any, count: int) -> Any:
    return OPS[name].forward(xp, *fill(inputs, arrays), **fill(options, arrays[count:]))


def into(instruction: Any) -> Callable[..., None] | None:
    """The function ``(out, *arrays)`` that writes the result of a whole operation into ``out``; ``None`` where it has
    no kernel.
    """
    params = instruction.params
    operation = OPS.get(params["name"]) if instruction.op == "op" else None
    if operation is None or operation.into is None:
        return None
    kernel, inputs, options, count = operation.into, params["inputs"], params["options"], params["count"]

    def write(out: Any, *arrays: Any) -> None:
        kernel(NUMPY, out, *fill(inputs, arrays), **(fill(options, arrays[count:]) if count < len(arrays) else options))

    return write


class _Told(Exception):
    """Raised by a forward that reports the shape and dtype of its result."""


class _Shapes:
    """A namespace in which a forward of this package reports its result's shape and dtype without computing it."""

    result_type = staticmethod(numpy.result_type)

    def opaque(self, shape: Shape, dtype: Any) -> None:
        raise _Told(tuple(shape), dtype)

    def special(self, name: str, *arrays: Any) -> None:
        raise _Told(broadcast_shapes(*(getattr(x, "shape", ()) for x in arrays)), arrays[-1].dtype)


def _operation_result(*values: Any, name: str, **params: Any) -> Typed:
    try:
        if not OPS[name].foreign:
            _operation(_Shapes(), *values, name=name, **params)
    except _Told as told:
        shape, dtype = told.args
        return shape, dtype
    except AttributeError:  # it computes before it reports
        pass
    result = _operation(NUMPY, *map(stand_in, values), name=name, **params)
    return result.shape, result.dtype


def stand_in(value: Any) -> Any:
    """A sample array like ``value``, to find the shape of a result by computing it.

    Integers are zeros, reals ones, square matrices the identity, which is invertible. A constant mask is used itself.
    """
    shape, dtype = value.shape, value.dtype
    if value.kind == "constant" and dtype.kind == "b":
        return value.data
    if dtype.kind not in "iub" and len(shape) > 1 and shape[-1] == shape[-2]:
        return numpy.broadcast_to(numpy.eye(shape[-1], dtype=dtype), shape)
    return numpy.broadcast_to(numpy.asarray(dtype.kind not in "iub", dtype), shape)


INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@", "power": "**", "greater": ">",
    "less": "<", "greater_equal": ">=", "less_equal": "<=", "equal": "==", "not_equal": "!=", "remainder": "%",
    "floor_divide": "//", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^",
}  # fmt: skip
"""The operators that are written between two arguments."""

_LEVELS = {"multiply": 2, "divide": 2, "matmul": 2, "remainder": 2, "floor_divide": 2, "power": POWERS}

PRIMITIVES: dict[str, Primitive] = {
    **{name: _elementwise(name) for name in (
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_invert", "bitwise_left_shift",
        "bitwise_right_shift", "cbrt", "ceil", "conj", "copysign", "cos", "cosh", "deg2rad", "exp", "exp2", "expm1",
        "floor", "fmax", "fmin", "fmod", "heaviside", "hypot", "isfinite", "isinf", "isnan", "log", "log10", "log1p",
        "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum",
        "nextafter", "positive", "rad2deg", "reciprocal", "rint", "sign", "signbit", "sin", "sinh", "sqrt", "square",
        "tan", "tanh", "trunc",
    )},
    **{name: _elementwise(name, f"{{0}} {sign} {{1}}", _LEVELS.get(name, 1)) for name, sign in INFIX.items()},
    "negative": _elementwise("negative", "-{0}", POWERS),
    **{name: _reduction(name, ufunc) for name, ufunc in {
        "sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum", "all": "logical_and", "any": "logical_or",
    }.items()},
    "matmul": Primitive(lambda xp, x, y: xp.matmul(x, y), inference.matmul, notation="{0} @ {1}", level=2),
    "where": Primitive(lambda xp, condition, x, y: xp.where(condition, x, y), inference.where),
    "astype": Primitive(lambda xp, x, dtype: xp.astype(x, dtype), lambda x, *, dtype: (x.shape, numpy.dtype(dtype))),
    "copy": Primitive(lambda xp, x: x.copy(), lambda x: (x.shape, x.dtype)),
    "reshape": _view(lambda xp, x, shape: xp.reshape(x, shape)),
    "broadcast_to": Primitive(lambda xp, x, shape: xp.broadcast_to(x, shape), inference.broadcast_to, "view"),
    "permute_dims": _view(lambda xp, x, axes: x.transpose(axes), _permuted_text, BEFORE_DOT),
    "piece": _view(lambda xp, x, **params: piece_of(x, **params)),
    "pack": Primitive(_pack, inference.pack),
    "getitem": _indexing("getitem", lambda xp, x, *more, index: x[fill(index, (x, *more))]),
    "setitem": _indexing("setitem", _setitem),
    "add_at": _indexing("add_at", _add_at),
    "take_sure": Primitive(
        lambda xp, x, indices, axis: x.take(indices, axis), inference.take_sure, notation="take({0}, {1}, axis={axis})"
    ),
    "draw": Primitive(_draw, lambda *, shape, dtype, **_: (tuple(shape), dtype), "effect", _drawn_text),
    "check_range": Primitive(
        _check_range, lambda x, **_: ((), inference.BOOL), "effect", "check_range({0}, stop={stop})"
    ),
    "op": Primitive(_operation, _operation_result, notation=_operation_text),
}  # fmt: skip
"""Every operation that an instruction can name. ``op`` is a registered operation as a whole."""


def _of_kind(kind: str) -> frozenset[str]:
    return frozenset(name for name, row in PRIMITIVES.items() if row.kind == kind)


ELEMENTWISE, VIEWS, EFFECTS = map(_of_kind, ("elementwise", "view", "effect"))
REDUCTIONS = {name: row.ufunc for name, row in PRIMITIVES.items() if row.ufunc}


@lru_cache(maxsize=256)
def _unlisted(name: str) -> Primitive:
    """The row of a NumPy function."""
    try:
        function = function_of(name) if name.rpartition(".")[0] in ("", "linalg", "fft") else None
    except AttributeError:
        function = None
    if not callable(function) or isinstance(function, type):
        raise DeclarationError(f"a program has no operation {name!r}: neither `PRIMITIVES` nor NumPy has it.")
    return _function(name, function)


def row_of(op: str) -> Primitive:
    """The operation's row in `PRIMITIVES`, or for a NumPy function one made for it. Raises `DeclarationError` if there
    is none.
    """
    return PRIMITIVES.get(op) or _unlisted(op)


def compute(op: str, params: dict[str, Any], arrays: Sequence[Any], xp: Any = NUMPY) -> Any:
    """Compute an instruction: the reference for all targets."""
    return row_of(op).compute(xp, *arrays, **params)


def infer(op: str, params: dict[str, Any], args: Sequence[Any]) -> Typed:
    """The shape and dtype of an instruction's result from those of its arguments. Raises NumPy's errors."""
    return row_of(op).infer(*args, **params)


def is_view(instruction: Any) -> bool:
    """Whether an instruction returns a view of its argument, if the memory order allows it."""
    op, index = instruction.op, instruction.params.get("index")
    return op in VIEWS if op != "getitem" else is_basic(index) and len(instruction.args) == 1


def is_basic(index: Any) -> bool:
    """Whether an index consists of numbers, slices, ``None`` and ``...``, for which NumPy returns a view."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is ... or (isinstance(p, int | slice) and not isinstance(p, bool)) for p in parts)


def results_of(name: str, call: Any, args: Sequence[Any]) -> Any:
    """The shape and dtype of a NumPy function's result, or a list of them for several results."""
    return row_of(name).infer(*args, call=call)
