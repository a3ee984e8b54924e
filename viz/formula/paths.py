"""The paths from a result back to one value, and the contribution of each to its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.writer import Both, Writer, equation, number
from glassgrad.viz.recorded.notation.symbols import PRODUCT, SUM
from glassgrad.viz.recorded.scene import Card, Scene, Socket

OPERANDS = {SUM: ("term {which}", "{which} term"), PRODUCT: ("factor {which}", "{which} factor")}
OPERAND = "operand {which}", "{which} operand"


@dataclass(frozen=True)
class Way:
    """One use of ``wrt``, the number of paths from there to the result, and their contribution to the gradient."""

    through: str
    formula: Both
    contribution: np.ndarray
    count: int = 1


def between(scene: Scene, wrt: Card) -> set[Card]:
    """The cards on the paths from the end back to ``wrt``, both included; empty where there is none."""
    above = {wrt}
    for card in scene.cards:
        if any(socket.passes and socket.tail in above for socket in card.sockets):
            above.add(card)
    reached = {card for card in above if card.place in scene.ends}
    for card in reversed(scene.cards):
        if card in reached and card is not wrt:
            reached |= {socket.tail for socket in card.sockets if socket.passes and socket.tail in above}
    return reached if wrt in reached else set()


def count_of_paths(count: int) -> str:
    """A number of paths, which may be astronomical."""
    return digits.count(count) if count < 10**12 else say("more than {n}", n=f"1e{len(str(count)) - 1}")


def counts(write: Writer) -> dict[Card, int]:
    """The number of paths from the end to each card."""
    found = {write.end: 1}
    for card in write.steps:
        found[card] = sum(found[use.head] for use in write.uses(card))
    return found


def ways(write: Writer, wrt: Card, with_numbers: bool) -> tuple[Way, ...]:
    """The uses of ``wrt``, each with the paths that begin with it."""
    paths = counts(write)
    return tuple(_use(write, use, paths[use.head], with_numbers) for use in write.uses(wrt))


def _use(write: Writer, use: Socket, count: int, with_numbers: bool) -> Way:
    head = use.head
    assert use.contribution is not None
    if head is write.end:
        through = say("directly")
    else:
        through = say("through {places}", places=f"{head.name} = {write.scene.formula(head).text}")
        if use.mark:
            which = use.mark.strip("()（）")
            nth, sided = OPERANDS.get(head.operation.op.level, OPERAND)
            operand = say(nth, which=which) if which.isdigit() else say(sided, which=which)
            through += say(", {note}", note=operand)
    formula = Both() + write.term(use)
    if write.scene.scalar and with_numbers:
        assert head.gradient is not None
        product = digits.product(head.gradient, use.local.value, use.contribution)
        formula = equation(formula, number(product))
    return Way(through, formula, use.contribution, count)
