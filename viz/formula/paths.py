"""The paths from a result back to one value, and the contribution of each to its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.writer import Writer, item, scalar_product
from glassgrad.viz.recorded.notation.latex import tex_number
from glassgrad.viz.recorded.notation.symbols import PRODUCT, SUM
from glassgrad.viz.recorded.scene import Card, Scene, Socket

LARGEST = 3  # paths or addends written if there are many

PATHS = 4  # up to so many paths are all listed
STEPS = 4  # up to so many nodes of a path are all named

OPERANDS = {SUM: ("term {which}", "{which} term"), PRODUCT: ("factor {which}", "{which} factor")}
OPERAND = "operand {which}", "{which} operand"


@dataclass(frozen=True)
class Way:
    """One path from ``wrt`` to the result, or several (``count``), and their contribution to the gradient."""

    through: str
    formula: tuple[str, str]
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
    """The contributions to the gradient at ``wrt``, path by path or use by use."""

    def __init__(self, write: Writer, wrt: Card, on_the_way: set[Card], with_numbers: bool) -> None:
        self._write, self._wrt, self._way, self._with_numbers = write, wrt, on_the_way, with_numbers
        self._scene = write.scene
        self.counts: dict[Card, int] = {}  # the number of paths from the end to each card
        for card in backward_order(write.scene, on_the_way):
            uses = [use for use in card.uses if use.passes and use.head in on_the_way]
            self.counts[card] = sum(self.counts[use.head] for use in uses) or 1

    def listed(self) -> tuple[Way, ...]:
        """The paths if they are few or all scalar, else the uses of ``wrt``: the largest, and the rest as one."""
        uses = [use for use in self._wrt.uses if use.passes and use.head in self._way]
        if self._scene.scalar and any(self.counts[use.head] > 1 for use in uses):
            return self._largest_paths()
        ways = [self._use(use, self.counts[use.head]) for use in uses]
        if len(ways) <= PATHS:
            return tuple(ways)
        ways.sort(key=lambda way: -size_of(way.contribution))
        rest = ways[LARGEST:]
        total = sum((way.contribution for way in rest), np.zeros(self._wrt.shape))
        return (*ways[:LARGEST], self._rest(total, sum(way.count for way in rest)))

    def _rest(self, total: np.ndarray, count: int) -> Way:
        number = digits.scalar(total[()]) if self._with_numbers and not total.shape else ""
        return Way(say("the other {n} as one sum", n=count_of_paths(count)), (number, tex_number(number)), total)

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
        text, tex = term.text, term.tex
        if self._scene.scalar and self._with_numbers:
            assert head.gradient is not None
            product = digits.product(head.gradient[()], item(write.local(use).value), use.contribution[()])
            text, tex = f"{text} = {product}", f"{tex} = {tex_number(product)}"
        return Way(through, (text, tex), use.contribution, count)

    def _largest_paths(self) -> tuple[Way, ...]:
        """Among scalars, the paths with the largest products of local derivatives, by dynamic programming.

        The largest path through a node contains the largest path to it, since all share the remaining factors.
        """
        arriving = self._write.end.gradient
        seed = 1.0 if arriving is None else float(arriving[()])
        best: dict[Card, list[tuple[float, Any]]] = {self._write.end: [(seed, None)]}
        keep = PATHS if self.counts[self._wrt] <= PATHS else LARGEST
        for card in backward_order(self._scene, self._way):
            if card is self._write.end:
                continue
            # Linked, so that paths share their start.
            known = [
                (value * float(item(self._write.local(use).value)), (use, path))
                for use in card.uses
                if use.passes and use.head in self._way
                for value, path in best[use.head]
            ]
            best[card] = sorted(known, key=lambda way: -abs(way[0]))[:keep]
        ways = [self._path(value, path) for value, path in best[self._wrt]]
        if self.counts[self._wrt] > PATHS:
            assert self._wrt.gradient is not None
            rest = float(self._wrt.gradient[()]) - sum(float(way.contribution) for way in ways)
            ways.append(self._rest(np.asarray(rest), self.counts[self._wrt] - LARGEST))
        return tuple(ways)

    def _path(self, value: float, linked: Any) -> Way:
        write, path = self._write, []
        while linked is not None:
            use, linked = linked
            path.append(use)
        path.reverse()
        places = [write.named(use.head) for use in reversed(path[1:])]
        if len(places) > STEPS:
            places = [*places[:2], say("{n} more", n=len(places) - 3), places[-1]]
        through = say("through {places}", places=say(", ").join(places)) if places else say("directly")
        if path[-1].mark:
            through += f" {path[-1].mark}"
        if len(path) > STEPS:
            written = ("", "")
        else:
            locals_ = [write.local(use) for use in path]
            factor = locals_[0]
            for local in locals_[1:]:
                factor = scalar_product(write, factor, local)
            written = (factor.text, factor.tex)
        if self._with_numbers:
            said = digits.scalar(value)
            equals = " = " if written[0] else ""
            written = (f"{written[0]}{equals}{said}", f"{written[1]}{equals}{tex_number(said)}")
        return Way(through, written, np.asarray(value))
