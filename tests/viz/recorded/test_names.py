"""Names of a graph's values: constants read as their numbers, derivatives of derivatives as such."""

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz import explain, summary
from glassgrad.viz.recorded.loops import Recurrence
from glassgrad.viz.recorded.names import Names, derivative
from glassgrad.viz.recorded.rows import rows_of
from glassgrad.viz.recorded.scene import Scene


def test_the_number_is_that_of_the_tensor_wherever_it_stands() -> None:
    w = ag.Tensor(2.0, requires_grad=True, name="w")
    scene = Scene(ag.Tensor(0.5) * (ag.Tensor(1.0) - w) / ag.Tensor(-3.0))
    assert scene.expression(80) == "0.5·(1 - w) / (-3)"


def test_a_constant_beside_an_input_is_no_second_input() -> None:
    x = ag.Tensor([[1.0, -1.0]], requires_grad=True, name="x")
    turned = ag.Tensor([[1.0, 2.0], [3.0, 4.0]]).T
    for row in (ag.Tensor([1.0, 2.0]), np.array([1.0, 2.0])):
        cards = Scene(((x @ turned) * row).sum()).cards
        assert {card.name for card in cards} == {"x", "A", "z1", "c", "t1", "L"}


@pytest.mark.parametrize(
    ("of", "by", "text", "tex"),
    [
        ("L", "w", "∂L/∂w", r"\frac{\partial L}{\partial w}"),
        ("∂y/∂x", "x", "∂²y/∂x²", r"\frac{\partial^{2} y}{\partial x^{2}}"),
        ("∂y/∂x", "w", "∂²y/∂x∂w", r"\frac{\partial^{2} y}{\partial x \, \partial w}"),
        ("∂²y/∂x²", "x", "∂³y/∂x³", r"\frac{\partial^{3} y}{\partial x^{3}}"),
        ("∂²y/∂x∂w", "w", "∂³y/∂x∂w²", r"\frac{\partial^{3} y}{\partial x \, \partial w^{2}}"),
    ],
)
def test_a_derivative_of_a_derivative_is_of_the_next_order(of: str, by: str, text: str, tex: str) -> None:
    assert derivative(of, by) == text
    assert derivative(of, by, tex=True) == tex


def test_a_second_derivative_is_named_after_its_values() -> None:
    x = ag.Tensor(1.5, requires_grad=True, name="x")
    y = ag.sin(x) * x**3
    y.name = "y"
    slope = ag.gradients(y, x, create_graph=True)
    assert slope.name == "∂y/∂x"
    told = explain(slope, wrt=x)
    assert told.text.startswith("∂²y/∂x² = 6.566")
    assert "1·t2" in told.text  # the seed
    assert r"\frac{\partial^{2} y}{\partial x^{2}}" in told.latex
    np.testing.assert_allclose(told.backward[-1].right.value, told.gradient)


def test_gradients_that_are_not_recorded_or_have_names_are_not_named() -> None:
    x = ag.Tensor(1.5, requires_grad=True, name="x")
    y = x**3
    assert ag.gradients(y, x, create_graph=True).name is None  # nobody has named y
    y.name = "y"
    assert ag.gradients(y, x).name is None
    seed = ag.Tensor(2.0, requires_grad=True, name="seed")
    total = x + 1
    total.name = "total"
    ag.gradients(total, x, seed, create_graph=True)
    assert seed.name == "seed"


def test_the_results_of_a_loop_have_names_and_shapes_of_their_own() -> None:
    x = ag.Tensor(np.sin(np.arange(30.0)).reshape(5, 2, 3), name="x")
    states, (last, cell) = nn.LSTM(3, 4, seed=0, dtype="float64")(x)
    loss = ag.sum(states**2) + ag.sum(last * cell)
    scene = Scene(loss, gradients=True)
    cards = {card.name: card for card in scene.cards}
    assert {"h0", "c0", "LSTM"} <= cards.keys()
    assert not any(name.startswith("x") and name != "x" for name in cards)
    for name, result in {"h": states, "h[5]": last[0], "c[5]": cell[0]}.items():
        assert np.array_equal(cards[name].value, result.data)
    assert np.array_equal(cards["h"].gradient, 2 * states.data)
    gates = Recurrence(cards["LSTM"].operation, scene.seen, scene.names).gates
    assert list(gates) == [*"ifgo"]
    assert np.allclose(gates["o"] * np.tanh(cell.data[0]), last.data[0])
    derived = explain(loss, wrt="weight_hh_l0").text
    assert "  ∂L/∂LSTM = ∂L/∂h[5], ∂L/∂c[5], ∂L/∂h\n" in derived
    assert f"({cards['LSTM'].value.size},)" not in derived


@pytest.mark.parametrize("norm", [nn.LayerNorm(3), nn.LayerNorm((2, 3)), nn.InstanceNorm1d(2, affine=True)])
def test_data_that_a_norm_reads_are_named_after_it_and_connected_with_it(norm: nn.Module) -> None:
    x = ag.Tensor([[[1.0, 2.0, 4.0], [3.0, 9.0, 5.0]]], name="x")
    scene = Scene(ag.sum(x + norm(x)), gradients=False)
    ((card, (root, made, _)),) = scene.views.items()
    assert (card.name, root.name, made) == ("standardize(x)", "x", "standardize")


@pytest.mark.parametrize(
    ("norm", "named"),
    [
        (nn.BatchNorm2d(4), {"centred(x)", "std(x)"}),
        (nn.GroupNorm(2, 4), {"standardize(x)"}),
        (nn.GroupNorm(1, 4), {"standardize(x)"}),
        (lambda x: ag.mean(x * 3.0, axis=0) + ag.ones(4, requires_grad=True)[:, None, None], {"x2"}),
    ],
)
def test_what_norms_of_channels_compute_of_data_is_named_after_it(norm: Any, named: set[str]) -> None:
    x = ag.Tensor(np.random.default_rng(0).normal(1.0, 2.0, size=(3, 4, 2, 2)), name="x")
    scene = Scene(ag.sum(ag.tanh(norm(x))), gradients=False)
    assert {card.name for card in scene.cards if card.role == "input"} == named


@pytest.mark.parametrize("index", [np.array([0, 2, 2]), ag.Tensor([0, 2, 2])])
def test_a_few_indices_are_written_out(index: object) -> None:
    w = ag.Tensor(np.arange(6.0), requires_grad=True, name="w")
    assert Scene(ag.sum(w[index])).expression(80) == "sum(w[[0, 2, 2]])"
    assert Scene(ag.sum(w[np.arange(20) % 6])).expression(80) == "sum(w[[(20,)]])"


@pytest.mark.parametrize("named", ["itself", "by the caller"])
def test_an_input_that_is_read_only_transposed_has_its_own_name(named: str) -> None:
    w = ag.Tensor([[1.0, 2.0]], requires_grad=True, name="w")
    x = ag.Tensor([[0.5, 1.0], [2.0, 3.0], [4.0, 1.0]], name="x" if named == "itself" else None)
    loss = ag.sum(w @ x.T)
    names = {"x": x}
    assert Scene(loss, names=names).expression(80) == "sum(w·xᵀ)"
    assert "ones(1, 3)·x\n" in explain(loss, wrt=w, names=names).text
    rows, _ = rows_of(Names(ag.Graph(loss), names))
    assert [row.title for row in rows if not row.nodes] == ["x"]


def test_the_output_of_a_layer_with_several_is_its_first() -> None:
    (layer,) = summary(nn.LSTM(4, 3, seed=0), (5, 2, 4)).layers
    assert layer.shape == (5, 2, 3)
