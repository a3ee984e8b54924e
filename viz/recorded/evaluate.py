"""The numbers of a recorded graph as NumPy arrays: the value of every node and leaf, and its gradient.

Training keeps nothing for pictures. The forward is recomputed from the leaves' current values, and gradients come from
the engine's own backward pass over it, so a picture can only show what the engine does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.backends import NUMPY, is_complex, to_numpy
from glassgrad.autograd.engine.backward import unbroadcast
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.autograd.engine.memory import written_at
from glassgrad.autograd.errors import DTypeError
from glassgrad.autograd.readings.levels import Lifted
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.errors import DrawingError

ROUNDING = {"float16": 1e-2, "float32": 1e-5, "float64": 1e-10}  # relative


def host(value: Any) -> np.ndarray:
    """A Tensor, an array of any device or a number as a NumPy array; no gradient is recorded.

    >>> host(ag.Tensor([1.0, 2.0], requires_grad=True))
    array([1., 2.])
    """
    array = value.data if isinstance(value, ag.Tensor) else value
    if isinstance(array, Lifted):
        raise DTypeError(
            f"this graph goes through the function of {array.level.name}, where a value stands for more than one, and "
            "has no picture: draw what is computed, viz.draw_graph(autograd.trace(f, x))."
        )
    return to_numpy(array)


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """A context in which a module is in evaluation mode; every part gets its mode back."""
    parts = list(model.modules()) if callable(getattr(model, "modules", None)) else []
    before = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, mode in zip(parts, before, strict=True):
            part.training = mode


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The result of `evaluate`. Keys are the nodes and the leaf Tensors of the graph.

    ``gradients`` has the total gradient of each node or leaf; ``contributions`` the gradient that a node sends to each
    input, in its shape, None where there is no gradient. Both are empty if no gradient was computed. ``changed``: the
    leaves and constants that were written to after the graph was recorded; ``was``: the value of each output when it
    was recorded, where that is another one.
    """

    graph: ag.Graph
    values: dict[Any, np.ndarray]
    gradients: dict[Any, np.ndarray]
    contributions: dict[Any, tuple[np.ndarray | None, ...]]
    changed: tuple[Any, ...] = ()
    was: dict[Any, np.ndarray] = field(default_factory=dict)
    sizes: dict[Any, float] = field(default_factory=dict)

    def value(self, place: Any) -> np.ndarray:
        """The value of a node or leaf, or of another constant, such as one among a node's inputs."""
        return self.values[place] if hasattr(place, "requires_grad") and place in self.values else host(place)

    def gradient(self, place: Any) -> np.ndarray | None:
        """The gradient of a node or leaf; None for a constant and where there is none."""
        return self.gradients.get(place) if hasattr(place, "requires_grad") else None

    def sent(self, nodes: Iterable[Node], place: Any) -> np.ndarray | None:
        """The gradient that these nodes send to a node or leaf, summed over their uses of it; None if there is none."""
        pairs = (zip(node.inputs, self.contributions.get(node, ()), strict=False) for node in nodes)
        parts = [part for given, part in chain.from_iterable(pairs) if given is place and part is not None]
        return sum(parts[1:], start=parts[0]) if parts else None

    def is_output(self, place: Any) -> bool:
        """Whether a node or leaf is an output of the graph."""
        return any(place is output for output in self.graph.outputs)

    def size(self, place: Any) -> float | None:
        """The root mean square of the gradient of a node or leaf, computed once; None where there is none."""
        array = self.gradient(place)
        if array is None:
            return None
        if place not in self.sizes:
            self.sizes[place] = numbers.root_mean_square(array)
        return self.sizes[place]


def evaluate(
    y: ag.Tensor | Sequence[ag.Tensor], gradients: bool = True, seeds: Sequence[Any] | None = None
) -> Evaluation:
    """All values of the graph that computed ``y`` (one Tensor or several), and, on request, all gradients.

    ``seeds``: the upstream gradient of each ``y``; by default 1, and no gradients if one of ``y`` has more than one
    element.

    Raises `DrawingError` for complex values.

    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> seen = evaluate(y)
    >>> float(seen.value(y.node)), float(seen.gradients[x]), [float(part) for part in seen.contributions[y.node]]
    (9.0, 6.0, [3.0, 3.0])
    """
    # The picture shows values that are not finite; NumPy need not warn about them.
    with np.errstate(all="ignore"):
        ys = [y] if isinstance(y, ag.Tensor) else y
        graph = ag.Graph(*ys)
        changed = changed_leaves(graph)
        fresh = graph.replay()
        if (made := next((place for place, x in fresh.items() if is_complex(x.dtype)), None)) is not None:
            what = f"a complex {'leaf' if made.op is None else f'value, made by {made.op.name}'}"
            raise DrawingError(
                f"this graph has {what}, and pictures and derivations show real numbers: draw what is computed, without"
                " values, viz.draw_graph(autograd.trace(f, x))"
            )
        totals: dict[Any, np.ndarray] = {}
        parts: dict[Any, tuple[np.ndarray | None, ...]] = {}
        ends = [fresh[place] for place in graph.outputs]
        if seeds is None:
            gradients = gradients and all(end.size == 1 for end in ends)
            seeds = [ag.ones_like(end.detach()) for end in ends]
        wanted = [(end, ag.asarray(seed).data) for end, seed in zip(ends, seeds, strict=True) if end.requires_grad]
        if gradients and wanted:
            known = {vertex_of(tensor): place for place, tensor in fresh.items()}
            for node, total, passed in ag.backward_steps(*zip(*wanted, strict=True)):
                place = known[node]
                totals[place] = host(total)
                pairs = zip(passed, node.inputs, strict=False)
                parts[place] = tuple(None if x is None else unbroadcast(NUMPY, host(x), like) for x, like in pairs)
        values = {place: host(tensor) for place, tensor in fresh.items()}
        return Evaluation(graph, values, totals, parts, changed, outdated(graph, ys, values))


def changed_leaves(graph: ag.Graph) -> tuple[Any, ...]:
    """The leaves and constants that were written to, or set to another value, after a node had used them.

    A new value of a leaf is noticed where the node still has the old one, so hardly after ``backward()``.

    >>> w = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> y = ag.sum(w * w)
    >>> w.data -= 0.5
    >>> [place is w for place in changed_leaves(ag.Graph(y))]
    [True]
    """
    found: dict[int, Any] = {}
    for node in graph.nodes:
        if node.op is None:
            continue
        for i, given in enumerate(node.inputs):
            if type(given) is Node or not hasattr(given, "shape"):
                continue
            array = getattr(given, "_data", given)
            kept = node.saved[0 if node.op.variadic else i] if node.saved else None
            kept = kept[i] if node.op.variadic and kept is not None else kept
            if written_at(array) > node.index or not (kept is None or kept is array or equal(kept, array)):
                found[id(given)] = given
    return tuple(found.values())


def outdated(graph: ag.Graph, ys: Any, values: Mapping[Any, np.ndarray]) -> dict[Any, np.ndarray]:
    """The outputs whose recomputed values are not those that they were recorded with, with the latter."""
    found = {}
    for place, y in zip(graph.outputs, ys, strict=True):
        own, value = host(y), values[place]
        rounding = ROUNDING.get(str(value.dtype), 0.0)
        if own.shape != value.shape or not np.allclose(own, value, rounding, 0.0, equal_nan=True):
            found[place] = own
    return found


def equal(a: Any, b: Any) -> bool:
    """Whether two arrays have the same entries, NaN included."""
    a, b = host(a), host(b)
    return np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f")
