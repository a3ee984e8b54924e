"""The numbers of a recorded graph, as NumPy arrays: the value at every place and the gradient that arrives there.

Training keeps nothing for pictures. The forward is computed again from the leaves' present values, and the backward is
the engine's own walk over that fresh recording, so a picture can only show what the engine does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import autograd as ag


def host(value: Any) -> np.ndarray:
    """A Tensor, an array of any device or a number as a NumPy array; no gradient is recorded.

    >>> host(ag.Tensor([1.0, 2.0], requires_grad=True))
    array([1., 2.])
    """
    data = value.data if isinstance(value, ag.Tensor) else value
    return np.asarray(data.get() if hasattr(data, "get") and not isinstance(data, dict) else data)


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found. The keys are the places of the graph: its `Node`\\ s and its leaf Tensors.

    ``gradients`` has the total that arrives at a place, ``contributions`` what a node passes on, one entry per input, None
    where nothing flows. Both are empty when no gradient was computed.
    """

    graph: ag.Graph
    values: dict[Any, np.ndarray]
    gradients: dict[Any, np.ndarray]
    contributions: dict[Any, tuple[np.ndarray | None, ...]]


def evaluate(y: ag.Tensor, gradients: bool = True) -> Evaluation:
    """Values at every place of the graph that computed ``y``, and, for a ``y`` with one element, gradients.

    >>> x = ag.Tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> seen = evaluate(y)
    >>> float(seen.values[y.node]), float(seen.gradients[x]), [float(part) for part in seen.contributions[y.node]]
    (9.0, 6.0, [3.0, 3.0])
    """
    graph = ag.Graph(y)
    fresh = graph.replay()
    values = {place: host(tensor) for place, tensor in fresh.items()}
    totals: dict[Any, np.ndarray] = {}
    parts: dict[Any, tuple[np.ndarray | None, ...]] = {}
    end = fresh[graph.outputs[0]]
    if gradients and end.requires_grad and end.size == 1:
        place_of = {ag.graph.place_of(tensor): place for place, tensor in fresh.items()}
        seed = ag.ones_like(end.detach())
        for node, total, passed in ag.backward.walk([end], [seed], retain=True):
            place = place_of[node]
            totals[place] = host(total)
            parts[place] = tuple(None if part is None else host(part) for part in passed)
    return Evaluation(graph, values, totals, parts)
