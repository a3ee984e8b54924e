"""Domains: what they draw from and what they hold."""

import math

import numpy as np
import pytest

from glassgrad.autograd.testing.declarations import (
    COUNT,
    INSIDE,
    INTEGERS,
    NONZERO,
    POSITIVE,
    REAL,
    STEPS,
    Domain,
    distinct,
)

ALL = pytest.mark.parametrize("domain", [REAL, POSITIVE, NONZERO, INSIDE, STEPS, INTEGERS, Domain(1.2, 4.0)])


@ALL
def test_a_domain_holds_its_own_numbers(domain):
    assert domain.holds(domain.numbers)
    assert domain.numbers == sorted(domain.numbers)


def test_numbers_are_even_and_away_from_what_is_to_be_avoided():
    assert len(REAL.numbers) == len(set(REAL.numbers)) == COUNT
    assert min(abs(x) for x in NONZERO.numbers) > 0.2
    assert all(abs(x - 0.5 * round(2 * x)) > 0.03 for x in STEPS.numbers)


def test_limits_are_wider_than_what_is_drawn():
    assert POSITIVE.holds([0.2, 1e9])
    assert not POSITIVE.holds([0.19])
    assert INSIDE.holds([0.9])
    assert not INSIDE.holds([0.91])
    assert not NONZERO.holds([5.0, 0.1])
    assert REAL.holds([-1e9, 1e9])
    assert not REAL.holds([math.nan])


def test_special_numbers_are_those_within_the_limits():
    assert 0.0 in REAL.special
    assert {100.0, -100.0} <= set(REAL.special)
    assert min(POSITIVE.special) == 1.0
    assert 0.0 not in NONZERO.special
    assert INSIDE.special == [0.0, -0.0, 1e-5, -1e-5]


def test_only_these_numbers():
    domain = Domain(only=(1.0, 2.0))
    assert domain.numbers == [1.0, 2.0]
    assert domain.holds([[1.0], [2.0]])
    assert not domain.holds([1.5])


def test_empty_and_0d_arrays():
    assert INSIDE.holds(np.zeros((0, 3)))
    assert INSIDE.holds(0.5)
    assert distinct([])
    assert distinct(3.0)


def test_distinct():
    assert distinct([[1.0, 2.0], [0.0, 1.5]])
    assert not distinct([1.0, 2.0, 1.01])
