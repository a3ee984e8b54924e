"""Pictures of a recorded graph: values flow down along solid lines, gradients flow back along dashed ones.

Of a recorded result ``y``, such as a loss:

- ``draw_graph(y)``: every operation with its value and its gradient; a large network as `draw_modules` does.
- ``draw_modules(y)``: a row for each module, with the size of its gradient and what is wrong.
- ``draw_tape(y)``: the operations, their derivatives, and the values kept for them.
- ``draw_loop(y)``: one step of a loop over time, and how its gradient vanishes.
- ``plot_window(y, at=...)``: one window of a convolution or pooling, with its numbers.
- ``explain(y)``: the chain rule as text and LaTeX.
- ``step_through(y)``: an offline page that walks forward and back, and computes.
- ``widget(y)``: the same within a notebook: its numbers are the Tensors'.
- ``check_graph(y)``: every operation's rule beside a finite difference.
- ``snapshot(y)`` and, later, ``diff(before, y)``: what a step of training changed; two graphs, or two programs.

Of a model:

- ``draw_model(model, shape)``, ``summary(model, shape)``: its architecture, without computing it.
- ``draw_network(model, x)``: one example, neuron by neuron.
- ``feature_space(model, ...)``: how its layers bend the space of examples.
- ``plot_filters(layer)``, ``plot_feature_maps(model, x)``: filters, and what each layer makes of an image.
- ``saliency(model, x)``: what a decision depends on.
- ``playground(model, ...)``: an offline page in which it trains.
- ``follow(model, example)``: an offline page of one example and its gradient, in the model's own shape.

Of training: ``plot_history(history)``, ``plot_digits``, ``plot_confusion``, ``lab_report``. Of `nn.search`:
``plot_search``. Of a compiled function: ``draw_graph(step.programs[0])``. Of a sparse Jacobian or
Hessian: ``plot_pattern(matrix)``.

>>> from glassgrad import autograd as ag
>>> from glassgrad import viz
>>> w = ag.Tensor(2.0, requires_grad=True, name="w")
>>> loss = (w * 3.0 - 5.0) ** 2
>>> loss.backward()
>>> viz.draw_graph(loss)
<Picture 'L = (w·3 - 5)²'>
"""

from importlib import import_module
from typing import Any

import glassgrad  # noqa: F401  (in the repository it gives this package its full name)

_HOMES = {
    name: home
    for home, names in {
        "difference": "diff snapshot",
        "drawing.errors": "DrawingError",
        "drawing.render": "EngineWarning Picture RenderError use_engine",
        "formula.derivation": "Derivation Derivations explain",
        "graph.blocks": "draw_model",
        "graph.check": "check_graph",
        "graph.loop": "draw_loop",
        "graph.modules": "draw_modules",
        "graph.picture": "draw_graph",
        "graph.tape": "draw_tape",
        "pages.follow.page": "follow",
        "pages.page": "Page",
        "pages.stage": "step_through",
        "pages.playground": "playground",
        "pages.report": "lab_report",
        "pages.widget": "Widget widget",
        "plots.digits": "plot_confusion plot_digits",
        "plots.features": "feature_space",
        "plots.history": "plot_history",
        "plots.maps": "plot_feature_maps plot_filters",
        "plots.network": "draw_network",
        "plots.pattern": "plot_pattern",
        "plots.saliency": "saliency",
        "plots.search": "plot_search",
        "plots.window": "plot_window",
        "recorded.summary": "summary",
    }.items()
    for name in names.split()
}
"""The module of each name. The build writes a stub of them for type checkers (tests/stubs.py)."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    # Drawing code is imported with the first picture, so that a program without pictures starts fast.
    if name not in _HOMES:
        raise AttributeError(f"viz has no {name!r}: help(viz) lists its pictures")
    return getattr(import_module(f"glassgrad.viz.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
