"""What `from glassgrad import viz` offers, and where it is listed."""

from __future__ import annotations

import re
from pathlib import Path

from glassgrad import viz

PICTURES = Path(__file__).parents[2] / "docs/pictures.md"
OTHERS = {
    "use_engine",
    "Page",
    "Picture",
    "Derivation",
    "Derivations",
    "DrawingError",
    "EngineWarning",
    "RenderError",
    "Widget",
}


def test_the_help_lists_every_function_that_draws():
    assert set(re.findall(r"``(\w+)", viz.__doc__)) == set(viz.__all__) - OTHERS | {"y"}


def test_the_page_of_pictures_opens_with_the_functions():
    table = PICTURES.read_text(encoding="utf-8").split("\n## ")[0]
    named = set(re.findall(r"viz\.(\w+)", table))
    assert named >= {name for name in viz.__all__ if name.startswith("draw_")}
    assert named <= set(viz.__all__)
