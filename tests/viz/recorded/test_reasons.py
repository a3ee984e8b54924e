"""The sentences that say why a gradient is what it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.viz.recorded.reasons import REASONS, reason
from glassgrad.viz.recorded.scene import Scene, Socket

A = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])


def sockets(y: ag.Tensor) -> list[Socket]:
    return [socket for card in Scene(y, gradients=True).cards for socket in card.sockets if socket.passes]


def leaf(value: Any, name: str) -> ag.Tensor:
    return ag.Tensor(value, requires_grad=True, name=name)


def test_every_sentence_is_about_a_rule() -> None:
    for key in REASONS:
        op, arg = key.split(".")
        assert arg in ag.OPS[op].rules, key


def test_a_weight_is_explained_by_what_it_multiplies() -> None:
    x, w, b = ag.Tensor(A, name="x"), leaf(A[:, :3] + 1, "W"), leaf([0.0, 1.0], "b")
    weight, bias, *_ = sockets(ag.linear(x, w, b).sum())
    assert reason(weight) == (
        "Weight (i, j) multiplies input j on its way to output i, so its gradient is upstream i times input j, summed"
        " over the 2 rows of the batch."
    )
    assert reason(bias) == "The bias is added to every row of the batch, so its gradient is the sum over the rows."


@pytest.mark.parametrize(
    ("function", "how", "grows", "so"),
    [
        (lambda x: x * 2, "multiplied by 2", "grows by 2·h", "is multiplied by 2"),
        (lambda x: x / 4.0, "divided by 4", "grows by h / 4", "is divided by 4"),
        (lambda x: x / -4.0, "divided by -4", "grows by h / (-4)", "is divided by -4"),
        (lambda x: 1 - x, "subtracted", "falls by h", "changes its sign"),
        (lambda x: x + 1, "added as it is", "grows by h", "passes unchanged"),
    ],
)
def test_between_numbers(function: Callable[[ag.Tensor], ag.Tensor], how: str, grows: str, so: str) -> None:
    (socket,) = sockets(function(leaf(2.0, "x")))
    assert reason(socket, "1") == f"x is {how}: when it grows by h, L {grows}, so the gradient {so}."


@pytest.mark.parametrize(
    ("function", "factor"),
    [
        (lambda x: x + 1, 1),
        (lambda x: 1 + x, 1),
        (lambda x: x - 2, 1),
        (lambda x: 2 - x, -1),
        (ag.negative, -1),
        (ag.positive, 1),
    ],
)
def test_a_sentence_on_a_gradient_that_passes_unchanged_or_negated_is_true(
    function: Callable[[ag.Tensor], ag.Tensor], factor: int
) -> None:
    (socket,) = sockets((function(leaf(A, "x")) * ag.Tensor(A)).sum())[:1]
    np.testing.assert_array_equal(socket.contribution, factor * socket.head.gradient)
    assert ("passes unchanged" if factor == 1 else "changes its sign") in reason(socket)


def test_an_operation_of_a_user_gets_a_sentence_from_its_local_derivative() -> None:
    cube = ag.op("cube")(_cube)
    cube.vjp(x=lambda g, x: 3 * g * x * x)
    (socket,) = sockets(cube(leaf(2.0, "x")))
    assert reason(socket, "3·x²").startswith("The local derivative of cube(x) is 3·x²: when it grows by a small h,")


def _cube(xp: Any, x: Any) -> Any:
    return x * x * x
