"""Checks and conversions of the arguments and results of operations. The functions that `dispatch` writes call them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.backends.errors import OURS, in_words
from glassgrad.autograd.common.messages import describe, of_type, shown
from glassgrad.autograd.engine.declare.declaration import REQUIRED, Declaration
from glassgrad.autograd.engine.modes import TRACER
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import AutogradError, DeclarationError, DTypeError, ShapeError

__all__ = [
    "AXES", "asked_for", "check_rules", "checked_axis", "checked_gradients", "checked_result", "convert_argument",
    "convert_operand", "fail", "frozen_copy", "mask_of", "read_only", "split_list_call",
]  # fmt: skip

AXES = frozenset({int, tuple, type(None)})
"""The types of parameters that are accepted without a check."""


def convert_argument(x: Any, op: Declaration, *before: Any, behind: tuple[Any, ...] = ()) -> Any:
    """An argument that is neither a Tensor nor an array of numbers, converted. Raises `DTypeError`.

    ``before``, ``behind``: the arguments before and after it. If the operation broadcasts, a Python number beside
    arrays stays one, because an array of its dtype would promote them.
    """
    scalars = backends.PYTHON_SCALARS
    if type(x) in scalars and op.broadcasts and (behind or not before or not all(type(b) in scalars for b in before)):
        # Python's complex treats NumPy's float64 as a float, and returns another Python complex.
        alone = type(x) is complex and any(isinstance(y.data if isinstance(y, Tensor) else y, float) for y in behind)
        return backends.asarray(x) if alone else x
    if type(x) in backends.SPACES and backends.SPACES[type(x)] is not backends.NUMPY:
        return x
    if x is None or isinstance(x, str | bytes | dict | set):
        raise DTypeError(f"{op.name} takes arrays, Tensors and numbers; it was given {shown(x)} ({type(x).__name__}).")
    if isinstance(x, list | tuple) and any(isinstance(item, Tensor) for item in x):
        raise DTypeError(f"{op.name} was given {of_type(x)} of Tensors: make one Tensor of them with autograd.stack.")
    try:
        return backends.asarray(x)
    except AutogradError as error:
        raise type(error)(f"{op.name} can't take this: {error}") from error.__cause__


def convert_operand(x: Any, op: Declaration, *before: Any, behind: tuple[Any, ...] = ()) -> Any:
    """`convert_argument` for an operator: ``NotImplemented`` for an unknown type, so that Python asks the other one.

    ``==`` and ``!=`` never raise; Python then compares identities.
    """
    if isinstance(x, str | bytes):
        return NotImplemented
    try:
        return convert_argument(x, op, *before, behind=behind)
    except DTypeError:
        if op.name not in ("equal", "not_equal") and (isinstance(x, list | tuple) or hasattr(x, "dtype")):
            raise
        return NotImplemented


def split_list_call(op: Declaration, given: tuple[Any, ...], **params: Any) -> tuple[Any, ...]:
    """The arrays and the parameters of a call whose first argument is a list of arrays, as in ``concat([x, y], 0)``:
    parameters may then be given by position.
    """
    arrays, *rest = given
    if not all(isinstance(value, int | str | None) for value in rest):
        return given, *params.values()  # several lists, each of which stands for an array
    if len(rest) > len(params):
        raise DTypeError(
            f"{op.name} takes {len(params)} parameter(s) after its arrays ({', '.join(params) or 'none'}); it was "
            f"given {len(rest)}: {', '.join(map(repr, rest))}."
        )
    return arrays, *rest, *list(params.values())[len(rest) :]


def checked_axis(op: Declaration, axis: Any, dim: Any) -> Any:
    """The axis, given as ``axis`` or ``dim``. Raises `DTypeError` if both or none is given, or if it is not an axis."""
    if dim is not None:
        if axis is not op.params["axis"]:
            raise DTypeError(f"{op.name} was given axis = {shown(axis)} and dim = {shown(dim)}: give only axis.")
        axis = dim
    if axis is REQUIRED:
        raise DTypeError(f"{op.name} needs axis: give the number of an axis.")
    if type(axis) in AXES:
        return axis
    if type(axis) is list:
        return tuple(axis)
    if not isinstance(axis, bool) and hasattr(axis, "__index__") and getattr(axis, "shape", ()) == ():
        return axis
    other = {"max": "; the larger of two values is maximum(x, y)", "min": "; the smaller of two is minimum(x, y)"}
    kind, way = type(axis).__name__, other.get(op.name, "")
    raise DTypeError(f"{op.name}: axis = {describe(axis)} is a {kind}: give the number of an axis{way}.")


def fail(op: Declaration, error: Exception, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Raise a forward's error as one of this package, with the names and shapes of the arguments.

    If a tracer could not follow the forward, return its stand-in for the whole operation.
    """
    if (tracer := getattr(error, "tracer", None)) is not None:
        return tracer.opaque(op, inputs, params)
    if isinstance(error, AutogradError):
        raise error
    names = (f"{op.args[0]}[{i}]" for i in range(len(inputs))) if op.variadic else iter(op.args)
    given = ", ".join(f"{n} = {describe(x)}" for n, x in zip(names, inputs, strict=True) if x is not None)
    options = "".join(f", {k}={shown(v, 200)}" for k, v in params.items() if v is not op.params.get(k))
    kinds = OURS if op.foreign else {**OURS, AttributeError: DTypeError}  # a user's forward may have a bug
    raise in_words(f"{op.name} can't take {given or 'no arrays'}{options}", error, kinds) from error


