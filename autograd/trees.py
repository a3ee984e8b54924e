"""Nested containers: take the leaves out of tuples, lists, dicts, dataclasses and the like, and put others in.

A tree is a container or a leaf; a leaf is anything that is not a container, such as a Tensor, an array or a number.
Containers are tuples, named ones too, lists, dicts, ``OrderedDict``, dataclasses, and classes added with `register`.
They keep their type. ``None`` is a container without leaves.

>>> from glassgrad.autograd import trees
>>> leaves, structure = trees.flatten({"w": [1.0, 2.0], "b": (3.0, None)})
>>> leaves
[1.0, 2.0, 3.0]
>>> trees.unflatten(structure, [10 * leaf for leaf in leaves])
{'w': [10.0, 20.0], 'b': (30.0, None)}
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

from glassgrad.autograd.common.contexts import WATCHED
from glassgrad.autograd.errors import DeclarationError, ShapeError

LEAF = None
"""The structure of a leaf. That of a container is ``(type, data, structures of its children)``."""

Structure = Any

Container = tuple[Callable[[Any], tuple[Iterable[Any], Any]], Callable[[Any, list[Any]], Any]]
"""How instances of a class are flattened, and rebuilt."""


def register(cls: type, flatten: Callable[[Any], Any], unflatten: Callable[[Any, list[Any]], Any]) -> None:
    """Register ``cls`` (without its subclasses) as a container.

    ``flatten(instance)`` returns ``(children, data)``: a sequence of trees, and a hashable value with everything else
    that makes the instance, or None. ``unflatten(data, children)`` makes an instance of these. Raises
    `DeclarationError` for a class that has been registered.

    >>> from glassgrad.autograd import trees
    >>> class Interval:
    ...     def __init__(self, low, high):
    ...         self.low, self.high = low, high
    >>> trees.register(Interval, lambda x: ((x.low, x.high), None), lambda data, ends: Interval(*ends))
    >>> trees.map(abs, Interval(-3, -2)).low
    3
    """
    if cls in _KINDS:
        raise DeclarationError(f"{cls.__name__} is registered as a container already.")
    _KINDS[cls] = flatten, unflatten
    container_of.cache_clear()


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """The leaves of ``tree`` in order, and its structure, which is hashable and equal for trees of one form."""
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of that ``structure`` with these leaves. Raises `ShapeError` where they are too few or too many."""
    given = list(leaves)
    if len(given) != (wanted := count(structure)):
        raise ShapeError(f"{len(given)} leaves for a structure of {wanted}: give one for each.")
    return _unflatten(structure, iter(given))


def flatten_up_to(structure: Structure, tree: Any) -> list[Any]:
    """The subtrees of ``tree`` at the leaves of ``structure``, in order. Raises `ShapeError` where containers differ.

    >>> from glassgrad.autograd import trees
    >>> trees.flatten_up_to(trees.flatten({"w": 1, "b": 2})[1], {"w": [1.0, 2.0], "b": 3.0})
    [[1.0, 2.0], 3.0]
    """
    if structure is LEAF:
        return [tree]
    kind, data, parts = structure
    if kind is dict and isinstance(tree, dict) and tree.keys() == set(data[0]):
        tree = {key: tree[key] for key in data[0]}  # the order of the keys makes no difference
    children, theirs = container_of(kind)[0](tree) if type(tree) is kind else ((), None)
    children = list(children)
    if type(tree) is not kind or theirs != data or len(children) != len(parts):
        found = describe(flatten(tree)[1]) if is_container(tree) else type(tree).__name__
        raise ShapeError(f"a tree of the structure {describe(structure)} is needed; {found} was given.")
    return [leaf for part, child in zip(parts, children, strict=True) for leaf in flatten_up_to(part, child)]


def map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """``tree`` with each leaf replaced by ``function(leaf)``, or by ``function(leaf, other, …)`` with what is in its
    place in ``others``. Raises `ShapeError` where a structure differs.
    """
    leaves, structure = flatten(tree)
    columns = [leaves, *(flatten_up_to(structure, other) for other in others)]
    return _unflatten(structure, iter([function(*row) for row in zip(*columns, strict=True)]))


