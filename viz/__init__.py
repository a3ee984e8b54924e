"""Pictures of a recorded graph: values flow down along solid lines, gradients flow back along dashed ones.

>>> import autograd as ag
>>> import viz
>>> w = ag.Tensor(2.0, requires_grad=True, name="w")
>>> loss = (w * 3.0 - 5.0) ** 2
>>> loss.backward()
>>> viz.draw_graph(loss)
<Picture 'L = (w·3 - 5)²'>
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import autograd

if not (hasattr(autograd, "OPS") and hasattr(autograd, "Graph")):
    raise ImportError(
        "viz needs the autograd of glassgrad, and `import autograd` found another project's in "
        f"{next(iter(getattr(autograd, '__path__', '?')))}: the two can't share an environment; run "
        "`pip uninstall autograd`, then `pip install --force-reinstall glassgrad`."
    )

if TYPE_CHECKING:
    from viz.difference import diff, snapshot
    from viz.drawing.errors import DrawingError
    from viz.drawing.render import EngineWarning, Picture, RenderError, use_engine
    from viz.formula.derivation import Derivation, explain
    from viz.graph.blocks import draw_model
    from viz.graph.check import check_graph
    from viz.graph.loop import draw_loop
    from viz.graph.modules import draw_modules
    from viz.graph.picture import draw_graph
    from viz.pages.page import Page, step_through
    from viz.pages.playground import playground
    from viz.pages.report import lab_report
    from viz.pages.search import search_report
    from viz.plots.digits import plot_confusion, plot_digits
    from viz.plots.features import feature_space
    from viz.plots.history import plot_history
    from viz.plots.maps import plot_feature_maps, plot_filters
    from viz.plots.network import draw_network
    from viz.plots.saliency import adversarial, saliency
    from viz.plots.search import plot_search
    from viz.plots.window import plot_window
    from viz.recorded.summary import summary

_HOMES = {
    "Page": "pages.page",
    "check_graph": "graph.check",
    "step_through": "pages.page",
    "Derivation": "formula.derivation",
    "explain": "formula.derivation",
    "diff": "difference",
    "snapshot": "difference",
    "draw_graph": "graph.picture",
    "draw_loop": "graph.loop",
    "draw_model": "graph.blocks",
    "draw_modules": "graph.modules",
    "draw_network": "plots.network",
    "lab_report": "pages.report",
    "playground": "pages.playground",
    "feature_space": "plots.features",
    "plot_confusion": "plots.digits",
    "plot_digits": "plots.digits",
    "plot_history": "plots.history",
    "plot_search": "plots.search",
    "search_report": "pages.search",
    "adversarial": "plots.saliency",
    "plot_feature_maps": "plots.maps",
    "plot_filters": "plots.maps",
    "plot_window": "plots.window",
    "saliency": "plots.saliency",
    "DrawingError": "drawing.errors",
    "EngineWarning": "drawing.render",
    "Picture": "drawing.render",
    "RenderError": "drawing.render",
    "summary": "recorded.summary",
    "use_engine": "drawing.render",
}

__all__ = [
    "Page",
    "check_graph",
    "step_through",
    "Derivation",
    "explain",
    "DrawingError",
    "EngineWarning",
    "Picture",
    "RenderError",
    "diff",
    "draw_graph",
    "draw_loop",
    "draw_model",
    "draw_modules",
    "draw_network",
    "lab_report",
    "feature_space",
    "playground",
    "plot_confusion",
    "plot_digits",
    "plot_feature_maps",
    "plot_filters",
    "plot_history",
    "plot_search",
    "search_report",
    "plot_window",
    "adversarial",
    "saliency",
    "snapshot",
    "summary",
    "use_engine",
]


def __getattr__(name: str) -> Any:
    # Drawing code is imported with the first picture, so that a program without pictures starts fast.
    if name not in _HOMES:
        raise AttributeError(f"viz has no {name!r}")
    return getattr(import_module(f"viz.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
