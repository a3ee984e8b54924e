"""Counting who else refers to an object."""

import numpy as np

from glassgrad.autograd.common.references import other_references


def test_references_besides_the_callers_variable_are_counted():
    array = np.zeros((2, 3))
    assert other_references(array) == 0
    view = array.T
    assert other_references(array) == 1, "the view refers to it"
    held = {"array": array, "again": (array, view)}
    assert other_references(array) == 3
    del view, held
    assert other_references(array) == 0
