"""`assert_rule`: one operation, at given or at drawn inputs."""

import numpy as np
import pytest
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DeclarationError, GradcheckError
from glassgrad.autograd.testing import Domain, array, assert_rule, declare
from tests.autograd.testing.own_operations import OWN, WRONG
from tests.declared import declared
from tests.sampling import waiting


def softsign(rule=lambda xp, g, x: g / (1 + xp.abs(x)) ** 2):
    return declared(lambda xp, x: x / (1 + xp.abs(x)), "softsign", x=rule)


def test_at_given_inputs():
    assert_rule(softsign(), [[0.5, -2.0]])
    assert_rule(ag.take, [1.0, 2.0], [1, 1, 0], axis=0)
    assert_rule(ag.clip, [0.5, 3.0], max=1.0)


def test_a_wrong_rule_at_given_inputs():
    with pytest.raises(GradcheckError, match=r"^softsign fails the check matches_finite_differences") as caught:
        assert_rule(softsign(lambda xp, g, x: g / (1 + xp.abs(x))), [0.5, -2.0])
    assert "x0 = ag.Tensor([0.5, -2.0]" in str(caught.value)


def test_a_wrong_rule_at_drawn_inputs():
    with pytest.raises(GradcheckError) as caught:
        assert_rule(softsign(lambda xp, g, x: g / (1 + xp.abs(x))))
    assert "x0 = ag.Tensor(0.0469, requires_grad=True" in str(caught.value)


def test_only_wrong_for_some_parameter():
    rule = lambda g, x, n: n * g * x ** (n - 1) if n != 3 else g * x  # noqa: E731
    power_of = declared(lambda xp, x, *, n: x**n, "power_of", x=rule)
    declare(power_of, n=st.integers(1, 4))
    with pytest.raises(GradcheckError, match=r"ag\.power_of\(x0, n=3\)"):
        assert_rule(power_of, max_examples=40)


def test_how_often():
    calls = []
    mine = softsign(lambda xp, g, x: calls.append(1) or g / (1 + xp.abs(x)) ** 2)
    assert_rule(mine, max_examples=1)
    few = len(calls)
    assert_rule(mine, max_examples=20)
    assert len(calls) - few > 5 * few


class TestCorners:
    """What is wrong only where no ordinary number is."""

    @pytest.mark.parametrize(
        ("rule", "where"),
        [
            (lambda xp, g, x: xp.where(x == 0, 0.5 * g, g / (1 + xp.abs(x)) ** 2), r"ag\.Tensor\(\[?-?0\.0"),
            waiting(lambda xp, g, x: xp.where(x > 3.5, 2.0 * g, g) / (1 + xp.abs(x)) ** 2, r"ag\.Tensor\(\[?\d+\.0"),
            waiting(lambda xp, g, x: xp.where(x < -500, 0.0, g) / (1 + xp.abs(x)) ** 2, r"at this input +-1000"),
            (lambda xp, g, x: g * xp.exp(-x) / xp.exp(-x) / (1 + xp.abs(x)) ** 2, r"ag\.Tensor\(\[?-?\d00+\.0"),
        ],
        ids=["at 0", "beyond 3.5", "at -1000", "overflow"],
    )
    def test_of_numbers(self, rule, where):
        with pytest.raises(GradcheckError, match=where):
            assert_rule(softsign(rule), max_examples=30)

    @pytest.mark.check
    def test_one_tensor_for_two_arguments(self):
        rules = {"x": lambda xp, g, x, y: xp.where(x > y, g, 0.0), "y": lambda xp, g, x, y: xp.where(x < y, g, 0.0)}
        larger = declared(lambda xp, x, y: xp.maximum(x, y), "larger", {"broadcasts": True}, **rules)
        assert_rule(larger, [1.0, 2.0], [1.0, 3.0])
        with pytest.raises(GradcheckError, match=r"ag\.larger\(x0, x0\)"):
            assert_rule(larger, max_examples=8)
        assert_rule(larger, x=array(distinct=True), y=array(distinct=True))

    def test_empty_arrays(self):
        doubled = declared(lambda xp, x: 2 * x, x=lambda g, x_shape: 2 * g if 0 not in x_shape else g[0])
        with pytest.raises(GradcheckError, match=r"\[\]|reshape"):
            assert_rule(doubled, max_examples=30)

    def test_an_operation_that_takes_no_empty_array_is_not_given_one(self):
        rule = lambda xp, g, x_shape: xp.scatter_add(g, index=0, shape=x_shape)  # noqa: E731
        assert_rule(declared(lambda xp, x: x[0], x=rule), x="n")


def test_a_rule_that_keeps_values_of_the_last_call():
    (wrong,) = [wrong for wrong in WRONG if wrong.kind == "state"]
    with pytest.raises(GradcheckError, match=r"^cube (keeps values of an earlier call|fails the check)"):
        assert_rule(OWN[wrong.op].declared(wrong))


class TestUnchecked:
    """A check that shows nothing does not pass."""

    def test_in_every_call(self):
        flat = declared(lambda xp, x, y: x + 1e12 + 0.01 * np.cbrt(y), x=lambda g: g, y=lambda g: 0.01 * g)
        with pytest.raises(GradcheckError, match=r"with respect to y\. In all calls that were drawn it was too small"):
            assert_rule(flat, max_examples=15, y=Domain(1.0, 2.0))


class TestWhatItTakes:
    def test_may_change_one_part_of_what_was_declared(self):
        seen = set()

        def scaled(xp, x, *, by, twice=False):
            seen.add((x.ndim, by))
            return x * by * (2 if twice else 1)

        scaled = declared(scaled, "scaled", x=lambda g, by, twice: g * by * (2 if twice else 1))
        declare(scaled, x="n", by=st.sampled_from((2.0, 3.0)))
        assert_rule(scaled, by=5.0)
        assert seen == {(1, 5.0)}


class TestRefusals:
    def test_an_argument_that_was_forgotten(self):
        times = declared(lambda xp, x, y: x * y, "times", x=lambda g, y: g * y)
        for arrays in ((), (2.0, 3.0)):
            with pytest.raises(
                GradcheckError,
                match=r"times has no rule for y: declare one with times\.vjp\(y=\.\.\.\), or times\.vjp\(y=None\)",
            ):
                assert_rule(times, *arrays)
        times.vjp(y=None)
        assert_rule(times)

    def test_a_parameter_of_which_only_the_default_would_be_tried(self):
        loss = declared(lambda xp, x, *, reduction="none": x, "loss", x=lambda g: g)
        with pytest.raises(
            DeclarationError,
            match=r"loss has the parameter reduction = 'none', and nothing says which other values it takes: declare ",
        ):
            assert_rule(loss)
        assert_rule(loss, reduction="none")
