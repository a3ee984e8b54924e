"""Argument validation with typed errors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterable
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from glassgrad.autograd.common.messages import brief, of_type
from glassgrad.autograd.errors import DomainError, DTypeError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def refused(value: Any, name: str, wanted: str) -> DTypeError:
    """The error for an argument of a wrong type: says what was given, and to give ``wanted``."""
    found = "is None" if value is None else f"= {brief(value)} is {of_type(value)}"
    return DTypeError(f"{name} {found}: give {wanted}.")


def check_instance(value: Any, kind: type[T], name: str, wanted: str) -> T:
    """``value``, if it is an instance of ``kind``; else raises `DTypeError`."""
    if not isinstance(value, kind):
        raise refused(value, name, wanted)
    return value


def check_function(value: Any, name: str, wanted: str) -> Callable[..., Any]:
    """``value``, if it is callable; else raises `DTypeError`."""
    if not callable(value):
        raise refused(value, name, wanted)
    return value  # type: ignore[no-any-return]


def real(value: Any, name: str) -> float:
    """``value`` as a float, which may be infinite or NaN. Raises `DTypeError` if it is not a number."""
    try:
        return float(value if not isinstance(value, str | bytes) else None)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise refused(value, name, "a number") from None


def number(value: Any, name: str, low: float = -math.inf, high: float = math.inf) -> float:
    """``value`` as a float. Raises `DTypeError` if it is not a number, `DomainError` if it is not finite or not from
    ``low`` to ``high``.
    """
    found = real(value, name)
    if not (math.isfinite(found) and low <= found <= high):
        below = f" from {low:g}" if low > -math.inf else " up" * (high < math.inf)
        above = f" to {high:g}" if high < math.inf else ""
        raise DomainError(f"{name} = {value!r} is out of range: give a finite number{below}{above}.")
    return found


def whole(value: Any, name: str, least: int = 1) -> int:
    """``value`` as an integer. Raises `DTypeError` if it is not one, `DomainError` if it is below ``least``."""
    try:
        found = operator.index(value)
    except TypeError:
        raise refused(value, name, "a whole number") from None
    if found < least:
        raise DomainError(f"{name} = {found}: give a number of at least {least}.")
    return found


def wholes(values: Any, name: str, least: int = 1) -> tuple[int, ...]:
    """``values`` as integers. Raises `DTypeError` for anything but several, `DomainError` if one is below ``least``."""
    if not isinstance(values, Iterable):
        raise refused(values, name, "a list of whole numbers")
    return tuple(whole(n, f"{name}[{i}]", least) for i, n in enumerate(values))


def choice(value: Any, name: str, options: Collection[Any]) -> Any:
    """``value``, if it is one of ``options``, names or numbers. Raises `DomainError` for anything else."""
    if not isinstance(value, str | int) or value not in options:
        *others, last = map(repr, options)
        raise DomainError(f"{name} = {brief(value)}: choose {', '.join(others)} or {last}.")
    return value


def flag(value: Any, name: str) -> bool:
    """``value``, as a boolean, if it is ``True`` or ``False``, or 1 or 0. Raises `DomainError` for anything else."""
    return bool(choice(value, name, (True, False)))


def pair(value: Any, name: str) -> tuple[int, int]:
    """``value`` as (height, width). Raises `DTypeError` for anything but two integers, `DomainError` below 1."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise refused(value, name, "(height, width)")
    return whole(value[0], f"{name}[0]"), whole(value[1], f"{name}[1]")


def as_path(value: Any, name: str = "path") -> Path:
    """``value`` as a path. Raises `DTypeError` if it is not one, `DomainError` if it names no file."""
    if not isinstance(value, str | PathLike):
        raise refused(value, name, "the name of a file")
    found = Path(value)
    if not found.name or "\0" in found.name:
        raise DomainError(f"{name} = {str(value)!r} names no file.")
    return found