def checked_result(op: Declaration, out: Any) -> Any:
    """The result of a user's own forward as an array. Raises `DTypeError` if there is none."""
    if type(out) in backends.SPACES:
        return out
    if out is None or isinstance(out, list | tuple):
        raise DTypeError(
            f"the forward of {op.name} returned {type(out).__name__}: an operation has one result, an array."
        )
    return backends.asarray(out)


def check_rules(op: Declaration, out: Any, given: Mapping[str, Sequence[Any]]) -> None:
    """Raise `DeclarationError` where an argument that requires grad has no rule."""
    for arg, values in given.items():
        asked = any(isinstance(x, Tensor) and x.requires_grad for x in values)
        if asked and backends.is_inexact(out.dtype):
            raise DeclarationError(
                f"{op.name} has no rule for {arg}, which requires grad: declare one with {op.name}.vjp({arg}=...), or "
                f"{op.name}.vjp({arg}=None) where it has no derivative."
            )


def mask_of(inputs: Sequence[Any]) -> int:
    """An integer whose bit ``i`` says whether the gradient of input ``i`` is asked for; in linear time."""
    bits = ["1" if isinstance(x, Tensor) and x.requires_grad else "0" for x in reversed(inputs)]
    return int("".join(bits) or "0", 2)


def asked_for(parts: Sequence[Any], bits: str) -> tuple[Any, ...]:
    """The contributions whose bit is ``"1"``, the lowest first, and ``None`` for the others."""
    parts = tuple(parts)
    bits = bits.ljust(len(parts), "0")
    return tuple([part if bit == "1" else None for part, bit in zip(parts, bits, strict=False)])


def read_only(value: Any) -> Any:
    """Read-only views for a user's own forward or rule, because the arrays are used elsewhere, too."""
    return tuple(map(read_only, value)) if isinstance(value, tuple) else backends.read_only(value)


def frozen_copy(x: Any) -> Any:
    """A copy of a list, or of an array of indices, labels or conditions, because its owner may change it before a rule
    runs; any other value as it is.
    """
    if type(x) is list:
        return list(x)
    return x if TRACER.get() is not None else backends.copy_if_array(x)  # a compiled program itself notices a change


def checked_gradients(op: Declaration, parts: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """``parts``, the results of a user's own rules. Raises `DTypeError` for one that is not an array, and `ShapeError`
    unless there are ``count`` of them.
    """
    if len(parts) != count:
        raise ShapeError(
            f"{op.name}: the rule for {op.args[0]!r} returned {len(parts)} gradients for {count} arrays: it must "
            "return one for each."
        )
    for i, part in enumerate(parts):
        if part is not None and not hasattr(part, "shape"):
            raise DTypeError(
                f"{op.name}: the rule for {op.args[0 if op.variadic else i]!r} returned {part!r}: it must return an "
                "array of that argument's shape, or None where no gradient flows."
            )
    return parts
