"""Nested containers: take the leaves out of tuples, lists, dicts, dataclasses and the like, and put others in.

A tree is a container or a leaf; a leaf is anything that is not a container, such as a Tensor, an array or a number.
Containers are tuples, lists, dicts, sets, ``deque``, ``SimpleNamespace``, dataclasses, their subclasses (named tuples,
ordered dicts, ``defaultdict``), and classes added with `register`. They keep their type and attributes. ``None`` is a
container without leaves.

>>> from glassgrad.autograd import trees
>>> leaves, structure = trees.flatten({"w": [1.0, 2.0], "b": (3.0, None)})
>>> leaves
[1.0, 2.0, 3.0]
>>> trees.unflatten(structure, [10 * leaf for leaf in leaves])
{'w': [10.0, 20.0], 'b': (30.0, None)}
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from glassgrad.autograd.common.tracing import WATCHED
from glassgrad.autograd.errors import DeclarationError, ShapeError

LEAF = None
"""The structure of a leaf. That of a container is ``(type, data, structures of its children)``."""

Structure = Any


class Container(NamedTuple):
    """How instances of a class are flattened and rebuilt."""

    flatten: Callable[[Any], tuple[Iterable[Any], Any]]
    unflatten: Callable[[Any, list[Any]], Any]
    path: Callable[[Any, int], str] = lambda data, i: f"[{i}]"


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
    if not isinstance(cls, type):
        raise DeclarationError(f"register takes a class; it was given {cls!r}.")
    if cls in _KINDS:
        raise DeclarationError(f"{cls.__name__} is registered as a container already.")
    _KINDS[cls] = Container(flatten, unflatten)
    container_of.cache_clear()


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Structure]:
    """The leaves of ``tree`` in order, and its structure, which is hashable and equal for trees of one form.

    ``is_leaf(subtree)``: whether to treat a subtree as a leaf. Raises `ShapeError` for a container that is inside
    itself.
    """
    leaves: list[Any] = []
    try:
        return leaves, _flatten(tree, leaves, is_leaf)
    except RecursionError:
        raise ShapeError(
            f"this {type(tree).__name__} can't be flattened: it is nested too deeply, or contains itself."
        ) from None


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
    if kind is dict and isinstance(tree, dict) and tree.keys() == set(_names(data)):
        tree = {key: tree[key] for key in _names(data)}  # the order of the keys makes no difference
    children, theirs = container_of(kind).flatten(tree) if type(tree) is kind else ((), None)
    children = list(children)
    if type(tree) is not kind or theirs != data or len(children) != len(parts):
        found = describe(flatten(tree)[1]) if is_container(tree) else type(tree).__name__
        raise ShapeError(f"a tree of the structure {describe(structure)} is needed; {found} was given.")
    return [leaf for part, child in zip(parts, children, strict=True) for leaf in flatten_up_to(part, child)]


def map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """``tree`` with each leaf replaced by ``function(leaf)``, or by ``function(leaf, other, …)`` with the leaves of
    trees of the same structure. Raises `ShapeError` where a structure differs.
    """
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in others:
        more, theirs = flatten(other)
        if theirs != structure:
            raise ShapeError(f"the trees have different structures: {describe(structure)} and {describe(theirs)}.")
        columns.append(more)
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
    path = container_of(kind).path
    return [p for i, child in enumerate(children) for p in paths(child, prefix + path(data, i))]


def describe(structure: Structure) -> str:
    """The structure as text: ``dict(w=list(*, *), b=*)``."""
    if structure is LEAF:
        return "*"
    kind, data, children = structure
    if kind is type(None):
        return "None"
    path = container_of(kind).path
    parts = [(path(data, i).strip("[].'"), describe(child)) for i, child in enumerate(children)]
    return f"{kind.__name__}({', '.join(part if name.isdigit() else f'{name}={part}' for name, part in parts)})"


def is_container(value: Any) -> bool:
    """Whether ``value`` is a container."""
    return container_of(type(value)) is not None


# ----------------------------------------------------------------------------------------------------------- containers


def _flatten(tree: Any, leaves: list[Any], is_leaf: Callable[[Any], bool] | None) -> Structure:
    kind = type(tree)
    container = _KINDS.get(kind) or container_of(kind)
    if container is None or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return LEAF
    children, data = container.flatten(tree)
    return kind, data, tuple([_flatten(child, leaves, is_leaf) for child in children])


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure is LEAF:
        return next(leaves)
    kind, data, children = structure
    made = [_unflatten(child, leaves) for child in children]
    return (_KINDS.get(kind) or container_of(kind)).unflatten(data, made)


def _container_of(kind: Any) -> Any:
    """How instances of ``kind`` are flattened; ``None`` if they are leaves."""
    found = _KINDS.get(kind)
    if found is not None:
        return found
    if hasattr(kind, "__dataclass_fields__"):
        return None if issubclass(kind, tuple(WATCHED)) else _attributes_of(kind)
    base = next((cls for cls in kind.__mro__ if cls in _BASES), None)
    return None if base is None else _subclass_of(base, kind)


container_of: Any = lru_cache(maxsize=1024)(_container_of)


def _keys(keys: Iterable[Any]) -> Any:
    """The keys of a dict; with their types unless all are strings, because 1, 1.0 and True compare equal."""
    found = tuple(keys)
    kinds = tuple([type(key) for key in found])
    return found if all([kind is str for kind in kinds]) else (_Typed(found, kinds))  # noqa: C419  (faster)


class _Typed(NamedTuple):
    keys: tuple[Any, ...]
    kinds: tuple[type, ...]


def _names(data: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = data.keys if type(data) is _Typed else data
    return found


def _item(data: Any, i: int) -> str:
    return f"[{_names(data)[i]!r}]"


def _attribute(names: tuple[str, ...], i: int) -> str:
    return f".{names[i]}"


def _pairs(data: Any, values: list[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(_names(data), values, strict=True)


_KINDS: dict[type, Container] = {
    type(None): Container(lambda x: ((), None), lambda data, parts: None),
    tuple: Container(lambda x: (x, None), lambda data, parts: tuple(parts)),
    list: Container(lambda x: (x, None), lambda data, parts: parts),
    dict: Container(lambda x: (x.values(), _keys(x)), lambda data, parts: dict(_pairs(data, parts)), _item),
    OrderedDict: Container(
        lambda x: (x.values(), _keys(x)), lambda data, parts: OrderedDict(_pairs(data, parts)), _item
    ),
    defaultdict: Container(
        lambda x: (x.values(), (_keys(x), x.default_factory)),
        lambda data, parts: defaultdict(data[1], _pairs(data[0], parts)),
        lambda data, i: _item(data[0], i),
    ),
    deque: Container(lambda x: (x, x.maxlen), lambda data, parts: deque(parts, data)),
    set: Container(lambda x: (x, None), lambda data, parts: set(parts)),
    frozenset: Container(lambda x: (x, None), lambda data, parts: frozenset(parts)),
    SimpleNamespace: Container(
        lambda x: (vars(x).values(), tuple(vars(x))),
        lambda data, parts: SimpleNamespace(**dict(_pairs(data, parts))),
        _attribute,
    ),
}
_BASES: dict[type, Callable[..., Any]] = {
    OrderedDict: OrderedDict.__init__,
    defaultdict: lambda made, items: defaultdict.__init__(made, items.default_factory, items),
    dict: dict.__init__,
    list: list.__init__,
    deque: lambda made, items: deque.__init__(made, items, items.maxlen),
    set: set.__init__,
    tuple: lambda made, items: None,
    frozenset: lambda made, items: None,
}
"""The classes whose subclasses are containers, too, each with a function that puts items into an instance without
calling the subclass's methods."""


