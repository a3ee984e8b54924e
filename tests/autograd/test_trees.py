"""Nested containers are taken apart and put together with their types, keys and attributes."""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict
from typing import Any, NamedTuple

import pytest

from glassgrad import nn
from glassgrad.autograd import trees
from glassgrad.autograd.errors import DeclarationError


class Point(NamedTuple):
    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True)
class Frozen:
    rate: Any
    name: str = "a"


@dataclasses.dataclass(slots=True)
class Slotted:
    inner: Frozen
    rest: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Derived:
    size: int
    half: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.half = self.size / 2
        self.more = "more"


TREES: dict[str, Any] = {
    "a leaf": 3.0,
    "none": None,
    "empty": ((), [], {}),
    "nested": {"w": [1, (2, {"b": None})], 3: 4},
    "a named tuple": Point([1], Point(2)),
    "ordered": OrderedDict(b=1, a=2),
    "a frozen dataclass": Frozen(0.1),
    "a dataclass of slots": Slotted(Frozen(1), [2, 3]),
    "a dataclass with more attributes": Derived(5),
}


@pytest.mark.parametrize("name", TREES)
def test_flatten_and_unflatten_are_inverse(name: str) -> None:
    tree = TREES[name]
    leaves, structure = trees.flatten(tree)
    again = trees.unflatten(structure, leaves)
    assert type(again) is type(tree)
    assert again == tree
    assert getattr(again, "__dict__", None) == getattr(tree, "__dict__", None)
    assert not any(map(trees.is_container, leaves))
    assert len(leaves) == trees.count(structure) == len(trees.paths(structure))
    assert hash(structure) == hash(trees.flatten(again)[1])
    assert structure == trees.flatten(again)[1]
    assert name == "a leaf" or again is not tree or tree is None


@pytest.mark.parametrize(("a", "b"), [({1: 0}, {True: 0}), ([1], (1,)), ({"a": 1}, {"b": 1}), (None, [])])
def test_structures_tell_trees_apart(a: Any, b: Any) -> None:
    assert trees.flatten(a)[1] != trees.flatten(b)[1]


def test_paths_are_expressions() -> None:
    tree = {"layers": [Point(1, 2), Frozen(3)], 7: Slotted(Frozen(4), [5])}
    structure = trees.flatten(tree)[1]
    for path, leaf in zip(trees.paths(structure, "tree"), trees.leaves(tree), strict=True):
        assert eval(path, {"tree": tree}) == leaf
    assert trees.describe(trees.flatten({"w": [1, 2], "b": None})[1]) == "{'w': [*, *], 'b': None}"


def test_map_takes_trees_of_one_structure() -> None:
    assert trees.map(lambda x, y: x + y, Point(1, [2]), Point(10, [20])) == Point(11, [22])


def test_other_classes_are_leaves() -> None:
    """Subclasses of dict and list may have code and attributes of their own, and a set has no order."""
    counter = Counter("abca")
    assert trees.leaves([counter, {3}]) == [counter, {3}]


def test_modules_are_leaves() -> None:
    @dataclasses.dataclass(eq=False)
    class Layer(nn.Module):
        size: int

    layer = Layer(3)
    assert trees.flatten([layer])[0] == [layer]


def test_a_class_is_registered_once() -> None:
    class Pair:
        def __init__(self, *parts: Any) -> None:
            self.parts = parts

    assert trees.flatten(Pair(1, 2))[0] != [1, 2]
    trees.register(Pair, lambda x: (x.parts, None), lambda data, parts: Pair(*parts))
    leaves, structure = trees.flatten([Pair(1, Pair(2))])
    assert leaves == [1, 2]
    assert trees.unflatten(structure, [3, 4])[0].parts[1].parts == (4,)
    with pytest.raises(DeclarationError, match="Pair is registered as a container already"):
        trees.register(Pair, lambda x: (x.parts, None), lambda data, parts: Pair(*parts))
