"""Calls that are drawn: of what was declared, and of what is assumed of an operation of one's own."""

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DeclarationError
from glassgrad.autograd.testing import Domain, array, axes, axis, declare
from glassgrad.autograd.testing.declarations import REAL, declaration_of
from glassgrad.autograd.testing.strategies import calls_of, differentiable_operations, filled
from tests.declared import declared
from tests.operations import cases


def drawn(op, count=60):
    """Some calls of an operation, the same at every run."""
    found = []

    @settings(max_examples=count, derandomize=True, database=None)
    @given(cases(declaration_of(op)))
    def look(case):
        found.append(case)

    look()
    return found


def operation(forward, *, name="mine", rules=("x",), **options):
    return declared(forward, name, options, **dict.fromkeys(rules, lambda g: g))


def test_small_round_numbers_come_first():
    assert find(filled((), Domain(only=(-2.25, 1.0, -1.0, 0.5, 3.0))), lambda x: x != 0.5) == 1.0


class TestAssumed:
    def test_arrays_broadcast_if_the_operation_is_declared_so(self):
        between = operation(lambda xp, x, y: 0.5 * (x + y), broadcasts=True)
        assert any(case.arrays[0].shape != case.arrays[1].shape for case in drawn(between))

    def test_else_they_are_of_one_shape(self):
        middle = operation(lambda xp, *arrays: sum(arrays[1:], arrays[0]), rules=("arrays",))
        found = drawn(middle)
        assert all(len({x.shape for x in case.arrays}) == 1 for case in found)
        assert {len(case.arrays) for case in found} == {1, 2, 3}
        assert middle in differentiable_operations()

    def test_parameters_are_varied(self):
        def forward(xp, x, *, axis=-1, keepdims=False, eps=0.5, power=2, reduction="mean"):
            return x

        found = [case.params for case in drawn(operation(forward), 300)]
        assert {-3, -1, 0, 2} <= {params["axis"] for params in found}
        assert {params["keepdims"] for params in found} == {True, False}
        assert {params["eps"] for params in found} == {0.25, 0.5, 1.0}
        assert {params["power"] for params in found} == {1, 2, 3}
        assert all("reduction" not in params for params in found)
        assert declaration_of(ag.OPS["forward" if "forward" in ag.OPS else "mine"]).fixed == ["reduction"]

    def test_axis_none_means_all_of_them_or_some(self):
        found = {case.params["axis"] for case in drawn(operation(lambda xp, x, *, axis=None: x), 100)}
        assert None in found
        assert any(isinstance(a, tuple) and len(a) > 1 and min(a) < 0 for a in found)
        assert any(isinstance(a, int) and a < 0 for a in found)

    def test_an_argument_that_may_be_left_out(self):
        scaled = operation(lambda xp, x, scale=None: x if scale is None else x * scale)
        assert {len(case.arrays) for case in drawn(scaled)} == {1, 2}

    def test_a_parameter_without_a_default_must_be_declared(self):
        scaled = operation(lambda xp, x, *, by: by * x, name="scaled")
        assert scaled not in differentiable_operations()
        with pytest.raises(
            DeclarationError,
            match=r"scaled needs by, and nothing says which values to give: declare it once with "
            r"autograd\.testing\.declare\(scaled, by=<a Hypothesis strategy>\)",
        ):
            declaration_of(scaled)


class TestDeclared:
    def test_dots_are_the_same_axes_everywhere(self):
        op = operation(lambda xp, x, y: x)
        declare(op, x="... k", y="... k m")
        for (x, y), _ in drawn(op):
            assert x.shape == y.shape[:-1]

    def test_dots_broadcast_where_the_operation_does(self):
        op = operation(lambda xp, x, y: x, broadcasts=True)
        declare(op, x="... k", y="... k")
        found = [tuple(x.shape for x in case.arrays) for case in drawn(op)]
        assert all(a[-1] == b[-1] for a, b in found)
        assert any(a != b for a, b in found)

    def test_distinct_elements(self):
        op = operation(lambda xp, x, y: x)
        declare(op, x=array("n k", distinct=True), y="n")
        for (x, _), _ in drawn(op):
            assert (np.diff(np.sort(x.reshape(-1))) > 0.03).all()

    def test_an_axis_of_one_argument(self):
        op = operation(lambda xp, x, y, *, axis, others: x)
        declare(op, x="n", y="n k", axis=axis("y"), others=axes("y", none=False))
        found = [case.params for case in drawn(op)]
        assert {params["axis"] for params in found} == {-2, -1, 0, 1}
        assert None not in {params["others"] for params in found}

    def test_a_parameter_that_depends_on_an_argument(self):
        op = operation(lambda xp, x, *, k, twice: x)
        declare(op, x="n", k=lambda x: st.integers(0, x.shape[0] - 1), twice=lambda k: st.just(2 * k))
        for (x,), params in drawn(op):
            assert params["k"] < x.shape[0]
            assert params["twice"] == 2 * params["k"]

    def test_whole_calls(self):
        op = operation(lambda xp, x, *, k: x)
        declare(op, st.just(((np.ones(3),), {"k": 7})))
        (arrays, params), *_ = drawn(op, 2)
        assert (arrays[0].tolist(), params) == ([1.0, 1.0, 1.0], {"k": 7})

    def test_an_operation_declared_anew_is_another(self):
        declare(operation(lambda xp, x, *, k: x), k=3)
        again = operation(lambda xp, x: x)
        assert all(case.params == {} for case in drawn(again, 3))


class TestCorners:
    """Calls in which rules go wrong."""

    def calls(self, op, kind, count=40):
        found = []

        @settings(max_examples=count, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
        @given(calls_of(declaration_of(op), kind))
        def look(call):
            found.append(call)

        look()
        return found

    def test_a_wide_vector_has_every_special_number(self):
        op = operation(lambda xp, x, y: x, broadcasts=True, rules=("x", "y"))
        for call in self.calls(op, "wide", 5):
            for x in call.inputs.values():
                assert set(REAL.special) <= set(x.tolist())

    def test_one_tensor_for_two_arguments(self):
        op = operation(lambda xp, x, y: x, rules=("x", "y"))
        assert all(
            call.steps[0].args == ("x0", "x0") and list(call.inputs) == ["x0"] for call in self.calls(op, "same")
        )
        declare(op, x="n k", y="k m")
        assert all(len(call.inputs) == 1 for call in self.calls(op, "same"))

    def test_special_numbers_in_small_arrays_with_ties(self):
        op = operation(lambda xp, x: x)
        drawn = [call.inputs["x0"] for call in self.calls(op, "small", 100)]
        assert len({x for array in drawn for x in np.ravel(array).tolist()} & set(REAL.special)) > 15
        assert any(len(set(np.ravel(array).tolist())) < np.size(array) for array in drawn)


def test_no_operation():
    with pytest.raises(DeclarationError, match=r"'nothing' is not a registered operation: give one"):
        declare("nothing", x="n")
