"""The paths from a result back to one value, and the contribution of each to its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.columns import Both, equation, number
from glassgrad.viz.formula.writer import Writer, item
from glassgrad.viz.recorded.notation.symbols import PRODUCT, SUM
from glassgrad.viz.recorded.scene import Card, Scene, Socket

LARGEST = 3  # uses or addends written if there are many

USES = 4  # up to so many are all listed

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


def backward_order(scene: Scene, on_the_way: set[Card]) -> list[Card]:
    """The cards on these paths, in the order in which their gradients are complete."""
    return [card for card in reversed(scene.cards) if card in on_the_way]


def count_of_paths(count: int) -> str:
    """A number of paths, which may be astronomical."""
    return digits.count(count) if count < 10**12 else say("more than {n}", n=f"1e{len(str(count)) - 1}")


def size_of(array: np.ndarray | None) -> float:
    """The rms of a gradient, 0 where there is none."""
    return 0.0 if array is None else digits.root_mean_square(array)


class Ways:
    """The contributions to the gradient at ``wrt``, use by use."""

    def __init__(self, write: Writer, wrt: Card, on_the_way: set[Card], with_numbers: bool) -> None:
        self._write, self._wrt, self._way, self._with_numbers = write, wrt, on_the_way, with_numbers
        self._scene = write.scene
        self.counts: dict[Card, int] = {}  # the number of paths from the end to each card
        for card in backward_order(write.scene, on_the_way):
            uses = [use for use in card.uses if use.passes and use.head in on_the_way]
            self.counts[card] = sum(self.counts[use.head] for use in uses) or 1

    def listed(self) -> tuple[Way, ...]:
        """The uses of ``wrt``, each with the paths that begin with it; of many the largest, and the rest as one."""
        uses = [use for use in self._wrt.uses if use.passes and use.head in self._way]
        ways = [self._use(use, self.counts[use.head]) for use in uses]
        if len(ways) <= USES:
            return tuple(ways)
        ways.sort(key=lambda way: -size_of(way.contribution))
        rest = ways[LARGEST:]
        total = sum((way.contribution for way in rest), np.zeros(self._wrt.shape))
        return (*ways[:LARGEST], self._rest(total, sum(way.count for way in rest)))

    def _rest(self, total: np.ndarray, count: int) -> Way:
        written = digits.scalar(total[()]) if self._with_numbers and not total.shape else ""
        return Way(say("the other {n} as one sum", n=count_of_paths(count)), number(written), total)

    def _use(self, use: Socket, count: int) -> Way:
        write, head = self._write, use.head
        assert use.contribution is not None
        if head is write.end:
            through = say("directly")
        else:
            through = say("through {places}", places=f"{write.named(head)} = {write.forward(head).text}")
        if use.mark and head is not write.end:
            which = use.mark.strip("()（）")
            nth, sided = OPERANDS.get(head.operation.op.level, OPERAND)
            operand = say(nth, which=which) if which.isdigit() else say(sided, which=which)
            through += say(", {note}", note=operand)
        term = write.term(use)
        formula = Both(term.text, term.tex)
        if self._scene.scalar and self._with_numbers:
            assert head.gradient is not None
            product = digits.product(head.gradient[()], item(write.local(use).value), use.contribution[()])
            formula = equation(term, number(product))
        return Way(through, formula, use.contribution, count)
