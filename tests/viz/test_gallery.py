"""Each picture of the gallery is drawn as its text says, no wider than a page, and no line of it runs through a card.

``KEEP=1 python -m pytest`` writes the texts anew.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from glassgrad.viz.drawing import style
from tests.viz.kept import assert_kept
from tests.viz.laid_out import LaidOut
from tests.viz.outline import GALLERY, outline
from tests.viz.pictures import PICTURES


def test_every_picture_has_its_text():
    assert {path.stem for path in GALLERY.glob("*.txt")} == PICTURES.keys()


@cache
def shown(name: str) -> Any:
    if name.startswith("onnx"):
        pytest.importorskip("onnx")
    return PICTURES[name]()


@pytest.mark.parametrize("name", PICTURES)
class TestPicture:
    def test_it_is_drawn_as_its_text_says(self, name):
        assert_kept(GALLERY / f"{name}.txt", outline(shown(name)))

    def test_it_fits_on_a_page_and_no_line_runs_through_a_card(self, name):
        picture = LaidOut(shown(name))
        assert picture.width <= style.WIDTH
        for id_, line in picture.lines.items():
            ends = [card for card in picture.cards.values() if card.near(line.start) or card.near(line.end)]
            for key, card in picture.cards.items():
                assert card in ends or not any(card.holds(*point, slack=2) for point in line.points), (id_, key)