def _own_attributes(x: Any) -> dict[str, Any]:
    return getattr(x, "__dict__", {})


def _with_attributes(made: Any, names: tuple[str, ...], values: list[Any]) -> Any:
    for name, value in zip(names, values, strict=True):
        object.__setattr__(made, name, value)  # the class may be frozen, and raise
    return made


def _attributes_of(kind: Any) -> Container:
    """How a dataclass is flattened: its fields and any other attributes. It is rebuilt without ``__init__``."""

    def flatten(x: Any) -> Any:
        fields = [field.name for field in dataclasses.fields(x) if hasattr(x, field.name)]
        names = tuple(dict.fromkeys([*fields, *_own_attributes(x)]))
        return [getattr(x, name) for name in names], names

    return Container(flatten, lambda names, parts: _with_attributes(object.__new__(kind), names, parts), _attribute)


def _subclass_of(base: type, kind: Any) -> Container:
    """How a subclass of ``base`` is flattened: its items, followed by its attributes."""
    plain = _KINDS[base]

    def flatten(x: Any) -> Any:
        items, data = plain.flatten(x)
        own = _own_attributes(x)
        items = list(items)
        return [*items, *own.values()], (data, len(items), tuple(own))

    def unflatten(data: Any, parts: list[Any]) -> Any:
        inner, length, names = data
        items = plain.unflatten(inner, parts[:length])
        new: Any = base.__new__
        made = new(kind, items) if base in (tuple, frozenset) else new(kind)
        _BASES[base](made, items)
        return _with_attributes(made, names, parts[length:])

    def path(data: Any, i: int) -> str:
        inner, length, names = data
        if i >= length:
            return f".{names[i - length]}"
        fields = getattr(kind, "_fields", ())
        return f".{fields[i]}" if i < len(fields) else plain.path(inner, i)

    return Container(flatten, unflatten, path)


__all__ = [
    "LEAF", "Structure", "count", "describe", "flatten", "flatten_up_to", "is_container", "leaves", "map", "paths",
    "register", "unflatten",
]  # fmt: skip
