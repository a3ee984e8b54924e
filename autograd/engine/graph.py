"""The graph of recorded operations.

A `Node` is one recorded operation and its result. It holds no data but the arrays saved for its rules. A vertex of the
graph is a node or a leaf, and a leaf is the Tensor itself (a parameter, an input, a constant). Constant arrays and
numbers stay among the inputs as they are. Nodes are numbered as they are created, and sorting by that number gives a
topological order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.engine.modes import enable_grad
from glassgrad.autograd.errors import DeclarationError, DTypeError


class Node:
    """One recorded operation: ``op`` applied to ``inputs`` with ``params``.

    ``inputs`` has one entry per argument of the operation: a `Node` for an intermediate value, a leaf Tensor, or a
    constant (array, number) as it was given. ``mask`` has bit i set where input i needs a gradient; ``saved`` has the
    array of each argument and the result, or ``None`` where no rule needs it, and is ``None`` after it was released.
    ``uneven`` says whether a gradient may have to be summed or cast to fit its input, which two numbers of one dtype
    never need. ``index`` numbers the nodes in order of creation.
    """

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

    __slots__ = tuple(__annotations__)
    requires_grad = True

    def __repr__(self) -> str:
        return f"Node({self.op.name}, shape={self.shape}{f', name={self.name!r}' if self.name else ''})"


stamp: Callable[[], int] = itertools.count(1).__next__
"""The clock of the graph: one tick per recorded operation and per write in place, so that two numbers tell whether an
array was written to after an operation had saved it."""


_created = attrgetter("index")


def reachable(vertices: Iterable[Any]) -> list[Node]:
    """All nodes that the given vertices depend on, including themselves, the last created first."""
    seen = {vertex for vertex in vertices if type(vertex) is Node}
    found = list(seen)
    add, append = seen.add, found.append
    for node in found:  # grows while it is read
        for vertex in node.inputs:
            if type(vertex) is Node and vertex not in seen:
                add(vertex)
                append(vertex)
    found.sort(key=_created, reverse=True)
    return found


def vertex_of(value: Any) -> Any:
    """The vertex of a Tensor: its `Node`, or the Tensor itself if it is a leaf."""
    return getattr(value, "node", None) or value


def vertices_of(outputs: Any, who: str) -> list[Any]:
    """The vertices of ``outputs``. Raises `DTypeError` for anything but Tensors and nodes."""
    given = outputs if type(outputs) in (list, tuple) else [outputs]
    try:
        return [y if type(y) is Node else y.node or y for y in given]
    except AttributeError:
        wrong = next(y for y in given if type(y) is not Node and not hasattr(y, "node"))
        raise DTypeError(f"{who} takes Tensors, one by one or several, and was given {of_type(wrong)}.") from None


class Graph:
    """The graph that computed ``outputs``, to be read, drawn or run again.

    ``nodes`` lists every recorded operation (`Node`) and every leaf Tensor in topological order, inputs first; a leaf
    has ``op`` None and ``inputs`` ``()``. ``outputs`` are the vertices of the given Tensors.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> graph = ag.Graph(x * x + x)
    >>> [node.op.name if node.op else node.name for node in graph.nodes]
    ['x', 'multiply', 'add']
    """

    def __init__(self, *outputs: Any) -> None:
        self.outputs: tuple[Any, ...] = tuple(vertices_of(outputs, "Graph"))
        nodes: dict[Any, None] = {}
        for node in reversed(reachable(self.outputs)):
            nodes.update({vertex: None for vertex in node.inputs if hasattr(vertex, "node")})
            nodes[node] = None
        self.nodes: list[Any] = list(nodes | dict.fromkeys(self.outputs))

    def replay(self, edges: Mapping[tuple[Node, int], Callable[[Any], Any]] | None = None) -> dict[Any, Any]:
        """Compute the forward again from the leaves' present values.

        Returns a dict from each vertex to its newly recorded Tensor; a leaf is mapped to itself. Pictures and checks
        get their values here, so that training need not keep them. ``edges``: functions of a value on its way into an
        operation, by the node of the operation and the position of the input.

        >>> from glassgrad import autograd as ag
        >>> x = ag.Tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> float(ag.Graph(y).replay()[y.node].data)
        9.0
        >>> float(ag.Graph(y).replay({(y.node, 1): lambda value: value + 1.0})[y.node].data)
        12.0

        Raises `DeclarationError` for an edge that is not in the graph.
        """
        functions = dict(edges or {})
        values: dict[Any, Any] = {}
        with enable_grad():
            for vertex in self.nodes:
                if vertex.op is None:
                    values[vertex] = vertex
                    continue
                given = [values[v] if hasattr(v, "requires_grad") else v for v in vertex.inputs]
                for i in [i for i in range(len(given)) if (vertex, i) in functions]:
                    given[i] = functions.pop((vertex, i))(given[i])
                value = values[vertex] = vertex.op.apply(*given, **vertex.params)
                if value.node is not None:
                    value.node.name, value.node.scope = vertex.name, vertex.scope
        if functions:
            raise DeclarationError(f"{next(iter(functions))} is no edge: give a node and the position of an input.")
        return values

    def __repr__(self) -> str:
        leaves = sum(node.op is None for node in self.nodes)
        return f"Graph({len(self.nodes) - leaves} operations, {leaves} leaves)"
