"""The stage: a recorded graph that fills a page, with its forward pass, its gradients, and every number to be turned.

Python tells the page the cards of the graph, how they fold, and the graph's program in JavaScript; the page's script
lays them out, draws them and computes. Where the graph is too large to compute in a page, its numbers are as recorded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.engine.observers.anomaly import Lines
from glassgrad.viz.drawing import numbers, words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.pages.checked import edge_verdicts
from glassgrad.viz.pages.emitted import assets, body, document, text, variables, zipped
from glassgrad.viz.pages.graph_program import GraphProgram, NotLive, graph_program
from glassgrad.viz.pages.page import Page
from glassgrad.viz.pages.told import Words, cards_of, folds_of, readable, sockets_of, title_of
from glassgrad.viz.recorded.scene import Scene
from glassgrad.viz.recorded.validation import is_function, members, named

PARTS = ("common", "numbers", "program", "layout", "graph", "draw", "neurons", "beside", "stage", "dual")
SCRIPTS = [f"{part}.js" for part in PARTS]
OPERATIONS = 250
"""The most operations of a stage; they are folded until they fit."""

LISTED = 3  # constants that are named; more are counted
HELD = (
    "kept as recorded, as masks such as x > 0 are: {names}; turn a number so far that they would change, and what "
    "follows is not what your code computes"
)


def step_through(
    y: ag.Tensor | Sequence[ag.Tensor] | Callable[[], ag.Tensor | Sequence[ag.Tensor]],
    path: str | os.PathLike[str] | None = None,
    *,
    names: Mapping[str, Any] | None = None,
    inputs: Iterable[ag.Tensor] = (),
    targets: Iterable[ag.Tensor] = (),
    gradients: Any = True,
    title: str | None = None,
    check: bool = True,
    live: bool | None = None,
    neurons: bool = False,
    language: str | None = None,
) -> Page:
    """A page whose stage is the graph that computed ``y``: values run down, gradients climb back.

    Each operation is a bar, each operand an edge: a change runs down its solid lane, the gradient climbs its dashed
    ribbon, and both are multiplied by the ratio at its gear. The page opens with a question; every number can be
    dragged or typed into, and all others follow. The arrow keys walk through the forward and the backward pass.
    Operations that do not fit are folded into bars that open in place.

    ``path``: where to save it, an .html file. ``names``: what to call Tensors, for instance ``locals()``. ``inputs``,
    ``targets``: leaves to be shown in that role. ``gradients``: the upstream gradient of an output that is not a
    scalar, a Tensor of its shape (a list of them for several outputs). ``title``: the headline. No ``.grad`` changes.

    ``y`` may be a function without arguments, ``lambda: loss(model(x), y)``: it is called, and each step shows the line
    of your program that called its operation. The same holds for a forward within `autograd.detect_anomaly`. Printed,
    the page is one sheet with all numbers or, by its button, a worksheet with solutions.

    ``live``: whether the page computes. None makes the page live where the graph is small enough (one scalar output, 15
    million multiply-adds, 500,000 numbers, a program of 1,000 lines), and otherwise the page says why its numbers are
    as recorded. False keeps them as recorded. Every gradient is compared with differences, in float64 whatever the
    dtype: in a live page by the page, of a recorded one here, unless ``check`` is False.

    ``neurons``: whether the page of a small network opens neuron by neuron, with each weight at its edge.

    ``language``: that of the page, "en" or "zh"; None takes the language of `viz.lesson.speak`, by default English.

    Raises `DrawingError` where nothing was recorded, for an output that is not a scalar without ``gradients``, for more
    than 250 operations, for a path with another suffix, and with ``live=True`` for a graph that can't be live.

    >>> w = ag.Tensor(2.0, requires_grad=True, name="w")
    >>> page = step_through((w * 3.0 - 5.0) ** 2)
    >>> page
    <Page 'L = (w·3 - 5)²'>
    """
    if gradients is False or gradients is None:
        raise DrawingError(
            "a page steps through the backward pass: gradients= must be True, or the outputs' upstream gradients"
        )
    if live not in (None, True, False):
        raise DrawingError(f"live= is True, False or None (where the graph is small enough), not {live!r}")
    with words.speaking(language):
        given, wanted = members(inputs, "inputs"), members(targets, "targets")
        recorded: Any = y
        if is_function(y):
            with Lines().observing():  # its nodes record the lines that called their operations
                recorded = y()
        scene = Scene(recorded, names=named(names), inputs=given, targets=wanted, gradients=gradients)
        if not scene.computed:
            raise DrawingError("no gradient flows in this graph: compute it from Tensors with requires_grad=True")
        if (many := len(scene.operations)) > OPERATIONS:
            raise DrawingError(
                f"this graph has {numbers.count(many)} operations, and a stage holds {OPERATIONS}: step through a part"
                " of it, such as one block or fewer time steps, or draw all of it with viz.draw_graph or viz.draw_model"
            )
        said = Words(scene)
        title = title_of(said) if title is None else title
        program, reason = None, ""
        try:
            program = graph_program(scene) if live is not False else None
        except NotLive as error:
            if live:
                raise DrawingError(str(error)) from None
            reason = str(error)
        page = Page(title, _html(said, title, program, reason, check, neurons))
    if path is not None:
        page.save(path)
    return page


def _html(said: Words, title: str, program: GraphProgram | None, reason: str, check: bool, neurons: bool) -> str:
    scene, code = said.scene, assets(*SCRIPTS)
    notice, data = list(scene.notice), dict[str, Any]()
    data["end"] = next(card.key for card in reversed(scene.operations) if card.place in scene.ends)
    data |= {"cards": cards_of(said, program is not None), "folds": folds_of(said), "neurons": int(bool(neurons))}
    if program is None:
        data |= {"sockets": sockets_of(scene), "reason": reason, "verdicts": edge_verdicts(scene) if check else {}}
    else:
        data["at"], code = program.positions, f"{program.see}\n{program.probe}\n{code}"
        if held := scene.choices:
            more = words.say(" and {n} more", n=len(held) - LISTED) if len(held) > LISTED else ""
            notice.append(words.say(HELD, names=words.say(", ").join(held[:LISTED]) + more))
    if notice:
        data["notice"] = words.noted(notice)
    return document(
        words.say("Backpropagation, step by step: {title}", title=title),
        body("stage.html", {"title": text(readable(title))}),
        f"{variables()}\n{assets('common.css', 'numbers.css', 'stage.css')}",
        data=data,
        script=zipped(code),
    )
