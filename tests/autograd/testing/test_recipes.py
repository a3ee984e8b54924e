"""Recipes: every operation has one, and what it makes is taken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd as ag
from autograd.errors import DeclarationError
from autograd.testing.recipes import RECIPES, Case, Source, known_operations, recipe_of, simplest_first

OURS = {name: op for name, op in ag.OPS.items() if op.__module__.startswith("autograd.")}


def test_every_operation_of_this_package_has_one():
    """So that none is called with what is assumed of others."""
    assert sorted(RECIPES.keys() & OURS.keys()) == sorted(OURS)


def test_recipes_are_of_operations_that_exist():
    assert RECIPES.keys() <= ag.OPS.keys()


@pytest.mark.parametrize("name", sorted(OURS))
@settings(max_examples=5)
@given(data=st.data())
def test_an_operation_takes_what_its_recipe_makes(name, data):
    arrays, params = data.draw(RECIPES[name].cases)
    y = OURS[name](*arrays, **params)
    assert np.isfinite(y.data).all()


def test_small_round_numbers_come_first():
    assert simplest_first([-2.25, 1.0, -1.0, 0.5, 3.0]) == [0.5, 1.0, -1.0, 3.0, -2.25]


class TestOfAnOperationOfOnesOwn:
    def test_arrays_broadcast_if_it_says_so(self):
        @ag.op("between", broadcasts=True)
        def between(xp, x, y):
            return 0.5 * (x + y)

        between.vjp(x=lambda g: 0.5 * g, y=lambda g: 0.5 * g)
        shapes = set()

        @settings(max_examples=60)
        @given(recipe_of(between).cases)
        def look(case):
            shapes.add(tuple(x.shape for x in case.arrays))

        look()
        assert any(a != b for a, b in shapes)

    def test_else_they_are_of_one_shape(self):
        @ag.op("middle")
        def middle(xp, *arrays):
            return sum(arrays[1:], arrays[0])

        middle.vjp(arrays=lambda g, arrays: (g,) * len(arrays))

        @given(recipe_of(middle).cases)
        def look(case):
            assert len({x.shape for x in case.arrays}) == 1
            assert len(case.arrays) == 2

        look()
        assert middle in known_operations()

    def test_a_parameter_without_a_default_must_be_declared(self):
        @ag.op("scaled")
        def scaled(xp, x, *, by):
            return by * x

        scaled.vjp(x=lambda g, by: by * g)
        assert scaled not in known_operations()
        with pytest.raises(
            DeclarationError,
            match=r"scaled needs by, and nothing says what to give: declare it once with "
            r"autograd\.testing\.strategies\.declare\(scaled, by=<a strategy>\)",
        ):
            recipe_of(scaled)


def test_a_case_is_its_arrays_and_parameters():
    arrays, params = Case((1.0,), {"axis": 0})
    assert (arrays, params) == ((1.0,), {"axis": 0})


def test_a_plain_source_knows_no_values():
    assert Source(lambda strategy: None).known(lambda shape: True) is None
