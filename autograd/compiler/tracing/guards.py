"""Guards: the Python values, besides the arguments, that a trace depends on. They are checked at each call.

A guard reads one location (a variable, an attribute, the items of a container) and compares by identity. It runs no
user code, and does not use ``==`` of values, by which ``1``, ``1.0`` and ``True`` are equal, NaN is not, and arrays are
ambiguous.
"""

from __future__ import annotations

from keyword import iskeyword
from operator import is_
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy

from glassgrad.autograd.common.contexts import OPTIONS

MISSING = object()
"""Stands for the value of a missing attribute or item."""

UNWATCHED = ("_mode", "_made", "_path", "_training", "_buffers", "_listed")
"""Internal attributes of a module."""

DICTS = (dict, MappingProxyType)


SHORT = 64
"""Up to this many items of a container are compared one by one, which is faster."""

PLAIN = (bool, int, float, complex, str, bytes, numpy.generic, numpy.dtype)


class Guard(NamedTuple):
    """The condition that ``holder``, a dict or an object, has ``value`` under ``key``.

    ``name``: the place, for messages.
    """

    holder: Any
    key: Any
    value: Any
    name: str

    def now(self) -> Any:
        """The value that is there now."""
        if isinstance(self.holder, DICTS):
            return self.holder.get(self.key, MISSING)
        try:
            return getattr(self.holder, self.key, MISSING)
        except ValueError:  # of the cell of a variable that has no value yet
            return MISSING

    def names(self, number: int) -> dict[str, Any]:
        """The names in `source` besides those of `SCOPE`."""
        return {f"holder_{number}": self.holder, f"value_{number}": self.value}

    def source(self, number: int) -> str:
        """An expression that is true while the guard holds. It raises `KeyError` or `AttributeError` if the place no
        longer exists.
        """
        place = self._place(f"holder_{number}")
        return f"{place} is {self.value if isinstance(self.value, bool) else f'value_{number}'}"

    def _place(self, holder: str) -> str:
        """The expression for the value that is there now."""
        if isinstance(self.holder, DICTS):
            return f"{holder}.get({self.key!r}, MISSING)" if self.value is MISSING else f"{holder}[{self.key!r}]"
        if self.value is MISSING or not self.key.isidentifier() or iskeyword(self.key):
            return f"getattr({holder}, {self.key!r}, MISSING)"
        return f"{holder}.{self.key}"


class Items(Guard):
    """The items of a list, dict, set or deque: its keys, if it has any, and its values."""

    @classmethod
    def of(cls, container: Any, name: str) -> Items:
        """The guard of the present items of ``container``."""
        return cls(container, True, _items_of(container), name)

    def now(self) -> Any:
        """The items that are there now."""
        return _items_of(self.holder)

    def names(self, number: int) -> dict[str, Any]:
        """The names in `source` besides those of `SCOPE`."""
        parts = {f"part_{number}_{i}": part for i, part in enumerate(self.value)}
        return super().names(number) | (parts if len(parts) <= 2 * SHORT else {})

    def source(self, number: int) -> str:
        """An expression that is true while the items are the same objects."""
        holder, value, part = f"holder_{number}", f"value_{number}", f"part_{number}"
        if isinstance(self.holder, set):
            return f"{holder} == {value}"
        is_dict = isinstance(self.holder, DICTS)
        count = len(self.value) >> is_dict
        first = count * is_dict  # after the keys
        if count > SHORT:
            same = [f"all(map(is_, {holder}{'.values()' * is_dict}, {value}[{first}:]))"]
        else:
            places = [i for i in range(count) if self.value[first + i] is not MISSING]
            same = [f"{holder}[{f'{part}_{i}' if is_dict else i}] is {part}_{first + i}" for i in places]
        return " and ".join([f"len({holder}) == {count}", *same])


class Content(Guard):
    """The shape, dtype and flags of an array, and its numbers if ``key`` is true."""

    @classmethod
    def of(cls, array: Any, name: str, numbers: bool = True) -> Content:
        """The guard of the present content of ``array``."""
        return cls(array, numbers, content_of(array, numbers), name)

    def now(self) -> Any:
        """The content that is there now."""
        return content_of(self.holder, self.key)

    def source(self, number: int) -> str:
        """An expression that is true while the content is the same."""
        return f"content_of(holder_{number}, {self.key}) == value_{number}"


def content_of(array: Any, numbers: bool = True) -> Any:
    """Shape, dtype, writability and bytes of a NumPy array."""
    return array.shape, array.dtype, array.flags.writeable, array.tobytes() if numbers else b""


def _items_of(container: Any) -> Any:
    if type(container) in OPTIONS:  # a learning rate is read at each call
        rates = [MISSING if key == "lr" and type(x) is float else x for key, x in container.items()]
        return *container, *rates
    if isinstance(container, DICTS):
        return *container, *container.values()
    return frozenset(container) if isinstance(container, set) else tuple(container)


def alike(x: Any, y: Any) -> bool:
    """Whether two objects are the same object or equal plain values (same type; zeros of the same sign)."""
    if x is y:
        return True
    if type(x) is not type(y):
        return False
    if isinstance(x, tuple):
        return len(x) == len(y) and all(map(alike, x, y))
    if isinstance(x, frozenset | bytes):
        return bool(x == y)
    return (type(x) in PLAIN or isinstance(x, numpy.generic | numpy.dtype)) and repr(x) == repr(y)


SCOPE = {"MISSING": MISSING, "is_": is_, "alike": alike, "content_of": content_of}
"""The names in expressions of guards besides their holders and values."""
