"""Text as integers, and back."""

import numpy as np

from glassgrad.nn.data import CharVocabulary, first_names, text_sequences


def test_names_are_there_once_and_in_order_and_come_back():
    names = first_names()
    assert names == sorted(set(names))
    assert all(name.isalpha() and name.islower() and name.isascii() for name in names)
    vocabulary = CharVocabulary.of(names)
    assert len(vocabulary) == 27
    assert [vocabulary.decode(vocabulary.encode(name)) for name in names] == names


def test_targets_are_the_inputs_one_step_later():
    vocabulary = CharVocabulary("abc")
    inputs, targets, lengths = text_sequences(["abca", "c", ""], vocabulary)
    assert inputs.dtype == targets.dtype == lengths.dtype == np.int64
    for text, x, y, n in zip(["abca", "c", ""], inputs, targets, lengths, strict=True):
        assert n == len(text) + 1
        assert vocabulary.decode(y) == text
        assert x[0] == 0
        np.testing.assert_array_equal(x[1:n], y[: n - 1])
        assert not x[n:].any()
        assert not y[n - 1 :].any()
