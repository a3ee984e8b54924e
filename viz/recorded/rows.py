"""A recorded graph as the rows of a table: groups of operations, their names, and warnings.

The rows come from the graph alone: from the scope that its nodes carry, if any. Nothing is drawn here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.texts import identifier
from glassgrad.viz.recorded.calls import Call, Scope, call_tree, numbered, users_of
from glassgrad.viz.recorded.evaluate import Evaluation, host
from glassgrad.viz.recorded.names import LOOP, LOSSES, Names, fresh, projected

GRID = (-8.0, 8.0, 1601)  # points at which the steepest slope of an activation is searched

VANISHING = 1 / 100  # share of the largest layer's weight gradient
EXPLODING = 100.0  # times the median of the layers' weight gradients,
EXPLODING_FLOOR = 1.0  # and above this rms,
EXPLODING_RMS = 1e3  # or above this rms in any case
SATURATED = 0.5  # share of the outputs of a sigmoid or tanh
NEAR = 0.02  # distance from a limit
LIMITS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
DEAD = 0.5  # share of the units of a ReLU

PARTS = {"q": "Query", "k": "Key", "v": "Value"}  # titles of the parts of an attention's product
VIEWS = ("reshape", "permute_dims", "matrix_transpose", "squeeze", "expand_dims")  # they compute nothing


@dataclass(frozen=True)
class Parameter:
    """A trained array of a row, its short name, and whether an earlier row uses it too."""

    tensor: Any
    name: str
    shared: bool


@dataclass(frozen=True)
class Caution:
    """A warning: a word, and one or two short lines with the number that triggered it."""

    word: str
    lines: tuple[str, ...]


@dataclass
class Row:
    """One row of the table: a call of a module, an operation outside of one, or an input."""

    key: str  # its name in DOT
    title: str
    letter: str  # of its output, as in ∂L/∂z1
    place: Any  # of its output: node, leaf Tensor or constant array
    of: Call = field(default_factory=lambda: Call((), [], is_module=False))
    call: int = 1  # which call of a module with parameters this is
    label: str = ""  # the title without its number
    parameters: tuple[Parameter, ...] = ()
    reads: tuple[str | None, ...] = ()  # the rows that its values come from, None for one that is not shown
    warnings: list[Caution] = field(default_factory=list)

    @property
    def nodes(self) -> list[Node]:
        """The operations; an input has none."""
        return self.of.nodes

    @property
    def path(self) -> str | None:
        """The path of the module; None outside of one."""
        return self.of.path

    @property
    def scope(self) -> Scope:
        """The modules that it was recorded in, outermost first."""
        return self.of.scope

    @property
    def home(self) -> Scope:
        """The modules around it."""
        return self.scope if self.path is None else self.scope[:-1]

    @property
    def rows(self) -> list[Row]:
        """The row itself, as a `Repeat` has several."""
        return [self]

    @property
    def blocks(self) -> tuple[tuple[Row, ...], ...]:
        """The row as one block, as a `Repeat` has several."""
        return ((self,),)

    @property
    def op(self) -> str:
        """The operation that makes its output, apart from turning it; empty for an input."""
        names = [str(node.op.name) for node in self.nodes]
        return next((name for name in reversed(names) if name not in VIEWS), (names or [""])[-1])

    @cached_property
    def weight(self) -> Parameter | None:
        """The largest parameter, which represents all of them."""
        return max(self.parameters, key=lambda p: p.tensor.size, default=None)


@dataclass(frozen=True)
class Link:
    """An edge: the value at `place` is computed by one row and read by another."""

    tail: str
    head: str
    place: Any


# ---------------------------------------------------------------- from nodes to rows


def rows_of(called: Names, depth: int | None = None, closed: bool = False) -> tuple[list[Row], list[Link]]:
    """The rows of a graph with names, in the order of execution, inputs where they are first used, and the links
    between them.

    ``depth``: how deep modules are opened, None for all the way; 1 gives one row for each direct part of the model, 0
    one for the model. ``closed``: the inputs that were given are all inputs of the graph.
    """
    graph, entries = called.graph, called.inputs
    users = users_of(graph.nodes)
    tree = call_tree(graph.nodes, depth)
    calls = _with_views(tree.opened(depth), users)
    labels = [call.label if call.is_module else PARTS.get(projected(call.nodes[0]), call.label) for call in calls]
    keys: set[str] = set()
    rows: list[Row] = []
    links: list[Link] = []
    home: dict[int, Row] = {}  # by the id of a node, leaf or constant
    shown: set[int] = set()

    def row(title: str, letter: str, place: Any, **known: Any) -> Row:
        return Row(fresh(identifier(title), keys), title, letter, place, **known)

    own = belongings(tree)
    origin = {key: given for key, given in called.origins.items() if key not in own}
    for call, label, title in zip(calls, labels, numbered(labels), strict=True):
        nodes = call.nodes
        used: dict[int, tuple[Any, str, Any]] = {}
        for x, role in (use for node in nodes for use in _uses(node, entries)):
            place = origin.get(id(x), x)
            used.setdefault(id(place), (place, role, x))
        hidden = {key for key, (_, role, _) in used.items() if key in own or (closed and role == "input")} - entries
        trained = {key: place for key, (place, role, _) in used.items() if role == "parameter" and key not in hidden}
        parameters = [Parameter(tensor, called[tensor].shown, key in shown) for key, tensor in trained.items()]
        shown |= trained.keys()
        for key, (place, role, x) in used.items():
            if role == "input" and key not in home and key not in hidden:
                name = called.of(place) or called[x].shown
                home[key] = row(name, name, place)
                rows.append(home[key])
        output = _output(nodes, graph, users)
        here = row(title, called[output].shown, output, of=call, label=label, parameters=tuple(parameters))
        here.call = call.call if parameters else 1
        rows.append(here)
        home.update((id(node), here) for node in nodes)
        sources = [key for key, (_, role, _) in used.items() if role != "parameter" and home.get(key) is not here]
        here.reads = tuple(home[key].key if key in home else None for key in sources)
        links += [Link(home[key].key, here.key, used[key][0]) for key in sources if key in home and key not in hidden]
    return rows, links


def _with_views(calls: Iterable[Call], users: Mapping[Node, list[Node]]) -> list[Call]:
    """The calls, an operation outside of modules together with those that only turn its result, or take the results
    out of a loop.
    """
    joined: list[Call] = []
    for call in calls:
        before, first = (joined or [call])[-1], call.nodes[0]
        turns = first.op.name in VIEWS and users.get(before.nodes[-1]) == call.nodes
        taken = before.nodes[0].op.name == LOOP and first.inputs[0] is before.nodes[0]
        if not (before.is_module or call.is_module) and (turns or taken):
            joined[-1] = Call(before.scope, before.nodes + call.nodes, is_module=False)
        else:
            joined.append(call)
    return joined


def belongings(tree: Call) -> set[int]:
    """The ids of arrays that belong to innermost modules and are not parameters or inputs: buffers and masks.

    The graph does not say which arrays these are, so they are recognised:

    - Tensors with a name that begins with the module's path are buffers, and Tensors without a name in the same call
      were computed from them.
    - The vectors of a batch norm that was read from a file are its statistics.
    - Dropout draws a mask, and a loop begins with zeros.
    - An array that is not a Tensor belongs to the module, unless it is the first input of the call.
    """
    found: set[int] = set()
    for scope, call in ((call.scope, call.nodes) for call in tree.opened() if call.is_module):
        given = (place for node in call for place in node.inputs)
        places = [place for place in given if isinstance(place, Node) or getattr(place, "size", 1) > 1]
        leaves = [place for place in places if isinstance(place, ag.Tensor) and not place.requires_grad]
        (path, label), is_norm = scope[-1], scope[-1][1].startswith("BatchNorm")
        buffers = [
            leaf for leaf in leaves
            if (leaf.name and leaf.name.rpartition(".")[0] == path != "") or (is_norm and leaf.ndim == 1)
        ]  # fmt: skip
        arrays = [place for place in places[1:] if not isinstance(place, Node | ag.Tensor)]
        found |= {id(place) for place in buffers + arrays}
        rest = [leaf for leaf in leaves if leaf.name in (None, "mask") and leaf is not places[0]]
        if buffers or label.startswith("Drop"):
            found |= {id(leaf) for leaf in rest}
        if any(node.op.name == "scan_packed" for node in call):
            found |= {id(leaf) for leaf in rest if type(leaf.data) is np.ndarray and not leaf.data.any()}
    return found


def _uses(node: Node, entries: Collection[int]) -> list[tuple[Any, str]]:
    """The inputs of a node that belong to rows, each with its role: "value", "input" or "parameter".

    ``entries``: the ids of leaves that are inputs in any case.
    """
    uses: list[tuple[Any, str]] = []
    op = node.op
    for i, place in enumerate(node.inputs):
        if isinstance(place, Node):
            uses.append((place, "value"))
        elif id(place) in entries:
            uses.append((place, "input"))
        elif op.name == "linear" and place is not None:
            uses.append((place, "parameter" if i and isinstance(place, ag.Tensor) else "input"))
        elif (op.name in LOSSES and i == 1) or not (op.variadic or op.args[i] in op.rules):
            continue  # targets, and values without gradient: indices, masks
        elif getattr(place, "requires_grad", False):
            uses.append((place, "parameter"))
        elif getattr(place, "size", 1) > 1:
            uses.append((place, "input"))
    return uses


def _output(nodes: list[Node], graph: ag.Graph, users: Mapping[Node, list[Node]]) -> Node:
    """The output of a row: the first of the graph's outputs, else its last value that is used outside of it."""
    inside = set(nodes)
    ends: list[Node] = [end for end in graph.outputs if end in inside]
    used = [node for node in nodes if any(user not in inside for user in users.get(node, ()))]
    return [*nodes[-1:], *used, *ends[:1]][-1]


