"""Pictures of a recorded graph: its values falling along solid lines, its gradients climbing back along dashed ones.

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
    from viz.check import check_graph
    from viz.derivation import Derivation, explain
    from viz.difference import diff, snapshot
    from viz.features import feature_space
    from viz.given import DrawingError
    from viz.modules import draw_modules
    from viz.network import draw_network
    from viz.page import Page, step_through
    from viz.picture import draw_graph
    from viz.plots import plot_confusion, plot_digits, plot_history
    from viz.render import EngineWarning, Picture, RenderError, use_engine
    from viz.report import lab_report

_HOMES = {
    "Page": "page",
    "check_graph": "check",
    "step_through": "page",
    "Derivation": "derivation",
    "explain": "derivation",
    "diff": "difference",
    "snapshot": "difference",
    "draw_graph": "picture",
    "draw_modules": "modules",
    "draw_network": "network",
    "lab_report": "report",
    "feature_space": "features",
    "plot_confusion": "plots",
    "plot_digits": "plots",
    "plot_history": "plots",
    "DrawingError": "given",
    "EngineWarning": "render",
    "Picture": "render",
    "RenderError": "render",
    "use_engine": "render",
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
    "draw_modules",
    "draw_network",
    "lab_report",
    "feature_space",
    "plot_confusion",
    "plot_digits",
    "plot_history",
    "snapshot",
    "use_engine",
]


def __getattr__(name: str) -> Any:
    # What is drawn with is imported at the first picture: a program that draws none does not wait for it.
    if name not in _HOMES:
        raise AttributeError(f"viz has no {name!r}")
    return getattr(import_module(f"viz.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
