"""Each picture of the gallery is drawn as its text says, no wider than a page, and no line of it runs through a card.

`python -m tests.viz.outline` writes the texts anew.
"""

from __future__ import annotations

from difflib import unified_diff
from functools import cache
from typing import Any

import numpy as np
import pytest

from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.render import Picture
from tests.viz.laid_out import LaidOut
from tests.viz.outline import GALLERY, PICTURES, outline, parts

pytest.importorskip("matplotlib")

TRAINED = ("neurons", "feature_space", "history", "saliency")  # numbers after many steps, which differ by machine


def test_every_picture_has_its_text():
    assert {path.stem for path in GALLERY.glob("*.txt")} == PICTURES.keys()


@cache
def shown(name: str) -> Any:
    if name.startswith("onnx"):
        pytest.importorskip("onnx")
    return PICTURES[name]()


@pytest.mark.parametrize("name", sorted(path.stem for path in GALLERY.glob("*.txt")))
class TestPicture:
    def test_it_is_drawn_as_its_text_says(self, name):
        kept, drawn = (GALLERY / f"{name}.txt").read_text(encoding="utf-8"), outline(shown(name))
        (words, numbers), (kept_words, kept_numbers) = parts(drawn), parts(kept)
        same = len(numbers) == len(kept_numbers) and np.allclose(numbers, kept_numbers, 0.02, 2e-4)
        if words != kept_words or not (same or name in TRAINED):
            pytest.fail("\n".join(unified_diff(kept.splitlines(), drawn.splitlines(), "kept", "drawn", n=1)))

    def test_it_fits_on_a_page_and_no_line_runs_through_a_card(self, name):
        if not isinstance(shown(name), Picture):
            pytest.skip("a plot")
        picture = LaidOut(shown(name))
        assert picture.width <= style.WIDTH
        for id_, line in picture.lines.items():
            ends = [card for card in picture.cards.values() if card.near(line.start) or card.near(line.end)]
            for key, card in picture.cards.items():
                assert card in ends or not any(card.holds(*point, slack=2) for point in line.points), (id_, key)
