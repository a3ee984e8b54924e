"""Calls of modules: which operations of a recorded graph belong to one call, and to which model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node

Scope = tuple[tuple[str, str], ...]


@dataclass(eq=False)
class Call:
    """One call of a module: its scope, which is the path and the class of each module around it, outermost first, its
    operations, which call of the module it is, and of which model. The scope of an operation outside is empty.
    """

    scope: Scope
    nodes: list[Node]
    call: int = 1
    model: int = 0
    title: str = ""


def opened(scope: Scope, depth: int | None) -> Scope:
    """The outer part of a scope: the model, whose path is empty, and ``depth`` modules within it.

    >>> opened((("", "Net"), ("blocks.0", "Block"), ("blocks.0.linear", "Linear")), 1)
    (('', 'Net'), ('blocks.0', 'Block'))
    """
    if depth is None or not scope:
        return scope
    return scope[: depth + (scope[0][0] == "")]


def calls_of(nodes: Iterable[Any], depth: int | None = None) -> list[Call]:
    """The calls of modules, opened to ``depth``, in the order of execution; a call of another module divides one."""
    ordered = sorted((node for node in nodes if node.op is not None), key=lambda node: node.index)
    models = _models(ordered)
    times = Counter[Any]()
    found = []
    for (scope, model), run in groupby(ordered, key=lambda node: (opened(node.scope or (), depth), models[node])):
        for call in _consecutive(list(run), len(scope)) if scope else [list(run)]:
            times[scope, model] += 1
            found.append(Call(scope, call, times[scope, model], model))
    return found


def parts_of(nodes: Iterable[Any], depth: int | None = None) -> Iterator[Call]:
    """The calls of the innermost modules that are opened, and every other operation alone."""
    calls = calls_of(nodes, depth)
    around = {call.scope[:outer] for call in calls for outer in range(len(call.scope))}
    for call in calls:
        if call.scope and call.scope not in around:
            yield call
        else:
            yield from (Call((), [node]) for node in call.nodes)


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


def _models(nodes: Sequence[Node]) -> dict[Node, int]:
    """The model of each node, if several have the same scope: two networks of one class, side by side.

    All calls of a module have one scope object, unless the mode changes between them. Two objects for the same path are
    one model if one's parameters are among the other's.
    """
    trained: dict[int, set[int]] = {}
    for node in nodes:
        trained.setdefault(id(_root(node)), set()).update(map(id, _trained(node)))
    known: dict[Any, list[set[int]]] = {}
    number: dict[int, int] = {}
    for root in map(_root, nodes):
        if id(root) not in number:
            own, models = trained[id(root)], known.setdefault(root, [])
            fits = (i for i, model in enumerate(models) if own <= model or model <= own)
            i = number[id(root)] = next(fits, len(models))
            if own and i == len(models):
                models.append(own)
            elif own:
                models[i] |= own
    return {node: number[id(_root(node))] for node in nodes}


def _root(node: Node) -> Any:
    return node.scope[0] if node.scope else ()


def _consecutive(nodes: list[Node], depth: int) -> list[list[Node]]:
    """The nodes of a module, one list for each of its consecutive calls.

    A call starts where the same operations begin anew with the same parameters. If they all belong to one part of the
    module, only that part was called several times.
    """
    own = [(node.op, node.scope, tuple(map(id, _trained(node)))) for node in nodes]
    n = len(nodes)
    period = next((p for p in range(1, n) if n % p == 0 and own == own[:p] * (n // p)), n)
    inner = {(scope or ())[depth : depth + 1] for _, scope, _ in own[:period]}
    if (len(inner) == 1 and inner != {()}) or not any(trained for _, _, trained in own[:period]):
        return [nodes]
    return [nodes[i : i + period] for i in range(0, n, period)]


def _trained(node: Node) -> list[Any]:
    return [place for place in node.inputs if isinstance(place, ag.Tensor) and place.requires_grad]


def users_of(nodes: Iterable[Any]) -> dict[Node, list[Node]]:
    """For each node, the nodes that use its value."""
    users: dict[Node, list[Node]] = {}
    for node in nodes:
        for place in node.inputs:
            if isinstance(place, Node):
                users.setdefault(place, []).append(node)
    return users
