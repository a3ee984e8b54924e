import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassgrad import nn
from glassgrad.nn.data.embedded import PATH, to_ink


@pytest.fixture(scope="module")
def digits():
    return nn.data.digits()


def test_seventy_thousand_digits_of_ink_or_no_ink(digits):
    assert (digits.x_train.shape, digits.x_test.shape) == ((60_000, 256), (10_000, 256))
    assert digits.x_train.dtype == digits.x_test.dtype == np.float32
    assert digits.y_train.dtype == digits.y_test.dtype == np.int64
    assert ((digits.x_train == 0) | (digits.x_train == 1)).all()
    assert digits.image_shape == (16, 16)
    assert digits.classes == tuple("0123456789")
    assert digits.licence == "CC BY-SA 3.0"


def test_labels_are_counted_as_mnist_tells(digits):
    assert np.bincount(digits.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(digits.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_file_is_small_and_has_a_licence():
    assert PATH.stat().st_size < 1_200_000
    licence = PATH.with_name("LICENSE-digits.md").read_text("utf-8")
    for words in ("CC BY-SA 3.0", "Yann LeCun and Corinna Cortes", "What was changed", PATH.name):
        assert words in licence


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
