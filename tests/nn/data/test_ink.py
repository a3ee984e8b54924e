import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.nn.data.ink import to_ink

pytest.importorskip("PIL")


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    top=st.integers(0, 5),
    left=st.integers(0, 5),
    grey=st.integers(110, 255),
)
def test_a_filled_box_keeps_its_aspect_and_is_centred(height, width, top, left, grey):
    picture = np.zeros((top + height + 3, left + width + 1), np.uint8)
    picture[top : top + height, left : left + width] = grey
    ink = to_ink(picture)
    assert ink.shape == (16, 16)
    assert ink.dtype == np.bool_
    sides = [ink.any(axis=axis) for axis in (1, 0)]
    for side, length in zip(sides, (height, width), strict=True):
        assert abs(side.sum() - max(1, 16 * length / max(height, width))) <= 0.5
        assert abs(int(side.argmax()) - int(side[::-1].argmax())) <= 1
    assert (ink == np.outer(*sides)).all()


def test_ink_is_what_is_above_the_threshold():
    picture = np.full((16, 16), 200, np.uint8)
    picture[:, 4:8] = 102
    picture[:, 8:12] = 103
    assert to_ink(picture)[5].tolist() == [True] * 4 + [False] * 4 + [True] * 8


@pytest.mark.parametrize(
    ("picture", "error", "sentence"),
    [
        (
            np.zeros((28, 28), np.uint8),
            DomainError,
            "The picture of shape (28, 28) is blank: there is no ink to crop to.",
        ),
        (np.zeros((0, 0), np.uint8), DomainError, "The picture of shape (0, 0) is blank"),
        (np.ones((28, 28, 3), np.uint8), ShapeError, "The picture has shape (28, 28, 3): give a grey picture of shape"),
        (
            np.ones((28, 28)),
            DTypeError,
            "The picture is float64: give grey values as uint8, 0 for paper to 255 for ink.",
        ),
    ],
)
def test_images_that_show_no_digit_raise(picture, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        to_ink(picture)
