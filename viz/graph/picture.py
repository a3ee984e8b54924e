"""The picture of a recorded graph: values flow down along solid lines, gradients flow back along dashed ones.

`draw_graph` draws one card per operation, with the numbers on it; a graph too large for cards becomes the module table
of `viz.graph.modules`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.compiler import Program
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.graph.drawing import Drawing
from glassgrad.viz.graph.modules import draw_modules
from glassgrad.viz.program.picture import draw_program, programs
from glassgrad.viz.recorded.folding import check_depth
from glassgrad.viz.recorded.scene import Scene, computes_gradients
from glassgrad.viz.recorded.validation import recorded


def draw_graph(
    y: ag.Tensor | Sequence[ag.Tensor] | Program,
    *more: ag.Tensor,
    names: Mapping[str, Any] | None = None,
    inputs: Iterable[ag.Tensor] = (),
    targets: Iterable[ag.Tensor] = (),
    gradients: Any = None,
    title: str | None = None,
    theme: str | Theme = "light",
    view: str = "auto",
    depth: int | None = None,
) -> Picture:
    """Draw the graph that computed ``y``, one Tensor or several: every operation with its value and its gradient.

    ``y`` may be a `Program`, which is drawn without being run: its lines as they print, values down the left, gradients
    up the right, states on the cards that read them. Only ``title`` and ``theme`` apply to a program.

    Values are recomputed from the leaves' current values, and gradients by the engine's own backward pass. Training
    keeps nothing for pictures, and no ``.grad`` changes. After an optimizer's step the picture shows the graph with the
    new parameters, and says so, with the loss as it was: draw before the step.

    ``names``: names for Tensors; ``names=locals()`` names each after its variable. ``inputs``, ``targets``: leaves to
    be shown in that role rather than as parameters. ``gradients``: False leaves them out, True computes them, None does
    so once ``backward()`` has been called; an output that is not a scalar needs its upstream gradient, a Tensor of its
    shape (several outputs, a list). ``title``: the headline. ``theme``: "light" or "dark". ``view``: "ops" for one card
    per operation, "auto" for the table of `draw_modules` where cards would not be readable (above 250 operations, and
    for networks with more than 60 cards or a parameter of more than 64 entries). ``depth``: the table, and how deep it
    opens modules: 1 draws each direct part of the model as one row, 2 opens those as well, 0 draws the model as one.

    Raises `DrawingError` where nothing was recorded, for an unknown theme or view, for gradients of an output that is
    not a scalar, for a depth of single operations, and for a table of more than 120 rows.

    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> picture = draw_graph(x * x + x, gradients=True)
    >>> picture.title
    'L = x·x + x'
    """
    choice(view, "view", ("auto", "ops"))
    check_depth(depth)
    given: dict[str, Any] = {"names": names, "inputs": inputs, "targets": targets, "gradients": gradients}
    options = {"depth": depth, "view": view if view != "auto" else None}
    if found := programs((y, *more), given | options):
        return draw_program(found[0], title).themed(theme)
    ys = recorded((y, *more) if more else y)
    if depth is not None and (view != "auto" or len(ys) > 1):
        raise DrawingError(
            "depth= opens the modules of a table, which shows one output and takes no view=: leave depth= out to draw"
            " single operations"
        )
    if depth is None and (view == "ops" or not _is_large(ys)):
        return Drawing(Scene(ys, **given)).draw(title).themed(theme)
    given |= {"gradients": computes_gradients(ys, gradients)}
    return draw_modules(ys[0], title=title, theme=theme, depth=depth, **given)


def _is_large(ys: Sequence[ag.Tensor]) -> bool:
    """Whether the graph is too large for one card per operation."""
    nodes = ag.Graph(*ys).nodes
    modules = any(node.scope for node in nodes)
    large = any(node.op is None and node.requires_grad and node.size > style.PARAMETER_ENTRIES for node in nodes)
    many = sum(node.op is not None for node in nodes) > style.CARDS_LOOSE
    return len(ys) == 1 and (many or (modules and (large or len(nodes) > style.CARDS)))
