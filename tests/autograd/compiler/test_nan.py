"""NaN in operations that choose: its value and its gradient are the same in all readings."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from tests.autograd.compiler.targets.c.native import needs_compiler
from tests.autograd.compiler.targets.node import Case, faults, needs_node
from tests.sampling import waiting

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

X = np.array([np.nan, -2.0, 0.0, 0.5, np.nan, 3.0])
Y = np.array([1.0, np.nan, 0.0, 1.0, np.nan, 2.0])

# An operation, and the derivatives with respect to the elements of X.
RULES = {
    "relu": (ag.relu, [1, 0, 0, 1, 1, 1]),
    "leaky_relu": (ag.leaky_relu, [0.01, 0.01, 0.01, 1, 0.01, 1]),
    "clip": (lambda x: ag.clip(x, -1.0, 1.0), [0, 0, 1, 1, 0, 0]),
    "clip from": (lambda x: ag.clip(x, min=0.0), [0, 0, 1, 1, 0, 1]),
    "clip to": (lambda x: ag.clip(x, max=1.0), [0, 1, 1, 1, 0, 0]),
    "clip by arrays": (lambda x: ag.clip(x, Y, ag.asarray(Y) + 1.0), [0, 0, 1, 0, 0, 1]),
    "abs": (ag.abs, [np.nan, -1, 0, 1, np.nan, 1]),
    "sign": (ag.sign, [0, 0, 0, 0, 0, 0]),
    "maximum": (lambda x: ag.maximum(x, Y), [1, 1, 0.5, 0, 1, 1]),
    "minimum": (lambda x: ag.minimum(x, Y), [1, 1, 0.5, 1, 1, 0]),
    "max": (lambda x: ag.max(x, axis=-1), [np.nan] * 6),
    "min": (lambda x: ag.min(x, axis=-1), [np.nan] * 6),
    "sort": (lambda x: ag.sort(x) * np.arange(1.0, 7.0), [5, 1, 2, 3, 6, 4]),
}


def step(operation):
    return ag.value_and_grad(lambda x: ag.sum(operation(x)))


@pytest.fixture(params=RULES)
def rule(request):
    return RULES[request.param]


@pytest.mark.parametrize("dtype", ["float64", waiting("float32")])
@pytest.mark.parametrize("target", ["eager", "numpy", pytest.param("c", marks=needs_compiler)])
@pytest.mark.parametrize("rows", [1, 2000])  # many elements are chosen in another way
def test_the_gradient_of_nan(rule, rows, target, dtype):
    operation, slopes = rule
    if target == "c" and rule is RULES["sort"]:
        pytest.skip("C has no sorting")
    function = step(operation) if target == "eager" else ag.compile(step(operation), target=target)
    value, gradient = function(ag.asarray(np.tile(X, (rows, 1)), dtype=dtype))
    assert np.isnan(value.item())
    np.testing.assert_allclose(gradient.numpy(), np.tile(slopes, (rows, 1)), rtol=1e-6)


@needs_node
def test_the_gradient_of_nan_in_javascript(tmp_path):
    programs = {}
    for name, (operation, _) in RULES.items():
        if name != "sort":  # JavaScript has no sorting
            programs[name] = ag.trace(step(operation), ag.asarray(X))
    cases = [Case(name, program, program.javascript(), [[X]]) for name, program in programs.items()]
    assert not faults(cases, tmp_path)
    for case in cases:
        np.testing.assert_allclose(case.results[0][1], RULES[case.name][1])
