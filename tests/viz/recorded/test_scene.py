"""What a picture shows: names, roles, sockets, gradients, modules."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.formula.derivation import explain
from glassgrad.viz.graph.picture import draw_graph
from glassgrad.viz.recorded.scene import Scene

T = ag.Tensor


def parameter(value, name=None, **options):
    return T(value, requires_grad=True, name=name, **options)


def names(scene):
    return [card.name for card in scene.cards]


def by_name(scene):
    return {card.name: card for card in scene.cards}


@pytest.fixture
def neuron():
    """L = (σ(w·x + b) - y)²."""
    w, x, b, y = (parameter(v) for v in (2.0, 1.0, -1.0, 1.0))
    u = w * x
    z = u + b
    a = ag.sigmoid(z)
    d = a - y
    loss = d**2
    return {"w": w, "x": x, "b": b, "y": y, "u": u, "z": z, "a": a, "d": d, "L": loss}


class TestNames:
    def test_locals_name_every_tensor_by_its_variable(self, neuron):
        scene = Scene(neuron["L"], names=neuron | {"other": 3, "list": [1]})
        assert names(scene) == ["w", "x", "u", "b", "z", "a", "y", "d", "L"]

    def test_a_name_given_for_the_picture_comes_before_the_tensors_own(self):
        x = parameter(2.0, name="speed")
        assert names(Scene(x * x, names={"v": x})) == ["v", "L"]

    def test_by_role_and_order(self):
        net = nn.MLP([2, 3, 2], seed=0)
        x, y = T([[1.0, 2.0]], dtype="float32"), T([[1.0, 0.0]], dtype="float32")
        scene = Scene(ag.squared_error(ag.tanh(net(x)), y))
        assert names(scene) == ["x", "W1", "b1", "z1", "a1", "W2", "b2", "z2", "a2", "y", "L"]
        assert by_name(scene)["W1"].path == "layers.0.weight"

    @pytest.mark.parametrize(
        ("y", "expected"),
        [
            (  # a product and its bias make one layer
                lambda: ag.sum(ag.relu(T([[1.0, 2.0]]) @ parameter(np.eye(2)) + parameter([0.0, 1.0]))),
                ["x", "W1", "t1", "θ1", "z1", "a1", "L"],
            ),
            (lambda: parameter(1.0, name="σ") * parameter(2.0, name="σ"), ["σ", "σ_2", "L"]),
            (lambda: ag.sin(ag.cos(parameter(1.0, name="t1"))), ["t1", "t2", "L"]),  # not that of a leaf
            (lambda: ag.sum(parameter(np.eye(2), name="a") @ ag.eye(2)), ["a", "I", "z1", "L"]),
            (lambda: ag.exp(parameter([1.0, 2.0], "x")) * T([1.0, 1.0]), ["x", "t1", "1", "t2"]),
        ],
    )
    def test_of_each_kind(self, y, expected):
        scene = Scene(y())
        assert names(scene) == expected
        assert len({card.key for card in scene.cards}) == len(expected)

    def test_several_outputs(self):
        x = parameter(1.0, name="x")
        scene = Scene([ag.sin(x), ag.cos(x)], gradients=True)
        assert names(scene) == ["x", "L1", "L2"]
        assert scene.end == "(L1 + L2)"
        assert float(by_name(scene)["x"].gradient) == pytest.approx(np.cos(1) - np.sin(1))


class TestRoles:
    def test_of_leaves_and_the_end(self, neuron):
        roles = {c.name: c.role for c in Scene(neuron["L"], names=neuron).cards}
        assert roles == dict.fromkeys("wxby", "param") | dict.fromkeys("uzad", "op") | {"L": "loss"}

    def test_as_the_user_says(self, neuron):
        scene = Scene(neuron["L"], names=neuron, inputs=[neuron["x"]], targets=neuron["y"])
        roles = {c.name: c.role for c in scene.cards}
        assert (roles["x"], roles["y"], roles["w"]) == ("input", "target", "param")

    @pytest.mark.parametrize(
        "loss",
        [
            lambda z: ag.cross_entropy(z, [0, 1]),
            lambda z: ag.cross_entropy(z, np.eye(2)),
            lambda z: ag.squared_error(z, T(np.eye(2))),
        ],
    )
    def test_the_second_argument_of_a_loss_is_the_target(self, loss):
        w = parameter(np.eye(2))
        scene = Scene(loss(T([[1.0, 2.0], [3.0, 4.0]]) @ w))
        assert [c.role for c in scene.cards if c.node is None] == ["input", "param", "target"]

    def test_a_constant_inside_is_an_input(self):
        w = parameter([1.0, 2.0])
        assert by_name(Scene(ag.sum(ag.exp(w - T([1.0, 1.0])) * w)))["1"].role == "input"

    def test_an_output_that_is_no_scalar_is_no_loss(self):
        assert Scene(parameter([1.0, 2.0]) * 2.0).cards[-1].role == "op"

    def test_numbers_have_no_card_and_arrays_one(self):
        w = parameter([1.0, 2.0])
        c = np.array([3.0, 4.0])
        scene = Scene(ag.sum(w * c * 2.0 + c), names={"c": c})
        assert names(scene).count("c") == 1
        assert len(by_name(scene)["c"].uses) == 2
        assert len([c for c in scene.cards if c.node is None]) == 2


class TestGradients:
    def test_none_before_backward_and_then_of_themselves(self, neuron):
        assert not Scene(neuron["L"]).computed
        neuron["L"].backward()
        scene = Scene(neuron["L"], names=neuron)
        assert scene.computed
        assert float(by_name(scene)["w"].gradient) == pytest.approx(float(neuron["w"].grad))
        assert not Scene(neuron["L"], gradients=False).computed

    def test_an_addend_for_each_use(self):
        x = parameter(3.0, name="x")
        q = x * x
        scene = Scene(q + x, names={"q": q}, gradients=True)
        card = by_name(scene)["x"]
        assert [float(use.contribution) for use in card.addends] == [3, 3, 1]
        assert [use.mark for use in card.addends] == ["(left)", "(right)", ""]
        assert float(card.gradient) == 7

    def test_upstream_times_local_is_the_contribution(self, neuron):
        scene = Scene(neuron["L"], names=neuron, gradients=True)
        for card in scene.cards:
            for socket in card.sockets:
                assert float(card.gradient) * float(socket.local.value) == pytest.approx(float(socket.contribution))

    def test_a_vector_needs_its_upstream_gradient(self):
        y = parameter([1.0, 2.0]) * 2.0
        assert Scene(y, gradients=np.array([1.0, 10.0])).cards[0].gradient.tolist() == [2, 20]
        assert Scene([y], gradients=[T([1.0, 10.0])]).cards[0].gradient.tolist() == [2, 20]

    def test_an_operand_without_gradient_passes_none(self):
        x, w = T([1.0, 2.0]), parameter([3.0, 4.0])
        first, second = Scene(ag.sum(x * w), gradients=True).cards[2].sockets
        assert not first.passes
        assert first.contribution is None
        assert second.passes

    def test_slopes_only_where_an_operation_works_entry_by_entry(self):
        x = parameter([[0.5, 1.0], [2.0, -1.0]])
        assert Scene(ag.sigmoid(x)).cards[-1].sockets[0].slope.text == "a1 × (1 - a1)"
        assert Scene(ag.softmax(x)).cards[-1].sockets[0].slope is None
        assert Scene(x.T).cards[-1].sockets[0].slope is None
        assert Scene(x * x).cards[-1].sockets[0].slope is None


class TestShape:
    def test_scalar_graphs_are_written_with_dots(self, neuron):
        assert Scene(neuron["L"], names=neuron).expression(60) == "(σ(w·x + b) - y)²"
        assert Scene(neuron["L"], names=neuron).expression(10) is None
        assert not Scene(ag.sum(parameter([1.0]))).scalar

    def test_modules_and_their_calls(self):
        layer = nn.Linear(2, 2, seed=0)
        net = nn.Sequential(layer, nn.Sigmoid(), nn.Linear(2, 2, seed=1))
        scene = Scene(ag.sum(net(T([[1.0, 2.0]], dtype="float32"))))
        calls = [call for call in scene.tree.opened() if call.is_module]
        assert [call.label for call in calls] == ["Linear", "Sigmoid", "Linear"]
        assert [card.name for card in scene.cards if card.group is calls[0]] == ["W1", "b1", "z1"]

    def test_a_parameter_of_two_calls_belongs_to_none(self):
        layer = nn.Linear(2, 2, seed=0)
        x = T([[1.0, 2.0]], dtype="float32")
        scene = Scene(ag.sum(layer(ag.tanh(layer(x)))))
        assert [call.call for call in scene.tree.opened() if call.is_module] == [1, 2]
        assert [c.group for c in scene.cards if c.role == "param"] == [None, None]


def test_a_sum_within_a_layer_is_bracketed():
    weight = ag.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="W")
    bias = ag.Tensor([0.0, 1.0], requires_grad=True, name="b")
    once = ag.linear(ag.Tensor([[1.0, 1.0]], name="x"), weight, bias)
    assert Scene([ag.linear(once, weight, bias).sum()]).expression(60) == "sum((x·Wᵀ + b)·Wᵀ + b)"


class TestConstants:
    """A constant without a name is called by its value, in formulas, titles and cards."""

    def title(self, y, **options):
        return draw_graph(y, gradients=True, **options).title

    @pytest.mark.parametrize(
        ("y", "said"),
        [
            (lambda w, v: (w * T(3.0, name="x") - T(1.0)) ** 2, "(w·x - 1)²"),
            (lambda w, v: w * T(-0.5), "w·(-0.5)"),
            (lambda w, v: T(1.0) / w + T(1.0), "1 / w + 1"),
            (lambda w, v: w * T(0.0, name="y") + T(1.0), "w·y + 1"),  # which is 1 - y by chance
            (lambda w, v: ag.sum(T([[1.0, 1.0]]) @ v.T), "sum(x·vᵀ)"),  # data
            (lambda w, v: ag.mean((v - np.ones((1, 2))) ** 2), "mean((v - 1)²)"),
            (lambda w, v: ag.sum(ag.gradients(ag.exp(v), v, T([[1.0, 1.0]]), create_graph=True)), "sum(exp(v) × 1)"),
        ],
    )
    def test_by_what_it_is(self, y, said):
        assert self.title(y(parameter(2.0, "w"), parameter([[1.0, 2.0]], "v"))) == f"L = {said}"

    def test_names_and_roles_that_were_given_stay(self):
        w, y = parameter(2.0, "w"), T(1.0)
        assert self.title((w - y) ** 2, names={"y": y}) == "L = (w - y)²"
        assert self.title((w - y) ** 2, targets=[y]) == "L = (w - y)²"
        assert self.title((w * y) ** 2, inputs=[y]) == "L = (w·x)²"

    @pytest.mark.parametrize("shape", [(), (3,)])
    def test_one_minus_y_is_itself(self, shape):
        p, y = parameter(np.full(shape, 0.3), "p"), T(np.resize([1.0, 0.0], shape), name="y")
        loss = ag.sum(y * ag.log(p) + (1 - y) * ag.log(1 - p))
        assert "(1 - y)" in self.title(loss)
        assert "x" not in self.title(loss).replace("×", "")
        assert explain(loss, wrt=p).check.confirmed


def test_the_expression_of_a_graph_keeps_brackets_and_axes_where_shapes_change():
    x, w, v = (T(np.ones(shape), requires_grad=True, name=n) for n, shape in (("x", (3,)), ("w", (2, 3)), ("v", (3,))))
    product = ag.sum((w @ ag.expand_dims(v * x, 1)) ** 2)
    assert Scene(product).expression(80) == "sum((w·(v × x as (3, 1)))²)"
    difference = nn.functional.mse_loss(x + v, T(np.zeros(3), name="y"))
    assert Scene(difference).expression(80) == "mean((x + v - y)²)"
    pairs = ag.exp(ag.expand_dims(x, 1) - ag.expand_dims(x, 0))
    scene = Scene(ag.sum(pairs))
    assert scene.expression(80) == "sum(exp((x as (3, 1)) - (x as (1, 3))))"
    formulas = [scene.formula(card).text for card in scene.cards if card.name in ("t1", "t2")]
    assert formulas == ["x as (3, 1)", "x as (1, 3)"]


def test_gradients_of_outputs_whose_shape_has_changed_are_refused():
    w, b = ag.Tensor(2.0, requires_grad=True, name="w"), ag.Tensor(1.0, requires_grad=True, name="b")
    y = (w * 3.0 + b) ** 2
    w.data = np.ones(3)
    assert not Scene(y).computed
    for gradients in (True, 1.0):
        with pytest.raises(DrawingError, match=r"an output of shape \(\) has shape \(3,\) now; compute it again"):
            Scene(y, gradients=gradients)
    with pytest.raises(DrawingError, match="compute it again"):
        explain(y, wrt="b")


def test_one_gradient_may_be_a_list_of_numbers():
    x = ag.Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    for gradients in ([[1.0, 3.0]], ag.Tensor([[1.0, 3.0]]), [ag.Tensor([[1.0, 3.0]])]):
        assert Scene(x * x, gradients=gradients).seen.gradients[x].tolist() == [[2.0, 12.0]]
