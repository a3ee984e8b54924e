"""A network and an example, as a page takes them: what goes in, its losses, and programs in JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd import trees
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.pages.emitted import Traced, refusals, written
from glassgrad.viz.recorded.evaluate import host
from glassgrad.viz.recorded.validation import numbers_of

WHO = "the page can't follow this network"
Sides = Iterable[tuple[Any, Iterable[tuple[Node, int]]]]


@dataclass(eq=False)
class Network:
    """``model`` with an example ``x`` of one and its ``target``. ``losses(output, y)`` are the losses, in one row."""

    model: Callable[[Any], Any]
    x: np.ndarray
    target: np.ndarray
    loss: Callable[[Any, Any], Any] | None
    given: ag.Tensor
    output: ag.Tensor
    graph: ag.Graph
    memory: dict[str, ag.Tensor] = field(default_factory=dict)
    """The parameters of the graph by name, in order."""

    def record(self, x: Any) -> ag.Tensor:
        """The output for ``x``, recorded from it on."""
        return first(self.model(_recorded(x)))

    @cached_property
    def is_causal(self) -> bool:
        """Whether no loss depends on a later token, so that a text may end earlier or go on."""
        other = self.x.copy()
        other[0, -1] = 0 if other[0, -1] else 1
        outputs = self.output, first(self.model(ag.Tensor(other)))
        one, another = (host(self.losses(output, self.inputs[1]))[:-1] for output in outputs)
        return bool(np.allclose(one, another, rtol=1e-4, atol=1e-5))

    def losses(self, output: Any, y: Any) -> Any:
        """The losses of an output: cross-entropy of each row of logits, or what ``loss`` gives."""
        if self.loss is not None:
            return ag.reshape(self.loss(output, y), (-1,))
        rows = ag.reshape(output, (-1, output.shape[-1]))
        return ag.cross_entropy(rows, ag.reshape(y, (-1,)), reduction="none")

    @property
    def inputs(self) -> tuple[ag.Tensor, ag.Tensor]:
        """The example and its target in float64, where they are floats."""
        x, target = (v.astype("float64" if v.dtype.kind == "f" else "int64") for v in (self.x, self.target))
        return ag.Tensor(x, name="x"), ag.Tensor(target, name="target")

    @property
    def leaves(self) -> list[Any]:
        """The leaves of the graph, without the example."""
        return [leaf for leaf in self.graph.nodes if leaf.op is None and leaf is not self.given]

    def held(self, leaf: ag.Tensor) -> list[int]:
        """The rows of a table that the example reads past their gradient, as that of a padding token."""
        rows: set[int] = set()
        for node in self.graph.nodes:
            if node.op is not None and node.op.name == "where":
                mask, _, read = node.inputs
                if isinstance(read, Node) and read.op.name == "take" and read.inputs[0] is leaf:
                    rows |= set(host(read.inputs[1])[host(mask)[..., 0]].tolist())
        return sorted(rows)

    def scripts(self, functions: Mapping[str, Traced]) -> tuple[str, dict[str, Any]]:
        """Functions of Tensors as programs in JavaScript, the arrays of their states, and which are parameters."""
        made = written(WHO, functions, self.leaves)
        parameters = [
            {"name": name, "state": made.names[leaf], "shape": list(map(int, leaf.shape)), "held": self.held(leaf)}
            for name, leaf in self.memory.items()
            if leaf in made.names
        ]
        return made.script, {"states": made.states, "parameters": parameters}


def read(model: Any, example: Any, target: Any, loss: Callable[[Any, Any], Any] | None) -> Network:
    """The network of ``model`` and an example. Raises `DrawingError` for one that gives no losses."""
    x = numbers_of(example, "example")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise DrawingError("the example has numbers that are not finite: give one of finite numbers")
    if x.dtype.kind not in "fiu":
        raise DrawingError(f"the example is of {x.dtype}: give tokens as integers, or floats")
    if x.dtype.kind in "iu" and x.ndim == 1:
        x = x[None]
    if target is None and x.dtype.kind in "iu" and x.ndim == 2 and x.shape[1] > 1:
        x, target = x[:, :-1], x[:, 1:]
    if x.ndim < 2 or len(x) != 1:
        raise DrawingError(
            f"the example has shape {numbers.shape(x.shape)}, and a page follows one: give x[:1], whose first axis is 1"
        )
    given = _recorded(ag.Tensor(x, name="x"))
    with refusals(WHO):
        output = first(model(given))
    if output.node is None:
        raise DrawingError(f"{WHO}: the model recorded no operation; give a module, or a function of a Tensor")
    graph = ag.Graph(output)
    named: dict[str, Any] = dict(getattr(model, "named_parameters", dict)())
    names = {id(p): name for name, p in named.items()}
    memory: dict[str, ag.Tensor] = {}
    for leaf in graph.nodes:
        if leaf.op is None and leaf.requires_grad and leaf is not given:
            memory.setdefault(str(names.get(id(leaf)) or leaf.name or f"parameter {len(memory) + 1}"), leaf)
    if target is None:
        target = np.argmax(host(output), -1)
    found = Network(model, x, np.asarray(numbers_of(target, "target")), loss, given, output, graph, memory)
    if loss is None:
        y, classes = found.target, int(output.shape[-1]) if output.shape else 1
        rows, shape = int(output.size) // max(classes, 1), numbers.shape(output.shape)
        if classes < 2:
            raise DrawingError(
                f"an output of shape {shape} has no classes: give loss=, a function of output and target"
            )
        if y.size != rows or y.dtype.kind not in "iu" or not 0 <= y.min() <= y.max() < classes:
            raise DrawingError(
                f"target of shape {numbers.shape(y.shape)} has no class for each of the {rows} rows of an output of"
                f" shape {shape}: give integers from 0 to {classes - 1}, or loss=, a function of output and target"
            )
    return found


def edges_of(sides: Sides, change: Callable[[Any, Any], Any]) -> dict[Any, Any]:
    """Functions for `Graph.replay`: the edges that belong to a key carry one value, ``change(key, value)``."""
    met: dict[Any, Any] = {}

    def changed(key: Any, value: Any) -> Any:
        if key not in met:
            met[key] = change(key, value)
        return met[key]

    return {edge: partial(changed, key) for key, edges in sides for edge in edges}


def rerun(graph: ag.Graph, reads: Iterable[tuple[Node, int]], end: Any, start: Any) -> Any:
    """The value of ``end`` where the edges ``reads`` carry ``start``."""
    return graph.replay({edge: lambda _: start for edge in reads})[end]


def _recorded(x: Any) -> Any:
    """``x``, with everything computed from it recorded: two readers of an input read the same one."""
    return x.detach().requires_grad_() if x.dtype.kind == "f" else x


def first(result: Any) -> ag.Tensor:
    """The first Tensor of a result, which may be a tuple or a dict."""
    found = [leaf for leaf in trees.flatten(result)[0] if isinstance(leaf, ag.Tensor)]
    if not found:
        raise DrawingError(f"{WHO}: the model gives no Tensor; give one whose first result is the output")
    return found[0]
