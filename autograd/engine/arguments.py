"""The arguments of a call: bound to their names, and converted to arrays; and what a user's own operation returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, Protocol, TypeAlias

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import describe, of_type, shown
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


def binder(op: Any, listed: bool = False) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    """A function with the signature of an operation, which returns the arrays and all parameters of a call;
    with ``dtype=`` the result and None.

    ``listed``: any number of arrays are one argument, a list, and parameters may follow it by position.
    """
    many = op.variadic and not listed
    aliases = {} if op.foreign else {theirs: ours for theirs, ours in ALIASES.items() if ours in op.params}
    required = {p for p, default in op.params.items() if default is REQUIRED} - {*aliases.values()}
    parts = [f"*{op.args[0]}"] if many else [f"{arg}=None" if arg in op.optional else arg for arg in op.args]
    named = many
    for p in op.params:
        if p in required and not named and "=" in parts[-1]:  # Python allows it by name only
            parts, named = [*parts, "*"], True
        parts.append(p if p in required else f"{p}=params[{p!r}]")
    values = {p: p for p in op.params}
    for theirs, ours in aliases.items():
        once = f"{theirs} is None and {ours} is not _required"
        values[ours] = f"{ours} if {once} else _either({ours!r}, {ours}, {theirs!r}, {theirs})"
    others = [f"{name}=None" for name in (*aliases, *["dtype"] * op.casts)]
    parts += ["*"] * bool(others and not named) + others
    arrays = f"tuple({op.args[0]})" if listed else op.args[0] if many else f"({', '.join(op.args)},)"
    found = f"{arrays}, {{{', '.join(f'{p!r}: {value}' for p, value in values.items())}}}"
    if op.casts:
        found = f"({found}) if dtype is None else (_in_dtype(dtype, {found}), None)"
    known = {"params": op.params, "_required": REQUIRED, "_either": partial(either, op)}
    known["_in_dtype"] = partial(in_dtype, op)
    bind = eval(f"lambda {', '.join(parts)}: ({found})", known)
    bind.__name__ = bind.__qualname__ = op.name  # for Python's own errors
    return bind  # type: ignore[no-any-return]


def binder_of_many(op: Any) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    """`binder` for an operation of any number of arrays, which may be given one by one or as a list."""
    single, listed = binder(op), binder(op, listed=True)

    @wraps(single)
    def bind(*given: Any, **params: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        lists = [x for x in given if isinstance(x, list | tuple) or hasattr(x, "shape")]
        # Several lists stand for an array each.
        return (listed if given and isinstance(given[0], list | tuple) and len(lists) == 1 else single)(
            *given, **params
        )

    return bind


def either(op: Any, ours: str, value: Any, theirs: str, other: Any) -> Any:
    """The value that a parameter was given by PyTorch's name. Raises `DTypeError` if it has another one by ours."""
    if other is None:
        raise TypeError(f"{op.name}() missing 1 required argument: {ours!r}")
    if value is not op.params[ours] and value is not other:
        both = f"{ours} = {shown(value)} and {theirs} = {shown(other)}"
        raise DTypeError(f"{op.name} was given {both}: give only {ours}.")
    return other


def in_dtype(op: Any, dtype: Any, given: Sequence[Any], params: dict[str, Any]) -> Any:
    """The result of a call with ``dtype=``: the first array is cast to it, and so is the result, because sums of small
    integers are large ones.
    """
    out = op(TENSORS.astype(given[0], dtype), *given[1:], **params)
    return out if out.dtype == dtype else TENSORS.astype(out, dtype)


def argument(op: Any, x: Any, before: Sequence[Any] = (), behind: Sequence[Any] = ()) -> Any:
    """An argument that is not a Tensor as an array. Raises `DTypeError`.

    ``before``, ``behind``: the arguments before and after it. If the operation broadcasts, a Python number beside
    arrays stays one, because an array of its dtype would promote them.
    """
    kind, scalars = type(x), backends.PYTHON_SCALARS
    if x is None and op.optional and op.args[len(before)] in op.optional:
        return None
    if kind in scalars and op.broadcasts and (behind or not before or not all(type(b) in scalars for b in before)):
        # Python's complex treats NumPy's float64 as a float, and returns another Python complex.
        alone = kind is complex and any(isinstance(y.data if isinstance(y, Tensor) else y, float) for y in behind)
        return backends.asarray(x) if alone else x
    if kind in backends.SPACES and (backends.SPACES[kind] is not backends.NUMPY or x.dtype in backends.PLAIN):
        return x if not op.saves or x.dtype.kind in "fc" else frozen_copy(x)
    if x is None or isinstance(x, str | bytes | dict | set):
        raise DTypeError(f"{op.name} takes arrays, Tensors and numbers; it was given {shown(x)} ({kind.__name__}).")
    if isinstance(x, list | tuple) and any(isinstance(item, Tensor) for item in x):
        raise DTypeError(f"{op.name} was given {of_type(x)} of Tensors: make one Tensor of them with autograd.stack.")
    try:
        return backends.asarray(x)
    except AutogradError as error:
        error.args = (f"{op.name} can't take this: {error}",)
        raise