def entries(rows: Iterable[Row]) -> int:
    """The number of entries of the parameters of rows, without those that an earlier row has too."""
    return sum(int(p.tensor.size) for row in rows for p in row.parameters if not p.shared)


def names_of(rows: Iterable[Row]) -> set[str]:
    """The user's names in rows: of values and of modules."""
    return {name for row in rows for name in (row.letter, *(path for path, _ in row.scope)) if name}


# ---------------------------------------------------------------- warnings


def warn(rows: Iterable[Row], seen: Evaluation) -> None:
    """Add to each row the warnings that its numbers trigger."""
    rows = list(rows)
    sizes = {
        row.key: size
        for row in rows
        if row.weight and not row.weight.shared and (size := seen.size(row.weight.tensor)) is not None
    }
    end = next((row.letter for row in rows if seen.is_output(row.place)), "L")
    finite = [size for size in sizes.values() if math.isfinite(size)]
    median = float(np.median(finite)) if finite else 0.0
    limit = min(EXPLODING_RMS, max(EXPLODING * median, EXPLODING_FLOOR)) if median else EXPLODING_RMS
    # Beside a layer that explodes, a healthy one is not vanishing.
    largest = max((size for size in finite if size <= limit), default=0.0)
    for row in rows:
        row.warnings += _not_finite(row, seen, end)
        size = sizes.get(row.key, math.nan)
        if math.isfinite(size):
            if size < VANISHING * largest:
                ratio = f"1/{numbers.short(round(largest / size))}" if size else "0, far below that"
                words = (f"weight gradient is {ratio}", "of the largest layer's")
                row.warnings.append(Caution("VANISHING", words))
            elif size > limit:
                words = ("weight gradient rms is", f"{numbers.rms(size)}, above 1e3")
                if size > EXPLODING * median > 0:
                    words = (f"weight gradient is {numbers.short(size / median)}", "times the layers' median")
                row.warnings.append(Caution("EXPLODING", words))
        for node in row.nodes:
            name = row.letter if node is row.place else node.op.name
            row.warnings += _squashed(node, seen.values[node], name)


