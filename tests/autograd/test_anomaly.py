"""`detect_anomaly`: the first NaN or Inf, with the operation and the line that called it."""

import threading

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.errors import AnomalyError

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def leaf(values, name=None):
    return Tensor(values, requires_grad=True, name=name)


def complaint(f):
    """What `detect_anomaly` says of ``f``, and the place of its first line."""
    with pytest.raises(AnomalyError) as caught, ag.detect_anomaly():
        f()
    return str(caught.value), f"{__file__}:{f.__code__.co_firstlineno}"


def test_forward_names_the_operation_the_element_and_the_line():
    x = leaf([[1.0, 2.0], [-1.0, 3.0]])
    said, place = complaint(lambda: ag.log(x * 1.0))
    assert said == f"the result of log, (2, 2) float64, is nan at (1, 0); called at {place}."


def test_forward_looks_at_what_is_not_recorded_too():
    with (
        pytest.raises(AnomalyError, match=r"the result of divide, \(1,\) float64, is inf at \(0,\)"),
        ag.detect_anomaly(),
    ):
        Tensor([1.0]) / Tensor([0.0])


def test_methods_and_operators_name_the_users_line():
    x = leaf(-1.0)
    for f in (
        lambda: x.log().exp(),
        lambda: 1.0 / (x + 1.0),
        lambda: ag.std(x.log() * [1.0, 2.0]),
    ):
        said, place = complaint(f)
        assert f"called at {place}" in said


def test_backward_names_the_operation_its_argument_and_the_line():
    x = leaf([0.0, 4.0], "x")
    said, place = complaint(lambda: ag.sqrt(x).sum().backward())
    assert said == (
        f"the gradient of sqrt by x = 'x' (2,) float64 is inf at (0,); called at {place}: its value here has no finite "
        "derivative."
    )
    assert x.grad is None


def test_backward_alone_within_names_the_operation():
    x = leaf([0.0, 4.0])
    y = ag.sqrt(x)
    said, _ = complaint(lambda: y.sum().backward())
    assert said.startswith("the gradient of sqrt by x = (2,) float64 is inf at (0,): its value here has no")


def test_of_recorded_gradients():
    x = leaf(0.0)
    y = x**1.5  # its slope is 0 at 0, the slope of that is infinite
    slope = ag.gradients(y, x, create_graph=True)
    said, _ = complaint(lambda: ag.gradients(slope, x))
    assert "is inf at ()" in said


def test_the_first_one_is_told():
    x = leaf(0.0)
    with pytest.raises(AnomalyError, match=r"the result of log, \(\) float64, is -inf at \(\)"), ag.detect_anomaly():
        ag.exp(ag.log(x)) - ag.log(x)


def test_finite_values_pass_and_are_the_same():
    x = leaf([1.0, 2.0])
    with ag.detect_anomaly():
        y = ag.log(x).sum() + (x > 1.0).sum()
        y.backward()
    assert x.grad.tolist() == [1.0, 0.5]


def test_integers_are_never_anomalies():
    with ag.detect_anomaly():
        assert (Tensor([1, 2]) + 1).tolist() == [2, 3]


def test_nothing_is_looked_at_outside():
    x = leaf(0.0)
    with ag.detect_anomaly():
        pass
    y = ag.log(x)
    assert y.item() == -np.inf
    assert y.node.origin is None


def test_it_is_of_its_thread_alone():
    results = []

    def other():
        results.append(ag.log(Tensor(0.0)).item())

    with ag.detect_anomaly():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert results == [-np.inf]


def test_it_keeps_no_grad_and_scopes():
    with ag.no_grad(), ag.detect_anomaly():
        assert not (leaf(1.0) * 2.0).requires_grad
    with ag.scope("a", "A"), ag.detect_anomaly():
        assert (leaf(1.0) * 2.0).node.scope == (("a", "A"),)
