"""The check of a derived gradient by central differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.testing.differences import Differences
from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.scene import Card, Scene

EPSILON = float(np.finfo(np.float64).eps)
ENTRIES = 16  # up to so many, each entry is checked and shown
TOLERANCE = 1e-4  # relative error up to which a gradient is confirmed in float64


@dataclass(frozen=True)
class Check:
    """The gradient beside central differences of the forward, computed in float64.

    ``numeric`` is the difference quotient (of the first entry, if there are several), ``error`` its largest difference
    to the gradient relative to the largest entry, ``noise`` the uncertainty of the quotient, likewise relative.
    ``moved`` is the number of entries that were moved one by one, None if all were moved at once.
    """

    numeric: float
    error: float
    noise: float
    moved: int | None

    @property
    def confirmed(self) -> bool:
        """Whether gradient and difference agree within the uncertainty of the difference."""
        return self.error <= TOLERANCE + self.noise

    def __str__(self) -> str:
        if not np.isfinite(self.error):
            return say("not checked: nearby values are not finite")
        if self.moved == 0:
            return say("nothing to check: there are no entries")
        numeric, error = digits.scalar(self.numeric), digits.exponential(self.error, 0) if self.error else "0"
        if self.moved is None:
            said = say(
                "central difference {numeric} along a random direction, relative error {error}",
                numeric=numeric,
                error=error,
            )
        elif self.moved == 1:
            said = say("central difference {numeric}, relative error {error}", numeric=numeric, error=error)
        else:
            said = say(
                "central differences in all {n} entries, largest relative error {error}", n=self.moved, error=error
            )
        if not self.confirmed:
            return say("NOT CONFIRMED: {said}: a rule is wrong, or there is a kink nearby", said=said)
        if self.error > TOLERANCE:
            return say("the gradient is so small that rounding limits the check: {said}", said=said)
        return say("checked: {said}", said=said)


def checked(scene: Scene, wrt: Card, on_the_way: set[Card]) -> Check:
    """The gradient compared with central differences: entry by entry if they are few, else along a random direction."""
    if not wrt.value.size:
        return Check(0.0, 0.0, 0.0, 0)
    (end,) = (card for card in scene.cards if card.place in scene.ends)
    shape, base = wrt.shape, np.asarray(wrt.value, np.float64).ravel()
    exact, seed = np.asarray(wrt.gradient, np.float64).ravel(), np.asarray(end.gradient, np.float64)

    def result(values: np.ndarray) -> np.ndarray:
        return np.array([np.sum(seed * _moved(scene, wrt, end, on_the_way, values.reshape(shape)))])

    differences = Differences(result, base, result(base), EPSILON)
    few = base.size <= ENTRIES
    found = []
    for direction in np.eye(base.size) if few else np.random.default_rng(0).standard_normal((1, base.size)):
        step, divisor = differences.direction(direction)
        slopes, _ = differences.settled(direction)
        found.append((slopes.middle[0], float(exact @ step) / divisor, slopes.noise[0]))
    numeric, rule, noise = (np.array(column) for column in zip(*found, strict=True))
    return _compared(numeric, rule, noise, base.size if few else None)


def checked_along(scene: Scene, wrt: Card, on_the_way: set[Card], direction: np.ndarray, tangent: np.ndarray) -> Check:
    """The tangent of the result compared with central differences along the direction of ``wrt``."""
    if not wrt.value.size or not tangent.size:
        return Check(0.0, 0.0, 0.0, 0)
    (end,) = (card for card in scene.cards if card.place in scene.ends)
    size = float(np.abs(direction).max()) or 1.0

    def result(t: np.ndarray) -> np.ndarray:
        moved = np.asarray(wrt.value, np.float64) + t[0] / size * direction
        return _moved(scene, wrt, end, on_the_way, moved).ravel()

    slopes, _ = Differences(result, np.zeros(1), result(np.zeros(1)), EPSILON).settled(np.ones(1))
    return _compared(slopes.middle * size, np.asarray(tangent, np.float64).ravel(), slopes.noise * size, tangent.size)


def _compared(numeric: np.ndarray, rule: np.ndarray, noise: np.ndarray, moved: int | None) -> Check:
    size = float(np.max(np.abs([numeric, rule]))) or 1.0
    error = float(np.max(np.abs(numeric - rule))) / size
    return Check(float(numeric[0]), error, float(np.max(noise)) / size, moved)


def _moved(scene: Scene, wrt: Card, end: Card, on_the_way: set[Card], value: np.ndarray) -> np.ndarray:
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
