"""Properties: each holds of what is right, and finds the fault that it is for."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import GradcheckError
from glassgrad.autograd.testing import Program, programs
from tests import properties
from tests.autograd.testing.test_programs import diamond
from tests.properties import PROPERTIES

X = [0.5, -1.0, 2.0]

each = pytest.mark.parametrize("name", sorted(PROPERTIES))


def declared(forward, *, name="mine", **rules):
    forward.__name__ = name
    op = ag.op(name)(forward)
    op.vjp(**rules)
    return op


def squared(rule, forward=lambda xp, x: x * x):
    return declared(forward, name="squared", x=rule)


def value(x):
    """What is computed with and not recorded."""
    return x.data if isinstance(x, ag.Tensor) else x


def said(name, f, *inputs):
    with pytest.raises(GradcheckError) as caught:
        PROPERTIES[name](f, *inputs)
    return str(caught.value)


@each
@pytest.mark.parametrize(
    ("f", "inputs"),
    [
        (lambda x: x * ag.sin(x), [X]),
        (lambda x: (ag.sum(x), x[1:] * x[:-1], ag.Tensor(1.0)), [X]),
        (lambda x, w, b: ag.tanh(x @ w + b), [np.eye(2), np.ones((2, 3)), np.ones(3)]),
        (lambda x, i: ag.take(x, i, axis=0), [X, np.array([2, 0, 2])]),
        (Program.of(ag.cross_entropy, np.ones((2, 3)), [0, 2]), []),
    ],
)
def test_holds_of_what_is_right(name, f, inputs):
    applies = name != "float32_matches_float64" or isinstance(f, Program)
    assert PROPERTIES[name](f, *inputs) is applies


@each
def test_has_a_docstring(name):
    assert PROPERTIES[name].__doc__
    assert PROPERTIES[name].__name__ == name


def test_names_are_those_of_the_module():
    assert all(getattr(properties, name) is holds for name, holds in PROPERTIES.items())
    assert len(PROPERTIES) == 8


class TestFinds:
    def test_a_wrong_factor(self):
        assert "the rules give 1/2 times the difference" in said(
            "matches_finite_differences", squared(lambda g, x: g * x), X
        )

    def test_a_wrong_second_derivative(self):
        constant = squared(lambda g, x: g * 2 * value(x))
        assert properties.matches_finite_differences(constant, X)
        assert "the derivative of the gradient" in said("second_order_matches_finite_differences", constant, X)

    def test_a_rule_that_loses_g(self):
        loses = squared(lambda g, x: value(g) * 2 * x)
        assert "the gradient and jvp disagree: element 0 of 1 is" in said("passes_dot_product_test", loses, X)

    def test_a_rule_that_is_not_linear(self):
        affine = squared(lambda g, x: 2 * g * x + 0.1)
        assert "a rule is not linear in g: element" in said("vjp_is_linear", affine, X)

    def test_second_derivatives_that_are_not_symmetric(self):
        op = declared(lambda xp, x, y: x * y, name="times", x=lambda g, y: g * y, y=lambda g, x: g * value(x))
        assert properties.matches_finite_differences(op, X, X)
        assert "the second derivatives are not symmetric: element 0 of 1 is" in said("hessian_is_symmetric", op, X, X)

    def test_a_program_that_computes_something_else(self, monkeypatch):
        monkeypatch.setattr(ag, "compile", lambda f: lambda *xs: f(*xs) * 1.001)
        assert "compiled values differ from eager ones: element" in said("compiled_matches_eager", ag.sin, X)
        monkeypatch.setattr(ag, "compile", lambda f: f if f.__name__ == "joined" else lambda *xs: (2 * f(*xs)[0],))
        assert "the compiled gradient differs from the eager one: element" in said("compiled_matches_eager", ag.sin, X)

    def test_promotion_of_float32_is_reported(self):
        promoting = squared(lambda g, x: 2 * g * x, lambda xp, x: x * x * np.float64(1.0))
        assert "an output is float64 for inputs and constants of float32: a step promotes it." in said(
            "float32_matches_float64", Program.of(promoting, X)
        )

    def test_a_value_that_is_bad_in_float32(self):
        cancels = squared(lambda g, x: 2 * g * x, lambda xp, x: (x * x + 1e8) - 1e8)
        assert "the float32 value is far from float64's" in said("float32_matches_float64", Program.of(cancels, X))

    def test_a_gradient_that_is_bad_in_float32(self):
        cancels = squared(lambda g, x: g * ((2 * x + 1e8) - 1e8))
        assert "the float32 gradient is far from float64's" in said("float32_matches_float64", Program.of(cancels, X))

    def test_a_gradient_that_depends_on_names(self):
        by_name = lambda x: x * (2.0 if (x.name or "").startswith("renamed") else 1.0)  # noqa: E731
        assert "renaming changes a gradient: element" in said("gradient_is_invariant", by_name, X)

    def test_a_gradient_that_depends_on_the_order(self):
        calls = []

        @ag.op("counted")
        def counted(xp, x):
            calls.append(1)
            return x * float(len(calls))

        counted.vjp(x=lambda g, x, out: g * (out / x))
        assert "changes a gradient" in said("gradient_is_invariant", counted, X)


class TestMessage:
    def test_a_program_is_cut_to_what_fails(self):
        squared(lambda g, x: g * x)
        steps = programs
        ref = steps.Ref
        program = Program(
            {"x": np.array([1.0, 2.0])},
            (
                steps.Step("a", ag.OPS["sin"], (ref("x"),), {}),
                steps.Step("b", ag.OPS["squared"], (ref("a"),), {}),
                steps.Step("c", ag.OPS["exp"], (ref("b"),), {}),
                steps.Step("d", ag.OPS["cos"], (ref("x"),), {}),
            ),
            ("c", "d"),
        )
        message = said("matches_finite_differences", program)
        assert (
            "Recorded operations: squared.\n\nThe program, and how to see it:\n\nfrom glassgrad import autograd"
            in message
        )
        assert "sin" not in message.partition("how to see it")[2]
        assert "v0 = ag.squared(x0)  # (2,)\noutputs = (v0,)\n" in message

    def test_an_error_is_reported_with_the_program(self):
        raises = squared(lambda g, x: {}[0])
        message = said("vjp_is_linear", Program.of(raises, X))
        assert message.startswith("squared fails the check vjp_is_linear.\nKeyError: 0\n\nThe program")

    def test_errors_of_another_function_are_not_wrapped(self):
        with pytest.raises(ZeroDivisionError):
            properties.vjp_is_linear(lambda x: 1 // 0, X)


def test_check_tells_which_properties_apply():
    assert properties.check(Program.of(ag.sin, X)) == list(PROPERTIES)
    assert "float32_matches_float64" not in properties.check(ag.sin, X)


class TestOtherPrograms:
    def test_another_order_computes_the_same(self):
        program, orders = diamond(), set()
        for seed in range(10):
            other = properties.reordered(program, np.random.default_rng(seed))
            orders.add(tuple(step.name for step in other.steps))
            assert other()[0].item() == program()[0].item()
        assert len(orders) > 3

    def test_other_names_compute_the_same(self):
        other = properties.renamed(diamond(), "my_")
        assert list(other.inputs) == ["my_x", "my_y"]
        assert other()[1].tolist() == diamond()()[1].tolist()

    def test_parts(self):
        parts = list(properties.simpler(diamond().needed()))
        assert [len(part.outputs) for part in parts[:2]] == [1, 1]
        assert all(len(part.steps) <= 4 for part in parts)
        cut = next(part for part in parts if "sin" not in {step.op.name for step in part.steps})
        assert [x.tolist() for x in cut.inputs.values()] == [np.sin([0.5, 1.0]).tolist()]

    def test_the_smallest_part_that_fails(self):
        has = lambda name: lambda part: name in {step.op.name for step in part.steps}  # noqa: E731
        smallest = properties.simplified(diamond().needed(), has("multiply"))
        assert [step.op.name for step in smallest.steps] == ["multiply"]
        whole = diamond()
        assert properties.simplified(whole, lambda part: False) is whole
