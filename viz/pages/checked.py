"""Recorded gradients against differences, in float64: the checks of the pages that do not compute."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.pages.graph_program import double_params, socket_key
from glassgrad.viz.recorded.evaluate import host
from glassgrad.viz.recorded.scene import Card, Scene

STEPS = tuple(10.0**k for k in (-3, -4, -5, -6, -7, -2, -1, 0, 1, 2, 3, 4, 5, 6))
"""The steps of differences, each compared with a tenth of it. Those from 0.01 on are for what rounding hides."""

MASKED = 1e100  # entries beyond this size, as masked scores have, are not moved


def verdict(f: Callable[[Any], Any], x: Any, gradient: Any, claimed: float, along: Any) -> str:
    """Whether ``claimed`` is the slope of the sum of ``gradient · f`` at ``x`` along a direction, to 1e-4 of it.

    "right" or "wrong"; "kink" where slopes from the left and from the right still differ at a tenth of the step, and
    the claimed one lies between them; "unsure" where no steps agree on a finite slope. `verdict` of ``program.js`` does
    the same. A fault below the rounding errors of ``f`` is not found, nor another slope of a kink.
    """

    @cache
    def at(h: float) -> np.ndarray:
        return np.where(gradient, gradient * np.asarray(f(x + h * along), float), 0.0)

    @cache
    def slopes(h: float) -> tuple[float, float, float]:
        """The least and the most that slopes on both sides add up to, and the rounding error of their mean."""
        left, right = (at(0.0) - at(-h)) / h, (at(h) - at(0.0)) / h
        return float(np.minimum(left, right).sum()), float(np.maximum(left, right).sum()), 4e-15 * size / h

    limit, size, whole = 1e-4, float(np.linalg.norm(at(0.0))), float(np.abs(at(0.0)).sum())
    found, near = "unsure", None
    for far in STEPS:
        wide = far > STEPS[0]
        if wide and (found in ("wrong", "kink") or abs(claimed) <= 8e-15 * size):
            break
        least, most, noise = slopes(far / 10)
        centre = (least + most) / 2
        if not np.isfinite([centre, claimed]).all():
            continue
        near = near or (centre, noise)
        off, scale = abs(centre - claimed), max(abs(claimed), abs(centre))
        if off <= limit * scale + 2 * noise and noise <= limit * scale + 1e-300:
            return "right"
        if off <= 2 * noise or not scale:
            found = "right"
            continue
        low, high, _ = slopes(far)
        bend = max((high - low) / 3, 8 * 4e-15 * whole / (far / 10), 1e-5 * scale)
        if not wide and most - least > bend and least - limit * scale <= claimed <= most + limit * scale:
            found = "kink"
            continue
        found = "unsure" if found == "kink" else found  # a kink is one at every step
        if off > 4 * (abs((low + high) / 2 - centre) + noise) and off > 2e-4 * scale:
            found = "wrong" if not wide or abs(centre - near[0]) <= 2 * near[1] else found
    return found


def direction(gradient: Any, x: Any, generator: np.random.Generator) -> np.ndarray:
    """A direction along which no part of a gradient cancels, and one in which no error of it does: along the gradient,
    and of one sign, by random amounts. Each entry moves in units of its size, up to 1; one that is 0 moves as the
    others do.
    """
    size, seen = np.minimum(np.abs(x), 1.0), np.abs(x) < MASKED
    usual = float(np.sqrt(np.mean(np.square(size), where=seen))) or 1.0
    pushed = gradient * np.where(size, size, usual)
    sign, one = 1.0 if np.sum(pushed) >= 0 else -1.0, generator.uniform(0.5, 1.5, x.shape)
    typical = float(np.sqrt(np.mean(np.square(pushed), where=seen))) or 1.0
    return np.where(seen, np.where(size, size, usual) * (sign * one + pushed / typical), 0.0)


def edge_verdicts(scene: Scene) -> dict[str, str]:
    """The verdict of each rule that sent a gradient, by the key of its operand: the operation alone, in float64."""
    generator, found = np.random.default_rng(0), dict[str, str]()
    for card in scene.operations:
        if card.gradient is not None and card.value.dtype.kind == "f":
            found |= _verdicts(card, card.gradient.astype(float), generator)
    return found


def _verdicts(card: Card, gradient: Any, generator: np.random.Generator) -> dict[str, str]:
    node, params, found = card.operation, double_params(card.operation.params), dict[str, str]()
    given, asked = list(node.inputs), [s for s in card.sockets if s.passes and s.tail.value.dtype.kind == "f"]
    for socket in card.sockets:
        value, is_float = socket.tail.value, socket.tail.value.dtype.kind == "f"
        given[socket.index] = ag.Tensor(value.astype(float) if is_float else value, requires_grad=socket in asked)

    def result(changed: dict[int, Any]) -> Any:
        return node.op.apply(*(changed.get(i, value) for i, value in enumerate(given)), **params)

    operands = [given[socket.index] for socket in asked]
    with np.errstate(all="ignore"):
        sent = ag.gradients(result({}), operands, seeds=ag.Tensor(gradient)) if asked else []
        for socket, operand, part in zip(asked, operands, sent, strict=True):
            rule, x, index = host(part), host(operand), socket.index
            if np.isfinite(rule).all():
                along, moved = direction(rule, x, generator), partial(_moved, result, index)
                judged = verdict(moved, x, gradient, float(np.vdot(rule, along)), along)
                if judged == "kink":  # of some entries: those of the largest slope may have none
                    along = np.where(np.abs(rule) == np.max(np.abs(rule)), along, 0.0)
                    again = verdict(moved, x, gradient, float(np.vdot(rule, along)), along)
                    judged = "wrong" if again == "wrong" else judged
                found[socket_key(socket)] = judged
    return found


def _moved(result: Callable[[dict[int, Any]], Any], index: int, x: Any) -> Any:
    with ag.no_grad():
        return host(result({index: ag.Tensor(x)}))
