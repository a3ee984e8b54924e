"""`assert_rule`: one operation, at given or at drawn inputs."""

import re

import numpy as np
import pytest
from hypothesis import strategies as st

import autograd as ag
from autograd.errors import DeclarationError, GradcheckError
from autograd.testing import assert_rule, strategies


def softsign(rule=lambda xp, g, x: g / (1 + xp.abs(x)) ** 2):
    @ag.op("softsign")
    def softsign(xp, x):
        return x / (1 + xp.abs(x))

    softsign.vjp(x=rule)
    return softsign


def test_three_lines():
    mine = softsign()

    def test_softsign():
        assert_rule(mine)

    test_softsign()


def test_at_given_inputs():
    assert_rule(softsign(), [[0.5, -2.0]])
    assert_rule(ag.take, [1.0, 2.0], [1, 1, 0], axis=0)
    assert_rule(ag.clip, [0.5, 3.0], max=1.0)


def test_a_wrong_rule_at_given_inputs():
    with pytest.raises(GradcheckError, match="matches_finite_differences does not hold") as caught:
        assert_rule(softsign(lambda xp, g, x: g / (1 + xp.abs(x))), [0.5, -2.0])
    assert "x0 = ag.Tensor([0.5, -2.0]" in str(caught.value)


def test_a_wrong_rule_at_drawn_inputs():
    with pytest.raises(GradcheckError) as caught:
        assert_rule(softsign(lambda xp, g, x: g / (1 + xp.abs(x))))
    assert "x0 = ag.Tensor(0.0469, requires_grad=True" in str(caught.value)


def test_only_wrong_for_some_parameter():
    @ag.op("power of")
    def power_of(xp, x, *, n):
        return x**n

    power_of.vjp(x=lambda g, x, n: n * g * x ** (n - 1) if n != 3 else g * x)
    strategies.declare(power_of, n=st.integers(1, 4))
    with pytest.raises(GradcheckError, match=r"ag\.power_of\(x0, n=3\)"):
        assert_rule(power_of, max_examples=40)


def test_how_often():
    calls = []
    mine = softsign(lambda xp, g, x: calls.append(1) or g / (1 + xp.abs(x)) ** 2)
    assert_rule(mine, max_examples=1)
    few = len(calls)
    assert_rule(mine, max_examples=20)
    assert len(calls) - few > 5 * few


class TestRefusals:
    def test_no_rule(self):
        with pytest.raises(
            GradcheckError, match=r"argmax has no rule to test: declare one with argmax\.vjp\(x=\.\.\.\)\."
        ):
            assert_rule(ag.argmax)

    def test_nothing_to_move(self):
        with pytest.raises(
            GradcheckError,
            match=re.escape(
                "none of the arrays given to sin is real floating point and has a rule: its rules are for x; "
                "write 3.0 for 3."
            ),
        ):
            assert_rule(ag.sin, np.array([1, 2]))

    def test_a_parameter_of_which_nothing_is_known(self):
        @ag.op("scaled")
        def scaled(xp, x, *, by):
            return by * x

        scaled.vjp(x=lambda g, by: by * g)
        with pytest.raises(DeclarationError, match="scaled needs by"):
            assert_rule(scaled)
        assert_rule(scaled, [1.0], by=3.0)
