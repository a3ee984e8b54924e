"""The calls of modules in a recorded graph as a tree, whose leaves are the operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node

Scope = tuple[tuple[str, str], ...]

TITLES = {
    "relu": "ReLU",
    "leaky_relu": "Leaky ReLU",
    "gelu": "GELU",
    "matmul": "Matrix product",
    "permute_dims": "Transpose",
    "getitem": "Index",
    "cross_entropy": "Cross-entropy",
    "binary_cross_entropy_with_logits": "Binary cross-entropy",
    "squared_error": "Squared error",
    "scan_packed": "Scan",
}
"""Titles of operations, where they are not their names."""


@dataclass(eq=False)
class Call:
    """One call of a module.

    ``scope``: the path and the class of each module around, outermost first, the called one last. ``parts``: its calls
    and its own operations, in the order of execution. ``call``: which call of the module it is. An operation outside of
    the opened modules is a call without a module, in the scope around it.
    """

    scope: Scope
    parts: list[Any]
    call: int = 1
    is_module: bool = True

    @property
    def path(self) -> str | None:
        """The path of the module in its model; None for an operation alone."""
        return self.scope[-1][0] if self.is_module else None

    @property
    def label(self) -> str:
        """The class of the module; of an operation alone, its title."""
        name = str(self.nodes[0].op.name)
        return self.scope[-1][1] if self.is_module else TITLES.get(name) or name.replace("_", " ").capitalize()

    @property
    def calls(self) -> list[Call]:
        """The calls among the parts."""
        return [part for part in self.parts if isinstance(part, Call)]

    @property
    def own(self) -> list[Node]:
        """The operations among the parts."""
        return [part for part in self.parts if isinstance(part, Node)]

    @cached_property
    def nodes(self) -> list[Node]:
        """All operations, in the order of execution."""
        return [node for part in self.parts for node in (part.nodes if isinstance(part, Call) else [part])]

    def opened(self, depth: int | None = None) -> Iterator[Call]:
        """The calls inside, the innermost that are opened, and each operation outside of these alone.

        ``depth``: how many modules are opened one inside the other, not counting a model, whose path is empty.
        """
        for part in self.parts:
            if not isinstance(part, Call):
                yield Call(self.scope, [part], is_module=False)
                continue
            left = None if depth is None else depth - (part.path != "")
            if part.calls and (left is None or left > 0):
                yield from part.opened(left)
            else:
                yield part

    @property
    def layers(self) -> list[Call]:
        """The innermost calls, and each operation outside of these alone; of an innermost call, itself."""
        return [self] if self.is_module and not self.calls else list(self.opened())


def call_tree(nodes: Iterable[Any], depth: int | None = None) -> Call:
    """The calls of modules among recorded operations, in the order of execution, in a call without a module.

    Calls of one module without anything between them are told apart where it calls no other module, or is not opened at
    this ``depth``: elsewhere they may be a loop within one call.
    """
    ordered = sorted((node for node in nodes if node.op is not None), key=lambda node: node.index)
    times = Counter[Any]()

    def parts(scope: Scope, inside: Sequence[Node], left: int | None) -> list[Any]:
        at, found = len(scope), list[Any]()
        for (level, model), run in groupby(inside, lambda n: ((n.scope or ())[at : at + 1], _model(n))):
            own = list(run)
            if not level:
                found += own
                continue
            deeper = None if left is None else left - (level[0][0] != "")
            closed = deeper is not None and deeper <= 0
            innermost = closed or all(len(node.scope or ()) == at + 1 for node in own)
            for one in _consecutive(own, at + 1) if innermost else [own]:
                times[scope + level, model] += 1
                number = times[scope + level, model]
                found.append(Call(scope + level, parts(scope + level, one, None if closed else deeper), number))
        return found

    return Call((), parts((), ordered, depth), is_module=False)


def numbered(labels: Sequence[str]) -> list[str]:
    """Labels with a number, where there are several of one.

    >>> numbered(["Linear", "ReLU", "Linear"])
    ['Linear 1', 'ReLU', 'Linear 2']
    """
    often, seen = Counter(labels), Counter[str]()
    titles = []
    for label in labels:
        seen[label] += 1
        titles.append(f"{label} {seen[label]}" if often[label] > 1 else label)
    return titles


def _model(node: Node) -> int | None:
    """The model that a node was recorded in: its calls have one scope object, two networks of one class have two."""
    return id(node.scope[0]) if node.scope else None


def _consecutive(nodes: list[Node], depth: int) -> list[list[Node]]:
    """The nodes of a module, one list for each of its consecutive calls.

    A call starts where the same operations begin anew with the same parameters. If they all belong to one part of the
    module, only that part was called several times.
    """
    own = [(node.op, node.scope, tuple(map(id, trained(node)))) for node in nodes]
    n = len(nodes)
    period = next((p for p in range(1, n) if n % p == 0 and own == own[:p] * (n // p)), n)
    inner = {(scope or ())[depth : depth + 1] for _, scope, _ in own[:period]}
    if (len(inner) == 1 and inner != {()}) or not any(read for _, _, read in own[:period]):
        return [nodes]
    return [nodes[i : i + period] for i in range(0, n, period)]


def trained(node: Node) -> list[ag.Tensor]:
    """The parameters that an operation reads."""
    return [place for place in node.inputs if isinstance(place, ag.Tensor) and place.requires_grad]


def users_of(nodes: Iterable[Any]) -> dict[Node, list[Node]]:
    """For each node, the nodes that use its value."""
    users: dict[Node, list[Node]] = {}
    for node in nodes:
        for place in node.inputs:
            if isinstance(place, Node):
                users.setdefault(place, []).append(node)
    return users
