"""The numbers of a recorded graph, as NumPy arrays: the value at every place and the gradient that arrives there.

Training keeps nothing for pictures. The forward is computed again from the leaves' present values, and the backward is
the engine's own walk over that fresh recording, so a picture can only show what the engine does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd as ag
from autograd.backends import to_numpy
from autograd.graph import place_of
from autograd.shapes import broadcast_axes


def host(value: Any) -> np.ndarray:
    """A Tensor, an array of any device or a number as a NumPy array; no gradient is recorded.

    >>> host(ag.Tensor([1.0, 2.0], requires_grad=True))
    array([1., 2.])
    """
    return to_numpy(value.data if isinstance(value, ag.Tensor) else value)


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `evaluate` found. The keys are the places of the graph: its nodes and its leaf Tensors.

    ``gradients`` has the total that arrives at a place, ``contributions`` what a node passes on: one entry per input,
    in the input's shape, None where nothing flows. Both are empty when no gradient was computed.
    """

    graph: ag.Graph
    values: dict[Any, np.ndarray]
    gradients: dict[Any, np.ndarray]
    contributions: dict[Any, tuple[np.ndarray | None, ...]]

    def value(self, place: Any) -> np.ndarray:
        """The value at a place, or of a constant as it stands in a node's inputs."""
        return self.values[place] if hasattr(place, "requires_grad") else host(place)

    def gradient(self, place: Any) -> np.ndarray | None:
        """The gradient that arrives at a place; None for a constant and where none arrives."""
        return self.gradients.get(place) if hasattr(place, "requires_grad") else None

    def __repr__(self) -> str:
        return f"Evaluation({self.graph!r}, {'with' if self.gradients else 'without'} gradients)"


def evaluate(
    y: ag.Tensor | Sequence[ag.Tensor], gradients: bool = True, seeds: Sequence[Any] | None = None
) -> Evaluation:
    """Values at every place of the graph that computed ``y`` (one Tensor or several), and, if wanted, gradients.

    ``seeds``: the gradients that arrive at each ``y``; without them 1 each, and no gradients where one of ``y`` has
    more than one element.

    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> seen = evaluate(y)
    >>> float(seen.value(y.node)), float(seen.gradients[x]), [float(part) for part in seen.contributions[y.node]]
    (9.0, 6.0, [3.0, 3.0])
    """
    # What is not finite is for the picture to show: no warnings of NumPy's about it.
    with np.errstate(all="ignore"):
        graph = ag.Graph(*([y] if isinstance(y, ag.Tensor) else y))
        fresh = graph.replay()
        totals: dict[Any, np.ndarray] = {}
        parts: dict[Any, tuple[np.ndarray | None, ...]] = {}
        ends = [fresh[place] for place in graph.outputs]
        if seeds is None:
            gradients = gradients and all(end.size == 1 for end in ends)
            seeds = [ag.ones_like(end.detach()) for end in ends]
        wanted = [(end, ag.asarray(seed).data) for end, seed in zip(ends, seeds, strict=True) if end.requires_grad]
        if gradients and wanted:
            known = {place_of(tensor): place for place, tensor in fresh.items()}
            for node, total, passed in ag.walk(*zip(*wanted, strict=True)):
                place = known[node]
                totals[place] = host(total)
                parts[place] = tuple(_in_shape(part, source) for part, source in zip(passed, node.inputs, strict=False))
        return Evaluation(graph, {place: host(tensor) for place, tensor in fresh.items()}, totals, parts)


def _in_shape(part: Any, source: Any) -> np.ndarray | None:
    """A contribution before or after the walker has undone broadcasting, in the shape of the input it goes to."""
    if part is None:
        return None
    array, shape = host(part), tuple(source.shape)
    return array if array.shape == shape else array.sum(axis=broadcast_axes(array.shape, shape)).reshape(shape)
