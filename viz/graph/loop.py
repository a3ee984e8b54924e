"""A loop over time as a picture: one step with an arrow that closes it, and the size of the gradient over all steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import whole
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.viz.drawing import marks, numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, caption, cell, grad_text, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.graph.drawing import Drawing
from glassgrad.viz.recorded.evaluate import evaluate
from glassgrad.viz.recorded.loops import Recurrence, inputs_of, recurrences
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.scene import Card, Scene
from glassgrad.viz.recorded.since import notice
from glassgrad.viz.recorded.validation import recorded

THICK: dict[str, Any] = {"cls": "fwd loop", "penwidth": 2.4}  # the arrow of time


def draw_loop(
    y: ag.Tensor, *, step: int | None = None, title: str | None = None, theme: str | Theme = "light"
) -> Picture:
    """One step of a recorded loop (`autograd.scan`, `nn.RNN`, `LSTM`, `GRU`), with an arrow that closes it.

    ``y``: a Tensor computed with the loop. If it is a scalar, its gradients are drawn, and a staircase shows the size
    of ∂L/∂h after every step: stairs that fall to the left are a gradient that vanishes on its way back. ``step``: the
    one that is drawn, in the order in which they run: 1 for the first, None for the last. Values, and parts of a
    weight's gradient, are those of this step. Of several loops, the first that ran is drawn.

    Raises `DrawingError` where there is no loop, or no such step.

    >>> w = ag.Tensor(0.5, requires_grad=True, name="w")
    >>> h, _ = ag.scan(lambda h, x: (ag.tanh(w * h + x), None), ag.Tensor(0.0), ag.Tensor([1.0, 2.0, 3.0]))
    >>> draw_loop(h).title
    '3 × step: step 3'
    """
    ys = recorded(y)
    seen = evaluate(ys, gradients=all(end.size == 1 for end in ys))
    found = recurrences(seen.graph.nodes, seen)
    if not found:
        raise DrawingError(
            "there is no loop in this graph: it is recorded by ag.scan, nn.RNN, LSTM and GRU; a loop in Python over a"
            " module is folded by draw_modules"
        )
    loop = found[0]
    times = loop.loop.length
    step = times if step is None else whole(step, "step")
    if not 1 <= step <= times:
        raise DrawingError(f"step={step} can't be drawn: the loop has {times} steps, 1 to {times}")
    ends, seeds, names = loop.cell(step - 1)
    scene = Scene(ends, names=names, inputs=inputs_of(names, loop), gradients=seeds if seeds is not None else False)
    scene.notice = notice(seen, Names(seen.graph))
    if seeds is not None:
        scene.end = "L"  # the upstream gradients are those of the whole graph
    return _Cell(scene, loop, names, step).draw(title or f"{times} × {loop.title}: step {step}").themed(theme)


def _beyond(value: str, gradient: str) -> Label:
    """The words at the ends of the lines to and from another step."""
    return table(row(cell(caption(value, "fwd"), port="v"), cell("", width=6), cell(grad_text(gradient), port="g")))


class _Cell(Drawing):
    """The cards of one step, under the staircase of the gradient."""

    def __init__(self, scene: Scene, loop: Recurrence, names: Mapping[str, ag.Tensor], step: int) -> None:
        self.loop, self.names = loop, names
        self.is_first, self.is_last = step == 1, step == loop.loop.length
        super().__init__(scene)

    def _drawn(self, title: str) -> Picture:
        picture = super()._drawn(title)
        levels = [card.depth for card in self.scene.operations]
        for name in self.loop.carries:
            tail, head = (self.scene.card(vertex_of(self.names[f"{name}[{when}]"])) for when in ("t", "t-1"))
            if tail is not None and head is not None:
                if len(set(levels)) == len(levels):
                    self._closed(picture, tail, head)
                else:
                    self._ends(picture, tail, head)
        return picture

    def _closed(self, picture: Picture, tail: Card, head: Card) -> None:
        """Draw the arrow from the end of a chain to its beginning: Graphviz leads it round the chain on the left."""
        words = text(f"  × {self.loop.loop.length}", style.GRAD_LABEL, "fwd", bold=True)
        key, ends = f"{tail.key}_{head.key}", (f"{tail.key}:w", f"{head.key}:w")
        picture.edge(*ends, label=words, constraint=False, id=f"l_{key}", **THICK)
        if head.gradient is not None:
            picture.edge(*ends, constraint=False, cls="bwd", id=f"t_{key}")

    def _ends(self, picture: Picture, tail: Card, head: Card) -> None:
        """Draw the ends of the arrow alone: a line beside the branches of a cell would be a tangle."""
        key, back = f"{tail.key}_{head.key}", head.gradient is not None
        before, after = f"before_{head.key}", f"after_{tail.key}"
        if not self.is_first:
            picture.node(before, _beyond("from t-1", "to t-1" if back else " "))
            picture.edge(f"{before}:v:s", f"{head.key}:n", id=f"l_{key}", **THICK)
            if back:
                picture.edge(f"{before}:g:s", f"{head.key}:n", cls="bwd", id=f"t_{key}")
        if not self.is_last:
            picture.node(after, _beyond("to t+1", "from t+1" if back else " "))
            picture.edge(f"{tail.key}:v:s", f"{after}:v:n", id=f"m_{key}", **THICK)
            if back:
                picture.edge(f"{tail.key}:g:s", f"{after}:g:n", cls="bwd", id=f"u_{key}")

    def _reading(self) -> list[list[Label]]:
        loop, computed = self.loop, self.scene.computed
        marks_of_time = [grad_text("of a weight: the part of this step")] if computed else []
        marks_of_time.append(caption("thick arrow = on to the next step", "fwd"))
        marks_of_time += [grad_text("∂L/∂h[t-1] = on back to the step before")] if computed else []
        lines = [[*line, *marks_of_time] for line in super()._reading()]
        for i, name in enumerate(loop.carries):
            if (sizes := loop.sizes(i)) is None:
                continue
            said = f"rms ∂L/∂{name} after step 1 to {len(sizes)}: {numbers.rms(sizes[0])} to {numbers.rms(sizes[-1])}"
            # The empty cell takes the rest of the line, or the stairs would stand in its middle.
            stairs = row(cell(marks.staircase(sizes), align="LEFT"), cell(" ", width=style.WIDTH // 2))
            lines += [[grad_text(said)], [table(stairs)]]
        return lines