def leaves(tree: Any) -> list[Any]:
    """The leaves of ``tree``, in order."""
    return flatten(tree)[0]


def count(structure: Structure) -> int:
    """The number of leaves."""
    return 1 if structure is LEAF else sum(count(child) for child in structure[2])


def paths(structure: Structure, prefix: str = "") -> list[str]:
    """For each leaf the expression that reads it: ``prefix``, followed by ``['w'][0]``, ``.bias`` or the like.

    >>> from glassgrad.autograd import trees
    >>> trees.paths(trees.flatten({"w": [1, 2], "b": 3})[1], "params")
    ["params['w'][0]", "params['w'][1]", "params['b']"]
    """
    if structure is LEAF:
        return [prefix]
    kind, data, children = structure
    keys = data[0] if kind in (dict, OrderedDict) else range(len(children))
    ends = [f"[{key!r}]" for key in keys] if kind in _KINDS else [f".{name}" for name in data]
    return list(chain(*(paths(child, prefix + end) for end, child in zip(ends, children, strict=True))))


def describe(structure: Structure) -> str:
    """The structure as text, with a star for each leaf: ``{'w': [*, *], 'b': *}``."""
    return repr(_unflatten(structure, repeat("*"))).replace("'*'", "*")


def is_container(value: Any) -> bool:
    """Whether ``value`` is a container."""
    return container_of(type(value)) is not None


# ----------------------------------------------------------------------------------------------------------- containers


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    kind = type(tree)
    container = _KINDS.get(kind) or container_of(kind)
    if container is None:
        leaves.append(tree)
        return LEAF
    children, data = container[0](tree)
    return kind, data, tuple([_flatten(child, leaves) for child in children])


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure is LEAF:
        return next(leaves)
    kind, data, children = structure
    made = [_unflatten(child, leaves) for child in children]
    return (_KINDS.get(kind) or container_of(kind))[1](data, made)


def _container_of(kind: Any) -> Any:
    """How instances of ``kind`` are flattened and rebuilt; ``None`` if they are leaves. Where it is in no table, the
    data are the names of its attributes.
    """
    if kind not in _KINDS and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return lambda x: (x, kind._fields), lambda names, parts: kind._make(parts)
    if kind not in _KINDS and not issubclass(kind, tuple(WATCHED)) and dataclasses.is_dataclass(kind):
        return _of_dataclass(kind)
    return _KINDS.get(kind)


container_of: Any = lru_cache(maxsize=1024)(_container_of)


def _keyed(kind: Any) -> Container:
    """How a dict is flattened. ``data``: its keys, and their types, because 1, 1.0 and True compare equal."""
    return (
        lambda x: (x.values(), (tuple(x), tuple([type(key) for key in x]))),
        lambda data, parts: kind(zip(data[0], parts, strict=True)),
    )


_KINDS: dict[type, Container] = {
    type(None): (lambda x: ((), None), lambda data, parts: None),
    tuple: (lambda x: (x, None), lambda data, parts: tuple(parts)),
    list: (lambda x: (x, None), lambda data, parts: parts),
    **{kind: _keyed(kind) for kind in (dict, OrderedDict)},
}


def _of_dataclass(kind: Any) -> Container:
    """How a dataclass is flattened: its fields and other attributes. It is rebuilt without its own ``__init__``."""
    fields = [field.name for field in dataclasses.fields(kind)]

    def flatten(x: Any) -> Any:
        names = tuple(name for name in dict.fromkeys([*fields, *getattr(x, "__dict__", ())]) if hasattr(x, name))
        return [getattr(x, name) for name in names], names

    def unflatten(names: Any, parts: list[Any]) -> Any:
        made = object.__new__(kind)
        for name, value in zip(names, parts, strict=True):
            object.__setattr__(made, name, value)  # the class may be frozen, and raise
        return made

    return flatten, unflatten


__all__ = [
    "LEAF", "Structure", "count", "describe", "flatten", "flatten_up_to", "is_container", "leaves", "map", "paths",
    "register", "unflatten",
]  # fmt: skip
