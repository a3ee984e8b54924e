"""The arguments of a call: bound to their names, and converted to arrays; and what a user's own operation returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Protocol, TypeAlias

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import describe, shown
from glassgrad.autograd.common.shapes import normalize_axes
from glassgrad.autograd.engine.modes import MODE
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, DTypeError
from glassgrad.autograd.readings.levels import LIFTED, innermost


class Array(Protocol):
    """An array of NumPy, CuPy or another library of the array API."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""

    @property
    def dtype(self) -> Any:
        """The kind of number."""


ArrayLike: TypeAlias = Tensor | Array | complex | list[Any] | tuple[Any, ...]
"""An argument of an operation: a Tensor, an array, a number (also int, float and bool), or nested lists of numbers."""

REQUIRED = object()
"""The default of a parameter that has none."""

ALIASES = {"dim": "axis", "keepdim": "keepdims", "negative_slope": "slope"}
"""Parameters that may be given by PyTorch's names, too."""

FIXED = frozenset({int, tuple, slice, float, bool, str, type(None)})
"""The types of parameters that nobody can change after a call."""

AXES = frozenset({int, tuple, type(None)})
"""The types of an axis that are accepted as they are."""


def binder(op: Any) -> Callable[..., tuple[Any, Any]]:
    """The function that binds the arguments of a call: it returns the arrays and all parameters.

    Any number of arrays are given one by one, or as a list, behind which parameters may follow by position. With
    ``dtype=`` the first array is cast to it, and so is the result, because sums of small integers are large ones: then
    the function returns the result and None.
    """
    named, names = op.variadic, ", ".join(op.args)
    parts = [f"*{names}"] if named else [f"{arg}=None" if arg in op.optional else arg for arg in op.args]
    for p, default in op.params.items():
        if default is REQUIRED and not named and "=" in parts[-1]:  # Python allows it by name only
            parts, named = [*parts, "*"], True
        parts.append(p if default is REQUIRED else f"{p}=params[{p!r}]")
    by_name = [f"{name}=None" for name in (*op.aliases, *["dtype"] * op.casts)]  # for the signature: `bind` takes them
    parts += by_name if named or not by_name else ["*", *by_name]
    arrays, values = names if op.variadic else f"({names},)", ", ".join(f"{p!r}: {p}" for p in op.params)
    bound = eval(f"lambda {', '.join(parts)}: ({arrays}, {{{values}}})", {"params": op.params})
    bound.__name__ = bound.__qualname__ = op.name  # for Python's own errors

    @wraps(bound)
    def bind(*given: Any, **params: Any) -> tuple[Any, Any]:
        if not params and not op.variadic:
            return bound(*given)  # type: ignore[no-any-return]
        named = {op.aliases.get(name, name): value for name, value in params.items()}
        if len(named) < len(params):
            raise DTypeError(f"{op.name} was given a parameter by two names, {' and '.join(params)}: give it by one.")
        dtype, behind = named.pop("dtype", None) if op.casts else None, {}
        if op.variadic and given and isinstance(given[0], list | tuple) and len(given) <= 1 + len(op.params):
            behind = dict(zip(op.params, given[1:], strict=False))
            given = tuple(given[0])
        arrays, values = bound(*given, **behind, **named)
        if dtype is None:
            return arrays, values
        out = op(TENSORS.astype(arrays[0], dtype), *arrays[1:], **values)
        return out if out.dtype == dtype else TENSORS.astype(out, dtype), None

    return bind


def argument(op: Any, x: Any, given: Sequence[Any] = (), place: int = 0) -> Any:
    """An argument that is not a Tensor as an array. Raises `DTypeError`.

    ``given``: all arguments, of which it has the ``place``. If the operation broadcasts, a complex number stays one,
    because an array of its dtype would promote the others; but Python's complex treats NumPy's float64 as a float, and
    returns another Python complex.
    """
    kind = type(x)
    if x is None and op.args[place] in op.optional:
        return None
    if kind in backends.PYTHON_SCALARS and op.broadcasts:
        beside = any(isinstance(y.data if isinstance(y, Tensor) else y, float) for y in given)
        return backends.asarray(x) if beside else x
    if kind in backends.SPACES and (backends.SPACES[kind] is not backends.NUMPY or x.dtype in backends.PLAIN):
        return x if not op.rules or x.dtype.kind in "fc" else frozen_copy(x)
    try:
        return backends.asarray(x)
    except AutogradError as error:
        error.args = (f"{op.name} can't take this: {error}",)
        raise


