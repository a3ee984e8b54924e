"""The residual structure of a recorded graph: the line that blocks read and add to, the blocks, and their heads.

Only the graph is read: a residual sum is a sum of a value and of something that was computed from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.recorded.calls import users_of

Edge = tuple[Node, int]
PRODUCTS = ("matmul", "linear", "conv", "einsum")
LONGEST_SHORTCUT = 12  # operations of a shortcut that computes, such as a convolution and a normalization


@dataclass(frozen=True)
class Heads:
    """Attention within a block: ``softmax`` has a matrix (queries, keys) for each head, and ``weights``, the same after
    a mask or dropout, goes into ``mixed``, the product with the values.
    """

    softmax: Node
    weights: Node
    mixed: Node

    @property
    def count(self) -> int:
        """The number of heads, for one example."""
        return math.prod(map(int, self.softmax.shape[:-2]))


@dataclass(frozen=True)
class Block:
    """A block beside the line: it reads ``fork`` by the edges ``reads``, and ``add`` adds its result to the line.

    ``shortcut``: the edges by which the line itself goes on from the fork. ``nodes``: the operations of the block.
    """

    fork: Any
    add: Node
    nodes: tuple[Node, ...]
    reads: tuple[Edge, ...]
    shortcut: tuple[Edge, ...]
    heads: tuple[Heads, ...] = field(default=())


def blocks_of(graph: ag.Graph) -> list[Block]:
    """The blocks beside the line of a graph, in order; those within another block are left out.

    >>> x = ag.Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    >>> w = ag.Tensor([[3.0, 4.0], [5.0, 6.0]], requires_grad=True, name="w")
    >>> [len(block.nodes) for block in blocks_of(ag.Graph(x + ag.tanh(x @ w)))]
    [2]
    """
    below = _Below(graph)
    sums = [node for node in graph.nodes if node.op is not None and node.op.name == "add"]
    found = [block for block in map(below.block, sums) if block is not None]
    inside = [set(block.nodes) for block in found]
    outer = [b for b in found if not any(b.add in nodes for nodes in inside)]
    return [_with_heads(block) for block in outer]


class _Below:
    """What each vertex of a graph was computed from, as the bits of an integer."""

    def __init__(self, graph: ag.Graph) -> None:
        self.nodes = graph.nodes
        self.place = {vertex: i for i, vertex in enumerate(graph.nodes)}
        self.sets: dict[Any, int] = {}
        for vertex, i in self.place.items():
            known = 1 << i
            for x in vertex.inputs:
                if self.has(x):
                    known |= self.sets[x]
            self.sets[vertex] = known

    def has(self, x: Any) -> bool:
        return hasattr(x, "requires_grad") and x in self.place

    def contains(self, end: Any, vertex: Any) -> bool:
        return bool(self.sets[end] >> self.place[vertex] & 1)

    def among(self, bits: int) -> Iterator[Any]:
        """Iterate over the vertices of a set, in order."""
        while bits:
            low = bits & -bits
            yield self.nodes[low.bit_length() - 1]
            bits ^= low

    def between(self, end: Any, fork: Any) -> list[Any]:
        """The vertices that ``end`` depends on and ``fork`` does not, and that depend on the fork."""
        left = self.sets[end] & ~self.sets[fork]
        return [vertex for vertex in self.among(left) if self.contains(vertex, fork)]

    def block(self, add: Node) -> Block | None:
        """The block of a sum of two sides with a common fork, of which the shorter is the line, or a shortcut that
        computes.

        None where the other side has no weight, as the cube in an approximation of GELU.
        """
        one, other = add.inputs
        if not (self.has(one) and self.has(other)) or one is other or one.shape != other.shape:
            return None
        common = self.among(self.sets[one] & self.sets[other])
        forks = [vertex for vertex in common if isinstance(vertex, Node) or vertex is one or vertex is other]
        if not forks:
            return None
        fork = forks[-1]
        shortcut, nodes = sorted((self.between(end, fork) for end in add.inputs), key=len)
        if shortcut:
            inside = {fork, *shortcut, *nodes}
            given = chain.from_iterable(node.inputs for node in inside if node is not fork)
            skips = any(isinstance(x, Node) and x not in inside and self.contains(fork, x) for x in given)
            if skips or not len(shortcut) < min(LONGEST_SHORTCUT + 1, len(nodes)):
                return None
        if not any(map(_has_weight, nodes)):
            return None
        return Block(fork, add, tuple(nodes), tuple(edges_to(fork, nodes)), tuple(edges_to(fork, shortcut or [add])))


def edges_to(value: Any, nodes: Iterable[Any]) -> list[Edge]:
    """The edges by which these nodes read a value."""
    return [(node, i) for node in nodes for i, x in enumerate(node.inputs) if x is value]


def _has_weight(node: Node) -> bool:
    """Whether an operation reads a matrix that is a leaf with a gradient, directly or transposed."""
    for x in node.inputs:
        source = x
        while isinstance(source, Node) and len(source.inputs) == 1:
            source = source.inputs[0]
        if isinstance(source, ag.Tensor) and source.requires_grad and len(source.shape) > 1:
            return True
    return False


def _with_heads(block: Block) -> Block:
    users = users_of(block.nodes)
    found = []
    for node in block.nodes:
        if node.op.name != "softmax" or len(node.shape) < 3:
            continue
        weights: Node = node
        mixed: Node | None = None
        for _ in range(8):
            readers = users.get(weights, [])
            mixed = next((n for n in readers if n.op.name in PRODUCTS), None)
            if mixed is not None or not readers:
                break
            weights = readers[0]
        if mixed is not None:
            found.append(Heads(node, weights, mixed))
    return Block(block.fork, block.add, block.nodes, block.reads, block.shortcut, tuple(found))
