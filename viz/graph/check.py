"""The picture of a gradient check: each operation's rule beside finite differences at the recorded inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import number, whole
from glassgrad.autograd.errors import GradcheckError
from glassgrad.autograd.testing import NodeCheck, check_nodes
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, caption
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.graph.drawing import Drawing
from glassgrad.viz.recorded.scene import Scene
from glassgrad.viz.recorded.validation import recorded


def check_graph(
    y: ag.Tensor | Sequence[ag.Tensor],
    *more: ag.Tensor,
    names: Mapping[str, Any] | None = None,
    inputs: Iterable[ag.Tensor] = (),
    targets: Iterable[ag.Tensor] = (),
    gradients: Any = None,
    title: str | None = None,
    theme: str | Theme = "light",
    limit: float = 1e-4,
    max_elements: int = 64,
    seed: int = 0,
) -> Picture:
    """Check the rule of every operation that computed ``y``, and draw the graph with the results.

    The card of an operation whose rules agree with central differences has `ok` and the largest relative error. One
    with a wrong rule has a double frame and shows both numbers. Its own gradient is right; gradients that passed
    through the wrong rule are muted and have a question mark. A `kink` is a point where the slopes on both sides
    differ, so that a difference can't tell whether the rule is right.

    Arguments are as in `draw_graph`, and ``limit`` to ``seed`` as in `autograd.testing.check_nodes`, whose results are
    the picture's ``report``. ``gradients``: by default they are drawn where every output is a scalar.

    Raises `DrawingError` where nothing was recorded, for an unknown theme, for a graph of more than 250 operations, and
    for gradients of an output that is not a scalar; `GradcheckError` where a rule raises or returns a wrong shape.

    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> picture = check_graph(x * x)
    >>> picture.title, picture.report
    ('Gradient check, op by op: every rule is right', <NodeReport: 2 ok>)
    """
    limit, max_elements, seed = number(limit, "limit", 0), whole(max_elements, "max_elements"), whole(seed, "seed", 0)
    ys = recorded((y, *more) if more else y, "check")
    many = sum(place.op is not None for place in ag.Graph(*ys).nodes)
    if many > style.CARDS_LOOSE:
        raise DrawingError(
            f"this graph has {numbers.count(many)} operations, and a check is drawn of {style.CARDS_LOOSE} at most:"
            " print(autograd.testing.check_nodes(y)) tells the results of all of them"
        )
    wanted = all(t.size == 1 for t in ys) if gradients is None else gradients
    report = check_nodes(ys, limit=limit, max_elements=max_elements, seed=seed)
    for check in report.wrong:
        if check.rule is None:
            raise GradcheckError(
                f"the graph can't be drawn, because a rule can't be run: {check.title} with respect to "
                f"{check.argument}, {check.note.rstrip('.')}. Correct it first; autograd.testing.check_nodes checks "
                "the others."
            )
    scene = Scene(ys, names=names, inputs=inputs, targets=targets, gradients=wanted)
    mark_checks(scene, report)
    picture = _CheckDrawing(scene).draw(title).themed(theme)
    picture.report = report
    return picture


def mark_checks(scene: Scene, report: Iterable[NodeCheck]) -> None:
    """Mark the operands with the results, and gradients that passed through a wrong rule."""
    found = {(check.node, check.index): check for check in report}
    for card in scene.cards:
        for socket in card.sockets:
            socket.check = found.get((card.place, socket.index))
    for card in reversed(scene.cards):  # an operation comes after all that it uses
        for use in card.uses:
            use.doubted = use.wrong or use.head.doubted
        card.doubted = any(use.doubted for use in card.addends)


class _CheckDrawing(Drawing):
    def _title(self) -> str:
        wrong = dict.fromkeys(self.cards.badge(card)[0] for card in self.scene.cards if card.wrong)
        right = "no rule is wrong, kinks are not checked" if self._is_kinked() else "every rule is right"
        return f"Gradient check, op by op: wrong: {', '.join(wrong)}" if wrong else f"Gradient check, op by op: {right}"

    def _reading(self) -> list[list[Label]]:
        words = ["each op alone: its rule against a central difference at the recorded input, relative error"]
        if any(card.wrong for card in self.scene.cards) and self.scene.computed:
            words.append("? = passed through the wrong op, not trustworthy")
        if self._is_kinked():
            words.append("kink = the slopes on both sides differ: a difference can't check the rule")
        return [[caption(line)] for line in words]

    def _is_kinked(self) -> bool:
        return any(s.check and s.check.verdict == "kink" for card in self.scene.cards for s in card.sockets)