def operand(op: Any, x: Any, given: Sequence[Any] = (), place: int = 0) -> Any:
    """`argument` for an operator: ``NotImplemented`` for an unknown type, so that Python asks the other one."""
    try:
        return argument(op, x, given, place)
    except AutogradError:
        if op.name not in ("equal", "not_equal") and (isinstance(x, list | tuple) or hasattr(x, "dtype")):
            raise
        return NotImplemented


def checked(op: Any, params: dict[str, Any]) -> dict[str, Any]:
    """``params`` with a list of axes as a tuple, and a `frozen_copy` of each that can be changed.

    Raises `DTypeError` for an axis that is no whole number, and for a parameter that carries a derivative, or has a
    value for each example, which is lost.
    """
    for name, value in params.items() if LIFTED.used else ():
        if isinstance(value, Tensor) and (level := innermost(value.data)):
            raise DTypeError(
                f"{op.name}: {name} is a value within the function of {level.name}, and a parameter is one number "
                "without a derivative: give one from outside of the function."
            )
    if type(axis := params.get("axis")) is list:
        params = {**params, "axis": tuple(axis)}
    elif type(axis) not in AXES and not op.foreign:
        normalize_axes(axis, 64)  # raises for what is no whole number; the forward knows the range
    return {p: v if type(v) in FIXED else frozen_copy(v) for p, v in params.items()}


def frozen_copy(x: Any) -> Any:
    """A copy of a list, or of an array of indices, labels or conditions, because its owner may change it before a rule
    runs; any other value as it is.
    """
    if type(x) is list:
        return list(x)
    observer = MODE.get().observer
    return x if observer is not None and observer.notices_changes else backends.copy_if_array(x)


def fail(op: Any, error: Exception, given: Sequence[Any], arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    """Raise a forward's error as one of this package, with the names and shapes of the arguments.

    If a tracer could not follow the forward, return its stand-in for the whole operation.
    """
    if LIFTED.used and innermost(params.get("index")) and innermost(arrays) is None:
        return LIFTED.call(op, arrays, params)  # an array can't be indexed by a lifted one
    inputs = tuple([x if op.variadic or isinstance(x, Tensor) else a for x, a in zip(given, arrays, strict=True)])
    if (tracer := getattr(error, "tracer", None)) is not None:
        return tracer.opaque(op, inputs, params)
    if isinstance(error, AutogradError):
        if op.foreign:
            error.add_note(f"The forward of {op.name} or a rule raised it, or its result does not fit.")
        raise error
    names = (f"{op.args[0]}[{i}]" for i in range(len(inputs))) if op.variadic else iter(op.args)
    told = ", ".join(f"{n} = {describe(x)}" for n, x in zip(names, inputs, strict=True) if x is not None)
    options = "".join(f", {k}={shown(v, 200)}" for k, v in params.items() if v is not op.params.get(k))
    kinds = {**backends.OURS, AttributeError: DTypeError}
    raise backends.in_words(f"{op.name} can't take {told or 'no arrays'}{options}", error, kinds) from error


# ---------------------------------------------------------------------------------------------- a user's own operations


def guarded(function: Callable[..., Any], of_rule: bool = False, many: bool = False) -> Callable[..., Any]:
    """A user's own forward or rule with read-only arrays, because they are used elsewhere, too. What it returns, for
    ``many`` arguments several, is made an array; of a rule it may be None.
    """

    def lent(value: Any) -> Any:
        return tuple(map(lent, value)) if isinstance(value, tuple) else backends.read_only(value)

    def checked(found: Any) -> Any:
        known = type(found) in backends.SPACES or isinstance(found, Tensor) or (of_rule and found is None)
        return found if known else backends.asarray(found)

    @wraps(function)
    def guarded(*given: Any, **params: Any) -> Any:
        found = function(*map(lent, given), **params)
        return list(map(checked, found)) if many else checked(found)

    return guarded
