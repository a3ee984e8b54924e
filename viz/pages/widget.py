"""A page of steps as a widget of a notebook: a number that is dragged in the page is the Tensor's value in Python.

The page and the notebook send each other messages, ``{"numbers": {name: entries}}``; `notebook.js` is the page's side
of them, `widget.js` the notebook's. `anywidget` carries them in Jupyter, VS Code, Colab and marimo.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.backends import to_numpy
from glassgrad.viz.pages.emitted import asset
from glassgrad.viz.pages.page import HEIGHT, Page
from glassgrad.viz.pages.stage import step_through
from glassgrad.viz.recorded.scene import Scene
from glassgrad.viz.recorded.validation import is_function, members, named


class Widget:
    """A page whose numbers are the Tensors' of a running notebook; made by `widget`.

    ``page`` is the page, ``tensors`` are the leaves whose numbers it shows, by the keys that it has for them, and
    ``view`` is anywidget's widget, None without that package: then the page shows itself in a frame, and its numbers
    are its own.
    """

    def __init__(self, page: Page, tensors: Mapping[str, ag.Tensor]) -> None:
        self.page, self.tensors = page, dict(tensors)
        made = _view_class()
        html = page.html.replace("</body>", f"<script>\n{asset('notebook.js')}</script>\n</body>")
        self.view: Any = made and made(page=html, title=page.title, height=HEIGHT)
        if self.view is not None:
            self.view.on_msg(self._heard)
            _after_each_cell(self)

    def refresh(self) -> None:
        """Show the Tensors' present numbers, which Python may have changed. IPython does so after each cell."""
        if self.view is not None:
            found = {name: _entries(tensor) for name, tensor in self.tensors.items()}
            self.view.send({"numbers": {name: entries for name, entries in found.items() if entries is not None}})

    def _heard(self, _: Any, content: Any, __: Any) -> None:
        """Take the numbers of the page."""
        if content.get("ready"):
            self.refresh()
        for name, entries in content.get("numbers", {}).items():
            tensor = self.tensors.get(name)
            if tensor is not None and len(entries) == tensor.size and all(isinstance(x, int | float) for x in entries):
                made = ag.Tensor(entries, dtype=str(tensor.dtype), device=tensor.device)
                tensor.data = made.reshape(tensor.shape).data

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if self.view is None:
            return {"text/plain": repr(self), "text/html": self.page._repr_html_()}
        return self.view._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        lacking = "" if self.view is not None else ': one-way, pip install "glassgrad[notebook]" for both ways'
        return f"<Widget {self.page.title!r}{lacking}>"


def widget(
    y: ag.Tensor | Sequence[ag.Tensor] | Callable[[], ag.Tensor | Sequence[ag.Tensor]],
    *,
    names: Mapping[str, Any] | None = None,
    inputs: Iterable[ag.Tensor] = (),
    targets: Iterable[ag.Tensor] = (),
    title: str | None = None,
    language: str | None = None,
) -> Widget:
    """The page of `step_through` within a notebook, connected with it: dragging a number there changes the Tensor here,
    and what Python changes is shown there.

    The arguments are those of `step_through`. The graph has to be small enough to be computed in the page. Without
    the package `anywidget` (``pip install "glassgrad[notebook]"``) the page is shown, but not connected.

    >>> w = ag.Tensor(2.0, requires_grad=True, name="w")
    >>> shown = widget((w * 3.0 - 5.0) ** 2)
    >>> shown.page, list(shown.tensors)
    (<Page 'L = (w·3 - 5)²'>, ['w'])
    """
    ys: Any = y() if is_function(y) else y
    given, wanted = members(inputs, "inputs"), members(targets, "targets")
    page = step_through(ys, names=names, inputs=given, targets=wanted, title=title, live=True, language=language)
    cards = Scene(ys, names=named(names), inputs=given, targets=wanted, gradients=False).cards
    return Widget(page, {card.key: card.place for card in cards if isinstance(card.place, ag.Tensor)})


def _entries(tensor: ag.Tensor) -> list[float] | None:
    """The numbers in rows; None where one is not finite, which JSON can't say."""
    entries = to_numpy(tensor.data).ravel().tolist()
    return entries if all(map(math.isfinite, entries)) else None


@cache
def _view_class() -> Any:
    """The class of anywidget's widgets that show a page; None without that package."""
    try:
        anywidget, traitlets = import_module("anywidget"), import_module("traitlets")
    except ImportError:
        return None
    kinds = {"page": traitlets.Unicode, "title": traitlets.Unicode, "height": traitlets.Int}
    traits = {name: kind().tag(sync=True) for name, kind in kinds.items()}
    return type("PageView", (anywidget.AnyWidget,), {"_esm": asset("widget.js"), **traits})


def _after_each_cell(shown: Widget) -> None:
    """Let IPython refresh the widget after each cell."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is not None:
        shell.events.register("post_run_cell", lambda _: shown.refresh())
