"""The residual structure of a recorded graph: the line that blocks read and add to, the blocks, and their heads.

Only the graph is read: a residual sum is a sum of a value and of something that was computed from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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
        size = 1
        for side in self.softmax.shape[:-2]:
            size *= int(side)
        return size


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
    found: list[Block] = []
    for node in graph.nodes:
        if node.op is None or node.op.name != "add" or not all(below.has(x) for x in node.inputs):
            continue
        one, other = node.inputs
        if one is other or one.shape != other.shape:
            continue
        block = None
        for side, (line, end) in enumerate(((one, other), (other, one))):
            if below.contains(end, line):
                block = below.block(node, line, end, ((node, side),))
        block = block or below.split(node)
        if block is not None:
            found.append(block)
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

    def between(self, end: Any, fork: Any) -> list[Any]:
        """The vertices that ``end`` depends on and ``fork`` does not, and that depend on the fork."""
        left = self.sets[end] & ~self.sets[fork]
        found = []
        while left:
            low = left & -left
            vertex = self.nodes[low.bit_length() - 1]
            if self.contains(vertex, fork):
                found.append(vertex)
            left ^= low
        return found

    def block(self, add: Node, fork: Any, end: Any, shortcut: tuple[Edge, ...]) -> Block | None:
        """The block that ends in ``end``; None where it has no weight, as the cube in an approximation of GELU."""
        nodes = self.between(end, fork)
        if not any(_has_weight(node) for node in nodes):
            return None
        return Block(fork, add, tuple(nodes), tuple(edges_to(fork, nodes)), shortcut)

    def split(self, add: Node) -> Block | None:
        """The block of a sum of two sides with a common fork, whose shorter side is a shortcut that computes."""
        one, other = add.inputs
        common = self.sets[one] & self.sets[other]
        common &= sum(1 << self.place[v] for v in self.nodes if common >> self.place[v] & 1 and isinstance(v, Node))
        if not common:
            return None
        fork = self.nodes[common.bit_length() - 1]
        sides = sorted((self.between(end, fork) for end in (one, other)), key=len)
        inside = {fork, *sides[0], *sides[1]}
        known = self.sets[fork]
        for node in inside - {fork}:
            given = [x for x in node.inputs if isinstance(x, Node) and x not in inside]
            if any(known >> self.place[x] & 1 for x in given):
                return None
        if not sides[0] or len(sides[0]) > LONGEST_SHORTCUT or len(sides[0]) >= len(sides[1]):
            return None
        end = one if self.between(one, fork) == sides[1] else other
        return self.block(add, fork, end, tuple(edges_to(fork, sides[0])))


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
