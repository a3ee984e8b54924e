"""Graphs through transforms as graphs of values and tangents, and of all examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.recorded.scene import Scene
from tests.declared import declared

RNG = np.random.default_rng(0)
W = ag.Tensor(RNG.normal(size=(2, 2)), requires_grad=True, name="W")
XS = ag.Tensor(RNG.normal(size=(2, 2)), requires_grad=True, name="xs")
NET = nn.Sequential(nn.Linear(2, 3, dtype="float64"), nn.Tanh(), nn.Linear(3, 1, dtype="float64"))


halving = declared(lambda xp, x: x / 2, "halving", {"text": "halving({x})"}, x=lambda g: g / 2)


def bent(w: Any, x: Any = XS) -> Any:
    return ag.sum(ag.tanh(w @ x))


MADE: dict[str, Callable[[], Any]] = {
    "jvp": lambda: ag.jvp(bent, (W,), (XS,))[1],
    "jvp of an operation of one's own": lambda: ag.jvp(halving, (XS,), (XS,))[1],
    "jvp of a module": lambda: ag.jvp(lambda x: ag.sum(NET(x)), (XS,), (XS,))[1],
    "jvp of jvp": lambda: ag.jvp(lambda w: ag.jvp(bent, (w,), (XS,))[1], (W,), (XS,))[1],
    "jvp of grad": lambda: ag.jvp(ag.grad(bent), (W,), (XS,))[1],
    "grad of jvp": lambda: ag.grad(lambda w: ag.jvp(bent, (w,), (XS,))[1])(W),
    "vmap": lambda: ag.vmap(lambda x: bent(W, x))(XS),
    "vmap of grad": lambda: ag.vmap(ag.grad(bent), in_axes=(None, 0))(W, XS),
    "vmap of an inverse": lambda: ag.vmap(lambda x: ag.sum(ag.linalg.inv(W * x)))(XS),
    "hessian": lambda: ag.hessian(lambda x: bent(W, x))(XS[0]),
}


@pytest.mark.parametrize("name", MADE)
def test_picture_has_the_values_and_gradients_of_the_engine(name: str) -> None:
    y = MADE[name]()
    scene = Scene(y, gradients=ag.ones_like(y.detach()))
    (end,) = (card for card in scene.cards if card.place in scene.ends)
    assert_allclose(end.value, y.data, rtol=1e-12)
    leaves = [card for card in scene.cards if card.node is None and card.gradient is not None]
    expected = ag.gradients([y], [card.place for card in leaves], [ag.ones_like(y.detach())])
    for card, gradient in zip(leaves, expected, strict=True):
        assert_allclose(card.gradient, gradient.data, rtol=1e-9, atol=1e-12)


def test_tangents_are_named_after_their_values() -> None:
    x = ag.Tensor(0.5, requires_grad=True, name="x")

    def f(x: Any) -> Any:
        y = ag.sin(x)
        y.name = "y"
        return y * 2.0

    _, slope = ag.jvp(f, (x,), (1.0,))
    assert [card.name for card in Scene(slope).cards] == ["x", "t2", "ẋ", "ẏ", "ṫ1"]
    assert viz.draw_graph(slope, gradients=False).title == "ṫ1 = ẋ·cos(x)·2"
    assert viz.draw_graph(slope, names={"slope": slope}).title.startswith("slope = ")
    assert "checked: " in str(viz.explain(slope, wrt=x))
    x.data = np.array(0.7)
    assert "ṫ1 was" in " ".join(Scene(slope).notice)


def test_loop_within_a_transform_is_refused() -> None:
    def last(w: Any) -> Any:
        return ag.scan(lambda c, x: (ag.tanh(w @ c) + x, c), ag.ones(2), ag.ones((3, 2)))[0]

    with pytest.raises(DrawingError, match=r"scan_packed within the function of a transform such as jvp"):
        viz.draw_graph(ag.jvp(last, (W,), (XS,))[1])


def hooked(a: Any) -> Any:
    b = a * W
    b.register_hook(lambda g: 10.0 * g)
    return ag.sum(ag.sin(b))


@pytest.mark.parametrize("y", [lambda: hooked(XS), lambda: ag.jvp(hooked, (XS,), (W,))[1]], ids=["plain", "jvp"])
def test_picture_says_that_it_calls_no_hooks(y: Callable[[], Any]) -> None:
    assert "gradients are those without the hooks of" in " ".join(Scene(y(), gradients=True).notice)
    assert not Scene(y(), gradients=False).notice


CHOICES: list[tuple[Callable[[Any], Any], list[str]]] = [
    (lambda x: ag.where(x > 0, x * x, 0.0).sum(), ["mask"]),
    (lambda x: ag.where(x[0] > 0, x[0], 0.0), ["L"]),
    (lambda x: x[x > 0].sum(), ["t1"]),
    (lambda x: ag.jvp(ag.relu, (x,), (x,))[1].sum(), ["mask"]),
    (lambda x: ag.jvp(lambda x: ag.sin(x).sum(), (x,), (x,))[1], []),
]


@pytest.mark.parametrize(("function", "named"), CHOICES)
def test_page_names_the_masks_and_positions_that_do_not_follow(function: Any, named: list[str]) -> None:
    y = function(ag.Tensor([0.5, 0.25], requires_grad=True, name="x"))
    assert Scene(y).choices == named
    assert ("kept as recorded, as masks such as" in viz.step_through(y).html) == bool(named)
