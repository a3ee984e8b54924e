"""Each picture of the gallery is drawn as its text says; `python -m tests.viz.outline` writes the texts anew."""

from __future__ import annotations

from difflib import unified_diff

import numpy as np
import pytest

from tests.viz.outline import GALLERY, PICTURES, outline, parts

pytest.importorskip("matplotlib")

TRAINED = ("neurons", "feature_space", "history", "saliency")  # numbers after many steps, which differ by machine


def test_every_picture_has_its_text():
    assert {path.stem for path in GALLERY.glob("*.txt")} == PICTURES.keys()


@pytest.mark.parametrize("name", sorted(path.stem for path in GALLERY.glob("*.txt")))
def test_a_picture_is_drawn_as_its_text_says(name):
    if name.startswith("onnx"):
        pytest.importorskip("onnx")
    kept, drawn = (GALLERY / f"{name}.txt").read_text(encoding="utf-8"), outline(PICTURES[name]())
    (words, numbers), (kept_words, kept_numbers) = parts(drawn), parts(kept)
    close = name in TRAINED or (len(numbers) == len(kept_numbers) and np.allclose(numbers, kept_numbers, 0.02, 2e-4))
    if words != kept_words or not close:
        pytest.fail("\n".join(unified_diff(kept.splitlines(), drawn.splitlines(), "kept", "drawn", n=1)))
