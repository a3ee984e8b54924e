"""The pictures of the pages are what the package draws, in words and in size."""

import re

import pytest
from PIL import Image

from docs.make.pictures import DOCS, PICTURES
from tests.viz.outline import outline

LONG = "graph", "maps", "neurons", "saliency", "search"
"""Pictures of networks that are trained for them, not quite alike everywhere."""


def words(text):
    """The lines of a text without numbers and the marks of pruned trials."""
    return {re.sub(r"[-.\d]*\d(?:e-?\d+)?(?: ×)?", "#", line) for line in text.splitlines()}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.check] * (n in LONG)) for n in PICTURES])
def test_it_is_drawn_as_it_is_shown(name, tmp_path):
    """``python -m docs.make.pictures NAME`` draws it anew. Engines and fonts differ in a few pixels."""
    shown = PICTURES[name]()
    told = words(outline(shown))  # before the ticks of a plot are written
    with Image.open(DOCS / f"{name}.png") as kept, Image.open(shown.save(tmp_path / "now.png")) as now:
        assert told == words(kept.text["Description"])
        assert max(abs(a / b - 1) for a, b in zip(now.size, kept.size, strict=True)) < 0.1
