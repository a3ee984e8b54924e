"""The check of a derived gradient by central differences."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.testing.differences import Differences
from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.scene import Card, Scene

EPSILON = float(np.finfo(np.float64).eps)
TOLERANCE = 1e-4  # relative error up to which a gradient is confirmed in float64


@dataclass(frozen=True)
class Check:
    """A derivative beside a central difference of the forward, computed in float64.

    ``numeric`` is the difference quotient (of the first output, if there are several), ``error`` its largest difference
    to the derivative relative to the largest output, ``noise`` the uncertainty of the quotient, likewise relative.
    ``along``: whether ``wrt`` has several entries, which were moved along a random direction.
    """

    numeric: float
    error: float
    noise: float
    along: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether gradient and difference agree within the uncertainty of the difference."""
        return self.error <= TOLERANCE + self.noise

    def __str__(self) -> str:
        if not np.isfinite(self.error):
            return say("not checked: nearby values are not finite")
        error = digits.exponential(self.error, 0) if self.error else "0"
        along = "central difference {numeric} along a random direction, relative error {error}"
        difference = along if self.along else "central difference {numeric}, relative error {error}"
        found = "rounding limits the check: {said}" if self.error > TOLERANCE else "checked: {said}"
        if not self.confirmed:
            found = "NOT CONFIRMED: {said}: a rule is wrong, or there is a kink nearby"
        return say(found, said=say(difference, numeric=digits.scalar(self.numeric), error=error))


def checked(
    scene: Scene, wrt: Card, on_the_way: Collection[Card], direction: np.ndarray | None = None, exact: Any = None
) -> Check | None:
    """The derivative of the result along a ``direction`` of ``wrt``, which is said to be ``exact``, compared with
    central differences; by default the gradient along a random direction. None where there are no entries.
    """
    (end,) = (card for card in scene.cards if card.place in scene.ends)
    weights = None
    if direction is None:
        direction = np.random.default_rng(0).standard_normal(wrt.shape) if wrt.value.size > 1 else np.ones(wrt.shape)
        exact = np.vdot(np.asarray(wrt.gradient, np.float64), direction)
        weights = np.asarray(end.gradient, np.float64)
    if not wrt.value.size or not np.size(exact):
        return None
    base = np.asarray(wrt.value, np.float64)
    reach = max(1.0, float(np.abs(base).max())) / (float(np.abs(direction).max()) or 1.0)

    def result(t: np.ndarray) -> np.ndarray:
        moved = _moved(scene, wrt, end, on_the_way, base + t[0] * reach * direction)
        return moved.ravel() if weights is None else np.array([np.sum(weights * moved)])

    here = result(np.zeros(1))
    differences = Differences(result, np.zeros(1), here, EPSILON)
    slopes, closer = differences.settled(np.ones(1))[0], differences.along(np.ones(1), 0.1)
    numeric, rule = slopes.middle / reach, np.asarray(exact, np.float64).ravel()
    size = float(np.max(np.abs([numeric, rule]))) or 1.0
    error = float(np.max(np.abs(numeric - rule))) / size if np.all(np.isfinite(here)) else math.nan
    noise = slopes.noise + 2 * np.abs(slopes.middle - closer.middle)  # of x³ at 0 the quotient is the step's square
    noise = float(np.max(noise)) / reach / size
    if wrt.value.dtype.kind == "f":  # a gradient of float16 is rounded itself
        noise += 16 * float(np.finfo(wrt.value.dtype).eps)
    return Check(float(numeric[0]), error, noise, weights is not None and base.size > 1)


def _moved(scene: Scene, wrt: Card, end: Card, on_the_way: Collection[Card], value: np.ndarray) -> np.ndarray:
    """The result for another value of ``wrt``, recomputed in float64."""
    values: dict[Card, Any] = {wrt: value}
    with ag.no_grad():
        for card in scene.cards:
            if card.node is None or card is wrt or card not in on_the_way:
                continue
            given = list(card.node.inputs)
            for socket in card.sockets:
                tail = socket.tail
                known = tail.value.astype(np.float64) if tail.value.dtype.kind == "f" else tail.value
                given[socket.index] = values.get(tail, known)
            values[card] = card.node.op.apply(*given, **card.node.params).data
    return np.asarray(values[end], dtype=np.float64)