def operand(op: Any, x: Any, before: Sequence[Any] = (), behind: Sequence[Any] = ()) -> Any:
    """`argument` for an operator: ``NotImplemented`` for an unknown type, so that Python asks the other one.

    ``==`` and ``!=`` never raise; Python then compares identities.
    """
    if isinstance(x, str | bytes):
        return NotImplemented
    try:
        return argument(op, x, before, behind)
    except DTypeError:
        if op.name not in ("equal", "not_equal") and (isinstance(x, list | tuple) or hasattr(x, "dtype")):
            raise
        return NotImplemented


def checked_axis(op: Any, axis: Any) -> Any:
    """The axis; a list as a tuple. Raises `DTypeError` for what is none."""
    if type(axis) is list:
        return tuple(axis)
    if not isinstance(axis, bool) and hasattr(axis, "__index__") and getattr(axis, "shape", ()) == ():
        return axis
    other = {"max": "; the larger of two values is maximum(x, y)", "min": "; the smaller of two is minimum(x, y)"}
    kind, way = type(axis).__name__, other.get(op.name, "")
    raise DTypeError(f"{op.name}: axis = {describe(axis)} is a {kind}: give the number of an axis{way}.")


def check_parameters(op: Any, params: dict[str, Any]) -> None:
    """Raise `DTypeError` for a parameter that carries a derivative, or has a value for each example, which is lost."""
    for name, value in params.items():
        if isinstance(value, Tensor) and (level := innermost(value.data)):
            raise DTypeError(
                f"{op.name}: {name} is a value within the function of {level.name}, and a parameter is one number "
                "without a derivative: give one from outside of the function."
            )


def frozen(params: dict[str, Any]) -> dict[str, Any]:
    """``params`` with a `frozen_copy` of each that can be changed."""
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
        raise error
    if op.foreign and isinstance(error, TypeError) and LIFTED.used and (level := innermost(arrays)):
        raise DTypeError(
            f"{op.name} can't be computed within the function of {level.name}: {error}. Its forward has to call the "
            "functions of xp in place of NumPy's."
        ) from error
    names = (f"{op.args[0]}[{i}]" for i in range(len(inputs))) if op.variadic else iter(op.args)
    told = ", ".join(f"{n} = {describe(x)}" for n, x in zip(names, inputs, strict=True) if x is not None)
    options = "".join(f", {k}={shown(v, 200)}" for k, v in params.items() if v is not op.params.get(k))
    kinds: dict[type, type[Exception]] = {**backends.OURS}
    if not op.foreign:  # else it may be a bug of the user's forward
        kinds[AttributeError] = DTypeError
    raise backends.in_words(f"{op.name} can't take {told or 'no arrays'}{options}", error, kinds) from error


# ---------------------------------------------------------------------------------------------- a user's own operations


def read_only(value: Any) -> Any:
    """Read-only views for a user's own forward or rule, because the arrays are used elsewhere, too."""
    return tuple(map(read_only, value)) if isinstance(value, tuple) else backends.read_only(value)


def checked_result(op: Any, out: Any) -> Any:
    """The result of a user's own forward as an array. Raises `DTypeError` if there is none."""
    if type(out) in backends.SPACES:
        return out
    if out is None or isinstance(out, list | tuple):
        raise DTypeError(
            f"the forward of {op.name} returned {type(out).__name__}: an operation has one result, an array."
        )
    return backends.asarray(out)


def checked_gradient(op: Any, arg: str, found: Any) -> Any:
    """What a user's own rule returned. Raises `DTypeError` for anything but an array, or several of several arrays."""
    for part in found if op.variadic else (found,):
        if part is not None and not hasattr(part, "shape"):
            raise DTypeError(
                f"{op.name}: the rule for {arg!r} returned {part!r}: it must return an array of that argument's shape, "
                "or None where no gradient flows."
            )
    return found
