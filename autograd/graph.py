"""The graph: what was computed from what, without the numbers.

A `Node` stands for one recorded operation and the value it made; it holds no data but what a rule asked to be saved.
The graph's leaves are the Tensors themselves (parameters and inputs), and constants stand in it as they were given.
Each node carries the number of its creation, so that sorting by it *is* the topological order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from autograd.errors import DTypeError
from autograd.modes import MODE, Mode
from autograd.shapes import Shape


class Node:
    """One recorded operation: ``op`` applied to ``inputs`` with ``params``.

    ``inputs`` has one entry per argument of the operation: a `Node` for an intermediate value, a leaf Tensor, or a
    constant (array, number) as it was given. ``mask`` has bit i set where input i needs a gradient; ``saved`` is what
    the rules asked for, in the order of ``op.saves``, or ``None`` once it was released. ``uneven`` says whether a
    gradient may have to be summed or cast to fit its input. ``index`` counts creations.
    """

    __slots__ = (
        "op", "inputs", "params", "saved", "shape", "dtype", "index", "mask", "uneven", "name", "scope", "hooks",
        "origin",
    )  # fmt: skip

    op: Any
    inputs: tuple[Any, ...]
    params: dict[str, Any]
    saved: tuple[Any, ...] | None
    shape: Shape
    dtype: Any
    index: int
    mask: int
    uneven: bool
    name: str | None
    scope: tuple[tuple[str, str], ...] | None
    hooks: list[Any] | None
    origin: str | None

    requires_grad = True

    def __repr__(self) -> str:
        return f"Node({self.op.name}, shape={self.shape}{f', name={self.name!r}' if self.name else ''})"


stamp: Callable[[], int] = itertools.count(1).__next__
"""The clock of the graph: one tick per recorded operation and per change of a leaf's value, so that comparing two
numbers tells whether a leaf was changed after an operation had read it."""


_created = attrgetter("index")


def reachable(places: Iterable[Any]) -> list[Node]:
    """Every `Node` that the given places were computed from, themselves included, the last created first."""
    found = [place for place in dict.fromkeys(places) if type(place) is Node]
    seen = set(found)
    for node in found:  # grows while it is read
        for place in node.inputs:
            if type(place) is Node and place not in seen:
                seen.add(place)
                found.append(place)
    found.sort(key=_created, reverse=True)
    return found


def places_of(outputs: Iterable[Any], who: str) -> list[Any]:
    """The places of ``outputs``. Raises `DTypeError` for what is no Tensor and no node."""
    try:
        given = list(outputs)
    except TypeError:
        given = [outputs]
    for y in given:
        if type(y) is not Node and not hasattr(y, "node"):
            raise DTypeError(f"{who} takes Tensors, one by one or several, and was given a {type(y).__name__}.")
    return [place_of(y) for y in given]


def place_of(value: Any) -> Any:
    """Where a Tensor stands in the graph: its `Node`, or the Tensor itself where it is a leaf. Constants stay."""
    return getattr(value, "node", None) or value


class Graph:
    """The graph that computed ``outputs``, to be read, drawn or run again.

    ``nodes`` lists every recorded operation (`Node`) and every leaf Tensor in topological order, inputs first; a leaf
    has ``op`` None and ``inputs`` ``()``. ``outputs`` are the places of the given Tensors.

    >>> import autograd as ag
    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> graph = ag.Graph(x * x + x)
    >>> [node.op.name if node.op else node.name for node in graph.nodes]
    ['x', 'multiply', 'add']
    """

    def __init__(self, *outputs: Any) -> None:
        self.outputs: tuple[Any, ...] = tuple(places_of(outputs, "Graph"))
        nodes: dict[Any, None] = {}
        for node in reversed(reachable(self.outputs)):
            for place in node.inputs:
                if hasattr(place, "node"):
                    nodes[place] = None
            nodes[node] = None
        for place in self.outputs:
            nodes[place] = None
        self.nodes: list[Any] = list(nodes)

    def replay(self) -> dict[Any, Any]:
        """The forward computed again from the leaves' present values and recorded afresh.

        Returns the Tensor of every place, leaves standing for themselves. Training keeps no values for pictures and
        checks: they come from here.

        >>> import autograd as ag
        >>> x = ag.Tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> float(ag.Graph(y).replay()[y.node].data)
        9.0
        """
        values: dict[Any, Any] = {}
        token = MODE.set(Mode(True, None, MODE.get().anomaly))
        try:
            for place in self.nodes:
                if place.op is None:
                    values[place] = place
                    continue
                inputs = [values[p] if hasattr(p, "requires_grad") else p for p in place.inputs]
                value = values[place] = place.op.apply(*inputs, **place.params)
                if value.node is not None:
                    value.node.name, value.node.scope = place.name, place.scope
        finally:
            MODE.reset(token)
        return values

    def __repr__(self) -> str:
        leaves = sum(node.op is None for node in self.nodes)
        return f"Graph({len(self.nodes) - leaves} operations, {leaves} leaves)"
