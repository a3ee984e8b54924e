"""`detect_anomaly`: the first NaN or Inf, with the operation and the line that called it."""

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd import Tensor
from glassgrad.autograd.errors import AnomalyError

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


def test_methods_and_operators_name_the_users_line():
    x = leaf(-1.0)
    for f in (
        lambda: x.log().exp(),  # the first bad value is reported
        lambda: 1.0 / (x + 1.0),
        lambda: ag.std(x.log() * [1.0, 2.0]),
        lambda: 1.0 / Tensor(0.0),  # is not recorded
    ):
        said, place = complaint(f)
        assert said.startswith(
            ("the result of log, () float64, is nan at ()", "the result of divide, () float64, is inf")
        )
        assert f"called at {place}" in said


def test_backward_names_the_operation_its_argument_and_the_line():
    x = leaf([0.0, 4.0], "x")
    said, place = complaint(lambda: ag.sqrt(x).sum().backward())
    assert said == (
        f"the gradient of sqrt with respect to x = 'x' (2,) float64 is inf at (0,); called at {place}: it has no "
        "finite derivative here, or a sum of gradients overflowed, or a hook or caller of backward gave it."
    )
    assert x.grad is None


def test_an_operation_that_a_rule_calls_has_the_users_line():
    x = ag.Tensor(0.0, requires_grad=True)
    y = ag.sqrt(x)
    with ag.detect_anomaly(), pytest.raises(AnomalyError, match=rf"the result of xdivy.* called at {__file__}:\d+"):
        ag.gradients(y, x, create_graph=True)


def test_backward_alone_within_names_the_operation():
    x = leaf([0.0, 4.0])
    y = ag.sqrt(x)
    said, _ = complaint(lambda: y.sum().backward())
    assert said.startswith(
        "the gradient of sqrt with respect to x = (2,) float64 is inf at (0,); called at an unknown "
    )
    assert "line (run the forward within detect_anomaly, too)" in said


def line_of(f, ahead):
    """The place of a line of ``f``, that many below its first."""
    return f"{__file__}:{f.__code__.co_firstlineno + ahead}"


def test_inside_a_layer_the_message_names_the_users_line_and_the_module():
    net = nn.Sequential(nn.Linear(1, 2, seed=0), nn.Linear(2, 1, seed=0))
    net[1].weight.data[0, 0] = np.nan
    said, place = complaint(lambda: net(Tensor([[1.0]])))
    assert said.startswith("the result of linear, (1, 1) float")
    assert said.endswith(f", is nan at (0, 0); called at {place}, in Linear '1'.")


def twice(u):
    return u * 1e308 + u * 1e308


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            lambda y, x: (y.register_hook(lambda g: g.data / 0.0), y.sum().backward()),
            "the gradient of exp with respect to x",
        ),
        (lambda y, x: twice(y - y.detach()).sum().backward(), "the gradient of multiply with respect to x = (2,)"),
    ],
    ids=["a hook's", "a sum"],
)
def test_gradients_that_no_rule_made(run, said):
    x = leaf([1.0, 2.0], "x")
    y = ag.exp(x)
    with pytest.raises(AnomalyError, match=re.escape(said)), ag.detect_anomaly():
        run(y, x)
    assert x.grad is None


def test_finite_values_and_integers_pass_and_are_the_same():
    x = leaf([1.0, 2.0])
    with ag.detect_anomaly(), ag.scope("a", "A"):
        y = ag.log(x).sum() + (x > 1.0).sum()
        y.backward()
        assert y.node.scope == (("a", "A"),)
    assert x.grad.tolist() == [1.0, 0.5]
    z = ag.log(0.0 * x)  # outside of the context nothing is checked
    assert (z.tolist(), z.node.origin) == ([-np.inf, -np.inf], None)


NOTE = "A rule of broken 'y' (2,) float64 raised it, or its gradient does not fit"


def test_the_error_of_a_rule_names_the_operation_and_the_line():
    @ag.op("h")
    def broken(xp, x):
        return x * x

    def rule(g, x):
        raise KeyError("w")

    broken.vjp(x=rule)
    x = leaf([1.0, 2.0], "x")

    def loss():
        y = broken(x)
        y.name = "y"
        return y.sum()

    try:
        with pytest.raises(KeyError) as caught:
            loss().backward()
        assert caught.value.__notes__ == [f"{NOTE}."]
        with pytest.raises(KeyError) as caught, ag.detect_anomaly():
            loss().backward()
        assert caught.value.__notes__ == [f"{NOTE}; called at {line_of(loss, 1)}."]
        with pytest.raises(KeyError) as caught:
            viz.step_through(loss())
        assert NOTE in caught.value.__notes__[0]
    finally:
        del ag.OPS["broken"], ag.backends.FORWARDS["broken"]
