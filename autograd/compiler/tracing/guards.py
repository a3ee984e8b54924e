"""Guards: the Python values, besides the arguments, that a trace depends on. They are checked at each call.

A guard reads one location (a variable, an attribute, the items of a container) and compares by identity. It runs no
user code, and does not use ``==`` of values, by which ``1``, ``1.0`` and ``True`` are equal, NaN is not, and arrays are
ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterator
from keyword import iskeyword
from operator import is_
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy

from glassgrad.autograd.common.contexts import OPTIONS
from glassgrad.autograd.engine.tensor import Tensor

MISSING = object()
"""Stands for the value of a missing attribute or item."""

UNWATCHED = ("_mode", "_made", "_path", "_training", "_buffers", "_listed")
"""Internal attributes of a module."""

DICTS = (dict, MappingProxyType)


SHORT = 64
"""Up to this many items of a container are compared one by one, which is faster."""

PLAIN = (bool, int, float, complex, str, bytes, numpy.generic)


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

    def holds(self) -> bool:
        """Whether the value is that of the trace, or a plain value that is bitwise equal."""
        return alike(self.now(), self.value)

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
    """The items of a list, dict, set or deque: its keys, if it has any, and its values. Where ``key`` is false, as for
    what an optimizer keeps, the order of the keys does not count.
    """

    @classmethod
    def of(cls, container: Any, name: str, ordered: bool = True) -> Items:
        """The guard of the present items of ``container``."""
        return cls(container, ordered, _items_of(container), name)

    def now(self) -> Any:
        """The items that are there now."""
        return _items_of(self.holder)

    def holds(self) -> bool:
        """Whether the items are those of the trace, in the same order."""
        now = self.now()
        if isinstance(now, frozenset):
            return now == self.value  # type: ignore[no-any-return]
        return len(now) == len(self.value) and all(map(alike, now, self.value))

    def names(self, number: int) -> dict[str, Any]:
        """The names in `source` besides those of `SCOPE`."""
        parts = {f"part_{number}_{i}": part for i, part in enumerate(self.value)}
        return super().names(number) | (parts if len(self.holder) <= SHORT else {})

    def source(self, number: int) -> str:
        """An expression that is true while the items are the same objects."""
        holder, value, part, count = f"holder_{number}", f"value_{number}", f"part_{number}", len(self.holder)
        if isinstance(self.holder, set):
            return f"{holder} == {value}"
        is_dict = isinstance(self.holder, DICTS)
        if count > SHORT:
            values = f"{holder}.values(), {value}[{count}:]" if is_dict else f"{holder}, {value}"
            same = [f"all(map(is_, {values}))"]
        elif is_dict:
            same = [f"{holder}[{part}_{i}] is {part}_{count + i}" for i in range(count)]
        else:
            same = [f"{holder}[{i}] is {part}_{i}" for i in range(count)]
        if is_dict and self.key and count:
            same.insert(0, f"all(map(is_, {holder}, {value}))")
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

    def holds(self) -> bool:
        """Whether the content is that of the trace."""
        return self.now() == self.value  # type: ignore[no-any-return]

    def source(self, number: int) -> str:
        """An expression that is true while the content is the same."""
        return f"content_of(holder_{number}, {self.key}) == value_{number}"


def content_of(array: Any, numbers: bool = True) -> Any:
    """Shape, dtype, writability and bytes of a NumPy array."""
    return array.shape, array.dtype, array.flags.writeable, array.tobytes() if numbers else b""


def _items_of(container: Any) -> Any:
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
    return (type(x) in PLAIN or isinstance(x, numpy.generic)) and repr(x) == repr(y)


SCOPE = {"MISSING": MISSING, "is_": is_, "alike": alike, "content_of": content_of}
"""The names in expressions of guards besides their holders and values."""


def within(value: Any, name: str) -> Iterator[Guard]:
    """Guards for what an attribute of an optimizer contains, down to the Tensors. Of a group only the parameters count:
    an option has a guard of its own once it is read.
    """
    if type(value) in OPTIONS:
        params = dict.get(value, "params")
        yield Guard(value, "params", params, f"{name}['params']")
        yield from within(params, f"{name}['params']")
    elif isinstance(value, list | dict):
        yield Items.of(value, name, False)
        for key, item in [*value.items()] if isinstance(value, dict) else enumerate(value):
            yield from within(item, f"{name}[{key.name if isinstance(key, Tensor) else key!r}]")