def _not_finite(row: Row, seen: Evaluation, end: str) -> list[Caution]:
    arrays = [(row.letter, seen.value(row.place)), (f"∂{end}/∂{row.letter}", seen.gradient(row.place))]
    arrays += [(p.name, seen.values.get(p.tensor)) for p in row.parameters]
    arrays += [(f"∂{end}/∂{p.name}", seen.gradient(p.tensor)) for p in row.parameters]
    lines: list[str] = []
    for name, array in arrays:
        if array is None or array.dtype.kind != "f":
            continue
        counts = {"nan": int(np.isnan(array).sum()), "inf": int(np.isinf(array).sum())}
        lines += [f"{numbers.count(n)} {word} in {name}" for word, n in counts.items() if n]
    more = (f"and {len(lines) - 2} more",) if len(lines) > 3 else ()
    return [Caution("NOT FINITE", (*lines[: 2 if more else 3], *more))] if lines else []


def _squashed(node: Node, value: np.ndarray, name: str) -> list[Caution]:
    if node.op.name in LIMITS and value.size:
        low, high = LIMITS[node.op.name]
        share = float(np.mean((value < low + NEAR) | (value > high - NEAR)))
        if share > SATURATED:
            words = (f"{share:.0%} of {name} within", f"{NEAR:g} of {low:g} or {high:g}")
            return [Caution("SATURATED", words)]
    if node.op.name == "relu" and value.ndim > 1 and value.size:
        axis = _unit_axis(node)
        entries = np.moveaxis(value, axis, -1).reshape(-1, value.shape[axis])
        share = float(np.mean(~entries.any(axis=0)))
        # For one example about half of the units are zero: only several show dead ones.
        if share > DEAD and (len(value) if axis == 1 else len(entries)) > 1:
            dead = f"{share:.0%} of {numbers.count(value.shape[axis])} units are 0"
            return [Caution("DEAD", (dead, "for the whole batch"))]
    return []


def _unit_axis(node: Node) -> int:
    """The axis of an activation's units: behind a convolution that of its channels, else the last."""
    place = node.inputs[0]
    while isinstance(place, Node) and place.op.name not in ("linear", "matmul"):
        if place.op.name in ("conv", "conv_input") and len(place.shape) == len(node.shape):
            return 1
        place = place.inputs[0]
    return -1


def slopes(node: Node, seen: Evaluation) -> tuple[float, float]:
    """The mean slope of an activation at its recorded inputs, and its steepest slope, by the engine's own rule."""

    def slope(array: np.ndarray) -> np.ndarray:
        with ag.enable_grad(), np.errstate(all="ignore"):
            x = ag.Tensor(array, requires_grad=True)
            y = node.op(x, **node.params)
        return host(ag.gradients(y, x, ag.ones_like(y.detach())))

    return float(np.mean(slope(seen.value(node.inputs[0])))), float(np.max(slope(np.linspace(*GRID))))
