"""Recorded gradients against differences, in float64: the checks of the pages that do not compute."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.pages.graph_program import double_params, socket_key
from glassgrad.viz.recorded.evaluate import host
from glassgrad.viz.recorded.scene import Card, Scene

STEPS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
"""The steps of differences, the smallest first: it meets the fewest kinks. Each is compared with a tenth of it."""

Task = tuple[float, dict[str, Any]]
"""A slope that a page shows, and the direction of each array that moves along it."""

MASKED = 1e100  # entries beyond this size, as masked scores have, are not moved


def announced(items: Sequence[Any], what: str) -> Iterator[Any]:
    """The items, one by one; where they take more than two seconds, lines on stderr say how far they have come."""
    said = time.monotonic() - 3
    for done, item in enumerate(items):
        if time.monotonic() > said + 5:
            said = time.monotonic()
            print(f"{what}: {done} of {len(items)}", file=sys.stderr, flush=True)
        yield item


def verdict(
    f: Callable[[Any], Any], x: Any, gradient: Any, claimed: float, along: Any = 1.0, limit: float = 1e-4
) -> str:
    """Whether ``claimed`` is the slope of the sum of ``gradient · f`` at ``x`` along a direction, to ``limit`` of it.

    "right" or "wrong"; "kink" where slopes from the left and from the right still differ at a tenth of the step, and
    the claimed one lies between them; "unsure" where rounding hides it.
    """
    values: dict[float, np.ndarray] = {}

    def at(h: float) -> np.ndarray:
        if h not in values:
            values[h] = np.asarray(f(x + h * along), float)
        return values[h]

    def parts(low: float, high: float) -> np.ndarray:
        """What each entry of ``f`` brings to the slope between two steps."""
        return np.where(gradient, gradient * (at(high) - at(low)) / (high - low), 0.0)

    found = "unsure"
    for far in STEPS:
        close = far / 10
        centre = float(parts(-far, far).sum())
        noise = 4e-15 * float(np.linalg.norm(np.where(gradient, gradient * at(far), 0.0))) / far
        scale = max(abs(centre), abs(claimed))
        if not np.isfinite([centre, claimed]).all():
            continue
        if abs(centre - claimed) <= limit * scale + 2 * noise:
            if noise <= limit * scale or not scale:
                return "right"
            found = "right"
            continue
        sides = [np.stack((parts(-h, 0.0), parts(0.0, h))) for h in (far, close)]
        (wide, narrow), noise = ((side.max(0) - side.min(0)).sum() for side in sides), 10 * noise
        least, most = sides[1].min(0).sum(), sides[1].max(0).sum()
        rounding = 4e-15 * float(np.abs(np.where(gradient, gradient * at(far), 0.0)).sum()) / close
        bent = wide / 3 < narrow < 3 * wide and narrow > max(8 * rounding, 1e-5 * scale)
        if bent and least - limit * scale <= claimed <= most + limit * scale:
            found = "kink"
            continue
        middle = sides[1].sum() / 2
        off = abs(middle - claimed)
        if off > 4 * (abs(middle - centre) + noise) and off > 2e-4 * scale:
            if found == "wrong":
                break  # two steps say so
            found = "wrong" if found != "kink" else found
    return found


def verdict_of(f: Callable[[Any], Any], x: Any, gradient: Any, slopes: Any, along: Any) -> str:
    """The verdict of a gradient at ``x``; if it is not right, that of its entries where ``x`` is not 0.

    Zeros, as an activation makes them, are ties where a maximum is taken of several.
    """
    found = ""
    for way in (along, np.where(x, along, 0.0)):
        if found != "right":
            found = verdict(f, x, gradient, float(np.vdot(slopes, way)), way)
    return found


def verdicts(f: Callable[[dict[str, Any]], Any], weights: Any, tasks: Mapping[str, Task]) -> dict[str, str]:
    """The verdicts of several slopes of the sum of ``weights · f``, a function of moves of arrays by name.

    They are added up first; each is checked alone only where the sum is not the one of the differences.
    """

    def judged(claimed: float, along: Mapping[str, Any], limit: float) -> str:
        def moved(h: float) -> Any:
            return f({name: h * part for name, part in along.items()})

        return verdict(moved, 0.0, weights, claimed, limit=limit)

    whole: dict[str, Any] = {}
    for _, along in tasks.values():
        whole |= {name: whole.get(name, 0.0) + part for name, part in along.items()}
    if judged(sum(claimed for claimed, _ in tasks.values()), whole, 1e-6) == "right":
        return dict.fromkeys(tasks, "right")
    listed = announced(list(tasks.items()), "gradients checked one by one")
    return {key: judged(claimed, along, 1e-4) for key, (claimed, along) in listed}


def direction(gradient: Any, x: Any, generator: np.random.Generator) -> np.ndarray:
    """A direction along which no part of a gradient cancels, and one in which no error of it does: along the gradient,
    and of one sign, by random amounts. Each entry moves in units of its size; one that is 0 moves as the others do.
    """
    size, seen = np.abs(x), np.abs(x) < MASKED
    usual = min(1.0, float(np.sqrt(np.mean(np.square(size), where=seen)))) or 1.0
    pushed = gradient * np.where(size, size, usual)
    sign, one = 1.0 if np.sum(pushed) >= 0 else -1.0, generator.uniform(0.5, 1.5, x.shape)
    typical = float(np.sqrt(np.mean(np.square(pushed), where=seen))) or 1.0
    return np.where(seen, np.where(size, size, usual) * (sign * one + pushed / typical), 0.0)


def edge_verdicts(scene: Scene) -> dict[str, str]:
    """The verdict of each rule that sent a gradient, by the key of its operand: the operation alone, in float64."""
    generator, found = np.random.default_rng(0), dict[str, str]()
    for card in announced(scene.operations, "operations checked by differences"):
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
        sent = ag.gradients(result({}), operands, seeds=[ag.Tensor(gradient)]) if asked else []
        for socket, operand, part in zip(asked, operands, sent, strict=True):
            rule, x, index = host(part), host(operand), socket.index
            if np.isfinite(rule).all():
                along = direction(rule, x, generator)
                claimed = float(np.vdot(rule, along))
                found[socket_key(socket)] = verdict(partial(_moved, result, index), x, gradient, claimed, along)
    return found


def _moved(result: Callable[[dict[int, Any]], Any], index: int, x: Any) -> Any:
    with ag.no_grad():
        return host(result({index: ag.Tensor(x)}))
